#![doc = include_str!("../README.md")]
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod coding;
mod description;
mod dialect;
mod error;
mod format;
mod mti;
mod standard;

pub use coding::Coding;
pub use description::{Codings, Counts, Description, FieldEntries, FieldEntry, Odd};
pub use dialect::{Dialect, DialectError, Why};
pub use error::{Fault, FieldError, ParseError};
pub use format::Format;
pub use mti::{Class, Mti};
