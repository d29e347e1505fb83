//! A completion takes the place of its pre-authorization; what an original took is given back.

use super::{Authorize, Failed, Weighing, fail};
use crate::counts::Slot;
use crate::{AccountState, Entry, Parameters, Reason};
use port::Time;

impl Authorize {
    /// What the pre-authorization held is free before the final amount is checked. That may be a little more, by the set's
    /// tolerance.
    pub(super) fn take_hold(
        &self,
        set: &Parameters,
        weighing: &mut Weighing,
    ) -> Result<(), Failed> {
        let unknown = fail(Reason::NoOriginal, 0);
        let original = weighing.completed.as_ref().ok_or(unknown)?;
        let mut holds = weighing.state.holds.iter();
        let hold = holds.find(|hold| hold.seq == original.seq).ok_or(unknown)?;
        let tolerance = i128::from(set.draft().completion_tolerance_bp);
        let most = i128::from(hold.minor) * (10_000 + tolerance) / 10_000;
        if i128::from(self.request.billed().minor()) > most {
            return Err(unknown);
        }
        self.free_hold(weighing);
        Ok(())
    }

    /// What is held for the pre-authorization is free, if something is.
    pub(super) fn free_hold(&self, weighing: &mut Weighing) {
        let Some(original) = weighing.completed.take() else { return };
        let holds = &mut weighing.state.holds;
        if let Some(at) = holds.iter().position(|hold| hold.seq == original.seq) {
            let hold = holds.remove(at);
            self.give_back(weighing, &original, hold.minor, true);
        }
    }

    /// Takes an approved amount back out of spending, counters and exposure. `whole` says whether the transaction stops counting.
    pub(super) fn give_back(
        &self,
        weighing: &mut Weighing,
        original: &Entry,
        minor: i64,
        whole: bool,
    ) {
        let Weighing { state, lane, .. } = weighing;
        give_back_spending(state, original.seq, minor);
        // A refund was neither counted nor charged.
        if original.charge_minor() == 0 {
            return;
        }
        let counters = self.setup.config.parameters.as_ref().map(Parameters::counters);
        for counter in counters.unwrap_or_default() {
            if counter.counts(original.request.kind)
                && let Some(counts) =
                    state.counts.iter_mut().find(|counts| counts.counter() == counter.id)
            {
                let slot = Slot::of(counter.window, &self.setup.config.zone, original.at);
                counts.release(slot, u32::from(whole), minor);
            }
        }
        // What was posted is no longer out.
        if original.state.is_out() {
            lane.spend(original.request.initiator, original.capped, -minor);
            weighing.lane_changed = true;
        }
    }
}

/// Holds that lapsed are gone, as they are in the books.
pub(super) fn lapse(state: &mut AccountState, hold_ms: u64, now: Time) {
    let mut at = 0;
    while let Some(hold) = state.holds.get(at).copied() {
        if hold.is_over(now, hold_ms) {
            state.holds.remove(at);
            give_back_spending(state, hold.seq, hold.minor);
        } else {
            at += 1;
        }
    }
}

/// What a newer balance has seen already is in that balance: it comes back with the next one, and not before.
fn give_back_spending(state: &mut AccountState, seq: u64, minor: i64) {
    if state.balance.is_none_or(|balance| seq > balance.watermark) {
        state.spent_minor = state.spent_minor.saturating_sub(minor);
    }
}
