//! A transaction, as the counters of an account see it.

use crate::counts::Slot;
use crate::parameters::Counter;
use crate::{AccountState, Kind};
use port::Time;

/// What is counted, and by what.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spending<'a> {
    pub(crate) counters: &'a [Counter],
    /// Where now lies in the window of each counter.
    pub(crate) slots: &'a [Slot],
    pub(crate) kind: Kind,
    /// More than nothing.
    pub(crate) minor: i64,
    pub(crate) terminal: u32,
    pub(crate) now: Time,
    /// For how long approvals are remembered; not at all if 0.
    pub(crate) recent_ms: u64,
    /// At most so many, and at least 1.
    pub(crate) recent_max: usize,
}

impl AccountState {
    /// Counts it. Counters that are no longer in the set go.
    pub(crate) fn spend(&mut self, spending: &Spending<'_>) {
        let &Spending { counters, slots, now, recent_ms, recent_max, .. } = spending;
        self.counts.retain(|counts| counters.iter().any(|one| one.id == counts.counter()));
        let counting = counters.iter().zip(slots);
        for (counter, slot) in counting.filter(|(counter, _)| counter.counts(spending.kind)) {
            self.counter(counter.id).reserve(*slot, spending.minor);
        }
        self.recent.retain(|(_, at)| now.since_ms(*at) < recent_ms);
        if recent_ms > 0 {
            self.recent.push((spending.terminal, now));
            let surplus = self.recent.len().saturating_sub(recent_max);
            self.recent.drain(..surplus);
        }
    }
}
