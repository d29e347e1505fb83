//! The hashes that prove ranges of a file: few in memory, many in a file that has no name.

use filexfer::Pairs;
use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

/// All pairs of one file, by their numbers.
#[derive(Debug)]
pub(crate) enum StoredPairs {
    Memory(Vec<u8>),
    Disk(File),
}

impl Pairs for StoredPairs {
    fn pair(&self, number: u64) -> Option<[u8; 64]> {
        let at = number.checked_mul(64)?;
        match self {
            Self::Memory(pairs) => {
                pairs.get(usize::try_from(at).ok()?..)?.first_chunk::<64>().copied()
            }
            Self::Disk(file) => {
                let mut pair = [0; 64];
                file.read_exact_at(&mut pair, at).ok()?;
                Some(pair)
            }
        }
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

    pub(crate) fn put(&mut self, number: u64, pair: [u8; 64]) {
        self.waiting.insert(number, pair);
    }

    /// Pairs of one subtree lie together: what waits becomes few writes.
    pub(crate) fn flush_if_many(&mut self) -> io::Result<()> {
        if self.waiting.len() >= WAITING { self.flush() } else { Ok(()) }
    }

    pub(crate) fn finish(mut self) -> io::Result<StoredPairs> {
        self.flush()?;
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
            StoredPairs::Disk(file) => file.write_all_at(pairs, at),
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

/// Of files up to 4 MiB.
const MEMORY_PAIRS: usize = 256;
const WAITING: usize = 4_096;

#[cfg(test)]
mod tests {
    use super::*;
    use filexfer::{Groups, Outboard, OutboardBuilder};

    #[test]
    fn pairs_in_memory_and_on_disk_are_those_of_the_tree() {
        for groups in [1, 2, 3, 255, 257, 258, 4_200] {
            let mut content = vec![0; usize::try_from(groups * Groups::BYTES - 7).unwrap()];
            blake3::Hasher::new().finalize_xof().fill(&mut content);
            let mut writer = PairsWriter::new(groups - 1, tempfile::tempfile).unwrap();
            let is_on_disk = matches!(writer.to, StoredPairs::Disk(_));
            assert_eq!(is_on_disk, groups > 257);
            let mut builder = OutboardBuilder::new(content.len() as u64);
            let mut root = None;
            for group in content.chunks(16_384) {
                root = builder.group(group, |number, pair| writer.put(number, pair)).unwrap();
                writer.flush_if_many().unwrap();
            }
            let outboard = Outboard::of(&content);
            assert_eq!(root.as_ref(), Some(outboard.root()));
            let pairs = writer.finish().unwrap();
            assert!((0..groups).all(|number| pairs.pair(number) == outboard.pair(number)));
        }
    }
}
