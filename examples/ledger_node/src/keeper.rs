//! Who keeps the chain in this node, whatever way its network orders: this is the one place that knows the ways.

use crate::config::{Config, KEY_NUMBER, SIGNING};
use crate::failure::Failure;
use crate::follower::Follower;
use crate::network::Ordering;
use crate::rows::{self, TENANT};
use crate::word::Channel;
use ledger::{
    Authority, AuthorityConfig, AuthorityEvent, Body, Chain, Error, FileId, Height, Message, Note,
    Refusal, Rejected, Status, Submitter, SubmitterConfig, SubmitterEvent, Transaction,
};
use link_tls::TlsLink;
use port::{Input, Link as _, Machine as _, Peer, Time};
use seal::SoftKeys;
use store_redb::RedbStore;

/// The chain of a node.
pub(crate) enum Keeper {
    /// It orders alone.
    Single(Box<Single>),
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
    /// A transaction of this node stands in a block.
    Decided { digest: [u8; 32], height: Height, place: u32 },
    /// A transaction of this node is refused.
    Refused { digest: [u8; 32], why: Refusal },
    /// An audit that this node asked for is over.
    Concluded { file: FileId, height: Height, outcome: Result<(), Rejected> },
}

impl Keeper {
    /// Goes on from what is stored.
    pub(crate) async fn open(config: &Config, store: &RedbStore) -> Result<Self, Failure> {
        let network = &config.network;
        let orders = network.orderers().any(|(id, _)| id == config.node);
        match network.ordering {
            Ordering::Single if orders => Ok(Self::Single(Box::new(Single::open(config)?))),
            Ordering::Single => Ok(Self::Follows(Box::new(Follows::open(config, store).await?))),
        }
    }

    /// The chain up to the newest durable block; `None` while it is still read.
    pub(crate) const fn chain(&self) -> Option<&Chain> {
        match self {
            Self::Single(single) => single.authority.chain(),
            Self::Follows(follows) => Some(follows.follower.chain()),
        }
    }

    /// The newest checkpoint, if this node makes them.
    pub(crate) const fn checkpoint(&self) -> Option<&Note> {
        match self {
            Self::Single(single) => single.authority.checkpoint(),
            Self::Follows(_) => None,
        }
    }

    /// Whether others follow this node.
    pub(crate) const fn is_orderer(&self) -> bool {
        matches!(self, Self::Single(_))
    }

    /// Takes a transaction of this node to whoever orders.
    pub(crate) fn submit(&mut self, now: Time, transaction: Transaction) -> Result<(), Error> {
        match self {
            Self::Single(single) => single.authority.submit(now, transaction),
            Self::Follows(follows) => follows.submitter.submit(now, &transaction).map(drop),
        }
    }

    /// A frame of the ledger's channel.
    pub(crate) fn on_frame(&mut self, now: Time, from: &Peer, bytes: &[u8]) -> Result<(), Failure> {
        let done = match self {
            Self::Single(single) => single.authority.handle(now, Input::Frame { from, bytes }),
            Self::Follows(follows) => follows.on_frame(now, from, bytes),
        };
        self.settle(done)
    }

    /// Somebody who orders says which block comes next.
    pub(crate) fn on_head(&mut self, now: Time, next: Height) {
        if let Self::Follows(follows) = self {
            follows.follower.on_head(now, next);
        }
    }

    pub(crate) fn on_tick(&mut self, now: Time) -> Result<(), Failure> {
        let done = match self {
            Self::Single(single) => single.authority.handle(now, Input::Tick),
            Self::Follows(follows) => {
                follows.follower.on_tick(now);
                follows.submitter.handle(now, Input::Tick)
            }
        };
        self.settle(done)
    }

    pub(crate) fn next_deadline(&self) -> Option<Time> {
        match self {
            Self::Single(single) => single.authority.next_deadline(),
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
            Self::Single(single) => single.attend(now, store, channel, keys).await,
            Self::Follows(follows) => follows.attend(now, store, channel, keys).await,
        }
    }

