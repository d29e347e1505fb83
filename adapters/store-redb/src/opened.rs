//! An open database, its journal, and what lies over the tree.

use crate::Options;
use crate::checkpoint::{checkpoint, thousandths};
use crate::database::Trouble;
use crate::journal::Journal;
use crate::memtable::Memtables;
use crate::number::Number;
use redb::Database;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{
    Condvar, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
};
use std::time::Duration;

#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) database: Database,
    /// What frames are bound to.
    pub(crate) number: Number,
    /// Written by the leader alone.
    journal: Mutex<Journal>,
    memtables: RwLock<Memtables>,
    /// Held by whoever moves rows into the tree.
    checkpointing: Mutex<()>,
    /// Whether nobody commits any more, or for now.
    is_alone: AtomicBool,
    /// How full the segment is that is being written, in thousandths: above 1,000 where the tree does not have the other yet. As the
    /// leader saw it last: the journal itself is locked while it syncs.
    filled: AtomicU64,
    pace: Mutex<()>,
    /// Told when a piece has arrived in the tree.
    piece_moved: Condvar,
}

/// How much lies over the tree while rows are on their way into it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Backlog {
    Small,
    /// Whoever commits has to slow down, or it will be too large.
    Large,
    /// The next group has to wait until those on their way have arrived.
    TooLarge,
}

impl Opened {
    pub(crate) const fn new(
        database: Database,
        number: Number,
        journal: Journal,
        memtables: Memtables,
    ) -> Self {
        Self {
            database,
            number,
            journal: Mutex::new(journal),
            memtables: RwLock::new(memtables),
            checkpointing: Mutex::new(()),
            is_alone: AtomicBool::new(false),
            filled: AtomicU64::new(0),
            pace: Mutex::new(()),
            piece_moved: Condvar::new(),
        }
    }

    pub(crate) fn journal(&self) -> MutexGuard<'_, Journal> {
        self.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn memtables(&self) -> RwLockReadGuard<'_, Memtables> {
        self.memtables.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn memtables_mut(&self) -> RwLockWriteGuard<'_, Memtables> {
        self.memtables.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// For the leader, after a group: goes on in the other file if this one has enough and the tree has all of the other; says
    /// whether rows are on their way now.
    pub(crate) fn rotate_if_full(&self, options: &Options) -> bool {
        let mut journal = self.journal();
        let mut memtables = self.memtables_mut();
        if memtables.has_frozen() {
            return true;
        }
        let is_full = journal.segment_bytes() >= options.journal_bytes as u64;
        if memtables.active() > 0 && (is_full || memtables.active() >= MEMTABLE_ROWS) {
            memtables.freeze();
            journal.rotate();
        }
        memtables.has_frozen()
    }

    /// Commits slow down at one and a half of what a segment should have, and wait at two.
    pub(crate) fn backlog(&self, options: &Options) -> Backlog {
        let (journal, memtables) = (self.journal(), self.memtables());
        let bytes = thousandths(journal.segment_bytes(), options.journal_bytes as u64);
        let rows = thousandths(memtables.active() as u64, MEMTABLE_ROWS as u64);
        let filled = bytes.max(rows);
        self.filled.store(filled, Ordering::Relaxed);
        match filled {
            1_500..2_000 if memtables.has_frozen() => Backlog::Large,
            2_000.. if memtables.has_frozen() => Backlog::TooLarge,
            _ => Backlog::Small,
        }
    }

    /// Waits until a piece of the rows that are on their way has arrived, or not much longer than one takes.
    pub(crate) fn wait_for_piece(&self) {
        let pace = self.pace.lock().unwrap_or_else(PoisonError::into_inner);
        // Who waits a moment too long, or not at all, does no harm.
        drop(self.piece_moved.wait_timeout(pace, PIECE_TIMEOUT));
    }

    /// Moves the rows that are on their way into the tree, or waits until somebody else has; says whether there were any.
    pub(crate) fn checkpoint(&self, two_phase: bool) -> Result<bool, Trouble> {
        let _mine = self.checkpointing.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(frozen) = self.memtables().frozen() else { return Ok(false) };
        let piece_rows = || {
            self.piece_moved.notify_all();
            self.piece_rows()
        };
        checkpoint(&self.database, &frozen, two_phase, piece_rows, |moved, took| {
            self.pause(moved, took)
        })?;
        let done = self.memtables_mut().release();
        self.piece_moved.notify_all();
        // Given back outside of the lock: there may be many.
        drop((frozen, done));
        Ok(true)
    }

    /// How many rows move in one transaction: few, because a commit may have to wait until the disk has them; more where commits
    /// would soon have to wait for all of them, and many where nobody commits, or all do wait.
    fn piece_rows(&self) -> usize {
        let active = self.memtables().active();
        if self.is_alone.load(Ordering::Relaxed) || active >= 2 * MEMTABLE_ROWS {
            PIECE_ROWS_ALONE
        } else if active >= MEMTABLE_ROWS * 3 / 4 {
            PIECE_ROWS_MAX
        } else {
            PIECE_ROWS
        }
    }

    /// Rows need not move faster than others come: what is ahead of them leaves disk and processor to whoever commits, so that few
    /// answers are slow all the time, and not many for a while.
    fn pause(&self, moved: u64, took: Duration) -> Duration {
        let due = self.filled.load(Ordering::Relaxed).saturating_mul(1_000) / FILLED_WHEN_MOVED;
        if self.is_alone.load(Ordering::Relaxed) || moved <= due {
            Duration::ZERO
        } else {
            (took * PAUSE_TIMES).min(PAUSE_MAX)
        }
    }

