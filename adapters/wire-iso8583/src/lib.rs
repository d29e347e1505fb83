#![doc = include_str!("../README.md")]
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(feature = "tokio")]
extern crate std;

mod amounts;
#[cfg(feature = "standin")]
mod answers;
mod coding;
mod description;
mod dialect;
mod encode;
mod error;
#[cfg(feature = "standin")]
mod evidence;
mod format;
mod framing;
#[cfg(feature = "standin")]
mod incoming;
mod message;
mod mti;
mod original;
#[cfg(feature = "standin")]
mod outgoing;
mod pan;
mod parse;
mod particulars;
#[cfg(feature = "standin")]
mod requests;
mod secrets;
mod standard;
#[cfg(feature = "standin")]
mod stood_in;
#[cfg(feature = "tokio")]
mod stream;
mod times;
#[cfg(feature = "standin")]
mod usage;
mod values;

pub use coding::Coding;
pub use description::{Codings, Counts, Description, FieldEntries, FieldEntry, Odd};
pub use dialect::{Dialect, DialectError, Why};
pub use encode::MacPlace;
pub use error::{Fault, FieldError, ParseError};
#[cfg(feature = "standin")]
pub use evidence::EvidenceFields;
pub use format::Format;
pub use framing::{FrameDecoder, FrameError, Framing};
#[cfg(feature = "standin")]
pub use incoming::Incoming;
pub use message::Message;
pub use mti::{Class, Mti};
pub use original::OriginalData;
#[cfg(feature = "standin")]
pub use outgoing::Outgoing;
pub use pan::Pan;
pub use particulars::{ProcessingCode, ResponseCode};
#[cfg(feature = "standin")]
pub use stood_in::StoodIn;
#[cfg(feature = "tokio")]
pub use stream::{FrameReader, write_frame};
pub use times::{Expiry, MonthDay, TimeOfDay};
#[cfg(feature = "standin")]
pub use usage::{KindRule, Usage};
