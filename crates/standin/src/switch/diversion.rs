//! Capacity diversion: less traffic for an accounting system that is slow.

use crate::{Channel, Kind, TransactionRequest, share};
use alloc::vec::Vec;

/// Sends a stated share of a stated class of traffic to the stand-in module while the accounting system is slow.
///
/// A class is a conjunction: the kinds that are named, at the channels that are named, up to the amount that is named.
///
/// Slow is what its latest answers were, and those of the last two minutes at most: so long after its last slow answer a diversion
/// has ended. Where nearly everything is diverted, one request in a hundred goes to the accounting system all the same, and one
/// in five seconds: nobody would see otherwise that it is slow still, or fast again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diversion {
    /// Slow means: 99 of 100 answers take at least so long, in milliseconds. That is known from the hundredth answer on.
    pub p99_ms: u64,
    /// How much of the class goes to the stand-in module, in basis points; at most 10,000.
    pub share_bp: u16,
    /// Of these kinds; all if empty. Completions and reversals are never diverted: they follow their originals.
    pub kinds: Vec<Kind>,
    /// At these channels; all if empty.
    pub channels: Vec<Channel>,
    /// Up to this amount in minor units of the account's currency; `None` for all.
    pub amount_max_minor: Option<i64>,
}

impl Diversion {
    pub(super) fn takes(&self, request: &TransactionRequest, p99_ms: Option<u64>) -> bool {
        let follows = matches!(request.kind, Kind::Completion | Kind::Reversal);
        !follows
            && p99_ms.is_some_and(|p99_ms| p99_ms >= self.p99_ms)
            && (self.kinds.is_empty() || self.kinds.contains(&request.kind))
            && (self.channels.is_empty() || self.channels.contains(&request.channel))
            && self.amount_max_minor.is_none_or(|most| request.billed().minor() <= most)
            && share::is_in(&request.key, SEED, self.share_bp)
    }
}

/// Apart from the shares of a return.
const SEED: u64 = 0x6469_7665_7274;
