//! The hashes of a file, computed while its bytes stream by.

use crate::group::{Hash, Subtree, group_hash, join, only_group_hash};
use crate::slice::halves;
use crate::{Groups, Misuse};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// Computes the root of a file whose end is not known, in one pass and in memory that does not grow with it.
///
/// Each [`Groups::SEGMENT`] of 64 MiB that is complete gives a segment hash at once ([`StreamingRoot::segments`]): ranges
/// of a stream are verified against that, and at the end [`SegmentRoots`] shows that the segments make the root.
///
/// ```
/// use interbank_filexfer::StreamingRoot;
/// let mut root = StreamingRoot::new();
/// root.update(b"end-");
/// root.update(b"of-day");
/// assert_eq!(root.finish().0, *blake3::hash(b"end-of-day").as_bytes());
/// ```
#[derive(Clone, Debug)]
pub struct StreamingRoot {
    buffer: Vec<u8>,
    groups: u64,
    size: u64,
    /// Subtrees of falling size, as long as bits are set in the number of groups.
    stack: Vec<Hash>,
    /// The root, if nothing comes after the first group.
    only: Option<Hash>,
    /// Hashes within the open segment.
    open: Vec<Hash>,
    segments: Vec<Hash>,
}

impl StreamingRoot {
    /// Nothing yet.
    pub const fn new() -> Self {
        Self {
            buffer: Vec::new(),
            groups: 0,
            size: 0,
            stack: Vec::new(),
            only: None,
            open: Vec::new(),
            segments: Vec::new(),
        }
    }

    /// The next bytes, in pieces of any length.
    pub fn update(&mut self, mut bytes: &[u8]) {
        self.size = self.size.saturating_add(len_u64(bytes.len()));
        while !bytes.is_empty() {
            if self.buffer.is_empty() && bytes.len() >= GROUP_LEN {
                let (group, rest) = bytes.split_at(GROUP_LEN);
                self.group(group);
                bytes = rest;
                continue;
            }
            let room = GROUP_LEN - self.buffer.len();
            let (head, rest) = bytes.split_at(room.min(bytes.len()));
            self.buffer.extend_from_slice(head);
            bytes = rest;
            if self.buffer.len() == GROUP_LEN {
                let group = core::mem::take(&mut self.buffer);
                self.group(&group);
                self.buffer = group;
                self.buffer.clear();
            }
        }
    }

    /// The hashes of segments completed since this was last asked, in order.
    pub fn segments(&mut self) -> Vec<[u8; 32]> {
        core::mem::take(&mut self.segments)
    }

    /// The root, and the size in bytes.
    pub fn finish(mut self) -> ([u8; 32], u64) {
        if self.groups == 0 {
            return (only_group_hash(&self.buffer), self.size);
        }
        if !self.buffer.is_empty() {
            let last = core::mem::take(&mut self.buffer);
            self.group(&last);
        }
        let root = match self.only {
            Some(only) if self.groups == 1 => only,
            _ => merge_up(&mut self.stack, true).unwrap_or_default(),
        };
        (root, self.size)
    }

    /// How many bytes came.
    pub const fn size(&self) -> u64 {
        self.size
    }

    fn group(&mut self, bytes: &[u8]) {
        if self.groups == 0 {
            self.only = Some(only_group_hash(bytes));
        }
        let hash = group_hash(self.groups, bytes);
        // Lazily, since the last merge of all is another one: it makes the root.
        push(&mut self.stack, self.groups, hash);
        let in_segment = self.groups % Groups::SEGMENT;
        push(&mut self.open, in_segment, hash);
        self.groups += 1;
        if in_segment + 1 == Groups::SEGMENT {
            self.segments.extend(merge_up(&mut self.open, false));
        }
    }
}

impl Default for StreamingRoot {
    fn default() -> Self {
        Self::new()
    }
}

/// Joins the segment hashes of a stream to its root, at the receiving end.
#[derive(Clone, Debug, Default)]
pub struct SegmentRoots {
    stack: Vec<Hash>,
    count: u64,
}

