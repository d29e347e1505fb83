//! Proof files: what a stranger verifies with the registry's public keys alone, without asking anybody.

use crate::checkpoint::number;
use crate::{
    ChainId, Checkpoint, Entry, EntryKey, Height, Holding, MapProof, Note, Record, SignedHeader,
    ThingKey, leaf_hash, verify_inclusion,
};
use alloc::string::String;
use alloc::vec::Vec;
use base64ct::{Base64, Encoding as _};
use core::fmt;
use port::wire::{Reader, Writer};
use port::{Time, WireError};
use seal::VerifyingKey;
use sha2::{Digest as _, Sha256};

/// What a stranger believes before it verifies anything: which chain, and whose keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trust {
    /// Which chain.
    pub chain: ChainId,
    /// What its log is called.
    pub origin: String,
    /// The keys of the supervision nodes whose signatures it believes.
    pub keys: Vec<VerifyingKey>,
}

/// That something happened: a record, its place in the log, and a checkpoint of the log. Its printed form is a C2SP
/// `tlog-proof` whose extra data are the record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordProof {
    record: Vec<u8>,
    index: u64,
    path: Vec<[u8; 32]>,
    checkpoint: Note,
}

impl RecordProof {
    /// Of a record, by its stored form, at an index, with the path to the root of a signed checkpoint.
    pub const fn new(record: Vec<u8>, index: u64, path: Vec<[u8; 32]>, checkpoint: Note) -> Self {
        Self { record, index, path, checkpoint }
    }

    /// The record, if it is in the log of a chain whose keys are believed.
    ///
    /// # Errors
    /// [`ProofError`].
    pub fn verify(&self, trust: &Trust) -> Result<Record, ProofError> {
        let checkpoint = Checkpoint::parse(&self.checkpoint)?;
        if checkpoint.origin != trust.origin {
            return Err(ProofError::AnotherChain);
        }
        let is_signed = |key| self.checkpoint.is_signed_by(&trust.origin, key);
        if !trust.keys.iter().any(is_signed) {
            return Err(ProofError::NotSigned);
        }
        let leaf = leaf_hash(&self.record);
        let Checkpoint { size, root, .. } = checkpoint;
        if !verify_inclusion(&root, size, self.index, &leaf, &self.path) {
            return Err(ProofError::NotIncluded);
        }
        let record = Record::parse(&self.record)?;
        if record.transaction.chain == trust.chain {
            Ok(record)
        } else {
            Err(ProofError::AnotherChain)
        }
    }

    /// How many of the believed keys have signed the checkpoint. [`RecordProof::verify`] asks for one, which is enough where one node
    /// orders; of a chain that is voted for, believe as many as [`crate::votes_needed`] says.
    pub fn signers(&self, trust: &Trust) -> usize {
        let is_signed = |key: &&VerifyingKey| self.checkpoint.is_signed_by(&trust.origin, key);
        trust.keys.iter().filter(is_signed).count()
    }

    /// Reads the printed form.
    ///
    /// # Errors
    /// [`ProofError::Form`].
    pub fn parse(text: &str) -> Result<Self, ProofError> {
        let (head, checkpoint) = text.split_once("\n\n").ok_or(ProofError::Form)?;
        let mut lines = head.split('\n');
        if lines.next() != Some(FIRST_LINE) {
            return Err(ProofError::Form);
        }
        let field = |line: Option<&'_ str>, name| {
            line.and_then(|line| line.strip_prefix(name)).map(String::from).ok_or(ProofError::Form)
        };
        let record = field(lines.next(), "extra ")?;
        let record = Base64::decode_vec(&record).map_err(|_| ProofError::Form)?;
        let index = number(&field(lines.next(), "index ")?)?;
        let mut path = Vec::new();
        for line in lines {
            let mut hash = [0; 32];
            let decoded = Base64::decode(line, &mut hash).map_err(|_| ProofError::Form)?;
            if decoded.len() != 32 || path.len() >= 64 {
                return Err(ProofError::Form);
            }
            path.push(hash);
        }
        Ok(Self { record, index, path, checkpoint: Note::parse(checkpoint)? })
    }
}

impl fmt::Display for RecordProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{FIRST_LINE}")?;
        writeln!(f, "extra {}", Base64::encode_string(&self.record))?;
        writeln!(f, "index {}", self.index)?;
        self.path.iter().try_for_each(|hash| writeln!(f, "{}", Base64::encode_string(hash)))?;
        write!(f, "\n{}", self.checkpoint)
    }
}

