//! Where a snapshot is on disk until its rows are the node's own: what describes it, its chunks as they came, and rows that are made of
//! them anew by each process.

use crate::base::Base;
use crate::chunk_file::ChunkFile;
use crate::config::Config;
use crate::documents::commit;
use crate::failure::Failure;
use crate::node;
use crate::rows::Table;
use crate::secrets;
use bytes::Bytes;
use ledger::Chain;
use port::{Batch, Expect};
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use store_redb::{Options, RedbStore};

pub(super) struct Place {
    state: PathBuf,
    folder: PathBuf,
    /// Held as long as this process fetches: another one would make its rows where these are made.
    lock: Option<File>,
}

impl Place {
    pub(super) fn of(config: &Config) -> Self {
        let state = config.state();
        Self { folder: state.join("snapshot"), state, lock: None }
    }

    /// Makes its folder, if it is not there, and sees to it that no other process is at work in it.
    pub(super) fn open(&mut self) -> Result<(), Failure> {
        node::folder(&self.folder)?;
        if self.lock.is_none() {
            let path = self.state.join("snapshot.lock");
            let file = File::options().create(true).truncate(false).write(true).open(&path);
            let file = file.map_err(|why| Failure::file(&path, why))?;
            file.try_lock().map_err(|why| match why {
                TryLockError::WouldBlock => {
                    Failure::file(&path, "another process takes a snapshot for this node")
                }
                TryLockError::Error(why) => Failure::file(&path, why),
            })?;
            self.lock = Some(file);
        }
        Ok(())
    }

    /// What describes the snapshot that an earlier process has begun with.
    pub(super) fn described(&self) -> Option<Vec<u8>> {
        fs::read(self.folder.join(MANIFEST)).ok()
    }

    /// Begins anew with what this describes.
    pub(super) fn describe(&self, manifest: &[u8]) -> Result<ChunkFile, Failure> {
        let chunks = ChunkFile::create(&self.folder.join(CHUNKS))?;
        let (path, new) = (self.folder.join(MANIFEST), self.folder.join("manifest.new"));
        let _ = fs::remove_file(&new);
        secrets::create(&new, manifest, 0o600)?;
        fs::rename(&new, &path).map_err(|why| Failure::file(&path, why))?;
        Ok(chunks)
    }

    /// The chunks of before.
    pub(super) fn chunks(&self) -> Result<ChunkFile, Failure> {
        ChunkFile::open(&self.folder.join(CHUNKS))
    }

    /// What an earlier process has made of the chunks is half made at best, and goes.
    pub(super) fn empty_rows(&self) -> Result<RedbStore, Failure> {
        let path = self.folder.join(node::ROWS);
        remove(&path)?;
        let store = RedbStore::open(&path, Options::new().create(true));
        store.map_err(|why| Failure::file(&path, why))
    }

    /// The rows are whole, and are the node's from now on. Stopped before, the next process makes them again from the chunks.
    pub(super) fn take(&self) -> Result<(), Failure> {
        let (made, own) = (self.folder.join(node::ROWS), self.state.join(node::ROWS));
        remove(&own)?;
        fs::rename(&made, &own).map_err(|why| Failure::file(&own, why))?;
        let synced = File::open(&self.state).and_then(|state| state.sync_all());
        synced.map_err(|why| Failure::file(&self.state, why))?;
        self.clear()
    }

    /// Nothing is left of it; without what describes it, nothing else is gone on with.
    pub(super) fn clear(&self) -> Result<(), Failure> {
        match fs::remove_file(self.folder.join(MANIFEST)) {
            Err(why) if why.kind() != std::io::ErrorKind::NotFound => {
                return Err(Failure::file(&self.folder, why));
            }
            _ => {}
        }
        remove(&self.folder)
    }
}

/// Stores what a node has beside the entries; the head comes last.
pub(super) async fn keep(
    store: &RedbStore,
    chain: &Chain,
    changes: &[Bytes],
    last: &Batch,
) -> Result<(), Failure> {
    let mut batch = Batch::with_capacity(2);
    Base::put(&mut batch, chain.next_height());
    commit(store, &batch).await?;
    for (number, change) in (0..).zip(changes) {
        let mut batch = Batch::with_capacity(1);
        let row = Table::Shown.prefix().number(number).map_err(Failure::run)?;
        batch.put(row, Expect::Any, change.clone());
        commit(store, &batch).await?;
    }
    // So that what happens to a file is known as something of its thing also after it is purged.
    let files: Vec<_> = chain.state().files().map(|(id, file)| (id, file.thing)).collect();
    for some in files.chunks(Batch::OPS_MAX) {
        let mut batch = Batch::with_capacity(some.len());
        for (id, thing) in some {
            batch.put(Table::Files.row(&id.0)?, Expect::Any, thing.0.to_vec());
        }
        commit(store, &batch).await?;
    }
    commit(store, last).await
}

fn remove(folder: &Path) -> Result<(), Failure> {
    match fs::remove_dir_all(folder) {
        Err(why) if why.kind() != std::io::ErrorKind::NotFound => Err(Failure::file(folder, why)),
        _ => Ok(()),
    }
}

const MANIFEST: &str = "manifest";
const CHUNKS: &str = "chunks";
