//! Whole sites: forwarding, access, backstage and client servers on stores, disks and links that fail. `cargo xtask sim` runs
//! it for longer.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::cast_possible_truncation,
    reason = "a test fails by panicking"
)]

mod disk;
mod scenarios;
mod schedules;
mod world;
