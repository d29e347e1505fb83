//! What is stored: one batch for each block.

use crate::{Corrupt, Draft, Entry, EntryKey, Height, Log, Misuse, Note, SignedHeader};
use alloc::string::ToString as _;
use alloc::vec::Vec;
use port::wire::{Reader, Writer};
use port::{Batch, CrateTag, Expect, Key, KeyError, Tenant, Version, WireError};

/// The rows of one chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rows {
    tenant: Tenant,
}

impl Rows {
    /// What a block may change besides its own rows, so that its batch stays portable: head, block, decided, two tiles, the
    /// decided rows that go, and what an ordering adds.
    pub(crate) const ENTRIES_MAX: usize =
        Batch::OPS_MAX - 5 - Self::FORGOTTEN_MAX - Self::ORDERING_MAX;

    /// So many operations an ordering adds to a block's at most.
    pub(crate) const ORDERING_MAX: usize = 8;

    /// So many decided rows go with one block at most.
    pub(crate) const FORGOTTEN_MAX: usize = 4;

    pub(crate) const fn new(tenant: Tenant) -> Self {
        Self { tenant }
    }

    pub(crate) fn table(self, table: u8) -> Key {
        Key::new(CrateTag::LEDGER, self.tenant, table)
    }

    pub(crate) fn head(self) -> Key {
        self.table(HEAD)
    }

    pub(crate) fn block(self, height: Height) -> Result<Key, KeyError> {
        self.table(BLOCKS).number(height.0)
    }

    pub(crate) fn decided(self, height: Height) -> Result<Key, KeyError> {
        self.table(DECIDED).number(height.0)
    }

    pub(crate) fn tile(self, index: u64) -> Result<Key, KeyError> {
        self.table(TILES).number(index)
    }

    pub(crate) fn entry(self, key: EntryKey) -> Result<Key, KeyError> {
        self.table(ENTRIES).raw(&key.to_bytes())
    }

    /// Everything that a block changes. The head says which block came before, so that of two instances one writes.
    pub(crate) fn batch(
        self,
        draft: &Draft,
        signed: &Signed,
        log: &Log,
        head: Option<Version>,
    ) -> Result<Batch, Misuse> {
        let Signed { head: newest, decided, over } = signed;
        let height = newest.header.header.height;
        let mut batch = Batch::with_capacity(Batch::OPS_MAX);
        let mut value = Vec::with_capacity(512);
        newest.encode(&mut value).map_err(Misuse::too_long)?;
        batch.put(self.head(), head.map_or(Expect::Absent, Expect::At), value);
        let mut value = Vec::with_capacity(4_096);
        let block = draft.clone().certified(newest.header.certificate.clone());
        block.encode(&mut value).map_err(Misuse::too_long)?;
        batch.put(self.block(height)?, Expect::Absent, value);
        for entry in draft.stored() {
            let key = self.entry(entry.key())?;
            match entry.value().map_err(Misuse::too_long)? {
                Some(value) => batch.put(key, Expect::Any, value),
                None => batch.delete(key, Expect::Any),
            };
        }
        self.put_tiles(&mut batch, log, draft.leaves())?;
        let mut value = Vec::with_capacity(16 + 32 * decided.digests.len());
        decided.encode(&mut value).map_err(Misuse::too_long)?;
        batch.put(self.decided(height)?, Expect::Absent, value);
        for (_, old) in over {
            batch.delete(self.decided(*old)?, Expect::Any);
        }
        Ok(batch)
    }

    /// The tiles of the leaf level that new leaves are in, whole or partial: a partial one is replaced, never kept beside.
    fn put_tiles(self, batch: &mut Batch, log: &Log, leaves: &[[u8; 32]]) -> Result<(), Misuse> {
        let width = Log::TILE_WIDTH as u64;
        let size = log.size();
        let mut index = size / width;
        let mut tile = log.tile(0, index).unwrap_or_default();
        for leaf in leaves {
            tile.extend_from_slice(leaf);
            if tile.len() == Log::TILE_WIDTH * 32 {
                let full = core::mem::take(&mut tile);
                batch.put(self.table(TILES).number(index)?, Expect::Any, full);
                index += 1;
            }
        }
        if !tile.is_empty() && !leaves.is_empty() {
            batch.put(self.table(TILES).number(index)?, Expect::Any, tile);
        }
        Ok(())
    }

