//! The store: two faces of one queue before one journal and one database.

use crate::checkpoint::Checkpointer;
use crate::database::{Place, Trouble, guard, read_state, verify_rows};
use crate::group::{self, Outcome};
use crate::mark::Mark;
use crate::opened::{Backlog, Opened};
use crate::queue::{self, Lead, News, Next, Pending, Queue, Worker};
use crate::reading;
use crate::state::State;
use crate::{Damage, Error, OpenError, Options};
use port::{Batch, Commit, ReadSet, Rows, Scan, Version};
use redb::{CompactionError, Database};
use std::fs::File;
use std::io::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard};

/// An embedded durable store in one folder; both [`port::blocking::Store`] and [`port::Store`].
///
/// `Send + Sync`; share it by reference or in an [`Arc`]. One process at a time has a store open.
///
/// Commits that wait at one moment become one frame of the journal and share one sync; each is judged against what the ones
/// before it left, and answered when all of it is on the disk. A blocking caller does that work in its own thread; for
/// asynchronous callers a writer thread does. Another thread moves what the journal has into the database.
///
/// Reads run in the caller's thread, also the asynchronous ones: they take microseconds from memory, and a page that is not
/// in the cache is read from the file, for which the executor's thread waits. Choose [`Options::cache_bytes`] for the rows in
/// use.
///
/// Dropping the store closes it; [`RedbStore::close`] also says whether that went well.
#[derive(Debug)]
pub struct RedbStore {
    core: Arc<Core>,
    writer: Worker,
}

impl RedbStore {
    /// A batch may be so many times as large as a portable one, in operations and in bytes.
    pub const BATCH_MULTIPLE: usize = 16;

    /// Opens the store in this folder.
    ///
    /// # Errors
    /// [`OpenError`] says in one phrase why not.
    pub fn open(dir: impl AsRef<Path>, options: Options) -> Result<Self, OpenError> {
        Self::open_place(Place::new(dir.as_ref()), options)
    }

    pub(crate) fn open_place(place: Place, options: Options) -> Result<Self, OpenError> {
        let lock = place.claim(&options)?;
        let (opened, mark) = place.open(&options, options.integrity)?;
        let core = Core {
            place,
            options,
            handle: RwLock::new(Handle::Open(Box::new(opened))),
            mark: Mutex::new(mark),
            queue: Queue::new(options.waiting_max),
            checkpointer: Checkpointer::default(),
            counts: Counts::default(),
            _lock: lock,
        };
        Ok(Self { core: Arc::new(core), writer: Worker::default() })
    }

    /// Verifies every page and every row, and that no row vanished or came back. Everything else waits meanwhile.
    ///
    /// # Errors
    /// [`Error::Corrupt`]; the store then answers nothing else until it is opened again.
    pub fn check(&self) -> Result<Report, Error> {
        self.core.exclusively(|database| {
            let repaired = !database.check_integrity()?;
            let state = read_state(database)?;
            verify_rows(database, &state)?;
            Ok(Report { rows: state.rows, last: Version::new(state.last), repaired })
        })
    }

    /// Gives unused space back to the file system; says whether there was any. Everything else waits meanwhile.
    ///
    /// # Errors
    /// Where the file could not be rewritten; no row is lost by that.
    pub fn compact(&self) -> Result<bool, Error> {
        self.core.exclusively(|database| {
            database.compact().map_err(|why| match why {
                CompactionError::Storage(why) => why.into(),
                _ => Trouble::Io(ErrorKind::ResourceBusy),
            })
        })
    }

    /// Answers the commits in line, refuses new ones, and closes the file.
    ///
    /// # Errors
    /// Where the last bookkeeping could not be written. Nothing acknowledged is lost by that; opening takes longer.
    pub fn close(self) -> Result<(), Error> {
        self.shut()
    }

    /// What the store did since it was opened.
    pub fn stats(&self) -> Stats {
        let counts = &self.core.counts;
        Stats {
            applied: counts.applied.load(Ordering::Relaxed),
            conflicts: counts.conflicts.load(Ordering::Relaxed),
            transactions: counts.transactions.load(Ordering::Relaxed),
            checkpoints: counts.checkpoints.load(Ordering::Relaxed),
            reopened: counts.reopened.load(Ordering::Relaxed),
            marks_missed: counts.marks_missed.load(Ordering::Relaxed),
        }
    }

