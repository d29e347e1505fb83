//! Parties: individuals and intermediaries, who reach the chain through members alone.

use crate::{Height, KeyRing, NodeId, PartyId};
use alloc::collections::BTreeSet;
use alloc::vec::Vec;
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
    pub members: BTreeSet<NodeId>,
    /// How often its record was changed; what changes it names this number, and is good once.
    pub sequence: u32,
}

impl Party {
    /// A party has at most this many members at one time.
    pub const MEMBERS_MAX: usize = 8;

    /// Appends the stored form: version 1, kind (1), keys, members (count 1, 8 each), sequence (4).
    ///
    /// # Errors
    /// [`WireError::TooLong`].
    pub fn encode(&self, to: &mut Vec<u8>) -> Result<(), WireError> {
        let mut to = Writer::new(to, 1);
        to.u8(self.kind.as_u8());
        self.ring.write(&mut to)?;
        to.u8(u8::try_from(self.members.len()).map_err(|_| WireError::TooLong)?);
        for member in &self.members {
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
        let mut members = BTreeSet::new();
        for _ in 0..from.u8()? {
            let member = NodeId(Height(from.u64()?));
            if members.last().is_some_and(|before| *before >= member) {
                return Err(WireError::Invalid);
            }
            members.insert(member);
        }
        let sequence = from.u32()?;
        from.finish()?;
        Ok(Self { kind, ring, members, sequence })
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
