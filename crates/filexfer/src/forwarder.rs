//! The receiving-and-forwarding server: takes requests, judges them, moves files, tells what became of them.

use crate::access::peer;
use crate::client::{encoded, rows_of};
use crate::journal::Journal;
use crate::trail::record_of;
use crate::{
    Bitmap, CreditPool, End, Error, Failure, FileMetadata, FileName, FileStamp, HopList, Job,
    JobEvent, Known, Legitimacy, Limits, Message, Misuse, Notice, NoticeKind, Offer, OnConflict,
    Paces, PartyId, Permit, Place, Pull, RateId, RateTree, Reason, Receipt, ReceiptBatch, Receiver,
    Registry, Request, Retry, Route, Scheduler, SignedReceipt, SignedVerdict, Slice, Slots, Stage,
    State, Trail, TransferId, Verdict, Wait, Work,
};
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::sync::Arc;
use alloc::vec::Vec;
use bytes::Bytes;
use core::ops::Range;
use port::outbox::{self, Entry, Outbox};
use port::{
    Clamp, CrateTag, Effect, Input, Key, KeyAnswer, KeyId, Machine, Peer, ReadSet, Row, Rows, Scan,
    Tenant, Ticket, Time,
};
use sha2::{Digest as _, Sha256};

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
    jobs: BTreeMap<TransferId, Active>,
    pending: BTreeMap<TransferId, Pending>,
    scheduler: Scheduler,
    rates: RateTree,
    rate_of: BTreeMap<PartyId, RateId>,
    pool: CreditPool,
    absent: BTreeSet<PartyId>,
    outbox: Outbox,
    to_sign: Vec<Statement>,
    signing: Option<(Ticket, Vec<Statement>, ReceiptBatch)>,
    /// Not earlier, after the key holder failed.
    sign_at: Time,
    reads: BTreeMap<Ticket, Reading>,
    /// Reads that failed, for the next tick.
    failed_reads: Vec<Reading>,
    verdicts: BTreeMap<Ticket, (TransferId, Verdict, Option<Box<Permit>>)>,
    fenced: bool,
    last_ticket: Ticket,
    effects: VecDeque<Effect>,
    works: VecDeque<Work>,
    events: VecDeque<ForwarderEvent>,
}

/// A job under way.
#[derive(Debug)]
struct Active {
    job: Job,
    route: Route,
    receiver: Option<Receiver>,
    /// Its pairs are at hand.
    is_prepared: bool,
    /// When to say again what was not answered, or to probe for a party.
    again_at: Option<Time>,
    /// Signs of life of the far end end here.
    silent_at: Time,
    /// Not before this: a rate limit.
    rate_until: Time,
}

/// A request that is not judged yet.
#[derive(Clone, Debug)]
struct Pending {
    from: Peer,
    request: Request,
    hops: HopList,
    file: Option<(u64, [u8; 32])>,
}

/// A receipt to be signed, and what is concluded with it.
#[derive(Clone, Debug)]
struct Statement {
    transfer: TransferId,
    name: FileName,
    receipts: Vec<Receipt>,
    /// Receipts of others.
    others: Vec<Bytes>,
}

#[derive(Clone, Debug)]
enum Reading {
    Open(Option<Key>),
    Jobs(Vec<Key>, Option<Key>),
    Earlier(TransferId),
    Bitmap(TransferId, Place, Vec<(Key, Row)>),
}

#[derive(Clone, Debug)]
enum Next {
    Send(Peer, Bytes),
    Work(Work),
    Tell(ForwarderEvent),
    Checkpointed(TransferId),
    Accepted(TransferId),
    Offer(TransferId),
    Settled([u8; 32]),
    Nudge,
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
        if config.again_ms == 0 || config.patience_ms == 0 || config.probe_ms == 0 {
            return Err(Misuse::Bounds);
        }
        let outbox = Outbox::new(table(config.tenant, OUTBOX), config.outbox);
        let mut forwarder = Self {
            rules: registry.rules(),
            rates: RateTree::new(config.rate),
            scheduler: Scheduler::new(config.slots),
            config,
            registry,
            entropy,
            drawn: 0,
            clamp: Clamp::new(),
            journal: None,
            opening: None,
            jobs: BTreeMap::new(),
            pending: BTreeMap::new(),
            rate_of: BTreeMap::new(),
            pool: CreditPool::default(),
            absent: BTreeSet::new(),
            outbox,
            to_sign: Vec::new(),
            signing: None,
            sign_at: Time::EPOCH,
            reads: BTreeMap::new(),
            failed_reads: Vec::new(),
            verdicts: BTreeMap::new(),
            fenced: false,
            last_ticket: Ticket(0),
            effects: VecDeque::new(),
            works: VecDeque::new(),
            events: VecDeque::new(),
        };
        forwarder.read_open(None);
        Ok(forwarder)
    }

    /// Limits what moves to or from a party, within the limit of the site.
    ///
    /// # Errors
    /// [`Misuse::Bounds`] if there are too many limits.
    pub fn limit(&mut self, party: PartyId, limit: crate::Limit) -> Result<(), Misuse> {
        let rate = self.rates.under(RateTree::root(), limit)?;
        self.rate_of.insert(party, rate);
        Ok(())
    }

    /// The next thing to do with files.
    pub fn poll_work(&mut self) -> Option<Work> {
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

    /// How far a transfer to this site is: verified groups and all groups.
    pub fn progress(&self, transfer: &TransferId) -> Option<(u64, u64)> {
        let bitmap = self.jobs.get(transfer)?.receiver.as_ref()?.bitmap();
        Some((bitmap.verified(), bitmap.groups().count()))
    }

    /// The prefix of stored receipts: transfer, then stage; each value is a [`SignedReceipt`].
    pub fn receipts(tenant: Tenant) -> Key {
        table(tenant, RECEIPTS)
    }

    /// The answer to [`Work::Look`].
    ///
    /// # Errors
    /// [`Error`].
    pub fn looked(
        &mut self,
        now: Time,
        transfer: &TransferId,
        file: Option<&FileMetadata>,
    ) -> Result<(), Error> {
        let now = self.see(now)?;
        self.judge(now, transfer, file)?;
        self.pump(now)
    }

    /// The answer to [`Work::Prepare`]: size and root, or that the file is not what it was.
    ///
    /// # Errors
    /// [`Error`].
    pub fn prepared(
        &mut self,
        now: Time,
        transfer: &TransferId,
        file: Option<(u64, [u8; 32])>,
    ) -> Result<(), Error> {
        let now = self.see(now)?;
        match file {
            Some((size, root)) => self.known(now, transfer, size, root, true)?,
            None => self.fail(now, transfer, Failure::FileUnstable)?,
        }
        self.pump(now)
    }

    /// Checks a slice that arrived; its bytes are to be written to the place of the transfer's receiver, then
    /// [`Forwarder::written`] is to be called.
    ///
    /// # Errors
    /// [`Error::Stranger`], [`Error::Peer`], [`Misuse::NotAsked`].
    pub fn open_slice<'a>(
        &self,
        from: &Peer,
        transfer: &TransferId,
        range: &Range<u64>,
        bytes: &'a [u8],
    ) -> Result<(Place, Slice<'a>), Error> {
        let active = self.jobs.get(transfer).ok_or(Misuse::NotAsked)?;
        if self.source_peer(active)?.as_ref() != Some(from) {
            return Err(Error::Stranger);
        }
        let receiver = active.receiver.as_ref().ok_or(Misuse::NotAsked)?;
        Ok((self.place_into(active), receiver.open(range, bytes)?))
    }

    /// The groups of a slice, or of a [`Work::Copy`], were verified and written.
    ///
    /// # Errors
    /// [`Error`]; the groups are asked for again.
    pub fn written(
        &mut self,
        now: Time,
        transfer: &TransferId,
        range: &Range<u64>,
    ) -> Result<(), Error> {
        let now = self.see(now)?;
        if let Some(active) = self.jobs.get_mut(transfer) {
            active.silent_at = now.plus_ms(self.config.patience_ms);
            if let Some(receiver) = &mut active.receiver {
                receiver.written(range, &mut self.pool)?;
            }
        }
        self.pump(now)
    }

    /// The answer to [`Work::Sync`].
    ///
    /// # Errors
    /// [`Error`].
    pub fn synced(&mut self, now: Time, transfer: &TransferId) -> Result<(), Error> {
        let now = self.see(now)?;
        let receiver = self.jobs.get_mut(transfer).and_then(|active| active.receiver.as_mut());
        if let Some(checkpoint) = receiver.and_then(Receiver::synced) {
            let then = alloc::vec![Next::Checkpointed(*transfer)];
            self.journal()?.add(rows_of(checkpoint.batch), Vec::new(), then);
        }
        self.pump(now)
    }

    /// The answer to [`Work::Publish`].
    ///
    /// # Errors
    /// [`Error`].
    pub fn published(
        &mut self,
        now: Time,
        transfer: &TransferId,
        done: Result<(), Failure>,
    ) -> Result<(), Error> {
        let now = self.see(now)?;
        let Some(active) = self.jobs.get(transfer) else { return Ok(()) };
        match done {
            Ok(()) if active.job.state == State::Verifying => {
                let name = active.job.name_to_try().map_err(|_| Misuse::TooLong)?;
                let mut stages = alloc::vec![Stage::Received, Stage::Verified];
                if !matches!(active.route.source, End::Site(_)) {
                    stages.insert(0, Stage::Origin);
                }
                self.state(now, transfer, name, &stages, Vec::new());
            }
            Ok(()) => {}
            Err(Failure::NameTaken) => self.apply(now, transfer, &JobEvent::NameTaken)?,
            Err(why) => self.fail(now, transfer, why)?,
        }
        self.pump(now)
    }

    /// A source is not what it was while it was read.
    ///
    /// # Errors
    /// [`Error`].
    pub fn unstable(&mut self, now: Time, transfer: &TransferId) -> Result<(), Error> {
        let now = self.see(now)?;
        self.fail(now, transfer, Failure::FileUnstable)?;
        self.pump(now)
    }

    /// Work failed in a way that may pass: the job is tried again later.
    ///
    /// # Errors
    /// [`Error`].
    pub fn interrupted(&mut self, now: Time, transfer: &TransferId) -> Result<(), Error> {
        let now = self.see(now)?;
        self.interrupt(now, transfer)?;
        self.pump(now)
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
}

