//! Ownership goes over, and what else becomes of a file.

use super::{OnFile, Through, node, put_node};
use crate::key_ring::key;
use crate::{ClaimId, FileId, Height, NodeId};
use alloc::vec::Vec;
use port::WireError;
use port::wire::{Reader, Writer};
use seal::VerifyingKey;

/// Ownership goes over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// Of which file.
    pub on: OnFile,
    /// The member of the owner.
    pub member: NodeId,
    /// To whom, through which member.
    pub to: Through,
    /// What has to be paid first; `None`: ownership goes over with this transaction.
    pub settlement: Option<Settlement>,
}

impl Transfer {
    pub(super) fn write(&self, to: &mut Writer<'_>) {
        self.on.write(to);
        put_node(to, self.member);
        self.to.write(to);
        match &self.settlement {
            Some(settlement) => {
                to.u8(1);
                settlement.write(to);
            }
            None => {
                to.u8(0);
            }
        }
    }

    pub(super) fn read(from: &mut Reader<'_>) -> Result<Self, WireError> {
        Ok(Self {
            on: OnFile::read(from)?,
            member: node(from)?,
            to: Through::read(from)?,
            settlement: if from.flag()? { Some(Settlement::read(from)?) } else { None },
        })
    }
}

/// An agreement on a transfer. It names no revision, so that nothing else that happens to the file holds its settlement up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Agreed {
    /// Which file.
    pub file: FileId,
    /// The digest of the transaction by which the transfer was agreed on.
    pub agreement: ClaimId,
}

impl Agreed {
    pub(super) fn write(&self, to: &mut Writer<'_>) {
        to.fixed(&self.file.0).fixed(&self.agreement.0);
    }

    pub(super) fn read(from: &mut Reader<'_>) -> Result<Self, WireError> {
        Ok(Self { file: FileId(from.array()?), agreement: ClaimId(from.array()?) })
    }
}

/// What was agreed on is off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallOff {
    /// What was agreed on.
    pub agreed: Agreed,
    /// Who brings this, through which member.
    pub by: Through,
}

impl CallOff {
    pub(super) fn write(&self, to: &mut Writer<'_>) {
        self.agreed.write(to);
        self.by.write(to);
    }

    pub(super) fn read(from: &mut Reader<'_>) -> Result<Self, WireError> {
        Ok(Self { agreed: Agreed::read(from)?, by: Through::read(from)? })
    }
}

/// What has to be paid before ownership goes over, and who says that it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settlement {
    /// The payment, in the words of whoever makes it.
    pub reference: [u8; 32],
    /// Whose signature says that it was made.
    pub witness: VerifyingKey,
    /// The first height at which it is too late.
    pub until: Height,
}

impl Settlement {
    pub(crate) fn write(&self, to: &mut Writer<'_>) {
        to.fixed(&self.reference).fixed(&self.witness.to_bytes()).u64(self.until.0);
    }

    pub(crate) fn read(from: &mut Reader<'_>) -> Result<Self, WireError> {
        Ok(Self { reference: from.array()?, witness: key(from)?, until: Height(from.u64()?) })
    }
}

/// A supervision node does something to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Supervised {
    /// To which file.
    pub on: OnFile,
    /// Which supervision node.
    pub by: NodeId,
    /// Why, in the words of the supervision.
    pub reference: [u8; 32],
}

impl Supervised {
    pub(super) fn write(&self, to: &mut Writer<'_>) {
        self.on.write(to);
        put_node(to, self.by);
        to.fixed(&self.reference);
    }

    pub(super) fn read(from: &mut Reader<'_>) -> Result<Self, WireError> {
        Ok(Self { on: OnFile::read(from)?, by: node(from)?, reference: from.array()? })
    }
}

/// A party does something to a file through a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Acted {
    /// To which file.
    pub on: OnFile,
    /// Who, through which member.
    pub by: Through,
}

impl Acted {
    pub(super) fn write(&self, to: &mut Writer<'_>) {
        self.on.write(to);
        self.by.write(to);
    }

    pub(super) fn read(from: &mut Reader<'_>) -> Result<Self, WireError> {
        Ok(Self { on: OnFile::read(from)?, by: Through::read(from)? })
    }
}

/// A document was sealed anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reseal {
    /// Whose document, who, through which member.
    pub acted: Acted,
    /// Digest of the sealed document ([`crate::SealedDocument::digest`]).
    pub sealed: [u8; 32],
}

impl Reseal {
    pub(super) fn write(&self, to: &mut Writer<'_>) {
        self.acted.write(to);
        to.fixed(&self.sealed);
    }

    pub(super) fn read(from: &mut Reader<'_>) -> Result<Self, WireError> {
        Ok(Self { acted: Acted::read(from)?, sealed: from.array()? })
    }
}

/// Files go out of the state that were rejected or retired long ago ([`crate::Policy::keep`]). Their records stay in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Purge {
    /// Which supervision node.
    pub by: NodeId,
    /// Which files, in order, none twice.
    pub files: Vec<FileId>,
}

impl Purge {
    /// At most this many files go at one time, and at least one.
    pub const FILES_MAX: usize = 32;

    pub(crate) fn is_canonical(&self) -> bool {
        (1..=Self::FILES_MAX).contains(&self.files.len())
            && self.files.is_sorted_by(|one, next| one < next)
    }

    pub(super) fn write(&self, to: &mut Writer<'_>) -> Result<(), WireError> {
        put_node(to, self.by);
        to.u8(u8::try_from(self.files.len()).map_err(|_| WireError::TooLong)?);
        self.files.iter().for_each(|file| {
            to.fixed(&file.0);
        });
        Ok(())
    }

    pub(super) fn read(from: &mut Reader<'_>) -> Result<Self, WireError> {
        let by = node(from)?;
        let files = (0..from.u8()?).map(|_| Ok(FileId(from.array()?)));
        let purge = Self { by, files: files.collect::<Result<_, WireError>>()? };
        if purge.is_canonical() { Ok(purge) } else { Err(WireError::Invalid) }
    }
}
