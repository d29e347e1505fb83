//! One supervision node that orders alone: what it takes, stores, tells, and finds again.

use crate::place::desk::*;
use crate::place::*;
use interbank_ledger::*;
use port::{CrateTag, Input, Key, Machine as _, Tenant};
use simkit::{Fate, Faults, FaultyStore};

/// Two parties, and a machine that knows what the place knows.
fn open(policy: Policy) -> (Place, Desk, Through, Through) {
    let mut place = Place::new(policy);
    let one = place.party(20, MEMBER_A);
    let two = place.party(21, MEMBER_B);
    let mut desk = Desk::new(policy, Faults::None);
    place.play(&mut desk);
    desk.events.clear();
    (place, desk, one, two)
}

fn judged(place: &mut Place, desk: &mut Desk, file: FileId, reasons: &[VerdictReason]) {
    place.follow(desk.chain());
    let verdict = place.verdict(file, SUPERVISION, reasons);
    desk.own(&verdict);
}

#[test]
fn l06_the_result_goes_to_the_member_that_asked_and_to_nobody_else() {
    let (mut place, mut desk, one, two) = open(policy());
    for (n, reasons, outcome) in
        [(1, &[][..], Ok(())), (2, &[VerdictReason::Human], Err(Rejected::ByAudit))]
    {
        place.follow(desk.chain());
        let request = place.request(thing(n), one);
        let file = request.file().unwrap().unwrap();
        desk.submit("m-a", &request);
        // Another member sends the same bytes.
        desk.submit("m-b", &request);
        judged(&mut place, &mut desk, file, reasons);
        let height = desk.chain().state().file(file).unwrap().since;
        let result = Message::Concluded { file, height, outcome };
        assert_eq!(desk.told_to("m-a").last(), Some(&&result));
        desk.submit("m-b", &request);
        assert!(!desk.told_to("m-b").contains(&&result));
        // Who asks again is told again.
        desk.told.clear();
        desk.submit("m-a", &request);
        assert_eq!(desk.told_to("m-a"), [&result]);
    }
    // A request that is refused at once is answered at once.
    place.follow(desk.chain());
    let again = place.request(thing(1), two);
    desk.submit("m-b", &again);
    let digest = again.digest().unwrap();
    let refused = Message::Refused { digest, why: Refusal::AlreadyRegistered };
    assert_eq!(desk.told_to("m-b").last(), Some(&&refused));
}

#[test]
fn l16_the_method_from_request_to_the_new_owners_registration() {
    let (mut place, mut desk, owner, buyer) = open(policy());
    // A user instructs; its member builds the request; a supervision node audits and registers; the member has the result.
    place.follow(desk.chain());
    let request = place.request(thing(1), owner);
    let old = request.file().unwrap().unwrap();
    desk.submit("m-a", &request);
    assert_eq!(desk.events.last(), Some(&AuthorityEvent::Requested(old)));
    judged(&mut place, &mut desk, old, &[]);
    assert!(matches!(desk.told_to("m-a").last(), Some(Message::Concluded { outcome: Ok(()), .. })));
    // Member to member: an offer, an acceptance; what both signed is chained.
    place.follow(desk.chain());
    let transfer = place.transfer(old, owner, buyer);
    desk.submit("m-b", &transfer);
    assert!(matches!(desk.told_to("m-b").last(), Some(Message::Decided { .. })));
    // The new owner registers a new file, which is audited again.
    place.follow(desk.chain());
    let request = place.request_after(thing(1), buyer, Some(old));
    let new = request.file().unwrap().unwrap();
    desk.submit("m-b", &request);
    judged(&mut place, &mut desk, new, &[]);
    let holding = desk.chain().state().holding(thing(1)).unwrap();
    assert_eq!(holding, Holding { file: new, owner: buyer.party });
    let mut title = Title::new(thing(1), 1);
    for record in desk.blocks().iter().flat_map(Block::records) {
        title.update(&record);
    }
    let owners: Vec<_> = title.steps().iter().map(|step| step.owner.unwrap()).collect();
    assert_eq!(owners, [owner.party, buyer.party, buyer.party]);
}

#[test]
fn ld03_what_comes_again_is_answered_and_taken_once() {
    let (mut place, mut desk, one, _) = open(policy());
    place.follow(desk.chain());
    let request = place.request(thing(1), one);
    for _ in 0..3 {
        desk.submit("m-a", &request);
    }
    let (height, place_in_block) = (Height(6), 0);
    let digest = request.digest().unwrap();
    let decided = Message::Decided { digest, height, place: place_in_block };
    assert_eq!(desk.told_to("m-a"), [&decided; 3]);
    // Also of a node that was started again.
    desk.die();
    desk.settle();
    desk.submit("m-a", &request);
    assert_eq!(desk.told_to("m-a"), [&decided; 4]);
    assert_eq!(desk.blocks().len(), 7);
}

