//! Provenance: who owned a thing, one after the other, proved by the records that made it so.

use crate::{
    Block, Body, Chain, EntryKey, EntryProof, FileId, Height, ProofError, Record, Seen, ThingKey,
    Title, Trust, leaf_hash, verify_inclusion,
};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use port::WireError;
use port::wire::{Reader, Writer};

/// The records that bear on a thing's ownership, each with its path to the log's root, and who owns the thing now: all below one
/// signed header.
///
/// A record that is left out is missed: the files of a thing name those before them, what is registered needs its request,
/// its verdicts and the transfer before it, and the last one has to be the live file that the state root knows. Only what was
/// before a retirement can be left out unseen, together with the retirement: a thing that is registered anew starts anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provenance {
    now: EntryProof,
    steps: Vec<Step>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Step {
    index: u64,
    record: Vec<u8>,
    path: Vec<[u8; 32]>,
}

impl Provenance {
    /// At most this many records are read.
    pub const RECORDS_MAX: usize = 4_096;

    /// Of a thing, after a chain's newest block, with its records and their places in the log ([`History::of`]). Those that do not
    /// bear on its ownership are left out, also requests that came to nothing: anybody can make some.
    ///
    /// # Errors
    /// [`WireError::Invalid`] if the chain has no block yet or the log no such place; [`WireError::TooLong`] for too many
    /// records.
    pub fn new<'a>(
        chain: &Chain,
        thing: ThingKey,
        records: impl IntoIterator<Item = (u64, &'a Record)>,
    ) -> Result<Self, WireError> {
        let now = EntryProof::of(chain, EntryKey::Thing(thing))?;
        let mut title = Title::new(thing, chain.state().genesis().policy().approvals);
        let bearing = records.into_iter().filter(|(_, record)| title.update(record));
        let bearing: Vec<_> = bearing.collect();
        let registered: BTreeSet<FileId> =
            title.steps().iter().filter_map(|step| step.file).collect();
        let mut steps = Vec::new();
        for (index, record) in bearing {
            if !record.transaction.concerns()?.is_some_and(|file| registered.contains(&file)) {
                continue;
            }
            let mut bytes = Vec::with_capacity(640);
            record.encode(&mut bytes)?;
            let path = chain.log().inclusion(index, chain.log().size());
            steps.push(Step { index, record: bytes, path: path.ok_or(WireError::Invalid)? });
        }
        if steps.len() > Self::RECORDS_MAX {
            return Err(WireError::TooLong);
        }
        Ok(Self { now, steps })
    }

    /// The title that the records lead to, on a chain where so many approvals register ([`crate::Policy::approvals`]).
    ///
    /// # Errors
    /// [`ProofError`]; [`ProofError::Partial`] if a record is missing.
    pub fn verify(
        &self,
        trust: &Trust,
        thing: ThingKey,
        approvals: u8,
    ) -> Result<Seen<Title>, ProofError> {
        let now = self.now.verify_holding(trust, thing)?;
        let header = &self.now.header.header;
        let mut title = Title::new(thing, approvals);
        let mut next = 0;
        for Step { index, record, path } in &self.steps {
            if *index < next {
                return Err(ProofError::NotAsked);
            }
            next = index.checked_add(1).ok_or(ProofError::Form)?;
            let leaf = leaf_hash(record);
            if !verify_inclusion(&header.log_root, header.log_size, *index, &leaf, path) {
                return Err(ProofError::NotIncluded);
            }
            let record = Record::parse(record)?;
            if record.transaction.chain != trust.chain {
                return Err(ProofError::AnotherChain);
            }
            if !title.update(&record) {
                return Err(ProofError::NotAsked);
            }
        }
        let holding = now.found;
        let is_whole = title.is_whole()
            && title.owner() == holding.map(|it| it.owner)
            && title.file() == holding.map(|it| it.file);
        if is_whole {
            Ok(Seen { height: now.height, time: now.time, found: Some(title) })
        } else {
            Err(ProofError::Partial)
        }
    }

    /// Appends the stored form: version 1, proof of the thing's entry (`u16` length), count (2), and for each record its index (8),
    /// its form (`u16` length), and its path (count 1, 32 each).
    ///
    /// # Errors
    /// [`WireError::TooLong`].
    pub fn encode(&self, to: &mut Vec<u8>) -> Result<(), WireError> {
        let mut now = Vec::with_capacity(1_280);
        self.now.encode(&mut now)?;
        let count = u16::try_from(self.steps.len()).map_err(|_| WireError::TooLong)?;
        let mut to = Writer::new(to, 1);
        to.lp16(&now)?.u16(count);
        for Step { index, record, path } in &self.steps {
            to.u64(*index).lp16(record)?;
            to.u8(u8::try_from(path.len()).map_err(|_| WireError::TooLong)?);
            path.iter().for_each(|hash| {
                to.fixed(hash);
            });
        }
        Ok(())
    }

    /// Reads the stored form.
    ///
    /// # Errors
    /// [`WireError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, WireError> {
        let mut from = Reader::new(bytes);
        from.version(1)?;
        let now = EntryProof::parse(from.lp16()?)?;
        let count = usize::from(from.u16()?);
        if count > Self::RECORDS_MAX {
            return Err(WireError::TooLong);
        }
        let mut steps = Vec::with_capacity(count.min(64));
        for _ in 0..count {
            let (index, record) = (from.u64()?, from.lp16()?.to_vec());
            let path = (0..from.u8()?).map(|_| from.array()).collect::<Result<_, _>>()?;
            steps.push(Step { index, record, path });
        }
        from.finish()?;
        Ok(Self { now, steps })
    }
}

/// Which records concern which thing: made from the blocks, and kept by whoever answers. About 150 bytes a record
/// where a thing has two, and fewer where it has more.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History {
    things: BTreeMap<FileId, ThingKey>,
    records: BTreeMap<ThingKey, Vec<RecordPlace>>,
}

impl History {
    /// Of no block yet.
    pub const fn new() -> Self {
        Self { things: BTreeMap::new(), records: BTreeMap::new() }
    }

    /// Takes the next block of a chain.
    ///
    /// # Errors
    /// [`WireError::TooLong`]: never for a block that was verified.
    pub fn update(&mut self, block: &Block) -> Result<(), WireError> {
        let header = &block.header.header;
        let count = block.transactions.len() as u64;
        let first = header.log_size.checked_sub(count).ok_or(WireError::Invalid)?;
        for (place, transaction) in (0..).zip(&block.transactions) {
            let Some(file) = transaction.concerns()? else { continue };
            if let Body::Register(request) = &transaction.body {
                self.things.insert(file, request.thing);
            }
            let Some(thing) = self.things.get(&file) else { continue };
            let index = first + u64::from(place);
            let place = RecordPlace { height: header.height, place, index };
            self.records.entry(*thing).or_default().push(place);
        }
        Ok(())
    }

    /// Where the records about a thing are, in order.
    pub fn of(&self, thing: ThingKey) -> &[RecordPlace] {
        self.records.get(&thing).map_or(&[], Vec::as_slice)
    }
}

/// Where a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordPlace {
    /// In which block.
    pub height: Height,
    /// At which place there.
    pub place: u32,
    /// At which place in the log.
    pub index: u64,
}
