//! The machine of one supervision node among several that order together.

mod cosigning;
mod hearing;
mod opening;
mod session;
mod speaking;
mod syncing;

use crate::{Error, Misconduct};
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;
use bytes::Bytes;
use ledger::{
    By, Chain, FileId, Genesis, Height, Message, Misuse, NodeId, Note, Registrar, RegistrarEvent,
    Transaction, VoteSignature,
};
use opening::Reading;
use port::{Clamp, Effect, Input, KeyId, Machine, Peer, Tenant, Ticket, Time, Version};
use session::Session;
use speaking::Work;
use syncing::Sync;

/// A supervision node that orders blocks together with others: Tendermint, by the rules of the Malachite core crates.
///
/// It owns the rows of its tenant: a second instance conflicts, and both learn it by an error that [`Error::is_final`]; then
/// drop this one and [`Validator::open`] another. Members talk to it as to a [`ledger::Authority`], by [`Message`]; validators
/// among each other also by [`crate::Frame`]. Peers are called by their nodes' names on the chain.
///
/// - What this node says in a round, and what then binds it, is durable before anybody hears it; a decision, the state it leads
///   to and the end of its round are one batch. Whatever is stopped anywhere says nothing else when it comes up.
/// - A node that is not or no longer among the validators follows: it verifies every block by its votes.
/// - Who signs two things that contradict each other is told by [`ValidatorEvent::Misconduct`], and the proof is kept.
#[derive(Debug)]
pub struct Validator {
    config: ValidatorConfig,
    registrar: Registrar,
    clamp: Clamp,
    reading: Reading,
    /// What goes on at the next height; `None` until everything stored was read.
    session: Option<Session>,
    /// Of the row with this node's word.
    word: Option<Version>,
    /// Blocks that are stored beside it.
    blocks: BTreeSet<[u8; 32]>,
    /// One proof for each node; `Some` as long as it is not durable.
    misconduct: BTreeMap<NodeId, Option<Misconduct>>,
    peers: Vec<Peer>,
    /// Frames about the height after the next one.
    early: VecDeque<(Peer, Bytes)>,
    /// Frames with transactions that rest on a block that is not here yet.
    early_transactions: VecDeque<(Peer, Bytes)>,
    work: Option<Work>,
    /// The checkpoint that is being signed.
    noting: Option<(Ticket, Height)>,
    /// Who has signed the newest one.
    cosigned: BTreeMap<NodeId, VoteSignature>,
    /// Who was told this node's signature again, since the last time everything was said again.
    cosign_told: BTreeSet<Peer>,
    /// Not earlier, after the key holder failed.
    sign_at: Time,
    resend_at: Time,
    sync: Sync,
    fenced: bool,
    events: VecDeque<ValidatorEvent>,
}

/// What a [`Validator`] is and how it works. Times in milliseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValidatorConfig {
    /// Whose rows it owns.
    pub tenant: Tenant,
    /// What the chain started from: by votes.
    pub genesis: Genesis,
    /// Which supervision node this is.
    pub node: NodeId,
    /// Its signing key at the key holder.
    pub key: KeyId,
    /// The number of that key on the chain.
    pub key_number: u16,
    /// Whom to ask for blocks besides the supervision nodes that the chain names; a late joiner knows nobody else. Not itself.
    pub seeds: Vec<Peer>,
    /// How long a proposal is waited for in the first round of a height.
    pub propose_ms: u64,
    /// How long votes are waited for that could still agree, in the first round.
    pub vote_ms: u64,
    /// By how much both grow with each round.
    pub step_ms: u64,
    /// Where they stop growing.
    pub wait_max_ms: u64,
    /// How often is said again what others may not have heard; also how long a key holder that failed is left alone.
    pub resend_ms: u64,
    /// How far ahead of this node's clock a new block's time may be.
    pub ahead_ms: u64,
}

