//! Ownership goes over, and the new owner registers again.

use crate::place::*;
use interbank_ledger::*;

#[test]
fn l07_no_supervision_node_takes_part_in_an_operation() {
    let mut place = Place::new(policy());
    let owner = place.party(20, MEMBER_A);
    let buyer = place.party(21, MEMBER_B);
    let file = place.registered(thing(1), owner);
    // The offer is the transaction with one side's signatures; it is worth nothing to the chain.
    let terms = Transfer { on: place.on(file), member: MEMBER_A, to: buyer, settlement: None };
    let offer = place.transaction(Body::Transfer(terms), &signers(&[owner]));
    assert_eq!(place.state.judge(place.at(), &offer), Err(Refusal::Unsigned));
    // Member B gets its bytes, and adds the other side's.
    let offer = Transaction::parse(&offer.to_bytes().unwrap()).unwrap();
    let accepted = place.sign(offer, &signers(&[buyer]));
    let is_supervision = |signer| matches!(signer, Signer::Node(SUPERVISION | SUPERVISION_2));
    assert!(!accepted.signatures.iter().any(|signature| is_supervision(signature.by)));
    assert_eq!(place.apply(&accepted), Ok(()));
    // And with a supervision node's signature it would not be one.
    let file = place.registered(thing(2), owner);
    let watched = place.transfer(file, owner, buyer);
    let watched = place.sign(watched, &[Signer::Node(SUPERVISION)]);
    assert_eq!(place.apply(&watched), Err(Refusal::Oversigned));
}

#[test]
fn l13_ownership_goes_over_when_both_have_signed() {
    let mut place = Place::new(policy());
    let owner = place.party(20, MEMBER_A);
    let buyer = place.party(21, MEMBER_B);
    let file = place.registered(thing(1), owner);
    let right = place.transfer(file, owner, buyer);
    for missing in signers(&[owner, buyer]) {
        let mut without = right.clone();
        without.signatures.retain(|signature| signature.by != missing);
        assert_eq!(place.apply(&without), Err(Refusal::Unsigned), "{missing:?}");
    }
    let to_itself = place.transfer(file, owner, owner);
    assert_eq!(place.apply(&to_itself), Err(Refusal::NotConcerned));
    place.apply(&right).unwrap();
    assert_eq!(place.stage(file), Stage::AwaitingRegistration);
    assert_eq!(place.state.holding(thing(1)), Some(Holding { file, owner: buyer.party }));
    assert_eq!(place.state.file(file).unwrap().holder(), buyer.party);
}

#[test]
fn l14_the_new_owner_registers_a_new_file_and_the_old_one_is_retired() {
    let mut place = Place::new(policy());
    let owner = place.party(20, MEMBER_A);
    let buyer = place.party(21, MEMBER_B);
    let old = place.registered(thing(1), owner);
    let transfer = place.transfer(old, owner, buyer);
    place.apply(&transfer).unwrap();
    let request = place.request_after(thing(1), buyer, Some(old));
    let new = request.file().unwrap().unwrap();
    place.apply(&request).unwrap();
    // It is audited again.
    assert_eq!(place.stage(new), Stage::Submitted);
    assert_eq!(place.stage(old), Stage::AwaitingRegistration);
    let approval = place.verdict(new, SUPERVISION, &[]);
    place.apply(&approval).unwrap();
    assert_ne!(new, old);
    assert_eq!(place.stage(new), Stage::Registered);
    assert_eq!(place.state.file(new).unwrap().predecessor, Some(old));
    let retired = Status::Retired { successor: Some(new) };
    assert_eq!(place.state.file(old).unwrap().status, retired);
    assert_eq!(place.state.holding(thing(1)), Some(Holding { file: new, owner: buyer.party }));
}

#[test]
fn ld04_a_transfer_is_refused_while_one_is_pending() {
    let mut place = Place::new(policy());
    let owner = place.party(20, MEMBER_A);
    let buyer = place.party(21, MEMBER_B);
    let third = place.party(22, MEMBER_B);
    let file = place.registered(thing(1), owner);
    let (pending, _) = agree(&mut place, file, owner, buyer);
    assert_eq!(place.stage(file), Stage::TransferPending);
    assert_eq!(place.apply(&pending), Err(Refusal::TransferPending));
    let second = place.transfer(file, owner, third);
    assert_eq!(place.apply(&second), Err(Refusal::TransferPending));
    let lease = place.lease(file, owner, third, 1..2, false);
    assert_eq!(place.apply(&lease), Err(Refusal::TransferPending));
}

