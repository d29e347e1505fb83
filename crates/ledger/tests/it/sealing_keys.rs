//! Sealing keys of nodes: changed on the chain, and kept as long as something is sealed for them.

use crate::place::*;
use interbank_ledger::*;
use proptest::collection::vec;
use proptest::prelude::*;
use seal::{Secret, SigningKey};
use std::collections::BTreeSet;

const CHAIN: ChainId = ChainId([8; 32]);

fn sealing(seed: u8) -> SealingKey {
    SealingKey::from_seed(&Secret::new([seed; 32]))
}

fn entropy(n: u8) -> Secret<32> {
    Secret::new([n; 32])
}

fn document(salt: u8) -> Document {
    Document::new("text/plain", vec![salt; 40], [salt; 32]).unwrap()
}

/// Supervision's change of keys, to this sealing key.
fn change(newest: u16, next: &SigningKey, sealing: [u8; 32]) -> Body {
    let signing = next.verifying_key();
    Body::RotateNode(RotateNode { node: SUPERVISION, newest, signing, sealing })
}

/// A place that knows the next signing key of supervision, and who signs its change.
fn changing() -> (Place, SigningKey, [Signer; 2]) {
    let mut place = Place::new(policy());
    let next = key(60);
    let proof = Signer::Key(next.verifying_key().to_bytes());
    place.know(proof, 0, next.clone());
    (place, next, [proof, Signer::Node(SUPERVISION)])
}

#[test]
fn ld08_a_sealing_key_changes_by_the_nodes_own_signatures_from_the_next_block_on() {
    let (mut place, next, both) = changing();
    let before = place.state.node(SUPERVISION).unwrap().sealing;
    let new = sealing(60).public();
    // Nobody else's signature does it: not another node's, not supervision's quorum, not the new key alone.
    for signers in [
        vec![both[0]],
        vec![both[1]],
        vec![both[0], Signer::Node(SUPERVISION_2)],
        vec![Signer::Node(MEMBER_A), Signer::Node(SUPERVISION_2)],
    ] {
        let forged = place.transaction(change(1, &next, new), &signers);
        let refused = place.apply_in_block(&forged);
        let is_refused = matches!(refused, Err(Refusal::Unsigned | Refusal::Oversigned));
        assert!(is_refused, "{signers:?}: {refused:?}");
    }
    // Signed for one key, and changed to another one.
    let mut foreign = place.transaction(change(1, &next, new), &both);
    foreign.body = change(1, &next, sealing(61).public());
    assert_eq!(place.apply_in_block(&foreign), Err(Refusal::BadSignature));
    // For another chain.
    let mut other = place.transaction(change(1, &next, new), &both);
    other.chain = CHAIN;
    assert_eq!(place.apply_in_block(&other), Err(Refusal::WrongChain));
    assert_eq!(place.state.node(SUPERVISION).unwrap().sealing, before);
    let right = place.transaction(change(1, &next, new), &both);
    assert_eq!(place.apply_in_block(&right), Ok(()));
    let node = place.state.node(SUPERVISION).unwrap();
    assert_eq!((node.sealing, node.ring.newest()), (new, 2));
    assert_eq!(node.ring.since(2), Some(place.height.next()));
    // Once.
    place.pass(1);
    assert_eq!(place.apply_in_block(&right), Err(Refusal::StaleSequence));
}

#[test]
fn a_key_that_nothing_can_be_sealed_for_is_refused() {
    let (mut place, next, both) = changing();
    let one = core::array::from_fn(|at| u8::from(at == 0));
    for weak in [[0; 32], one] {
        let weak = place.transaction(change(1, &next, weak), &both);
        assert_eq!(place.apply_in_block(&weak), Err(Refusal::UnusableKey));
    }
    let mut identity = identity("m-c", Role::Member, 70);
    identity.sealing = one;
    let proof = Signer::Key(identity.signing.to_bytes());
    place.know(proof, 0, key(70));
    let quorum = [proof, Signer::Node(SUPERVISION), Signer::Node(SUPERVISION_2)];
    let joins = place.transaction(Body::Join(identity), &quorum);
    assert_eq!(place.apply_in_block(&joins), Err(Refusal::UnusableKey));
    let right = place.transaction(change(1, &next, sealing(60).public()), &both);
    assert_eq!(place.apply_in_block(&right), Ok(()));
}

#[test]
fn ld08_a_former_key_opens_nothing_that_is_sealed_after_it() {
    let (mut place, next, both) = changing();
    let readers =
        |place: &Place| vec![(SUPERVISION, place.state.node(SUPERVISION).unwrap().sealing)];
    let seal = |place: &Place, n: u8| {
        SealedDocument::seal(CHAIN, &document(n), &readers(place), &entropy(n)).unwrap()
    };
    let first = place.transaction(change(1, &next, sealing(60).public()), &both);
    place.apply(&first).unwrap();
    let early = seal(&place, 1);
    let after = key(61);
    let proof = Signer::Key(after.verifying_key().to_bytes());
    place.know(proof, 0, after.clone());
    place.know(Signer::Node(SUPERVISION), 2, next);
    let both = [proof, Signer::Node(SUPERVISION)];
    let second = place.transaction(change(2, &after, sealing(61).public()), &both);
    place.apply(&second).unwrap();
    let late = seal(&place, 2);
    let former = SealingRing::new(2, sealing(60));
    let open = |ring: &SealingRing, sealed: &SealedDocument, n: u8| {
        ring.open(sealed, CHAIN, &document(n).commitment(), SUPERVISION)
    };
    assert_eq!(open(&former, &early, 1), Ok(document(1)));
    assert_eq!(open(&former, &late, 2), Err(SealError::NotForYou));
    let mut both = former;
    both.rotate(3, sealing(61)).unwrap();
    assert_eq!([open(&both, &early, 1), open(&both, &late, 2)], [1, 2].map(|n| Ok(document(n))));
}

