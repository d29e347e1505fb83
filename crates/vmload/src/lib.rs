#![doc = include_str!("../README.md")]
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

mod counts;
mod digest;
mod dispatch;
mod distance;
mod draw;
mod drift;
mod error;
mod exact;
mod features;
mod fleet;
mod greedy;
mod grid;
mod grouping;
mod held;
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
mod sample;
mod samples;
mod seeds;
mod signature;
mod silhouette;
mod source;
mod stage_one;
mod stage_two;
mod stretch;
mod tally;
mod types;
mod vm;
mod whole;
mod width;
mod window;

pub use counts::Counts;
pub use drift::{Drift, DriftRule, Move};
pub use error::{Error, Flaw, Misuse};
pub use exact::ExactGroups;
pub use features::Features;
pub use fleet::{Config, Fleet};
pub use greedy::Greedy;
pub use grouping::Grouping;
pub use histogram::Histogram;
pub use intake::Intake;
pub use lloyd::Lloyd;
pub use load::LoadFormula;
pub use metric::{DIMENSION_MAX, Metric, Metrics, Scale};
pub use node::{Node, NodeConfig, NodeEvent, Standing};
pub use points::Points;
pub use policy::{OnDuplicate, OnGap, OnOutside, OnSkew, Policy};
pub use report::{Assessed, Assessment, Report};
pub use sample::Sample;
pub use samples::{SAMPLES_MAX, Samples};
pub use seeds::SeedSet;
pub use signature::{Share, Signature};
pub use silhouette::silhouette;
pub use source::Source;
pub use stage_one::{Seeding, StageOne};
pub use stage_two::{Fitted, StageTwo, TypeCount, TypeSeeding};
pub use tally::Tally;
pub use types::{Assignment, Kind, Reason, Types};
pub use vm::VmId;
pub use window::{Pushed, Window};
