#![doc = include_str!("../README.md")]
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(feature = "tokio")]
extern crate std;

mod amounts;
mod coding;
mod description;
mod dialect;
mod encode;
mod error;
mod format;
mod framing;
mod message;
mod mti;
mod original;
mod pan;
mod parse;
mod particulars;
mod secrets;
mod standard;
#[cfg(feature = "tokio")]
mod stream;
mod times;
mod values;

pub use coding::Coding;
pub use description::{Codings, Counts, Description, FieldEntries, FieldEntry, Odd};
pub use dialect::{Dialect, DialectError, Why};
pub use encode::MacPlace;
pub use error::{Fault, FieldError, ParseError};
pub use format::Format;
pub use framing::{FrameDecoder, FrameError, Framing};
pub use message::Message;
pub use mti::{Class, Mti};
pub use original::OriginalData;
pub use pan::Pan;
pub use particulars::{ProcessingCode, ResponseCode};
#[cfg(feature = "tokio")]
pub use stream::{FrameReader, write_frame};
pub use times::{Expiry, MonthDay, TimeOfDay};
