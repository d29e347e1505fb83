//! Where the files are, and what is said of them.

use filexfer::{FileClass, FileName, PartyId};
use object_store::ObjectStore;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

/// The stores of one server.
#[derive(Clone, Debug)]
pub struct Options {
    /// A folder for proofs of large files while they are served; nothing in it outlives the process.
    pub work: PathBuf,
    /// What is in the spool, if there is one.
    pub spool: Option<Area>,
    /// The stores, by the names that machines know them by.
    pub stores: BTreeMap<PartyId, Area>,
    /// Files that are ready to be served at one time, or 64 times as many of up to 64 KiB ([`filexfer::Slots`]); beyond it those
    /// that were not used for longest are forgotten, and whoever wants them has to wait for another attempt. Choose more
    /// than [`filexfer::Slots::active_max`]: a file may still be read after its slot went to another.
    pub prepared_max: usize,
    /// Pieces of 8 MiB that are in memory while they are written, for each area. Beyond it the one that was not used for
    /// longest is stored as it is.
    pub pieces_max: usize,
}

impl Options {
    /// Without stores, for 300 files at a time, with 8 pieces in memory.
    pub fn new(work: impl Into<PathBuf>) -> Self {
        let (spool, stores) = (None, BTreeMap::new());
        Self { work: work.into(), spool, stores, prepared_max: 300, pieces_max: 8 }
    }

    /// With a spool.
    #[must_use]
    pub fn spool(mut self, area: Area) -> Self {
        self.spool = Some(area);
        self
    }

    /// With one more store.
    #[must_use]
    pub fn store(mut self, party: PartyId, area: Area) -> Self {
        self.stores.insert(party, area);
        self
    }
}

/// A bucket, a folder or a piece of memory that one server has for itself.
#[derive(Clone, Debug)]
pub struct Area {
    /// Where objects are. For a part of a bucket: [`object_store::prefix::PrefixStore`].
    pub store: Arc<dyn ObjectStore>,
    /// The class of files in no other folder of [`Area::classes`].
    pub class: FileClass,
    /// Classes by folder; the longest that fits counts.
    pub classes: Vec<(String, FileClass)>,
    /// Bytes that unpublished content may take.
    pub quota_bytes: u64,
}

impl Area {
    /// All files of one class; no quota.
    pub fn new(store: Arc<dyn ObjectStore>, class: FileClass) -> Self {
        Self { store, class, classes: Vec::new(), quota_bytes: u64::MAX }
    }

    /// The class of a file.
    pub(crate) fn class_of(&self, name: &FileName) -> &FileClass {
        ::files::class_of(name, &self.classes, &self.class)
    }
}
