//! A node without blocks that begins with a snapshot: what it fetched is in a file, and is verified again when it comes up again; its
//! rows are made beside the node's own, and take their place when they are whole.

mod belief;
mod place;

use crate::chunk_file::ChunkFile;
use crate::clock;
use crate::config::Config;
use crate::control::{self, Asked, Question};
use crate::documents::commit;
use crate::failure::Failure;
use crate::fetching::{Fetching, Got};
use crate::keeper::peer;
use crate::linking;
use crate::motions::role_name;
use crate::node;
use crate::rows::{self, Table};
use crate::word::{Channel, Word};
use belief::Belief;
use bytes::Bytes;
use link_tls::Incoming;
use place::{Place, keep};
use port::{Link as _, Peer};
use serde_json::{Value, json};
use std::time::Duration;
use store_redb::RedbStore;
use tokio::sync::mpsc;

/// Takes a snapshot, where the configuration says so and there are no blocks yet. Returns whether it listened for that.
pub(crate) async fn arrive(config: &Config) -> Result<bool, Failure> {
    let mut place = Place::of(config);
    let above = match config.joins_above() {
        Some(above) if is_new(config).await? => above,
        _ => {
            place.clear()?;
            return Ok(false);
        }
    };
    place.open()?;
    let now = clock::now();
    let pace = config.file.pace;
    let fetching = Fetching::new(suppliers(config)?, above, pace.again_ms, pace.rest_ms);
    let mut arriving = Arriving { config, above, place, fetching, under_way: None };
    if arriving.resume().await? {
        return Ok(false);
    }
    let (link, mut inbox) = linking::open(config).await?;
    let socket = config.socket();
    let (to, mut questions) = mpsc::channel(8);
    let serving = tokio::spawn(control::serve(control::listen(&socket)?, to));
    node::say_ready(&config.file.name);
    if arriving.under_way.is_none() {
        arriving.fetching.want_snapshot(now);
    }
    let done = loop {
        let now = clock::now();
        let mut got = arriving.fetching.on_tick(now);
        while let Some((to, word)) = arriving.fetching.poll_send() {
            let frame = word.to_frame().map_err(Failure::run)?;
            // Who is away is passed over.
            let _ = link.send(&to, &frame).await;
        }
        let wait = arriving.fetching.next_deadline().since_ms(now).max(LEAST_MS);
        if got.is_none() {
            tokio::select! {
                incoming = inbox.recv() => match incoming {
                    Some(incoming) => got = arriving.on_incoming(&incoming),
                    None => break Err(Failure::run("the link has ended")),
                },
                Some(asked) = questions.recv() => arriving.answer(asked),
                () = tokio::time::sleep(Duration::from_millis(wait)) => {}
            }
        }
        match arriving.on_got(got).await {
            Ok(false) => {}
            Ok(true) => break Ok(true),
            Err(why) => break Err(why),
        }
    };
    serving.abort();
    let _ = std::fs::remove_file(socket);
    done
}

