//! Checks 11 to 16: how much may it be?

use super::{Authorize, Failed, Weighing, fail};
use crate::{AccountState, Kind, Parameters, Reason};

/// What passes the limits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Granted {
    pub(super) minor: i64,
    pub(super) spends: i64,
    /// The lane must lease so much before anything is decided.
    pub(super) lane_needs_minor: i64,
}

impl Authorize {
    /// The floor amount, then checks 11 to 16.
    pub(super) fn limits(&self, weighing: &mut Weighing) -> Result<Granted, Failed> {
        let request = &self.request;
        let asked = request.billed().minor();
        let set = self.setup.config.parameters.as_ref().ok_or(fail(Reason::NoParameters, 0))?;
        let granted = |minor, spends| Ok(Granted { minor, spends, lane_needs_minor: 0 });
        self.floor(weighing)?;
        if let Some(limit) = weighing.resolution.risk_bp_max
            && request.risk_bp.is_none_or(|risk| risk > limit.value)
        {
            return Err(fail(Reason::Risk, limit.rule));
        }
        if request.kind == Kind::Inquiry {
            return granted(0, 0);
        }
        if weighing.state.undelivered >= AccountState::UNDELIVERED_MAX {
            return Err(fail(Reason::Full, 0));
        }
        match request.kind {
            Kind::Completion => self.take_hold(set, weighing)?,
            Kind::PreAuthorization if weighing.state.holds.len() >= AccountState::HOLDS_MAX => {
                return Err(fail(Reason::Full, 0));
            }
            _ => {}
        }
        let mut bounds = Bounds { asked: asked.into(), most: i64::MAX.into(), first: None };
        // Check 11.
        if let Some(limit) = weighing.resolution.single_minor {
            bounds.add(limit.value.into(), Reason::SingleAmount, limit.rule);
        }
        if request.kind == Kind::Refund {
            bounds.first.map_or(Ok(()), Err)?;
            return granted(asked, if set.draft().refunds_restore { -asked } else { 0 });
        }
        self.windows(set, weighing, &mut bounds)?;
        balance(set, weighing, &mut bounds);
        let part = self.may_be_part(weighing);
        if let Some(lane_needs_minor) = self.exposure(set, weighing, &mut bounds, part) {
            return Ok(Granted { minor: 0, spends: 0, lane_needs_minor });
        }
        self.velocity(set, weighing, &bounds)?;
        let minor = match bounds.first {
            None => asked,
            Some(_) if part && bounds.most > 0 => {
                i64::try_from(bounds.most).unwrap_or(asked).min(asked)
            }
            Some(failed) => return Err(failed),
        };
        granted(minor, minor)
    }

    /// Checks 12 and 13: counts and sums of the account's windows.
    fn windows(
        &self,
        set: &Parameters,
        weighing: &Weighing,
        bounds: &mut Bounds,
    ) -> Result<(), Failed> {
        let total = |id: u8| {
            let mut counters = set.counters().iter().zip(&weighing.slots);
            let (counter, slot) = counters.find(|(counter, _)| counter.id == id)?;
            if !counter.counts(self.request.kind) {
                return None;
            }
            if weighing.lists.are_plain() {
                return Some(weighing.lists.total(id));
            }
            let counts = weighing.state.counts.iter().find(|counts| counts.counter() == id);
            Some(counts.map_or((0, 0), |counts| counts.total(*slot)))
        };
        for (id, limit) in weighing.resolution.counts.iter() {
            if total(id).is_some_and(|(count, _)| count >= u64::from(limit.value)) {
                return Err(bounds.first.unwrap_or(fail(Reason::Count, limit.rule)));
            }
        }
        for (id, limit) in weighing.resolution.sums.iter() {
            if let Some((_, sum)) = total(id) {
                bounds.add(i128::from(limit.value) - sum, Reason::Sum, limit.rule);
            }
        }
        Ok(())
    }

