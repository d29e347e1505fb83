//! Answers of accounting systems, kept: a repeat gets the same bytes in every state, and after a restart (spec Sd11).

use crate::{InstitutionId, RequestKey, Response, TransactionRequest, table};
use alloc::vec::Vec;
use port::wire::{Reader, Writer};
use port::{Key, WireError};
use sha2::{Digest as _, Sha256};

/// The row of an answer that did not come from the stand-in module; its own answers are in the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Kept {
    /// What was asked, so that another question under the same key shows.
    pub(super) asked: [u8; 16],
    pub(super) response: Response,
}

impl Kept {
    pub(super) fn key(institution: InstitutionId, request: &RequestKey) -> Key {
        table::answer(institution, request)
    }

    /// Version 1, digest of the question (16), response.
    pub(super) fn encode(&self) -> Result<Vec<u8>, WireError> {
        let mut bytes = Vec::with_capacity(128);
        Writer::new(&mut bytes, 1).fixed(&self.asked);
        self.response.encode(&mut bytes)?;
        Ok(bytes)
    }

    pub(super) fn parse(bytes: &[u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(bytes);
        reader.version(1)?;
        let kept = Self { asked: reader.array()?, response: Response::read(&mut reader)? };
        reader.finish()?;
        Ok(kept)
    }
}

/// The first half of SHA-256 over what [`TransactionRequest::asks_the_same`] compares.
pub(super) fn digest(request: &TransactionRequest) -> [u8; 16] {
    let mut hash = Sha256::new()
        .chain_update(b"interbank/standin/asked/v1\0")
        .chain_update(request.institution.as_u64().to_be_bytes())
        .chain_update(request.account.token.as_bytes())
        .chain_update(request.amount.minor().to_be_bytes())
        .chain_update(request.amount.currency().letters())
        .chain_update([request.kind.as_u8()]);
    for key in [Some(&request.key), request.original.as_ref()].into_iter().flatten() {
        let bytes = key.to_bytes();
        // At most 33.
        hash.update([u8::try_from(bytes.len()).unwrap_or(u8::MAX)]);
        hash.update(&bytes);
    }
    if let Some(to) = &request.to {
        hash.update(to.token.as_bytes());
    }
    let whole: [u8; 32] = hash.finalize().into();
    whole.first_chunk().copied().unwrap_or_default()
}
