//! The in-memory store: for tests, examples, benchmarks and simulation.

use crate::blocking::Store;
use crate::{Batch, Change, Commit, Fault, Key, ReadSet, Row, Rows, Scan, StoreError, Version};
use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use bytes::Bytes;
use core::convert::Infallible;
use core::hash::{BuildHasher as _, Hasher as _};
use core::ops::{Bound, Range, RangeInclusive};
use foldhash::fast::FixedState;
use hashbrown::hash_table::{Entry, HashTable};
use std::sync::{PoisonError, RwLock};

/// A store that keeps its rows in memory; usable from many threads.
///
/// Nothing survives the process. Rows are found by hash. A table that is scanned gets an ordered index of its keys at its
/// first scan; later scans bring it up to date, so that commits do not pay for order.
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
        let mut rows: Vec<(Key, Row)> = shelf
            .tables
            .iter()
            .flat_map(|(_, table)| table.rows.iter().map(|(key, row)| (key.clone(), row.clone())))
            .collect();
        rows.sort_by(|one, other| one.0.cmp(&other.0));
        Snapshot { last: shelf.last, rows }
    }

    /// A store that holds what the snapshot holds.
    pub fn restore(snapshot: &Snapshot) -> Self {
        let mut shelf = Shelf { last: snapshot.last, ..Shelf::default() };
        for (key, row) in &snapshot.rows {
            shelf.table(key).put(hash(key), key, row.clone());
        }
        Self { shelf: RwLock::new(shelf) }
    }

    /// How many rows it holds.
    pub fn len(&self) -> usize {
        let shelf = self.shelf.read().unwrap_or_else(PoisonError::into_inner);
        shelf.tables.iter().map(|(_, table)| table.rows.len()).sum()
    }

    /// Whether it holds no row.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Store for MemoryStore {
    type Error = Infallible;

    fn read(&self, want: &ReadSet) -> Result<Rows, Infallible> {
        let shelf = self.shelf.read().unwrap_or_else(PoisonError::into_inner);
        if want.scans.iter().all(|scan| shelf.is_indexed(&scan.prefix)) {
            return Ok(shelf.read(want));
        }
        drop(shelf);
        let mut shelf = self.shelf.write().unwrap_or_else(PoisonError::into_inner);
        want.scans.iter().for_each(|scan| shelf.index(&scan.prefix));
        Ok(shelf.read(want))
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

/// Rows by table, so that what is never scanned needs no order.
#[derive(Debug, Default)]
struct Shelf {
    last: Version,
    /// In the order of their heads: there are few, and each key is looked up here first.
    tables: Vec<(TableHead, Table)>,
    /// Where the rows of the batch at hand are; empty between batches.
    places: Vec<Place>,
}

/// The head of a key (crate tag, tenant, table) as one big-endian number, which is quicker to compare than ten bytes.
/// Shorter keys stand under their own bytes, filled up with zeros.
type TableHead = u128;

#[derive(Debug, Default)]
struct Table {
    /// By [`hash`].
    rows: HashTable<(Key, Row)>,
    index: Option<Index>,
}

/// Where a row is, or would be, as long as none comes or goes.
#[derive(Clone, Copy, Debug)]
struct Place {
    /// By [`hash`].
    hash: u64,
    table: Option<usize>,
    bucket: Option<usize>,
}

/// The keys of a table in order.
#[derive(Debug, Default)]
struct Index {
    keys: BTreeSet<Key>,
    /// Keys that came or went since: the next scan looks each of them up.
    changed: Vec<Key>,
}

impl Shelf {
    fn read(&self, want: &ReadSet) -> Rows {
        // Neighbours in a read set are often of one table.
        let mut last = None;
        let mut find = |key: &Key| {
            let head = head(key);
            let table = match last.and_then(|at: usize| self.tables.get(at)) {
                Some((of, table)) if *of == head => table,
                _ => {
                    last = self.position(head);
                    &self.tables[last?].1
                }
            };
            table.row(key)
        };
        let mut points = Vec::with_capacity(want.points.len());
        for keys in want.points.chunks(FOUND_AT_ONCE) {
            // Rows are found before the first is shared, which counts atomically: the processor waits for one and the next from
            // its memory at the same time, but not across an atomic step.
            let mut found = [None; FOUND_AT_ONCE];
            for (key, row) in keys.iter().zip(&mut found) {
                *row = find(key);
            }
            points.extend(found[..keys.len()].iter().map(|row| row.cloned()));
        }
        Rows { points, scans: want.scans.iter().map(|scan| self.scan(scan)).collect() }
    }

    fn scan(&self, scan: &Scan) -> Vec<(Key, Row)> {
        let from = match &scan.after {
            Some(after) if *after >= scan.prefix => Bound::Excluded(after),
            _ => Bound::Included(&scan.prefix),
        };
        let indexes = self.under(&scan.prefix).filter_map(|table| table.index.as_ref());
        // Keys shorter than a head may stand under a head that other keys share: what comes together is sorted together.
        let mut found: Vec<&Key> = indexes
            .flat_map(|index| {
                let range = index.keys.range::<Key, _>((from, Bound::Unbounded));
                range.take_while(|key| key.starts_with(&scan.prefix)).take(scan.limit)
            })
            .collect();
        found.sort();
        found
            .into_iter()
            .take(scan.limit)
            .filter_map(|key| self.row(key).map(|row| (key.clone(), row.clone())))
            .collect()
    }

    fn commit(&mut self, batch: &Batch) -> Commit {
        let mut places = core::mem::take(&mut self.places);
        let commit = self.commit_at(batch, &mut places);
        places.clear();
        self.places = places;
        commit
    }

    fn commit_at(&mut self, batch: &Batch, places: &mut Vec<Place>) -> Commit {
        // Each key is looked for once: a row that is there is written where it was found.
        for op in batch.ops() {
            let place = self.place(&op.key);
            if !op.expect.holds(self.row_at(place).map(|row| row.version)) {
                return Commit::Conflict;
            }
            places.push(place);
        }
        let version = Version::new(self.last.as_u64() + 1);
        self.last = version;
        for (op, place) in batch.ops().iter().zip(&*places) {
            if let (Change::Put(value), Some(bucket)) = (&op.change, place.bucket)
                && let Some(table) = place.table.and_then(|table| self.tables.get_mut(table))
                && let Some((_, row)) = table.1.rows.get_bucket_mut(bucket)
            {
                *row = Row { version, value: packed(value) };
            }
        }
        // What comes and goes may move other rows, and a new table the tables behind it: only now.
        let known = self.tables.len();
        for (op, place) in batch.ops().iter().zip(&*places) {
            let Place { hash, table, bucket } = *place;
            let is_written = match &op.change {
                Change::Put(_) => bucket.is_none(),
                Change::Delete => bucket.is_some(),
                Change::Keep => false,
            };
            if !is_written {
                continue;
            }
            let table = match table {
                Some(at) if self.tables.len() == known => &mut self.tables[at].1,
                _ => self.table(&op.key),
            };
            match &op.change {
                Change::Put(value) => {
                    table.put(hash, &op.key, Row { version, value: packed(value) });
                }
                Change::Delete => table.delete(hash, &op.key),
                Change::Keep => {}
            }
        }
        Commit::Applied(version)
    }

    fn row(&self, key: &Key) -> Option<&Row> {
        self.tables[self.position(head(key))?].1.row(key)
    }

    fn place(&self, key: &Key) -> Place {
        let (hash, table) = (hash(key), self.position(head(key)));
        let bucket = table.and_then(|table| {
            self.tables[table].1.rows.find_bucket_index(hash, |(held, _)| held == key)
        });
        Place { hash, table, bucket }
    }

    fn row_at(&self, place: Place) -> Option<&Row> {
        let (_, table) = self.tables.get(place.table?)?;
        let (_, row) = table.rows.get_bucket(place.bucket?)?;
        Some(row)
    }

    fn position(&self, head: TableHead) -> Option<usize> {
        self.tables.binary_search_by_key(&head, |(head, _)| *head).ok()
    }

    fn table(&mut self, key: &Key) -> &mut Table {
        let head = head(key);
        let at = match self.tables.binary_search_by_key(&head, |(head, _)| *head) {
            Ok(at) => at,
            Err(at) => {
                self.tables.insert(at, (head, Table::default()));
                at
            }
        };
        &mut self.tables[at].1
    }

    /// The tables that may hold keys under a prefix.
    fn under(&self, prefix: &Key) -> impl Iterator<Item = &Table> {
        self.tables[self.range(prefix)].iter().map(|(_, table)| table)
    }

    fn range(&self, prefix: &Key) -> Range<usize> {
        let heads = heads(prefix);
        let from = self.tables.partition_point(|(head, _)| head < heads.start());
        let to = self.tables.partition_point(|(head, _)| head <= heads.end());
        from..to
    }

    fn is_indexed(&self, prefix: &Key) -> bool {
        let current = |index: &Index| index.changed.is_empty();
        self.under(prefix).all(|table| table.index.as_ref().is_some_and(current))
    }

    fn index(&mut self, prefix: &Key) {
        let range = self.range(prefix);
        self.tables[range].iter_mut().for_each(|(_, table)| table.index());
    }
}

impl Table {
    fn row(&self, key: &Key) -> Option<&Row> {
        let (_, row) = self.rows.find(hash(key), |(held, _)| held == key)?;
        Some(row)
    }

    /// `hash` is that of the key.
    fn put(&mut self, hash: u64, key: &Key, row: Row) {
        let entry = self.rows.entry(hash, |(held, _)| held == key, |(key, _)| self::hash(key));
        match entry {
            Entry::Occupied(mut entry) => entry.get_mut().1 = row,
            Entry::Vacant(entry) => {
                entry.insert((key.clone(), row));
                self.changed(key);
            }
        }
    }

    fn delete(&mut self, hash: u64, key: &Key) {
        if let Ok(entry) = self.rows.find_entry(hash, |(held, _)| held == key) {
            entry.remove();
            self.changed(key);
        }
    }

    fn changed(&mut self, key: &Key) {
        let Some(index) = &mut self.index else { return };
        index.changed.push(key.clone());
        // Bounded by what is there anyway.
        if index.changed.len() > CHANGED_MIN.max(self.rows.len()) {
            self.index();
        }
    }

    /// Makes the index, or brings it up to date.
    fn index(&mut self) {
        let Some(index) = &mut self.index else {
            let keys = self.rows.iter().map(|(key, _)| key.clone()).collect();
            self.index = Some(Index { keys, changed: Vec::new() });
            return;
        };
        for key in index.changed.drain(..) {
            if self.rows.find(hash(&key), |(held, _)| *held == key).is_some() {
                index.keys.insert(key);
            } else {
                index.keys.remove(&key);
            }
        }
    }
}

/// The same bytes in one allocation with their reference count: a row read from a large store then costs one miss of the
/// cache less. Longer values are shared as they come.
fn packed(value: &Bytes) -> Bytes {
    match value.len() {
        0 => Bytes::new(),
        1..=64 => Packed::<64>::of(value),
        65..=96 => Packed::<96>::of(value),
        97..=128 => Packed::<128>::of(value),
        129..=160 => Packed::<160>::of(value),
        161..=192 => Packed::<192>::of(value),
        193..=256 => Packed::<256>::of(value),
        257..=320 => Packed::<320>::of(value),
        321..=384 => Packed::<384>::of(value),
        385..=512 => Packed::<512>::of(value),
        _ => value.clone(),
    }
}

struct Packed<const N: usize> {
    len: usize,
    bytes: [u8; N],
}

impl<const N: usize> Packed<N> {
    fn of(value: &Bytes) -> Bytes {
        let mut bytes = [0; N];
        bytes[..value.len()].copy_from_slice(value);
        Bytes::from_owner(Self { len: value.len(), bytes })
    }
}

impl<const N: usize> AsRef<[u8]> for Packed<N> {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// So many rows are found before the first of them is shared.
const FOUND_AT_ONCE: usize = 16;

/// So many keys may have changed since the last scan before an index is brought up to date without one.
const CHANGED_MIN: usize = 1_024;

/// Of what follows the head, which all keys of a table share; of short keys in whole words, which is quicker.
fn hash(key: &Key) -> u64 {
    let mut hasher = FixedState::default().build_hasher();
    match key.words() {
        Some(words) => words.into_iter().for_each(|word| hasher.write_u64(word)),
        None => hasher.write(key.as_bytes().get(Key::HEAD_BYTES..).unwrap_or_default()),
    }
    hasher.finish()
}

fn head(key: &Key) -> TableHead {
    // Nearly all keys are longer than their heads.
    match key.as_bytes() {
        [a, b, c, d, e, f, g, h, i, j, ..] => {
            let first = u64::from_be_bytes([*a, *b, *c, *d, *e, *f, *g, *h]);
            TableHead::from(first) << 64 | TableHead::from(u16::from_be_bytes([*i, *j])) << 48
        }
        _ => head_of(key, 0),
    }
}

/// The heads of all keys that start with `prefix`.
fn heads(prefix: &Key) -> RangeInclusive<TableHead> {
    head_of(prefix, 0)..=head_of(prefix, u8::MAX)
}

fn head_of(key: &Key, filler: u8) -> TableHead {
    let bytes = key.as_bytes();
    let shown = bytes.len().min(Key::HEAD_BYTES);
    let mut head = [0; 16];
    head[..Key::HEAD_BYTES].fill(filler);
    head[..shown].copy_from_slice(&bytes[..shown]);
    u128::from_be_bytes(head)
}
