//! The client server's part: takes offers, gives files.

use crate::access::peer;
use crate::bitmap::Bitmap;
use crate::journal::Journal;
use crate::message::{outcome, put_outcome};
use crate::{
    CreditPool, Error, Failure, FileName, Message, Misuse, Offer, OnConflict, Paces, PartyId,
    Place, Pull, Receipt, ReceiptBatch, Receiver, SignedReceipt, Slice, Stage, Trail, TransferId,
    Work,
};
use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;
use bytes::Bytes;
use core::convert::Infallible;
use core::ops::Range;
use port::wire::{Reader, Writer};
use port::{
    Clamp, CrateTag, Effect, Input, Key, KeyAnswer, KeyId, Machine, Peer, ReadSet, Row, Scan,
    Tenant, Ticket, Time,
};
use seal::Audit;

/// A client: pulls what its access server offers, publishes it, and signs a receipt; serves files that are asked for.
///
/// What became of an offer is a row: the same offer gets the same answer with the same receipt.
#[derive(Clone, Debug)]
pub struct ClientServer {
    config: ClientConfig,
    access: Peer,
    clamp: Clamp,
    journal: Option<Journal<Next>>,
    pulls: BTreeMap<TransferId, Pulling>,
    serving: BTreeMap<TransferId, FileName>,
    pool: CreditPool,
    reads: BTreeMap<Ticket, Reading>,
    asks: BTreeMap<Ticket, (TransferId, FileName, ReceiptBatch)>,
    is_unread: bool,
    fenced: bool,
    last_ticket: Ticket,
    effects: VecDeque<Effect>,
    works: VecDeque<Work>,
}

#[derive(Clone, Debug)]
struct Pulling {
    offer: Offer,
    version: u32,
    receiver: Option<Receiver>,
}

#[derive(Clone, Debug)]
enum Reading {
    Head,
    Offer(Offer),
    Bitmap(TransferId, Vec<(Key, Row)>),
}

#[derive(Clone, Debug)]
enum Next {
    Send(Bytes),
    Checkpointed(TransferId),
    Work(Work),
}

/// Who a client is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientConfig {
    /// Its rows' tenant.
    pub tenant: Tenant,
    /// Itself.
    pub party: PartyId,
    /// Its access server.
    pub access: PartyId,
    /// The key that signs its receipts, and that key's number in registries.
    pub key: (KeyId, u8),
    /// How it pulls.
    pub paces: Paces,
}

impl ClientServer {
    /// The most offers at a time.
    pub const PULLS_MAX: usize = 256;

    /// Begins by reading what is stored.
    ///
    /// # Errors
    /// [`Misuse::Identifier`]: never for names of parties.
    pub fn open(config: ClientConfig) -> Result<Self, Misuse> {
        let mut client = Self {
            access: peer(&config.access)?,
            config,
            clamp: Clamp::new(),
            journal: None,
            pulls: BTreeMap::new(),
            serving: BTreeMap::new(),
            pool: CreditPool::default(),
            reads: BTreeMap::new(),
            asks: BTreeMap::new(),
            is_unread: false,
            fenced: false,
            last_ticket: Ticket(0),
            effects: VecDeque::new(),
            works: VecDeque::new(),
        };
        let want = ReadSet::points([Trail::head_key(client.config.tenant)]);
        client.read(Reading::Head, want);
        Ok(client)
    }

    /// The next thing to do with files.
    pub fn poll_work(&mut self) -> Option<Work> {
        self.works.pop_front()
    }

