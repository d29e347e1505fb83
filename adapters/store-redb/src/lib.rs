#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod checkpoint;
mod database;
mod disk;
mod error;
#[cfg(test)]
mod faults;
mod frame;
mod group;
#[cfg(test)]
mod histories;
mod journal;
mod mark;
mod memtable;
mod number;
mod opened;
mod options;
mod queue;
mod reading;
mod record;
mod state;
mod store;

pub use error::{Damage, Error, OpenError};
pub use options::{Integrity, Options};
pub use store::{RedbStore, Report, Stats};
