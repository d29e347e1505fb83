//! What is to be durable, in order, and what may happen only then.

use crate::{Error, Trail};
use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;
use bytes::Bytes;
use port::{Batch, Change, Committed, Expect, Key, Op, Ticket};
use seal::Audit;

/// Rows and audit records on their way to the store, one batch at a time; what comes meanwhile shares the next batch (group
/// commit). Each batch requires the trail's head to be as this instance left it, so that a second instance conflicts.
///
/// `T` is what may happen once a batch is durable.
#[derive(Clone, Debug)]
pub(crate) struct Journal<T> {
    trail: Trail,
    head: Expect,
    /// What a batch takes.
    rows_max: usize,
    bytes_max: usize,
    drafts: VecDeque<Draft<T>>,
    in_flight: Option<(Ticket, Vec<T>)>,
}

#[derive(Clone, Debug)]
struct Draft<T> {
    /// `None` deletes.
    rows: BTreeMap<Key, Option<Bytes>>,
    records: Vec<Audit>,
    bytes: usize,
    then: Vec<T>,
}

impl<T> Journal<T> {
    /// For a store that takes batches of `multiple` portable ones.
    pub(crate) const fn new(trail: Trail, head: Expect, multiple: usize) -> Self {
        // The head is one more.
        let rows_max = Batch::OPS_MAX.saturating_mul(multiple) - 1;
        let bytes_max = Batch::BYTES_MAX.saturating_mul(multiple) - HEAD_BYTES;
        Self { trail, head, rows_max, bytes_max, drafts: VecDeque::new(), in_flight: None }
    }

    /// All of it or nothing, after everything that was added before.
    pub(crate) fn add(
        &mut self,
        rows: Vec<(Key, Option<Bytes>)>,
        records: Vec<Audit>,
        then: Vec<T>,
    ) {
        let need = rows.len() + records.len();
        let value = |(key, row): &(Key, Option<Bytes>)| {
            key.as_bytes().len() + row.as_ref().map_or(0, Bytes::len)
        };
        let bytes = rows.iter().map(value).sum::<usize>() + records.len() * RECORD_BYTES;
        let fits = |draft: &Draft<T>| {
            draft.rows.len() + draft.records.len() + need <= self.rows_max
                && draft.bytes + bytes <= self.bytes_max
        };
        if self.drafts.back().is_none_or(|draft| !fits(draft)) {
            let (rows, records, then) = (BTreeMap::new(), Vec::new(), Vec::new());
            self.drafts.push_back(Draft { rows, records, bytes: 0, then });
        }
        if let Some(draft) = self.drafts.back_mut() {
            draft.bytes += bytes;
            draft.rows.extend(rows);
            draft.records.extend(records);
            draft.then.extend(then);
        }
    }

    /// The changes of a batch, as [`Journal::add`].
    pub(crate) fn add_batch(&mut self, batch: &Batch, then: Vec<T>) {
        let row = |op: &Op| match &op.change {
            Change::Put(value) => (op.key.clone(), Some(value.clone())),
            _ => (op.key.clone(), None),
        };
        self.add(batch.ops().iter().map(row).collect(), Vec::new(), then);
    }

    /// Rows that go, however many there are, in front of everything that is added later; `then` after all of them.
    pub(crate) fn delete(&mut self, keys: Vec<Key>, then: Vec<T>) {
        for part in keys.chunks(DELETED_AT_ONCE) {
            let rows = part.iter().map(|key| (key.clone(), None)).collect();
            self.add(rows, Vec::new(), Vec::new());
        }
        self.add(Vec::new(), Vec::new(), then);
    }

    /// The next batch, unless one is on its way.
    pub(crate) fn flush(&mut self, ticket: Ticket) -> Result<Option<Batch>, Error> {
        if self.in_flight.is_some() {
            return Ok(None);
        }
        let Some(draft) = self.drafts.pop_front() else { return Ok(None) };
        let mut batch = Batch::with_capacity(draft.rows.len() + draft.records.len() + 1);
        for record in &draft.records {
            self.trail.record(&mut batch, record)?;
        }
        for (key, row) in draft.rows {
            match row {
                Some(row) => batch.put(key, Expect::Any, row),
                None => batch.delete(key, Expect::Any),
            };
        }
        self.trail.seal(&mut batch, self.head);
        self.in_flight = Some((ticket, draft.then));
        Ok(Some(batch))
    }

    /// What may happen now, or [`Error::Fenced`]: nothing more may be promised before everything was read again.
    pub(crate) fn committed(&mut self, ticket: Ticket, fate: Committed) -> Result<Vec<T>, Error> {
        match (self.in_flight.take(), fate) {
            (Some((waiting, then)), Committed::Applied(version)) if waiting == ticket => {
                self.head = Expect::At(version);
                Ok(then)
            }
            (Some((waiting, then)), _) if waiting != ticket => {
                self.in_flight = Some((waiting, then));
                Ok(Vec::new())
            }
            (None, _) => Ok(Vec::new()),
            _ => Err(Error::Fenced),
        }
    }

    /// Whether more would only wait.
    pub(crate) fn is_full(&self) -> bool {
        self.drafts.len() >= DRAFTS_MAX
    }
}

/// Room for the head's row.
const HEAD_BYTES: usize = 1_024;
/// More than an audit record takes.
const RECORD_BYTES: usize = 2_048;
/// Fits every batch.
const DELETED_AT_ONCE: usize = 64;
const DRAFTS_MAX: usize = 16;
