#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod class;
mod done;
mod pairs;
mod proof;

pub use class::class_of;
pub use done::Done;
pub use pairs::{PairsHeader, PairsWriter, StoredPairs, View, is_large};
pub use proof::{Proof, Prover};
