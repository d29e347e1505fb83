//! What is looked for, what is shown, and what is found out if it is false or too little.

use crate::place::*;
use interbank_ledger::*;
use port::WireError;

/// Forty things of two owners, in two regions and of two kinds, some of them let, one went over, one retired.
fn town() -> (Place, Chain, Index, [Through; 3]) {
    let mut place = Place::new(policy());
    let owners = [(20, MEMBER_A), (21, MEMBER_B), (22, MEMBER_B)]
        .map(|(seed, member)| place.party(seed, member));
    let [one, two, three] = owners;
    let mut files = Vec::new();
    for number in 0..44 {
        let owner = if number % 11 == 0 { two } else { one };
        let mut request = place.request(thing(number), owner);
        if let Body::Register(it) = &mut request.body {
            it.kind = Label::new(if number % 3 == 0 { "house" } else { "vehicle" }).unwrap();
            it.region = Label::new(if number % 2 == 0 { "de-by" } else { "de-be" }).unwrap();
        }
        let request = Transaction::new(request.chain, request.window, request.body);
        let request = place.sign(request, &signers(&[owner]));
        files.push(place.approved(&request));
    }
    let lease = place.lease(files[1], one, three, 1..9, true);
    place.apply(&lease).unwrap();
    let transfer = place.transfer(files[2], one, three);
    place.apply(&transfer).unwrap();
    let acted = Acted { on: place.on(files[3]), by: one };
    let retire = place.transaction(Body::Retire(acted), &signers(&[one]));
    place.apply(&retire).unwrap();
    let (chain, blocks) = place.chain();
    let index = Index::of(chain.state());
    // The index grows along with the blocks as well.
    let (mut grown, mut replayed) = (Index::default(), Chain::new(genesis(policy())).unwrap());
    for block in &blocks {
        replayed.take(block).unwrap().iter().for_each(|entry| grown.update(entry));
    }
    assert_eq!(grown, index);
    (place, chain, index, owners)
}

/// Asks until all was shown, over the wire.
fn ask(chain: &Chain, index: &Index, query: &Query) -> Result<Found, ProofError> {
    let mut bytes = Vec::new();
    query.encode(&mut bytes).unwrap();
    assert_eq!(Query::parse(&bytes).as_ref(), Ok(query));
    let mut findings = Findings::new(query.clone());
    loop {
        let answer = index.answer(chain, query, findings.after()).unwrap();
        let mut bytes = Vec::new();
        answer.encode(&mut bytes).unwrap();
        let read = Answer::parse(&bytes).unwrap();
        assert_eq!(read, answer);
        if !findings.update(&trust(chain), &read)? {
            return findings.finish();
        }
    }
}

fn ids(found: &Found) -> Vec<FileId> {
    let mut ids: Vec<_> = found.files.iter().map(|found| found.id).collect();
    ids.sort();
    ids
}

#[test]
fn ld15_everything_that_fits_is_found_and_proved() {
    let (place, chain, index, [one, two, three]) = town();
    let label = |text| Some(Label::new(text).unwrap());
    let (house, berlin) = (label("house"), label("de-be"));
    let from = Some(START.plus_ms(40_000));
    let until = Some(START.plus_ms(70_000));
    let filters = [
        Filter::default(),
        Filter { kind: house.clone(), ..Filter::default() },
        Filter { region: berlin.clone(), ..Filter::default() },
        Filter { kind: house.clone(), region: berlin.clone(), ..Filter::default() },
        Filter { stage: Some(Stage::Registered), kind: house.clone(), ..Filter::default() },
        Filter { stage: Some(Stage::Encumbered), ..Filter::default() },
        Filter { stage: Some(Stage::Retired), region: berlin.clone(), ..Filter::default() },
        Filter { stage: Some(Stage::Frozen), ..Filter::default() },
        Filter { from, until, ..Filter::default() },
        Filter { from, kind: house, region: berlin, ..Filter::default() },
        Filter { from: until, until: from, ..Filter::default() },
        Filter { kind: label("ship"), ..Filter::default() },
    ];
    for filter in filters {
        let found = ask(&chain, &index, &Query::Files(filter.clone())).unwrap();
        let all = place.state.files().filter(|(_, file)| filter.matches(file));
        assert_eq!(ids(&found), all.map(|(id, _)| id).collect::<Vec<_>>(), "{filter:?}");
        assert!(!found.is_complete);
        for FoundFile { id, file, .. } in &found.files {
            assert_eq!(place.state.file(*id), Some(&**file));
        }
    }
    let mut owned = 0;
    for party in [one, two, three] {
        let query = Query::Owner(party.party);
        let found = ask(&chain, &index, &query).unwrap();
        let own = place.state.holdings().filter(|(_, holding)| holding.owner == party.party);
        let mut own: Vec<_> = own.map(|(_, holding)| holding.file).collect();
        own.sort();
        assert_eq!((ids(&found), found.is_complete), (own, true));
        owned += found.files.len();
    }
    assert_eq!(owned, 43);
    let nobody = ask(&chain, &index, &Query::Owner(PartyId([7; 32]))).unwrap();
    assert_eq!((nobody.files.len(), nobody.is_complete), (0, true));
    let Holding { file, owner } = place.state.holding(thing(2)).unwrap();
    assert_eq!(owner, three.party);
    for query in [Query::Thing(thing(2)), Query::File(file)] {
        let found = ask(&chain, &index, &query).unwrap();
        assert_eq!((ids(&found), found.is_complete), (vec![file], true));
        assert_eq!(found.height, chain.head().unwrap().header.height);
    }
    for query in [Query::Thing(thing(3)), Query::Thing(thing(99)), Query::File(FileId([1; 32]))] {
        let found = ask(&chain, &index, &query).unwrap();
        assert_eq!((found.files.len(), found.is_complete), (0, true));
    }
}