impl ValidatorConfig {
    /// A node of a chain, by the first of its keys, with times for links of up to a hundred milliseconds: a second for proposals,
    /// half a second for votes, a quarter more with each round up to ten seconds, everything again each half second, clocks that
    /// differ by ten seconds.
    pub const fn new(tenant: Tenant, genesis: Genesis, node: NodeId, key: KeyId) -> Self {
        Self {
            tenant,
            genesis,
            node,
            key,
            key_number: 1,
            seeds: Vec::new(),
            propose_ms: 1_000,
            vote_ms: 500,
            step_ms: 250,
            wait_max_ms: 10_000,
            resend_ms: 500,
            ahead_ms: 10_000,
        }
    }

    fn can_work(&self) -> bool {
        let times = [self.propose_ms, self.vote_ms, self.wait_max_ms, self.resend_ms];
        self.genesis.is_by_votes() && self.seeds.len() <= 64 && !times.contains(&0)
    }
}

/// What a [`Validator`] tells.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ValidatorEvent {
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
    /// A validator spoke with two tongues; the first proof for each node is kept.
    Misconduct(Box<Misconduct>),
}

impl Validator {
    /// How many rounds ahead a node listens: of its own, or of the one that others have come to who cannot all lie.
    pub const ROUNDS_AHEAD: u32 = 10;

    /// Frames of one peer about the next height but one that wait at one time.
    const EARLY_MAX: usize = 16;

    /// The same of transactions of one supervision node, and of those of all members together.
    const EARLY_TRANSACTIONS_MAX: usize = 1_024;

    /// So many blocks a node may be behind whoever hands a transaction over.
    const BEHIND_MAX: u64 = 4;

    /// Begins by reading what is stored.
    ///
    /// # Errors
    /// [`Misuse::Bounds`] for a configuration that cannot work, or a chain that is not ordered by votes.
    pub fn open(config: ValidatorConfig) -> Result<Self, Misuse> {
        if !config.can_work() {
            return Err(Misuse::Bounds);
        }
        Ok(Self {
            registrar: Registrar::open(config.tenant, config.genesis.clone(), config.node)?,
            config,
            clamp: Clamp::new(),
            reading: Reading::Chain,
            session: None,
            word: None,
            blocks: BTreeSet::new(),
            misconduct: BTreeMap::new(),
            peers: Vec::new(),
            early: VecDeque::new(),
            early_transactions: VecDeque::new(),
            work: None,
            noting: None,
            cosigned: BTreeMap::new(),
            cosign_told: BTreeSet::new(),
            sign_at: Time::EPOCH,
            resend_at: Time::EPOCH,
            sync: Sync::default(),
            fenced: false,
            events: VecDeque::new(),
        })
    }

    /// Takes a transaction of this node's own: the founder's identity record, an auditor's verdict.
    ///
    /// # Errors
    /// [`ledger::Error::Busy`], [`ledger::Error::Fenced`].
    pub fn submit(&mut self, now: Time, transaction: Transaction) -> Result<(), Error> {
        if self.fenced {
            return Err(ledger::Error::Fenced.into());
        }
        if self.session.is_none() {
            return Err(ledger::Error::Busy.into());
        }
        let now = self.clamp.see(now);
        let done = self.take(now, By::Own, transaction);
        self.pump(now)?;
        done
    }

    /// The chain up to the newest durable block; `None` while it is still read.
    pub const fn chain(&self) -> Option<&Chain> {
        if self.session.is_some() { self.registrar.chain() } else { None }
    }

    /// The newest checkpoint of the log with those signatures of validators that have come so far; `None` before the first.
    pub const fn checkpoint(&self) -> Option<&Note> {
        self.registrar.checkpoint()
    }

    /// How many transactions wait for a block.
    pub fn waiting(&self) -> usize {
        self.registrar.waiting()
    }

    /// The supervision nodes that decide the next block, in the order in which they joined.
    pub fn validators(&self) -> &[NodeId] {
        self.session.as_ref().map_or(&[], |session| &session.validators)
    }

