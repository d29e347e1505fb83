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

#[cfg(test)]
mod tests {
    use super::*;
    use ledger::{
        Document, Genesis, Identity, Label, NodeName, PartyId, Policy, Register, Role, RotateNode,
        SealedDocument, SealingKey, Signer, ThingId, Through, Window,
    };
    use port::{Commit, Expect, MemoryStore, ReadSet, Rows, Time};
    use seal::SigningKey;
    use std::sync::Mutex;

    const NODE: NodeId = NodeId::FOUNDER;

    fn key() -> SigningKey {
        SigningKey::from_seed(&Secret::new([1; 32]))
    }

    fn sealing(seed: u8) -> SealingKey {
        SealingKey::from_seed(&Secret::new([seed; 32]))
    }

    /// Former keys 1 and 2, and the newest one, 3.
    fn ring() -> SealingRing {
        let mut ring = SealingRing::new(1, sealing(1));
        for number in [2, 3] {
            ring.rotate(number.into(), sealing(number)).unwrap();
        }
        ring
    }

    /// A chain whose only node has its first keys; no transaction waits for more than five blocks.
    fn founded() -> Chain {
        let founder = Identity {
            name: NodeName::new("one").unwrap(),
            role: Role::Supervision,
            signing: key().verifying_key(),
            sealing: sealing(1).public(),
        };
        let policy = Policy { window_max: 5, ..Policy::default() };
        let genesis = Genesis::new("test", policy, founder.clone(), Time::EPOCH).unwrap();
        let mut chain = Chain::new(genesis).unwrap();
        let join = signed(&chain, Body::Join(founder));
        grow(&mut chain, &[join]);
        chain
    }

    fn signed(chain: &Chain, body: Body) -> Transaction {
        let own = Signer::Key(key().verifying_key().to_bytes());
        let window = Window::new(chain.next_height(), 1);
        Transaction::new(chain.id(), window, body).sign(own, 0, &key()).unwrap()
    }

    fn grow(chain: &mut Chain, transactions: &[Transaction]) {
        let draft = chain.draft(Time::from_s(1), NODE, transactions, 80);
        assert!(draft.fates.iter().all(Result::is_ok), "{:?}", draft.fates);
        let signature = key().sign(&draft.header.to_sign());
        chain.take(&draft.into_block(1, signature)).unwrap();
    }

    /// The node's next sealing key, in a block of its own.
    fn rotate(chain: &mut Chain, newest: u16, seed: u8) {
        let (signing, sealing) = (key().verifying_key(), sealing(seed).public());
        let change = Body::RotateNode(RotateNode { node: NODE, newest, signing, sealing });
        let change = signed(chain, change).sign(Signer::Node(NODE), newest, &key()).unwrap();
        grow(chain, &[change]);
    }

    #[test]
    fn a_former_key_is_needed_until_nothing_can_come_that_is_sealed_for_it() {
        let mut chain = founded();
        grow(&mut chain, &[]);
        let needs = |chain: &Chain, open| needed(chain, NODE, 2, open).map(|(block, _)| block.0);
        // Before the change counts, whenever that is.
        assert_eq!(needs(&chain, None), Some(2));
        rotate(&mut chain, 1, 2);
        // In block 2; who did not know of it may have asked for a place up to block 6.
        while chain.next_height() < Height(8) {
            assert_eq!(needs(&chain, None), Some(8));
            grow(&mut chain, &[]);
        }
        assert_eq!(needs(&chain, None), None);
        // An audit that was asked for so early waits for a document that may be sealed so.
        assert_eq!([7, 8].map(|since| needs(&chain, Some(Height(since)))), [Some(8), None]);
        // It is the key after it that says when it was over, whatever came then.
        rotate(&mut chain, 2, 3);
        assert_eq!(needs(&chain, None), None);
        assert_eq!(needed(&chain, NODE, 3, None).map(|(block, _)| block), Some(Height(14)));
    }

    /// Rows into which somebody writes just before the next commit.
    struct Raced {
        rows: MemoryStore,
        rival: Mutex<Option<Batch>>,
    }

    impl Store for Raced {
        type Error = <MemoryStore as Store>::Error;

        async fn read(&self, want: &ReadSet) -> Result<Rows, Self::Error> {
            self.rows.read(want).await
        }

        async fn commit(&self, batch: &Batch) -> Result<Commit, Self::Error> {
            let rival = self.rival.lock().unwrap().take();
            if let Some(rival) = rival {
                let done = Store::commit(&self.rows, &rival).await?;
                assert!(matches!(done, Commit::Applied(_)));
            }
            Store::commit(&self.rows, batch).await
        }
    }

