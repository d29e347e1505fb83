//! The switch at work: both machines, the stand-in module and the sockets, in one task that never waits for one of them.

use crate::clock;
use crate::failure::Failure;
use crate::network::Network;
use crate::news::{Inbox, News};
use crate::shelf::Shelf;
use crate::tally::{Standing, Tally};
use crate::told;
use crate::vault::Vault;
use crate::waiting::Waiting;
use crate::work::{self, Done, Which};
use futures_util::FutureExt as _;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use port::{Input, Machine as _, Time};
use seal::{Account, SoftKeys};
use standin::{
    AdviceOutcome, Forwarder, ForwarderEvent, Function, InstitutionId, Request, RequestKey,
    ResponseCode, StandIn, Switch, SwitchError, SwitchEvent, TransactionRequest,
};
use std::pin::Pin;
use std::sync::Arc;
use tokio::sync::{mpsc, watch};
use wire_iso8583::{Incoming, Message, Mti, Outgoing};

/// All of one institution's traffic.
pub(crate) struct Exchange {
    network: Arc<Network>,
    vault: Vault,
    shelf: Arc<Shelf>,
    keys: Arc<SoftKeys>,
    stand_in: StandIn,
    institution: InstitutionId,
    switch: Switch,
    forwarder: Forwarder,
    waiting: Waiting,
    host: Option<mpsc::Sender<Vec<u8>>>,
    /// Probes carry milliseconds in their keys and seconds on the wire: they are told by their number.
    probe: Option<RequestKey>,
    said_drained: Option<bool>,
    work: FuturesUnordered<Pin<Box<dyn Future<Output = Done> + Send>>>,
    purge_at: Time,
    tally: Tally,
    standing: watch::Sender<Standing>,
}

impl Exchange {
    /// With everything at rest.
    pub(crate) fn new(
        network: Arc<Network>,
        vault: Vault,
        shelf: Arc<Shelf>,
        stand_in: StandIn,
        (switch, mut forwarder): (Switch, Forwarder),
    ) -> Self {
        let now = clock::now();
        // A switch begins online.
        forwarder.open(now, true);
        Self {
            network,
            vault,
            shelf,
            keys: Arc::new(SoftKeys::new()),
            institution: stand_in.config().institution,
            stand_in,
            switch,
            forwarder,
            waiting: Waiting::default(),
            host: None,
            probe: None,
            said_drained: None,
            work: FuturesUnordered::new(),
            purge_at: now.plus_ms(PURGE_MS),
            tally: Tally::default(),
            standing: watch::Sender::new(Standing::START),
        }
    }

    /// How it stands, always up to date.
    pub(crate) fn standing(&self) -> watch::Receiver<Standing> {
        self.standing.subscribe()
    }

    /// Works until told to stop; then says what it did.
    ///
    /// # Errors
    /// What a machine refused that it never should.
    pub(crate) async fn run(
        mut self,
        Inbox { mut host, mut acquirers }: Inbox,
        mut closing: watch::Receiver<bool>,
    ) -> Result<Tally, Failure> {
        while !*closing.borrow() {
            self.settle()?;
            let due = [self.switch.next_deadline(), self.forwarder.next_deadline()];
            let due = due.into_iter().flatten().fold(self.purge_at, Time::min);
            tokio::select! {
                biased;
                changed = closing.changed() => {
                    if changed.is_err() {
                        break;
                    }
                }
                // A host that answers must not look dead because many ask, and acquirers must not wait for a drain: each gets
                // its turn.
                Some(news) = host.recv() => self.on_news(news)?,
                Some(news) = acquirers.recv() => self.on_news(news)?,
                Some(done) = self.work.next(), if !self.work.is_empty() => self.on_done(done)?,
                () = tokio::time::sleep(clock::until(due)) => {}
            }
            for _ in 0..TURN {
                let (one, other) = (host.try_recv(), acquirers.try_recv());
                if one.is_err() && other.is_err() {
                    break;
                }
                for news in [one, other].into_iter().flatten() {
                    self.on_news(news)?;
                }
            }
            let now = clock::now();
            if [self.switch.next_deadline(), self.forwarder.next_deadline()]
                .into_iter()
                .flatten()
                .any(|due| due <= now)
            {
                self.switch.handle(now, Input::Tick).map_err(Failure::run)?;
                self.forwarder.handle(now, Input::Tick).map_err(Failure::run)?;
            }
            if now >= self.purge_at {
                self.purge(now);
            }
        }
        Ok(self.tally)
    }

