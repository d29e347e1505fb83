//! A node that holds the chain without ordering it: takes blocks from those who do, verifies each, and stores it.
//!
//! Its rows are those of `docs/spec/ledger.md`, but for the checkpoint, which is empty, and the transactions that were decided, which
//! only a node that orders has to know.

use crate::failure::Failure;
use crate::rows::{self, chain};
use bytes::Bytes;
use ledger::{
    Block, Body, Chain, Entry, EntryKey, FileId, Genesis, Height, Log, Message, SignedHeader, State,
};
use port::wire::{Reader, Writer};
use port::{Batch, Expect, Key, Peer, Store, Time, Version, WireError};
use std::collections::{BTreeMap, VecDeque};

/// The chain up to the newest stored block, and where to get the next one.
pub(crate) struct Follower {
    genesis: Genesis,
    chain: Chain,
    head: Option<Version>,
    /// Who has blocks; the first one is asked.
    suppliers: VecDeque<Peer>,
    again_ms: u64,
    /// Blocks that wait for those before them, or for their turn.
    received: BTreeMap<Height, Block>,
    /// Up to which height blocks were asked for, and when to ask again.
    asked: Height,
    due: Time,
    /// As far as somebody says.
    known: Height,
    /// Who that is, as long as it answers: others may not have come so far yet.
    teller: Option<Peer>,
    /// Whether anybody has said.
    was_told: bool,
    sends: VecDeque<(Peer, Message)>,
}

impl Follower {
    /// Reads what is stored; it has to give the roots that were signed.
    pub(crate) async fn open<S: Store>(
        store: &S,
        genesis: &Genesis,
        suppliers: impl IntoIterator<Item = Peer>,
        again_ms: u64,
    ) -> Result<Self, Failure> {
        let (chain, head) = restore(store, genesis).await?;
        let next = chain.next_height();
        Ok(Self {
            genesis: genesis.clone(),
            chain,
            head,
            suppliers: suppliers.into_iter().collect(),
            again_ms,
            received: BTreeMap::new(),
            asked: next,
            due: Time::EPOCH,
            known: next,
            teller: None,
            was_told: false,
            sends: VecDeque::new(),
        })
    }

    /// Others are to be asked from now on.
    pub(crate) fn ask_from(&mut self, suppliers: impl IntoIterator<Item = Peer>) {
        self.suppliers = suppliers.into_iter().collect();
        self.teller = None;
    }

    /// A block, or that there is none yet; from somebody who was asked.
    pub(crate) fn on_message(&mut self, now: Time, from: &Peer, message: Message) {
        match message {
            _ if !self.suppliers.contains(from) => {}
            Message::Block(block) => {
                let height = block.header.header.height;
                let next = self.chain.next_height();
                if height >= next && height < self.asked.max(next.next()) {
                    self.received.insert(height, *block);
                    self.due = now.plus_ms(self.again_ms);
                }
            }
            Message::Next(next) => self.on_head(now, from, next),
            _ => {}
        }
    }

    /// Somebody has blocks up to this height.
    pub(crate) fn on_head(&mut self, now: Time, from: &Peer, next: Height) {
        if self.suppliers.contains(from) {
            self.was_told = true;
            if next > self.known {
                self.known = next;
                self.teller = Some(from.clone());
            }
        }
        self.ask(now);
    }

    /// Asks for what is missing, and from time to time whether something is.
    pub(crate) fn on_tick(&mut self, now: Time) {
        if now < self.due {
            return;
        }
        let next = self.chain.next_height();
        if self.asked > next {
            // Whoever was asked has not answered.
            self.asked = next;
            self.turn_to_another();
        }
        self.known = self.known.max(next);
        self.due = now.plus_ms(self.again_ms);
        self.ask(now);
        if self.asked == next {
            self.want(next);
        }
    }

    /// Whether it has all blocks that it has heard of, and has heard of any.
    pub(crate) fn has_caught_up(&self) -> bool {
        self.was_told && self.chain.next_height() >= self.known
    }

    pub(crate) const fn next_deadline(&self) -> Time {
        self.due
    }

    pub(crate) fn poll_send(&mut self) -> Option<(Peer, Message)> {
        self.sends.pop_front()
    }

    pub(crate) const fn chain(&self) -> &Chain {
        &self.chain
    }

