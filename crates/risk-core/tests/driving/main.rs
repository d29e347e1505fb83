//! Driving risk: the checklist of the spec (V1 to V17), the worked example, properties and misuse.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::cast_possible_truncation,
    clippy::print_stdout,
    reason = "a test fails by panicking, and reports by printing"
)]

mod drivers;
mod evaluation;
mod models;
mod platform;
mod races;
mod registration;
mod samples;
mod service;
mod setting;
mod window;