#[test]
fn ld04_a_transfer_under_a_lien_needs_the_lienholder() {
    let mut place = Place::new(policy());
    let owner = place.party(20, MEMBER_A);
    let buyer = place.party(21, MEMBER_B);
    let bank = place.party(22, MEMBER_B);
    let file = place.registered(thing(1), owner);
    let lien = place.lien(file, owner, bank);
    place.apply(&lien).unwrap();
    let transfer = place.transfer(file, owner, buyer);
    assert_eq!(place.apply(&transfer), Err(Refusal::UnderLien));
    let consented = place.sign(transfer.clone(), &[Signer::Party(bank.party)]);
    let mut forged = consented.clone();
    for signature in &mut forged.signatures {
        if signature.by == Signer::Party(bank.party) {
            signature.bytes[0] ^= 1;
        }
    }
    assert_eq!(place.apply(&forged), Err(Refusal::BadSignature));
    assert_eq!(place.apply(&consented), Ok(()));
    // The lien goes over with the thing.
    let request = place.request_after(thing(1), buyer, Some(file));
    let new = place.approved(&request);
    assert_eq!(place.state.file(new).unwrap().liens[0].holder, bank.party);
    assert_eq!(place.stage(new), Stage::Encumbered);
}

#[test]
fn ld05_nothing_happens_between_transfer_and_registration() {
    let mut place = Place::new(policy());
    let owner = place.party(20, MEMBER_A);
    let buyer = place.party(21, MEMBER_B);
    let file = place.registered(thing(1), owner);
    let lien = place.lien(file, owner, buyer);
    place.apply(&lien).unwrap();
    let claim = ClaimId(lien.digest().unwrap());
    let transfer = place.transfer(file, owner, buyer);
    place.apply(&transfer).unwrap();
    let release = EndClaim { on: place.on(file), claim, by: buyer };
    let acted = |by| Acted { on: place.on(file), by };
    let attempts = [
        place.transfer(file, owner, buyer),
        place.transfer(file, buyer, owner),
        place.lease(file, owner, buyer, 1..2, false),
        place.lease(file, buyer, owner, 1..2, false),
        place.lien(file, owner, buyer),
        place.lien(file, buyer, owner),
        place.transaction(Body::Retire(acted(owner)), &signers(&[owner])),
        place.transaction(Body::Retire(acted(buyer)), &signers(&[buyer])),
        place.transaction(Body::ReleaseLien(release), &signers(&[buyer])),
    ];
    for attempt in attempts {
        assert_eq!(place.apply(&attempt), Err(Refusal::AwaitingRegistration));
    }
}

#[test]
fn ld06_only_the_accepted_new_owner_registers() {
    let mut place = Place::new(policy());
    let owner = place.party(20, MEMBER_A);
    let buyer = place.party(21, MEMBER_B);
    let third = place.party(22, MEMBER_B);
    let old = place.registered(thing(1), owner);
    let other_file = place.registered(thing(2), buyer);
    let transfer = place.transfer(old, owner, buyer);
    place.apply(&transfer).unwrap();
    for (by, predecessor, refusal) in [
        (owner, Some(old), Refusal::NotSuccessor),
        (third, Some(old), Refusal::NotSuccessor),
        (buyer, None, Refusal::AlreadyRegistered),
        (buyer, Some(other_file), Refusal::NotSuccessor),
        (buyer, Some(FileId([1; 32])), Refusal::UnknownFile),
    ] {
        let request = place.request_after(thing(1), by, predecessor);
        assert_eq!(place.apply(&request), Err(refusal));
    }
    // A successor for another thing.
    let request = place.request_after(thing(3), buyer, Some(old));
    assert_eq!(place.apply(&request), Err(Refusal::NotSuccessor));
    // Of two right requests the second is rejected when its audit ends.
    let requests = [0, 1].map(|_| place.request_after(thing(1), buyer, Some(old)));
    let [one, two] = requests.each_ref().map(|request| request.file().unwrap().unwrap());
    for request in &requests {
        place.apply(request).unwrap();
    }
    for file in [one, two] {
        let approval = place.verdict(file, SUPERVISION, &[]);
        place.apply(&approval).unwrap();
    }
    assert_eq!(place.stage(one), Stage::Registered);
    let lost = Status::Rejected(Rejected::NotSuccessor);
    assert_eq!(place.state.file(two).unwrap().status, lost);
}

