#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod class;
mod done;
mod pairs;
mod prepared;
mod proof;

pub use class::class_of;
pub use done::Done;
pub use prepared::Prepared;
pub use proof::{Proof, Prover};
