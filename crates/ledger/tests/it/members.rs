//! Nodes and parties: who takes part, and for whom.

use crate::place::*;
use interbank_ledger::*;

#[test]
fn l01_every_node_is_a_block_of_its_own() {
    let mut place = Place::new(policy());
    let third = place.join("m-c", Role::Member, 5);
    let ids: Vec<_> = place.state.nodes().map(|(id, _)| id.0.0).collect();
    assert_eq!(ids, [0, 1, 2, 3, 4]);
    assert_eq!(third, NodeId(Height(4)));
    // A second identity record in the same block has no name left.
    let join = |name, seed: u8| {
        let body = Body::Join(identity(name, Role::Member, seed));
        let proof = Signer::Key(key(seed).verifying_key().to_bytes());
        (body, [proof, Signer::Node(SUPERVISION), Signer::Node(SUPERVISION_2)])
    };
    for seed in [6, 7] {
        place.know(Signer::Key(key(seed).verifying_key().to_bytes()), 0, key(seed));
    }
    let (body, signers) = join("m-d", 6);
    let first = place.transaction(body, &signers);
    let (body, signers) = join("m-e", 7);
    let second = place.transaction(body, &signers);
    place.apply_in_block(&first).unwrap();
    assert_eq!(place.apply_in_block(&second), Err(Refusal::NotAlone));
    place.pass(1);
    assert_eq!(place.apply(&second), Ok(()));
}

#[test]
fn l01_one_supervision_node_and_one_member_are_enough() {
    let mut place = Place::new(policy());
    let revoke = place.transaction(
        Body::Revoke(SUPERVISION_2),
        &[Signer::Node(SUPERVISION), Signer::Node(SUPERVISION_2)],
    );
    place.apply(&revoke).unwrap();
    let owner = place.party(20, MEMBER_A);
    let file = place.registered(thing(1), owner);
    assert_eq!(place.stage(file), Stage::Registered);
    let last = place.transaction(Body::Revoke(SUPERVISION), &[Signer::Node(SUPERVISION)]);
    assert_eq!(place.apply(&last), Err(Refusal::LastSupervision));
}

#[test]
fn who_joins_is_admitted_by_a_quorum_and_holds_its_key() {
    let mut place = Place::new(policy());
    let proof = Signer::Key(key(5).verifying_key().to_bytes());
    place.know(proof, 0, key(5));
    let body = || Body::Join(identity("m-c", Role::Member, 5));
    let both = [Signer::Node(SUPERVISION), Signer::Node(SUPERVISION_2)];
    let one = place.transaction(body(), &[proof, both[0]]);
    assert_eq!(place.apply(&one), Err(Refusal::Unsigned));
    let without = place.transaction(body(), &both);
    assert_eq!(place.apply(&without), Err(Refusal::Unsigned));
    let member = place.transaction(body(), &[proof, both[0], Signer::Node(MEMBER_A)]);
    assert_eq!(place.apply(&member), Err(Refusal::Oversigned));
    let mut forged = place.transaction(body(), &[proof, both[0], both[1]]);
    forged.signatures[0].bytes[5] ^= 1;
    assert_eq!(place.apply(&forged), Err(Refusal::BadSignature));
    let mut named = identity("m-a", Role::Member, 5);
    named.sealing = [0; 32];
    let taken = place.transaction(Body::Join(named), &[proof, both[0], both[1]]);
    assert_eq!(place.apply(&taken), Err(Refusal::NameTaken));
    let right = place.transaction(body(), &[proof, both[0], both[1]]);
    assert_eq!(place.apply(&right), Ok(()));
}

