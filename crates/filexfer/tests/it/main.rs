//! The rules of the crate, by the ids of the specification.

mod legitimacy;
mod parties;
mod place;
