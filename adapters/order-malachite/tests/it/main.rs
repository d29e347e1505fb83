//! Forms of frames, and what a validator refuses.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use interbank_order_malachite::*;
use ledger::{
    Authority, AuthorityConfig, Body, ChainId, Draft, Genesis, Height, Identity, Misuse, NodeId,
    NodeName, Policy, Role, Signer, Transaction, Vote, VoteKind, VoteSignature, Window,
};
use port::{Input, KeyId, Machine as _, Peer, Tenant, Time, WireError};
use seal::{Secret, SigningKey};

const NOW: Time = Time::from_s(1_800_000_000);

fn key() -> SigningKey {
    SigningKey::from_seed(&Secret::new([1; 32]))
}

fn founder() -> Identity {
    let name = NodeName::new("s-1").unwrap();
    let signing = key().verifying_key();
    Identity { name, role: Role::Supervision, signing, sealing: [1; 32] }
}

fn genesis() -> Genesis {
    Genesis::new("registry.example/things", Policy::default(), founder(), NOW).unwrap()
}

fn chain() -> ChainId {
    genesis().by_votes().chain().unwrap()
}

fn join() -> Transaction {
    let join = Transaction::new(chain(), Window::new(Height(0), 1), Body::Join(founder()));
    join.sign(Signer::Key(key().verifying_key().to_bytes()), 0, &key()).unwrap()
}

fn draft() -> Draft {
    let mut chain = ledger::Chain::new(genesis().by_votes()).unwrap();
    chain.draft(NOW, NodeId::FOUNDER, &[join()], 80)
}

fn vote(value: Option<[u8; 32]>, kind: VoteKind) -> SignedVote {
    let (chain, height, node) = (chain(), Height(0), NodeId::FOUNDER);
    let vote = Vote { chain, height, round: 3, kind, value, node };
    SignedVote { vote, key_number: 1, signature: key().sign(&vote.to_sign()) }
}

fn proposal(pol_round: Option<u32>) -> Proposal {
    let Draft { header, transactions, .. } = draft();
    let (chain, height, node) = (chain(), Height(0), NodeId::FOUNDER);
    let claim = Claim { chain, height, round: 4, pol_round, value: header.digest(), node };
    let signature = key().sign(&claim.to_sign());
    let claim = SignedClaim { claim, key_number: 1, signature };
    let polka = VoteSignature { node, key_number: 1, signature: [5; 64] };
    let polka = pol_round.map(|_| polka).into_iter().collect();
    Proposal { claim, header, transactions, polka }
}

fn frames() -> Vec<Frame> {
    let votes = vec![vote(None, VoteKind::Prepare), vote(Some([7; 32]), VoteKind::Commit)];
    vec![
        Frame::Propose(Box::new(proposal(None))),
        Frame::Propose(Box::new(proposal(Some(2)))),
        Frame::Votes(Height(0), votes),
        Frame::PassOn(Box::new(join())),
        Frame::Cosign(
            Height(3),
            VoteSignature { node: NodeId::FOUNDER, key_number: 1, signature: [6; 64] },
        ),
    ]
}

#[test]
fn frames_come_back_and_have_one_form() {
    for frame in frames() {
        let bytes = frame.to_bytes().unwrap();
        assert!(Frame::is_one(&bytes) && ledger::Message::parse(&bytes).is_err());
        let read = Frame::parse(chain(), &bytes).unwrap();
        assert_eq!(read, frame);
        for length in 0..bytes.len() {
            assert!(Frame::parse(chain(), &bytes[..length]).is_err());
        }
        // Whatever a damaged one is read as, that is its form.
        for at in 0..bytes.len() {
            let mut damaged = bytes.to_vec();
            damaged[at] ^= 0x41;
            if let Ok(read) = Frame::parse(chain(), &damaged) {
                assert_ne!(read, frame);
                assert_eq!(read.to_bytes().unwrap(), damaged);
            }
        }
        let longer = [&bytes[..], &[0]].concat();
        assert_eq!(Frame::parse(chain(), &longer), Err(WireError::Trailing));
    }
    // A member's message is none of them.
    let want = ledger::Message::Want(Height(1)).to_frame().unwrap();
    assert!(!Frame::is_one(&want));
}

#[test]
fn support_stands_with_proposals_of_older_blocks_only() {
    for (pol_round, has_polka) in [(None, true), (Some(2), false)] {
        let mut proposal = proposal(Some(2));
        proposal.claim.claim.pol_round = pol_round;
        if !has_polka {
            proposal.polka.clear();
        }
        let bytes = Frame::Propose(Box::new(proposal)).to_bytes().unwrap();
        assert_eq!(Frame::parse(chain(), &bytes), Err(WireError::Invalid));
    }
}

#[test]
fn ld10_evidence_shows_that_one_validator_said_two_things() {
    let known = key().verifying_key();
    let is_proof = |misconduct: &Misconduct| {
        misconduct.is_proof(|number| if number == 1 { Some(&known) } else { None })
    };
    let [one, other] = [Some([1; 32]), Some([2; 32])].map(|value| vote(value, VoteKind::Commit));
    assert!(is_proof(&Misconduct::Votes(one, other)));
    assert!(!is_proof(&Misconduct::Votes(one, one)));
    assert!(!is_proof(&Misconduct::Votes(one, vote(Some([2; 32]), VoteKind::Prepare))));
    assert!(!is_proof(&Misconduct::Votes(one, SignedVote { signature: [9; 64], ..other })));
    assert!(!is_proof(&Misconduct::Votes(one, SignedVote { key_number: 2, ..other })));
    let [one, other] = [None, Some(2)].map(|round| proposal(round).claim);
    let evidence = Misconduct::Proposals(one, other);
    assert!(is_proof(&evidence) && !is_proof(&Misconduct::Proposals(one, one)));
    assert_eq!((evidence.node(), evidence.height()), (NodeId::FOUNDER, Height(0)));
}

#[test]
fn who_orders_is_in_the_genesis() {
    let config = |genesis| ValidatorConfig::new(Tenant::new(1), genesis, NodeId::FOUNDER, KeyId(1));
    assert_eq!(Validator::open(config(genesis())).err(), Some(Misuse::Bounds));
    assert!(Validator::open(config(genesis().by_votes())).is_ok());
    let mut hasty = config(genesis().by_votes());
    hasty.resend_ms = 0;
    assert_eq!(Validator::open(hasty).err(), Some(Misuse::Bounds));
    let alone = AuthorityConfig {
        tenant: Tenant::new(1),
        genesis: genesis().by_votes(),
        node: NodeId::FOUNDER,
        key: KeyId(1),
        key_number: 1,
        retry_ms: 100,
    };
    assert_eq!(Authority::open(alone).err(), Some(Misuse::Bounds));
}

#[test]
fn nothing_is_taken_before_everything_stored_was_read() {
    let config =
        ValidatorConfig::new(Tenant::new(1), genesis().by_votes(), NodeId::FOUNDER, KeyId(1));
    let mut validator = Validator::open(config).unwrap();
    let busy = Err(Error::Ledger(ledger::Error::Busy));
    assert_eq!(validator.submit(NOW, join()), busy);
    let from = Peer::new("s-2").unwrap();
    for frame in frames() {
        let bytes = frame.to_bytes().unwrap();
        assert_eq!(validator.handle(NOW, Input::Frame { from: &from, bytes: &bytes }), busy);
    }
    assert_eq!(validator.chain(), None);
    assert_eq!(validator.next_deadline(), None);
}
