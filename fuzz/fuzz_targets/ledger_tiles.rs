//! A log of any size, its tiles, and its proofs as they are and changed: tiles give the roots, and nothing false verifies.

#![no_main]

use interbank_ledger::{Log, leaf_hash, root_over, verify_consistency, verify_inclusion};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some(([a, b, c, d, e], changes)) = bytes.split_first_chunk::<5>() else { return };
    let size = u64::from(u16::from_be_bytes([*a, *b])) % 700;
    let leaves: Vec<[u8; 32]> = (0..size).map(|n| leaf_hash(&n.to_be_bytes())).collect();
    let mut log = Log::new();
    leaves.iter().for_each(|leaf| log.push(*leaf));
    let root = log.root();
    assert_eq!(root, root_over(&leaves));
    // From the tiles of the leaf level the same tree comes about.
    let mut again = Log::new();
    for tile in (0..).map_while(|index| log.tile(0, index)) {
        let (hashes, rest) = tile.as_chunks::<32>();
        assert!(rest.is_empty() && hashes.len() <= Log::TILE_WIDTH);
        hashes.iter().for_each(|hash| again.push(*hash));
    }
    assert_eq!(again, log);
    if size == 0 {
        return;
    }
    let (index, old) = (u64::from(u16::from_be_bytes([*c, *d])) % size, u64::from(*e) * 3 % size);
    let leaf = &leaves[usize::try_from(index).unwrap()];
    let path = log.inclusion(index, size).unwrap();
    assert!(verify_inclusion(&root, size, index, leaf, &path));
    let old_root = log.root_at(old).unwrap();
    let growth = log.consistency(old, size).unwrap();
    assert!(verify_consistency(&old_root, old, &root, size, &growth));
    let damaged = change(&path, changes);
    assert_eq!(verify_inclusion(&root, size, index, leaf, &damaged), damaged == path);
    let damaged = change(&growth, changes);
    let holds = verify_consistency(&old_root, old, &root, size, &damaged);
    assert_eq!(holds, damaged == growth);
    // Another leaf at this place, and this one at another.
    let other = leaves[usize::try_from(old).unwrap()];
    let holds = verify_inclusion(&root, size, index, &other, &path);
    assert_eq!(holds, old == index);
    assert!(!verify_inclusion(&root, size, index ^ 1, leaf, &path) || size == 1);
});

/// Hashes are changed, doubled, or left out.
fn change(proof: &[[u8; 32]], changes: &[u8]) -> Vec<[u8; 32]> {
    let mut proof = proof.to_vec();
    for [how, at, with] in changes.as_chunks::<3>().0.iter().take(8) {
        let place = usize::from(*at) % proof.len().max(1);
        match how % 3 {
            0 if place < proof.len() => proof[place][usize::from(*with) % 32] ^= how / 3,
            1 => proof.insert(place.min(proof.len()), [*with; 32]),
            2 if place < proof.len() => {
                proof.remove(place);
            }
            _ => {}
        }
    }
    proof
}
