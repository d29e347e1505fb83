//! What must hold whatever races, fails, comes late or stops: random schedules, every order of small cases, and a stop after
//! every step of one story. `cargo xtask sim` runs it for longer.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod accounting;
mod actors;
mod bank;
mod crash;
mod invariant;
mod orders;
mod place;
mod schedules;
mod tally;
mod view;
mod world;
