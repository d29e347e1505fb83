#![doc = include_str!("../README.md")]
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

pub mod backtest;
mod basis_points;
pub mod calibration;
mod draft;
pub mod driving;
pub mod fraud_rate;
mod judge;
mod latency;
mod log_ratio;
mod purged;
mod reason;
mod rows;
pub mod shadow;
pub mod suppression;
pub mod surroundings;
mod verdict;

pub use basis_points::{BasisPoints, OutOfRange};
pub use draft::{Ignored, Unknown};
pub use judge::Judge;
pub use latency::Latency;
pub use log_ratio::LogRatio;
pub use purged::Purged;
pub use reason::{Contribution, Reasons};
pub use verdict::Verdict;

const DAY_MS: u64 = 86_400_000;

/// The examples of the guide are compiled.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/guide/deploying-risk.md")]
struct Guide;
