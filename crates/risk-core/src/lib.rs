#![doc = include_str!("../README.md")]
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

pub mod backtest;
mod basis_points;
pub mod calibration;
pub mod driving;
pub mod fraud_rate;
mod judge;
mod latency;
mod log_ratio;
mod reason;
pub mod shadow;
pub mod suppression;
pub mod surroundings;

pub use basis_points::{BasisPoints, OutOfRange};
pub use judge::Judge;
pub use latency::Latency;
pub use log_ratio::LogRatio;
pub use reason::{Contribution, Reasons};

/// The examples of the guide are compiled.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/guide/deploying-risk.md")]
struct Guide;
