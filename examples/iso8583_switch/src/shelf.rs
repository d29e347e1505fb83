//! Where the rows are: in memory, or in a folder.

use crate::failure::Failure;
use port::{Batch, Commit, Fault, MemoryStore, ReadSet, Rows, Store, StoreError};
use std::convert::Infallible;
use std::fmt;
use std::path::Path;
use store_redb::{Options, RedbStore};

/// A store of either kind.
#[derive(Debug)]
pub(crate) enum Shelf {
    Memory(MemoryStore),
    Folder(Box<RedbStore>),
}

impl Shelf {
    /// `memory`, or a folder, which is made if it is not there.
    pub(crate) fn open(name: &str) -> Result<Self, Failure> {
        if name == "memory" {
            return Ok(Self::Memory(MemoryStore::new()));
        }
        let store = RedbStore::open(Path::new(name), Options::new().create(true));
        let store =
            store.map_err(|why| Failure::File { path: name.into(), why: why.to_string() })?;
        Ok(Self::Folder(Box::new(store)))
    }

    /// Likewise, for a run: rows of an earlier one would answer in place of the host, whose books begin empty.
    pub(crate) fn open_empty(name: &str) -> Result<Self, Failure> {
        let is_used = |mut entries: std::fs::ReadDir| entries.next().is_some();
        if name != "memory" && std::fs::read_dir(name).is_ok_and(is_used) {
            return Err(Failure::Usage(format!("--store {name} is not empty, as a run needs it")));
        }
        Self::open(name)
    }
}

impl Store for Shelf {
    type Error = ShelfError;

    async fn read(&self, want: &ReadSet) -> Result<Rows, ShelfError> {
        match self {
            Self::Memory(store) => Store::read(store, want).await.map_err(never),
            Self::Folder(store) => Store::read(&**store, want).await.map_err(ShelfError),
        }
    }

    async fn commit(&self, batch: &Batch) -> Result<Commit, ShelfError> {
        match self {
            Self::Memory(store) => Store::commit(store, batch).await.map_err(never),
            Self::Folder(store) => Store::commit(&**store, batch).await.map_err(ShelfError),
        }
    }
}

/// What went wrong with the folder.
#[derive(Debug)]
pub(crate) struct ShelfError(store_redb::Error);

impl fmt::Display for ShelfError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for ShelfError {}

impl StoreError for ShelfError {
    fn fault(&self) -> Fault {
        self.0.fault()
    }
}

fn never(why: Infallible) -> ShelfError {
    match why {}
}