    /// Goes on to the blocks that were received; they are durable when this returns. A block that does not follow is dropped, and
    /// another supplier asked.
    pub(crate) async fn apply<S: Store>(
        &mut self,
        now: Time,
        store: &S,
    ) -> Result<Applied, Failure> {
        let mut applied = Applied::default();
        while self.received.contains_key(&self.chain.next_height()) {
            let mut step = Step::default();
            let before = self.chain.log().size();
            while let Some(block) = self.received.first_entry()
                && *block.key() == self.chain.next_height()
                && step.has_room_for(block.get())
            {
                let (height, block) = block.remove_entry();
                let mut erased = erased(self.chain.state(), &block);
                match self.chain.take(&block) {
                    Ok(entries) => {
                        let state = self.chain.state();
                        for (id, sealed) in &mut erased {
                            *sealed = state.file(*id).map_or(*sealed, |file| file.sealed);
                        }
                        step.erased.append(&mut erased);
                        step.add(height, &block, entries)?;
                    }
                    Err(why) => {
                        tracing::warn!(event = "block.refused", code = why.code(), %why);
                        self.received.clear();
                        self.asked = self.chain.next_height();
                        self.turn_to_another();
                    }
                }
            }
            if step.heights.is_empty() {
                break;
            }
            let batch = step.batch(&self.chain, before, self.head).map_err(Failure::run)?;
            match store.commit(&batch).await {
                Ok(port::Commit::Applied(version)) => self.head = Some(version),
                fate => {
                    // What is stored says what is true.
                    tracing::warn!(event = "block.not_stored", ?fate);
                    (self.chain, self.head) = restore(store, &self.genesis).await?;
                    self.received.clear();
                    self.asked = self.chain.next_height();
                    break;
                }
            }
            applied.heights.append(&mut step.heights);
            applied.erased.append(&mut step.erased);
        }
        self.ask(now);
        Ok(applied)
    }

    /// Asks for blocks in advance, as far as they are known to be there.
    fn ask(&mut self, now: Time) {
        let next = self.chain.next_height();
        self.asked = self.asked.max(next);
        let until = self.known.min(next.after(AHEAD));
        while self.asked < until {
            let height = self.asked;
            self.want(height);
            self.asked = height.next();
            self.due = now.plus_ms(self.again_ms);
        }
    }

    fn turn_to_another(&mut self) {
        self.suppliers.rotate_left(1);
        self.teller = None;
    }

    fn want(&mut self, height: Height) {
        if let Some(supplier) = self.teller.as_ref().or(self.suppliers.front()) {
            self.sends.push_back((supplier.clone(), Message::Want(height)));
        }
    }
}

/// What is new and durable.
#[derive(Default)]
pub(crate) struct Applied {
    pub(crate) heights: Vec<Height>,
    /// Files whose documents are to be erased, and the digests of these: a file may be purged before anybody looks.
    pub(crate) erased: Vec<(FileId, [u8; 32])>,
}

/// Blocks that go into one batch.
#[derive(Default)]
struct Step {
    heights: Vec<Height>,
    erased: Vec<(FileId, [u8; 32])>,
    blocks: Vec<(Key, Bytes)>,
    entries: BTreeMap<EntryKey, Option<Vec<u8>>>,
    /// Rows, at most.
    rows: usize,
    bytes: usize,
}

impl Step {
    fn has_room_for(&self, block: &Block) -> bool {
        let (rows, bytes) = (rows_of(block), Block::BYTES_MAX);
        self.heights.is_empty()
            || (self.rows + rows <= ROWS_MAX && self.bytes + bytes * 2 <= Batch::BYTES_MAX)
    }

    fn add(&mut self, height: Height, block: &Block, entries: Vec<Entry>) -> Result<(), Failure> {
        let mut bytes = Vec::with_capacity(4_096);
        block.encode(&mut bytes).map_err(Failure::run)?;
        self.rows += rows_of(block);
        self.bytes += bytes.len() * 2;
        self.blocks.push((chain::block(height).map_err(Failure::run)?, bytes.into()));
        for entry in entries {
            self.entries.insert(entry.key(), entry.value().map_err(Failure::run)?);
        }
        self.heights.push(height);
        Ok(())
    }

    fn batch(&self, chain: &Chain, before: u64, head: Option<Version>) -> Result<Batch, String> {
        let mut batch = Batch::with_capacity(Batch::OPS_MAX);
        let newest = chain.head().ok_or("a block without a head")?;
        let expect = head.map_or(Expect::Absent, Expect::At);
        batch.put(chain::head(), expect, head_row(newest).map_err(|why| why.to_string())?);
        for (key, bytes) in &self.blocks {
            batch.put(key.clone(), Expect::Absent, bytes.clone());
        }
        for (key, value) in &self.entries {
            let row = chain::table(chain::ENTRIES).raw(&key.to_bytes());
            let row = row.map_err(|why| why.to_string())?;
            match value {
                Some(value) => batch.put(row, Expect::Any, value.clone()),
                None => batch.delete(row, Expect::Any),
            };
        }
        let width = Log::TILE_WIDTH as u64;
        let log = chain.log();
        let mut index = before / width;
        while index * width < log.size() {
            let tile = log.tile(0, index).ok_or("a tile of the log is missing")?;
            let row = chain::table(chain::TILES).number(index).map_err(|why| why.to_string())?;
            batch.put(row, Expect::Any, tile);
            index += 1;
        }
        Ok(batch)
    }
}

