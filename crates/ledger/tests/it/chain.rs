//! Blocks: linked, signed, executed alike by everybody, and provable.

use crate::place::*;
use base64ct::{Base64, Encoding as _};
use interbank_ledger::*;
use port::WireError;
use proptest::prelude::*;
use seal::VerifyingKey;

/// A registered file that went over and was registered again, and one that was requested.
fn story() -> (Place, [FileId; 3]) {
    let mut place = Place::new(policy());
    let owner = place.party(20, MEMBER_A);
    let buyer = place.party(21, MEMBER_B);
    let old = place.registered(thing(1), owner);
    let lien = place.lien(old, owner, buyer);
    place.apply_in_block(&lien).unwrap();
    let pending = place.request(thing(2), owner);
    place.apply(&pending).unwrap();
    let transfer = place.transfer(old, owner, buyer);
    let transfer = place.sign(transfer, &[Signer::Party(buyer.party)]);
    place.apply(&transfer).unwrap();
    let request = place.request_after(thing(1), buyer, Some(old));
    let new = place.approved(&request);
    (place, [old, new, pending.file().unwrap().unwrap()])
}

/// By a node that orders alone.
fn signed(header: Header, key_number: u16, seed: u8) -> SignedHeader {
    SignedHeader::by_authority(header, key_number, key(seed).sign(&header.to_sign()))
}

fn verify(blocks: &[Block]) -> Result<Chain, BlockError> {
    let mut chain = Chain::new(genesis(policy())).unwrap();
    for block in blocks {
        let before = chain.clone();
        if let Err(why) = chain.take(block) {
            assert_eq!(chain, before, "a refused block changes nothing");
            return Err(why);
        }
    }
    Ok(chain)
}

#[test]
fn l01_the_chain_links_every_block_to_the_one_before() {
    let (place, _) = story();
    let (chain, blocks) = place.chain();
    assert_eq!(verify(&blocks), Ok(chain));
    for (before, after) in blocks.iter().zip(&blocks[1..]) {
        assert_eq!(after.header.header.previous, before.header.header.digest());
    }
    assert_eq!(blocks[0].header.header.previous, genesis(policy()).chain().unwrap().0);
    // Node identities are the first four blocks, alone.
    let is_join = |block: &&Block| {
        matches!(block.transactions[..], [Transaction { body: Body::Join(_), .. }])
    };
    assert_eq!(blocks.iter().take_while(is_join).count(), 4);
}

#[test]
fn ld01_a_bit_changed_in_any_block_is_found_at_its_height() {
    let (place, _) = story();
    let (_, blocks) = place.chain();
    for (at, block) in blocks.iter().enumerate() {
        let mut bytes = Vec::new();
        block.encode(&mut bytes).unwrap();
        assert_eq!(Block::parse(&bytes).as_ref(), Ok(block));
        // Every second byte of the short ones, every eleventh of the long ones, another bit each time.
        let step = if bytes.len() > 700 { 11 } else { 2 };
        let chain = verify(&blocks[..at]).unwrap();
        for place in (0..bytes.len()).step_by(step) {
            let mut damaged = bytes.clone();
            damaged[place] ^= 1 << (place % 8);
            let Ok(parsed) = Block::parse(&damaged) else { continue };
            assert!(chain.clone().take(&parsed).is_err(), "block {at}, byte {place}");
        }
    }
    // As part of the whole chain, it is found there and not later.
    let mut damaged = blocks.clone();
    damaged[5].transactions[0].signatures[0].bytes[9] ^= 4;
    let found = verify(&damaged).unwrap_err();
    assert_eq!(found, BlockError { height: Height(5), fault: BlockFault::TransactionsRoot });
}

