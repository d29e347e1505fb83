//! The desk of a member: builds transactions from users' instructions, keeps them until their outcome is known, exchanges offers.

use crate::config::{Config, KEY_NUMBER, NodeKeys};
use crate::control::{Payment, Reply, Wish};
use crate::documents::{self, commit};
use crate::failure::Failure;
use crate::hex;
use crate::keeper::{Keeper, News, peer};
use crate::look;
use crate::rows::{self, Table};
use crate::say;
use crate::word::Word;
use crate::{auditor, clock};
use base64ct::{Base64, Encoding as _};
use bytes::Bytes;
use ledger::{
    Agreed, Associate, Body, Chain, ChainId, Document, EndClaim, FileId, Label, LienTerms, Message,
    NodeId, OnFile, PartyId, PartyKind, Register, Role, SealedDocument, SealingKey, Settlement,
    Signer, Status, Through, Transaction, Transfer, Window,
};
use port::wire::{Reader, Writer};
use port::{Batch, Expect, Key, Peer, Time, WireError};
use seal::{Secret, VerifyingKey};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use store_redb::RedbStore;
use tokio::sync::mpsc;

/// The users' side of one member.
pub(crate) struct Member {
    node: NodeId,
    store: Arc<RedbStore>,
    again_ms: u64,
    /// Built, and not handed back yet: forgotten when there are too many.
    built: BTreeMap<[u8; 32], Built>,
    order: VecDeque<[u8; 32]>,
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

/// A transaction that its users have not signed yet.
struct Built {
    transaction: Transaction,
    way: Way,
    /// Rows that are stored with it.
    rows: Vec<(Key, Bytes)>,
}

impl Member {
    pub(crate) async fn open(
        config: &Config,
        store: Arc<RedbStore>,
        stored: mpsc::UnboundedSender<Stored>,
    ) -> Result<Self, Failure> {
        let mut member = Self {
            node: config.node,
            again_ms: config.file.pace.again_ms,
            built: BTreeMap::new(),
            order: VecDeque::new(),
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

    /// Builds what a user wants, for the user to sign.
    pub(crate) async fn build(
        &mut self,
        now: Time,
        chain: &Chain,
        keys: &NodeKeys,
        wish: Wish,
    ) -> Result<Value, String> {
        let built = self.built(now, chain, keys, wish).await?;
        let digest = digest(&built.transaction).map_err(|why| why.to_string())?;
        let bytes = built.transaction.to_bytes().map_err(|why| why.to_string())?;
        if self.built.insert(digest, built).is_none() {
            self.order.push_back(digest);
        }
        while self.order.len() > BUILT_MAX {
            if let Some(oldest) = self.order.pop_front() {
                self.built.remove(&oldest);
            }
        }
        Ok(json!({ "digest": hex::text(&digest), "transaction": hex::text(&bytes) }))
    }

    async fn built(
        &self,
        now: Time,
        chain: &Chain,
        keys: &NodeKeys,
        wish: Wish,
    ) -> Result<Built, String> {
        let own = |party: PartyId| Through { party, member: self.node };
        let mut rows = Vec::new();
        let mut way = Way::Chain;
        let body = match wish {
            Wish::Associate { name, key, is_intermediary } => {
                let key = public(&key)?;
                let party = PartyId::of(&key);
                if chain.state().party(party).is_some() {
                    return Err(format!("{name} is known to the chain already"));
                }
                let kind =
                    if is_intermediary { PartyKind::Intermediary } else { PartyKind::Individual };
                rows.push((row(Table::Parties, &party.0)?, name.into_bytes().into()));
                let through = own(party);
                Body::Associate(Associate {
                    through,
                    kind,
                    key: Some(key),
                    leaves: None,
                    sequence: 0,
                })
            }
            Wish::Register { owner, thing, kind, region, media_type, document } => {
                let owner = say::party(&owner)?;
                let words = say::thing(&thing)?;
                let bytes = Base64::decode_vec(&document).map_err(|_| "the document is damaged")?;
                let entropy = || clock::entropy::<32>().map_err(|why| why.to_string());
                let document = Document::new(&media_type, bytes, entropy()?)
                    .map_err(|why| format!("the document: {why}"))?;
                let readers = readers(chain, self.node);
                let sealed =
                    SealedDocument::seal(chain.id(), &document, &readers, &Secret::new(entropy()?))
                        .map_err(|why| format!("the document cannot be sealed: {why}"))?;
                let instruction = clock::entropy::<16>().map_err(|why| why.to_string())?;
                rows.extend(
                    documents::rows_of(&sealed.digest(), &sealed).map_err(|why| why.to_string())?,
                );
                rows.push((
                    row(Table::Instructions, &instruction)?,
                    instruction_row(now, owner, &thing).map_err(|why| why.to_string())?,
                ));
                Body::Register(Register {
                    instruction,
                    thing: words.key(),
                    kind: label("type", &kind)?,
                    region: label("region", &region)?,
                    owner: own(owner),
                    commitment: document.commitment(),
                    sealed: sealed.digest(),
                    predecessor: follows(chain, words.key(), owner),
                })
            }
            Wish::Offer { owner, thing, to, settlement } => {
                way = Way::Offer;
                let (on, to) = offered(chain, &owner, &thing, &to)?;
                let settlement =
                    settlement.map(|payment| settlement_of(chain, &payment)).transpose()?;
                Body::Transfer(Transfer { on, member: self.node, to, settlement })
            }
            Wish::Lien { owner, thing, to, reference } => {
                way = Way::Offer;
                let (on, to) = offered(chain, &owner, &thing, &to)?;
                let reference = Sha256::digest(reference.as_bytes()).into();
                Body::PlaceLien(LienTerms { on, member: self.node, holder: to, reference })
            }
            Wish::Release { party, thing } => {
                let holder = say::party(&party)?;
                let (file, on) = live(chain, &thing)?;
                let liens = chain.state().file(file).map(|file| &file.liens);
                let lien = liens.into_iter().flatten().find(|lien| lien.holder == holder);
                let lien = lien.ok_or_else(|| format!("{thing} is not your security"))?;
                Body::ReleaseLien(EndClaim { on, claim: lien.id, by: own(holder) })
            }
            Wish::Accept { party, offer } => {
                let party = say::party(&party)?;
                let digest = say::digest(&offer).ok_or("an offer has 64 digits")?;
                let row = rows::one(&*self.store, row(Table::Offers, &digest)?).await;
                let row = row.map_err(|why| why.to_string())?;
                let kept = row.and_then(|row| Offer::parse(&row.value));
                let kept = kept.ok_or_else(|| format!("there is no offer {offer} here"))?;
                return match &kept.transaction.body {
                    body if sides(body).is_some_and(|it| it.to == own(party)) => {
                        Ok(Built { transaction: kept.transaction, way, rows })
                    }
                    _ => Err(format!("the offer {offer} is to somebody else")),
                };
            }
            Wish::Settle { thing } => {
                let (file, _) = live(chain, &thing)?;
                let status = chain.state().file(file).map(|file| &file.status);
                let Some(Status::Pending { agreement, .. }) = status else {
                    return Err(format!("nothing has to be settled for {thing}"));
                };
                Body::Settle(Agreed { file, agreement: *agreement })
            }
        };
        let policy = chain.state().genesis().policy();
        let window = Window::new(chain.next_height(), policy.window_max.min(WINDOW));
        let mut transaction = Transaction::new(chain.id(), window, body);
        if acts(&transaction.body, self.node) {
            let own = Signer::Node(self.node);
            transaction =
                transaction.sign(own, KEY_NUMBER, &keys.signing).map_err(|why| why.to_string())?;
        }
        Ok(Built { transaction, way, rows })
    }

    /// Takes a transaction that its users have signed: stores it, and answers when it is stored.
    pub(crate) fn submit(&mut self, keys: &NodeKeys, chain: &Chain, text: &str, reply: Reply) {
        match self.signed(keys, text) {
            Ok((transaction, way, rows)) => {
                let share = match (&transaction.body, way) {
                    (body, Way::Offer) => {
                        sides(body).and_then(|it| Share::of(chain, keys, self.node, it))
                    }
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
        let built = self.built.remove(&digest);
        let Built { way, rows, .. } = built
            .ok_or("this member has not built that transaction, or too long ago; begin again")?;
        let is_own = acts(&transaction.body, self.node);
        let own = Signer::Node(self.node);
        let transaction = match is_own {
            true => transaction.sign(own, KEY_NUMBER, &keys.signing),
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
                        if sides(&transaction.body).is_some_and(|it| it.to.member == self.node) => {
                    }
                    Way::Offer => {
                        self.offered.insert(digest, transaction.clone());
                        self.due = Time::EPOCH;
                    }
                }
                Ok(json!({ "digest": hex::text(&digest) }))
            }
        };
        if let Some(reply) = reply {
            let _ = reply.send(answer);
        }
        Ok(())
    }

    /// An acceptance goes back to who made the offer, so that either side can bring it to the chain.
    fn pass_on(&mut self, chain: &Chain, transaction: &Transaction) -> Result<(), Failure> {
        if let Some(it) = sides(&transaction.body)
            && it.member != self.node
            && let Some(member) = chain.state().node(it.member)
        {
            let to = peer(member.name.as_str())?;
            self.sends.push_back((to, Word::Accepted(Box::new(transaction.clone()))));
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
            None => Err(format!("no transaction {text} was submitted here")),
            _ => Ok(json!({ "state": "submitted", "is_over": false })),
        }
    }

    /// Offers that wait.
    pub(crate) async fn offers(&self, chain: &Chain) -> Result<Value, String> {
        let all = rows::all(&*self.store, Table::Offers.prefix()).await;
        let all = all.map_err(|why| why.to_string())?;
        let mut shown = Vec::new();
        for offer in all.iter().filter_map(|(_, row)| Offer::parse(&row.value)) {
            let Some(it) = sides(&offer.transaction.body) else { continue };
            if stands(chain, &offer.transaction).is_none() {
                continue;
            }
            let file = chain.state().file(it.on.file);
            let digest = digest(&offer.transaction).map_err(|why| why.to_string())?;
            shown.push(json!({
                "offer": hex::text(&digest),
                "file": hex::text(&it.on.file.0),
                "thing_key": file.map(|file| hex::text(&file.thing.0)),
                "type": file.map(|file| file.kind.as_str()),
                "from": file.map(|file| hex::text(&file.owner.0)),
                "to": hex::text(&it.to.party.0),
                "is_own": offer.is_own,
                "has_arrived": offer.is_kept,
                "what": it.what,
                "reference": it.reference.map(|reference| hex::text(&reference)),
            }));
        }
        Ok(shown.into())
    }

    /// A document that this node may read.
    pub(crate) async fn document(
        &self,
        chain: &Chain,
        keys: &NodeKeys,
        id: FileId,
    ) -> Result<Option<Value>, String> {
        let Some(file) = chain.state().file(id) else { return Ok(None) };
        let found = documents::load(&*self.store, &file.sealed).await;
        let Some((sealed, _)) = found.map_err(|why| why.to_string())? else { return Ok(None) };
        let document = sealed.open(chain.id(), &file.commitment, self.node, &keys.sealing);
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
                    Some((sealed, bytes)) if sealed.readers().any(|id| Some(id) == reader) => {
                        Word::Document(bytes)
                    }
                    _ => Word::NoDocument(digest),
                };
                self.sends.push_back((from.clone(), answer));
            }
            Word::Document(bytes) => {
                if let Ok(sealed) = SealedDocument::parse(&bytes)
                    && self.wanted.remove(&sealed.digest())
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
                if own.is_some() && !self.open.contains_key(&digest) {
                    self.store(None, *transaction, Way::Chain, Vec::new(), None);
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Somebody offers something to a party of this member.
    async fn on_offer(
        &mut self,
        chain: &Chain,
        from: &Peer,
        transaction: Transaction,
    ) -> Result<(), Failure> {
        let Some(it) = sides(&transaction.body) else { return Ok(()) };
        let sender = chain.state().node(it.member).map(|node| node.name.as_str());
        let is_ours = it.to.member == self.node && chain.state().party(it.to.party).is_some();
        let is_meant = transaction.chain == chain.id() && sender == Some(from.as_str());
        // Nobody can make this node keep what is not, or no longer, to be decided here. The chain may still be behind: it comes
        // again.
        if !is_ours || !is_meant || stands(chain, &transaction).is_none() {
            return Ok(());
        }
        let digest = digest(&transaction)?;
        let known = rows::one(&*self.store, Table::Offers.row(&digest)?).await?.is_some();
        if let Some(file) = chain.state().file(it.on.file)
            && documents::load(&*self.store, &file.sealed).await?.is_none()
        {
            self.wanted.insert(file.sealed);
            self.sends.push_back((from.clone(), Word::WantDocument(file.sealed)));
        }
        if !known {
            Offer { is_own: false, is_kept: true, transaction }.keep(&self.store).await?;
        }
        self.sends.push_back((from.clone(), Word::OfferKept(digest)));
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

/// Somebody who may read a document from now on: the other side of an offer.
struct Share {
    sealed: [u8; 32],
    commitment: [u8; 32],
    chain: ChainId,
    own: (NodeId, SealingKey),
    reader: (NodeId, [u8; 32]),
}

impl Share {
    fn of(chain: &Chain, keys: &NodeKeys, own: NodeId, it: Sides) -> Option<Self> {
        let file = chain.state().file(it.on.file)?;
        let reader = chain.state().node(it.to.member)?;
        Some(Self {
            sealed: file.sealed,
            commitment: file.commitment,
            chain: chain.id(),
            own: (own, keys.sealing.clone()),
            reader: (it.to.member, reader.sealing),
        })
    }

    async fn rows(&self, store: &RedbStore) -> Result<Vec<(Key, Bytes)>, Failure> {
        let found = documents::load(store, &self.sealed).await?;
        // A document that this member never had is nothing that it could show.
        let Some((mut sealed, _)) = found else { return Ok(Vec::new()) };
        let (own, entropy) = ((self.own.0, &self.own.1), Secret::new(clock::entropy::<32>()?));
        sealed
            .share(self.chain, &self.commitment, own, self.reader, &entropy)
            .map_err(|why| Failure::run(format!("the document cannot be shared: {why}")))?;
        documents::rows_of(&self.sealed, &sealed)
    }
}

/// An offer as it is kept: version 1, whose (1), whether the other side has it (1), transaction (`u16` length).
struct Offer {
    is_own: bool,
    is_kept: bool,
    transaction: Transaction,
}

impl Offer {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let mut from = Reader::new(bytes);
        from.version(1).ok()?;
        let (is_own, is_kept) = (from.flag().ok()?, from.flag().ok()?);
        let transaction = Transaction::parse(from.lp16().ok()?).ok()?;
        Some(Self { is_own, is_kept, transaction })
    }

    fn to_row(&self) -> Result<(Key, Bytes), Failure> {
        let mut value = Vec::with_capacity(640);
        let bytes = self.transaction.to_bytes().map_err(Failure::run)?;
        let mut to = Writer::new(&mut value, 1);
        to.u8(u8::from(self.is_own)).u8(u8::from(self.is_kept));
        to.lp16(&bytes).map_err(Failure::run)?;
        Ok((Table::Offers.row(&digest(&self.transaction)?)?, value.into()))
    }

    async fn keep(&self, store: &RedbStore) -> Result<(), Failure> {
        let (key, value) = self.to_row()?;
        let mut batch = Batch::with_capacity(1);
        batch.put(key, Expect::Any, value);
        commit(store, &batch).await
    }
}

async fn store_all(
    store: &RedbStore,
    transaction: &Transaction,
    way: Way,
    mut rows: Vec<(Key, Bytes)>,
    share: Option<Share>,
) -> Result<(), Failure> {
    if let Some(share) = share {
        rows.extend(share.rows(store).await?);
    }
    let mut batch = Batch::with_capacity(rows.len() + 1);
    for (key, value) in documents::keep_most(store, rows).await? {
        batch.put(key, Expect::Any, value);
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
    commit(store, &batch).await
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
        Body::Register(it) => it.owner.member == node,
        Body::ReleaseLien(it) => it.by.member == node,
        body => sides(body).is_some_and(|it| it.member == node || it.to.member == node),
    }
}

/// What two parties sign, each through its member: the owner offers, the other side accepts.
#[derive(Clone, Copy)]
struct Sides {
    what: &'static str,
    on: OnFile,
    /// The owner's.
    member: NodeId,
    to: Through,
    reference: Option<[u8; 32]>,
}

fn sides(body: &Body) -> Option<Sides> {
    Some(match body {
        Body::Transfer(it) => Sides {
            what: "transfer",
            on: it.on,
            member: it.member,
            to: it.to,
            reference: it.settlement.as_ref().map(|settlement| settlement.reference),
        },
        Body::PlaceLien(it) => Sides {
            what: "lien",
            on: it.on,
            member: it.member,
            to: it.holder,
            reference: Some(it.reference),
        },
        _ => return None,
    })
}

/// What an owner offers, and to whom.
fn offered(chain: &Chain, owner: &str, thing: &str, to: &str) -> Result<(OnFile, Through), String> {
    let (owner, party) = (say::party(owner)?, say::party(to)?);
    let (file, on) = live(chain, thing)?;
    if chain.state().file(file).is_some_and(|file| file.holder() != owner) {
        return Err(format!("{thing} belongs to somebody else"));
    }
    let member = chain.state().party(party).and_then(|party| party.members.first());
    let member = *member.ok_or_else(|| format!("the chain knows no party {to}"))?;
    Ok((on, Through { party, member }))
}

/// The node of the other side, as long as what an offer is about is as it was.
fn stands<'a>(chain: &'a Chain, offer: &Transaction) -> Option<&'a str> {
    let it = sides(&offer.body)?;
    let state = chain.state();
    let file = state.file(it.on.file)?;
    let is_as_it_was = file.revision == it.on.revision && file.check_usable().is_ok();
    let is_in_time = chain.next_height() < offer.window.until;
    let member = state.node(it.to.member)?;
    (is_as_it_was && is_in_time).then_some(member.name.as_str())
}

/// The live file of a thing.
fn live(chain: &Chain, thing: &str) -> Result<(FileId, OnFile), String> {
    let holding = chain.state().holding(say::thing(thing)?.key());
    let id = holding.ok_or_else(|| format!("{thing} is not registered"))?.file;
    let file = chain.state().file(id).ok_or("a file is missing")?;
    Ok((id, OnFile { file: id, revision: file.revision }))
}

/// The file that a new owner's file follows.
fn follows(chain: &Chain, thing: ledger::ThingKey, owner: PartyId) -> Option<FileId> {
    let old = chain.state().holding(thing)?.file;
    match chain.state().file(old)?.status {
        Status::Transferred { to, .. } if to == owner => Some(old),
        _ => None,
    }
}

/// Supervision, which audits it, and this member.
fn readers(chain: &Chain, own: NodeId) -> Vec<(NodeId, [u8; 32])> {
    let height = chain.next_height();
    let nodes = chain.state().nodes().filter(|(id, node)| {
        *id == own || (node.role == Role::Supervision && node.is_active(height))
    });
    nodes.map(|(id, node)| (id, node.sealing)).collect()
}

fn settlement_of(chain: &Chain, payment: &Payment) -> Result<Settlement, String> {
    let reference = Sha256::digest(payment.reference.as_bytes()).into();
    let until = chain.next_height().after(payment.blocks);
    Ok(Settlement { reference, witness: public(&payment.witness)?, until })
}

/// What a user wanted: version 1, when (8), who (32), about which thing (`u8` length).
fn instruction_row(now: Time, owner: PartyId, thing: &str) -> Result<Bytes, WireError> {
    let mut value = Vec::with_capacity(128);
    Writer::new(&mut value, 1).u64(now.as_ms()).fixed(&owner.0).lp8(thing.as_bytes())?;
    Ok(value.into())
}

fn label(what: &str, text: &str) -> Result<Label, String> {
    Label::new(text).map_err(|why| format!("the {what} {text:?}: {why}"))
}

fn public(text: &str) -> Result<VerifyingKey, String> {
    let key = say::digest(text).and_then(|bytes| VerifyingKey::from_bytes(&bytes).ok());
    key.ok_or_else(|| format!("{text:?} is no public key: give its 64 digits"))
}

fn row(table: Table, name: &[u8]) -> Result<Key, String> {
    table.row(name).map_err(|why| why.to_string())
}

fn digest(transaction: &Transaction) -> Result<[u8; 32], Failure> {
    transaction.digest().map_err(Failure::run)
}

/// For so many blocks a transaction may wait.
const WINDOW: u64 = 5_000;
const BUILT_MAX: usize = 4_096;
const RECENT_MAX: usize = 1_024;
