//! A running node: its chain and its desk between link, store, keys and whoever asks.

mod questions;
mod rewrap;
mod rotation;

pub(crate) use questions::NOT_YET;

use crate::arriving;
use crate::auditor::Auditor;
use crate::base::Base;
use crate::checkpoints::Checkpoints;
use crate::clock;
use crate::config::{Config, NodeKeys};
use crate::control::{self, Asked};
use crate::failure::Failure;
use crate::joining;
use crate::keeper::{Keeper, News, peer};
use crate::linking;
use crate::member::{Member, Stored};
use crate::motions::Motions;
use crate::network::Network;
use crate::offering::Offering;
use crate::vouchers::Vouchers;
use crate::word::{Channel, Word};
use ledger::{Chain, Height, NodeId, Note};
use link_tls::{Frame, Inbox, Incoming, TlsLink};
use port::{Link as _, Peer, Time};
use rewrap::Rewrap;
use rotation::Rotation;
use std::fs::DirBuilder;
use std::io::Write as _;
use std::os::unix::fs::DirBuilderExt as _;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use store_redb::{Options as StoreOptions, RedbStore};
use tokio::sync::mpsc;

/// Runs a node until SIGINT or SIGTERM; with `with_parent`, also until standard input ends.
pub(crate) fn run(path: &Path, json: bool, with_parent: bool) -> Result<(), Failure> {
    let config = Config::load(path)?;
    let socket = config.socket();
    let log = tracing_subscriber::fmt().with_writer(std::io::stderr).with_max_level(LEVEL);
    // A second subscriber in one process is no reason not to serve.
    let _ = if json { log.json().try_init() } else { log.with_target(false).try_init() };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(Failure::run)?;
    let done = runtime.block_on(async {
        tokio::select! {
            ended = lives(path, config) => ended,
            () = signal() => Ok(()),
            () = parent_ends(), if with_parent => Ok(()),
        }
    });
    runtime.shutdown_timeout(CLOSING);
    // A second process that was started by mistake leaves the first one's where it is.
    if UnixStream::connect(&socket).is_err() {
        let _ = std::fs::remove_file(socket);
    }
    done
}

/// What a node is, one after the other: who asks to join, a node, the same with another configuration.
async fn lives(path: &Path, mut config: Config) -> Result<(), Failure> {
    let mut is_first = !arriving::arrive(&config).await?;
    if !config.has_joined() {
        joining::join(&config, is_first).await?;
        config = Config::load(path)?;
        is_first = false;
    }
    loop {
        let (node, to) = opened(&config, is_first).await?;
        let serving = tokio::spawn(control::serve(control::listen(&config.socket())?, to));
        if is_first {
            say_ready(&config.file.name);
        }
        is_first = false;
        let ended = node.run().await;
        serving.abort();
        match ended? {
            Ended::Closed => return Ok(()),
            Ended::Reload => match Config::load(path) {
                Ok(next) => {
                    tracing::info!(event = "node.reloads");
                    config = next;
                }
                // It goes on as it was.
                Err(why) => tracing::error!(event = "configuration.refused", %why),
            },
        }
    }
}

/// Opens a node; where it was one before, rows and port are free a moment later.
async fn opened(config: &Config, is_first: bool) -> Result<(Node, mpsc::Sender<Asked>), Failure> {
    let until = Instant::now() + CLOSING;
    loop {
        match Node::open(config).await {
            Err(why) if !is_first && Instant::now() < until => {
                tracing::debug!(event = "node.waits", %why);
                tokio::time::sleep(PAUSE).await;
            }
            opened => return opened,
        }
    }
}

/// For people and for scripts that wait; logs go to standard error.
pub(crate) fn say_ready(name: &str) {
    let _ = writeln!(std::io::stdout(), "ready: {name}");
}

