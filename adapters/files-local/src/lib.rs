#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod area;
mod error;
mod files;
mod folder;
mod options;
mod work;

pub use ::files::Done;
pub use error::{Error, OpenError};
pub use files::LocalFiles;
pub use options::{Area, Options};
