//! What a chain allows and refuses.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[path = "../place/mod.rs"]
mod place;

mod audit;
mod authority;
mod chain;
mod documents;
mod forms;
mod log;
mod map;
mod members;
mod operations;
mod registration;
mod sealing_keys;
mod search;
mod snapshot;
mod submitting;
mod transfer;
