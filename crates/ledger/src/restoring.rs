//! A chain out of what was stored.

use crate::{
    Chain, Corrupt, Entry, File, FileId, Genesis, Holding, Log, SignedHeader, State, StateMap,
    ThingKey,
};
use alloc::boxed::Box;
use alloc::vec::Vec;
use port::WireError;
use sha2::{Digest as _, Sha256};

/// A chain that is put together of its entries and leaf hashes, as they are read; then they have to give the roots that were
/// signed.
#[derive(Debug)]
pub(crate) struct Restoring {
    state: State,
    log: Log,
    /// Most entries are of these kinds, and many at one time are quicker.
    files: Vec<(FileId, Box<File>)>,
    things: Vec<(ThingKey, Holding)>,
    /// Paths in the state map, and digests of values: the map is made of all of them at one time.
    values: Vec<([u8; 32], Option<[u8; 32]>)>,
}

impl Restoring {
    pub(crate) fn new(genesis: Genesis) -> Result<Self, WireError> {
        Ok(Self {
            state: State::new(genesis)?,
            log: Log::new(),
            files: Vec::new(),
            things: Vec::new(),
            values: Vec::new(),
        })
    }

    /// An entry, and the digest of its value: of the stored bytes, if it was stored.
    pub(crate) fn put(&mut self, entry: Entry, digest: Option<[u8; 32]>) {
        self.values.push((entry.key().path(), digest));
        match entry {
            Entry::File(id, file) => self.files.push((id, file)),
            Entry::Thing(thing, Some(holding)) => self.things.push((thing, holding)),
            entry @ (Entry::Gone(_) | Entry::Thing(_, None)) => {
                self.fill();
                self.state.take(entry);
            }
            entry => self.state.take(entry),
        }
    }

    fn fill(&mut self) {
        self.state.fill(core::mem::take(&mut self.files), core::mem::take(&mut self.things));
    }

    pub(crate) fn push_leaf(&mut self, leaf: [u8; 32]) {
        self.log.push(leaf);
    }

    /// How many leaf hashes there are.
    pub(crate) fn log_size(&self) -> u64 {
        self.log.size()
    }

    pub(crate) fn finish(mut self, head: SignedHeader) -> Result<Chain, Corrupt> {
        self.fill();
        let Self { state, log, mut values, .. } = self;
        for (party, count) in state.tallies() {
            let entry = Entry::Tally(party, count);
            values.push((entry.key().path(), digest_of(&entry)?));
        }
        let mut map = StateMap::new();
        map.update(values);
        Chain::resume(state, map, log, head)
    }
}

/// Of the value that an entry has; `None` where the name stands for nothing.
pub(crate) fn digest_of(entry: &Entry) -> Result<Option<[u8; 32]>, WireError> {
    Ok(entry.value()?.map(|value| Sha256::digest(&value).into()))
}
