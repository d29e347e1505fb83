//! The backstage server's part: asks until it is answered, and takes each notice once.

use crate::access::peer;
use crate::client::encoded;
use crate::{
    Error, HopList, JobId, Message, Misuse, Notice, NoticeKind, PartyId, Receipt, ReceiptBatch,
    Request, SignedVerdict, Stage, TransferId,
};
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;
use bytes::Bytes;
use port::outbox::Entry;
use port::{
    Batch, Clamp, Committed, CrateTag, Effect, Expect, Input, Key, KeyAnswer, KeyId, Machine, Peer,
    ReadSet, Rows, Tenant, Ticket, Time, WireError,
};

/// Submits requests, and receives answers, results and arrivals.
///
/// A notice is handed over exactly once: its row, under the notice's idempotency key, is written before the event is told
/// and before the notice is answered. After a crash the application finds what it has not seen in those rows
/// ([`BackstageServer::inbox`]).
#[derive(Clone, Debug)]
pub struct BackstageServer {
    tenant: Tenant,
    forwarder: Peer,
    pace_ms: u64,
    clamp: Clamp,
    /// Requests without an answer, and when each is asked again.
    open: BTreeMap<JobId, (Request, Time)>,
    /// The same by time.
    due: BTreeSet<(Time, JobId)>,
    /// Notices on their way into the inbox.
    writing: BTreeMap<Ticket, Told>,
    /// Those that may be there already.
    reading: BTreeMap<Ticket, Told>,
    /// Notices that may have been written without an answer: whoever finds one tells of it.
    unknown: BTreeSet<[u8; 32]>,
    receipts: Option<Receipts>,
    last_ticket: Ticket,
    effects: VecDeque<Effect>,
    events: VecDeque<BackstageEvent>,
}

impl BackstageServer {
    /// The most requests without an answer.
    pub const OPEN_MAX: usize = 10_000;

    /// Of a site; asks again every `pace_ms`.
    ///
    /// # Errors
    /// [`Misuse`].
    pub fn new(tenant: Tenant, forwarder: &PartyId, pace_ms: u64) -> Result<Self, Misuse> {
        if pace_ms == 0 {
            return Err(Misuse::Bounds);
        }
        Ok(Self {
            tenant,
            forwarder: peer(forwarder)?,
            pace_ms,
            clamp: Clamp::new(),
            open: BTreeMap::new(),
            due: BTreeSet::new(),
            writing: BTreeMap::new(),
            reading: BTreeMap::new(),
            unknown: BTreeSet::new(),
            receipts: None,
            last_ticket: Ticket(0),
            effects: VecDeque::new(),
            events: VecDeque::new(),
        })
    }

    /// With receipts of what is taken, signed as `party` by a key and that key's number in registries.
    ///
    /// `at_once` means that a file is handed over as soon as its arrival lies in the inbox. Otherwise it is when the
    /// application says so by [`BackstageServer::hand_over`]; until then the forwarding server tells of it again.
    #[must_use]
    pub fn with_receipts(mut self, party: PartyId, key: (KeyId, u8), at_once: bool) -> Self {
        self.receipts = Some(Receipts::new(party, key, at_once));
        self
    }

