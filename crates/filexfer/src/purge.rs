//! End of life: what is over is deleted, a page at a time.

use crate::backstage::{inbox_index, inbox_key};
use crate::client::{pending, taken_at};
use crate::{
    BackstageServer, Bitmap, ClientServer, Error, Forwarder, Job, Keeping, PartyId, Registry,
    Stage, TransferId,
};
use alloc::collections::BTreeSet;
use alloc::sync::Arc;
use alloc::vec::Vec;
use bytes::Bytes;
use port::{
    Answers, Ask, Batch, Conclusion, CrateTag, Decision, Expect, Key, ReadSet, Row, Scan, Step,
    Tenant, Time, WireError,
};

/// The decision over one page of one table; go on with [`Purged::next`] until it is `None`.
///
/// It may run beside the machine whose rows they are. What is under way, waits to be told or to be published is never deleted,
/// however old it is. A forwarding server's tables are [`PurgeTable::Jobs`] and [`PurgeTable::Receipts`], a client's
/// [`PurgeTable::Taken`] and [`PurgeTable::Receipts`], a backstage server's [`PurgeTable::Inbox`] and
/// [`PurgeTable::Receipts`].
#[derive(Clone, Debug)]
pub struct Purge {
    tenant: Tenant,
    keeping: Keeping,
    registry: Option<Arc<Registry>>,
    now: Time,
    table: PurgeTable,
    after: Option<Key>,
    page: Option<Page>,
}

#[derive(Clone, Debug)]
struct Page {
    over: Vec<Over>,
    next: Option<Key>,
}

/// A row that is over, with what else there may be of its transfer.
#[derive(Clone, Debug)]
struct Over {
    key: Key,
    row: Row,
    transfer: TransferId,
    /// Until when receipts of it are kept.
    receipts_until: Option<Time>,
}

impl Purge {
    /// Of one table, after the row of this key.
    pub const fn new(
        tenant: Tenant,
        keeping: Keeping,
        now: Time,
        table: PurgeTable,
        after: Option<Key>,
    ) -> Self {
        Self { tenant, keeping, registry: None, now, table, after, page: None }
    }

    /// With the profiles of clients, which may say that receipts of theirs are kept for longer.
    #[must_use]
    pub fn by(mut self, registry: Arc<Registry>) -> Self {
        self.registry = Some(registry);
        self
    }

    fn prefix(&self) -> Key {
        match self.table {
            PurgeTable::Jobs => Job::table(self.tenant),
            PurgeTable::Taken => ClientServer::outcomes(self.tenant),
            PurgeTable::Inbox => inbox_index(self.tenant),
            PurgeTable::Receipts => terms(self.tenant),
        }
    }

    fn is_past(&self, since: Time, kept_ms: u64) -> bool {
        self.now >= since.plus_ms(kept_ms)
    }

    /// Which rows of a page are over.
    fn over(&self, rows: Vec<(Key, Row)>) -> Result<Vec<Over>, Error> {
        let mut over = Vec::new();
        for (key, row) in rows {
            let found = match self.table {
                PurgeTable::Jobs => {
                    let job = Job::parse(&row.value).map_err(Error::Corrupt)?;
                    let is_over =
                        job.state.is_final() && self.is_past(job.since, self.keeping.jobs_ms());
                    let kept_ms = self.receipts_ms(&job);
                    let until = job.state.is_delivered().then(|| job.since.plus_ms(kept_ms));
                    is_over.then(|| job.request.transfer().map(|transfer| (transfer, until)))
                }
                PurgeTable::Taken => {
                    let at = taken_at(&row.value).map_err(Error::Corrupt)?;
                    let is_over = at.is_some_and(|at| self.is_past(at, self.keeping.jobs_ms()));
                    let until = at.map(|at| at.plus_ms(self.keeping.receipts_ms()));
                    is_over.then(|| Ok((tail(&key)?, until)))
                }
                PurgeTable::Inbox => {
                    let at = number(&key, &inbox_index(self.tenant))?;
                    let is_over = self.is_past(at, self.keeping.jobs_ms());
                    let until = Some(at.plus_ms(self.keeping.receipts_ms()));
                    is_over.then(|| Ok((transfer(&row.value)?, until)))
                }
                PurgeTable::Receipts => {
                    let until = number(&key, &terms(self.tenant))?;
                    (self.now >= until).then(|| Ok((tail(&key)?, None)))
                }
            };
            if let Some(found) = found {
                let (transfer, receipts_until) = found.map_err(Error::Corrupt)?;
                over.push(Over { key, row, transfer, receipts_until });
            }
        }
        Ok(over)
    }

