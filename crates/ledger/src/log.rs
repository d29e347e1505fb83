//! The log of all transactions: a Merkle tree that only grows (RFC 6962 §2.1, RFC 9162 §2.1, SHA-256).

use alloc::vec::Vec;
use sha2::block_api::compress256;
use sha2::{Digest as _, Sha256};

/// A Merkle tree that only grows, with the hashes of all its complete subtrees.
///
/// Every root that it ever had can be proved to be the beginning of every later one, and every entry to be under every root
/// since it was added.
///
/// ```
/// use interbank_ledger::{Log, leaf_hash, verify_consistency, verify_inclusion};
/// let mut log = Log::new();
/// let leaves = [b"a", b"b", b"c"].map(|entry| leaf_hash(entry));
/// leaves.iter().for_each(|leaf| log.push(*leaf));
/// let proof = log.inclusion(1, 3).unwrap();
/// assert!(verify_inclusion(&log.root(), 3, 1, &leaves[1], &proof));
/// let grown = log.consistency(2, 3).unwrap();
/// assert!(verify_consistency(&log.root_at(2).unwrap(), 2, &log.root(), 3, &grown));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Log {
    /// For each level the hashes of its complete subtrees; level 0 are the leaves.
    levels: Vec<Vec<[u8; 32]>>,
}

impl Log {
    /// How many hashes a full tile has (C2SP `tlog-tiles`).
    pub const TILE_WIDTH: usize = 256;

    /// Without entries.
    pub const fn new() -> Self {
        Self { levels: Vec::new() }
    }

    /// Adds an entry by its leaf hash.
    pub fn push(&mut self, leaf: [u8; 32]) {
        let mut hash = leaf;
        for at in 0.. {
            if at == self.levels.len() {
                self.levels.push(Vec::new());
            }
            let level = &mut self.levels[at];
            level.push(hash);
            match level.as_slice() {
                [.., left, right] if level.len().is_multiple_of(2) => hash = node_hash(left, right),
                _ => break,
            }
        }
    }

    /// Forgets every entry after the first `size`.
    pub(crate) fn truncate(&mut self, size: u64) {
        let Some(size) = self.within(size) else { return };
        for (at, level) in self.levels.iter_mut().enumerate() {
            level.truncate(size >> at);
        }
        while self.levels.last().is_some_and(Vec::is_empty) {
            self.levels.pop();
        }
    }

    /// How many entries it has.
    pub fn size(&self) -> u64 {
        self.levels.first().map_or(0, |leaves| leaves.len() as u64)
    }

    /// The root over all entries.
    pub fn root(&self) -> [u8; 32] {
        // All of it is there.
        self.root_at(self.size()).unwrap_or_else(empty_root)
    }

    /// The root over the first entries; `None` if there are fewer.
    pub fn root_at(&self, size: u64) -> Option<[u8; 32]> {
        let size = self.within(size)?;
        if size == 0 { Some(empty_root()) } else { self.subtree(0, size) }
    }

    /// The leaf hash of an entry.
    pub fn leaf(&self, index: u64) -> Option<[u8; 32]> {
        self.levels.first()?.get(usize::try_from(index).ok()?).copied()
    }

    /// The proof that an entry is under the root over the first `size` entries, from the leaf up (RFC 6962 §2.1.1).
    pub fn inclusion(&self, index: u64, size: u64) -> Option<Vec<[u8; 32]>> {
        let size = self.within(size)?;
        let mut node = usize::try_from(index).ok().filter(|index| *index < size)?;
        let mut proof = Vec::with_capacity(self.levels.len());
        for (level, hashes) in self.levels.iter().enumerate() {
            let complete = size >> level;
            // The last entries may make no complete subtree of the level, and are one node together.
            let has_rest = !size.is_multiple_of(1 << level);
            if complete + usize::from(has_rest) == 1 {
                break;
            }
            let sibling = node ^ 1;
            if sibling < complete {
                proof.push(*hashes.get(sibling)?);
            } else if sibling == complete && has_rest {
                // Once in a proof at most: above, the way is in the rest itself.
                proof.push(self.subtree(complete << level, size)?);
            }
            node >>= 1;
        }
        Some(proof)
    }

