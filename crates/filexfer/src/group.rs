//! The tree of 16 KiB groups over a file: sizes, places and hashes.

use blake3::hazmat::{HasherExt as _, Mode, merge_subtrees_non_root, merge_subtrees_root};
use core::ops::Range;

/// A file as groups of 16 KiB, under a BLAKE3 tree whose root is the file's BLAKE3 hash.
///
/// The tree is that of the BLAKE3 paper §2.1, seen down to subtrees of 16 chunks; pairs of hashes are numbered in
/// pre-order, as `bao-tree` lays out its outboards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Groups {
    size: u64,
}

impl Groups {
    /// Bytes of a group; the last may have fewer.
    pub const BYTES: u64 = 16_384;

    /// Groups of a checkpoint and of a segment: 64 MiB.
    pub const SEGMENT: u64 = 4_096;

    /// Of a file of `size` bytes.
    pub const fn new(size: u64) -> Self {
        Self { size }
    }

    /// The size in bytes.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// How many; an empty file has one, of no bytes.
    pub const fn count(&self) -> u64 {
        let count = self.size.div_ceil(Self::BYTES);
        if count == 0 { 1 } else { count }
    }

    /// All of them.
    pub const fn all(&self) -> Range<u64> {
        0..self.count()
    }

    /// The bytes of a range of groups.
    pub const fn bytes(&self, groups: &Range<u64>) -> Range<u64> {
        let end = groups.end.saturating_mul(Self::BYTES);
        let end = if end < self.size { end } else { self.size };
        let start = groups.start.saturating_mul(Self::BYTES);
        (if start < end { start } else { end })..end
    }

    /// How many bytes a range of groups has.
    pub const fn bytes_len(&self, groups: &Range<u64>) -> u64 {
        let bytes = self.bytes(groups);
        bytes.end - bytes.start
    }

    /// The hash of a group, for [`OutboardBuilder::hashed`]: groups can be hashed in any order, by as many threads as there are.
    ///
    /// [`OutboardBuilder::hashed`]: crate::OutboardBuilder::hashed
    ///
    /// # Errors
    /// [`crate::Misuse::Range`] if the bytes are not as many as the group has.
    pub fn hash(&self, group: u64, bytes: &[u8]) -> Result<[u8; 32], crate::Misuse> {
        let this = group..group.saturating_add(1);
        let len = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        if !self.contain(&this) || len != self.bytes_len(&this) {
            return Err(crate::Misuse::Range);
        }
        Ok(if self.count() == 1 { only_group_hash(bytes) } else { group_hash(group, bytes) })
    }

    /// Whether a range is not empty and lies in the file.
    pub const fn contain(&self, groups: &Range<u64>) -> bool {
        groups.start < groups.end && groups.end <= self.count()
    }
}

/// A subtree: its groups and, if it has more than one, the number of its pair.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Subtree {
    pub(crate) groups: Range<u64>,
    /// In pre-order.
    pub(crate) pair: u64,
}

impl Subtree {
    pub(crate) const fn whole(groups: Range<u64>) -> Self {
        Self { groups, pair: 0 }
    }

    pub(crate) const fn len(&self) -> u64 {
        self.groups.end - self.groups.start
    }

    pub(crate) const fn is_leaf(&self) -> bool {
        self.len() == 1
    }

    /// Left and right: the left one has the largest power of two that leaves something for the right.
    pub(crate) const fn children(&self) -> (Self, Self) {
        let left = left_len(self.len());
        let middle = self.groups.start + left;
        (
            Self { groups: self.groups.start..middle, pair: self.pair + 1 },
            Self { groups: middle..self.groups.end, pair: self.pair + left },
        )
    }

    pub(crate) const fn meets(&self, groups: &Range<u64>) -> bool {
        self.groups.start < groups.end && groups.start < self.groups.end
    }
}

/// Needs at least two groups.
pub(crate) const fn left_len(groups: u64) -> u64 {
    1 << (63 - (groups - 1).leading_zeros())
}

/// A hash of the tree.
pub(crate) type Hash = [u8; 32];

/// The hash of a group that is not the whole file.
pub(crate) fn group_hash(group: u64, bytes: &[u8]) -> Hash {
    debug_assert!(!bytes.is_empty(), "only an empty file has an empty group");
    let mut hasher = blake3::Hasher::new();
    hasher.set_input_offset(group.saturating_mul(Groups::BYTES)).update(bytes);
    hasher.finalize_non_root()
}

/// The root of a file that is one group.
pub(crate) fn only_group_hash(bytes: &[u8]) -> Hash {
    blake3::hash(bytes).into()
}

pub(crate) fn join(left: &Hash, right: &Hash, is_root: bool) -> Hash {
    if is_root {
        merge_subtrees_root(left, right, Mode::Hash).into()
    } else {
        merge_subtrees_non_root(left, right, Mode::Hash)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_of_groups() {
        let groups = Groups::new(16_384 * 2 + 1);
        assert_eq!(groups.count(), 3);
        assert_eq!(groups.bytes(&(1..3)), 16_384..32_769);
        assert_eq!(groups.bytes_len(&(2..3)), 1);
        assert!(groups.contain(&(0..3)) && !groups.contain(&(2..4)) && !groups.contain(&(1..1)));
        assert_eq!((Groups::new(0).count(), Groups::new(0).bytes(&(0..1))), (1, 0..0));
        assert_eq!(Groups::new(u64::MAX).bytes(&(0..u64::MAX)), 0..u64::MAX);
        assert_eq!([2, 3, 4, 5, 8, 9].map(left_len), [1, 2, 2, 4, 4, 8]);
    }
}
