//! End of life: what policy says is over is deleted, a page at a time.

use crate::item::{Item, Kind, State};
use crate::payment::{MerchantKey, Outcome, Payment, PaymentState, Refund, RefundState};
use crate::server::Setup;
use crate::table;
use crate::{Error, PaymentServer};
use alloc::sync::Arc;
use port::{
    Answers, Ask, Batch, Conclusion, Decision, Expect, Key, ReadSet, Row, Scan, Step, Time,
};

impl PaymentServer {
    /// Decides which rows of one table are over, a page at a time; go on with [`Purged::next`] until it is `None`.
    ///
    /// Outcomes and merchants' keys are kept for [`crate::Policy::outcome_kept_ms`], items, payments and refunds for
    /// [`crate::Policy::record_kept_ms`] after they ended (refund and dispute periods); a payment that waits for the
    /// accounting system is never deleted. Bindings live until their account is closed: they are not purged here.
    pub fn purge(&self, now: Time, table: PurgeTable, after: Option<Key>) -> Purge {
        Purge { setup: self.setup.clone(), now, table, after }
    }
}

/// Which rows to look through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PurgeTable {
    /// Orders and commodities.
    Items,
    /// Merchants' idempotency keys.
    MerchantKeys,
    /// Outcomes for identical retries.
    Outcomes,
    /// Payments.
    Payments,
    /// Refunds.
    Refunds,
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
}

impl Purge {
    fn is_over(&self, row: &Row) -> Result<bool, Error> {
        let policy = self.setup.policy();
        let over = |since: Time, kept_ms: u64| self.now >= since.plus_ms(kept_ms);
        Ok(match self.table {
            PurgeTable::Items => {
                let item = Item::parse(&row.value)?;
                let ended = match (item.kind, item.state) {
                    (_, State::Accepted) => return Ok(false),
                    (Kind::Commodity, State::Open) => return Ok(false),
                    (Kind::Commodity, _) => item.created,
                    (Kind::Order, _) => item.valid_until,
                };
                over(ended, policy.record_kept_ms)
            }
            PurgeTable::MerchantKeys => {
                over(MerchantKey::parse(&row.value)?.issued, policy.outcome_kept_ms)
            }
            PurgeTable::Outcomes => {
                over(Outcome::parse(&row.value)?.accepted, policy.outcome_kept_ms)
            }
            PurgeTable::Payments => {
                let payment = Payment::parse(&row.value)?;
                let waits = matches!(
                    payment.state,
                    PaymentState::Accepted | PaymentState::Lapsed | PaymentState::Reversing
                );
                !waits && over(payment.accepted, policy.record_kept_ms)
            }
            PurgeTable::Refunds => {
                let refund = Refund::parse(&row.value)?;
                refund.state != RefundState::Owed && over(refund.granted, policy.record_kept_ms)
            }
        })
    }
}

impl Decision for Purge {
    type Verdict = Purged;
    type Error = Error;

    fn begin(&mut self) -> Ask {
        let table = match self.table {
            PurgeTable::Items => table::ITEM,
            PurgeTable::MerchantKeys => table::MERCHANT_KEY,
            PurgeTable::Outcomes => table::OUTCOME,
            PurgeTable::Payments => table::PAYMENT,
            PurgeTable::Refunds => table::REFUND,
        };
        let prefix = table::table(self.setup.tenant(), table);
        let scan = Scan { prefix, after: self.after.clone(), limit: PAGE_ROWS };
        Ask::rows(ReadSet::scan(scan))
    }

    fn step(&mut self, answers: Answers) -> Result<Step<Purged>, Error> {
        let page = answers.rows.scans.into_iter().next().unwrap_or_default();
        let next =
            if page.len() == PAGE_ROWS { page.last().map(|(key, _)| key.clone()) } else { None };
        let mut batch = Batch::new();
        for (key, row) in &page {
            if self.is_over(row)? {
                batch.delete(key.clone(), Expect::At(row.version));
            }
        }
        let verdict = Purged { rows: batch.ops().len(), next };
        Ok(Step::Done(Conclusion { verdict, batch }))
    }
}

const PAGE_ROWS: usize = 100;
