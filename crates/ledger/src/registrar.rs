//! The registry as one supervision node keeps it, whoever orders: what is stored, what waits, who is answered.

mod answering;
mod deciding;
mod opening;

use crate::rows::{Decided, Rows};
use crate::{
    At, Chain, Error, FileId, Genesis, Height, Message, Misuse, NodeId, Note, Refusal, Transaction,
};
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;
use answering::Told;
pub use deciding::Decision;
use opening::Opening;
use port::{Effect, Key, Peer, Tenant, Ticket, Time, Version, WireError};

/// The half of a supervision node that has nothing to do with how blocks are ordered: it reads what is stored, takes
/// transactions from members, drafts blocks of them, makes a decided block one batch, and answers once that is durable.
///
/// An ordering holds one, feeds it, and passes its effects and events on: [`crate::Authority`] does, and so does whatever lets
/// several nodes vote. The registrar signs nothing and decides nothing.
///
/// ```text
///  members ─▶ on_message ─▶ queue ─▶ draft ─▶ (ordered and certified) ─▶ decide ─▶ batch ─▶ decided ─▶ answers
/// ```
#[derive(Debug)]
pub struct Registrar {
    rows: Rows,
    node: NodeId,
    opening: Option<Opening>,
    chain: Chain,
    /// The head row that the next block requires.
    head: Option<Version>,
    checkpoint: Option<Note>,
    waiting: BTreeMap<[u8; 32], Waiting>,
    /// In which order they came.
    queue: VecDeque<[u8; 32]>,
    /// How many of them nobody waits for.
    unasked: usize,
    /// What the newest draft leaves out, and which one it is.
    drafted: Option<Drafted>,
    /// Where transactions stand that could come again.
    decided: BTreeMap<[u8; 32], (Height, u32)>,
    /// By when they cannot any more, the rows that remember them, and what is in those.
    memories: BTreeMap<(Height, Height), Vec<[u8; 32]>>,
    reads: BTreeMap<Ticket, (Peer, Height)>,
    /// Files of which supervision was told that their new owner is late.
    flagged: BTreeSet<FileId>,
    last_ticket: Ticket,
    effects: VecDeque<Effect>,
    events: VecDeque<RegistrarEvent>,
}

/// What a [`Registrar`] tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RegistrarEvent {
    /// Everything stored was read; the next block has this height.
    Opened(Height),
    /// A block is durable.
    Block(Height),
    /// A file is to be audited: submit a verdict. Told again after every opening, until this node has judged or the audit is
    /// over.
    Requested(FileId),
    /// A new owner has not registered in time (spec: Resource states).
    Overdue(FileId),
}

/// What became of a transaction that was handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It waits for a block.
    New,
    /// It waited already, or was answered.
    Known,
    /// The newest state refuses it.
    Refused(Refusal),
}

/// A transaction that waits for its block, and who wants to know.
#[derive(Clone, Debug)]
struct Waiting {
    transaction: Transaction,
    /// Nobody for what came from another supervision node, or was submitted at this one.
    peers: Vec<Peer>,
    is_own: bool,
}

impl Waiting {
    /// Whether somebody at this node wants it in a block.
    const fn is_asked(&self) -> bool {
        self.is_own || !self.peers.is_empty()
    }
}

#[derive(Debug)]
struct Drafted {
    digest: [u8; 32],
    refused: Vec<([u8; 32], Refusal)>,
}

/// Who hands a transaction over.
#[derive(Clone, Copy, Debug)]
pub enum By<'a> {
    /// A member, which is answered.
    Member(&'a Peer),
    /// This node itself: an auditor's verdict, an identity record.
    Own,
    /// Another supervision node, which answers its own member.
    Supervision,
}

impl Registrar {
    /// Transactions that wait at one time.
    pub const QUEUE_MAX: usize = 4_096;

    /// Of these, so many that other supervision nodes passed on.
    pub const PASSED_ON_MAX: usize = Self::QUEUE_MAX / 2;

