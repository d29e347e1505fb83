//! The switchboard: between the payment server's outbox and the accounting system. It drives the switch, the stand-in module and
//! the forwarder, each of which decides; here only messages are carried.

mod timing;

pub(crate) use timing::ANSWER_MS;

use crate::accounting::{self, Question, Said};
use crate::bank::Bank;
use crate::clock;
use crate::hex;
use crate::manual_override::ManualOverride;
use crate::message::{self, INSTITUTION};
use crate::stand_in::{Decided, StandInModule};
use crate::trouble::Trouble;
use bytes::Bytes;
use interbank::port::outbox::{Answer, Entry};
use interbank::port::{Drained, Input, Link, Machine, Peer, StoreError, Time, drain};
use interbank::qrpay::{Instruction, InstructionKind};
use interbank::standin::{
    Forwarder, ForwarderEvent, HostOutcome, HostStanding, Response, Switch, SwitchEvent,
    TransactionRequest, Transition,
};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use timing::{forwarder_config, switch_config};
use tokio::sync::mpsc;
use tokio::time::timeout;

/// Carries messages until the payment server's side is gone. What waits for delivery then stays in the journal.
pub(crate) async fn run(
    bank: Arc<Bank>,
    mut inbound: mpsc::Receiver<Bytes>,
    answers: mpsc::Sender<Bytes>,
) {
    let (host, questions) = mpsc::channel(QUEUE);
    let (say, mut said) = mpsc::channel(QUEUE);
    let accounting = tokio::spawn(accounting::run(bank.book().clone(), questions, say));
    match Switchboard::new(&bank, host, answers) {
        Ok(mut board) => {
            let mut look_at = clock::now();
            loop {
                let now = clock::now();
                if now >= look_at {
                    board.obey().await;
                    let after = bank.look_again().unwrap_or(Duration::from_secs(60));
                    look_at = now.plus_ms(u64::try_from(after.as_millis()).unwrap_or(u64::MAX));
                }
                board.work().await;
                let due = board.next_deadline().map_or(look_at, |due| due.min(look_at));
                let wait = Duration::from_millis(due.since_ms(clock::now()));
                let wake = async {
                    tokio::select! {
                        frame = inbound.recv() => frame.map(Wake::Owed),
                        Some(said) = said.recv() => Some(Wake::Said(said)),
                        () = bank.ordered().notified() => Some(Wake::Ordered),
                    }
                };
                match timeout(wait, wake).await {
                    Ok(None) => break,
                    Ok(Some(Wake::Owed(frame))) => board.owed(&frame).await,
                    Ok(Some(Wake::Said(said))) => board.said(said),
                    Ok(Some(Wake::Ordered)) => board.obey().await,
                    Err(_) => {}
                }
            }
        }
        Err(why) => tracing::error!(event = "switch.failed", %why),
    }
    // Both ends of the link to the accounting system are gone by now, so that it ends.
    drop(said);
    if let Err(why) = accounting.await {
        tracing::error!(event = "accounting.failed", %why);
    }
}

enum Wake {
    Owed(Bytes),
    Said(Said),
    Ordered,
}

/// The machines, and whom they talk to.
struct Switchboard<'a> {
    bank: &'a Bank,
    switch: Switch,
    forwarder: Forwarder,
    stand_in: StandInModule,
    host: mpsc::Sender<Question>,
    answers: mpsc::Sender<Bytes>,
    obeyed: ManualOverride,
}

impl<'a> Switchboard<'a> {
    fn new(
        bank: &'a Bank,
        host: mpsc::Sender<Question>,
        answers: mpsc::Sender<Bytes>,
    ) -> Result<Self, Trouble> {
        let now = clock::now();
        let stand_in = StandInModule::new();
        let switch = Switch::new(now, switch_config()?).map_err(inside)?;
        let forwarder =
            Forwarder::new(now, stand_in.module(), forwarder_config()).map_err(inside)?;
        Ok(Self {
            bank,
            switch,
            forwarder,
            stand_in,
            host,
            answers,
            obeyed: ManualOverride::default(),
        })
    }

    /// The payment server owes a movement: it becomes a request.
    async fn owed(&mut self, frame: &Bytes) {
        if let Err(why) = self.request(frame).await {
            // The outbox sends again.
            tracing::warn!(event = "switch.refused", %why);
        }
    }