#[test]
fn a_key_that_is_wrapped_anew_changes_nothing_but_its_own_readers_part() {
    let readers = [(MEMBER_A, sealing(1).public()), (SUPERVISION, sealing(3).public())];
    let mut sealed = SealedDocument::seal(CHAIN, &document(1), &readers, &entropy(1)).unwrap();
    let (digest, commitment) = (sealed.digest(), document(1).commitment());
    let mut ring = SealingRing::new(1, sealing(1));
    let mut rewrap = |ring: &SealingRing, n| {
        ring.rewrap(&mut sealed, CHAIN, &commitment, MEMBER_A, &entropy(n))
            .map(|is| (is, sealed.clone()))
    };
    // There is nothing to do as long as there is one key.
    let (is_anew, same) = rewrap(&ring, 2).unwrap();
    assert!(!is_anew);
    ring.rotate(2, sealing(2)).unwrap();
    let (is_anew, new) = rewrap(&ring, 3).unwrap();
    assert!(is_anew && new != same && new.digest() == digest);
    // Once is enough, and stopped in between it is done again.
    assert_eq!(rewrap(&ring, 4), Ok((false, new.clone())));
    assert!(ring.forget(1));
    assert_eq!(ring.open(&new, CHAIN, &commitment, MEMBER_A), Ok(document(1)));
    assert_eq!(ring.open(&same, CHAIN, &commitment, MEMBER_A), Err(SealError::NotForYou));
    assert!(!new.is_for(CHAIN, &commitment, MEMBER_A, &sealing(1)));
    assert_eq!(new.open(CHAIN, &commitment, SUPERVISION, &sealing(3)), Ok(document(1)));
    // Who never had a key of it gets none in this way.
    let stranger = SealingRing::new(1, sealing(4));
    assert_eq!(rewrap(&stranger, 5), Err(SealError::NotForYou));
    let damaged = [0xEE; 32];
    let refused = ring.open(&new, CHAIN, &damaged, MEMBER_A);
    assert_eq!(refused, Err(SealError::NotForYou));
}

#[derive(Clone, Debug)]
enum Step {
    Rotate,
    Seal,
    Rewrap(u8),
    Forget(u8),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => Just(Step::Rotate),
        4 => Just(Step::Seal),
        3 => any::<u8>().prop_map(Step::Rewrap),
        1 => any::<u8>().prop_map(Step::Forget),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// A document opens exactly if the key that it is sealed for is kept; what was wrapped anew does whatever is forgotten.
    #[test]
    fn ld08_a_ring_opens_what_is_sealed_for_the_keys_it_keeps_and_nothing_else(
        steps in vec(step(), 0..40),
    ) {
        let (mut ring, mut kept, mut newest) = (SealingRing::new(1, sealing(1)), BTreeSet::from([1]), 1);
        // Each with the number of the key it is sealed for.
        let mut documents: Vec<(u8, SealedDocument)> = Vec::new();
        let commitment = document(9).commitment();
        for (n, step) in (100..).zip(steps) {
            match step {
                Step::Rotate => {
                    let is_full = kept.len() == SealingRing::KEYS_MAX;
                    let rotated = ring.rotate(u16::from(newest + 1), sealing(newest + 1));
                    prop_assert_eq!(rotated.is_err(), is_full);
                    if !is_full {
                        newest += 1;
                        kept.insert(newest);
                    }
                }
                Step::Seal => {
                    let readers = [(MEMBER_A, ring.newest().public())];
                    let sealed = SealedDocument::seal(CHAIN, &document(9), &readers, &entropy(n));
                    documents.push((newest, sealed.unwrap()));
                }
                Step::Rewrap(which) => {
                    let count = documents.len().max(1);
                    if let Some((by, sealed)) = documents.get_mut(usize::from(which) % count) {
                        let done = ring.rewrap(sealed, CHAIN, &commitment, MEMBER_A, &entropy(n));
                        match kept.contains(by) {
                            true => prop_assert_eq!(done, Ok(*by != newest)),
                            false => prop_assert_eq!(done, Err(SealError::NotForYou)),
                        }
                        if kept.contains(by) {
                            *by = newest;
                        }
                    }
                }
                Step::Forget(which) => {
                    let which = which % newest + 1;
                    let goes = which != newest && kept.remove(&which);
                    prop_assert_eq!(ring.forget(u16::from(which)), goes);
                }
            }
            for (by, sealed) in &documents {
                let opened = ring.open(sealed, CHAIN, &commitment, MEMBER_A);
                prop_assert_eq!(opened.is_ok(), kept.contains(by));
            }
        }
    }
}