#[test]
fn blocks_that_do_not_follow_are_refused() {
    let (place, _) = story();
    let (_, blocks) = place.chain();
    let last = blocks.len() - 1;
    let chain = verify(&blocks[..last]).unwrap();
    let right = &blocks[last];
    let resign = |change: fn(&mut Block), seed: u8| {
        let mut block = right.clone();
        change(&mut block);
        let Certificate::Authority { key_number, .. } = block.header.certificate else {
            panic!("one node orders")
        };
        block.header = signed(block.header.header, key_number, seed);
        chain.clone().take(&block).map(|_| ()).map_err(|why| why.fault)
    };
    assert_eq!(resign(|_| (), 1), Ok(()));
    assert_eq!(resign(|_| (), 2), Err(BlockFault::Signature));
    let fault = resign(|block| block.header.header.chain = ChainId([0; 32]), 1);
    assert_eq!(fault, Err(BlockFault::WrongChain));
    let fault = resign(|block| block.header.header.height = Height(77), 1);
    assert_eq!(fault, Err(BlockFault::NotNext));
    let fault = resign(|block| block.header.header.previous[0] ^= 1, 1);
    assert_eq!(fault, Err(BlockFault::NotLinked));
    let fault = resign(|block| block.header.header.time = START, 1);
    assert_eq!(fault, Err(BlockFault::TimeBack));
    // A member may not propose.
    let fault = resign(|block| block.header.header.proposer = MEMBER_A, 3);
    assert_eq!(fault, Err(BlockFault::Proposer));
    let fault = resign(|block| block.header = signed(block.header.header, 2, 1), 1);
    assert_eq!(fault, Err(BlockFault::Proposer));
    let fault = resign(|block| block.transactions.clear(), 1);
    assert_eq!(fault, Err(BlockFault::TransactionsRoot));
    let fault = resign(|block| block.header.header.log_size += 1, 1);
    assert_eq!(fault, Err(BlockFault::LogRoot));
    let fault = resign(|block| block.header.header.log_root[3] ^= 1, 1);
    assert_eq!(fault, Err(BlockFault::LogRoot));
    let fault = resign(|block| block.header.header.state_root[3] ^= 1, 1);
    assert_eq!(fault, Err(BlockFault::StateRoot));
}

#[test]
fn the_first_block_is_the_founders() {
    let mut chain = Chain::new(genesis(policy())).unwrap();
    let draft = chain.draft(START, SUPERVISION, &[], 10);
    let signature = key(1).sign(&draft.header.to_sign());
    let block = draft.into_block(1, signature);
    assert_eq!(chain.take(&block).unwrap_err().fault, BlockFault::NotAlone);
}

/// The bytes of version 1: what these digests are of must stay readable, and must not change by accident.
#[test]
fn bytes_are_those_of_version_1() {
    let (place, _) = story();
    let (chain, blocks) = place.chain();
    let hex = |bytes: [u8; 32]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let head = chain.head().unwrap();
    let mut bytes = Vec::new();
    blocks.last().unwrap().encode(&mut bytes).unwrap();
    let found = [
        chain.id().to_string(),
        hex(head.header.digest()),
        hex(chain.map().root()),
        hex(chain.log().root()),
        hex(leaf_hash(&bytes)),
        hex(thing(1).0),
    ];
    assert_eq!(found, VERSION_1);
}

const VERSION_1: [&str; 6] = [
    "fbcccc584a8e8eb70d3f75d87873b9adee7cc479b46865aa7477b897abd33e19",
    "8cbb5c31621a8481fad55f09eca362741e10e516f69d0a51de994278320282a7",
    "bec789289682b416e1ea2e4c527f7e39f3704250043aa1b69d676974b6729818",
    "e168b0abf4db907fe9ec10bfc0d9d0775258d8b11713e4d4208ade1128f9a4e2",
    "2908e9143af087ae09d2fe67dd5262295246138bc46d4333121edf70379c5904",
    "e6b00e562a2698837a57c492253ab0c8a273b13b3dec7fe88dd27e72135ebd4f",
];