    async fn request(&mut self, frame: &Bytes) -> Result<(), Trouble> {
        let entry = Entry::parse(frame)?;
        let instruction = Instruction::parse(&entry.content)?;
        let accepted = match instruction.kind {
            InstructionKind::Reversal => {
                let payment = self.bank.payment(&instruction.uid, &instruction.payment).await?;
                payment.map(|payment| payment.accepted)
            }
            InstructionKind::Debit | InstructionKind::Refund => None,
        };
        let draft = message::draft(&entry, &instruction, accepted)?;
        // Who waits for the answer is the entry itself.
        let from = Peer::new(hex::digits(&entry.idempotency)).ok_or(Trouble::Damaged)?;
        self.switch.request(clock::now(), from, draft).map_err(inside)
    }

    /// The accounting system said something.
    fn said(&mut self, said: Said) {
        let now = clock::now();
        let heard = match said {
            Said::Answer(response) => self.switch.host_answered(now, INSTITUTION, response),
            Said::Echo(key) => self.switch.probe_answered(now, INSTITUTION, &key),
            Said::Advised(key, outcome) => {
                self.forwarder.answered(now, &key, outcome);
                Ok(())
            }
        };
        if let Err(why) = heard {
            // An echo that comes after the next one was sent.
            tracing::debug!(event = "switch.unmatched", %why);
        }
    }

    /// Does what an operator ordered, if that is news.
    async fn obey(&mut self) {
        let order = match self.bank.manual_override().await {
            Ok(order) => order,
            Err(why) => return tracing::error!(event = "switch.order", %why),
        };
        if order == self.obeyed {
            return;
        }
        if order.forced != self.obeyed.forced {
            let now = clock::now();
            let forced = self.switch.force(now, INSTITUTION, order.forced, OPERATOR, &order.reason);
            if let Err(why) = forced {
                tracing::error!(event = "switch.order", %why);
            }
        }
        self.obeyed = order;
    }

    /// Everything that can be done now.
    async fn work(&mut self) {
        let (bank, mut idle) = (self.bank, false);
        while !idle {
            let now = clock::now();
            let _ = self.switch.handle(now, Input::Tick);
            let drained = drain(&mut self.switch, now, bank.vault(), &Nobody, bank.keys()).await;
            let switched = events(drained);
            idle = switched.is_empty();
            for event in switched {
                self.on_switch(event).await;
            }
            // Only now: nothing is sent to an accounting system that was found to be away.
            let now = clock::now();
            let standing = self.switch.standing(INSTITUTION);
            self.forwarder.open(now, standing.is_some_and(|one| one.host_share_bp > 0));
            let _ = self.forwarder.handle(now, Input::Tick);
            let drained = drain(&mut self.forwarder, now, bank.vault(), &Nobody, bank.keys()).await;
            let forwarded = events(drained);
            idle &= forwarded.is_empty();
            for event in forwarded {
                self.on_forwarder(event).await;
            }
            let _ = self.switch.drained(now, INSTITUTION, self.forwarder.is_drained());
        }
        self.publish();
    }

    async fn on_switch(&mut self, event: SwitchEvent) {
        match event {
            SwitchEvent::Answer { to, response } => self.answer(&to, &response).await,
            SwitchEvent::AskHost { request, .. } => {
                let key = request.key;
                if self.host.try_send(Question::Request(request)).is_err() {
                    let _ = self.switch.host_unsent(clock::now(), &key);
                }
            }
            SwitchEvent::AskStandIn { epoch, host, request, why, .. } => {
                tracing::info!(event = "switch.diverted", ?why, epoch);
                self.stand_in(epoch, host, &request).await;
            }
            SwitchEvent::Changed(change) => self.changed(&change).await,
            SwitchEvent::Late { response, .. } => {
                tracing::info!(event = "switch.late", code = %response.code);
                let approval = response.is_approval();
                self.forwarder.host_said(clock::now(), &response.key, approval);
            }
            // One that does not fit the queue is a missed one.
            SwitchEvent::Probe { request, .. } => {
                let _ = self.host.try_send(Question::Echo(request));
            }
            // The outbox sends again.
            SwitchEvent::Unanswered { why, .. } => {
                tracing::warn!(event = "switch.unanswered", ?why);
            }
        }
    }

    async fn on_forwarder(&mut self, event: ForwarderEvent) {
        match event {
            // One that does not fit the queue is sent again.
            ForwarderEvent::Send(advice) => {
                let _ = self.host.try_send(Question::Advice(advice));
            }
            ForwarderEvent::Delivered { state, .. } => {
                tracing::info!(event = "forward.delivered", ?state);
            }
            ForwarderEvent::DeadLetter { why, .. } => {
                tracing::error!(event = "forward.exception", code = why.code());
            }
            ForwarderEvent::Escalated { age_ms, attempts, .. } => {
                tracing::warn!(event = "forward.old", age_ms, attempts);
            }
            ForwarderEvent::Unmatched { .. } => tracing::debug!(event = "forward.unmatched"),
            ForwarderEvent::Damaged { .. } => tracing::error!(event = "forward.damaged"),
        }
    }

