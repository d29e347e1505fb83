#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod database;
mod error;
#[cfg(test)]
mod faults;
mod group;
mod mark;
mod options;
mod queue;
mod record;
mod state;
mod store;

pub use error::{Damage, Error, OpenError};
pub use options::{Integrity, Options};
pub use store::{RedbStore, Report, Stats};