    /// A request whose document is said to have this digest and this commitment.
    fn request(chain: &Chain, n: u8, sealed: [u8; 32], commitment: [u8; 32]) -> Transaction {
        let label = |text| Label::new(text).unwrap();
        let owner = Through { party: PartyId([n; 32]), member: NODE };
        let body = Body::Register(Register {
            instruction: [n; 16],
            thing: ThingId::new("vin", "A").unwrap().key(),
            kind: label("toy"),
            region: label("eu"),
            owner,
            commitment,
            sealed,
            predecessor: None,
        });
        signed(chain, body)
    }

    #[tokio::test]
    async fn every_document_that_a_key_here_opens_is_wrapped_anew_whoever_writes_meanwhile() {
        let mut chain = founded();
        rotate(&mut chain, 1, 2);
        let store = Raced { rows: MemoryStore::new(), rival: Mutex::new(None) };
        let document = |n: u8| Document::new("text/plain", vec![n; 9], [n; 32]).unwrap();
        let mut digests = Vec::new();
        // Sealed for the first key, the second, the newest, and for somebody else's.
        for n in 1..=4 {
            let readers = [(NODE, sealing(n).public())];
            let entropy = Secret::new([n; 32]);
            let sealed = SealedDocument::seal(chain.id(), &document(n), &readers, &entropy);
            let sealed = sealed.unwrap();
            let digest = sealed.digest();
            documents::keep(&store, &digest, &sealed).await.unwrap_or_else(|why| panic!("{why}"));
            digests.push(digest);
            let commitment = document(n).commitment();
            // A request in another name points to the same document, and commits to something else.
            let bogus = request(&chain, 10 + n, digest, [n; 32]);
            let mut batch = Batch::new();
            for transaction in [bogus, request(&chain, n, digest, commitment)] {
                let row = Table::Open.row(&transaction.digest().unwrap());
                let row = row.unwrap_or_else(|why| panic!("{why}"));
                batch.put(row, Expect::Any, transaction.to_bytes().unwrap());
            }
            documents::commit(&store, &batch).await.unwrap_or_else(|why| panic!("{why}"));
        }
        let keys =
            NodeKeys { signing: key(), number: 2, sealing: ring(), soft: seal::SoftKeys::new() };
        // Meanwhile another node is let in to the first one.
        let opened = |kept: &SealedDocument, n: u8, seed: u8| {
            let commitment = document(n).commitment();
            kept.open(chain.id(), &commitment, NODE, &sealing(seed)).is_ok()
        };
        let load = async |digest| {
            let kept = documents::load(&store, digest).await;
            kept.unwrap_or_else(|why| panic!("{why}")).unwrap()
        };
        let first = load(&digests[0]).await;
        let (mut shared, other) = (first.sealed.clone(), NodeId(Height(1)));
        let reader = (other, sealing(9).public());
        let entropy = Secret::new([8; 32]);
        keys.sealing
            .share(&mut shared, chain.id(), &document(1).commitment(), NODE, reader, &entropy)
            .unwrap();
        let mut rival = Batch::new();
        documents::replace(&mut rival, &digests[0], &first, &shared)
            .unwrap_or_else(|why| panic!("{why}"));
        *store.rival.lock().unwrap() = Some(rival);
        let pass = Pass::begin(&store, &chain, NODE, &keys, None).await;
        let mut pass = pass.unwrap_or_else(|why| panic!("{why}"));
        // The chain knows of no third key: none of them goes.
        assert_eq!((pass.ending.len(), pass.staying.len()), (0, 2));
        // No block is stored here to be searched.
        pass.search = Some(Height(0));
        let step = async |pass: &mut Pass| {
            let done = pass.step(&store, &chain, NODE, None, &keys.sealing).await;
            done.unwrap_or_else(|why| panic!("{why}"))
        };
        assert!(!step(&mut pass).await);
        assert_eq!((pass.left.len(), pass.wrapped), (4, 0));
        assert!(!step(&mut pass).await);
        assert!(step(&mut pass).await);
        assert_eq!((pass.documents, pass.wrapped, pass.unreadable), (4, 2, 1));
        for (n, digest) in (1..).zip(&digests[..3]) {
            let kept = load(digest).await.sealed;
            assert_eq!([1, 2, 3].map(|seed| opened(&kept, n, seed)), [false, false, true]);
        }
        let commitment = document(1).commitment();
        let shared = load(&digests[0]).await.sealed;
        assert!(shared.open(chain.id(), &commitment, other, &sealing(9)).is_ok());
    }
}
