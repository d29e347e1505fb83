//! What a backstage server asks for.

use crate::{Error, FileClass, PartyId};
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use port::wire::{Reader, Writer};
use port::{KeyId, KeyQuestion, Time, WireError};
use sha2::{Digest as _, Sha256};

/// A request to transfer one file, signed by who asks.
///
/// Sender, destination and file name are texts as they came: whether they name something is for the judgement, in its
/// order, and an empty one is refused there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Drawn by the requester; names the job for ever. The same request under it gets the same answer.
    pub id: JobId,
    /// Who asks: a backstage server.
    pub requester: PartyId,
    /// Whose file it is.
    pub sender: String,
    /// Who gets it.
    pub destination: String,
    /// Which file.
    pub file: FileSpec,
    /// Who moves first on the link to the destination.
    pub mode: Mode,
    /// Not to be moved earlier.
    pub not_before: Option<Time>,
    /// To be delivered by then, or not at all.
    pub deadline: Option<Time>,
    /// Higher goes first.
    pub priority: u8,
    /// What happens if the name is taken.
    pub on_conflict: OnConflict,
    /// When it was made; requests that are too old are not believed.
    pub made: Time,
    /// Fresh randomness of the requester.
    pub nonce: [u8; 16],
    /// With which of the requester's keys it is signed.
    pub key_number: u8,
    /// Ed25519 over [`Request::to_sign`].
    pub signature: [u8; 64],
}

impl Request {
    /// What is signed: the domain `interbank/filexfer/request/v1`, a zero byte, all fields before the signature.
    ///
    /// # Errors
    /// [`WireError::TooLong`] for a text beyond its length field.
    pub fn to_sign(&self) -> Result<Vec<u8>, WireError> {
        let mut body = Vec::with_capacity(256);
        self.write_body(&mut body)?;
        Ok(seal::in_domain(DOMAIN, &body))
    }

    /// The question whose answer is the signature, for keys that their holder does not give away.
    ///
    /// # Errors
    /// As [`Request::to_sign`].
    pub fn question(&self, key: KeyId) -> Result<KeyQuestion, WireError> {
        Ok(KeyQuestion::Sign { key, message: self.to_sign()?.into() })
    }

    /// With the signature.
    #[must_use]
    pub fn signed(mut self, signature: [u8; 64]) -> Self {
        self.signature = signature;
        self
    }

    /// SHA-256 of the stored form without the signature: what the job's verdict and receipts are about.
    ///
    /// # Errors
    /// As [`Request::to_sign`].
    pub fn digest(&self) -> Result<[u8; 32], WireError> {
        Ok(Sha256::digest(self.to_sign()?).into())
    }

    /// What the parts of its transfer call it: the first half of the digest, so that no two requesters share one.
    ///
    /// # Errors
    /// As [`Request::to_sign`].
    pub fn transfer(&self) -> Result<TransferId, WireError> {
        Ok(TransferId(self.digest()?.first_chunk().copied().unwrap_or_default()))
    }

    /// Appends the stored and sent form, version 1.
    ///
    /// # Errors
    /// [`WireError::TooLong`].
    pub fn encode(&self, to: &mut Vec<u8>) -> Result<(), WireError> {
        self.write_body(to)?;
        to.extend_from_slice(&self.signature);
        Ok(())
    }

    /// Reads the stored and sent form.
    ///
    /// # Errors
    /// [`WireError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, WireError> {
        let mut from = Reader::new(bytes);
        from.version(1)?;
        let request = Self {
            id: JobId(from.array()?),
            requester: party(&mut from)?,
            sender: Reader::text(from.lp8()?)?.into(),
            destination: Reader::text(from.lp8()?)?.into(),
            file: FileSpec::read(&mut from)?,
            mode: Mode::from_u8(from.u8()?)?,
            not_before: optional(&mut from)?.map(Time::from_ms),
            deadline: optional(&mut from)?.map(Time::from_ms),
            priority: from.u8()?,
            on_conflict: OnConflict::from_u8(from.u8()?)?,
            made: Time::from_ms(from.u64()?),
            nonce: from.array()?,
            key_number: from.u8()?,
            signature: from.array()?,
        };
        from.finish()?;
        Ok(request)
    }

    fn write_body(&self, bytes: &mut Vec<u8>) -> Result<(), WireError> {
        let mut to = Writer::new(bytes, 1);
        to.fixed(&self.id.0)
            .lp8(self.requester.as_str().as_bytes())?
            .lp8(self.sender.as_bytes())?
            .lp8(self.destination.as_bytes())?;
        self.file.write(&mut to)?;
        to.u8(self.mode.as_u8());
        put_optional(&mut to, self.not_before.map(Time::as_ms));
        put_optional(&mut to, self.deadline.map(Time::as_ms));
        to.u8(self.priority)
            .u8(self.on_conflict.as_u8())
            .u64(self.made.as_ms())
            .fixed(&self.nonce)
            .u8(self.key_number);
        Ok(())
    }
}

