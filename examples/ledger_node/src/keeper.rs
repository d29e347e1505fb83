//! Who keeps the chain in this node: whoever orders, or who follows.

use crate::config::Config;
use crate::failure::Failure;
use crate::follower::Follower;
use crate::network::Ordering;
use crate::order::{Brief, Event, Order};
use crate::rows;
use crate::word::Channel;
use ledger::{
    Body, Chain, Error, FileId, Height, Message, NodeId, Note, Refusal, Rejected, Status,
    Submitter, SubmitterConfig, SubmitterEvent, Transaction,
};
use link_tls::TlsLink;
use order_malachite::Error as OrderError;
use port::{Input, Link as _, Machine as _, Peer, Time};
use seal::SoftKeys;
use store_redb::RedbStore;

/// The chain of a node.
pub(crate) enum Keeper {
    /// It orders, alone or with others.
    Orders(Box<Orders>),
    /// Others order; it follows, and submits to them.
    Follows(Box<Follows>),
}

/// What is new.
#[derive(Debug)]
pub(crate) enum News {
    /// A block is durable here.
    Block,
    /// A file is to be audited.
    Requested(FileId),
    /// A new owner has not registered in time.
    Overdue(FileId),
    /// A file's document is to be erased; its digest.
    Erased(FileId, [u8; 32]),
    /// A transaction of this node stands in a block.
    Decided { digest: [u8; 32], height: Height, place: u32 },
    /// A transaction of this node is refused.
    Refused { digest: [u8; 32], why: Refusal },
    /// An audit that this node asked for is over.
    Concluded { file: FileId, height: Height, outcome: Result<(), Rejected> },
}

impl Keeper {
    /// Goes on from what is stored.
    pub(crate) async fn open(
        config: &Config,
        key_number: u16,
        store: &RedbStore,
    ) -> Result<Self, Failure> {
        Ok(match config.orders() {
            true => Self::Orders(Box::new(Orders::open(config, key_number)?)),
            false => Self::Follows(Box::new(Follows::open(config, store).await?)),
        })
    }

    /// The chain up to the newest durable block; `None` while it is still read.
    pub(crate) const fn chain(&self) -> Option<&Chain> {
        match self {
            Self::Orders(orders) => orders.machine.chain(),
            Self::Follows(follows) => Some(follows.follower.chain()),
        }
    }

    /// The newest checkpoint, if this node makes them.
    pub(crate) const fn checkpoint(&self) -> Option<&Note> {
        match self {
            Self::Orders(orders) => orders.machine.checkpoint(),
            Self::Follows(_) => None,
        }
    }

    /// Whether others follow this node.
    pub(crate) const fn is_orderer(&self) -> bool {
        matches!(self, Self::Orders(_))
    }

    /// Takes a transaction of this node to whoever orders; the number says why it is not taken now.
    pub(crate) fn submit(&mut self, now: Time, transaction: Transaction) -> Result<(), u32> {
        match self {
            Self::Orders(orders) => {
                orders.machine.submit(now, transaction).map_err(|why| why.code())
            }
            Self::Follows(follows) => {
                let done = follows.submitter.submit(now, &transaction);
                done.map(drop).map_err(|why| why.code())
            }
        }
    }

    /// The node signs with another one of its keys from now on.
    pub(crate) fn rekey(&mut self, number: u16) -> Result<(), Failure> {
        match self {
            Self::Orders(orders) => orders.machine.rekey(number),
            Self::Follows(_) => Ok(()),
        }
    }

    /// A frame of the ledger's channel.
    pub(crate) fn on_frame(&mut self, now: Time, from: &Peer, bytes: &[u8]) -> Result<(), Failure> {
        match self {
            Self::Orders(orders) => orders.on_frame(now, from, bytes),
            Self::Follows(follows) => {
                let done = follows.on_frame(now, from, bytes);
                pass(done);
                Ok(())
            }
        }
    }

    /// Somebody who orders says which block comes next.
    pub(crate) fn on_head(&mut self, now: Time, from: &Peer, next: Height) {
        if let Self::Follows(follows) = self {
            follows.follower.on_head(now, from, next);
        }
    }

    pub(crate) fn on_tick(&mut self, now: Time) -> Result<(), Failure> {
        match self {
            Self::Orders(orders) => orders.handle(now, Input::Tick),
            Self::Follows(follows) => {
                follows.follower.on_tick(now);
                pass(follows.submitter.handle(now, Input::Tick));
                Ok(())
            }
        }
    }

