//! Switch, authorizer, forwarder and accounting system around one store: what may happen between them, one thing at a time.

mod message;
mod play;
mod store;

pub(crate) use message::Message;
pub(crate) use play::{Ask, BUDGET_MINOR, Play, START, institution};
pub(crate) use store::Peek;

use crate::host::Host;
use interbank_standin::*;
use port::blocking::decide;
use port::{DecideError, Input, Machine, MemoryStore, Peer, Time};
use std::sync::Arc;
use store::{NoKeys, carry};

/// What a terminal was told, or that it asked.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Said {
    Asked(RequestKey),
    Told(RequestKey, Vec<u8>),
}

pub(crate) struct World<S> {
    pub(crate) play: Arc<Play>,
    pub(crate) now: Time,
    pub(crate) store: S,
    pub(crate) switch: Switch,
    pub(crate) forwarder: Forwarder,
    pub(crate) host: Host,
    pub(crate) wire: Vec<Message>,
    /// In order, with the length of the host's book at that moment.
    pub(crate) said: Vec<(Said, usize)>,
    /// The process dies before the operation that finds this at 0.
    pub(crate) fuse: Option<u32>,
    /// Operations so far: before each of them a process may die.
    pub(crate) operations: u32,
    pub(crate) deaths: u64,
    pub(crate) dead_letters: u64,
    pub(crate) unanswered: u64,
    pub(crate) repeats: u64,
    pub(crate) lates: u64,
    /// The stand-in module is asked, and does not come to a decision.
    pub(crate) stalls: bool,
    /// The most that stand-in had out at any moment.
    pub(crate) out_max_minor: i64,
}

impl<S: Peek> World<S> {
    pub(crate) fn new(play: Arc<Play>, store: S) -> Self {
        let switch = Switch::new(START, play.switch.clone()).unwrap();
        let forwarder = new_forwarder(&play, START);
        Self {
            play,
            now: START,
            store,
            switch,
            forwarder,
            host: Host::default(),
            wire: Vec::new(),
            said: Vec::new(),
            fuse: None,
            operations: 0,
            deaths: 0,
            dead_letters: 0,
            unanswered: 0,
            repeats: 0,
            lates: 0,
            stalls: false,
            out_max_minor: 0,
        }
    }

    /// A request comes, for the first time or again.
    pub(crate) fn arrive(&mut self, which: usize) {
        let mut draft = self.play.requests[which].clone();
        let key = self.play.key(which);
        if self.said.iter().any(|(said, _)| *said == Said::Asked(key)) {
            draft.mti = draft.mti.map(Mti::repeat);
        }
        self.said.push((Said::Asked(key), self.host.book.len()));
        let from = Peer::new("acquirer").unwrap();
        self.switch.request(self.now, from, draft).unwrap();
        self.settle();
    }

    /// A message arrives.
    pub(crate) fn deliver(&mut self, at: usize) {
        let message = self.wire.remove(at);
        self.receive(message);
    }

    pub(crate) fn receive(&mut self, message: Message) {
        let now = self.now;
        match message {
            Message::Request(request) => {
                let answer = self.host.on_request(&request);
                self.wire.push(Message::Answer(answer));
            }
            Message::Advice(advice) => {
                let outcome = self.host.on_advice(&advice);
                self.wire.push(Message::Outcome(advice.key, outcome));
            }
            Message::Probe(key) => self.wire.push(Message::Echo(key)),
            Message::Answer(answer) => {
                self.switch.host_answered(now, institution(), answer).unwrap();
            }
            Message::Outcome(key, outcome) => self.forwarder.answered(now, &key, outcome),
            // One of a switch that is gone is nobody's.
            Message::Echo(key) => {
                let _ = self.switch.probe_answered(now, institution(), &key);
            }
        }
        self.settle();
    }

    /// A decision lands that was ordered while the accounting system was away, and stalled since.
    pub(crate) fn decide_late(&mut self, which: usize) {
        let request = TransactionRequest::new(self.play.requests[which].clone()).unwrap();
        self.authorize(1, HostOutcome::NotAsked, request);
        self.settle();
    }

