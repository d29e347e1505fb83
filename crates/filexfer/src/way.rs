//! How long a receiver waits for what it asked for, learned from what comes.

use port::Time;

/// A range that is waited for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked {
    pub(crate) end: u64,
    at: Time,
    patience_ms: u64,
    /// To which question an answer belongs cannot be known.
    is_repeat: bool,
}

/// What is known of the way over which answers come.
///
/// Over a way that takes longer than the patience for what is asked for at a time, ranges would be asked for again while they
/// are coming, and the more often, the slower the way gets by it. So what was asked for is waited for as long as something
/// comes, behind which it may be. An answer to what was asked for once says how long the way takes, one to what was asked for
/// again does not (Karn's rule; RFC 6298). What is already there and comes again was asked for too early: the patience is
/// doubled (RFC 3708). While nothing comes at all, one range is asked for again at a time, as often as at first.
#[derive(Clone, Debug)]
pub(crate) struct Way {
    least_ms: u64,
    patience_ms: u64,
    /// When something new came last.
    heard: Time,
    /// In silence, when the next range is asked for again at the earliest.
    probe_at: Time,
    /// Something was asked for again since the patience was doubled.
    has_lost_patience: bool,
}

impl Way {
    pub(crate) const fn new(patience_ms: u64) -> Self {
        Self {
            least_ms: patience_ms,
            patience_ms,
            heard: Time::EPOCH,
            probe_at: Time::EPOCH,
            has_lost_patience: false,
        }
    }

    pub(crate) const fn ask(&self, now: Time, end: u64, is_repeat: bool) -> Asked {
        Asked { end, at: now, patience_ms: self.patience_ms, is_repeat }
    }

    /// When it is late.
    pub(crate) fn late(&self, asked: &Asked) -> Time {
        if self.is_silent_since(asked) {
            return asked.at.plus_ms(asked.patience_ms).max(self.probe_at);
        }
        // As long as others come, it may be behind them; but not for ever.
        let most = asked.at.plus_ms(asked.patience_ms.saturating_mul(BEHIND_TIMES_MAX));
        self.heard.plus_ms(asked.patience_ms).min(most)
    }

    /// It is late and to be asked for again, unless that was another one's turn.
    pub(crate) fn gives_up(&mut self, now: Time, asked: &Asked) -> bool {
        if self.late(asked) > now {
            return false;
        }
        if self.is_silent_since(asked) {
            self.probe_at = now.plus_ms(self.patience_ms);
        }
        self.has_lost_patience = true;
        true
    }

    /// What was waited for came, and something of it is new.
    pub(crate) fn came(&mut self, now: Time, asked: &Asked) {
        self.heard = self.heard.max(now);
        if !asked.is_repeat {
            let calmer = self.patience_ms - self.patience_ms / 8;
            self.be_patient(calmer.max(now.since_ms(asked.at).saturating_mul(2)));
        }
    }

    /// What is already there came again.
    pub(crate) fn came_again(&mut self) {
        if core::mem::take(&mut self.has_lost_patience) {
            self.be_patient(self.patience_ms.saturating_mul(2));
        }
    }

    fn is_silent_since(&self, asked: &Asked) -> bool {
        self.heard < asked.at
    }

    fn be_patient(&mut self, ms: u64) {
        self.patience_ms =
            ms.clamp(self.least_ms, self.least_ms.saturating_mul(PATIENCE_TIMES_MAX));
    }
}

/// How many times its patience a range is waited for at most while others come.
const BEHIND_TIMES_MAX: u64 = 4;

/// How many times its least patience a receiver waits at most, however long answers take.
const PATIENCE_TIMES_MAX: u64 = 64;
