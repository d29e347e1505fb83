//! Entries: what the state consists of, one value for each name.

use crate::{File, FileId, Height, Holding, Node, NodeId, Party, PartyId, ThingKey};
use alloc::boxed::Box;
use alloc::vec::Vec;
use port::WireError;
use port::wire::{Reader, Writer};
use sha2::{Digest as _, Sha256};

/// A name of the state, and what it stands for now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// A node.
    Node(NodeId, Node),
    /// A party.
    Party(PartyId, Party),
    /// A file.
    File(FileId, Box<File>),
    /// The live file and owner of a thing; `None`: it has none.
    Thing(ThingKey, Option<Holding>),
    /// How many things a party owns. It follows from the things, and is in no row; but it is under the state root, so that
    /// whoever is shown fewer knows it.
    Tally(PartyId, u32),
    /// A file that was over, and is not kept any more.
    Gone(FileId),
}

impl Entry {
    /// Its name.
    pub const fn key(&self) -> EntryKey {
        match self {
            Self::Node(node, _) => EntryKey::Node(*node),
            Self::Party(party, _) => EntryKey::Party(*party),
            Self::File(file, _) => EntryKey::File(*file),
            Self::Thing(thing, _) => EntryKey::Thing(*thing),
            Self::Tally(party, _) => EntryKey::Tally(*party),
            Self::Gone(file) => EntryKey::File(*file),
        }
    }

    /// The stored form of what it stands for; `None` where it stands for nothing.
    ///
    /// # Errors
    /// [`WireError::TooLong`].
    pub fn value(&self) -> Result<Option<Vec<u8>>, WireError> {
        let mut bytes = Vec::with_capacity(320);
        match self {
            Self::Node(_, node) => node.encode(&mut bytes)?,
            Self::Party(_, party) => party.encode(&mut bytes)?,
            Self::File(_, file) => file.encode(&mut bytes)?,
            Self::Thing(_, None) | Self::Tally(_, 0) | Self::Gone(_) => return Ok(None),
            Self::Thing(_, Some(holding)) => holding.encode(&mut bytes),
            Self::Tally(_, count) => {
                Writer::new(&mut bytes, 1).u32(*count);
            }
        }
        Ok(Some(bytes))
    }

    /// Reads a value under its name.
    ///
    /// # Errors
    /// [`WireError`].
    pub fn parse(key: EntryKey, value: &[u8]) -> Result<Self, WireError> {
        Ok(match key {
            EntryKey::Node(node) => Self::Node(node, Node::parse(value)?),
            EntryKey::Party(party) => Self::Party(party, Party::parse(value)?),
            EntryKey::File(file) => Self::File(file, Box::new(File::parse(value)?)),
            EntryKey::Thing(thing) => Self::Thing(thing, Some(Holding::parse(value)?)),
            EntryKey::Tally(party) => {
                let mut from = Reader::new(value);
                from.version(1)?;
                let count = from.u32()?;
                from.finish()?;
                // Nothing has one form: no value.
                if count == 0 {
                    return Err(WireError::Invalid);
                }
                Self::Tally(party, count)
            }
        })
    }
}

/// What an entry is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EntryKey {
    /// A node.
    Node(NodeId),
    /// A party.
    Party(PartyId),
    /// A file.
    File(FileId),
    /// A thing.
    Thing(ThingKey),
    /// How many things a party owns.
    Tally(PartyId),
}

impl EntryKey {
    /// The stored form: kind (1), then 8 or 32 bytes.
    pub fn to_bytes(self) -> Vec<u8> {
        let (kind, name): (u8, &[u8]) = match &self {
            Self::Node(node) => (1, &node.0.0.to_be_bytes()),
            Self::Party(party) => (2, &party.0),
            Self::File(file) => (3, &file.0),
            Self::Thing(thing) => (4, &thing.0),
            Self::Tally(party) => (5, &party.0),
        };
        [&[kind], name].concat()
    }

    /// Reads the stored form.
    ///
    /// # Errors
    /// [`WireError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, WireError> {
        let mut from = Reader::new(bytes);
        let key = match from.u8()? {
            1 => Self::Node(NodeId(Height(from.u64()?))),
            2 => Self::Party(PartyId(from.array()?)),
            3 => Self::File(FileId(from.array()?)),
            4 => Self::Thing(ThingKey(from.array()?)),
            5 => Self::Tally(PartyId(from.array()?)),
            _ => return Err(WireError::Invalid),
        };
        from.finish()?;
        Ok(key)
    }

    /// The entry where the name stands for nothing; `None` for names that stand for something for ever.
    pub(crate) const fn absent(self) -> Option<Entry> {
        match self {
            Self::Node(_) | Self::Party(_) => None,
            Self::File(file) => Some(Entry::Gone(file)),
            Self::Thing(thing) => Some(Entry::Thing(thing, None)),
            Self::Tally(party) => Some(Entry::Tally(party, 0)),
        }
    }

    /// Whether it has a row: what follows from other entries has none.
    pub(crate) const fn is_stored(self) -> bool {
        !matches!(self, Self::Tally(_))
    }

    /// Where it is in the state map: SHA-256 of the domain `interbank/ledger/entry/v1`, a zero byte, and the stored form.
    pub fn path(self) -> [u8; 32] {
        let hash = Sha256::new_with_prefix(b"interbank/ledger/entry/v1\0");
        hash.chain_update(self.to_bytes()).finalize().into()
    }
}
