//! Resource files: who owns a thing, and what is allowed with it.

use crate::body::Settlement;
use crate::node::{height, put_height};
use crate::{At, ClaimId, FileId, Height, Label, NodeId, PartyId, Refusal, ThingKey};
use alloc::boxed::Box;
use alloc::vec::Vec;
use port::wire::{Reader, Writer};
use port::{Time, WireError};

/// A resource file as the chain knows it: commitments, owner and state; the document itself is elsewhere, sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Which thing it is about.
    pub thing: ThingKey,
    /// What kind of thing.
    pub kind: Label,
    /// Where.
    pub region: Label,
    /// Who owns it, or is to.
    pub owner: PartyId,
    /// Which member asked for its registration, and gets the result.
    pub member: NodeId,
    /// Salted commitment to the document.
    pub commitment: [u8; 32],
    /// Digest of the sealed document in its newest form.
    pub sealed: [u8; 32],
    /// Since when the document's keys are to be destroyed.
    pub erased: Option<Height>,
    /// Where it stands.
    pub status: Status,
    /// Whether supervision has frozen it.
    pub frozen: bool,
    /// How often it was changed.
    pub revision: u32,
    /// Since when it stands there.
    pub since: Height,
    /// When that was, by the block.
    pub since_time: Time,
    /// Which file it follows.
    pub predecessor: Option<FileId>,
    /// Who approved it.
    pub approvals: Vec<NodeId>,
    /// Who rejected it.
    pub rejections: Vec<NodeId>,
    /// Who may use it when, in the order of their agreement.
    pub leases: Vec<Lease>,
    /// Who holds it as security, in the order of their priority.
    pub liens: Vec<Lien>,
}

impl File {
    /// At most this many leases, and as many liens.
    pub const CLAIMS_MAX: usize = 8;

    /// Where it stands, in the words of the described system.
    pub fn stage(&self) -> Stage {
        match &self.status {
            _ if self.frozen => Stage::Frozen,
            Status::Auditing if self.approvals.is_empty() && self.rejections.is_empty() => {
                Stage::Submitted
            }
            Status::Auditing => Stage::Auditing,
            Status::Registered if self.leases.is_empty() && self.liens.is_empty() => {
                Stage::Registered
            }
            Status::Registered => Stage::Encumbered,
            Status::Rejected(_) => Stage::Rejected,
            Status::Pending { .. } => Stage::TransferPending,
            Status::Transferred { .. } => Stage::AwaitingRegistration,
            Status::Retired { .. } => Stage::Retired,
        }
    }

    /// Who owns the thing while this is its live file: the new owner as soon as ownership has gone over.
    pub const fn holder(&self) -> PartyId {
        match self.status {
            Status::Transferred { to, .. } => to,
            _ => self.owner,
        }
    }

    /// Whether it is its thing's live file.
    pub const fn is_live(&self) -> bool {
        !matches!(self.status, Status::Auditing) && !self.is_over()
    }

    /// Whether nothing can happen with it any more: it was rejected, or is retired.
    pub const fn is_over(&self) -> bool {
        matches!(self.status, Status::Rejected(_) | Status::Retired { .. })
    }

    /// It stands where it stands since this block.
    pub(crate) const fn stands_since(&mut self, at: At) {
        self.since = at.height;
        self.since_time = at.time;
    }

    /// Whether operations are possible (spec L8, Ld5).
    ///
    /// # Errors
    /// [`Refusal`] says what is in the way.
    pub const fn check_usable(&self) -> Result<(), Refusal> {
        if self.frozen {
            return Err(Refusal::Frozen);
        }
        match self.status {
            Status::Registered => Ok(()),
            Status::Auditing | Status::Rejected(_) => Err(Refusal::NotRegistered),
            Status::Pending { .. } => Err(Refusal::TransferPending),
            Status::Transferred { .. } => Err(Refusal::AwaitingRegistration),
            Status::Retired { .. } => Err(Refusal::Retired),
        }
    }

    /// Appends the stored form: see `docs/spec/ledger.md`.
    ///
    /// # Errors
    /// [`WireError::TooLong`].
    pub fn encode(&self, to: &mut Vec<u8>) -> Result<(), WireError> {
        let count = |len| u8::try_from(len).map_err(|_| WireError::TooLong);
        let mut to = Writer::new(to, 1);
        to.fixed(&self.thing.0)
            .lp8(self.kind.as_bytes())?
            .lp8(self.region.as_bytes())?
            .fixed(&self.owner.0)
            .u64(self.member.0.0)
            .fixed(&self.commitment)
            .fixed(&self.sealed);
        put_height(&mut to, self.erased);
        self.status.write(&mut to);
        to.u8(u8::from(self.frozen)).u32(self.revision).u64(self.since.0);
        to.u64(self.since_time.as_ms());
        put_file(&mut to, self.predecessor);
        for nodes in [&self.approvals, &self.rejections] {
            to.u8(count(nodes.len())?);
            nodes.iter().for_each(|node| {
                to.u64(node.0.0);
            });
        }
        to.u8(count(self.leases.len())?);
        self.leases.iter().for_each(|lease| lease.write(&mut to));
        to.u8(count(self.liens.len())?);
        self.liens.iter().for_each(|lien| lien.write(&mut to));
        Ok(())
    }

