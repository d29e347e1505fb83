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
    /// When it was asked last, and how many requests were diverted since then because it is slow.
    pub(super) asked_at: Time,
    pub(super) passed_by: u32,
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
            asked_at: now,
            passed_by: 0,
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

    /// Whether it gets so little that nobody would see that it is fast again: then a request goes there that would be diverted.
    pub(super) fn is_out_of_sight(&self, now: Time) -> bool {
        self.passed_by >= PASSED_BY_MAX || now.since_ms(self.asked_at) >= UNASKED_MS
    }

    pub(super) fn next(&self, now: Time) -> Time {
        let times = [self.health.next(now), self.stall_at()];
        times.into_iter().flatten().fold(self.probe_at, Time::min)
    }
}

/// One in a hundred goes there. That counts where the clock stands, too.
const PASSED_BY_MAX: u32 = 99;
/// More often than is needed to go on knowing how long its answers take.
const UNASKED_MS: u64 = 5_000;

impl fmt::Debug for Host {
    /// Its state, without its configuration.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Host")
            .field("health", &self.health)
            .field("in_flight", &self.in_flight)
            .field("asked_at", &self.asked_at)
            .field("passed_by", &self.passed_by)
            .field("quiet_since", &self.quiet_since)
            .field("probe_at", &self.probe_at)
            .field("probe", &self.probe)
            .field("drained", &self.drained)
            .finish_non_exhaustive()
    }
}
