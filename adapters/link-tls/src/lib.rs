#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod certificates;
mod connection;
mod dial;
mod error;
mod inbox;
mod line;
mod link;
mod listen;
mod options;

pub use error::{Ended, Error, OpenError};
pub use inbox::{Frame, Inbox, Incoming};
pub use line::Traffic;
pub use link::TlsLink;
pub use options::{Contact, Identity, Limits, Options};
