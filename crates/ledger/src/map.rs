//! The map of the state: what every name stands for now, under one root, with proofs also of what is not there.

use crate::log::{node_hash, tagged_hash};
use alloc::boxed::Box;
use alloc::vec::Vec;
use port::WireError;
use port::wire::{Reader, Writer};

/// A sparse Merkle tree over 256-bit paths (SHA-256).
///
/// A subtree without leaves hashes to 32 zero bytes, one with a single leaf to that leaf's hash, whatever its height; any
/// other to SHA-256 of a one byte and its two halves. A leaf hashes to SHA-256 of a zero byte, its path, and the SHA-256 of
/// its value. So one map has one root, in whatever order it came about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StateMap {
    tree: Tree,
    leaves: usize,
}

impl StateMap {
    /// Without leaves.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes changes: the digest of a new value for a path, or `None` to take the path out. The last one for a path counts.
    ///
    /// Every node above any change is hashed once, so that many changes at one time cost less than each alone.
    pub fn update(&mut self, changes: impl IntoIterator<Item = ([u8; 32], Option<[u8; 32]>)>) {
        let mut changes: Vec<Change> = changes.into_iter().collect();
        // Stable: of two changes for a path the later one comes last.
        changes.sort_by_key(|change| change.0);
        changes.dedup_by(|next, before| {
            let is_again = next.0 == before.0;
            if is_again {
                before.1 = next.1;
            }
            is_again
        });
        self.tree.touch(&changes);
        let mut leaves = 0;
        self.tree.update(0, &changes, &mut leaves);
        self.leaves = self.leaves.saturating_add_signed(leaves);
    }

    /// The root.
    pub fn root(&self) -> [u8; 32] {
        *self.tree.hash()
    }

    /// How many leaves there are.
    pub const fn len(&self) -> usize {
        self.leaves
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.leaves == 0
    }

    /// The digest of the value that a path stands for.
    pub fn value(&self, path: &[u8; 32]) -> Option<[u8; 32]> {
        let mut tree = &self.tree;
        let mut depth = 0;
        while let Tree::Fork { halves, .. } = tree {
            tree = &halves[usize::from(bit(path, depth))];
            depth += 1;
        }
        match tree {
            Tree::Leaf { path: found, value, .. } if found == path => Some(*value),
            _ => None,
        }
    }

    /// The proof of which leaves there are below paths that begin with so many bits of a place.
    pub(crate) fn prove_range(&self, place: u32, bits: u32) -> RangeProof {
        let start = range_start(place, bits);
        let mut siblings = Vec::with_capacity(bits as usize);
        let mut tree = &self.tree;
        while let Tree::Fork { halves, .. } = tree {
            let depth = siblings.len();
            if depth == bits as usize {
                break;
            }
            let way = usize::from(bit(&start, depth));
            siblings.push(*halves[1 - way].hash());
            tree = &halves[way];
        }
        let other = match tree {
            Tree::Leaf { path, value, .. } if !agree(path, &start, bits as usize) => {
                Some((*path, *value))
            }
            _ => None,
        };
        RangeProof(MapProof { siblings, found: other })
    }

    /// The proof of what a path stands for, or that it stands for nothing.
    pub fn prove(&self, path: &[u8; 32]) -> MapProof {
        let mut siblings = Vec::with_capacity(32);
        let mut tree = &self.tree;
        let mut depth = 0;
        while let Tree::Fork { halves, .. } = tree {
            let [left, right] = &**halves;
            let (next, sibling) = if bit(path, depth) { (right, left) } else { (left, right) };
            siblings.push(*sibling.hash());
            tree = next;
            depth += 1;
        }
        let found = match tree {
            Tree::Leaf { path, value, .. } => Some((*path, *value)),
            _ => None,
        };
        MapProof { siblings, found }
    }
}

/// What stands where a path leads, and the hashes beside the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MapProof {
    /// From the root down.
    siblings: Vec<[u8; 32]>,
    /// The only leaf where the way ends, with its value's digest: the path's own, or another's that shows that the path
    /// has none.
    found: Option<([u8; 32], [u8; 32])>,
}

impl MapProof {
    /// Whether it shows that under this root the path stands for a value of this digest, or for nothing.
    pub fn shows(&self, root: &[u8; 32], path: &[u8; 32], value: Option<&[u8; 32]>) -> bool {
        let depth = self.siblings.len();
        let hash = match (&self.found, value) {
            (Some((at, found)), Some(value)) if at == path && found == value => leaf(path, value),
            // The only leaf in the subtree where the path would be is another's.
            (Some((at, found)), None) if at != path && agree(at, path, depth) => leaf(at, found),
            (None, None) => EMPTY,
            _ => return false,
        };
        climbed(hash, &self.siblings, path) == *root
    }

