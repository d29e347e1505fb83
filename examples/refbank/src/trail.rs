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
/// Several may write, in this process and in others that share the store: the batch requires the head, and who comes second
/// looks again.
#[derive(Clone)]
pub(crate) struct Trail {
    vault: Arc<Vault>,
}

impl Trail {
    pub(crate) fn new(vault: Arc<Vault>) -> Self {
        Self { vault }
    }

    /// Writes down a record that belongs to no verdict; it waits for its place like the others.
    pub(crate) async fn note(&self, audit: &Audit, entropy: &[u8; 32]) -> Result<(), Trouble> {
        let mut bytes = Vec::with_capacity(192);
        audit.encode(&mut bytes)?;
        let mark = entropy.last_chunk().copied().unwrap_or_default();
        let mut batch = Batch::new();
        batch.put(rows::waiting_record(audit.at, &mark)?, Expect::Any, bytes);
        // Without requirements there is no conflict.
        let _ = self.vault.commit(&batch).await.map_err(Trouble::store)?;
        Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::Place;
    use interbank::port::Time;

    async fn trail(folder: &tempfile::TempDir, records: u8) -> Trail {
        let store = Vault::open(&folder.path().join("store"), &Place::Folder).await;
        let trail = Trail::new(Arc::new(store.unwrap()));
        for n in 0..records {
            let record = Audit {
                at: Time::from_ms(u64::from(n)),
                tenant: rows::TENANT,
                action: "refbank.test".into(),
                actor: Default::default(),
                subject: vec![n].into(),
                reasons: vec![u32::from(n)],
                policy: [0; 32],
                correlation: [0; 16],
            };
            let mut bytes = Vec::new();
            record.encode(&mut bytes).unwrap();
            let mut batch = Batch::new();
            batch.put(rows::waiting_record(record.at, &[n; 16]).unwrap(), Expect::Absent, bytes);
            assert!(matches!(trail.vault.commit(&batch).await, Ok(Commit::Applied(_))));
        }
        trail.chain_all().await.unwrap();
        trail
    }

    async fn change(trail: &Trail, number: u64, value: Option<Vec<u8>>) {
        let mut batch = Batch::new();
        let key = rows::link(number).unwrap();
        match value {
            Some(value) => batch.put(key, Expect::Any, value),
            None => batch.delete(key, Expect::Any),
        };
        assert!(matches!(trail.vault.commit(&batch).await, Ok(Commit::Applied(_))));
    }

    #[tokio::test]
    async fn records_are_chained_in_pages_and_found_intact() {
        let folder = tempfile::tempdir().unwrap();
        let trail = trail(&folder, 100).await;
        let checked = trail.check(3).await.unwrap();
        assert!(checked.intact);
        assert_eq!((checked.head.count, checked.checked), (100, 100));
        let subjects: Vec<_> = checked.records.iter().map(|record| record.subject[0]).collect();
        assert_eq!(subjects, [99, 98, 97]);
    }

    #[tokio::test]
    async fn a_changed_or_missing_record_shows() {
        let folder = tempfile::tempdir().unwrap();
        let trail = trail(&folder, 5).await;
        let key = rows::link(3).unwrap();
        let found = trail.vault.read(&ReadSet::points([key])).await.unwrap();
        let kept = found.points[0].as_ref().unwrap().value.to_vec();
        let mut changed = kept.clone();
        // The last byte of the correlation.
        *changed.last_mut().unwrap() ^= 1;
        change(&trail, 3, Some(changed)).await;
        assert!(!trail.check(1).await.unwrap().intact);
        change(&trail, 3, None).await;
        assert!(!trail.check(1).await.unwrap().intact);
        change(&trail, 3, Some(kept)).await;
        assert!(trail.check(1).await.unwrap().intact);
        change(&trail, 5, None).await;
        assert!(!trail.check(1).await.unwrap().intact);
    }
}
