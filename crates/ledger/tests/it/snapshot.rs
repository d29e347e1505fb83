//! Those who come late, and what goes.

use crate::place::desk::Desk;
use crate::place::*;
use interbank_ledger::*;
use port::blocking::Store as _;
use port::{Commit, MemoryStore, Tenant};
use simkit::{Faults, FaultyStore};

/// A chain with a few hundred entries and records, and its blocks.
fn grown() -> (Place, Chain, Vec<Block>, Option<Note>) {
    let mut place = Place::new(policy());
    let owner = place.party(20, MEMBER_A);
    let buyer = place.party(21, MEMBER_B);
    let mut files = Vec::new();
    for number in 0..150 {
        files.push(place.registered(thing(number), owner));
    }
    for file in &files[..5] {
        let transfer = place.transfer(*file, owner, buyer);
        place.apply(&transfer).unwrap();
    }
    let (chain, blocks) = place.chain();
    let note = Some(checkpoint(&chain));
    (place, chain, blocks, note)
}

fn join(chain: &Chain, manifest: &Manifest) -> Result<Joining, ProofError> {
    let mut bytes = Vec::new();
    manifest.encode(&mut bytes).unwrap();
    let manifest = Manifest::parse(&bytes).unwrap();
    Joining::new(genesis(policy()), &trust(chain), Tenant::new(7), manifest)
}

/// Takes a whole snapshot: the chain, and a node that opens on the rows.
fn joined(chain: &Chain, snapshot: &Snapshot<'_>) -> (Chain, Desk) {
    let mut joining = join(chain, snapshot.manifest()).unwrap();
    let store = MemoryStore::new();
    let mut chunks = 0;
    while let Some(number) = joining.wants() {
        let chunk = snapshot.chunk(number).unwrap().unwrap();
        assert!(chunk.len() < 60_000, "{}", chunk.len());
        for batch in joining.take(&chunk).unwrap() {
            batch.check().unwrap();
            assert!(matches!(store.commit(&batch), Ok(Commit::Applied(_))));
        }
        chunks += 1;
    }
    assert_eq!(chunks, snapshot.manifest().chunks());
    assert!(chunks > 4);
    assert_eq!(snapshot.chunk(chunks), Ok(None));
    let (joined, last) = joining.finish().unwrap();
    assert!(matches!(store.commit(&last), Ok(Commit::Applied(_))));
    let mut desk = Desk::new(policy(), Faults::None);
    desk.store = FaultyStore::over(&store.snapshot(), Faults::None);
    desk.die();
    desk.settle();
    (joined, desk)
}

#[test]
fn ld12_a_snapshot_leads_to_the_same_chain_and_blocks_go_on_from_it() {
    let (mut place, chain, blocks, note) = grown();
    let snapshot = Snapshot::of(&chain, note).unwrap();
    let (mut joined, mut desk) = joined(&chain, &snapshot);
    assert_eq!(joined, chain);
    assert_eq!(desk.chain(), &chain);
    // From there by blocks, here and at the node.
    let owner = Through { party: place.state.holding(thing(9)).unwrap().owner, member: MEMBER_A };
    let request = place.request(thing(999), owner);
    desk.now = place.time;
    desk.submit("m-a", &request);
    assert!(matches!(desk.told_to("m-a")[..], [Message::Decided { .. }]));
    place.apply(&request).unwrap();
    let (later, all) = place.chain();
    joined.take(&all[blocks.len()]).unwrap();
    assert_eq!(joined, later);
    assert_eq!(desk.chain().map().root(), later.map().root());
    // The node has no block of before, and says nothing to who wants one; the one after it is there.
    for height in [0, blocks.len() - 1, blocks.len()] {
        desk.send("m-late", &Message::Want(Height(height as u64)));
    }
    let told = desk.told_to("m-late");
    assert!(matches!(&told[..], [Message::Block(block)] if block.transactions == [request]));
}

#[test]
fn ld12_a_wrong_chunk_is_known_at_once_and_the_right_one_is_taken_after_it() {
    let (_, chain, _, note) = grown();
    let snapshot = Snapshot::of(&chain, note).unwrap();
    let mut joining = join(&chain, snapshot.manifest()).unwrap();
    while let Some(number) = joining.wants() {
        let chunk = snapshot.chunk(number).unwrap().unwrap();
        let before = format!("{joining:?}");
        // Bits in many places, each of them in some chunk.
        for at in (usize::try_from(number).unwrap() % 97..chunk.len()).step_by(97) {
            let mut damaged = chunk.clone();
            damaged[at] ^= 1 << (at % 8);
            assert!(joining.take(&damaged).is_err(), "chunk {number}, byte {at}");
        }
        // Another chunk, which is right in its place; one with an entry less.
        let other = snapshot.chunk(number + 1).unwrap();
        let other = other.unwrap_or_else(|| snapshot.chunk(0).unwrap().unwrap());
        assert!(joining.take(&other).is_err());
        assert!(joining.take(&chunk[..chunk.len() - 1]).is_err());
        assert_eq!(format!("{joining:?}"), before);
        joining.take(&chunk).unwrap();
    }
    assert_eq!(joining.take(&[1]).unwrap_err(), ProofError::NotAsked);
    assert_eq!(joining.finish().unwrap().0, chain);
}