    /// An entry out of its row.
    pub(crate) fn parse_entry(key: &Key, value: &[u8]) -> Result<Entry, Corrupt> {
        let name = key.as_bytes().get(Key::HEAD_BYTES..).ok_or(WireError::Truncated)?;
        Ok(Entry::parse(EntryKey::parse(name)?, value)?)
    }

    /// The number at the end of a key.
    pub(crate) fn parse_number(key: &Key) -> Result<u64, Corrupt> {
        let bytes = key.as_bytes().get(Key::HEAD_BYTES..).ok_or(WireError::Truncated)?;
        Ok(u64::from_be_bytes(bytes.try_into().map_err(|_| WireError::Truncated)?))
    }

    /// The leaf hashes out of a tile.
    pub(crate) fn parse_tile(value: &[u8]) -> Result<&[[u8; 32]], Corrupt> {
        match value.as_chunks() {
            (hashes, []) if hashes.len() <= Log::TILE_WIDTH => Ok(hashes),
            _ => Err(Corrupt::Form(WireError::Invalid)),
        }
    }
}

/// A block that is signed and not yet durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Signed {
    pub(crate) head: Head,
    pub(crate) decided: Decided,
    /// The decided rows that go with it: since when they are of no use, and of which block.
    pub(crate) over: Vec<(Height, Height)>,
}

/// The newest header, and the checkpoint of the log after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) header: SignedHeader,
    /// None where votes vouch for the log.
    pub(crate) checkpoint: Option<Note>,
}

impl Head {
    /// Version 1, signed header and printed checkpoint, or nothing (`u16` length each).
    pub(crate) fn encode(&self, to: &mut Vec<u8>) -> Result<(), WireError> {
        let mut header = Vec::with_capacity(SignedHeader::BYTES);
        self.header.encode(&mut header)?;
        let checkpoint = self.checkpoint.as_ref().map(Note::to_string).unwrap_or_default();
        Writer::new(to, 1).lp16(&header)?.lp16(checkpoint.as_bytes())?;
        Ok(())
    }

    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, Corrupt> {
        let mut from = Reader::new(bytes);
        from.version(1)?;
        let header = SignedHeader::parse(from.lp16()?)?;
        let checkpoint = match Reader::text(from.lp16()?)? {
            "" => None,
            note => Some(Note::parse(note).map_err(|_| WireError::Invalid)?),
        };
        from.finish()?;
        Ok(Self { header, checkpoint })
    }
}

/// Which transactions a block decided, so that one that comes again is known; it goes when none of them could come again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Decided {
    /// The first height at which no window holds any more.
    pub(crate) until: Height,
    /// In the order of the block.
    pub(crate) digests: Vec<[u8; 32]>,
}

impl Decided {
    /// Version 1, height (8), count (2), digests (32 each).
    fn encode(&self, to: &mut Vec<u8>) -> Result<(), WireError> {
        let count = u16::try_from(self.digests.len()).map_err(|_| WireError::TooLong)?;
        let mut to = Writer::new(to, 1);
        to.u64(self.until.0).u16(count);
        self.digests.iter().for_each(|digest| {
            to.fixed(digest);
        });
        Ok(())
    }

    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, Corrupt> {
        let mut from = Reader::new(bytes);
        from.version(1)?;
        let until = Height(from.u64()?);
        let count = from.u16()?;
        let digests = (0..count).map(|_| from.array()).collect::<Result<_, _>>()?;
        from.finish()?;
        Ok(Self { until, digests })
    }
}

pub(crate) const HEAD: u8 = 1;
pub(crate) const BLOCKS: u8 = 2;
pub(crate) const ENTRIES: u8 = 3;
pub(crate) const TILES: u8 = 4;
pub(crate) const DECIDED: u8 = 5;
