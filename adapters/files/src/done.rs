//! What became of a machine's work.

use filexfer::{Failure, FileMetadata};
use port::Peer;
use std::ops::Range;

/// What became of a [`filexfer::Work`], as the machine's methods want to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Done {
    /// For `looked`.
    Looked(Option<FileMetadata>),
    /// For `prepared`.
    Prepared(Option<(u64, [u8; 32])>),
    /// For `written`.
    Copied(Range<u64>),
    /// To be sent as [`filexfer::Message::Slice`].
    Slice {
        /// Which groups.
        range: Range<u64>,
        /// To whom.
        to: Peer,
        /// Encoded.
        bytes: Vec<u8>,
    },
    /// For `unstable`: the source is not what it was.
    Unstable,
    /// For `synced`.
    Synced,
    /// For `published`.
    Published(Result<(), Failure>),
    /// Nobody is to be told.
    Discarded,
}