    /// Check 15: what the lane has leased of the caps. Says how much the lane must be able to spend first, if it has not
    /// asked in vain already.
    fn exposure(
        &self,
        set: &Parameters,
        weighing: &Weighing,
        bounds: &mut Bounds,
        part: bool,
    ) -> Option<i64> {
        let wanted = if part { bounds.most.min(bounds.asked) } else { bounds.asked };
        // Nothing is leased for what is declined anyway.
        let passes = bounds.first.is_none() || part && wanted > 0;
        let (spendable, needs) = self.spendable(set, weighing, wanted);
        if passes && needs.is_some() {
            return needs;
        }
        bounds.add(spendable.into(), Reason::Exposure, 0);
        None
    }

    /// What the lane can spend, and how much it must be able to spend first, if that is more and it has not asked in vain already.
    pub(super) fn spendable(
        &self,
        set: &Parameters,
        weighing: &Weighing,
        wanted: i128,
    ) -> (i64, Option<i64>) {
        let lane = &weighing.lane;
        let leased = lane.parameters == set.version();
        let initiator = self.request.initiator;
        let capped = set.is_capped(initiator);
        let spendable = if leased { lane.spendable_minor(initiator, capped) } else { 0 };
        let wanted_minor = i64::try_from(wanted).unwrap_or(i64::MAX);
        let in_vain = leased && lane.is_dry(initiator, capped, wanted_minor);
        let lacks = wanted > i128::from(spendable) && !in_vain;
        (spendable, lacks.then_some(wanted_minor))
    }

    /// Check 16: approvals at this terminal. An account remembers the last sixteen within the longest time that any rule names;
    /// more than that are too many for each of them.
    fn velocity(
        &self,
        set: &Parameters,
        weighing: &Weighing,
        bounds: &Bounds,
    ) -> Result<(), Failed> {
        for limit in weighing.resolution.velocities.iter() {
            let (count, within_ms) = limit.value;
            let [_, here] = weighing.recent(within_ms);
            let [all, _] = weighing.recent(set.velocity_ms_max());
            if here >= usize::from(count) || all >= RECENT_MAX {
                return Err(bounds.first.unwrap_or(fail(Reason::Velocity, limit.rule)));
            }
        }
        Ok(())
    }

    /// Whether a part may be approved: of a purchase that has not happened yet, at a terminal that can take it, in one currency, by a rule that allows it.
    fn may_be_part(&self, weighing: &Weighing) -> bool {
        let request = &self.request;
        let one_currency = |billing: port::Amount| billing.currency() == request.amount.currency();
        request.kind == Kind::Purchase
            && !self.tells()
            && request.capabilities.partial_approval
            && request.billing.is_none_or(one_currency)
            && weighing.resolution.partial.is_some_and(|rule| rule.value)
    }
}

/// Check 14: the shadow balance, less what was spent since then.
fn balance(set: &Parameters, weighing: &Weighing, bounds: &mut Bounds) {
    let draft = set.draft();
    let haircut = draft.balance_haircut_bp_per_hour;
    match weighing.state.available_minor(weighing.now, draft.balance_age_max_ms, haircut) {
        Some(available) => bounds.add(available, Reason::Balance, 0),
        None if draft.balance_required => bounds.add(0, Reason::Balance, 0),
        None => {}
    }
}

/// The largest amount that passes, and the first check that the amount asked for fails.
struct Bounds {
    asked: i128,
    most: i128,
    first: Option<Failed>,
}

impl Bounds {
    fn add(&mut self, limit: i128, reason: Reason, rule: u32) {
        if self.asked > limit && self.first.is_none() {
            self.first = Some(fail(reason, rule));
        }
        self.most = self.most.min(limit);
    }
}

/// Approvals that an account remembers for velocity limits: as many as one may ask for.
pub(super) const RECENT_MAX: usize = crate::parameters::VELOCITY_MAX as usize;