    /// Checks a slice that arrived; its bytes are to be written, then [`ClientServer::written`] is to be called.
    ///
    /// # Errors
    /// [`Error::Stranger`], [`Error::Peer`], [`Misuse::NotAsked`].
    pub fn open_slice<'a>(
        &self,
        from: &Peer,
        transfer: &TransferId,
        range: &Range<u64>,
        bytes: &'a [u8],
    ) -> Result<Slice<'a>, Error> {
        if *from != self.access {
            return Err(Error::Stranger);
        }
        let receiver = self.pulls.get(transfer).and_then(|pull| pull.receiver.as_ref());
        receiver.ok_or(Misuse::NotAsked)?.open(range, bytes)
    }

    /// The groups of a slice were written.
    ///
    /// # Errors
    /// [`Error`]; the groups are asked for again.
    pub fn written(
        &mut self,
        now: Time,
        transfer: &TransferId,
        range: &Range<u64>,
    ) -> Result<(), Error> {
        let now = self.clamp.see(now);
        if let Some(receiver) = self.pulls.get_mut(transfer).and_then(|pull| pull.receiver.as_mut())
        {
            receiver.written(range, &mut self.pool)?;
        }
        self.pump(now)
    }

    /// The answer to [`Work::Sync`].
    ///
    /// # Errors
    /// [`Error`].
    pub fn synced(&mut self, now: Time, transfer: &TransferId) -> Result<(), Error> {
        let now = self.clamp.see(now);
        let receiver = self.pulls.get_mut(transfer).and_then(|pull| pull.receiver.as_mut());
        if let Some(checkpoint) = receiver.and_then(Receiver::synced) {
            let rows = rows_of(checkpoint.batch);
            self.journal()?.add(rows, Vec::new(), alloc::vec![Next::Checkpointed(*transfer)]);
        }
        self.pump(now)
    }

    /// The answer to [`Work::Publish`]: done, or why not.
    ///
    /// # Errors
    /// [`Error`].
    pub fn published(
        &mut self,
        now: Time,
        transfer: &TransferId,
        done: Result<(), Failure>,
    ) -> Result<(), Error> {
        let now = self.clamp.see(now);
        let Some(pull) = self.pulls.get_mut(transfer) else { return Ok(()) };
        match done {
            Ok(()) => {
                let name = pull.name()?;
                let batch = self.receipts(now, transfer)?;
                let question = batch.head().question(self.config.key.0);
                let ticket = self.ticket();
                self.asks.insert(ticket, (*transfer, name, batch));
                self.effects.push_back(Effect::Ask { ticket, questions: alloc::vec![question] });
            }
            Err(Failure::NameTaken) if pull.offer.on_conflict == OnConflict::Version => {
                pull.version = pull.version.max(1) + 1;
                self.publish(transfer)?;
            }
            Err(why) => self.conclude(now, transfer, Err(why), Bytes::new())?,
        }
        self.pump(now)
    }

    /// The answer to [`Work::Prepare`].
    ///
    /// # Errors
    /// [`Error`].
    pub fn prepared(
        &mut self,
        now: Time,
        transfer: &TransferId,
        file: Option<(u64, [u8; 32])>,
    ) -> Result<(), Error> {
        self.clamp.see(now);
        self.send(&Message::Described { transfer: *transfer, file })
    }

    /// A file that is served is not what it was.
    ///
    /// # Errors
    /// [`Error`].
    pub fn unstable(&mut self, transfer: &TransferId) -> Result<(), Error> {
        self.serving.remove(transfer);
        self.send(&Message::Unstable { transfer: *transfer })
    }

    fn receipts(&self, now: Time, transfer: &TransferId) -> Result<ReceiptBatch, Error> {
        let mut batch = ReceiptBatch::new();
        if let Some(Pulling { offer, .. }) = self.pulls.get(transfer) {
            let receipt = Receipt {
                stage: Stage::Verified,
                party: self.config.party.clone(),
                id: offer.id,
                request: offer.request,
                verdict: offer.verdict,
                root: offer.root,
                size: offer.size,
                at: now,
            };
            batch.push(receipt).map_err(|_| Misuse::TooLong)?;
        }
        Ok(batch)
    }

    /// Records what became of an offer, and tells once that is durable.
    fn conclude(
        &mut self,
        now: Time,
        transfer: &TransferId,
        done: Result<FileName, Failure>,
        receipt: Bytes,
    ) -> Result<(), Error> {
        let Some(pull) = self.pulls.get_mut(transfer) else { return Ok(()) };
        let mut rows = Vec::new();
        if let Some(receiver) = &mut pull.receiver {
            receiver.stop(&mut self.pool);
            let keys = receiver.bitmap().row_keys(self.config.tenant, transfer)?;
            rows.extend(keys.into_iter().map(|key| (key, None)));
        }
        pull.receiver = None;
        let record = Audit {
            at: now,
            tenant: self.config.tenant,
            action: if done.is_ok() { "filexfer.client.taken" } else { "filexfer.client.failed" }
                .into(),
            actor: Bytes::copy_from_slice(self.config.party.as_str().as_bytes()),
            subject: Bytes::copy_from_slice(&pull.offer.root),
            reasons: done.as_ref().err().map(|why| why.code()).into_iter().collect(),
            policy: [0; 32],
            correlation: pull.offer.id.0,
        };
        let mut row = Vec::new();
        let mut to = Writer::new(&mut row, 1);
        put_outcome(&mut to, &done)?;
        to.lp16(&receipt)?;
        rows.push((self.row(transfer)?, Some(row.into())));
        let taken = Message::Taken { transfer: *transfer, outcome: done, receipt }.to_frame()?;
        self.pulls.remove(transfer);
        let at = Place::Store(self.config.party.clone());
        let discard = Next::Work(Work::Discard { transfer: *transfer, at });
        self.journal()?.add(rows, alloc::vec![record], alloc::vec![Next::Send(taken), discard]);
        Ok(())
    }

    fn on_frame(&mut self, now: Time, from: &Peer, bytes: &[u8]) -> Result<(), Error> {
        if *from != self.access {
            return Err(Error::Stranger);
        }
        match Message::parse(bytes)? {
            Message::Offer(offer) => self.on_offer(offer),
            Message::Fetch { transfer, name } => {
                if self.serving.len() >= Self::PULLS_MAX && !self.serving.contains_key(&transfer) {
                    // One of them is asked for anew if it is not over.
                    self.serving.pop_first();
                }
                self.serving.insert(transfer, name.clone());
                let from = Place::Store(self.config.party.clone());
                self.works.push_back(Work::Prepare { transfer, from, name, stamp: None });
                Ok(())
            }
            Message::Want { transfer, range } => {
                if !self.serving.contains_key(&transfer) {
                    return Ok(());
                }
                let (from, to) = (Place::Store(self.config.party.clone()), self.access.clone());
                self.works.push_back(Work::Serve { transfer, from, range, to });
                Ok(())
            }
            Message::Unstable { transfer } => {
                let is_moving = self.pulls.get(&transfer).is_some_and(|pull| !pull.is_publishing());
                if is_moving {
                    let why = Failure::FileUnstable;
                    self.conclude(now, &transfer, Err(why), Bytes::new())?;
                }
                Ok(())
            }
            _ => Err(Error::Stranger),
        }
    }

    fn on_offer(&mut self, offer: Offer) -> Result<(), Error> {
        let is_known = self.pulls.contains_key(&offer.transfer)
            || self.reads.values().any(
                |reading| matches!(reading, Reading::Offer(other) if other.transfer == offer.transfer),
            );
        if is_known {
            return Ok(());
        }
        if self.pulls.len() + self.reads.len() >= Self::PULLS_MAX {
            return Err(Error::Busy);
        }
        let want = ReadSet {
            points: alloc::vec![self.row(&offer.transfer)?],
            scans: alloc::vec![Bitmap::scan(self.config.tenant, &offer.transfer)?],
        };
        self.read(Reading::Offer(offer), want);
        Ok(())
    }

    fn on_rows(&mut self, reading: Reading, rows: Option<port::Rows>) -> Result<(), Error> {
        let Some(rows) = rows else {
            match reading {
                // Looked for again at the next tick.
                Reading::Head => self.is_unread = true,
                // An offer comes again.
                Reading::Offer(_) => {}
                Reading::Bitmap(transfer, _) => {
                    self.pulls.remove(&transfer);
                }
            }
            return Ok(());
        };
        match reading {
            Reading::Head => {
                let head = rows.points.first().and_then(Option::as_ref);
                let trail = Trail::resume(self.config.tenant, head.map(|row| &row.value[..]))?;
                self.journal = Some(Journal::new(trail, Row::unchanged(head)));
                Ok(())
            }
            Reading::Offer(offer) => {
                if let Some(Some(row)) = rows.points.first() {
                    let (done, receipt) = parse_taken(&row.value).map_err(Error::Corrupt)?;
                    let transfer = offer.transfer;
                    return self.send(&Message::Taken { transfer, outcome: done, receipt });
                }
                let transfer = offer.transfer;
                self.pulls.insert(transfer, Pulling { offer, version: 0, receiver: None });
                let page = rows.scans.into_iter().next().unwrap_or_default();
                self.on_bitmap(transfer, Vec::new(), page)
            }
            Reading::Bitmap(transfer, before) => {
                let page = rows.scans.into_iter().next().unwrap_or_default();
                self.on_bitmap(transfer, before, page)
            }
        }
    }

    fn on_bitmap(
        &mut self,
        transfer: TransferId,
        mut rows: Vec<(Key, Row)>,
        page: Vec<(Key, Row)>,
    ) -> Result<(), Error> {
        let mut scan = Bitmap::scan(self.config.tenant, &transfer)?;
        let is_full = page.len() >= Scan::ROWS_MAX;
        rows.extend(page);
        if is_full {
            scan.after = rows.last().map(|(key, _)| key.clone());
            self.read(Reading::Bitmap(transfer, rows), ReadSet::scan(scan));
            return Ok(());
        }
        let Some(pull) = self.pulls.get_mut(&transfer) else { return Ok(()) };
        let found = Bitmap::restore(rows.iter().map(|(key, row)| (key, &row.value[..])))?;
        let bitmap = match found {
            Some(bitmap)
                if bitmap.root() == &pull.offer.root
                    && bitmap.groups().size() == pull.offer.size =>
            {
                bitmap
            }
            // Of other content: nothing of it counts.
            Some(_) => return Err(Error::Corrupt(port::WireError::Invalid)),
            None => Bitmap::new(pull.offer.root, pull.offer.size),
        };
        pull.receiver =
            Some(Receiver::new(self.config.tenant, transfer, bitmap, self.config.paces));
        Ok(())
    }

    fn publish(&mut self, transfer: &TransferId) -> Result<(), Error> {
        let Some(pull) = self.pulls.get(transfer) else { return Ok(()) };
        self.works.push_back(Work::Publish {
            transfer: *transfer,
            into: Place::Store(self.config.party.clone()),
            name: pull.name()?,
            replace: pull.offer.on_conflict == OnConflict::Replace,
        });
        Ok(())
    }

    fn pump(&mut self, now: Time) -> Result<(), Error> {
        let transfers: Vec<TransferId> = self.pulls.keys().copied().collect();
        for transfer in transfers {
            while let Some(pull) = self.pulls.get_mut(&transfer) {
                let Some(receiver) = &mut pull.receiver else { break };
                match receiver.poll(now, &mut self.pool)? {
                    None => break,
                    Some(Pull::Range(range)) => self.send(&Message::Want { transfer, range })?,
                    Some(Pull::Sync) => {
                        let into = Place::Store(self.config.party.clone());
                        self.works.push_back(Work::Sync { transfer, into });
                    }
                    Some(Pull::Complete) => {
                        // The bitmap's rows stay until the outcome is recorded.
                        if pull.offer.deadline.is_some_and(|deadline| deadline <= now) {
                            self.conclude(now, &transfer, Err(Failure::TooLate), Bytes::new())?;
                        } else if !pull.is_publishing() {
                            pull.version = 1;
                            self.publish(&transfer)?;
                        }
                        break;
                    }
                }
            }
        }
        self.flush()
    }

    fn flush(&mut self) -> Result<(), Error> {
        let ticket = self.last_ticket.next();
        let Some(journal) = &mut self.journal else { return Ok(()) };
        if let Some(batch) = journal.flush(ticket)? {
            self.last_ticket = ticket;
            self.effects.push_back(Effect::Commit { ticket, batch });
        }
        Ok(())
    }

    fn journal(&mut self) -> Result<&mut Journal<Next>, Error> {
        self.journal.as_mut().ok_or(Error::Busy)
    }

    fn read(&mut self, reading: Reading, want: ReadSet) {
        let ticket = self.ticket();
        self.reads.insert(ticket, reading);
        self.effects.push_back(Effect::Read { ticket, want });
    }

    fn send(&mut self, message: &Message) -> Result<(), Error> {
        let frame = message.to_frame()?;
        self.effects.push_back(Effect::Send { to: self.access.clone(), frame });
        Ok(())
    }

    fn ticket(&mut self) -> Ticket {
        self.last_ticket = self.last_ticket.next();
        self.last_ticket
    }

    fn row(&self, transfer: &TransferId) -> Result<Key, Error> {
        Ok(Key::new(CrateTag::FILEXFER, self.config.tenant, TAKEN).raw(&transfer.0)?)
    }
}

