//! End of life: what is over is deleted, a page at a time.

use super::super::History;
use super::rows::{self, CHALLENGE, ChallengeRow, HISTORY, REQUEST, RequestRow, next};
use super::{Error, Misuse, Purged, Setup};
use alloc::sync::Arc;
use port::{
    Answers, Ask, Batch, Conclusion, Decision, Expect, Key, ReadSet, Row, Scan as Page, Step, Time,
};

/// Which rows to look through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PurgeTable {
    /// Challenges that nobody answered.
    Challenges,
    /// Periods in which nothing was confirmed for long, history and profile together.
    Periods,
    /// Requests, with the scans of those that were never confirmed.
    Requests,
}

/// The decision over one page. A terminal's own row stays until it is [forgotten](super::Forget): it says whether the
/// terminal is lost.
#[derive(Clone, Debug)]
pub struct Purge {
    setup: Arc<Setup>,
    now: Time,
    table: PurgeTable,
    after: Option<Key>,
}

impl Purge {
    pub(super) fn new(setup: Arc<Setup>, now: Time, table: PurgeTable, after: Option<Key>) -> Self {
        Self { setup, now, table, after }
    }

    fn is_over(&self, row: &Row) -> Result<bool, Error> {
        let config = &self.setup.config;
        let over = |since: Time, kept_ms: u64| self.now >= since.plus_ms(kept_ms);
        Ok(match self.table {
            PurgeTable::Challenges => over(ChallengeRow::parse(&row.value)?.expires, 0),
            PurgeTable::Periods => {
                let last = History::parse(&row.value)?.last();
                over(last.unwrap_or(Time::EPOCH), config.profile_kept_ms)
            }
            PurgeTable::Requests => over(RequestRow::parse(&row.value)?.at, config.request_kept_ms),
        })
    }
}

impl Decision for Purge {
    type Verdict = Purged;
    type Error = Error;

    fn begin(&mut self) -> Ask {
        let table = match self.table {
            PurgeTable::Challenges => CHALLENGE,
            PurgeTable::Periods => HISTORY,
            PurgeTable::Requests => REQUEST,
        };
        let prefix = rows::table(self.setup.tenant(), table);
        let page = Page { prefix, after: self.after.clone(), limit: PAGE_ROWS };
        Ask::rows(ReadSet::scan(page))
    }

    fn step(&mut self, answers: Answers) -> Result<Step<Purged>, Error> {
        let page = answers.rows.scans.first().ok_or(Error::Misuse(Misuse::Answers))?;
        let mut batch = Batch::new();
        for (key, row) in page {
            if self.is_over(row)? {
                if self.table == PurgeTable::Periods {
                    // Profiles change only together with their histories, whose version is required.
                    batch.delete(rows::beside(self.setup.tenant(), key), Expect::Any);
                }
                batch.delete(key.clone(), Expect::At(row.version));
            }
        }
        let verdict = Purged { rows: batch.ops().len(), next: next(page, PAGE_ROWS) };
        Ok(Step::Done(Conclusion { verdict, batch }))
    }
}

/// Two rows for each period fit one batch.
const PAGE_ROWS: usize = 50;
