//! What is asked of a store, and what it answers.

use crate::{Expect, Key};
use alloc::vec::Vec;
use bytes::Bytes;

/// Rows that a decision or a machine wants to see: points and bounded prefix scans.
///
/// A store answers all of it from one consistent view.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReadSet {
    /// Single rows.
    pub points: Vec<Key>,
    /// Ranges that share a prefix.
    pub scans: Vec<Scan>,
}

impl ReadSet {
    /// Nothing.
    pub const fn new() -> Self {
        Self { points: Vec::new(), scans: Vec::new() }
    }

    /// Single rows only.
    pub fn points(keys: impl Into<Vec<Key>>) -> Self {
        Self { points: keys.into(), scans: Vec::new() }
    }

    /// One scan only.
    pub fn scan(scan: Scan) -> Self {
        Self { points: Vec::new(), scans: alloc::vec![scan] }
    }

    /// Whether nothing is wanted.
    pub fn is_empty(&self) -> bool {
        self.points.is_empty() && self.scans.is_empty()
    }
}

/// The first `limit` rows, in key order, whose keys start with `prefix` and come after `after`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scan {
    /// What the keys start with.
    pub prefix: Key,
    /// Where the last page ended; this key itself is not returned again.
    pub after: Option<Key>,
    /// At most this many rows; a store need not serve more than [`Scan::ROWS_MAX`].
    pub limit: usize,
}

impl Scan {
    /// The longest page that a store has to serve.
    pub const ROWS_MAX: usize = 1_000;

    /// The first page under a prefix.
    pub const fn first(prefix: Key, limit: usize) -> Self {
        Self { prefix, after: None, limit }
    }
}

/// The answer to a [`ReadSet`], aligned with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rows {
    /// One entry for each point: the row, or `None` where there is none.
    pub points: Vec<Option<Row>>,
    /// One page for each scan.
    pub scans: Vec<Vec<(Key, Row)>>,
}

impl Rows {
    /// Whether the answer has the shape of the question.
    pub fn fits(&self, want: &ReadSet) -> bool {
        self.points.len() == want.points.len()
            && self.scans.len() == want.scans.len()
            && self.scans.iter().zip(&want.scans).all(|(page, scan)| page.len() <= scan.limit)
    }
}

/// A value and the commit that wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Which commit wrote it.
    pub version: Version,
    /// The bytes, at most [`Row::VALUE_BYTES_MAX`].
    pub value: Bytes,
}

impl Row {
    /// The longest value that a store has to take: 64 KiB.
    pub const VALUE_BYTES_MAX: usize = 64 * 1024;

    /// What a batch must require so that it applies only if this is still the row (or still no row).
    pub const fn unchanged(row: Option<&Self>) -> Expect {
        match row {
            Some(row) => Expect::At(row.version),
            None => Expect::Absent,
        }
    }
}

/// The number of a commit: monotone over the whole store, never reused, not even after a delete.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(u64);

impl Version {
    /// From the store's own counter.
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The counter.
    pub const fn as_u64(self) -> u64 {
        self.0
    }
}