    /// Reads the stored form.
    ///
    /// # Errors
    /// [`WireError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, WireError> {
        let mut from = Reader::new(bytes);
        from.version(1)?;
        let file = Self {
            thing: ThingKey::read(&mut from)?,
            kind: Label::read(&mut from)?,
            region: Label::read(&mut from)?,
            owner: PartyId(from.array()?),
            member: NodeId(Height(from.u64()?)),
            commitment: from.array()?,
            sealed: from.array()?,
            erased: height(&mut from)?,
            status: Status::read(&mut from)?,
            frozen: from.flag()?,
            revision: from.u32()?,
            since: Height(from.u64()?),
            since_time: Time::from_ms(from.u64()?),
            predecessor: file(&mut from)?,
            approvals: nodes(&mut from)?,
            rejections: nodes(&mut from)?,
            leases: claims(&mut from, Lease::read)?,
            liens: claims(&mut from, Lien::read)?,
        };
        from.finish()?;
        Ok(file)
    }
}

/// Where a file stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// Requested; not enough verdicts yet.
    Auditing,
    /// Registered: the thing's live file.
    Registered,
    /// Not to be registered.
    Rejected(Rejected),
    /// A transfer was agreed on, and waits for its settlement.
    Pending {
        /// Who is to own it.
        to: PartyId,
        /// The digest of the transaction by which it was agreed on.
        agreement: ClaimId,
        /// What has to be paid.
        settlement: Box<Settlement>,
    },
    /// Ownership has gone over; the new owner has to register.
    Transferred {
        /// Who owns it now.
        to: PartyId,
        /// From this height on supervision is told.
        until: Height,
    },
    /// Its time is over.
    Retired {
        /// Which file followed, if any.
        successor: Option<FileId>,
    },
}

impl Status {
    fn write(&self, to: &mut Writer<'_>) {
        match self {
            Self::Auditing => {
                to.u8(1);
            }
            Self::Registered => {
                to.u8(2);
            }
            Self::Rejected(why) => {
                to.u8(3).u8(why.as_u8());
            }
            Self::Pending { to: party, agreement, settlement } => {
                to.u8(4).fixed(&party.0).fixed(&agreement.0);
                settlement.write(to);
            }
            Self::Transferred { to: party, until } => {
                to.u8(5).fixed(&party.0).u64(until.0);
            }
            Self::Retired { successor } => {
                to.u8(6);
                put_file(to, *successor);
            }
        }
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, WireError> {
        Ok(match from.u8()? {
            1 => Self::Auditing,
            2 => Self::Registered,
            3 => Self::Rejected(Rejected::from_u8(from.u8()?)?),
            4 => Self::Pending {
                to: PartyId(from.array()?),
                agreement: ClaimId(from.array()?),
                settlement: Box::new(Settlement::read(from)?),
            },
            5 => Self::Transferred { to: PartyId(from.array()?), until: Height(from.u64()?) },
            6 => Self::Retired { successor: file(from)? },
            _ => return Err(WireError::Invalid),
        })
    }
}

/// The states of the described system (spec: Resource states).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// Requested; nobody has judged yet.
    Submitted,
    /// Some have judged.
    Auditing,
    /// Registered, and free.
    Registered,
    /// Not to be registered.
    Rejected,
    /// Registered, with leases or liens.
    Encumbered,
    /// A transfer waits for its settlement.
    TransferPending,
    /// Ownership has gone over; the new owner has to register.
    AwaitingRegistration,
    /// Its time is over.
    Retired,
    /// Supervision has frozen it, wherever it stands.
    Frozen,
}

impl Stage {
    /// All of them, in the order of their bytes, which begin at 1.
    pub const ALL: [Self; 9] = [
        Self::Submitted,
        Self::Auditing,
        Self::Registered,
        Self::Rejected,
        Self::Encumbered,
        Self::TransferPending,
        Self::AwaitingRegistration,
        Self::Retired,
        Self::Frozen,
    ];