    /// Begins whatever the machines want done, and finishes what needs no waiting; of much only a part, so that sockets are heard
    /// while a long journal is looked through.
    fn settle(&mut self) -> Result<(), Failure> {
        let mut finished = 0;
        loop {
            while let Some(effect) = self.switch.poll_effect() {
                let (shelf, keys) = (self.shelf.clone(), self.keys.clone());
                self.work.push(Box::pin(async move {
                    work::carry(&shelf, &keys, Which::Switch, effect).await
                }));
            }
            if let Some(event) = self.switch.poll_event() {
                self.on_switch(event)?;
            } else if let Some(event) = self.forwarder.poll_event() {
                self.on_forwarder(event);
            } else if finished < FINISHED_MAX
                && let Some(Some(done)) = self.work.next().now_or_never()
            {
                finished += 1;
                self.on_done(done)?;
            } else {
                break;
            }
        }
        let is_drained = self.forwarder.is_drained();
        if self.said_drained != Some(is_drained) {
            self.said_drained = Some(is_drained);
            let now = clock::now();
            self.switch.drained(now, self.institution, is_drained).map_err(Failure::run)?;
            return self.settle();
        }
        // Begun last, and finished at the next turn: looking through a journal is one read after another.
        while let Some(effect) = self.forwarder.poll_effect() {
            let (shelf, keys) = (self.shelf.clone(), self.keys.clone());
            self.work.push(Box::pin(async move {
                work::carry(&shelf, &keys, Which::Forwarder, effect).await
            }));
        }
        self.publish(is_drained);
        Ok(())
    }

    fn publish(&mut self, is_drained: bool) {
        let Some(host) = self.switch.standing(self.institution) else { return };
        let backlog = self.forwarder.backlog();
        self.tally.backlog_max = self.tally.backlog_max.max(backlog);
        let now =
            Standing { state: host.state, is_drained, backlog, pending: self.switch.pending() };
        self.standing.send_if_modified(|was| {
            let is_new = *was != now;
            *was = now;
            is_new
        });
    }

    fn on_news(&mut self, news: News) -> Result<(), Failure> {
        let now = clock::now();
        match news {
            News::Joined { line, answers } => self.waiting.join(line, answers),
            News::Left { line } => self.waiting.leave(line),
            News::Asked { line, frame } => {
                self.tally.received += 1;
                // What is no message cannot be answered.
                if let Some(incoming) = self.network.read(&frame) {
                    self.on_message(now, line, incoming)?;
                }
            }
            News::HostUp(frames) => {
                self.host = Some(frames);
                self.switch.link(now, self.institution, true).map_err(Failure::run)?;
            }
            News::HostDown => {
                self.host = None;
                self.switch.link(now, self.institution, false).map_err(Failure::run)?;
            }
            News::HostSaid(frame) => {
                if let Some(incoming) = self.network.read(&frame) {
                    // Who is on this line, its messages about the line need not say.
                    self.on_host(now, &incoming.from_sender(self.institution))?;
                }
            }
        }
        Ok(())
    }

    /// A message of an acquirer: routed, or refused at once.
    fn on_message(&mut self, now: Time, line: u64, incoming: Incoming) -> Result<(), Failure> {
        let (vault, mine) = (&self.vault, self.institution);
        let accounts = |account: &Account, named: Option<InstitutionId>| {
            let info = vault.info(account).ok()?;
            named.is_none_or(|named| named == mine).then_some((mine, info))
        };
        let request = match incoming.request(&self.network.usage, accounts) {
            Ok(Request::Transaction(request)) => request,
            Ok(Request::Network(_)) => {
                self.answer_code(line, &incoming, ResponseCode::APPROVED);
                return Ok(());
            }
            Err(refused) => {
                self.tally.refused += 1;
                self.answer_code(line, &incoming, refused.response_code());
                return Ok(());
            }
        };
        let key = request.key;
        let Some(peer) = self.waiting.put(key, line, incoming) else { return Ok(()) };
        match self.switch.request(now, peer.clone(), request.into()) {
            Ok(()) => Ok(()),
            // The acquirer repeats.
            Err(SwitchError::Busy) => {
                self.tally.silent += 1;
                self.waiting.take(&key, &peer);
                Ok(())
            }
            Err(why) => Err(Failure::run(why)),
        }
    }

    fn answer_code(&self, line: u64, incoming: &Incoming, code: ResponseCode) {
        if let Ok(answer) = incoming.answer_code(code)
            && let Some(frame) = self.network.write(&answer)
        {
            self.waiting.send(line, frame);
        }
    }

