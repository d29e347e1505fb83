//! The desk of a member: takes users' transactions, keeps them until their outcome is known, gives documents to who may read them.

mod building;
mod drafts;
mod offer;

use crate::auditor;
use crate::config::{Config, NodeKeys};
use crate::control::Reply;
use crate::documents::{self, commit};
use crate::failure::Failure;
use crate::hex;
use crate::keeper::{Keeper, News, peer};
use crate::look;
use crate::rows::{self, Table};
use crate::say;
use crate::word::Word;
use bytes::Bytes;
use drafts::{Draft, Drafts};
use ledger::{Body, Chain, FileId, Message, NodeId, SealedDocument, Signer, Status, Transaction};
use offer::{Offer, Share, sides, stands};
use port::{Batch, Expect, Key, Peer, Time};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use store_redb::RedbStore;
use tokio::sync::mpsc;

/// The users' side of one member.
pub(crate) struct Member {
    node: NodeId,
    store: Arc<RedbStore>,
    again_ms: u64,
    drafts: Drafts,
    /// Stored, and without an outcome; whether it is a request for registration.
    open: BTreeMap<[u8; 32], bool>,
    /// Stored, and to be submitted.
    ready: VecDeque<Transaction>,
    /// Outcomes that are not stored yet.
    outcomes: Vec<([u8; 32], Message)>,
    /// The newest outcomes: who asks at once may come before they are stored.
    recent: VecDeque<([u8; 32], Message)>,
    /// Own offers that the other side does not have yet.
    offered: BTreeMap<[u8; 32], Transaction>,
    /// Documents that were asked for.
    wanted: BTreeSet<[u8; 32]>,
    due: Time,
    sends: VecDeque<(Peer, Word)>,
    stored: mpsc::UnboundedSender<Stored>,
}

/// What is stored now, and who waits for it.
pub(crate) struct Stored {
    transaction: Transaction,
    way: Way,
    reply: Option<Reply>,
    done: Result<(), String>,
}

/// What a transaction is for, once its users have signed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// For the chain.
    Chain,
    /// For the other side of a transfer.
    Offer,
}

impl Member {
    pub(crate) async fn open(
        config: &Config,
        store: Arc<RedbStore>,
        stored: mpsc::UnboundedSender<Stored>,
    ) -> Result<Self, Failure> {
        let mut member = Self {
            node: config.node()?,
            again_ms: config.file.pace.again_ms,
            drafts: Drafts::default(),
            open: BTreeMap::new(),
            ready: VecDeque::new(),
            outcomes: Vec::new(),
            recent: VecDeque::new(),
            offered: BTreeMap::new(),
            wanted: BTreeSet::new(),
            due: Time::EPOCH,
            sends: VecDeque::new(),
            stored,
            store,
        };
        let damaged = || Failure::run("a stored transaction is damaged");
        for (_, row) in rows::all(&*member.store, Table::Open.prefix()).await? {
            let transaction = Transaction::parse(&row.value).map_err(|_| damaged())?;
            member.remember(&transaction)?;
            member.ready.push_back(transaction);
        }
        for (_, row) in rows::all(&*member.store, Table::Offers.prefix()).await? {
            let offer = Offer::parse(&row.value).ok_or_else(damaged)?;
            if offer.is_own && !offer.is_kept {
                member.offered.insert(digest(&offer.transaction)?, offer.transaction);
            }
        }
        Ok(member)
    }

    /// Takes a transaction that its users have signed: stores it, and answers when it is stored.
    pub(crate) fn submit(&mut self, keys: &NodeKeys, chain: &Chain, text: &str, reply: Reply) {
        match self.signed(keys, text) {
            Ok((transaction, way, rows)) => {
                let share = match (&transaction.body, way) {
                    (body, Way::Offer) => sides(chain.state(), body)
                        .and_then(|it| Share::of(chain, keys, self.node, it)),
                    _ => None,
                };
                self.store(share, transaction, way, rows, Some(reply));
            }
            Err(why) => {
                // Who asked may have gone meanwhile.
                let _ = reply.send(Err(why));
            }
        }
    }

