//! The rules of the crate, by the ids of the specification.

#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    clippy::panic,
    clippy::single_range_in_vec_init
)]

#[path = "../asking/mod.rs"]
mod asking;
mod backstage;
mod bitmap;
mod client;
mod forwarder;
mod job;
mod legitimacy;
mod pack;
mod parties;
mod place;
mod receipts;
mod receiver;
mod sealed;
mod standing;
mod trail;
mod tree;
