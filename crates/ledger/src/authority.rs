//! The ordering of a chain by one node: takes transactions, makes blocks, answers.

mod ordering;

use crate::registrar::{By, Registrar, RegistrarEvent};
use crate::{Chain, Error, FileId, Genesis, Height, Message, Misuse, NodeId, Note, Transaction};
use alloc::collections::VecDeque;
use ordering::Work;
use port::{Clamp, Effect, Input, KeyId, Machine, Tenant, Time};

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
    registrar: Registrar,
    clamp: Clamp,
    work: Option<Work>,
    /// Not earlier, after the key holder failed.
    sign_at: Time,
    fenced: bool,
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

impl Authority {
    /// Transactions that wait at one time.
    pub const QUEUE_MAX: usize = Registrar::QUEUE_MAX;

    /// Begins by reading what is stored.
    ///
    /// # Errors
    /// [`Misuse::Bounds`] for a configuration that cannot work, or a chain that is ordered by votes.
    pub fn open(config: AuthorityConfig) -> Result<Self, Misuse> {
        if config.retry_ms == 0 || config.genesis.is_by_votes() {
            return Err(Misuse::Bounds);
        }
        Ok(Self {
            registrar: Registrar::open(config.tenant, config.genesis.clone(), config.node)?,
            config,
            clamp: Clamp::new(),
            work: None,
            sign_at: Time::EPOCH,
            fenced: false,
            events: VecDeque::new(),
        })
    }

    /// Takes a transaction of this node's own: the founder's identity record, an auditor's verdict.
    ///
    /// # Errors
    /// [`Error::Busy`], [`Error::Fenced`].
    pub fn submit(&mut self, now: Time, transaction: Transaction) -> Result<(), Error> {
        if self.fenced {
            return Err(Error::Fenced);
        }
        if self.registrar.chain().is_none() {
            return Err(Error::Busy);
        }
        let now = self.clamp.see(now);
        self.registrar.take(now, By::Own, transaction)?;
        self.pump(now)
    }

    /// The chain up to the newest durable block; `None` while it is still read.
    pub const fn chain(&self) -> Option<&Chain> {
        self.registrar.chain()
    }

    /// The newest signed checkpoint of the log.
    pub const fn checkpoint(&self) -> Option<&Note> {
        self.registrar.checkpoint()
    }

    /// How many transactions wait for a block, besides those of the block that is made.
    pub fn waiting(&self) -> usize {
        self.registrar.waiting() - self.work.as_ref().map_or(0, Work::candidates)
    }

    /// Begins a block if none is under way, or asks again for signatures that were not given.
    fn pump(&mut self, now: Time) -> Result<(), Error> {
        if self.registrar.chain().is_none() || self.fenced {
            return Ok(());
        }
        let is_due = |work: &mut Work| work.is_unsigned() && now >= self.sign_at;
        match self.work.take_if(is_due) {
            Some(Work::Unsigned(draft)) => self.ask(draft),
            _ if self.work.is_none() => self.begin(now)?,
            _ => {}
        }
        Ok(())
    }

    fn on_rows(&mut self, ticket: port::Ticket, rows: Option<port::Rows>) -> Result<(), Error> {
        let was_opening = self.registrar.chain().is_none();
        // What is stored cannot be used: nothing may be built on it.
        let taken = self
            .registrar
            .on_rows(ticket, rows)
            .inspect_err(|_| self.fenced = self.fenced || was_opening)?;
        if taken { Ok(()) } else { Err(Misuse::NotAsked.into()) }
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
            Input::Frame { .. } if self.registrar.chain().is_none() => return Err(Error::Busy),
            Input::Frame { from, bytes } => Message::parse(bytes)
                .map_err(Error::Peer)
                .and_then(|message| self.registrar.on_message(now, from, message)),
            Input::Rows { ticket, rows } => self.on_rows(ticket, rows),
            Input::Keys { ticket, answers } => self.on_keys(now, ticket, answers),
            Input::Committed { ticket, fate } => self.on_committed(ticket, fate),
            Input::Tick => {
                self.registrar.on_tick();
                Ok(())
            }
            _ => Err(Misuse::NotAsked.into()),
        };
        // What one input could not do is no reason to hold up the others.
        self.pump(now)?;
        done
    }

    fn poll_effect(&mut self) -> Option<Effect> {
        self.registrar.poll_effect()
    }

    fn poll_event(&mut self) -> Option<AuthorityEvent> {
        if let Some(event) = self.registrar.poll_event() {
            return Some(event.into());
        }
        self.events.pop_front()
    }

    fn next_deadline(&self) -> Option<Time> {
        if self.registrar.is_stuck() {
            return Some(self.clamp.last());
        }
        self.work.as_ref().filter(|work| work.is_unsigned()).map(|_| self.sign_at)
    }
}

impl From<RegistrarEvent> for AuthorityEvent {
    fn from(event: RegistrarEvent) -> Self {
        match event {
            RegistrarEvent::Opened(height) => Self::Opened(height),
            RegistrarEvent::Block(height) => Self::Block(height),
            RegistrarEvent::Requested(file) => Self::Requested(file),
            RegistrarEvent::Overdue(file) => Self::Overdue(file),
        }
    }
}