/// Whether nothing is stored yet that a snapshot would take the place of.
async fn is_new(config: &Config) -> Result<bool, Failure> {
    if !config.state().join(node::ROWS).exists() {
        return Ok(true);
    }
    let store = node::rows(config)?;
    for prefix in [rows::chain::head(), Table::Open.prefix(), Table::Offers.prefix()] {
        if !rows::all(&store, prefix).await?.is_empty() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Everybody who is known here: first those who do not order, and have less to do.
fn suppliers(config: &Config) -> Result<Vec<Peer>, Failure> {
    let orders = |name: &str| config.network.orderers().any(|(_, it)| it.name.as_str() == name);
    let mut names: Vec<_> = config.file.peer.iter().map(|it| it.name.as_str()).collect();
    names.sort_by_key(|name| orders(name));
    names.into_iter().map(peer).collect()
}

struct Arriving<'c> {
    config: &'c Config,
    above: u64,
    place: Place,
    fetching: Fetching,
    under_way: Option<UnderWay>,
}

/// A snapshot that is believed, as far as it was fetched.
struct UnderWay {
    belief: Belief,
    /// Who gave it, if that was in this process.
    giver: Option<Peer>,
    chunks: ChunkFile,
    store: RedbStore,
}

impl Arriving<'_> {
    /// Goes on with what an earlier process has fetched; says whether all of it was there.
    async fn resume(&mut self) -> Result<bool, Failure> {
        let Some(frame) = self.place.described() else { return Ok(false) };
        let word = frame.get(1..).and_then(|bytes| Word::parse(bytes).ok());
        let Some(Word::Snapshot { manifest, changes }) = word else { return Ok(false) };
        let network = &self.config.network;
        let Ok(belief) = Belief::new(network, self.above, &manifest, &changes) else {
            return Ok(false);
        };
        let (chunks, store) = (self.place.chunks()?, self.place.empty_rows()?);
        let mut it = UnderWay { belief, giver: None, chunks, store };
        for number in 0..it.chunks.count() {
            let chunk = it.chunks.chunk(number)?.unwrap_or_default();
            let Ok(batches) = it.belief.joining.take(&chunk) else {
                it.chunks.truncate(number)?;
                break;
            };
            for batch in batches {
                commit(&it.store, &batch).await?;
            }
        }
        let (chunks, of) = (it.chunks.count(), it.belief.joining.manifest().chunks());
        tracing::info!(event = "snapshot.resumed", chunks, of);
        self.under_way = Some(it);
        self.go_on().await
    }

    /// What came of asking; says whether that is all.
    async fn on_got(&mut self, mut got: Option<Got>) -> Result<bool, Failure> {
        while let Some(some) = got.take() {
            let now = clock::now();
            match some {
                Got::Snapshot { manifest, changes } => match self.begin(manifest, changes) {
                    Ok(Ok(())) => return self.go_on().await,
                    Ok(Err(why)) => got = self.refuse("snapshot.refused", &why),
                    Err(why) => return Err(why),
                },
                Got::Chunk(chunk) => {
                    let Some(it) = &mut self.under_way else { return Ok(false) };
                    match it.belief.joining.take(&chunk) {
                        Ok(batches) => {
                            it.chunks.push(&chunk)?;
                            for batch in batches {
                                commit(&it.store, &batch).await?;
                            }
                            return self.go_on().await;
                        }
                        Err(why) => {
                            let why = format!("{why} ({})", why.code());
                            got = self.refuse("chunk.refused", &why);
                        }
                    }
                }
                Got::Gone => {
                    // What was fetched is of use again if somebody else stands at the same block.
                    tracing::warn!(event = "snapshot.gone");
                    self.fetching.want_snapshot(now);
                }
                Got::Nobody { is_short } => {
                    match is_short {
                        true => tracing::info!(event = "snapshot.not_needed"),
                        false => tracing::warn!(event = "snapshot.nobody_has_one"),
                    }
                    self.place.clear()?;
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    fn refuse(&mut self, what: &str, why: &str) -> Option<Got> {
        let from = self.fetching.supplier().map(Peer::as_str);
        tracing::warn!(event = what, from, why);
        self.fetching.refuse(clock::now())
    }

    /// Begins with a snapshot, if it is to be believed.
    fn begin(&mut self, manifest: Bytes, changes: Bytes) -> Result<Result<(), String>, Failure> {
        let network = &self.config.network;
        let belief = match Belief::new(network, self.above, &manifest, &changes) {
            Ok(belief) => belief,
            Err(why) => return Ok(Err(why)),
        };
        if self.under_way.as_ref().is_some_and(|it| it.belief.name() == belief.name()) {
            return Ok(Ok(()));
        }
        let frame = Word::Snapshot { manifest, changes }.to_frame().map_err(Failure::run)?;
        self.under_way = None;
        let (chunks, store) = (self.place.describe(&frame)?, self.place.empty_rows()?);
        let of = belief.joining.manifest();
        tracing::info!(
            event = "snapshot.begun",
            height = of.header.header.height.0,
            of = of.chunks()
        );
        let giver = self.fetching.supplier().cloned();
        self.under_way = Some(UnderWay { belief, giver, chunks, store });
        Ok(Ok(()))
    }

    /// Asks for the next chunk, or is done.
    async fn go_on(&mut self) -> Result<bool, Failure> {
        let Some(it) = &self.under_way else { return Ok(false) };
        if let Some(number) = it.belief.joining.wants() {
            self.fetching.want_chunk(clock::now(), it.belief.name(), number);
            return Ok(false);
        }
        let Some(UnderWay { belief, giver, store, .. }) = self.under_way.take() else {
            return Ok(false);
        };
        match belief.finish(&self.config.network) {
            Ok((chain, changes, last)) => {
                keep(&store, &chain, &changes, &last).await?;
                drop(store);
                self.place.take()?;
                let height = chain.head().map(|head| head.header.height.0);
                tracing::info!(event = "snapshot.taken", height);
                Ok(true)
            }
            Err(why) => {
                // All chunks were right, and what they make is not: whoever gave the manifest has left something out.
                self.place.clear()?;
                self.place.open()?;
                let now = clock::now();
                let from = giver.as_ref().map(Peer::as_str);
                tracing::warn!(event = "snapshot.refused", from, why);
                if let Some(giver) = &giver {
                    self.fetching.rest(now, giver);
                }
                self.fetching.want_snapshot(now);
                Ok(false)
            }
        }
    }

    fn on_incoming(&mut self, incoming: &Incoming) -> Option<Got> {
        let now = clock::now();
        let frame = match incoming {
            Incoming::Frame(frame) => frame,
            Incoming::Connected(peer) => {
                self.fetching.on_connected(now, peer);
                return None;
            }
            _ => return None,
        };
        let (channel, rest) = frame.bytes().split_first()?;
        if *channel != Channel::WORDS {
            return None;
        }
        self.fetching.on_word(now, frame.from(), Word::parse(rest).ok()?)
    }

    fn answer(&self, asked: Asked) {
        let name = &self.config.file.name;
        let answer = match asked.question {
            Question::Status => Ok(self.status()),
            _ => Err(format!("{name} takes a snapshot of the chain first; ask again")),
        };
        // Who asked may have gone meanwhile.
        let _ = asked.reply.send(answer);
    }

    fn status(&self) -> Value {
        let it = self.under_way.as_ref();
        let of = it.map(|it| it.belief.joining.manifest());
        json!({
            "node": self.config.file.name,
            "role": role_name(self.config.role),
            "state": "takes a snapshot",
            "snapshot_height": of.map(|of| of.header.header.height.0),
            "chunks": it.map(|it| it.chunks.count()),
            "of": of.map(|of| of.chunks()),
            "from": self.fetching.supplier().map(Peer::as_str),
        })
    }
}

const LEAST_MS: u64 = 5;
