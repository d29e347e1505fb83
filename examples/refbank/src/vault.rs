//! Where the bank keeps its rows: the embedded store in the data folder.

use crate::failure::Failure;
use std::path::Path;
use store_redb::{OpenError, Options, RedbStore};

/// The store of this program. Another one of the family takes its place by this line.
pub(crate) type Vault = RedbStore;

/// Opens the store, or makes an empty one.
pub(crate) fn open(path: &Path) -> Result<Vault, Failure> {
    RedbStore::open(path, Options::new().create(true)).map_err(|why| match why {
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
