//! The log's tree: published vectors, another implementation, and everything that must not verify.

use ct_merkle::mem_backed_tree::MemoryBackedTree;
use interbank_ledger::*;
use proptest::prelude::*;
use sha2::Sha256;

/// The leaves and roots of the trees of sizes 0 to 8 that the implementations of RFC 6962 share.
const LEAVES: [&str; 8] = [
    "",
    "00",
    "10",
    "2021",
    "3031",
    "40414243",
    "5051525354555657",
    "606162636465666768696a6b6c6d6e6f",
];
const ROOTS: [&str; 9] = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];
/// Hashes within these trees, by level and place.
const NODE_0_0: &str = "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d";
const NODE_0_1: &str = "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7";
const NODE_0_4: &str = "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b";
const NODE_0_6: &str = "b08693ec2e721597130641e8211e7eedccb4c26413963eee6c1e2ed16ffb1a5f";
const NODE_1_0: &str = "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125";
const NODE_1_1: &str = "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e";
const NODE_1_2: &str = "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a";
const NODE_1_3: &str = "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0";
const NODE_2_0: &str = "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7";
const NODE_2_1: &str = "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4";
/// Index, size, proof.
const INCLUSION: [(u64, u64, &[&str]); 5] = [
    (0, 1, &[]),
    (0, 8, &[NODE_0_1, NODE_1_1, NODE_2_1]),
    (5, 8, &[NODE_0_4, NODE_1_3, NODE_2_0]),
    (2, 3, &[NODE_1_0]),
    (1, 5, &[NODE_0_0, NODE_1_1, NODE_0_4]),
];
/// Old size, new size, proof.
const CONSISTENCY: [(u64, u64, &[&str]); 5] = [
    (1, 1, &[]),
    (1, 8, &[NODE_0_1, NODE_1_1, NODE_2_1]),
    (6, 8, &[NODE_1_2, NODE_1_3, NODE_2_0]),
    (2, 5, &[NODE_1_1, NODE_0_4]),
    (6, 7, &[NODE_1_2, NODE_0_6, NODE_2_0]),
];

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

fn hash(hex: &str) -> [u8; 32] {
    bytes(hex).try_into().unwrap()
}

fn hashes(proof: &[&str]) -> Vec<[u8; 32]> {
    proof.iter().map(|hex| hash(hex)).collect()
}

fn published() -> Log {
    let mut log = Log::new();
    LEAVES.iter().for_each(|leaf| log.push(leaf_hash(&bytes(leaf))));
    log
}

#[test]
fn roots_are_the_published_ones() {
    let mut log = Log::new();
    assert_eq!(log.root(), hash(ROOTS[0]));
    for (leaf, root) in LEAVES.iter().zip(&ROOTS[1..]) {
        log.push(leaf_hash(&bytes(leaf)));
        assert_eq!(log.root(), hash(root));
    }
    for (size, root) in (0..).zip(ROOTS) {
        assert_eq!(log.root_at(size), Some(hash(root)));
    }
    assert_eq!(log.root_at(9), None);
}

#[test]
fn inclusion_proofs_are_the_published_ones_and_nothing_beside_them() {
    let log = published();
    let random = hash("abacaba000000000000000000000000000000000000000000060061e00123456");
    for (index, size, proof) in INCLUSION {
        let proof = hashes(proof);
        assert_eq!(log.inclusion(index, size), Some(proof.clone()));
        let root = hash(ROOTS[usize::try_from(size).unwrap()]);
        let leaf = log.leaf(index).unwrap();
        assert!(verify_inclusion(&root, size, index, &leaf, &proof));
        // Another index, another size, another root, another leaf.
        for wrong in [index.wrapping_sub(1), index + 1, index ^ 2] {
            assert!(!verify_inclusion(&root, size, wrong, &leaf, &proof));
        }
        assert!(!verify_inclusion(&root, size * 2, index, &leaf, &proof));
        assert!(!verify_inclusion(&root, size / 2, index, &leaf, &proof));
        assert!(!verify_inclusion(&hash(ROOTS[0]), size, index, &leaf, &proof));
        assert!(!verify_inclusion(&random, size, index, &leaf, &proof));
        assert!(!verify_inclusion(&root, size, index, &leaf_hash(b"WrongLeaf"), &proof));
        // Parts added, left out, exchanged, flipped.
        let check = |proof: Vec<[u8; 32]>| verify_inclusion(&root, size, index, &leaf, &proof);
        for extra in [[0; 32], root] {
            assert!(!check([&proof[..], &[extra]].concat()));
            assert!(!check([&[extra], &proof[..]].concat()));
        }
        for at in 0..proof.len() {
            let mut flipped = proof.clone();
            flipped[at][0] ^= 8;
            assert!(!check(flipped));
        }
        if let [first, rest @ ..] = &proof[..] {
            assert!(!check(proof[..rest.len()].to_vec()));
            assert!(!check([&[*first, random], rest].concat()));
        }
    }
    for (index, size) in [(0, 0), (1, 0), (2, 1), (1, 1)] {
        assert!(!verify_inclusion(&random, size, index, &random, &[]));
    }
}

