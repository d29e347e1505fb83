//! What is done with files, in memory, in a folder, and in a server that speaks S3.
#![cfg(feature = "s3")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod home;
mod publishing;
mod resuming;
mod s3;
mod serving;