    /// The application has taken the file of an arrival. `content` is what it found in a sealed file or
    /// in a pack: [`crate::sealed::Sealed::commitment`], [`crate::pack::Manifest::commitment`]. The receipt is signed, stored, and told with the answer to the arrival. Doing
    /// it again changes nothing.
    ///
    /// # Errors
    /// [`Misuse::NotAsked`] for another kind of notice, one without a receipt of verification, or without
    /// [`BackstageServer::with_receipts`]; [`Error::Busy`].
    pub fn hand_over(
        &mut self,
        now: Time,
        arrival: &Notice,
        content: Option<[u8; 32]>,
    ) -> Result<(), Error> {
        let now = self.clamp.see(now);
        let Some(receipts) = &self.receipts else { return Err(Misuse::NotAsked.into()) };
        let verified =
            arrival.receipt(Stage::Verified).filter(|_| arrival.kind == NoticeKind::Arrival);
        let verified = verified.ok_or(Misuse::NotAsked)?.receipt;
        if receipts.is_at_work(&arrival.transfer) {
            return Ok(());
        }
        if receipts.signing.len() + receipts.writing.len() >= NOTICES_MAX {
            return Err(Error::Busy);
        }
        let follows = Some(verified.digest()?);
        let party = receipts.party.clone();
        let stage = Stage::HandedOver;
        let receipt = Receipt { stage, party, at: now, content, follows, ..verified };
        let mut batch = ReceiptBatch::new();
        batch.push(receipt).map_err(|_| Misuse::TooLong)?;
        let question = batch.head().question(receipts.key.0);
        let ticket = self.ticket();
        if let Some(receipts) = &mut self.receipts {
            receipts.signing.insert(ticket, (arrival.transfer, batch));
        }
        self.effects.push_back(Effect::Ask { ticket, questions: alloc::vec![question] });
        Ok(())
    }

    /// The application cannot take an arrival now. When the forwarding server tells of it again it is told again, as
    /// [`BackstageEvent::NotHandedOver`].
    pub fn put_off(&mut self, transfer: &TransferId) {
        if let Some(receipts) = &mut self.receipts {
            receipts.held.remove(transfer);
        }
    }

    /// The prefix of the receipts of what was handed over: transfer; each value is a [`crate::SignedReceipt`].
    pub fn receipts(tenant: Tenant) -> Key {
        Key::new(CrateTag::FILEXFER, tenant, TAKEN)
    }

    /// Asks for a transfer. The application keeps the request until it is answered: after a crash it submits it again, and
    /// gets the same answer.
    ///
    /// # Errors
    /// [`Error::Busy`], [`Error::Peer`] for a text that no form takes.
    pub fn submit(&mut self, now: Time, request: Request) -> Result<(), Error> {
        let now = self.clamp.see(now);
        if self.open.len() >= Self::OPEN_MAX && !self.open.contains_key(&request.id) {
            return Err(Error::Busy);
        }
        self.send_request(&request)?;
        self.await_answer(request, now.plus_ms(self.pace_ms));
        Ok(())
    }

    fn await_answer(&mut self, request: Request, until: Time) {
        let id = request.id;
        self.answered(&id);
        self.open.insert(id, (request, until));
        self.due.insert((until, id));
    }

    fn answered(&mut self, id: &JobId) {
        if let Some((_, until)) = self.open.remove(id) {
            self.due.remove(&(until, *id));
        }
    }

    /// Calls a job off, if it is not too late. The result tells.
    ///
    /// # Errors
    /// [`Error::Peer`]: never for a request that was submitted.
    pub fn cancel(&mut self, request: &Request) -> Result<(), Error> {
        let frame = Message::Cancel { transfer: request.transfer()? }.to_frame()?;
        self.effects.push_back(Effect::Send { to: self.forwarder.clone(), frame });
        Ok(())
    }

    /// The prefix of the notices that were taken, then [`NoticeKind::idempotency`]; each value is a [`Notice`].
    pub fn inbox(tenant: Tenant) -> Key {
        Key::new(CrateTag::FILEXFER, tenant, INBOX)
    }

    fn send_request(&mut self, request: &Request) -> Result<(), Error> {
        let request = request.clone();
        let message = Message::Submit { request, hops: HopList::new(), file: None };
        let frame = message.to_frame()?;
        self.effects.push_back(Effect::Send { to: self.forwarder.clone(), frame });
        Ok(())
    }

    fn ticket(&mut self) -> Ticket {
        self.last_ticket = self.last_ticket.next();
        self.last_ticket
    }

