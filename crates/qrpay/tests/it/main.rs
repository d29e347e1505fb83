//! The checklist of the spec and the rules between its lines, through the public interface alone.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::cast_possible_truncation,
    reason = "a test fails by panicking"
)]

mod bank;
mod bindings;
mod codes;
mod guessing;
mod issuing;
mod policies;
mod redeeming;
mod refunding;
mod replies;
mod robustness;
mod secrets;
mod settling;
mod steps;
