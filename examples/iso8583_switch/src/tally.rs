//! What the switch did, counted, and how it stands.

use standin::{Diverted, HealthState, SwitchEvent, Transition};

/// Counts since the start, and each change of health.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    /// Frames of acquirers.
    pub(crate) received: u64,
    pub(crate) answered: u64,
    /// Messages that were answered with a code alone, since a field was missing or wrong.
    pub(crate) refused: u64,
    pub(crate) host_asked: u64,
    pub(crate) stood_in: u64,
    /// Of these: the accounting system had been asked and had not answered in time.
    pub(crate) timed_out: u64,
    /// Of these: entries of the account waited for delivery.
    pub(crate) sticky: u64,
    /// Answers of the accounting system that came too late.
    pub(crate) late: u64,
    /// Nothing could be answered.
    pub(crate) silent: u64,
    pub(crate) advices: u64,
    /// Of these: marked as repeats.
    pub(crate) advice_repeats: u64,
    pub(crate) delivered: u64,
    /// On the list of exceptions: posted although the accounting system had declined, or not posted.
    pub(crate) exceptions: u64,
    pub(crate) escalated: u64,
    /// Answers to advices of which none was in flight: doubles, or answers that went to the wrong machine.
    pub(crate) unmatched: u64,
    /// The most entries that waited in memory.
    pub(crate) backlog_max: usize,
    pub(crate) changes: Vec<Transition>,
}

impl Tally {
    pub(crate) fn see(&mut self, event: &SwitchEvent) {
        match event {
            SwitchEvent::Answer { .. } => self.answered += 1,
            SwitchEvent::AskHost { .. } => self.host_asked += 1,
            SwitchEvent::AskStandIn { why, .. } => {
                self.stood_in += 1;
                self.timed_out += u64::from(*why == Diverted::TimedOut);
                self.sticky += u64::from(*why == Diverted::Sticky);
            }
            SwitchEvent::Changed(change) => {
                if self.changes.len() < CHANGES_MAX {
                    self.changes.push(change.clone());
                }
            }
            SwitchEvent::Late { .. } => self.late += 1,
            SwitchEvent::Probe { .. } => {}
            SwitchEvent::Unanswered { .. } => self.silent += 1,
        }
    }

    /// How often the accounting system was left for the stand-in module.
    pub(crate) fn diversions(&self) -> usize {
        let mut changes = self.changes.iter();
        let is_one = |change: &&Transition| {
            change.to == HealthState::StandIn && change.from != HealthState::StandIn
        };
        changes.by_ref().filter(is_one).count()
    }
}

/// How it stands now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) state: HealthState,
    /// Nothing waits for delivery.
    pub(crate) is_drained: bool,
    /// Entries in memory that wait for it.
    pub(crate) backlog: usize,
    /// Requests that are under way.
    pub(crate) pending: usize,
}

impl Standing {
    /// Before anything happened.
    pub(crate) const START: Self =
        Self { state: HealthState::Online, is_drained: false, backlog: 0, pending: 0 };

    /// Everything was answered and everything was delivered.
    pub(crate) fn is_at_rest(&self) -> bool {
        self.state == HealthState::Online && self.is_drained && self.pending == 0
    }
}

/// A run of days fits.
const CHANGES_MAX: usize = 100_000;
