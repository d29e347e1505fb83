//! Several validators on one network: storms, partitions, lies, stops before every operation. `cargo xtask sim --package
//! interbank-order-malachite` runs it for longer.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod changes;
mod liar;
mod network;
mod node;
mod place;
mod stops;
mod storm;