#[test]
fn a_block_with_a_refused_transaction_is_refused_even_if_its_proposer_signs_it() {
    let (place, [_, new, _]) = story();
    let (mut chain, _) = place.chain();
    let owner = place.state.file(new).unwrap().owner;
    let owner = Through { party: owner, member: MEMBER_B };
    let retire = Body::Retire(Acted { on: place.on(new), by: owner });
    // A lien is on it.
    let refused = place.transaction(retire, &signers(&[owner]));
    let draft = chain.draft(place.time, SUPERVISION, core::slice::from_ref(&refused), 100);
    assert_eq!(draft.fates, [Err(Refusal::Encumbered)]);
    let mut block = draft.into_block(1, [0; 64]);
    block.transactions.push(refused);
    let leaf = {
        let mut bytes = Vec::new();
        block.records().next().unwrap().encode(&mut bytes).unwrap();
        leaf_hash(&bytes)
    };
    block.header.header.transactions_root = leaf;
    block.header = signed(block.header.header, 1, 1);
    let before = chain.clone();
    let fault = chain.take(&block).unwrap_err().fault;
    assert_eq!(fault, BlockFault::Refused(0, Refusal::Encumbered));
    assert_eq!(chain, before);
}

#[test]
fn ld12_a_late_joiner_reaches_the_same_roots() {
    let (place, _) = story();
    let (chain, blocks) = place.chain();
    // By every block.
    let late = verify(&blocks).unwrap();
    assert_eq!(late.map().root(), chain.map().root());
    assert_eq!(late.log().root(), chain.log().root());
    // By what is stored after the newest one: all entries and the log's leaves.
    let keys = place.state.nodes().map(|(id, _)| EntryKey::Node(id));
    let keys = keys.chain(place.state.files().map(|(id, _)| EntryKey::File(id)));
    let keys = keys.chain(place.state.holdings().map(|(thing, _)| EntryKey::Thing(thing)));
    let parties = [20, 21].map(|n| EntryKey::Party(PartyId::of(&key(n).verifying_key())));
    let entries: Vec<_> = keys.chain(parties).map(|key| place.state.entry(key).unwrap()).collect();
    let leaves: Vec<_> = (0..chain.log().size()).map(|at| chain.log().leaf(at).unwrap()).collect();
    let head = chain.head().unwrap().clone();
    let restore = |head, entries: &[Entry], leaves: &[[u8; 32]]| {
        Chain::restore(genesis(policy()), head, entries.to_vec(), leaves.to_vec())
    };
    assert_eq!(restore(head.clone(), &entries, &leaves).as_ref(), Ok(&chain));
    assert_eq!(restore(head.clone(), &entries[1..], &leaves), Err(Corrupt::Root));
    assert_eq!(restore(head.clone(), &entries, &leaves[1..]), Err(Corrupt::Root));
    // The key of another.
    let other = signed(head.header, 1, 2);
    assert_eq!(restore(other, &entries, &leaves), Err(Corrupt::Root));
}

#[test]
fn ld13_no_block_takes_the_keys_away_that_vouch_for_it() {
    let (mut chain, _) = Place::new(policy()).chain();
    let rotation = |newest: u16| {
        let next = key(u8::try_from(100 + newest).unwrap());
        let signing = next.verifying_key();
        let proof = Signer::Key(signing.to_bytes());
        let body = RotateNode { node: SUPERVISION, newest, signing, sealing: [1; 32] };
        let window = Window::new(chain.next_height(), 10);
        let rotation = Transaction::new(chain.id(), window, Body::RotateNode(body));
        let rotation = rotation.sign(proof, 0, &next).unwrap();
        rotation.sign(Signer::Node(SUPERVISION), 1, &key(1)).unwrap()
    };
    // As many as the ring has keys, at one time.
    let rotations: Vec<_> = (1..=16).map(rotation).collect();
    let draft = chain.draft(START, SUPERVISION, &rotations, 80);
    assert_eq!(draft.fates[..15], [Ok(()); 15]);
    assert_eq!(draft.fates[15], Err(Refusal::TooManyKeys));
    let block = draft.into_block(1, [0; 64]);
    let head = signed(block.header.header, 1, 1);
    chain.take(&Block { header: head.clone(), ..block }).unwrap();
    let entries = chain.state().nodes().map(|(id, node)| Entry::Node(id, node.clone()));
    let leaves = (0..chain.log().size()).map(|at| chain.log().leaf(at).unwrap());
    let restored = Chain::restore(genesis(policy()), head, entries, leaves);
    assert_eq!(restored.as_ref(), Ok(&chain));
    // From the next block on there is room for one.
    let mut later = rotations[15].clone();
    later.signatures.clear();
    let next = key(116);
    let later = later.sign(Signer::Key(next.verifying_key().to_bytes()), 0, &next).unwrap();
    let later = later.sign(Signer::Node(SUPERVISION), 2, &key(101)).unwrap();
    assert_eq!(chain.draft(START, SUPERVISION, &[later], 80).fates, [Ok(())]);
}