impl SegmentRoots {
    /// No segment yet.
    pub const fn new() -> Self {
        Self { stack: Vec::new(), count: 0 }
    }

    /// The next complete segment.
    pub fn push(&mut self, segment: [u8; 32]) {
        push(&mut self.stack, self.count, segment);
        self.count += 1;
    }

    /// The root of a file that consists of the segments and of a tail shorter than one: `tail` is its hash as a subtree,
    /// `None` if the file ends with a segment. `None` for fewer than two parts: then the root is the slice's own.
    pub fn finish(mut self, tail: Option<[u8; 32]>) -> Option<[u8; 32]> {
        if let Some(tail) = tail {
            push(&mut self.stack, self.count, tail);
            self.count += 1;
        }
        (self.count >= 2).then(|| merge_up(&mut self.stack, true)).flatten()
    }

    /// How many complete segments.
    pub const fn count(&self) -> u64 {
        self.count
    }
}

/// The pairs of hashes of a file: what proves a range of it.
pub trait Pairs {
    /// The pair of a number, left hash before right; `None` if it is not there.
    fn pair(&self, number: u64) -> Option<[u8; 64]>;
}

/// All pairs of a file in memory: 64 bytes for each group but one. Stores of large files keep them in a file of their own,
/// in this order, and implement [`Pairs`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outboard {
    root: Hash,
    groups: Groups,
    pairs: BTreeMap<u64, [u8; 64]>,
}

impl Outboard {
    /// Without pairs yet, to be filled by verified slices.
    pub const fn empty(root: [u8; 32], size: u64) -> Self {
        Self { root, groups: Groups::new(size), pairs: BTreeMap::new() }
    }

    /// Of content in memory.
    pub fn of(content: &[u8]) -> Self {
        let groups = Groups::new(len_u64(content.len()));
        let mut outboard = Self { root: [0; 32], groups, pairs: BTreeMap::new() };
        outboard.root = if groups.count() == 1 {
            only_group_hash(content)
        } else {
            outboard.fill(&Subtree::whole(groups.all()), content, true)
        };
        outboard
    }

    /// Adds pairs of a slice that was verified against this root.
    pub fn extend(&mut self, pairs: impl IntoIterator<Item = (u64, [u8; 64])>) {
        self.pairs.extend(pairs);
    }

    /// The root.
    pub const fn root(&self) -> &[u8; 32] {
        &self.root
    }

    /// The groups.
    pub const fn groups(&self) -> Groups {
        self.groups
    }

    fn fill(&mut self, tree: &Subtree, content: &[u8], is_root: bool) -> Hash {
        if tree.is_leaf() {
            let bytes = self.groups.bytes(&tree.groups);
            let at = |end: u64| usize::try_from(end).unwrap_or(usize::MAX);
            let group = content.get(at(bytes.start)..at(bytes.end)).unwrap_or_default();
            return group_hash(tree.groups.start, group);
        }
        let (left, right) = tree.children();
        let hashes = [self.fill(&left, content, false), self.fill(&right, content, false)];
        self.pairs.insert(tree.pair, pair_of(&hashes[0], &hashes[1]));
        join(&hashes[0], &hashes[1], is_root)
    }
}

impl Pairs for Outboard {
    fn pair(&self, number: u64) -> Option<[u8; 64]> {
        self.pairs.get(&number).copied()
    }
}

/// Whether all pairs of a file of that size lead to that root: what was kept of a file that was hashed once can be trusted
/// then, as far as the file is still what it was. It reads 64 bytes for each group, and no content.
pub fn pairs_lead_to(root: &[u8; 32], size: u64, pairs: &impl Pairs) -> bool {
    let whole = Subtree::whole(Groups::new(size).all());
    let mut waiting = alloc::vec![(whole.clone(), *root)];
    while let Some((tree, hash)) = waiting.pop() {
        if tree.is_leaf() {
            continue;
        }
        let Some(pair) = pairs.pair(tree.pair) else { return false };
        let (left_hash, right_hash) = halves(&pair);
        if join(&left_hash, &right_hash, tree == whole) != hash {
            return false;
        }
        let (left, right) = tree.children();
        // In the order of their numbers, which is that of a file that has them.
        waiting.push((right, right_hash));
        waiting.push((left, left_hash));
    }
    true
}

