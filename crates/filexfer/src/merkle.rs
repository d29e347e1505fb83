//! Merkle trees of RFC 9162 §2.1 with SHA-256, built once over all leaves.

use alloc::vec::Vec;
use sha2::{Digest as _, Sha256};

/// The tree over a list of leaves, level by level from the leaves up.
///
/// A node without a sibling moves up as it is: that gives the tree of RFC 9162, whose left subtrees have the largest power of
/// two of leaves that leaves one for the right.
#[derive(Clone, Debug)]
pub(crate) struct Tree {
    levels: Vec<Vec<Hash>>,
}

impl Tree {
    pub(crate) fn new(leaves: Vec<Hash>) -> Self {
        let mut levels = alloc::vec![leaves];
        while let Some(below) = levels.last().filter(|level| level.len() > 1) {
            let pairs = below.chunks(2).map(|pair| match pair {
                [left, right] => node_hash(left, right),
                [alone] => *alone,
                _ => Hash::default(),
            });
            let level = pairs.collect();
            levels.push(level);
        }
        Self { levels }
    }

    /// SHA-256 of nothing for no leaves.
    pub(crate) fn root(&self) -> Hash {
        let root = self.levels.last().and_then(|level| level.first());
        root.copied().unwrap_or_else(|| Sha256::digest([]).into())
    }

    /// The siblings on the way from a leaf to the root.
    pub(crate) fn path(&self, index: usize) -> Vec<u8> {
        let mut path = Vec::with_capacity(self.levels.len() * 32);
        for (height, level) in self.levels.iter().enumerate() {
            if let Some(sibling) = level.get((index >> height) ^ 1) {
                path.extend_from_slice(sibling);
            }
        }
        path
    }
}

/// What is known of the tree under one root: the nodes that paths have proved, with all that lies beside and above them.
#[derive(Clone, Debug)]
pub(crate) struct Proven {
    root: Hash,
    count: usize,
    levels: Vec<Vec<Option<Hash>>>,
}

impl Proven {
    /// Only the root. `count` must have been bounded.
    pub(crate) fn new(root: Hash, count: u64) -> Self {
        let count = usize::try_from(count).unwrap_or(0);
        let mut len = count;
        let mut levels = Vec::new();
        while len > 1 {
            levels.push(alloc::vec![None; len]);
            len = len.div_ceil(2);
        }
        Self { root, count, levels }
    }

    /// Whether a leaf is under the root, by its path; what is known already is compared and not hashed again.
    pub(crate) fn prove(&mut self, index: usize, leaf: Hash, path: &[u8]) -> bool {
        let (siblings, []) = path.as_chunks::<32>() else { return false };
        if index >= self.count {
            return false;
        }
        let mut siblings = siblings.iter();
        let mut node = leaf;
        // Until a known node is met; from there on siblings are known and have to be the same.
        let mut is_known = false;
        let mut climbed: Vec<(usize, Hash, Option<Hash>)> = Vec::with_capacity(self.levels.len());
        for (height, level) in self.levels.iter().enumerate() {
            let at = index >> height;
            let Some(here) = level.get(at) else { return false };
            if !is_known && let Some(known) = here {
                if *known != node {
                    return false;
                }
                is_known = true;
            }
            let sibling = if at ^ 1 < level.len() {
                let Some(sibling) = siblings.next() else { return false };
                Some(*sibling)
            } else {
                None
            };
            if is_known {
                if sibling.is_some() && level.get(at ^ 1).copied().flatten() != sibling {
                    return false;
                }
                continue;
            }
            climbed.push((at, node, sibling));
            node = match sibling {
                Some(sibling) if at & 1 == 0 => node_hash(&node, &sibling),
                Some(sibling) => node_hash(&sibling, &node),
                None => node,
            };
        }
        if siblings.next().is_some() || !(is_known || node == self.root) {
            return false;
        }
        for ((at, node, sibling), level) in climbed.into_iter().zip(&mut self.levels) {
            for (at, hash) in [(at, Some(node)), (at ^ 1, sibling)] {
                if let Some(place) = level.get_mut(at) {
                    *place = hash;
                }
            }
        }
        true
    }
}

/// Whether a leaf is under a root of `count` leaves (RFC 9162 §2.1.3.2).
pub(crate) fn is_included(root: &Hash, count: u64, index: u64, leaf: Hash, path: &[u8]) -> bool {
    root_of(count, index, leaf, path).is_some_and(|found| found == *root)
}

