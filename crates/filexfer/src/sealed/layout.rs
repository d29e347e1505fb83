//! Where the chunks of a sealed file lie.

use super::header::SealedHeader;
use super::{ROOT, TAG};
use crate::Groups;
use core::ops::Range;

/// A sealed file as chunks, by its size and that of its chunks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SealedLayout {
    sealed_size: u64,
    chunk: ChunkSize,
    chunks: u64,
}

impl SealedLayout {
    /// Of a sealed file of this size; `None` if none has it.
    pub fn new(sealed_size: u64, chunk: ChunkSize) -> Option<Self> {
        let chunks = sealed_size.div_ceil(chunk.bytes());
        let rest = sealed_size.checked_sub(chunks.saturating_sub(1) * chunk.bytes())?;
        let least = if chunks == 1 { HEADER + OVERHEAD + ROOT_U64 } else { OVERHEAD + 1 };
        (rest >= least && chunks <= CHUNKS_MAX).then_some(Self { sealed_size, chunk, chunks })
    }

    /// Of the sealed form of a content of this size; `None` if it is too large for such chunks.
    pub fn of_content(size: u64, chunk: ChunkSize) -> Option<Self> {
        let payload = size.checked_add(ROOT_U64)?;
        let first = chunk.bytes() - HEADER - OVERHEAD;
        let more = payload.saturating_sub(first).div_ceil(chunk.bytes() - OVERHEAD);
        let sealed = payload.checked_add(HEADER)?.checked_add((1 + more).checked_mul(OVERHEAD)?)?;
        Self::new(sealed, chunk)
    }

    /// The size of the sealed file in bytes.
    pub const fn sealed_size(&self) -> u64 {
        self.sealed_size
    }

    /// The size of the content in bytes.
    pub const fn size(&self) -> u64 {
        self.payload_before(self.chunks) - ROOT_U64
    }

    /// How many chunks.
    pub const fn chunks(&self) -> u64 {
        self.chunks
    }

    /// Where a chunk lies in the sealed file; the first one with the header.
    pub fn bytes_of(&self, chunk: u64) -> Range<u64> {
        let start = chunk.saturating_mul(self.chunk.bytes()).min(self.sealed_size);
        start..start.saturating_add(self.chunk.bytes()).min(self.sealed_size)
    }

    /// The groups of the sealed file that a chunk is.
    pub fn groups_of(&self, chunk: u64) -> Range<u64> {
        let bytes = self.bytes_of(chunk);
        bytes.start / Groups::BYTES..bytes.end.div_ceil(Groups::BYTES)
    }

    /// Which part of the content is in a chunk; empty where the last chunk has the root alone.
    pub fn content_of(&self, chunk: u64) -> Range<u64> {
        let size = self.size();
        let part = [chunk, chunk.saturating_add(1)].map(|n| self.payload_before(n).min(size));
        part[0]..part[1]
    }

    /// In which chunk a byte of the content is.
    pub const fn chunk_at(&self, content_offset: u64) -> u64 {
        let first = self.payload_before(1);
        if content_offset < first {
            return 0;
        }
        1 + (content_offset - first) / (self.chunk.bytes() - OVERHEAD)
    }

    /// Content and root in the chunks before this one.
    const fn payload_before(&self, chunk: u64) -> u64 {
        if chunk == 0 {
            return 0;
        }
        if chunk >= self.chunks {
            return self.sealed_size - HEADER - self.chunks * OVERHEAD;
        }
        chunk * (self.chunk.bytes() - OVERHEAD) - HEADER
    }
}

/// How large chunks are: 2ⁿ groups of 16 KiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkSize(u8);

impl ChunkSize {
    /// 2ⁿ groups, *n* at most 6: a chunk of 1 MiB.
    pub const fn new(exponent: u8) -> Option<Self> {
        if exponent <= 6 { Some(Self(exponent)) } else { None }
    }

    /// *n*.
    pub const fn exponent(self) -> u8 {
        self.0
    }

    /// In bytes of the sealed file.
    pub const fn bytes(self) -> u64 {
        Groups::BYTES << self.0
    }
}

impl Default for ChunkSize {
    /// 64 KiB: up to 256 TiB, for 16 bytes more in each.
    fn default() -> Self {
        Self(2)
    }
}

const HEADER: u64 = SealedHeader::BYTES as u64;
const OVERHEAD: u64 = TAG as u64;
const ROOT_U64: u64 = ROOT as u64;
/// A chunk's number has four bytes.
const CHUNKS_MAX: u64 = 1 << 32;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn chunks_lie_on_groups() {
        let chunk = ChunkSize::default();
        let layout = SealedLayout::of_content(200_000, chunk).unwrap();
        assert_eq!(layout.chunks(), 4);
        assert_eq!(layout.sealed_size(), 200_000 + 116 + 32 + 4 * 16);
        assert_eq!((layout.groups_of(0), layout.groups_of(2)), (0..4, 8..12));
        assert_eq!(layout.bytes_of(3), 196_608..layout.sealed_size());
        assert_eq!(layout.content_of(0), 0..65_536 - 116 - 16);
        // An empty content is a header, a root and a tag; less is nothing.
        let empty = SealedLayout::of_content(0, chunk).unwrap();
        assert_eq!((empty.sealed_size(), empty.chunks(), empty.size()), (164, 1, 0));
        assert_eq!(SealedLayout::new(163, chunk), None);
        assert_eq!(SealedLayout::new(0, chunk), None);
        // A last chunk of a tag alone is nobody's.
        assert_eq!(SealedLayout::new(65_536 + 16, chunk), None);
        assert!(SealedLayout::new(65_536 + 17, chunk).is_some());
        let most = CHUNKS_MAX * chunk.bytes();
        assert!(SealedLayout::new(most, chunk).is_some());
        assert_eq!(SealedLayout::new(most + 100, chunk), None);
        assert_eq!(SealedLayout::of_content(u64::MAX, chunk), None);
        assert_eq!(ChunkSize::new(7), None);
    }

    proptest! {
        #[test]
        fn both_ways_agree(size in prop_oneof![0_u64..400_000, any::<u32>().prop_map(u64::from)], exponent in 0..=6_u8) {
            let chunk = ChunkSize::new(exponent).unwrap();
            let layout = SealedLayout::of_content(size, chunk).unwrap();
            prop_assert_eq!(layout.size(), size);
            prop_assert_eq!(SealedLayout::new(layout.sealed_size(), chunk), Some(layout));
            let last = layout.chunks() - 1;
            prop_assert_eq!(layout.content_of(last).end, size);
            prop_assert_eq!(layout.bytes_of(last).end, layout.sealed_size());
            if size > 0 {
                let at = size / 3;
                prop_assert!(layout.content_of(layout.chunk_at(at)).contains(&at));
            }
        }
    }
}
