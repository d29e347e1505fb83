//! One thing at a time for each transfer.

use filexfer::TransferId;
use std::collections::BTreeSet;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Transfers for which something is being done. Others of the same transfer wait until it is.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    taken: Mutex<BTreeSet<TransferId>>,
    free: Condvar,
}

/// Until it is dropped nobody else has this transfer's turn.
#[derive(Debug)]
pub(crate) struct Turn<'a> {
    turns: &'a Turns,
    transfer: TransferId,
}

impl Turns {
    /// Waits until nobody has it.
    pub(crate) fn take(&self, transfer: TransferId) -> Turn<'_> {
        let is_taken = |taken: &mut BTreeSet<TransferId>| taken.contains(&transfer);
        let waited = self.free.wait_while(self.taken(), is_taken);
        waited.unwrap_or_else(PoisonError::into_inner).insert(transfer);
        Turn { turns: self, transfer }
    }

    fn taken(&self) -> MutexGuard<'_, BTreeSet<TransferId>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.turns.taken().remove(&self.transfer);
        self.turns.free.notify_all();
    }
}
