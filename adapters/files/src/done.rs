//! What became of a machine's work.

use filexfer::{Failure, FileMetadata, StoreFault};
use port::Peer;
use std::ops::Range;

/// What became of a [`filexfer::Work`], as the machine's methods want to be told; `E` is what the place for files fails with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Done<E> {
    /// For `looked`.
    Looked(Option<FileMetadata>),
    /// For `prepared`.
    Prepared(Option<(u64, [u8; 32])>),
    /// For `written`.
    Copied(Range<u64>),
    /// To be sent.
    Slice {
        /// Which groups.
        range: Range<u64>,
        /// To whom.
        to: Peer,
        /// The frame of a [`filexfer::Message::Slice`].
        frame: Vec<u8>,
    },
    /// For `store_failed`: nothing was copied or served.
    Failed(StoreFault, E),
    /// For `unstable`: the source is not what it was.
    Unstable,
    /// For `synced`.
    Synced,
    /// For `published`.
    Published(Result<(), Failure>),
    /// Nobody is to be told.
    Discarded,
}
