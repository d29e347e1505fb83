//! Who decides: the accounting system, or the stand-in module.

use super::pending::{Pending, Stage};
use super::{Diverted, Forced, Switch, SwitchEvent, Task, Timer};
use crate::{HostOutcome, InstitutionId, RequestKey, TransactionRequest, share};
use alloc::boxed::Box;
use port::Time;

impl Switch {
    /// Why the stand-in module decides, or `None` if the accounting system does.
    pub(super) fn away(
        &self,
        now: Time,
        institution: InstitutionId,
        pending: &Pending,
        known: bool,
    ) -> Option<Diverted> {
        let host = self.hosts.get(&institution)?;
        if known {
            return Some(Diverted::Known);
        }
        if pending.sticky {
            return Some(Diverted::Sticky);
        }
        let share_bp = host.health.host_share_bp();
        let forced = host.health.forced() == Some(Forced::Online);
        if share_bp == 0 || (host.health.is_planned(now) && !forced) {
            return Some(Diverted::Away);
        }
        if !share::is_in(&pending.request.key, RAMP_SEED, share_bp) {
            return Some(Diverted::Ramp);
        }
        if forced || host.config.diversions.is_empty() || host.is_out_of_sight(now) {
            return None;
        }
        let p99_ms = host.health.p99_ms(now);
        let mut diversions = host.config.diversions.iter();
        diversions.any(|one| one.takes(&pending.request, p99_ms)).then_some(Diverted::Capacity)
    }

    pub(super) fn ask_host(&mut self, now: Time, key: RequestKey) {
        let Some(pending) = self.pending.get_mut(&key) else { return };
        let institution = pending.request.institution;
        let Some(host) = self.hosts.get_mut(&institution) else { return };
        if host.in_flight.is_empty() {
            host.quiet_since = now;
        }
        host.in_flight.insert(key);
        (host.asked_at, host.passed_by) = (now, 0);
        let until = now.plus_ms(host.config.answer_within_ms);
        pending.enter(Stage::AtHost { sent: now }, until, &mut self.timers);
        pending.asked_host = true;
        self.events.push_back(SwitchEvent::AskHost {
            institution,
            request: Box::new(pending.request.clone()),
            until,
        });
    }

    pub(super) fn ask_stand_in(&mut self, now: Time, key: RequestKey, why: Diverted) {
        let Some(pending) = self.pending.get_mut(&key) else { return };
        let institution = pending.request.institution;
        let Some(host) = self.hosts.get_mut(&institution) else { return };
        if why == Diverted::Capacity {
            host.passed_by = host.passed_by.saturating_add(1);
        }
        let epoch = host.health.epoch();
        let outcome = if pending.asked_host { HostOutcome::Unknown } else { HostOutcome::NotAsked };
        let until = pending.answer_until(now, &self.config);
        pending.enter(Stage::AtStandIn { epoch, host: outcome, why }, until, &mut self.timers);
        *self.at_stand_in.entry(pending.request.account.token).or_insert(0) += 1;
        self.events.push_back(SwitchEvent::AskStandIn {
            institution,
            epoch,
            host: outcome,
            why,
            request: Box::new(pending.request.clone()),
        });
    }

    /// Takes a request from the accounting system to the stand-in module.
    pub(super) fn divert(&mut self, now: Time, key: RequestKey, why: Diverted) {
        if let Some(institution) = self.pending.get(&key).map(|one| one.request.institution) {
            self.leave_host(institution, &key);
            self.ask_stand_in(now, key, why);
        }
    }

    pub(super) fn leave_host(&mut self, institution: InstitutionId, key: &RequestKey) {
        if let Some(host) = self.hosts.get_mut(&institution) {
            host.in_flight.remove(key);
        }
    }

    /// A request leaves the stand-in module.
    pub(super) fn unpin(&mut self, key: &RequestKey) {
        let Some(pending) = self.pending.get(key) else { return };
        let Stage::AtStandIn { .. } = pending.stage else { return };
        let account = pending.request.account.token;
        if let Some(count) = self.at_stand_in.get_mut(&account) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.at_stand_in.remove(&account);
            }
        }
    }

    /// A request is over.
    pub(super) fn take(&mut self, key: &RequestKey) -> Option<Pending> {
        self.unpin(key);
        let pending = self.pending.remove(key)?;
        self.timers.remove(&(pending.due, Timer::Request(*key)));
        self.leave_host(pending.request.institution, key);
        if self.checking_keys.contains_key(key) {
            // Repeats that are being checked have read what is no longer so.
            for task in self.tasks.values_mut() {
                if let Task::Mac(check) | Task::Look(check) = task
                    && check.request.key == *key
                {
                    check.stale = true;
                }
            }
        }
        Some(pending)
    }
}

/// Whether a switch that is gone may have sent it to the accounting system: then nobody knows what that made of it.
pub(super) fn was_asked_before(request: &TransactionRequest, started: Time, skew_ms: u64) -> bool {
    request.mti.is_repeat() || request.key.sent_at() <= started.plus_ms(skew_ms)
}

/// Apart from the shares of diversions.
const RAMP_SEED: u64 = 0x7261_6D70;
