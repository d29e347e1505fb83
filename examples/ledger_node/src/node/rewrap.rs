//! Documents under the newest sealing key of a node, and former keys that go when nothing needs them any more.
//!
//! One pass goes through all documents that are here when it begins, some at a time, and wraps the key of each anew that is wrapped for
//! a former key. Stopped in between it is begun again, and finds done what is done. A former key goes after a pass, and only if no
//! request can come any more that was sealed for it when the pass began.

use crate::base::Base;
use crate::clock;
use crate::config::NodeKeys;
use crate::documents;
use crate::failure::Failure;
use crate::key_file;
use crate::rows::{self, Table};
use ledger::{Body, Chain, Height, NodeId, SealError, SealingRing, Transaction};
use port::{Batch, Store};
use seal::Secret;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The passes of one node, one at a time.
pub(super) struct Rewrap {
    node: NodeId,
    sealing: PathBuf,
    pass: Option<Pass>,
    /// The last one that is over, and what came of it.
    over: Option<(u64, Value)>,
}

/// One way through all documents.
struct Pass {
    id: u64,
    /// Documents that are not looked at yet, each with the commitments that it may have.
    left: BTreeMap<[u8; 32], Vec<[u8; 32]>>,
    /// Those that nothing of now says anything about: blocks may.
    unknown: BTreeMap<[u8; 32], Vec<[u8; 32]>>,
    /// The block that is searched next for them.
    search: Option<Height>,
    /// Former keys that go when this is over.
    ending: Vec<u16>,
    /// Former keys that stay, and why.
    staying: Vec<Value>,
    documents: u64,
    wrapped: u64,
    unreadable: u64,
}

impl Rewrap {
    pub(super) const fn new(node: NodeId, sealing: PathBuf) -> Self {
        Self { node, sealing, pass: None, over: None }
    }

    /// How far a pass is, or what came of it; one that is not known here begins anew. `open` says since when the oldest audit waits
    /// that this node has not judged.
    pub(super) async fn ask<S: Store>(
        &mut self,
        store: &S,
        chain: &Chain,
        keys: &NodeKeys,
        open: Option<Height>,
        id: Option<u64>,
    ) -> Result<Value, String> {
        if let Some((over, outcome)) = &self.over
            && id == Some(*over)
        {
            return Ok(outcome.clone());
        }
        if self.pass.is_none() {
            let pass = Pass::begin(store, chain, self.node, keys, open).await;
            self.pass = Some(pass.map_err(|why| why.to_string())?);
        }
        let pass = self.pass.as_ref().map(|pass| (pass.id, pass.left.len()));
        let (id, left) = pass.ok_or("no pass is under way")?;
        Ok(json!({ "pass": id, "is_done": false, "left": left }))
    }

    /// Goes on for a moment.
    pub(super) async fn on_tick<S: Store>(
        &mut self,
        store: &S,
        chain: &Chain,
        base: Option<&Base>,
        keys: &mut NodeKeys,
    ) {
        let Some(pass) = &mut self.pass else { return };
        let until = Instant::now() + MOMENT;
        let outcome = loop {
            match pass.step(store, chain, self.node, base, &keys.sealing).await {
                Ok(false) if Instant::now() < until => {}
                Ok(false) => return,
                Ok(true) => break pass.end(&self.sealing, &mut keys.sealing),
                Err(why) => break Err(why),
            }
        };
        let outcome = outcome.unwrap_or_else(|why| {
            tracing::error!(event = "rewrap.failed", %why);
            json!({ "is_done": true, "failed": why.to_string() })
        });
        self.over = Some((pass.id, outcome));
        self.pass = None;
    }

    pub(super) const fn is_under_way(&self) -> bool {
        self.pass.is_some()
    }
}

impl Pass {
    async fn begin<S: Store>(
        store: &S,
        chain: &Chain,
        node: NodeId,
        keys: &NodeKeys,
        open: Option<Height>,
    ) -> Result<Self, Failure> {
        let mut left: BTreeMap<[u8; 32], Vec<[u8; 32]>> = BTreeMap::new();
        let (mut ending, mut staying) = (Vec::new(), Vec::new());
        for (number, next) in keys.sealing.former() {
            match needed(chain, node, next, open) {
                None => ending.push(number),
                Some((block, why)) => {
                    staying.push(json!({ "number": number, "from_block": block.0, "why": why }));
                }
            }
        }
        // Without former keys there is nothing to be done.
        let mut page = match ending.is_empty() && staying.is_empty() {
            true => Vec::new(),
            false => documents::digests(store, None).await?,
        };
        while let Some(last) = page.last().copied() {
            left.extend(page.into_iter().map(|digest| (digest, Vec::new())));
            page = documents::digests(store, Some(last)).await?;
        }
        for (_, file) in chain.state().files() {
            if let Some(commitments) = left.get_mut(&file.sealed) {
                commitments.push(file.commitment);
            }
        }
        for (_, row) in rows::all(store, Table::Open.prefix()).await? {
            note(&mut left, Transaction::parse(&row.value).ok());
        }
        let documents = u64::try_from(left.len()).unwrap_or(u64::MAX);
        tracing::info!(event = "rewrap.begun", documents);
        let id = clock::now().as_ms();
        let (unknown, search) = (BTreeMap::new(), None);
        let (wrapped, unreadable) = (0, 0);
        Ok(Self { id, left, unknown, search, ending, staying, documents, wrapped, unreadable })
    }