    /// As long as the clients that it concerns say.
    fn receipts_ms(&self, job: &Job) -> u64 {
        let parties = [&job.request.sender, &job.request.destination];
        let said = parties.into_iter().filter_map(|party| {
            let party = PartyId::new(party).ok()?;
            self.registry.as_ref()?.profile(&party)?.receipts_kept_ms
        });
        said.fold(self.keeping.receipts_ms(), u64::max)
    }

    /// What else has to be known of the rows that are over.
    fn wanted(&self, over: &[Over]) -> Result<ReadSet, Error> {
        let mut want = ReadSet { points: Vec::new(), scans: Vec::new() };
        for one in over {
            match self.table {
                PurgeTable::Jobs => {
                    let scan = Bitmap::scan(self.tenant, &one.transfer)?;
                    want.scans.push(Scan { limit: BITMAP_ROWS, ..scan });
                }
                PurgeTable::Taken => want.points.push(pending(self.tenant).raw(&one.transfer.0)?),
                PurgeTable::Inbox | PurgeTable::Receipts => {}
            }
        }
        Ok(want)
    }

    fn conclude(&self, page: Page, answers: Answers) -> Result<Conclusion<Purged>, Error> {
        let mut scans = answers.rows.scans.into_iter();
        let mut points = answers.rows.points.into_iter();
        let (mut batch, mut seen) = (Batch::new(), BTreeSet::new());
        let mut rows = 0;
        // All rows of a table lie behind its prefix.
        let mut done = self.after.clone().or_else(|| Some(self.prefix()));
        for one in page.over {
            let bitmap = scans.next().unwrap_or_default();
            let waits = points.next().flatten().is_some();
            // A row, its term, what is told with it, and what is left of a bitmap.
            if batch.ops().len() + bitmap.len() + ROWS_OF_ONE > Batch::OPS_MAX {
                return Ok(Conclusion { verdict: Purged { rows, next: done }, batch });
            }
            let is_whole = bitmap.len() < BITMAP_ROWS;
            for (key, row) in bitmap {
                batch.delete(key, Expect::At(row.version));
            }
            if !is_whole {
                // More of it lies behind: the same row again.
                return Ok(Conclusion { verdict: Purged { rows, next: done }, batch });
            }
            done = Some(one.key.clone());
            if waits {
                continue;
            }
            rows += 1;
            self.forget(one, &mut seen, &mut batch)?;
        }
        Ok(Conclusion { verdict: Purged { rows, next: page.next }, batch })
    }

