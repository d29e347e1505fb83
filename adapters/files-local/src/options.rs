//! Where the files are, and what is said of them.

use filexfer::{FileClass, PartyId};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// The stores of one server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// A folder for the proofs of large files that are served: 0.4 % of their size. After a restart such a file is not read
    /// again to be served further.
    pub work: PathBuf,
    /// What is in the spool, if there is one.
    pub spool: Option<Area>,
    /// The stores, by the names that machines know them by.
    pub stores: BTreeMap<PartyId, Area>,
    /// Files that are ready to be served at one time, or 64 times as many of up to 64 KiB ([`filexfer::Slots`]); beyond it those
    /// that were not used for longest are forgotten, and whoever wants them has to wait for another attempt. Choose more
    /// than [`filexfer::Slots::active_max`]: a file may still be read after its slot went to another. Each holds two descriptors, a
    /// small one none.
    pub prepared_max: usize,
}

impl Options {
    /// Without stores, for 300 files at a time.
    pub fn new(work: impl Into<PathBuf>) -> Self {
        Self { work: work.into(), spool: None, stores: BTreeMap::new(), prepared_max: 300 }
    }

    /// With a spool. What is in it is read again: it stays in the page cache.
    #[must_use]
    pub fn spool(mut self, area: Area) -> Self {
        self.spool = Some(Area { is_cached: true, ..area });
        self
    }

    /// With one more store.
    #[must_use]
    pub fn store(mut self, party: PartyId, area: Area) -> Self {
        self.stores.insert(party, area);
        self
    }
}

/// A folder that nothing leads out of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Area {
    /// The folder. It has to be there.
    pub root: PathBuf,
    /// The class of files in no other folder of [`Area::classes`].
    pub class: FileClass,
    /// Classes by folder, relative to the root; the longest that fits counts.
    pub classes: Vec<(String, FileClass)>,
    /// Bytes that unpublished content may take.
    pub quota_bytes: u64,
    /// A file that changed less than this long ago counts as still being written, in milliseconds. 0: never.
    pub settle_ms: u64,
    /// What is written stays in the page cache, for whoever reads it soon. Without it runs of 256 KiB and more go past it, where
    /// the file system takes that: the disk is used evenly, and what others have in the cache stays there.
    pub is_cached: bool,
    /// Permissions of published files, before the process's mask.
    pub mode: u32,
}

impl Area {
    /// All files of one class; no quota; still being written for a second after the last change; not kept in the page cache;
    /// readable for the group.
    pub fn new(root: impl Into<PathBuf>, class: FileClass) -> Self {
        Self {
            root: root.into(),
            class,
            classes: Vec::new(),
            quota_bytes: u64::MAX,
            settle_ms: 1_000,
            is_cached: false,
            mode: 0o640,
        }
    }

    /// The class of a file.
    pub(crate) fn class_of(&self, name: &filexfer::FileName) -> &FileClass {
        ::files::class_of(name, &self.classes, &self.class)
    }
}
