//! Who states what about a delivered file, provable to anybody who has a public key.

use crate::merkle::{Hash, Proven, Tree, is_included, leaf_hash};
use crate::request::{optional_hash, party, put_optional_hash};
use crate::{JobId, PartyId};
use alloc::vec::Vec;
use core::fmt;
use port::wire::{Reader, Writer};
use port::{KeyId, KeyQuestion, Time, WireError};
use seal::VerifyingKey;
use sha2::{Digest as _, Sha256};

/// One party's statement about one content of one job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// What is stated.
    pub stage: Stage,
    /// Who states it.
    pub party: PartyId,
    /// The job.
    pub id: JobId,
    /// [`crate::Request::digest`] of its request.
    pub request: [u8; 32],
    /// SHA-256 of the verdict's signed bytes: why the transfer was allowed, under which rules.
    pub verdict: [u8; 32],
    /// The BLAKE3 root of the content.
    pub root: [u8; 32],
    /// Its size in bytes.
    pub size: u64,
    /// When.
    pub at: Time,
    /// By an end that knows more than the bytes: of a sealed file [`crate::sealed::Sealed::commitment`], of the files in a pack
    /// [`crate::pack::Manifest::commitment`]. The root is that of the sealed file or of the pack, and the receipt binds both.
    pub content: Option<[u8; 32]>,
    /// [`Receipt::digest`] of the receipt that this one rests on: a hand-over follows a verification.
    pub follows: Option<[u8; 32]>,
}

impl Receipt {
    /// SHA-256 of the domain `interbank/filexfer/receipt/v1`, a zero byte and the stored form: what [`Receipt::follows`]
    /// names.
    ///
    /// # Errors
    /// [`WireError::TooLong`].
    pub fn digest(&self) -> Result<[u8; 32], WireError> {
        let mut bytes = Vec::with_capacity(288);
        self.encode(&mut bytes)?;
        let message = seal::in_domain("interbank/filexfer/receipt/v1", &bytes);
        Ok(Sha256::digest(message).into())
    }

    /// Appends the stored form, which is also the leaf of a batch: version 1, stage (1), party (`u8` length), id (16),
    /// request, verdict, root (32 each), size and time in milliseconds (`u64` each). With content or what it follows it is
    /// version 2, and both are behind these, each optional (0, or 1 and 32 bytes).
    ///
    /// # Errors
    /// [`WireError::TooLong`].
    pub fn encode(&self, to: &mut Vec<u8>) -> Result<(), WireError> {
        let is_plain = self.content.is_none() && self.follows.is_none();
        let mut to = Writer::new(to, if is_plain { 1 } else { 2 });
        to.u8(self.stage.as_u8())
            .lp8(self.party.as_str().as_bytes())?
            .fixed(&self.id.0)
            .fixed(&self.request)
            .fixed(&self.verdict)
            .fixed(&self.root)
            .u64(self.size)
            .u64(self.at.as_ms());
        if !is_plain {
            put_optional_hash(&mut to, self.content.as_ref());
            put_optional_hash(&mut to, self.follows.as_ref());
        }
        Ok(())
    }

    /// Reads the stored form.
    ///
    /// # Errors
    /// [`WireError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, WireError> {
        let mut from = Reader::new(bytes);
        let version = from.u8()?;
        if !matches!(version, 1 | 2) {
            return Err(WireError::Version(version));
        }
        let mut receipt = Self {
            stage: Stage::from_u8(from.u8()?)?,
            party: party(&mut from)?,
            id: JobId(from.array()?),
            request: from.array()?,
            verdict: from.array()?,
            root: from.array()?,
            size: from.u64()?,
            at: Time::from_ms(from.u64()?),
            content: None,
            follows: None,
        };
        if version == 2 {
            receipt.content = optional_hash(&mut from)?;
            receipt.follows = optional_hash(&mut from)?;
            if receipt.content.is_none() && receipt.follows.is_none() {
                return Err(WireError::Invalid);
            }
        }
        from.finish()?;
        Ok(receipt)
    }
}

/// What a receipt states; each says more than the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// The sender's side: this content was sent for this request.
    Origin,
    /// All bytes arrived.
    Received,
    /// Every byte was verified against the root, is durable, and visible under its name.
    Verified,
    /// The application has taken it.
    HandedOver,
}

impl Stage {
    /// Every stage, in order.
    pub const ALL: [Self; 4] = [Self::Origin, Self::Received, Self::Verified, Self::HandedOver];

    /// The byte of stored and signed forms.
    pub const fn as_u8(self) -> u8 {
        match self {
            Self::Origin => 1,
            Self::Received => 2,
            Self::Verified => 3,
            Self::HandedOver => 4,
        }
    }

