//! Any bytes as a block: canonical or refused. And bytes changed anywhere in a stored chain: found at their height.

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
    if form & 1 == 0 { block(bytes) } else { tamper(bytes) }
});

fn block(bytes: &[u8]) {
    let Ok(block) = Block::parse(bytes) else { return };
    let mut back = Vec::with_capacity(bytes.len());
    block.encode(&mut back).unwrap();
    assert_eq!(back, bytes);
    let (chains, blocks) = stored();
    for record in block.records() {
        let mut bytes = Vec::new();
        record.encode(&mut bytes).unwrap();
        assert_eq!(Record::parse(&bytes).as_ref(), Ok(&record));
    }
    for (chain, (next, _)) in chains.iter().zip(blocks) {
        let taken = chain.clone().take(&block);
        assert!(taken.is_err() || block == *next);
    }
}

/// Which block, where, and what: three bytes and what is put there.
fn tamper(bytes: &[u8]) {
    let Some(([which, high, low], with)) = bytes.split_first_chunk::<3>() else { return };
    let (chains, blocks) = stored();
    let at = usize::from(*which) % blocks.len();
    let (right, stored) = &blocks[at];
    let mut damaged = stored.clone();
    let from = usize::from(u16::from_be_bytes([*high, *low])) % damaged.len();
    if let [only] = with {
        damaged[from] ^= only;
    } else {
        // Cut off there, and gone on otherwise.
        damaged.truncate(from);
        damaged.extend_from_slice(with);
    }
    let Ok(block) = Block::parse(&damaged) else { return };
    if block == *right {
        assert_eq!(damaged, *stored);
        return;
    }
    let mut chain = chains[at].clone();
    assert!(chain.take(&block).is_err(), "block {at}, byte {from}");
    assert_eq!(chain, chains[at]);
    chain.take(right).unwrap();
}

/// The chain before each block; each block, and its stored form.
type Stored = (Vec<Chain>, Vec<(Block, Vec<u8>)>);

fn stored() -> &'static Stored {
    static STORED: OnceLock<Stored> = OnceLock::new();
    STORED.get_or_init(|| {
        let mut place = Place::new(policy());
        let owner = place.party(20, MEMBER_A);
        let buyer = place.party(21, MEMBER_B);
        let old = place.registered(thing(1), owner);
        let lien = place.lien(old, owner, buyer);
        place.apply_in_block(&lien).unwrap();
        let other = place.request(thing(2), owner);
        place.apply(&other).unwrap();
        let transfer = place.transfer(old, owner, buyer);
        let transfer = place.sign(transfer, &[Signer::Party(buyer.party)]);
        place.apply(&transfer).unwrap();
        let request = place.request_after(thing(1), buyer, Some(old));
        place.approved(&request);
        let (_, blocks) = place.chain();
        let mut chain = Chain::new(genesis(policy())).unwrap();
        let mut chains = Vec::new();
        for block in &blocks {
            chains.push(chain.clone());
            chain.take(block).unwrap();
        }
        let stored = blocks.into_iter().map(|block| {
            let mut bytes = Vec::new();
            block.encode(&mut bytes).unwrap();
            (block, bytes)
        });
        (chains, stored.collect())
    })
}
