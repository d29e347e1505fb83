//! Nodes: who takes part in the chain, and with which keys.

use crate::key_ring::key;
use crate::{Height, KeyRing, NodeName};
use alloc::vec::Vec;
use port::WireError;
use port::wire::{Reader, Writer};
use seal::VerifyingKey;

/// A node as its identity record introduces it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// What people call it.
    pub name: NodeName,
    /// What it does.
    pub role: Role,
    /// Its first key: checks what it signs.
    pub signing: VerifyingKey,
    /// Its X25519 key: documents are sealed for it under this one.
    pub sealing: [u8; 32],
}

impl Identity {
    /// Name (`lp8`), role (1), keys (32 each).
    pub(crate) fn write(&self, to: &mut Writer<'_>) -> Result<(), WireError> {
        to.lp8(self.name.as_bytes())?
            .u8(self.role.as_u8())
            .fixed(&self.signing.to_bytes())
            .fixed(&self.sealing);
        Ok(())
    }

    pub(crate) fn read(from: &mut Reader<'_>) -> Result<Self, WireError> {
        Ok(Self {
            name: NodeName::read(from)?,
            role: Role::from_u8(from.u8()?)?,
            signing: key(from)?,
            sealing: from.array()?,
        })
    }
}

/// A node as the chain knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// What people call it.
    pub name: NodeName,
    /// What it does.
    pub role: Role,
    /// What it signs with.
    pub ring: KeyRing,
    /// Its X25519 key: documents are sealed for it under this one.
    pub sealing: [u8; 32],
    /// At which height it was revoked; it takes part up to that block.
    pub revoked: Option<Height>,
}

impl Node {
    pub(crate) fn joined(identity: &Identity, at: Height) -> Self {
        Self {
            name: identity.name.clone(),
            role: identity.role,
            // Its own identity block may need its signature.
            ring: KeyRing::new(identity.signing.clone(), at),
            sealing: identity.sealing,
            revoked: None,
        }
    }

    /// Whether it takes part at this height.
    pub fn is_active(&self, height: Height) -> bool {
        self.revoked.is_none_or(|at| height <= at)
    }

    /// Appends the stored form: version 1, name (`u8` length), role (1), keys, X25519 key (32), height of the revocation
    /// (0, or 1 and 8).
    ///
    /// # Errors
    /// [`WireError::TooLong`].
    pub fn encode(&self, to: &mut Vec<u8>) -> Result<(), WireError> {
        let mut to = Writer::new(to, 1);
        to.lp8(self.name.as_bytes())?.u8(self.role.as_u8());
        self.ring.write(&mut to)?;
        to.fixed(&self.sealing);
        put_height(&mut to, self.revoked);
        Ok(())
    }

    /// Reads the stored form.
    ///
    /// # Errors
    /// [`WireError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, WireError> {
        let mut from = Reader::new(bytes);
        from.version(1)?;
        let node = Self {
            name: NodeName::read(&mut from)?,
            role: Role::from_u8(from.u8()?)?,
            ring: KeyRing::read(&mut from)?,
            sealing: from.array()?,
            revoked: height(&mut from)?,
        };
        from.finish()?;
        Ok(node)
    }
}

/// What a node does (spec: Parties).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Receives requests for registration, audits, registers, and answers; orders the blocks.
    Supervision,
    /// Builds requests from the instructions of users, and carries out operations with other members.
    Member,
}

impl Role {
    /// The byte of stored and signed forms.
    pub const fn as_u8(self) -> u8 {
        match self {
            Self::Supervision => 1,
            Self::Member => 2,
        }
    }

    pub(crate) const fn from_u8(byte: u8) -> Result<Self, WireError> {
        match byte {
            1 => Ok(Self::Supervision),
            2 => Ok(Self::Member),
            _ => Err(WireError::Invalid),
        }
    }
}

pub(crate) fn put_height(to: &mut Writer<'_>, height: Option<Height>) {
    match height {
        Some(height) => to.u8(1).u64(height.0),
        None => to.u8(0),
    };
}

pub(crate) fn height(from: &mut Reader<'_>) -> Result<Option<Height>, WireError> {
    Ok(if from.flag()? { Some(Height(from.u64()?)) } else { None })
}