/// The rows of a node; its folder is made.
pub(crate) fn rows(config: &Config) -> Result<RedbStore, Failure> {
    folder(&config.state())?;
    // One that orders takes blocks by itself, and leaves nothing out of what it stores.
    let (rows, joining) = (config.state().join(ROWS), config.state().join("joining"));
    let rows = if config.has_joined() {
        let _ = std::fs::remove_dir_all(joining);
        rows
    } else if config.orders() {
        joining
    } else {
        rows
    };
    let store = RedbStore::open(&rows, StoreOptions::new().create(true));
    store.map_err(|why| Failure::file(&rows, why))
}

/// Why a node ends.
enum Ended {
    /// Its link did.
    Closed,
    /// Somebody wants it to read its configuration again.
    Reload,
}

/// A node with everything around it.
struct Node {
    /// Which one it is on the chain.
    id: NodeId,
    name: String,
    keys: NodeKeys,
    store: Arc<RedbStore>,
    link: TlsLink,
    inbox: Inbox,
    peers: Vec<Peer>,
    keeper: Keeper,
    desk: Desk,
    questions: mpsc::Receiver<Asked>,
    stored: mpsc::UnboundedReceiver<Stored>,
    network: Network,
    rotation: Rotation,
    rewrap: Rewrap,
    checkpoints: Checkpoints,
    offering: Offering,
    /// If it joined by a snapshot.
    base: Option<Base>,
    reloads: bool,
}

/// What a node does beside keeping the chain.
enum Desk {
    Member(Box<Member>),
    Supervision(Box<Auditor>, Box<Motions>),
}

impl Node {
    async fn open(config: &Config) -> Result<(Self, mpsc::Sender<Asked>), Failure> {
        let keys = config.keys()?;
        let store = Arc::new(rows(config)?);
        let again_ms = config.file.pace.again_ms;
        let keeper = Keeper::open(config, keys.number, &store).await?;
        let rotation = Rotation::open(config, &keys)?;
        let (told, stored) = mpsc::unbounded_channel();
        let desk = match config.is_supervision() {
            true => {
                let motions = Motions::open(config.node()?, again_ms, &*store).await?;
                let auditor = Auditor::open(config, &*store).await?;
                Desk::Supervision(Box::new(auditor), Box::new(motions))
            }
            false => Desk::Member(Box::new(Member::open(config, Arc::clone(&store), told).await?)),
        };
        let (link, inbox) = linking::open(config).await?;
        let (to, questions) = mpsc::channel(QUESTIONS_MAX);
        let peers = config.file.peer.iter().map(|it| peer(&it.name));
        let base = Base::load(&*store, config.network.ordering).await?;
        let node = Self {
            id: config.node()?,
            name: config.file.name.clone(),
            keys,
            store,
            link,
            inbox,
            peers: peers.collect::<Result<_, _>>()?,
            keeper,
            desk,
            questions,
            stored,
            rotation,
            rewrap: Rewrap::new(config.node()?, config.sealing()),
            checkpoints: Checkpoints::new(config.network.genesis.origin()),
            network: config.network.clone(),
            offering: Offering::open(config),
            base,
            reloads: false,
        };
        Ok((node, to))
    }