/// Requests and verdicts.
impl Forwarder {
    fn on_submit(&mut self, now: Time, from: &Peer, pending: Pending) -> Result<(), Error> {
        let expected = match pending.hops.last() {
            None => pending.request.requester.as_str(),
            Some(site) => self.registry.forwarder(site).map_or("", PartyId::as_str),
        };
        if from.as_str() != expected {
            return Err(Error::Stranger);
        }
        let transfer = pending.request.transfer()?;
        if pending.hops.has(self.registry.site()) {
            // What came back is refused, and leaves the job that is under way alone.
            if self.pending.contains_key(&transfer) {
                return Ok(());
            }
            self.pending.insert(transfer, pending);
            return self.decide(now, transfer, Err(Reason::Loop));
        }
        if let Some(active) = self.jobs.get_mut(&transfer) {
            active.silent_at = now.plus_ms(self.config.patience_ms);
            let verdict = active.job.verdict.clone();
            return self.answer(from.clone(), verdict);
        }
        if self.pending.contains_key(&transfer) {
            return Ok(());
        }
        let is_full = self.journal()?.is_full();
        if is_full || self.jobs.len() + self.pending.len() >= self.config.jobs_max {
            return Err(Error::Busy);
        }
        let key = Job::key_of(self.config.tenant, &pending.request)?;
        self.pending.insert(transfer, pending);
        self.read(Reading::Earlier(transfer), ReadSet::points([key]));
        Ok(())
    }

    /// What the store knows of this request, or of another under its id.
    fn on_earlier(&mut self, now: Time, transfer: TransferId, rows: Rows) -> Result<(), Error> {
        let Some(pending) = self.pending.get(&transfer).cloned() else { return Ok(()) };
        if let Some(Some(row)) = rows.points.first() {
            let job = Job::parse(&row.value).map_err(Error::Corrupt)?;
            self.pending.remove(&transfer);
            if job.request.transfer()? == transfer {
                return self.answer(pending.from, job.verdict);
            }
            // The id is taken. That is told only to who would be told anything: the whole judgement, with this known.
            return self.refuse_duplicate(now, transfer, pending);
        }
        let legitimacy = Legitimacy::new(&self.registry, self.config.limits);
        match legitimacy.standing(&pending.request, &pending.hops, now) {
            Err(reason) => self.decide(now, transfer, Err(reason)),
            Ok(standing) => match &standing.route().source {
                End::FileSystem { store, .. } => {
                    let (store, name) = (store.clone(), standing.name().clone());
                    self.works.push_back(Work::Look { transfer, store, name });
                    Ok(())
                }
                // The client describes its file once it is asked, the other site has done so.
                End::Client { .. } | End::Site(_) => {
                    let file = described(&pending);
                    self.judge(now, &transfer, Some(&file))
                }
            },
        }
    }

    fn refuse_duplicate(
        &mut self,
        now: Time,
        transfer: TransferId,
        pending: Pending,
    ) -> Result<(), Error> {
        let legitimacy = Legitimacy::new(&self.registry, self.config.limits);
        let standing = legitimacy.standing(&pending.request, &pending.hops, now);
        self.pending.insert(transfer, pending);
        let reason = standing.err().unwrap_or(Reason::Duplicate);
        self.decide(now, transfer, Err(reason))
    }

    fn judge(
        &mut self,
        now: Time,
        transfer: &TransferId,
        file: Option<&FileMetadata>,
    ) -> Result<(), Error> {
        let Some(pending) = self.pending.get(transfer) else { return Ok(()) };
        let legitimacy = Legitimacy::new(&self.registry, self.config.limits);
        let standing = legitimacy.standing(&pending.request, &pending.hops, now);
        let permit = standing.and_then(|standing| {
            let is_spooled = !matches!(standing.route().sink, End::FileSystem { .. });
            let quota_left = if is_spooled { self.spool_left() } else { u64::MAX };
            let known = Known { is_other_request: false, quota_left };
            standing.judge(&pending.request, now, file, &known)
        });
        self.decide(now, *transfer, permit)
    }

    fn spool_left(&self) -> u64 {
        let held = self.jobs.values().filter(|active| !active.sinks_here());
        let bytes = held.map(|active| active.job.size.unwrap_or(active.job.stamp.size));
        self.config.spool_bytes.saturating_sub(bytes.fold(0, u64::saturating_add))
    }

    fn decide(
        &mut self,
        now: Time,
        transfer: TransferId,
        permit: Result<Permit, Reason>,
    ) -> Result<(), Error> {
        let Some(pending) = self.pending.get(&transfer) else { return Ok(()) };
        let verdict = Verdict {
            request: pending.request.digest()?,
            id: pending.request.id,
            site: self.registry.site().clone(),
            outcome: permit.as_ref().map(|_| ()).map_err(|reason| *reason),
            rules: self.rules,
            at: now,
        };
        let question = verdict.question(self.config.key.0)?;
        let ticket = self.ticket();
        self.verdicts.insert(ticket, (transfer, verdict, permit.ok().map(Box::new)));
        self.effects.push_back(Effect::Ask { ticket, questions: alloc::vec![question] });
        Ok(())
    }

