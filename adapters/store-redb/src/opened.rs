//! An open database, its journal, and what lies over the tree.

use crate::Options;
use crate::database::Trouble;
use crate::journal::Journal;
use crate::overlay::Layers;
use crate::settle::settle;
use redb::Database;
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) database: Database,
    /// Written by the leader alone.
    journal: Mutex<Journal>,
    layers: RwLock<Layers>,
    /// Held by whoever moves rows into the tree.
    settling: Mutex<()>,
}

impl Opened {
    pub(crate) const fn new(database: Database, journal: Journal, layers: Layers) -> Self {
        Self {
            database,
            journal: Mutex::new(journal),
            layers: RwLock::new(layers),
            settling: Mutex::new(()),
        }
    }

    pub(crate) fn journal(&self) -> MutexGuard<'_, Journal> {
        self.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn layers(&self) -> RwLockReadGuard<'_, Layers> {
        self.layers.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn layers_mut(&self) -> RwLockWriteGuard<'_, Layers> {
        self.layers.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// For the leader, after a group: goes on in the other file if this one has enough and the tree has all of the other; says
    /// whether rows are on their way now.
    pub(crate) fn turn_if_full(&self, options: &Options) -> bool {
        let mut journal = self.journal();
        let mut layers = self.layers_mut();
        if layers.is_settling() {
            return true;
        }
        let is_full = journal.lap_bytes() >= options.journal_bytes as u64;
        if layers.fresh() > 0 && (is_full || layers.fresh() >= LAP_ROWS) {
            layers.turn();
            journal.turn();
        }
        layers.is_settling()
    }

    /// Whether so much waits that the next group has to wait too.
    pub(crate) fn is_overfull(&self, options: &Options) -> bool {
        let (journal, layers) = (self.journal(), self.layers());
        let is_full = journal.lap_bytes() >= 2 * options.journal_bytes as u64;
        layers.is_settling() && (is_full || layers.fresh() >= 2 * LAP_ROWS)
    }

    /// Moves the rows that are on their way into the tree, or waits until somebody else has; says whether there were any.
    pub(crate) fn settle(&self, two_phase: bool) -> Result<bool, Trouble> {
        let _mine = self.settling.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(lap) = self.layers().settling() else { return Ok(false) };
        settle(&self.database, &lap, two_phase, || self.piece_rows())?;
        let done = self.layers_mut().settled();
        // Given back outside of the lock: there may be many.
        drop((lap, done));
        Ok(true)
    }

    /// How many rows move in one transaction: few, because a commit may have to wait until the disk has them; more where commits
    /// would soon have to wait for all of them.
    fn piece_rows(&self) -> usize {
        if self.layers().fresh() < LAP_ROWS * 3 / 4 { PIECE_ROWS } else { PIECE_ROWS_MAX }
    }

    /// Moves all rows into the tree, while nobody commits.
    pub(crate) fn settle_all(&self, two_phase: bool) -> Result<(), Trouble> {
        self.settle(two_phase)?;
        {
            let (mut journal, mut layers) = (self.journal(), self.layers_mut());
            if layers.fresh() == 0 {
                return Ok(());
            }
            layers.turn();
            journal.turn();
        }
        self.settle(two_phase)?;
        Ok(())
    }

    /// Closes the file; of the journal nothing is left if all went well.
    pub(crate) fn close(self, two_phase: bool) -> Result<(), Trouble> {
        self.settle_all(two_phase)?;
        self.database.close()?;
        let journal = self.journal.into_inner().unwrap_or_else(PoisonError::into_inner);
        Ok(journal.remove()?)
    }
}

/// So many rows may lie over the tree before they move into it, and twice as many while others do.
const LAP_ROWS: usize = 16_384;

const PIECE_ROWS: usize = if cfg!(test) { 2 } else { 128 };
const PIECE_ROWS_MAX: usize = 256;
