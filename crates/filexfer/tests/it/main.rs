//! The rules of the crate, by the ids of the specification.

mod bitmap;
mod legitimacy;
mod parties;
mod place;
mod tree;
