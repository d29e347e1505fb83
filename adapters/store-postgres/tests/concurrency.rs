//! Many writers in several pools: no update lost, no half batch, versions in the order of commits.
#![allow(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

mod bed;

use interbank_store_postgres::{Error, Options, PostgresStore};
use port::{
    Batch, Change, Commit, CrateTag, Expect, Fault, Key, ReadSet, Row, Rows, Scan, Store,
    StoreError, Tenant, Version,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};
use std::task::{Context, Waker};
use std::time::{Duration, Instant};
use testbed::Postgres;
use tokio::task::JoinSet;

/// All of these tests share it, each with a database of its own.
static SERVER: LazyLock<Postgres> = LazyLock::new(|| {
    let options = Postgres::options().fast();
    options.set("deadlock_timeout", "2s").set("autovacuum", "off").start().unwrap()
});

/// A database, and several pools on it: what several processes are.
async fn stores(
    database: &str,
    count: usize,
    change: impl Fn(Options) -> Options,
) -> (String, Vec<Arc<PostgresStore>>) {
    let url = SERVER.database(database).unwrap();
    let mut stores = Vec::new();
    for _ in 0..count {
        let options = change(Options::from_url(&url).unwrap().create(true));
        stores.push(Arc::new(PostgresStore::open(options).await.unwrap()));
    }
    (url, stores)
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
            assert!(
                op.expect.holds(found),
                "{version:?} rests on what was not there: {op:?} {found:?}"
            );
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
    let (_, stores) = stores("random_batches", 3, |options| options.flights_max(3)).await;
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
                        _ => {
                            batch.put(key, expect, draw(&mut seed, 1 << 40).to_be_bytes().to_vec())
                        }
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn transfers_keep_the_sum_and_counters_count_successes() {
    const ACCOUNTS: u64 = 6;
    let (_, stores) = stores("transfers", 2, |options| options.flights_max(2)).await;
    for n in 0..ACCOUNTS {
        let batch = put(key(1, n), &1_000_u64.to_be_bytes());
        assert!(matches!(stores[0].commit(&batch).await, Ok(Commit::Applied(_))));
    }
    let done = Arc::new(AtomicBool::new(false));
    let watcher = {
        let (store, done) = (Arc::clone(&stores[1]), Arc::clone(&done));
        tokio::spawn(async move {
            let mut views = 0;
            while !done.load(Ordering::SeqCst) {
                let want = ReadSet {
                    points: (0..ACCOUNTS).map(|n| key(1, n)).collect(),
                    scans: vec![Scan::first(Key::new(CrateTag::PORT, Tenant::new(1), 1), 9)],
                };
                let rows = store.read(&want).await.unwrap();
                let sum: u64 = rows.points.iter().map(|row| number(row.as_ref())).sum();
                assert_eq!(sum, 1_000 * ACCOUNTS, "half a transfer was visible");
                let scanned: Vec<Row> = rows.scans[0].iter().map(|(_, row)| row.clone()).collect();
                let points: Vec<Row> = rows.points.into_iter().flatten().collect();
                assert_eq!(scanned, points, "two views in one answer");
                views += 1;
            }
            views
        })
    };
    let mut writers = JoinSet::new();
    for writer in 0..12_u64 {
        let store = Arc::clone(&stores[usize::try_from(writer % 2).unwrap()]);
        writers.spawn(async move {
            let mut seed = writer;
            let mut applied = 0_u64;
            for _ in 0..50 {
                let from = draw(&mut seed, ACCOUNTS);
                let to = (from + 1 + draw(&mut seed, ACCOUNTS - 1)) % ACCOUNTS;
                let keys = vec![key(1, from), key(1, to), key(2, 0)];
                let rows = store.read(&ReadSet::points(keys.clone())).await.unwrap().points;
                let amount = draw(&mut seed, 10).min(number(rows[0].as_ref()));
                let values = [
                    number(rows[0].as_ref()) - amount,
                    number(rows[1].as_ref()) + amount,
                    number(rows[2].as_ref()) + 1,
                ];
                let mut batch = Batch::new();
                for ((key, row), value) in keys.into_iter().zip(&rows).zip(values) {
                    batch.put(key, Row::unchanged(row.as_ref()), value.to_be_bytes().to_vec());
                }
                applied +=
                    u64::from(matches!(store.commit(&batch).await.unwrap(), Commit::Applied(_)));
            }
            applied
        });
    }
    let applied: u64 = writers.join_all().await.into_iter().sum();
    done.store(true, Ordering::SeqCst);
    assert!(watcher.await.unwrap() > 1);
    let counter = stores[0].read(&ReadSet::points(vec![key(2, 0)])).await.unwrap();
    assert_eq!(number(counter.points[0].as_ref()), applied);
    let stats = [stores[0].stats(), stores[1].stats()];
    assert!(stats[0].conflicts + stats[1].conflicts > 0, "nothing ever raced: {stats:?}");
}

/// Each relies on the absence, or on the state, of what the other writes: only one may apply.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_batches_that_rely_on_each_others_rows_do_not_both_apply() {
    let (_, stores) = stores("write_skew", 2, |options| options).await;
    for round in 0..150_u64 {
        let (a, b) = (key(1, 2 * round), key(1, 2 * round + 1));
        let mut expect = Expect::Absent;
        if round % 2 == 1 {
            let mut both = put(a.clone(), b"old");
            both.put(b.clone(), Expect::Absent, &b"old"[..]);
            let Ok(Commit::Applied(version)) = stores[0].commit(&both).await else { panic!() };
            expect = Expect::At(version);
        }
        let skewed = |write: &Key, rely: &Key| {
            let mut batch = Batch::new();
            batch.require(rely.clone(), expect).put(write.clone(), expect, &b"new"[..]);
            batch
        };
        let (one, two) = (skewed(&a, &b), skewed(&b, &a));
        let answers = tokio::join!(stores[0].commit(&one), stores[1].commit(&two));
        let applied = [answers.0.unwrap(), answers.1.unwrap()]
            .iter()
            .filter(|answer| matches!(answer, Commit::Applied(_)))
            .count();
        assert_eq!(applied, 1, "round {round}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commits_that_meet_share_transactions_and_a_lone_one_has_its_own() {
    let (_, stores) = stores("shared_transactions", 1, |options| options).await;
    let store = &stores[0];
    for n in 0..10 {
        assert!(matches!(store.commit(&put(key(1, n), b"lone")).await, Ok(Commit::Applied(_))));
    }
    assert_eq!((store.stats().applied, store.stats().transactions), (10, 10));
    let mut writers = JoinSet::new();
    for writer in 0..64_u64 {
        let store = Arc::clone(store);
        writers.spawn(async move {
            for n in 0..10 {
                let batch = put(key(2, writer * 10 + n), b"value");
                assert!(matches!(store.commit(&batch).await, Ok(Commit::Applied(_))));
            }
        });
    }
    writers.join_all().await;
    let stats = store.stats();
    assert_eq!((stats.applied, stats.unknown), (650, 0));
    assert!((stats.transactions - 10) * 4 < 640, "hardly any transaction was shared: {stats:?}");
}

// In one thread nothing flies while the others stand in line.
#[tokio::test]
async fn a_full_line_answers_busy_and_nothing_of_it_is_written() {
    let (_, stores) = stores("full_line", 1, |options| options.waiting_max(5)).await;
    let batches: Vec<Batch> = (0..30).map(|n| put(key(1, n), b"x")).collect();
    let answers =
        futures_util::future::join_all(batches.iter().map(|batch| stores[0].commit(batch))).await;
    let want = ReadSet::points((0..30).map(|n| key(1, n)).collect::<Vec<_>>());
    let rows = stores[0].read(&want).await.unwrap();
    let mut refused = 0;
    for (answer, row) in answers.iter().zip(&rows.points) {
        match answer {
            Ok(Commit::Applied(_)) => assert!(row.is_some()),
            Err(why) => {
                assert_eq!((*why, why.fault()), (Error::Busy, Fault::NotApplied));
                assert!(row.is_none());
                refused += 1;
            }
            Ok(Commit::Conflict) => panic!("nothing is expected to be there"),
        }
    }
    assert_eq!(refused, 24, "one flies, five wait");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn futures_that_are_dropped_disturb_nobody() {
    let (_, stores) = stores("dropped_futures", 1, |options| options).await;
    let store = &stores[0];
    let mut dropped = 0;
    for n in 0..60_u64 {
        let batch = put(key(1, n), b"dropped");
        let soon = tokio::time::timeout(Duration::from_micros(n * 20), store.commit(&batch));
        let _ = soon.await;
        // One that flies is dropped while others wait for it to land
        let batches: Vec<Batch> = (0..4).map(|m| put(key(2, n * 4 + m), b"kept")).collect();
        let mut first = Box::pin(store.commit(&batches[0]));
        let polled = first.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        dropped += u64::from(polled.is_pending());
        let others = tokio::spawn({
            let (store, rest) = (Arc::clone(store), batches[1..].to_vec());
            async move { futures_util::future::join_all(rest.iter().map(|b| store.commit(b))).await }
        });
        tokio::task::yield_now().await;
        drop(first);
        for answer in others.await.unwrap() {
            assert!(matches!(answer, Ok(Commit::Applied(_))), "{answer:?}");
        }
    }
    assert!(dropped > 20, "{dropped} were under way");
    let batch = put(key(3, 0), b"end");
    let last = tokio::time::timeout(Duration::from_secs(5), store.commit(&batch));
    assert!(matches!(last.await, Ok(Ok(Commit::Applied(_)))));
}

/// Somebody holds one row for long: those who do not touch it go on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_batch_that_waits_for_a_lock_does_not_hold_up_the_others() {
    let (url, stores) =
        stores("held_row", 1, |options| options.lock_timeout(Duration::from_millis(1_500))).await;
    let store = &stores[0];
    assert!(matches!(store.commit(&put(key(1, 0), b"held")).await, Ok(Commit::Applied(_))));
    let mut holder = bed::client(&url).await;
    let transaction = holder.transaction().await.unwrap();
    let held = key(1, 0);
    let select = "SELECT 1 FROM interbank.rows WHERE key = $1 FOR UPDATE";
    transaction.query(select, &[&held.as_bytes()]).await.unwrap();
    let mut blocked = Batch::new();
    blocked.put(held, Expect::Any, &b"blocked"[..]);
    let others: Vec<Batch> = (0..20).map(|n| put(key(2, n), b"free")).collect();
    let start = Instant::now();
    let (first, stuck, rest) =
        tokio::join!(store.commit(&others[0]), store.commit(&blocked), async {
            let rest = others[1..].iter().map(|batch| store.commit(batch));
            let rest = futures_util::future::join_all(rest).await;
            (rest, start.elapsed())
        });
    assert!(matches!(first, Ok(Commit::Applied(_))));
    assert!(rest.0.iter().all(|answer| matches!(answer, Ok(Commit::Applied(_)))), "{:?}", rest.0);
    assert!(rest.1 < Duration::from_millis(1_200), "{:?}", rest.1);
    let cause = interbank_store_postgres::Cause::LockTimeout;
    assert_eq!(stuck, Err(Error::NotApplied(cause)));
    transaction.rollback().await.unwrap();
    assert!(matches!(store.commit(&blocked).await, Ok(Commit::Applied(_))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_are_refused_before_anything_is_sent() {
    let (_, stores) = stores("limits", 1, |options| options).await;
    let store = &stores[0];
    let mut twice = put(key(1, 0), b"one");
    twice.put(key(1, 0), Expect::Any, &b"two"[..]);
    assert_eq!(store.commit(&twice).await.unwrap_err().fault(), Fault::NotApplied);
    let mut many = Batch::new();
    for n in 0..101 {
        many.put(key(1, n), Expect::Any, &b"x"[..]);
    }
    assert_eq!(store.commit(&many).await.unwrap_err().fault(), Fault::TooLarge);
    let large = put(key(1, 0), &vec![0; Row::VALUE_BYTES_MAX + 1]);
    assert_eq!(store.commit(&large).await.unwrap_err().fault(), Fault::TooLarge);
    let page = Scan::first(key(1, 0), Scan::ROWS_MAX + 1);
    assert_eq!(store.read(&ReadSet::scan(page)).await, Err(Error::ScanTooLong));
    assert_eq!(store.read(&ReadSet::new()).await, Ok(Rows::default()));
    assert_eq!(store.stats().transactions, 0);
}

/// Plans are kept: those that were made while the table had one row must not read all of it later.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn plans_made_for_a_small_table_serve_a_large_one() {
    // Old versions of rows are read too while any transaction of the server may need them: this one is alone
    let server = Postgres::options().fast().set("autovacuum", "off").start().unwrap();
    let options = Options::from_url(&server.url()).unwrap().create(true).connections_max(1);
    let store = PostgresStore::open(options).await.unwrap();
    let touch = async |n: u64| {
        let rows = store.read(&ReadSet::points(vec![key(1, n)])).await.unwrap();
        let mut batch = Batch::new();
        batch.put(key(1, n), Row::unchanged(rows.points[0].as_ref()), vec![1]);
        batch.delete(key(2, n), Expect::Any).require(key(3, 0), Expect::Any);
        assert!(matches!(store.commit(&batch).await, Ok(Commit::Applied(_))));
        let mut requires = Batch::new();
        requires.require(key(2, n), Expect::Absent);
        assert!(matches!(store.commit(&requires).await, Ok(Commit::Applied(_))));
        let page = Scan { prefix: key(1, n), after: None, limit: 5 };
        assert_eq!(store.read(&ReadSet::scan(page)).await.unwrap().scans[0].len(), 1);
    };
    touch(0).await;
    server.sql("ANALYZE interbank.rows").unwrap();
    for _ in 0..3 {
        touch(0).await;
    }
    let grow =
        "INSERT INTO interbank.rows SELECT decode('ff' || lpad(to_hex(n), 8, '0'), 'hex'), 1, 'x'
        FROM generate_series(1, 5000) n";
    server.sql(grow).unwrap();
    let client = bed::client(&server.url()).await;
    let read = async || {
        // A session tells its numbers about once in a second
        tokio::time::sleep(Duration::from_millis(1_200)).await;
        touch(0).await;
        let sql = "SELECT sum(idx_tup_read)::bigint, sum(seq_tup_read)::bigint FROM pg_stat_user_indexes \
                   JOIN pg_stat_user_tables USING (relid) \
                   WHERE pg_stat_user_tables.schemaname = 'interbank' AND pg_stat_user_tables.relname = 'rows'";
        let row = client.query_one(sql, &[]).await.unwrap();
        (row.get::<_, i64>(0), row.get::<_, i64>(1))
    };
    let before = read().await;
    for _ in 0..20 {
        touch(0).await;
    }
    let after = read().await;
    assert!(after.0 > before.0, "the numbers stand still");
    let read = (after.0 - before.0, after.1 - before.1);
    assert!(read.0 < 1_000 && read.1 == 0, "{read:?} rows were read");
}

/// A commit that waits for a key while others draw versions takes its place behind them; one that finds the key taken is
/// judged again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_waited_for_a_key_is_numbered_when_it_has_it() {
    let (url, stores) = stores("late_key", 2, |options| options).await;
    let mut holder = bed::client(&url).await;
    let insert = "INSERT INTO interbank.rows VALUES ($1, nextval('interbank.versions'), 'held')";
    for (n, taken) in [(0, false), (1, true)] {
        let held = key(1, n);
        let transaction = holder.transaction().await.unwrap();
        transaction.execute(insert, &[&held.as_bytes()]).await.unwrap();
        let (batch, other) = (put(held.clone(), b"late"), put(key(2, n), b"other"));
        let (late, early) = tokio::join!(stores[0].commit(&batch), async {
            tokio::time::sleep(Duration::from_millis(300)).await;
            let early = stores[1].commit(&other).await;
            if taken {
                transaction.commit().await.unwrap();
            } else {
                transaction.rollback().await.unwrap();
            }
            early
        });
        let Ok(Commit::Applied(early)) = early else { panic!("{early:?}") };
        let rows = stores[1].read(&ReadSet::points(vec![held])).await.unwrap();
        let row = rows.points[0].as_ref().unwrap();
        if taken {
            assert_eq!((late, row.value.as_ref()), (Ok(Commit::Conflict), &b"held"[..]));
            assert_eq!(stores[0].stats().repeated, 1);
        } else {
            assert_eq!(late, Ok(Commit::Applied(row.version)));
            assert!(row.version > early, "{row:?} came after {early:?}");
            assert_eq!(stores[0].stats().repeated, 0);
        }
    }
}
