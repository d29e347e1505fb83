//! Leases, liens, and what becomes of documents.

use crate::place::*;
use interbank_ledger::*;

#[test]
fn l15_the_use_of_a_thing_is_let() {
    let mut place = Place::new(policy());
    let owner = place.party(20, MEMBER_A);
    let lessee = place.party(21, MEMBER_B);
    let file = place.registered(thing(1), owner);
    let lease = place.lease(file, owner, lessee, 1..5, true);
    let mut one_sided = lease.clone();
    one_sided.signatures.retain(|it| it.by != Signer::Party(lessee.party));
    assert_eq!(place.apply(&one_sided), Err(Refusal::Unsigned));
    place.apply(&lease).unwrap();
    assert_eq!(place.stage(file), Stage::Encumbered);
    // It survives a transfer.
    let transfer = place.transfer(file, owner, lessee);
    place.apply(&transfer).unwrap();
    let request = place.request_after(thing(1), lessee, Some(file));
    let new = place.approved(&request);
    let leases = &place.state.file(new).unwrap().leases;
    assert_eq!(leases.iter().map(|lease| lease.lessee).collect::<Vec<_>>(), [lessee.party]);
}

#[test]
fn l15_a_lease_ends_by_both_or_by_time() {
    let mut place = Place::new(policy());
    let owner = place.party(20, MEMBER_A);
    let lessee = place.party(21, MEMBER_B);
    let third = place.party(22, MEMBER_B);
    let file = place.registered(thing(1), owner);
    let lease = place.lease(file, owner, lessee, 0..5, true);
    place.apply(&lease).unwrap();
    let claim = ClaimId(lease.digest().unwrap());
    let end = |place: &Place, by| Body::EndLease(EndClaim { on: place.on(file), claim, by });
    let alone = place.transaction(end(&place, owner), &signers(&[owner]));
    assert_eq!(place.apply(&alone), Err(Refusal::Unsigned));
    let stranger = place.transaction(end(&place, third), &signers(&[third]));
    assert_eq!(place.apply(&stranger), Err(Refusal::NotConcerned));
    place.time = START.plus_ms(5 * 3_600_000);
    let over = place.transaction(end(&place, owner), &signers(&[owner]));
    assert_eq!(place.apply(&over), Ok(()));
    assert_eq!(place.stage(file), Stage::Registered);
    let gone = place.transaction(end(&place, owner), &signers(&[owner]));
    assert_eq!(place.apply(&gone), Err(Refusal::UnknownClaim));
}

#[test]
fn ld04_leases_do_not_overlap_where_one_is_exclusive() {
    let mut place = Place::new(policy());
    let owner = place.party(20, MEMBER_A);
    let lessee = place.party(21, MEMBER_B);
    let file = place.registered(thing(1), owner);
    let first = place.lease(file, owner, lessee, 10..20, true);
    place.apply(&first).unwrap();
    for (hours, exclusive, expected) in [
        (10..20, false, Err(Refusal::LeaseOverlap)),
        (19..30, true, Err(Refusal::LeaseOverlap)),
        (1..11, false, Err(Refusal::LeaseOverlap)),
        (12..13, true, Err(Refusal::LeaseOverlap)),
        // Half-open: the one begins when the other ends.
        (20..30, false, Ok(())),
        (25..26, false, Ok(())),
        (5..10, true, Ok(())),
        (29..31, true, Err(Refusal::LeaseOverlap)),
        (4..4, false, Err(Refusal::BadInterval)),
    ] {
        let lease = place.lease(file, owner, lessee, hours.clone(), exclusive);
        assert_eq!(place.apply(&lease), expected, "{hours:?} {exclusive}");
    }
}

#[test]
fn leases_that_are_over_make_room() {
    let mut place = Place::new(policy());
    let owner = place.party(20, MEMBER_A);
    let lessee = place.party(21, MEMBER_B);
    let file = place.registered(thing(1), owner);
    for n in 0..8 {
        let lease = place.lease(file, owner, lessee, n..n + 1, true);
        place.apply(&lease).unwrap();
    }
    let ninth = place.lease(file, owner, lessee, 8..9, true);
    assert_eq!(place.apply(&ninth), Err(Refusal::TooManyClaims));
    place.time = START.plus_ms(3_600_000);
    assert_eq!(place.apply(&ninth), Ok(()));
    assert_eq!(place.state.file(file).unwrap().leases.len(), 8);
    let retire = Body::Retire(Acted { on: place.on(file), by: owner });
    let retire = place.transaction(retire, &signers(&[owner]));
    assert_eq!(place.apply(&retire), Err(Refusal::Encumbered));
}

#[test]
fn a_lien_is_released_by_its_holder_alone() {
    let mut place = Place::new(policy());
    let owner = place.party(20, MEMBER_A);
    let bank = place.party(21, MEMBER_B);
    let second = place.party(22, MEMBER_B);
    let file = place.registered(thing(1), owner);
    let liens = [bank, second].map(|holder| {
        let lien = place.lien(file, owner, holder);
        place.apply(&lien).unwrap();
        ClaimId(lien.digest().unwrap())
    });
    // Priority by height.
    let holders: Vec<_> =
        place.state.file(file).unwrap().liens.iter().map(|lien| lien.holder).collect();
    assert_eq!(holders, [bank.party, second.party]);
    let release = |place: &Place, claim, by| {
        let end = EndClaim { on: place.on(file), claim, by };
        place.transaction(Body::ReleaseLien(end), &signers(&[by]))
    };
    let by_owner = release(&place, liens[0], owner);
    assert_eq!(place.apply(&by_owner), Err(Refusal::NotConcerned));
    let by_other = release(&place, liens[0], second);
    assert_eq!(place.apply(&by_other), Err(Refusal::NotConcerned));
    let by_holder = release(&place, liens[0], bank);
    assert_eq!(place.apply(&by_holder), Ok(()));
    let again = release(&place, liens[0], bank);
    assert_eq!(place.apply(&again), Err(Refusal::UnknownClaim));
}

#[test]
fn documents_are_sealed_anew_and_erased_by_their_owner() {
    let mut place = Place::new(policy());
    let owner = place.party(20, MEMBER_A);
    let other = place.party(21, MEMBER_B);
    let file = place.registered(thing(1), owner);
    let commitment = place.state.file(file).unwrap().commitment;
    let reseal = |place: &Place, by| {
        let acted = Acted { on: place.on(file), by };
        let body = Body::Reseal(Reseal { acted, sealed: [77; 32] });
        place.transaction(body, &signers(&[by]))
    };
    let stranger = reseal(&place, other);
    assert_eq!(place.apply(&stranger), Err(Refusal::NotOwner));
    let right = reseal(&place, owner);
    place.apply(&right).unwrap();
    let erase = Body::Erase(Acted { on: place.on(file), by: owner });
    let erase = place.transaction(erase, &signers(&[owner]));
    place.apply(&erase).unwrap();
    let erased = place.state.file(file).unwrap();
    assert_eq!((erased.sealed, erased.commitment), ([77; 32], commitment));
    assert_eq!(erased.erased, Some(Height(place.height.0 - 1)));
    let again = reseal(&place, owner);
    assert_eq!(place.apply(&again), Err(Refusal::Erased));
    // Ownership does not depend on the document.
    let transfer = place.transfer(file, owner, other);
    assert_eq!(place.apply(&transfer), Ok(()));
}
