//! The map of the state: one root for one content, proofs of what is there and of what is not.

use interbank_ledger::*;
use port::WireError;
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;

/// The root straight from the definition.
fn root_of(leaves: &[([u8; 32], [u8; 32])], depth: usize) -> [u8; 32] {
    match leaves {
        [] => [0; 32],
        [(path, value)] => Sha256::digest([&[0], &path[..], value].concat()).into(),
        _ => {
            let is_low = |path: &[u8; 32]| path[depth / 8] & (0x80 >> (depth % 8)) == 0;
            let (low, high): (Vec<_>, Vec<_>) = leaves.iter().partition(|(path, _)| is_low(path));
            let halves = [root_of(&low, depth + 1), root_of(&high, depth + 1)];
            Sha256::digest([&[1], &halves[0][..], &halves[1]].concat()).into()
        }
    }
}

/// Paths that share long beginnings, so that deep trees come about.
fn path(n: u8) -> [u8; 32] {
    let mut path = [0; 32];
    path[0] = n & 0x81;
    path[3] = n;
    path
}

#[test]
fn an_empty_map_proves_that_nothing_is_there() {
    let map = StateMap::new();
    assert_eq!(map.root(), [0; 32]);
    assert!(map.prove(&path(1)).shows(&map.root(), &path(1), None));
    assert!(!map.prove(&path(1)).shows(&map.root(), &path(1), Some(&[0; 32])));
}

#[test]
fn what_was_taken_out_leaves_no_trace() {
    let mut map = StateMap::new();
    map.update([(path(1), Some([1; 32])), (path(2), Some([2; 32]))]);
    let before = map.clone();
    map.update((3..80).map(|n| (path(n), Some([n; 32]))));
    assert_eq!(map.len(), 79);
    map.update((3..80).map(|n| (path(n), None)));
    assert_eq!(map, before);
    map.update([(path(1), None), (path(9), None), (path(2), None)]);
    assert!(map.is_empty() && map.root() == [0; 32]);
}

#[test]
fn the_last_change_of_a_path_counts() {
    let mut map = StateMap::new();
    map.update([(path(1), Some([1; 32])), (path(1), None), (path(1), Some([3; 32]))]);
    assert!(map.prove(&path(1)).shows(&map.root(), &path(1), Some(&[3; 32])));
    assert_eq!(map.len(), 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn one_content_has_one_root_and_proofs_tell_the_truth(
        batches in vec(btree_map(any::<u8>(), any::<Option<u8>>(), 0..12), 0..8),
        asked in any::<u8>(),
        flip in any::<(usize, u8)>(),
    ) {
        let mut map = StateMap::new();
        let mut model = BTreeMap::new();
        for batch in &batches {
            for (n, value) in batch {
                match value {
                    Some(value) => model.insert(path(*n), [*value; 32]),
                    None => model.remove(&path(*n)),
                };
            }
            map.update(batch.iter().map(|(n, value)| (path(*n), value.map(|value| [value; 32]))));
        }
        let leaves: Vec<_> = model.iter().map(|(path, value)| (*path, *value)).collect();
        prop_assert_eq!(map.root(), root_of(&leaves, 0));
        prop_assert_eq!(map.len(), leaves.len());

        let (asked, root) = (path(asked), map.root());
        let truth = model.get(&asked);
        let proof = map.prove(&asked);
        prop_assert!(proof.shows(&root, &asked, truth));
        // Nothing else is shown: another value, or the contrary.
        prop_assert!(!proof.shows(&root, &asked, Some(&[0xEE; 32])) || truth == Some(&[0xEE; 32]));
        prop_assert!(truth.is_none() || !proof.shows(&root, &asked, None));

        let mut bytes = Vec::new();
        proof.encode(&mut bytes).unwrap();
        prop_assert_eq!(MapProof::parse(&bytes), Ok(proof));
        let at = flip.0 % bytes.len();
        if flip.1 != 0 {
            bytes[at] ^= flip.1;
            if let Ok(damaged) = MapProof::parse(&bytes) {
                prop_assert!(!damaged.shows(&root, &asked, truth));
            }
        }
    }

    #[test]
    fn foreign_proofs_have_one_encoding(bytes in vec(any::<u8>(), 0..200)) {
        if let Ok(proof) = MapProof::parse(&bytes) {
            let mut again = Vec::new();
            proof.encode(&mut again).unwrap();
            prop_assert_eq!(again, bytes);
        }
    }
}

#[test]
fn a_proof_has_at_most_as_many_steps_as_a_path_has_bits() {
    let mut bytes = vec![1, 1, 1];
    bytes.resize(3 + 33, 0);
    bytes.push(0);
    assert_eq!(MapProof::parse(&bytes), Err(WireError::TooLong));
}
