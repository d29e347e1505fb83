//! Batches in somebody else's transaction.
#![allow(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

mod bed;
#[path = "../examples/loyalty_points.rs"]
mod example;

use bed::client;
use interbank_store_postgres::{Cause, Error, Options, PostgresStore};
use port::{Batch, BatchError, Commit, CrateTag, Expect, Key, ReadSet, Row, Scan, Store, Tenant};
use std::sync::LazyLock;
use std::time::Duration;
use testbed::Postgres;
use tokio_postgres::IsolationLevel;

/// All of these tests share it, each with a database of its own.
static SERVER: LazyLock<Postgres> = LazyLock::new(|| Postgres::options().fast().start().unwrap());

fn key(n: u64) -> Key {
    Key::new(CrateTag::PORT, Tenant::new(1), 1).number(n).unwrap()
}

fn put(n: u64, expect: Expect, value: &[u8]) -> Batch {
    let mut batch = Batch::new();
    batch.put(key(n), expect, value.to_vec());
    batch
}

async fn row(store: &PostgresStore, n: u64) -> Option<Row> {
    store.read(&ReadSet::points([key(n)])).await.unwrap().points.remove(0)
}

async fn store(url: &str) -> PostgresStore {
    PostgresStore::open(Options::from_url(url).unwrap().create(true)).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_example_keeps_what_it_claims() {
    let url = SERVER.database("the_example").unwrap();
    example::run(&url).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_sees_its_own_rows_and_durability_is_turned_on() {
    let url = SERVER.database("own_rows").unwrap();
    let store = store(&url).await;
    let mut client = client(&url).await;
    let transaction = client.transaction().await.unwrap();
    let mut batch = put(1, Expect::Absent, b"one");
    batch.put(key(2), Expect::Any, &b"two"[..]).require(key(3), Expect::Absent);
    let Ok(Commit::Applied(version)) = store.commit_in(&transaction, &batch).await else {
        panic!()
    };
    let want = ReadSet {
        points: vec![key(2), key(3), key(2)],
        scans: vec![Scan::first(Key::new(CrateTag::PORT, Tenant::new(1), 1), 9)],
    };
    let rows = store.read_in(&transaction, &want).await.unwrap();
    let two = Row { version, value: (&b"two"[..]).into() };
    assert_eq!(rows.points, [Some(two.clone()), None, Some(two)]);
    assert_eq!(rows.scans[0].len(), 2, "a stand-in for an absent row is gone again");
    let setting = transaction.query_one("SHOW synchronous_commit", &[]).await.unwrap();
    assert_eq!(setting.get::<_, &str>(0), "on");
    assert_eq!(store.read(&want).await.unwrap().points, [None, None, None]);
    // A second batch rests on the first
    let again = put(1, Expect::At(version), b"uno");
    assert!(
        matches!(store.commit_in(&transaction, &again).await, Ok(Commit::Applied(v)) if v > version)
    );
    transaction.commit().await.unwrap();
    assert_eq!(row(&store, 1).await.unwrap().value.as_ref(), b"uno");
    let setting = client.query_one("SHOW synchronous_commit", &[]).await.unwrap();
    assert_eq!(setting.get::<_, &str>(0), "off", "only that transaction was changed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_insert_that_loses_a_race_is_a_conflict_and_the_transaction_goes_on() {
    let url = SERVER.database("lost_race").unwrap();
    let store = store(&url).await;
    let mut one = client(&url).await;
    let mut two = client(&url).await;
    let first = one.transaction().await.unwrap();
    let batch = put(1, Expect::Absent, b"first");
    assert!(matches!(store.commit_in(&first, &batch).await, Ok(Commit::Applied(_))));
    let second = two.transaction().await.unwrap();
    let rival = put(1, Expect::Absent, b"second");
    let (answer, ()) = tokio::join!(store.commit_in(&second, &rival), async {
        // The rival has to wait for the first one's end
        tokio::time::sleep(Duration::from_millis(200)).await;
        first.commit().await.unwrap();
    });
    assert_eq!(answer, Ok(Commit::Conflict));
    let other = put(2, Expect::Absent, b"other");
    assert!(matches!(store.commit_in(&second, &other).await, Ok(Commit::Applied(_))));
    second.commit().await.unwrap();
    assert_eq!(row(&store, 1).await.unwrap().value.as_ref(), b"first");
    assert!(row(&store, 2).await.is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_isolation_levels_refuse_what_changed_since_they_began() {
    let url = SERVER.database("isolation").unwrap();
    let store = store(&url).await;
    for (round, level) in (0..).zip([IsolationLevel::RepeatableRead, IsolationLevel::Serializable])
    {
        let (there, fresh) = (10 * round, 10 * round + 1);
        let Ok(Commit::Applied(old)) = store.commit(&put(there, Expect::Absent, b"old")).await
        else {
            panic!()
        };
        for (n, expect) in [(there, Expect::At(old)), (fresh, Expect::Absent)] {
            let mut client = client(&url).await;
            let transaction =
                client.build_transaction().isolation_level(level).start().await.unwrap();
            // Takes its view
            let _ = store.read_in(&transaction, &ReadSet::points([key(n)])).await.unwrap();
            assert!(matches!(store.commit(&put(n, expect, b"new")).await, Ok(Commit::Applied(_))));
            let late = store.commit_in(&transaction, &put(n, expect, b"late")).await;
            assert_eq!(late, Err(Error::NotApplied(Cause::Contention)), "{level:?}");
            drop(transaction);
            assert_eq!(row(&store, n).await.unwrap().value.as_ref(), b"new");
        }
        let mut client = client(&url).await;
        let transaction = client.build_transaction().isolation_level(level).start().await.unwrap();
        let batch = put(10 * round + 2, Expect::Absent, b"alone");
        assert!(matches!(store.commit_in(&transaction, &batch).await, Ok(Commit::Applied(_))));
        transaction.commit().await.unwrap();
        assert!(row(&store, 10 * round + 2).await.is_some());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn misuse_is_found_before_anything_is_sent() {
    let url = SERVER.database("misuse").unwrap();
    let store = store(&url).await;
    let mut client = client(&url).await;
    let transaction = client.transaction().await.unwrap();
    let mut twice = put(1, Expect::Any, b"one");
    twice.put(key(1), Expect::Any, &b"two"[..]);
    let refused = store.commit_in(&transaction, &twice).await;
    assert_eq!(refused, Err(Error::Batch(BatchError::KeyTwice)));
    let page = ReadSet::scan(Scan::first(key(1), Scan::ROWS_MAX + 1));
    assert_eq!(store.read_in(&transaction, &page).await, Err(Error::ScanTooLong));
    let requires = Batch::new();
    assert!(matches!(store.commit_in(&transaction, &requires).await, Ok(Commit::Applied(_))));
    transaction.commit().await.unwrap();
}
