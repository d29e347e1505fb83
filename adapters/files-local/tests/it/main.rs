//! On a real file system.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod confinement;
mod files;
mod home;
mod kill;
mod packs;
mod together;