    /// The proof that the first `old` entries are the beginning of the first `new` ones (RFC 6962 §2.1.2).
    pub fn consistency(&self, old: u64, new: u64) -> Option<Vec<[u8; 32]>> {
        let new = self.within(new)?;
        let old = usize::try_from(old).ok().filter(|old| *old <= new)?;
        if old == 0 || old == new {
            return Some(Vec::new());
        }
        let (mut low, mut high) = (0, new);
        let mut proof = Vec::with_capacity(64);
        while high != old {
            let middle = low + split(high - low);
            if old <= middle {
                proof.push(self.subtree(middle, high)?);
                high = middle;
            } else {
                proof.push(self.subtree(low, middle)?);
                low = middle;
            }
        }
        if low > 0 {
            proof.push(self.subtree(low, high)?);
        }
        proof.reverse();
        Some(proof)
    }

    /// The hashes of a tile, one after the other: up to 256 of level `8 × level`, from `256 × index` on (C2SP `tlog-tiles`).
    pub fn tile(&self, level: usize, index: u64) -> Option<Vec<u8>> {
        let hashes = self.levels.get(level.checked_mul(8)?)?;
        let from = usize::try_from(index).ok()?.checked_mul(Self::TILE_WIDTH)?;
        let tile = hashes.get(from..hashes.len().min(from + Self::TILE_WIDTH))?;
        (!tile.is_empty()).then(|| tile.concat())
    }

    fn within(&self, size: u64) -> Option<usize> {
        usize::try_from(size).ok().filter(|_| size <= self.size())
    }

    /// The hash over the entries from `low` to `high`, at least one.
    fn subtree(&self, low: usize, high: usize) -> Option<[u8; 32]> {
        let size = high - low;
        if size.is_power_of_two() && low.is_multiple_of(size) {
            let level = size.trailing_zeros() as usize;
            return self.levels.get(level)?.get(low >> level).copied();
        }
        let middle = low + split(size);
        Some(node_hash(&self.subtree(low, middle)?, &self.subtree(middle, high)?))
    }
}

/// The root over entries that are not kept: of one block's transactions.
///
/// ```
/// use interbank_ledger::{Log, leaf_hash, root_over};
/// let leaves = [1_u8, 2, 3, 4, 5].map(|n| leaf_hash(&[n]));
/// let mut log = Log::new();
/// leaves.iter().for_each(|leaf| log.push(*leaf));
/// assert_eq!(root_over(&leaves), log.root());
/// ```
pub fn root_over(leaves: &[[u8; 32]]) -> [u8; 32] {
    match leaves {
        [] => empty_root(),
        [leaf] => *leaf,
        _ => {
            let (left, right) = leaves.split_at(split(leaves.len()));
            node_hash(&root_over(left), &root_over(right))
        }
    }
}

/// Whether a proof shows that an entry with this leaf hash is the one at `index` of the `size` entries under a root
/// (RFC 9162 §2.1.3.2).
pub fn verify_inclusion(
    root: &[u8; 32],
    size: u64,
    index: u64,
    leaf: &[u8; 32],
    proof: &[[u8; 32]],
) -> bool {
    if index >= size {
        return false;
    }
    let (mut node, mut last) = (index, size - 1);
    let mut hash = *leaf;
    for sibling in proof {
        if last == 0 {
            return false;
        }
        if node % 2 == 1 || node == last {
            hash = node_hash(sibling, &hash);
            while node % 2 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            hash = node_hash(&hash, sibling);
        }
        node >>= 1;
        last >>= 1;
    }
    last == 0 && hash == *root
}

