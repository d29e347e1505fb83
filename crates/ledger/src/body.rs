//! The kinds of transactions.

mod claims;
mod membership;
mod ownership;
mod registration;

use crate::{FileId, Height, Identity, NodeId, PartyId};
use port::WireError;
use port::wire::{Reader, Writer};

pub use claims::{EndClaim, LeaseTerms, LienTerms};
pub use membership::{Associate, RotateNode, RotateParty};
pub use ownership::{Acted, Agreed, CallOff, Purge, Reseal, Settlement, Supervised, Transfer};
pub use registration::{Register, Verdict};

/// What shall happen. Whatever concerns a file names the revision it saw, so that it is good once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// A node joins. Signed by its key and by a quorum of supervision nodes; stands alone in its block (spec L1).
    Join(Identity),
    /// A node leaves. Signed by a quorum of supervision nodes.
    Revoke(NodeId),
    /// A node's next keys. Signed by the node and by the new key.
    RotateNode(RotateNode),
    /// A party gets a member, and may leave another. Signed by the party and by the member.
    Associate(Associate),
    /// A party's next key. Signed by the party, by the new key and by a member of the party.
    RotateParty(RotateParty),
    /// A file shall be registered. Signed by the owner, whose instruction this is, and by the member.
    Register(Register),
    /// What an audit has found. Signed by the supervision node.
    Judge(Verdict),
    /// Ownership goes over. Signed by both parties, their members, and every lienholder.
    Transfer(Transfer),
    /// What was agreed has been paid for. Signed by the witness of the payment.
    Settle(Agreed),
    /// What was agreed is off. Signed by both parties; after the settlement's end by one of them; always by a member.
    CallOff(CallOff),
    /// The use of a thing is let. Signed by owner and lessee and their members.
    Lease(LeaseTerms),
    /// A lease ends early. Signed by owner and lessee and the acting member.
    EndLease(EndClaim),
    /// A lien is placed. Signed by owner, lienholder and their members.
    PlaceLien(LienTerms),
    /// A lien is released. Signed by the lienholder and its member.
    ReleaseLien(EndClaim),
    /// Nothing shall happen to a file. Signed by a supervision node.
    Freeze(Supervised),
    /// It may again. Signed by a supervision node.
    Unfreeze(Supervised),
    /// The thing is no more. Signed by the owner and a member.
    Retire(Acted),
    /// The document was sealed anew, under another key. Signed by the owner and a member.
    Reseal(Reseal),
    /// The document's keys are to be destroyed by everybody who holds one. Signed by the owner and a member.
    Erase(Acted),
    /// Files that are over for long enough go out of the state. Signed by a supervision node.
    Purge(Purge),
}

impl Body {
    /// Kind (1), then the fields of the kind.
    pub(crate) fn write(&self, to: &mut Writer<'_>) -> Result<(), WireError> {
        to.u8(self.kind());
        match self {
            Self::Join(identity) => identity.write(to)?,
            Self::Revoke(node) => put_node(to, *node),
            Self::RotateNode(it) => it.write(to),
            Self::Associate(it) => it.write(to),
            Self::RotateParty(it) => it.write(to),
            Self::Register(it) => it.write(to)?,
            Self::Judge(it) => it.write(to)?,
            Self::Transfer(it) => it.write(to),
            Self::Settle(it) => it.write(to),
            Self::CallOff(it) => it.write(to),
            Self::Retire(it) | Self::Erase(it) => it.write(to),
            Self::Lease(it) => it.write(to),
            Self::EndLease(it) | Self::ReleaseLien(it) => it.write(to),
            Self::PlaceLien(it) => it.write(to),
            Self::Freeze(it) | Self::Unfreeze(it) => it.write(to),
            Self::Reseal(it) => it.write(to),
            Self::Purge(it) => it.write(to)?,
        }
        Ok(())
    }

