//! One institution's accounting system as the switch sees it.

use crate::switch::health::Health;
use crate::{HostConfig, RequestKey};
use alloc::collections::BTreeSet;
use core::fmt;
use port::Time;

#[derive(Clone)]
pub(super) struct Host {
    pub(super) config: HostConfig,
    pub(super) health: Health,
    /// Requests that it has not answered.
    pub(super) in_flight: BTreeSet<RequestKey>,
    /// The last sign of life, or since when anything is in flight.
    pub(super) quiet_since: Time,
    pub(super) probe_at: Time,
    /// The probe that is not answered yet.
    pub(super) probe: Option<RequestKey>,
    /// Nothing waits for delivery, as far as the embedder said.
    pub(super) drained: bool,
    /// The timer that is set.
    pub(super) due: Option<Time>,
}

impl Host {
    pub(super) fn new(now: Time, config: HostConfig) -> Self {
        let health =
            Health::new(now, config.institution, config.thresholds.clone(), config.planned.clone());
        Self {
            config,
            health,
            in_flight: BTreeSet::new(),
            quiet_since: now,
            probe_at: now,
            probe: None,
            drained: false,
            due: None,
        }
    }

    /// When a standstill shows.
    pub(super) fn stall_at(&self) -> Option<Time> {
        let enough = self.in_flight.len() >= self.health.thresholds().stall_in_flight;
        enough.then(|| self.quiet_since.plus_ms(self.health.stall_ms()))
    }

    pub(super) fn next(&self, now: Time) -> Time {
        let times = [self.health.next(now), self.stall_at()];
        times.into_iter().flatten().fold(self.probe_at, Time::min)
    }
}

impl fmt::Debug for Host {
    /// Its state, without its configuration.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Host")
            .field("health", &self.health)
            .field("in_flight", &self.in_flight)
            .field("quiet_since", &self.quiet_since)
            .field("probe_at", &self.probe_at)
            .field("probe", &self.probe)
            .field("drained", &self.drained)
            .finish_non_exhaustive()
    }
}
