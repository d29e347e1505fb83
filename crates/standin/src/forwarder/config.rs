//! How a forwarder works.

use super::ForwarderError;
use port::{Batch, Scan};

/// How a forwarder works; the defaults are safe for hosts of unknown strength.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForwarderConfig {
    /// How many messages are in flight at first.
    pub window_first: usize,
    /// How many at most.
    pub window_max: usize,
    /// How long the accounting system may take for an answer, in milliseconds.
    pub answer_within_ms: u64,
    /// When a message is sent again for the first time, in milliseconds after its time-out; then twice as long each time.
    pub retry_ms: u64,
    /// The longest such wait, in milliseconds.
    pub retry_max_ms: u64,
    /// A message that goes unanswered so often, while others are answered, is a dead letter. Outages do not count.
    pub strikes_max: u32,
    /// An entry that waited so long is escalated, and again after as long, in milliseconds. It is never dropped.
    pub escalate_ms: u64,
    /// How many entries are in memory at most: 1,000 or more. The rest waits in the store.
    pub entries_max: usize,
    /// How many accounts may wait to be looked at; beyond it everything that is open is looked through again.
    pub wanted_max: usize,
    /// How many rows are read at one time: at most [`Scan::ROWS_MAX`].
    pub page_rows: usize,
    /// How often everything that is open is looked through, in milliseconds: finds what nobody told.
    pub sweep_ms: u64,
    /// How many entries end in one batch: at most [`ForwarderConfig::SETTLE_MAX`].
    pub settle_max: usize,
    /// How many late answers of the accounting system are remembered.
    pub late_max: usize,
}

impl ForwarderConfig {
    /// A batch has room for so many: an entry that moves and an account each, and the lane.
    pub const SETTLE_MAX: usize = (Batch::OPS_MAX - 1) / 3;

    /// Whether it fits together.
    ///
    /// # Errors
    /// [`ForwarderError::Limits`].
    pub const fn check(&self) -> Result<(), ForwarderError> {
        let fits = self.window_first > 0
            && self.window_first <= self.window_max
            && self.answer_within_ms > 0
            && self.retry_ms > 0
            && self.retry_ms <= self.retry_max_ms
            && self.strikes_max > 0
            && self.escalate_ms > 0
            && self.entries_max >= 1_000
            && self.wanted_max > 0
            && self.page_rows > 0
            && self.page_rows <= Scan::ROWS_MAX
            && self.sweep_ms > 0
            && self.settle_max > 0
            && self.settle_max <= Self::SETTLE_MAX;
        if fits { Ok(()) } else { Err(ForwarderError::Limits) }
    }
}

impl Default for ForwarderConfig {
    /// 8 in flight at first and 256 at most; ten seconds for an answer; again after one second to one minute; dead after 20
    /// strikes; escalated after an hour; 50,000 entries in memory; what is open is looked through each minute.
    fn default() -> Self {
        Self {
            window_first: 8,
            window_max: 256,
            answer_within_ms: 10_000,
            retry_ms: 1_000,
            retry_max_ms: 60_000,
            strikes_max: 20,
            escalate_ms: 3_600_000,
            entries_max: 50_000,
            wanted_max: 10_000,
            page_rows: 1_000,
            sweep_ms: 60_000,
            settle_max: 32,
            late_max: 10_000,
        }
    }
}
