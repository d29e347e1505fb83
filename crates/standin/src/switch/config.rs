//! How a switch works.

use crate::{Diversion, InstitutionId, PlannedWindow, ResponseCode, SwitchError, Text, Thresholds};
use alloc::collections::BTreeMap;
use alloc::vec;
use alloc::vec::Vec;
use port::{KeyId, Skew};

/// How a switch works. [`SwitchConfig::new`] has safe defaults; [`crate::Switch::new`] checks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SwitchConfig {
    /// The switch's own code: it sends probes under it.
    pub own: InstitutionId,
    /// The switch's own name in probes.
    pub terminal: Text<16>,
    /// The institutions that are served.
    pub hosts: Vec<HostConfig>,
    /// The message keys (HMAC-SHA-256, possibly truncated) of initiators at the key holder.
    pub mac_keys: BTreeMap<InstitutionId, KeyId>,
    /// Whether a message without an authentication code is refused. Off where the link itself is authentic.
    pub mac_required: bool,
    /// How many requests may be under way.
    pub pending_max: usize,
    /// How long the checks before routing may take, in milliseconds.
    pub check_within_ms: u64,
    /// When a request must be answered, in milliseconds from its arrival.
    pub answer_within_ms: u64,
    /// How far the clocks of initiators may differ from this one.
    pub skew: Skew,
}

impl SwitchConfig {
    /// With these institutions. Authentication codes are required, at most 65,536 requests are under way, checks take at most a
    /// second, and answers eight.
    pub const fn new(own: InstitutionId, terminal: Text<16>, hosts: Vec<HostConfig>) -> Self {
        Self {
            own,
            terminal,
            hosts,
            mac_keys: BTreeMap::new(),
            mac_required: true,
            pending_max: 65_536,
            check_within_ms: 1_000,
            answer_within_ms: 8_000,
            skew: Skew { max_ms: 5_000 },
        }
    }

    /// Whether it fits together.
    ///
    /// # Errors
    /// [`SwitchError::Limits`], [`SwitchError::Thresholds`].
    pub fn check(&self) -> Result<(), SwitchError> {
        let mut names: Vec<InstitutionId> = self.hosts.iter().map(|one| one.institution).collect();
        names.sort_unstable();
        let unique = names.windows(2).all(|pair| pair.first() != pair.last());
        let times = self.hosts.iter().all(|host| {
            host.answer_within_ms > 0
                && self.check_within_ms.saturating_add(host.answer_within_ms)
                    < self.answer_within_ms
        });
        if !unique || !times || self.pending_max == 0 || self.check_within_ms == 0 {
            return Err(SwitchError::Limits);
        }
        self.hosts.iter().try_for_each(HostConfig::check)
    }
}

/// How one institution's accounting system is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostConfig {
    /// Whose.
    pub institution: InstitutionId,
    /// When it counts as away, and when as back.
    pub thresholds: Thresholds,
    /// How long it may take for an answer, in milliseconds; then the stand-in module decides.
    pub answer_within_ms: u64,
    /// When it will be away; at most [`HostConfig::PLANNED_MAX`].
    pub planned: Vec<PlannedWindow>,
    /// What is diverted while it is slow; at most [`HostConfig::DIVERSIONS_MAX`].
    pub diversions: Vec<Diversion>,
    /// Answers by which it leaves a request to the stand-in module. It has not decided then, and keeps no record.
    pub delegating: Vec<ResponseCode>,
    /// Answers that are errors: it may or may not have decided. The stand-in module decides, and the answer counts as a failure.
    pub failing: Vec<ResponseCode>,
}

impl HostConfig {
    /// The most planned windows.
    pub const PLANNED_MAX: usize = 64;

    /// The most diversions.
    pub const DIVERSIONS_MAX: usize = 16;

    /// With default thresholds and four seconds for an answer; `N0` and 91 delegate, 96 is an error; nothing is planned or
    /// diverted.
    pub fn new(institution: InstitutionId) -> Self {
        let by_host = ResponseCode::new(*b"N0");
        Self {
            institution,
            thresholds: Thresholds::default(),
            answer_within_ms: 4_000,
            planned: Vec::new(),
            diversions: Vec::new(),
            delegating: by_host.into_iter().chain([ResponseCode::INOPERATIVE]).collect(),
            failing: vec![ResponseCode::SYSTEM],
        }
    }

    fn check(&self) -> Result<(), SwitchError> {
        self.thresholds.check()?;
        let fits = self.planned.len() <= Self::PLANNED_MAX
            && self.planned.iter().all(|window| window.from < window.until)
            && self.diversions.len() <= Self::DIVERSIONS_MAX
            && self.diversions.iter().all(|one| one.share_bp <= 10_000)
            // What approves can be no error, and no order to ask somebody else.
            && !self.delegating.iter().chain(&self.failing).any(|code| code.is_approval());
        if fits { Ok(()) } else { Err(SwitchError::Limits) }
    }
}
