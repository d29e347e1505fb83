//! How these tests open the store.
#![allow(dead_code, reason = "each test uses its own part of it")]

use interbank_store_postgres::{Options, PostgresStore};
use port::{Fault, StoreError};
use std::time::{Duration, Instant};
use testbed::Postgres;
use tokio::runtime::{Builder, Runtime};

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
