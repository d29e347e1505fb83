//! Surroundings: the checklist of the spec and the rules between its lines, through the public interface alone.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::cast_possible_truncation,
    reason = "a test fails by panicking"
)]

mod addresses;
mod checklist;
mod detection;
mod learning;
mod place;
mod policies;
mod robustness;
mod scores;
mod services;
mod tokens;
mod zones;
