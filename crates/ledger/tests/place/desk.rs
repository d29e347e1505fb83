//! The machine of one supervision node on a store that may fail, and what it told.

use super::{SUPERVISION, genesis};
use interbank_ledger::*;
use port::blocking::{Keys as _, Store as _};
use port::{
    Committed, CrateTag, Effect, Fault, Input, Key, KeyId, Machine as _, Peer, StoreError as _,
    Tenant, Time,
};
use seal::{Secret, SoftKeys};
use simkit::{Faults, FaultyStore};

pub(crate) struct Desk {
    pub(crate) store: FaultyStore,
    pub(crate) now: Time,
    pub(crate) machine: Authority,
    /// What was sent, to whom.
    pub(crate) told: Vec<(Peer, Message)>,
    pub(crate) events: Vec<AuthorityEvent>,
    /// Operations until the process dies.
    pub(crate) fuse: Option<u64>,
    /// Answers that the key holder still refuses.
    pub(crate) keys_fail: u64,
    pub(crate) deaths: u64,
    keys: SoftKeys,
    policy: Policy,
}

pub(crate) fn config(policy: Policy) -> AuthorityConfig {
    AuthorityConfig {
        tenant: Tenant::new(7),
        genesis: genesis(policy),
        node: SUPERVISION,
        key: KeyId(1),
        key_number: 1,
        retry_ms: 100,
    }
}

pub(crate) fn peer(name: &str) -> Peer {
    Peer::new(name).unwrap()
}

impl Desk {
    pub(crate) fn new(policy: Policy, faults: Faults) -> Self {
        let mut keys = SoftKeys::new();
        keys.add_signing(KeyId(1), &Secret::new([1; 32]));
        let mut desk = Self {
            store: FaultyStore::new(faults),
            now: super::START,
            machine: Authority::open(config(policy)).unwrap(),
            told: Vec::new(),
            events: Vec::new(),
            fuse: None,
            keys_fail: 0,
            deaths: 0,
            keys,
            policy,
        };
        desk.settle();
        desk
    }

    /// The process dies, and another one comes up.
    pub(crate) fn die(&mut self) {
        self.deaths += 1;
        self.machine = Authority::open(config(self.policy)).unwrap();
        self.fuse = None;
    }

    /// A frame from a peer; what is refused for now is sent again by whoever cares.
    pub(crate) fn send(&mut self, from: &str, message: &Message) {
        let frame = message.to_frame().unwrap();
        let input = Input::Frame { from: &peer(from), bytes: &frame };
        let _ = self.machine.handle(self.now, input);
        self.settle();
    }

    pub(crate) fn submit(&mut self, from: &str, transaction: &Transaction) {
        self.send(from, &Message::Submit(Box::new(transaction.clone())));
    }

    /// The node's own.
    pub(crate) fn own(&mut self, transaction: &Transaction) {
        let _ = self.machine.submit(self.now, transaction.clone());
        self.settle();
    }

    pub(crate) fn tick(&mut self, ms: u64) {
        self.now = self.now.plus_ms(ms);
        let _ = self.machine.handle(self.now, Input::Tick);
        self.settle();
    }

    /// Carries all effects out. A machine that is fenced, or whose process dies, is opened again.
    pub(crate) fn settle(&mut self) {
        loop {
            if let Some(fuse) = &mut self.fuse {
                if *fuse == 0 {
                    self.die();
                    continue;
                }
                *fuse -= 1;
            }
            let Some(effect) = self.machine.poll_effect() else { break };
            let done = match effect {
                Effect::Read { ticket, want } => {
                    let rows = self.store.read(&want).ok();
                    self.machine.handle(self.now, Input::Rows { ticket, rows })
                }
                Effect::Commit { ticket, batch } => {
                    batch.check().unwrap();
                    let fate = match self.store.commit(&batch) {
                        Ok(commit) => Committed::from(commit),
                        Err(why) if why.fault() == Fault::NotApplied => Committed::Conflict,
                        Err(_) => Committed::Unknown,
                    };
                    self.machine.handle(self.now, Input::Committed { ticket, fate })
                }
                Effect::Ask { ticket, questions } => {
                    let refuses = self.keys_fail > 0;
                    self.keys_fail = self.keys_fail.saturating_sub(1);
                    let answers = (!refuses).then(|| self.keys.answer(&questions).unwrap());
                    self.machine.handle(self.now, Input::Keys { ticket, answers })
                }
                Effect::Send { to, frame } => {
                    self.told.push((to, Message::parse(&frame).unwrap()));
                    Ok(())
                }
            };
            if done == Err(Error::Fenced) {
                self.die();
            }
            done.or_else(|why| if why == Error::Fenced { Ok(()) } else { Err(why) }).unwrap();
        }
        while let Some(event) = self.machine.poll_event() {
            self.events.push(event);
        }
    }

    /// Every stored block, in order.
    pub(crate) fn blocks(&self) -> Vec<Block> {
        let table = Key::new(CrateTag::LEDGER, Tenant::new(7), 2);
        let rows = self.store.snapshot().rows.into_iter();
        let rows = rows.filter(|(key, _)| key.starts_with(&table));
        rows.map(|(_, row)| Block::parse(&row.value).unwrap()).collect()
    }

    /// What was told to somebody.
    pub(crate) fn told_to(&self, name: &str) -> Vec<&Message> {
        let own = self.told.iter().filter(|(to, _)| to.as_str() == name);
        own.map(|(_, message)| message).collect()
    }

    pub(crate) fn chain(&self) -> &Chain {
        self.machine.chain().unwrap()
    }
}
