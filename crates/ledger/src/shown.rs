//! A name of the state with its value and proof, below a header that vouches for it.

use crate::{Chain, Entry, EntryKey, MapProof, ProofError};
use alloc::vec::Vec;
use port::WireError;
use port::wire::{Reader, Writer};
use sha2::{Digest as _, Sha256};

/// What a name stands for, by its stored form; `None`: for nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shown {
    pub(crate) key: EntryKey,
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) proof: MapProof,
}

impl Shown {
    /// After a chain's newest block.
    pub(crate) fn of(chain: &Chain, key: EntryKey) -> Result<Self, WireError> {
        let value = chain.state().entry(key).map(|entry| entry.value()).transpose()?.flatten();
        Ok(Self { key, value, proof: chain.map().prove(&key.path()) })
    }

    /// The entry, if it is under this state root.
    pub(crate) fn verify(&self, state_root: &[u8; 32]) -> Result<Option<Entry>, ProofError> {
        let value = self.value.as_ref();
        let digest = value.map(|value| <[u8; 32]>::from(Sha256::digest(value)));
        if !self.proof.shows(state_root, &self.key.path(), digest.as_ref()) {
            return Err(ProofError::NotIncluded);
        }
        Ok(value.map(|value| Entry::parse(self.key, value)).transpose()?)
    }

    /// Name (`u8` length), 0, or 1 and the value (`u16` length), proof.
    pub(crate) fn write(&self, to: &mut Vec<u8>) -> Result<(), WireError> {
        let mut writer = Writer::bare(to);
        writer.lp8(&self.key.to_bytes())?;
        match &self.value {
            Some(value) => writer.u8(1).lp16(value)?,
            None => writer.u8(0),
        };
        self.proof.encode(to)
    }

    pub(crate) fn read(from: &mut Reader<'_>) -> Result<Self, WireError> {
        Ok(Self {
            key: EntryKey::parse(from.lp8()?)?,
            value: if from.flag()? { Some(from.lp16()?.to_vec()) } else { None },
            proof: MapProof::read(from)?,
        })
    }
}
