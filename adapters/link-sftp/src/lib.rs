#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod coverage;
mod desk;
mod error;
mod guard;
mod mailbox;
mod options;
mod path;
mod record;
mod server;
mod session;
mod status;

pub use desk::{Asked, Desk, Event};
pub use error::{Error, OpenError};
pub use mailbox::{Content, Mailbox, MailboxLimits, Whole};
pub use options::{Client, ClientKey, HostKey, Limits, Options};
pub use path::{BadPath, VirtualPath};
pub use server::SftpServer;
