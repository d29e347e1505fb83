//! Who shall join or leave: what it takes several supervision nodes to sign, and their people to agree on.
//!
//! A motion is a transaction that collects signatures. Whoever wants to join brings the first one; a supervision node brings that
//! somebody is to be revoked. Each keeps what it hears, and tells the others what its own people have signed, until it can stand in
//! a block or is over.

use crate::config::NodeKeys;
use crate::documents::commit;
use crate::failure::Failure;
use crate::hex;
use crate::keeper::{Keeper, peer};
use crate::rows::{self, Table};
use crate::windows;
use crate::word::Word;
use ledger::{At, Body, Chain, NodeId, Role, Signature, Signer, Transaction, Window};
use port::{Batch, Expect, Peer, Store, Time};
use seal::VerifyingKey;
use serde_json::{Value, json};
use std::collections::{BTreeMap, VecDeque};

/// The motions that one supervision node knows.
pub(crate) struct Motions {
    node: NodeId,
    again_ms: u64,
    open: BTreeMap<[u8; 32], Transaction>,
    due: Time,
    sends: VecDeque<(Peer, Word)>,
}

impl Motions {
    pub(crate) async fn open<S: Store>(
        node: NodeId,
        again_ms: u64,
        store: &S,
    ) -> Result<Self, Failure> {
        let mut open = BTreeMap::new();
        for (_, row) in rows::all(store, Table::Motions.prefix()).await? {
            let motion = Transaction::parse(&row.value);
            let motion = motion.map_err(|_| Failure::run("a stored motion is damaged"))?;
            open.insert(motion.digest().map_err(Failure::run)?, motion);
        }
        Ok(Self { node, again_ms, open, due: Time::EPOCH, sends: VecDeque::new() })
    }

    /// Somebody brings a motion, or more signatures for one. What is not right in it is left out.
    pub(crate) async fn on_motion<S: Store>(
        &mut self,
        chain: &Chain,
        store: &S,
        from: &Peer,
        motion: Transaction,
    ) -> Result<(), Failure> {
        let is_supervised = chain
            .state()
            .node_named(from.as_str())
            .is_some_and(|(_, node)| node.role == Role::Supervision);
        let is_its_own = match &motion.body {
            Body::Join(identity) => identity.name.as_str() == from.as_str(),
            _ => false,
        };
        if is_supervised || is_its_own {
            self.take(chain, store, motion).await?;
        }
        Ok(())
    }

    /// A person wants a node to be revoked: a motion of its own, or one more signature for what others want.
    pub(crate) async fn revoke<S: Store>(
        &mut self,
        chain: &Chain,
        store: &S,
        keys: &NodeKeys,
        name: &str,
    ) -> Result<Value, String> {
        let found = chain.state().node_named(name);
        let (id, node) = found.ok_or_else(|| format!("the chain knows no node {name}"))?;
        if node.revoked.is_some() {
            return Err(format!("{name} was revoked already"));
        }
        let open = self.open.values().find(|it| it.body == Body::Revoke(id)).cloned();
        let motion = open.unwrap_or_else(|| motion(chain, Body::Revoke(id)));
        self.sign(chain, store, keys, motion).await
    }

    /// A person lets a node join that has asked to.
    pub(crate) async fn admit<S: Store>(
        &mut self,
        chain: &Chain,
        store: &S,
        keys: &NodeKeys,
        name: &str,
    ) -> Result<Value, String> {
        let asks =
            |it: &&Transaction| matches!(&it.body, Body::Join(it) if it.name.as_str() == name);
        let motion = self.open.values().find(asks).cloned();
        let motion = motion.ok_or_else(|| {
            format!("no {name} has asked to join; it has to run, and to reach this node")
        })?;
        self.sign(chain, store, keys, motion).await
    }

    async fn sign<S: Store>(
        &mut self,
        chain: &Chain,
        store: &S,
        keys: &NodeKeys,
        motion: Transaction,
    ) -> Result<Value, String> {
        let signed = motion.sign(Signer::Node(self.node), keys.number, &keys.signing);
        let signed = signed.map_err(|why| why.to_string())?;
        let kept = self.take(chain, store, signed).await.map_err(|why| why.to_string())?;
        self.due = Time::EPOCH;
        let kept = kept.ok_or("it cannot be: too many motions are open, or this one is over")?;
        Ok(row(chain, &kept))
    }

    /// Keeps a motion that may come to something, with all signatures for it that are right; returns it.
    async fn take<S: Store>(
        &mut self,
        chain: &Chain,
        store: &S,
        motion: Transaction,
    ) -> Result<Option<Transaction>, Failure> {
        let digest = motion.digest().map_err(Failure::run)?;
        let message = motion.to_sign().map_err(Failure::run)?;
        let mut kept = motion.clone();
        kept.signatures.clear();
        let known = self.open.get(&digest);
        let all = motion.signatures.iter().chain(known.into_iter().flat_map(|it| &it.signatures));
        for it in all.filter(|it| is_right(chain, &motion.body, it, &message)) {
            kept = kept.signed(it.by, it.key_number, it.bytes);
        }
        if known == Some(&kept) {
            return Ok(Some(kept));
        }
        if !is_open(chain, &kept) || (known.is_none() && self.open.len() >= MOTIONS_MAX) {
            return Ok(None);
        }
        let mut batch = Batch::with_capacity(1);
        let bytes = kept.to_bytes().map_err(Failure::run)?;
        batch.put(Table::Motions.row(&digest)?, Expect::Any, bytes);
        commit(store, &batch).await?;
        tracing::info!(event = "motion.kept", motion = hex::text(&digest));
        self.open.insert(digest, kept.clone());
        self.due = Time::EPOCH;
        Ok(Some(kept))
    }

