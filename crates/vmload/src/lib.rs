#![doc = include_str!("../README.md")]
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

mod counts;
mod dispatch;
mod drift;
mod error;
mod exact;
mod fleet;
mod greedy;
mod histogram;
mod intake;
mod kernel;
mod lloyd;
mod load;
mod matching;
mod metric;
mod node;
mod points;
mod policy;
mod reading;
mod report;
mod samples;
mod seeds;
mod signature;
mod silhouette;
mod source;
mod stage_one;
mod stage_two;
mod tally;
mod types;
mod vm;
mod width;
mod window;

pub use counts::Counts;
pub use drift::{Drift, DriftRule, Move};
pub use error::{Error, Flaw, Misuse};
pub use exact::ExactGroups;
pub use fleet::{Config, Fleet};
pub use greedy::Greedy;
pub use histogram::Histogram;
pub use intake::Intake;
pub use lloyd::{Grouping, Lloyd};
pub use load::LoadFormula;
pub use metric::{DIMENSION_MAX, Metric, Metrics, Scale};
pub use node::{Node, NodeConfig, NodeEvent, Standing};
pub use points::Points;
pub use policy::{OnDuplicate, OnGap, OnOutside, OnSkew, Policy};
pub use report::{Assessed, Assessment, Report};
pub use samples::{SAMPLES_MAX, Samples};
pub use seeds::SeedSet;
pub use signature::{Share, Signature};
pub use silhouette::silhouette;
pub use source::{Sample, Source};
pub use stage_one::{Seeding, StageOne};
pub use stage_two::{Features, Fitted, StageTwo, TypeCount, TypeSeeding};
pub use tally::Tally;
pub use types::{Assignment, Kind, Reason, Types};
pub use vm::VmId;
pub use window::{Pushed, Window};