/// Whether a proof shows that the `old` entries under a root are the beginning of the `new` entries under another
/// (RFC 9162 §2.1.4.2). No entries are the beginning of everything.
pub fn verify_consistency(
    old_root: &[u8; 32],
    old: u64,
    new_root: &[u8; 32],
    new: u64,
    proof: &[[u8; 32]],
) -> bool {
    if old > new {
        return false;
    }
    if old == new {
        return proof.is_empty() && old_root == new_root;
    }
    if old == 0 {
        return proof.is_empty();
    }
    // Where the old tree is complete, its root is the first hash and left out.
    let (first, rest) = if old.is_power_of_two() {
        (old_root, proof)
    } else {
        let Some((first, rest)) = proof.split_first() else { return false };
        (first, rest)
    };
    let shift = (old - 1).trailing_ones();
    let (mut node, mut last) = ((old - 1) >> shift, (new - 1) >> shift);
    let (mut old_hash, mut new_hash) = (*first, *first);
    for sibling in rest {
        if last == 0 {
            return false;
        }
        if node % 2 == 1 || node == last {
            old_hash = node_hash(sibling, &old_hash);
            new_hash = node_hash(sibling, &new_hash);
            while node % 2 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            new_hash = node_hash(&new_hash, sibling);
        }
        node >>= 1;
        last >>= 1;
    }
    last == 0 && old_hash == *old_root && new_hash == *new_root
}

/// The hash of an entry: SHA-256 of a zero byte and the entry.
pub fn leaf_hash(entry: &[u8]) -> [u8; 32] {
    Sha256::new_with_prefix([0]).chain_update(entry).finalize().into()
}

/// The hash over two subtrees: SHA-256 of a one byte and their hashes.
pub(crate) fn node_hash(left: &[u8; 32], right: &[u8; 32]) -> [u8; 32] {
    tagged_hash(1, left, right)
}

/// SHA-256 of a byte and two hashes. Nearly all that the trees hash is of this length, so its padding is known, and the two blocks
/// are put together here instead of in a buffer.
pub(crate) fn tagged_hash(tag: u8, left: &[u8; 32], right: &[u8; 32]) -> [u8; 32] {
    const BITS: [u8; 2] = (65_u16 * 8).to_be_bytes();
    let mut blocks = [[0; 64]; 2];
    let [first, second] = &mut blocks;
    first[0] = tag;
    first[1..33].copy_from_slice(left);
    first[33..].copy_from_slice(&right[..31]);
    second[0] = right[31];
    second[1] = 0x80;
    second[62..].copy_from_slice(&BITS);
    let mut state = INITIAL;
    compress256(&mut state, &blocks);
    let mut hash = [0; 32];
    for (to, word) in hash.as_chunks_mut().0.iter_mut().zip(state) {
        *to = word.to_be_bytes();
    }
    hash
}

fn empty_root() -> [u8; 32] {
    Sha256::digest([]).into()
}

/// The largest power of two below `size`, which is at least two.
fn split(size: usize) -> usize {
    1 << (size - 1).ilog2()
}

/// Where SHA-256 starts (FIPS 180-4 §5.3.3).
const INITIAL: [u32; 8] = [
    0x6a09_e667,
    0xbb67_ae85,
    0x3c6e_f372,
    0xa54f_f53a,
    0x510e_527f,
    0x9b05_688c,
    0x1f83_d9ab,
    0x5be0_cd19,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_blocks_put_together_hash_like_any_others() {
        let mut hash: [u8; 32] = Sha256::digest(b"start").into();
        for tag in 0..=255 {
            let other: [u8; 32] = Sha256::digest(hash).into();
            let expected: [u8; 32] = Sha256::digest([&[tag][..], &hash, &other].concat()).into();
            assert_eq!(tagged_hash(tag, &hash, &other), expected);
            hash = expected;
        }
    }
}