#[test]
fn only_the_founder_stands_in_the_first_block() {
    let state = State::new(genesis(policy())).unwrap();
    let at = At { height: Height(0), time: START };
    let stranger = identity("s-9", Role::Supervision, 9);
    let by = Signer::Key(stranger.signing.to_bytes());
    let window = Window::new(Height(0), 1);
    let transaction = Transaction::new(state.chain(), window, Body::Join(stranger));
    let transaction = transaction.sign(by, 0, &key(9)).unwrap();
    assert_eq!(state.judge(at, &transaction), Err(Refusal::NotFounder));
    let other = Transaction::new(state.chain(), window, Body::Revoke(SUPERVISION));
    assert_eq!(state.judge(at, &other), Err(Refusal::NotFounder));
}

#[test]
fn ld13_a_revoked_nodes_later_signatures_are_refused_and_earlier_ones_stay() {
    let mut place = Place::new(policy());
    let owner = place.party(20, MEMBER_A);
    let file = place.registered(thing(1), owner);
    let waiting = place.request(thing(2), owner);
    let both = [Signer::Node(SUPERVISION), Signer::Node(SUPERVISION_2)];
    let revoke = place.transaction(Body::Revoke(MEMBER_A), &both);
    place.apply_in_block(&revoke).unwrap();
    // In the block of the revocation it still counts, whatever its place there.
    let same_block = place.request(thing(3), owner);
    assert_eq!(place.apply_in_block(&same_block), Ok(()));
    place.pass(1);
    assert_eq!(place.apply(&waiting), Err(Refusal::NodeRevoked));
    let later = place.request(thing(4), owner);
    assert_eq!(place.apply(&later), Err(Refusal::NodeRevoked));
    // What it registered stays.
    assert_eq!(place.stage(file), Stage::Registered);
    assert_eq!(place.state.node(MEMBER_A).unwrap().revoked, Some(Height(7)));
}

#[test]
fn keys_rotate_with_an_overlap() {
    let mut place = Place::new(policy());
    let owner = place.party(20, MEMBER_A);
    let next = key(30);
    let proof = Signer::Key(next.verifying_key().to_bytes());
    place.know(proof, 0, next.clone());
    let rotation = |newest| {
        Body::RotateNode(RotateNode {
            node: MEMBER_A,
            newest,
            signing: key(30).verifying_key(),
            sealing: [30; 32],
        })
    };
    let rotate = place.transaction(rotation(1), &[proof, Signer::Node(MEMBER_A)]);
    place.apply(&rotate).unwrap();
    assert_eq!(place.apply(&rotate), Err(Refusal::StaleSequence));
    // The old key counts for five more blocks.
    let old = place.request(thing(1), owner);
    assert_eq!(place.apply(&old), Ok(()));
    place.know(Signer::Node(MEMBER_A), 2, next);
    let new = place.request(thing(2), owner);
    assert_eq!(place.apply(&new), Ok(()));
    place.pass(5);
    place.know(Signer::Node(MEMBER_A), 1, key(3));
    let too_old = place.request(thing(3), owner);
    assert_eq!(place.apply(&too_old), Err(Refusal::BadSignature));
    assert_eq!(place.state.node(MEMBER_A).unwrap().sealing, [30; 32]);
}

#[test]
fn l11_a_member_serves_individuals_and_intermediaries() {
    let mut place = Place::new(policy());
    let one = place.party(20, MEMBER_A);
    let first = key(21).verifying_key();
    let two = Through { party: PartyId::of(&first), member: MEMBER_A };
    let proof = Signer::Key(first.to_bytes());
    place.know(proof, 0, key(21));
    let associate = |through, key| Associate {
        through,
        kind: PartyKind::Intermediary,
        key,
        leaves: None,
        sequence: 0,
    };
    let body = Body::Associate(associate(two, Some(first.clone())));
    let without_member = place.transaction(body.clone(), &[proof]);
    assert_eq!(place.apply(&without_member), Err(Refusal::Unsigned));
    let right = place.transaction(body, &[proof, Signer::Node(MEMBER_A)]);
    assert_eq!(place.apply(&right), Ok(()));
    let kinds = [one.party, two.party].map(|id| place.state.party(id).unwrap().kind);
    assert_eq!(kinds, [PartyKind::Individual, PartyKind::Intermediary]);
    // A name that is not the first key's.
    let wrong = Through { party: one.party, member: MEMBER_B };
    let body = Body::Associate(associate(wrong, Some(first)));
    let stolen = place.transaction(body, &[proof, Signer::Node(MEMBER_B)]);
    assert_eq!(place.apply(&stolen), Err(Refusal::KnownParty));
}