#[test]
fn a_draft_changes_nothing_and_fits_one_head() {
    let (place, _) = story();
    let (mut chain, _) = place.chain();
    let before = chain.clone();
    let owner = Through { party: PartyId::of(&key(20).verifying_key()), member: MEMBER_A };
    let mut place = place;
    let requests: Vec<_> = (10..40).map(|n| place.request(thing(n), owner)).collect();
    let draft = chain.draft(place.time, SUPERVISION, &requests, 8);
    assert_eq!(chain, before);
    // Room for eight names only.
    assert_eq!((draft.transactions.len(), draft.fates.len()), (8, 8));
    let other = chain.draft(place.time, SUPERVISION, &requests[8..], 8);
    let signed = |draft: &Draft| signed(draft.header, 1, 1);
    let mixed = chain.adopt(&draft, signed(&other)).unwrap_err();
    assert_eq!(mixed.fault, BlockFault::NotLinked);
    chain.adopt(&draft, signed(&draft)).unwrap();
    let stale = chain.adopt(&other, signed(&other)).unwrap_err();
    assert_eq!(stale.fault, BlockFault::NotLinked);
    // An identity record waits for a block of its own.
    let identity = identity("m-c", Role::Member, 6);
    place.know(Signer::Key(identity.signing.to_bytes()), 0, key(6));
    let by = [
        Signer::Key(identity.signing.to_bytes()),
        Signer::Node(SUPERVISION),
        Signer::Node(SUPERVISION_2),
    ];
    let join = place.transaction(Body::Join(identity), &by);
    let mixed = [requests[20].clone(), join.clone(), requests[21].clone()];
    assert_eq!(chain.draft(place.time, SUPERVISION, &mixed, 90).transactions.len(), 1);
    let alone = [join, requests[21].clone()];
    assert_eq!(chain.draft(place.time, SUPERVISION, &alone, 90).transactions.len(), 1);
}

#[test]
fn time_never_goes_back() {
    let (place, _) = story();
    let (mut chain, _) = place.chain();
    let newest = chain.head().unwrap().header.time;
    let draft = chain.draft(START, SUPERVISION, &[], 90);
    assert_eq!(draft.header.time, newest);
}

fn trust(chain: &Chain) -> Trust {
    let origin = chain.state().genesis().origin().into();
    Trust {
        chain: chain.id(),
        origin,
        keys: vec![key(9).verifying_key(), key(1).verifying_key()],
        vouchers: 1,
    }
}