/// Computes the pairs of a file of known size in one pass, and hands each over as soon as it is complete.
#[derive(Clone, Debug)]
pub struct OutboardBuilder {
    groups: Groups,
    next: u64,
    /// Complete subtrees to the left of the next group: the subtree and its hash.
    stack: Vec<(Subtree, Hash)>,
}

impl OutboardBuilder {
    /// For a file of `size` bytes.
    pub const fn new(size: u64) -> Self {
        Self { groups: Groups::new(size), next: 0, stack: Vec::new() }
    }

    /// The next whole group (the last may be shorter); `pairs` takes what it completes. After the last one, the root.
    ///
    /// # Errors
    /// [`Misuse::Range`] if the bytes are not exactly the next group's.
    pub fn group(
        &mut self,
        bytes: &[u8],
        pairs: impl FnMut(u64, [u8; 64]),
    ) -> Result<Option<[u8; 32]>, Misuse> {
        self.hashed(self.groups.hash(self.next, bytes)?, pairs)
    }

    /// The same for a group of which [`Groups::hash`] is known.
    ///
    /// # Errors
    /// [`Misuse::Range`] after the last group.
    pub fn hashed(
        &mut self,
        mut hash: [u8; 32],
        mut pairs: impl FnMut(u64, [u8; 64]),
    ) -> Result<Option<[u8; 32]>, Misuse> {
        let this = self.next..self.next.saturating_add(1);
        let count = self.groups.count();
        if self.next >= count {
            return Err(Misuse::Range);
        }
        self.next += 1;
        if count == 1 {
            return Ok(Some(hash));
        }
        // Down to the leaf: which subtrees end with it, and under which numbers.
        let mut tree = Subtree::whole(self.groups.all());
        let mut ending = Vec::new();
        while !tree.is_leaf() {
            if tree.groups.end == this.end {
                ending.push(tree.clone());
            }
            let (left, right) = tree.children();
            tree = if this.start < left.groups.end { left } else { right };
        }
        while let Some(parent) = ending.pop() {
            let Some((_, left)) = self.stack.pop() else { return Err(Misuse::Range) };
            pairs(parent.pair, pair_of(&left, &hash));
            hash = join(&left, &hash, parent.groups == self.groups.all());
            tree = parent;
        }
        if tree.groups == self.groups.all() {
            return Ok(Some(hash));
        }
        self.stack.push((tree, hash));
        Ok(None)
    }
}

/// Before the `count`th hash comes (from 0), everything that it does not touch is joined (BLAKE3 paper §5.1.2).
fn push(stack: &mut Vec<Hash>, count: u64, hash: Hash) {
    let keep = usize::try_from(count.count_ones()).unwrap_or(64);
    while stack.len() > keep {
        if !join_top(stack, false) {
            break;
        }
    }
    stack.push(hash);
}

fn merge_up(stack: &mut Vec<Hash>, is_root: bool) -> Option<Hash> {
    while stack.len() > 1 {
        let is_last = stack.len() == 2;
        join_top(stack, is_root && is_last);
    }
    stack.pop()
}

fn join_top(stack: &mut Vec<Hash>, is_root: bool) -> bool {
    let (Some(right), Some(left)) = (stack.pop(), stack.pop()) else { return false };
    stack.push(join(&left, &right, is_root));
    true
}

pub(crate) fn pair_of(left: &Hash, right: &Hash) -> [u8; 64] {
    let mut pair = [0; 64];
    let (first, second) = pair.split_at_mut(32);
    first.copy_from_slice(left);
    second.copy_from_slice(right);
    pair
}

pub(crate) fn len_u64(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}

const GROUP_LEN: usize = 16_384;
