//! What does not work: one clear error each, and nothing half done.
#![allow(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use interbank_store_postgres::{Cause, Error, OpenError, Options, PostgresStore, blocking};
use port::{Batch, Commit, CrateTag, Expect, Fault, Key, ReadSet, Store, StoreError, Tenant};
use std::process::Command;
use std::time::{Duration, Instant};
use support::{Server, client, command, is_root, own, run};

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
    let server = Server::start_with("", |data| {
        let hba = data.join("pg_hba.conf");
        let rules = std::fs::read_to_string(&hba).unwrap();
        let first =
            "host all guest 127.0.0.1/32 scram-sha-256\nhost all nobody_at_all all reject\n";
        std::fs::write(&hba, format!("{first}{rules}")).unwrap();
    });
    server.sql("postgres", "CREATE ROLE guest LOGIN PASSWORD 'right'").await;
    let guest = |password: &str| {
        options(&format!("postgresql://guest:{password}@127.0.0.1:{}/postgres", server.port))
    };

    assert_eq!(refusal(guest("wrong")).await, Cause::Password.into());
    assert_eq!(refusal(options(&server.url_of("guest", "postgres"))).await, Cause::Password.into());
    let rejected = options(&server.url_of("nobody_at_all", "postgres"));
    assert_eq!(refusal(rejected).await, Cause::Password.into());
    assert_eq!(refusal(options(&server.url_of("app", "nowhere"))).await, Cause::Database.into());
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
    server.sql("postgres", &PostgresStore::grant_sql("interbank", "guest").unwrap()).await;
    let store = PostgresStore::open(guest("right")).await.unwrap();
    assert!(!format!("{store:?} {:?}", guest("right")).contains("right"));
    assert!(matches!(store.commit(&put(1, vec![1])).await, Ok(Commit::Applied(_))));

    // A later program has been here
    server.sql("postgres", "UPDATE interbank.format SET format = 7").await;
    let newer = OpenError::Newer { found: 7, supported: 1 };
    assert_eq!(refusal(options(&server.url())).await, newer);
    assert_eq!(refusal(options(&server.url()).create(true)).await, newer, "it is not made anew");
    assert_eq!(newer.to_string(), "the schema has format 7, this program works with up to 1");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn programs_that_make_the_schema_at_once_make_it_once() {
    let server = Server::start("");
    let open = || PostgresStore::open(options(&server.url()).create(true));
    let (one, two, three) = tokio::join!(open(), open(), open());
    for store in [one, two, three] {
        store.unwrap().close().await;
    }
    // The DBA's way, under another name, beside it
    server.sql("postgres", &PostgresStore::schema_sql("other").unwrap()).await;
    let store = PostgresStore::open(options(&server.url()).schema("other")).await.unwrap();
    assert!(matches!(store.commit(&put(1, vec![1])).await, Ok(Commit::Applied(_))));
    let first = PostgresStore::open(options(&server.url())).await.unwrap();
    assert_eq!(first.read(&ReadSet::points([key(1)])).await.unwrap().points, [None]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_right_that_is_missing_writes_nothing() {
    let server = Server::start("");
    PostgresStore::open(options(&server.url()).create(true)).await.unwrap().close().await;
    server.sql("postgres", "CREATE ROLE clerk LOGIN").await;
    server.sql("postgres", &PostgresStore::grant_sql("interbank", "clerk").unwrap()).await;
    let store = PostgresStore::open(options(&server.url_of("clerk", "postgres"))).await.unwrap();
    assert!(matches!(store.commit(&put(1, vec![1])).await, Ok(Commit::Applied(_))));
    for right in ["INSERT", "UPDATE", "DELETE"] {
        server.sql("postgres", &format!("REVOKE {right} ON interbank.rows FROM clerk")).await;
        let mut batch = put(2, vec![2]);
        batch.put(key(1), Expect::Any, vec![2]).delete(key(3), Expect::Any);
        let why = store.commit(&batch).await.unwrap_err();
        assert_eq!((why, why.fault()), (Error::NotApplied(Cause::NoRight), Fault::NotApplied));
        let rows = store.read(&ReadSet::points([key(1), key(2)])).await.unwrap();
        assert_eq!(rows.points[0].as_ref().unwrap().value.as_ref(), [1]);
        assert_eq!(rows.points[1], None);
        server.sql("postgres", &format!("GRANT {right} ON interbank.rows TO clerk")).await;
    }
    server.sql("postgres", "DROP TABLE interbank.rows CASCADE").await;
    let why = store.commit(&put(4, vec![])).await.unwrap_err();
    assert_eq!(why, Error::NotApplied(Cause::Schema));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_only_reads_is_refused() {
    let server = Server::start("");
    let store = PostgresStore::open(options(&server.url()).create(true)).await.unwrap();
    assert!(matches!(store.commit(&put(1, vec![1])).await, Ok(Commit::Applied(_))));

    // A standby that follows it
    let folder = server.folder().join("standby");
    let port = server.port.to_string();
    run(command("pg_basebackup")
        .args(["-h", "127.0.0.1", "-p", &port, "-U", "app", "-R", "-c", "fast", "-D"])
        .arg(&folder));
    let standby = Server::follow(&server, &folder);
    assert_eq!(refusal(options(&standby.url())).await, Cause::ReadOnly.into());
    // Of both hosts the primary is taken, wherever it stands in the list
    let both =
        format!("postgresql://app@127.0.0.1:{},127.0.0.1:{}/postgres", standby.port, server.port);
    let found = PostgresStore::open(options(&both)).await.unwrap();
    assert!(matches!(found.commit(&put(2, vec![2])).await, Ok(Commit::Applied(_))));
    drop(standby);

    // Set to read only under way, and from the beginning
    server.sql("postgres", "ALTER SYSTEM SET default_transaction_read_only = on").await;
    let reload = "SET default_transaction_read_only = off; SELECT pg_reload_conf()";
    server.sql("postgres", reload).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let why = store.commit(&put(3, vec![3])).await.unwrap_err();
    assert_eq!((why, why.fault()), (Error::NotApplied(Cause::ReadOnly), Fault::NotApplied));
    assert_eq!(refusal(options(&server.url())).await, Cause::ReadOnly.into());
    assert_eq!(store.read(&ReadSet::points([key(3)])).await.unwrap().points, [None]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn time_outs_write_nothing_and_the_connection_lives_on() {
    let server = Server::start("");
    let short = options(&server.url()).create(true).statement_timeout(Duration::from_millis(300));
    let store = PostgresStore::open(short.connections_max(1)).await.unwrap();
    assert!(matches!(store.commit(&put(1, vec![1])).await, Ok(Commit::Applied(_))));
    let mut holder = client(&server.url()).await;
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
    let server = Server::start("");
    let store = PostgresStore::open(options(&server.url()).create(true)).await.unwrap();
    assert!(matches!(store.commit(&put(1, vec![1])).await, Ok(Commit::Applied(_))));
    server.down();
    let why = store.read(&ReadSet::points([key(1)])).await.unwrap_err();
    assert_eq!(why, Error::NotApplied(Cause::Unreachable));
    let why = store.commit(&put(2, vec![2])).await.unwrap_err();
    assert_eq!(why, Error::NotApplied(Cause::Unreachable));
    server.up();
    let rows = store.read(&ReadSet::points([key(1), key(2)])).await.unwrap();
    assert!(rows.points[0].is_some() && rows.points[1].is_none());
    // A session that the administrator ends while it rests, or while it works
    server.sql("postgres", END_SESSIONS).await;
    assert!(store.read(&ReadSet::points([key(1)])).await.is_ok());
    assert!(matches!(store.commit(&put(2, vec![2])).await, Ok(Commit::Applied(_))));
    let mut holder = client(&server.url()).await;
    let transaction = holder.transaction().await.unwrap();
    transaction.execute("SELECT 1 FROM interbank.rows FOR UPDATE", &[]).await.unwrap();
    let mut batch = put(3, vec![3]);
    batch.put(key(1), Expect::Any, vec![3]);
    let (answer, ()) = tokio::join!(store.commit(&batch), async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        server.sql("postgres", END_SESSIONS).await;
    });
    // The server says that it ends the session, not what became of the statement
    assert_eq!(answer, Err(Error::Unknown(Cause::ShuttingDown)));
    assert_eq!(answer.unwrap_err().fault(), Fault::Unknown);
    transaction.rollback().await.unwrap();
    assert!(matches!(store.commit(&batch).await, Ok(Commit::Applied(_))));
    store.close().await;
}

/// Needs a file system of a few megabytes, which only root can make.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_writes_nothing_and_keeps_what_was_acknowledged() {
    if !is_root() {
        return;
    }
    let small = SmallDisk::mount();
    let server = Server::start("");
    let store = PostgresStore::open(options(&server.url()).create(true)).await.unwrap();
    let place = small.0.path().display();
    server.sql("postgres", &format!("CREATE TABLESPACE small LOCATION '{place}'")).await;
    server.sql("postgres", "ALTER TABLE interbank.rows SET TABLESPACE small").await;
    let mut written = 0;
    let why = loop {
        // Bytes that do not compress
        let noise = (0..16_000_u64).flat_map(|n| {
            (n + 16_000 * written).wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes()[..4].to_vec()
        });
        let mut batch = put(2 * written, noise.collect());
        batch.put(key(2 * written + 1), Expect::Absent, vec![1]);
        match store.commit(&batch).await {
            Ok(Commit::Applied(_)) => written += 1,
            other => break other.unwrap_err(),
        }
        assert!(written < 1_000, "the disk never filled");
    };
    assert_eq!((why, why.fault()), (Error::NotApplied(Cause::DiskFull), Fault::NotApplied));
    assert!(written > 5, "{written}");
    let want = ReadSet::points((0..2 * written + 2).map(key).collect::<Vec<_>>());
    let rows = store.read(&want).await.unwrap();
    let there = |row: &Option<port::Row>| row.is_some();
    let acknowledged = usize::try_from(2 * written).unwrap();
    assert!(rows.points[..acknowledged].iter().all(there));
    assert!(!rows.points[acknowledged..].iter().any(there), "half a batch");
    // With room again it goes on
    server.sql("postgres", "ALTER TABLE interbank.rows SET TABLESPACE pg_default").await;
    assert!(matches!(store.commit(&put(2 * written, vec![1])).await, Ok(Commit::Applied(_))));
}

struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount() -> Self {
        let dir = tempfile::tempdir().unwrap();
        run(Command::new("mount").args(["-t", "tmpfs", "-o", "size=6m", "none"]).arg(dir.path()));
        own(dir.path());
        Self(dir)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        run(Command::new("umount").arg("-l").arg(self.0.path()));
    }
}

#[test]
fn the_blocking_face_refuses_to_hold_up_a_runtime() {
    use port::blocking::Store as _;
    let server = Server::start("");
    let open = || blocking::PostgresStore::open(options(&server.url()).create(true));
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
