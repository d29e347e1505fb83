//! Any bytes as a proof, an answer, a provenance, a manifest or a chunk, and right ones that are changed: what verifies is true.

#![no_main]

extern crate interbank_simkit as simkit;

#[path = "../../crates/ledger/tests/place/mod.rs"]
mod place;

use interbank_ledger::*;
use libfuzzer_sys::fuzz_target;
use place::*;
use port::{Tenant, WireError};
use std::sync::OnceLock;

fuzz_target!(|bytes: &[u8]| {
    let Some(([form, is_change], bytes)) = bytes.split_first_chunk::<2>() else { return };
    let truth = truth();
    let form = usize::from(*form) % truth.forms.len();
    if is_change & 1 == 0 {
        check(form, bytes);
        return;
    }
    // Places, and what they are xored with.
    let mut changed = truth.forms[form].clone();
    for [high, low, with] in bytes.as_chunks::<3>().0.iter().take(8) {
        let at = usize::from(u16::from_be_bytes([*high, *low])) % changed.len();
        changed[at] ^= with;
    }
    check(form, &changed);
});

fn check(form: usize, bytes: &[u8]) {
    let Truth { trust, state, records, query, .. } = truth();
    match form {
        0 => {
            let Ok(text) = core::str::from_utf8(bytes) else { return };
            let Ok(proof) = RecordProof::parse(text) else { return };
            assert_eq!(proof.to_string(), text);
            if let Ok(record) = proof.verify(trust) {
                assert!(records.contains(&record));
            }
        }
        1 => {
            read(bytes, EntryProof::parse, EntryProof::encode);
            let Ok(proof) = EntryProof::parse(bytes) else { return };
            for thing in [thing(1), thing(2)] {
                if let Ok(seen) = proof.verify_holding(trust, thing) {
                    assert_eq!(seen.found, state.holding(thing));
                }
            }
        }
        2 => {
            read(bytes, Answer::parse, Answer::encode);
            let Ok(answer) = Answer::parse(bytes) else { return };
            let mut findings = Findings::new(query.clone());
            if findings.update(trust, &answer) == Ok(false) {
                let found = findings.finish().unwrap();
                assert_eq!(found.files.len(), 2);
                let is_true = |it: &FoundFile| state.file(it.id) == Some(&it.file);
                assert!(found.files.iter().all(is_true) && found.is_complete);
            }
        }
        3 => {
            read(bytes, Provenance::parse, Provenance::encode);
            let Ok(provenance) = Provenance::parse(bytes) else { return };
            if let Ok(seen) = provenance.verify(trust, thing(1), 1) {
                let title = seen.found.unwrap();
                assert_eq!(title.file(), state.holding(thing(1)).map(|it| it.file));
                assert_eq!(title.steps().len(), 3);
            }
        }
        4 => {
            read(bytes, Manifest::parse, Manifest::encode);
            let Ok(manifest) = Manifest::parse(bytes) else { return };
            if let Ok(joining) = Joining::new(genesis(policy()), trust, Tenant::new(1), manifest) {
                assert!(joining.wants().is_some());
            }
        }
        _ => {
            let mut joining = joining();
            if joining.take(bytes).is_ok() {
                assert_eq!(joining.wants(), Some(1));
            }
        }
    }
}

fn read<T: PartialEq + core::fmt::Debug>(
    bytes: &[u8],
    parse: impl Fn(&[u8]) -> Result<T, WireError>,
    encode: impl Fn(&T, &mut Vec<u8>) -> Result<(), WireError>,
) {
    let Ok(value) = parse(bytes) else { return };
    let mut back = Vec::with_capacity(bytes.len());
    encode(&value, &mut back).unwrap();
    assert_eq!(back, bytes);
}

fn joining() -> Joining {
    let truth = truth();
    let manifest = Manifest::parse(&truth.forms[4]).unwrap();
    Joining::new(genesis(policy()), &truth.trust, Tenant::new(1), manifest).unwrap()
}

/// What is so, and its proofs in the order of their forms.
struct Truth {
    trust: Trust,
    state: State,
    records: Vec<Record>,
    query: Query,
    forms: Vec<Vec<u8>>,
}

fn truth() -> &'static Truth {
    static TRUTH: OnceLock<Truth> = OnceLock::new();
    TRUTH.get_or_init(|| {
        let mut place = Place::new(policy());
        let owner = place.party(20, MEMBER_A);
        let buyer = place.party(21, MEMBER_B);
        let old = place.registered(thing(1), owner);
        let transfer = place.transfer(old, owner, buyer);
        place.apply(&transfer).unwrap();
        let request = place.request_after(thing(1), buyer, Some(old));
        place.approved(&request);
        place.registered(thing(2), buyer);
        let (chain, blocks) = place.chain();
        let origin = chain.state().genesis().origin().to_owned();
        let trust = Trust {
            chain: chain.id(),
            origin: origin.clone(),
            keys: vec![key(1).verifying_key()],
            vouchers: 1,
        };
        let records: Vec<Record> = blocks.iter().flat_map(Block::records).collect();
        let mut history = History::new();
        blocks.iter().for_each(|block| history.update(block).unwrap());
        let note = Note::new(&Checkpoint::of(&origin, chain.log()).text()).unwrap();
        let note = note.signed_by(&origin, &key(1));
        let mut forms = vec![Vec::new(); 6];
        let mut record = Vec::new();
        records[7].encode(&mut record).unwrap();
        let path = chain.log().inclusion(7, chain.log().size()).unwrap();
        forms[0] = RecordProof::new(record, 7, path, note.clone()).to_string().into_bytes();
        let proof = EntryProof::of(&chain, EntryKey::Thing(thing(1))).unwrap();
        proof.encode(&mut forms[1]).unwrap();
        let query = Query::Owner(buyer.party);
        let answer = Index::of(chain.state()).answer(&chain, &query, None).unwrap();
        answer.encode(&mut forms[2]).unwrap();
        let about = history.of(thing(1)).iter();
        let about = about.map(|it| (it.index, &records[usize::try_from(it.index).unwrap()]));
        Provenance::new(&chain, thing(1), about).unwrap().encode(&mut forms[3]).unwrap();
        let snapshot = Snapshot::of(&chain, Some(note)).unwrap();
        snapshot.manifest().encode(&mut forms[4]).unwrap();
        forms[5] = snapshot.chunk(0).unwrap().unwrap();
        Truth { trust, state: place.state.clone(), records, query, forms }
    })
}
