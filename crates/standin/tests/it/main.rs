//! The stand-in module by its public API: parameters, decisions, delivery, reconciliation.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod checks;
mod deciding;
mod delivering;
mod evidence;
mod feeding;
mod forwarding;
mod installing;
mod kinds;
mod parameters;
mod reconciling;
mod setting;
mod switching;
mod told;
mod windows;
