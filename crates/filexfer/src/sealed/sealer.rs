//! Sealing: content in, sealed bytes out, a chunk of memory.

use super::header::{SealedFor, SealedHeader};
use super::key::RecipientKey;
use super::layout::ChunkSize;
use super::{FileKeys, TAG, commitment};
use aead_stream::StreamPrimitive as _;
use alloc::vec::Vec;
use core::fmt;
use seal::Secret;

/// Seals a content of any size for one receiving end, as it comes.
///
/// ```
/// use interbank_filexfer::sealed::*;
/// use seal::Secret;
///
/// let key = OpeningKey::derive(&Secret::new([1; 32]));
/// let made_for = SealedFor([2; 32]);
/// let mut file = Vec::new();
/// let mut sealer = Sealer::new(&key.recipient_key(), 1, made_for, ChunkSize::default(), &[3; 32])?;
/// sealer.update(b"to the bank", &mut file)?;
/// let sealed = sealer.finish(&mut file)?;
///
/// let opener = Opener::new(&file, file.len() as u64, &key, &made_for)?;
/// let (mut opening, mut content) = (Opening::new(opener), Vec::new());
/// opening.update(&file, &mut content)?;
/// let opened = opening.finish()?;
/// assert_eq!((&content[..], opened.commitment), (&b"to the bank"[..], sealed.commitment));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Sealer {
    keys: FileKeys,
    chunk_bytes: usize,
    /// The header that goes before the first chunk.
    header: Vec<u8>,
    /// What the next chunk has so far; at most a whole one.
    payload: Vec<u8>,
    number: u32,
    hasher: blake3::Hasher,
    size: u64,
}

impl Sealer {
    /// For the key `key_number` of the receiving end. `entropy` must be fresh: it is used for one file and never again.
    ///
    /// # Errors
    /// [`SealError::UselessKey`].
    pub fn new(
        recipient: &RecipientKey,
        key_number: u8,
        made_for: SealedFor,
        chunk: ChunkSize,
        entropy: &[u8; 32],
    ) -> Result<Self, SealError> {
        let content_key = seal::derive(entropy, "interbank/filexfer/content-key/v1", &[]);
        let wrapped = recipient.wrap(&made_for.info(), &content_key, entropy);
        let (encapsulated, wrapped) = wrapped.ok_or(SealError::UselessKey)?;
        let header = SealedHeader { chunk, key_number, made_for, encapsulated, wrapped };
        let mut bytes = Vec::with_capacity(SealedHeader::BYTES);
        header.encode(&mut bytes);
        let chunk_bytes = usize::try_from(chunk.bytes()).map_err(|_| SealError::TooLarge)?;
        Ok(Self {
            keys: FileKeys::new(&content_key, &bytes),
            chunk_bytes,
            header: bytes,
            payload: Vec::with_capacity(chunk_bytes),
            number: 0,
            hasher: blake3::Hasher::new(),
            size: 0,
        })
    }

    /// Takes more of the content; appends the chunks that are full.
    ///
    /// # Errors
    /// [`SealError::TooLarge`]; nothing more can be sealed with this.
    pub fn update(&mut self, content: &[u8], to: &mut Vec<u8>) -> Result<(), SealError> {
        self.hasher.update(content);
        self.size = u64::try_from(content.len())
            .ok()
            .and_then(|len| self.size.checked_add(len))
            .ok_or(SealError::TooLarge)?;
        self.take(content, to)
    }

    /// Appends the last chunk.
    ///
    /// # Errors
    /// [`SealError::TooLarge`].
    pub fn finish(mut self, to: &mut Vec<u8>) -> Result<Sealed, SealError> {
        let root: [u8; 32] = self.hasher.finalize().into();
        self.take(&root, to)?;
        self.emit(true, to)?;
        let blinding = self.keys.blinding.clone();
        let commitment = commitment(&blinding, &root, self.size);
        Ok(Sealed { size: self.size, root, commitment, blinding })
    }

    fn take(&mut self, mut bytes: &[u8], to: &mut Vec<u8>) -> Result<(), SealError> {
        while !bytes.is_empty() {
            let room = self.room();
            if self.payload.len() == room {
                // There is more: this is not the last one.
                self.emit(false, to)?;
                continue;
            }
            let many = bytes.len().min(room - self.payload.len());
            let (now, later) = bytes.split_at(many);
            self.payload.extend_from_slice(now);
            bytes = later;
        }
        Ok(())
    }

    /// How much payload the chunk that is being filled holds.
    fn room(&self) -> usize {
        self.chunk_bytes - TAG - self.header.len()
    }

    fn emit(&mut self, is_last: bool, to: &mut Vec<u8>) -> Result<(), SealError> {
        let sealed =
            self.keys.stream.encrypt_in_place(self.number, is_last, &[], &mut self.payload);
        sealed.map_err(|_| SealError::TooLarge)?;
        to.append(&mut self.header);
        to.extend_from_slice(&self.payload);
        self.payload.clear();
        if !is_last {
            self.number = self.number.checked_add(1).ok_or(SealError::TooLarge)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealer({} bytes so far)", self.size)
    }
}

/// What was sealed: known to the ends alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// The size of the content in bytes.
    pub size: u64,
    /// Its BLAKE3 root.
    pub root: [u8; 32],
    /// What receipts say of it: [`crate::Receipt::content`].
    pub commitment: [u8; 32],
    /// Who has it can show that the commitment is to this content: [`super::commitment`].
    pub blinding: Secret<32>,
}

/// Why something cannot be sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SealError {
    /// The content has more chunks than a number of four bytes counts.
    TooLarge,
    /// What is sealed for this key would be open to anybody.
    UselessKey,
}

impl SealError {
    /// Stable number, 5057 to 5058.
    pub const fn code(self) -> u32 {
        match self {
            Self::TooLarge => 5_057,
            Self::UselessKey => 5_058,
        }
    }
}

impl fmt::Display for SealError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLarge => "the content is too large for such chunks",
            Self::UselessKey => "a key that keeps nothing secret",
        })
    }
}

impl core::error::Error for SealError {}
