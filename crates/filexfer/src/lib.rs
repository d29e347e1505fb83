#![doc = include_str!("../README.md")]
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

mod bitmap;
mod error;
mod grant;
mod group;
mod hop_list;
mod hours;
mod identifier;
mod legitimacy;
mod name;
mod outboard;
mod party;
mod reason;
mod registry;
mod request;
mod route;
mod slice;
mod verdict;

pub use bitmap::{Bitmap, Checkpoint, Resume};
pub use error::{Error, Misuse};
pub use grant::{Grant, Who};
pub use group::Groups;
pub use hop_list::{BadHop, HopList};
pub use hours::Hours;
pub use identifier::{FileClass, PartyId, SiteId};
pub use legitimacy::{
    FileKind, FileMetadata, FileStamp, Known, Legitimacy, Limits, Permit, Standing,
};
pub use name::{BadName, FileName, NameSet};
pub use outboard::{Outboard, OutboardBuilder, Pairs, SegmentRoots, StreamingRoot};
pub use party::{Party, Role};
pub use reason::{Failure, Reason};
pub use registry::{Registry, RegistryError, Rules};
pub use request::{FileSpec, JobId, Mode, OnConflict, Request};
pub use route::{End, Route, RouteKind};
pub use slice::{Damaged, Slice};
pub use verdict::{SignedVerdict, Verdict};
