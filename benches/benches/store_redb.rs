//! Durable commits per second of `store-redb`, beside SQLite and plain redb, on the same disk in the same run.
//!
//! One commit is what a redeem writes: one row required at its version and updated, two rows inserted, about 200 bytes each.
//! Every engine makes each commit (or group) durable with a sync before it counts. The files are under `target/`, so that it is
//! a disk and not a memory file system; `INTERBANK_BENCH_DIR` names another disk.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use port::blocking::Store;
use port::{Batch, Commit, CrateTag, Expect, Key, Tenant, Version};
use redb::{ReadableTable, TableDefinition};
use rusqlite::Connection;
use std::hint::black_box;
use std::path::PathBuf;
use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use store_redb::{Options, RedbStore};
use tempfile::TempDir;

/// Orders that the updates go round in; a thread updates only its own.
const ORDERS: u64 = 64 * 64;
const VALUE_BYTES: usize = 200;
const ROWS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("rows");

fn commits(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("store_redb/commits");
    group.sample_size(10).warm_up_time(Duration::from_secs(1));
    group.measurement_time(Duration::from_secs(6)).throughput(Throughput::Elements(1));
    for committers in [1, 16, 64] {
        let ours = Ours::new();
        group.bench_function(format!("interbank/{committers}"), |bencher| {
            bencher.iter_custom(|commits| ours.run(commits, committers));
        });
        eprintln!("  {committers} committers: {:?}", ours.store.stats());
    }
    let sqlite = Sqlite::new();
    group.bench_function("rusqlite/1", |bencher| {
        bencher.iter_custom(|commits| sqlite.run(commits));
    });
    for by_hand in [1, 16, 64] {
        let plain = Plain::new();
        group.bench_function(format!("redb/{by_hand}"), |bencher| {
            bencher.iter_custom(|commits| plain.run(commits, by_hand));
        });
    }
    group.finish();
}

struct Ours {
    store: RedbStore,
    next: AtomicU64,
    _dir: TempDir,
}

impl Ours {
    fn new() -> Self {
        let dir = dir();
        let store = RedbStore::open(dir.path(), Options::new().create(true)).unwrap();
        for chunk in (0..ORDERS).collect::<Vec<_>>().chunks(100) {
            let mut batch = Batch::new();
            for n in chunk {
                batch.put(order(*n), Expect::Absent, value(*n));
            }
            assert!(matches!(store.commit(&batch), Ok(Commit::Applied(_))));
        }
        Self { store, next: AtomicU64::new(0), _dir: dir }
    }

    /// So many commits by so many threads; each keeps the versions of its own orders as a drive loop would have read them.
    fn run(&self, commits: u64, committers: u64) -> Duration {
        let own = ORDERS / committers;
        let start = Barrier::new(usize::try_from(committers).unwrap() + 1);
        let left = AtomicU64::new(commits);
        thread::scope(|scope| {
            let threads: Vec<_> = (0..committers)
                .map(|committer| {
                    let (start, left) = (&start, &left);
                    let first = committer * own;
                    let mut versions = self.versions(first..first + own);
                    scope.spawn(move || {
                        start.wait();
                        let mut at = 0;
                        while left
                            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| {
                                n.checked_sub(1)
                            })
                            .is_ok()
                        {
                            let n = self.next.fetch_add(1, Ordering::Relaxed);
                            let mut batch = Batch::with_capacity(3);
                            let expect = Expect::At(versions[at]);
                            batch.put(order(first + at as u64), expect, value(n));
                            batch.put(outcome(n), Expect::Absent, value(n));
                            batch.put(debit(n), Expect::Absent, value(n));
                            match self.store.commit(&batch) {
                                Ok(Commit::Applied(version)) => versions[at] = version,
                                other => panic!("{other:?}"),
                            }
                            at = (at + 1) % versions.len();
                        }
                    })
                })
                .collect();
            start.wait();
            let started = Instant::now();
            for thread in threads {
                thread.join().unwrap();
            }
            started.elapsed()
        })
    }

    fn versions(&self, orders: std::ops::Range<u64>) -> Vec<Version> {
        let want = port::ReadSet::points(orders.map(order).collect::<Vec<_>>());
        let rows = self.store.read(&want).unwrap();
        rows.points.into_iter().map(|row| row.unwrap().version).collect()
    }
}

struct Sqlite {
    connection: Connection,
    next: AtomicU64,
    _dir: TempDir,
}

