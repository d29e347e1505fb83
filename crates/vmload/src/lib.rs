#![doc = include_str!("../README.md")]
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

mod counts;
mod dispatch;
mod error;
mod fleet;
mod greedy;
mod intake;
mod kernel;
mod lloyd;
mod load;
mod matching;
mod metric;
mod points;
mod policy;
mod reading;
mod report;
mod samples;
mod seeds;
mod signature;
mod silhouette;
mod stage_one;
mod stage_two;
mod types;
mod vm;
mod width;

pub use counts::Counts;
pub use error::{Error, Flaw, Misuse};
pub use fleet::{Config, Fleet};
pub use greedy::Greedy;
pub use intake::Intake;
pub use lloyd::{Grouping, Lloyd};
pub use load::LoadFormula;
pub use metric::{DIMENSION_MAX, Metric, Metrics, Scale};
pub use points::Points;
pub use policy::{OnDuplicate, OnGap, OnOutside, OnSkew, Policy};
pub use report::{Assessed, Assessment, Report};
pub use samples::{SAMPLES_MAX, Samples};
pub use seeds::SeedSet;
pub use signature::{Share, Signature};
pub use silhouette::silhouette;
pub use stage_one::{Seeding, StageOne};
pub use stage_two::{Features, Fitted, StageTwo, TypeCount, TypeSeeding};
pub use types::{Assignment, Kind, Reason, Types};
pub use vm::VmId;