    /// So many operations an ordering may add to the batch of a block.
    pub const OWN_OPS_MAX: usize = Rows::ORDERING_MAX;

    /// The first table of an ordering's own rows.
    pub const OWN_TABLE: u8 = 32;

    /// Those who wait for one transaction.
    const PEERS_MAX: usize = 8;

    /// Blocks that are read for others at one time.
    const READS_MAX: usize = 64;

    /// So many of the oldest that wait are judged again after a block.
    const JUDGED_AGAIN: usize = 256;

    /// Begins by reading what is stored.
    ///
    /// # Errors
    /// [`Misuse`].
    pub fn open(tenant: Tenant, genesis: Genesis, node: NodeId) -> Result<Self, Misuse> {
        let mut registrar = Self {
            rows: Rows::new(tenant),
            node,
            opening: Some(Opening::default()),
            chain: Chain::new(genesis).map_err(Misuse::too_long)?,
            head: None,
            checkpoint: None,
            waiting: BTreeMap::new(),
            queue: VecDeque::new(),
            unasked: 0,
            drafted: None,
            decided: BTreeMap::new(),
            memories: BTreeMap::new(),
            reads: BTreeMap::new(),
            flagged: BTreeSet::new(),
            last_ticket: Ticket(0),
            effects: VecDeque::new(),
            events: VecDeque::new(),
        };
        registrar.read_on();
        Ok(registrar)
    }

    /// Takes a member's message: a transaction, a wish for a block. Others are for members.
    ///
    /// # Errors
    /// [`Error::Busy`], [`Error::Peer`].
    pub fn on_message(&mut self, now: Time, from: &Peer, message: Message) -> Result<(), Error> {
        match message {
            Message::Submit(transaction) => {
                self.take(now, By::Member(from), *transaction).map(|_| ())
            }
            Message::Want(height) => self.on_want(from, height),
            Message::Decided { .. }
            | Message::Refused { .. }
            | Message::Concluded { .. }
            | Message::Block(_)
            | Message::Next(_) => Err(Error::Peer(WireError::Invalid)),
        }
    }

    /// Takes a transaction, or answers it if it is known. Where blocks are voted for, one that the newest state refuses is
    /// refused at once, so that no node passes on what no block may hold; an authority finds it when it drafts. A node that is
    /// behind where the transaction's window begins does not answer: it cannot know.
    ///
    /// # Errors
    /// [`Error::Busy`], [`Misuse::TooLong`].
    pub fn take(
        &mut self,
        now: Time,
        by: By<'_>,
        transaction: Transaction,
    ) -> Result<Taken, Error> {
        let digest = transaction.digest().map_err(Misuse::too_long)?;
        let peer = match by {
            By::Member(peer) => Some(peer),
            By::Own | By::Supervision => None,
        };
        if let Some(told) = self.known(peer, &digest, &transaction) {
            peer.map_or(Ok(()), |peer| self.tell(peer, told))?;
            return Ok(Taken::Known);
        }
        let is_own = matches!(by, By::Own);
        if let Some(waiting) = self.waiting.get_mut(&digest) {
            let was_asked = waiting.is_asked();
            let peer = peer.filter(|peer| !waiting.peers.contains(peer));
            if peer.is_some() && waiting.peers.len() >= Self::PEERS_MAX {
                return Err(Error::Busy);
            }
            waiting.peers.extend(peer.cloned());
            waiting.is_own |= is_own;
            self.unasked -= usize::from(waiting.is_asked() && !was_asked);
            return Ok(Taken::Known);
        }
        let is_full = match by {
            By::Supervision => self.unasked >= Self::PASSED_ON_MAX,
            By::Member(_) | By::Own => false,
        };
        if is_full || self.queue.len() >= Self::QUEUE_MAX {
            return Err(Error::Busy);
        }
        // This node has not seen yet what the transaction rests on, and others may have.
        let is_behind = self.chain.next_height() < transaction.window.from;
        if is_behind && self.chain.state().genesis().is_by_votes() {
            return Err(Error::Busy);
        }
        if let Some(why) = self.refusal(now, &transaction) {
            let told = Told::Refused { digest, why };
            peer.map_or(Ok(()), |peer| self.tell(peer, told))?;
            return Ok(Taken::Refused(why));
        }
        let peers = peer.cloned().into_iter().collect();
        let waiting = Waiting { transaction, peers, is_own };
        self.unasked += usize::from(!waiting.is_asked());
        self.waiting.insert(digest, waiting);
        self.queue.push_back(digest);
        Ok(Taken::New)
    }

