//! What is known of an accounting system's health, and what it changes for requests in flight.

use super::health::Sign;
use super::{Diverted, Forced, HealthState, Switch, SwitchError, SwitchEvent, Transition};
use crate::{InstitutionId, NetworkFunction, RequestKey};
use port::Time;

impl Switch {
    /// The accounting system answered a probe.
    ///
    /// # Errors
    /// [`SwitchError::NotAsked`], [`SwitchError::UnknownInstitution`].
    pub fn probe_answered(
        &mut self,
        now: Time,
        institution: InstitutionId,
        key: &RequestKey,
    ) -> Result<(), SwitchError> {
        let now = self.clamp.see(now);
        let host = self.hosts.get_mut(&institution).ok_or(SwitchError::UnknownInstitution)?;
        if host.probe.as_ref() != Some(key) {
            return Err(SwitchError::NotAsked);
        }
        host.probe = None;
        self.see(now, institution, Sign::Echoed);
        self.arm(now, institution);
        Ok(())
    }

    /// The accounting system signed on or off (0800), or asked whether anybody is there.
    ///
    /// While it is signed off the stand-in module decides, however well it answers probes: until it signs on, or an operator orders
    /// [`Forced::Online`]. After a sign-on it comes back as after an outage. A switch that begins knows of no sign-off; say it again
    /// if [`HostStanding::signed_off`] was kept.
    ///
    /// # Errors
    /// [`SwitchError::UnknownInstitution`].
    pub fn host_signed(
        &mut self,
        now: Time,
        institution: InstitutionId,
        function: NetworkFunction,
    ) -> Result<(), SwitchError> {
        let sign = match function {
            NetworkFunction::SignOn => Sign::SignedOn,
            NetworkFunction::SignOff => Sign::SignedOff,
            NetworkFunction::Echo => return Ok(()),
        };
        self.hint(now, institution, sign)
    }

    /// The link to the accounting system came up or went down.
    ///
    /// # Errors
    /// [`SwitchError::UnknownInstitution`].
    pub fn link(
        &mut self,
        now: Time,
        institution: InstitutionId,
        is_up: bool,
    ) -> Result<(), SwitchError> {
        self.hint(now, institution, if is_up { Sign::LinkUp } else { Sign::LinkDown })
    }

    /// Whether everything was delivered, as [`crate::Forwarder::is_drained`] says. Until somebody says so, an institution stays
    /// draining.
    ///
    /// # Errors
    /// [`SwitchError::UnknownInstitution`].
    pub fn drained(
        &mut self,
        now: Time,
        institution: InstitutionId,
        is_drained: bool,
    ) -> Result<(), SwitchError> {
        let now = self.clamp.see(now);
        let host = self.hosts.get_mut(&institution).ok_or(SwitchError::UnknownInstitution)?;
        host.drained = is_drained;
        self.turn(now, institution);
        Ok(())
    }

    /// An operator orders a state, or takes the order back (`None`). The record names both.
    ///
    /// # Errors
    /// [`SwitchError::UnknownInstitution`].
    pub fn force(
        &mut self,
        now: Time,
        institution: InstitutionId,
        forced: Option<Forced>,
        operator: &str,
        reason: &str,
    ) -> Result<(), SwitchError> {
        let now = self.clamp.see(now);
        let host = self.hosts.get_mut(&institution).ok_or(SwitchError::UnknownInstitution)?;
        let change = host.health.order(now, forced, operator, reason);
        self.changed(now, change);
        self.arm(now, institution);
        Ok(())
    }

    /// How an institution's accounting system does; `None` if it is not served here.
    pub fn standing(&self, institution: InstitutionId) -> Option<HostStanding> {
        let host = self.hosts.get(&institution)?;
        Some(HostStanding {
            state: host.health.state(),
            since: host.health.since(),
            epoch: host.health.epoch(),
            forced: host.health.forced(),
            signed_off: host.health.is_signed_off(),
            host_share_bp: host.health.host_share_bp(),
            in_flight: host.in_flight.len(),
            p99_ms: host.health.p99_ms(self.clamp.last()),
        })
    }

    fn hint(
        &mut self,
        now: Time,
        institution: InstitutionId,
        sign: Sign,
    ) -> Result<(), SwitchError> {
        let now = self.clamp.see(now);
        if !self.hosts.contains_key(&institution) {
            return Err(SwitchError::UnknownInstitution);
        }
        self.see(now, institution, sign);
        self.arm(now, institution);
        Ok(())
    }

    pub(super) fn see(&mut self, now: Time, institution: InstitutionId, sign: Sign) {
        let Some(host) = self.hosts.get_mut(&institution) else { return };
        if let Some(change) = host.health.see(now, sign) {
            self.changed(now, change);
        }
    }

    /// What a change of health does to requests in flight: where the accounting system is gone, none waits for its time-out.
    pub(super) fn changed(&mut self, now: Time, change: Transition) {
        let institution = change.institution;
        let away = change.host_share_bp == 0;
        self.events.push_back(SwitchEvent::Changed(change));
        if away && let Some(host) = self.hosts.get_mut(&institution) {
            for key in core::mem::take(&mut host.in_flight) {
                self.ask_stand_in(now, key, Diverted::Away);
            }
        }
    }
}

/// How an accounting system does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostStanding {
    /// What it is taken for.
    pub state: HealthState,
    /// Since when.
    pub since: Time,
    /// The current epoch.
    pub epoch: u64,
    /// What an operator ordered.
    pub forced: Option<Forced>,
    /// Whether it signed off and has not signed on since.
    pub signed_off: bool,
    /// The share of requests that goes to it, in basis points.
    pub host_share_bp: u16,
    /// Requests that it has not answered.
    pub in_flight: usize,
    /// What 99 of 100 answers of the last two minutes took at most, in milliseconds; `None` where there were not enough to say.
    pub p99_ms: Option<u64>,
}
