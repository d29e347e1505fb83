//! The signed record of a judgement.

use crate::{JobId, Reason, Rules, SiteId};
use alloc::vec::Vec;
use port::wire::{Reader, Writer};
use port::{KeyId, KeyQuestion, Time, WireError};
use seal::VerifyingKey;
use sha2::{Digest as _, Sha256};

/// What a site decided about a request, and under which rules.
///
/// A refusal says nothing but its reason: two requests that are refused for one reason at one moment get answers that
/// differ only in the request's own digest and id, whatever the files are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// [`crate::Request::digest`] of the request.
    pub request: [u8; 32],
    /// Its id.
    pub id: JobId,
    /// Which site decided.
    pub site: SiteId,
    /// `Ok`: legitimate.
    pub outcome: Result<(), Reason>,
    /// Under which rules.
    pub rules: Rules,
    /// When.
    pub at: Time,
}

impl Verdict {
    /// What is signed: the domain `interbank/filexfer/verdict/v1`, a zero byte, the stored form.
    ///
    /// # Errors
    /// [`WireError::TooLong`].
    pub fn to_sign(&self) -> Result<Vec<u8>, WireError> {
        let mut body = Vec::with_capacity(160);
        self.encode(&mut body)?;
        Ok(seal::in_domain("interbank/filexfer/verdict/v1", &body))
    }

    /// SHA-256 of what is signed: what receipts call the verdict.
    ///
    /// # Errors
    /// As [`Verdict::to_sign`].
    pub fn digest(&self) -> Result<[u8; 32], WireError> {
        Ok(Sha256::digest(self.to_sign()?).into())
    }

    /// The question whose answer is the signature.
    ///
    /// # Errors
    /// [`WireError::TooLong`].
    pub fn question(&self, key: KeyId) -> Result<KeyQuestion, WireError> {
        Ok(KeyQuestion::Sign { key, message: self.to_sign()?.into() })
    }

    /// Appends the stored form: version 1, request (32), id (16), site (`u8` length), outcome (0, or 1 and the reason),
    /// rules' version (`u32`) and digest (32), time in milliseconds (`u64`).
    ///
    /// # Errors
    /// [`WireError::TooLong`].
    pub fn encode(&self, to: &mut Vec<u8>) -> Result<(), WireError> {
        let mut to = Writer::new(to, 1);
        to.fixed(&self.request).fixed(&self.id.0).lp8(self.site.as_str().as_bytes())?;
        match self.outcome {
            Ok(()) => to.u8(0).u8(0),
            Err(reason) => to.u8(1).u8(reason.as_u8()),
        };
        to.u32(self.rules.version).fixed(&self.rules.digest).u64(self.at.as_ms());
        Ok(())
    }

    /// Reads the stored form.
    ///
    /// # Errors
    /// [`WireError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, WireError> {
        let mut from = Reader::new(bytes);
        from.version(1)?;
        let request = from.array()?;
        let id = JobId(from.array()?);
        let site = SiteId::new(Reader::text(from.lp8()?)?).map_err(|_| WireError::Invalid)?;
        let outcome = match (from.u8()?, from.u8()?) {
            (0, 0) => Ok(()),
            (1, reason) => Err(Reason::from_u8(reason)?),
            _ => return Err(WireError::Invalid),
        };
        let rules = Rules { version: from.u32()?, digest: from.array()? };
        let at = Time::from_ms(from.u64()?);
        from.finish()?;
        Ok(Self { request, id, site, outcome, rules, at })
    }
}

/// A verdict with its site's signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedVerdict {
    /// What was decided.
    pub verdict: Verdict,
    /// Ed25519 over [`Verdict::to_sign`].
    pub signature: [u8; 64],
}

impl SignedVerdict {
    /// Whether the signature is right.
    pub fn is_signed_by(&self, key: &VerifyingKey) -> bool {
        self.verdict.to_sign().is_ok_and(|message| key.verify(&message, &self.signature))
    }

    /// Appends the stored and sent form: the verdict's, then the signature (64).
    ///
    /// # Errors
    /// [`WireError::TooLong`].
    pub fn encode(&self, to: &mut Vec<u8>) -> Result<(), WireError> {
        self.verdict.encode(to)?;
        to.extend_from_slice(&self.signature);
        Ok(())
    }

    /// Reads the stored and sent form.
    ///
    /// # Errors
    /// [`WireError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, WireError> {
        let (verdict, signature) = bytes.split_last_chunk().ok_or(WireError::Truncated)?;
        Ok(Self { verdict: Verdict::parse(verdict)?, signature: *signature })
    }
}
