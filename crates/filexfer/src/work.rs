//! What a machine wants done with files.

use crate::{FileName, FileStamp, PartyId, TransferId};
use core::ops::Range;
use port::Peer;

/// Something to be done with files, beside the effects on store and link. Bytes never pass through it: the embedder moves
/// them between buffers of its own and tells when that is done. Exhaustive on purpose.
///
/// # Contract
///
/// - Each is answered, or the machine is dropped. Doing one twice does no harm.
/// - A transfer's unpublished content lies under a name that no [`FileName`] can have, one for each transfer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Work {
    /// Say what is there, without reading content and without following links. Answer: `looked`.
    Look {
        /// For which transfer.
        transfer: TransferId,
        /// In which store.
        store: PartyId,
        /// Which file.
        name: FileName,
    },
    /// Read a file once, compute its root, and keep its pairs for slices. Answer: `prepared`; no file or another stamp is
    /// unstable. Each attempt of a job asks for it anew: what was prepared before may be answered from that if it is the same.
    Prepare {
        /// For which transfer.
        transfer: TransferId,
        /// Where.
        from: Place,
        /// Which file.
        name: FileName,
        /// What it has to be; `None` where nothing was said yet.
        stamp: Option<FileStamp>,
    },
    /// Copy a range within this machine's stores: read, compare with the pairs, write. Answer: `written`, `unstable` if
    /// the source is not what it was, or `store_failed`.
    Copy {
        /// For which transfer.
        transfer: TransferId,
        /// From where.
        from: Place,
        /// Into which transfer's unpublished content.
        into: Place,
        /// Which groups.
        range: Range<u64>,
    },
    /// Encode a range as [`crate::Slice`] and send it as [`crate::Message::Slice`]. Whoever gets it compares it with the root; a
    /// range that is asked for again is compared with the pairs here first, so that it comes out which end is wrong. No answer
    /// is due, or `unstable`, or `store_failed`.
    Serve {
        /// For which transfer.
        transfer: TransferId,
        /// From where.
        from: Place,
        /// Which groups.
        range: Range<u64>,
        /// To whom.
        to: Peer,
    },
    /// Force what was written of a transfer to disk. Answer: `synced`.
    Sync {
        /// Of which transfer.
        transfer: TransferId,
        /// Where.
        into: Place,
    },
    /// Give the complete content its name, in one step. Answer: `published`.
    ///
    /// The unpublished content stays until [`Work::Discard`] (a hard link does that), so that it can be repeated after a crash:
    /// a name that already has this very content is done, and one with other content is [`crate::Failure::NameTaken`] unless
    /// `replace` says otherwise.
    Publish {
        /// Of which transfer.
        transfer: TransferId,
        /// Where.
        into: Place,
        /// Under which name.
        name: FileName,
        /// Whether other content of that name is replaced.
        replace: bool,
    },
    /// Remove what is unpublished or spooled of a transfer. No answer is due.
    Discard {
        /// Of which transfer.
        transfer: TransferId,
        /// Where.
        at: Place,
    },
}

/// What a store of files did not do, for `store_failed`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StoreFault {
    /// The source was not read: the disk failed, or what was prepared is not at hand any more.
    Read,
    /// The unpublished content was not written: the disk is full, read-only or broken.
    Write,
}

/// Where files are.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// The spool of this site.
    Spool,
    /// A network file system, or a client's own store.
    Store(PartyId),
}
