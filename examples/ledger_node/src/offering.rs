//! Snapshots for those who come late: made when one is asked for, kept in a file for a while, given away chunk by chunk.
//!
//! The chain stands still while chunks are made. So there is one snapshot at a time, and as long as it is new, or somebody fetches it,
//! no other is made.

use crate::chunk_file::ChunkFile;
use crate::config::Config;
use crate::failure::Failure;
use crate::index;
use crate::network::Network;
use crate::word::Word;
use ledger::{Chain, Height, Snapshot};
use port::{Store, Time};
use std::path::PathBuf;

/// The snapshot that a node gives to others, if it has one.
pub(crate) struct Offering {
    folder: PathBuf,
    serves: bool,
    kept_ms: u64,
    /// Whether one is wanted for which blocks have to be read first.
    reads: bool,
    kept: Option<Kept>,
}

struct Kept {
    name: [u8; 32],
    blocks: u64,
    snapshot: Word,
    chunks: ChunkFile,
    made: Time,
    asked: Time,
}

impl Offering {
    /// What an earlier process has left is removed.
    pub(crate) fn open(config: &Config) -> Self {
        let folder = config.state().join("snapshots");
        let _ = std::fs::remove_dir_all(&folder);
        let file = config.file.snapshots;
        let kept_ms = file.kept_s.saturating_mul(1_000);
        Self { folder, serves: file.serve, kept_ms, reads: false, kept: None }
    }

    /// Somebody lacks more than so many blocks, and wants a snapshot. Nothing is said as long as this node reads its own blocks for that:
    /// it is asked again.
    pub(crate) async fn on_want<S: Store>(
        &mut self,
        now: Time,
        store: &S,
        chain: Option<&Chain>,
        network: &Network,
        above: u64,
    ) -> Option<Word> {
        let Some(chain) = chain.filter(|_| self.serves) else {
            return Some(Word::NoSnapshot { is_short: false });
        };
        if chain.next_height().0 <= above {
            return Some(Word::NoSnapshot { is_short: true });
        }
        let is_of_use = |kept: &&mut Kept| {
            let is_new = now.since_ms(kept.made) < self.kept_ms;
            let is_fetched = now.since_ms(kept.asked) < FETCHED_MS;
            kept.blocks > above && (is_new || is_fetched)
        };
        if let Some(kept) = self.kept.as_mut().filter(is_of_use) {
            kept.asked = now;
            return Some(kept.snapshot.clone());
        }
        self.reads = true;
        let made = match self.read_some(store, chain).await {
            Ok(()) if self.reads => return None,
            Ok(()) => self.make(now, store, chain, network).await,
            Err(why) => Err(why),
        };
        Some(made.unwrap_or_else(|why| {
            tracing::error!(event = "snapshot.not_made", %why);
            self.reads = false;
            self.forget();
            Word::NoSnapshot { is_short: false }
        }))
    }

    /// Somebody wants a chunk.
    pub(crate) fn on_want_chunk(&mut self, now: Time, snapshot: [u8; 32], number: u64) -> Word {
        let none = Word::NoChunk { snapshot };
        let kept = self.kept.as_mut().filter(|kept| kept.name == snapshot);
        let (Some(kept), Ok(at)) = (kept, usize::try_from(number)) else { return none };
        kept.asked = now;
        match kept.chunks.chunk(at) {
            Ok(Some(chunk)) => Word::Chunk { snapshot, number, chunk },
            Ok(None) => none,
            Err(why) => {
                tracing::error!(event = "snapshot.not_read", %why);
                self.forget();
                none
            }
        }
    }

    /// Goes on reading what a snapshot needs that is wanted; removes one that nobody has asked for in a while.
    pub(crate) async fn on_tick<S: Store>(&mut self, now: Time, store: &S, chain: Option<&Chain>) {
        if let Some(chain) = chain.filter(|_| self.reads)
            && let Err(why) = self.read_some(store, chain).await
        {
            tracing::error!(event = "snapshot.not_made", %why);
            self.reads = false;
        }
        let over = self.kept.as_ref().map(|kept| kept.asked.plus_ms(self.kept_ms));
        if over.is_some_and(|over| over <= now) {
            tracing::info!(event = "snapshot.removed");
            self.forget();
        }
    }

    pub(crate) fn next_deadline(&self, now: Time) -> Option<Time> {
        let over = self.kept.as_ref().map(|kept| kept.asked.plus_ms(self.kept_ms));
        if self.reads { Some(now) } else { over }
    }

    /// A bounded part, so that the node goes on with its work meanwhile.
    async fn read_some<S: Store>(&mut self, store: &S, chain: &Chain) -> Result<(), Failure> {
        for _ in 0..PARTS {
            if index::advance(store, chain).await? {
                self.reads = false;
                break;
            }
        }
        Ok(())
    }

