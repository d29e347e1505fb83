//! The audit log: records are written with the verdicts they are about, and chained by one writer.

use crate::rows;
use crate::trouble::Trouble;
use crate::vault::Vault;
use interbank::port::wire::{Reader, Writer};
use interbank::port::{Batch, Commit, Expect, ReadSet, Row, Scan, Store as _, WireError};
use interbank::seal::{Audit, AuditChain, Head};
use std::sync::Arc;
use tokio::sync::{Notify, watch};

/// Takes waiting records into the chain, and checks it.
///
/// Only one may write at a time; the store's lock sees to it that there is one process, and the batch requires the head.
#[derive(Clone)]
pub(crate) struct Trail {
    vault: Arc<Vault>,
}

impl Trail {
    pub(crate) fn new(vault: Arc<Vault>) -> Self {
        Self { vault }
    }

    /// Chains until told to stop; then what waits is chained once more.
    pub(crate) async fn run(self, recorded: Arc<Notify>, mut closing: watch::Receiver<bool>) {
        loop {
            if let Err(why) = self.chain_all().await {
                tracing::error!(event = "trail.failed", %why);
            }
            if *closing.borrow() {
                return;
            }
            tokio::select! {
                () = recorded.notified() => {}
                _ = closing.changed() => {}
            }
        }
    }

    /// Chains everything that waits now.
    pub(crate) async fn chain_all(&self) -> Result<(), Trouble> {
        while self.chain_page().await? {}
        Ok(())
    }

    /// Chains one page; says whether there may be more.
    async fn chain_page(&self) -> Result<bool, Trouble> {
        let want = ReadSet {
            points: vec![rows::chain_head()],
            scans: vec![Scan::first(rows::waiting(), PAGE_ROWS)],
        };
        let found = self.vault.read(&want).await.map_err(Trouble::store)?;
        let head_row = found.points.into_iter().next().flatten();
        let page = found.scans.into_iter().next().unwrap_or_default();
        if page.is_empty() {
            return Ok(false);
        }
        let more = page.len() == PAGE_ROWS;
        let mut chain = AuditChain::resume(read_head(head_row.as_ref())?);
        let mut batch = Batch::with_capacity(2 * page.len() + 1);
        for (key, row) in page {
            let link = chain.update(&Audit::parse(&row.value)?)?;
            let record = [&link[..], &row.value].concat();
            batch.put(rows::link(chain.head().count)?, Expect::Absent, record);
            batch.delete(key, Expect::At(row.version));
        }
        let head = chain.head();
        let mut bytes = Vec::with_capacity(48);
        Writer::new(&mut bytes, 1).u64(head.count).fixed(&head.link);
        batch.put(rows::chain_head(), Row::unchanged(head_row.as_ref()), bytes);
        match self.vault.commit(&batch).await.map_err(Trouble::store)? {
            Commit::Applied(_) => Ok(more),
            // Somebody else wrote the head: look again.
            Commit::Conflict => Ok(true),
        }
    }

    /// Recomputes the links of the last [`CHECKED_MAX`] records and returns the last `show` of them, newest first.
    pub(crate) async fn check(&self, show: usize) -> Result<Checked, Trouble> {
        let head_row = self.vault.read(&ReadSet::points([rows::chain_head()])).await;
        let head_row = head_row.map_err(Trouble::store)?.points.into_iter().next().flatten();
        let head = read_head(head_row.as_ref())?;
        let from = head.count.saturating_sub(CHECKED_MAX);
        let mut chain = AuditChain::new();
        let mut after = None;
        if from > 0 {
            let key = rows::link(from)?;
            let before = self.vault.read(&ReadSet::points([key.clone()])).await;
            let before = before.map_err(Trouble::store)?.points.into_iter().next().flatten();
            let before = before.ok_or(Trouble::Damaged)?;
            let link = before.value.first_chunk().copied().ok_or(Trouble::Damaged)?;
            chain = AuditChain::resume(Head { link, count: from });
            after = Some(key);
        }
        let mut intact = true;
        let mut records = Vec::new();
        while chain.head().count < head.count {
            let scan = Scan { prefix: rows::chain(), after: after.clone(), limit: 500 };
            let page = self.vault.read(&ReadSet::scan(scan)).await.map_err(Trouble::store)?;
            let page = page.scans.into_iter().next().unwrap_or_default();
            let Some((last, _)) = page.last() else { break };
            after = Some(last.clone());
            for (_, row) in &page {
                // Records that were chained since the head was read are for the next check.
                if chain.head().count == head.count {
                    break;
                }
                let (link, record) = row.value.split_first_chunk::<32>().ok_or(Trouble::Damaged)?;
                let record = Audit::parse(record)?;
                intact &= chain.update(&record)? == *link;
                records.push(record);
            }
        }
        intact &= chain.head() == head;
        let checked = chain.head().count - from;
        records.reverse();
        records.truncate(show);
        Ok(Checked { intact, head, checked, records })
    }
}

/// What a check of the chain found.
#[derive(Debug)]
pub(crate) struct Checked {
    /// Whether every link is the one that its record gives.
    pub(crate) intact: bool,
    /// Where the chain stands.
    pub(crate) head: Head,
    /// How many records were recomputed.
    pub(crate) checked: u64,
    /// The last ones, newest first.
    pub(crate) records: Vec<Audit>,
}

fn read_head(row: Option<&Row>) -> Result<Head, WireError> {
    let Some(row) = row else { return Ok(Head::default()) };
    let mut reader = Reader::new(&row.value);
    reader.version(1)?;
    let count = reader.u64()?;
    let link = reader.array()?;
    reader.finish()?;
    Ok(Head { link, count })
}

/// Two operations for each record and one for the head stay below the portable hundred.
const PAGE_ROWS: usize = 40;

/// A page view must not read years of records.
const CHECKED_MAX: u64 = 10_000;
