//! Blocks: what was decided at one height, and what the log and the state are after it.

use crate::{Certificate, ChainId, Height, NodeId, Record, Transaction, leaf_hash, root_over};
use alloc::vec::Vec;
use port::wire::{Reader, Writer};
use port::{KeyId, KeyQuestion, Time, WireError};
use seal::VerifyingKey;
use sha2::{Digest as _, Sha256};

/// Transactions in their order, and the header that says what they lead to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// The signed header.
    pub header: SignedHeader,
    /// In the order in which they are executed.
    pub transactions: Vec<Transaction>,
}

impl Block {
    /// The longest stored form, in bytes: a row's.
    pub const BYTES_MAX: usize = port::Row::VALUE_BYTES_MAX;

    /// At most this many transactions.
    pub const TRANSACTIONS_MAX: usize = 256;

    /// Its transactions as the log records them.
    pub fn records(&self) -> impl Iterator<Item = Record> {
        let header = &self.header.header;
        (0_u32..).zip(&self.transactions).map(move |(place, transaction)| Record {
            height: header.height,
            place,
            time: header.time,
            transaction: transaction.clone(),
        })
    }

    /// Appends the stored and sent form: version 1, signed header (`u16` length), count of transactions (2), and each (`u16`
    /// length).
    ///
    /// # Errors
    /// [`WireError::TooLong`].
    pub fn encode(&self, to: &mut Vec<u8>) -> Result<(), WireError> {
        if self.transactions.len() > Self::TRANSACTIONS_MAX {
            return Err(WireError::TooLong);
        }
        let before = to.len();
        let count = u16::try_from(self.transactions.len()).map_err(|_| WireError::TooLong)?;
        let mut header = Vec::with_capacity(SignedHeader::BYTES);
        self.header.encode(&mut header)?;
        let mut writer = Writer::new(to, 1);
        writer.lp16(&header)?.u16(count);
        for transaction in &self.transactions {
            writer.lp16(&transaction.to_bytes()?)?;
        }
        if to.len() - before > Self::BYTES_MAX { Err(WireError::TooLong) } else { Ok(()) }
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
        let header = SignedHeader::parse(from.lp16()?)?;
        let count = usize::from(from.u16()?);
        if count > Self::TRANSACTIONS_MAX {
            return Err(WireError::TooLong);
        }
        let mut transactions = Vec::with_capacity(count);
        for _ in 0..count {
            transactions.push(Transaction::parse(from.lp16()?)?);
        }
        from.finish()?;
        Ok(Self { header, transactions })
    }
}

/// What a block says of itself, of everything before it, and of everything that stands after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// On which chain.
    pub chain: ChainId,
    /// How many blocks come before it.
    pub height: Height,
    /// The digest of the header before; of the first one, the chain's name.
    pub previous: [u8; 32],
    /// When it was made; never before the block before.
    pub time: Time,
    /// Who made it.
    pub proposer: NodeId,
    /// The root over its transactions' records.
    pub transactions_root: [u8; 32],
    /// How many records the log has after it.
    pub log_size: u64,
    /// The root over all of them.
    pub log_root: [u8; 32],
    /// The root of the state map after it.
    pub state_root: [u8; 32],
}

impl Header {
    /// How long the stored form is.
    pub const BYTES: usize = 193;

    /// What is signed: the domain `interbank/ledger/block/v1`, a zero byte, the stored form.
    pub fn to_sign(&self) -> Vec<u8> {
        let mut body = Vec::with_capacity(Self::BYTES);
        self.encode(&mut body);
        seal::in_domain("interbank/ledger/block/v1", &body)
    }

    /// SHA-256 of what is signed: what the next block calls it.
    pub fn digest(&self) -> [u8; 32] {
        Sha256::digest(self.to_sign()).into()
    }

    /// The question whose answer is the proposer's signature.
    pub fn question(&self, key: KeyId) -> KeyQuestion {
        KeyQuestion::Sign { key, message: self.to_sign().into() }
    }

    /// Appends the stored form: version 1, chain (32), height (8), previous (32), time in milliseconds (8), proposer (8), root
    /// over the transactions (32), size of the log (8), its root (32), state root (32).
    pub fn encode(&self, to: &mut Vec<u8>) {
        Writer::new(to, 1)
            .fixed(&self.chain.0)
            .u64(self.height.0)
            .fixed(&self.previous)
            .u64(self.time.as_ms())
            .u64(self.proposer.0.0)
            .fixed(&self.transactions_root)
            .u64(self.log_size)
            .fixed(&self.log_root)
            .fixed(&self.state_root);
    }

    /// Reads the stored form at the front of what is left.
    ///
    /// # Errors
    /// [`WireError`].
    pub fn read(from: &mut Reader<'_>) -> Result<Self, WireError> {
        from.version(1)?;
        Ok(Self {
            chain: ChainId(from.array()?),
            height: Height(from.u64()?),
            previous: from.array()?,
            time: Time::from_ms(from.u64()?),
            proposer: NodeId(Height(from.u64()?)),
            transactions_root: from.array()?,
            log_size: from.u64()?,
            log_root: from.array()?,
            state_root: from.array()?,
        })
    }
}

/// A header, and who vouches for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedHeader {
    /// The header.
    pub header: Header,
    /// Who vouches for it.
    pub certificate: Certificate,
}

impl SignedHeader {
    /// How long the stored form is with the proposer's signature alone.
    pub const BYTES: usize = Header::BYTES + 1 + 2 + 64;

    /// How long the stored form is at most.
    pub const BYTES_MAX: usize = Header::BYTES + Certificate::BYTES_MAX;

    /// With the signature of a proposer that orders alone.
    pub const fn by_authority(header: Header, key_number: u16, signature: [u8; 64]) -> Self {
        Self { header, certificate: Certificate::Authority { key_number, signature } }
    }

    /// Whether a signature is right under this key.
    pub fn is_signed_by(&self, key: &VerifyingKey) -> bool {
        self.certificate.signed_by(&self.header, [key]) == 1
    }

    /// Appends the stored form: the header's, the certificate's.
    ///
    /// # Errors
    /// [`WireError::TooLong`] for more than 255 votes.
    pub fn encode(&self, to: &mut Vec<u8>) -> Result<(), WireError> {
        self.header.encode(to);
        self.certificate.encode(to)
    }

    /// Reads the stored form.
    ///
    /// # Errors
    /// [`WireError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, WireError> {
        let mut from = Reader::new(bytes);
        let signed =
            Self { header: Header::read(&mut from)?, certificate: Certificate::read(&mut from)? };
        from.finish()?;
        Ok(signed)
    }
}

/// The root over the records of a block's transactions, and their leaf hashes.
pub(crate) fn transactions_root(
    height: Height,
    time: Time,
    transactions: &[Transaction],
) -> Result<([u8; 32], Vec<[u8; 32]>), WireError> {
    let mut leaves = Vec::with_capacity(transactions.len());
    let mut bytes = Vec::with_capacity(1_024);
    for (place, transaction) in (0..).zip(transactions) {
        bytes.clear();
        Record::write(&mut bytes, height, place, time, transaction)?;
        leaves.push(leaf_hash(&bytes));
    }
    Ok((root_over(&leaves), leaves))
}
