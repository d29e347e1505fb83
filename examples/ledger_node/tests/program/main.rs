//! The program as its users see it: processes, files, exit codes.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "a test fails by panicking"
)]

mod command_line;
mod forged;
mod home;
mod keys;
mod kills;
mod leases;
mod lies;
mod network;
mod nodes;
mod purging;
mod rowed;
mod sealing;
mod snapshots;
mod story;
