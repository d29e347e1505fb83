//! The client server's part: takes offers, gives files.

mod concluding;
mod hand_over;
mod machine;
mod taking;

use crate::access::peer;
use crate::job::VERSIONS_MAX;
use crate::journal::Journal;
use crate::message::outcome;
use crate::pulls::{Pulls, StoredBitmap};
use crate::{
    Error, Failure, FileName, Message, Misuse, Offer, OnConflict, Paces, PartyId, Place, Pull,
    ReceiptBatch, SignedReceipt, Slice, SliceProof, StoreFault, Trail, TransferId, Work,
};
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;
use bytes::Bytes;
use core::ops::Range;
use hand_over::Handing;
pub(crate) use hand_over::pending;
use port::wire::Reader;
use port::{Clamp, CrateTag, Effect, Key, KeyId, Peer, ReadSet, Tenant, Ticket, Time};

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
    /// What became of these is not recorded yet.
    concluding: BTreeSet<TransferId>,
    serving: BTreeMap<TransferId, FileName>,
    /// Of these the root is being computed: it is asked for again meanwhile.
    preparing: BTreeSet<TransferId>,
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
    /// Since when its content cannot be written.
    failing_since: Option<Time>,
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
    Concluded(TransferId),
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
    /// What was stored of how far an offer is was damaged: it is taken anew.
    BeganAnew {
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

    /// The prefix of what became of offers: transfer.
    pub fn outcomes(tenant: Tenant) -> Key {
        Key::new(CrateTag::FILEXFER, tenant, TAKEN)
    }

    /// What a row of [`ClientServer::outcomes`] says: under which name the file was published, if it was, and when. Rows of
    /// version 1 do not say when.
    ///
    /// # Errors
    /// [`port::WireError`] if the row is damaged.
    pub fn published_as(row: &[u8]) -> Result<Option<(FileName, Option<Time>)>, port::WireError> {
        read_taken(row).map(|(done, _, at)| Some((done.ok()?, at)))
    }

    /// The receipt in a row of [`ClientServer::outcomes`], with which a published file can be compared at any time; `None` if
    /// none was published.
    ///
    /// # Errors
    /// [`port::WireError`] if the row is damaged.
    pub fn receipt_in(row: &[u8]) -> Result<Option<SignedReceipt>, port::WireError> {
        let (done, receipt) = parse_taken(row)?;
        done.ok().map(|_| SignedReceipt::parse(&receipt)).transpose()
    }

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
            concluding: BTreeSet::new(),
            serving: BTreeMap::new(),
            preparing: BTreeSet::new(),
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
        &mut self,
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

    /// The same for threads: what a slice has to be compared with before it is written.
    ///
    /// # Errors
    /// [`Error::Stranger`], [`Misuse::NotAsked`].
    pub fn slice_proof(
        &mut self,
        from: &Peer,
        transfer: &TransferId,
        range: &Range<u64>,
    ) -> Result<SliceProof, Error> {
        if *from != self.access {
            return Err(Error::Stranger);
        }
        self.pulls.proof(transfer, range)
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
        if let Some(taking) = self.offers.get_mut(transfer) {
            taking.failing_since = None;
        }
        self.pulls.written(now, transfer, range)?;
        self.pump(now)
    }

    /// The store of files did not do its part. What could not be written is asked for again; when nothing of an offer could be
    /// written for as long as a range is waited for ([`Paces::patience_ms`]), it has failed with [`Failure::StoreFailed`]. What
    /// cannot be read counts as not there any more.
    ///
    /// # Errors
    /// [`Error`].
    pub fn store_failed(
        &mut self,
        now: Time,
        transfer: &TransferId,
        fault: StoreFault,
    ) -> Result<(), Error> {
        if fault == StoreFault::Read {
            self.see(now)?;
            return self.unstable(transfer);
        }
        let now = self.see(now)?;
        if let Some(taking) = self.offers.get_mut(transfer).filter(|taking| !taking.is_publishing())
        {
            let since = *taking.failing_since.get_or_insert(now);
            if now >= since.plus_ms(self.config.paces.patience_ms) {
                self.conclude(now, transfer, Err(Failure::StoreFailed), Bytes::new())?;
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
            Err(Failure::NameTaken) if taking.try_next_version() => self.publish(transfer)?,
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
        self.preparing.remove(transfer);
        self.send(&Message::Described { transfer: *transfer, file })
    }

    /// A file that is served is not what it was.
    ///
    /// # Errors
    /// [`Error`].
    pub fn unstable(&mut self, transfer: &TransferId) -> Result<(), Error> {
        self.serving.remove(transfer);
        self.preparing.remove(transfer);
        self.send(&Message::Unstable { transfer: *transfer })
    }

    fn see(&mut self, now: Time) -> Result<Time, Error> {
        if self.fenced {
            return Err(Error::Fenced);
        }
        Ok(self.clamp.see(now))
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
        Ok(())
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
        Ok(Self::outcomes(self.config.tenant).raw(&transfer.0)?)
    }
}

impl Taking {
    /// 0: not tried yet; 1: the name itself.
    const fn is_publishing(&self) -> bool {
        self.version > 0
    }

    /// Goes on to the next version's name, if there is to be one and a name for it. A long name may have no room for one.
    fn try_next_version(&mut self) -> bool {
        let tried = self.version;
        self.version = tried.max(1).saturating_add(1);
        let may_try = self.offer.on_conflict == OnConflict::Version
            && tried < VERSIONS_MAX
            && self.name().is_ok();
        if !may_try {
            self.version = tried;
        }
        may_try
    }

    fn name(&self) -> Result<FileName, Error> {
        match self.version {
            0 | 1 => Ok(self.offer.name.clone()),
            number => self.offer.name.versioned(number).map_err(|_| Misuse::TooLong.into()),
        }
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

const TAKEN: u8 = 8;
const EVENTS_MAX: usize = 4_096;