impl Sqlite {
    fn new() -> Self {
        let dir = dir();
        let connection = Connection::open(dir.path().join("rows.sqlite")).unwrap();
        connection
            .execute_batch(
                "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
                 CREATE TABLE rows (key BLOB PRIMARY KEY, version INTEGER NOT NULL, value BLOB NOT NULL)
                 WITHOUT ROWID;
                 BEGIN;",
            )
            .unwrap();
        for n in 0..ORDERS {
            connection
                .execute("INSERT INTO rows VALUES (?1, 0, ?2)", (order(n).as_bytes(), value(n)))
                .unwrap();
        }
        connection.execute_batch("COMMIT").unwrap();
        Self { connection, next: AtomicU64::new(0), _dir: dir }
    }

    fn run(&self, commits: u64) -> Duration {
        let mut update = self
            .connection
            .prepare(
                "UPDATE rows SET value = ?2, version = version + 1 WHERE key = ?1 AND version = ?3",
            )
            .unwrap();
        let mut insert = self.connection.prepare("INSERT INTO rows VALUES (?1, ?2, ?3)").unwrap();
        let mut begin = self.connection.prepare("BEGIN IMMEDIATE").unwrap();
        let mut commit = self.connection.prepare("COMMIT").unwrap();
        let started = Instant::now();
        for _ in 0..commits {
            let n = self.next.fetch_add(1, Ordering::Relaxed);
            begin.execute(()).unwrap();
            let updated = update
                .execute((
                    order(n % ORDERS).as_bytes(),
                    value(n),
                    i64::try_from(n / ORDERS).unwrap(),
                ))
                .unwrap();
            assert_eq!(updated, 1);
            insert.execute((outcome(n).as_bytes(), 0, value(n))).unwrap();
            insert.execute((debit(n).as_bytes(), 0, value(n))).unwrap();
            commit.execute(()).unwrap();
        }
        started.elapsed()
    }
}

struct Plain {
    database: redb::Database,
    next: AtomicU64,
    _dir: TempDir,
}

impl Plain {
    fn new() -> Self {
        let dir = dir();
        let mut builder = redb::Database::builder();
        builder.set_cache_size(64 * 1024 * 1024);
        let database = builder.create(dir.path().join("rows.redb")).unwrap();
        let transaction = database.begin_write().unwrap();
        {
            let mut rows = transaction.open_table(ROWS).unwrap();
            for n in 0..ORDERS {
                rows.insert(order(n).as_bytes(), value(n).as_slice()).unwrap();
            }
        }
        transaction.commit().unwrap();
        Self { database, next: AtomicU64::new(0), _dir: dir }
    }

    /// So many commits, `by_hand` of them in each transaction.
    fn run(&self, commits: u64, by_hand: u64) -> Duration {
        let started = Instant::now();
        let mut left = commits;
        while left > 0 {
            let now = left.min(by_hand);
            let transaction = self.database.begin_write().unwrap();
            {
                let mut rows = transaction.open_table(ROWS).unwrap();
                for _ in 0..now {
                    let n = self.next.fetch_add(1, Ordering::Relaxed);
                    let key = order(n % ORDERS);
                    assert!(black_box(rows.get(key.as_bytes()).unwrap()).is_some());
                    rows.insert(key.as_bytes(), value(n).as_slice()).unwrap();
                    rows.insert(outcome(n).as_bytes(), value(n).as_slice()).unwrap();
                    rows.insert(debit(n).as_bytes(), value(n).as_slice()).unwrap();
                }
            }
            transaction.commit().unwrap();
            left -= now;
        }
        started.elapsed()
    }
}

fn dir() -> TempDir {
    let target = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target");
    let place = std::env::var_os("INTERBANK_BENCH_DIR").map_or_else(target, PathBuf::from);
    std::fs::create_dir_all(&place).unwrap();
    tempfile::tempdir_in(place).unwrap()
}

fn order(n: u64) -> Key {
    Key::new(CrateTag::QRPAY, Tenant::new(1), 1).number(n).unwrap()
}

/// Keyed by an idempotency key: spread over the whole table.
fn outcome(n: u64) -> Key {
    let spread = n.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    Key::new(CrateTag::QRPAY, Tenant::new(1), 2).number(spread).unwrap().number(n).unwrap()
}

/// An outbox row: in order.
fn debit(n: u64) -> Key {
    Key::new(CrateTag::QRPAY, Tenant::new(1), 3).number(n).unwrap()
}

fn value(n: u64) -> Vec<u8> {
    let mut value = vec![0x5A; VALUE_BYTES];
    value[..8].copy_from_slice(&n.to_be_bytes());
    value
}

criterion_group!(benches, commits);
criterion_main!(benches);