    /// Time passes until something is due.
    pub(crate) fn pass(&mut self) {
        let due = [self.switch.next_deadline(), self.forwarder.next_deadline()];
        if let Some(due) = due.into_iter().flatten().min() {
            self.now = self.now.max(due);
        }
        self.tick();
    }

    pub(crate) fn tick(&mut self) {
        self.switch.handle(self.now, Input::Tick).unwrap();
        self.forwarder.handle(self.now, Input::Tick).unwrap();
        self.settle();
    }

    /// Everything in memory is lost.
    pub(crate) fn die(&mut self) {
        self.deaths += 1;
        self.fuse = None;
        self.switch = Switch::new(self.now, self.play.switch.clone()).unwrap();
        self.forwarder = new_forwarder(&self.play, self.now);
        self.settle();
    }

    /// Does what the machines want done, or dies on the way.
    pub(crate) fn settle(&mut self) {
        if self.work().is_none() {
            self.die();
        }
        self.measure();
    }

    fn work(&mut self) -> Option<()> {
        loop {
            if let Some(effect) = self.switch.poll_effect() {
                self.operate()?;
                carry(&mut self.switch, self.now, &self.store, effect);
            } else if let Some(event) = self.switch.poll_event() {
                self.operate()?;
                self.on_switch(event)?;
            } else if let Some(effect) = self.forwarder.poll_effect() {
                self.operate()?;
                carry(&mut self.forwarder, self.now, &self.store, effect);
            } else if let Some(event) = self.forwarder.poll_event() {
                self.operate()?;
                self.on_forwarder(event);
            } else {
                return Some(());
            }
        }
    }

    fn operate(&mut self) -> Option<()> {
        self.operations += 1;
        match &mut self.fuse {
            Some(0) => None,
            Some(left) => {
                *left -= 1;
                Some(())
            }
            None => Some(()),
        }
    }

    fn on_switch(&mut self, event: SwitchEvent) -> Option<()> {
        match event {
            SwitchEvent::Answer { response, .. } => {
                let mut bytes = Vec::new();
                response.encode(&mut bytes).unwrap();
                self.said.push((Said::Told(response.key, bytes), self.host.book.len()));
            }
            SwitchEvent::AskHost { request, .. } => self.wire.push(Message::Request(request)),
            SwitchEvent::AskStandIn { .. } if self.stalls => {}
            SwitchEvent::AskStandIn { institution, epoch, host, request, .. } => {
                if self.switch.is_current(institution, epoch) {
                    self.authorize(epoch, host, *request)?;
                } else {
                    self.switch.stand_in_failed(self.now, &request.key).unwrap();
                }
            }
            SwitchEvent::Changed(change) => {
                self.forwarder.open(self.now, change.host_share_bp > 0);
            }
            SwitchEvent::Late { response, .. } => {
                self.lates += 1;
                let approved = response.is_approval();
                self.forwarder.host_said(self.now, &response.key, approved);
            }
            SwitchEvent::Probe { request, .. } => self.wire.push(Message::Probe(request.key)),
            SwitchEvent::Unanswered { .. } => self.unanswered += 1,
        }
        Some(())
    }

    fn authorize(
        &mut self,
        epoch: u64,
        host: HostOutcome,
        request: TransactionRequest,
    ) -> Option<()> {
        let account = request.account.token;
        let mut decision = self.play.stand_in.authorize(self.now, epoch, host, request);
        let found = decide(&self.store, &NoKeys, &mut decision);
        // The batch may be durable, and the process gone.
        self.operate()?;
        match found {
            Ok(audited) => {
                let Verdict::Answered(answered) = audited.verdict else {
                    panic!("the lane is dry and the parameters are in force")
                };
                // Who waited may be gone.
                let _ = self.switch.stand_in_answered(self.now, &answered);
                if answered.entry.is_some() {
                    self.forwarder.nudge(self.now, account);
                }
            }
            // What is there nobody knows: nothing is said, and a repeat finds out.
            Err(DecideError::Unknown(_) | DecideError::Store(_) | DecideError::Busy) => {}
            Err(other) => panic!("{other}"),
        }
        Some(())
    }