/// What a name of the state stood for after a block: a value, or nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryProof {
    /// The block's header.
    pub header: SignedHeader,
    key: EntryKey,
    value: Option<Vec<u8>>,
    proof: MapProof,
}

impl EntryProof {
    /// Of a name, with the stored form of what it stands for, by the map after the block.
    pub const fn new(
        header: SignedHeader,
        key: EntryKey,
        value: Option<Vec<u8>>,
        proof: MapProof,
    ) -> Self {
        Self { header, key, value, proof }
    }

    /// What a name stood for, if the header is of a chain whose keys are believed.
    ///
    /// # Errors
    /// [`ProofError`].
    pub fn verify(&self, trust: &Trust, key: EntryKey) -> Result<Seen<Entry>, ProofError> {
        let header = &self.header.header;
        if header.chain != trust.chain {
            return Err(ProofError::AnotherChain);
        }
        if !trust.keys.iter().any(|key| self.header.is_signed_by(key)) {
            return Err(ProofError::NotSigned);
        }
        let value = self.value.as_ref();
        let digest = value.map(|value| <[u8; 32]>::from(Sha256::digest(value)));
        let is_shown = self.proof.shows(&header.state_root, &key.path(), digest.as_ref());
        if key != self.key || !is_shown {
            return Err(ProofError::NotIncluded);
        }
        let found = value.map(|value| Entry::parse(key, value)).transpose()?;
        Ok(Seen { height: header.height, time: header.time, found })
    }

    /// How many of the believed keys vouch for the header; see [`RecordProof::signers`].
    pub fn signers(&self, trust: &Trust) -> usize {
        self.header.certificate.signed_by(&self.header.header, &trust.keys)
    }

    /// Who owned a thing after the block, and by which file; `None`: it had no live file.
    ///
    /// # Errors
    /// [`ProofError`].
    pub fn verify_holding(
        &self,
        trust: &Trust,
        thing: ThingKey,
    ) -> Result<Seen<Holding>, ProofError> {
        let Seen { height, time, found } = self.verify(trust, EntryKey::Thing(thing))?;
        let found = match found {
            Some(Entry::Thing(_, holding)) => holding,
            _ => None,
        };
        Ok(Seen { height, time, found })
    }

    /// Appends the stored form: version 1, signed header (`u16` length), name (`u8` length), 0, or 1 and the value (`u16`
    /// length), proof.
    ///
    /// # Errors
    /// [`WireError::TooLong`].
    pub fn encode(&self, to: &mut Vec<u8>) -> Result<(), WireError> {
        let mut header = Vec::with_capacity(SignedHeader::BYTES);
        self.header.encode(&mut header)?;
        let mut writer = Writer::new(to, 1);
        writer.lp16(&header)?.lp8(&self.key.to_bytes())?;
        match &self.value {
            Some(value) => writer.u8(1).lp16(value)?,
            None => writer.u8(0),
        };
        self.proof.encode(to)
    }

    /// Reads the stored form.
    ///
    /// # Errors
    /// [`WireError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, WireError> {
        let mut from = Reader::new(bytes);
        from.version(1)?;
        let proof = Self {
            header: SignedHeader::parse(from.lp16()?)?,
            key: EntryKey::parse(from.lp8()?)?,
            value: if from.flag()? { Some(from.lp16()?.to_vec()) } else { None },
            proof: MapProof::read(&mut from)?,
        };
        from.finish()?;
        Ok(proof)
    }
}

/// What was found, and as of when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen<T> {
    /// After which block.
    pub height: Height,
    /// When that was, by the block.
    pub time: Time,
    /// What was there; `None`: nothing, and that is proved.
    pub found: Option<T>,
}

/// Why a proof shows nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProofError {
    /// It is not in the form of a proof.
    Form,
    /// It is about another chain.
    AnotherChain,
    /// Nobody who is believed has signed it.
    NotSigned,
    /// What it says is not under the root that was signed.
    NotIncluded,
}

impl ProofError {
    /// Stable number, 7030 to 7033.
    pub const fn code(self) -> u32 {
        7_030 + self as u32
    }
}

impl fmt::Display for ProofError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Form => "not in the form of a proof",
            Self::AnotherChain => "the proof is about another chain",
            Self::NotSigned => "nobody who is believed has signed it",
            Self::NotIncluded => "what it says is not under the signed root",
        })
    }
}

impl core::error::Error for ProofError {}

impl From<WireError> for ProofError {
    fn from(_: WireError) -> Self {
        Self::Form
    }
}

const FIRST_LINE: &str = "c2sp.org/tlog-proof@v1";
