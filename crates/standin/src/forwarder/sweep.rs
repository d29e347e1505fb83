//! The round through the whole journal.

use super::queue::Owed;
use alloc::vec::Vec;
use port::{Key, Time};
use seal::AccountRef;

/// The round through the whole journal.
#[derive(Clone, Debug)]
pub(super) struct Sweep {
    running: bool,
    pub(super) after: Option<Key>,
    /// Whose entries are being collected.
    pub(super) account: Option<AccountRef>,
    pub(super) found: Vec<Owed>,
    pub(super) next_at: Time,
    /// Nothing was found in this round, and nobody pointed at anything since it began.
    unbroken: bool,
    /// The last round was unbroken, and nothing came since.
    pub(super) is_clean: bool,
    pub(super) was_last: bool,
}

impl Sweep {
    pub(super) const fn at(next_at: Time) -> Self {
        Self {
            running: false,
            after: None,
            account: None,
            found: Vec::new(),
            next_at,
            unbroken: false,
            is_clean: false,
            was_last: false,
        }
    }

    pub(super) const fn is_running(&self) -> bool {
        self.running
    }

    pub(super) fn begin(&mut self) {
        self.running = true;
        self.unbroken = true;
        self.after = None;
    }

    /// Something was found, or will be.
    pub(super) const fn break_off(&mut self) {
        (self.unbroken, self.is_clean) = (false, false);
    }

    pub(super) fn end(&mut self, next_at: Time) {
        self.running = false;
        self.is_clean = self.unbroken;
        self.next_at = next_at;
    }
}
