//! One validator on a store that may fail, in a process that may die.

use crate::place::*;
use interbank_order_malachite::{Error, Validator, ValidatorConfig, ValidatorEvent};
use ledger::{Block, Chain, Height, NodeId, Transaction};
use port::blocking::{Keys as _, Store as _};
use port::{
    Bytes, Committed, CrateTag, Effect, Fault, Input, Key, KeyId, Machine as _, Peer,
    StoreError as _, Tenant, Time,
};
use seal::{Secret, SoftKeys};
use simkit::{Faults, FaultyStore};

pub(crate) struct Node {
    pub(crate) config: ValidatorConfig,
    pub(crate) store: FaultyStore,
    pub(crate) machine: Validator,
    pub(crate) events: Vec<ValidatorEvent>,
    looked_at: usize,
    /// What it sent and nobody carried yet.
    pub(crate) out: Vec<(Peer, Bytes)>,
    /// Effects until the process dies.
    pub(crate) fuse: Option<u64>,
    pub(crate) effects: u64,
    pub(crate) deaths: u64,
    /// Answers that the key holder still refuses.
    pub(crate) keys_fail: u64,
    /// No process runs.
    pub(crate) is_down: bool,
    keys: SoftKeys,
}

pub(crate) const TENANT: Tenant = Tenant::new(7);

impl Node {
    pub(crate) fn new(node: usize, id: NodeId, store: FaultyStore) -> Self {
        let mut keys = SoftKeys::new();
        keys.add_signing(KeyId(1), &Secret::new([seed(node); 32]));
        let mut config = ValidatorConfig::new(TENANT, genesis(), id, KeyId(1));
        config.seeds = vec![Peer::new(name(if node == 0 { 1 } else { 0 })).unwrap()];
        Self {
            machine: Validator::open(config.clone()).unwrap(),
            config,
            store,
            events: Vec::new(),
            looked_at: 0,
            out: Vec::new(),
            fuse: None,
            effects: 0,
            deaths: 0,
            keys_fail: 0,
            is_down: false,
            keys,
        }
    }

    /// The process dies, and what it had not sent with it; another one comes up.
    pub(crate) fn die(&mut self) {
        self.deaths += 1;
        self.machine = Validator::open(self.config.clone()).unwrap();
        self.fuse = None;
    }

    pub(crate) fn frame(&mut self, now: Time, from: &Peer, bytes: &[u8]) {
        // What a node refuses is not said again to it by the simulator: whoever cares does.
        let _ = self.machine.handle(now, Input::Frame { from, bytes });
        self.settle(now);
    }

    pub(crate) fn tick(&mut self, now: Time) {
        let _ = self.machine.handle(now, Input::Tick);
        self.settle(now);
    }

    pub(crate) fn submit(&mut self, now: Time, transaction: Transaction) {
        let _ = self.machine.submit(now, transaction);
        self.settle(now);
    }

    /// Carries all effects out. A machine that is fenced, or whose process dies, is opened again.
    pub(crate) fn settle(&mut self, now: Time) {
        loop {
            if self.is_down || self.store.is_down() {
                return;
            }
            if let Some(fuse) = &mut self.fuse {
                if *fuse == 0 {
                    self.die();
                    continue;
                }
                *fuse -= 1;
            }
            let Some(effect) = self.machine.poll_effect() else { break };
            self.effects += 1;
            let done = match effect {
                Effect::Read { ticket, want } => {
                    let rows = self.store.read(&want).ok();
                    self.machine.handle(now, Input::Rows { ticket, rows })
                }
                Effect::Commit { ticket, batch } => {
                    batch.check().unwrap();
                    let fate = match self.store.commit(&batch) {
                        Ok(commit) => Committed::from(commit),
                        Err(why) if why.fault() == Fault::NotApplied => Committed::Conflict,
                        Err(_) => Committed::Unknown,
                    };
                    self.machine.handle(now, Input::Committed { ticket, fate })
                }
                Effect::Ask { ticket, questions } => {
                    let refuses = self.keys_fail > 0;
                    self.keys_fail = self.keys_fail.saturating_sub(1);
                    let answers = (!refuses).then(|| self.keys.answer(&questions).unwrap());
                    self.machine.handle(now, Input::Keys { ticket, answers })
                }
                Effect::Send { to, frame } => {
                    self.out.push((to, frame));
                    Ok(())
                }
            };
            if let Err(why) = done {
                let is_stored = matches!(why, Error::Ledger(ledger::Error::Corrupt(_)));
                assert!(!is_stored && why != Error::Rules, "{why:?}");
                if why.is_final() {
                    self.die();
                }
            }
        }
        while let Some(event) = self.machine.poll_event() {
            self.events.push(event);
        }
    }

    /// What it told since the last time.
    pub(crate) fn news(&mut self) -> Vec<ValidatorEvent> {
        let new = self.events[self.looked_at..].to_vec();
        self.looked_at = self.events.len();
        new
    }

    /// Every stored block, in order.
    pub(crate) fn blocks(&self) -> Vec<Block> {
        let table = Key::new(CrateTag::LEDGER, TENANT, 2);
        let rows = self.store.snapshot().rows.into_iter();
        let rows = rows.filter(|(key, _)| key.starts_with(&table));
        rows.map(|(_, row)| Block::parse(&row.value).unwrap()).collect()
    }

    pub(crate) fn height(&self) -> Height {
        self.machine.chain().map_or(Height(0), Chain::next_height)
    }

    /// On a store without faults, with an empty chain or what a snapshot holds.
    pub(crate) fn calm(node: usize, snapshot: Option<&port::Snapshot>) -> Self {
        let store = match snapshot {
            Some(snapshot) => FaultyStore::over(snapshot, Faults::None),
            None => FaultyStore::new(Faults::None),
        };
        Self::new(node, id(node), store)
    }
}