#[test]
fn consistency_proofs_are_the_published_ones_and_nothing_beside_them() {
    let log = published();
    let root_of = |size: u64| hash(ROOTS[usize::try_from(size).unwrap()]);
    for (old, new, proof) in CONSISTENCY {
        let proof = hashes(proof);
        assert_eq!(log.consistency(old, new), Some(proof.clone()));
        let (a, b) = (root_of(old), root_of(new));
        assert!(verify_consistency(&a, old, &b, new, &proof));
        if proof.is_empty() {
            continue;
        }
        for wrong in [old - 1, old + 1, old ^ 2] {
            assert!(!verify_consistency(&a, wrong, &b, new, &proof), "{old} as {wrong}");
        }
        assert!(!verify_consistency(&a, old, &b, new * 2, &proof));
        assert!(!verify_consistency(&a, old, &b, new / 2, &proof));
        assert!(!verify_consistency(&[7; 32], old, &b, new, &proof));
        assert!(!verify_consistency(&a, old, &[7; 32], new, &proof));
        assert!(!verify_consistency(&b, old, &a, new, &proof));
        let check = |proof: Vec<[u8; 32]>| verify_consistency(&a, old, &b, new, &proof);
        assert!(!check(vec![]));
        for extra in [[0; 32], a, b, proof[0]] {
            assert!(!check([&proof[..], &[extra]].concat()));
            assert!(!check([&[extra], &proof[..]].concat()));
        }
        assert!(!check(proof[..proof.len() - 1].to_vec()));
        for at in 0..proof.len() {
            let mut flipped = proof.clone();
            flipped[at][0] ^= 16;
            assert!(!check(flipped));
        }
    }
    let empty = hash(ROOTS[0]);
    assert!(verify_consistency(&empty, 0, &empty, 0, &[]));
    assert!(verify_consistency(&empty, 0, &root_of(1), 1, &[]));
    assert!(!verify_consistency(&empty, 0, &root_of(1), 0, &[]));
    assert!(!verify_consistency(&root_of(1), 1, &empty, 0, &[]));
    assert!(!verify_consistency(&root_of(1), 1, &root_of(2), 2, &[]));
    assert!(!verify_consistency(&empty, 0, &empty, 0, &[empty]));
    assert!(!verify_consistency(&empty, 0, &empty, 1, &[empty]));
    assert!(!verify_consistency(&empty, 1, &empty, 1, &[empty]));
}

#[test]
fn tiles_are_hashes_of_every_eighth_level() {
    let mut log = Log::new();
    (0..600_u32).for_each(|n| log.push(leaf_hash(&n.to_be_bytes())));
    let first = log.tile(0, 0).unwrap();
    assert_eq!(first.len(), 256 * 32);
    assert_eq!(first[32..64], leaf_hash(&1_u32.to_be_bytes()));
    // A partial tile has what is there, and a tile of the next level the roots of full ones.
    assert_eq!(log.tile(0, 2).unwrap().len(), 88 * 32);
    assert_eq!(log.tile(0, 3), None);
    let above = log.tile(1, 0).unwrap();
    assert_eq!(above.len(), 2 * 32);
    let leaves: Vec<[u8; 32]> = first.chunks(32).map(|hash| hash.try_into().unwrap()).collect();
    assert_eq!(above[..32], root_over(&leaves));
    assert_eq!(log.tile(2, 0), None);
}

/// The path as RFC 6962 §2.1.1 defines it.
fn path(index: usize, leaves: &[[u8; 32]]) -> Vec<[u8; 32]> {
    if leaves.len() == 1 {
        return Vec::new();
    }
    let (left, right) = leaves.split_at(1 << (leaves.len() - 1).ilog2());
    let (mut path, sibling) = match index.checked_sub(left.len()) {
        None => (path(index, left), right),
        Some(index) => (path(index, right), left),
    };
    path.push(root_over(sibling));
    path
}

#[test]
fn paths_are_as_defined_for_every_size_the_log_has_had() {
    let leaves: Vec<[u8; 32]> = (0..70_u32).map(|n| leaf_hash(&n.to_be_bytes())).collect();
    let mut log = Log::new();
    leaves.iter().for_each(|leaf| log.push(*leaf));
    for size in 1..=leaves.len() {
        for index in 0..size {
            let proof = log.inclusion(index as u64, size as u64).unwrap();
            assert_eq!(proof, path(index, &leaves[..size]), "{index} of {size}");
        }
        assert_eq!(log.inclusion(size as u64, size as u64), None);
    }
    assert_eq!(log.inclusion(0, 71), None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn another_implementation_agrees(size in 1..200_u64, index in 0..200_u64, old in 1..200_u64) {
        let (index, old) = (index % size, old % size + 1);
        let mut log = Log::new();
        let mut peer = MemoryBackedTree::<Sha256, Vec<u8>>::new();
        for n in 0..size {
            let entry = n.to_be_bytes().to_vec();
            log.push(leaf_hash(&entry));
            peer.push(entry);
        }
        let peer_root = peer.root();
        prop_assert_eq!(&log.root()[..], &peer_root.as_bytes()[..]);
        let at = usize::try_from(index).unwrap();
        let proof = log.inclusion(index, size).unwrap();
        let inclusion = peer.prove_inclusion(at);
        prop_assert_eq!(&proof.concat()[..], inclusion.as_bytes());
        prop_assert!(verify_inclusion(&log.root(), size, index, &log.leaf(index).unwrap(), &proof));
        let grown = log.consistency(old, size).unwrap();
        if old < size {
            let consistency = peer.prove_consistency(usize::try_from(size - old).unwrap());
            prop_assert_eq!(&grown.concat()[..], consistency.as_bytes());
        }
        prop_assert!(verify_consistency(&log.root_at(old).unwrap(), old, &log.root(), size, &grown));
    }
}
