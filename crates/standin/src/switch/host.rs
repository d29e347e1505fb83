//! One institution's accounting system as the switch sees it.

use crate::switch::health::Health;
use crate::{HostConfig, RequestKey};
use alloc::collections::BTreeSet;
use port::Time;

#[derive(Clone, Debug)]
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
