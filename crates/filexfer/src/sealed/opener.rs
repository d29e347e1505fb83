//! Opening: chunks in any order, or a whole file as it comes.

use super::header::{SealedFor, SealedHeader};
use super::key::OpeningKey;
use super::layout::SealedLayout;
use super::{FileKeys, commitment};
use aead_stream::StreamPrimitive as _;
use alloc::vec::Vec;
use core::fmt;
use seal::Secret;

/// Opens the chunks of one sealed file, in any order.
///
/// The size comes from whoever verified the sealed file's root. Content out of a chunk is authentic and in its place; that the
/// whole has the root that was sealed with it, [`Opening`] checks.
pub struct Opener {
    keys: FileKeys,
    layout: SealedLayout,
}

impl Opener {
    /// Reads the header at the beginning of `file` and unwraps the content key.
    ///
    /// # Errors
    /// [`OpenError::NotSealed`], [`OpenError::WrongTransfer`], [`OpenError::WrongKey`].
    pub fn new(
        file: &[u8],
        sealed_size: u64,
        key: &OpeningKey,
        made_for: &SealedFor,
    ) -> Result<Self, OpenError> {
        Self::with(file, sealed_size, made_for, |header| {
            let content_key =
                key.unwrap(&header.encapsulated, &header.info(), &header.wrapped, &[])?;
            Some(Secret::new(content_key.try_into().ok()?))
        })
    }

    /// The same with a content key that a key holder outside has unwrapped ([`SealedHeader::info`]).
    ///
    /// # Errors
    /// [`OpenError::NotSealed`], [`OpenError::WrongTransfer`].
    pub fn with_content_key(
        file: &[u8],
        sealed_size: u64,
        content_key: Secret<32>,
        made_for: &SealedFor,
    ) -> Result<Self, OpenError> {
        Self::with(file, sealed_size, made_for, |_| Some(content_key))
    }

    fn with(
        file: &[u8],
        sealed_size: u64,
        made_for: &SealedFor,
        unwrap: impl FnOnce(&SealedHeader) -> Option<Secret<32>>,
    ) -> Result<Self, OpenError> {
        let header = SealedHeader::parse(file)?;
        let layout = SealedLayout::new(sealed_size, header.chunk).ok_or(OpenError::NotSealed)?;
        if header.made_for != *made_for {
            return Err(OpenError::WrongTransfer);
        }
        let content_key = unwrap(&header).ok_or(OpenError::WrongKey)?;
        let bytes = file.get(..SealedHeader::BYTES).ok_or(OpenError::NotSealed)?;
        Ok(Self { keys: FileKeys::new(&content_key, bytes), layout })
    }

    /// Where its chunks lie.
    pub const fn layout(&self) -> &SealedLayout {
        &self.layout
    }

    /// Opens one chunk, whose bytes are those of [`SealedLayout::bytes_of`], and appends the content in it, which belongs
    /// at [`SealedLayout::content_of`].
    ///
    /// # Errors
    /// [`OpenError`]; nothing was appended.
    pub fn open_chunk(&self, chunk: u64, bytes: &[u8], to: &mut Vec<u8>) -> Result<(), OpenError> {
        let payload = self.payload(chunk, bytes)?;
        let part = self.layout.content_of(chunk);
        let len = usize::try_from(part.end - part.start).map_err(|_| OpenError::NotSealed)?;
        to.extend_from_slice(payload.get(..len).ok_or(OpenError::Truncated)?);
        Ok(())
    }

    /// Content, and the root as far as it is in this chunk.
    fn payload(&self, chunk: u64, bytes: &[u8]) -> Result<Vec<u8>, OpenError> {
        let place = self.layout.bytes_of(chunk);
        let (Ok(number), false) = (u32::try_from(chunk), place.is_empty()) else {
            return Err(OpenError::Range);
        };
        match u64::try_from(bytes.len()).map(|len| len.cmp(&(place.end - place.start))) {
            Ok(core::cmp::Ordering::Equal) => {}
            Ok(core::cmp::Ordering::Less) => return Err(OpenError::Truncated),
            _ => return Err(OpenError::Trailing),
        }
        let start = if chunk == 0 { SealedHeader::BYTES } else { 0 };
        let sealed = bytes.get(start..).ok_or(OpenError::Truncated)?;
        let is_last = chunk + 1 == self.layout.chunks();
        let open = |is_last| {
            let mut payload = sealed.to_vec();
            let opened = self.keys.stream.decrypt_in_place(number, is_last, &[], &mut payload);
            opened.map(|()| payload)
        };
        open(is_last).map_err(|_| match open(!is_last) {
            // It is right, and the file should go on after it, or end with it.
            Ok(_) if is_last => OpenError::Truncated,
            Ok(_) => OpenError::Trailing,
            Err(_) => OpenError::Chunk(chunk),
        })
    }
}

impl fmt::Debug for Opener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Opener({:?})", self.layout)
    }
}

