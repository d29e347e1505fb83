#![doc = include_str!("../README.md")]
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

mod counts;
mod error;
mod intake;
mod metric;
mod policy;
mod reading;
mod samples;
mod vm;

pub use counts::Counts;
pub use error::{Error, Flaw, Misuse};
pub use intake::Intake;
pub use metric::{DIMENSION_MAX, Metric, Metrics, Scale};
pub use policy::{OnDuplicate, OnGap, OnOutside, OnSkew, Policy};
pub use samples::{SAMPLES_MAX, Samples};
pub use vm::VmId;