    fn signed(
        &mut self,
        keys: &NodeKeys,
        text: &str,
    ) -> Result<(Transaction, Way, Vec<(Key, Bytes)>), String> {
        let read = hex::all(text).and_then(|bytes| Transaction::parse(&bytes).ok());
        let transaction = read.ok_or("this is no transaction")?;
        let digest = digest(&transaction).map_err(|why| why.to_string())?;
        let draft = self.drafts.remove(&digest);
        let Draft { way, rows, .. } = draft
            .ok_or("this member has not built that transaction, or too long ago; begin again")?;
        let is_own = acts(&transaction.body, self.node);
        let own = Signer::Node(self.node);
        let transaction = match is_own {
            true => transaction.sign(own, keys.number, &keys.signing),
            false => Ok(transaction),
        };
        Ok((transaction.map_err(|why| why.to_string())?, way, rows))
    }

    /// Stores a transaction beside this loop, so that many share one sync.
    fn store(
        &self,
        share: Option<Share>,
        transaction: Transaction,
        way: Way,
        rows: Vec<(Key, Bytes)>,
        reply: Option<Reply>,
    ) {
        let (store, stored) = (Arc::clone(&self.store), self.stored.clone());
        tokio::spawn(async move {
            let done = store_all(&store, &transaction, way, rows, share).await;
            let done = done.map_err(|why| why.to_string());
            // A node that stops needs no news.
            let _ = stored.send(Stored { transaction, way, reply, done });
        });
    }

    /// A transaction is durable: it goes to whoever orders, or to the other member.
    pub(crate) fn on_stored(&mut self, chain: &Chain, stored: Stored) -> Result<(), Failure> {
        let Stored { transaction, way, reply, done } = stored;
        let digest = digest(&transaction)?;
        let answer = match done {
            Err(why) => Err(why),
            Ok(()) => {
                match way {
                    Way::Chain => {
                        // One that was refused for a signature comes again with another, under the same name.
                        self.recent.retain(|(other, _)| *other != digest);
                        self.remember(&transaction)?;
                        self.ready.push_back(transaction.clone());
                        self.pass_on(chain, &transaction)?;
                    }
                    // Both sides may have the same member.
                    Way::Offer
                        if sides(chain.state(), &transaction.body)
                            .is_some_and(|it| it.to.member == self.node) => {}
                    Way::Offer => {
                        self.offered.insert(digest, transaction.clone());
                        self.due = Time::EPOCH;
                    }
                }
                Ok(json!({ "digest": hex::text(&digest), "is_offer": way == Way::Offer }))
            }
        };
        if let Some(reply) = reply {
            let _ = reply.send(answer);
        }
        Ok(())
    }

    /// What became of transactions.
    pub(crate) fn on_news(&mut self, news: &News) {
        let (digest, message) = match *news {
            News::Decided { digest, height, place } => {
                if self.open.get(&digest).copied().unwrap_or(true) {
                    // Its audit goes on.
                    return;
                }
                (digest, Message::Decided { digest, height, place })
            }
            News::Refused { digest, why } => (digest, Message::Refused { digest, why }),
            News::Concluded { file, height, outcome } => {
                (file.0, Message::Concluded { file, height, outcome })
            }
            _ => return,
        };
        if self.open.remove(&digest).is_some() {
            self.outcomes.push((digest, message.clone()));
            self.recent.push_back((digest, message));
            if self.recent.len() > RECENT_MAX {
                self.recent.pop_front();
            }
        }
    }

    /// Submits what is ready, keeps outcomes, and says again what was not answered.
    pub(crate) async fn on_tick(&mut self, now: Time, keeper: &mut Keeper) -> Result<(), Failure> {
        while let Some(transaction) = self.ready.pop_front() {
            if let Err(code) = keeper.submit(now, transaction.clone()) {
                tracing::debug!(event = "submission.waits", code);
                self.ready.push_front(transaction);
                break;
            }
        }
        self.keep_outcomes();
        let Some(chain) = keeper.chain() else { return Ok(()) };
        if now >= self.due {
            self.due = now.plus_ms(self.again_ms);
            let mut over = Vec::new();
            for (digest, offer) in &self.offered {
                match stands(chain, offer) {
                    Some(to) => {
                        self.sends.push_back((peer(to)?, Word::Offer(Box::new(offer.clone()))));
                    }
                    None => over.push(*digest),
                }
            }
            over.iter().for_each(|digest| {
                self.offered.remove(digest);
            });
        }
        Ok(())
    }

    fn keep_outcomes(&mut self) {
        if self.outcomes.is_empty() {
            return;
        }
        let (store, outcomes) = (Arc::clone(&self.store), std::mem::take(&mut self.outcomes));
        tokio::spawn(async move {
            for some in outcomes.chunks(40) {
                // What is lost here is asked for again after a stop.
                if let Err(why) = keep_some(&store, some).await {
                    tracing::error!(event = "outcome.not_stored", %why);
                }
            }
        });
    }

