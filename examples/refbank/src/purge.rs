//! Deletes what is over, table by table, by the policies of whoever keeps it.

use crate::bank::Bank;
use crate::trouble::Trouble;
use interbank::port::{Batch, Decision, Expect, Key, Store as _, Time, decide};
use interbank::qrpay::PurgeTable;

impl Bank {
    /// Deletes what policy says is over.
    pub(crate) async fn purge(&self, now: Time) -> Result<(), Trouble> {
        for table in [
            PurgeTable::MerchantKeys,
            PurgeTable::Outcomes,
            PurgeTable::Refunds,
            PurgeTable::Payments,
            PurgeTable::Items,
        ] {
            let page = |after| self.server().purge(now, table, after);
            self.purge_pages(page, |purged| (purged.rows, purged.next)).await?;
        }
        self.purge_gate(now).await?;
        self.purge_forecourt(now).await?;
        self.purge_stand_in(now).await?;
        self.purge_slips(now).await?;
        self.purge_orders(now).await
    }

    /// Deletes page by page until there is no next one; `told` says how many rows went, and where to go on.
    pub(crate) async fn purge_pages<D: Decision>(
        &self,
        page: impl Fn(Option<Key>) -> D,
        told: impl Fn(D::Verdict) -> (usize, Option<Key>),
    ) -> Result<(), Trouble> {
        let mut after = None;
        loop {
            let (rows, next) = told(decide(self.vault(), self.keys(), &mut page(after)).await?);
            if rows > 0 {
                tracing::info!(event = "purge.done", rows);
            }
            match next {
                Some(next) => after = Some(next),
                None => return Ok(()),
            }
        }
    }

    /// Deletes single rows that are no longer needed.
    pub(crate) async fn delete(&self, keys: Vec<Key>) -> Result<(), Trouble> {
        for some in keys.chunks(Batch::OPS_MAX) {
            let mut batch = Batch::with_capacity(some.len());
            for key in some {
                batch.delete(key.clone(), Expect::Any);
            }
            // Without requirements there is no conflict.
            let _ = self.vault().commit(&batch).await.map_err(Trouble::store)?;
        }
        Ok(())
    }
}
