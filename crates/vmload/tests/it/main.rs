//! The elements of the described system (`docs/spec/vmload.ids`), properties, and planted data.

#![allow(clippy::unwrap_used, clippy::cast_precision_loss, clippy::cast_possible_truncation)]

mod bits;
mod node;
mod rounds;
mod samples;
mod streaming;
mod world;
