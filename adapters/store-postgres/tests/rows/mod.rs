//! All of a bank's rows: put into a store, and read from it in one view.

use port::{Batch, Commit, CrateTag, Expect, Key, ReadSet, Scan, Snapshot, Store, Tenant, Version};

/// Writes rows that another store had.
pub(crate) async fn fill(store: &impl Store, snapshot: &Snapshot) {
    for rows in snapshot.rows.chunks(50) {
        let mut batch = Batch::new();
        for (key, row) in rows {
            batch.put(key.clone(), Expect::Absent, row.value.clone());
        }
        assert!(matches!(store.commit(&batch).await, Ok(Commit::Applied(_))));
    }
}

/// Everything in one view; the last commit is the last that left a row.
pub(crate) async fn snapshot(store: &impl Store) -> Snapshot {
    let tables = TABLES.map(|table| Key::new(CrateTag::QRPAY, Tenant::new(1), table));
    let scans = tables.map(|table| Scan::first(table, Scan::ROWS_MAX)).to_vec();
    let found = store.read(&ReadSet { points: Vec::new(), scans }).await.unwrap();
    assert!(found.scans.iter().all(|page| page.len() < Scan::ROWS_MAX), "too many for one view");
    let rows: Vec<_> = found.scans.into_iter().flatten().collect();
    let last = rows.iter().map(|(_, row)| row.version).max().unwrap_or(Version::default());
    Snapshot { last, rows }
}

/// The tables of qrpay and its outbox (`docs/spec/qrpay.md`).
const TABLES: [u8; 7] = [1, 2, 3, 4, 5, 6, 0xFE];
