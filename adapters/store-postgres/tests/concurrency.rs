//! Many writers in several pools: no update lost, no half batch, versions in the order of commits.
#![allow(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use interbank_store_postgres::{Error, Options, PostgresStore};
use port::{
    Batch, Change, Commit, CrateTag, Expect, Fault, Key, ReadSet, Row, Rows, Scan, Store,
    StoreError, Tenant, Version,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use support::Server;
use tokio::sync::OnceCell;
use tokio::task::JoinSet;

/// One server for all tests of this program, a database for each.
async fn stores(count: usize, change: impl Fn(Options) -> Options) -> Vec<Arc<PostgresStore>> {
    static SERVER: OnceCell<Server> = OnceCell::const_new();
    let server = SERVER.get_or_init(async || Server::start("deadlock_timeout = '2s'")).await;
    let url = server.database().await;
    let mut stores = Vec::new();
    for _ in 0..count {
        let options = change(Options::from_url(&url).unwrap().create(true));
        stores.push(Arc::new(PostgresStore::open(options).await.unwrap()));
    }
    stores
}

fn key(table: u8, n: u64) -> Key {
    Key::new(CrateTag::PORT, Tenant::new(1), table).number(n).unwrap()
}

fn put(key: Key, value: &[u8]) -> Batch {
    let mut batch = Batch::new();
    batch.put(key, Expect::Absent, value.to_vec());
    batch
}

fn number(row: Option<&Row>) -> u64 {
    row.map_or(0, |row| u64::from_be_bytes(row.value.as_ref().try_into().unwrap()))
}

/// SplitMix64.
fn draw(seed: &mut u64, below: u64) -> u64 {
    *seed = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut mixed = *seed;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    (mixed ^ (mixed >> 31)) % below
}

/// Every applied batch, in the order of versions, must hold against what the ones before it left: then that order is one in
/// which they could have come one by one. The end must be the table's.
async fn replay(store: &PostgresStore, mut applied: Vec<(Version, Batch)>, table: u8) {
    applied.sort_by_key(|(version, _)| *version);
    let versions: BTreeSet<Version> = applied.iter().map(|(version, _)| *version).collect();
    assert_eq!(versions.len(), applied.len(), "two commits share a version");
    let mut model: BTreeMap<Key, Row> = BTreeMap::new();
    for (version, batch) in &applied {
        for op in batch.ops() {
            let found = model.get(&op.key).map(|row| row.version);
            assert!(op.expect.holds(found), "{version:?} rests on what was not there: {op:?} {found:?}");
        }
        for op in batch.ops() {
            match &op.change {
                Change::Keep => {}
                Change::Put(value) => {
                    let row = Row { version: *version, value: value.clone() };
                    model.insert(op.key.clone(), row);
                }
                Change::Delete => drop(model.remove(&op.key)),
            }
        }
    }
    let scan = Scan::first(Key::new(CrateTag::PORT, Tenant::new(1), table), 1_000);
    let rows = store.read(&ReadSet::scan(scan)).await.unwrap();
    assert_eq!(rows.scans[0], model.into_iter().collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_batches_of_many_writers_equal_some_order_of_them() {
    const KEYS: u64 = 12;
    let stores = stores(3, |options| options.flights_max(3)).await;
    let mut writers = JoinSet::new();
    for writer in 0..24_u64 {
        let store = Arc::clone(&stores[usize::try_from(writer % 3).unwrap()]);
        writers.spawn(async move {
            let mut seed = writer;
            let mut applied = Vec::new();
            let mut conflicts = 0;
            for _ in 0..60 {
                let keys: BTreeSet<u64> =
                    (0..=draw(&mut seed, 4)).map(|_| draw(&mut seed, KEYS)).collect();
                let keys: Vec<Key> = keys.into_iter().rev().map(|n| key(3, n)).collect();
                let rows = store.read(&ReadSet::points(keys.clone())).await.unwrap();
                let mut batch = Batch::new();
                for (key, row) in keys.into_iter().zip(&rows.points) {
                    let expect = match draw(&mut seed, 8) {
                        0 => Expect::Any,
                        1 => Expect::Absent,
                        _ => Row::unchanged(row.as_ref()),
                    };
                    match draw(&mut seed, 4) {
                        0 => batch.delete(key, expect),
                        1 => batch.require(key, expect),
                        _ => batch.put(key, expect, draw(&mut seed, 1 << 40).to_be_bytes().to_vec()),
                    };
                }
                match store.commit(&batch).await.unwrap() {
                    // A batch that writes nothing has no version of its own
                    Commit::Applied(version) if batch.writes() => applied.push((version, batch)),
                    Commit::Applied(_) => {}
                    Commit::Conflict => conflicts += 1,
                }
            }
            (applied, conflicts)
        });
    }
    let mut applied = Vec::new();
    let mut conflicts = 0;
    for (more, met) in writers.join_all().await {
        applied.extend(more);
        conflicts += met;
    }
    assert!(conflicts > 50 && applied.len() > 100, "{conflicts} conflicts, {}", applied.len());
    replay(&stores[0], applied, 3).await;
}
