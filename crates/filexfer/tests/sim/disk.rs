//! The files of one server: what is published, what is not, and what a crash takes.

use interbank_filexfer::*;
use simkit::Rng;
use std::collections::BTreeMap;
use std::ops::Range;

#[derive(Default)]
pub(crate) struct Disk {
    pub(crate) files: BTreeMap<(Place, String), File>,
    unpublished: BTreeMap<(Place, TransferId), Unpublished>,
    /// Pairs, in memory: gone after a crash.
    prepared: BTreeMap<TransferId, Prepared>,
    /// How often each transfer was published under a new name.
    pub(crate) published: BTreeMap<TransferId, u32>,
    /// Groups written, of each transfer.
    pub(crate) moved: BTreeMap<TransferId, u64>,
    /// Times that content was read.
    pub(crate) content_reads: u64,
    /// Times that a file was prepared.
    pub(crate) prepares: u64,
    /// What is prepared takes long: it is done when this is over.
    pub(crate) is_slow: bool,
    /// Such work.
    pub(crate) begun: Vec<Work>,
    /// What does not work at present.
    pub(crate) fault: Option<StoreFault>,
    clock: u64,
}

#[derive(Clone)]
pub(crate) struct File {
    pub(crate) content: Vec<u8>,
    changed: u64,
    of: Option<TransferId>,
}

#[derive(Default)]
struct Unpublished {
    durable: BTreeMap<u64, Vec<u8>>,
    volatile: BTreeMap<u64, Vec<u8>>,
}

struct Prepared {
    outboard: Outboard,
    name: String,
}

impl Disk {
    /// Puts a file of the embedder's there, or changes it.
    pub(crate) fn put(&mut self, place: Place, name: &str, content: Vec<u8>) {
        self.clock += 1;
        let file = File { content, changed: self.clock, of: None };
        self.files.insert((place, name.into()), file);
    }

    pub(crate) fn look(&self, place: &Place, name: &str) -> Option<FileMetadata> {
        let file = self.files.get(&(place.clone(), name.into()))?;
        Some(FileMetadata {
            kind: FileKind::Regular,
            class: FileClass::new("settlement").unwrap(),
            size: Some(file.content.len() as u64),
            root: None,
            is_being_written: false,
            is_stream: false,
            stamp: file.stamp(),
        })
    }

    pub(crate) fn prepare(
        &mut self,
        transfer: TransferId,
        place: &Place,
        name: &str,
        stamp: Option<FileStamp>,
    ) -> Option<(u64, [u8; 32])> {
        self.content_reads += 1;
        self.prepares += 1;
        let content = self.content(transfer, place, name, stamp)?;
        let outboard = Outboard::of(&content);
        let known = (content.len() as u64, *outboard.root());
        self.prepared.insert(transfer, Prepared { outboard, name: name.into() });
        Some(known)
    }

    /// A range with its proof, or `None` if the source is not what it was when it was prepared.
    pub(crate) fn slice(
        &mut self,
        transfer: TransferId,
        place: &Place,
        range: &Range<u64>,
    ) -> Option<Vec<u8>> {
        self.content_reads += 1;
        let Prepared { outboard, name } = self.prepared.get(&transfer)?;
        let (root, groups) = (*outboard.root(), outboard.groups());
        let mut encoded = Vec::new();
        let spooled = self.unpublished.get(&(Place::Spool, transfer));
        let file = self.files.get(&(place.clone(), name.clone()));
        let read = |group: u64| {
            if *place == Place::Spool {
                return spooled?.durable.get(&group).map(Vec::as_slice);
            }
            let bytes = groups.bytes(&(group..group + 1));
            file?.content.get(bytes.start as usize..bytes.end as usize)
        };
        Slice::encode(outboard, groups.size(), range, read, &mut encoded).ok()?;
        Slice::open(&root, groups.size(), range, &encoded).ok()?;
        Some(encoded)
    }

    pub(crate) fn write(&mut self, transfer: TransferId, into: &Place, slice: &Slice<'_>) {
        let unpublished = self.unpublished.entry((into.clone(), transfer)).or_default();
        for (group, bytes) in &slice.groups {
            unpublished.volatile.insert(*group, bytes.to_vec());
        }
        *self.moved.entry(transfer).or_default() += slice.groups.len() as u64;
    }

    pub(crate) fn copy(
        &mut self,
        transfer: TransferId,
        from: &Place,
        into: &Place,
        range: &Range<u64>,
    ) -> bool {
        let Some(encoded) = self.slice(transfer, from, range) else { return false };
        let outboard = &self.prepared[&transfer].outboard;
        let (root, size) = (*outboard.root(), outboard.groups().size());
        let slice = Slice::open(&root, size, range, &encoded).unwrap();
        self.write(transfer, into, &slice);
        true
    }

    pub(crate) fn sync(&mut self, transfer: TransferId, into: &Place) {
        if let Some(unpublished) = self.unpublished.get_mut(&(into.clone(), transfer)) {
            let volatile = std::mem::take(&mut unpublished.volatile);
            unpublished.durable.extend(volatile);
        }
    }

    /// As a file system does with a hard link.
    pub(crate) fn publish(
        &mut self,
        transfer: TransferId,
        into: &Place,
        name: &str,
        replace: bool,
    ) -> Result<(), Failure> {
        let at = (into.clone(), name.to_owned());
        if let Some(found) = self.files.get(&at) {
            if found.of == Some(transfer) {
                return Ok(());
            }
            if !replace {
                return Err(Failure::NameTaken);
            }
        }
        let unpublished = self.unpublished.get(&(into.clone(), transfer));
        let content = unpublished.map(|u| u.durable.values().flatten().copied().collect());
        self.clock += 1;
        let content = content.expect("only what is there is published");
        let file = File { content, changed: self.clock, of: Some(transfer) };
        self.files.insert(at, file);
        *self.published.entry(transfer).or_default() += 1;
        Ok(())
    }

    pub(crate) fn discard(&mut self, transfer: TransferId, at: &Place) {
        self.unpublished.remove(&(at.clone(), transfer));
    }

    /// What was not forced to disk is there or not.
    pub(crate) fn crash(&mut self, rng: &mut Rng) {
        self.prepared.clear();
        self.begun.clear();
        for unpublished in self.unpublished.values_mut() {
            for (group, mut bytes) in std::mem::take(&mut unpublished.volatile) {
                match rng.below(3) {
                    0 => {
                        // torn
                        bytes.truncate(bytes.len() / 2);
                        unpublished.durable.entry(group).or_insert(bytes);
                    }
                    1 => {
                        unpublished.durable.entry(group).or_insert(bytes);
                    }
                    _ => {}
                }
            }
        }
    }

    pub(crate) fn unpublished(&self) -> usize {
        self.unpublished.len()
    }

    fn content(
        &self,
        transfer: TransferId,
        place: &Place,
        name: &str,
        stamp: Option<FileStamp>,
    ) -> Option<Vec<u8>> {
        if *place == Place::Spool {
            let unpublished = self.unpublished.get(&(Place::Spool, transfer))?;
            return Some(unpublished.durable.values().flatten().copied().collect());
        }
        let file = self.files.get(&(place.clone(), name.into()))?;
        if stamp.is_some_and(|stamp| stamp != file.stamp()) {
            return None;
        }
        Some(file.content.clone())
    }
}

impl File {
    fn stamp(&self) -> FileStamp {
        FileStamp { size: self.content.len() as u64, changed: self.changed, number: 0 }
    }
}
