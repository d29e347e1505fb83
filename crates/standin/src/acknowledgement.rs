//! What the accounting system is told about a parameter set that was accepted.

use crate::signed::Signed;
use crate::{InstitutionId, Mark, Parameters, SealError};
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use port::wire::{Reader, Writer};
use port::{KeyId, Time, WireError};
use seal::{TrustList, in_domain};

/// Says that a parameter set was accepted, when, and from when on it decides. Kept, so that it can be sent until it was heard; who
/// hears it believes it as a [`SealedAcknowledgement`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Acknowledgement {
    /// Whose parameters.
    pub institution: InstitutionId,
    /// Which set.
    pub mark: Mark,
    /// When it was accepted.
    pub at: Time,
    /// From when on it decides.
    pub effective_from: Time,
}

impl Acknowledgement {
    pub(crate) fn new(set: &Parameters, at: Time) -> Self {
        let effective_from = Time::from_ms(set.draft().effective_from_ms).max(at);
        Self { institution: set.institution(), mark: set.mark(), at, effective_from }
    }

    /// The stored form, specified in `docs/spec/standin.md`; it is also what is signed.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(65);
        Writer::new(&mut bytes, 1)
            .u64(self.institution.as_u64())
            .u64(self.mark.version)
            .fixed(&self.mark.digest)
            .u64(self.at.as_ms())
            .u64(self.effective_from.as_ms());
        bytes
    }

    /// Reads the stored form.
    ///
    /// # Errors
    /// [`WireError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(bytes);
        reader.version(1)?;
        let acknowledgement = Self {
            institution: InstitutionId::new(reader.u64()?).ok_or(WireError::Invalid)?,
            mark: Mark { version: reader.u64()?, digest: reader.array()? },
            at: Time::from_ms(reader.u64()?),
            effective_from: Time::from_ms(reader.u64()?),
        };
        reader.finish()?;
        Ok(acknowledgement)
    }
}

/// An acknowledgement with the signature of the stand-in module that made it: what the accounting system is sent.
///
/// [`crate::Install::signed_by`] makes it. The other side opens it, with a trust list that names no module but the one whose
/// acknowledgement it should be.
#[derive(Clone, PartialEq, Eq)]
pub struct SealedAcknowledgement(Signed);

impl SealedAcknowledgement {
    /// The bytes that a stand-in module signs.
    pub fn message(acknowledgement: &Acknowledgement) -> Vec<u8> {
        in_domain(DOMAIN, &acknowledgement.encode())
    }

    /// Joins an acknowledgement with its signature. Whether the signature is right is found by whoever opens it.
    ///
    /// # Errors
    /// [`WireError::TooLong`] for a name of more than 32 bytes.
    pub fn new(
        acknowledgement: &Acknowledgement,
        module: &str,
        key_id: u8,
        signature: [u8; 64],
    ) -> Result<Self, WireError> {
        Signed::new(acknowledgement.encode(), module, key_id, signature).map(Self)
    }

    /// Checks the signature, and says what was acknowledged. That it is the set that was sent is for the caller to see, by
    /// institution and [`Acknowledgement::mark`].
    ///
    /// # Errors
    /// [`SealError::Distrust`], [`SealError::Signature`] or [`SealError::Form`]; nothing of it was believed.
    pub fn open(&self, now: Time, trust: &TrustList) -> Result<Acknowledgement, SealError> {
        let key = trust.key(self.module(), self.0.key_id(), now).map_err(SealError::Distrust)?;
        self.0.verify(key, DOMAIN)?;
        Acknowledgement::parse(self.0.body()).map_err(SealError::Form)
    }

    /// Whether this is what it says, believed or not.
    pub(crate) fn is_of(&self, acknowledgement: &Acknowledgement) -> bool {
        self.0.body() == acknowledgement.encode()
    }

    /// Who is said to have signed it.
    pub fn module(&self) -> &str {
        self.0.issuer()
    }

    /// Appends the form in which it is sent, specified in `docs/spec/standin.md`.
    ///
    /// # Errors
    /// [`WireError::TooLong`].
    pub fn encode(&self, to: &mut Vec<u8>) -> Result<(), WireError> {
        self.0.encode(to)
    }

    /// Reads that form; nothing of it is believed before [`SealedAcknowledgement::open`].
    ///
    /// # Errors
    /// [`WireError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, WireError> {
        Signed::parse(bytes).map(Self)
    }
}

impl fmt::Debug for SealedAcknowledgement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealedAcknowledgement({:?})", self.0)
    }
}

/// Under which name, and with which key, a stand-in module signs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signer {
    /// The name that the accounting system knows it by; at most 32 bytes.
    pub name: String,
    /// The key's number at that name.
    pub key_id: u8,
    /// The key at the key holder, for Ed25519.
    pub key: KeyId,
}

const DOMAIN: &str = "interbank/standin/acknowledgement/v1";
