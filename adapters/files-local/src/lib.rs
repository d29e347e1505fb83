#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod area;
mod direct;
mod error;
mod files;
mod folder;
mod forcing;
mod hashing;
mod options;
mod packs;
mod turns;
mod work;

pub use error::{Error, OpenError};
pub use files::LocalFiles;
pub use options::{Area, Options};
pub use packs::{PackingError, Packs, Small};
pub use work::Performed;

/// What became of a [`filexfer::Work`] here.
pub type Done = ::files::Done<Error>;
