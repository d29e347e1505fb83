//! What can happen on the chain, and who has signed that it shall.

use crate::body::Body;
use crate::{ChainId, FileId, Height, NodeId, PartyId};
use alloc::vec::Vec;
use bytes::Bytes;
use port::wire::{Reader, Writer};
use port::{KeyId, KeyQuestion, WireError};
use seal::{SigningKey, VerifyingKey};
use sha2::{Digest as _, Sha256};

/// One thing that shall happen, for one chain, within a window of heights, with the signatures of everybody it takes.
///
/// All signers sign the same bytes. So an offer is a transaction that its owner has signed, and an acceptance is the same
/// transaction with the other side's signature beside it: both travel from member to member, and only what both have signed
/// is a block's business (spec L7).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transaction {
    /// On which chain.
    pub chain: ChainId,
    /// In which blocks it may stand.
    pub window: Window,
    /// What shall happen.
    pub body: Body,
    /// Who has signed, in the order of [`Signer`], nobody twice.
    pub signatures: Vec<Signature>,
}

impl Transaction {
    /// The longest stored form, in bytes.
    pub const BYTES_MAX: usize = 4_096;

    /// At most this many signatures.
    pub const SIGNATURES_MAX: usize = 32;

    /// Without signatures.
    pub const fn new(chain: ChainId, window: Window, body: Body) -> Self {
        Self { chain, window, body, signatures: Vec::new() }
    }

    /// What is signed: the domain `interbank/ledger/transaction/v1`, a zero byte, the stored form up to the signatures.
    ///
    /// # Errors
    /// [`WireError::TooLong`].
    pub fn to_sign(&self) -> Result<Vec<u8>, WireError> {
        // As [`seal::in_domain`] makes it, without a copy.
        let mut bytes = Vec::with_capacity(DOMAIN.len() + 1 + 448);
        bytes.extend_from_slice(DOMAIN.as_bytes());
        bytes.push(0);
        self.write_unsigned(&mut bytes)?;
        Ok(bytes)
    }

    /// SHA-256 of what is signed: names the transaction, whoever has signed it.
    ///
    /// # Errors
    /// As [`Transaction::to_sign`].
    pub fn digest(&self) -> Result<[u8; 32], WireError> {
        Ok(Sha256::digest(self.to_sign()?).into())
    }

    /// The file that this request is about to make, if it is a request for registration. A request sent to several
    /// supervision nodes makes the same file (spec Ld3).
    ///
    /// # Errors
    /// As [`Transaction::to_sign`].
    pub fn file(&self) -> Result<Option<FileId>, WireError> {
        match self.body {
            Body::Register(_) => Ok(Some(FileId(self.digest()?))),
            _ => Ok(None),
        }
    }

    /// The one file that this is about, if it is about one.
    ///
    /// # Errors
    /// As [`Transaction::to_sign`].
    pub fn concerns(&self) -> Result<Option<FileId>, WireError> {
        if let Body::Register(_) = self.body { self.file() } else { Ok(self.body.file()) }
    }

    /// The question whose answer is a signature, for keys that their holder does not give away.
    ///
    /// # Errors
    /// As [`Transaction::to_sign`].
    pub fn question(&self, key: KeyId) -> Result<KeyQuestion, WireError> {
        Ok(KeyQuestion::Sign { key, message: self.to_sign()?.into() })
    }

    /// With one more signature; takes the place of an earlier one of the same signer.
    #[must_use]
    pub fn signed(mut self, by: Signer, key_number: u16, bytes: [u8; 64]) -> Self {
        self.signatures.retain(|signature| signature.by != by);
        let at = self.signatures.partition_point(|signature| signature.by < by);
        self.signatures.insert(at, Signature { by, key_number, bytes });
        self
    }

    /// Signs with a key in software.
    ///
    /// # Errors
    /// As [`Transaction::to_sign`].
    pub fn sign(self, by: Signer, key_number: u16, key: &SigningKey) -> Result<Self, WireError> {
        let signature = key.sign(&self.to_sign()?);
        Ok(self.signed(by, key_number, signature))
    }

    /// Appends the stored and sent form: version 1, chain (32), window (8 and 8), body, count of signatures (1), signatures.
    ///
    /// # Errors
    /// [`WireError::TooLong`] for more signatures or bytes than a transaction may have.
    pub fn encode(&self, to: &mut Vec<u8>) -> Result<(), WireError> {
        if self.signatures.len() > Self::SIGNATURES_MAX {
            return Err(WireError::TooLong);
        }
        let before = to.len();
        self.write_unsigned(to)?;
        to.push(u8::try_from(self.signatures.len()).map_err(|_| WireError::TooLong)?);
        for signature in &self.signatures {
            signature.write(to);
        }
        if to.len() - before > Self::BYTES_MAX { Err(WireError::TooLong) } else { Ok(()) }
    }

