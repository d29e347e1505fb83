//! What a forwarding server tells its embedder.

use crate::{SignedVerdict, State, TransferId};

/// What the embedder is told; all of it is durable.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ForwarderEvent {
    /// A request was judged.
    Judged(SignedVerdict),
    /// A job stands elsewhere.
    Moved {
        /// Which.
        transfer: TransferId,
        /// Where.
        state: State,
    },
    /// The destination's application has taken a file.
    HandedOver {
        /// Which.
        transfer: TransferId,
    },
    /// What was stored of how far a transfer to this site is was damaged: it begins anew.
    BeganAnew {
        /// Which.
        transfer: TransferId,
    },
    /// A stored job has no way any more: the registry lost its parties or their links.
    Stranded {
        /// Which.
        transfer: TransferId,
    },
}