    fn on_frame(&mut self, now: Time, from: &Peer, bytes: &[u8]) -> Result<(), Error> {
        if *from != self.forwarder {
            return Err(Error::Stranger);
        }
        match Message::parse(bytes)? {
            Message::Answer(answer) => {
                let id = answer.verdict.id;
                let Some((request, _)) = self.open.get(&id) else { return Ok(()) };
                if request.digest()? == answer.verdict.request {
                    self.answered(&id);
                    self.events.push_back(BackstageEvent::Answered(answer));
                }
                Ok(())
            }
            Message::Notice(bytes) => {
                let entry = Entry::parse(&bytes)?;
                let notice = Notice::parse(&entry.content)?;
                if self.reading.len() + self.writing.len() >= NOTICES_MAX {
                    return Err(Error::Busy);
                }
                let told = Told { entry, notice };
                // What is held until it is handed over is told again meanwhile.
                if told.notice.kind == NoticeKind::Arrival && self.is_held(&told.notice.transfer) {
                    return self.look_for(told);
                }
                self.write(now, told)
            }
            _ => Err(Error::Stranger),
        }
    }

    /// Most notices come once. Whether one is there already is looked for if it cannot be written.
    fn write(&mut self, now: Time, told: Told) -> Result<(), Error> {
        let mut batch = Batch::with_capacity(2);
        batch.put(self.row(&told.entry)?, Expect::Absent, told.entry.content.clone());
        let since = inbox_index(self.tenant).number(now.as_ms())?.raw(&told.entry.idempotency)?;
        batch.put(since, Expect::Any, Bytes::copy_from_slice(&told.notice.transfer.0));
        let ticket = self.ticket();
        self.writing.insert(ticket, told);
        self.effects.push_back(Effect::Commit { ticket, batch });
        Ok(())
    }

    fn on_written(&mut self, now: Time, told: Told, fate: Committed) -> Result<(), Error> {
        match fate {
            Committed::Applied(_) => {
                self.unknown.remove(&told.entry.idempotency);
                let done = self.answer_or_hold(now, &told);
                self.taken(told.notice);
                done
            }
            Committed::Conflict => self.look_for(told),
            // It comes again, and is looked for.
            Committed::Unknown => {
                if self.unknown.len() < NOTICES_MAX {
                    self.unknown.insert(told.entry.idempotency);
                }
                Ok(())
            }
        }
    }

    fn look_for(&mut self, told: Told) -> Result<(), Error> {
        let receipt = Self::receipts(self.tenant).raw(&told.notice.transfer.0)?;
        let want = ReadSet::points([self.row(&told.entry)?, receipt]);
        let ticket = self.ticket();
        self.reading.insert(ticket, told);
        self.effects.push_back(Effect::Read { ticket, want });
        Ok(())
    }

    /// It lies in the inbox, and was not told yet.
    fn taken(&mut self, notice: Notice) {
        // A result that overtook its answer is one too.
        if notice.kind == NoticeKind::Result {
            self.answered(&notice.id);
        }
        self.events.push_back(BackstageEvent::Noticed(notice));
    }

    fn on_found(&mut self, now: Time, told: &Told, rows: &Rows) -> Result<(), Error> {
        let found = |at: usize| rows.points.get(at).and_then(Option::as_ref);
        let is_untold = found(0).is_some() && self.unknown.remove(&told.entry.idempotency);
        if is_untold {
            self.taken(told.notice.clone());
        }
        match (found(0), found(1)) {
            // The store did not take it. It comes again.
            (None, _) => Ok(()),
            (Some(_), Some(receipt)) if told.notice.kind == NoticeKind::Arrival => {
                // Whether that was told is not known: its commit may have had no answer.
                let transfer = told.notice.transfer;
                self.events.push_back(BackstageEvent::HandedOver { transfer });
                self.answer_with(&told.entry, receipt.value.clone())
            }
            (Some(_), _) => {
                let was_held = self.is_held(&told.notice.transfer);
                self.answer_or_hold(now, told)?;
                if !was_held && !is_untold && self.awaits_application(&told.notice.transfer) {
                    let event = BackstageEvent::NotHandedOver(told.notice.clone());
                    self.events.push_back(event);
                }
                Ok(())
            }
        }
    }

