//! What one account owes, in the order of its answers.

use crate::{Entry, RequestKey};
use alloc::collections::{BTreeSet, VecDeque};
use alloc::vec::Vec;
use core::fmt;
use port::Time;

/// The entries of an account that wait, the first of which may be on its way.
#[derive(Clone, Debug, Default)]
pub(super) struct Queue {
    pub(super) owed: VecDeque<Owed>,
    pub(super) head: Head,
    /// The messages that the first was sent as: what is known of the accounting system may change between two sends.
    pub(super) keys: Vec<RequestKey>,
    /// The last entry that was answered: a page that was read before shows it as queued still.
    answered_seq: u64,
    /// The declines that were owed after all and were answered: few, and forgotten with the queue.
    answered_late: BTreeSet<u64>,
    /// Entries that were answered and have not ended in the store yet.
    pub(super) unsettled: usize,
    /// There is more in the store than there was room for.
    pub(super) more: bool,
    /// The alarm that is set for the age of the first.
    pub(super) age_due: Option<Time>,
}

impl Queue {
    /// Takes what was found in the store, at most `room`; how many were taken.
    pub(super) fn merge(&mut self, mut found: Vec<Owed>, room: usize) -> usize {
        found.sort_by_key(|one| one.entry.seq);
        // What was sent stays the first, whatever is found that comes before it.
        let was_sent = !matches!(self.head, Head::Idle | Head::Ready) || !self.keys.is_empty();
        let first = if was_sent { self.owed.pop_front() } else { None };
        let mut taken = 0;
        for one in found {
            let seq = one.entry.seq;
            let at = self.owed.partition_point(|other| other.entry.seq < seq);
            let mut known = self.owed.get(at).into_iter().chain(&first);
            if known.any(|other| other.entry.seq == seq) || self.was_answered(&one.entry) {
                continue;
            }
            if taken == room {
                // A first part in order is safe to send; the rest is read again.
                self.more = true;
                break;
            }
            self.owed.insert(at, one);
            taken += 1;
        }
        if let Some(first) = first {
            self.owed.push_front(first);
        }
        taken
    }

    /// Whether an entry was answered before, so that the page that shows it is an old one. A decline that is owed after all may
    /// come when later entries were answered already: of such each one that was answered is remembered.
    fn was_answered(&self, entry: &Entry) -> bool {
        let is_late = entry.may_be_booked();
        entry.seq <= self.answered_seq && (!is_late || self.answered_late.contains(&entry.seq))
    }

    /// The first entry was answered: it is not owed any more, and ends in the store soon.
    pub(super) fn answer(&mut self) -> Option<Owed> {
        let first = self.owed.pop_front()?;
        let seq = first.entry.seq;
        self.answered_seq = self.answered_seq.max(seq);
        if first.entry.may_be_booked() {
            self.answered_late.insert(seq);
        }
        self.unsettled += 1;
        Some(first)
    }

    pub(super) fn is_over(&self) -> bool {
        self.owed.is_empty() && self.unsettled == 0
    }
}

/// Where the first entry of a queue is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Head {
    /// Nothing waits.
    #[default]
    Idle,
    /// It waits for its turn.
    Ready,
    /// It was sent.
    InFlight {
        sent: Time,
        due: Time,
        /// How many messages had been answered then.
        answers: u64,
    },
    /// It was not answered, and is sent again.
    Resting { until: Time },
}

#[derive(Clone)]
pub(super) struct Owed {
    pub(super) entry: Entry,
    pub(super) attempts: u32,
    pub(super) strikes: u32,
    /// Somebody may have sent it before.
    pub(super) maybe_sent: bool,
}

impl fmt::Debug for Owed {
    /// Which, and what became of it; its content is in the store.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { entry, attempts, strikes, maybe_sent } = self;
        write!(f, "Owed({}, {attempts}, {strikes}, {maybe_sent})", entry.seq)
    }
}
