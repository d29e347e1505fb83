//! An open database, its journal, and what lies over the tree.

use crate::Options;
use crate::checkpoint::checkpoint;
use crate::database::Trouble;
use crate::journal::Journal;
use crate::memtable::Memtables;
use redb::Database;
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) database: Database,
    /// Written by the leader alone.
    journal: Mutex<Journal>,
    memtables: RwLock<Memtables>,
    /// Held by whoever moves rows into the tree.
    checkpointing: Mutex<()>,
}

impl Opened {
    pub(crate) const fn new(database: Database, journal: Journal, memtables: Memtables) -> Self {
        Self {
            database,
            journal: Mutex::new(journal),
            memtables: RwLock::new(memtables),
            checkpointing: Mutex::new(()),
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

    /// Whether so much waits that the next group has to wait too.
    pub(crate) fn is_overfull(&self, options: &Options) -> bool {
        let (journal, memtables) = (self.journal(), self.memtables());
        let is_full = journal.segment_bytes() >= 2 * options.journal_bytes as u64;
        memtables.has_frozen() && (is_full || memtables.active() >= 2 * MEMTABLE_ROWS)
    }

    /// Moves the rows that are on their way into the tree, or waits until somebody else has; says whether there were any.
    pub(crate) fn checkpoint(&self, two_phase: bool) -> Result<bool, Trouble> {
        let _mine = self.checkpointing.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(frozen) = self.memtables().frozen() else { return Ok(false) };
        checkpoint(&self.database, &frozen, two_phase, || self.piece_rows())?;
        let done = self.memtables_mut().release();
        // Given back outside of the lock: there may be many.
        drop((frozen, done));
        Ok(true)
    }

    /// How many rows move in one transaction: few, because a commit may have to wait until the disk has them; more where commits
    /// would soon have to wait for all of them.
    fn piece_rows(&self) -> usize {
        if self.memtables().active() < MEMTABLE_ROWS * 3 / 4 { PIECE_ROWS } else { PIECE_ROWS_MAX }
    }

    /// Moves all rows into the tree, while nobody commits.
    pub(crate) fn checkpoint_all(&self, two_phase: bool) -> Result<(), Trouble> {
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
const MEMTABLE_ROWS: usize = 16_384;

const PIECE_ROWS: usize = if cfg!(test) { 2 } else { 128 };
const PIECE_ROWS_MAX: usize = 256;