/// The documents that a block says are to be erased, as the state before it knows them.
fn erased(state: &State, block: &Block) -> Vec<(FileId, [u8; 32])> {
    let files = block.transactions.iter().filter_map(|it| match &it.body {
        Body::Erase(it) => Some(it.on.file),
        _ => None,
    });
    files.filter_map(|id| Some((id, state.file(id)?.sealed))).collect()
}

/// What a block may write at most: itself, and three names for each transaction.
const fn rows_of(block: &Block) -> usize {
    1 + 3 * block.transactions.len()
}

/// Version 1, signed header (`u16` length), no checkpoint (`u16` length).
fn head_row(header: &SignedHeader) -> Result<Vec<u8>, WireError> {
    let mut bytes = Vec::with_capacity(SignedHeader::BYTES);
    header.encode(&mut bytes)?;
    let mut row = Vec::with_capacity(bytes.len() + 8);
    Writer::new(&mut row, 1).lp16(&bytes)?.lp16(&[])?;
    Ok(row)
}

fn parse_head(bytes: &[u8]) -> Result<SignedHeader, WireError> {
    let mut from = Reader::new(bytes);
    from.version(1)?;
    let header = SignedHeader::parse(from.lp16()?)?;
    from.lp16()?;
    from.finish()?;
    Ok(header)
}

async fn restore<S: Store>(
    store: &S,
    genesis: &Genesis,
) -> Result<(Chain, Option<Version>), Failure> {
    let damaged =
        |what: &str| Failure::run(format!("a stored row of the chain is damaged: {what}"));
    let Some(head) = rows::one(store, chain::head()).await? else {
        return Ok((Chain::new(genesis.clone()).map_err(Failure::run)?, None));
    };
    let header = parse_head(&head.value).map_err(|_| damaged("the head"))?;
    let name = |key: &Key| key.as_bytes().get(Key::HEAD_BYTES..).map(<[u8]>::to_vec);
    let mut entries = Vec::new();
    for (key, row) in rows::all(store, chain::table(chain::ENTRIES)).await? {
        let key = name(&key).and_then(|name| EntryKey::parse(&name).ok());
        let entry = key.and_then(|key| Entry::parse(key, &row.value).ok());
        entries.push(entry.ok_or_else(|| damaged("an entry"))?);
    }
    let mut leaves = Vec::new();
    for (_, row) in rows::all(store, chain::table(chain::TILES)).await? {
        let (hashes, rest) = row.value.as_chunks::<32>();
        if !rest.is_empty() || leaves.len() % Log::TILE_WIDTH != 0 {
            return Err(damaged("a tile"));
        }
        leaves.extend_from_slice(hashes);
    }
    let chain = Chain::restore(genesis.clone(), header, entries, leaves)
        .map_err(|why| damaged(&why.to_string()))?;
    Ok((chain, Some(head.version)))
}

/// So many blocks are asked for in advance.
const AHEAD: u64 = 16;
/// Of blocks and entries; head and tiles come beside.
const ROWS_MAX: usize = Batch::OPS_MAX - 4;

#[cfg(test)]
mod tests {
    use super::*;
    use ledger::{Identity, NodeName, Policy, Role, SealingKey};
    use port::MemoryStore;
    use seal::{Secret, SigningKey};

    fn peer(name: &str) -> Peer {
        Peer::new(name).unwrap()
    }

    #[tokio::test]
    async fn who_has_the_newest_block_is_asked_for_it_and_another_if_it_is_silent() {
        let founder = Identity {
            name: NodeName::new("one").unwrap(),
            role: Role::Supervision,
            signing: SigningKey::from_seed(&Secret::new([1; 32])).verifying_key(),
            sealing: SealingKey::from_seed(&Secret::new([2; 32])).public(),
        };
        let genesis = Genesis::new("test", Policy::default(), founder, Time::EPOCH).unwrap();
        let store = MemoryStore::new();
        let suppliers = ["one", "two", "three"].map(peer);
        let open = Follower::open(&store, &genesis, suppliers.clone(), 1_000).await;
        let mut follower = open.unwrap_or_else(|_| panic!("an empty store can be opened"));
        let mut now = Time::from_s(1);
        let asked = |follower: &mut Follower| {
            let sends = std::iter::from_fn(|| follower.poll_send());
            sends.map(|(to, _)| to.as_str().to_owned()).collect::<Vec<_>>()
        };
        follower.on_head(now, &peer("three"), Height(1));
        assert_eq!(asked(&mut follower), ["three"]);
        // Others come to the same block, and nothing has to be asked again.
        follower.on_head(now, &peer("two"), Height(1));
        follower.on_head(now, &peer("stranger"), Height(9));
        assert!(asked(&mut follower).is_empty());
        // It does not answer: the next in turn is asked.
        now = now.plus_ms(1_000);
        follower.on_tick(now);
        assert_eq!(asked(&mut follower), ["two"]);
    }
}