#[test]
fn a_new_owner_who_does_not_register_is_told_to_supervision() {
    let mut place = Place::new(policy());
    let owner = place.party(20, MEMBER_A);
    let buyer = place.party(21, MEMBER_B);
    let old = place.registered(thing(1), owner);
    let transfer = place.transfer(old, owner, buyer);
    place.apply(&transfer).unwrap();
    place.pass(48);
    assert_eq!(place.state.overdue(place.height).count(), 0);
    place.pass(1);
    assert_eq!(place.state.overdue(place.height).collect::<Vec<_>>(), [old]);
    let request = place.request_after(thing(1), buyer, Some(old));
    place.approved(&request);
    assert_eq!(place.state.overdue(place.height).count(), 0);
}

#[test]
fn a_settlement_is_what_the_witness_signs() {
    let mut place = Place::new(policy());
    let owner = place.party(20, MEMBER_A);
    let buyer = place.party(21, MEMBER_B);
    let file = place.registered(thing(1), owner);
    let (_, settle) = agree(&mut place, file, owner, buyer);
    let witness = Signer::Key(key(40).verifying_key().to_bytes());
    let unsigned = place.transaction(settle.clone(), &[]);
    assert_eq!(place.apply(&unsigned), Err(Refusal::Unsigned));
    // What else happens to the file does not hold it up.
    let reseal = Reseal { acted: Acted { on: place.on(file), by: owner }, sealed: [3; 32] };
    let reseal = place.transaction(Body::Reseal(reseal), &signers(&[owner]));
    place.apply(&reseal).unwrap();
    let paid = place.transaction(settle.clone(), &[witness]);
    place.apply(&paid).unwrap();
    assert_eq!(place.state.holding(thing(1)).unwrap().owner, buyer.party);
    assert_eq!(place.apply(&paid), Err(Refusal::NothingPending));
}

#[test]
fn what_was_agreed_is_called_off_by_both_or_after_its_time() {
    let mut place = Place::new(policy());
    let owner = place.party(20, MEMBER_A);
    let buyer = place.party(21, MEMBER_B);
    let file = place.registered(thing(1), owner);
    let witness = Signer::Key(key(40).verifying_key().to_bytes());
    let agreed = |settle: &Body| match settle {
        Body::Settle(agreed) => *agreed,
        _ => panic!("no settlement"),
    };
    let (_, settle) = agree(&mut place, file, owner, buyer);
    let off = Body::CallOff(CallOff { agreed: agreed(&settle), by: owner });
    let alone = place.transaction(off.clone(), &signers(&[owner]));
    assert_eq!(place.apply(&alone), Err(Refusal::Unsigned));
    let both = place.sign(alone, &[Signer::Party(buyer.party)]);
    place.apply(&both).unwrap();
    assert_eq!(place.stage(file), Stage::Registered);
    // The witness of the first agreement says nothing about the second.
    let (_, second) = agree(&mut place, file, owner, buyer);
    let paid = place.transaction(settle, &[witness]);
    assert_eq!(place.apply(&paid), Err(Refusal::NothingPending));
    place.pass(10);
    let late = place.transaction(second.clone(), &[witness]);
    assert_eq!(place.apply(&late), Err(Refusal::TooLate));
    let off = Body::CallOff(CallOff { agreed: agreed(&second), by: buyer });
    let alone = place.transaction(off, &signers(&[buyer]));
    assert_eq!(place.apply(&alone), Ok(()));
}

/// A transfer that waits for the witness with key 40, for ten blocks.
fn agree(place: &mut Place, file: FileId, owner: Through, to: Through) -> (Transaction, Body) {
    let witness = key(40).verifying_key();
    place.know(Signer::Key(witness.to_bytes()), 0, key(40));
    let settlement = Settlement { reference: [4; 32], witness, until: place.height.after(10) };
    let terms =
        Transfer { on: place.on(file), member: owner.member, to, settlement: Some(settlement) };
    let transaction = place.transaction(Body::Transfer(terms), &signers(&[owner, to]));
    place.apply(&transaction).unwrap();
    let agreement = ClaimId(transaction.digest().unwrap());
    (transaction, Body::Settle(Agreed { file, agreement }))
}
