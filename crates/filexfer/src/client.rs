//! The client server's part: takes offers, gives files.

mod hand_over;

use crate::access::peer;
use crate::bitmap::Bitmap;
use crate::journal::Journal;
use crate::message::{outcome, put_outcome};
use crate::pulls::{Pulls, StoredBitmap};
use crate::{
    Error, Failure, FileName, Message, Misuse, Offer, OnConflict, Paces, PartyId, Place, Pull,
    Receipt, ReceiptBatch, SignedReceipt, Slice, Stage, Trail, TransferId, Work,
};
use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;
use bytes::Bytes;
use core::ops::Range;
pub(crate) use hand_over::pending;
use hand_over::{Handing, TO_SIGN};
use port::wire::{Reader, Writer};
use port::{
    Clamp, CrateTag, Effect, Input, Key, KeyAnswer, KeyId, Machine, Peer, ReadSet, Row, Tenant,
    Ticket, Time,
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
    offers: BTreeMap<TransferId, Taking>,
    serving: BTreeMap<TransferId, FileName>,
    pulls: Pulls,
    reads: BTreeMap<Ticket, Reading>,
    asks: BTreeMap<Ticket, Asked>,
    /// Hand-overs that are not recorded at the forwarding server yet.
    handing: BTreeMap<TransferId, Handing>,
    hands_over_at_once: bool,
    is_unread: bool,
    is_pending_unread: bool,
    /// There are more than one page of them.
    is_more_pending: bool,
    fenced: bool,
    last_ticket: Ticket,
    effects: VecDeque<Effect>,
    works: VecDeque<Work>,
    events: VecDeque<ClientEvent>,
}

/// An offer that is being taken.
#[derive(Clone, Debug)]
struct Taking {
    offer: Offer,
    version: u32,
}

#[derive(Clone, Debug)]
enum Reading {
    Head,
    Offer(Offer),
    Bitmap(TransferId, StoredBitmap),
    /// What was taken, and a receipt of its hand-over if there is one.
    Taken(TransferId, Option<[u8; 32]>),
    /// Hand-overs that were not answered before a stop.
    Pending,
    Receipts(Vec<TransferId>),
}

#[derive(Clone, Debug)]
enum Next {
    Send(Bytes),
    Checkpointed(TransferId),
    Work(Work),
    Tell(ClientEvent),
    HandOver(TransferId, Bytes),
}

/// What was asked to be signed.
#[derive(Clone, Debug)]
enum Asked {
    Published(TransferId, FileName, ReceiptBatch),
    HandedOver(TransferId, ReceiptBatch),
}