    /// The stored and sent form.
    ///
    /// # Errors
    /// As [`Transaction::encode`].
    pub fn to_bytes(&self) -> Result<Bytes, WireError> {
        let mut bytes = Vec::with_capacity(640);
        self.encode(&mut bytes)?;
        Ok(bytes.into())
    }

    /// Reads the stored and sent form.
    ///
    /// # Errors
    /// [`WireError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, WireError> {
        if bytes.len() > Self::BYTES_MAX {
            return Err(WireError::TooLong);
        }
        let mut from = Reader::new(bytes);
        from.version(1)?;
        let chain = ChainId(from.array()?);
        let window = Window { from: Height(from.u64()?), until: Height(from.u64()?) };
        let body = Body::read(&mut from)?;
        let count = usize::from(from.u8()?);
        if count > Self::SIGNATURES_MAX {
            return Err(WireError::TooLong);
        }
        let mut signatures: Vec<Signature> = Vec::with_capacity(count);
        for _ in 0..count {
            let signature = Signature::read(&mut from)?;
            if signatures.last().is_some_and(|before| before.by >= signature.by) {
                return Err(WireError::Invalid);
            }
            signatures.push(signature);
        }
        from.finish()?;
        Ok(Self { chain, window, body, signatures })
    }

    /// Whether reading what would be written gives this very value: a block can hold nothing else.
    pub(crate) fn is_canonical(&self) -> bool {
        let signers = self.signatures.iter().map(|signature| signature.by);
        let has_order = match &self.body {
            Body::Judge(verdict) => verdict.reasons.is_sorted_by(|one, next| one < next),
            Body::Purge(purge) => purge.is_canonical(),
            _ => true,
        };
        let has_numbers = |it: &Signature| it.key_number == 0 || !matches!(it.by, Signer::Key(_));
        has_order
            && signers.is_sorted_by(|one, next| one < next)
            && self.signatures.iter().all(has_numbers)
            && self.signatures.len() <= Self::SIGNATURES_MAX
    }

    fn write_unsigned(&self, bytes: &mut Vec<u8>) -> Result<(), WireError> {
        let mut to = Writer::new(bytes, 1);
        to.fixed(&self.chain.0).u64(self.window.from.0).u64(self.window.until.0);
        self.body.write(&mut to)
    }
}

/// In which blocks a transaction may stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// The first height.
    pub from: Height,
    /// The first height after the last.
    pub until: Height,
}

impl Window {
    /// Of so many blocks.
    pub const fn new(from: Height, blocks: u64) -> Self {
        Self { from, until: from.after(blocks) }
    }

    /// How many blocks.
    pub const fn blocks(&self) -> u64 {
        self.until.0.saturating_sub(self.from.0)
    }

    /// Whether a block of this height is one of them.
    pub fn holds(&self, height: Height) -> bool {
        self.from <= height && height < self.until
    }
}

/// A signature, and whose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// Who has signed.
    pub by: Signer,
    /// With which of its keys; 0 for a [`Signer::Key`].
    pub key_number: u16,
    /// Ed25519 over [`Transaction::to_sign`].
    pub bytes: [u8; 64],
}

impl Signature {
    /// Whether the signature is right.
    pub fn is_right(&self, key: &VerifyingKey, message: &[u8]) -> bool {
        key.verify(message, &self.bytes)
    }

    /// Signer (1, then 8 or 32), key number (2), signature (64).
    fn write(&self, to: &mut Vec<u8>) {
        match self.by {
            Signer::Node(node) => {
                to.push(1);
                to.extend_from_slice(&node.0.0.to_be_bytes());
            }
            Signer::Party(party) => {
                to.push(2);
                to.extend_from_slice(&party.0);
            }
            Signer::Key(key) => {
                to.push(3);
                to.extend_from_slice(&key);
            }
        }
        to.extend_from_slice(&self.key_number.to_be_bytes());
        to.extend_from_slice(&self.bytes);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, WireError> {
        let by = match from.u8()? {
            1 => Signer::Node(NodeId(Height(from.u64()?))),
            2 => Signer::Party(PartyId(from.array()?)),
            3 => Signer::Key(from.array()?),
            _ => return Err(WireError::Invalid),
        };
        let key_number = from.u16()?;
        if matches!(by, Signer::Key(_)) && key_number != 0 {
            return Err(WireError::Invalid);
        }
        Ok(Self { by, key_number, bytes: from.array()? })
    }
}

/// Who signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Signer {
    /// A node that has joined.
    Node(NodeId),
    /// A party that is known.
    Party(PartyId),
    /// Whoever holds the other half of this public key: to show that a new key is held, or as a witness of a payment.
    Key([u8; 32]),
}

const DOMAIN: &str = "interbank/ledger/transaction/v1";