    pub(crate) fn next_deadline(&self) -> Option<Time> {
        match self {
            Self::Orders(orders) => orders.machine.next_deadline(),
            Self::Follows(follows) => {
                let asks = follows.follower.next_deadline();
                Some(follows.submitter.next_deadline().map_or(asks, |submits| submits.min(asks)))
            }
        }
    }

    /// Carries out what is due; what it returns is durable.
    pub(crate) async fn attend(
        &mut self,
        now: Time,
        store: &RedbStore,
        link: &TlsLink,
        keys: &SoftKeys,
    ) -> Result<Vec<News>, Failure> {
        let channel = Channel { link, number: Channel::LEDGER };
        match self {
            Self::Orders(orders) => orders.attend(now, store, channel, keys).await,
            Self::Follows(follows) => follows.attend(now, store, channel, keys).await,
        }
    }
}

/// A node that orders.
pub(crate) struct Orders {
    machine: Order,
    /// The identity records with which the chain begins.
    founding: Vec<Transaction>,
}

impl Orders {
    fn open(config: &Config, key_number: u16) -> Result<Self, Failure> {
        let machine = Order::open(Brief::of(config, key_number)?)?;
        Ok(Self { machine, founding: config.network.founding.clone() })
    }

    fn on_frame(&mut self, now: Time, from: &Peer, bytes: &[u8]) -> Result<(), Failure> {
        // Each founding record has its height: nothing comes between them.
        let is_founding = self.founding_at(self.machine.chain().map(Chain::next_height)).is_some();
        if is_founding && matches!(Message::parse(bytes), Ok(Message::Submit(_))) {
            return Ok(());
        }
        self.handle(now, Input::Frame { from, bytes })
    }

    fn handle(&mut self, now: Time, input: Input<'_>) -> Result<(), Failure> {
        let done = self.machine.handle(now, input);
        self.settle(done)
    }

    async fn attend(
        &mut self,
        now: Time,
        store: &RedbStore,
        channel: Channel<'_>,
        keys: &SoftKeys,
    ) -> Result<Vec<News>, Failure> {
        let mut news = Vec::new();
        loop {
            let mut events = match self.machine.drain(now, store, channel, keys).await {
                Ok(events) => events,
                Err(why) => {
                    self.settle(Err(why))?;
                    continue;
                }
            };
            if events.is_empty() {
                return Ok(news);
            }
            for event in events.drain(..) {
                news.extend(self.on_event(now, event));
            }
        }
    }

    fn on_event(&mut self, now: Time, event: Event) -> Option<News> {
        match event {
            Event::Opened(next) => {
                tracing::info!(event = "chain.opened", next = next.0);
                self.found(now, next);
                None
            }
            Event::Block(height) => {
                self.found(now, height.next());
                Some(News::Block)
            }
            Event::Requested(file) => Some(News::Requested(file)),
            Event::Overdue(file) => Some(News::Overdue(file)),
            Event::NotSigned => {
                tracing::error!(event = "key.failed");
                None
            }
            Event::Misconduct(node) => {
                tracing::error!(event = "validator.lies", node = node.0.0);
                None
            }
        }
    }

    /// Submits the founding record of a height, if it has one. Every node that orders does; it is taken once.
    fn found(&mut self, now: Time, next: Height) {
        if let Some(record) = self.founding_at(Some(next)).cloned()
            && let Err(why) = self.machine.submit(now, record)
        {
            tracing::warn!(event = "founding.waits", code = why.code(), %why);
        }
    }

    fn founding_at(&self, next: Option<Height>) -> Option<&Transaction> {
        self.founding.get(usize::try_from(next?.0).ok()?)
    }

    /// A machine that does not know what is stored is dropped; everything else that it refuses is somebody's fault and passes.
    fn settle(&mut self, done: Result<(), OrderError>) -> Result<(), Failure> {
        let Err(why) = done else { return Ok(()) };
        if let OrderError::Ledger(Error::Corrupt(why)) = why {
            return Err(Failure::run(format!("the chain cannot be opened: {why}")));
        }
        if why.is_final() {
            tracing::warn!(event = "machine.reopened", code = why.code(), %why);
            return self.machine.reopen();
        }
        tracing::debug!(event = "input.refused", code = why.code(), %why);
        Ok(())
    }
}

fn pass(done: Result<(), Error>) {
    if let Err(why) = done {
        tracing::debug!(event = "input.refused", code = why.code(), %why);
    }
}

/// A node that follows.
pub(crate) struct Follows {
    follower: Follower,
    submitter: Submitter,
    /// Whether it audits, and so has to know of requests.
    audits: bool,
    /// Whether it was told of those that were stored.
    has_begun: bool,
}

