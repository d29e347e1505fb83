//! Any bytes as a transaction, a frame or a query: canonical or refused, and what was read can be judged by any state.

#![no_main]

extern crate interbank_simkit as simkit;

#[path = "../../crates/ledger/tests/place/mod.rs"]
mod place;

use interbank_ledger::*;
use libfuzzer_sys::fuzz_target;
use place::*;
use std::sync::OnceLock;

fuzz_target!(|bytes: &[u8]| {
    let Some((form, bytes)) = bytes.split_first() else { return };
    match form % 3 {
        0 => transaction(bytes),
        1 => message(bytes),
        _ => query(bytes),
    }
});

fn transaction(bytes: &[u8]) {
    let Ok(it) = Transaction::parse(bytes) else { return };
    assert_eq!(it.to_bytes().unwrap(), bytes);
    judge(&it);
}

/// Nobody here holds a key of the chain: whatever is accepted was signed before.
fn judge(it: &Transaction) {
    static STATE: OnceLock<(State, Vec<Transaction>)> = OnceLock::new();
    let (state, known) = STATE.get_or_init(|| {
        let mut place = Place::new(policy());
        let owner = place.party(20, MEMBER_A);
        let buyer = place.party(21, MEMBER_B);
        let file = place.registered(thing(1), owner);
        let known = vec![
            place.transfer(file, owner, buyer),
            place.lien(file, owner, buyer),
            place.lease(file, owner, buyer, 1..9, true),
            place.request(thing(2), owner),
        ];
        (place.state.clone(), known)
    });
    let (digest, concerned) = (it.digest().unwrap(), it.concerns().unwrap());
    for height in [0, 9, 12, u64::MAX] {
        let at = At { height: Height(height), time: START };
        let verified = state.judge_verified(at, it);
        match state.judge(at, it) {
            Ok(entries) => {
                assert!(known.iter().any(|known| known.digest() == Ok(digest)));
                assert_eq!(verified.as_ref(), Ok(&entries));
                assert!(concerned.is_some());
            }
            Err(Refusal::BadSignature) => assert!(verified.is_ok()),
            Err(why) => assert_eq!(verified, Err(why)),
        }
    }
}

fn message(bytes: &[u8]) {
    let Ok(message) = Message::parse(bytes) else { return };
    assert_eq!(message.to_frame().unwrap(), bytes);
    if let Message::Submit(it) = message {
        judge(&it);
    }
}

fn query(bytes: &[u8]) {
    let Ok(query) = Query::parse(bytes) else { return };
    let mut back = Vec::with_capacity(bytes.len());
    query.encode(&mut back).unwrap();
    assert_eq!(back, bytes);
    let nothing = Index::default().find(&query, None, 9);
    assert_eq!(nothing, Page::default());
}