/// The root of `count` leaves to which a path leads from one of them; `None` if it is no path of such a tree.
pub(crate) fn root_of(count: u64, index: u64, leaf: Hash, path: &[u8]) -> Option<Hash> {
    let (siblings, []) = path.as_chunks::<32>() else { return None };
    let mut siblings = siblings.iter();
    let (mut at, mut len, mut node) = (index, count, leaf);
    if at >= len {
        return None;
    }
    while len > 1 {
        if at ^ 1 < len {
            let sibling = siblings.next()?;
            node = if at & 1 == 0 { node_hash(&node, sibling) } else { node_hash(sibling, &node) };
        }
        at >>= 1;
        len = len.div_ceil(2);
    }
    siblings.next().is_none().then_some(node)
}

/// Of a leaf's bytes.
pub(crate) fn leaf_hash(bytes: &[u8]) -> Hash {
    Sha256::new().chain_update([0]).chain_update(bytes).finalize().into()
}

fn node_hash(left: &Hash, right: &Hash) -> Hash {
    let mut bytes = [1; 65];
    bytes[1..33].copy_from_slice(left);
    bytes[33..].copy_from_slice(right);
    Sha256::digest(bytes).into()
}

pub(crate) type Hash = [u8; 32];

#[cfg(test)]
mod tests {
    use super::*;
    use ct_merkle::mem_backed_tree::MemoryBackedTree;

    fn leaf(n: usize) -> Vec<u8> {
        n.to_be_bytes().to_vec()
    }

    /// An independent implementation makes the same roots and paths.
    #[test]
    fn roots_and_paths_are_those_of_ct_merkle() {
        for count in (1..70).chain([127, 128, 129, 1_000]) {
            let mut peer: MemoryBackedTree<Sha256, Vec<u8>> = MemoryBackedTree::new();
            (0..count).for_each(|n| peer.push(leaf(n)));
            let tree = Tree::new((0..count).map(|n| leaf_hash(&leaf(n))).collect());
            assert_eq!(tree.root()[..], peer.root().as_bytes()[..], "{count}");
            let many = u64::try_from(count).unwrap();
            let mut proven = Proven::new(tree.root(), many);
            // In an order that is not theirs: what was proved meets what was not.
            for n in (0..count).map(|n| (n * 37) % count) {
                let path = tree.path(n);
                assert_eq!(path, peer.prove_inclusion(n).as_bytes(), "{n} of {count}");
                let (at, hash) = (u64::try_from(n).unwrap(), leaf_hash(&leaf(n)));
                assert!(is_included(&tree.root(), many, at, hash, &path));
                assert!(proven.prove(n, hash, &path), "{n} of {count}");
                assert!(proven.prove(n, hash, &path), "{n} of {count}, again");
            }
        }
    }

    #[test]
    fn nothing_else_is_included() {
        for count in [1, 2, 3, 5, 8, 13, 64] {
            let tree = Tree::new((0..count).map(|n| leaf_hash(&leaf(n))).collect());
            let (root, many) = (tree.root(), u64::try_from(count).unwrap());
            // With nothing known, and with everything.
            let fresh = Proven::new(root, many);
            let mut full = fresh.clone();
            for n in 0..count {
                assert!(full.prove(n, leaf_hash(&leaf(n)), &tree.path(n)));
            }
            for n in 0..count {
                let (hash, path) = (leaf_hash(&leaf(n)), tree.path(n));
                let refused = |index: usize, hash: Hash, path: &[u8]| {
                    let at = u64::try_from(index).unwrap();
                    let fresh = fresh.clone().prove(index, hash, path);
                    let full = full.clone().prove(index, hash, path);
                    !is_included(&root, many, at, hash, path) && !fresh && !full
                };
                assert!(refused(n, leaf_hash(b"other"), &path));
                assert!(refused(count + n, hash, &path));
                assert!(count == 1 || refused((n + 1) % count, hash, &path));
                assert!(refused(n, hash, &[&path[..], &[0; 32]].concat()));
                for at in 0..path.len() {
                    let mut bad = path.clone();
                    bad[at] ^= 1;
                    assert!(refused(n, hash, &bad) && refused(n, hash, &path[..at]));
                }
            }
        }
    }
}