#[test]
fn ld15_a_record_is_proved_by_a_file_that_stands_alone() {
    let (place, _) = story();
    let (chain, blocks) = place.chain();
    let checkpoint = Checkpoint::of(chain.state().genesis().origin(), chain.log());
    let note = Note::new(&checkpoint.text()).unwrap();
    let note = note.signed_by(&checkpoint.origin, &key(1));
    let trust = trust(&chain);
    let records: Vec<_> = blocks.iter().flat_map(Block::records).collect();
    assert_eq!(records.len() as u64, chain.log().size());
    for (index, record) in (0_u64..).zip(&records) {
        let mut bytes = Vec::new();
        record.encode(&mut bytes).unwrap();
        let path = chain.log().inclusion(index, chain.log().size()).unwrap();
        let proof = RecordProof::new(bytes.clone(), index, path.clone(), note.clone());
        let text = proof.to_string();
        let read = RecordProof::parse(&text).unwrap();
        assert_eq!((read.verify(&trust).as_ref(), read.to_string()), (Ok(record), text));
        // Another record, another place.
        let mut other = bytes.clone();
        other[3] ^= 1;
        let other = RecordProof::new(other, index, path.clone(), note.clone());
        assert_eq!(other.verify(&trust), Err(ProofError::NotIncluded));
        let moved = RecordProof::new(bytes, index + 1, path, note.clone());
        assert_eq!(moved.verify(&trust), Err(ProofError::NotIncluded));
        let strangers = Trust { keys: vec![key(2).verifying_key()], ..trust.clone() };
        assert_eq!(read.verify(&strangers), Err(ProofError::NotSigned));
        let another = Trust { origin: "other.example".into(), ..trust.clone() };
        assert_eq!(read.verify(&another), Err(ProofError::AnotherChain));
        let another = Trust { chain: ChainId([1; 32]), ..trust.clone() };
        assert_eq!(read.verify(&another), Err(ProofError::AnotherChain));
    }
}

#[test]
fn ld15_no_letter_of_a_proof_file_can_change() {
    let (place, _) = story();
    let (chain, blocks) = place.chain();
    let checkpoint = Checkpoint::of(chain.state().genesis().origin(), chain.log());
    let note = Note::new(&checkpoint.text()).unwrap().signed_by(&checkpoint.origin, &key(1));
    let mut bytes = Vec::new();
    blocks[5].records().next().unwrap().encode(&mut bytes).unwrap();
    let index = blocks[4].header.header.log_size;
    let path = chain.log().inclusion(index, chain.log().size()).unwrap();
    let text = RecordProof::new(bytes, index, path, note).to_string();
    let trust = trust(&chain);
    assert!(RecordProof::parse(&text).unwrap().verify(&trust).is_ok());
    for (at, letter) in text.char_indices().filter(|(_, letter)| letter.is_ascii()) {
        let other = if letter == 'A' { "B" } else { "A" };
        let damaged = [&text[..at], other, &text[at + 1..]].concat();
        let verified = RecordProof::parse(&damaged).and_then(|proof| proof.verify(&trust));
        assert!(verified.is_err(), "letter {at}");
        assert!(RecordProof::parse(&text[..at]).is_err(), "cut at {at}");
    }
}

