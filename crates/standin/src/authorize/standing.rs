//! Checks 3 to 9: may this be decided here, for whom, about which account, and what?

use super::{Authorize, Failed, Weighing, fail, rule_of};
use crate::{CheckDigit, Parameters, Reason};

impl Authorize {
    /// Check 4. It needs no row and comes first: what is another's is not journalled here.
    pub(super) fn enrolled(&self) -> bool {
        self.request.institution == self.setup.config.institution
    }

    /// Checks 3 and 5 to 9.
    pub(super) fn standing(&self, weighing: &Weighing) -> Result<(), Failed> {
        let set = self.setup.config.parameters.as_ref();
        // Check 3.
        let set = set.filter(|set| set.holds(weighing.now)).ok_or(fail(Reason::NoParameters, 0))?;
        // Check 5.
        if !set.admits(self.request.initiator) {
            return Err(fail(Reason::Initiator, 0));
        }
        self.account(set)?;
        lists(weighing)?;
        self.expiry(weighing)?;
        self.permitted(set, weighing)
    }

    /// Check 6.
    fn account(&self, set: &Parameters) -> Result<(), Failed> {
        let account = &self.request.account;
        let in_range = match account.bin {
            Some(bin) => set.range(bin).is_some_and(|range| {
                !range.check_digit || account.check_digit == CheckDigit::Right
            }),
            // No card number: only a set that has no ranges is about such accounts.
            None => set.draft().ranges.is_empty(),
        };
        if in_range { Ok(()) } else { Err(fail(Reason::AccountNumber, 0)) }
    }

    /// Check 8: the card is good until its month ends, in the institution's zone.
    fn expiry(&self, weighing: &Weighing) -> Result<(), Failed> {
        let without = weighing.resolution.without_expiry;
        let good = match self.request.expiry {
            Some(expiry) if expiry.is_far_from(weighing.now) => true,
            Some(expiry) => {
                let local = self.setup.config.zone.local(weighing.now);
                expiry.covers(local.year, local.month)
            }
            None => without.is_some_and(|rule| rule.value),
        };
        if good { Ok(()) } else { Err(fail(Reason::Expired, rule_of(without))) }
    }

    /// Check 9.
    fn permitted(&self, set: &Parameters, weighing: &Weighing) -> Result<(), Failed> {
        // Also where only a part was reversed: nobody was told yes, so nothing is charged, whatever the books make of a part of
        // nothing.
        if weighing.counterpart.is_some() {
            return Err(fail(Reason::ReversedBefore, 0));
        }
        let approve = weighing.resolution.approve;
        if approve.is_none_or(|rule| !rule.value) {
            return Err(fail(Reason::NotAllowed, rule_of(approve)));
        }
        if self.request.billed().currency() != set.currency() {
            return Err(fail(Reason::ForeignCurrency, 0));
        }
        Ok(())
    }
}

/// Check 7: the negative list, then rules that deny.
fn lists(weighing: &Weighing) -> Result<(), Failed> {
    if let Some((code, until)) = weighing.state.deny
        && weighing.now < until
    {
        return Err(Failed { reason: Reason::Listed, code, rule: 0 });
    }
    match weighing.resolution.deny {
        Some(deny) => Err(Failed { reason: Reason::Denied, code: deny.value, rule: deny.rule }),
        None => Ok(()),
    }
}
