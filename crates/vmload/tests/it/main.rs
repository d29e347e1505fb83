//! The elements of the described system (`docs/spec/vmload.ids`), properties, and planted data.

mod rounds;
mod samples;
mod world;
