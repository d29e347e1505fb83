//! From the request to the verdict.

use super::{Through, node, put_node};
use crate::{FileId, Label, NodeId, ThingKey, VerdictReason};
use alloc::vec::Vec;
use port::WireError;
use port::wire::{Reader, Writer};

/// A request for registration; its digest names the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Register {
    /// The user's instruction: drawn for each, so that two requests for one thing are two.
    pub instruction: [u8; 16],
    /// Which thing.
    pub thing: ThingKey,
    /// What kind of thing.
    pub kind: Label,
    /// Where.
    pub region: Label,
    /// Who is to own it, and through which member it is registered.
    pub owner: Through,
    /// Salted commitment to the document ([`crate::Document::commitment`]).
    pub commitment: [u8; 32],
    /// Digest of the sealed document ([`crate::SealedDocument::digest`]).
    pub sealed: [u8; 32],
    /// The file that this one follows, after a transfer (spec L14).
    pub predecessor: Option<FileId>,
}

impl Register {
    pub(super) fn write(&self, to: &mut Writer<'_>) -> Result<(), WireError> {
        to.fixed(&self.instruction)
            .fixed(&self.thing.0)
            .lp8(self.kind.as_bytes())?
            .lp8(self.region.as_bytes())?;
        self.owner.write(to);
        to.fixed(&self.commitment).fixed(&self.sealed);
        match self.predecessor {
            Some(file) => to.u8(1).fixed(&file.0),
            None => to.u8(0),
        };
        Ok(())
    }

    pub(super) fn read(from: &mut Reader<'_>) -> Result<Self, WireError> {
        Ok(Self {
            instruction: from.array()?,
            thing: ThingKey::read(from)?,
            kind: Label::read(from)?,
            region: Label::read(from)?,
            owner: Through::read(from)?,
            commitment: from.array()?,
            sealed: from.array()?,
            predecessor: if from.flag()? { Some(FileId(from.array()?)) } else { None },
        })
    }
}

/// What an audit has found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// About which file.
    pub file: FileId,
    /// Who audited.
    pub auditor: NodeId,
    /// Why it is rejected; empty: approved. In order, none twice.
    pub reasons: Vec<VerdictReason>,
    /// Digest of the rules that decided.
    pub rules: [u8; 32],
}

impl Verdict {
    /// Whether the file may be registered, as far as this auditor is concerned.
    pub const fn is_approval(&self) -> bool {
        self.reasons.is_empty()
    }

    pub(super) fn write(&self, to: &mut Writer<'_>) -> Result<(), WireError> {
        to.fixed(&self.file.0);
        put_node(to, self.auditor);
        to.u8(u8::try_from(self.reasons.len()).map_err(|_| WireError::TooLong)?);
        for reason in &self.reasons {
            to.u8(reason.as_u8());
        }
        to.fixed(&self.rules);
        Ok(())
    }

    pub(super) fn read(from: &mut Reader<'_>) -> Result<Self, WireError> {
        let file = FileId(from.array()?);
        let auditor = node(from)?;
        let mut reasons: Vec<VerdictReason> = Vec::new();
        for _ in 0..from.u8()? {
            let reason = VerdictReason::from_u8(from.u8()?)?;
            if reasons.last().is_some_and(|before| *before >= reason) {
                return Err(WireError::Invalid);
            }
            reasons.push(reason);
        }
        Ok(Self { file, auditor, reasons, rules: from.array()? })
    }
}
