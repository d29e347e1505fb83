//! Who takes part: the kinds of transactions about nodes and parties.

use super::{Through, node, put_node};
use crate::key_ring::key;
use crate::{NodeId, PartyKind};
use port::WireError;
use port::wire::{Reader, Writer};
use seal::VerifyingKey;

/// A node's next keys, both by one record: whichever is to stay is named again.
///
/// Both count from the next block on. The signing key before counts beside the new one for the policy's overlap; for the sealing key
/// before, nothing new is sealed, and [`crate::SealingRing`] opens what is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RotateNode {
    /// Whose.
    pub node: NodeId,
    /// The number of its newest key so far.
    pub newest: u16,
    /// The next signing key.
    pub signing: VerifyingKey,
    /// The next X25519 key.
    pub sealing: [u8; 32],
}

impl RotateNode {
    pub(super) fn write(&self, to: &mut Writer<'_>) {
        put_node(to, self.node);
        to.u16(self.newest).fixed(&self.signing.to_bytes()).fixed(&self.sealing);
    }

    pub(super) fn read(from: &mut Reader<'_>) -> Result<Self, WireError> {
        Ok(Self {
            node: node(from)?,
            newest: from.u16()?,
            signing: key(from)?,
            sealing: from.array()?,
        })
    }
}

/// A party gets a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Associate {
    /// Which party, and which member.
    pub through: Through,
    /// What the party is; fixed by its first association.
    pub kind: PartyKind,
    /// Its first key; only in its first association.
    pub key: Option<VerifyingKey>,
    /// Which member it leaves.
    pub leaves: Option<NodeId>,
    /// [`crate::Party::sequence`]; 0 for a new party.
    pub sequence: u32,
}

impl Associate {
    pub(super) fn write(&self, to: &mut Writer<'_>) {
        self.through.write(to);
        to.u8(self.kind.as_u8());
        match &self.key {
            Some(key) => to.u8(1).fixed(&key.to_bytes()),
            None => to.u8(0),
        };
        match self.leaves {
            Some(node) => to.u8(1).u64(node.0.0),
            None => to.u8(0),
        };
        to.u32(self.sequence);
    }

    pub(super) fn read(from: &mut Reader<'_>) -> Result<Self, WireError> {
        Ok(Self {
            through: Through::read(from)?,
            kind: PartyKind::from_u8(from.u8()?)?,
            key: if from.flag()? { Some(key(from)?) } else { None },
            leaves: if from.flag()? { Some(node(from)?) } else { None },
            sequence: from.u32()?,
        })
    }
}

/// A party's next key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RotateParty {
    /// Whose, and through which member.
    pub through: Through,
    /// The next key.
    pub key: VerifyingKey,
    /// [`crate::Party::sequence`].
    pub sequence: u32,
}

impl RotateParty {
    pub(super) fn write(&self, to: &mut Writer<'_>) {
        self.through.write(to);
        to.fixed(&self.key.to_bytes()).u32(self.sequence);
    }

    pub(super) fn read(from: &mut Reader<'_>) -> Result<Self, WireError> {
        Ok(Self { through: Through::read(from)?, key: key(from)?, sequence: from.u32()? })
    }
}
