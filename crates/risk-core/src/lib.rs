#![doc = include_str!("../README.md")]
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

mod basis_points;
pub mod driving;
mod log_ratio;
mod reason;
pub mod surroundings;

pub use basis_points::{BasisPoints, OutOfRange};
pub use log_ratio::LogRatio;
pub use reason::{Contribution, Reasons};
