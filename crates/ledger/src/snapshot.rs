//! Snapshots: what a chain has come to, in chunks of which each is verified by itself.

use crate::map::RangeProof;
use crate::rows::{Head, Rows};
use crate::{
    Chain, Checkpoint, Corrupt, Entry, EntryKey, Genesis, Log, Note, ProofError, SignedHeader,
    State, StateMap, Trust, root_over, verify_inclusion,
};
use alloc::string::ToString as _;
use alloc::vec::Vec;
use port::wire::{Reader, Writer};
use port::{Batch, Expect, Tenant, WireError};
use sha2::{Digest as _, Sha256};

/// A chain as its newest block leaves it, for those who come late: a manifest, and chunks to be fetched in their order.
///
/// The chain stands still as long as it is borrowed: a node that goes on writes the chunks down once, or makes them from a copy.
///
/// A chunk holds all entries whose paths in the state map begin with the same bits, or 1,024 leaf hashes of the log, with the
/// hashes that lead from them to the header's roots. So a wrong one is known before the next one is fetched, and may
/// come from anybody.
#[derive(Debug)]
pub struct Snapshot<'a> {
    chain: &'a Chain,
    manifest: Manifest,
    /// The first bits of the paths of all entries, in order, and what they are called.
    places: Vec<(u32, EntryKey)>,
}

impl<'a> Snapshot<'a> {
    /// Of a chain with at least one block, and the signed checkpoint of its log, if a node signed one.
    ///
    /// # Errors
    /// [`ProofError::Form`] if there is no block, or the checkpoint is not of this log.
    pub fn of(chain: &'a Chain, checkpoint: Option<Note>) -> Result<Self, ProofError> {
        let header = chain.head().ok_or(ProofError::Form)?.clone();
        let own = Checkpoint::of(chain.state().genesis().origin(), chain.log());
        if let Some(note) = &checkpoint
            && Checkpoint::parse(note)? != own
        {
            return Err(ProofError::Form);
        }
        let chunks = chain.map().len().div_ceil(ENTRIES_EACH).next_power_of_two();
        let bits = chunks.ilog2().min(Manifest::BITS_MAX);
        let places = chain.state().keys().map(|key| (first_bits(&key.path()), key));
        let mut places: Vec<(u32, EntryKey)> = places.collect();
        places.sort_unstable();
        let manifest = Manifest { header, checkpoint, bits };
        Ok(Self { chain, manifest, places })
    }

    /// What is fetched first.
    pub const fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// A chunk; `None` if there are not so many.
    ///
    /// # Errors
    /// [`WireError::TooLong`]: never for what a chain holds.
    pub fn chunk(&self, number: u64) -> Result<Option<Vec<u8>>, WireError> {
        let Some(part) = self.manifest.part(number) else { return Ok(None) };
        let mut bytes = Vec::with_capacity(40 * 1024);
        match part {
            Part::Entries(place) => {
                let bits = self.manifest.bits;
                let of = |first: u32| if bits == 0 { 0 } else { first >> (u32::BITS - bits) };
                let from = self.places.partition_point(|(first, _)| of(*first) < place);
                let until = self.places.partition_point(|(first, _)| of(*first) <= place);
                let keys = &self.places[from..until];
                let count = u16::try_from(keys.len()).map_err(|_| WireError::TooLong)?;
                Writer::new(&mut bytes, 1).u8(ENTRIES).u16(count);
                for (_, key) in keys {
                    let entry = self.chain.state().entry(*key).ok_or(WireError::Invalid)?;
                    let value = entry.value()?.ok_or(WireError::Invalid)?;
                    Writer::bare(&mut bytes).lp8(&key.to_bytes())?.lp16(&value)?;
                }
                self.chain.map().prove_range(place, bits).write(&mut bytes)?;
            }
            Part::Leaves { from, until, .. } => {
                let log = self.chain.log();
                let path = log.inclusion(from, log.size()).ok_or(WireError::Invalid)?;
                let count = u16::try_from(until - from).map_err(|_| WireError::TooLong)?;
                // The first hashes of a leaf's path are within the chunk.
                let path = path.get(depth(until - from)..).unwrap_or_default();
                let mut to = Writer::new(&mut bytes, 1);
                to.u8(LEAVES).u16(count);
                for index in from..until {
                    to.fixed(&log.leaf(index).ok_or(WireError::Invalid)?);
                }
                to.u8(u8::try_from(path.len()).map_err(|_| WireError::TooLong)?);
                path.iter().for_each(|hash| {
                    to.fixed(hash);
                });
            }
        }
        Ok(Some(bytes))
    }
}

