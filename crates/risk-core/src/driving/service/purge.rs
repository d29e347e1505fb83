//! End of life: what is over is deleted, a page at a time.

use super::super::State;
use super::rows::{self, DATA, DataRow, REGISTRATION, REQUEST, RegistrationRow, RequestRow, next};
use super::{DAY_MS, Error, Misuse, Purged, Setup};
use alloc::sync::Arc;
use port::{
    Answers, Ask, Batch, Conclusion, Decision, Expect, Key, ReadSet, Row, Scan as Page, Step, Time,
};

/// Which rows to look through. Habits go with the revocation of their vehicle, notices with their delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PurgeTable {
    /// Requests.
    Requests,
    /// Registrations that were revoked.
    Revoked,
    /// Data of vehicles that sent nothing for a day and whose stretch ended long ago. The numbers of their samples stay known
    /// as long as they are in the row: so the stretch goes, the rest stays.
    Stretches,
}

/// The decision over one page.
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
}

impl Decision for Purge {
    type Verdict = Purged;
    type Error = Error;

    fn begin(&mut self) -> Ask {
        let table = match self.table {
            PurgeTable::Requests => REQUEST,
            PurgeTable::Revoked => REGISTRATION,
            PurgeTable::Stretches => DATA,
        };
        let prefix = rows::table(self.setup.tenant(), table);
        Ask::rows(ReadSet::scan(Page { prefix, after: self.after.clone(), limit: PAGE_ROWS }))
    }

    fn step(&mut self, answers: Answers) -> Result<Step<Purged>, Error> {
        let page = answers.rows.scans.first().ok_or(Error::Misuse(Misuse::Answers))?;
        let (config, mut batch) = (&self.setup.config, Batch::new());
        let over = |since: Time, kept_ms: u64| self.now >= since.plus_ms(kept_ms);
        for (key, row) in page {
            let expect = Expect::At(row.version);
            match self.table {
                PurgeTable::Requests => {
                    if over(RequestRow::parse(&row.value)?.at, config.request_kept_ms) {
                        batch.delete(key.clone(), expect);
                    }
                }
                PurgeTable::Revoked => {
                    let it = RegistrationRow::parse(&row.value)?.registration;
                    if it.state() == State::Revoked && over(it.changed(), config.revoked_kept_ms) {
                        batch.delete(key.clone(), expect);
                    }
                }
                PurgeTable::Stretches => {
                    let mut data = DataRow::parse(&row.value)?;
                    if data.recording.last().is_some_and(|last| over(last, DAY_MS)) {
                        data = DataRow {
                            guard: data.guard,
                            ..DataRow::of(None::<&Row>, &config.rules)?
                        };
                        batch.put(key.clone(), expect, data.encode());
                    }
                }
            }
        }
        let verdict = Purged { rows: batch.ops().len(), next: next(page, PAGE_ROWS) };
        Ok(Step::Done(Conclusion { verdict, batch }))
    }
}

const PAGE_ROWS: usize = 50;