#[test]
fn ld15_an_answer_about_an_owner_that_leaves_something_out_is_found_out() {
    let (_, chain, index, [one, two, _]) = town();
    let trust = trust(&chain);
    let query = Query::Owner(two.party);
    // An index that has lost one of four: every file that it shows is proved, and still one is missed.
    let mut poor = index.clone();
    let lost = index.find(&query, None, 9).files[2];
    poor.update(&Entry::Gone(lost));
    let mut findings = Findings::new(query.clone());
    let answer = poor.answer(&chain, &query, None).unwrap();
    assert_eq!(findings.update(&trust, &answer), Err(ProofError::Partial));
    // What was refused changed nothing: an honest node is asked next.
    let answer = index.answer(&chain, &query, None).unwrap();
    assert_eq!(findings.update(&trust, &answer), Ok(false));
    assert_eq!(findings.finish().unwrap().files.len(), 4);
    // Of two pages, the second does not come.
    let query = Query::Owner(one.party);
    let mut findings = Findings::new(query.clone());
    let mut answer = index.answer(&chain, &query, None).unwrap();
    assert!(answer.next.is_some());
    assert_eq!(findings.clone().update(&trust, &answer), Ok(true));
    answer.next = None;
    assert_eq!(findings.update(&trust, &answer), Err(ProofError::Partial));
    // The same of a query that no count is signed for is not found out.
    let query = Query::Files(Filter::default());
    let mut findings = Findings::new(query.clone());
    let mut answer = index.answer(&chain, &query, None).unwrap();
    answer.next = None;
    assert_eq!(findings.update(&trust, &answer), Ok(false));
    assert!(!findings.finish().unwrap().is_complete);
}

#[test]
fn ld15_a_false_answer_is_found_out() {
    let (mut place, chain, index, [one, two, three]) = town();
    let trust = trust(&chain);
    let answer = |query: &Query| index.answer(&chain, query, None).unwrap();
    let verdict = |query: &Query, answer: &Answer| {
        Findings::new(query.clone()).update(&trust, answer).map(|_| ())
    };
    // True, and not what was asked for.
    let [ones, twos] = [one, two].map(|it| Query::Owner(it.party));
    assert_eq!(verdict(&twos, &answer(&ones)), Err(ProofError::NotAsked));
    let all = Query::Files(Filter::default());
    let ships = Query::Files(Filter { kind: Label::new("ship").ok(), ..Filter::default() });
    assert_eq!(verdict(&all, &answer(&all)), Ok(()));
    assert_eq!(verdict(&ships, &answer(&all)), Err(ProofError::NotAsked));
    assert_eq!(verdict(&Query::Thing(thing(2)), &answer(&all)), Err(ProofError::NotAsked));
    let other = Query::Thing(thing(4));
    assert_eq!(verdict(&Query::Thing(thing(2)), &answer(&other)), Err(ProofError::NotAsked));
    // A page again instead of the next one.
    let mut findings = Findings::new(all.clone());
    assert_eq!(findings.update(&trust, &answer(&all)), Ok(true));
    assert_eq!(findings.update(&trust, &answer(&all)), Err(ProofError::NotAsked));
    // Pages of one owner as of two blocks.
    let mut findings = Findings::new(ones.clone());
    assert_eq!(findings.update(&trust, &answer(&ones)), Ok(true));
    let transfer = place.transfer(place.state.holding(thing(7)).unwrap().file, one, three);
    place.apply(&transfer).unwrap();
    let (later, _) = place.chain();
    let page = Index::of(later.state()).answer(&later, &ones, findings.after()).unwrap();
    assert_eq!(findings.update(&trust, &page), Err(ProofError::Moved));
    // Any bit.
    let mut bytes = Vec::new();
    answer(&twos).encode(&mut bytes).unwrap();
    let number = 3 + SignedHeader::BYTES - 66..3 + SignedHeader::BYTES - 64;
    for at in (0..bytes.len()).step_by(3).filter(|at| !number.contains(at)) {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1 << (at % 8);
        let taken = Answer::parse(&damaged).map(|answer| verdict(&twos, &answer));
        assert!(!matches!(taken, Ok(Ok(()))), "byte {at}");
    }
    bytes.push(0);
    assert_eq!(Answer::parse(&bytes), Err(WireError::Trailing));
}