/// What a snapshot is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// The newest header.
    pub header: SignedHeader,
    /// The log's checkpoint after it, if a node signed one.
    pub checkpoint: Option<Note>,
    /// How many first bits of a path make a chunk of entries.
    bits: u32,
}

impl Manifest {
    const BITS_MAX: u32 = 24;

    /// What names a snapshot: two nodes at one block have the same one, whoever vouches for that block, and so the same chunks.
    ///
    /// SHA-256 of `interbank/ledger/snapshot/v1`, a zero byte, the header's digest, and bits (4).
    pub fn name(&self) -> [u8; 32] {
        let hash = Sha256::new_with_prefix(b"interbank/ledger/snapshot/v1\0");
        let hash = hash.chain_update(self.header.header.digest());
        hash.chain_update(self.bits.to_be_bytes()).finalize().into()
    }

    /// How many chunks there are.
    pub const fn chunks(&self) -> u64 {
        (1 << self.bits) + self.header.header.log_size.div_ceil(LEAVES_EACH)
    }

    /// Appends the sent form: version 1, signed header and printed checkpoint, or nothing (`u16` length each), bits
    /// (1).
    ///
    /// # Errors
    /// [`WireError::TooLong`].
    pub fn encode(&self, to: &mut Vec<u8>) -> Result<(), WireError> {
        let mut header = Vec::with_capacity(SignedHeader::BYTES);
        self.header.encode(&mut header)?;
        let bits = u8::try_from(self.bits).map_err(|_| WireError::TooLong)?;
        let checkpoint = self.checkpoint.as_ref().map(Note::to_string).unwrap_or_default();
        Writer::new(to, 1).lp16(&header)?.lp16(checkpoint.as_bytes())?.u8(bits);
        Ok(())
    }

    /// Reads the sent form.
    ///
    /// # Errors
    /// [`WireError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, WireError> {
        let mut from = Reader::new(bytes);
        from.version(1)?;
        let header = SignedHeader::parse(from.lp16()?)?;
        let checkpoint = match Reader::text(from.lp16()?)? {
            "" => None,
            note => Some(Note::parse(note).map_err(|_| WireError::Invalid)?),
        };
        let bits = u32::from(from.u8()?);
        from.finish()?;
        if bits > Self::BITS_MAX {
            return Err(WireError::TooLong);
        }
        Ok(Self { header, checkpoint, bits })
    }

    fn part(&self, number: u64) -> Option<Part> {
        let size = self.header.header.log_size;
        let Some(place) = number.checked_sub(1 << self.bits) else {
            return u32::try_from(number).ok().map(Part::Entries);
        };
        let from = place.checked_mul(LEAVES_EACH).filter(|from| *from < size)?;
        Some(Part::Leaves { place, from, until: size.min(from + LEAVES_EACH) })
    }
}

/// A node that comes late: takes a snapshot chunk by chunk, and is then where the chain was, to go on by blocks ([`Chain::take`]).
///
/// It holds what a node holds anyway, and one chunk. Every chunk leads to rows for its store; the head row comes last, so that
/// a node that stops before has nothing to open, and begins anew in an empty tenant.
#[derive(Debug)]
pub struct Joining {
    manifest: Manifest,
    state: State,
    map: StateMap,
    log: Log,
    next: u64,
    /// How many entries came so far.
    entries: u64,
    rows: Rows,
}

impl Joining {
    /// Believes a manifest whose header and checkpoint are signed by keys that are trusted.
    ///
    /// # Errors
    /// [`ProofError`].
    pub fn new(
        genesis: Genesis,
        trust: &Trust,
        tenant: Tenant,
        manifest: Manifest,
    ) -> Result<Self, ProofError> {
        trust.check(&manifest.header)?;
        let state = State::new(genesis)?;
        if state.chain() != trust.chain {
            return Err(ProofError::AnotherChain);
        }
        if let Some(note) = &manifest.checkpoint {
            let Checkpoint { origin, size, root } = Checkpoint::parse(note)?;
            if origin != trust.origin {
                return Err(ProofError::AnotherChain);
            }
            // One signature: what it says is what the header says, and enough vouch for that.
            if !trust.keys.iter().any(|key| note.is_signed_by(&origin, key)) {
                return Err(ProofError::NotSigned);
            }
            let header = &manifest.header.header;
            if size != header.log_size || root != header.log_root {
                return Err(ProofError::NotIncluded);
            }
        }
        let (map, log, rows) = (StateMap::new(), Log::new(), Rows::new(tenant));
        Ok(Self { manifest, state, map, log, next: 0, entries: 0, rows })
    }

