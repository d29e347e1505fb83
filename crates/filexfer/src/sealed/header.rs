//! The header: for which transfer and whom a file is sealed.

use super::layout::ChunkSize;
use super::opener::OpenError;
use crate::Request;
use alloc::vec::Vec;
use port::WireError;
use port::wire::{Reader, Writer};
use sha2::{Digest as _, Sha256};

/// What stands before the first chunk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedHeader {
    /// How much one chunk holds.
    pub chunk: ChunkSize,
    /// For which of the receiving end's keys.
    pub key_number: u8,
    /// For which transfer.
    pub made_for: SealedFor,
    /// The encapsulated key (RFC 9180 §4).
    pub encapsulated: [u8; 32],
    /// The content key, sealed for the receiving end.
    pub wrapped: [u8; 48],
}

impl SealedHeader {
    /// Its length.
    pub const BYTES: usize = 116;

    /// Appends the sent form.
    pub fn encode(&self, to: &mut Vec<u8>) {
        Writer::new(to, 1)
            .u8(SUITE)
            .u8(self.chunk.exponent())
            .u8(self.key_number)
            .fixed(&self.made_for.0)
            .fixed(&self.encapsulated)
            .fixed(&self.wrapped);
    }

    /// Reads the sent form from the beginning of a file; what follows is no part of it.
    ///
    /// # Errors
    /// [`OpenError::NotSealed`].
    pub fn parse(bytes: &[u8]) -> Result<Self, OpenError> {
        let bytes = bytes.get(..Self::BYTES).ok_or(OpenError::NotSealed)?;
        Self::read(bytes).map_err(|_| OpenError::NotSealed)
    }

    /// The `info` of RFC 9180 §5.1: the domain `interbank/filexfer/sealed/v1`, a zero byte, what the file is for. A key
    /// holder outside opens [`SealedHeader::wrapped`] with it and no associated data.
    pub fn info(&self) -> Vec<u8> {
        self.made_for.info()
    }

    fn read(bytes: &[u8]) -> Result<Self, WireError> {
        let mut from = Reader::new(bytes);
        from.version(1)?;
        if from.u8()? != SUITE {
            return Err(WireError::Invalid);
        }
        let header = Self {
            chunk: ChunkSize::new(from.u8()?).ok_or(WireError::Invalid)?,
            key_number: from.u8()?,
            made_for: SealedFor(from.array()?),
            encapsulated: from.array()?,
            wrapped: from.array()?,
        };
        from.finish()?;
        Ok(header)
    }
}

/// For which transfer a file is sealed: SHA-256 of the domain `interbank/filexfer/sealed-for/v1`, a zero byte, job id (16),
/// requester, sender and destination (`u8` lengths), file name (`u16` length).
///
/// Not of the request's other fields, since a request names the root of the sealed file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SealedFor(pub [u8; 32]);

impl SealedFor {
    /// For the transfer that a request asks for.
    ///
    /// # Errors
    /// [`WireError::TooLong`] for a text beyond its length field.
    pub fn of(request: &Request) -> Result<Self, WireError> {
        let mut body = Vec::with_capacity(160);
        Writer::bare(&mut body)
            .fixed(&request.id.0)
            .lp8(request.requester.as_str().as_bytes())?
            .lp8(request.sender.as_bytes())?
            .lp8(request.destination.as_bytes())?
            .lp16(request.file.name.as_bytes())?;
        let message = seal::in_domain("interbank/filexfer/sealed-for/v1", &body);
        Ok(Self(Sha256::digest(message).into()))
    }

    pub(super) fn info(&self) -> Vec<u8> {
        seal::in_domain("interbank/filexfer/sealed/v1", &self.0)
    }
}

const SUITE: u8 = 1;
