//! The program from outside: what it prints, what it writes, and how it ends.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod desk;
mod distributing;
mod drafting;
mod framed;
mod shadowing;
