//! What a file was when it was prepared, so that each range of it can be held against that.

use crate::pairs::{PairsHeader, PairsWriter, StoredPairs, is_large};
use filexfer::{FileStamp, Groups, Misuse, OutboardBuilder, Place, Slice};
use std::fs::File;
use std::io;
use std::ops::Range;

/// Size, root and proof of a file.
#[derive(Debug)]
pub struct Proof {
    size: u64,
    root: [u8; 32],
    pairs: StoredPairs,
}

impl Proof {
    /// What [`Prover::finish_for`] has kept of this file, in this process or an earlier one; `None` if it is of another, or not
    /// whole.
    pub fn kept(file: File, from: &Place, stamp: FileStamp) -> Option<Self> {
        let (header, pairs) = PairsHeader::kept(file, from, stamp)?;
        Some(Self { size: stamp.size, root: header.root, pairs })
    }

    /// Whether proofs of files so long are in a file; others are in memory, since hashing again costs less than keeping them.
    pub const fn is_large(size: u64) -> bool {
        is_large(Groups::new(size))
    }

    /// How long the file is, in bytes.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The root of its content (BLAKE3).
    pub const fn root(&self) -> &[u8; 32] {
        &self.root
    }

    /// Room for a range as [`Proof::encode`] encodes it and for what goes before it; `None` if there is no such range, or if it
    /// is longer than 64 MiB.
    pub fn room(&self, range: &Range<u64>) -> Option<Vec<u8>> {
        let groups = Groups::new(self.size);
        if !groups.contain(range) || range.end - range.start > RANGE_GROUPS_MAX {
            return None;
        }
        let len = usize::try_from(groups.bytes_len(range)).unwrap_or(0);
        Some(Vec::with_capacity(len + len / 128 + 4_096))
    }

    /// Appends a range as [`Slice`] encodes it, from the groups that the file has there now; `false` if one is not to be had.
    /// Whether they are those that it had is for [`Proof::open`] to say.
    pub fn encode<B: AsRef<[u8]>>(
        &self,
        range: &Range<u64>,
        group: impl FnMut(u64) -> Option<B>,
        to: &mut Vec<u8>,
    ) -> bool {
        Slice::encode(&self.pairs.view(), self.size, range, group, to).is_ok()
    }

    /// A range as it was encoded, if that is what the file was.
    pub fn open<'a>(&self, range: &Range<u64>, encoded: &'a [u8]) -> Option<Slice<'a>> {
        Slice::open(&self.root, self.size, range, encoded).ok()
    }
}

/// Takes a file once from the beginning to the end.
#[derive(Debug)]
pub struct Prover {
    size: u64,
    groups: Groups,
    number: u64,
    /// The beginning of a group.
    part: Vec<u8>,
    builder: OutboardBuilder,
    pairs: PairsWriter,
    root: Option<[u8; 32]>,
    is_wrong: bool,
}

impl Prover {
    /// For a file of so many bytes; `file` is asked for an empty one if its proof is too large for memory.
    ///
    /// # Errors
    /// Those of `file`.
    pub fn new(size: u64, file: impl FnOnce() -> io::Result<File>) -> io::Result<Self> {
        let groups = Groups::new(size);
        Ok(Self {
            size,
            groups,
            number: 0,
            part: Vec::new(),
            builder: OutboardBuilder::new(size),
            pairs: PairsWriter::new(groups.count() - 1, file)?,
            root: None,
            is_wrong: false,
        })
    }

    /// What comes next, in pieces of any length.
    ///
    /// # Errors
    /// The proof cannot be written.
    pub fn push(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() && !self.is_wrong {
            let len = self.next_len();
            if self.part.is_empty() && bytes.len() >= len && len > 0 {
                let (group, rest) = bytes.split_at(len);
                self.group(group)?;
                bytes = rest;
                continue;
            }
            // Longer than it was said to be.
            if len == 0 {
                self.is_wrong = true;
                return Ok(());
            }
            let (more, rest) = bytes.split_at((len - self.part.len()).min(bytes.len()));
            self.part.extend_from_slice(more);
            bytes = rest;
            if self.part.len() == len {
                let mut group = std::mem::take(&mut self.part);
                self.group(&group)?;
                group.clear();
                self.part = group;
            }
        }
        Ok(())
    }

    /// What comes next, as [`Groups::hash`] of a whole group: for whoever hashes with several threads.
    ///
    /// # Errors
    /// The proof cannot be written.
    pub fn hashed(&mut self, hash: [u8; 32]) -> io::Result<()> {
        let done = self.builder.hashed(hash, |number, pair| self.pairs.put(number, pair));
        self.took(done)
    }

