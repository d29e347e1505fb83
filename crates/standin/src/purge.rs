//! End of life: what is over is deleted, a page at a time.

use crate::parameters::Head;
use crate::stand_in::Setup;
use crate::{
    AccountState, Acknowledgement, Entry, EntryRef, Error, Kind, Parameters, Role, StandIn, table,
};
use alloc::sync::Arc;
use alloc::vec::Vec;
use port::{
    Answers, Ask, Batch, Conclusion, Decision, Expect, Key, ReadSet, Row, Scan, Step, Time,
    Version, WireError,
};

impl StandIn {
    /// Decides which rows of one table are over, a page at a time; go on with [`Purged::next`] until it is `None`.
    ///
    /// What waits for delivery or for a person is never deleted, however old it is. Reads of the journal by request key need no
    /// protection from it: who found a row requires that row, and who found none cannot lose it.
    pub fn purge(&self, now: Time, table: PurgeTable, after: Option<Key>) -> Purge {
        Purge { setup: self.setup.clone(), now, table, after, over: None }
    }
}

/// Which rows to look through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PurgeTable {
    /// Accounts of which nothing is known any more: no hold, no list, no wrong PIN; no entry and no balance within the
    /// journal's retention and the windows of counters.
    Accounts,
    /// Acknowledgements after the journal's retention.
    Acknowledgements,
    /// Entries whose delivery ended, after the journal's retention; pre-authorizations also not before their hold has lapsed, and
    /// reversals not while their original waits: it says how much of that is out.
    Journal,
    /// Parameter sets before the one in force.
    Sets,
}

/// What came of one page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Purged {
    /// How many rows were deleted.
    pub rows: usize,
    /// Where the next page starts; `None` at the end.
    pub next: Option<Key>,
}

/// The decision over one page.
#[derive(Clone, Debug)]
pub struct Purge {
    setup: Arc<Setup>,
    now: Time,
    table: PurgeTable,
    after: Option<Key>,
    /// What is over, but for a look at what it reverses.
    over: Option<Over>,
}

#[derive(Clone, Debug)]
struct Over {
    /// The originals of those among them that reverse something are read, in this order.
    rows: Vec<(Key, Version, Option<EntryRef>)>,
    next: Option<Key>,
}

impl Purge {
    fn is_over(&self, key: &Key, row: &Row, in_force: u64) -> Result<bool, Error> {
        let over = |since: Time, kept_ms: u64| self.now >= since.plus_ms(kept_ms);
        let kept_ms = self.setup.config.journal_kept_ms;
        Ok(match self.table {
            PurgeTable::Accounts => {
                let state = AccountState::parse(&row.value).map_err(Error::Corrupt)?;
                let listed = [state.deny.map(|(_, until)| until), state.vip_until];
                let balance = state.balance.map(|balance| balance.as_of);
                let waits = state.undelivered > 0 || state.exceptions > 0;
                // A day more than its entries, which may be of messages that were sent a little in the future; and never before
                // what was counted is over.
                let parameters = self.setup.config.parameters.as_ref();
                let counted_ms = parameters.map_or(WINDOW_MS_MAX, Parameters::counted_ms_max);
                let kept_ms = kept_ms.max(counted_ms).saturating_add(DAY_MS);
                let known = balance.into_iter().chain([state.seen, state.settled]);
                !waits
                    && state.holds.iter().all(|hold| hold.is_over(self.now, self.hold_ms()))
                    && state.pin_failures == 0
                    && listed.iter().flatten().all(|until| self.now >= *until)
                    && known.into_iter().all(|since| over(since, kept_ms))
            }
            PurgeTable::Acknowledgements => {
                let row = Acknowledgement::parse(&row.value).map_err(Error::Corrupt)?;
                over(row.at, kept_ms) && row.mark.version < in_force
            }
            PurgeTable::Journal => {
                let entry = Entry::parse(&row.value).map_err(Error::Corrupt)?;
                let kept_ms = match entry.request.kind {
                    Kind::PreAuthorization => kept_ms.max(self.hold_ms()),
                    _ => kept_ms,
                };
                !entry.state.is_out() && over(entry.at.max(entry.request.key.sent_at()), kept_ms)
            }
            PurgeTable::Sets => {
                // The key ends with version (8) and part (1).
                let tail = key.as_bytes().split_last_chunk::<9>().map(|(_, tail)| tail);
                let version = tail.and_then(|tail| tail.first_chunk()).copied();
                let version = version.ok_or(Error::Corrupt(WireError::Truncated))?;
                u64::from_be_bytes(version) < in_force
            }
        })
    }