#[test]
fn ld12_a_snapshot_is_believed_by_its_signatures_and_only_whole() {
    let (_, chain, _, note) = grown();
    let snapshot = Snapshot::of(&chain, note.clone()).unwrap();
    let manifest = snapshot.manifest();
    let strangers = Trust { keys: vec![key(2).verifying_key()], ..trust(&chain) };
    let begin = |trust: &Trust, manifest: &Manifest| {
        let genesis = genesis(policy());
        Joining::new(genesis, trust, Tenant::new(7), manifest.clone()).map(|_| ())
    };
    assert_eq!(begin(&strangers, manifest), Err(ProofError::NotSigned));
    let other = Trust { chain: ChainId([3; 32]), ..trust(&chain) };
    assert_eq!(begin(&other, manifest), Err(ProofError::AnotherChain));
    let mut forged = manifest.clone();
    forged.header.header.state_root[0] ^= 1;
    assert_eq!(begin(&trust(&chain), &forged), Err(ProofError::NotSigned));
    // A checkpoint of the same log earlier on, signed and all.
    let mut log = Log::new();
    (0..7).for_each(|at| log.push(chain.log().leaf(at).unwrap()));
    let earlier = Checkpoint::of("registry.example/things", &log);
    let earlier = Note::new(&earlier.text()).unwrap();
    let earlier = Some(earlier.signed_by("registry.example/things", &key(1)));
    assert_eq!(Snapshot::of(&chain, earlier.clone()).unwrap_err(), ProofError::Form);
    let mut mixed = manifest.clone();
    mixed.checkpoint = earlier;
    assert_eq!(begin(&trust(&chain), &mixed), Err(ProofError::NotIncluded));
    // Where blocks are voted for, the header says it all.
    let bare = Snapshot::of(&chain, None).unwrap();
    assert_eq!(begin(&trust(&chain), bare.manifest()), Ok(()));
    assert_eq!(begin(&strangers, bare.manifest()), Err(ProofError::NotSigned));
    let joining = join(&chain, manifest).unwrap();
    assert_eq!(joining.finish().map(|_| ()), Err(Corrupt::Missing));
    let empty = Chain::new(genesis(policy())).unwrap();
    assert_eq!(Snapshot::of(&empty, note).unwrap_err(), ProofError::Form);
}

