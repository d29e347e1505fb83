//! What comes out of a forwarder.

use super::Advice;
use crate::{EntryState, RequestKey, ResponseCode};
use alloc::boxed::Box;
use port::Key;
use seal::AccountRef;

/// What comes out of [`crate::Forwarder`]. Exhaustive on purpose: whoever overlooks one leaves money behind.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum ForwarderEvent {
    /// Send this to the accounting system, and report with [`crate::Forwarder::answered`].
    Send(Box<Advice>),
    /// An entry ended: that is durable.
    Delivered {
        /// The message.
        key: RequestKey,
        /// Of which account.
        account: AccountRef,
        /// How it ended.
        state: EntryState,
    },
    /// An entry is on the list of exceptions, durably, and its amount stays in the exposure: a person has to look.
    DeadLetter {
        /// The message.
        key: RequestKey,
        /// Of which account.
        account: AccountRef,
        /// Why.
        why: DeadLetter,
    },
    /// An entry waits too long. It goes on waiting.
    Escalated {
        /// The request.
        key: RequestKey,
        /// Of which account.
        account: AccountRef,
        /// How long it has waited, in milliseconds.
        age_ms: u64,
        /// How often it was sent.
        attempts: u32,
    },
    /// An answer to nothing that is in flight: a late double, or answers that are mixed up. Worth an alarm if it happens often.
    Unmatched {
        /// Its key.
        key: RequestKey,
    },
    /// A row of the journal is not what was written: restore it. Or it was written by version 1, which laid the journal out in
    /// another way: nothing of it is delivered, and nothing counts as drained ([`crate::Forwarder::is_drained`]).
    Damaged {
        /// Which.
        row: Key,
    },
}

/// Why an entry could not be posted, or not as it should.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeadLetter {
    /// The accounting system refused it.
    Refused(ResponseCode),
    /// The accounting system never answers to it, while it answers others. It may have been applied.
    Unanswered,
    /// It was posted although the accounting system had declined it itself: the loss has to be looked at.
    Forced,
    /// An operator gave up. It may have been applied.
    GivenUp,
}

impl DeadLetter {
    /// Stable number, 4530 to 4533.
    pub const fn code(self) -> u32 {
        match self {
            Self::Refused(_) => 4_530,
            Self::Unanswered => 4_531,
            Self::Forced => 4_532,
            Self::GivenUp => 4_533,
        }
    }
}
