//! How these tests open the store, and how they go past it.
#![allow(dead_code, reason = "each test uses its own part of it")]

use interbank_store_postgres::{Options, PostgresStore};
use port::{Fault, StoreError};
use std::time::{Duration, Instant};
use testbed::Postgres;
use tokio::runtime::{Builder, Runtime};
use tokio_postgres::{Client, NoTls};

/// A store that gives a server little time, so that a dead connection is noticed within a test.
pub(crate) async fn open(url: &str) -> PostgresStore {
    let options = Options::from_url(url)
        .unwrap()
        .create(true)
        .connect_timeout(Duration::from_millis(800))
        .lock_timeout(Duration::from_millis(400))
        .statement_timeout(Duration::from_millis(500));
    PostgresStore::open(options).await.unwrap()
}

/// A plain connection of the driver's.
pub(crate) async fn client(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

/// Runs statements in a database that is not the server's first.
pub(crate) async fn sql(url: &str, statements: &str) {
    client(url).await.batch_execute(statements).await.unwrap();
}

/// The URL of a database for a role, or for a role and its password: `role:password`.
pub(crate) fn url_as(role: &str, server: &Postgres, database: &str) -> String {
    format!("postgresql://{role}@{}/{database}", server.addr())
}

/// After this long every operation must have ended, whatever the network does.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// The two faults that a network or a server may cause; anything else is a finding.
pub(crate) fn is_unknown(why: &impl StoreError) -> bool {
    match why.fault() {
        Fault::Unknown => true,
        Fault::NotApplied => false,
        fault => panic!("{fault}: {why}"),
    }
}

/// Waits until no session of a server is in the middle of something.
pub(crate) fn await_idle(server: &Postgres) {
    let begun = Instant::now();
    let busy = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' \
                AND state IS DISTINCT FROM 'idle' AND pid <> pg_backend_pid()";
    while server.sql(busy).unwrap() != "0" {
        assert!(begun.elapsed() < PATIENCE, "a session does not end");
        std::thread::sleep(Duration::from_millis(2));
    }
}
