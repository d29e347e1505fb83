//! The receiving-and-forwarding server: takes requests, judges them, moves files, tells what became of them.

mod active;
mod attempt;
mod config;
mod event;
mod hand_over;
mod hop;
mod jobs;
mod judging;
mod notices;
mod opening;
mod publication;
mod pulling;
mod rates;
mod rows;
mod serving;
mod steps;
mod submission;
mod wants;

pub use config::ForwarderConfig;
pub use event::ForwarderEvent;

use crate::journal::Journal;
use crate::pulls::Pulls;
use crate::{
    Error, Failure, Job, JobEvent, JobId, Message, Misuse, PartyId, Permit, RateId, RateTree,
    ReceiptBatch, Registry, Scheduler, TransferId, Verdict, Work,
};
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::sync::Arc;
use alloc::vec::Vec;
use jobs::Jobs;
use judging::Judging;
use notices::{OUTBOX, is_theirs, theirs};
use port::outbox::Outbox;
use port::{Clamp, Effect, Input, Machine, Peer, Ticket, Time};
use publication::Statement;
use rows::{Next, Reading, table};
use submission::Pending;

/// The machine of role R. It owns the rows of its tenant: a second instance conflicts, and both learn it by
/// [`Error::Fenced`]; then drop this one and [`Forwarder::open`] another.
///
/// - A request is judged before any of its file's content is read; the verdict is signed and durable before it is told.
/// - A file moves by pulling: whoever will hold it asks for what is missing. Local stores are copied, clients pull through
///   their access servers, other sites' forwarders pull from here.
/// - Published, signed for and recorded is one commit; notices go out by a durable outbox until they are answered.
#[derive(Debug)]
pub struct Forwarder {
    config: ForwarderConfig,
    registry: Arc<Registry>,
    rules: crate::Rules,
    entropy: [u8; 32],
    drawn: u64,
    clamp: Clamp,
    journal: Option<Journal<Next>>,
    /// The journal while jobs are still being read.
    opening: Option<Journal<Next>>,
    jobs: Jobs,
    pending: BTreeMap<TransferId, Pending>,
    /// What was judged, and whose verdict is not durable yet. It is answered then.
    recording: BTreeSet<TransferId>,
    judging: Judging,
    /// Jobs that are scheduled and not with the scheduler yet, by when they may be tried.
    due: BTreeSet<(Time, TransferId)>,
    scheduler: Scheduler,
    /// The jobs that are with the scheduler, under its names.
    queued: BTreeMap<(PartyId, JobId), TransferId>,
    rates: RateTree,
    rate_of: BTreeMap<PartyId, RateId>,
    pulls: Pulls,
    /// Some client is served at times only.
    has_hours: bool,
    absent: BTreeSet<PartyId>,
    /// Access servers whose clients asked for their files, and until when that holds.
    calls: BTreeMap<PartyId, Time>,
    outbox: Outbox,
    /// Hand-overs that are being recorded.
    handing: BTreeSet<TransferId>,
    to_sign: Vec<Statement>,
    signing: Option<(Ticket, Vec<Statement>, ReceiptBatch)>,
    /// Not earlier, after the key holder failed.
    sign_at: Time,
    reads: BTreeMap<Ticket, Reading>,
    /// Reads that failed, for the next tick.
    failed_reads: Vec<Reading>,
    verdicts: BTreeMap<Ticket, (TransferId, Verdict, Option<Box<Permit>>)>,
    fenced: bool,
    /// Something happened since it was looked at what can be pulled.
    may_pull: bool,
    last_ticket: Ticket,
    effects: VecDeque<Effect>,
    works: VecDeque<Work>,
    events: VecDeque<ForwarderEvent>,
}