    /// What the snapshot is of.
    pub const fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Which chunk is to be fetched next; `None`: all are there.
    pub fn wants(&self) -> Option<u64> {
        (self.next < self.manifest.chunks()).then_some(self.next)
    }

    /// Takes that chunk, and says what to store. On error nothing changed: fetch it from another node.
    ///
    /// # Errors
    /// [`ProofError::Form`], also for chunks that are many and hold next to nothing: how many there are is not signed, and nobody is to
    /// be kept busy by a wrong number; [`ProofError::NotIncluded`]; [`ProofError::NotAsked`] if all are there, or it is of another kind.
    pub fn take(&mut self, chunk: &[u8]) -> Result<Vec<Batch>, ProofError> {
        let part = self.manifest.part(self.next).ok_or(ProofError::NotAsked)?;
        let mut from = Reader::new(chunk);
        from.version(1)?;
        let kind = from.u8()?;
        let batches = match part {
            Part::Entries(place) if kind == ENTRIES => self.take_entries(place, from)?,
            Part::Leaves { place, from: first, until } if kind == LEAVES => {
                self.take_leaves(place, until - first, from)?
            }
            _ => return Err(ProofError::NotAsked),
        };
        self.next += 1;
        Ok(batches)
    }

    /// The chain, and the last batch to store.
    ///
    /// # Errors
    /// [`Corrupt::Missing`] if chunks are missing; [`Corrupt::Root`] if the state does not know the key that signed, or what follows
    /// from its entries is not what was signed.
    pub fn finish(self) -> Result<(Chain, Batch), Corrupt> {
        if self.wants().is_some() {
            return Err(Corrupt::Missing);
        }
        let tallies = self.state.tallies().all(|(party, count)| {
            let entry = Entry::Tally(party, count);
            let digest = entry.value().ok().flatten().map(|value| Sha256::digest(&value).into());
            self.map.value(&entry.key().path()) == digest
        });
        if !tallies || self.state.keys().count() != self.map.len() {
            return Err(Corrupt::Root);
        }
        let Manifest { header, checkpoint, .. } = self.manifest;
        let chain = Chain::resume(self.state, self.map, self.log, header.clone())?;
        let mut value = Vec::with_capacity(512);
        Head { header, checkpoint }.encode(&mut value)?;
        let mut batch = Batch::new();
        batch.put(self.rows.head(), Expect::Absent, value);
        Ok((chain, batch))
    }

    fn take_entries(&mut self, place: u32, mut from: Reader<'_>) -> Result<Vec<Batch>, ProofError> {
        let count = from.u16()?;
        let mut entries = Vec::with_capacity(usize::from(count).min(4 * ENTRIES_EACH));
        let mut leaves = Vec::with_capacity(entries.capacity());
        for _ in 0..count {
            let key = EntryKey::parse(from.lp8()?)?;
            let value = from.lp16()?;
            leaves.push((key.path(), <[u8; 32]>::from(Sha256::digest(value))));
            entries.push((key, Entry::parse(key, value)?, value.to_vec()));
        }
        let proof = RangeProof::read(&mut from)?;
        from.finish()?;
        let entries_now = self.entries + u64::from(count);
        if self.next >= SPARSE_AFTER && entries_now < self.next * ENTRIES_LEAST {
            return Err(ProofError::Form);
        }
        leaves.sort_unstable();
        let root = &self.manifest.header.header.state_root;
        if !proof.shows(root, place, self.manifest.bits, &leaves) {
            return Err(ProofError::NotIncluded);
        }
        let mut batches = Vec::with_capacity(2);
        for some in entries.chunks(Batch::OPS_MAX) {
            let mut batch = Batch::with_capacity(some.len());
            for (key, _, value) in some.iter().filter(|(key, ..)| key.is_stored()) {
                let row = self.rows.entry(*key).map_err(|_| ProofError::Form)?;
                batch.put(row, Expect::Any, value.clone());
            }
            batches.push(batch);
        }
        self.entries = entries_now;
        self.map.update(leaves.into_iter().map(|(path, digest)| (path, Some(digest))));
        entries.into_iter().for_each(|(_, entry, _)| self.state.take(entry));
        Ok(batches)
    }