#[test]
fn ld15_what_a_party_owns_is_for_its_members_and_supervision() {
    let (mut place, _, _, [one, ..]) = town();
    let height = place.height;
    let may = |place: &Place, query: &Query, by| query.check_allowed(&place.state, by, height);
    let query = Query::Owner(one.party);
    assert_eq!(may(&place, &query, MEMBER_A), Ok(()));
    assert_eq!(may(&place, &query, SUPERVISION), Ok(()));
    assert_eq!(may(&place, &query, MEMBER_B), Err(Refusal::NotAssociated));
    assert_eq!(may(&place, &Query::Thing(thing(1)), MEMBER_B), Ok(()));
    assert_eq!(may(&place, &query, NodeId(Height(77))), Err(Refusal::UnknownNode));
    let by = [SUPERVISION, SUPERVISION_2].map(Signer::Node);
    let revoke = place.transaction(Body::Revoke(MEMBER_A), &by);
    place.apply(&revoke).unwrap();
    let late = query.check_allowed(&place.state, MEMBER_A, place.height);
    assert_eq!(late, Err(Refusal::NodeRevoked));
}

/// The records about a thing, with their places in the log.
fn records_of(thing: ThingKey, blocks: &[Block]) -> Vec<(u64, Record)> {
    let mut history = History::new();
    blocks.iter().for_each(|block| history.update(block).unwrap());
    let record = |it: &RecordPlace| {
        let block = &blocks[usize::try_from(it.height.0).unwrap()];
        (it.index, block.records().nth(it.place as usize).unwrap())
    };
    history.of(thing).iter().map(record).collect()
}

#[test]
fn ld15_requests_that_came_to_nothing_do_not_make_a_provenance_longer() {
    let mut place = Place::new(policy());
    let owner = place.party(20, MEMBER_A);
    let other = place.party(21, MEMBER_B);
    // Of two that are audited at one time, the second comes too late.
    let late = place.request(thing(1), other);
    place.apply(&late).unwrap();
    let rejected = place.request(thing(1), other);
    place.apply(&rejected).unwrap();
    let verdict =
        place.verdict(rejected.file().unwrap().unwrap(), SUPERVISION, &[VerdictReason::Document]);
    place.apply(&verdict).unwrap();
    let live = place.registered(thing(1), owner);
    let verdict = place.verdict(late.file().unwrap().unwrap(), SUPERVISION, &[]);
    place.apply(&verdict).unwrap();
    let (chain, blocks) = place.chain();
    let records = records_of(thing(1), &blocks);
    assert_eq!(records.len(), 6);
    let prove = |records: &[(u64, Record)]| {
        let records = records.iter().map(|(index, record)| (*index, record));
        Provenance::new(&chain, thing(1), records).unwrap()
    };
    let whole = prove(&records);
    // The request of who owns it, and its verdict.
    assert!(whole == prove(&records[3..5]));
    let title = whole.verify(&trust(&chain), thing(1), 1).unwrap().found.unwrap();
    assert_eq!((title.owner(), title.file()), (Some(owner.party), Some(live)));
}