    async fn run(mut self) -> Result<Ended, Failure> {
        loop {
            self.attend().await?;
            if self.reloads {
                return Ok(Ended::Reload);
            }
            let deadline = [
                self.keeper.next_deadline(),
                self.desk.next_deadline(),
                self.rotation.next_deadline(),
                self.offering.next_deadline(clock::now()),
                self.rewrap.is_under_way().then_some(Time::EPOCH),
            ];
            let wait = deadline.into_iter().flatten().min().map_or(IDLE, |at| {
                Duration::from_millis(at.since_ms(clock::now()).max(LEAST_MS)).min(IDLE)
            });
            tokio::select! {
                incoming = self.inbox.recv() => {
                    let Some(incoming) = incoming else { return Ok(Ended::Closed) };
                    self.on_incoming(incoming).await?;
                    // What came together goes into one block.
                    for _ in 0..TOGETHER {
                        let Some(incoming) = self.inbox.try_recv() else { break };
                        self.on_incoming(incoming).await?;
                    }
                }
                Some(stored) = self.stored.recv() => self.on_stored(stored)?,
                Some(asked) = self.questions.recv() => {
                    self.on_question(asked).await;
                    for _ in 0..TOGETHER {
                        let Ok(asked) = self.questions.try_recv() else { break };
                        self.on_question(asked).await;
                    }
                }
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// Carries out what chain and desk want, until both are quiet.
    async fn attend(&mut self) -> Result<(), Failure> {
        loop {
            let now = clock::now();
            match &mut self.desk {
                Desk::Member(member) => member.on_tick(now, &mut self.keeper).await?,
                Desk::Supervision(auditor, motions) => {
                    auditor.on_tick(now, &mut self.keeper, &self.keys);
                    motions.on_tick(now, &*self.store, &mut self.keeper).await?;
                }
            }
            self.offering.on_tick(now, &*self.store, self.keeper.chain()).await;
            self.rotation.on_tick(now, &mut self.keeper, &mut self.keys)?;
            if let Some(chain) = self.keeper.chain() {
                let (store, base) = (&*self.store, self.base.as_ref());
                self.rewrap.on_tick(store, chain, base, &mut self.keys).await;
            }
            while let Some((to, word)) = self.desk.poll_send() {
                self.send(&to, &word).await;
            }
            self.keeper.on_tick(now)?;
            let news = self.keeper.attend(now, &self.store, &self.link, &self.keys.soft).await?;
            if news.is_empty() {
                return Ok(());
            }
            let has_blocks = news.iter().any(|news| matches!(news, News::Block));
            for news in news {
                self.on_news(news).await?;
            }
            if has_blocks && self.keeper.is_orderer() {
                let head = self.head();
                for to in self.peers.clone() {
                    self.send(&to, &head).await;
                }
            }
        }
    }

    async fn on_news(&mut self, news: News) -> Result<(), Failure> {
        match (&news, &mut self.desk) {
            (News::Requested(file), Desk::Supervision(auditor, _)) => {
                if let Some(chain) = self.keeper.chain() {
                    let (store, base) = (&*self.store, self.base.as_ref());
                    auditor.on_request(clock::now(), chain, store, base, *file).await?;
                }
            }
            (News::Overdue(file), _) => {
                tracing::warn!(event = "file.overdue", file = %file);
            }
            (News::Erased(file, sealed), Desk::Member(member)) => {
                member.erase(*file, sealed).await?;
            }
            (news, Desk::Member(member)) => member.on_news(news),
            _ => {}
        }
        Ok(())
    }

    async fn on_incoming(&mut self, incoming: Incoming) -> Result<(), Failure> {
        match incoming {
            Incoming::Frame(frame) => return self.on_frame(&frame).await,
            Incoming::Connected(peer) => {
                tracing::info!(event = "peer.connected", %peer);
                if self.keeper.is_orderer() {
                    let head = self.head();
                    self.send(&peer, &head).await;
                }
            }
            Incoming::Disconnected { peer, why } => {
                tracing::info!(event = "peer.gone", %peer, %why);
            }
            Incoming::Failed { peer, why } => {
                let peer = peer.as_ref().map_or("somebody", Peer::as_str);
                tracing::debug!(event = "peer.refused", peer, code = why.code(), %why);
            }
            _ => {}
        }
        Ok(())
    }

    async fn on_frame(&mut self, frame: &Frame) -> Result<(), Failure> {
        let now = clock::now();
        let from = frame.from();
        match frame.bytes().split_first() {
            Some((&Channel::LEDGER, rest)) => self.keeper.on_frame(now, from, rest),
            Some((&Channel::WORDS, rest)) => match Word::parse(rest) {
                Ok(word) => self.on_word(from, word).await,
                Err(why) => {
                    tracing::debug!(event = "word.refused", %from, %why);
                    Ok(())
                }
            },
            _ => Ok(()),
        }
    }

    async fn on_word(&mut self, from: &Peer, word: Word) -> Result<(), Failure> {
        let now = clock::now();
        match word {
            Word::Head { next, checkpoint } => {
                self.keeper.on_head(now, from, next);
                if let Some(note) = checkpoint {
                    self.take_checkpoint(&note);
                }
                return Ok(());
            }
            Word::WantHead => {
                if self.keeper.is_orderer() {
                    let head = self.head();
                    self.send(from, &head).await;
                }
                return Ok(());
            }
            Word::WantSnapshot { above } => {
                let (chain, network) = (self.keeper.chain(), &self.network);
                let offer = self.offering.on_want(now, &*self.store, chain, network, above).await;
                if let Some(offer) = offer {
                    self.send(from, &offer).await;
                }
                return Ok(());
            }
            Word::WantChunk { snapshot, number } => {
                let chunk = self.offering.on_want_chunk(now, snapshot, number);
                self.send(from, &chunk).await;
                return Ok(());
            }
            _ => {}
        }
        let Some(chain) = self.keeper.chain() else { return Ok(()) };
        match (&mut self.desk, word) {
            (Desk::Supervision(auditor, _), Word::Document(bytes)) => {
                auditor.on_document(now, chain, &self.keys, &bytes);
                Ok(())
            }
            (Desk::Supervision(_, motions), Word::Motion(motion)) => {
                motions.on_motion(chain, &*self.store, from, *motion).await
            }
            (Desk::Member(member), word) => member.on_word(chain, from, word).await,
            (Desk::Supervision(..), _) => Ok(()),
        }
    }

    fn on_stored(&mut self, stored: Stored) -> Result<(), Failure> {
        match (&mut self.desk, self.keeper.chain()) {
            (Desk::Member(member), Some(chain)) => member.on_stored(chain, stored),
            _ => Ok(()),
        }
    }

    /// Keeps a checkpoint, if one of those has signed it who vouch for blocks now.
    fn take_checkpoint(&mut self, note: &Note) {
        if let Some(chain) = self.keeper.chain() {
            let height = chain.head().map_or(Height(0), |head| head.header.height);
            self.checkpoints.believe(Vouchers::of(&self.network, chain).keys(height));
            self.checkpoints.take(note);
        }
    }

    fn head(&self) -> Word {
        let next = self.keeper.chain().map_or(Height(0), Chain::next_height);
        let checkpoint = self.keeper.checkpoint().cloned().map(Box::new);
        Word::Head { next, checkpoint }
    }

    /// A peer that is away gets nothing; whatever matters is said again.
    async fn send(&self, to: &Peer, word: &Word) {
        match word.to_frame() {
            Ok(frame) => {
                let _ = self.link.send(to, &frame).await;
            }
            Err(why) => tracing::error!(event = "word.too_long", %to, %why),
        }
    }
}

impl Desk {
    fn next_deadline(&self) -> Option<Time> {
        match self {
            Self::Member(member) => member.next_deadline(),
            Self::Supervision(auditor, motions) => {
                [auditor.next_deadline(), motions.next_deadline()].into_iter().flatten().min()
            }
        }
    }

    fn poll_send(&mut self) -> Option<(Peer, Word)> {
        match self {
            Self::Member(member) => member.poll_send(),
            Self::Supervision(auditor, motions) => {
                auditor.poll_send().or_else(|| motions.poll_send())
            }
        }
    }
}

/// A folder for the node's user alone.
pub(crate) fn folder(path: &Path) -> Result<(), Failure> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|why| Failure::file(path, why))
}

async fn signal() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = terminate.recv() => {}
        },
        Err(_) => {
            let _ = tokio::signal::ctrl_c().await;
        }
    }
}

/// Standard input ends when the process at its other end does, however that ends.
async fn parent_ends() {
    use tokio::io::AsyncReadExt as _;
    let mut byte = [0];
    while matches!(tokio::io::stdin().read(&mut byte).await, Ok(1)) {}
}

/// The rows of a node, in its state.
pub(crate) const ROWS: &str = "rows";
const LEVEL: tracing::Level = tracing::Level::INFO;
const IDLE: Duration = Duration::from_secs(60);
/// A deadline that has passed is no reason to spin.
const LEAST_MS: u64 = 5;
const CLOSING: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(20);
const QUESTIONS_MAX: usize = 256;
/// So much is taken from a queue before the next block is begun.
const TOGETHER: usize = 512;
