//! The ordering of a chain by one node: takes transactions, makes blocks, answers.

mod answering;
mod opening;
mod ordering;

use crate::rows::{Decided, Rows};
use crate::{Chain, Error, FileId, Genesis, Height, Message, Misuse, NodeId, Note, Transaction};
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::string::String;
use alloc::vec::Vec;
use opening::Opening;
use ordering::Work;
use port::{Clamp, Effect, Input, KeyId, Machine, Peer, Tenant, Ticket, Time, Version};

/// The machine of a supervision node that orders alone: for small registries, and for tests.
///
/// It owns the rows of its tenant: a second instance conflicts, and both learn it by [`Error::Fenced`]; then drop this one and
/// [`Authority::open`] another.
///
/// - A block, the state that it leads to, the roots of both and the signatures over them are one batch. Nothing is told before
///   that batch is durable, also no refusal that rests on it.
/// - After a stop, what is stored is one block's end: it is read, and has to give the roots that were signed.
/// - A transaction that comes again is answered, and taken once.
#[derive(Debug)]
pub struct Authority {
    config: AuthorityConfig,
    rows: Rows,
    clamp: Clamp,
    opening: Option<Opening>,
    chain: Chain,
    /// The head row that the next block requires.
    head: Option<Version>,
    checkpoint: Option<Note>,
    queue: VecDeque<Waiting>,
    /// Where transactions stand that could come again.
    decided: BTreeMap<[u8; 32], (Height, u32)>,
    /// By when they cannot any more, the rows that remember them, and what is in those.
    memories: BTreeMap<(Height, Height), Vec<[u8; 32]>>,
    work: Option<Work>,
    /// Not earlier, after the key holder failed.
    sign_at: Time,
    reads: BTreeMap<Ticket, (Peer, Height)>,
    /// Files of which supervision was told that their new owner is late.
    flagged: BTreeSet<FileId>,
    fenced: bool,
    last_ticket: Ticket,
    effects: VecDeque<Effect>,
    events: VecDeque<AuthorityEvent>,
}

/// What an [`Authority`] is and how it works.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthorityConfig {
    /// Whose rows it owns.
    pub tenant: Tenant,
    /// What the chain started from.
    pub genesis: Genesis,
    /// Which supervision node this is.
    pub node: NodeId,
    /// Its signing key at the key holder.
    pub key: KeyId,
    /// The number of that key on the chain.
    pub key_number: u16,
    /// How long it waits after the key holder failed, in milliseconds.
    pub retry_ms: u64,
}

/// What an [`Authority`] tells.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AuthorityEvent {
    /// Everything stored was read; the next block has this height.
    Opened(Height),
    /// A block is durable.
    Block(Height),
    /// A file is to be audited: submit a verdict. Told again after every opening, until this node has judged or the audit is
    /// over.
    Requested(FileId),
    /// A new owner has not registered in time (spec: Resource states).
    Overdue(FileId),
    /// The key holder gave no right signature; it is asked again later.
    NotSigned,
}

/// A transaction that waits for its block, and who wants to know.
#[derive(Clone, Debug)]
struct Waiting {
    digest: [u8; 32],
    transaction: Transaction,
    /// Nobody for what was submitted at this node.
    peers: Vec<Peer>,
}

impl Authority {
    /// Transactions that wait at one time.
    pub const QUEUE_MAX: usize = 4_096;

    /// Those who wait for one transaction.
    const PEERS_MAX: usize = 8;

    /// Blocks that are read for others at one time.
    const READS_MAX: usize = 64;

    /// Begins by reading what is stored.
    ///
    /// # Errors
    /// [`Misuse::Bounds`] for a configuration that cannot work.
    pub fn open(config: AuthorityConfig) -> Result<Self, Misuse> {
        if config.retry_ms == 0 {
            return Err(Misuse::Bounds);
        }
        let mut authority = Self {
            rows: Rows::new(config.tenant),
            clamp: Clamp::new(),
            opening: Some(Opening::default()),
            chain: Chain::new(config.genesis.clone()).map_err(Misuse::too_long)?,
            config,
            head: None,
            checkpoint: None,
            queue: VecDeque::new(),
            decided: BTreeMap::new(),
            memories: BTreeMap::new(),
            work: None,
            sign_at: Time::EPOCH,
            reads: BTreeMap::new(),
            flagged: BTreeSet::new(),
            fenced: false,
            last_ticket: Ticket(0),
            effects: VecDeque::new(),
            events: VecDeque::new(),
        };
        authority.read_on();
        Ok(authority)
    }

    /// Takes a transaction of this node's own: the founder's identity record, an auditor's verdict.
    ///
    /// # Errors
    /// [`Error::Busy`], [`Error::Fenced`].
    pub fn submit(&mut self, now: Time, transaction: Transaction) -> Result<(), Error> {
        let now = self.see(now)?;
        self.take(None, transaction)?;
        self.pump(now)
    }

