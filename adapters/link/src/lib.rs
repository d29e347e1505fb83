#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod certificates;
#[cfg(feature = "conformance")]
pub mod conformance;
mod dial;
mod error;
mod hello;
mod inbox;
mod line;
mod link;
mod listen;
mod options;
mod transport;
mod wire;

pub use certificates::Certificates;
pub use error::{Ended, Error, OpenError};
pub use hello::{read_name, write_name};
pub use inbox::{Frame, Inbox, Incoming};
pub use line::Traffic;
pub use link::Link;
pub use options::{Contact, Identity, Limits, Options};
pub use transport::{Connection, Transport};
pub use wire::{Kind, Room, Wire};
