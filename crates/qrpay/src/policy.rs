//! The numbers that an institution sets.

use crate::Misuse;
use port::Skew;
use port::wire::Writer;
use sha2::{Digest as _, Sha256};

/// Life times, limits and choices of a payment server. The defaults are safe for a shop's counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Policy {
    /// How long a displayed challenge may be answered: 5 s to 1 day; default 120 s. Rounded up to whole seconds.
    pub challenge_ttl_ms: u64,
    /// How long a challenge stays valid after its display was refreshed; default 5 s, 0 for not at all.
    pub grace_ms: u64,
    /// Wrong replies that a challenge survives less one; default 5, at most 20. One that was answered already is not compared
    /// with any further reply then.
    pub tries_per_challenge: u8,
    /// Wrong replies within [`Policy::failure_window_ms`] that lock an account; default 10, at most 64.
    pub failures_per_window: u8,
    /// The window over which failures are counted; default one hour.
    pub failure_window_ms: u64,
    /// Challenges of one item that may be open, and that are tried for one request; default 16, at most 64.
    pub open_challenges_max: u8,
    /// Devices that one account may have; default 8, at most 16.
    pub devices_max: u8,
    /// How long an old device key is accepted beside its successor; default 7 days.
    pub key_overlap_ms: u64,
    /// How long an order may be paid after it was issued; default 24 hours.
    pub order_valid_ms: u64,
    /// How long to wait for the accounting system before a payment lapses; default 10 minutes.
    pub settle_ms: u64,
    /// What happens when the accounting system confirms a payment that has lapsed.
    pub late: Late,
    /// How long outcomes are kept so that an identical retry gets the same answer; default 7 days.
    pub outcome_kept_ms: u64,
    /// How long a closed item, its payments and refunds are kept; default 400 days (refund and dispute periods).
    pub record_kept_ms: u64,
    /// Whether credentials that rest on a password alone may be enrolled; default no.
    pub allow_password: bool,
    /// How far clocks of instances may differ.
    pub skew: Skew,
}

impl Policy {
    /// Whether every value is in its range.
    ///
    /// # Errors
    /// [`Misuse::Policy`].
    pub fn check(&self) -> Result<(), Misuse> {
        let fits = (5_000..=DAY_MS).contains(&self.challenge_ttl_ms)
            && self.grace_ms <= self.challenge_ttl_ms
            && (1..=20).contains(&self.tries_per_challenge)
            && (1..=64).contains(&self.failures_per_window)
            && (1..=64).contains(&self.open_challenges_max)
            && (1..=16).contains(&self.devices_max)
            && self.order_valid_ms >= self.challenge_ttl_ms
            && self.settle_ms >= 1_000
            && self.outcome_kept_ms >= self.challenge_ttl_ms
            && self.record_kept_ms >= self.outcome_kept_ms;
        if fits { Ok(()) } else { Err(Misuse::Policy) }
    }

    /// SHA-256 over all values, as audit records name it.
    pub fn digest(&self) -> [u8; 32] {
        let mut bytes = alloc::vec::Vec::with_capacity(128);
        Writer::new(&mut bytes, 1)
            .u64(self.challenge_ttl_ms)
            .u64(self.grace_ms)
            .u8(self.tries_per_challenge)
            .u8(self.failures_per_window)
            .u64(self.failure_window_ms)
            .u8(self.open_challenges_max)
            .u8(self.devices_max)
            .u64(self.key_overlap_ms)
            .u64(self.order_valid_ms)
            .u64(self.settle_ms)
            .u8(u8::from(self.late == Late::Accept))
            .u64(self.outcome_kept_ms)
            .u64(self.record_kept_ms)
            .u8(u8::from(self.allow_password))
            .u64(self.skew.max_ms);
        Sha256::new()
            .chain_update(b"interbank/qrpay/policy/v1\0")
            .chain_update(&bytes)
            .finalize()
            .into()
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            challenge_ttl_ms: 120_000,
            grace_ms: 5_000,
            tries_per_challenge: 5,
            failures_per_window: 10,
            failure_window_ms: 3_600_000,
            open_challenges_max: 16,
            devices_max: 8,
            key_overlap_ms: 7 * DAY_MS,
            order_valid_ms: DAY_MS,
            settle_ms: 600_000,
            late: Late::Reverse,
            outcome_kept_ms: 7 * DAY_MS,
            record_kept_ms: 400 * DAY_MS,
            allow_password: false,
            skew: Skew::default(),
        }
    }
}

/// What happens when the accounting system confirms a payment that has lapsed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Late {
    /// The order counts as paid after all, unless it was paid or cancelled meanwhile: then the money goes back.
    Accept,
    /// The money goes back: a reversal is owed in the same batch.
    Reverse,
}

const DAY_MS: u64 = 86_400_000;
