//! Ranges of a file with the hashes that prove them.

use crate::group::{Hash, Subtree, group_hash, join, only_group_hash};
use crate::outboard::len_u64;
use crate::{Groups, Misuse, Pairs};
use alloc::vec::Vec;
use core::fmt;
use core::ops::Range;

/// A range of groups that was verified: nothing of it is to be had before all of it is right.
///
/// Encoded it is what `bao-tree` sends for the range at 16 KiB blocks: in pre-order the pair of each subtree that meets
/// the range (64 bytes), and the bytes of each group in it. Size and range go beside it and are not part of it. A size that
/// is wrong by less than a group shows only in ranges with the last group: nothing is published before that one is right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slice<'a> {
    /// The groups with their bytes, in order.
    pub groups: Vec<(u64, &'a [u8])>,
    /// The pairs on the way, by their numbers: with them the receiver can prove the range to others.
    pub pairs: Vec<(u64, [u8; 64])>,
}

impl<'a> Slice<'a> {
    /// Encodes a range; `read` gives the bytes of a group.
    ///
    /// The bytes are not checked here: what is wrong is refused by whoever opens it.
    ///
    /// # Errors
    /// [`Damaged::Range`] for a range that is not in the file, [`Damaged::Missing`] if a pair is not there or `read` does
    /// not give the bytes of a group.
    pub fn encode<B: AsRef<[u8]>>(
        pairs: &impl Pairs,
        size: u64,
        range: &Range<u64>,
        read: impl FnMut(u64) -> Option<B>,
        to: &mut Vec<u8>,
    ) -> Result<(), Damaged> {
        let groups = Groups::new(size);
        if !groups.contain(range) {
            return Err(Damaged::Range);
        }
        encode_subtree(&Subtree::whole(groups.all()), groups, range, pairs, read, to)
    }

    /// Opens a range of a file of this root and size.
    ///
    /// # Errors
    /// [`Damaged`]; nothing of it may be used.
    pub fn open(
        root: &[u8; 32],
        size: u64,
        range: &Range<u64>,
        encoded: &'a [u8],
    ) -> Result<Self, Damaged> {
        let groups = Groups::new(size);
        Self::open_subtree(&Subtree::whole(groups.all()), groups, root, true, range, encoded)
    }

    /// Opens a range of one complete segment of a stream, against that segment's hash.
    ///
    /// # Errors
    /// [`Damaged`]; nothing of it may be used.
    pub fn open_segment(
        hash: &[u8; 32],
        segment: u64,
        range: &Range<u64>,
        encoded: &'a [u8],
    ) -> Result<Self, Damaged> {
        let (tree, groups) = segment_tree(segment)?;
        Self::open_subtree(&tree, groups, hash, false, range, encoded)
    }

    /// Encodes a range of one complete segment; pairs are numbered from 0 within the segment.
    ///
    /// # Errors
    /// As [`Slice::encode`].
    pub fn encode_segment<B: AsRef<[u8]>>(
        pairs: &impl Pairs,
        segment: u64,
        range: &Range<u64>,
        read: impl FnMut(u64) -> Option<B>,
        to: &mut Vec<u8>,
    ) -> Result<(), Damaged> {
        let (tree, groups) = segment_tree(segment)?;
        if !(tree.groups.start <= range.start && range.end <= tree.groups.end) {
            return Err(Damaged::Range);
        }
        encode_subtree(&tree, groups, range, pairs, read, to)
    }

    /// How many bytes of the file are in it.
    pub fn bytes_len(&self) -> u64 {
        self.groups.iter().map(|(_, bytes)| len_u64(bytes.len())).sum()
    }