    async fn answer(&self, to: &Peer, response: &Response) {
        let Some(idempotency) = hex::parse(to.as_str()) else { return };
        let content = message::settlement(response).to_bytes();
        let answer = Answer { idempotency: *idempotency, content };
        let mut bytes = Vec::with_capacity(64);
        if answer.encode(&mut bytes).is_ok() {
            // The payment server's side may be gone; its outbox asks again after the next start.
            let _ = self.answers.send(bytes.into()).await;
        }
    }

    async fn stand_in(&mut self, epoch: u64, host: HostOutcome, request: &TransactionRequest) {
        let current = self.switch.is_current(INSTITUTION, epoch);
        let now = clock::now();
        let decided = match current {
            true => self.stand_in.authorize(self.bank, now, epoch, host, request).await,
            false => Ok(Decided::Undecided),
        };
        self.decided(request, decided);
    }

    fn decided(&mut self, request: &TransactionRequest, decided: Result<Decided, Trouble>) {
        let told = match decided {
            Ok(Decided::Answered(answered)) => {
                let words = self.stand_in.parameters().map(|set| answered.explain(set).to_string());
                tracing::info!(event = "standin.answered", code = %answered.response.code, words);
                if answered.entry.is_some() {
                    self.forwarder.nudge(clock::now(), request.account.token);
                }
                self.switch.stand_in_answered(clock::now(), &answered)
            }
            Ok(Decided::Undecided) => self.switch.stand_in_failed(clock::now(), &request.key),
            // Perhaps it is in the journal: nobody else may be asked. The outbox sends again, and gets what is there.
            Ok(Decided::Lost) => return,
            Err(why) => {
                tracing::error!(event = "standin.failed", %why);
                self.switch.stand_in_failed(clock::now(), &request.key)
            }
        };
        if let Err(why) = told {
            tracing::debug!(event = "switch.unmatched", %why);
        }
    }

    async fn changed(&mut self, change: &Transition) {
        tracing::warn!(
            event = "switch.changed", to = %change.to, cause = ?change.cause,
            share_bp = change.host_share_bp, epoch = change.epoch
        );
        if let Err(why) = self.bank.record(&change.audit()).await {
            tracing::error!(event = "switch.unrecorded", %why);
        }
    }

    fn next_deadline(&self) -> Option<Time> {
        [self.switch.next_deadline(), self.forwarder.next_deadline()].into_iter().flatten().min()
    }

    /// What the operator's page shows.
    fn publish(&self) {
        let Some(standing) = self.switch.standing(INSTITUTION) else { return };
        let reading = Reading {
            standing,
            pending: self.switch.pending(),
            owed: self.forwarder.backlog(),
            on_the_way: self.forwarder.in_flight(),
            window: self.forwarder.window(),
            drained: self.forwarder.is_drained(),
        };
        self.bank.reading().send_if_modified(|last| {
            let news = last.as_ref() != Some(&reading);
            *last = Some(reading);
            news
        });
    }
}

/// How switch and forwarder do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reading {
    /// What the accounting system is taken for.
    pub(crate) standing: HostStanding,
    /// Requests under way.
    pub(crate) pending: usize,
    /// Journal entries that wait for delivery.
    pub(crate) owed: usize,
    /// Advices that are not answered yet.
    pub(crate) on_the_way: usize,
    /// How many may be on their way.
    pub(crate) window: usize,
    /// Whether all is delivered.
    pub(crate) drained: bool,
}

/// The machines send nothing by effects: their messages are events.
struct Nobody;

impl Link for Nobody {
    type Error = Infallible;

    async fn send(&self, _: &Peer, _: &Bytes) -> Result<(), Infallible> {
        Ok(())
    }
}

fn events<T, M, S>(drained: Result<Drained<T, S>, M>) -> Vec<T>
where
    M: std::error::Error,
    S: StoreError,
{
    match drained {
        Ok(drained) => {
            if let Some(why) = &drained.store_failure {
                tracing::error!(event = "store.failed", %why);
            }
            drained.events
        }
        Err(why) => {
            tracing::error!(event = "switch.failed", %why);
            Vec::new()
        }
    }
}

fn inside<E: std::error::Error + Send + Sync + 'static>(why: E) -> Trouble {
    Trouble::Inside(Box::new(why))
}

/// There is no login: an operator is whoever is at the page.
const OPERATOR: &str = "operator";
const QUEUE: usize = 256;

#[cfg(test)]
mod tests;