#[test]
fn ld15_a_things_provenance_is_proved_and_a_record_left_out_is_missed() {
    let mut place = Place::new(policy());
    let owners = [(20, MEMBER_A), (21, MEMBER_B), (22, MEMBER_B)]
        .map(|(seed, member)| place.party(seed, member));
    let mut file = place.registered(thing(1), owners[0]);
    place.registered(thing(2), owners[1]);
    for step in 0..4 {
        let (from, to) = (owners[step % 3], owners[(step + 1) % 3]);
        let lien = place.lien(file, from, owners[(step + 2) % 3]);
        place.apply(&lien).unwrap();
        let claim = place.state.file(file).unwrap().liens[0].id;
        let by = owners[(step + 2) % 3];
        let release = EndClaim { on: place.on(file), claim, by };
        let release = place.transaction(Body::ReleaseLien(release), &signers(&[by]));
        place.apply(&release).unwrap();
        let transfer = place.transfer(file, from, to);
        place.apply(&transfer).unwrap();
        let request = place.request_after(thing(1), to, Some(file));
        file = place.approved(&request);
    }
    let (chain, blocks) = place.chain();
    let records = records_of(thing(1), &blocks);
    // Two for the first owner; lien, release, transfer, request and verdict for the four after it.
    assert_eq!(records.len(), 22);
    let trust = trust(&chain);
    let prove = |records: &[(u64, Record)]| {
        let records = records.iter().map(|(index, record)| (*index, record));
        Provenance::new(&chain, thing(1), records).unwrap()
    };
    let whole = prove(&records);
    let mut bytes = Vec::new();
    whole.encode(&mut bytes).unwrap();
    let read = Provenance::parse(&bytes).unwrap();
    assert_eq!(read, whole);
    let seen = read.verify(&trust, thing(1), 1).unwrap();
    assert_eq!(seen.height, chain.head().unwrap().header.height);
    let title = seen.found.unwrap();
    let owned: Vec<_> = title.steps().iter().map(|step| step.owner.unwrap()).collect();
    let expected = [0, 1, 1, 2, 2, 0, 0, 1, 1].map(|owner: usize| owners[owner].party);
    assert_eq!((owned, title.file()), (expected.to_vec(), Some(file)));
    for at in 0..records.len() {
        let mut fewer = records.clone();
        let (_, left) = fewer.remove(at);
        let bears = !matches!(left.transaction.body, Body::PlaceLien(_) | Body::ReleaseLien(_));
        let verdict = prove(&fewer).verify(&trust, thing(1), 1).map(|_| ());
        assert_eq!(verdict, if bears { Err(ProofError::Partial) } else { Ok(()) }, "{at}");
    }
    // A whole round of owners left out in the middle.
    let mut fewer = records.clone();
    fewer.drain(5..20);
    assert!(prove(&fewer).verify(&trust, thing(1), 1).is_err());
    assert_eq!(whole.verify(&trust, thing(2), 1), Err(ProofError::NotIncluded));
    for at in (0..bytes.len()).step_by(7) {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1 << (at % 8);
        let verified = Provenance::parse(&damaged).map(|it| it.verify(&trust, thing(1), 1));
        let is_number = (5 + SignedHeader::BYTES - 66..5 + SignedHeader::BYTES - 64).contains(&at);
        assert!(is_number || !matches!(verified, Ok(Ok(_))), "byte {at}");
    }
    // Nobody has ever heard of a thing: that is proved too.
    let nothing = Provenance::new(&chain, thing(9), []).unwrap();
    assert_eq!(nothing.verify(&trust, thing(9), 1).unwrap().found.unwrap().owner(), None);
}

#[test]
fn ld15_private_fields_are_found_by_who_holds_the_key_alone() {
    let secret = |n| seal::Secret::new([n; 32]);
    let (mut own, other) = (BlindIndex::new(&secret(1)), BlindIndex::new(&secret(2)));
    let [plate, name] = ["plate", "owner-name"].map(|field| Label::new(field).unwrap());
    let file = |n| FileId([n; 32]);
    for n in 0..5_u8 {
        let number = [b'0' + n];
        own.put(file(n), [(&name, &b"Jane Roe"[..]), (&plate, &number[..])]);
    }
    assert_eq!(own.find(&plate, b"3", None, 9), [file(3)]);
    assert_eq!(own.find(&name, b"3", None, 9), []);
    assert_eq!(own.find(&name, b"Jane Roe", None, 2), [file(0), file(1)]);
    assert_eq!(own.find(&name, b"Jane Roe", Some(file(1)), 9), [file(2), file(3), file(4)]);
    // Sealed anew with other values; shredded.
    own.put(file(3), [(&plate, &b"9"[..])]);
    own.remove(file(4));
    assert_eq!(own.find(&plate, b"3", None, 9), []);
    assert_eq!(own.find(&name, b"Jane Roe", Some(file(1)), 9), [file(2)]);
    // Another key, another token; and the field is part of it.
    assert_ne!(own.token(&plate, b"3"), other.token(&plate, b"3"));
    assert_ne!(own.token(&plate, b"3"), own.token(&name, b"3"));
    let printed = format!("{own:?}");
    assert!(!printed.contains("Jane"), "{printed}");
}