    /// A ticket for an effect of the ordering's own.
    pub const fn ticket(&mut self) -> Ticket {
        self.last_ticket = self.last_ticket.next();
        self.last_ticket
    }

    /// Queues an effect of the ordering's own.
    pub fn push(&mut self, effect: Effect) {
        self.effects.push_back(effect);
    }

    /// The next thing to be done.
    #[must_use]
    pub fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// The next thing to be told.
    #[must_use]
    pub fn poll_event(&mut self) -> Option<RegistrarEvent> {
        self.events.pop_front()
    }

    /// The chain up to the newest durable block; `None` while it is still read.
    pub const fn chain(&self) -> Option<&Chain> {
        if self.opening.is_some() { None } else { Some(&self.chain) }
    }

    /// The same, for checking blocks that others propose.
    pub const fn chain_mut(&mut self) -> &mut Chain {
        &mut self.chain
    }

    /// The newest signed checkpoint of the log, if there is one.
    pub const fn checkpoint(&self) -> Option<&Note> {
        self.checkpoint.as_ref()
    }

    /// Which node this is.
    pub const fn node(&self) -> NodeId {
        self.node
    }

    /// How many transactions wait for a block.
    pub fn waiting(&self) -> usize {
        self.queue.len()
    }

    /// The oldest transactions that somebody at this node wants in a block.
    pub fn asked(&self) -> impl Iterator<Item = &Transaction> {
        let waiting = self.queue.iter().filter_map(|digest| self.waiting.get(digest));
        waiting.filter(|it| it.is_asked()).map(|it| &it.transaction)
    }

    /// The version of the head row, which a batch of an ordering's own has to require.
    pub const fn head_version(&self) -> Option<Version> {
        self.head
    }

    /// The key of the head row.
    pub fn head_key(&self) -> Key {
        self.rows.head()
    }

    /// A table of the ordering's own rows: at least [`Registrar::OWN_TABLE`].
    pub fn table(&self, table: u8) -> Key {
        self.rows.table(table)
    }

    /// Whether a read of the opening failed, and is repeated at the next tick.
    pub fn is_stuck(&self) -> bool {
        self.opening.as_ref().is_some_and(Opening::is_stuck)
    }

    /// Time passed.
    pub fn on_tick(&mut self) {
        if self.is_stuck() {
            self.read_on();
        }
    }

    /// Why the state after the newest block refuses a transaction for the next one, where that is asked at once.
    fn refusal(&mut self, now: Time, transaction: &Transaction) -> Option<Refusal> {
        if !self.chain.state().genesis().is_by_votes() {
            return None;
        }
        let time = self.chain.head().map_or(now, |head| head.header.time.max(now));
        let at = At { height: self.chain.next_height(), time };
        self.chain.judge(at, transaction).err()
    }

    fn remove(&mut self, digest: &[u8; 32]) -> Option<Waiting> {
        let waiting = self.waiting.remove(digest)?;
        self.unasked -= usize::from(!waiting.is_asked());
        Some(waiting)
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

    fn refuse(&mut self, refused: Vec<([u8; 32], Refusal)>) -> Result<(), Error> {
        for (digest, why) in refused {
            let Some(waiting) = self.remove(&digest) else { continue };
            let told = Told::Refused { digest, why };
            waiting.peers.iter().try_for_each(|peer| self.tell(peer, told))?;
        }
        let Self { queue, waiting, .. } = self;
        queue.retain(|digest| waiting.contains_key(digest));
        Ok(())
    }
}