#[test]
fn what_is_over_goes_after_its_time_and_its_proofs_still_verify() {
    let policy = Policy { keep: 120, ..policy() };
    let mut place = Place::new(policy);
    let owner = place.party(20, MEMBER_A);
    let buyer = place.party(21, MEMBER_B);
    let old = place.registered(thing(1), owner);
    let request = place.request(thing(2), owner);
    place.apply(&request).unwrap();
    let rejected = request.file().unwrap().unwrap();
    let verdict = place.verdict(rejected, SUPERVISION, &[VerdictReason::Document]);
    place.apply(&verdict).unwrap();
    let transfer = place.transfer(old, owner, buyer);
    place.apply(&transfer).unwrap();
    let successor = place.request_after(thing(1), buyer, Some(old));
    let live = place.approved(&successor);
    let purge = |place: &Place, files: &[FileId]| {
        let mut files = files.to_vec();
        files.sort();
        let body = Body::Purge(Purge { by: SUPERVISION, files });
        place.transaction(body, &[Signer::Node(SUPERVISION)])
    };
    let (before, _) = place.chain();
    // Proofs of before.
    let head = before.head().unwrap().clone();
    let proof = EntryProof::of(&before, EntryKey::File(old)).unwrap();
    assert_eq!(place.state.purgeable(place.height).count(), 0);
    let early = purge(&place, &[rejected]);
    assert_eq!(place.apply(&early), Err(Refusal::TooEarly));
    place.pass(118);
    // The rejected one is over for long enough, the retired one is not yet.
    assert_eq!(place.state.purgeable(place.height).collect::<Vec<_>>(), [rejected]);
    let both = purge(&place, &[rejected, old]);
    assert_eq!(place.apply(&both), Err(Refusal::TooEarly));
    place.pass(2);
    assert_eq!(place.state.purgeable(place.height).collect::<Vec<_>>(), [rejected, old]);
    let never = purge(&place, &[live]);
    assert_eq!(place.apply(&never), Err(Refusal::TooEarly));
    let unknown = purge(&place, &[FileId([4; 32])]);
    assert_eq!(place.apply(&unknown), Err(Refusal::UnknownFile));
    let by_member = Body::Purge(Purge { by: MEMBER_A, files: vec![rejected] });
    let by_member = place.transaction(by_member, &[Signer::Node(MEMBER_A)]);
    assert_eq!(place.apply(&by_member), Err(Refusal::WrongRole));
    let twice = Body::Purge(Purge { by: SUPERVISION, files: vec![old, old] });
    let twice = place.transaction(twice, &[Signer::Node(SUPERVISION)]);
    assert!(Transaction::parse(&twice.to_bytes().unwrap()).is_err());
    assert_eq!(place.state.judge(place.at(), &twice), Err(Refusal::NotCanonical));
    // What is frozen stays, and is not in the way of others.
    let supervised =
        |place: &Place| Supervised { on: place.on(rejected), by: SUPERVISION, reference: [1; 32] };
    let freeze = Body::Freeze(supervised(&place));
    let freeze = place.transaction(freeze, &[Signer::Node(SUPERVISION)]);
    place.apply(&freeze).unwrap();
    assert_eq!(place.state.purgeable(place.height).collect::<Vec<_>>(), [old]);
    let both = purge(&place, &[rejected, old]);
    assert_eq!(place.apply(&both), Err(Refusal::Frozen));
    let unfreeze = Body::Unfreeze(supervised(&place));
    let unfreeze = place.transaction(unfreeze, &[Signer::Node(SUPERVISION)]);
    place.apply(&unfreeze).unwrap();
    let both = purge(&place, &[rejected, old]);
    place.apply(&both).unwrap();
    assert_eq!((place.state.file(rejected), place.state.file(old)), (None, None));
    assert_eq!(place.state.purgeable(place.height).count(), 0);
    // A request that was forgotten does not come again: its window is over.
    assert_eq!(place.apply(&request), Err(Refusal::OutsideWindow));
    // Who owns what is as it was, and the old proofs are as good as before.
    assert_eq!(place.state.holding(thing(1)), Some(Holding { file: live, owner: buyer.party }));
    let seen = proof.verify(&trust(&before), EntryKey::File(old)).unwrap();
    assert!(seen.found.is_some());
    assert_eq!(proof.header, head);
    // The new owner can sell on, though the file before is forgotten.
    let next = place.transfer(live, buyer, owner);
    place.apply(&next).unwrap();
}

#[test]
fn what_went_is_gone_from_rows_and_roots_and_the_log_still_knows_it() {
    let policy = Policy { window_max: 20, keep: 20, ..policy() };
    let (mut place, mut desk) = (Place::new(policy), Desk::new(policy, Faults::None));
    let owner = place.party(20, MEMBER_A);
    let request = place.request(thing(1), owner);
    let file = request.file().unwrap().unwrap();
    place.apply(&request).unwrap();
    let verdict = place.verdict(file, SUPERVISION, &[VerdictReason::Document]);
    place.apply(&verdict).unwrap();
    for number in 2..14 {
        place.registered(thing(number), owner);
    }
    let body = Body::Purge(Purge { by: SUPERVISION, files: vec![file] });
    let purge = place.transaction(body, &[Signer::Node(SUPERVISION)]);
    place.apply(&purge).unwrap();
    place.play(&mut desk);
    let root = desk.chain().map().root();
    assert_eq!(desk.chain().state().file(file), None);
    let proof = EntryProof::of(desk.chain(), EntryKey::File(file)).unwrap();
    let seen = proof.verify(&trust(desk.chain()), EntryKey::File(file)).unwrap();
    assert_eq!(seen.found, None);
    // The row is gone with it: what is opened gives the signed root.
    desk.die();
    desk.settle();
    assert_eq!(desk.chain().map().root(), root);
    // Another node comes to the same by blocks, and finds the request's record under the newest root.
    let mut other = Chain::new(genesis(policy)).unwrap();
    let blocks = desk.blocks();
    for block in &blocks {
        other.take(block).unwrap();
    }
    assert_eq!(other.map().root(), root);
    let records: Vec<Record> = blocks.iter().flat_map(Block::records).collect();
    let at = records.iter().position(|it| it.transaction.file() == Ok(Some(file))).unwrap();
    let mut bytes = Vec::new();
    records[at].encode(&mut bytes).unwrap();
    let path = other.log().inclusion(at as u64, other.log().size()).unwrap();
    let proof =
        RecordProof::new(bytes, at as u64, path, desk.machine.checkpoint().unwrap().clone());
    assert_eq!(proof.verify(&trust(&other)).as_ref(), Ok(&records[at]));
}
