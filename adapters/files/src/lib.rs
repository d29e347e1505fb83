#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod class;
mod done;
mod pairs;
mod proof;

pub use class::class_of;
pub use done::Done;
pub use proof::{Proof, Prover};
