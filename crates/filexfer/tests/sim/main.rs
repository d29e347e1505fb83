//! Whole sites: forwarding, access, backstage and client servers on stores, disks and links that fail. `cargo xtask sim` runs
//! it for longer.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::cast_possible_truncation,
    reason = "a test fails by panicking"
)]

#[path = "../asking/mod.rs"]
mod asking;
mod check;
mod disk;
mod hours;
mod place;
mod purge;
mod scenarios;
mod schedules;
mod work;
mod world;
