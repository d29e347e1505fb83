//! How long what is over is kept.

use crate::{Limits, Misuse};

/// Terms of storage. The audit trail is not among them: each record vouches for the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keeping {
    jobs_ms: u64,
    receipts_ms: u64,
}

impl Keeping {
    /// For jobs that ended, with outcomes and notices; and for receipts. Both in milliseconds after the end.
    ///
    /// A job that is forgotten can be asked for once more: that takes a request which is too old by then. A receipt is kept
    /// at least as long as its job.
    ///
    /// # Errors
    /// [`Misuse::Bounds`] for jobs that a request may outlive by `limits`, and for receipts that go before their jobs.
    pub const fn new(jobs_ms: u64, receipts_ms: u64, limits: &Limits) -> Result<Self, Misuse> {
        let fresh_ms = limits.freshness_ms.saturating_add(limits.skew_ms);
        if jobs_ms <= fresh_ms || receipts_ms < jobs_ms {
            return Err(Misuse::Bounds);
        }
        Ok(Self { jobs_ms, receipts_ms })
    }

    /// Of jobs that ended, in milliseconds.
    pub const fn jobs_ms(&self) -> u64 {
        self.jobs_ms
    }

    /// Of receipts, in milliseconds; a client's profile may say more.
    pub const fn receipts_ms(&self) -> u64 {
        self.receipts_ms
    }
}

impl Default for Keeping {
    /// 90 days; ten years.
    fn default() -> Self {
        Self { jobs_ms: 90 * DAY_MS, receipts_ms: 3_653 * DAY_MS }
    }
}

const DAY_MS: u64 = 86_400_000;