    /// Nobody commits: rows that are on their way move in large pieces.
    pub(crate) fn set_alone(&self, is_alone: bool) {
        self.is_alone.store(is_alone, Ordering::Relaxed);
    }

    /// Moves all rows into the tree, while nobody commits.
    pub(crate) fn checkpoint_all(&self, two_phase: bool) -> Result<(), Trouble> {
        self.set_alone(true);
        let moved = self.checkpoint_both(two_phase);
        self.set_alone(false);
        moved
    }

    fn checkpoint_both(&self, two_phase: bool) -> Result<(), Trouble> {
        self.checkpoint(two_phase)?;
        {
            let (mut journal, mut memtables) = (self.journal(), self.memtables_mut());
            if memtables.active() == 0 {
                return Ok(());
            }
            memtables.freeze();
            journal.rotate();
        }
        self.checkpoint(two_phase)?;
        Ok(())
    }

    /// Closes the file; of the journal nothing is left if all went well.
    pub(crate) fn close(self, two_phase: bool) -> Result<(), Trouble> {
        self.checkpoint_all(two_phase)?;
        self.database.close()?;
        let journal = self.journal.into_inner().unwrap_or_else(PoisonError::into_inner);
        Ok(journal.remove()?)
    }
}

/// So many rows may lie over the tree before they move into it, and twice as many while others do.
const MEMTABLE_ROWS: usize = 65_536;

const PIECE_ROWS: usize = if cfg!(test) { 2 } else { 128 };
const PIECE_ROWS_MAX: usize = 256;
const PIECE_ROWS_ALONE: usize = if cfg!(test) { 3 } else { 4_096 };

/// All rows have moved when the segment that is written meanwhile is so full, in thousandths: before commits slow down.
const FILLED_WHEN_MOVED: u64 = 1_333;
/// How many times as long as the piece before it a pause is.
const PAUSE_TIMES: u32 = 2;
/// Whoever closes the store waits no longer.
const PAUSE_MAX: Duration = Duration::from_millis(10);

/// Longer than a piece takes, in case that nobody moves any.
const PIECE_TIMEOUT: Duration = Duration::from_millis(20);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::database::Place;
    use crate::{Integrity, group};
    use port::{Batch, CrateTag, Expect, Key, Tenant};

    #[test]
    fn commits_slow_down_before_they_have_to_wait_for_all_rows() {
        let dir = tempfile::tempdir().unwrap();
        let place = Place::new(dir.path());
        // Each group takes half of a segment.
        let options = Options::new().create(true).journal_bytes(2 * 4_096);
        let _lock = place.claim(&options).unwrap();
        let (opened, _) = place.open(&options, Integrity::Quick).unwrap();
        let mut next = 0..;
        let mut commit = || {
            let mut batch = Batch::new();
            let key = Key::new(CrateTag::PORT, Tenant::new(1), 1).number(next.next().unwrap());
            batch.put(key.unwrap(), Expect::Absent, &b"value"[..]);
            assert!(!group::apply(&opened, &[&batch]).fence);
            opened.rotate_if_full(&options);
            opened.backlog(&options)
        };
        use Backlog::{Large, Small, TooLarge};
        // The first two are a segment; the tree has none of them yet.
        assert_eq!([(); 6].map(|()| commit()), [Small, Small, Small, Small, Large, TooLarge]);
        opened.checkpoint(false).unwrap();
        assert_eq!(opened.backlog(&options), Small);
        // The next one still belongs to the segment that is on its way then.
        assert_eq!([(); 5].map(|()| commit()), [Small, Small, Small, Large, TooLarge]);
    }

    #[test]
    fn a_pause_follows_each_piece_but_the_last() {
        let dir = tempfile::tempdir().unwrap();
        let place = Place::new(dir.path());
        let options = Options::new().create(true);
        let _lock = place.claim(&options).unwrap();
        let (opened, _) = place.open(&options, Integrity::Quick).unwrap();
        let mut batch = Batch::new();
        for n in 0..6 {
            let key = Key::new(CrateTag::PORT, Tenant::new(1), 1).number(n).unwrap();
            batch.put(key, Expect::Absent, &b"value"[..]);
        }
        assert!(!group::apply(&opened, &[&batch]).fence);
        opened.memtables_mut().freeze();
        let frozen = opened.memtables().frozen().unwrap();
        let asked = Mutex::new(Vec::new());
        let pause = |moved, _| {
            asked.lock().unwrap().push(moved);
            Duration::ZERO
        };
        checkpoint(&opened.database, &frozen, false, || 2, pause).unwrap();
        assert_eq!(*asked.lock().unwrap(), [333, 666]);
    }

    #[test]
    fn rows_move_no_faster_than_others_come_unless_nobody_commits() {
        let dir = tempfile::tempdir().unwrap();
        let place = Place::new(dir.path());
        let options = Options::new().create(true);
        let _lock = place.claim(&options).unwrap();
        let (opened, _) = place.open(&options, Integrity::Quick).unwrap();
        opened.filled.store(FILLED_WHEN_MOVED / 2, Ordering::Relaxed);
        let took = Duration::from_millis(1);
        assert_eq!(opened.pause(499, took), Duration::ZERO);
        assert_eq!(opened.pause(501, took), took * PAUSE_TIMES);
        assert_eq!(opened.pause(501, Duration::from_secs(1)), PAUSE_MAX);
        opened.set_alone(true);
        assert_eq!(opened.pause(501, took), Duration::ZERO);
    }
}
