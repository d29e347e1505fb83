//! Parameters under the accounting system's signature: the only form in which the stand-in module takes them (spec S3).

use super::{Parameters, ParametersDraft};
use alloc::string::String;
use alloc::vec::Vec;
use bytes::Bytes;
use core::fmt;
use port::wire::{Reader, Writer};
use port::{Time, WireError};
use seal::{Distrust, TrustList, in_domain};

/// A parameter set with the signature of an institution's accounting system.
///
/// The authoring side makes [`SealedParameters::message`] and has it signed by its key holder; this side only opens.
#[derive(Clone, PartialEq, Eq)]
pub struct SealedParameters {
    issuer: String,
    key_id: u8,
    body: Bytes,
    signature: [u8; 64],
}

impl SealedParameters {
    /// The bytes that the accounting system signs for a checked set.
    ///
    /// # Errors
    /// [`WireError::TooLong`].
    pub fn message(parameters: &Parameters) -> Result<Vec<u8>, WireError> {
        let mut body = Vec::with_capacity(1_024);
        parameters.draft().encode(&mut body)?;
        Ok(in_domain(DOMAIN, &body))
    }

    /// Joins a set with its signature. Whether the signature is right is found by whoever opens it.
    ///
    /// # Errors
    /// [`WireError::TooLong`], also for an issuer's name of more than 32 bytes.
    pub fn new(
        parameters: &Parameters,
        issuer: &str,
        key_id: u8,
        signature: [u8; 64],
    ) -> Result<Self, WireError> {
        if issuer.len() > ISSUER_BYTES_MAX {
            return Err(WireError::TooLong);
        }
        let mut body = Vec::with_capacity(1_024);
        parameters.draft().encode(&mut body)?;
        Ok(Self { issuer: issuer.into(), key_id, body: body.into(), signature })
    }

    /// Checks signature and content. `holding` is the set that decides now: a set of another institution or of the same or a
    /// lower version is refused (spec Sd7).
    ///
    /// # Errors
    /// [`SealError`]; nothing of the set was believed.
    pub fn open(
        &self,
        now: Time,
        trust: &TrustList,
        holding: Option<&Parameters>,
    ) -> Result<Parameters, SealError> {
        let key = trust.key(&self.issuer, self.key_id, now).map_err(SealError::Distrust)?;
        if !key.verify(&in_domain(DOMAIN, &self.body), &self.signature) {
            return Err(SealError::Signature);
        }
        let draft = ParametersDraft::parse(&self.body).map_err(SealError::Form)?;
        let parameters = Parameters::new(draft).map_err(|_| SealError::Content)?;
        if now >= Time::from_ms(parameters.draft().valid_until_ms) {
            return Err(SealError::Over);
        }
        match holding {
            Some(held) if held.institution() != parameters.institution() => {
                Err(SealError::Institution)
            }
            Some(held) if held.version() >= parameters.version() => Err(SealError::Version),
            _ => Ok(parameters),
        }
    }

    /// Appends the stored form, specified in `docs/spec/standin.md`.
    ///
    /// # Errors
    /// [`WireError::TooLong`].
    pub fn encode(&self, to: &mut Vec<u8>) -> Result<(), WireError> {
        Writer::new(to, 1)
            .lp8(self.issuer.as_bytes())?
            .u8(self.key_id)
            .lp32(&self.body)?
            .fixed(&self.signature);
        Ok(())
    }

    /// Reads the stored form; nothing of it is believed before [`SealedParameters::open`].
    ///
    /// # Errors
    /// [`WireError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(bytes);
        reader.version(1)?;
        let issuer = Reader::text(reader.lp8()?)?;
        if issuer.len() > ISSUER_BYTES_MAX {
            return Err(WireError::TooLong);
        }
        let key_id = reader.u8()?;
        let body = Bytes::copy_from_slice(reader.lp32()?);
        let signature = reader.array()?;
        reader.finish()?;
        Ok(Self { issuer: issuer.into(), key_id, body, signature })
    }
}

impl fmt::Debug for SealedParameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealedParameters({:?}, key {})", self.issuer, self.key_id)
    }
}

/// Why a parameter set is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SealError {
    /// It is signed, but is no valid set.
    Content,
    /// The signer is not trusted, or not with this key now.
    Distrust(Distrust),
    /// It is not in the stored form.
    Form(WireError),
    /// It is another institution's.
    Institution,
    /// Its end has passed.
    Over,
    /// The signature is wrong.
    Signature,
    /// Its version is not above the one that is held.
    Version,
}

impl SealError {
    /// Stable number, 4220 to 4226.
    pub const fn code(self) -> u32 {
        match self {
            Self::Content => 4_220,
            Self::Distrust(_) => 4_221,
            Self::Form(_) => 4_222,
            Self::Institution => 4_223,
            Self::Over => 4_224,
            Self::Signature => 4_225,
            Self::Version => 4_226,
        }
    }
}

impl fmt::Display for SealError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Content => f.write_str("signed, but not a valid parameter set"),
            Self::Distrust(why) => why.fmt(f),
            Self::Form(why) => why.fmt(f),
            Self::Institution => f.write_str("the parameters are another institution's"),
            Self::Over => f.write_str("the parameters' time is over"),
            Self::Signature => f.write_str("the signature of the parameters is wrong"),
            Self::Version => f.write_str("the version is not above the one that is held"),
        }
    }
}

impl core::error::Error for SealError {}

const DOMAIN: &str = "interbank/standin/parameters/v1";
const ISSUER_BYTES_MAX: usize = 32;
