//! The receipt of one file of a pack.

use super::error::PackError;
use super::manifest::{Entry, commitment};
use crate::merkle::root_of;
use crate::{ReceiptError, SignedReceipt};
use alloc::vec::Vec;
use port::WireError;
use port::wire::{Reader, Writer};
use seal::VerifyingKey;

/// What the receipt of a pack states about one of its files: who signed that one has this file, whole and durable, under this
/// name in the folder of the pack.
///
/// It proves itself, as a [`SignedReceipt`] does, and shows nothing of the other files but hashes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberReceipt {
    /// The file.
    pub entry: Entry,
    /// Its place in the pack.
    pub index: u64,
    /// How many files the pack has.
    pub count: u64,
    /// The hashes from its entry to the root of the manifest's tree (RFC 9162 §2.1.3).
    pub proof: Vec<u8>,
    /// The receipt of the pack.
    pub pack: SignedReceipt,
}

impl MemberReceipt {
    /// Checks proofs and signature. Whose key it must be, `pack.receipt.party` says.
    ///
    /// # Errors
    /// [`ReceiptError`].
    pub fn verify(&self, key: &VerifyingKey) -> Result<(), ReceiptError> {
        if !self.proof.len().is_multiple_of(32) {
            return Err(ReceiptError::Malformed);
        }
        let root = root_of(self.count, self.index, self.entry.leaf(), &self.proof);
        let found = root.map(|root| commitment(&root, self.count));
        if found.is_none() || found != self.pack.receipt.content {
            return Err(ReceiptError::NotIncluded);
        }
        self.pack.verify(key)
    }

    /// Appends the stored form: the six bytes `member`, version 1, receipt of the pack (`u16` length), the entry, its place
    /// and how many there are (`u64` each), proof (`u16` length).
    ///
    /// # Errors
    /// [`WireError::TooLong`].
    pub fn encode(&self, to: &mut Vec<u8>) -> Result<(), WireError> {
        let mut pack = Vec::with_capacity(512);
        self.pack.encode(&mut pack)?;
        to.extend_from_slice(TAG);
        Writer::new(to, 1).lp16(&pack)?;
        self.entry.write(to)?;
        Writer::bare(to).u64(self.index).u64(self.count).lp16(&self.proof)?;
        Ok(())
    }

    /// Reads the stored form.
    ///
    /// # Errors
    /// [`WireError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, WireError> {
        let mut from = Reader::new(bytes);
        if from.fixed(TAG.len())? != TAG {
            return Err(WireError::Invalid);
        }
        from.version(1)?;
        let pack = SignedReceipt::parse(from.lp16()?)?;
        let entry = Entry::read(&mut from).map_err(|why| match why {
            PackError::NotAPack => WireError::Truncated,
            _ => WireError::Invalid,
        })?;
        let (index, count) = (from.u64()?, from.u64()?);
        let proof = from.lp16()?.to_vec();
        from.finish()?;
        Ok(Self { entry, index, count, proof, pack })
    }
}

const TAG: &[u8; 6] = b"member";
