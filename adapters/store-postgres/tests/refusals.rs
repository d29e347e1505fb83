//! What does not work: one clear error each, and nothing half done.
#![allow(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

mod bed;

use bed::{client, url_as};
use interbank_store_postgres::{Cause, Error, OpenError, Options, PostgresStore, blocking};
use port::{Batch, Commit, CrateTag, Expect, Fault, Key, ReadSet, Store, StoreError, Tenant};
use std::sync::LazyLock;
use std::time::{Duration, Instant};
use testbed::Postgres;

/// Shared by those who leave it as it is, each with a database of its own.
static SERVER: LazyLock<Postgres> = LazyLock::new(|| Postgres::options().fast().start().unwrap());

fn key(n: u64) -> Key {
    Key::new(CrateTag::PORT, Tenant::new(1), 1).number(n).unwrap()
}

fn put(n: u64, value: Vec<u8>) -> Batch {
    let mut batch = Batch::new();
    batch.put(key(n), Expect::Absent, value);
    batch
}

fn options(url: &str) -> Options {
    Options::from_url(url).unwrap()
}

async fn refusal(options: Options) -> OpenError {
    PostgresStore::open(options).await.map(drop).unwrap_err()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_cannot_be_opened_says_why() {
    let server = Postgres::options()
        .fast()
        .gate("host all nobody_at_all all reject")
        .password()
        .start()
        .unwrap();
    server.sql("CREATE ROLE guest LOGIN PASSWORD 'right'").unwrap();
    let url = |role: &str| url_as(role, &server, "postgres");
    let guest = |password: &str| options(&url(&format!("guest:{password}")));

    assert_eq!(refusal(guest("wrong")).await, Cause::Password.into());
    assert_eq!(refusal(options(&url("guest"))).await, Cause::Password.into());
    assert_eq!(refusal(options(&url("nobody_at_all"))).await, Cause::Password.into());
    assert!(server.log().contains("pg_hba.conf rejects connection"), "{}", server.log());
    let nowhere = server.url_of(server.addr(), "nowhere");
    assert_eq!(refusal(options(&nowhere)).await, Cause::Database.into());
    assert_eq!(refusal(options(&server.url())).await, OpenError::Missing);
    assert_eq!(refusal(guest("right").create(true)).await, Cause::NoRight.into());
    assert_eq!(refusal(options(&server.url()).schema("a-b")).await, OpenError::SchemaName);
    assert_eq!(Options::from_url("no url at all").map(drop), Err(OpenError::Url));
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let nobody = options(&format!("postgresql://app@127.0.0.1:{free}/postgres"));
    assert_eq!(refusal(nobody).await, Cause::Unreachable.into());

    // A server that accepts and says nothing
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = silent.local_addr().unwrap().port();
    let mute = options(&format!("postgresql://app@127.0.0.1:{port}/postgres"));
    let start = Instant::now();
    let mute = mute.connect_timeout(Duration::from_millis(300));
    assert_eq!(refusal(mute).await, Cause::Silent.into());
    assert!(start.elapsed() < Duration::from_secs(3));

    // The password is nowhere
    let store = PostgresStore::open(options(&server.url()).create(true)).await.unwrap();
    store.close().await;
    server.sql(&PostgresStore::grant_sql("interbank", "guest").unwrap()).unwrap();
    let store = PostgresStore::open(guest("right")).await.unwrap();
    assert!(!format!("{store:?} {:?}", guest("right")).contains("right"));
    assert!(matches!(store.commit(&put(1, vec![1])).await, Ok(Commit::Applied(_))));

    // A later program has been here
    server.sql("UPDATE interbank.format SET format = 7").unwrap();
    let newer = OpenError::Newer { found: 7, supported: 1 };
    assert_eq!(refusal(options(&server.url())).await, newer);
    assert_eq!(refusal(options(&server.url()).create(true)).await, newer, "it is not made anew");
    assert_eq!(newer.to_string(), "the schema has format 7, this program works with up to 1");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn programs_that_make_the_schema_at_once_make_it_once() {
    let url = SERVER.database("made_at_once").unwrap();
    let open = || PostgresStore::open(options(&url).create(true));
    let (one, two, three) = tokio::join!(open(), open(), open());
    for store in [one, two, three] {
        store.unwrap().close().await;
    }
    // The DBA's way, under another name, beside it
    bed::sql(&url, &PostgresStore::schema_sql("other").unwrap()).await;
    let store = PostgresStore::open(options(&url).schema("other")).await.unwrap();
    assert!(matches!(store.commit(&put(1, vec![1])).await, Ok(Commit::Applied(_))));
    let first = PostgresStore::open(options(&url)).await.unwrap();
    assert_eq!(first.read(&ReadSet::points([key(1)])).await.unwrap().points, [None]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_right_that_is_missing_writes_nothing() {
    let url = SERVER.database("rights").unwrap();
    PostgresStore::open(options(&url).create(true)).await.unwrap().close().await;
    bed::sql(&url, "CREATE ROLE clerk LOGIN").await;
    bed::sql(&url, &PostgresStore::grant_sql("interbank", "clerk").unwrap()).await;
    let store = PostgresStore::open(options(&url_as("clerk", &SERVER, "rights"))).await.unwrap();
    assert!(matches!(store.commit(&put(1, vec![1])).await, Ok(Commit::Applied(_))));
    for right in ["INSERT", "UPDATE", "DELETE"] {
        bed::sql(&url, &format!("REVOKE {right} ON interbank.rows FROM clerk")).await;
        let mut batch = put(2, vec![2]);
        batch.put(key(1), Expect::Any, vec![2]).delete(key(3), Expect::Any);
        let why = store.commit(&batch).await.unwrap_err();
        assert_eq!((why, why.fault()), (Error::NotApplied(Cause::NoRight), Fault::NotApplied));
        let rows = store.read(&ReadSet::points([key(1), key(2)])).await.unwrap();
        assert_eq!(rows.points[0].as_ref().unwrap().value.as_ref(), [1]);
        assert_eq!(rows.points[1], None);
        bed::sql(&url, &format!("GRANT {right} ON interbank.rows TO clerk")).await;
    }
    bed::sql(&url, "DROP TABLE interbank.rows CASCADE").await;
    let why = store.commit(&put(4, vec![])).await.unwrap_err();
    assert_eq!(why, Error::NotApplied(Cause::Schema));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_only_reads_is_refused() {
    let server = Postgres::options().fast().start().unwrap();
    let store = PostgresStore::open(options(&server.url()).create(true)).await.unwrap();
    assert!(matches!(store.commit(&put(1, vec![1])).await, Ok(Commit::Applied(_))));

    // A standby that follows it
    let standby = Postgres::standby_of(&server).unwrap();
    assert_eq!(refusal(options(&standby.url())).await, Cause::ReadOnly.into());
    // Of both hosts the primary is taken, wherever it stands in the list
    let both = format!("postgresql://interbank@{},{}/postgres", standby.addr(), server.addr());
    let found = PostgresStore::open(options(&both)).await.unwrap();
    assert!(matches!(found.commit(&put(2, vec![2])).await, Ok(Commit::Applied(_))));
    drop(standby);

    // Set to read only under way, and from the beginning
    server.set("default_transaction_read_only", "on").unwrap();
    let why = store.commit(&put(3, vec![3])).await.unwrap_err();
    assert_eq!((why, why.fault()), (Error::NotApplied(Cause::ReadOnly), Fault::NotApplied));
    assert_eq!(refusal(options(&server.url())).await, Cause::ReadOnly.into());
    assert_eq!(store.read(&ReadSet::points([key(3)])).await.unwrap().points, [None]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn time_outs_write_nothing_and_the_connection_lives_on() {
    let url = SERVER.database("time_outs").unwrap();
    let short = options(&url).create(true).statement_timeout(Duration::from_millis(300));
    let store = PostgresStore::open(short.connections_max(1)).await.unwrap();
    assert!(matches!(store.commit(&put(1, vec![1])).await, Ok(Commit::Applied(_))));
    let mut holder = client(&url).await;
    let transaction = holder.transaction().await.unwrap();
    transaction.execute("SELECT 1 FROM interbank.rows FOR UPDATE", &[]).await.unwrap();
    let mut batch = put(2, vec![2]);
    batch.put(key(1), Expect::Any, vec![2]);
    let why = store.commit(&batch).await.unwrap_err();
    assert_eq!((why, why.fault()), (Error::NotApplied(Cause::StatementTimeout), Fault::NotApplied));
    // Locks of the whole table hold up even readers
    transaction.execute("LOCK TABLE interbank.rows", &[]).await.unwrap();
    let why = store.read(&ReadSet::points([key(1)])).await.unwrap_err();
    assert_eq!(why, Error::NotApplied(Cause::StatementTimeout));
    transaction.rollback().await.unwrap();
    let rows = store.read(&ReadSet::points([key(1), key(2)])).await.unwrap();
    assert_eq!(
        (rows.points[0].as_ref().unwrap().value.as_ref(), &rows.points[1]),
        (&[1][..], &None)
    );
    assert_eq!(store.stats().connections, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_comes_back_is_found_again() {
    let server = Postgres::options().fast().start().unwrap();
    let store = PostgresStore::open(options(&server.url()).create(true)).await.unwrap();
    assert!(matches!(store.commit(&put(1, vec![1])).await, Ok(Commit::Applied(_))));
    for end in [Postgres::kill, |server: &Postgres| server.stop().unwrap()] {
        end(&server);
        let why = store.read(&ReadSet::points([key(1)])).await.unwrap_err();
        assert_eq!(why, Error::NotApplied(Cause::Unreachable));
        let why = store.commit(&put(2, vec![2])).await.unwrap_err();
        assert_eq!(why, Error::NotApplied(Cause::Unreachable));
        server.restart().unwrap();
        let rows = store.read(&ReadSet::points([key(1), key(2)])).await.unwrap();
        assert!(rows.points[0].is_some() && rows.points[1].is_none());
    }
    // A session that the administrator ends while it rests, or while it works
    server.sql(END_SESSIONS).unwrap();
    assert!(store.read(&ReadSet::points([key(1)])).await.is_ok());
    assert!(matches!(store.commit(&put(2, vec![2])).await, Ok(Commit::Applied(_))));
    let mut holder = client(&server.url()).await;
    let transaction = holder.transaction().await.unwrap();
    transaction.execute("SELECT 1 FROM interbank.rows FOR UPDATE", &[]).await.unwrap();
    let mut batch = put(3, vec![3]);
    batch.put(key(1), Expect::Any, vec![3]);
    let (answer, ()) = tokio::join!(store.commit(&batch), async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        server.sql(END_SESSIONS).unwrap();
    });
    // The server says that it ends the session, not what became of the statement
    assert_eq!(answer, Err(Error::Unknown(Cause::ShuttingDown)));
    assert_eq!(answer.unwrap_err().fault(), Fault::Unknown);
    transaction.rollback().await.unwrap();
    assert!(matches!(store.commit(&batch).await, Ok(Commit::Applied(_))));
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_writes_nothing_and_keeps_what_was_acknowledged() {
    let server = Postgres::options().fast().start().unwrap();
    let store = PostgresStore::open(options(&server.url()).create(true)).await.unwrap();
    // Long values are in a table of their own
    let beside =
        "SELECT reltoastrelid::regclass FROM pg_class WHERE oid = 'interbank.rows'::regclass";
    let beside = server.sql(beside).unwrap();
    for (table, pages, words, first) in
        [("interbank.rows", 10, 450_u64, 0), (&beside, 100, 16_000, 10_000)]
    {
        server.fill_disk(table, pages).unwrap();
        let mut written = 0_u64;
        let why = loop {
            // Bytes that do not compress
            let noise = (0..words).flat_map(|n| {
                let mixed = (n + words * written).wrapping_mul(0x9E37_79B9_7F4A_7C15);
                mixed.to_be_bytes().into_iter().take(4)
            });
            let mut batch = put(first + 2 * written, noise.collect());
            batch.put(key(first + 2 * written + 1), Expect::Absent, vec![1]);
            match store.commit(&batch).await {
                Ok(Commit::Applied(_)) => written += 1,
                other => break other.unwrap_err(),
            }
            assert!(written < 1_000, "the disk never filled");
        };
        assert_eq!((why, why.fault()), (Error::NotApplied(Cause::DiskFull), Fault::NotApplied));
        assert!(written > 5, "{written}");
        let want = ReadSet::points((first..first + 2 * written + 2).map(key).collect::<Vec<_>>());
        let rows = store.read(&want).await.unwrap();
        let there = |row: &Option<port::Row>| row.is_some();
        let acknowledged = usize::try_from(2 * written).unwrap();
        assert!(rows.points[..acknowledged].iter().all(there));
        assert!(!rows.points[acknowledged..].iter().any(there), "half a batch");
        // With room again it goes on
        server.make_room(table).unwrap();
        let more = put(first + 2 * written, vec![1]);
        assert!(matches!(store.commit(&more).await, Ok(Commit::Applied(_))));
    }
}

#[test]
fn the_blocking_face_refuses_to_hold_up_a_runtime() {
    use port::blocking::Store as _;
    let url = SERVER.database("blocking").unwrap();
    let open = || blocking::PostgresStore::open(options(&url).create(true));
    let store = open().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let inside = runtime.block_on(async {
        let answer = store.read(&ReadSet::points([key(1)]));
        (answer, open().map(drop))
    });
    assert_eq!(inside.0, Err(Error::NotApplied(Cause::Asynchronous)));
    assert_eq!(inside.1, Err(OpenError::Cause(Cause::Asynchronous)));
    assert!(matches!(store.commit(&put(1, vec![1])), Ok(Commit::Applied(_))));
    runtime.block_on(async { drop(store) });
}

const END_SESSIONS: &str = "SELECT pg_terminate_backend(pid, 2000) FROM pg_stat_activity \
    WHERE application_name = 'interbank-store-postgres'";
