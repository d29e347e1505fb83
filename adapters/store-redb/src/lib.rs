#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod database;
mod error;
#[cfg(test)]
mod faults;
mod frame;
mod group;
#[cfg(test)]
mod histories;
mod journal;
mod mark;
mod opened;
mod options;
mod overlay;
mod queue;
mod reading;
mod record;
mod settle;
mod state;
mod store;

pub use error::{Damage, Error, OpenError};
pub use options::{Integrity, Options};
pub use store::{RedbStore, Report, Stats};
