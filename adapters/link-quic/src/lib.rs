#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod connection;
mod ended;
mod quic;
mod tuning;

pub use link::{
    Contact, Ended, Error, Frame, Identity, Inbox, Incoming, Limits, OpenError, Options, Traffic,
};
pub use quic::Quic;

/// One end of a link over QUIC; see [`link::Link`].
pub type QuicLink = link::Link<Quic>;