    fn open_subtree(
        whole: &Subtree,
        groups: Groups,
        hash: &Hash,
        is_root: bool,
        range: &Range<u64>,
        mut encoded: &'a [u8],
    ) -> Result<Self, Damaged> {
        let inside = whole.groups.start <= range.start && range.end <= whole.groups.end;
        if !inside || range.start >= range.end {
            return Err(Damaged::Range);
        }
        let mut slice = Self { groups: Vec::new(), pairs: Vec::new() };
        let mut waiting = alloc::vec![(whole.clone(), *hash)];
        while let Some((tree, hash)) = waiting.pop() {
            let is_whole = tree == *whole;
            if tree.is_leaf() {
                let len = usize::try_from(groups.bytes_len(&tree.groups));
                let len = len.map_err(|_| Damaged::Range)?;
                let (bytes, rest) = encoded.split_at_checked(len).ok_or(Damaged::Truncated)?;
                let found = if is_whole && is_root {
                    only_group_hash(bytes)
                } else {
                    group_hash(tree.groups.start, bytes)
                };
                if found != hash {
                    return Err(Damaged::Content);
                }
                slice.groups.push((tree.groups.start, bytes));
                encoded = rest;
                continue;
            }
            let (pair, rest) = encoded.split_first_chunk::<64>().ok_or(Damaged::Truncated)?;
            let (left_hash, right_hash) = halves(pair);
            if join(&left_hash, &right_hash, is_whole && is_root) != hash {
                return Err(Damaged::Proof);
            }
            slice.pairs.push((tree.pair, *pair));
            encoded = rest;
            let (left, right) = tree.children();
            // The left one is on top: pre-order.
            waiting.extend(right.meets(range).then_some((right, right_hash)));
            waiting.extend(left.meets(range).then_some((left, left_hash)));
        }
        if encoded.is_empty() { Ok(slice) } else { Err(Damaged::Trailing) }
    }
}

/// What a range has to be compared with: for threads that have the bytes and not the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SliceProof {
    /// The root of the file.
    pub root: [u8; 32],
    /// Its size in bytes.
    pub size: u64,
    /// Which groups were asked for.
    pub range: Range<u64>,
}

impl SliceProof {
    /// As [`Slice::open`].
    ///
    /// # Errors
    /// [`Damaged`]; nothing of it may be used.
    pub fn open<'a>(&self, encoded: &'a [u8]) -> Result<Slice<'a>, Damaged> {
        Slice::open(&self.root, self.size, &self.range, encoded)
    }
}

/// Why a range is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Damaged {
    /// The bytes of a group are not those that the tree says.
    Content,
    /// A pair or a group's bytes are not there.
    Missing,
    /// A pair of hashes is not that of its parent.
    Proof,
    /// The range is empty or not in the file.
    Range,
    /// Bytes are left over.
    Trailing,
    /// Bytes are missing.
    Truncated,
}

impl Damaged {
    /// Stable number, 5070 to 5075.
    pub const fn code(self) -> u32 {
        match self {
            Self::Content => 5_070,
            Self::Missing => 5_071,
            Self::Proof => 5_072,
            Self::Range => 5_073,
            Self::Trailing => 5_074,
            Self::Truncated => 5_075,
        }
    }
}

impl fmt::Display for Damaged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Content => "the bytes of a group are not the file's",
            Self::Missing => "a part of the proof is not there",
            Self::Proof => "the proof does not lead to the root",
            Self::Range => "the range does not lie in the file",
            Self::Trailing => "bytes are left after the range",
            Self::Truncated => "the bytes end within the range",
        })
    }
}

impl core::error::Error for Damaged {}

impl From<Misuse> for Damaged {
    fn from(_: Misuse) -> Self {
        Self::Range
    }
}

fn encode_subtree<B: AsRef<[u8]>>(
    whole: &Subtree,
    groups: Groups,
    range: &Range<u64>,
    pairs: &impl Pairs,
    mut read: impl FnMut(u64) -> Option<B>,
    to: &mut Vec<u8>,
) -> Result<(), Damaged> {
    let mut waiting = alloc::vec![whole.clone()];
    while let Some(tree) = waiting.pop() {
        if tree.is_leaf() {
            let bytes = read(tree.groups.start).ok_or(Damaged::Missing)?;
            if len_u64(bytes.as_ref().len()) != groups.bytes_len(&tree.groups) {
                return Err(Damaged::Missing);
            }
            to.extend_from_slice(bytes.as_ref());
            continue;
        }
        to.extend_from_slice(&pairs.pair(tree.pair).ok_or(Damaged::Missing)?);
        let (left, right) = tree.children();
        waiting.extend(right.meets(range).then_some(right));
        waiting.extend(left.meets(range).then_some(left));
    }
    Ok(())
}

/// A complete segment, and groups of a file that ends with it.
fn segment_tree(segment: u64) -> Result<(Subtree, Groups), Damaged> {
    let end = segment.checked_add(1).and_then(|next| next.checked_mul(Groups::SEGMENT));
    let end = end.ok_or(Damaged::Range)?;
    let size = end.checked_mul(Groups::BYTES).ok_or(Damaged::Range)?;
    Ok((Subtree::whole(end - Groups::SEGMENT..end), Groups::new(size)))
}

pub(crate) fn halves(pair: &[u8; 64]) -> (Hash, Hash) {
    let (left, right) = pair.split_at(32);
    (left.try_into().unwrap_or_default(), right.try_into().unwrap_or_default())
}