    /// The byte of sent forms.
    pub const fn as_u8(self) -> u8 {
        self as u8 + 1
    }

    pub(crate) fn from_u8(byte: u8) -> Result<Self, WireError> {
        let place = usize::from(byte).checked_sub(1).ok_or(WireError::Invalid)?;
        Self::ALL.get(place).copied().ok_or(WireError::Invalid)
    }
}

/// Why a file is not to be registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rejected {
    /// Auditors have rejected it; their verdicts say why.
    ByAudit,
    /// The thing got a live file while it was audited.
    AlreadyRegistered,
    /// What it was to follow is no longer there to be followed.
    NotSuccessor,
}

impl Rejected {
    pub(crate) const fn as_u8(self) -> u8 {
        match self {
            Self::ByAudit => 1,
            Self::AlreadyRegistered => 2,
            Self::NotSuccessor => 3,
        }
    }

    pub(crate) const fn from_u8(byte: u8) -> Result<Self, WireError> {
        match byte {
            1 => Ok(Self::ByAudit),
            2 => Ok(Self::AlreadyRegistered),
            3 => Ok(Self::NotSuccessor),
            _ => Err(WireError::Invalid),
        }
    }
}

/// Who may use a thing, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Its name.
    pub id: ClaimId,
    /// Who.
    pub lessee: PartyId,
    /// From when.
    pub from: Time,
    /// The first moment after it.
    pub until: Time,
    /// Whether nobody else may use it meanwhile.
    pub exclusive: bool,
}

impl Lease {
    /// Whether the two cannot both be: they share a moment, and one of them is exclusive.
    pub fn excludes(&self, other: &Self) -> bool {
        (self.exclusive || other.exclusive) && self.from < other.until && other.from < self.until
    }

    fn write(&self, to: &mut Writer<'_>) {
        to.fixed(&self.id.0)
            .fixed(&self.lessee.0)
            .u64(self.from.as_ms())
            .u64(self.until.as_ms())
            .u8(u8::from(self.exclusive));
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, WireError> {
        Ok(Self {
            id: ClaimId(from.array()?),
            lessee: PartyId(from.array()?),
            from: Time::from_ms(from.u64()?),
            until: Time::from_ms(from.u64()?),
            exclusive: from.flag()?,
        })
    }
}

/// Who holds a thing as security.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lien {
    /// Its name.
    pub id: ClaimId,
    /// Who.
    pub holder: PartyId,
    /// Since when; the earlier comes first.
    pub placed: Height,
    /// What it secures, in the words of the holder.
    pub reference: [u8; 32],
}

impl Lien {
    fn write(&self, to: &mut Writer<'_>) {
        to.fixed(&self.id.0).fixed(&self.holder.0).u64(self.placed.0).fixed(&self.reference);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, WireError> {
        Ok(Self {
            id: ClaimId(from.array()?),
            holder: PartyId(from.array()?),
            placed: Height(from.u64()?),
            reference: from.array()?,
        })
    }
}

/// The live file of a thing, and who owns the thing now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holding {
    /// The one live file.
    pub file: FileId,
    /// The one owner: after a transfer the new one, also before it has registered.
    pub owner: PartyId,
}

impl Holding {
    /// Appends the stored form: version 1, file and owner (32 each).
    pub fn encode(&self, to: &mut Vec<u8>) {
        Writer::new(to, 1).fixed(&self.file.0).fixed(&self.owner.0);
    }

    /// Reads the stored form.
    ///
    /// # Errors
    /// [`WireError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, WireError> {
        let mut from = Reader::new(bytes);
        from.version(1)?;
        let holding = Self { file: FileId(from.array()?), owner: PartyId(from.array()?) };
        from.finish()?;
        Ok(holding)
    }
}

fn put_file(to: &mut Writer<'_>, file: Option<FileId>) {
    match file {
        Some(file) => to.u8(1).fixed(&file.0),
        None => to.u8(0),
    };
}

fn file(from: &mut Reader<'_>) -> Result<Option<FileId>, WireError> {
    Ok(if from.flag()? { Some(FileId(from.array()?)) } else { None })
}

fn nodes(from: &mut Reader<'_>) -> Result<Vec<NodeId>, WireError> {
    (0..from.u8()?).map(|_| Ok(NodeId(Height(from.u64()?)))).collect()
}

fn claims<T>(
    from: &mut Reader<'_>,
    read: fn(&mut Reader<'_>) -> Result<T, WireError>,
) -> Result<Vec<T>, WireError> {
    let count = usize::from(from.u8()?);
    if count > File::CLAIMS_MAX {
        return Err(WireError::TooLong);
    }
    (0..count).map(|_| read(from)).collect()
}
