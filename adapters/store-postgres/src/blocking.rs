//! The blocking face.

use crate::{Cause, Error, OpenError, Options, Stats};
use port::{Batch, Commit, ReadSet, Rows};
use tokio::runtime::{Builder, Handle, Runtime};

/// [`crate::PostgresStore`] for callers without a runtime; [`port::blocking::Store`].
///
/// It owns a small runtime with one thread, which carries the bytes. `Send + Sync`: threads that commit at the same time share
/// transactions, as futures do.
#[derive(Debug)]
pub struct PostgresStore {
    store: crate::PostgresStore,
    /// `None` only while it is dropped.
    runtime: Option<Runtime>,
}

impl PostgresStore {
    /// Opens the store that the options name.
    ///
    /// # Errors
    /// [`OpenError`] says in one phrase why not; [`Cause::Asynchronous`] inside a runtime.
    pub fn open(options: Options) -> Result<Self, OpenError> {
        if Handle::try_current().is_ok() {
            return Err(Cause::Asynchronous.into());
        }
        let built = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("store-postgres")
            .enable_io()
            .enable_time()
            .build();
        let runtime = built.map_err(|_| OpenError::Runtime)?;
        let store = runtime.block_on(crate::PostgresStore::open(options))?;
        Ok(Self { store, runtime: Some(runtime) })
    }

    /// What the store did since it was opened.
    pub fn stats(&self) -> Stats {
        self.store.stats()
    }

    fn wait_for<T>(&self, answer: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        if Handle::try_current().is_ok() {
            return Err(Error::NotApplied(Cause::Asynchronous));
        }
        match &self.runtime {
            Some(runtime) => runtime.block_on(answer),
            None => Err(Error::Closed),
        }
    }
}

impl port::blocking::Store for PostgresStore {
    type Error = Error;

    fn read(&self, want: &ReadSet) -> Result<Rows, Error> {
        self.wait_for(self.store.read_rows(want))
    }

    fn commit(&self, batch: &Batch) -> Result<Commit, Error> {
        self.wait_for(self.store.commit_batch(batch))
    }
}

/// Every call has returned, so nothing is under way: the connections are closed.
impl Drop for PostgresStore {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Also inside a runtime, where waiting for the thread would panic
            runtime.shutdown_background();
        }
    }
}