    fn is_held(&self, transfer: &TransferId) -> bool {
        self.receipts.as_ref().is_some_and(|receipts| receipts.held.contains_key(transfer))
    }

    /// It is held, and handed over when the application says so.
    fn awaits_application(&self, transfer: &TransferId) -> bool {
        self.receipts.as_ref().is_some_and(|receipts| {
            !receipts.at_once
                && receipts.held.contains_key(transfer)
                && !receipts.is_at_work(transfer)
        })
    }

    fn row(&self, entry: &Entry) -> Result<Key, Error> {
        Ok(Self::inbox(self.tenant).raw(&entry.idempotency)?)
    }

    fn answer(&mut self, entry: &Entry) -> Result<(), Error> {
        let frame = Message::noticed(entry)?.to_frame()?;
        self.effects.push_back(Effect::Send { to: self.forwarder.clone(), frame });
        Ok(())
    }

    fn answer_with(&mut self, entry: &Entry, receipt: Bytes) -> Result<(), Error> {
        let frame = Message::noticed_with(entry, receipt)?.to_frame()?;
        self.effects.push_back(Effect::Send { to: self.forwarder.clone(), frame });
        Ok(())
    }

    /// It lies in the inbox. An arrival is answered by its receipt, where there are receipts.
    fn answer_or_hold(&mut self, now: Time, told: &Told) -> Result<(), Error> {
        let Told { entry, notice } = told;
        let is_provable =
            notice.kind == NoticeKind::Arrival && notice.receipt(Stage::Verified).is_some();
        let Some(receipts) = self.receipts.as_mut().filter(|_| is_provable) else {
            return self.answer(entry);
        };
        // What is not held is told again, and found then.
        if receipts.held.len() < NOTICES_MAX {
            receipts.held.insert(notice.transfer, entry.clone());
        }
        if receipts.at_once { self.hand_over(now, notice, None) } else { Ok(()) }
    }

    fn on_signed(&mut self, ticket: Ticket, answer: Option<KeyAnswer>) -> Result<(), Error> {
        let receipts = self.receipts.as_mut().ok_or(Misuse::NotAsked)?;
        let (transfer, batch) = receipts.signing.remove(&ticket).ok_or(Misuse::NotAsked)?;
        let Some(KeyAnswer::Signature(signature)) = answer else {
            // The arrival comes again. The application is told of it then, if it is the one who hands over.
            if !receipts.at_once {
                receipts.held.remove(&transfer);
            }
            return Ok(());
        };
        let signed = batch.sign(receipts.key.1, signature);
        let receipt = signed.first().map(encoded).transpose()?.unwrap_or_default();
        let mut batch = Batch::new();
        let key = Self::receipts(self.tenant).raw(&transfer.0)?;
        batch.put(key, Expect::Absent, receipt.clone());
        let ticket = self.ticket();
        if let Some(receipts) = &mut self.receipts {
            receipts.writing.insert(ticket, (transfer, receipt));
        }
        self.effects.push_back(Effect::Commit { ticket, batch });
        Ok(())
    }

    /// What was not applied, since there is a receipt or nobody knows, is looked for when the arrival comes again.
    fn on_receipt_written(&mut self, ticket: Ticket, fate: Committed) -> Result<(), Error> {
        let receipts = self.receipts.as_mut().ok_or(Misuse::NotAsked)?;
        let (transfer, receipt) = receipts.writing.remove(&ticket).ok_or(Misuse::NotAsked)?;
        let held = receipts.held.remove(&transfer);
        if !matches!(fate, Committed::Applied(_)) {
            return Ok(());
        }
        self.events.push_back(BackstageEvent::HandedOver { transfer });
        held.map_or(Ok(()), |entry| self.answer_with(&entry, receipt))
    }
}

impl Machine for BackstageServer {
    type Event = BackstageEvent;
    type Error = Error;

