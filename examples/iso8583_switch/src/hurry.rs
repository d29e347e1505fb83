//! How patient everybody is: the defaults of the crate, all divided by one number.

use crate::failure::Failure;
use standin::{ForwarderConfig, HostConfig, InstitutionId, SwitchConfig, Text, Thresholds};
use std::time::Duration;

/// Waits are divided by this: 1 for the defaults, more for runs that must be short.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hurry(u64);

impl Hurry {
    /// At least 1.
    pub(crate) fn new(by: u64) -> Self {
        Self(by.max(1))
    }

    /// This wait, shortened.
    pub(crate) fn ms(self, ms: u64) -> u64 {
        (ms / self.0).max(1)
    }

    /// This wait, shortened.
    pub(crate) fn wait(self, ms: u64) -> Duration {
        Duration::from_millis(self.ms(ms))
    }

    /// A switch of one institution. The line is taken for authentic: it is this machine's, or a tunnel's.
    pub(crate) fn switch(self, institution: InstitutionId) -> Result<SwitchConfig, Failure> {
        let defaults = Thresholds::default();
        let thresholds = Thresholds {
            suspect_dwell_ms: self.ms(defaults.suspect_dwell_ms),
            dwell_ms: self.ms(defaults.dwell_ms),
            step_dwell_ms: self.ms(defaults.step_dwell_ms),
            probe_ms: self.ms(defaults.probe_ms),
            stall_ms: self.ms(defaults.stall_ms),
            slow_ms: self.ms(defaults.slow_ms),
            ..defaults
        };
        let host = HostConfig::new(institution);
        let host =
            HostConfig { thresholds, answer_within_ms: self.ms(host.answer_within_ms), ..host };
        let own = InstitutionId::new(9).ok_or_else(|| Failure::run("no code of its own"))?;
        let config =
            SwitchConfig::new(own, Text::new("SWITCH1").map_err(Failure::run)?, vec![host]);
        Ok(SwitchConfig {
            mac_required: false,
            check_within_ms: self.ms(config.check_within_ms),
            answer_within_ms: self.ms(config.answer_within_ms),
            ..config
        })
    }

    /// What delivers afterwards.
    pub(crate) fn forwarder(self) -> ForwarderConfig {
        let defaults = ForwarderConfig::default();
        ForwarderConfig {
            answer_within_ms: self.ms(defaults.answer_within_ms),
            retry_ms: self.ms(defaults.retry_ms),
            retry_max_ms: self.ms(defaults.retry_max_ms),
            sweep_ms: self.ms(defaults.sweep_ms),
            ..defaults
        }
    }
}
