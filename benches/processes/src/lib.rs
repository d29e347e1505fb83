//! What benches of whole programs share: the programs as their users build them, a disk, and figures.

mod figure;
mod program;

pub use figure::Figures;
pub use program::program;

use std::path::{Path, PathBuf};

/// Where files go that have to be on a disk: under `benches/target/`, or where `INTERBANK_BENCH_DIR` says.
pub fn disk() -> PathBuf {
    let target = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../target");
    let place = std::env::var_os("INTERBANK_BENCH_DIR").map_or_else(target, PathBuf::from);
    std::fs::create_dir_all(&place).unwrap();
    place.canonicalize().unwrap()
}