    /// Several notices of one transfer, or several terms, may be over together: `seen` keeps each row in the batch once.
    fn forget(&self, one: Over, seen: &mut BTreeSet<Key>, batch: &mut Batch) -> Result<(), Error> {
        let id = &one.transfer.0;
        if let Some(until) = one.receipts_until {
            let term = terms(self.tenant).number(until.as_ms())?.raw(id)?;
            if seen.insert(term.clone()) {
                batch.put(term, Expect::Any, Bytes::from_static(&[1]));
            }
        }
        let mut rows = Vec::with_capacity(ROWS_OF_ONE);
        match self.table {
            PurgeTable::Jobs => rows.push(Forwarder::hand_overs(self.tenant).raw(id)?),
            PurgeTable::Inbox => {
                rows.push(inbox_key(self.tenant, &one.key).map_err(Error::Corrupt)?);
            }
            PurgeTable::Receipts => {
                for stage in Stage::ALL {
                    rows.push(Forwarder::receipts(self.tenant).raw(id)?.raw(&[stage.as_u8()])?);
                }
                rows.push(BackstageServer::receipts(self.tenant).raw(id)?);
                rows.push(Forwarder::hand_overs(self.tenant).raw(id)?);
            }
            PurgeTable::Taken => {}
        }
        for key in rows {
            if seen.insert(key.clone()) {
                batch.delete(key, Expect::Any);
            }
        }
        batch.delete(one.key, Expect::At(one.row.version));
        Ok(())
    }
}

impl Decision for Purge {
    type Verdict = Purged;
    type Error = Error;

    fn begin(&mut self) -> Ask {
        self.page = None;
        let (prefix, after) = (self.prefix(), self.after.clone());
        Ask::rows(ReadSet::scan(Scan { prefix, after, limit: PAGE }))
    }

    fn step(&mut self, mut answers: Answers) -> Result<Step<Purged>, Error> {
        if let Some(page) = self.page.take() {
            return self.conclude(page, answers).map(Step::Done);
        }
        let rows = answers.rows.scans.pop().unwrap_or_default();
        let last = rows.last().map(|(key, _)| key.clone());
        let next = last.filter(|_| rows.len() >= PAGE);
        let over = self.over(rows)?;
        // Terms lie in the order of time: behind one that is not over none is.
        let next = next.filter(|_| self.table != PurgeTable::Receipts || !over.is_empty());
        let page = Page { over, next };
        let want = self.wanted(&page.over)?;
        if want.points.is_empty() && want.scans.is_empty() {
            return self.conclude(page, answers).map(Step::Done);
        }
        self.page = Some(page);
        Ok(Step::Ask(Ask::rows(want)))
    }
}

/// Which rows to look through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PurgeTable {
    /// A forwarding server's jobs that ended, whether they wait to be handed over or not, with what is left of their bitmaps.
    Jobs,
    /// What became of a client's offers, unless its hand-over waits to be told.
    Taken,
    /// A backstage server's notices. The application has to have read them by then.
    Inbox,
    /// Receipts of transfers that the other tables have forgotten.
    Receipts,
}

/// What came of one page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Purged {
    /// How many jobs, outcomes, notices or transfers' receipts were deleted.
    pub rows: usize,
    /// Where the next page starts; `None` at the end.
    pub next: Option<Key>,
}

/// The prefix of terms: until when receipts are kept, then of which transfer.
fn terms(tenant: Tenant) -> Key {
    Key::new(CrateTag::FILEXFER, tenant, TERMS)
}

fn tail(key: &Key) -> Result<TransferId, WireError> {
    key.as_bytes().last_chunk().map(|id| TransferId(*id)).ok_or(WireError::Truncated)
}

fn transfer(bytes: &[u8]) -> Result<TransferId, WireError> {
    bytes.try_into().map(TransferId).map_err(|_| WireError::Invalid)
}

fn number(key: &Key, prefix: &Key) -> Result<Time, Error> {
    let rest = key.as_bytes().get(prefix.as_bytes().len()..).and_then(|rest| rest.first_chunk());
    let number = rest.ok_or(Error::Corrupt(WireError::Truncated))?;
    Ok(Time::from_ms(u64::from_be_bytes(*number)))
}

const TERMS: u8 = 11;
const PAGE: usize = 10;
/// Of one transfer's bitmap at a time.
const BITMAP_ROWS: usize = 60;
/// With a transfer: four receipts, a destination's, a hand-over, its own row and a term.
const ROWS_OF_ONE: usize = 8;