    fn on_verdict(
        &mut self,
        now: Time,
        asked: (TransferId, Verdict, Option<Box<Permit>>),
        answer: Option<KeyAnswer>,
    ) -> Result<(), Error> {
        let (transfer, verdict, permit) = asked;
        let Some(pending) = self.pending.remove(&transfer) else { return Ok(()) };
        // Without a signature there is no answer; the requester asks again.
        let Some(KeyAnswer::Signature(signature)) = answer else { return Ok(()) };
        let signed = SignedVerdict { verdict, signature };
        let is_anothers = matches!(signed.verdict.outcome, Err(Reason::Duplicate | Reason::Loop));
        let frame = Message::Answer(signed.clone()).to_frame()?;
        let event = ForwarderEvent::Judged(signed.clone());
        let mut then = alloc::vec![Next::Send(pending.from, frame), Next::Tell(event)];
        let mut job = Job::new(now, pending.request, pending.hops);
        if let Some((size, root)) = pending.file {
            (job.size, job.root) = (Some(size), Some(root));
        }
        let route = permit.as_ref().map(|permit| permit.route.clone());
        let judged = JobEvent::Judged(Box::new(signed), permit);
        let job = job.on(now, &judged, &self.config.retry).map_err(|_| Misuse::NotAsked)?;
        let mut rows = Vec::new();
        // The row under that id is another's: a former request's, or of the first time that this one came by.
        if !is_anothers {
            rows.push((job.key(self.config.tenant)?, Some(row(&job)?)));
        }
        let record = record_of(&job, self.config.tenant);
        if let Some(route) = route {
            let key = job.key(self.config.tenant)?;
            let index = Bytes::copy_from_slice(key.as_bytes());
            rows.push((self.open_key(&transfer)?, Some(index)));
            then.push(Next::Accepted(transfer));
            self.jobs.insert(transfer, Active::new(job, route));
        }
        self.journal()?.add(rows, alloc::vec![record], then);
        Ok(())
    }

    fn answer(&mut self, to: Peer, verdict: Option<SignedVerdict>) -> Result<(), Error> {
        if let Some(verdict) = verdict {
            let frame = Message::Answer(verdict).to_frame()?;
            self.effects.push_back(Effect::Send { to, frame });
        }
        Ok(())
    }
}

/// Steps of jobs.
impl Forwarder {
    /// Takes an event, and records where it leads. What the state does not allow is dropped.
    fn apply(&mut self, now: Time, transfer: &TransferId, event: &JobEvent) -> Result<(), Error> {
        let Some(active) = self.jobs.get(transfer) else { return Ok(()) };
        // Once the far end may have it, only the far end can say that it does not.
        let retry = self.config.retry;
        let retry = if active.job.offered { retry.endless() } else { retry };
        let Ok(next) = active.job.on(now, event, &retry) else { return Ok(()) };
        self.take(now, transfer, next, Vec::new(), Vec::new())
    }

    fn take(
        &mut self,
        now: Time,
        transfer: &TransferId,
        next: Job,
        mut rows: Vec<(Key, Option<Bytes>)>,
        mut then: Vec<Next>,
    ) -> Result<(), Error> {
        let Some(active) = self.jobs.get_mut(transfer) else { return Ok(()) };
        let before = active.job.state;
        active.job = next;
        let state = active.job.state;
        let requester = active.job.request.requester.clone();
        let id = active.job.request.id;
        if !matches!(state, State::Transferring) {
            active.again_at = None;
            if matches!(active.route.source, End::Client { .. }) {
                active.is_prepared = false;
            }
            if let Some(mut receiver) = active.receiver.take() {
                receiver.stop(&mut self.pool);
                if !matches!(state, State::Scheduled | State::Waiting) {
                    let keys = receiver.bitmap().row_keys(self.config.tenant, transfer)?;
                    // The rows of what is published next are needed if it has to be repeated.
                    if state.is_final() || state.is_delivered() || active.job.spooled {
                        rows.extend(keys.into_iter().map(|key| (key, None)));
                    }
                }
            }
        }
        if matches!(state, State::Waiting) {
            active.again_at = Some(now.plus_ms(self.config.probe_ms));
        }
        if matches!(state, State::Scheduled | State::Waiting)
            || state.is_final()
            || state.is_delivered()
        {
            self.scheduler.done(&requester, id);
        }
        if state == State::Verifying {
            then.extend(self.publish(transfer)?.map(Next::Work));
        }
        if state.is_final() {
            then.extend(self.discards(transfer));
        }
        let Some(active) = self.jobs.get(transfer) else { return Ok(()) };
        let job = &active.job;
        rows.push((job.key(self.config.tenant)?, Some(row(job)?)));
        let mut records = Vec::new();
        if before != state {
            records.push(record_of(job, self.config.tenant));
            let what = (*transfer, state);
            then.push(Next::Tell(ForwarderEvent::Moved { transfer: what.0, state: what.1 }));
        }
        if state.is_final() && state != State::Acknowledged {
            let notice = self.result(job, *transfer, Vec::new());
            let to = self.upstream(job)?;
            let (key, entry) = self.entry(now, to, &notice)?;
            rows.push((key, Some(entry)));
            then.push(Next::Nudge);
        }
        if state.is_final() {
            rows.push((self.open_key(transfer)?, None));
            self.jobs.remove(transfer);
        }
        self.journal()?.add(rows, records, then);
        Ok(())
    }

    fn fail(&mut self, now: Time, transfer: &TransferId, why: Failure) -> Result<(), Error> {
        self.apply(now, transfer, &JobEvent::Failed(why))
    }

    fn interrupt(&mut self, now: Time, transfer: &TransferId) -> Result<(), Error> {
        self.drawn += 1;
        let label = "interbank/filexfer/jitter/v1";
        let drawn = seal::derive::<8>(&self.entropy, label, &[&self.drawn.to_be_bytes()]);
        let entropy = u64::from_be_bytes(*drawn.expose());
        self.apply(now, transfer, &JobEvent::Interrupted { entropy })
    }

    /// Size and root are known.
    fn known(
        &mut self,
        now: Time,
        transfer: &TransferId,
        size: u64,
        root: [u8; 32],
        is_prepared: bool,
    ) -> Result<(), Error> {
        self.apply(now, transfer, &JobEvent::Known { size, root })?;
        let Some(active) = self.jobs.get_mut(transfer) else { return Ok(()) };
        if active.job.state != State::Transferring {
            return Ok(());
        }
        active.is_prepared |= is_prepared;
        active.silent_at = now.plus_ms(self.config.patience_ms);
        active.again_at = None;
        self.advance(now, transfer)
    }

    /// Its turn has come: what the first thing is depends on where the file is and where it goes.
    fn advance(&mut self, now: Time, transfer: &TransferId) -> Result<(), Error> {
        let Some(active) = self.jobs.get(transfer) else { return Ok(()) };
        let job = &active.job;
        let is_here = job.spooled || matches!(active.route.source, End::FileSystem { .. });
        if is_here && !active.is_prepared {
            let from = self.place_from(active);
            let stamp = (!job.spooled).then_some(job.stamp);
            let name = FileName::new(&job.request.file.name).map_err(|_| Misuse::TooLong)?;
            self.works.push_back(Work::Prepare { transfer: *transfer, from, name, stamp });
            return Ok(());
        }
        // A client says anew what it has at each attempt: it may have forgotten that it was asked.
        if job.root.is_none() || !(is_here || active.is_prepared || active.comes_from_site()) {
            return self.say_again(now, transfer);
        }
        if self.is_pulling(active) {
            if active.receiver.is_none() && !self.is_reading_bitmap(transfer) {
                let into = self.place_into(active);
                let scan = Bitmap::scan(self.config.tenant, transfer)?;
                self.read(Reading::Bitmap(*transfer, into, Vec::new()), ReadSet::scan(scan));
            }
            return Ok(());
        }
        self.say_again(now, transfer)
    }

    /// Whether this attempt brings the file here: to its store, or into the spool.
    fn is_pulling(&self, active: &Active) -> bool {
        if active.sinks_here() {
            return true;
        }
        if active.job.spooled {
            return false;
        }
        // From afar to afar it rests here in between, as does what a client that is away should get.
        !matches!(active.route.source, End::FileSystem { .. }) || self.sink_is_absent(active)
    }

    fn sink_is_absent(&self, active: &Active) -> bool {
        matches!(&active.route.sink, End::Client { access, .. } if self.absent.contains(access))
    }

    fn source_is_absent(&self, active: &Active) -> bool {
        !active.job.spooled
            && matches!(&active.route.source, End::Client { access, .. } if self.absent.contains(access))
    }

    /// Nothing can be done for it now. What goes to a client that is away is brought into the spool first.
    fn is_blocked(&self, active: &Active) -> bool {
        self.source_is_absent(active) || (active.job.spooled && self.sink_is_absent(active))
    }