    async fn make<S: Store>(
        &mut self,
        now: Time,
        store: &S,
        chain: &Chain,
        network: &Network,
    ) -> Result<Word, Failure> {
        self.forget();
        let founded = Height(u64::try_from(network.founding.len()).map_err(Failure::run)?);
        let changes = index::changes(store, chain, founded).await?;
        let changes = serde_json::to_vec(&changes).map_err(Failure::run)?.into();
        std::fs::create_dir_all(&self.folder).map_err(|why| Failure::file(&self.folder, why))?;
        let mut chunks = ChunkFile::create(&self.folder.join("chunks"))?;
        // What vouches for it is the header; a checkpoint says no more.
        let snapshot = Snapshot::of(chain, None).map_err(Failure::run)?;
        let of = snapshot.manifest();
        for number in 0..of.chunks() {
            let chunk = snapshot.chunk(number).map_err(Failure::run)?;
            chunks.push(&chunk.ok_or_else(|| Failure::run("a chunk is missing"))?)?;
        }
        let mut manifest = Vec::with_capacity(1_024);
        of.encode(&mut manifest).map_err(Failure::run)?;
        let word = Word::Snapshot { manifest: manifest.into(), changes };
        let blocks = chain.next_height().0;
        tracing::info!(event = "snapshot.made", blocks, chunks = of.chunks());
        let (name, snapshot) = (of.name(), word.clone());
        self.kept = Some(Kept { name, blocks, snapshot, chunks, made: now, asked: now });
        Ok(word)
    }

    fn forget(&mut self) {
        self.kept = None;
        // What cannot be removed now is removed at the next start.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// So many batches of the index are written at one time.
const PARTS: usize = 8;
/// Who fetches chunks asks for one more often than this.
const FETCHED_MS: u64 = 30_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::documents::commit;
    use crate::rows;
    use ledger::{
        Body, Genesis, Identity, NodeId, NodeName, Policy, Role, SealingKey, Signer, Transaction,
        Window,
    };
    use port::{Batch, Expect, MemoryStore};
    use seal::{Secret, SigningKey};

    /// A network, its chain of one block, and its rows.
    async fn founded() -> (Network, Chain, MemoryStore) {
        let key = SigningKey::from_seed(&Secret::new([1; 32]));
        let founder = Identity {
            name: NodeName::new("one").unwrap(),
            role: Role::Supervision,
            signing: key.verifying_key(),
            sealing: SealingKey::from_seed(&Secret::new([2; 32])).public(),
        };
        let genesis = Genesis::new("test", Policy::default(), founder.clone(), Time::EPOCH);
        let genesis = genesis.unwrap();
        let mut chain = Chain::new(genesis.clone()).unwrap();
        let own = Signer::Key(key.verifying_key().to_bytes());
        let join = Transaction::new(chain.id(), Window::new(Height(0), 1), Body::Join(founder));
        let join = join.sign(own, 0, &key).unwrap();
        let network = Network::new(genesis, vec![join.clone()]);
        let network = network.unwrap_or_else(|why| panic!("{why}"));
        let draft = chain.draft(Time::from_s(1), NodeId::FOUNDER, &[join], 80);
        let signature = key.sign(&draft.header.to_sign());
        let block = draft.into_block(1, signature);
        chain.take(&block).unwrap();
        let (store, mut bytes, mut batch) = (MemoryStore::new(), Vec::new(), Batch::new());
        block.encode(&mut bytes).unwrap();
        batch.put(rows::chain::block(Height(0)).unwrap(), Expect::Absent, bytes);
        commit(&store, &batch).await.unwrap_or_else(|why| panic!("{why}"));
        (network, chain, store)
    }

    #[tokio::test]
    async fn a_snapshot_is_made_once_given_away_and_kept_for_a_while() {
        let (network, chain, store) = founded().await;
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("snapshots");
        let (kept_ms, reads, kept) = (1_000, false, None);
        let mut it = Offering { folder: folder.clone(), serves: true, kept_ms, reads, kept };
        let mut now = Time::from_s(1_000);
        let short = it.on_want(now, &store, Some(&chain), &network, 1).await;
        assert_eq!(short, Some(Word::NoSnapshot { is_short: true }));
        let opening = it.on_want(now, &store, None, &network, 0).await;
        assert_eq!(opening, Some(Word::NoSnapshot { is_short: false }));
        let first = it.on_want(now, &store, Some(&chain), &network, 0).await;
        assert!(matches!(first, Some(Word::Snapshot { .. })), "{first:?}");
        let of = Snapshot::of(&chain, None).unwrap();
        let snapshot = of.manifest().name();
        let chunk = of.chunk(0).unwrap().unwrap().into();
        assert_eq!(it.on_want_chunk(now, snapshot, 0), Word::Chunk { snapshot, number: 0, chunk });
        let none = Word::NoChunk { snapshot };
        assert_eq!(it.on_want_chunk(now, snapshot, of.manifest().chunks()), none);
        let other = [7; 32];
        assert_eq!(it.on_want_chunk(now, other, 0), Word::NoChunk { snapshot: other });
        // As long as somebody asks, it is the same one.
        for _ in 0..5 {
            now = now.plus_ms(900);
            it.on_tick(now, &store, Some(&chain)).await;
            assert!(matches!(it.on_want_chunk(now, snapshot, 0), Word::Chunk { .. }));
            assert_eq!(it.on_want(now, &store, Some(&chain), &network, 0).await, first);
        }
        assert_eq!(it.kept.as_ref().map(|kept| kept.made), Some(Time::from_s(1_000)));
        let over = it.next_deadline(now).unwrap();
        assert_eq!(over, now.plus_ms(1_000));
        it.on_tick(over, &store, Some(&chain)).await;
        assert_eq!(it.on_want_chunk(over, snapshot, 0), none);
        assert!(it.next_deadline(over).is_none() && !folder.exists());
        it.serves = false;
        let refused = it.on_want(now, &store, Some(&chain), &network, 0).await;
        assert_eq!(refused, Some(Word::NoSnapshot { is_short: false }));
    }
}