    /// Some documents, or some blocks; says whether nothing is left.
    async fn step<S: Store>(
        &mut self,
        store: &S,
        chain: &Chain,
        node: NodeId,
        base: Option<&Base>,
        ring: &SealingRing,
    ) -> Result<bool, Failure> {
        if !self.left.is_empty() {
            self.wrap_some(store, chain, node, ring).await?;
        } else if !self.unknown.is_empty() {
            self.search_some(store, chain, base).await?;
        } else {
            return Ok(true);
        }
        Ok(false)
    }

    async fn wrap_some<S: Store>(
        &mut self,
        store: &S,
        chain: &Chain,
        node: NodeId,
        ring: &SealingRing,
    ) -> Result<(), Failure> {
        let mut batch = Batch::with_capacity(3 * TOGETHER);
        let (mut wrapped, mut unreadable, mut unknown) = (0, 0, Vec::new());
        let some: Vec<_> = self.left.keys().take(TOGETHER).copied().collect();
        for digest in &some {
            let Some(kept) = documents::load(store, digest).await? else { continue };
            let mut sealed = kept.sealed.clone();
            let commitments = self.left.get(digest).map(Vec::as_slice).unwrap_or_default();
            let mut done = Err(SealError::NotForYou);
            for commitment in commitments {
                let entropy = Secret::new(clock::entropy::<32>()?);
                done = ring.rewrap(&mut sealed, chain.id(), commitment, node, &entropy);
                if done.is_ok() {
                    break;
                }
            }
            match done {
                Ok(true) => {
                    documents::replace(&mut batch, digest, &kept, &sealed)?;
                    wrapped += 1;
                }
                Ok(false) => {}
                Err(_) if self.search.is_none() => unknown.push(*digest),
                Err(_) => unreadable += 1,
            }
        }
        // Somebody was given one of them meanwhile: these are looked at again.
        if wrapped > 0 && !documents::applied(store, &batch).await? {
            return Ok(());
        }
        self.wrapped += wrapped;
        self.unreadable += unreadable;
        some.iter().for_each(|digest| {
            self.left.remove(digest);
        });
        self.unknown.extend(unknown.into_iter().map(|digest| (digest, Vec::new())));
        Ok(())
    }

    /// The request of a file that was purged is still in its block.
    async fn search_some<S: Store>(
        &mut self,
        store: &S,
        chain: &Chain,
        base: Option<&Base>,
    ) -> Result<(), Failure> {
        let mut height = self.search.unwrap_or(base.map_or(Height(0), Base::from));
        for _ in 0..TOGETHER {
            if height >= chain.next_height() {
                self.left = std::mem::take(&mut self.unknown);
                break;
            }
            for transaction in rows::block(store, height).await?.transactions {
                note(&mut self.unknown, Some(transaction));
            }
            height = height.next();
        }
        self.search = Some(height);
        Ok(())
    }

    /// Nothing here is sealed for a former key any more: those go that nobody else can have sealed for.
    fn end(&self, path: &Path, ring: &mut SealingRing) -> Result<Value, Failure> {
        for number in &self.ending {
            key_file::forget(path, *number)?;
            ring.forget(*number);
            tracing::info!(event = "sealing_key.deleted", number);
        }
        Ok(json!({
            "is_done": true,
            "sealing_key": ring.number(),
            "documents": self.documents,
            "wrapped": self.wrapped,
            "unreadable": self.unreadable,
            "deleted": self.ending,
            "kept": self.staying,
        }))
    }
}

/// Why something may still be sealed for the key before this one, and up to which block that is so at least.
fn needed(
    chain: &Chain,
    node: NodeId,
    next: u16,
    open: Option<Height>,
) -> Option<(Height, &'static str)> {
    let since = chain.state().node(node).and_then(|node| node.ring.since(next));
    let Some(since) = since else {
        return Some((chain.next_height(), "the key after it does not count here yet"));
    };
    // Whoever did not know of the change yet has made its request before: that can stand in a block until its window is over.
    let over = since.after(chain.state().genesis().policy().window_max);
    if chain.next_height() < over {
        return Some((over, "a request that was sealed for it may still come"));
    }
    let waits = open.is_some_and(|since| since < over);
    waits.then_some((over, "an audit waits whose document may be sealed for it"))
}

/// Notes the commitment of a request's document, if that is one of these.
fn note(documents: &mut BTreeMap<[u8; 32], Vec<[u8; 32]>>, transaction: Option<Transaction>) {
    if let Some(Body::Register(it)) = transaction.map(|it| it.body)
        && let Some(commitments) = documents.get_mut(&it.sealed)
    {
        commitments.push(it.commitment);
    }
}

/// So many documents are in one batch: the end of each takes at most two rows.
const TOGETHER: usize = 6;
/// For so long it goes on before anything else has its turn.
const MOMENT: Duration = Duration::from_millis(20);