    /// Appends the stored form: version 1, number of siblings (2), a bit for each that says whether it is not empty (in bytes,
    /// the first one highest), those that are not (32 each), then 0, or 1 and the leaf's path and value digest (32 each).
    ///
    /// # Errors
    /// [`WireError::TooLong`]: never for what [`StateMap::prove`] made.
    pub fn encode(&self, to: &mut Vec<u8>) -> Result<(), WireError> {
        let count = u16::try_from(self.siblings.len()).map_err(|_| WireError::TooLong)?;
        let mut to = Writer::new(to, 1);
        to.u16(count);
        for eight in self.siblings.chunks(8) {
            let bits = eight.iter().enumerate().filter(|(_, hash)| **hash != EMPTY);
            to.u8(bits.fold(0, |bits, (at, _)| bits | 0x80 >> at));
        }
        self.siblings.iter().filter(|hash| **hash != EMPTY).for_each(|hash| {
            to.fixed(hash);
        });
        match &self.found {
            Some((path, value)) => to.u8(1).fixed(path).fixed(value),
            None => to.u8(0),
        };
        Ok(())
    }

    /// Reads the stored form.
    ///
    /// # Errors
    /// [`WireError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, WireError> {
        let mut from = Reader::new(bytes);
        let proof = Self::read(&mut from)?;
        from.finish()?;
        Ok(proof)
    }

    pub(crate) fn read(from: &mut Reader<'_>) -> Result<Self, WireError> {
        from.version(1)?;
        let count = usize::from(from.u16()?);
        if count > 256 {
            return Err(WireError::TooLong);
        }
        let bits = from.fixed(count.div_ceil(8))?;
        let mut siblings = Vec::with_capacity(count);
        for at in 0..bits.len() * 8 {
            let is_set = bits[at / 8] & (0x80 >> (at % 8)) != 0;
            match (at < count, is_set) {
                (true, true) => {
                    let hash = from.array()?;
                    if hash == EMPTY {
                        return Err(WireError::Invalid);
                    }
                    siblings.push(hash);
                }
                (true, false) => siblings.push(EMPTY),
                (false, true) => return Err(WireError::Invalid),
                (false, false) => {}
            }
        }
        let found = if from.flag()? { Some((from.array()?, from.array()?)) } else { None };
        Ok(Self { siblings, found })
    }
}

/// Shows which leaves there are below paths that begin with the same bits: all that there are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RangeProof(
    /// The hashes beside the way, and the only leaf where it ends early, if that is another's.
    MapProof,
);

impl RangeProof {
    /// Whether these leaves, in order, are all that there are.
    pub(crate) fn shows(
        &self,
        root: &[u8; 32],
        place: u32,
        bits: u32,
        leaves: &[([u8; 32], [u8; 32])],
    ) -> bool {
        let (start, bits) = (range_start(place, bits), bits as usize);
        let MapProof { siblings, found } = &self.0;
        let is_in_range = leaves.is_sorted_by(|one, next| one.0 < next.0)
            && leaves.iter().all(|(path, _)| agree(path, &start, bits));
        if siblings.len() > bits || !is_in_range {
            return false;
        }
        let hash = match (found, leaves) {
            (Some((at, _)), _) if agree(at, &start, bits) => return false,
            (Some((at, value)), []) if agree(at, &start, siblings.len()) => leaf(at, value),
            (None, []) => EMPTY,
            (None, [(path, value)]) => leaf(path, value),
            (None, _) if siblings.len() == bits => {
                let leaves: Vec<Change> =
                    leaves.iter().map(|(path, value)| (*path, Some(*value))).collect();
                *built(bits, &leaves, &mut 0).hash()
            }
            _ => return false,
        };
        climbed(hash, siblings, &start) == *root
    }

    pub(crate) fn write(&self, to: &mut Vec<u8>) -> Result<(), WireError> {
        self.0.encode(to)
    }

    pub(crate) fn read(from: &mut Reader<'_>) -> Result<Self, WireError> {
        MapProof::read(from).map(Self)
    }
}

type Change = ([u8; 32], Option<[u8; 32]>);

#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Tree {
    #[default]
    Empty,
    Leaf {
        path: [u8; 32],
        value: [u8; 32],
        hash: [u8; 32],
    },
    /// At least two leaves.
    Fork {
        hash: [u8; 32],
        halves: Box<[Tree; 2]>,
    },
}

impl Tree {
    const fn hash(&self) -> &[u8; 32] {
        match self {
            Self::Empty => &EMPTY,
            Self::Leaf { hash, .. } | Self::Fork { hash, .. } => hash,
        }
    }

