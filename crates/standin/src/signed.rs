//! The form in which somebody's word comes: a body under a signature.

use crate::SealError;
use alloc::string::String;
use alloc::vec::Vec;
use bytes::Bytes;
use core::fmt;
use port::WireError;
use port::wire::{Reader, Writer};
use seal::{VerifyingKey, in_domain};

/// A body with a signature over it in the domain of its kind. What the body says is nobody's word before [`Signed::verify`].
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Signed {
    issuer: String,
    key_id: u8,
    body: Bytes,
    signature: [u8; 64],
}

impl Signed {
    const ISSUER_BYTES_MAX: usize = 32;

    pub(crate) fn new(
        body: impl Into<Bytes>,
        issuer: &str,
        key_id: u8,
        signature: [u8; 64],
    ) -> Result<Self, WireError> {
        if issuer.len() > Self::ISSUER_BYTES_MAX {
            return Err(WireError::TooLong);
        }
        Ok(Self { issuer: issuer.into(), key_id, body: body.into(), signature })
    }

    pub(crate) fn verify(&self, key: &VerifyingKey, domain: &str) -> Result<(), SealError> {
        if key.verify(&in_domain(domain, &self.body), &self.signature) {
            Ok(())
        } else {
            Err(SealError::Signature)
        }
    }

    pub(crate) fn issuer(&self) -> &str {
        &self.issuer
    }

    pub(crate) const fn key_id(&self) -> u8 {
        self.key_id
    }

    pub(crate) fn body(&self) -> &[u8] {
        &self.body
    }

    pub(crate) const fn signature(&self) -> &[u8; 64] {
        &self.signature
    }

    /// Version 1, issuer behind its length (u8), key id, body behind its length (u32), signature (64).
    pub(crate) fn encode(&self, to: &mut Vec<u8>) -> Result<(), WireError> {
        Writer::new(to, 1)
            .lp8(self.issuer.as_bytes())?
            .u8(self.key_id)
            .lp32(&self.body)?
            .fixed(&self.signature);
        Ok(())
    }

    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(bytes);
        reader.version(1)?;
        let issuer = Reader::text(reader.lp8()?)?;
        let key_id = reader.u8()?;
        let body = Bytes::copy_from_slice(reader.lp32()?);
        let signature = reader.array()?;
        reader.finish()?;
        Self::new(body, issuer, key_id, signature)
    }
}

impl fmt::Debug for Signed {
    /// Who signed, and with which key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}, key {}", self.issuer, self.key_id)
    }
}