    const fn from_u8(byte: u8) -> Result<Self, WireError> {
        match byte {
            1 => Ok(Self::Origin),
            2 => Ok(Self::Received),
            3 => Ok(Self::Verified),
            4 => Ok(Self::HandedOver),
            _ => Err(WireError::Invalid),
        }
    }
}

/// Receipts that get one signature: leaves of a Merkle tree (RFC 9162 §2.1, SHA-256).
#[derive(Clone, Debug, Default)]
pub struct ReceiptBatch {
    receipts: Vec<Receipt>,
    leaves: Vec<Hash>,
    /// The bytes of the last leaf, for its room.
    leaf: Vec<u8>,
}

impl ReceiptBatch {
    /// The most receipts under one signature.
    pub const RECEIPTS_MAX: usize = 65_536;

    /// Without receipts.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one.
    ///
    /// # Errors
    /// [`ReceiptError::Full`], [`ReceiptError::Malformed`].
    pub fn push(&mut self, receipt: Receipt) -> Result<(), ReceiptError> {
        if self.receipts.len() >= Self::RECEIPTS_MAX {
            return Err(ReceiptError::Full);
        }
        self.leaf.clear();
        receipt.encode(&mut self.leaf)?;
        self.leaves.push(leaf_hash(&self.leaf));
        self.receipts.push(receipt);
        Ok(())
    }

    /// What is to be signed: the batch's head. It costs the whole tree.
    pub fn head(&self) -> BatchHead {
        let count = u64::try_from(self.leaves.len()).unwrap_or(u64::MAX);
        BatchHead { root: Tree::new(self.leaves.clone()).root(), count }
    }

    /// Every receipt with the signature and its own proof, in the order in which they were added.
    pub fn sign(self, key_number: u8, signature: [u8; 64]) -> Vec<SignedReceipt> {
        let count = u64::try_from(self.leaves.len()).unwrap_or(u64::MAX);
        let tree = Tree::new(self.leaves);
        let head = BatchHead { root: tree.root(), count };
        let sign = |(at, receipt)| SignedReceipt {
            receipt,
            index: u64::try_from(at).unwrap_or(u64::MAX),
            head,
            proof: tree.path(at),
            key_number,
            signature,
        };
        self.receipts.into_iter().enumerate().map(sign).collect()
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.receipts.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.receipts.is_empty()
    }
}

/// The root of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchHead {
    /// The Merkle tree's root.
    pub root: [u8; 32],
    /// How many receipts.
    pub count: u64,
}

impl BatchHead {
    /// What is signed: the domain `interbank/filexfer/receipts/v1`, a zero byte, root (32), count (`u64`).
    pub fn to_sign(&self) -> Vec<u8> {
        let mut body = Vec::with_capacity(40);
        Writer::bare(&mut body).fixed(&self.root).u64(self.count);
        seal::in_domain("interbank/filexfer/receipts/v1", &body)
    }

    /// The question whose answer is the signature.
    pub fn question(&self, key: KeyId) -> KeyQuestion {
        KeyQuestion::Sign { key, message: self.to_sign().into() }
    }
}

/// A receipt that proves itself: nothing but the party's public key is needed to check it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedReceipt {
    /// The statement.
    pub receipt: Receipt,
    /// Its place in the batch.
    pub index: u64,
    /// The batch.
    pub head: BatchHead,
    /// The hashes from the leaf to the root (RFC 9162 §2.1.3).
    pub proof: Vec<u8>,
    /// With which of the party's keys the batch is signed.
    pub key_number: u8,
    /// Ed25519 over [`BatchHead::to_sign`].
    pub signature: [u8; 64],
}

impl SignedReceipt {
    /// Checks signature and proof. Whose key it must be, `receipt.party` says.
    ///
    /// # Errors
    /// [`ReceiptError`].
    pub fn verify(&self, key: &VerifyingKey) -> Result<(), ReceiptError> {
        self.verify_with(&mut |head, signature| key.verify(&head.to_sign(), signature))
    }

    /// The same with a check of signatures that remembers: a batch's signature has to be checked once.
    ///
    /// # Errors
    /// [`ReceiptError`].
    pub fn verify_with(
        &self,
        is_signed: &mut dyn FnMut(&BatchHead, &[u8; 64]) -> bool,
    ) -> Result<(), ReceiptError> {
        let leaf = self.leaf()?;
        if !is_included(&self.head.root, self.head.count, self.index, leaf, &self.proof) {
            return Err(ReceiptError::NotIncluded);
        }
        if is_signed(&self.head, &self.signature) {
            Ok(())
        } else {
            Err(ReceiptError::BadSignature)
        }
    }