    pub(crate) fn read(from: &mut Reader<'_>) -> Result<Self, WireError> {
        Ok(match from.u8()? {
            1 => Self::Join(Identity::read(from)?),
            2 => Self::Revoke(node(from)?),
            3 => Self::RotateNode(RotateNode::read(from)?),
            4 => Self::Associate(Associate::read(from)?),
            5 => Self::RotateParty(RotateParty::read(from)?),
            6 => Self::Register(Register::read(from)?),
            7 => Self::Judge(Verdict::read(from)?),
            8 => Self::Transfer(Transfer::read(from)?),
            9 => Self::Settle(Agreed::read(from)?),
            10 => Self::CallOff(CallOff::read(from)?),
            11 => Self::Lease(LeaseTerms::read(from)?),
            12 => Self::EndLease(EndClaim::read(from)?),
            13 => Self::PlaceLien(LienTerms::read(from)?),
            14 => Self::ReleaseLien(EndClaim::read(from)?),
            15 => Self::Freeze(Supervised::read(from)?),
            16 => Self::Unfreeze(Supervised::read(from)?),
            17 => Self::Retire(Acted::read(from)?),
            18 => Self::Reseal(Reseal::read(from)?),
            19 => Self::Erase(Acted::read(from)?),
            20 => Self::Purge(Purge::read(from)?),
            _ => return Err(WireError::Invalid),
        })
    }

    /// The one file that exists already and that this is about.
    pub(crate) const fn file(&self) -> Option<FileId> {
        match self {
            Self::Judge(it) => Some(it.file),
            Self::Transfer(it) => Some(it.on.file),
            Self::Settle(it) => Some(it.file),
            Self::CallOff(it) => Some(it.agreed.file),
            Self::Lease(it) => Some(it.on.file),
            Self::EndLease(it) | Self::ReleaseLien(it) => Some(it.on.file),
            Self::PlaceLien(it) => Some(it.on.file),
            Self::Freeze(it) | Self::Unfreeze(it) => Some(it.on.file),
            Self::Retire(it) | Self::Erase(it) => Some(it.on.file),
            Self::Reseal(it) => Some(it.acted.on.file),
            Self::Join(_)
            | Self::Revoke(_)
            | Self::RotateNode(_)
            | Self::Associate(_)
            | Self::RotateParty(_)
            | Self::Register(_)
            | Self::Purge(_) => None,
        }
    }

    const fn kind(&self) -> u8 {
        match self {
            Self::Join(_) => 1,
            Self::Revoke(_) => 2,
            Self::RotateNode(_) => 3,
            Self::Associate(_) => 4,
            Self::RotateParty(_) => 5,
            Self::Register(_) => 6,
            Self::Judge(_) => 7,
            Self::Transfer(_) => 8,
            Self::Settle(_) => 9,
            Self::CallOff(_) => 10,
            Self::Lease(_) => 11,
            Self::EndLease(_) => 12,
            Self::PlaceLien(_) => 13,
            Self::ReleaseLien(_) => 14,
            Self::Freeze(_) => 15,
            Self::Unfreeze(_) => 16,
            Self::Retire(_) => 17,
            Self::Reseal(_) => 18,
            Self::Erase(_) => 19,
            Self::Purge(_) => 20,
        }
    }
}

/// A file in the state in which the signers saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OnFile {
    /// Which file.
    pub file: FileId,
    /// How often it had changed.
    pub revision: u32,
}

impl OnFile {
    fn write(&self, to: &mut Writer<'_>) {
        to.fixed(&self.file.0).u32(self.revision);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, WireError> {
        Ok(Self { file: FileId(from.array()?), revision: from.u32()? })
    }
}

/// A party, and the member through which it acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Through {
    /// Who acts.
    pub party: PartyId,
    /// Through which member.
    pub member: NodeId,
}

impl Through {
    fn write(&self, to: &mut Writer<'_>) {
        to.fixed(&self.party.0);
        put_node(to, self.member);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, WireError> {
        Ok(Self { party: PartyId(from.array()?), member: node(from)? })
    }
}

fn put_node(to: &mut Writer<'_>, node: NodeId) {
    to.u64(node.0.0);
}

fn node(from: &mut Reader<'_>) -> Result<NodeId, WireError> {
    Ok(NodeId(Height(from.u64()?)))
}