    fn shut(&self) -> Result<(), Error> {
        self.core.queue.close();
        let joined = self.writer.join();
        self.core.hurry();
        let checkpointer = self.core.checkpointer.close();
        let closed = self.core.close();
        joined.and(checkpointer).and(closed)
    }

    async fn commit_async(&self, batch: &Batch) -> Result<Commit, Error> {
        self.line_up(batch)?.await
    }

    fn line_up(&self, batch: &Batch) -> Result<Pending, Error> {
        batch.check_multiple(Self::BATCH_MULTIPLE).map_err(Error::Batch)?;
        self.writer.ensure("store-redb", || {
            let core = Arc::clone(&self.core);
            Box::new(move || {
                while core.queue.wait_for_lead() {
                    while core.lead(true) == Next::Same {}
                }
            })
        })?;
        self.core.queue.push_async(batch.clone())
    }
}

impl port::blocking::Store for RedbStore {
    type Error = Error;

    fn read(&self, want: &ReadSet) -> Result<Rows, Error> {
        self.core.read(want)
    }

    fn commit(&self, batch: &Batch) -> Result<Commit, Error> {
        batch.check_multiple(Self::BATCH_MULTIPLE).map_err(Error::Batch)?;
        let (slot, lead) = self.core.queue.push_blocking(batch.clone())?;
        if matches!(lead, Lead::Caller) {
            self.core.lead(false);
        }
        loop {
            match slot.wait() {
                News::Answer(answer) => return answer,
                News::Lead => {
                    self.core.lead(false);
                }
            }
        }
    }
}

impl port::Store for RedbStore {
    type Error = Error;

    async fn read(&self, want: &ReadSet) -> Result<Rows, Error> {
        self.core.read(want)
    }

    fn commit(&self, batch: &Batch) -> impl Future<Output = Result<Commit, Error>> + Send {
        self.commit_async(batch)
    }

    async fn commit_each(&self, batches: &[Batch]) -> Vec<Result<Commit, Error>> {
        // All stand in line before the first is waited for.
        let waiting: Vec<_> = batches.iter().map(|batch| self.line_up(batch)).collect();
        let mut answers = Vec::with_capacity(waiting.len());
        for pending in waiting {
            answers.push(match pending {
                Ok(pending) => pending.await,
                Err(why) => Err(why),
            });
        }
        answers
    }
}

impl Drop for RedbStore {
    fn drop(&mut self) {
        // Nobody is left to be told; `close` tells
        let _ = self.shut();
    }
}

/// What [`RedbStore::check`] verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    /// How many rows there are.
    pub rows: u64,
    /// The last version given out.
    pub last: Version,
    /// Whether redb's account of free pages had to be rebuilt; no row was touched by that.
    pub repaired: bool,
}

/// What a store did since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Batches that were applied.
    pub applied: u64,
    /// Batches that met a conflict.
    pub conflicts: u64,
    /// Groups of batches that were made durable, with one sync each.
    pub transactions: u64,
    /// How often a segment of the journal was moved into the tree.
    pub checkpoints: u64,
    /// How often the database had to be opened again after the operating system failed.
    pub reopened: u64,
    /// How often the high-water mark could not be written; it is only a witness, so commits went on.
    pub marks_missed: u64,
}

/// What callers and the writer thread share.
#[derive(Debug)]
struct Core {
    place: Place,
    options: Options,
    handle: RwLock<Handle>,
    mark: Mutex<Mark>,
    queue: Queue,
    checkpointer: Checkpointer,
    counts: Counts,
    _lock: File,
}

/// The database, or why there is none.
#[derive(Debug)]
enum Handle {
    Open(Box<Opened>),
    /// After a failure: whatever is on the disk is found out by opening it again.
    Fenced,
    Broken(Damage),
    Closed,
}

#[derive(Debug, Default)]
struct Counts {
    applied: AtomicU64,
    conflicts: AtomicU64,
    transactions: AtomicU64,
    checkpoints: AtomicU64,
    reopened: AtomicU64,
    marks_missed: AtomicU64,
}

