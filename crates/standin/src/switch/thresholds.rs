//! When an accounting system counts as away, and when as back.

use crate::SwitchError;

/// The limits of detection; the defaults are those of the spec.
///
/// Every sign of trouble has a weight in hundredths ([`Weights`]): 100 is one miss. Misses in a row add up, and any good answer
/// ends the row. Beside that, the last [`Thresholds::window`] outcomes are averaged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thresholds {
    /// How much each sign weighs.
    pub weights: Weights,
    /// Misses in a row that make it suspect, in hundredths.
    pub suspect_misses: u32,
    /// Misses in a row that divert, in hundredths.
    pub divert_misses: u32,
    /// How many outcomes of live traffic are averaged: 1 to [`Thresholds::WINDOW_MAX`].
    pub window: usize,
    /// The share of failure among them that diverts, in basis points. It counts once the window is full.
    pub divert_share_bp: u16,
    /// The share that makes it suspect, in basis points.
    pub suspect_share_bp: u16,
    /// A suspect one is trusted again only below this share: less than the one that made it suspect.
    pub trust_share_bp: u16,
    /// How long it stays suspect at least, in milliseconds.
    pub suspect_dwell_ms: u64,
    /// How long stand-in lasts at least, in milliseconds.
    pub dwell_ms: u64,
    /// Good probes in a row before requests go back.
    pub good_probes: u32,
    /// The shares of traffic that go back, one after another, in basis points: rising, the last 10,000.
    pub steps_bp: [u16; 4],
    /// How long each of them lasts at least, in milliseconds.
    pub step_dwell_ms: u64,
    /// Good answers or probes that each of them needs.
    pub step_answers: u32,
    /// How often it is probed, in milliseconds; an echo that is not back by the next one is missed.
    pub probe_ms: u64,
    /// From how many requests in flight a standstill means anything.
    pub stall_in_flight: usize,
    /// Nothing came back for at least so long, and for three times what 99 of 100 answers take: a standstill. In milliseconds.
    pub stall_ms: u64,
    /// An answer that took longer is slow, in milliseconds.
    pub slow_ms: u64,
}

impl Thresholds {
    /// The longest window.
    pub const WINDOW_MAX: usize = 1_000;

    /// Whether they fit together.
    ///
    /// # Errors
    /// [`SwitchError::Thresholds`].
    pub fn check(&self) -> Result<(), SwitchError> {
        let rising = self.steps_bp.is_sorted_by(|one, next| one < next)
            && self.steps_bp.first() > Some(&0)
            && self.steps_bp.last() == Some(&10_000);
        let shares = (1..=10_000).contains(&self.divert_share_bp)
            && self.suspect_share_bp <= self.divert_share_bp
            && self.trust_share_bp <= self.suspect_share_bp;
        let fits = rising
            && shares
            && (1..=Self::WINDOW_MAX).contains(&self.window)
            && (1..=self.divert_misses).contains(&self.suspect_misses)
            && self.good_probes > 0
            && self.probe_ms > 0
            && self.dwell_ms > 0
            && self.suspect_dwell_ms > 0
            && self.step_dwell_ms > 0
            && self.stall_in_flight > 0
            && self.stall_ms > 0;
        if fits { Ok(()) } else { Err(SwitchError::Thresholds) }
    }
}

impl Default for Thresholds {
    /// Suspect after 2 misses; diverted after 3, or when half of the last 20 failed; back after 5 good probes in a row and 10 s;
    /// steps of 10, 25, 50 and 100 % of at least 2 s and 5 good answers; a probe each second.
    fn default() -> Self {
        Self {
            weights: Weights::default(),
            suspect_misses: 200,
            divert_misses: 300,
            window: 20,
            divert_share_bp: 5_000,
            suspect_share_bp: 2_500,
            trust_share_bp: 1_000,
            suspect_dwell_ms: 2_000,
            dwell_ms: 10_000,
            good_probes: 5,
            steps_bp: [1_000, 2_500, 5_000, 10_000],
            step_dwell_ms: 2_000,
            step_answers: 5,
            probe_ms: 1_000,
            stall_in_flight: 20,
            stall_ms: 1_000,
            slow_ms: 1_000,
        }
    }
}

/// How much each sign of trouble weighs, in hundredths of a miss.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Weights {
    /// A request was not answered in time.
    pub timed_out: u32,
    /// A request could not be sent.
    pub unsent: u32,
    /// It was answered with a system error.
    pub failed: u32,
    /// It was answered slowly. Slow answers count in the window only.
    pub slow: u32,
    /// A probe was not answered.
    pub echo_missed: u32,
    /// The link went down.
    pub link_down: u32,
    /// It signed off: 0 if that is not to be heeded. With any other weight the stand-in module decides until it signs on.
    pub signed_off: u32,
    /// Requests are in flight and nothing comes back.
    pub stalled: u32,
}

impl Default for Weights {
    /// A failure is one miss; a lost link and a standstill are enough by themselves; a sign-off is heeded; a slow answer is a quarter.
    fn default() -> Self {
        Self {
            timed_out: 100,
            unsent: 100,
            failed: 100,
            slow: 25,
            echo_missed: 100,
            link_down: 300,
            signed_off: 300,
            stalled: 300,
        }
    }
}