/// Which file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileSpec {
    /// Its name, checked by the judgement.
    pub name: String,
    /// Its size in bytes; `None` where it is not known at the start.
    pub size: Option<u64>,
    /// The BLAKE3 root of its content; `None` where it is not known at the start.
    pub root: Option<[u8; 32]>,
    /// Its class.
    pub class: FileClass,
}

impl FileSpec {
    fn write(&self, to: &mut Writer<'_>) -> Result<(), WireError> {
        to.lp16(self.name.as_bytes())?;
        put_optional(to, self.size);
        put_optional_hash(to, self.root.as_ref());
        to.lp8(self.class.as_str().as_bytes())?;
        Ok(())
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, WireError> {
        let name = Reader::text(from.lp16()?)?.into();
        let size = optional(from)?;
        let root = optional_hash(from)?;
        let class = FileClass::new(Reader::text(from.lp8()?)?).map_err(|_| WireError::Invalid)?;
        Ok(Self { name, size, root, class })
    }
}

/// The name of a job, 16 bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobId(pub [u8; 16]);

impl fmt::Debug for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JobId({self})")
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// The name of a transfer, 16 bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TransferId(pub [u8; 16]);

impl fmt::Debug for TransferId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TransferId(")?;
        self.0.iter().take(4).try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str("..)")
    }
}

/// Who moves first on the link to the destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mode {
    /// The forwarding server sends as soon as it can.
    Push,
    /// The destination fetches when it wants.
    Pull,
}

impl Mode {
    pub(crate) const fn as_u8(self) -> u8 {
        match self {
            Self::Push => 1,
            Self::Pull => 2,
        }
    }

    const fn from_u8(byte: u8) -> Result<Self, WireError> {
        match byte {
            1 => Ok(Self::Push),
            2 => Ok(Self::Pull),
            _ => Err(WireError::Invalid),
        }
    }
}

/// What happens if the name is taken at the destination by other content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum OnConflict {
    /// The job fails.
    Fail,
    /// The new content replaces the old in one step.
    Replace,
    /// The new content gets the name of the next version.
    Version,
}

impl OnConflict {
    pub(crate) const fn as_u8(self) -> u8 {
        match self {
            Self::Fail => 1,
            Self::Replace => 2,
            Self::Version => 3,
        }
    }

    pub(crate) const fn from_u8(byte: u8) -> Result<Self, WireError> {
        match byte {
            1 => Ok(Self::Fail),
            2 => Ok(Self::Replace),
            3 => Ok(Self::Version),
            _ => Err(WireError::Invalid),
        }
    }
}

impl From<WireError> for Error {
    fn from(why: WireError) -> Self {
        Self::Peer(why)
    }
}

pub(crate) fn party(from: &mut Reader<'_>) -> Result<PartyId, WireError> {
    PartyId::new(Reader::text(from.lp8()?)?).map_err(|_| WireError::Invalid)
}

pub(crate) fn optional(from: &mut Reader<'_>) -> Result<Option<u64>, WireError> {
    match from.u8()? {
        0 => Ok(None),
        1 => Ok(Some(from.u64()?)),
        _ => Err(WireError::Invalid),
    }
}

pub(crate) fn put_optional(to: &mut Writer<'_>, value: Option<u64>) {
    match value {
        Some(value) => to.u8(1).u64(value),
        None => to.u8(0),
    };
}

pub(crate) fn optional_hash(from: &mut Reader<'_>) -> Result<Option<[u8; 32]>, WireError> {
    if from.flag()? { from.array().map(Some) } else { Ok(None) }
}

pub(crate) fn put_optional_hash(to: &mut Writer<'_>, hash: Option<&[u8; 32]>) {
    match hash {
        Some(hash) => to.u8(1).fixed(hash),
        None => to.u8(0),
    };
}

const DOMAIN: &str = "interbank/filexfer/request/v1";
