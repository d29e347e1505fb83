//! Switch, authorizer, forwarder and accounting system around one store: what may happen between them, one thing at a time.

use crate::host::Host;
use interbank_standin::*;
use port::blocking::{self, Store, decide};
use port::{
    Amount, Committed, Currency, DecideError, Effect, Fault, Input, Key, KeyAnswer, KeyQuestion,
    Machine, MemoryStore, Peer, ReadSet, Row, Scan, Skew, StoreError, Time, Zone,
};
use seal::{Account, AccountTokens, Secret, SigningKey, TrustList, TrustedKey, Validity};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;

pub(crate) const START: Time = Time::from_s(1_785_000_000);
/// What stand-in may have out together.
pub(crate) const BUDGET_MINOR: i64 = 160;

/// What is the same in every run: parameters, configuration, requests.
#[derive(Debug)]
pub(crate) struct Play {
    pub(crate) stand_in: StandIn,
    pub(crate) switch: SwitchConfig,
    pub(crate) forwarder: ForwarderConfig,
    pub(crate) requests: Vec<RequestDraft>,
}

impl Play {
    pub(crate) fn new(requests: &[Ask], thresholds: Thresholds, sweep_ms: u64) -> Arc<Self> {
        let institution = institution();
        let parameters = Parameters::new(parameters()).unwrap();
        let stand_in = StandIn::new(StandInConfig {
            institution,
            zone: Zone::utc(),
            parameters: Some(parameters),
            mac_keys: BTreeMap::new(),
            mac_required: false,
            lanes: 1,
            skew: Skew::default(),
            journal_kept_ms: 86_400_000,
        });
        let host = HostConfig { thresholds, ..HostConfig::new(institution) };
        let switch = SwitchConfig {
            mac_required: false,
            skew: Skew { max_ms: 0 },
            ..SwitchConfig::new(
                InstitutionId::new(9).unwrap(),
                Text::new("SW1").unwrap(),
                vec![host],
            )
        };
        let forwarder = ForwarderConfig {
            window_first: 2,
            answer_within_ms: 3_000,
            sweep_ms,
            page_rows: 3,
            settle_max: 2,
            ..ForwarderConfig::default()
        };
        let requests = requests.iter().map(|one| request(*one)).collect();
        Arc::new(Self { stand_in, switch, forwarder, requests })
    }

    pub(crate) fn key(&self, request: usize) -> RequestKey {
        TransactionRequest::new(self.requests[request].clone()).unwrap().key
    }

    /// What is there before anything happens: parameters in force, and all exposure leased to the one lane.
    pub(crate) fn furnish(&self, store: &impl Store) {
        let set = self.stand_in.config().parameters.as_ref().unwrap();
        let key = SigningKey::from_seed(&Secret::new([1; 32]));
        let mut trust = TrustList::new();
        let trusted = TrustedKey::new(key.verifying_key(), Validity::always());
        trust.add("accounting.example", 1, trusted);
        let signature = key.sign(&SealedParameters::message(set).unwrap());
        let sealed = SealedParameters::new(set, "accounting.example", 1, signature).unwrap();
        let mut install = self.stand_in.install(START, &trust, sealed);
        let installed = decide(store, &NoKeys, &mut install).unwrap().verdict;
        assert!(matches!(installed, InstallVerdict::Accepted { .. }), "{installed:?}");
        let initiator = InstitutionId::new(1_111).unwrap();
        let mut lease = self.stand_in.lease(START, 0, initiator, i64::MAX / 2);
        let leased = decide(store, &NoKeys, &mut lease).unwrap();
        assert_eq!(leased, Leased::Spendable(BUDGET_MINOR));
    }
}

/// Account (a number), trace, amount, and the trace of what it reverses.
pub(crate) type Ask = (u8, u64, i64, Option<u64>);

fn request((account, trace, minor, reverses): Ask) -> RequestDraft {
    let number = Account::new(format!("62000000000000{account:02}")).unwrap();
    let token = AccountTokens::new(&Secret::new([1; 32])).token(&number);
    let mut info = AccountInfo::new(&number, token);
    // What check digits are for is tested elsewhere.
    info.check_digit = CheckDigit::Right;
    let draft = RequestDraft {
        institution: Some(institution()),
        initiator: InstitutionId::new(1_111),
        account: Some(info),
        amount: Some(Amount::new(minor, Currency::parse("CNY").unwrap())),
        kind: Some(Kind::Purchase),
        mti: Some(Mti::FINANCIAL),
        trace: Some(trace),
        sent_at: Some(START.plus_ms(1 + trace)),
        terminal: Some(Text::new("TERM0001").unwrap()),
        expiry: Expiry::from_yymm(2_912),
        ..RequestDraft::default()
    };
    let Some(of) = reverses else { return draft };
    let original = TransactionRequest::new(request((account, of, minor, None))).unwrap().key;
    RequestDraft {
        kind: Some(Kind::Reversal),
        mti: Some(Mti::REVERSAL),
        original: Some(original),
        ..draft
    }
}

