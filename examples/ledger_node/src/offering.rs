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
        Self { folder, serves: file.serve, kept_ms: file.kept_s.saturating_mul(1_000), kept: None }
    }

    /// Somebody lacks more than so many blocks, and wants a snapshot.
    pub(crate) async fn on_want<S: Store>(
        &mut self,
        now: Time,
        store: &S,
        chain: Option<&Chain>,
        network: &Network,
        above: u64,
    ) -> Word {
        let Some(chain) = chain.filter(|_| self.serves) else {
            return Word::NoSnapshot { is_short: false };
        };
        if chain.next_height().0 <= above {
            return Word::NoSnapshot { is_short: true };
        }
        let is_of_use = |kept: &&mut Kept| {
            let is_new = now.since_ms(kept.made) < self.kept_ms;
            let is_fetched = now.since_ms(kept.asked) < FETCHED_MS;
            kept.blocks > above && (is_new || is_fetched)
        };
        if let Some(kept) = self.kept.as_mut().filter(is_of_use) {
            kept.asked = now;
            return kept.snapshot.clone();
        }
        match self.make(now, store, chain, network).await {
            Ok(snapshot) => snapshot,
            Err(why) => {
                tracing::error!(event = "snapshot.not_made", %why);
                self.forget();
                Word::NoSnapshot { is_short: false }
            }
        }
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

    /// Removes what nobody has asked for in a while.
    pub(crate) fn on_tick(&mut self, now: Time) {
        if self.next_deadline().is_some_and(|over| over <= now) {
            tracing::info!(event = "snapshot.removed");
            self.forget();
        }
    }

    pub(crate) fn next_deadline(&self) -> Option<Time> {
        self.kept.as_ref().map(|kept| kept.asked.plus_ms(self.kept_ms))
    }

    async fn make<S: Store>(
        &mut self,
        now: Time,
        store: &S,
        chain: &Chain,
        network: &Network,
    ) -> Result<Word, Failure> {
        self.forget();
        index::catch_up(store, chain).await?;
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

/// Who fetches chunks asks for one more often than this.
const FETCHED_MS: u64 = 30_000;
