//! What time alone does: time-outs, probes, standstills, dwells, windows.

use super::health::Sign;
use super::pending::Stage;
use super::{Diverted, Silence, Switch, SwitchEvent, Task};
use crate::{Class, InstitutionId, Mti, NetworkFunction, NetworkRequest, RequestKey};
use port::{Ticket, Time};

impl Switch {
    pub(super) fn on_timer(&mut self, now: Time, timer: Timer) {
        match timer {
            Timer::Check(ticket) => {
                let is_mac = matches!(self.tasks.get(&ticket), Some(Task::Mac(_)));
                if let Some(check) = self.take_check(ticket) {
                    let why = if is_mac { Silence::Keys } else { Silence::Store };
                    self.unanswered(check.request, why);
                }
            }
            Timer::Request(key) => {
                let Some(pending) = self.pending.get(&key) else { return };
                let institution = pending.request.institution;
                match pending.stage {
                    Stage::AtHost { .. } => {
                        self.divert(now, key, Diverted::TimedOut);
                        self.see(now, institution, Sign::TimedOut);
                        self.arm(now, institution);
                    }
                    Stage::AtStandIn { .. } => self.fall_silent(&key, Silence::StandIn),
                    Stage::Keeping { .. } => self.fall_silent(&key, Silence::Store),
                }
            }
            Timer::Host(institution) => {
                if let Some(host) = self.hosts.get_mut(&institution) {
                    host.due = None;
                }
                self.turn(now, institution);
            }
        }
    }

    /// What time alone does to an institution: probes, standstills, dwells, windows.
    pub(super) fn turn(&mut self, now: Time, institution: InstitutionId) {
        let Some(host) = self.hosts.get_mut(&institution) else { return };
        if now >= host.probe_at {
            host.probe_at = now.plus_ms(host.health.thresholds().probe_ms);
            self.last_trace = self.last_trace % NETWORK_TRACE_MAX + 1;
            let own = self.config.own;
            let trace = self.last_trace;
            let terminal = self.config.terminal;
            let key = RequestKey::new(Class::Network, own, trace, now, terminal);
            let missed = core::mem::replace(&mut host.probe, key).is_some();
            if let Some(key) = key {
                let request =
                    NetworkRequest { mti: Mti::NETWORK, key, function: NetworkFunction::Echo };
                self.events.push_back(SwitchEvent::Probe { institution, request });
            }
            if missed {
                self.see(now, institution, Sign::EchoMissed);
            }
        }
        let Some(host) = self.hosts.get_mut(&institution) else { return };
        if host.stall_at().is_some_and(|at| now >= at) {
            host.quiet_since = now;
            self.see(now, institution, Sign::Stalled);
        }
        let Some(host) = self.hosts.get_mut(&institution) else { return };
        if let Some(change) = host.health.tick(now, host.drained) {
            self.changed(now, change);
        }
        self.arm(now, institution);
    }

    /// Sets the institution's timer anew.
    pub(super) fn arm(&mut self, now: Time, institution: InstitutionId) {
        let Some(host) = self.hosts.get_mut(&institution) else { return };
        let next = host.next(now);
        if host.due == Some(next) {
            return;
        }
        if let Some(due) = host.due.replace(next) {
            self.timers.remove(&(due, Timer::Host(institution)));
        }
        self.timers.insert((next, Timer::Host(institution)));
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    Check(Ticket),
    Host(InstitutionId),
    Request(RequestKey),
}

/// Trace numbers of probes have six digits (ISO 8583:1987 field 11).
const NETWORK_TRACE_MAX: u64 = 999_999;