    /// Goes all ways down at one time, for speed alone: nodes are all over the memory, and what many ways need is fetched at
    /// the same time so, where [`Tree::update`] would wait for each node of each way in turn.
    fn touch(&self, changes: &[Change]) {
        let mut ways: Vec<(&Self, &[u8; 32])> =
            changes.iter().map(|(path, _)| (self, path)).collect();
        let (mut depth, mut seen) = (0, 0);
        while !ways.is_empty() {
            ways.retain_mut(|(tree, path)| {
                let Self::Fork { halves, .. } = tree else { return false };
                let [low, high] = &**halves;
                // The last byte of a node and its first are not always in one line of memory.
                seen ^= low.hash()[31] ^ high.hash()[31];
                *tree = if bit(path, depth) { high } else { low };
                true
            });
            depth += 1;
        }
        core::hint::black_box(seen);
    }

    /// Makes changes, which are sorted, one for each path, and all in this subtree. Counts leaves that come and go.
    fn update(&mut self, depth: usize, changes: &[Change], leaves: &mut isize) {
        if changes.is_empty() {
            return;
        }
        match self {
            Self::Empty => *self = built(depth, changes, leaves),
            Self::Leaf { path, value, .. } => {
                *leaves -= 1;
                let place = changes.partition_point(|change| change.0 < *path);
                if changes.get(place).is_some_and(|change| change.0 == *path) {
                    *self = built(depth, changes, leaves);
                    return;
                }
                let mut with_leaf = Vec::with_capacity(changes.len() + 1);
                with_leaf.extend_from_slice(&changes[..place]);
                with_leaf.push((*path, Some(*value)));
                with_leaf.extend_from_slice(&changes[place..]);
                *self = built(depth, &with_leaf, leaves);
            }
            Self::Fork { hash, halves } => {
                let (low_changes, high_changes) = parted(depth, changes);
                let [low, high] = &mut **halves;
                low.update(depth + 1, low_changes, leaves);
                high.update(depth + 1, high_changes, leaves);
                // A single leaf stands as high as it can.
                let only = match (&mut *low, &mut *high) {
                    (Self::Empty, one @ (Self::Empty | Self::Leaf { .. }))
                    | (one @ Self::Leaf { .. }, Self::Empty) => core::mem::take(one),
                    _ => {
                        *hash = node_hash(low.hash(), high.hash());
                        return;
                    }
                };
                *self = only;
            }
        }
    }
}

/// A subtree of those changes that put something.
fn built(depth: usize, changes: &[Change], leaves: &mut isize) -> Tree {
    let mut values = changes.iter().filter_map(|(path, value)| Some((path, (*value)?)));
    match (values.next(), values.next()) {
        (None, _) => Tree::Empty,
        (Some((path, value)), None) => {
            *leaves += 1;
            Tree::Leaf { path: *path, value, hash: leaf(path, &value) }
        }
        (Some(_), Some(_)) => {
            let (low, high) = parted(depth, changes);
            let halves = [built(depth + 1, low, leaves), built(depth + 1, high, leaves)];
            let hash = node_hash(halves[0].hash(), halves[1].hash());
            Tree::Fork { hash, halves: Box::new(halves) }
        }
    }
}

fn parted(depth: usize, changes: &[Change]) -> (&[Change], &[Change]) {
    changes.split_at(changes.partition_point(|change| !bit(&change.0, depth)))
}

/// The root above a hash, by the siblings from the root down.
fn climbed(hash: [u8; 32], siblings: &[[u8; 32]], path: &[u8; 32]) -> [u8; 32] {
    siblings.iter().enumerate().rev().fold(hash, |hash, (depth, sibling)| {
        if bit(path, depth) { node_hash(sibling, &hash) } else { node_hash(&hash, sibling) }
    })
}

/// The first path that begins with so many bits of a place, at most 32.
fn range_start(place: u32, bits: u32) -> [u8; 32] {
    let mut path = [0; 32];
    let first = place.checked_shl(u32::BITS - bits.min(u32::BITS)).unwrap_or(0);
    path[..4].copy_from_slice(&first.to_be_bytes());
    path
}

/// The hash of a leaf.
fn leaf(path: &[u8; 32], value: &[u8; 32]) -> [u8; 32] {
    tagged_hash(0, path, value)
}

/// The bit of a path that decides at this depth; past the end of all paths none is set.
fn bit(path: &[u8; 32], depth: usize) -> bool {
    path.get(depth / 8).is_some_and(|byte| byte & (0x80 >> (depth % 8)) != 0)
}

/// Whether two paths begin with the same bits.
fn agree(one: &[u8; 32], other: &[u8; 32], bits: usize) -> bool {
    (0..bits).all(|depth| bit(one, depth) == bit(other, depth))
}

static EMPTY: [u8; 32] = [0; 32];