    /// A message of the accounting system: an answer to a request, to an advice, to a probe; or a probe of its own.
    fn on_host(&mut self, now: Time, incoming: &Incoming) -> Result<(), Failure> {
        let mti = incoming.message().mti();
        if mti == Mti::NETWORK_REQUEST {
            return self.on_host_asked(now, incoming);
        }
        // What names nothing of ours is nobody's answer.
        let Ok(key) = incoming.key() else { return Ok(()) };
        if mti == Mti::NETWORK_RESPONSE {
            if let Some(probe) = self.probe.filter(|probe| probe.trace() == key.trace()) {
                self.probe = None;
                match self.switch.probe_answered(now, self.institution, &probe) {
                    // The next one is out already.
                    Ok(()) | Err(SwitchError::NotAsked) => {}
                    Err(why) => return Err(Failure::run(why)),
                }
            }
            return Ok(());
        }
        // Acquirers send advices too: what was asked says whose answer it is, and its type alone does not.
        if let Some(request) = self.waiting.asked(&key, mti)
            && let Ok(response) = incoming.response(&request)
        {
            return self
                .switch
                .host_answered(now, self.institution, response)
                .map_err(Failure::run);
        }
        if let Some(outcome) = outcome(incoming) {
            self.forwarder.answered(now, &key, outcome);
        }
        Ok(())
    }

    fn on_host_asked(&mut self, now: Time, incoming: &Incoming) -> Result<(), Failure> {
        let (code, function) = match incoming.request(&self.network.usage, |_, _| None) {
            Ok(Request::Network(asked)) => (ResponseCode::APPROVED, Some(asked.function)),
            Ok(Request::Transaction(_)) => return Ok(()),
            Err(refused) => (refused.response_code(), None),
        };
        if let Ok(answer) = incoming.answer_code(code)
            && let Some(frame) = self.network.write(&answer)
        {
            self.to_host(frame);
        }
        let Some(function) = function else { return Ok(()) };
        self.switch.host_signed(now, self.institution, function).map_err(Failure::run)
    }

    fn on_switch(&mut self, event: SwitchEvent) -> Result<(), Failure> {
        let now = clock::now();
        self.tally.see(&event);
        match event {
            SwitchEvent::Answer { to, response } => {
                if let Some((line, incoming)) = self.waiting.take(&response.key, &to)
                    && let Ok(answer) = incoming.answer(&response)
                    && let Some(frame) = self.network.write(&answer)
                {
                    self.waiting.send(line, frame);
                }
            }
            SwitchEvent::AskHost { request, until, .. } => {
                if !self.ask_host(&request, until) {
                    match self.switch.host_unsent(now, &request.key) {
                        // The lost link took it away already.
                        Ok(()) | Err(SwitchError::NotAsked) => {}
                        Err(why) => return Err(Failure::run(why)),
                    }
                }
            }
            SwitchEvent::AskStandIn { institution, epoch, host, request, .. } => {
                if self.switch.is_current(institution, epoch) {
                    let (shelf, keys) = (self.shelf.clone(), self.keys.clone());
                    let stand_in = self.stand_in.clone();
                    self.work.push(Box::pin(async move {
                        let known = (epoch, host);
                        work::authorize(&shelf, &keys, &stand_in, now, known, *request).await
                    }));
                } else {
                    self.undecided(now, &request.key)?;
                }
            }
            SwitchEvent::Changed(change) => self.forwarder.open(now, change.host_share_bp > 0),
            SwitchEvent::Late { response, .. } => {
                self.forwarder.host_said(now, &response.key, response.is_approval());
                // An acquirer's advice is told under its own key and type: this may be the answer to that.
                if response.mti.function() == Function::AdviceResponse {
                    self.forwarder.answered(now, &response.key, outcome_of(response.code));
                }
            }
            SwitchEvent::Probe { request, .. } => {
                self.probe = Some(request.key);
                if let Some(frame) = self.probe_frame(&request.key) {
                    self.to_host(frame);
                }
            }
            SwitchEvent::Unanswered { request, .. } => self.waiting.forget(&request.key),
        }
        Ok(())
    }

    fn ask_host(&mut self, request: &TransactionRequest, until: Time) -> bool {
        let message =
            Outgoing::new(request).message(&self.network.usage, |info| self.vault.number(info));
        let Some(frame) = message.ok().and_then(|message| self.network.write(&message)) else {
            return false;
        };
        self.waiting.ask(request, until);
        self.to_host(frame)
    }