impl Core {
    /// Makes one group durable, and hands the lead on.
    fn lead(self: &Arc<Self>, writer: bool) -> Next {
        let group = self.queue.take();
        // A panic of our own must not leave the others waiting for ever
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            let batches: Vec<&Batch> = group.iter().map(|waiting| &waiting.batch).collect();
            self.apply(&batches)
        }));
        let outcome = outcome.unwrap_or_else(|_| {
            // Nor may memory and journal part ways
            self.fence();
            let answers = vec![Err(Error::Unknown(ErrorKind::Other)); group.len()];
            Outcome { answers, written: None, fence: true }
        });
        let next = self.queue.hand_on(writer);
        queue::tell(&group, outcome.answers);
        next
    }

    fn apply(self: &Arc<Self>, batches: &[&Batch]) -> Outcome {
        let outcome = match self.handle() {
            Err(why) => {
                return Outcome {
                    answers: vec![Err(why); batches.len()],
                    written: None,
                    fence: false,
                };
            }
            Ok(handle) => match &*handle {
                Handle::Open(opened) => self.apply_to(opened, batches),
                other => Outcome {
                    answers: vec![Err(other.refusal()); batches.len()],
                    written: None,
                    fence: false,
                },
            },
        };
        if outcome.fence {
            self.fence();
        }
        if let Some(state) = &outcome.written {
            self.raise(state);
        }
        self.counts.note(&outcome);
        outcome
    }

    fn apply_to(self: &Arc<Self>, opened: &Opened, batches: &[&Batch]) -> Outcome {
        match opened.backlog(&self.options) {
            Backlog::Small => {}
            Backlog::Large => opened.wait_for_piece(),
            Backlog::TooLarge => {
                if let Err(trouble) = self.checkpoint(opened) {
                    return Outcome::failed(batches, trouble.before_commit());
                }
            }
        }
        let outcome = group::apply(opened, batches);
        if !outcome.fence && opened.rotate_if_full(&self.options) {
            let core = Arc::clone(self);
            // Where no thread can be had, a later group moves the rows
            let _ = self.checkpointer.tell(move || core.checkpoint_behind());
        }
        outcome
    }

    fn checkpoint(&self, opened: &Opened) -> Result<(), Trouble> {
        if guard(|| opened.checkpoint(self.options.two_phase))? {
            self.counts.checkpoints.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Nobody commits any more: what moves into the tree need not leave room for others.
    fn hurry(&self) {
        let handle = self.handle.read().unwrap_or_else(PoisonError::into_inner);
        if let Handle::Open(opened) = &*handle {
            opened.set_alone(true);
        }
    }

    /// For the checkpoint thread.
    fn checkpoint_behind(&self) {
        let Ok(handle) = self.handle() else { return };
        let Handle::Open(opened) = &*handle else { return };
        let done = self.checkpoint(opened);
        drop(handle);
        if done.is_err() {
            self.fence();
        }
    }

    fn read(&self, want: &ReadSet) -> Result<Rows, Error> {
        if want.scans.iter().any(|scan| scan.limit > Scan::ROWS_MAX) {
            return Err(Error::ScanTooLong);
        }
        let handle = self.handle()?;
        let Handle::Open(opened) = &*handle else { return Err(handle.refusal()) };
        let trouble = match guard(|| reading::read(opened, want)) {
            Ok(rows) => return Ok(rows),
            Err(trouble) => trouble,
        };
        drop(handle);
        // One damaged row leaves the others readable; anything else may have left redb unusable
        if !matches!(trouble, Trouble::Damage(Damage::Record)) {
            self.fence();
        }
        Err(trouble.before_commit())
    }

    fn exclusively<T>(
        &self,
        work: impl FnOnce(&mut Database) -> Result<T, Trouble>,
    ) -> Result<T, Error> {
        drop(self.handle()?);
        self.hurry();
        let mut handle = self.handle.write().unwrap_or_else(PoisonError::into_inner);
        let Handle::Open(opened) = &mut *handle else { return Err(handle.refusal()) };
        let moved = guard(|| opened.checkpoint_all(self.options.two_phase));
        match moved.and_then(|()| guard(|| work(&mut opened.database))) {
            Ok(done) => Ok(done),
            Err(Trouble::Damage(damage)) => {
                *handle = Handle::Broken(damage);
                Err(Error::Corrupt(damage))
            }
            Err(trouble) => {
                *handle = Handle::Fenced;
                Err(trouble.before_commit())
            }
        }
    }

    /// The handle, opened again if a failure had closed it.
    fn handle(&self) -> Result<RwLockReadGuard<'_, Handle>, Error> {
        for _ in 0..REOPENINGS_MAX {
            let handle = self.handle.read().unwrap_or_else(PoisonError::into_inner);
            if !matches!(*handle, Handle::Fenced) {
                return Ok(handle);
            }
            drop(handle);
            self.reopen()?;
        }
        Ok(self.handle.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn reopen(&self) -> Result<(), Error> {
        let mut handle = self.handle.write().unwrap_or_else(PoisonError::into_inner);
        if !matches!(*handle, Handle::Fenced) {
            return Ok(());
        }
        let (opened, mark) = match self.place.reopen(&self.options) {
            Ok(opened) => opened,
            Err(OpenError::Corrupt(damage)) => {
                *handle = Handle::Broken(damage);
                return Err(Error::Corrupt(damage));
            }
            Err(OpenError::DiskFull) => return Err(Error::NotApplied(ErrorKind::StorageFull)),
            Err(OpenError::Io(kind)) => return Err(Error::NotApplied(kind)),
            Err(_) => return Err(Error::NotApplied(ErrorKind::Other)),
        };
        *handle = Handle::Open(Box::new(opened));
        *self.mark.lock().unwrap_or_else(PoisonError::into_inner) = mark;
        self.counts.reopened.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    fn fence(&self) {
        // A checkpoint under way has the handle, and nobody to leave room for.
        self.hurry();
        let mut handle = self.handle.write().unwrap_or_else(PoisonError::into_inner);
        if matches!(*handle, Handle::Open(_)) {
            let old = core::mem::replace(&mut *handle, Handle::Fenced);
            // Dropping a database that failed may fail again, and even panic
            let _ = catch_unwind(AssertUnwindSafe(|| drop(old)));
        }
    }

    fn raise(&self, state: &State) {
        let mut mark = self.mark.lock().unwrap_or_else(PoisonError::into_inner);
        if mark.raise(state).is_err() {
            self.counts.marks_missed.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn close(&self) -> Result<(), Error> {
        let mut handle = self.handle.write().unwrap_or_else(PoisonError::into_inner);
        let Handle::Open(opened) = core::mem::replace(&mut *handle, Handle::Closed) else {
            return Ok(());
        };
        let closed = guard(|| opened.close(self.options.two_phase));
        let closed = closed.map_err(|why| why.before_commit());
        let mark = self.mark.lock().unwrap_or_else(PoisonError::into_inner);
        closed.and(mark.sync().map_err(|why| Error::NotApplied(why.kind())))
    }
}

impl Handle {
    fn refusal(&self) -> Error {
        match self {
            Self::Broken(damage) => Error::Corrupt(*damage),
            Self::Closed => Error::Closed,
            Self::Fenced | Self::Open(_) => Error::NotApplied(ErrorKind::Interrupted),
        }
    }
}

impl Counts {
    fn note(&self, outcome: &Outcome) {
        let count = |wanted: fn(&Result<Commit, Error>) -> bool| {
            outcome.answers.iter().filter(|answer| wanted(answer)).count() as u64
        };
        self.applied.fetch_add(count(|a| matches!(a, Ok(Commit::Applied(_)))), Ordering::Relaxed);
        self.conflicts.fetch_add(count(|a| *a == Ok(Commit::Conflict)), Ordering::Relaxed);
        if outcome.written.is_some() {
            self.transactions.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// So often one call opens the store again: rows that move into the tree meanwhile may fail once more.
const REOPENINGS_MAX: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;
    use port::blocking::Store as _;
    use port::{CrateTag, Expect, Key, Tenant};
    use std::thread;

    #[test]
    fn commits_that_wait_at_one_moment_share_one_sync() {
        let dir = tempfile::tempdir().unwrap();
        let store = RedbStore::open(dir.path(), Options::new().create(true)).unwrap();
        let commit = &|n: u64| {
            let key = Key::new(CrateTag::PORT, Tenant::new(1), 1).number(n).unwrap();
            let mut batch = Batch::new();
            batch.put(key, Expect::Absent, &b"value"[..]);
            assert!(matches!(store.commit(&batch), Ok(Commit::Applied(_))));
        };
        thread::scope(|scope| {
            let handle = store.core.handle().unwrap();
            let Handle::Open(opened) = &*handle else { panic!("it was just opened") };
            // The first one cannot get through, and the others line up behind it.
            let journal = opened.journal();
            scope.spawn(|| commit(0));
            while store.core.queue.line() != (true, 0) {
                thread::yield_now();
            }
            for n in 1..40 {
                scope.spawn(move || commit(n));
            }
            while store.core.queue.line() != (true, 39) {
                thread::yield_now();
            }
            drop(journal);
        });
        let stats = store.stats();
        assert_eq!((stats.applied, stats.transactions, stats.marks_missed), (40, 2, 0));
    }
}
