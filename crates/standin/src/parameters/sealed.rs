//! Parameters under the accounting system's signature: the only form in which the stand-in module takes them (spec S3).

use super::check::digest;
use super::{Parameters, ParametersDraft};
use crate::InstitutionId;
use crate::error::LANES_WORDS;
use crate::signed::Signed;
use alloc::vec::Vec;
use core::fmt;
use port::{Time, WireError};
use seal::{Distrust, TrustList, VerifyingKey, in_domain};

/// A parameter set with the signature of an institution's accounting system.
///
/// The authoring side makes [`SealedParameters::message`] and has it signed by its key holder; this side only opens.
#[derive(Clone, PartialEq, Eq)]
pub struct SealedParameters(Signed);

impl SealedParameters {
    /// The longest stored form.
    pub const BYTES_MAX: usize = 900 * 1024;

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
        Self::of_draft(parameters.draft(), issuer, key_id, signature)
    }

    pub(super) fn of_draft(
        draft: &ParametersDraft,
        issuer: &str,
        key_id: u8,
        signature: [u8; 64],
    ) -> Result<Self, WireError> {
        let mut body = Vec::with_capacity(1_024);
        draft.encode(&mut body)?;
        Signed::new(body, issuer, key_id, signature).map(Self)
    }

    /// Checks signature and content. `above` is the version that is held: a set of another institution, or of that version or
    /// a lower one, is refused (spec Sd7), and so is one whose end has passed or that is stale.
    ///
    /// # Errors
    /// [`SealError`]; nothing of the set was believed.
    pub fn open(
        &self,
        now: Time,
        trust: &TrustList,
        institution: InstitutionId,
        above: u64,
    ) -> Result<Parameters, SealError> {
        let key = trust.key(self.issuer(), self.0.key_id(), now).map_err(SealError::Distrust)?;
        let parameters = self.verified(key)?;
        if parameters.institution() != institution {
            return Err(SealError::Institution);
        }
        if parameters.version() <= above {
            return Err(SealError::Version);
        }
        let draft = parameters.draft();
        if now >= Time::from_ms(draft.valid_until_ms) {
            return Err(SealError::Over);
        }
        if now >= parameters.stale_at() {
            return Err(SealError::Stale);
        }
        Ok(parameters)
    }

    /// Checks what was accepted before. A key whose time ended since then does not take the set away; one that was revoked does.
    pub(crate) fn reopen(
        &self,
        now: Time,
        accepted: Time,
        trust: &TrustList,
    ) -> Result<Parameters, SealError> {
        let key = match trust.key(self.issuer(), self.0.key_id(), now) {
            Err(Distrust::NoLongerValid) => trust.key(self.issuer(), self.0.key_id(), accepted),
            found => found,
        };
        self.verified(key.map_err(SealError::Distrust)?)
    }

    fn verified(&self, key: &VerifyingKey) -> Result<Parameters, SealError> {
        self.0.verify(key, DOMAIN)?;
        Parameters::new(self.draft()?).map_err(|_| SealError::Content)
    }

    /// What it says, believed by nobody yet.
    pub(crate) fn draft(&self) -> Result<ParametersDraft, SealError> {
        ParametersDraft::parse(self.0.body()).map_err(SealError::Form)
    }

    /// Who signed, with which key, and the signature.
    pub(super) fn signed(&self) -> (&str, u8, [u8; 64]) {
        (self.0.issuer(), self.0.key_id(), *self.0.signature())
    }

    /// The digest of the set, believed or not.
    pub(crate) fn digest(&self) -> [u8; 32] {
        digest(self.0.body())
    }

    /// Who is said to have signed it.
    pub fn issuer(&self) -> &str {
        self.0.issuer()
    }

    /// Appends the stored form, specified in `docs/spec/standin.md`.
    ///
    /// # Errors
    /// [`WireError::TooLong`].
    pub fn encode(&self, to: &mut Vec<u8>) -> Result<(), WireError> {
        self.0.encode(to)
    }

    /// Reads the stored form; nothing of it is believed before [`SealedParameters::open`].
    ///
    /// # Errors
    /// [`WireError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, WireError> {
        Signed::parse(bytes).map(Self)
    }
}

impl fmt::Debug for SealedParameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealedParameters({:?})", self.0)
    }
}

/// Why a parameter set, or a page of the feed, is not taken.
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
    /// It is a change to another set than the one that is held.
    Base,
    /// It was issued so long ago that it would decide nothing.
    Stale,
    /// It is longer than [`SealedParameters::BYTES_MAX`].
    TooLarge,
    /// It has more caps of exposure than can be leased to so many lanes: take fewer lanes, or caps of fewer initiators.
    Lanes,
    /// A counter has another window, length or currency than its number had in a set before: give it a new number.
    Counter(u8),
}

impl SealError {
    /// Stable number, 4220 to 4231.
    pub const fn code(self) -> u32 {
        match self {
            Self::Content => 4_220,
            Self::Distrust(_) => 4_221,
            Self::Form(_) => 4_222,
            Self::Institution => 4_223,
            Self::Over => 4_224,
            Self::Signature => 4_225,
            Self::Version => 4_226,
            Self::Base => 4_227,
            Self::Stale => 4_228,
            Self::TooLarge => 4_229,
            Self::Lanes => 4_230,
            Self::Counter(_) => 4_231,
        }
    }
}

impl fmt::Display for SealError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Content => f.write_str("signed, but not a valid parameter set"),
            Self::Distrust(why) => why.fmt(f),
            Self::Form(why) => why.fmt(f),
            Self::Institution => f.write_str("signed for another institution"),
            Self::Over => f.write_str("the parameters' time is over"),
            Self::Signature => f.write_str("the signature is wrong"),
            Self::Version => f.write_str("the version is not above the one that is held"),
            Self::Base => {
                f.write_str("the changes are to other parameters than those that are held")
            }
            Self::Stale => f.write_str("the parameters are stale"),
            Self::TooLarge => f.write_str("the parameters are too large"),
            Self::Lanes => f.write_str(LANES_WORDS),
            Self::Counter(id) => {
                write!(f, "counter {id} meant something else before: give it a new number")
            }
        }
    }
}

impl core::error::Error for SealError {}

const DOMAIN: &str = "interbank/standin/parameters/v1";
