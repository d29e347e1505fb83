//! The kinds of transactions.

use crate::key_ring::key;
use crate::{
    ClaimId, FileId, Height, Identity, Label, NodeId, PartyId, PartyKind, ThingKey, VerdictReason,
};
use alloc::vec::Vec;
use port::wire::{Reader, Writer};
use port::{Time, WireError};
use seal::VerifyingKey;

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
            _ => return Err(WireError::Invalid),
        })
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

/// A node's next keys.
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
    fn write(&self, to: &mut Writer<'_>) {
        put_node(to, self.node);
        to.u16(self.newest).fixed(&self.signing.to_bytes()).fixed(&self.sealing);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, WireError> {
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
    fn write(&self, to: &mut Writer<'_>) {
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

    fn read(from: &mut Reader<'_>) -> Result<Self, WireError> {
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
    fn write(&self, to: &mut Writer<'_>) {
        self.through.write(to);
        to.fixed(&self.key.to_bytes()).u32(self.sequence);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, WireError> {
        Ok(Self { through: Through::read(from)?, key: key(from)?, sequence: from.u32()? })
    }
}

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
    fn write(&self, to: &mut Writer<'_>) -> Result<(), WireError> {
        to.fixed(&self.instruction)
            .fixed(&self.thing.0)
            .lp8(self.kind.as_str().as_bytes())?
            .lp8(self.region.as_str().as_bytes())?;
        self.owner.write(to);
        to.fixed(&self.commitment).fixed(&self.sealed);
        match self.predecessor {
            Some(file) => to.u8(1).fixed(&file.0),
            None => to.u8(0),
        };
        Ok(())
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, WireError> {
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

    fn write(&self, to: &mut Writer<'_>) -> Result<(), WireError> {
        to.fixed(&self.file.0);
        put_node(to, self.auditor);
        to.u8(u8::try_from(self.reasons.len()).map_err(|_| WireError::TooLong)?);
        for reason in &self.reasons {
            to.u8(reason.as_u8());
        }
        to.fixed(&self.rules);
        Ok(())
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, WireError> {
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
    fn write(&self, to: &mut Writer<'_>) {
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

    fn read(from: &mut Reader<'_>) -> Result<Self, WireError> {
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
    fn write(&self, to: &mut Writer<'_>) {
        to.fixed(&self.file.0).fixed(&self.agreement.0);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, WireError> {
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
    fn write(&self, to: &mut Writer<'_>) {
        self.agreed.write(to);
        self.by.write(to);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, WireError> {
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
    fn write(&self, to: &mut Writer<'_>) {
        self.on.write(to);
        put_node(to, self.member);
        self.lessee.write(to);
        to.u64(self.from.as_ms()).u64(self.until.as_ms()).u8(u8::from(self.exclusive));
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, WireError> {
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
    fn write(&self, to: &mut Writer<'_>) {
        self.on.write(to);
        put_node(to, self.member);
        self.holder.write(to);
        to.fixed(&self.reference);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, WireError> {
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
    fn write(&self, to: &mut Writer<'_>) {
        self.on.write(to);
        to.fixed(&self.claim.0);
        self.by.write(to);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, WireError> {
        Ok(Self {
            on: OnFile::read(from)?,
            claim: ClaimId(from.array()?),
            by: Through::read(from)?,
        })
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
    fn write(&self, to: &mut Writer<'_>) {
        self.on.write(to);
        self.by.write(to);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, WireError> {
        Ok(Self { on: OnFile::read(from)?, by: Through::read(from)? })
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
    fn write(&self, to: &mut Writer<'_>) {
        self.on.write(to);
        put_node(to, self.by);
        to.fixed(&self.reference);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, WireError> {
        Ok(Self { on: OnFile::read(from)?, by: node(from)?, reference: from.array()? })
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
    fn write(&self, to: &mut Writer<'_>) {
        self.acted.write(to);
        to.fixed(&self.sealed);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, WireError> {
        Ok(Self { acted: Acted::read(from)?, sealed: from.array()? })
    }
}

fn put_node(to: &mut Writer<'_>, node: NodeId) {
    to.u64(node.0.0);
}

fn node(from: &mut Reader<'_>) -> Result<NodeId, WireError> {
    Ok(NodeId(Height(from.u64()?)))
}
