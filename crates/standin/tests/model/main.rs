//! An exhaustive small model: two accounts, three requests, every interleaving of what may happen between switch, authorizer,
//! forwarder and accounting system, with a crash before any operation and recovery after it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    dead_code,
    reason = "a test fails by panicking; what the simulation shares is not all used here"
)]

mod broken;
mod every;
mod host;
mod invariant;
mod short;
mod stories;
mod world;
