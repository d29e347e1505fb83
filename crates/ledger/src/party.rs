//! Parties: individuals and intermediaries, who reach the chain through members alone.

use crate::{Height, KeyRing, NodeId, PartyId, Refusal};
use alloc::vec::Vec;
use core::fmt;
use core::ops::Deref;
use port::WireError;
use port::wire::{Reader, Writer};
use seal::VerifyingKey;
use sha2::{Digest as _, Sha256};

/// An individual or an intermediary as the chain knows it: keys and members, no name.
///
/// Who it is in the world is in the sealed documents, and with the members that serve it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Party {
    /// What it is.
    pub kind: PartyKind,
    /// What it signs with.
    pub ring: KeyRing,
    /// Through which members it reaches the chain.
    pub members: Members,
    /// How often its record was changed; what changes it names this number, and is good once.
    pub sequence: u32,
}

impl Party {
    /// A party has at most this many members at one time.
    pub const MEMBERS_MAX: usize = Members::MAX;

    /// Appends the stored form: version 1, kind (1), keys, members (count 1, 8 each), sequence (4).
    ///
    /// # Errors
    /// [`WireError::TooLong`].
    pub fn encode(&self, to: &mut Vec<u8>) -> Result<(), WireError> {
        let mut to = Writer::new(to, 1);
        to.u8(self.kind.as_u8());
        self.ring.write(&mut to)?;
        to.u8(u8::try_from(self.members.len()).map_err(|_| WireError::TooLong)?);
        for member in self.members.iter() {
            to.u64(member.0.0);
        }
        to.u32(self.sequence);
        Ok(())
    }

    /// Reads the stored form.
    ///
    /// # Errors
    /// [`WireError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, WireError> {
        let mut from = Reader::new(bytes);
        from.version(1)?;
        let kind = PartyKind::from_u8(from.u8()?)?;
        let ring = KeyRing::read(&mut from)?;
        let mut members = Members::default();
        for _ in 0..from.u8()? {
            let member = NodeId(Height(from.u64()?));
            if members.last().is_some_and(|before| *before >= member) {
                return Err(WireError::Invalid);
            }
            members.insert(member).map_err(|_| WireError::TooLong)?;
        }
        let sequence = from.u32()?;
        from.finish()?;
        Ok(Self { kind, ring, members, sequence })
    }
}

/// Members, in the order in which they joined: a set of at most [`Members::MAX`], without memory of its own.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Members {
    nodes: [NodeId; Self::MAX],
    len: u8,
}

impl Members {
    /// At most so many.
    pub const MAX: usize = 8;

    /// Adds one; says whether it was not there.
    ///
    /// # Errors
    /// [`Refusal::Members`] if there are too many then.
    pub fn insert(&mut self, node: NodeId) -> Result<bool, Refusal> {
        let Err(at) = self.binary_search(&node) else { return Ok(false) };
        let len = usize::from(self.len);
        if len == Self::MAX {
            return Err(Refusal::Members);
        }
        self.nodes[len] = node;
        self.nodes[at..=len].rotate_right(1);
        self.len += 1;
        Ok(true)
    }

    /// Takes one out; says whether it was there.
    pub fn remove(&mut self, node: NodeId) -> bool {
        let Ok(at) = self.binary_search(&node) else { return false };
        let len = usize::from(self.len);
        self.nodes[at..len].rotate_left(1);
        self.nodes[len - 1] = NodeId::FOUNDER;
        self.len -= 1;
        true
    }
}

impl Default for Members {
    /// None.
    fn default() -> Self {
        Self { nodes: [NodeId::FOUNDER; Self::MAX], len: 0 }
    }
}

impl From<NodeId> for Members {
    fn from(node: NodeId) -> Self {
        let mut nodes = [NodeId::FOUNDER; Self::MAX];
        nodes[0] = node;
        Self { nodes, len: 1 }
    }
}

impl Deref for Members {
    type Target = [NodeId];

    fn deref(&self) -> &[NodeId] {
        &self.nodes[..usize::from(self.len)]
    }
}

impl fmt::Debug for Members {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

impl PartyId {
    /// The party whose first key this is: SHA-256 of the domain `interbank/ledger/party/v1`, a zero byte, and the key.
    pub fn of(first_key: &VerifyingKey) -> Self {
        let hash = Sha256::new_with_prefix(b"interbank/ledger/party/v1\0");
        Self(hash.chain_update(first_key.to_bytes()).finalize().into())
    }
}

/// What a party is (spec L11).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PartyKind {
    /// A person.
    Individual,
    /// An entity that acts for others.
    Intermediary,
}

impl PartyKind {
    /// The byte of stored and signed forms.
    pub const fn as_u8(self) -> u8 {
        match self {
            Self::Individual => 1,
            Self::Intermediary => 2,
        }
    }

    pub(crate) const fn from_u8(byte: u8) -> Result<Self, WireError> {
        match byte {
            1 => Ok(Self::Individual),
            2 => Ok(Self::Intermediary),
            _ => Err(WireError::Invalid),
        }
    }
}