    /// Submits what has enough signatures, tells the others what this node has signed, forgets what is over.
    pub(crate) async fn on_tick<S: Store>(
        &mut self,
        now: Time,
        store: &S,
        keeper: &mut Keeper,
    ) -> Result<(), Failure> {
        let Some(chain) = keeper.chain() else { return Ok(()) };
        if self.open.is_empty() || now < self.due {
            return Ok(());
        }
        self.due = now.plus_ms(self.again_ms);
        let over = self.open.iter().filter(|(_, motion)| !is_open(chain, motion));
        let over: Vec<_> = over.map(|(digest, _)| *digest).collect();
        for digest in over {
            let mut batch = Batch::with_capacity(1);
            batch.delete(Table::Motions.row(&digest)?, Expect::Any);
            commit(store, &batch).await?;
            self.open.remove(&digest);
        }
        let time = chain.head().map_or(now, |head| head.header.time.max(now));
        let at = At { height: chain.next_height(), time };
        let others = chain.state().nodes().filter(|(id, node)| {
            *id != self.node && node.role == Role::Supervision && node.is_active(at.height)
        });
        let others: Vec<_> =
            others.map(|(_, node)| peer(node.name.as_str())).collect::<Result<_, _>>()?;
        let own = Signer::Node(self.node);
        let mut ready = Vec::new();
        for motion in self.open.values() {
            if motion.signatures.iter().any(|it| it.by == own) {
                let word = Word::Motion(Box::new(motion.clone()));
                self.sends.extend(others.iter().map(|to| (to.clone(), word.clone())));
            }
            if chain.state().judge(at, motion).is_ok() {
                ready.push(motion.clone());
            }
        }
        for motion in ready {
            if let Err(code) = keeper.submit(now, motion) {
                tracing::debug!(event = "motion.waits", code);
            }
        }
        Ok(())
    }

    /// What waits for people.
    pub(crate) fn list(&self, chain: &Chain) -> Vec<Value> {
        let open = self.open.values().filter(|motion| is_open(chain, motion));
        open.map(|motion| row(chain, motion)).collect()
    }

    pub(crate) fn next_deadline(&self) -> Option<Time> {
        (!self.open.is_empty()).then_some(self.due)
    }

    pub(crate) fn poll_send(&mut self) -> Option<(Peer, Word)> {
        self.sends.pop_front()
    }
}

/// A transaction that may wait for as long as any may.
pub(crate) fn motion(chain: &Chain, body: Body) -> Transaction {
    Transaction::new(chain.id(), windows::motion(chain), body)
}

/// Whether a motion is one, and not over: it may still stand in a block, once all have signed who have to.
fn is_open(chain: &Chain, motion: &Transaction) -> bool {
    let state = chain.state();
    let Window { from, until } = motion.window;
    // A node that is behind may hear of it before the block in which it begins.
    let is_in_time = chain.next_height() < until
        && motion.window.blocks() <= state.genesis().policy().window_max
        && from.0 <= chain.next_height().0.saturating_add(BEHIND_MAX);
    let may_be = match &motion.body {
        Body::Join(identity) => {
            let own = Signer::Key(identity.signing.to_bytes());
            state.node_named(identity.name.as_str()).is_none()
                && motion.signatures.iter().any(|it| it.by == own)
        }
        Body::Revoke(id) => {
            state.node(*id).is_some_and(|node| node.revoked.is_none())
                && !motion.signatures.is_empty()
        }
        _ => false,
    };
    motion.chain == chain.id() && is_in_time && may_be
}

/// Whether a signature is right, and one that a motion takes: of a supervision node, or of whoever joins.
fn is_right(chain: &Chain, body: &Body, it: &Signature, message: &[u8]) -> bool {
    match (it.by, body) {
        (Signer::Node(id), _) => {
            let key = chain.supervision_key(id, it.key_number, chain.next_height());
            key.is_some_and(|key| it.is_right(key, message))
        }
        (Signer::Key(key), Body::Join(identity)) => {
            key == VerifyingKey::to_bytes(&identity.signing)
                && it.key_number == 0
                && it.is_right(&identity.signing, message)
        }
        _ => false,
    }
}

fn row(chain: &Chain, motion: &Transaction) -> Value {
    let state = chain.state();
    let (what, name, role) = match &motion.body {
        Body::Join(identity) => ("join", identity.name.to_string(), Some(identity.role)),
        Body::Revoke(id) => {
            let node = state.node(*id);
            let name = node.map(|node| node.name.to_string()).unwrap_or_default();
            ("leave", name, node.map(|node| node.role))
        }
        _ => ("", String::new(), None),
    };
    let key = match &motion.body {
        Body::Join(identity) => Some(hex::text(&identity.signing.to_bytes())),
        _ => None,
    };
    let signers = motion.signatures.iter().filter_map(|it| match it.by {
        Signer::Node(id) => state.node(id).map(|node| node.name.as_str()),
        _ => None,
    });
    let active = state
        .nodes()
        .filter(|(_, node)| node.role == Role::Supervision && node.is_active(chain.next_height()));
    let needed = active.count().min(usize::from(state.genesis().policy().quorum));
    json!({
        "what": what,
        "name": name,
        "role": role.map(role_name),
        "public_key": key,
        "signed_by": signers.collect::<Vec<_>>(),
        "needed": needed,
    })
}

pub(crate) const fn role_name(role: Role) -> &'static str {
    match role {
        Role::Supervision => "supervision",
        Role::Member => "member",
    }
}

const MOTIONS_MAX: usize = 64;
/// A node may be so many blocks behind one that brings a motion.
const BEHIND_MAX: u64 = 1_000_000;