/// Opens a whole sealed file as it comes, and checks the content's root at the end.
///
/// What it gives before [`Opening::finish`] is not to be shown to anybody yet.
pub struct Opening {
    opener: Opener,
    /// Sealed bytes of a chunk that is not whole.
    waiting: Vec<u8>,
    chunk: u64,
    /// The last bytes of the payload so far: perhaps the root.
    tail: Vec<u8>,
    hasher: blake3::Hasher,
    size: u64,
}

impl Opening {
    /// Before the first byte.
    pub fn new(opener: Opener) -> Self {
        Self {
            opener,
            waiting: Vec::new(),
            chunk: 0,
            tail: Vec::new(),
            hasher: blake3::Hasher::new(),
            size: 0,
        }
    }

    /// Takes more of the sealed file, header and all; appends what could be opened.
    ///
    /// # Errors
    /// [`OpenError`]; nothing of the file may be used.
    pub fn update(&mut self, mut sealed: &[u8], to: &mut Vec<u8>) -> Result<(), OpenError> {
        while !sealed.is_empty() {
            let place = self.opener.layout.bytes_of(self.chunk);
            let len = usize::try_from(place.end - place.start).map_err(|_| OpenError::Range)?;
            if len == 0 {
                return Err(OpenError::Trailing);
            }
            if self.waiting.is_empty()
                && let Some((chunk, rest)) = sealed.split_at_checked(len)
            {
                self.open(chunk, to)?;
                sealed = rest;
                continue;
            }
            let many = sealed.len().min(len - self.waiting.len());
            let (now, later) = sealed.split_at(many);
            self.waiting.extend_from_slice(now);
            sealed = later;
            if self.waiting.len() == len {
                let chunk = core::mem::take(&mut self.waiting);
                self.open(&chunk, to)?;
                self.waiting = chunk;
                self.waiting.clear();
            }
        }
        Ok(())
    }

    /// All is there, and has the root that was sealed with it.
    ///
    /// # Errors
    /// [`OpenError::Truncated`], [`OpenError::Root`].
    pub fn finish(self) -> Result<Opened, OpenError> {
        if self.chunk < self.opener.layout.chunks() {
            return Err(OpenError::Truncated);
        }
        let root: [u8; 32] = self.hasher.finalize().into();
        if self.tail[..] != root || self.size != self.opener.layout.size() {
            return Err(OpenError::Root);
        }
        let blinding = self.opener.keys.blinding;
        let commitment = commitment(&blinding, &root, self.size);
        Ok(Opened { size: self.size, root, commitment, blinding })
    }

    fn open(&mut self, chunk: &[u8], to: &mut Vec<u8>) -> Result<(), OpenError> {
        let payload = self.opener.payload(self.chunk, chunk)?;
        let part = self.opener.layout.content_of(self.chunk);
        let len = usize::try_from(part.end - part.start).map_err(|_| OpenError::Range)?;
        let (content, tail) = payload.split_at_checked(len).ok_or(OpenError::Truncated)?;
        self.hasher.update(content);
        self.size += part.end - part.start;
        self.tail.extend_from_slice(tail);
        to.extend_from_slice(content);
        self.chunk += 1;
        Ok(())
    }
}

impl fmt::Debug for Opening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Opening({:?}, chunk {})", self.opener.layout, self.chunk)
    }
}

/// What was opened: the same as [`super::Sealed`], at the other end.
pub type Opened = super::Sealed;

/// Why a sealed file, or a chunk of it, does not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OpenError {
    /// This chunk is not the one that was sealed for this place: changed, moved, or of another file.
    Chunk(u64),
    /// Not the header or the size of a sealed file.
    NotSealed,
    /// There is no such chunk.
    Range,
    /// The content is not the one that was sealed.
    Root,
    /// There is more than was sealed.
    Trailing,
    /// There is less than was sealed.
    Truncated,
    /// It is not sealed for this key.
    WrongKey,
    /// It is sealed for another transfer.
    WrongTransfer,
}

impl OpenError {
    /// Stable number, 5050 to 5056 and 5059.
    pub const fn code(self) -> u32 {
        match self {
            Self::Chunk(_) => 5_050,
            Self::NotSealed => 5_051,
            Self::Range => 5_052,
            Self::Root => 5_053,
            Self::Trailing => 5_054,
            Self::Truncated => 5_055,
            Self::WrongKey => 5_056,
            Self::WrongTransfer => 5_059,
        }
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Chunk(number) => write!(f, "chunk {number} is not what was sealed"),
            Self::NotSealed => f.write_str("not a sealed file"),
            Self::Range => f.write_str("the file has no such chunk"),
            Self::Root => f.write_str("the content is not what was sealed"),
            Self::Trailing => f.write_str("there is more than was sealed"),
            Self::Truncated => f.write_str("there is less than was sealed"),
            Self::WrongKey => f.write_str("not sealed for this key"),
            Self::WrongTransfer => f.write_str("sealed for another transfer"),
        }
    }
}

impl core::error::Error for OpenError {}
