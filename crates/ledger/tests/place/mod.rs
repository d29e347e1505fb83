//! A registry with its nodes and parties, one transaction in each block unless a test says otherwise.

#![allow(dead_code, reason = "each test target uses its part")]

pub(crate) mod desk;

use interbank_ledger::*;
use port::Time;
use seal::{Secret, SigningKey};
use std::collections::BTreeMap;

/// The state of a chain, and the keys of everybody.
pub(crate) struct Place {
    pub(crate) state: State,
    pub(crate) height: Height,
    pub(crate) time: Time,
    keys: BTreeMap<Signer, (u16, SigningKey)>,
    drawn: u8,
    /// What was applied at this height.
    current: Vec<Transaction>,
    /// What was applied at each height before, and when.
    past: Vec<(Time, Vec<Transaction>)>,
}

pub(crate) const START: Time = Time::from_s(1_800_000_000);
pub(crate) const SUPERVISION: NodeId = NodeId(Height(0));
pub(crate) const SUPERVISION_2: NodeId = NodeId(Height(1));
pub(crate) const MEMBER_A: NodeId = NodeId(Height(2));
pub(crate) const MEMBER_B: NodeId = NodeId(Height(3));

pub(crate) fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(&Secret::new([seed; 32]))
}

pub(crate) fn identity(name: &str, role: Role, seed: u8) -> Identity {
    let signing = key(seed).verifying_key();
    Identity { name: NodeName::new(name).unwrap(), role, signing, sealing: [seed; 32] }
}

pub(crate) fn policy() -> Policy {
    Policy { overlap: 5, window_max: 100, register_within: 50, ..Policy::default() }
}

pub(crate) fn genesis(policy: Policy) -> Genesis {
    let founder = identity("s-1", Role::Supervision, 1);
    Genesis::new("registry.example/things", policy, founder, START).unwrap()
}

pub(crate) fn thing(number: u32) -> ThingKey {
    ThingId::new("vin", &format!("V{number}")).unwrap().key()
}

/// A stranger who has the founder's key.
pub(crate) fn trust(chain: &Chain) -> Trust {
    let origin = chain.state().genesis().origin().into();
    Trust { chain: chain.id(), origin, keys: vec![key(1).verifying_key()], vouchers: 1 }
}

/// The checkpoint of a chain's log, signed by the founder.
pub(crate) fn checkpoint(chain: &Chain) -> Note {
    let checkpoint = Checkpoint::of(chain.state().genesis().origin(), chain.log());
    Note::new(&checkpoint.text()).unwrap().signed_by(&checkpoint.origin, &key(1))
}

impl Place {
    /// Two supervision nodes, two members; nobody is associated.
    pub(crate) fn new(policy: Policy) -> Self {
        let mut place = Self {
            state: State::new(genesis(policy)).unwrap(),
            height: Height(0),
            time: START,
            keys: BTreeMap::new(),
            drawn: 100,
            current: Vec::new(),
            past: Vec::new(),
        };
        place.join("s-1", Role::Supervision, 1);
        place.join("s-2", Role::Supervision, 2);
        place.join("m-a", Role::Member, 3);
        place.join("m-b", Role::Member, 4);
        place
    }

    /// A node joins in a block of its own, signed by every supervision node.
    pub(crate) fn join(&mut self, name: &str, role: Role, seed: u8) -> NodeId {
        let identity = identity(name, role, seed);
        let proof = Signer::Key(identity.signing.to_bytes());
        self.know(proof, 0, key(seed));
        let mut signers = vec![proof];
        signers.extend(self.state.nodes().filter_map(|(id, node)| {
            (node.role == Role::Supervision && node.is_active(self.height))
                .then_some(Signer::Node(id))
        }));
        let id = NodeId(self.height);
        self.know(Signer::Node(id), 1, key(seed));
        let transaction = self.transaction(Body::Join(identity), &signers);
        self.apply(&transaction).unwrap();
        id
    }

    /// A party that acts through a member.
    pub(crate) fn party(&mut self, seed: u8, member: NodeId) -> Through {
        let first = key(seed).verifying_key();
        let through = Through { party: PartyId::of(&first), member };
        let proof = Signer::Key(first.to_bytes());
        self.know(proof, 0, key(seed));
        self.know(Signer::Party(through.party), 1, key(seed));
        let body = Body::Associate(Associate {
            through,
            kind: PartyKind::Individual,
            key: Some(first),
            leaves: None,
            sequence: 0,
        });
        let transaction = self.transaction(body, &[proof, Signer::Node(member)]);
        self.apply(&transaction).unwrap();
        through
    }

    pub(crate) fn know(&mut self, signer: Signer, number: u16, key: SigningKey) {
        self.keys.insert(signer, (number, key));
    }

    /// A transaction for the next ten blocks.
    pub(crate) fn transaction(&self, body: Body, signers: &[Signer]) -> Transaction {
        let window = Window::new(self.height, 10);
        let transaction = Transaction::new(self.state.chain(), window, body);
        self.sign(transaction, signers)
    }

    pub(crate) fn sign(&self, transaction: Transaction, signers: &[Signer]) -> Transaction {
        signers.iter().fold(transaction, |transaction, signer| {
            let (number, key) = &self.keys[signer];
            transaction.sign(*signer, *number, key).unwrap()
        })
    }

    pub(crate) fn at(&self) -> At {
        At { height: self.height, time: self.time }
    }

    /// A block with one transaction, or none if it is refused.
    pub(crate) fn apply(&mut self, transaction: &Transaction) -> Result<(), Refusal> {
        self.apply_in_block(transaction)?;
        self.pass(1);
        Ok(())
    }