    /// The leaf, of a batch that may be as large as it says.
    fn leaf(&self) -> Result<Hash, ReceiptError> {
        let most = u64::try_from(ReceiptBatch::RECEIPTS_MAX).unwrap_or(u64::MAX);
        if self.index >= self.head.count || self.head.count > most {
            return Err(ReceiptError::NotIncluded);
        }
        if !self.proof.len().is_multiple_of(32) {
            return Err(ReceiptError::Malformed);
        }
        let mut leaf = Vec::with_capacity(288);
        self.receipt.encode(&mut leaf)?;
        Ok(leaf_hash(&leaf))
    }

    /// Appends the stored form: version 1, receipt (`u16` length), index, batch's root (32) and count, proof (`u16` length),
    /// key number (1), signature (64).
    ///
    /// # Errors
    /// [`WireError::TooLong`].
    pub fn encode(&self, to: &mut Vec<u8>) -> Result<(), WireError> {
        let mut receipt = Vec::with_capacity(224);
        self.receipt.encode(&mut receipt)?;
        Writer::new(to, 1)
            .lp16(&receipt)?
            .u64(self.index)
            .fixed(&self.head.root)
            .u64(self.head.count)
            .lp16(&self.proof)?
            .u8(self.key_number)
            .fixed(&self.signature);
        Ok(())
    }

    /// Reads the stored form.
    ///
    /// # Errors
    /// [`WireError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, WireError> {
        let mut from = Reader::new(bytes);
        from.version(1)?;
        let receipt = Receipt::parse(from.lp16()?)?;
        let index = from.u64()?;
        let head = BatchHead { root: from.array()?, count: from.u64()? };
        let proof = from.lp16()?.to_vec();
        let (key_number, signature) = (from.u8()?, from.array()?);
        from.finish()?;
        Ok(Self { receipt, index, head, proof, key_number, signature })
    }
}

/// Checks many receipts: a batch's signature once, and of its tree only what other receipts of it have not proved.
///
/// It answers as [`SignedReceipt::verify`] does, and remembers one batch at a time: receipts are best sorted by batches.
#[derive(Clone, Debug, Default)]
pub struct ReceiptVerifier {
    batch: Option<(BatchHead, [u8; 64], [u8; 32], Proven)>,
}

impl ReceiptVerifier {
    /// That has seen nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// As [`SignedReceipt::verify`].
    ///
    /// # Errors
    /// [`ReceiptError`].
    pub fn verify(
        &mut self,
        signed: &SignedReceipt,
        key: &VerifyingKey,
    ) -> Result<(), ReceiptError> {
        let leaf = signed.leaf()?;
        let index = usize::try_from(signed.index).map_err(|_| ReceiptError::NotIncluded)?;
        let public = key.to_bytes();
        if let Some((head, signature, by, proven)) = &mut self.batch
            && (*head, *by) == (signed.head, public)
            && *signature == signed.signature
        {
            let is_in = proven.prove(index, leaf, &signed.proof);
            return if is_in { Ok(()) } else { Err(ReceiptError::NotIncluded) };
        }
        // The dear part comes last, and what it did not prove is not remembered.
        let mut proven = Proven::new(signed.head.root, signed.head.count);
        if !proven.prove(index, leaf, &signed.proof) {
            return Err(ReceiptError::NotIncluded);
        }
        if !key.verify(&signed.head.to_sign(), &signed.signature) {
            return Err(ReceiptError::BadSignature);
        }
        self.batch = Some((signed.head, signed.signature, public, proven));
        Ok(())
    }
}

/// Why a receipt proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReceiptError {
    /// The batch is not signed by that key.
    BadSignature,
    /// The batch takes no more.
    Full,
    /// Not the bytes of a receipt or a proof.
    Malformed,
    /// The receipt is not in the signed batch.
    NotIncluded,
}

impl ReceiptError {
    /// Stable number, 5080 to 5083.
    pub const fn code(self) -> u32 {
        match self {
            Self::BadSignature => 5_080,
            Self::Full => 5_081,
            Self::Malformed => 5_082,
            Self::NotIncluded => 5_083,
        }
    }
}

impl fmt::Display for ReceiptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BadSignature => "the batch is not signed by that key",
            Self::Full => "the batch takes no more receipts",
            Self::Malformed => "not the bytes of a receipt",
            Self::NotIncluded => "the receipt is not in the signed batch",
        })
    }
}

impl core::error::Error for ReceiptError {}

impl From<WireError> for ReceiptError {
    fn from(_: WireError) -> Self {
        Self::Malformed
    }
}