    /// What became of a transaction, as far as this node can show it.
    pub(crate) async fn outcome(&self, chain: &Chain, text: &str) -> Result<Value, String> {
        let digest = say::digest(text).ok_or("a transaction has 64 digits")?;
        let file = FileId(digest);
        if let Some(found) = chain.state().file(file) {
            let mut shown = json!({
                "file": text,
                "state": say::stage(found.stage()),
                "height": found.since.0,
                "is_over": found.status != Status::Auditing,
            });
            if let Status::Rejected(why) = found.status {
                let mut reasons = look::reasons(&*self.store, chain, file)
                    .await
                    .map_err(|why| why.to_string())?;
                if reasons.is_empty() {
                    reasons.push(say::rejected(why).into());
                }
                shown["why"] = reasons.join(", ").into();
            }
            return Ok(shown);
        }
        if self.open.contains_key(&digest) {
            return Ok(json!({ "state": "submitted", "is_over": false }));
        }
        let recent = self.recent.iter().find(|(other, _)| *other == digest);
        let message = match recent {
            Some((_, message)) => Some(message.clone()),
            None => {
                let row = rows::one(&*self.store, row(Table::Done, &digest)?).await;
                let row = row.map_err(|why| why.to_string())?;
                row.and_then(|row| Message::parse(&row.value).ok())
            }
        };
        match message {
            Some(Message::Decided { height, place, .. }) if height < chain.next_height() => Ok(
                json!({ "state": "decided", "height": height.0, "place": place, "is_over": true }),
            ),
            Some(Message::Refused { why, .. }) => Ok(say::refused(why)),
            // It was on the chain then, and is not any more.
            Some(Message::Concluded { height, outcome, .. }) if height < chain.next_height() => {
                Ok(json!({
                    "state": "purged",
                    "is_over": true,
                    "height": height.0,
                    "was": outcome.map_or_else(say::rejected, |()| "registered"),
                }))
            }
            None => Err(format!("no transaction {text} was submitted here")),
            _ => Ok(json!({ "state": "submitted", "is_over": false })),
        }
    }

    /// A document's owner wants that nobody reads it any more: what this node holds of it goes, the key before the rest.
    pub(crate) async fn erase(&self, id: FileId, sealed: &[u8; 32]) -> Result<(), Failure> {
        if documents::erase(&*self.store, sealed).await? {
            tracing::info!(event = "document.erased", file = %id);
        }
        Ok(())
    }

    /// A document that this node may read.
    pub(crate) async fn document(
        &self,
        chain: &Chain,
        keys: &NodeKeys,
        id: FileId,
    ) -> Result<Option<Value>, String> {
        let Some(file) = chain.state().file(id) else { return Ok(None) };
        if let Some(height) = file.erased {
            return Err(format!("the document was erased in block {height}"));
        }
        let found = documents::load(&*self.store, &file.sealed).await;
        let Some(kept) = found.map_err(|why| why.to_string())? else { return Ok(None) };
        let document = keys.sealing.open(&kept.sealed, chain.id(), &file.commitment, self.node);
        let document = document.map_err(|why| format!("the document cannot be opened: {why}"))?;
        Ok(Some(auditor::shown(&document)))
    }

    /// A word of another node.
    pub(crate) async fn on_word(
        &mut self,
        chain: &Chain,
        from: &Peer,
        word: Word,
    ) -> Result<(), Failure> {
        match word {
            Word::WantDocument(digest) => {
                let reader = chain.state().node_named(from.as_str()).map(|(id, _)| id);
                let found = documents::load(&*self.store, &digest).await?;
                let answer = match found {
                    Some(kept) if kept.sealed.readers().any(|id| Some(id) == reader) => {
                        Word::Document(kept.bytes)
                    }
                    _ => Word::NoDocument(digest),
                };
                self.sends.push_back((from.clone(), answer));
            }
            Word::Document(bytes) => {
                let is_wanted = |digest: &[u8; 32]| {
                    let mut files = chain.state().files();
                    !files.any(|(_, file)| file.sealed == *digest && file.erased.is_some())
                };
                if let Ok(sealed) = SealedDocument::parse(&bytes)
                    && self.wanted.remove(&sealed.digest())
                    && is_wanted(&sealed.digest())
                {
                    documents::keep(&*self.store, &sealed.digest(), &sealed).await?;
                }
            }
            Word::Offer(transaction) => self.on_offer(chain, from, *transaction).await?,
            Word::OfferKept(digest) => {
                if let Some(transaction) = self.offered.remove(&digest) {
                    let offer = Offer { is_own: true, is_kept: true, transaction };
                    offer.keep(&self.store).await?;
                }
            }
            Word::Accepted(transaction) => {
                let digest = digest(&transaction)?;
                let row = rows::one(&*self.store, Table::Offers.row(&digest)?).await?;
                let own = row.and_then(|row| Offer::parse(&row.value)).filter(|it| it.is_own);
                // Nobody else has it from whoever accepted.
                let other = own.and_then(|it| sides(chain.state(), &it.transaction.body));
                let other = other.and_then(|it| chain.state().node(it.to.member));
                let is_theirs = other.is_some_and(|it| it.name.as_str() == from.as_str());
                if is_theirs && !self.open.contains_key(&digest) {
                    self.store(None, *transaction, Way::Chain, Vec::new(), None);
                }
            }
            _ => {}
        }
        Ok(())
    }