    /// The block goes on after it.
    pub(crate) fn apply_in_block(&mut self, transaction: &Transaction) -> Result<(), Refusal> {
        // What is stored and sent is what is executed.
        let transaction = Transaction::parse(&transaction.to_bytes().unwrap()).unwrap();
        let entries = self.state.judge(self.at(), &transaction)?;
        assert_eq!(self.state.judge_verified(self.at(), &transaction).as_ref(), Ok(&entries));
        for entry in entries {
            let value = entry.value().unwrap();
            if let Some(value) = &value {
                let key = EntryKey::parse(&entry.key().to_bytes()).unwrap();
                assert_eq!(Entry::parse(key, value).as_ref(), Ok(&entry));
            }
            self.state.take(entry);
        }
        self.current.push(transaction);
        Ok(())
    }

    /// Blocks without transactions.
    pub(crate) fn pass(&mut self, blocks: u64) {
        for _ in 0..blocks {
            let transactions = core::mem::take(&mut self.current);
            self.past.push((self.time, transactions));
            self.height = self.height.next();
            self.time = self.time.plus_ms(1_000);
        }
    }

    /// Everything so far through a node's machine, a block for each height; the state is the machine's from then on.
    pub(crate) fn play(&mut self, desk: &mut desk::Desk) {
        for (time, transactions) in core::mem::take(&mut self.past) {
            desk.now = time;
            let [transaction] = &transactions[..] else { panic!("one for each block") };
            desk.own(transaction);
        }
        assert_eq!(desk.chain().state(), &self.state);
    }

    /// Goes on from a chain.
    pub(crate) fn follow(&mut self, chain: &Chain) {
        self.state = chain.state().clone();
        self.height = chain.next_height();
    }

    /// Everything so far as signed blocks, and the chain that they make.
    pub(crate) fn chain(&self) -> (Chain, Vec<Block>) {
        let mut chain = Chain::new(self.state.genesis().clone()).unwrap();
        let mut blocks = Vec::new();
        for (time, transactions) in &self.past {
            let draft = chain.draft(*time, SUPERVISION, transactions, 1_000);
            assert!(draft.fates.iter().all(Result::is_ok));
            assert_eq!(draft.transactions, *transactions);
            let signature = key(1).sign(&draft.header.to_sign());
            let block = draft.clone().into_block(1, signature);
            chain.adopt(&draft, block.header.clone()).unwrap();
            blocks.push(block);
        }
        assert_eq!(chain.state(), &self.state);
        (chain, blocks)
    }

    pub(crate) fn request(&mut self, thing: ThingKey, owner: Through) -> Transaction {
        self.request_after(thing, owner, None)
    }

    pub(crate) fn request_after(
        &mut self,
        thing: ThingKey,
        owner: Through,
        predecessor: Option<FileId>,
    ) -> Transaction {
        self.drawn = self.drawn.wrapping_add(1);
        let body = Body::Register(Register {
            instruction: [self.drawn; 16],
            thing,
            kind: Label::new("vehicle").unwrap(),
            region: Label::new("de-by").unwrap(),
            owner,
            commitment: [self.drawn; 32],
            sealed: [!self.drawn; 32],
            predecessor,
        });
        self.transaction(body, &signers(&[owner]))
    }

    pub(crate) fn verdict(
        &self,
        file: FileId,
        auditor: NodeId,
        reasons: &[VerdictReason],
    ) -> Transaction {
        let reasons = reasons.to_vec();
        let body = Body::Judge(Verdict { file, auditor, reasons, rules: [7; 32] });
        self.transaction(body, &[Signer::Node(auditor)])
    }

    /// Requested and approved.
    pub(crate) fn registered(&mut self, thing: ThingKey, owner: Through) -> FileId {
        let request = self.request(thing, owner);
        self.approved(&request)
    }

    pub(crate) fn approved(&mut self, request: &Transaction) -> FileId {
        let file = request.file().unwrap().unwrap();
        self.apply(request).unwrap();
        let verdict = self.verdict(file, SUPERVISION, &[]);
        self.apply(&verdict).unwrap();
        file
    }

    pub(crate) fn on(&self, file: FileId) -> OnFile {
        OnFile { file, revision: self.state.file(file).map_or(0, |file| file.revision) }
    }

    pub(crate) fn stage(&self, file: FileId) -> Stage {
        self.state.file(file).unwrap().stage()
    }

    /// Ownership goes over at once.
    pub(crate) fn transfer(&self, file: FileId, from: Through, to: Through) -> Transaction {
        let transfer = Transfer { on: self.on(file), member: from.member, to, settlement: None };
        self.transaction(Body::Transfer(transfer), &signers(&[from, to]))
    }

    pub(crate) fn lease(
        &self,
        file: FileId,
        owner: Through,
        lessee: Through,
        hours: core::ops::Range<u64>,
        exclusive: bool,
    ) -> Transaction {
        let hour = |n: u64| START.plus_ms(n * 3_600_000);
        let terms = LeaseTerms {
            on: self.on(file),
            member: owner.member,
            lessee,
            from: hour(hours.start),
            until: hour(hours.end),
            exclusive,
        };
        self.transaction(Body::Lease(terms), &signers(&[owner, lessee]))
    }

    pub(crate) fn lien(&self, file: FileId, owner: Through, holder: Through) -> Transaction {
        let on = self.on(file);
        let terms = LienTerms { on, member: owner.member, holder, reference: [9; 32] };
        self.transaction(Body::PlaceLien(terms), &signers(&[owner, holder]))
    }
}

/// The parties and their members.
pub(crate) fn signers(through: &[Through]) -> Vec<Signer> {
    through.iter().flat_map(|it| [Signer::Party(it.party), Signer::Node(it.member)]).collect()
}
