//! Which files are in a pack, and where.

use super::error::PackError;
use super::member::MemberReceipt;
use crate::merkle::{Hash, Tree, leaf_hash};
use crate::{FileName, NameSet, SignedReceipt, StreamingRoot};
use alloc::vec::Vec;
use core::ops::Range;
use port::WireError;
use port::wire::{Reader, Writer};
use sha2::{Digest as _, Sha256};

/// The files of a pack, checked: each name is one, no two are one to any file system, and none lies under another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    entries: Vec<Entry>,
    /// What is there under a name of it is replaced; otherwise nothing of the pack is taken where other content is there.
    pub replaces: bool,
}

impl Manifest {
    /// The first bytes of a pack, by which [`Manifest::length`] tells how long its manifest is.
    pub const HEAD_BYTES: usize = 14;

    /// The longest manifest, in bytes: one row has room for it.
    pub const BYTES_MAX: usize = 60 * 1_024;

    /// Of these files, in this order.
    ///
    /// # Errors
    /// [`PackError::Count`], [`PackError::Name`], [`PackError::Size`] for sizes without a sum.
    pub fn new(entries: Vec<Entry>, replaces: bool) -> Result<Self, PackError> {
        let bytes: usize = entries.iter().map(Entry::encoded_bytes).sum();
        if entries.is_empty() || bytes > Self::BYTES_MAX - Self::HEAD_BYTES {
            return Err(PackError::Count);
        }
        let mut names = NameSet::new();
        let mut size = len(Self::HEAD_BYTES + bytes);
        for entry in &entries {
            if !names.insert(&entry.name)? {
                return Err(crate::BadName::Collision.into());
            }
            size = size.checked_add(entry.size).ok_or(PackError::Size)?;
        }
        Ok(Self { entries, replaces })
    }

    /// Whether a manifest of files with such names has room for one more.
    pub fn has_room<'a>(names: impl IntoIterator<Item = &'a str>) -> bool {
        let bytes: usize = names.into_iter().map(|name| name.len() + ENTRY_BYTES).sum();
        bytes <= Self::BYTES_MAX - Self::HEAD_BYTES
    }

    /// The files, in the order in which they are in the pack.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// How large the pack is, manifest and contents.
    pub fn size(&self) -> u64 {
        self.parts().last().map_or(0, |part| part.bytes.end)
    }

    /// Each file with the bytes of the pack that are its content.
    pub fn parts(&self) -> impl Iterator<Item = Part<'_>> {
        let mut end = len(self.encoded_bytes());
        self.entries.iter().map(move |entry| {
            let start = end;
            end += entry.size;
            Part { entry, bytes: start..end }
        })
    }

    /// What the receipt of who has taken all files says as [`crate::Receipt::content`]: SHA-256 of the domain
    /// `interbank/filexfer/pack/v1`, a zero byte, the root (32) of a Merkle tree whose leaves are the entries (RFC 9162 §2.1,
    /// SHA-256), and how many they are (`u64`).
    pub fn commitment(&self) -> [u8; 32] {
        commitment(&self.tree().root(), len(self.entries.len()))
    }

    /// A receipt for each file, from the one for the pack; `None` if that one is not about these files. Whether it is signed
    /// is for [`MemberReceipt::verify`].
    pub fn receipts(&self, of: &SignedReceipt) -> Option<impl Iterator<Item = MemberReceipt>> {
        let (tree, count) = (self.tree(), len(self.entries.len()));
        if of.receipt.content != Some(commitment(&tree.root(), count)) {
            return None;
        }
        let entries = self.entries.iter().enumerate();
        Some(entries.map(move |(at, entry)| MemberReceipt {
            entry: entry.clone(),
            index: len(at),
            count,
            proof: tree.path(at),
            pack: of.clone(),
        }))
    }

    /// How long the manifest is that begins with these bytes, head and all.
    ///
    /// # Errors
    /// [`PackError::NotAPack`], also for fewer than [`Manifest::HEAD_BYTES`] and for what no manifest is as long as.
    pub fn length(head: &[u8]) -> Result<usize, PackError> {
        let head = head.get(..Self::HEAD_BYTES).ok_or(PackError::NotAPack)?;
        let mut from = Reader::new(head);
        let (_, _, bytes) = Self::read_head(&mut from)?;
        Ok(Self::HEAD_BYTES + bytes)
    }

    /// Appends the manifest, with which its pack begins.
    ///
    /// # Errors
    /// [`WireError::TooLong`]: never.
    pub fn encode(&self, to: &mut Vec<u8>) -> Result<(), WireError> {
        let bytes = u32::try_from(self.encoded_bytes() - Self::HEAD_BYTES);
        let count = u32::try_from(self.entries.len());
        let (Ok(bytes), Ok(count)) = (bytes, count) else { return Err(WireError::TooLong) };
        to.extend_from_slice(TAG);
        Writer::new(to, 1).u8(u8::from(self.replaces)).u32(count).u32(bytes);
        self.entries.iter().try_for_each(|entry| entry.write(to))
    }

    /// Reads a manifest; what follows it is no part of it.
    ///
    /// # Errors
    /// [`PackError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, PackError> {
        let mut from = Reader::new(bytes);
        let (replaces, count, len) = Self::read_head(&mut from)?;
        if bytes.len() != Self::HEAD_BYTES + len {
            return Err(PackError::NotAPack);
        }
        let mut entries = Vec::with_capacity(count.min(Self::BYTES_MAX / ENTRY_BYTES));
        for _ in 0..count {
            entries.push(Entry::read(&mut from)?);
        }
        from.finish()?;
        Self::new(entries, replaces)
    }

    /// Whether files that are there are replaced, how many there are, and bytes of the entries.
    fn read_head(from: &mut Reader<'_>) -> Result<(bool, usize, usize), PackError> {
        if from.fixed(TAG.len())? != TAG {
            return Err(PackError::NotAPack);
        }
        from.version(1)?;
        let replaces = from.flag()?;
        let [count, bytes] =
            [from.u32()?, from.u32()?].map(|n| usize::try_from(n).unwrap_or(usize::MAX));
        if bytes > Self::BYTES_MAX - Self::HEAD_BYTES {
            return Err(PackError::NotAPack);
        }
        Ok((replaces, count, bytes))
    }

    fn encoded_bytes(&self) -> usize {
        Self::HEAD_BYTES + self.entries.iter().map(Entry::encoded_bytes).sum::<usize>()
    }

    fn tree(&self) -> Tree {
        Tree::new(self.entries.iter().map(Entry::leaf).collect())
    }
}

