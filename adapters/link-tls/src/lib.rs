#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod connection;
mod ended;
mod spent;
mod tls;

pub use link::{
    Contact, Ended, Error, Frame, Identity, Inbox, Incoming, Limits, OpenError, Options, Traffic,
};
pub use tls::Tls;

/// One end of a link over TCP with TLS; see [`link::Link`].
pub type TlsLink = link::Link<Tls>;