    fn take_leaves(
        &mut self,
        place: u64,
        expected: u64,
        mut from: Reader<'_>,
    ) -> Result<Vec<Batch>, ProofError> {
        let count = from.u16()?;
        if u64::from(count) != expected {
            return Err(ProofError::Form);
        }
        let leaves: Vec<[u8; 32]> = (0..count).map(|_| from.array()).collect::<Result<_, _>>()?;
        let path: Vec<[u8; 32]> =
            (0..from.u8()?).map(|_| from.array()).collect::<Result<_, _>>()?;
        from.finish()?;
        let header = &self.manifest.header.header;
        // Above the chunks, the tree is the one over their roots.
        let chunks = header.log_size.div_ceil(LEAVES_EACH);
        if !verify_inclusion(&header.log_root, chunks, place, &root_over(&leaves), &path) {
            return Err(ProofError::NotIncluded);
        }
        let mut batch = Batch::with_capacity(4);
        let first = place * (LEAVES_EACH / Log::TILE_WIDTH as u64);
        for (index, tile) in (first..).zip(leaves.chunks(Log::TILE_WIDTH)) {
            let row = self.rows.tile(index).map_err(|_| ProofError::Form)?;
            batch.put(row, Expect::Any, tile.concat());
        }
        leaves.into_iter().for_each(|leaf| self.log.push(leaf));
        Ok(alloc::vec![batch])
    }
}

/// What a chunk holds.
enum Part {
    /// The entries whose paths begin with these bits.
    Entries(u32),
    /// Leaf hashes.
    Leaves { place: u64, from: u64, until: u64 },
}

const fn first_bits(path: &[u8; 32]) -> u32 {
    let [a, b, c, d, ..] = *path;
    u32::from_be_bytes([a, b, c, d])
}

/// How far the first of so many leaves, at least one, is below their root.
const fn depth(leaves: u64) -> usize {
    if leaves > 1 { (leaves - 1).ilog2() as usize + 1 } else { 0 }
}

const ENTRIES: u8 = 1;
const LEAVES: u8 = 2;
/// So many entries on an average, or half as many.
const ENTRIES_EACH: usize = 64;
const LEAVES_EACH: u64 = 1_024;
/// So many chunks may hold fewer than this each, by chance.
const SPARSE_AFTER: u64 = 64;
const ENTRIES_LEAST: u64 = 4;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Block, Body, Height, Identity, NodeId, NodeName, Policy, Role, SealingKey, Signer,
        Transaction, Window,
    };
    use port::Time;
    use seal::{Secret, SigningKey};

    /// A chain of one block, and whom to believe.
    fn founded() -> (Genesis, Chain, Trust) {
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
        let draft = chain.draft(Time::from_s(1), NodeId::FOUNDER, &[join], 80);
        let signature = key.sign(&draft.header.to_sign());
        let block: Block = draft.into_block(1, signature);
        chain.take(&block).unwrap();
        let keys = alloc::vec![key.verifying_key()];
        let trust = Trust { chain: chain.id(), origin: "test".into(), keys, vouchers: 1 };
        (genesis, chain, trust)
    }

    #[test]
    fn ld12_a_snapshot_in_far_too_many_chunks_keeps_nobody_busy() {
        let (genesis, chain, trust) = founded();
        let mut snapshot = Snapshot::of(&chain, None).unwrap();
        let honest = snapshot.manifest.clone();
        snapshot.manifest.bits = 20;
        assert_ne!(snapshot.manifest.name(), honest.name());
        let joining = Joining::new(genesis, &trust, Tenant::new(1), snapshot.manifest.clone());
        let mut joining = joining.unwrap();
        let refused = (0..1_000).find_map(|number| {
            let chunk = snapshot.chunk(number).unwrap().unwrap();
            joining.take(&chunk).err().map(|why| (number, why))
        });
        assert_eq!(refused, Some((SPARSE_AFTER, ProofError::Form)));
    }
}