    pub(crate) fn next_deadline(&self) -> Option<Time> {
        (!self.offered.is_empty() || !self.ready.is_empty()).then_some(self.due)
    }

    pub(crate) fn poll_send(&mut self) -> Option<(Peer, Word)> {
        self.sends.pop_front()
    }

    /// How many transactions wait for their outcome.
    pub(crate) fn waiting(&self) -> usize {
        self.open.len()
    }

    fn remember(&mut self, transaction: &Transaction) -> Result<(), Failure> {
        let is_request = matches!(transaction.body, Body::Register(_));
        self.open.insert(digest(transaction)?, is_request);
        Ok(())
    }
}

async fn store_all(
    store: &RedbStore,
    transaction: &Transaction,
    way: Way,
    rows: Vec<(Key, Bytes)>,
    share: Option<Share>,
) -> Result<(), Failure> {
    let rows = documents::keep_most(store, rows).await?;
    for _ in 0..TRIES {
        let mut batch = Batch::with_capacity(rows.len() + 4);
        for (key, value) in &rows {
            batch.put(key.clone(), Expect::Any, value.clone());
        }
        match way {
            Way::Chain => {
                let bytes = transaction.to_bytes().map_err(Failure::run)?;
                let digest = digest(transaction)?;
                batch.put(Table::Open.row(&digest)?, Expect::Any, bytes);
                batch.delete(Table::Done.row(&digest)?, Expect::Any);
            }
            Way::Offer => {
                let transaction = transaction.clone();
                let (key, value) = Offer { is_own: true, is_kept: false, transaction }.to_row()?;
                batch.put(key, Expect::Any, value);
            }
        }
        if let Some(share) = &share {
            share.add(store, &mut batch).await?;
        }
        if documents::applied(store, &batch).await? {
            return Ok(());
        }
    }
    Err(Failure::run("a document was changed at the same time again and again; ask again"))
}

async fn keep_some(store: &RedbStore, outcomes: &[([u8; 32], Message)]) -> Result<(), Failure> {
    let mut batch = Batch::with_capacity(outcomes.len() * 2);
    for (digest, message) in outcomes {
        let frame = message.to_frame().map_err(Failure::run)?;
        batch.put(Table::Done.row(digest)?, Expect::Any, frame);
        batch.delete(Table::Open.row(digest)?, Expect::Any);
    }
    commit(store, &batch).await
}

/// Whether a node's own signature belongs to a transaction.
fn acts(body: &Body, node: NodeId) -> bool {
    match body {
        Body::Associate(it) => it.through.member == node,
        Body::RotateParty(it) => it.through.member == node,
        Body::Register(it) => it.owner.member == node,
        Body::EndLease(it) | Body::ReleaseLien(it) => it.by.member == node,
        Body::Erase(it) | Body::Retire(it) => it.by.member == node,
        Body::Transfer(it) => it.member == node || it.to.member == node,
        Body::PlaceLien(it) => it.member == node || it.holder.member == node,
        Body::Lease(it) => it.member == node || it.lessee.member == node,
        _ => false,
    }
}

fn row(table: Table, name: &[u8]) -> Result<Key, String> {
    table.row(name).map_err(|why| why.to_string())
}

fn digest(transaction: &Transaction) -> Result<[u8; 32], Failure> {
    transaction.digest().map_err(Failure::run)
}

const RECENT_MAX: usize = 1_024;
/// Somebody else changes a document at most so often while one transaction is stored.
const TRIES: usize = 8;
