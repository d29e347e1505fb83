#![doc = include_str!("../README.md")]
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

mod batch;
pub mod blocking;
pub mod conformance;
mod decision;
mod drive;
mod key;
mod keys;
mod link;
mod machine;
#[cfg(feature = "std")]
mod memory;
mod money;
pub mod outbox;
mod rows;
mod store;
mod time;
pub mod wire;
mod zone;

pub use batch::{Batch, BatchError, Change, Commit, Expect, Op};
pub use bytes::Bytes;
pub use decision::{Answers, Ask, Conclusion, Decision, Step};
pub use drive::{ATTEMPTS_MAX, DecideError, Drained, decide, drain};
pub use key::{CrateTag, Key, KeyError, Tenant};
pub use keys::{
    EvidenceKind, KeyAnswer, KeyId, KeyQuestion, KeyRef, KeyRefusal, Keys, MacAlgorithm, MacTag,
    SecretBytes,
};
pub use link::{Link, Peer};
pub use machine::{Committed, Effect, Input, Machine, Ticket};
#[cfg(feature = "std")]
pub use memory::{MemoryStore, Snapshot};
pub use money::{Amount, Currency, MoneyError};
pub use rows::{ReadSet, Row, Rows, Scan, Version};
pub use store::{Fault, Store, StoreError};
pub use time::{Clamp, ClockBehind, Skew, Time};
pub use wire::WireError;
pub use zone::{LocalTime, Zone, ZoneError};
