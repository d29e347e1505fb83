//! The program as its users see it: processes, files, exit codes.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test fails by panicking"
)]

mod buckets;
mod configuration;
mod home;
mod keeping;
mod kills;
mod line;
mod packing;
mod refusing;
mod resuming;
mod sftp;
mod sites;
mod terms;
