#![doc = include_str!("../README.md")]
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

mod counts;
mod dispatch;
mod error;
mod greedy;
mod intake;
mod kernel;
mod lloyd;
mod load;
mod metric;
mod points;
mod policy;
mod reading;
mod samples;
mod seeds;
mod signature;
mod vm;

pub use counts::Counts;
pub use error::{Error, Flaw, Misuse};
pub use greedy::Greedy;
pub use intake::Intake;
pub use lloyd::{Grouping, Lloyd};
pub use load::LoadFormula;
pub use metric::{DIMENSION_MAX, Metric, Metrics, Scale};
pub use points::Points;
pub use policy::{OnDuplicate, OnGap, OnOutside, OnSkew, Policy};
pub use samples::{SAMPLES_MAX, Samples};
pub use seeds::SeedSet;
pub use signature::{Share, Signature};
pub use vm::VmId;
