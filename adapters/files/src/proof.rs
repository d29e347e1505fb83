//! What a file was when it was prepared, so that each range of it can be held against that.

use crate::pairs::{PairsWriter, StoredPairs};
use filexfer::{Groups, OutboardBuilder, Slice};
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
    /// How long the file is, in bytes.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The root of its content (BLAKE3).
    pub const fn root(&self) -> &[u8; 32] {
        &self.root
    }

    /// A range as [`Slice`] encodes it, from the bytes that the file has there now; `None` if they are not those that it had,
    /// or if there is no such range.
    pub fn slice(&self, range: &Range<u64>, content: &[u8]) -> Option<Vec<u8>> {
        let group = |number: u64| {
            let at = usize::try_from((number - range.start).saturating_mul(Groups::BYTES)).ok()?;
            let rest = content.get(at..)?;
            Some(&rest[..rest.len().min(GROUP)])
        };
        let mut encoded = Vec::with_capacity(content.len() + content.len() / 128 + 4_096);
        Slice::encode(&self.pairs.view(), self.size, range, group, &mut encoded).ok()?;
        let is_right = Slice::open(&self.root, self.size, range, &encoded).is_ok();
        is_right.then_some(encoded)
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

    /// The proof; `None` if the file was not as long as it was said to be.
    ///
    /// # Errors
    /// The proof cannot be written.
    pub fn finish(mut self) -> io::Result<Option<Proof>> {
        // An empty file has one group, which is empty.
        if self.size == 0 && self.number == 0 {
            self.group(&[])?;
        }
        let Some(root) = self.root.filter(|_| !self.is_wrong) else { return Ok(None) };
        Ok(Some(Proof { size: self.size, root, pairs: self.pairs.finish()? }))
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
        self.number += 1;
        match self.builder.group(bytes, |number, pair| self.pairs.put(number, pair)) {
            Ok(root) => self.root = root,
            Err(_) => self.is_wrong = true,
        }
        self.pairs.flush_if_many()
    }
}

const GROUP: usize = 16_384;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_of_any_length_give_the_same_proof_and_a_wrong_size_none() {
        for len in [0_usize, 1, 16_384, 16_385, 100_000] {
            let content: Vec<u8> = (0..=250).cycle().take(len).collect();
            let prove = |size: u64, piece: usize| {
                let mut prover = Prover::new(size, tempfile::tempfile).unwrap();
                content.chunks(piece).for_each(|piece| prover.push(piece).unwrap());
                prover.finish().unwrap()
            };
            for piece in [1, 1_000, 16_384, 16_385, 200_000] {
                let proof = prove(len as u64, piece).unwrap();
                assert_eq!(proof.root(), blake3::hash(&content).as_bytes());
                assert_eq!(proof.size(), len as u64);
                let all = 0..Groups::new(len as u64).count();
                let encoded = proof.slice(&all, &content).unwrap();
                assert!(Slice::open(proof.root(), proof.size(), &all, &encoded).is_ok());
                let mut other = content.clone();
                if let Some(last) = other.last_mut() {
                    *last ^= 1;
                    assert_eq!(proof.slice(&all, &other), None);
                    other.pop();
                    assert_eq!(proof.slice(&all, &other), None);
                    assert!(prove(len as u64 - 1, piece).is_none(), "longer than it was said");
                }
                assert!(prove(len as u64 + 1, piece).is_none(), "shorter than it was said");
                assert_eq!(proof.slice(&(all.end..all.end + 1), &content), None);
            }
        }
    }
}