    /// What an entry of the journal reverses.
    fn reverses(&self, row: &Row) -> Result<Option<EntryRef>, Error> {
        if self.table != PurgeTable::Journal {
            return Ok(None);
        }
        let entry = Entry::parse(&row.value).map_err(Error::Corrupt)?.reference();
        Ok((entry.role == Role::Reversal).then(|| entry.original()))
    }

    fn hold_ms(&self) -> u64 {
        self.setup.config.parameters.as_ref().map_or(HOLD_MS, Parameters::hold_ms)
    }

    const fn page_rows(&self) -> usize {
        match self.table {
            // Their rows are up to 60 KiB long.
            PurgeTable::Sets => 8,
            _ => 99,
        }
    }
}

impl Decision for Purge {
    type Verdict = Purged;
    type Error = Error;

    fn begin(&mut self) -> Ask {
        self.over = None;
        let institution = self.setup.config.institution;
        let prefix = match self.table {
            PurgeTable::Accounts => table::accounts(institution),
            PurgeTable::Acknowledgements => table::acknowledgements(institution),
            PurgeTable::Journal => table::ended(institution),
            PurgeTable::Sets => table::sets(institution),
        };
        let scan = Scan { prefix, after: self.after.clone(), limit: self.page_rows() };
        let points = alloc::vec![table::head(institution)];
        Ask::rows(ReadSet { points, scans: alloc::vec![scan] })
    }

    fn step(&mut self, answers: Answers) -> Result<Step<Purged>, Error> {
        if let Some(over) = self.over.take() {
            return conclude(over, &answers.rows.points);
        }
        let ([head], [page]) = (&answers.rows.points[..], &answers.rows.scans[..]) else {
            return Err(Error::Answers);
        };
        let in_force = head.as_ref().map(|row| Head::parse(&row.value)).transpose();
        let in_force = in_force.map_err(Error::Corrupt)?;
        let in_force = in_force.map_or(0, |head| head.in_force(self.now).version);
        let full = page.len() == self.page_rows();
        let next = if full { page.last().map(|(key, _)| key.clone()) } else { None };
        let mut over = Over { rows: Vec::new(), next };
        let mut points = Vec::new();
        for (key, row) in page {
            if self.is_over(key, row, in_force)? {
                let reverses = self.reverses(row)?;
                let institution = self.setup.config.institution;
                points.extend(reverses.iter().flat_map(|original| original.keys(institution)));
                over.rows.push((key.clone(), row.version, reverses));
            }
        }
        if points.is_empty() {
            return conclude(over, &[]);
        }
        self.over = Some(over);
        Ok(Step::Ask(Ask::rows(ReadSet::points(points))))
    }
}

/// Deletes what is over, reversals of something that waits apart. Of what ended only a decline may wait again, and its reversal gave
/// nothing back.
fn conclude(over: Over, originals: &[Option<Row>]) -> Result<Step<Purged>, Error> {
    let mut originals = originals.chunks(2);
    let mut batch = Batch::new();
    for (key, version, reverses) in over.rows {
        let mut waits = false;
        if reverses.is_some() {
            for row in originals.next().ok_or(Error::Answers)?.iter().flatten() {
                waits |= Entry::parse(&row.value).map_err(Error::Corrupt)?.state.is_out();
            }
        }
        if !waits {
            batch.delete(key, Expect::At(version));
        }
    }
    let verdict = Purged { rows: batch.ops().len(), next: over.next };
    Ok(Step::Done(Conclusion { verdict, batch }))
}

/// As long as a hold lives where no parameters say how long.
const HOLD_MS: u64 = 30 * DAY_MS;
/// The longest window that a set may name, and its last bucket.
const WINDOW_MS_MAX: u64 = 420 * DAY_MS;
const DAY_MS: u64 = 86_400_000;