/// What a client is told; all of it is durable.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClientEvent {
    /// A file was published, for the application to take.
    Published {
        /// Of which transfer.
        transfer: TransferId,
        /// Under which name.
        name: FileName,
    },
    /// That the application has taken it is signed for.
    HandedOver {
        /// Of which transfer.
        transfer: TransferId,
    },
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

    /// The most hand-overs that are not recorded at the forwarding server yet.
    pub const HANDING_MAX: usize = 4_096;

    /// Begins by reading what is stored.
    ///
    /// # Errors
    /// [`Misuse::Identifier`]: never for names of parties.
    pub fn open(config: ClientConfig) -> Result<Self, Misuse> {
        let mut client = Self {
            access: peer(&config.access)?,
            clamp: Clamp::new(),
            journal: None,
            offers: BTreeMap::new(),
            serving: BTreeMap::new(),
            pulls: Pulls::new(config.tenant, config.paces),
            config,
            reads: BTreeMap::new(),
            asks: BTreeMap::new(),
            handing: BTreeMap::new(),
            hands_over_at_once: false,
            is_unread: false,
            is_pending_unread: false,
            is_more_pending: false,
            fenced: false,
            last_ticket: Ticket(0),
            effects: VecDeque::new(),
            works: VecDeque::new(),
            events: VecDeque::new(),
        };
        let want = ReadSet::points([Trail::head_key(client.config.tenant)]);
        client.read(Reading::Head, want);
        Ok(client)
    }

    /// A file counts as handed over as soon as it is published; otherwise when the application says so by
    /// [`ClientServer::hand_over`].
    #[must_use]
    pub const fn handing_over_at_once(mut self) -> Self {
        self.hands_over_at_once = true;
        self
    }

    /// Asks for what waits at the forwarding server: for clients that collect ([`crate::Delivery::Collected`]).
    ///
    /// # Errors
    /// [`Error::Peer`]: never.
    pub fn collect(&mut self) -> Result<(), Error> {
        self.send(&Message::Collect)
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
        self.pulls.open(transfer, range, bytes)
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
        let now = self.see(now)?;
        self.pulls.written(transfer, range)?;
        self.pump(now)
    }

    /// The answer to [`Work::Sync`].
    ///
    /// # Errors
    /// [`Error`].
    pub fn synced(&mut self, now: Time, transfer: &TransferId) -> Result<(), Error> {
        let now = self.see(now)?;
        if let Some(checkpoint) = self.pulls.synced(transfer) {
            let then = alloc::vec![Next::Checkpointed(*transfer)];
            self.journal()?.add_batch(&checkpoint.batch, then);
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
        let now = self.see(now)?;
        let Some(taking) = self.offers.get_mut(transfer) else { return Ok(()) };
        match done {
            Ok(()) => {
                let name = taking.name()?;
                let batch = self.receipts(now, transfer)?;
                let question = batch.head().question(self.config.key.0);
                let ticket = self.ticket();
                self.asks.insert(ticket, Asked::Published(*transfer, name, batch));
                self.effects.push_back(Effect::Ask { ticket, questions: alloc::vec![question] });
            }
            Err(Failure::NameTaken) if taking.offer.on_conflict == OnConflict::Version => {
                taking.version = taking.version.max(1) + 1;
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
        self.see(now)?;
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

    fn see(&mut self, now: Time) -> Result<Time, Error> {
        if self.fenced {
            return Err(Error::Fenced);
        }
        Ok(self.clamp.see(now))
    }

    fn receipts(&self, now: Time, transfer: &TransferId) -> Result<ReceiptBatch, Error> {
        let mut batch = ReceiptBatch::new();
        if let Some(Taking { offer, .. }) = self.offers.get(transfer) {
            let receipt = Receipt {
                stage: Stage::Verified,
                party: self.config.party.clone(),
                id: offer.id,
                request: offer.request,
                verdict: offer.verdict,
                root: offer.root,
                size: offer.size,
                at: now,
                content: None,
                follows: None,
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
        let Some(taking) = self.offers.get(transfer) else { return Ok(()) };
        let mut rows = Vec::new();
        if let Some(bitmap) = self.pulls.stop(transfer) {
            let keys = bitmap.row_keys(self.config.tenant, transfer)?;
            rows.extend(keys.into_iter().map(|key| (key, None)));
        }
        let record = Audit {
            at: now,
            tenant: self.config.tenant,
            action: if done.is_ok() { "filexfer.client.taken" } else { "filexfer.client.failed" }
                .into(),
            actor: Bytes::copy_from_slice(self.config.party.as_str().as_bytes()),
            subject: Bytes::copy_from_slice(&taking.offer.root),
            reasons: done.as_ref().err().map(|why| why.code()).into_iter().collect(),
            policy: [0; 32],
            correlation: taking.offer.id.0,
        };
        let mut row = Vec::new();
        let mut to = Writer::new(&mut row, 2);
        put_outcome(&mut to, &done)?;
        to.lp16(&receipt)?.u64(now.as_ms());
        rows.push((self.row(transfer)?, Some(row.into())));
        if done.is_ok() && self.hands_over_at_once {
            // A stop before it is signed for is no reason not to.
            rows.push((self.pending_key(transfer)?, Some(TO_SIGN)));
        }
        let published = done.as_ref().ok().cloned();
        let taken = Message::Taken { transfer: *transfer, outcome: done, receipt }.to_frame()?;
        self.offers.remove(transfer);
        let at = Place::Store(self.config.party.clone());
        let discard = Next::Work(Work::Discard { transfer: *transfer, at });
        let mut then = alloc::vec![Next::Send(taken), discard];
        let transfer = *transfer;
        then.extend(published.map(|name| Next::Tell(ClientEvent::Published { transfer, name })));
        self.journal()?.add(rows, alloc::vec![record], then);
        Ok(())
    }

    fn on_signature(
        &mut self,
        now: Time,
        asked: Asked,
        signature: Option<[u8; 64]>,
    ) -> Result<(), Error> {
        let Some(signature) = signature else {
            match asked {
                // Published already: the offer that comes again finds it so.
                Asked::Published(transfer, ..) => {
                    if let Some(taking) = self.offers.get_mut(&transfer) {
                        taking.version = 0;
                    }
                }
                Asked::HandedOver(transfer, _) => self.drop_hand_over(&transfer),
            }
            return Ok(());
        };
        let number = self.config.key.1;
        match asked {
            Asked::Published(transfer, name, batch) => {
                let signed = batch.sign(number, signature);
                let receipt = signed.first().map(encoded).transpose()?.unwrap_or_default();
                self.conclude(now, &transfer, Ok(name), receipt)
            }
            Asked::HandedOver(transfer, batch) => {
                let Some(signed) = batch.sign(number, signature).pop() else { return Ok(()) };
                let bytes = encoded(&signed)?;
                self.conclude_hand_over(now, transfer, signed.receipt, bytes)
            }
        }
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
                let is_moving =
                    self.offers.get(&transfer).is_some_and(|taking| !taking.is_publishing());
                if is_moving {
                    let why = Failure::FileUnstable;
                    self.conclude(now, &transfer, Err(why), Bytes::new())?;
                }
                Ok(())
            }
            Message::Recorded { transfer } => self.on_recorded(&transfer),
            _ => Err(Error::Stranger),
        }
    }

    fn on_offer(&mut self, offer: Offer) -> Result<(), Error> {
        let is_known = self.offers.contains_key(&offer.transfer)
            || self.reads.values().any(
                |reading| matches!(reading, Reading::Offer(other) if other.transfer == offer.transfer),
            );
        if is_known {
            return Ok(());
        }
        if self.offers.len() + self.reads.len() >= Self::PULLS_MAX {
            return Err(Error::Busy);
        }
        let want = ReadSet {
            points: alloc::vec![self.row(&offer.transfer)?],
            scans: alloc::vec![Bitmap::scan(self.config.tenant, &offer.transfer)?],
        };
        self.read(Reading::Offer(offer), want);
        Ok(())
    }

    fn on_rows(
        &mut self,
        now: Time,
        reading: Reading,
        rows: Option<port::Rows>,
    ) -> Result<(), Error> {
        let Some(rows) = rows else {
            match reading {
                // Looked for again at the next tick.
                Reading::Head => self.is_unread = true,
                Reading::Pending | Reading::Receipts(_) => self.is_pending_unread = true,
                Reading::Taken(transfer, _) => self.drop_hand_over(&transfer),
                // An offer comes again.
                Reading::Offer(_) => {}
                Reading::Bitmap(transfer, _) => {
                    self.offers.remove(&transfer);
                }
            }
            return Ok(());
        };
        match reading {
            Reading::Head => {
                let head = rows.points.first().and_then(Option::as_ref);
                let trail = Trail::resume(self.config.tenant, head.map(|row| &row.value[..]))?;
                self.journal = Some(Journal::new(trail, Row::unchanged(head)));
                self.read_pending();
                Ok(())
            }
            Reading::Taken(transfer, content) => self.on_taken(now, transfer, content, &rows),
            Reading::Pending => self.on_pending(&rows),
            Reading::Receipts(transfers) => {
                transfers.into_iter().zip(rows.points).try_for_each(|(transfer, row)| match row {
                    Some(row) => self.tell_hand_over(now, transfer, row.value),
                    None => self.hand_over(now, &transfer, None),
                })
            }
            Reading::Offer(offer) => {
                if let Some(Some(row)) = rows.points.first() {
                    let (done, receipt) = parse_taken(&row.value).map_err(Error::Corrupt)?;
                    let transfer = offer.transfer;
                    return self.send(&Message::Taken { transfer, outcome: done, receipt });
                }
                let transfer = offer.transfer;
                self.offers.insert(transfer, Taking { offer, version: 0 });
                self.on_bitmap(transfer, StoredBitmap::default(), rows)
            }
            Reading::Bitmap(transfer, stored) => self.on_bitmap(transfer, stored, rows),
        }
    }

    fn on_bitmap(
        &mut self,
        transfer: TransferId,
        mut stored: StoredBitmap,
        rows: port::Rows,
    ) -> Result<(), Error> {
        let page = rows.scans.into_iter().next().unwrap_or_default();
        if let Some(next) = stored.add(self.config.tenant, &transfer, page)? {
            self.read(Reading::Bitmap(transfer, stored), ReadSet::scan(next));
            return Ok(());
        }
        let Some(Taking { offer, .. }) = self.offers.get(&transfer) else { return Ok(()) };
        self.pulls.begin(transfer, &stored, offer.size, offer.root)
    }

    fn publish(&mut self, transfer: &TransferId) -> Result<(), Error> {
        let Some(taking) = self.offers.get(transfer) else { return Ok(()) };
        self.works.push_back(Work::Publish {
            transfer: *transfer,
            into: Place::Store(self.config.party.clone()),
            name: taking.name()?,
            replace: taking.offer.on_conflict == OnConflict::Replace,
        });
        Ok(())
    }

    fn pump(&mut self, now: Time) -> Result<(), Error> {
        let transfers: Vec<TransferId> = self.pulls.transfers().copied().collect();
        for transfer in transfers {
            while let Some(next) = self.pulls.poll(now, &transfer)? {
                let Some(taking) = self.offers.get_mut(&transfer) else { break };
                match next {
                    Pull::Range(range) => self.send(&Message::Want { transfer, range })?,
                    Pull::Sync => {
                        let into = Place::Store(self.config.party.clone());
                        self.works.push_back(Work::Sync { transfer, into });
                    }
                    Pull::Complete => {
                        // The bitmap's rows stay until the outcome is recorded.
                        if taking.offer.deadline.is_some_and(|deadline| deadline <= now) {
                            self.conclude(now, &transfer, Err(Failure::TooLate), Bytes::new())?;
                        } else if !taking.is_publishing() {
                            taking.version = 1;
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
        Ok(taken(self.config.tenant).raw(&transfer.0)?)
    }
}

impl Taking {
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
    type Event = ClientEvent;
    type Error = Error;

    fn handle(&mut self, now: Time, input: Input<'_>) -> Result<(), Error> {
        let now = self.see(now)?;
        match input {
            Input::Frame { from, bytes } => {
                if self.journal.is_none() {
                    return Err(Error::Busy);
                }
                self.on_frame(now, from, bytes)?;
            }
            Input::Rows { ticket, rows } => {
                let reading = self.reads.remove(&ticket).ok_or(Misuse::NotAsked)?;
                self.on_rows(now, reading, rows)?;
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
                            self.pulls.committed(&transfer);
                        }
                        Next::Tell(event) => {
                            let at_once = match &event {
                                ClientEvent::Published { transfer, .. } => Some(*transfer),
                                ClientEvent::HandedOver { .. } => None,
                            };
                            if self.events.len() >= EVENTS_MAX {
                                self.events.pop_front();
                            }
                            self.events.push_back(event);
                            if let Some(transfer) = at_once.filter(|_| self.hands_over_at_once) {
                                self.hand_over(now, &transfer, None)?;
                            }
                        }
                        Next::HandOver(transfer, receipt) => {
                            self.tell_hand_over(now, transfer, receipt)?;
                            self.events.push_back(ClientEvent::HandedOver { transfer });
                        }
                    }
                }
            }
            Input::Keys { ticket, answers } => {
                let asked = self.asks.remove(&ticket).ok_or(Misuse::NotAsked)?;
                let answer = answers.and_then(|answers| answers.into_iter().next());
                let signature = match answer {
                    Some(KeyAnswer::Signature(signature)) => Some(signature),
                    _ => None,
                };
                self.on_signature(now, asked, signature)?;
            }
            Input::Tick => {
                if core::mem::take(&mut self.is_unread) {
                    let want = ReadSet::points([Trail::head_key(self.config.tenant)]);
                    self.read(Reading::Head, want);
                }
                if core::mem::take(&mut self.is_pending_unread) {
                    self.read_pending();
                }
                self.tell_again(now)?;
            }
            _ => return Err(Misuse::NotAsked.into()),
        }
        self.pump(now)
    }

    fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    fn poll_event(&mut self) -> Option<ClientEvent> {
        self.events.pop_front()
    }

    fn next_deadline(&self) -> Option<Time> {
        self.tell_again_at().chain(self.pulls.next_deadline()).min()
    }
}

pub(crate) fn encoded(receipt: &SignedReceipt) -> Result<Bytes, Error> {
    let mut bytes = Vec::with_capacity(512);
    receipt.encode(&mut bytes)?;
    Ok(bytes.into())
}

fn parse_taken(bytes: &[u8]) -> Result<(Result<FileName, Failure>, Bytes), port::WireError> {
    read_taken(bytes).map(|(done, receipt, _)| (done, receipt))
}

/// When an offer came to its end; rows of version 1 do not say.
pub(crate) fn taken_at(row: &[u8]) -> Result<Option<Time>, port::WireError> {
    read_taken(row).map(|(_, _, at)| at)
}

/// What became of an offer, the receipt, and since when.
type Taken = (Result<FileName, Failure>, Bytes, Option<Time>);

fn read_taken(bytes: &[u8]) -> Result<Taken, port::WireError> {
    let mut from = Reader::new(bytes);
    let version = from.u8()?;
    if !matches!(version, 1 | 2) {
        return Err(port::WireError::Version(version));
    }
    let done = outcome(&mut from)?;
    let receipt = Bytes::copy_from_slice(from.lp16()?);
    let at = if version == 2 { Some(Time::from_ms(from.u64()?)) } else { None };
    from.finish()?;
    Ok((done, receipt, at))
}

/// The prefix of what became of offers: transfer.
pub(crate) fn taken(tenant: Tenant) -> Key {
    Key::new(CrateTag::FILEXFER, tenant, TAKEN)
}

const TAKEN: u8 = 8;
const EVENTS_MAX: usize = 4_096;