impl Forwarder {
    /// Begins by reading what is stored. `entropy` must be fresh: it spreads retries.
    ///
    /// # Errors
    /// [`Misuse`] for a configuration that cannot work.
    pub fn open(
        config: ForwarderConfig,
        registry: Arc<Registry>,
        entropy: [u8; 32],
    ) -> Result<Self, Misuse> {
        if config.again_ms == 0
            || config.patience_ms == 0
            || config.probe_ms == 0
            || config.batch_multiple == 0
        {
            return Err(Misuse::Bounds);
        }
        let outbox = Outbox::new(table(config.tenant, OUTBOX), config.outbox);
        let mut forwarder = Self {
            rules: registry.rules(),
            rates: RateTree::new(config.rate),
            scheduler: Scheduler::new(config.slots),
            pulls: Pulls::new(config.tenant, config.paces),
            config,
            registry,
            entropy,
            drawn: 0,
            clamp: Clamp::new(),
            journal: None,
            opening: None,
            jobs: Jobs::default(),
            pending: BTreeMap::new(),
            recording: BTreeSet::new(),
            judging: Judging::default(),
            due: BTreeSet::new(),
            queued: BTreeMap::new(),
            rate_of: BTreeMap::new(),
            has_hours: false,
            absent: BTreeSet::new(),
            calls: BTreeMap::new(),
            outbox,
            handing: BTreeSet::new(),
            to_sign: Vec::new(),
            signing: None,
            sign_at: Time::EPOCH,
            reads: BTreeMap::new(),
            failed_reads: Vec::new(),
            verdicts: BTreeMap::new(),
            fenced: false,
            may_pull: false,
            last_ticket: Ticket(0),
            effects: VecDeque::new(),
            works: VecDeque::new(),
            events: VecDeque::new(),
        };
        let profiles = forwarder.registry.clone();
        for (client, profile) in profiles.profiles() {
            forwarder.has_hours |= profile.hours != crate::Hours::ALWAYS;
            if let Some(rate) = profile.rate {
                forwarder.limit(client.clone(), rate)?;
            }
        }
        forwarder.read_open(None);
        Ok(forwarder)
    }

    /// The next thing to do with files.
    pub fn poll_work(&mut self) -> Option<Work> {
        if self.works.is_empty() {
            self.pull_round();
        }
        self.works.pop_front()
    }

    /// Where a job stands, as far as it is under way.
    pub fn job(&self, transfer: &TransferId) -> Option<&Job> {
        self.jobs.get(transfer).map(|active| &active.job)
    }

    /// How many jobs are under way.
    pub fn jobs(&self) -> usize {
        self.jobs.len()
    }

    fn see(&mut self, now: Time) -> Result<Time, Error> {
        if self.fenced {
            return Err(Error::Fenced);
        }
        Ok(self.clamp.see(now))
    }

    fn journal(&mut self) -> Result<&mut Journal<Next>, Error> {
        self.journal.as_mut().ok_or(Error::Busy)
    }

    fn on_frame(&mut self, now: Time, from: &Peer, bytes: &[u8]) -> Result<(), Error> {
        match Message::parse(bytes)? {
            Message::Submit { request, hops, file } => {
                let from = from.clone();
                let pending = Pending { from: from.clone(), request, hops, file, stood: false };
                self.on_submit(now, &from, pending)
            }
            Message::Answer(answer) => self.on_answer(now, from, &answer),
            Message::Notice(bytes) => self.on_notice(now, from, &bytes),
            Message::Noticed(bytes) => {
                let frame = Input::Frame { from, bytes: &bytes };
                self.outbox.handle(now, frame).map_err(|_| Error::Stranger)
            }
            Message::Want { transfer, range } => self.on_want(now, from, transfer, range),
            Message::Taken { transfer, outcome, receipt } => {
                self.on_taken(now, from, &transfer, outcome, &receipt)
            }
            Message::Described { transfer, file } => {
                self.check_source(from, &transfer)?;
                match file {
                    Some((size, root)) => self.known(now, &transfer, size, root, true),
                    None => self.fail(now, &transfer, Failure::FileUnstable),
                }
            }
            Message::Unstable { transfer } => {
                self.check_source(from, &transfer)?;
                self.fail(now, &transfer, Failure::FileUnstable)
            }
            Message::Presence(present) => self.on_presence(now, from, present),
            Message::Cancel { transfer } => {
                let Some(active) = self.jobs.get(&transfer) else { return Ok(()) };
                if self.upstream(&active.job)? != *from {
                    return Err(Error::Stranger);
                }
                if active.is_another_sites() {
                    if let Some(to) = self.sink_peer(active)? {
                        let frame = Message::Cancel { transfer }.to_frame()?;
                        self.effects.push_back(Effect::Send { to, frame });
                    }
                    return Ok(());
                }
                // A client that may have it by now is not called back.
                if active.job.offered {
                    Ok(())
                } else {
                    self.apply(now, &transfer, &JobEvent::Cancel)
                }
            }
            Message::HandedOver { transfer, receipt } => {
                self.on_handed_over(from, transfer, receipt)
            }
            Message::Collect => self.on_collect(now, from),
            // Slices go through `open_slice`.
            Message::Slice { .. }
            | Message::Offer(_)
            | Message::Fetch { .. }
            | Message::Recorded { .. } => Err(Error::Stranger),
        }
    }

