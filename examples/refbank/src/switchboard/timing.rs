//! How soon the accounting system counts as away, and how soon as back.

use super::inside;
use crate::message::{INSTITUTION, SWITCH};
use crate::trouble::Trouble;
use interbank::standin::{ForwarderConfig, HostConfig, SwitchConfig, Text, Thresholds};

/// Quick enough that a person sees it happen, slow enough that a busy machine is not taken for an outage.
pub(super) fn switch_config() -> Result<SwitchConfig, Trouble> {
    let thresholds = Thresholds {
        suspect_dwell_ms: 500,
        dwell_ms: 2_000,
        good_probes: 3,
        step_dwell_ms: 300,
        step_answers: 1,
        probe_ms: 500,
        ..Thresholds::default()
    };
    let mut host = HostConfig::new(INSTITUTION);
    host.thresholds = thresholds;
    host.answer_within_ms = ANSWER_MS;
    let terminal = Text::new("SWITCH").map_err(inside)?;
    let mut config = SwitchConfig::new(SWITCH, terminal, vec![host]);
    // The outbox is in this process: nobody else can send anything.
    config.mac_required = false;
    Ok(config)
}

pub(super) fn forwarder_config() -> ForwarderConfig {
    ForwarderConfig {
        answer_within_ms: 2_000,
        retry_ms: 300,
        retry_max_ms: 5_000,
        sweep_ms: 10_000,
        ..ForwarderConfig::default()
    }
}

/// How long the accounting system may take before the stand-in module decides, in milliseconds.
pub(crate) const ANSWER_MS: u64 = 1_500;
