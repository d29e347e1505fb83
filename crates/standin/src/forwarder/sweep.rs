//! The round through everything that is open.

use super::queue::Owed;
use alloc::vec::Vec;
use port::{Key, Time};
use seal::AccountRef;

/// The round through everything that is open.
#[derive(Clone, Debug)]
pub(super) struct Sweep {
    running: bool,
    pub(super) after: Option<Key>,
    /// Whose entries are being collected.
    pub(super) account: Option<AccountRef>,
    pub(super) found: Vec<Owed>,
    next_at: Time,
    /// Nothing was found in this round.
    unbroken: bool,
    /// The last round was unbroken, and nothing was found since.
    pub(super) is_clean: bool,
    /// Somebody pointed at more than there was room to remember: another round is due.
    again: bool,
    /// There is a journal of another layout: no round is clean.
    pub(super) is_refused: bool,
    /// The last read was for this round, so that those that somebody pointed at have their turn.
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
            again: false,
            is_refused: false,
            was_last: true,
        }
    }

    pub(super) const fn is_running(&self) -> bool {
        self.running
    }

    /// When there is something to read.
    pub(super) const fn due(&self) -> Time {
        if self.running { Time::EPOCH } else { self.next_at }
    }

    pub(super) fn begin(&mut self) {
        self.running = true;
        self.unbroken = true;
        (self.again, self.is_refused) = (false, false);
        self.after = None;
    }

    /// Something was found.
    pub(super) const fn break_off(&mut self) {
        (self.unbroken, self.is_clean) = (false, false);
    }

    /// Something may be where this round has been already.
    pub(super) fn again(&mut self, now: Time) {
        self.break_off();
        self.again = true;
        self.next_at = self.next_at.min(now);
    }

    /// Everything was delivered.
    pub(super) const fn look_again(&mut self) {
        if !self.is_clean && !self.is_refused {
            self.next_at = Time::EPOCH;
        }
    }

    /// The round is over. `is_idle` says that everything that was found was delivered meanwhile: whether that was all shows in
    /// another round.
    pub(super) fn end(&mut self, now: Time, is_idle: bool, pause_ms: u64) {
        self.running = false;
        self.is_clean = self.unbroken && !self.is_refused;
        let at_once = self.again || (is_idle && !self.is_clean && !self.is_refused);
        self.next_at = if at_once { now } else { now.plus_ms(pause_ms) };
    }
}
