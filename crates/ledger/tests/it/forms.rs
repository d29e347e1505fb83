//! Stored and sent forms: one encoding each, and nothing foreign panics.

use crate::place::*;
use interbank_ledger::*;
use port::WireError;
use proptest::prelude::*;

#[test]
fn the_order_of_signatures_is_fixed() {
    let mut place = Place::new(policy());
    let owner = place.party(20, MEMBER_A);
    let request = place.request(thing(1), owner);
    let bytes = request.to_bytes().unwrap();
    assert_eq!(Transaction::parse(&bytes), Ok(request.clone()));
    let mut swapped = request.clone();
    swapped.signatures.reverse();
    assert_eq!(Transaction::parse(&swapped.to_bytes().unwrap()), Err(WireError::Invalid));
    let mut doubled = request.clone();
    doubled.signatures.push(request.signatures[1].clone());
    assert_eq!(Transaction::parse(&doubled.to_bytes().unwrap()), Err(WireError::Invalid));
}

#[test]
fn what_was_never_bytes_has_to_have_the_one_form_too() {
    let mut place = Place::new(policy());
    let owner = place.party(20, MEMBER_A);
    let request = place.request(thing(1), owner);
    let mut swapped = request.clone();
    swapped.signatures.reverse();
    assert_eq!(place.state.judge(place.at(), &swapped), Err(Refusal::NotCanonical));
    // One supervision node's signature does not make a quorum of two.
    let proof = Signer::Key(key(5).verifying_key().to_bytes());
    place.know(proof, 0, key(5));
    let join = Body::Join(identity("m-c", Role::Member, 5));
    let mut doubled = place.transaction(join, &[proof, Signer::Node(SUPERVISION)]);
    let again = doubled.signatures[0].clone();
    doubled.signatures.insert(0, again);
    assert_eq!(place.state.judge(place.at(), &doubled), Err(Refusal::NotCanonical));
    place.apply(&request).unwrap();
    let file = request.file().unwrap().unwrap();
    let reasons = [VerdictReason::Human, VerdictReason::Document];
    let disordered = place.verdict(file, SUPERVISION, &reasons);
    assert_eq!(place.state.judge(place.at(), &disordered), Err(Refusal::NotCanonical));
}

#[test]
fn no_byte_of_a_transaction_is_free() {
    let mut place = Place::new(policy());
    let owner = place.party(20, MEMBER_A);
    let request = place.request(thing(1), owner);
    let bytes = request.to_bytes().unwrap();
    for at in 0..bytes.len() {
        let mut damaged = bytes.to_vec();
        damaged[at] ^= 1;
        if let Ok(parsed) = Transaction::parse(&damaged) {
            assert!(place.state.judge(place.at(), &parsed).is_err(), "byte {at}");
        }
        assert!(Transaction::parse(&bytes[..at]).is_err(), "cut at {at}");
    }
}

proptest! {
    #[test]
    fn what_parses_has_one_encoding(bytes in prop::collection::vec(any::<u8>(), 0..600), kind in 0..24_u8) {
        // Random bytes seldom pass the head, so that one is given.
        let mut framed = vec![1; 49];
        framed.push(kind);
        framed.extend_from_slice(&bytes);
        for candidate in [&bytes, &framed] {
            if let Ok(parsed) = Transaction::parse(candidate) {
                prop_assert_eq!(&parsed.to_bytes().unwrap()[..], &candidate[..]);
            }
            for kind in 1..=4 {
                let mut name = vec![kind];
                name.resize(if kind == 1 { 9 } else { 33 }, 0);
                let key = EntryKey::parse(&name).unwrap();
                if let Ok(entry) = Entry::parse(key, candidate) {
                    prop_assert_eq!(&entry.value().unwrap().unwrap(), candidate);
                }
            }
            let _ = Genesis::parse(candidate);
        }
    }
}