    fn pump(&mut self, now: Time) -> Result<(), Error> {
        self.jobs.settle();
        if self.journal.is_none() {
            return Ok(());
        }
        self.start(now)?;
        self.may_pull = true;
        self.pump_outbox(now)
    }

    /// What can be pulled after all inputs since the last time: it takes a look at every transfer.
    fn pull_round(&mut self) {
        if !self.may_pull || self.journal.is_none() || self.fenced {
            return;
        }
        self.may_pull = false;
        let now = self.clamp.last();
        let mut done = self.pull(now);
        if done.is_ok() {
            // What was brought into the spool, or broke off, may go on at once.
            done = self.start(now);
        }
        // What has no stored form will have none: nothing more may be promised.
        self.fenced |= done.is_err();
    }

    /// What all inputs since the last time led to is signed together, and recorded together.
    fn conclude_round(&mut self) {
        if self.journal.is_none() || self.fenced {
            return;
        }
        let now = self.clamp.last();
        let mut done = self.sign(now);
        if done.is_ok() && self.effects.is_empty() {
            done = self.flush();
        }
        // What has no stored form will have none: nothing more may be promised.
        self.fenced |= done.is_err();
    }

    fn ticket(&mut self) -> Ticket {
        self.last_ticket = self.last_ticket.next();
        self.last_ticket
    }
}

impl Machine for Forwarder {
    type Event = ForwarderEvent;
    type Error = Error;

    fn handle(&mut self, now: Time, input: Input<'_>) -> Result<(), Error> {
        let now = self.see(now)?;
        let done = match input {
            Input::Frame { from, bytes } => {
                if self.journal.is_none() {
                    return Err(Error::Busy);
                }
                self.on_frame(now, from, bytes)
            }
            Input::Rows { ticket, rows } if is_theirs(ticket) => {
                let ticket = theirs(ticket);
                self.outbox
                    .handle(now, Input::Rows { ticket, rows })
                    .map_err(|_| Misuse::NotAsked.into())
            }
            Input::Rows { ticket, rows } => {
                let reading = self.reads.remove(&ticket).ok_or(Misuse::NotAsked)?;
                self.on_rows(now, reading, rows)
            }
            Input::Committed { ticket, fate } if is_theirs(ticket) => {
                let ticket = theirs(ticket);
                let input = Input::Committed { ticket, fate };
                self.outbox.handle(now, input).map_err(|_| Misuse::NotAsked.into())
            }
            Input::Committed { ticket, fate } => {
                let fate = self.journal()?.committed(ticket, fate);
                let then = fate.inspect_err(|_| self.fenced = true)?;
                then.into_iter().try_for_each(|next| self.on_committed(now, next))
            }
            Input::Keys { ticket, answers } => {
                let answer = answers.and_then(|answers| answers.into_iter().next());
                if let Some(asked) = self.verdicts.remove(&ticket) {
                    self.on_verdict(now, asked, answer)
                } else if self.signing.as_ref().is_some_and(|(asked, ..)| *asked == ticket) {
                    self.on_signed(now, answer)
                } else {
                    Err(Misuse::NotAsked.into())
                }
            }
            Input::Tick => self.on_tick(now),
            _ => Err(Misuse::NotAsked.into()),
        };
        // What one input could not do is no reason to hold up the others.
        self.pump(now)?;
        done
    }

    fn poll_effect(&mut self) -> Option<Effect> {
        if self.effects.is_empty() {
            self.pull_round();
        }
        if self.effects.is_empty() {
            self.conclude_round();
        }
        self.effects.pop_front()
    }

    fn poll_event(&mut self) -> Option<ForwarderEvent> {
        self.events.pop_front()
    }

    fn next_deadline(&self) -> Option<Time> {
        let sign = (!self.to_sign.is_empty() && self.signing.is_none()).then_some(self.sign_at);
        let pulls = self
            .pulls
            .deadlines()
            .filter_map(|(transfer, late)| self.waits_for_its_rate(transfer).or(late));
        // What waits for a slot needs no clock; nor does what waits for room to wait in.
        let start = self.due.first().map(|(at, _)| *at).filter(|_| self.has_room());
        self.jobs
            .next_deadline()
            .into_iter()
            .chain(start)
            .chain(pulls)
            .chain(self.outbox.next_deadline())
            .chain(sign)
            .min()
    }
}