#[test]
fn ld15_who_owns_a_thing_is_proved_and_so_is_that_nobody_does() {
    let (place, [old, new, pending]) = story();
    let (chain, _) = place.chain();
    let trust = trust(&chain);
    let head = chain.head().unwrap().clone();
    let prove = |key: EntryKey| {
        let value = place.state.entry(key).and_then(|entry| entry.value().unwrap());
        EntryProof::new(head.clone(), key, value, chain.map().prove(&key.path()))
    };
    let owner = place.state.file(new).unwrap().owner;
    let proof = prove(EntryKey::Thing(thing(1)));
    let mut bytes = Vec::new();
    proof.encode(&mut bytes).unwrap();
    assert!(bytes.len() < 2_500);
    let read = EntryProof::parse(&bytes).unwrap();
    let seen = read.verify_holding(&trust, thing(1)).unwrap();
    assert_eq!(seen.found, Some(Holding { file: new, owner }));
    assert_eq!((seen.height, seen.time), (head.header.height, head.header.time));
    // The thing that is only asked for, and one that nobody has heard of.
    for n in [2, 3] {
        let seen = prove(EntryKey::Thing(thing(n))).verify_holding(&trust, thing(n)).unwrap();
        assert_eq!(seen.found, None);
    }
    for file in [old, new, pending] {
        let seen = prove(EntryKey::File(file)).verify(&trust, EntryKey::File(file)).unwrap();
        assert_eq!(seen.found, place.state.entry(EntryKey::File(file)));
    }
    // A false answer: a proof of absence for what is there, another's proof, another owner.
    let key = EntryKey::Thing(thing(1));
    let hidden = EntryProof::new(head.clone(), key, None, chain.map().prove(&key.path()));
    assert_eq!(hidden.verify_holding(&trust, thing(1)), Err(ProofError::NotIncluded));
    let other = prove(EntryKey::Thing(thing(2)));
    assert_eq!(other.verify_holding(&trust, thing(1)), Err(ProofError::NotIncluded));
    let mut value = Vec::new();
    Holding { file: new, owner: PartyId([0; 32]) }.encode(&mut value);
    let forged = EntryProof::new(head.clone(), key, Some(value), chain.map().prove(&key.path()));
    assert_eq!(forged.verify_holding(&trust, thing(1)), Err(ProofError::NotIncluded));
    // The number of the key, which the chain knows, says nothing to a stranger, who tries the keys that it believes.
    let number = 3 + SignedHeader::BYTES - 66..3 + SignedHeader::BYTES - 64;
    for at in (0..bytes.len()).filter(|at| !number.contains(at)) {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1;
        let verified =
            EntryProof::parse(&damaged).map(|proof| proof.verify_holding(&trust, thing(1)));
        assert!(!matches!(verified, Ok(Ok(_))), "byte {at}");
    }
    bytes.push(0);
    assert_eq!(EntryProof::parse(&bytes), Err(WireError::Trailing));
}

#[test]
fn every_proof_still_verifies_after_an_erasure() {
    let (mut place, [_, new, _]) = story();
    let (chain, blocks) = place.chain();
    let before = blocks.len();
    let owner = Through { party: place.state.file(new).unwrap().owner, member: MEMBER_B };
    let erase = Body::Erase(Acted { on: place.on(new), by: owner });
    let erase = place.transaction(erase, &signers(&[owner]));
    place.apply(&erase).unwrap();
    let (later, blocks) = place.chain();
    assert_eq!(blocks.len(), before + 1);
    let grown = later.log().consistency(chain.log().size(), later.log().size()).unwrap();
    let (old, new_root) = (chain.log().root(), later.log().root());
    assert!(verify_consistency(&old, chain.log().size(), &new_root, later.log().size(), &grown));
    let file = EntryKey::File(new);
    let value = place.state.entry(file).unwrap().value().unwrap();
    let proof = EntryProof::new(
        later.head().unwrap().clone(),
        file,
        value,
        later.map().prove(&file.path()),
    );
    let seen = proof.verify(&trust(&later), file).unwrap();
    let Some(Entry::File(_, erased)) = seen.found else { panic!("no file") };
    assert!(erased.erased.is_some());
}