    /// The round that goes on at the next height; `None` if none does.
    pub fn round(&self) -> Option<u32> {
        self.session.as_ref().filter(|it| it.is_started).and_then(Session::round)
    }

    pub(super) fn on_frame(&mut self, now: Time, from: &Peer, bytes: &[u8]) -> Result<(), Error> {
        if crate::Frame::is_one(bytes) {
            return self.hear(now, from, bytes);
        }
        match Message::parse(bytes)? {
            Message::Submit(transaction) if self.is_early(&transaction) => {
                self.keep_transaction(from, bytes)
            }
            Message::Submit(transaction) => self.take(now, By::Member(from), *transaction),
            Message::Block(block) => self.on_block(from, *block),
            Message::Next(height) => self.on_next(now, from, height),
            message => Ok(self.registrar.on_message(now, from, message)?),
        }
    }

    /// Whatever can go on now does.
    fn pump(&mut self, now: Time) -> Result<(), Error> {
        if self.fenced || self.session.is_none() {
            return Ok(());
        }
        let done = self.go_on(now);
        if done.is_err_and(|why| why.is_final()) {
            self.fenced = true;
        }
        done
    }

    fn go_on(&mut self, now: Time) -> Result<(), Error> {
        self.on_timers(now)?;
        if self.registrar.waiting() > 0 {
            self.start(now)?;
        }
        self.want_value(now)?;
        let synced = self.take_synced(now);
        self.speak(now)?;
        self.say_again(now)?;
        synced
    }
}

impl Machine for Validator {
    type Event = ValidatorEvent;
    type Error = Error;

    fn handle(&mut self, now: Time, input: Input<'_>) -> Result<(), Error> {
        if self.fenced {
            return Err(ledger::Error::Fenced.into());
        }
        let now = self.clamp.see(now);
        let done = match input {
            Input::Frame { .. } if self.session.is_none() => {
                return Err(ledger::Error::Busy.into());
            }
            Input::Frame { from, bytes } => self.on_frame(now, from, bytes),
            Input::Rows { ticket, rows } => self.on_rows(now, ticket, rows),
            Input::Keys { ticket, answers } => self.on_keys(now, ticket, answers),
            Input::Committed { ticket, fate } => self.on_committed(now, ticket, fate),
            Input::Tick => {
                self.registrar.on_tick();
                self.read_again()
            }
            _ => Err(Misuse::NotAsked.into()),
        };
        if done.is_err_and(|why| why.is_final()) {
            self.fenced = true;
            return done;
        }
        // What one input could not do is no reason to hold up the others.
        self.pump(now)?;
        done
    }

    fn poll_effect(&mut self) -> Option<Effect> {
        self.registrar.poll_effect()
    }

    fn poll_event(&mut self) -> Option<ValidatorEvent> {
        // The chain was read, and this node's own rows are still to be read.
        self.session.as_ref()?;
        if let Some(event) = self.registrar.poll_event() {
            return Some(event.into());
        }
        self.events.pop_front()
    }

    fn next_deadline(&self) -> Option<Time> {
        if self.registrar.is_stuck() || matches!(self.reading, Reading::Stuck) {
            return Some(self.clamp.last());
        }
        let session = self.session.as_ref()?;
        let timers = session.timers.iter().map(|(at, _)| *at);
        // What waits for a commit is said again right after it.
        let resend = self.work.is_none().then_some(self.resend_at);
        let signs = self.work.is_none() && !session.unsigned.is_empty();
        timers.chain(resend).chain(signs.then_some(self.sign_at)).min()
    }
}

impl From<RegistrarEvent> for ValidatorEvent {
    fn from(event: RegistrarEvent) -> Self {
        match event {
            RegistrarEvent::Opened(height) => Self::Opened(height),
            RegistrarEvent::Block(height) => Self::Block(height),
            RegistrarEvent::Requested(file) => Self::Requested(file),
            RegistrarEvent::Overdue(file) => Self::Overdue(file),
        }
    }
}