    /// Whether it left, as far as anybody knows here.
    fn to_host(&self, frame: Vec<u8>) -> bool {
        self.host.as_ref().is_some_and(|host| host.try_send(frame).is_ok())
    }

    fn probe_frame(&self, key: &RequestKey) -> Option<Vec<u8>> {
        let mut message = Message::new(Mti::NETWORK_REQUEST);
        message.set_stan(u32::try_from(key.trace()).ok()?).ok()?;
        message.set_transmitted(key.sent_at()).ok()?;
        message.set(32, key.initiator().to_string()).ok()?;
        message.set_terminal(key.terminal().as_str()).ok()?;
        message.set(70, "301").ok()?;
        self.network.write(&message)
    }

    fn on_forwarder(&mut self, event: ForwarderEvent) {
        match event {
            ForwarderEvent::Send(advice) => {
                self.tally.advices += 1;
                self.tally.advice_repeats += u64::from(advice.mti.is_repeat());
                // What does not leave is not answered, and comes again.
                if let Some(frame) = told::frame(&advice, &self.network, &self.vault) {
                    self.to_host(frame);
                }
            }
            ForwarderEvent::Delivered { .. } => self.tally.delivered += 1,
            ForwarderEvent::DeadLetter { .. } => self.tally.exceptions += 1,
            ForwarderEvent::Escalated { .. } | ForwarderEvent::Damaged { .. } => {
                self.tally.escalated += 1;
            }
            ForwarderEvent::Unmatched { .. } => self.tally.unmatched += 1,
        }
    }

    fn on_done(&mut self, done: Done) -> Result<(), Failure> {
        let now = clock::now();
        match done {
            Done::Effect { of: Which::Switch, ticket, found } => {
                found.report(&mut self.switch, now, ticket).map_err(Failure::run)
            }
            Done::Effect { of: Which::Forwarder, ticket, found } => {
                found.report(&mut self.forwarder, now, ticket).map_err(Failure::run)
            }
            Done::Decided(decided) => {
                // Who waited may be gone; what is in the journal is owed all the same.
                let _ = self.switch.stand_in_answered(now, &decided.answered);
                if decided.answered.entry.is_some() {
                    self.forwarder.nudge(now, decided.account);
                }
                Ok(())
            }
            Done::Undecided(key) => self.undecided(now, &key),
            Done::Lost | Done::Purged => Ok(()),
        }
    }

    fn undecided(&mut self, now: Time, key: &RequestKey) -> Result<(), Failure> {
        match self.switch.stand_in_failed(now, key) {
            // Nobody waits any more.
            Ok(()) | Err(SwitchError::NotAsked) => Ok(()),
            Err(why) => Err(Failure::run(why)),
        }
    }

    fn purge(&mut self, now: Time) {
        self.purge_at = now.plus_ms(PURGE_MS);
        self.waiting.purge(now);
        let (shelf, keys, stand_in) =
            (self.shelf.clone(), self.keys.clone(), self.stand_in.clone());
        self.work.push(Box::pin(async move {
            let kept_ms = stand_in.config().journal_kept_ms;
            work::purge(&shelf, &keys, &stand_in, now, kept_ms).await
        }));
    }
}

/// What the accounting system made of an advice; `None` if this answers none, or does not say.
fn outcome(incoming: &Incoming) -> Option<AdviceOutcome> {
    let answers_an_advice = [
        Mti::AUTHORIZATION_ADVICE_RESPONSE,
        Mti::FINANCIAL_ADVICE_RESPONSE,
        Mti::REVERSAL_ADVICE_RESPONSE,
    ]
    .contains(&incoming.message().mti());
    let code = incoming.message().response_code().ok().flatten().filter(|_| answers_an_advice)?;
    Some(outcome_of(ResponseCode::new(*code.as_bytes())?))
}

fn outcome_of(code: ResponseCode) -> AdviceOutcome {
    match code {
        code if code.is_approval() => AdviceOutcome::Posted,
        ResponseCode::DUPLICATE => AdviceOutcome::AlreadyPosted,
        ResponseCode::INOPERATIVE | ResponseCode::SYSTEM => AdviceOutcome::Busy,
        code => AdviceOutcome::Refused(code),
    }
}

/// Messages of each side in one turn.
const TURN: usize = 64;
/// More than the messages of a turn need.
const FINISHED_MAX: usize = 1_024;
/// Once in a minute.
const PURGE_MS: u64 = 60_000;