#[test]
fn notes_are_those_of_the_specification() {
    // The published example of Go's implementation.
    let note = "If you think cryptography is the answer to your problem,\n\
                then you don't know what your problem is.\n\n\
                — PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";
    let note = Note::parse(note).unwrap();
    let bytes = Base64::decode_vec("ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW").unwrap();
    let key = VerifyingKey::from_bytes(bytes[1..].try_into().unwrap()).unwrap();
    assert!(note.is_signed_by("PeterNeumann", &key));
    assert!(!note.is_signed_by("Peter", &key));
    // Examples of the specifications: their form is read and printed.
    let checkpoint = "example.com/behind-the-sofa\n20852163\n\
        CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n\
        — example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n";
    let read = Note::parse(checkpoint).unwrap();
    assert_eq!(read.to_string(), checkpoint);
    let parsed = Checkpoint::parse(&read).unwrap();
    assert_eq!((parsed.origin.as_str(), parsed.size), ("example.com/behind-the-sofa", 20_852_163));
    assert_eq!(parsed.text(), read.text());
    for damaged in [
        checkpoint.replace("20852163", "020852163"),
        checkpoint.replace("20852163", "+20852163"),
        checkpoint.replace("2I=\n\n", "2I=\nextension\n\n"),
        checkpoint.replace("20852163\n", ""),
    ] {
        let verdict = Note::parse(&damaged).and_then(|note| Checkpoint::parse(&note));
        assert_eq!(verdict, Err(ProofError::Form), "{damaged}");
    }
    for damaged in [
        checkpoint.replace("— ", "- "),
        checkpoint.replace("\n\n", "\n"),
        checkpoint.replace("sofa Az3", "sofa\u{a0}Az3"),
        checkpoint.replace("Az3g", "Az3"),
        checkpoint.replace("2I=", "2I=\r"),
        checkpoint.trim_end().into(),
    ] {
        assert_eq!(Note::parse(&damaged), Err(ProofError::Form), "{damaged}");
    }
}

/// What an embedder may try, by number, with whatever it knows.
#[derive(Clone, Copy, Debug)]
enum Try {
    Register(u8, u8),
    Judge(u8, bool),
    Transfer(u8, u8),
    Successor(u8),
    Retire(u8),
    Freeze(u8),
    Pass,
}

fn tries() -> impl Strategy<Value = Vec<Try>> {
    let one = prop_oneof![
        2 => (0..3_u8, 0..4_u8).prop_map(|(thing, party)| Try::Register(thing, party)),
        6 => (any::<u8>(), prop::bool::weighted(0.9)).prop_map(|(at, yes)| Try::Judge(at, yes)),
        4 => (any::<u8>(), 0..4_u8).prop_map(|(at, party)| Try::Transfer(at, party)),
        3 => any::<u8>().prop_map(Try::Successor),
        1 => any::<u8>().prop_map(Try::Retire),
        1 => any::<u8>().prop_map(Try::Freeze),
        2 => Just(Try::Pass),
    ];
    prop::collection::vec(one, 1..90)
}

/// Makes what can be made of them, two or more in a block; says after each step what is there.
fn wander(
    tries: Vec<Try>,
    mut see: impl FnMut(&Place) -> Result<(), TestCaseError>,
) -> Result<Place, TestCaseError> {
    let mut place = Place::new(policy());
    let parties = [(20, MEMBER_A), (21, MEMBER_A), (22, MEMBER_B), (23, MEMBER_B)]
        .map(|(seed, member)| place.party(seed, member));
    let through = |party: PartyId| *parties.iter().find(|it| it.party == party).unwrap();
    let mut files: Vec<FileId> = Vec::new();
    for step in tries {
        // Mostly one that it may work for; any file at times.
        let pick = |at: u8, may: fn(&Status) -> bool| {
            let is_fit = |file: &&FileId| {
                at.is_multiple_of(4) || may(&place.state.file(**file).unwrap().status)
            };
            let fit: Vec<FileId> = files.iter().filter(is_fit).copied().collect();
            (!fit.is_empty()).then(|| fit[usize::from(at) % fit.len()])
        };
        let is_registered = |status: &Status| *status == Status::Registered;
        let transaction = match step {
            Try::Register(n, party) => {
                Some(place.request(thing(n.into()), parties[usize::from(party)]))
            }
            Try::Judge(at, yes) => pick(at, |it| *it == Status::Auditing).map(|file| {
                let reasons: &[_] = if yes { &[] } else { &[VerdictReason::Human] };
                place.verdict(file, SUPERVISION, reasons)
            }),
            Try::Transfer(at, to) => pick(at, is_registered).map(|file| {
                let owner = through(place.state.file(file).unwrap().owner);
                place.transfer(file, owner, parties[usize::from(to)])
            }),
            Try::Successor(at) => {
                pick(at, |it| matches!(it, Status::Transferred { .. })).map(|file| {
                    let old = place.state.file(file).unwrap();
                    let (thing, holder) = (old.thing, through(old.holder()));
                    place.request_after(thing, holder, Some(file))
                })
            }
            Try::Retire(at) => pick(at, is_registered).map(|file| {
                let by = through(place.state.file(file).unwrap().owner);
                let body = Body::Retire(Acted { on: place.on(file), by });
                place.transaction(body, &signers(&[by]))
            }),
            Try::Freeze(at) => pick(at, is_registered).map(|file| {
                let it = Supervised { on: place.on(file), by: SUPERVISION, reference: [0; 32] };
                let is_frozen = place.state.file(file).unwrap().frozen;
                let body = if is_frozen { Body::Unfreeze(it) } else { Body::Freeze(it) };
                place.transaction(body, &[Signer::Node(SUPERVISION)])
            }),
            Try::Pass => {
                place.pass(1);
                None
            }
        };
        let Some(transaction) = transaction else { continue };
        if place.apply_in_block(&transaction).is_ok() {
            files.extend(transaction.file().unwrap());
        }
        see(&place)?;
    }
    place.pass(1);
    Ok(place)
}

