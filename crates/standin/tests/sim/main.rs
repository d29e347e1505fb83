//! Storms: random orders of requests, losses, doubles, late answers, outages, failures of the store, and a process that dies before
//! any of its operations. `cargo xtask sim --package standin` runs it for longer, and plays the whole model then.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    dead_code,
    reason = "a test fails by panicking; what the model shares is not all used here"
)]

#[path = "../model/every.rs"]
mod every;
#[path = "../model/host.rs"]
mod host;
#[path = "../model/invariant/mod.rs"]
mod invariant;
mod storm;
mod whole;
#[path = "../model/world/mod.rs"]
mod world;
