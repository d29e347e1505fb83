//! An asynchronous store of one's own; racing tasks. `cargo run -p interbank-port --example under_tokio`

use interbank_port::{
    Answers, Ask, Batch, Commit, Conclusion, CrateTag, Decision, Expect, Fault, Key, KeyAnswer,
    KeyQuestion, Keys, MemoryStore, ReadSet, Rows, Step, Store, StoreError, Tenant, decide,
};
use std::{collections::BTreeSet, convert::Infallible, error::Error, fmt, sync::Arc};
use tokio::sync::Semaphore;

/// A store behind a pool of connections: each operation waits for a free one.
struct Pooled {
    rows: MemoryStore,
    connections: Semaphore,
}

impl Store for Pooled {
    type Error = Closed;

    async fn read(&self, want: &ReadSet) -> Result<Rows, Closed> {
        let _connection = self.connections.acquire().await.map_err(|_| Closed)?;
        self.rows.read(want).await.map_err(|_| Closed)
    }

    async fn commit(&self, batch: &Batch) -> Result<Commit, Closed> {
        let _connection = self.connections.acquire().await.map_err(|_| Closed)?;
        self.rows.commit(batch).await.map_err(|_| Closed)
    }
}

#[derive(Debug)]
struct Closed;

impl StoreError for Closed {
    fn fault(&self) -> Fault {
        Fault::NotApplied // no connection, so nothing was sent
    }
}

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the pool is closed")
    }
}

impl Error for Closed {}
struct NoKeys;

impl Keys for NoKeys {
    type Error = Infallible;

    async fn answer(&self, _: &[KeyQuestion]) -> Result<Vec<KeyAnswer>, Infallible> {
        Ok(Vec::new())
    }
}

/// Takes the next number.
struct Next;

impl Decision for Next {
    type Verdict = u64;
    type Error = std::array::TryFromSliceError;

    fn begin(&mut self) -> Ask {
        Ask::rows(ReadSet::points([counter()]))
    }

    fn step(&mut self, answers: Answers) -> Result<Step<u64>, Self::Error> {
        let row = answers.rows.points.first().and_then(Option::as_ref);
        let last = row.map_or(Ok(0), |row| row.value[..].try_into().map(u64::from_be_bytes))?;
        let mut batch = Batch::new();
        // Requiring the version is what keeps two tasks from taking one number.
        let as_found = row.map_or(Expect::Absent, |row| Expect::At(row.version));
        batch.put(counter(), as_found, (last + 1).to_be_bytes().to_vec());
        Ok(Step::Done(Conclusion { verdict: last + 1, batch }))
    }
}

fn counter() -> Key {
    Key::new(CrateTag::PORT, Tenant::new(1), 1)
}

fn main() -> Result<(), Box<dyn Error>> {
    tokio::runtime::Builder::new_multi_thread().build()?.block_on(race())
}

async fn race() -> Result<(), Box<dyn Error>> {
    let store = Arc::new(Pooled { rows: MemoryStore::new(), connections: Semaphore::new(4) });
    let mut tasks = Vec::new();
    for _ in 0..20 {
        let store = store.clone();
        tasks.push(tokio::spawn(async move { decide(&*store, &NoKeys, &mut Next).await }));
    }
    let mut taken = BTreeSet::new();
    for task in tasks {
        taken.insert(task.await??);
    }
    assert_eq!(taken, (1..=20).collect(), "twenty different numbers, no gap");
    Ok(())
}
