//! Documents: what a file is about in full, and the commitment that stands for it on the chain.

use crate::Misuse;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use port::WireError;
use port::wire::{Reader, Writer};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroize;

/// An electronic file: bytes of some type, and the salt that makes its commitment say nothing.
///
/// Erased from memory when dropped, and absent from `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Document {
    media_type: String,
    bytes: Vec<u8>,
    salt: [u8; 32],
}

impl Document {
    /// The longest document: 16 MiB.
    pub const BYTES_MAX: usize = 16 * 1024 * 1024;

    /// Bytes of a media type, such as `application/pdf` (RFC 6838; 1 to 127 visible ASCII characters). `salt` must be fresh
    /// randomness: whoever knows it can test guesses of the content against the chain.
    ///
    /// # Errors
    /// [`Misuse::Name`] for the media type, [`Misuse::TooLong`].
    pub fn new(media_type: &str, bytes: Vec<u8>, salt: [u8; 32]) -> Result<Self, Misuse> {
        let is_visible = media_type.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ');
        if !(1..=127).contains(&media_type.len()) || !is_visible {
            return Err(Misuse::Name);
        }
        if bytes.len() > Self::BYTES_MAX {
            return Err(Misuse::TooLong);
        }
        Ok(Self { media_type: media_type.into(), bytes, salt })
    }

    /// What the chain holds of it: SHA-256 of the domain `interbank/ledger/document/v1`, a zero byte, salt (32), media type
    /// (`u8` length), and the bytes. Without the salt it says nothing, not even to whoever guesses the content.
    pub fn commitment(&self) -> [u8; 32] {
        let hash = Sha256::new_with_prefix(b"interbank/ledger/document/v1\0");
        hash.chain_update(self.salt)
            // At most 127.
            .chain_update([u8::try_from(self.media_type.len()).unwrap_or(u8::MAX)])
            .chain_update(&self.media_type)
            .chain_update(&self.bytes)
            .finalize()
            .into()
    }

    /// Its type.
    pub fn media_type(&self) -> &str {
        &self.media_type
    }

    /// Its content.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// What is sealed: version 1, salt (32), media type (`u8` length), bytes (`u32` length).
    pub(crate) fn encode(&self, to: &mut Vec<u8>) -> Result<(), WireError> {
        Writer::new(to, 1).fixed(&self.salt).lp8(self.media_type.as_bytes())?.lp32(&self.bytes)?;
        Ok(())
    }

    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, WireError> {
        let mut from = Reader::new(bytes);
        from.version(1)?;
        let salt = from.array()?;
        let media_type = Reader::text(from.lp8()?)?;
        let content = from.lp32()?.to_vec();
        from.finish()?;
        Self::new(media_type, content, salt).map_err(|_| WireError::Invalid)
    }
}

impl Drop for Document {
    fn drop(&mut self) {
        self.media_type.zeroize();
        self.bytes.zeroize();
        self.salt.zeroize();
    }
}

impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Document({} bytes)", self.bytes.len())
    }
}
