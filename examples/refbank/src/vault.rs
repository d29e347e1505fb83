//! Where the bank keeps its rows: the embedded store in the data folder.

use crate::failure::Failure;
use std::path::Path;
use store_redb::{Integrity, OpenError, Options, RedbStore};

/// The store of this program. Another one of the family takes its place by this line.
pub(crate) type Vault = RedbStore;

/// Opens the store, or makes an empty one.
///
/// Every row is verified first, unless the store has grown so large that this would take long: then rows are verified when
/// they are read.
pub(crate) fn open(path: &Path) -> Result<Vault, Failure> {
    let files = std::fs::read_dir(path).into_iter().flatten().flatten();
    let size: u64 = files.filter_map(|file| file.metadata().ok()).map(|about| about.len()).sum();
    let integrity = if size <= VERIFIED_BYTES_MAX { Integrity::Full } else { Integrity::Quick };
    RedbStore::open(path, Options::new().create(true).integrity(integrity)).map_err(|why| match why
    {
        OpenError::Unwritable | OpenError::NotAFolder => {
            Failure::Folder { path: path.into(), why: why.to_string() }
        }
        OpenError::Locked => Failure::Store {
            path: path.into(),
            why: "another process has it open; stop it, or choose another folder with --data"
                .into(),
        },
        OpenError::Corrupt(_) | OpenError::NotAStore => Failure::Store {
            path: path.into(),
            why: format!("{why}; restore it from a backup, or choose another folder with --data"),
        },
        other => Failure::Store { path: path.into(), why: other.to_string() },
    })
}

const VERIFIED_BYTES_MAX: u64 = 256 * 1024 * 1024;