#[test]
fn what_waits_shares_a_block() {
    let (mut place, mut desk, one, two) = open(policy());
    place.follow(desk.chain());
    // The first opens a block; what comes while it is signed shares the next.
    desk.keys_fail = 1;
    let requests: Vec<_> =
        (0..30).map(|n| place.request(thing(n), [one, two][n as usize % 2])).collect();
    for request in &requests {
        desk.submit("m-a", request);
    }
    assert_eq!(desk.machine.waiting(), 29);
    assert!(desk.events.contains(&AuthorityEvent::NotSigned));
    assert!(desk.told.is_empty());
    desk.tick(100);
    assert_eq!(desk.machine.waiting(), 0);
    let sizes: Vec<_> = desk.blocks()[6..].iter().map(|block| block.transactions.len()).collect();
    assert_eq!(sizes, [1, 29]);
    assert_eq!(desk.told_to("m-a").len(), 30);
}

#[test]
fn nothing_is_told_before_it_is_durable_not_even_a_refusal_that_rests_on_it() {
    let (mut place, mut desk, one, two) = open(policy());
    place.follow(desk.chain());
    let first = place.request(thing(9), one);
    let file = {
        desk.submit("m-a", &first);
        first.file().unwrap().unwrap()
    };
    judged(&mut place, &mut desk, file, &[]);
    desk.told.clear();
    // Two transfers of one file wait for one block: the second is refused because of the first.
    place.follow(desk.chain());
    let (sale, other) = (place.transfer(file, one, two), place.lien(file, one, two));
    let filler = place.request(thing(10), one);
    desk.keys_fail = 1;
    desk.submit("m-a", &filler);
    desk.submit("m-a", &sale);
    desk.submit("m-b", &other);
    desk.store.set_faults(Faults::commits([(2, Fate::UnknownLost)]));
    desk.tick(100);
    // The block with the sale is lost, and so is what would have been said of it.
    let digest = filler.digest().unwrap();
    let decided: Vec<_> = desk.told.iter().map(|(_, message)| message).collect();
    assert!(matches!(decided[..], [Message::Decided { digest: told, .. }] if *told == digest));
    // The other one comes first now, and is decided.
    desk.submit("m-b", &other);
    assert!(matches!(desk.told_to("m-b")[..], [Message::Decided { .. }]));
    desk.submit("m-a", &sale);
    let last = desk.told_to("m-a").last().copied();
    assert!(matches!(last, Some(Message::Refused { why: Refusal::StaleRevision, .. })));
}