    fn on_forwarder(&mut self, event: ForwarderEvent) {
        match event {
            ForwarderEvent::Send(advice) => {
                self.repeats += u64::from(advice.mti.is_repeat());
                self.wire.push(Message::Advice(advice));
            }
            ForwarderEvent::DeadLetter { .. } => self.dead_letters += 1,
            ForwarderEvent::Damaged { row } => panic!("damaged: {row:?}"),
            ForwarderEvent::Delivered { .. }
            | ForwarderEvent::Escalated { .. }
            | ForwarderEvent::Unmatched { .. } => {}
        }
        let drained = self.forwarder.is_drained();
        self.switch.drained(self.now, institution(), drained).unwrap();
    }

    /// The storm is over: messages arrive in order, time passes, who was not answered asks again.
    pub(crate) fn calm(&mut self) -> Result<(), String> {
        self.fuse = None;
        for round in 0..CALM_ROUNDS {
            while !self.wire.is_empty() {
                self.deliver(0);
            }
            let drained = self.forwarder.is_drained();
            self.switch.drained(self.now, institution(), drained).unwrap();
            let standing = self.switch.standing(institution()).unwrap();
            let online = standing.state == HealthState::Online;
            if drained && online && self.switch.pending() == 0 {
                let silent = (0..self.play.requests.len()).find(|at| {
                    let key = self.play.key(*at);
                    self.was_asked(&key) && self.told(&key).next().is_none()
                });
                match silent {
                    Some(at) => self.arrive(at),
                    None => return Ok(()),
                }
            }
            if round > 0 {
                self.pass();
            }
        }
        Err(format!(
            "{} entries wait still, {:?}",
            self.forwarder.backlog(),
            self.switch.standing(institution())
        ))
    }

    pub(crate) fn account_of(&self, said: &Said) -> Option<seal::AccountRef> {
        let (Said::Asked(key) | Said::Told(key, _)) = said;
        let mut drafts = self.play.requests.iter();
        let draft = drafts.find(|draft| draft.trace == Some(key.trace()))?;
        Some(draft.account.as_ref()?.token)
    }

    pub(crate) fn was_asked(&self, key: &RequestKey) -> bool {
        self.said.iter().any(|(said, _)| *said == Said::Asked(*key))
    }

    pub(crate) fn told(&self, key: &RequestKey) -> impl Iterator<Item = &Vec<u8>> {
        self.said.iter().filter_map(move |(said, _)| match said {
            Said::Told(whose, bytes) if whose == key => Some(bytes),
            _ => None,
        })
    }

    pub(crate) fn lane(&self) -> Lane {
        let row = self.store.peek(&self.play.stand_in.lane_key(0)).unwrap();
        Lane::parse(&row.value).unwrap()
    }

    /// Everything in the journal.
    pub(crate) fn journal(&self) -> Vec<Entry> {
        let rows = self.store.peek_all(&self.play.stand_in.journal());
        rows.iter().map(|row| Entry::parse(&row.value).unwrap()).collect()
    }

    fn measure(&mut self) {
        let out = self.lane().shares.iter().map(|share| share.out_minor).max().unwrap_or(0);
        self.out_max_minor = self.out_max_minor.max(out);
    }
}

impl World<MemoryStore> {
    pub(crate) fn fork(&self) -> Self {
        Self {
            play: self.play.clone(),
            store: MemoryStore::restore(&self.store.snapshot()),
            switch: self.switch.clone(),
            forwarder: self.forwarder.clone(),
            host: self.host.clone(),
            wire: self.wire.clone(),
            said: self.said.clone(),
            ..*self
        }
    }
}

fn new_forwarder(play: &Play, now: Time) -> Forwarder {
    let mut forwarder = Forwarder::new(now, &play.stand_in, play.forwarder.clone()).unwrap();
    // A switch begins online.
    forwarder.open(now, true);
    forwarder
}

const CALM_ROUNDS: usize = 400;
