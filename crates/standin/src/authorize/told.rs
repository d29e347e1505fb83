//! What an acquirer tells of: it has happened, whatever the checks say of it.
//!
//! Goods were handed over, or cash paid, on somebody else's word. A decline would undo nothing of that; it would only keep the
//! accounting system from hearing of it. So an advice that fails a check is taken all the same, with the check as its reason, and
//! charged as far as it can be. What is refused is not written down, so that it can come again and be told to the accounting
//! system itself: a message of nobody who is admitted here, and all while no parameters hold (spec Sd8).

use super::{Authorize, Failed, Stepped, Weighing};
use crate::{AccountState, Kind, Parameters, Reason, ResponseCode, Verdict};

impl Authorize {
    /// Whether the message is an acquirer's advice of money that has moved. What is to be undone is always taken; and who asks for a
    /// balance tells of nothing.
    pub(super) fn tells(&self) -> bool {
        let kind = self.request.kind;
        self.request.mti.tells() && !matches!(kind, Kind::Inquiry | Kind::Reversal)
    }

    /// Takes an advice in spite of the check that it failed.
    pub(super) fn take(&self, weighing: &mut Weighing, failed: Failed) -> Stepped {
        let refused = matches!(failed.reason, Reason::Initiator | Reason::NoParameters);
        let Some(set) = self.setup.config.parameters.as_ref().filter(|_| !refused) else {
            return Ok(self.unrecorded(failed.reason));
        };
        let left_minor = self.left_minor(weighing);
        if left_minor == 0 {
            // All of it was undone, and the accounting system is told so.
            return Ok(self.unrecorded(Reason::ReversedBefore));
        }
        // As with reversals.
        if weighing.state.undelivered >= 2 * AccountState::UNDELIVERED_MAX {
            return Ok(self.unrecorded(Reason::Full));
        }
        self.free_hold(weighing);
        let spends = self.chargeable(set, weighing, left_minor);
        if let (_, Some(minor)) = self.spendable(set, weighing, spends.into()) {
            return Ok(self.undecided(Verdict::NeedsLease { lane: self.lane, minor }));
        }
        if !self.spend(set, weighing, spends, spends)? {
            return Ok(self.unrecorded(Reason::Full));
        }
        let told = (ResponseCode::APPROVED, self.request.amount);
        self.record_spent(set, weighing, told, Some(failed), spends)
    }

    /// What a reversal that came before left of it, in the account's currency. Reversals round down what they give back.
    fn left_minor(&self, weighing: &Weighing) -> i64 {
        let (asked, billed) = (self.request.amount, self.request.billed().minor());
        let Some(reversal) = &weighing.counterpart else { return billed };
        let undone = reversal.request.amount;
        if undone.currency() != asked.currency() || undone.minor() >= asked.minor() {
            return 0;
        }
        let part =
            i128::from(billed) * i128::from(undone.minor()) / i128::from(asked.minor().max(1));
        // Less than all of it.
        billed.saturating_sub(i64::try_from(part).unwrap_or(0)).max(1)
    }

    /// What can be charged: nothing of a refund, nothing in another currency, and nothing of a hold that there is no room for, since
    /// nobody could tell later how much of it is left.
    fn chargeable(&self, set: &Parameters, weighing: &Weighing, minor: i64) -> i64 {
        let full = weighing.state.holds.len() >= AccountState::HOLDS_MAX;
        match self.request.kind {
            _ if self.request.billed().currency() != set.currency() => 0,
            Kind::PreAuthorization if full => 0,
            // What failed a check gives no room for more.
            Kind::Refund => 0,
            _ => minor,
        }
    }
}
