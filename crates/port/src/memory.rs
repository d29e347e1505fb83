//! The in-memory store: for tests, examples, benchmarks and simulation.

use crate::blocking::Store;
use crate::{Batch, Change, Commit, Fault, Key, ReadSet, Row, Rows, Scan, StoreError, Version};
use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use bytes::Bytes;
use core::convert::Infallible;
use core::ops::Bound;
use std::sync::{PoisonError, RwLock};

/// A store that keeps its rows in memory; usable from many threads.
///
/// Nothing survives the process. Rows are found by hash; an ordered index of the keys serves scans.
///
/// ```
/// use interbank_port::blocking::Store;
/// use interbank_port::*;
/// let store = MemoryStore::new();
/// let key = Key::new(CrateTag::PORT, Tenant::new(1), 1).text(b"row")?;
/// let mut batch = Batch::new();
/// batch.put(key.clone(), Expect::Absent, &b"value"[..]);
/// assert!(matches!(store.commit(&batch), Ok(Commit::Applied(_))));
/// assert_eq!(store.commit(&batch), Ok(Commit::Conflict));
/// # Ok::<(), KeyError>(())
/// ```
#[derive(Debug, Default)]
pub struct MemoryStore {
    shelf: RwLock<Shelf>,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// A copy of everything in it, as a snapshot that a test can compare or restart from.
    pub fn snapshot(&self) -> Snapshot {
        let shelf = self.shelf.read().unwrap_or_else(PoisonError::into_inner);
        let rows = shelf
            .index
            .iter()
            .filter_map(|key| shelf.rows.get(key).map(|row| (key.clone(), row.clone())))
            .collect();
        Snapshot { last: shelf.last, rows }
    }

    /// A store that holds what the snapshot holds.
    pub fn restore(snapshot: &Snapshot) -> Self {
        let shelf = Shelf {
            last: snapshot.last,
            index: snapshot.rows.iter().map(|(key, _)| key.clone()).collect(),
            rows: snapshot.rows.iter().cloned().collect(),
        };
        Self { shelf: RwLock::new(shelf) }
    }

    /// How many rows it holds.
    pub fn len(&self) -> usize {
        self.shelf.read().unwrap_or_else(PoisonError::into_inner).rows.len()
    }

    /// Whether it holds no row.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Store for MemoryStore {
    type Error = Infallible;

    fn read(&self, want: &ReadSet) -> Result<Rows, Infallible> {
        Ok(self.shelf.read().unwrap_or_else(PoisonError::into_inner).read(want))
    }

    fn commit(&self, batch: &Batch) -> Result<Commit, Infallible> {
        Ok(self.shelf.write().unwrap_or_else(PoisonError::into_inner).commit(batch))
    }
}

impl crate::Store for MemoryStore {
    type Error = Infallible;

    async fn read(&self, want: &ReadSet) -> Result<Rows, Infallible> {
        Store::read(self, want)
    }

    async fn commit(&self, batch: &Batch) -> Result<Commit, Infallible> {
        Store::commit(self, batch)
    }
}

impl StoreError for Infallible {
    fn fault(&self) -> Fault {
        match *self {}
    }
}

/// All rows of a [`MemoryStore`] at one moment, in key order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// The last version given out.
    pub last: Version,
    /// The rows.
    pub rows: Vec<(Key, Row)>,
}

#[derive(Debug, Default)]
struct Shelf {
    last: Version,
    rows: hashbrown::HashMap<Key, Row, foldhash::fast::FixedState>,
    index: BTreeSet<Key>,
}

impl Shelf {
    fn read(&self, want: &ReadSet) -> Rows {
        Rows {
            points: want.points.iter().map(|key| self.rows.get(key).cloned()).collect(),
            scans: want.scans.iter().map(|scan| self.scan(scan)).collect(),
        }
    }

    fn scan(&self, scan: &Scan) -> Vec<(Key, Row)> {
        let from = match &scan.after {
            Some(after) if *after >= scan.prefix => Bound::Excluded(after),
            _ => Bound::Included(&scan.prefix),
        };
        self.index
            .range::<Key, _>((from, Bound::Unbounded))
            .take_while(|key| key.starts_with(&scan.prefix))
            .take(scan.limit)
            .filter_map(|key| self.rows.get(key).map(|row| (key.clone(), row.clone())))
            .collect()
    }

    fn commit(&mut self, batch: &Batch) -> Commit {
        let holds = batch
            .ops()
            .iter()
            .all(|op| op.expect.holds(self.rows.get(&op.key).map(|row| row.version)));
        if !holds {
            return Commit::Conflict;
        }
        let version = Version::new(self.last.as_u64() + 1);
        self.last = version;
        for op in batch.ops() {
            match &op.change {
                Change::Keep => {}
                Change::Put(value) => self.put(&op.key, version, value),
                Change::Delete => {
                    if self.rows.remove(&op.key).is_some() {
                        self.index.remove(&op.key);
                    }
                }
            }
        }
        Commit::Applied(version)
    }

    fn put(&mut self, key: &Key, version: Version, value: &Bytes) {
        let row = Row { version, value: value.clone() };
        if let Some(slot) = self.rows.get_mut(key) {
            *slot = row;
        } else {
            self.rows.insert(key.clone(), row);
            self.index.insert(key.clone());
        }
    }
}