/// One live file for each thing that has one, and one owner.
fn see_one_owner(place: &Place) -> Result<(), TestCaseError> {
    for n in 0..3 {
        let is_live = |file: &File| {
            let is_over = matches!(
                file.status,
                Status::Retired { .. } | Status::Rejected(_) | Status::Auditing
            );
            file.thing == thing(n) && !is_over
        };
        let live = place.state.files().filter(|(_, file)| is_live(file));
        let live: Vec<_> =
            live.map(|(id, file)| Holding { file: id, owner: file.holder() }).collect();
        prop_assert_eq!(live, Vec::from_iter(place.state.holding(thing(n))));
    }
    // How many things each party owns is counted along.
    for seed in 20..24 {
        let party = PartyId::of(&key(seed).verifying_key());
        let owned = place.state.holdings().filter(|(_, holding)| holding.owner == party).count();
        prop_assert_eq!(place.state.tally(party), u32::try_from(owned).unwrap());
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn ld07_the_history_of_the_chain_is_the_sequence_of_owners(tries in tries()) {
        let place = wander(tries, see_one_owner)?;
        let (chain, blocks) = place.chain();
        prop_assert_eq!(verify(&blocks), Ok(chain));
        for n in 0..3 {
            let mut title = Title::new(thing(n), policy().approvals);
            for record in blocks.iter().flat_map(Block::records) {
                title.update(&record);
            }
            let holding = place.state.holding(thing(n));
            prop_assert_eq!(title.owner(), holding.map(|it| it.owner));
            prop_assert_eq!(title.file(), holding.map(|it| it.file));
            // Each registration is for who owned the thing by then, or for anybody where nobody did.
            let mut owner = None;
            for step in title.steps() {
                if step.file.is_some() {
                    prop_assert!(owner.is_none() || owner == step.owner);
                }
                owner = step.owner;
            }
        }
    }

    #[test]
    fn l17_every_registered_file_was_audited(tries in tries()) {
        let place = wander(tries, |_| Ok(()))?;
        let (_, blocks) = place.chain();
        let records: Vec<_> = blocks.iter().flat_map(Block::records).collect();
        let approves = |record: &Record, file: FileId| {
            matches!(&record.transaction.body, Body::Judge(it) if it.file == file && it.is_approval())
        };
        for (id, file) in place.state.files() {
            let was_registered =
                !matches!(file.status, Status::Auditing | Status::Rejected(_));
            let verdicts = records.iter().filter(|record| approves(record, id)).count();
            if was_registered {
                prop_assert_eq!(verdicts, usize::from(policy().approvals));
                prop_assert_eq!(&file.approvals[..], &[SUPERVISION][..]);
            }
        }
    }
}