    /// The proof; `None` if the file was not as long as it was said to be.
    ///
    /// # Errors
    /// The proof cannot be written.
    pub fn finish(self) -> io::Result<Option<Proof>> {
        self.finish_with(|pairs, _| pairs.finish())
    }

    /// The proof; what of it is in a file says of which file it is, and can be found again by [`Proof::kept`].
    ///
    /// # Errors
    /// The proof cannot be written.
    pub fn finish_for(self, from: &Place, stamp: FileStamp) -> io::Result<Option<Proof>> {
        self.finish_with(|pairs, root| {
            pairs.finish_for(&PairsHeader { from: from.clone(), stamp, root })
        })
    }

    fn finish_with(
        mut self,
        finish: impl FnOnce(PairsWriter, [u8; 32]) -> io::Result<StoredPairs>,
    ) -> io::Result<Option<Proof>> {
        // An empty file has one group, which is empty.
        if self.size == 0 && self.number == 0 {
            self.group(&[])?;
        }
        let Some(root) = self.root.filter(|_| !self.is_wrong) else { return Ok(None) };
        Ok(Some(Proof { size: self.size, root, pairs: finish(self.pairs, root)? }))
    }

    /// How long the next group is; 0 after the last one.
    fn next_len(&self) -> usize {
        if self.number >= self.groups.count() {
            return 0;
        }
        let len = self.groups.bytes_len(&(self.number..self.number + 1));
        usize::try_from(len).unwrap_or(GROUP)
    }

    fn group(&mut self, bytes: &[u8]) -> io::Result<()> {
        let done = self.builder.group(bytes, |number, pair| self.pairs.put(number, pair));
        self.took(done)
    }

    fn took(&mut self, done: Result<Option<[u8; 32]>, Misuse>) -> io::Result<()> {
        self.number += 1;
        match done {
            Ok(root) => self.root = root,
            Err(_) => self.is_wrong = true,
        }
        self.pairs.flush_if_many()
    }
}

/// 64 MiB: more than any machine asks for at a time.
const RANGE_GROUPS_MAX: u64 = 4_096;
const GROUP: usize = 16_384;

#[cfg(test)]
mod tests {
    use super::*;

    /// A range, if the content is what it was.
    fn slice(proof: &Proof, range: &Range<u64>, content: &[u8]) -> Option<Vec<u8>> {
        let group = |number: u64| {
            let at = usize::try_from((number - range.start) * Groups::BYTES).ok()?;
            let rest = content.get(at..)?;
            Some(&rest[..rest.len().min(GROUP)])
        };
        let mut encoded = proof.room(range)?;
        let is_there = proof.encode(range, group, &mut encoded);
        (is_there && proof.open(range, &encoded).is_some()).then_some(encoded)
    }

    #[test]
    fn pieces_of_any_length_give_the_same_proof_and_a_wrong_size_none() {
        for len in [0_usize, 1, 16_384, 16_385, 100_000] {
            let content: Vec<u8> = (0..=250).cycle().take(len).collect();
            let prove = |size: u64, piece: usize| {
                let mut prover = Prover::new(size, tempfile::tempfile).unwrap();
                content.chunks(piece).for_each(|piece| prover.push(piece).unwrap());
                prover.finish().unwrap()
            };
            let groups = Groups::new(len as u64);
            let mut prover = Prover::new(len as u64, tempfile::tempfile).unwrap();
            let parts = content.chunks(GROUP).chain(content.is_empty().then_some(&[][..]));
            for (number, part) in (0..).zip(parts) {
                prover.hashed(groups.hash(number, part).unwrap()).unwrap();
            }
            let by_hashes = prover.finish().unwrap().unwrap();
            assert_eq!(by_hashes.root(), blake3::hash(&content).as_bytes());
            for piece in [1, 1_000, 16_384, 16_385, 200_000] {
                let proof = prove(len as u64, piece).unwrap();
                assert_eq!(proof.root(), blake3::hash(&content).as_bytes());
                assert_eq!(proof.size(), len as u64);
                let all = groups.all();
                let encoded = slice(&proof, &all, &content).unwrap();
                assert!(Slice::open(proof.root(), proof.size(), &all, &encoded).is_ok());
                let mut other = content.clone();
                if let Some(last) = other.last_mut() {
                    *last ^= 1;
                    assert_eq!(slice(&proof, &all, &other), None);
                    other.pop();
                    assert_eq!(slice(&proof, &all, &other), None);
                    assert!(prove(len as u64 - 1, piece).is_none(), "longer than it was said");
                }
                assert!(prove(len as u64 + 1, piece).is_none(), "shorter than it was said");
                assert_eq!(slice(&proof, &(all.end..all.end + 1), &content), None);
            }
        }
    }
}
