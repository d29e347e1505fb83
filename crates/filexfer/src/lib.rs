#![doc = include_str!("../README.md")]
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

mod access;
mod backstage;
mod bitmap;
mod client;
mod credit;
mod error;
mod forwarder;
mod grant;
mod group;
mod hop_list;
mod hours;
mod identifier;
mod job;
mod journal;
mod keeping;
mod legitimacy;
mod merkle;
mod message;
mod name;
mod outboard;
pub mod pack;
mod party;
mod profile;
mod pulls;
mod purge;
mod rate;
mod reason;
mod receipt;
mod receiver;
mod registry;
mod request;
mod retry;
mod route;
mod scheduler;
pub mod sealed;
mod slice;
mod trail;
mod verdict;
mod way;
mod work;

pub use access::AccessServer;
pub use backstage::{BackstageEvent, BackstageServer};
pub use bitmap::{Bitmap, Checkpoint, Resume};
pub use client::{ClientConfig, ClientEvent, ClientServer};
pub use credit::{CreditPool, Credits};
pub use error::{Error, Misuse};
pub use forwarder::{Forwarder, ForwarderConfig, ForwarderEvent};
pub use grant::{Grant, Who};
pub use group::Groups;
pub use hop_list::{BadHop, HopList};
pub use hours::Hours;
pub use identifier::{FileClass, PartyId, SiteId};
pub use job::{Job, JobEvent, NotNow, State};
pub use keeping::Keeping;
pub use legitimacy::{
    FileKind, FileMetadata, FileStamp, Known, Legitimacy, Limits, Permit, Standing,
};
pub use message::{Message, Notice, NoticeKind, Offer};
pub use name::{BadName, FileName, NameSet};
pub use outboard::{Outboard, OutboardBuilder, Pairs, SegmentRoots, StreamingRoot, pairs_lead_to};
pub use party::{Party, Role};
pub use profile::{Delivery, NameMapping, Profile, ProtocolName};
pub use purge::{Purge, PurgeTable, Purged};
pub use rate::{Limit, RateId, RateTree, Wait};
pub use reason::{Failure, Reason};
pub use receipt::{
    BatchHead, Receipt, ReceiptBatch, ReceiptError, ReceiptVerifier, SignedReceipt, Stage,
};
pub use receiver::{Paces, Pull, Receiver};
pub use registry::{Registry, RegistryError, Rules};
pub use request::{FileSpec, JobId, Mode, OnConflict, Request, TransferId};
pub use retry::Retry;
pub use route::{End, Route, RouteKind};
pub use scheduler::{Scheduler, Slots};
pub use slice::{Damaged, Slice, SliceProof};
pub use trail::{Tampered, Trail, TrailCheck};
pub use verdict::{SignedVerdict, Verdict};
pub use work::{Place, StoreFault, Work};
