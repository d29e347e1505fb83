//! What one account owes, in the order of its answers.

use crate::{Entry, RequestKey};
use alloc::collections::VecDeque;
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
    pub(super) answered_seq: u64,
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
        let mut taken = 0;
        for one in found {
            let seq = one.entry.seq;
            let at = self.owed.partition_point(|other| other.entry.seq < seq);
            let known = self.owed.get(at).is_some_and(|other| other.entry.seq == seq);
            if known || seq <= self.answered_seq {
                continue;
            }
            if taken == room {
                // A first part in order is safe to send; the rest is read again.
                self.more = true;
                break;
            }
            let on_its_way = !matches!(self.head, Head::Idle | Head::Ready);
            self.owed.insert(if on_its_way { at.max(1) } else { at }, one);
            taken += 1;
        }
        taken
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
