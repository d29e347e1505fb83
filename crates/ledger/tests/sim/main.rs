//! A registry under storms: requests that come twice, answers that get lost, a store that fails, a process that dies before any of
//! its operations. `cargo xtask sim --package ledger` runs it for longer.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[path = "../place/mod.rs"]
mod place;
mod stops;
mod storm;
