//! How fast it may move: what is pulled, copied and served shares the site's limit, and those of parties.

use super::Forwarder;
use crate::{Limit, Misuse, PartyId, RateId, RateTree, TransferId};
use alloc::string::String;
use port::Time;

impl Forwarder {
    /// Limits what moves to or from a party, within the limit of the site. A client's profile does the same.
    ///
    /// # Errors
    /// [`Misuse::Bounds`] if there are too many limits.
    pub fn limit(&mut self, party: PartyId, limit: Limit) -> Result<(), Misuse> {
        let rate = self.rates.under(RateTree::root(), limit)?;
        self.rate_of.insert(party, rate);
        Ok(())
    }

    /// Whether so many bytes of a transfer may move now. They are taken from its rate at once, and move when that has them to
    /// give: all who share a rate have their turn in the order in which they asked, and nobody has more than it.
    pub(super) fn may_move(
        &mut self,
        now: Time,
        transfer: &TransferId,
        rate: RateId,
        bytes: u64,
    ) -> bool {
        let Some(active) = self.jobs.get_mut(transfer) else { return false };
        if !active.is_paid {
            active.is_paid = true;
            if let Err(wait) = self.rates.take(now, rate, bytes) {
                active.rate_until = wait.until;
                active.heard(now, self.config.patience_ms);
            }
        }
        active.rate_until <= now
    }

    /// What was paid for is on its way.
    pub(super) fn moved(&mut self, transfer: &TransferId) {
        if let Some(active) = self.jobs.get_mut(transfer) {
            active.is_paid = false;
        }
    }

    /// The limit of the first of these ends that has one, or the site's.
    pub(super) fn limit_of(&self, ends: [&String; 2]) -> RateId {
        let found = ends.into_iter().find_map(|party| self.rate_of.get(party.as_str()));
        found.copied().unwrap_or(RateTree::root())
    }

    /// Until when nothing more may be asked for.
    pub(super) fn waits_for_its_rate(&self, transfer: &TransferId) -> Option<Time> {
        let active = self.jobs.get(transfer)?;
        (active.is_paid && active.rate_until > self.clamp.last()).then_some(active.rate_until)
    }
}