    /// A machine that does not know what is stored is dropped; everything else that it refuses is somebody's fault and passes.
    fn settle(&mut self, done: Result<(), Error>) -> Result<(), Failure> {
        match (done, self) {
            (Ok(()), _) => Ok(()),
            (Err(why), Self::Single(single)) => single.settle(why),
            (Err(why), Self::Follows(_)) => {
                tracing::debug!(event = "input.refused", code = why.code(), %why);
                Ok(())
            }
        }
    }
}

/// The founder, which orders alone.
pub(crate) struct Single {
    authority: Authority,
    brief: AuthorityConfig,
    /// The identity records with which the chain begins.
    founding: Vec<Transaction>,
}

impl Single {
    fn open(config: &Config) -> Result<Self, Failure> {
        let brief = AuthorityConfig {
            tenant: TENANT,
            genesis: config.network.genesis.clone(),
            node: config.node,
            key: SIGNING,
            key_number: KEY_NUMBER,
            retry_ms: config.file.pace.again_ms,
        };
        let authority = Authority::open(brief.clone()).map_err(Failure::run)?;
        Ok(Self { authority, brief, founding: config.network.founding.clone() })
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
            let drained = port::drain(&mut self.authority, now, store, &channel, keys).await;
            let drained = match drained {
                Ok(drained) => drained,
                Err(why) => {
                    self.settle(why)?;
                    continue;
                }
            };
            if let Some(why) = &drained.store_failure {
                tracing::error!(event = "store.failed", %why);
            }
            let is_quiet = drained.events.is_empty();
            for event in drained.events {
                news.extend(self.on_event(now, event)?);
            }
            if is_quiet {
                return Ok(news);
            }
        }
    }

    fn on_event(&mut self, now: Time, event: AuthorityEvent) -> Result<Option<News>, Failure> {
        Ok(match event {
            AuthorityEvent::Opened(next) => {
                tracing::info!(event = "chain.opened", next = next.0);
                let begun = usize::try_from(next.0).unwrap_or(usize::MAX);
                for record in self.founding.iter().skip(begun) {
                    self.authority.submit(now, record.clone()).map_err(Failure::run)?;
                }
                None
            }
            AuthorityEvent::Block(_) => Some(News::Block),
            AuthorityEvent::Requested(file) => Some(News::Requested(file)),
            AuthorityEvent::Overdue(file) => Some(News::Overdue(file)),
            AuthorityEvent::NotSigned => {
                tracing::error!(event = "key.failed");
                None
            }
            _ => None,
        })
    }

    fn settle(&mut self, why: Error) -> Result<(), Failure> {
        match why {
            Error::Corrupt(why) => Err(Failure::run(format!("the chain cannot be opened: {why}"))),
            Error::Fenced => {
                tracing::warn!(event = "machine.reopened");
                self.authority = Authority::open(self.brief.clone()).map_err(Failure::run)?;
                Ok(())
            }
            why => {
                tracing::debug!(event = "input.refused", code = why.code(), %why);
                Ok(())
            }
        }
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
        let orderers = config.network.orderers();
        let peers =
            orderers.map(|(_, it)| peer(it.name.as_str())).collect::<Result<Vec<_>, _>>()?;
        let brief = SubmitterConfig {
            patience_ms: pace.patience_ms,
            rest_ms: pace.rest_ms,
            audit_ms: pace.patience_ms,
            ..SubmitterConfig::default()
        };
        let submitter = Submitter::new(brief, peers.clone()).map_err(Failure::run)?;
        let genesis = &config.network.genesis;
        let follower = Follower::open(store, genesis, peers, pace.again_ms).await?;
        tracing::info!(event = "chain.opened", next = follower.chain().next_height().0);
        Ok(Self { follower, submitter, audits: config.is_supervision(), has_begun: false })
    }

    fn on_frame(&mut self, now: Time, from: &Peer, bytes: &[u8]) -> Result<(), Error> {
        match Message::parse(bytes).map_err(Error::Peer)? {
            message @ (Message::Block(_) | Message::Next(_)) => {
                self.follower.on_message(now, message);
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
        self.has_begun = true;
        for height in self.follower.apply(now, store).await? {
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

/// A node's name on links.
pub(crate) fn peer(name: &str) -> Result<Peer, Failure> {
    Peer::new(name).ok_or_else(|| Failure::usage(format!("{name:?} is no name of a node")))
}
