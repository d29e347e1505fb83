#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod account;
mod clock;
mod faults;
mod gate;
mod history;
mod interleave;
mod link;
mod merchant;
mod order;
mod rng;
mod run;
mod stage;
mod store;
pub mod world;

pub use account::Account;
pub use clock::SimClock;
pub use faults::{Fate, Faults, Odds, Script};
pub use gate::{Gate, GatedKeys};
pub use history::{Ended, Operation, linearize};
pub use interleave::{every, random, replay};
pub use link::{LinkDown, LossyLink, Parcel, Weather};
pub use merchant::Merchant;
pub use order::Order;
pub use rng::Rng;
pub use run::{Failure, SeededRun, Seeds, run, run_seeds};
pub use stage::{Decided, Ending, Stage, TaskId};
pub use store::{FaultyStore, Record, SimError};
