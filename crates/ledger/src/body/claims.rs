//! Leases and liens.

use super::{OnFile, Through, node, put_node};
use crate::{ClaimId, NodeId};
use port::wire::{Reader, Writer};
use port::{Time, WireError};

/// The use of a thing is let.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseTerms {
    /// Of which file.
    pub on: OnFile,
    /// The member of the owner.
    pub member: NodeId,
    /// To whom, through which member.
    pub lessee: Through,
    /// From when.
    pub from: Time,
    /// The first moment after it.
    pub until: Time,
    /// Whether nobody else may use it meanwhile.
    pub exclusive: bool,
}

impl LeaseTerms {
    pub(super) fn write(&self, to: &mut Writer<'_>) {
        self.on.write(to);
        put_node(to, self.member);
        self.lessee.write(to);
        to.u64(self.from.as_ms()).u64(self.until.as_ms()).u8(u8::from(self.exclusive));
    }

    pub(super) fn read(from: &mut Reader<'_>) -> Result<Self, WireError> {
        Ok(Self {
            on: OnFile::read(from)?,
            member: node(from)?,
            lessee: Through::read(from)?,
            from: Time::from_ms(from.u64()?),
            until: Time::from_ms(from.u64()?),
            exclusive: from.flag()?,
        })
    }
}

/// A lien is placed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LienTerms {
    /// On which file.
    pub on: OnFile,
    /// The member of the owner.
    pub member: NodeId,
    /// For whom, through which member.
    pub holder: Through,
    /// What it secures, in the words of the holder.
    pub reference: [u8; 32],
}

impl LienTerms {
    pub(super) fn write(&self, to: &mut Writer<'_>) {
        self.on.write(to);
        put_node(to, self.member);
        self.holder.write(to);
        to.fixed(&self.reference);
    }

    pub(super) fn read(from: &mut Reader<'_>) -> Result<Self, WireError> {
        Ok(Self {
            on: OnFile::read(from)?,
            member: node(from)?,
            holder: Through::read(from)?,
            reference: from.array()?,
        })
    }
}

/// A lease or a lien ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndClaim {
    /// On which file.
    pub on: OnFile,
    /// Which one.
    pub claim: ClaimId,
    /// Who brings this, through which member.
    pub by: Through,
}

impl EndClaim {
    pub(super) fn write(&self, to: &mut Writer<'_>) {
        self.on.write(to);
        to.fixed(&self.claim.0);
        self.by.write(to);
    }

    pub(super) fn read(from: &mut Reader<'_>) -> Result<Self, WireError> {
        Ok(Self {
            on: OnFile::read(from)?,
            claim: ClaimId(from.array()?),
            by: Through::read(from)?,
        })
    }
}