    /// Asks the far end once more: for its file, or to take ours.
    fn say_again(&mut self, now: Time, transfer: &TransferId) -> Result<(), Error> {
        let Some(active) = self.jobs.get_mut(transfer) else { return Ok(()) };
        active.again_at = Some(now.plus_ms(self.config.again_ms));
        let file = active.job.size.zip(active.job.root);
        let is_described = active.job.spooled || active.is_prepared;
        if file.is_some() && is_described && !active.job.offered && !active.sinks_here() {
            active.job.offered = true;
            let rows = alloc::vec![(active.job.key(self.config.tenant)?, Some(row(&active.job)?))];
            self.journal()?.add(rows, Vec::new(), alloc::vec![Next::Offer(*transfer)]);
            return Ok(());
        }
        let Some(active) = self.jobs.get(transfer) else { return Ok(()) };
        let job = &active.job;
        let (to, message) = if let (End::Client { access, .. }, false) =
            (&active.route.source, is_described)
        {
            let name = FileName::new(&job.request.file.name).map_err(|_| Misuse::TooLong)?;
            (peer(access)?, Message::Fetch { transfer: *transfer, name })
        } else {
            match (&active.route.sink, file) {
                (End::Client { access, .. }, Some((size, root))) => {
                    let offer = Offer {
                        transfer: *transfer,
                        request: job.request.digest()?,
                        verdict: verdict_digest(job)?,
                        id: job.request.id,
                        name: FileName::new(&job.request.file.name).map_err(|_| Misuse::TooLong)?,
                        on_conflict: job.request.on_conflict,
                        size,
                        root,
                        deadline: job.request.deadline,
                    };
                    (peer(access)?, Message::Offer(offer))
                }
                (End::Site(site), Some(_)) => {
                    let mut hops = job.hops.clone();
                    hops.visit(self.registry.site()).map_err(|_| Misuse::Bounds)?;
                    let forwarder = self.registry.forwarder(site).ok_or(Misuse::Bounds)?;
                    let request = job.request.clone();
                    (peer(forwarder)?, Message::Submit { request, hops, file })
                }
                _ => return Ok(()),
            }
        };
        let frame = message.to_frame()?;
        self.effects.push_back(Effect::Send { to, frame });
        Ok(())
    }

    fn publish(&self, transfer: &TransferId) -> Result<Option<Work>, Error> {
        let Some(active) = self.jobs.get(transfer) else { return Ok(None) };
        if !active.sinks_here() {
            return Ok(None);
        }
        let name = active.job.name_to_try().map_err(|_| Misuse::TooLong)?;
        let replace = active.job.request.on_conflict == OnConflict::Replace;
        let into = self.place_into(active);
        Ok(Some(Work::Publish { transfer: *transfer, into, name, replace }))
    }

    fn discards(&self, transfer: &TransferId) -> Vec<Next> {
        let Some(active) = self.jobs.get(transfer) else { return Vec::new() };
        let at = self.place_into(active);
        alloc::vec![Next::Work(Work::Discard { transfer: *transfer, at })]
    }

    /// States something; it is signed with what others state at the time.
    fn state(
        &mut self,
        now: Time,
        transfer: &TransferId,
        name: FileName,
        stages: &[Stage],
        others: Vec<Bytes>,
    ) {
        let Some(active) = self.jobs.get(transfer) else { return };
        if self.is_being_signed(transfer) {
            return;
        }
        let job = &active.job;
        let (Some(size), Some(root)) = (job.size, job.root) else { return };
        let (Ok(request), Ok(verdict)) = (job.request.digest(), verdict_digest(job)) else {
            return;
        };
        let receipt = |stage: &Stage| Receipt {
            stage: *stage,
            party: self.config.party.clone(),
            id: job.request.id,
            request,
            verdict,
            root,
            size,
            at: now,
        };
        let receipts = stages.iter().map(receipt).collect();
        self.to_sign.push(Statement { transfer: *transfer, name, receipts, others });
    }

    fn is_being_signed(&self, transfer: &TransferId) -> bool {
        let waiting = self.to_sign.iter();
        let asked = self.signing.iter().flat_map(|(_, statements, _)| statements);
        waiting.chain(asked).any(|statement| statement.transfer == *transfer)
    }

    fn sign(&mut self, now: Time) -> Result<(), Error> {
        if self.signing.is_some() || self.to_sign.is_empty() || now < self.sign_at {
            return Ok(());
        }
        let many = self.to_sign.len().min(SIGNED_AT_ONCE);
        let statements: Vec<Statement> = self.to_sign.drain(..many).collect();
        let mut batch = ReceiptBatch::new();
        for receipt in statements.iter().flat_map(|statement| &statement.receipts) {
            batch.push(receipt.clone()).map_err(|_| Misuse::TooLong)?;
        }
        let ticket = self.ticket();
        let questions = alloc::vec![batch.head().question(self.config.key.0)];
        self.signing = Some((ticket, statements, batch));
        self.effects.push_back(Effect::Ask { ticket, questions });
        Ok(())
    }

    fn on_signed(&mut self, now: Time, answer: Option<KeyAnswer>) -> Result<(), Error> {
        let Some((_, statements, batch)) = self.signing.take() else { return Ok(()) };
        let Some(KeyAnswer::Signature(signature)) = answer else {
            self.sign_at = now.plus_ms(self.config.again_ms);
            self.to_sign.splice(..0, statements);
            return Ok(());
        };
        let mut signed = batch.sign(self.config.key.1, signature).into_iter();
        for statement in statements {
            let mine: Vec<SignedReceipt> = signed.by_ref().take(statement.receipts.len()).collect();
            self.deliver(now, statement, &mine)?;
        }
        Ok(())
    }

    /// Published and signed for: delivered, recorded and told in one commit. Or, after that, handed over.
    fn deliver(
        &mut self,
        now: Time,
        statement: Statement,
        mine: &[SignedReceipt],
    ) -> Result<(), Error> {
        let Statement { transfer, name, others, .. } = statement;
        let Some(active) = self.jobs.get(&transfer) else { return Ok(()) };
        let event = JobEvent::Published { name };
        let Ok(next) = active.job.on(now, &event, &self.config.retry) else { return Ok(()) };
        let mut rows = Vec::new();
        let mut receipts = others;
        for receipt in mine {
            let bytes = encoded(receipt)?;
            let stage = [receipt.receipt.stage.as_u8()];
            let key = Self::receipts(self.config.tenant).raw(&transfer.0)?.raw(&stage)?;
            rows.push((key, Some(bytes.clone())));
            receipts.push(bytes);
        }
        let notice = self.result(&next, transfer, receipts.clone());
        let (key, entry) = self.entry(now, self.upstream(&next)?, &notice)?;
        rows.push((key, Some(entry)));
        if let End::FileSystem { backstage, .. } = &active.route.sink {
            let arrival = Notice { kind: NoticeKind::Arrival, ..notice };
            let (key, entry) = self.entry(now, peer(backstage)?, &arrival)?;
            rows.push((key, Some(entry)));
        }
        let mut then = alloc::vec![Next::Nudge];
        then.extend(self.discards(&transfer));
        self.take(now, &transfer, next, rows, then)
    }

    fn result(&self, job: &Job, transfer: TransferId, receipts: Vec<Bytes>) -> Notice {
        Notice {
            kind: NoticeKind::Result,
            transfer,
            id: job.request.id,
            requester: job.request.requester.as_str().into(),
            state: job.state,
            file: job.size.zip(job.root),
            name: job.name.as_ref().map_or("", FileName::as_str).into(),
            receipts,
        }
    }

    /// Who is told the result: who asked, or the site that passed the request on.
    fn upstream(&self, job: &Job) -> Result<Peer, Error> {
        let party = match job.hops.last() {
            None => &job.request.requester,
            Some(site) => self.registry.forwarder(site).ok_or(Misuse::Bounds)?,
        };
        Ok(peer(party)?)
    }

