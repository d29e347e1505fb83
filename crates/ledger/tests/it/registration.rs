//! From the request over the audit to the registered or rejected file.

use crate::place::*;
use interbank_ledger::*;

#[test]
fn l02_there_is_no_request_without_the_users_instruction() {
    let mut place = Place::new(policy());
    let owner = place.party(20, MEMBER_A);
    let request = place.request(thing(1), owner);
    let mut without = request.clone();
    without.signatures.retain(|signature| signature.by == Signer::Node(MEMBER_A));
    assert_eq!(place.apply(&without), Err(Refusal::Unsigned));
    // A signature of the user for another instruction is none for this one.
    let other = place.request(thing(1), owner);
    let mut swapped = request.clone();
    for (at, signature) in other.signatures.iter().enumerate() {
        if matches!(signature.by, Signer::Party(_)) {
            swapped.signatures[at] = signature.clone();
        }
    }
    assert_eq!(place.apply(&swapped), Err(Refusal::BadSignature));
    assert_eq!(place.apply(&request), Ok(()));
}

#[test]
fn l04_the_audit_comes_before_the_registration() {
    let mut place = Place::new(policy());
    let owner = place.party(20, MEMBER_A);
    let request = place.request(thing(1), owner);
    let file = request.file().unwrap().unwrap();
    let early = place.verdict(file, SUPERVISION, &[]);
    assert_eq!(place.apply(&early), Err(Refusal::UnknownFile));
    place.apply(&request).unwrap();
    assert_eq!(place.stage(file), Stage::Submitted);
    // Members do not audit.
    let by_member = place.verdict(file, MEMBER_A, &[]);
    assert_eq!(place.apply(&by_member), Err(Refusal::WrongRole));
    let reasons = [VerdictReason::OwnerIdentity, VerdictReason::Document];
    let rejection = place.verdict(file, SUPERVISION, &reasons);
    place.apply(&rejection).unwrap();
    assert_eq!(place.stage(file), Stage::Rejected);
    assert_eq!(place.state.holding(thing(1)), None);
    let late = place.verdict(file, SUPERVISION_2, &[]);
    assert_eq!(place.apply(&late), Err(Refusal::Judged));
}

#[test]
fn l05_a_file_is_found_after_its_registration_and_not_before() {
    let mut place = Place::new(policy());
    let owner = place.party(20, MEMBER_A);
    let request = place.request(thing(1), owner);
    let file = request.file().unwrap().unwrap();
    place.apply(&request).unwrap();
    assert_eq!(place.state.holding(thing(1)), None);
    let approval = place.verdict(file, SUPERVISION, &[]);
    place.apply(&approval).unwrap();
    let holding = Holding { file, owner: owner.party };
    assert_eq!(place.state.holding(thing(1)), Some(holding));
    assert_eq!(place.state.holding(thing(2)), None);
}

#[test]
fn l04_as_many_as_the_policy_says_approve() {
    let two = Policy { approvals: 2, rejections: 2, ..policy() };
    let mut place = Place::new(two);
    let owner = place.party(20, MEMBER_A);
    let request = place.request(thing(1), owner);
    let file = request.file().unwrap().unwrap();
    place.apply(&request).unwrap();
    let first = place.verdict(file, SUPERVISION, &[]);
    place.apply(&first).unwrap();
    assert_eq!(place.stage(file), Stage::Auditing);
    assert_eq!(place.apply(&first), Err(Refusal::Judged));
    let changed_mind = place.verdict(file, SUPERVISION, &[VerdictReason::Human]);
    assert_eq!(place.apply(&changed_mind), Err(Refusal::Judged));
    let second = place.verdict(file, SUPERVISION_2, &[]);
    place.apply(&second).unwrap();
    assert_eq!(place.stage(file), Stage::Registered);
    // One rejection of two does not decide either.
    let request = place.request(thing(2), owner);
    let file = request.file().unwrap().unwrap();
    place.apply(&request).unwrap();
    for auditor in [SUPERVISION, SUPERVISION_2] {
        assert!(matches!(place.stage(file), Stage::Submitted | Stage::Auditing));
        let rejection = place.verdict(file, auditor, &[VerdictReason::TypeRules]);
        place.apply(&rejection).unwrap();
    }
    assert_eq!(place.stage(file), Stage::Rejected);
}

#[test]
fn l08_what_is_not_registered_is_not_operated_on() {
    let mut place = Place::new(policy());
    let owner = place.party(20, MEMBER_A);
    let other = place.party(21, MEMBER_B);
    // Unknown.
    let unknown = place.transfer(FileId([5; 32]), owner, other);
    assert_eq!(place.apply(&unknown), Err(Refusal::UnknownFile));
    // Requested.
    let request = place.request(thing(1), owner);
    let file = request.file().unwrap().unwrap();
    place.apply(&request).unwrap();
    let early = place.transfer(file, owner, other);
    assert_eq!(place.apply(&early), Err(Refusal::NotRegistered));
    let early = place.lease(file, owner, other, 1..2, true);
    assert_eq!(place.apply(&early), Err(Refusal::NotRegistered));
    // Rejected.
    let rejection = place.verdict(file, SUPERVISION, &[VerdictReason::Human]);
    place.apply(&rejection).unwrap();
    let rejected = place.transfer(file, owner, other);
    assert_eq!(place.apply(&rejected), Err(Refusal::NotRegistered));
    // Retired.
    let file = place.registered(thing(1), owner);
    let retire = Body::Retire(Acted { on: place.on(file), by: owner });
    let retire = place.transaction(retire, &signers(&[owner]));
    place.apply(&retire).unwrap();
    let retired = place.transfer(file, owner, other);
    assert_eq!(place.apply(&retired), Err(Refusal::Retired));
    assert_eq!(place.state.holding(thing(1)), None);
    // The thing may come back as another file.
    let again = place.registered(thing(1), other);
    assert_ne!(again, file);
}

