//! Proof files: what a stranger verifies with the registry's public keys alone, without asking anybody.

use crate::checkpoint::number;
use crate::shown::Shown;
use crate::{
    Chain, ChainId, Checkpoint, Entry, EntryKey, Header, Height, Holding, MapProof, Note, Record,
    SignedHeader, ThingKey, leaf_hash, verify_inclusion,
};
use alloc::string::String;
use alloc::vec::Vec;
use base64ct::{Base64, Encoding as _};
use core::fmt;
use port::wire::{Reader, Writer};
use port::{Time, WireError};
use seal::VerifyingKey;

/// What a stranger believes before it verifies anything: which chain, and whose keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trust {
    /// Which chain.
    pub chain: ChainId,
    /// What its log is called.
    pub origin: String,
    /// The keys of the supervision nodes whose signatures it believes.
    pub keys: Vec<VerifyingKey>,
    /// How many of them have to vouch: 1 where one node orders, [`crate::votes_needed`] of all where they vote, since one of those may
    /// lie. 0 counts as 1.
    pub vouchers: usize,
}

impl Trust {
    /// Whether a header is of this chain, and somebody who is believed vouches for it.
    ///
    /// # Errors
    /// [`ProofError::AnotherChain`], [`ProofError::NotSigned`].
    pub fn check(&self, signed: &SignedHeader) -> Result<(), ProofError> {
        if signed.header.chain != self.chain {
            return Err(ProofError::AnotherChain);
        }
        self.enough(signed.certificate.signed_by(&signed.header, &self.keys))
    }

    /// Whether enough of those who are believed signed a note.
    ///
    /// # Errors
    /// [`ProofError::NotSigned`].
    pub fn check_note(&self, note: &Note) -> Result<(), ProofError> {
        self.enough(self.keys.iter().filter(|key| note.is_signed_by(&self.origin, key)).count())
    }

    fn enough(&self, vouchers: usize) -> Result<(), ProofError> {
        if vouchers >= self.vouchers.max(1) { Ok(()) } else { Err(ProofError::NotSigned) }
    }
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
        trust.check_note(&self.checkpoint)?;
        self.record_in(trust.chain, &checkpoint)
    }

    /// The record, if it is in the log that a header speaks of, which the caller has checked ([`Trust::check`]): for chains whose
    /// headers are voted for, and whose checkpoints one node signs.
    ///
    /// # Errors
    /// [`ProofError`].
    pub fn verify_in(&self, header: &Header) -> Result<Record, ProofError> {
        let checkpoint = Checkpoint::parse(&self.checkpoint)?;
        if (checkpoint.size, checkpoint.root) != (header.log_size, header.log_root) {
            return Err(ProofError::NotIncluded);
        }
        self.record_in(header.chain, &checkpoint)
    }

    fn record_in(&self, chain: ChainId, checkpoint: &Checkpoint) -> Result<Record, ProofError> {
        let leaf = leaf_hash(&self.record);
        if !verify_inclusion(&checkpoint.root, checkpoint.size, self.index, &leaf, &self.path) {
            return Err(ProofError::NotIncluded);
        }
        let record = Record::parse(&self.record)?;
        if record.transaction.chain == chain { Ok(record) } else { Err(ProofError::AnotherChain) }
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
    shown: Shown,
}

impl EntryProof {
    /// Of a name, with the stored form of what it stands for, by the map after the block.
    pub const fn new(
        header: SignedHeader,
        key: EntryKey,
        value: Option<Vec<u8>>,
        proof: MapProof,
    ) -> Self {
        Self { header, shown: Shown { key, value, proof } }
    }

    /// Of a name after a chain's newest block.
    ///
    /// # Errors
    /// [`WireError::Invalid`] if the chain has no block yet; [`WireError::TooLong`] never for what a chain holds.
    pub fn of(chain: &Chain, key: EntryKey) -> Result<Self, WireError> {
        let header = chain.head().ok_or(WireError::Invalid)?.clone();
        Ok(Self { header, shown: Shown::of(chain, key)? })
    }

    /// What a name stood for, if the header is of a chain whose keys are believed.
    ///
    /// # Errors
    /// [`ProofError`].
    pub fn verify(&self, trust: &Trust, key: EntryKey) -> Result<Seen<Entry>, ProofError> {
        trust.check(&self.header)?;
        let header = &self.header.header;
        let found = self.shown.verify(&header.state_root)?;
        if key != self.shown.key {
            return Err(ProofError::NotIncluded);
        }
        Ok(Seen { height: header.height, time: header.time, found })
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
        Writer::new(to, 1).lp16(&header)?;
        self.shown.write(to)
    }

    /// Reads the stored form.
    ///
    /// # Errors
    /// [`WireError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, WireError> {
        let mut from = Reader::new(bytes);
        from.version(1)?;
        let proof =
            Self { header: SignedHeader::parse(from.lp16()?)?, shown: Shown::read(&mut from)? };
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
    /// It shows something else than what was asked for, or out of its order.
    NotAsked,
    /// Something is missing: what is signed says that there is more.
    Partial,
    /// Its parts are as of different blocks.
    Moved,
}

impl ProofError {
    /// Stable number, 7030 to 7036.
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
            Self::NotAsked => "it shows something else than what was asked for",
            Self::Partial => "something is missing",
            Self::Moved => "its parts are as of different blocks",
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