#[test]
fn l12_parties_reach_the_chain_through_their_members_alone() {
    let mut place = Place::new(policy());
    let owner = place.party(20, MEMBER_A);
    let request = place.request(thing(1), owner);
    // By itself.
    let mut alone = request.clone();
    alone.signatures.retain(|signature| matches!(signature.by, Signer::Party(_)));
    assert_eq!(place.apply(&alone), Err(Refusal::Unsigned));
    // Through a member that is not its own.
    let stranger = Through { member: MEMBER_B, ..owner };
    let other = place.request(thing(1), stranger);
    assert_eq!(place.apply(&other), Err(Refusal::NotAssociated));
    // Through a supervision node.
    let above = Through { member: SUPERVISION, ..owner };
    let above = place.request(thing(1), above);
    assert_eq!(place.apply(&above), Err(Refusal::NotAssociated));
    assert_eq!(place.apply(&request), Ok(()));
}

#[test]
fn ld16_after_a_move_the_old_member_can_no_longer_act() {
    let mut place = Place::new(policy());
    let owner = place.party(20, MEMBER_A);
    let waiting = place.request(thing(1), owner);
    let moved = Through { member: MEMBER_B, ..owner };
    let body = |sequence| {
        Body::Associate(Associate {
            through: moved,
            kind: PartyKind::Individual,
            key: None,
            leaves: Some(MEMBER_A),
            sequence,
        })
    };
    let association = place.transaction(body(1), &signers(&[moved]));
    place.apply(&association).unwrap();
    assert_eq!(place.apply(&waiting), Err(Refusal::NotAssociated));
    let new = place.request(thing(1), moved);
    assert_eq!(place.apply(&new), Ok(()));
    // The same move again is stale; and a move cannot be made without the party.
    assert_eq!(place.apply(&association), Err(Refusal::StaleSequence));
    let back = Through { member: MEMBER_A, ..owner };
    let body = Body::Associate(Associate {
        through: back,
        kind: PartyKind::Individual,
        key: None,
        leaves: None,
        sequence: 2,
    });
    let forced = place.transaction(body, &[Signer::Node(MEMBER_A)]);
    assert_eq!(place.apply(&forced), Err(Refusal::Unsigned));
}

#[test]
fn a_partys_key_rotates_and_its_name_stays() {
    let mut place = Place::new(policy());
    let owner = place.party(20, MEMBER_A);
    let file = place.registered(thing(1), owner);
    let proof = Signer::Key(key(31).verifying_key().to_bytes());
    place.know(proof, 0, key(31));
    let body = Body::RotateParty(RotateParty {
        through: owner,
        key: key(31).verifying_key(),
        sequence: 1,
    });
    let [party, member] = [Signer::Party(owner.party), Signer::Node(MEMBER_A)];
    let unproven = place.transaction(body.clone(), &[party, member]);
    assert_eq!(place.apply(&unproven), Err(Refusal::Unsigned));
    let rotate = place.transaction(body, &[party, member, proof]);
    place.apply(&rotate).unwrap();
    place.pass(6);
    let retire = Body::Retire(Acted { on: place.on(file), by: owner });
    let old = place.transaction(retire.clone(), &signers(&[owner]));
    assert_eq!(place.apply(&old), Err(Refusal::BadSignature));
    place.know(party, 2, key(31));
    let new = place.transaction(retire, &signers(&[owner]));
    assert_eq!(place.apply(&new), Ok(()));
}