    fn handle(&mut self, now: Time, input: Input<'_>) -> Result<(), Error> {
        let now = self.clamp.see(now);
        match input {
            Input::Frame { from, bytes } => self.on_frame(now, from, bytes),
            Input::Rows { ticket, rows } => {
                let told = self.reading.remove(&ticket).ok_or(Misuse::NotAsked)?;
                rows.map_or(Ok(()), |rows| self.on_found(now, &told, &rows))
            }
            Input::Committed { ticket, fate } => match self.writing.remove(&ticket) {
                Some(told) => self.on_written(now, told, fate),
                None => self.on_receipt_written(ticket, fate),
            },
            Input::Tick => {
                let mut sent = Ok(());
                let due = self.due.range(..=(now, JobId([u8::MAX; 16])));
                for (at, id) in due.copied().collect::<Vec<_>>() {
                    self.due.remove(&(at, id));
                    let Some((request, _)) = self.open.remove(&id) else { continue };
                    sent = sent.and(self.send_request(&request));
                    self.await_answer(request, now.plus_ms(self.pace_ms));
                }
                sent
            }
            Input::Keys { ticket, answers } => {
                self.on_signed(ticket, answers.and_then(|answers| answers.into_iter().next()))
            }
            _ => Err(Misuse::NotAsked.into()),
        }
    }

    fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    fn poll_event(&mut self) -> Option<BackstageEvent> {
        self.events.pop_front()
    }

    fn next_deadline(&self) -> Option<Time> {
        self.due.first().map(|(at, _)| *at)
    }
}

/// What a backstage server is told.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BackstageEvent {
    /// The verdict about a request. Check its signature if the link is not trusted.
    Answered(SignedVerdict),
    /// What became of a job, or that a file arrived; once each.
    Noticed(Notice),
    /// An arrival that was told before, and that the application has not taken: this machine is new, it was put off, there
    /// was no room to hold it, or the receipt was not signed. Only with receipts that are not given at once.
    NotHandedOver(Notice),
    /// The receipt of a hand-over is signed and stored: what was kept for it can go. It may be told again.
    HandedOver {
        /// Of which transfer.
        transfer: TransferId,
    },
}

/// A notice, and the entry of the outbox that it came in.
#[derive(Clone, Debug)]
struct Told {
    entry: Entry,
    notice: Notice,
}

/// How it signs for what it takes.
#[derive(Clone, Debug)]
struct Receipts {
    party: PartyId,
    key: (KeyId, u8),
    at_once: bool,
    /// Arrivals that are answered once they are handed over.
    held: BTreeMap<TransferId, Entry>,
    signing: BTreeMap<Ticket, (TransferId, ReceiptBatch)>,
    writing: BTreeMap<Ticket, (TransferId, Bytes)>,
}

impl Receipts {
    const fn new(party: PartyId, key: (KeyId, u8), at_once: bool) -> Self {
        Self {
            party,
            key,
            at_once,
            held: BTreeMap::new(),
            signing: BTreeMap::new(),
            writing: BTreeMap::new(),
        }
    }

    fn is_at_work(&self, transfer: &TransferId) -> bool {
        let mut signing = self.signing.values().map(|(transfer, _)| transfer);
        let mut writing = self.writing.values().map(|(transfer, _)| transfer);
        signing.any(|other| other == transfer) || writing.any(|other| other == transfer)
    }
}

/// The prefix of the inbox by age: when, then the notice's idempotency key; each value is the transfer.
pub(crate) fn inbox_index(tenant: Tenant) -> Key {
    Key::new(CrateTag::FILEXFER, tenant, INBOX_INDEX)
}

/// The notice's row, by its row in the index.
pub(crate) fn inbox_key(tenant: Tenant, index: &Key) -> Result<Key, WireError> {
    let idempotency = index.as_bytes().last_chunk::<32>().ok_or(WireError::Truncated)?;
    BackstageServer::inbox(tenant).raw(idempotency).map_err(|_| WireError::TooLong)
}

const INBOX: u8 = 9;
const TAKEN: u8 = 12;
const INBOX_INDEX: u8 = 14;
const NOTICES_MAX: usize = 1_024;