pub(crate) fn institution() -> InstitutionId {
    InstitutionId::new(6_222).unwrap()
}

fn parameters() -> ParametersDraft {
    serde_json::from_value(serde_json::json!({
        "schema": 1, "institution": 6222, "version": 7, "currency": "CNY",
        "issued_at_ms": 1_784_990_000_000_u64, "effective_from_ms": 1_784_990_000_000_u64,
        "valid_until_ms": 1_796_000_000_000_u64, "stale_after_ms": 8_640_000_000_u64,
        "ranges": [{ "from": 62000000, "to": 62009999, "product": "gold" }],
        "counters": [],
        "exposure": { "institution_minor": BUDGET_MINOR },
        "rules": [{ "number": 1, "approve": true,
            "limits": { "single_minor": 10_000, "floor_minor": 20_000 } }]
    }))
    .unwrap()
}

/// Something between two parties.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Message {
    Request(Box<TransactionRequest>),
    Answer(Response),
    Advice(Box<Advice>),
    Outcome(RequestKey, AdviceOutcome),
    Probe(RequestKey),
    Echo(RequestKey),
}

impl Message {
    /// What tells it from others.
    pub(crate) fn mark(&self) -> [u64; 5] {
        let code = |code: ResponseCode| u64::from(u16::from_be_bytes(*code.as_bytes()));
        match self {
            Self::Request(request) => {
                [0, request.key.trace(), request.mti.is_repeat().into(), 0, 0]
            }
            Self::Answer(answer) => [1, answer.key.trace(), code(answer.code), 0, 0],
            Self::Advice(advice) => [
                2,
                advice.key.trace(),
                advice.key.class() as u64,
                advice.posting as u64,
                u64::from(advice.mti.is_repeat()) << 1 | u64::from(advice.maybe_applied),
            ],
            Self::Outcome(key, outcome) => {
                [3, key.trace(), key.class() as u64, (*outcome == AdviceOutcome::Posted).into(), 0]
            }
            Self::Probe(key) => [4, key.trace(), 0, 0, 0],
            Self::Echo(key) => [5, key.trace(), 0, 0, 0],
        }
    }

    pub(crate) fn is_probe(&self) -> bool {
        matches!(self, Self::Probe(_) | Self::Echo(_))
    }
}

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
            SwitchEvent::AskStandIn { institution, epoch, host, request, .. } => {
                if self.switch.is_current(institution, epoch) {
                    self.authorize(epoch, host, *request)?;
                } else {
                    self.switch.stand_in_failed(self.now, &request.key).unwrap();
                }
            }
            SwitchEvent::Changed(change) => {
                let open = matches!(change.to, HealthState::Online | HealthState::Draining);
                self.forwarder.open(self.now, open || change.forced == Some(Forced::Online));
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

fn carry<M: Machine, S: Store>(machine: &mut M, now: Time, store: &S, effect: Effect) {
    let input = match effect {
        Effect::Commit { ticket, batch } => {
            batch.check().unwrap();
            let fate = match store.commit(&batch) {
                Ok(commit) => Committed::from(commit),
                Err(why) => match why.fault() {
                    Fault::NotApplied | Fault::TooLarge => Committed::Conflict,
                    Fault::Corrupt | Fault::Unknown => Committed::Unknown,
                },
            };
            Input::Committed { ticket, fate }
        }
        Effect::Read { ticket, want } => Input::Rows { ticket, rows: store.read(&want).ok() },
        Effect::Ask { .. } | Effect::Send { .. } => panic!("no keys and no frames here"),
    };
    machine.handle(now, input).unwrap();
}

pub(crate) struct NoKeys;

impl blocking::Keys for NoKeys {
    type Error = Infallible;

    fn answer(&self, _: &[KeyQuestion]) -> Result<Vec<KeyAnswer>, Infallible> {
        Ok(Vec::new())
    }
}

/// A store that a test looks into without disturbing its plan of faults.
pub(crate) trait Peek: Store {
    fn peek(&self, key: &Key) -> Option<Row>;

    fn peek_all(&self, prefix: &Key) -> Vec<Row>;
}

impl Peek for MemoryStore {
    fn peek(&self, key: &Key) -> Option<Row> {
        let Ok(rows) = self.read(&ReadSet::points([key.clone()]));
        rows.points.into_iter().next().flatten()
    }

    fn peek_all(&self, prefix: &Key) -> Vec<Row> {
        let Ok(rows) = self.read(&ReadSet::scan(Scan::first(prefix.clone(), 1_000)));
        rows.scans.into_iter().flatten().map(|(_, row)| row).collect()
    }
}

const CALM_ROUNDS: usize = 400;