#[test]
fn ld02_of_two_requests_for_one_thing_one_wins() {
    let mut place = Place::new(policy());
    let one = place.party(20, MEMBER_A);
    let two = place.party(21, MEMBER_B);
    let [first, second] = [one, two].map(|owner| place.request(thing(1), owner));
    let [a, b] = [&first, &second].map(|request| request.file().unwrap().unwrap());
    // At once: both are requested, both are approved, and the first verdict decides.
    place.apply_in_block(&first).unwrap();
    place.apply_in_block(&second).unwrap();
    let [for_a, for_b] = [a, b].map(|file| place.verdict(file, SUPERVISION, &[]));
    place.apply_in_block(&for_b).unwrap();
    place.apply_in_block(&for_a).unwrap();
    place.pass(1);
    assert_eq!(place.stage(b), Stage::Registered);
    let lost = Status::Rejected(Rejected::AlreadyRegistered);
    assert_eq!(place.state.file(a).unwrap().status, lost);
    assert_eq!(place.state.holding(thing(1)).unwrap().owner, two.party);
    // Later: the request itself is refused.
    let late = place.request(thing(1), one);
    assert_eq!(place.apply(&late), Err(Refusal::AlreadyRegistered));
}

#[test]
fn ld03_the_same_request_through_two_supervision_nodes_registers_once() {
    let mut place = Place::new(policy());
    let owner = place.party(20, MEMBER_A);
    let request = place.request(thing(1), owner);
    // Signed again elsewhere, it is still the same request.
    let again = place.sign(
        Transaction::new(request.chain, request.window, request.body.clone()),
        &signers(&[owner]),
    );
    let file = place.approved(&request);
    assert_eq!(again.file().unwrap(), Some(file));
    assert_eq!(place.apply(&again), Err(Refusal::KnownFile));
    assert_eq!(place.state.files().count(), 1);
}

#[test]
fn ld09_what_was_signed_for_another_chain_or_height_is_refused() {
    let mut place = Place::new(policy());
    let mut other = Place::new(Policy { overlap: 6, ..policy() });
    let owner = place.party(20, MEMBER_A);
    assert_eq!(other.party(20, MEMBER_A), owner);
    let request = place.request(thing(1), owner);
    assert_eq!(other.apply(&request), Err(Refusal::WrongChain));
    // With the chain's name exchanged, the signatures are wrong.
    let mut moved = request.clone();
    moved.chain = other.state.chain();
    assert_eq!(other.apply(&moved), Err(Refusal::BadSignature));
    // Too late, and with the window moved.
    place.pass(10);
    assert_eq!(place.apply(&request), Err(Refusal::OutsideWindow));
    let mut moved = request.clone();
    moved.window = Window::new(place.height, 10);
    assert_eq!(place.apply(&moved), Err(Refusal::BadSignature));
    // Too early, and for too long.
    let body = request.body.clone();
    let early = Transaction::new(request.chain, Window::new(place.height.next(), 5), body.clone());
    let early = place.sign(early, &signers(&[owner]));
    assert_eq!(place.apply(&early), Err(Refusal::OutsideWindow));
    let long = Transaction::new(request.chain, Window::new(place.height, 101), body);
    let long = place.sign(long, &signers(&[owner]));
    assert_eq!(place.apply(&long), Err(Refusal::WindowTooLong));
}

#[test]
fn ld09_a_transaction_is_good_once() {
    let mut place = Place::new(policy());
    let owner = place.party(20, MEMBER_A);
    let other = place.party(21, MEMBER_B);
    let file = place.registered(thing(1), owner);
    let lien = place.lien(file, owner, other);
    place.apply(&lien).unwrap();
    assert_eq!(place.apply(&lien), Err(Refusal::StaleRevision));
    let lease = place.lease(file, owner, other, 1..2, false);
    place.apply(&lease).unwrap();
    assert_eq!(place.apply(&lease), Err(Refusal::StaleRevision));
}

#[test]
fn supervision_freezes_and_unfreezes() {
    let mut place = Place::new(policy());
    let owner = place.party(20, MEMBER_A);
    let other = place.party(21, MEMBER_B);
    let file = place.registered(thing(1), owner);
    let supervised = |place: &Place, by| Supervised { on: place.on(file), by, reference: [1; 32] };
    let by_member = Body::Freeze(supervised(&place, MEMBER_A));
    let by_member = place.transaction(by_member, &[Signer::Node(MEMBER_A)]);
    assert_eq!(place.apply(&by_member), Err(Refusal::WrongRole));
    let freeze = Body::Freeze(supervised(&place, SUPERVISION));
    let freeze = place.transaction(freeze, &[Signer::Node(SUPERVISION)]);
    place.apply(&freeze).unwrap();
    assert_eq!(place.stage(file), Stage::Frozen);
    let frozen = place.transfer(file, owner, other);
    assert_eq!(place.apply(&frozen), Err(Refusal::Frozen));
    let erase = Body::Erase(Acted { on: place.on(file), by: owner });
    let erase = place.transaction(erase, &signers(&[owner]));
    assert_eq!(place.apply(&erase), Err(Refusal::Frozen));
    let thaw = Body::Unfreeze(supervised(&place, SUPERVISION_2));
    let thaw = place.transaction(thaw, &[Signer::Node(SUPERVISION_2)]);
    place.apply(&thaw).unwrap();
    let transfer = place.transfer(file, owner, other);
    assert_eq!(place.apply(&transfer), Ok(()));
}
