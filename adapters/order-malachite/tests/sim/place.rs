//! A registry that is ordered by votes: its nodes, a member with a party, requests and verdicts.

use ledger::*;
use port::Time;
use seal::{Secret, SigningKey};

pub(crate) const START: Time = Time::from_s(1_800_000_000);
pub(crate) const MEMBER: &str = "m-1";

pub(crate) fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(&Secret::new([seed; 32]))
}

pub(crate) fn name(node: usize) -> String {
    format!("s-{}", node + 1)
}

/// Supervision nodes have the seeds from 1 on.
pub(crate) fn seed(node: usize) -> u8 {
    u8::try_from(node + 1).unwrap()
}

pub(crate) fn id(height: usize) -> NodeId {
    NodeId(Height(height as u64))
}

fn identity(name: &str, role: Role, seed: u8) -> Identity {
    let signing = key(seed).verifying_key();
    Identity { name: NodeName::new(name).unwrap(), role, signing, sealing: [seed; 32] }
}

pub(crate) fn genesis() -> Genesis {
    let policy = Policy { quorum: 1, overlap: 5, window_max: 1_000, ..Policy::default() };
    let founder = identity("s-1", Role::Supervision, 1);
    Genesis::new("registry.example/things", policy, founder, START).unwrap().by_votes()
}

pub(crate) fn thing(number: u32) -> ThingKey {
    ThingId::new("vin", &format!("V{number}")).unwrap().key()
}

fn transaction(height: Height, body: Body) -> Transaction {
    Transaction::new(genesis().chain().unwrap(), Window::new(height, 900), body)
}

/// A supervision node joins, let in by the founder; or a member, after so many supervision nodes.
pub(crate) fn join(height: Height, name: &str, role: Role, seed: u8) -> Transaction {
    let identity = identity(name, role, seed);
    let own = Signer::Key(identity.signing.to_bytes());
    let join = transaction(height, Body::Join(identity)).sign(own, 0, &key(seed)).unwrap();
    if height == Height(0) {
        return join;
    }
    join.sign(Signer::Node(NodeId::FOUNDER), 1, &key(1)).unwrap()
}

pub(crate) fn revoke(height: Height, node: NodeId) -> Transaction {
    let body = Body::Revoke(node);
    transaction(height, body).sign(Signer::Node(NodeId::FOUNDER), 1, &key(1)).unwrap()
}

/// The member of a registry with so many supervision nodes, and who acts through it.
#[derive(Clone, Copy)]
pub(crate) struct Member {
    pub(crate) node: NodeId,
    drawn: u64,
}

const MEMBER_SEED: u8 = 100;

impl Member {
    pub(crate) fn after(supervision: usize) -> Self {
        Self { node: id(supervision), drawn: 0 }
    }

    pub(crate) fn join(self) -> Transaction {
        join(self.node.0, MEMBER, Role::Member, MEMBER_SEED)
    }

    fn through(self, party: u8) -> Through {
        Through { party: PartyId::of(&key(party).verifying_key()), member: self.node }
    }

    pub(crate) fn associate(self, height: Height, party: u8) -> Transaction {
        let first = key(party).verifying_key();
        let proof = Signer::Key(first.to_bytes());
        let body = Body::Associate(Associate {
            through: self.through(party),
            kind: PartyKind::Individual,
            key: Some(first),
            leaves: None,
            sequence: 0,
        });
        let transaction = transaction(height, body).sign(proof, 0, &key(party)).unwrap();
        transaction.sign(Signer::Node(self.node), 1, &key(MEMBER_SEED)).unwrap()
    }

    pub(crate) fn request(&mut self, height: Height, thing: ThingKey, party: u8) -> Transaction {
        self.drawn += 1;
        let mut instruction = [party; 16];
        instruction[..8].copy_from_slice(&self.drawn.to_be_bytes());
        let body = Body::Register(Register {
            instruction,
            thing,
            kind: Label::new("vehicle").unwrap(),
            region: Label::new("de-by").unwrap(),
            owner: self.through(party),
            commitment: [party; 32],
            sealed: [!party; 32],
            predecessor: None,
        });
        let owner = Signer::Party(self.through(party).party);
        let transaction = transaction(height, body).sign(owner, 1, &key(party)).unwrap();
        transaction.sign(Signer::Node(self.node), 1, &key(MEMBER_SEED)).unwrap()
    }
}

/// A supervision node approves.
pub(crate) fn verdict(height: Height, file: FileId, auditor: NodeId, seed: u8) -> Transaction {
    let body = Body::Judge(Verdict { file, auditor, reasons: Vec::new(), rules: [7; 32] });
    transaction(height, body).sign(Signer::Node(auditor), 1, &key(seed)).unwrap()
}
