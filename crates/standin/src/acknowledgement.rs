//! What the accounting system is told about a parameter set that was accepted.

use crate::{InstitutionId, Mark, Parameters};
use alloc::vec::Vec;
use port::wire::{Reader, Writer};
use port::{Time, WireError};

/// Says that a parameter set was accepted, when, and from when on it decides. Kept, so that it can be sent until it was heard.
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

    /// The stored form, specified in `docs/spec/standin.md`; it is also what is sent.
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