    /// The chain up to the newest durable block; `None` while it is still read.
    pub const fn chain(&self) -> Option<&Chain> {
        if self.opening.is_some() { None } else { Some(&self.chain) }
    }

    /// The newest signed checkpoint of the log.
    pub const fn checkpoint(&self) -> Option<&Note> {
        self.checkpoint.as_ref()
    }

    /// How many transactions wait for a block.
    pub fn waiting(&self) -> usize {
        self.queue.len()
    }

    fn see(&mut self, now: Time) -> Result<Time, Error> {
        if self.fenced {
            return Err(Error::Fenced);
        }
        if self.opening.is_some() { Err(Error::Busy) } else { Ok(self.clamp.see(now)) }
    }

    fn take(&mut self, from: Option<&Peer>, transaction: Transaction) -> Result<(), Error> {
        let digest = transaction.digest().map_err(Misuse::too_long)?;
        if let Some(told) = self.known(from, &digest, &transaction) {
            return from.map_or(Ok(()), |peer| self.tell(peer, told));
        }
        if let Some(waiting) = self.under_way(&digest) {
            let Some(peer) = from.filter(|peer| !waiting.peers.contains(peer)) else {
                return Ok(());
            };
            if waiting.peers.len() >= Self::PEERS_MAX {
                return Err(Error::Busy);
            }
            waiting.peers.push(peer.clone());
            return Ok(());
        }
        if self.queue.len() >= Self::QUEUE_MAX {
            return Err(Error::Busy);
        }
        let peers = from.cloned().into_iter().collect();
        self.queue.push_back(Waiting { digest, transaction, peers });
        Ok(())
    }

    /// A transaction in the queue, or of the block that is made.
    fn under_way(&mut self, digest: &[u8; 32]) -> Option<&mut Waiting> {
        let made = self.work.iter_mut().flat_map(Work::waiting);
        self.queue.iter_mut().chain(made).find(|waiting| waiting.digest == *digest)
    }

    /// Begins a block if none is under way, or asks again for signatures that were not given.
    fn pump(&mut self, now: Time) -> Result<(), Error> {
        if self.opening.is_some() || self.fenced {
            return Ok(());
        }
        match &mut self.work {
            None => self.begin(now),
            Some(work) if work.is_unsigned() && now >= self.sign_at => {
                self.ask();
                Ok(())
            }
            Some(_) => Ok(()),
        }
    }

    fn ticket(&mut self) -> Ticket {
        self.last_ticket = self.last_ticket.next();
        self.last_ticket
    }

    fn on_frame(&mut self, from: &Peer, bytes: &[u8]) -> Result<(), Error> {
        match Message::parse(bytes).map_err(Error::Peer)? {
            Message::Submit(transaction) => self.take(Some(from), *transaction),
            Message::Want(height) => self.on_want(from, height),
            // Only a member, or a node that follows, takes these.
            Message::Decided { .. }
            | Message::Refused { .. }
            | Message::Concluded { .. }
            | Message::Block(_)
            | Message::Next(_) => Err(Error::Peer(port::WireError::Invalid)),
        }
    }

    fn remember(&mut self, height: Height, decided: Decided) {
        for (place, digest) in (0..).zip(&decided.digests) {
            self.decided.insert(*digest, (height, place));
        }
        self.memories.insert((decided.until, height), decided.digests);
    }

    fn forget(&mut self, memory: &(Height, Height)) {
        for digest in self.memories.remove(memory).into_iter().flatten() {
            self.decided.remove(&digest);
        }
    }

    fn origin(&self) -> String {
        self.config.genesis.origin().into()
    }
}

impl Machine for Authority {
    type Event = AuthorityEvent;
    type Error = Error;

    fn handle(&mut self, now: Time, input: Input<'_>) -> Result<(), Error> {
        if self.fenced {
            return Err(Error::Fenced);
        }
        let now = self.clamp.see(now);
        let done = match input {
            Input::Frame { .. } if self.opening.is_some() => return Err(Error::Busy),
            Input::Frame { from, bytes } => self.on_frame(from, bytes),
            Input::Rows { ticket, rows } => self.on_rows(ticket, rows),
            Input::Keys { ticket, answers } => self.on_keys(now, ticket, answers),
            Input::Committed { ticket, fate } => self.on_committed(ticket, fate),
            Input::Tick => self.on_tick(),
            _ => Err(Misuse::NotAsked.into()),
        };
        // What one input could not do is no reason to hold up the others.
        self.pump(now)?;
        done
    }

    fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    fn poll_event(&mut self) -> Option<AuthorityEvent> {
        self.events.pop_front()
    }

    fn next_deadline(&self) -> Option<Time> {
        if self.opening.as_ref().is_some_and(Opening::is_stuck) {
            return Some(self.clamp.last());
        }
        self.work.as_ref().filter(|work| work.is_unsigned()).map(|_| self.sign_at)
    }
}