impl Follows {
    async fn open(config: &Config, store: &RedbStore) -> Result<Self, Failure> {
        let pace = config.file.pace;
        let brief = SubmitterConfig {
            patience_ms: pace.patience_ms,
            rest_ms: pace.rest_ms,
            audit_ms: pace.patience_ms,
            ..SubmitterConfig::default()
        };
        let genesis = &config.network.genesis;
        let mut follower = Follower::open(store, genesis, [], pace.again_ms).await?;
        let peers = orderers_now(config, follower.chain())?;
        follower.ask_from(peers.clone());
        let submitter = Submitter::new(brief, peers).map_err(Failure::run)?;
        tracing::info!(event = "chain.opened", next = follower.chain().next_height().0);
        Ok(Self { follower, submitter, audits: config.is_supervision(), has_begun: false })
    }

    fn on_frame(&mut self, now: Time, from: &Peer, bytes: &[u8]) -> Result<(), Error> {
        match Message::parse(bytes).map_err(Error::Peer)? {
            message @ (Message::Block(_) | Message::Next(_)) => {
                self.follower.on_message(now, from, message);
                Ok(())
            }
            _ => self.submitter.handle(now, Input::Frame { from, bytes }),
        }
    }

    async fn attend(
        &mut self,
        now: Time,
        store: &RedbStore,
        channel: Channel<'_>,
        keys: &SoftKeys,
    ) -> Result<Vec<News>, Failure> {
        let mut news = Vec::new();
        if self.audits && !self.has_begun {
            let files = self.follower.chain().state().files();
            let open = files.filter(|(_, file)| file.status == Status::Auditing);
            news.extend(open.map(|(id, _)| News::Requested(id)));
        }
        if !self.has_begun {
            // A stop may have come between the block and this.
            let files = self.follower.chain().state().files();
            let erased = files.filter(|(_, file)| file.erased.is_some());
            news.extend(erased.map(|(id, file)| News::Erased(id, file.sealed)));
        }
        self.has_begun = true;
        let applied = self.follower.apply(now, store).await?;
        news.extend(applied.erased.into_iter().map(|(id, sealed)| News::Erased(id, sealed)));
        for height in applied.heights {
            news.push(News::Block);
            if self.audits {
                let block = rows::block(store, height).await?;
                let requests = block.transactions.iter();
                let requests = requests.filter(|it| matches!(it.body, Body::Register(_)));
                news.extend(requests.filter_map(|it| it.file().ok()?).map(News::Requested));
            }
        }
        while let Some((to, message)) = self.follower.poll_send() {
            let frame = message.to_frame().map_err(Failure::run)?;
            // Who is away is asked again.
            let _ = channel.send(&to, &frame).await;
        }
        match port::drain(&mut self.submitter, now, store, &channel, keys).await {
            Ok(drained) => {
                news.extend(drained.events.into_iter().filter_map(|event| match event {
                    SubmitterEvent::Decided { digest, height, place } => {
                        Some(News::Decided { digest, height, place })
                    }
                    SubmitterEvent::Refused { digest, why } => Some(News::Refused { digest, why }),
                    SubmitterEvent::Concluded { file, height, outcome } => {
                        Some(News::Concluded { file, height, outcome })
                    }
                    _ => None,
                }))
            }
            Err(why) => tracing::debug!(event = "input.refused", code = why.code(), %why),
        }
        Ok(news)
    }
}

/// Who orders by now: first ones may have left, and others may have come that this node can reach.
fn orderers_now(config: &Config, chain: &Chain) -> Result<Vec<Peer>, Failure> {
    let (state, next) = (chain.state(), chain.next_height());
    let stays = |id: NodeId| state.node(id).is_none_or(|node| node.is_active(next));
    let first = config.network.orderers().filter(|(id, _)| stays(*id));
    let mut names: Vec<_> = first.map(|(_, it)| it.name.as_str()).collect();
    if config.network.ordering == Ordering::Bft {
        let named = chain.validators(next).into_iter().filter_map(|id| state.node(id));
        let is_near = |name: &str| config.file.peer.iter().any(|it| it.name == name);
        for name in named.map(|node| node.name.as_str()).filter(|name| is_near(name)) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
    }
    names.into_iter().map(peer).collect()
}

/// A node's name on links.
pub(crate) fn peer(name: &str) -> Result<Peer, Failure> {
    Peer::new(name).ok_or_else(|| Failure::usage(format!("{name:?} is no name of a node")))
}