#[test]
fn ld12_a_node_that_comes_late_gets_every_block() {
    let (mut place, mut desk, one, _) = open(policy());
    place.follow(desk.chain());
    let request = place.request(thing(1), one);
    desk.submit("m-a", &request);
    let mut late = Chain::new(genesis(policy())).unwrap();
    loop {
        desk.told.clear();
        desk.send("m-late", &Message::Want(late.next_height()));
        match &desk.told[0].1 {
            Message::Block(block) => {
                late.take(block).unwrap();
            }
            Message::Next(next) => {
                assert_eq!(*next, late.next_height());
                break;
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(&late, desk.chain());
}

#[test]
fn a_second_instance_fences_the_first() {
    let (mut place, mut desk, one, _) = open(policy());
    let mut second = Desk::new(policy(), Faults::None);
    std::mem::swap(&mut second.store, &mut desk.store);
    second.die();
    second.settle();
    place.follow(second.chain());
    let request = place.request(thing(1), one);
    second.submit("m-a", &request);
    std::mem::swap(&mut second.store, &mut desk.store);
    let other = place.request(thing(2), one);
    desk.submit("m-a", &other);
    assert_eq!(desk.deaths, 1);
    // It has read what the other wrote.
    assert_eq!(desk.chain().next_height(), Height(7));
    desk.submit("m-a", &other);
    assert_eq!(desk.chain().next_height(), Height(8));
}

#[test]
fn damaged_and_missing_rows_are_found_at_the_opening() {
    let (place, desk, ..) = open(policy());
    let snapshot = desk.store.snapshot();
    assert_eq!(place.state.nodes().count(), 4);
    let opened = |rows| {
        let snapshot = port::Snapshot { rows, ..snapshot.clone() };
        let store = FaultyStore::over(&snapshot, Faults::None);
        let mut machine = Authority::open(config(policy())).unwrap();
        let keys = seal::SoftKeys::new();
        struct Nowhere;
        impl port::blocking::Link for Nowhere {
            type Error = std::convert::Infallible;
            fn send(&self, _: &port::Peer, _: &port::Bytes) -> Result<(), Self::Error> {
                Ok(())
            }
        }
        let drained = port::blocking::drain(&mut machine, START, &store, &Nowhere, &keys);
        let opened = drained.map(|_| machine.chain().map(Chain::next_height));
        if opened.is_err() {
            assert_eq!(machine.handle(START, Input::Tick), Err(Error::Fenced));
        }
        opened
    };
    assert_eq!(opened(snapshot.rows.clone()), Ok(Some(Height(6))));
    // Head, entries and tiles: 1, 3, 4. Blocks are for others to verify, and decided rows answer those who ask again.
    let is_read = |key: &Key| {
        [1, 3, 4]
            .iter()
            .any(|table| key.starts_with(&Key::new(CrateTag::LEDGER, Tenant::new(7), *table)))
    };
    let count = snapshot.rows.len();
    for at in 0..count {
        let (key, row) = &snapshot.rows[at];
        if !is_read(key) {
            continue;
        }
        for byte in (0..row.value.len()).step_by(3) {
            let mut rows = snapshot.rows.clone();
            let mut value = row.value.to_vec();
            value[byte] ^= 1;
            rows[at].1.value = value.into();
            assert!(matches!(opened(rows), Err(Error::Corrupt(_))), "{key:?} byte {byte}");
        }
        if !key.starts_with(&Key::new(CrateTag::LEDGER, Tenant::new(7), 1)) {
            let mut rows = snapshot.rows.clone();
            rows.remove(at);
            assert!(matches!(opened(rows), Err(Error::Corrupt(_))), "{key:?} missing");
        }
    }
}

#[test]
fn frames_that_are_none_change_nothing() {
    let (place, mut desk, ..) = open(policy());
    let before = desk.chain().clone();
    let height = before.next_height();
    let frames = [
        vec![],
        vec![1],
        vec![1, 9],
        vec![2, 5, 0, 0, 0, 0, 0, 0, 0, 0],
        Message::Next(height).to_frame().unwrap().to_vec(),
        Message::Decided { digest: [0; 32], height, place: 0 }.to_frame().unwrap().to_vec(),
    ];
    for frame in frames {
        let input = Input::Frame { from: &peer("m-a"), bytes: &frame };
        let answer = desk.machine.handle(place.time, input);
        assert!(matches!(answer, Err(Error::Peer(_))), "{frame:?}");
        assert!(desk.machine.poll_effect().is_none());
    }
    assert_eq!(desk.chain(), &before);
}

#[test]
fn supervision_is_told_of_a_new_owner_who_is_late() {
    let (mut place, mut desk, one, two) = open(Policy { register_within: 3, ..policy() });
    place.follow(desk.chain());
    let request = place.request(thing(1), one);
    let file = request.file().unwrap().unwrap();
    desk.submit("m-a", &request);
    judged(&mut place, &mut desk, file, &[]);
    place.follow(desk.chain());
    let transfer = place.transfer(file, one, two);
    desk.submit("m-a", &transfer);
    let is_told = |desk: &Desk| desk.events.contains(&AuthorityEvent::Overdue(file));
    for n in 2..4 {
        assert!(!is_told(&desk));
        place.follow(desk.chain());
        let other = place.request(thing(n), one);
        desk.submit("m-a", &other);
    }
    assert!(is_told(&desk));
    let count = desk.events.iter().filter(|it| **it == AuthorityEvent::Overdue(file)).count();
    assert_eq!(count, 1);
}

#[test]
fn the_stored_checkpoint_proves_records() {
    let (mut place, mut desk, one, _) = open(policy());
    place.follow(desk.chain());
    let request = place.request(thing(1), one);
    desk.submit("m-a", &request);
    desk.die();
    desk.settle();
    let note = desk.machine.checkpoint().unwrap().clone();
    let chain = desk.chain();
    let record = desk.blocks().last().unwrap().records().next().unwrap();
    let mut bytes = Vec::new();
    record.encode(&mut bytes).unwrap();
    let size = chain.log().size();
    let path = chain.log().inclusion(size - 1, size).unwrap();
    let proof = RecordProof::new(bytes, size - 1, path, note);
    assert_eq!(proof.verify(&trust(chain)), Ok(record));
}
