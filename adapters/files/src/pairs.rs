//! The hashes that prove ranges of a file: few in memory, many in a file of their own, which outlives the process.

use filexfer::{FileStamp, Groups, Pairs, Place, pairs_lead_to};
use port::wire::{Reader, Writer};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

/// All pairs of one file, by their numbers.
#[derive(Debug)]
pub(crate) enum StoredPairs {
    /// Of small files, one after the other.
    Memory(Vec<u8>),
    /// Of large files, behind a [`PairsHeader`].
    Disk(File),
}

impl StoredPairs {
    /// For one pass over some of them.
    pub(crate) fn view(&self) -> View<'_> {
        View { pairs: self, block: RefCell::default() }
    }
}

/// Pairs for one pass. Those of one subtree lie together: what is read with one is what is asked for next.
#[derive(Debug)]
pub(crate) struct View<'a> {
    pairs: &'a StoredPairs,
    block: RefCell<(u64, Vec<u8>)>,
}

impl Pairs for View<'_> {
    fn pair(&self, number: u64) -> Option<[u8; 64]> {
        match self.pairs {
            StoredPairs::Memory(pairs) => pair_at(pairs, number),
            StoredPairs::Disk(file) => {
                let mut block = self.block.borrow_mut();
                let (first, bytes) = &mut *block;
                let found = number.checked_sub(*first).and_then(|at| pair_at(bytes, at));
                if found.is_some() {
                    return found;
                }
                bytes.resize(BLOCK, 0);
                let read =
                    file.read_at(bytes, number.checked_mul(64)?.checked_add(HEADER)?).ok()?;
                bytes.truncate(read);
                *first = number;
                pair_at(bytes, 0)
            }
        }
    }
}

fn pair_at(pairs: &[u8], number: u64) -> Option<[u8; 64]> {
    let at = usize::try_from(number.checked_mul(64)?).ok()?;
    pairs.get(at..)?.first_chunk::<64>().copied()
}

/// Of which file pairs are: that it still is that file is what they can be trusted for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PairsHeader {
    /// Where the file is.
    pub(crate) from: Place,
    /// What it was.
    pub(crate) stamp: FileStamp,
    /// The root of its content.
    pub(crate) root: [u8; 32],
}

impl PairsHeader {
    /// What an earlier process, or an earlier time, kept of this file; `None` if it is of another, or not whole.
    pub(crate) fn kept(file: File, from: &Place, stamp: FileStamp) -> Option<(Self, StoredPairs)> {
        let mut bytes = vec![0; usize::try_from(HEADER).ok()?];
        file.read_exact_at(&mut bytes, 0).ok()?;
        let header = Self::parse(&bytes).ok()?;
        if header.from != *from || header.stamp != stamp {
            return None;
        }
        let pairs = StoredPairs::Disk(file);
        pairs_lead_to(&header.root, stamp.size, &pairs.view()).then_some((header, pairs))
    }

    fn parse(bytes: &[u8]) -> Result<Self, port::WireError> {
        let mut from = Reader::new(bytes);
        from.version(1)?;
        if from.array::<32>()? != *MAGIC {
            return Err(port::WireError::Invalid);
        }
        let stamp = FileStamp { size: from.u64()?, changed: from.u64()?, number: from.u64()? };
        let root = from.array()?;
        let place = match Reader::text(from.lp8()?)? {
            "" => Place::Spool,
            party => {
                Place::Store(filexfer::PartyId::new(party).map_err(|_| port::WireError::Invalid)?)
            }
        };
        Ok(Self { from: place, stamp, root })
    }

    fn encode(&self) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        let mut to = Writer::new(&mut bytes, 1);
        to.fixed(MAGIC).u64(self.stamp.size).u64(self.stamp.changed).u64(self.stamp.number);
        let place = match &self.from {
            Place::Spool => "",
            Place::Store(party) => party.as_str(),
        };
        to.fixed(&self.root).lp8(place.as_bytes()).ok()?;
        bytes.resize(usize::try_from(HEADER).ok()?, 0);
        Some(bytes)
    }
}

/// Takes pairs in the order in which they are complete, which is not that of their numbers.
#[derive(Debug)]
pub(crate) struct PairsWriter {
    to: StoredPairs,
    waiting: BTreeMap<u64, [u8; 64]>,
}

impl PairsWriter {
    /// For so many pairs; `file` is asked for a file if they are many.
    pub(crate) fn new(count: u64, file: impl FnOnce() -> io::Result<File>) -> io::Result<Self> {
        let to = match usize::try_from(count) {
            Ok(count) if count <= MEMORY_PAIRS => StoredPairs::Memory(vec![0; count * 64]),
            _ => StoredPairs::Disk(file()?),
        };
        Ok(Self { to, waiting: BTreeMap::new() })
    }

    /// Takes a pair.
    pub(crate) fn put(&mut self, number: u64, pair: [u8; 64]) {
        self.waiting.insert(number, pair);
    }

    /// Pairs of one subtree lie together: what waits becomes few writes.
    pub(crate) fn flush_if_many(&mut self) -> io::Result<()> {
        if self.waiting.len() >= WAITING { self.flush() } else { Ok(()) }
    }

    /// All pairs are there, of a file that nobody will ask for by name.
    pub(crate) fn finish(mut self) -> io::Result<StoredPairs> {
        self.flush()?;
        Ok(self.to)
    }