impl Pulling {
    /// 0: not tried yet; 1: the name itself.
    const fn is_publishing(&self) -> bool {
        self.version > 0
    }

    fn name(&self) -> Result<FileName, Error> {
        match self.version {
            0 | 1 => Ok(self.offer.name.clone()),
            number => self.offer.name.versioned(number).map_err(|_| Misuse::TooLong.into()),
        }
    }
}

impl Machine for ClientServer {
    type Event = Infallible;
    type Error = Error;

    fn handle(&mut self, now: Time, input: Input<'_>) -> Result<(), Error> {
        let now = self.clamp.see(now);
        if self.fenced {
            return Err(Error::Fenced);
        }
        match input {
            Input::Frame { from, bytes } => {
                if self.journal.is_none() {
                    return Err(Error::Busy);
                }
                self.on_frame(now, from, bytes)?;
            }
            Input::Rows { ticket, rows } => {
                let reading = self.reads.remove(&ticket).ok_or(Misuse::NotAsked)?;
                self.on_rows(reading, rows)?;
            }
            Input::Committed { ticket, fate } => {
                let journal = self.journal.as_mut().ok_or(Misuse::NotAsked)?;
                let then = journal.committed(ticket, fate).inspect_err(|_| self.fenced = true)?;
                for next in then {
                    match next {
                        Next::Send(frame) => {
                            let to = self.access.clone();
                            self.effects.push_back(Effect::Send { to, frame });
                        }
                        Next::Work(work) => self.works.push_back(work),
                        Next::Checkpointed(transfer) => {
                            let pull = self.pulls.get_mut(&transfer);
                            if let Some(receiver) = pull.and_then(|pull| pull.receiver.as_mut()) {
                                receiver.committed();
                            }
                        }
                    }
                }
            }
            Input::Keys { ticket, answers } => {
                let asked = self.asks.remove(&ticket).ok_or(Misuse::NotAsked)?;
                let (transfer, name, batch) = asked;
                let answer = answers.and_then(|answers| answers.into_iter().next());
                if let Some(KeyAnswer::Signature(signature)) = answer {
                    let signed = batch.sign(self.config.key.1, signature);
                    let receipt = signed.first().map(encoded).transpose()?.unwrap_or_default();
                    self.conclude(now, &transfer, Ok(name), receipt)?;
                } else if let Some(pull) = self.pulls.get_mut(&transfer) {
                    // Published already: the offer that comes again finds it so.
                    pull.version = 0;
                }
            }
            Input::Tick => {
                if core::mem::take(&mut self.is_unread) {
                    let want = ReadSet::points([Trail::head_key(self.config.tenant)]);
                    self.read(Reading::Head, want);
                }
            }
            _ => return Err(Misuse::NotAsked.into()),
        }
        self.pump(now)
    }

    fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    fn poll_event(&mut self) -> Option<Infallible> {
        None
    }

    fn next_deadline(&self) -> Option<Time> {
        let receivers = self.pulls.values().filter_map(|pull| pull.receiver.as_ref());
        receivers.filter_map(Receiver::next_deadline).min()
    }
}

pub(crate) fn encoded(receipt: &SignedReceipt) -> Result<Bytes, Error> {
    let mut bytes = Vec::with_capacity(512);
    receipt.encode(&mut bytes)?;
    Ok(bytes.into())
}

pub(crate) fn rows_of(batch: port::Batch) -> Vec<(Key, Option<Bytes>)> {
    let row = |op: &port::Op| match &op.change {
        port::Change::Put(value) => (op.key.clone(), Some(value.clone())),
        _ => (op.key.clone(), None),
    };
    batch.ops().iter().map(row).collect()
}

fn parse_taken(bytes: &[u8]) -> Result<(Result<FileName, Failure>, Bytes), port::WireError> {
    let mut from = Reader::new(bytes);
    from.version(1)?;
    let done = outcome(&mut from)?;
    let receipt = Bytes::copy_from_slice(from.lp16()?);
    from.finish()?;
    Ok((done, receipt))
}

const TAKEN: u8 = 8;