/// One file of a pack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name in the pack's own folder.
    pub name: FileName,
    /// Its size in bytes.
    pub size: u64,
    /// The BLAKE3 root of its content.
    pub root: [u8; 32],
}

impl Entry {
    /// Of a file with this content.
    pub fn of(name: FileName, content: &[u8]) -> Self {
        let mut root = StreamingRoot::new();
        root.update(content);
        let (root, size) = root.finish();
        Self { name, size, root }
    }

    /// Its leaf in the tree of its manifest.
    pub(super) fn leaf(&self) -> Hash {
        let mut bytes = Vec::with_capacity(self.encoded_bytes());
        // A name is never too long.
        let _ = self.write(&mut bytes);
        leaf_hash(&bytes)
    }

    pub(super) fn write(&self, to: &mut Vec<u8>) -> Result<(), WireError> {
        let mut to = Writer::bare(to);
        to.lp16(self.name.as_str().as_bytes())?.u64(self.size).fixed(&self.root);
        Ok(())
    }

    pub(super) fn read(from: &mut Reader<'_>) -> Result<Self, PackError> {
        let name = FileName::new(Reader::text(from.lp16()?)?)?;
        Ok(Self { name, size: from.u64()?, root: from.array()? })
    }

    fn encoded_bytes(&self) -> usize {
        self.name.as_str().len() + ENTRY_BYTES
    }
}

/// A file of a pack, and where its content is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part<'a> {
    /// Which file.
    pub entry: &'a Entry,
    /// Which bytes of the pack.
    pub bytes: Range<u64>,
}

pub(super) fn commitment(root: &Hash, count: u64) -> [u8; 32] {
    let mut body = Vec::with_capacity(40);
    Writer::bare(&mut body).fixed(root).u64(count);
    Sha256::digest(seal::in_domain("interbank/filexfer/pack/v1", &body)).into()
}

fn len(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}

const TAG: &[u8; 4] = b"pack";
/// Length of a name, size, root.
const ENTRY_BYTES: usize = 2 + 8 + 32;