    /// All pairs are there. What is on disk says of which file.
    pub(crate) fn finish_for(mut self, header: &PairsHeader) -> io::Result<StoredPairs> {
        self.flush()?;
        if let (StoredPairs::Disk(file), Some(header)) = (&self.to, header.encode()) {
            // Last: without it they are nobody's.
            file.write_all_at(&header, 0)?;
        }
        Ok(self.to)
    }

    fn flush(&mut self) -> io::Result<()> {
        let mut run: (u64, Vec<u8>) = (0, Vec::new());
        for (number, pair) in std::mem::take(&mut self.waiting) {
            let end = run.0 + u64::try_from(run.1.len() / 64).unwrap_or(u64::MAX);
            if number != end {
                self.write(&run)?;
                run = (number, Vec::new());
            }
            run.1.extend_from_slice(&pair);
        }
        self.write(&run)
    }

    fn write(&mut self, (first, pairs): &(u64, Vec<u8>)) -> io::Result<()> {
        let at = first.saturating_mul(64);
        match &mut self.to {
            StoredPairs::Disk(file) => file.write_all_at(pairs, at.saturating_add(HEADER)),
            StoredPairs::Memory(memory) => {
                let at = usize::try_from(at).unwrap_or(usize::MAX);
                let end = at.saturating_add(pairs.len());
                if let Some(place) = memory.get_mut(at..end) {
                    place.copy_from_slice(pairs);
                }
                Ok(())
            }
        }
    }
}

/// Files of so many groups have their pairs in memory only: hashing them again costs less than keeping them.
pub(crate) const fn is_large(groups: Groups) -> bool {
    groups.count() > MEMORY_PAIRS as u64 + 1
}

/// Of files up to 4 MiB.
const MEMORY_PAIRS: usize = 256;
const WAITING: usize = 4_096;
/// Where the pairs begin in their file.
const HEADER: u64 = 256;
const MAGIC: &[u8; 32] = b"interbank/files-local/pairs/v1\0\0";
/// 64 pairs: those of a range of 1 MiB.
const BLOCK: usize = 4_096;

#[cfg(test)]
mod tests {
    use super::*;
    use filexfer::{Outboard, OutboardBuilder, PartyId};

    fn header(size: u64, root: [u8; 32]) -> PairsHeader {
        let from = Place::Store(PartyId::new("nfs1").unwrap());
        PairsHeader { from, stamp: FileStamp { size, changed: 7, number: 9 }, root }
    }

    fn stored(content: &[u8]) -> (StoredPairs, [u8; 32]) {
        let groups = Groups::new(content.len() as u64);
        let mut writer = PairsWriter::new(groups.count() - 1, tempfile::tempfile).unwrap();
        assert_eq!(matches!(writer.to, StoredPairs::Disk(_)), is_large(groups));
        let mut builder = OutboardBuilder::new(content.len() as u64);
        let mut root = None;
        for group in content.chunks(16_384) {
            root = builder.group(group, |number, pair| writer.put(number, pair)).unwrap();
            writer.flush_if_many().unwrap();
        }
        let root = root.unwrap();
        (writer.finish_for(&header(groups.size(), root)).unwrap(), root)
    }

    fn content(groups: u64) -> Vec<u8> {
        let mut content = vec![0; usize::try_from(groups * Groups::BYTES - 7).unwrap()];
        blake3::Hasher::new().finalize_xof().fill(&mut content);
        content
    }

    #[test]
    fn pairs_in_memory_and_on_disk_are_those_of_the_tree() {
        for groups in [1, 2, 3, 255, 257, 258, 4_200] {
            let content = content(groups);
            let (pairs, root) = stored(&content);
            assert_eq!(matches!(pairs, StoredPairs::Disk(_)), groups > 257);
            let outboard = Outboard::of(&content);
            assert_eq!(root, *outboard.root());
            let view = pairs.view();
            let numbers = (0..groups).chain((0..groups).rev());
            assert!(numbers.into_iter().all(|n| view.pair(n) == outboard.pair(n)));
        }
    }

    #[test]
    fn kept_pairs_are_believed_for_the_same_file_and_as_long_as_they_lead_to_its_root() {
        let content = content(300);
        let (StoredPairs::Disk(file), root) = stored(&content) else { panic!("few pairs") };
        let size = content.len() as u64;
        let PairsHeader { from, stamp, .. } = header(size, root);
        let kept = |from: &Place, stamp| PairsHeader::kept(file.try_clone().unwrap(), from, stamp);
        let (header, pairs) = kept(&from, stamp).unwrap();
        assert_eq!(header.root, root);
        assert_eq!(pairs.view().pair(299), Outboard::of(&content).pair(299));
        assert!(kept(&Place::Spool, stamp).is_none(), "of another place");
        assert!(kept(&from, FileStamp { changed: 8, ..stamp }).is_none(), "changed since");
        assert!(kept(&from, FileStamp { size: size - 1, ..stamp }).is_none());
        // One bit anywhere, in a pair or in the root.
        for at in [HEADER + 5, HEADER + 64 * 150 + 63, HEADER + 64 * 298, 60] {
            let mut byte = [0];
            file.read_exact_at(&mut byte, at).unwrap();
            file.write_all_at(&[byte[0] ^ 1], at).unwrap();
            assert!(kept(&from, stamp).is_none(), "a bit at {at}");
            file.write_all_at(&byte, at).unwrap();
        }
        assert!(kept(&from, stamp).is_some());
        // Of a process that was stopped before it was done.
        file.write_all_at(&[0; 256], 0).unwrap();
        assert!(kept(&from, stamp).is_none());
    }
}
