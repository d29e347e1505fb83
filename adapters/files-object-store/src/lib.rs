#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod area;
mod error;
mod intent;
mod objects;
mod options;
mod piece;
#[cfg(feature = "s3")]
mod s3;
mod source;
mod work;

pub use error::{Error, OpenError};
pub use object_store;
pub use objects::ObjectFiles;
pub use options::{Area, Options};
#[cfg(feature = "s3")]
pub use s3::Roots;

/// What became of a [`filexfer::Work`] here.
pub type Done = ::files::Done<Error>;