    fn entry(&self, now: Time, to: Peer, notice: &Notice) -> Result<(Key, Bytes), Error> {
        let mut content = Vec::with_capacity(1_024);
        notice.encode(&mut content)?;
        let kind = match notice.kind {
            NoticeKind::Result => 1,
            NoticeKind::Arrival => 2,
        };
        let idempotency = Sha256::new()
            .chain_update(b"interbank/filexfer/notice/v1\0")
            .chain_update([kind])
            .chain_update(notice.transfer.0)
            .chain_update(self.registry.site().as_str())
            .finalize()
            .into();
        let entry = Entry { idempotency, to, created: now, content: content.into() };
        let mut bytes = Vec::with_capacity(entry.encoded_bytes());
        entry.encode(&mut bytes)?;
        Ok((entry.key(table(self.config.tenant, OUTBOX))?, bytes.into()))
    }
}

/// What others say.
impl Forwarder {
    fn on_frame(&mut self, now: Time, from: &Peer, bytes: &[u8]) -> Result<(), Error> {
        match Message::parse(bytes)? {
            Message::Submit { request, hops, file } => {
                let from = from.clone();
                let pending = Pending { from: from.clone(), request, hops, file };
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
                    if let Some(to) = sink_peer(&self.registry, active)? {
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
            // Slices go through `open_slice`.
            Message::Slice { .. } | Message::Offer(_) | Message::Fetch { .. } => {
                Err(Error::Stranger)
            }
        }
    }

    fn check_source(&self, from: &Peer, transfer: &TransferId) -> Result<(), Error> {
        let Some(active) = self.jobs.get(transfer) else { return Ok(()) };
        if self.source_peer(active)?.as_ref() == Some(from) { Ok(()) } else { Err(Error::Stranger) }
    }

    fn on_answer(&mut self, now: Time, from: &Peer, answer: &SignedVerdict) -> Result<(), Error> {
        let transfer =
            TransferId(answer.verdict.request.first_chunk().copied().unwrap_or_default());
        let Some(active) = self.jobs.get_mut(&transfer) else { return Ok(()) };
        let End::Site(site) = &active.route.sink else { return Err(Error::Stranger) };
        let forwarder = self.registry.forwarder(site).ok_or(Error::Stranger)?;
        let party = self.registry.party(forwarder).ok_or(Error::Stranger)?;
        let is_signed = party
            .keys
            .values()
            .any(|(key, validity)| validity.holds(now) && answer.is_signed_by(key));
        if from.as_str() != forwarder.as_str() || !is_signed {
            return Err(Error::Stranger);
        }
        active.silent_at = now.plus_ms(self.config.patience_ms);
        match answer.verdict.outcome {
            Ok(()) => Ok(()),
            Err(reason) => self.fail(now, &transfer, Failure::RefusedDownstream(reason)),
        }
    }

    /// The result of a job that another site has taken on.
    fn on_notice(&mut self, now: Time, from: &Peer, bytes: &[u8]) -> Result<(), Error> {
        let entry = Entry::parse(bytes)?;
        let notice = Notice::parse(&entry.content)?;
        let ack = {
            let content = alloc::vec![1].into();
            let mut bytes = Vec::with_capacity(48);
            outbox::Answer { idempotency: entry.idempotency, content }.encode(&mut bytes)?;
            Message::Noticed(bytes.into()).to_frame()?
        };
        let is_forwarder = self
            .registry
            .of_role(crate::Role::Forwarder)
            .any(|party| party.id.as_str() == from.as_str());
        if !is_forwarder || notice.kind != NoticeKind::Result {
            return Err(Error::Stranger);
        }
        let Some(active) = self.jobs.get(&notice.transfer) else {
            self.effects.push_back(Effect::Send { to: from.clone(), frame: ack });
            return Ok(());
        };
        let End::Site(site) = &active.route.sink else { return Err(Error::Stranger) };
        if self.registry.forwarder(site).map(PartyId::as_str) != Some(from.as_str()) {
            return Err(Error::Stranger);
        }
        if active.job.state.is_delivered() || self.is_being_signed(&notice.transfer) {
            // Answered once it is recorded, unless it already is.
            if active.job.state.is_delivered() {
                self.effects.push_back(Effect::Send { to: from.clone(), frame: ack });
            }
            return Ok(());
        }
        if notice.state.is_delivered() {
            let name =
                FileName::new(&notice.name).map_err(|_| Error::Peer(port::WireError::Invalid))?;
            return self.far_end_has_it(now, &notice.transfer, name, notice.receipts);
        }
        let why = match notice.state {
            State::Failed(why) => why,
            State::Refused(reason) => Failure::RefusedDownstream(reason),
            _ => Failure::GaveUp,
        };
        self.fail(now, &notice.transfer, why)?;
        self.journal()?.add(Vec::new(), Vec::new(), alloc::vec![Next::Send(from.clone(), ack)]);
        Ok(())
    }

    fn on_want(
        &mut self,
        now: Time,
        from: &Peer,
        transfer: TransferId,
        range: Range<u64>,
    ) -> Result<(), Error> {
        let Some(active) = self.jobs.get_mut(&transfer) else {
            // It is over here. Whoever has not finished will not.
            let frame = Message::Unstable { transfer }.to_frame()?;
            self.effects.push_back(Effect::Send { to: from.clone(), frame });
            return Ok(());
        };
        if sink_peer(&self.registry, active)?.as_ref() != Some(from) {
            return Err(Error::Stranger);
        }
        let many = range.end.saturating_sub(range.start);
        let is_serving = active.job.state == State::Transferring && active.is_prepared;
        // What is not served now is asked for again.
        if !is_serving || many > self.config.paces.range_groups.max(1) {
            return Ok(());
        }
        active.silent_at = now.plus_ms(self.config.patience_ms);
        let Some(active) = self.jobs.get(&transfer) else { return Ok(()) };
        if self.is_pulling(active) || self.throttle(now, &transfer, many).is_err() {
            return Ok(());
        }
        let Some(active) = self.jobs.get(&transfer) else { return Ok(()) };
        let place = self.place_from(active);
        self.works.push_back(Work::Serve { transfer, from: place, range, to: from.clone() });
        Ok(())
    }

    fn throttle(&mut self, now: Time, transfer: &TransferId, groups: u64) -> Result<(), Wait> {
        let Some(active) = self.jobs.get(transfer) else { return Ok(()) };
        let ends = [&active.job.request.destination, &active.job.request.sender];
        let found = ends.iter().find_map(|party| self.rate_of.get(party.as_str()));
        let leaf = found.copied().unwrap_or(RateTree::root());
        self.rates.take(now, leaf, groups.saturating_mul(crate::Groups::BYTES))
    }

    fn on_taken(
        &mut self,
        now: Time,
        from: &Peer,
        transfer: &TransferId,
        outcome: Result<FileName, Failure>,
        receipt: &Bytes,
    ) -> Result<(), Error> {
        let Some(active) = self.jobs.get(transfer) else { return Ok(()) };
        let End::Client { client, access } = &active.route.sink else {
            return Err(Error::Stranger);
        };
        if from.as_str() != access.as_str() {
            return Err(Error::Stranger);
        }
        match outcome {
            Err(why) => self.fail(now, transfer, why),
            Ok(name) => {
                let signed = SignedReceipt::parse(receipt)?;
                let key = self.registry.key(client, signed.key_number, now);
                let is_right = key.is_ok_and(|key| signed.verify(key).is_ok())
                    && signed.receipt.party == *client
                    && signed.receipt.id == active.job.request.id
                    && Some(signed.receipt.root) == active.job.root;
                if !is_right {
                    return Err(Error::Peer(port::WireError::Invalid));
                }
                self.far_end_has_it(now, transfer, name, alloc::vec![receipt.clone()])
            }
        }
    }

    fn far_end_has_it(
        &mut self,
        now: Time,
        transfer: &TransferId,
        name: FileName,
        others: Vec<Bytes>,
    ) -> Result<(), Error> {
        // Late news of an attempt that was given up is good news all the same.
        for event in [JobEvent::PartyPresent, JobEvent::Start, JobEvent::AllMoved] {
            if let Some(active) = self.jobs.get_mut(transfer)
                && active.job.state == State::Scheduled
            {
                active.job.try_at = Time::EPOCH;
            }
            self.apply(now, transfer, &event)?;
        }
        let is_there = self.jobs.get(transfer).is_some_and(|a| a.job.state == State::Verifying);
        if is_there {
            let is_origin = self
                .jobs
                .get(transfer)
                .is_some_and(|active| !matches!(active.route.source, End::Site(_)));
            let stages = if is_origin { &[Stage::Origin][..] } else { &[] };
            self.state(now, transfer, name, stages, others);
        }
        Ok(())
    }

    fn on_presence(&mut self, now: Time, from: &Peer, present: bool) -> Result<(), Error> {
        let access = PartyId::new(from.as_str()).map_err(|_| Error::Stranger)?;
        if self.registry.role(&access) != Ok(crate::Role::Access) {
            return Err(Error::Stranger);
        }
        if present {
            self.absent.remove(&access);
        } else {
            self.absent.insert(access.clone());
        }
        let concerned: Vec<TransferId> = self
            .jobs
            .iter()
            .filter(|(_, active)| active.goes_through(&access))
            .map(|(transfer, _)| *transfer)
            .collect();
        for transfer in concerned {
            if present {
                self.apply(now, &transfer, &JobEvent::PartyPresent)?;
                continue;
            }
            let Some(active) = self.jobs.get(&transfer) else { continue };
            // What can still be brought into the spool goes on.
            let is_spooling = active.receiver.is_some() && !self.source_is_absent(active);
            if active.job.state == State::Transferring && !is_spooling {
                self.apply(now, &transfer, &JobEvent::PartyAbsent)?;
                let blocked =
                    self.jobs.get(&transfer).is_some_and(|active| self.is_blocked(active));
                if !blocked {
                    self.apply(now, &transfer, &JobEvent::PartyPresent)?;
                }
            }
        }
        Ok(())
    }

    /// A notice was answered: its row goes in the batch that records what that means.
    fn on_outbox(&mut self, now: Time, event: outbox::Event) -> Result<(), Error> {
        let outbox::Event::Answered { key, entry, .. } = event else { return Ok(()) };
        let notice = Notice::parse(&entry.content)?;
        let mut rows = alloc::vec![(key, None)];
        let mut then = alloc::vec![Next::Settled(entry.idempotency)];
        match notice.kind {
            NoticeKind::Arrival => {
                let event = ForwarderEvent::HandedOver { transfer: notice.transfer };
                then.push(Next::Tell(event));
                rows.push((self.handed_key(&notice.transfer)?, Some(Bytes::from_static(&[1]))));
            }
            NoticeKind::Result => {
                if let Some(active) = self.jobs.get(&notice.transfer)
                    && let Ok(next) =
                        active.job.on(now, &JobEvent::Acknowledged, &self.config.retry)
                {
                    return self.take(now, &notice.transfer, next, rows, then);
                }
            }
        }
        self.journal()?.add(rows, Vec::new(), then);
        Ok(())
    }
}

/// What is done when.
impl Forwarder {
    fn on_tick(&mut self, now: Time) -> Result<(), Error> {
        for reading in core::mem::take(&mut self.failed_reads) {
            match reading {
                Reading::Jobs(keys, after) => {
                    let want = ReadSet::points(keys.clone());
                    self.read(Reading::Jobs(keys, after), want);
                }
                Reading::Open(after) => self.read_open(after),
                Reading::Earlier(_) | Reading::Bitmap(..) => {}
            }
        }
        if self.journal.is_none() {
            return Ok(());
        }
        self.outbox.handle(now, Input::Tick).map_err(|_| Error::Busy)?;
        let transfers: Vec<TransferId> = self.jobs.keys().copied().collect();
        for transfer in transfers {
            let leaves_it = self.jobs.get(&transfer).is_some_and(Active::is_another_sites);
            if !leaves_it {
                self.apply(now, &transfer, &JobEvent::Tick)?;
            }
            let Some(active) = self.jobs.get(&transfer) else { continue };
            let is_due = active.again_at.is_some_and(|at| at <= now);
            match active.job.state {
                State::Waiting if is_due => {
                    // Perhaps nobody told that the party is back.
                    let ends = [&active.route.source, &active.route.sink];
                    let probed: Vec<PartyId> = ends
                        .iter()
                        .filter_map(|end| match end {
                            End::Client { access, .. } => Some(access.clone()),
                            _ => None,
                        })
                        .collect();
                    for access in probed {
                        self.absent.remove(&access);
                    }
                    self.apply(now, &transfer, &JobEvent::PartyPresent)?;
                }
                State::Transferring => {
                    let waits_for_others =
                        !active.sinks_here() || self.source_peer(active)?.is_some();
                    if waits_for_others && active.silent_at <= now {
                        self.interrupt(now, &transfer)?;
                    } else if is_due {
                        self.say_again(now, &transfer)?;
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn pump(&mut self, now: Time) -> Result<(), Error> {
        if self.journal.is_none() {
            return Ok(());
        }
        self.enlist(now)?;
        while let Some((requester, id)) = self.scheduler.next(|_| true) {
            let found = self.jobs.iter().find(|(_, active)| {
                active.job.request.id == id && active.job.request.requester == requester
            });
            let Some(transfer) = found.map(|(transfer, _)| *transfer) else {
                self.scheduler.done(&requester, id);
                continue;
            };
            if let Some(active) = self.jobs.get_mut(&transfer) {
                active.silent_at = now.plus_ms(self.config.patience_ms);
            }
            self.apply(now, &transfer, &JobEvent::Start)?;
            let is_started =
                self.jobs.get(&transfer).is_some_and(|a| a.job.state == State::Transferring);
            if is_started {
                self.advance(now, &transfer)?;
            } else {
                self.scheduler.done(&requester, id);
            }
        }
        self.pull(now)?;
        self.sign(now)?;
        self.pump_outbox(now)?;
        self.flush()
    }

    /// Jobs whose time has come wait for their turn; those without their party wait for that.
    fn enlist(&mut self, now: Time) -> Result<(), Error> {
        let ready: Vec<TransferId> = self
            .jobs
            .iter()
            .filter(|(_, a)| a.job.state == State::Scheduled && a.job.try_at <= now)
            .map(|(transfer, _)| *transfer)
            .collect();
        for transfer in ready {
            let Some(active) = self.jobs.get(&transfer) else { continue };
            if self.is_blocked(active) {
                self.apply(now, &transfer, &JobEvent::PartyAbsent)?;
                continue;
            }
            let request = &active.job.request;
            let Ok(destination) = PartyId::new(&request.destination) else { continue };
            let (requester, priority, id) =
                (request.requester.clone(), request.priority, request.id);
            // At the bound it is tried again with the next input.
            let _ = self.scheduler.push(&requester, &destination, priority, id);
        }
        Ok(())
    }

    fn pull(&mut self, now: Time) -> Result<(), Error> {
        let pulling: Vec<TransferId> = self
            .jobs
            .iter()
            .filter(|(_, active)| active.receiver.is_some() && active.rate_until <= now)
            .map(|(transfer, _)| *transfer)
            .collect();
        for transfer in pulling {
            // One range of each in turn would be fairer still; a window is bounded, so that this is fair enough.
            while let Some(active) = self.jobs.get_mut(&transfer) {
                let Some(receiver) = &mut active.receiver else { break };
                let Some(next) = receiver.poll(now, &mut self.pool)? else { break };
                let Some(active) = self.jobs.get(&transfer) else { break };
                let into = self.place_into(active);
                match next {
                    Pull::Range(range) => {
                        let source = self.source_peer(active)?;
                        let from = self.place_from(active);
                        match source {
                            Some(to) => {
                                let frame = Message::Want { transfer, range }.to_frame()?;
                                self.effects.push_back(Effect::Send { to, frame });
                            }
                            None => {
                                let groups = range.end - range.start;
                                self.works.push_back(Work::Copy { transfer, from, into, range });
                                if let Err(wait) = self.throttle(now, &transfer, groups)
                                    && let Some(active) = self.jobs.get_mut(&transfer)
                                {
                                    // This one was taken on credit; the next waits.
                                    active.rate_until = wait.until;
                                    break;
                                }
                            }
                        }
                    }
                    Pull::Sync => self.works.push_back(Work::Sync { transfer, into }),
                    Pull::Complete => {
                        let event = if active.sinks_here() {
                            JobEvent::AllMoved
                        } else {
                            JobEvent::Spooled
                        };
                        if let Some(active) = self.jobs.get_mut(&transfer)
                            && event == JobEvent::Spooled
                        {
                            active.is_prepared = false;
                        }
                        self.apply(now, &transfer, &event)?;
                        break;
                    }
                }
            }
        }
        self.enlist(now)
    }

    fn pump_outbox(&mut self, now: Time) -> Result<(), Error> {
        loop {
            while let Some(effect) = self.outbox.poll_effect() {
                self.effects.push_back(match effect {
                    Effect::Send { to, frame } => {
                        Effect::Send { to, frame: Message::Notice(frame).to_frame()? }
                    }
                    Effect::Read { ticket, want } => Effect::Read { ticket: theirs(ticket), want },
                    Effect::Commit { ticket, batch } => {
                        Effect::Commit { ticket: theirs(ticket), batch }
                    }
                    Effect::Ask { ticket, questions } => {
                        Effect::Ask { ticket: theirs(ticket), questions }
                    }
                });
            }
            let Some(event) = self.outbox.poll_event() else { return Ok(()) };
            self.on_outbox(now, event)?;
        }
    }

    fn flush(&mut self) -> Result<(), Error> {
        let ticket = self.last_ticket.next();
        if let Some(batch) = self.journal()?.flush(ticket)? {
            self.last_ticket = ticket;
            self.effects.push_back(Effect::Commit { ticket, batch });
        }
        Ok(())
    }

    fn on_committed(&mut self, now: Time, next: Next) -> Result<(), Error> {
        match next {
            Next::Send(to, frame) => self.effects.push_back(Effect::Send { to, frame }),
            Next::Work(work) => self.works.push_back(work),
            Next::Tell(event) => {
                if self.events.len() >= EVENTS_MAX {
                    self.events.pop_front();
                }
                self.events.push_back(event);
            }
            Next::Checkpointed(transfer) => {
                let active = self.jobs.get_mut(&transfer);
                if let Some(receiver) = active.and_then(|active| active.receiver.as_mut()) {
                    receiver.committed();
                }
            }
            Next::Accepted(transfer) => self.apply(now, &transfer, &JobEvent::Schedule)?,
            Next::Offer(transfer) => {
                let is_on =
                    self.jobs.get(&transfer).is_some_and(|a| a.job.state == State::Transferring);
                if is_on {
                    self.say_again(now, &transfer)?;
                }
            }
            Next::Settled(idempotency) => self.outbox.settled(&idempotency),
            Next::Nudge => self.outbox.nudge(now),
        }
        Ok(())
    }

    fn on_rows(&mut self, now: Time, reading: Reading, rows: Option<Rows>) -> Result<(), Error> {
        let Some(rows) = rows else {
            match reading {
                Reading::Open(_) | Reading::Jobs(..) => self.failed_reads.push(reading),
                // The requester asks again.
                Reading::Earlier(transfer) => {
                    self.pending.remove(&transfer);
                }
                Reading::Bitmap(transfer, ..) => self.interrupt(now, &transfer)?,
            }
            return Ok(());
        };
        match reading {
            Reading::Open(_) => self.on_open(now, rows),
            Reading::Jobs(_, after) => self.on_jobs(now, after, rows),
            Reading::Earlier(transfer) => self.on_earlier(now, transfer, rows),
            Reading::Bitmap(transfer, into, before) => self.on_bitmap(transfer, into, before, rows),
        }
    }

    /// The head of the trail, and which jobs are under way.
    fn on_open(&mut self, now: Time, rows: Rows) -> Result<(), Error> {
        if let Some(head) = rows.points.first() {
            let head = head.as_ref();
            let trail = Trail::resume(self.config.tenant, head.map(|row| &row.value[..]))?;
            let journal = Journal::new(trail, Row::unchanged(head));
            // Held back until all jobs are there.
            self.journal = None;
            self.opening = Some(journal);
        }
        let page = rows.scans.into_iter().next().unwrap_or_default();
        let after = (page.len() >= PAGE).then(|| page.last().map(|(key, _)| key.clone())).flatten();
        let keys: Vec<Key> =
            page.iter().map(|(_, row)| Key::from_bytes(&row.value)).collect::<Result<_, _>>()?;
        if keys.is_empty() {
            return self.opened(now);
        }
        self.read(Reading::Jobs(keys.clone(), after), ReadSet::points(keys));
        Ok(())
    }

    fn on_jobs(&mut self, now: Time, after: Option<Key>, rows: Rows) -> Result<(), Error> {
        for row in rows.points.into_iter().flatten() {
            let job = Job::parse(&row.value).map_err(Error::Corrupt)?;
            let transfer = job.request.transfer()?;
            let ends =
                [&job.request.sender, &job.request.destination].map(|text| PartyId::new(text));
            let [Ok(sender), Ok(destination)] = ends else {
                return Err(Error::Corrupt(port::WireError::Invalid));
            };
            let route = Route::find(&self.registry, &sender, &destination, job.hops.last());
            match route {
                Ok(route) => {
                    self.jobs.insert(transfer, Active::new(job, route));
                }
                // The registry no longer knows the way; the operator has to.
                Err(_) => self.events.push_back(ForwarderEvent::Stranded { transfer }),
            }
        }
        match after {
            Some(after) => self.read_open(Some(after)),
            None => self.opened(now)?,
        }
        Ok(())
    }

    /// Everything that was under way goes on from its last durable state.
    fn opened(&mut self, now: Time) -> Result<(), Error> {
        self.journal = self.opening.take();
        let transfers: Vec<TransferId> = self.jobs.keys().copied().collect();
        for transfer in transfers {
            let Some(active) = self.jobs.get_mut(&transfer) else { continue };
            match active.job.state {
                State::Accepted => self.apply(now, &transfer, &JobEvent::Schedule)?,
                State::Transferring => {
                    // Not a failure of the attempt: it goes on at once.
                    active.job.state = State::Scheduled;
                    active.job.try_at = Time::EPOCH;
                }
                State::Waiting => active.again_at = Some(now),
                State::Verifying => {
                    if let Some(work) = self.publish(&transfer)? {
                        self.works.push_back(work);
                    } else if let Some(active) = self.jobs.get_mut(&transfer) {
                        // The far end has it, and says so again.
                        active.job.state = State::Scheduled;
                    }
                }
                _ => {}
            }
        }
        self.outbox.nudge(now);
        Ok(())
    }

    fn on_bitmap(
        &mut self,
        transfer: TransferId,
        into: Place,
        mut rows: Vec<(Key, Row)>,
        page: Rows,
    ) -> Result<(), Error> {
        let page = page.scans.into_iter().next().unwrap_or_default();
        let is_full = page.len() >= Scan::ROWS_MAX;
        rows.extend(page);
        if is_full {
            let mut scan = Bitmap::scan(self.config.tenant, &transfer)?;
            scan.after = rows.last().map(|(key, _)| key.clone());
            self.read(Reading::Bitmap(transfer, into, rows), ReadSet::scan(scan));
            return Ok(());
        }
        let Some(active) = self.jobs.get_mut(&transfer) else { return Ok(()) };
        let (Some(size), Some(root)) = (active.job.size, active.job.root) else { return Ok(()) };
        if active.job.state != State::Transferring || active.receiver.is_some() {
            return Ok(());
        }
        let found = Bitmap::restore(rows.iter().map(|(key, row)| (key, &row.value[..])))?;
        let bitmap = found.unwrap_or_else(|| Bitmap::new(root, size));
        if bitmap.root() != &root || bitmap.groups().size() != size {
            return Err(Error::Corrupt(port::WireError::Invalid));
        }
        active.receiver =
            Some(Receiver::new(self.config.tenant, transfer, bitmap, self.config.paces));
        Ok(())
    }

    fn read_open(&mut self, after: Option<Key>) {
        let points = if after.is_none() {
            alloc::vec![Trail::head_key(self.config.tenant)]
        } else {
            Vec::new()
        };
        let prefix = table(self.config.tenant, OPEN);
        let scans = alloc::vec![Scan { prefix, after: after.clone(), limit: PAGE }];
        self.read(Reading::Open(after), ReadSet { points, scans });
    }

    fn read(&mut self, reading: Reading, want: ReadSet) {
        let ticket = self.ticket();
        self.reads.insert(ticket, reading);
        self.effects.push_back(Effect::Read { ticket, want });
    }

    fn is_reading_bitmap(&self, transfer: &TransferId) -> bool {
        let is_its =
            |reading: &Reading| matches!(reading, Reading::Bitmap(of, ..) if of == transfer);
        self.reads.values().any(is_its)
    }

    fn ticket(&mut self) -> Ticket {
        self.last_ticket = self.last_ticket.next();
        self.last_ticket
    }

    fn open_key(&self, transfer: &TransferId) -> Result<Key, Error> {
        Ok(table(self.config.tenant, OPEN).raw(&transfer.0)?)
    }

    fn handed_key(&self, transfer: &TransferId) -> Result<Key, Error> {
        Ok(table(self.config.tenant, HANDED).raw(&transfer.0)?)
    }

    /// Who sends slices to this site, unless they are copied.
    fn source_peer(&self, active: &Active) -> Result<Option<Peer>, Error> {
        Ok(match &active.route.source {
            End::FileSystem { .. } => None,
            End::Client { access, .. } => Some(peer(access)?),
            End::Site(site) => self.registry.forwarder(site).map(peer).transpose()?,
        })
    }

    fn place_from(&self, active: &Active) -> Place {
        match &active.route.source {
            End::FileSystem { store, .. } if !active.job.spooled => Place::Store(store.clone()),
            _ => Place::Spool,
        }
    }

    fn place_into(&self, active: &Active) -> Place {
        match &active.route.sink {
            End::FileSystem { store, .. } => Place::Store(store.clone()),
            _ => Place::Spool,
        }
    }
}

impl Active {
    const fn new(job: Job, route: Route) -> Self {
        Self {
            job,
            route,
            receiver: None,
            is_prepared: false,
            again_at: None,
            silent_at: Time::EPOCH,
            rate_until: Time::EPOCH,
        }
    }

    const fn comes_from_site(&self) -> bool {
        matches!(self.route.source, End::Site(_))
    }

    const fn sinks_here(&self) -> bool {
        matches!(self.route.sink, End::FileSystem { .. })
    }

    /// Another site has been asked to take it: that site keeps the deadline, and reports.
    const fn is_another_sites(&self) -> bool {
        self.job.offered && matches!(self.route.sink, End::Site(_))
    }

    fn goes_through(&self, party: &PartyId) -> bool {
        let through = |end: &End| matches!(end, End::Client { access, .. } if access == party);
        through(&self.route.source) || through(&self.route.sink)
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
        self.effects.pop_front()
    }

    fn poll_event(&mut self) -> Option<ForwarderEvent> {
        self.events.pop_front()
    }

    fn next_deadline(&self) -> Option<Time> {
        let jobs = self.jobs.values().flat_map(|active| {
            let receiver = active.receiver.as_ref().and_then(Receiver::next_deadline);
            let is_moving = active.job.state == State::Transferring;
            let silent = is_moving.then_some(active.silent_at);
            let rate = active.receiver.is_some().then_some(active.rate_until);
            let rate = rate.filter(|until| *until > self.clamp.last());
            let own = active.job.next_deadline();
            let own =
                own.filter(|_| !active.is_another_sites() || active.job.state == State::Scheduled);
            [own, active.again_at, receiver, silent, rate]
        });
        let sign = (!self.to_sign.is_empty() && self.signing.is_none()).then_some(self.sign_at);
        jobs.flatten().chain(self.outbox.next_deadline()).chain(sign).min()
    }
}

/// How a forwarding server works.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForwarderConfig {
    /// Its rows' tenant.
    pub tenant: Tenant,
    /// Itself.
    pub party: PartyId,
    /// The key that signs verdicts and receipts, and that key's number in registries.
    pub key: (KeyId, u8),
    /// Limits of the judgement.
    pub limits: Limits,
    /// When to try again.
    pub retry: Retry,
    /// How many transfers at a time.
    pub slots: Slots,
    /// How files are pulled.
    pub paces: Paces,
    /// How fast all of them together.
    pub rate: crate::Limit,
    /// Jobs under way at most.
    pub jobs_max: usize,
    /// Bytes that the spool takes.
    pub spool_bytes: u64,
    /// How often to say again what was not answered, in milliseconds.
    pub again_ms: u64,
    /// How long a far end may be silent before the attempt is given up, in milliseconds.
    pub patience_ms: u64,
    /// How often to see whether an absent party is back, in milliseconds.
    pub probe_ms: u64,
    /// How notices are told.
    pub outbox: outbox::Config,
}

impl ForwarderConfig {
    /// With defaults: 100,000 jobs, 1 TiB of spool, once a second, 30 seconds of silence, a probe each minute.
    pub fn new(tenant: Tenant, party: PartyId, key: (KeyId, u8)) -> Self {
        Self {
            tenant,
            party,
            key,
            limits: Limits::default(),
            retry: Retry::default(),
            slots: Slots::default(),
            paces: Paces::default(),
            rate: crate::Limit::UNLIMITED,
            jobs_max: 100_000,
            spool_bytes: 1 << 40,
            again_ms: 1_000,
            patience_ms: 30_000,
            probe_ms: 60_000,
            outbox: outbox::Config::default(),
        }
    }
}

/// What the embedder is told; all of it is durable.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ForwarderEvent {
    /// A request was judged.
    Judged(SignedVerdict),
    /// A job stands elsewhere.
    Moved {
        /// Which.
        transfer: TransferId,
        /// Where.
        state: State,
    },
    /// The destination's application has taken a file.
    HandedOver {
        /// Which.
        transfer: TransferId,
    },
    /// A stored job has no way any more: the registry lost its parties or their links.
    Stranded {
        /// Which.
        transfer: TransferId,
    },
}

/// What is taken for granted of a file at a far end: its own site has looked, or it will say.
fn described(pending: &Pending) -> FileMetadata {
    FileMetadata {
        kind: crate::FileKind::Regular,
        class: pending.request.file.class.clone(),
        size: pending.file.map(|(size, _)| size),
        root: pending.file.map(|(_, root)| root),
        is_being_written: false,
        is_stream: pending.file.is_none(),
        stamp: FileStamp::default(),
    }
}

fn sink_peer(registry: &Registry, active: &Active) -> Result<Option<Peer>, Error> {
    Ok(match &active.route.sink {
        End::FileSystem { .. } => None,
        End::Client { access, .. } => Some(peer(access)?),
        End::Site(site) => registry.forwarder(site).map(peer).transpose()?,
    })
}

fn verdict_digest(job: &Job) -> Result<[u8; 32], Error> {
    let signed = job.verdict.as_ref().ok_or(Misuse::NotAsked)?;
    Ok(Sha256::digest(signed.verdict.to_sign()?).into())
}

fn row(job: &Job) -> Result<Bytes, Error> {
    let mut bytes = Vec::with_capacity(768);
    job.encode(&mut bytes)?;
    Ok(bytes.into())
}

fn table(tenant: Tenant, number: u8) -> Key {
    Key::new(CrateTag::FILEXFER, tenant, number)
}

/// Tickets of the outbox are marked; marking twice gives the ticket back.
const fn theirs(ticket: Ticket) -> Ticket {
    Ticket(ticket.0 ^ OUTBOX_BIT)
}

const fn is_theirs(ticket: Ticket) -> bool {
    ticket.0 & OUTBOX_BIT != 0
}

const OUTBOX_BIT: u64 = 1 << 63;
const OPEN: u8 = 5;
const OUTBOX: u8 = 6;
const RECEIPTS: u8 = 7;
const HANDED: u8 = 10;
const PAGE: usize = 256;
const EVENTS_MAX: usize = 4_096;
/// Statements of one signature: with their rows they fit a batch each, not all in one.
const SIGNED_AT_ONCE: usize = 1_024;
