//! A piece of unpublished content, in memory while it is written.

/// 8 MiB of a transfer's content, or what comes last.
#[derive(Debug, Default)]
pub(crate) struct Piece {
    bytes: Vec<u8>,
    /// Which groups were written since it is in memory.
    written: [u64; WORDS],
    /// What the store has of it was looked at.
    pub(crate) is_loaded: bool,
    /// There is something that the store does not have.
    pub(crate) is_dirty: bool,
    /// Whoever waited for it has to ask again.
    pub(crate) is_gone: bool,
}

impl Piece {
    /// Takes what the store has.
    pub(crate) fn load(&mut self, bytes: &[u8]) {
        self.bytes = bytes.to_vec();
        self.is_loaded = true;
    }

    /// Writes at a place; it ends within the piece.
    pub(crate) fn put(&mut self, at: usize, bytes: &[u8]) {
        let end = at + bytes.len();
        if self.bytes.len() < end {
            self.bytes.resize(end, 0);
        }
        self.bytes[at..end].copy_from_slice(bytes);
        self.is_dirty = true;
        for group in at / GROUP..end / GROUP {
            self.written[group / 64] |= 1 << (group % 64);
        }
    }

    /// Whether all of it was written: it can go to the store, and will not come back.
    pub(crate) fn is_full(&self) -> bool {
        self.written == [u64::MAX; WORDS]
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// What comes now begins from nothing.
    pub(crate) fn drop_content(&mut self) {
        (self.bytes, self.is_dirty, self.is_gone) = (Vec::new(), false, true);
    }
}

/// Bytes of a piece. S3 wants parts of 5 MiB at least, and of one length but the last.
pub(crate) const PIECE: usize = 8 << 20;
pub(crate) const PIECE_BYTES: u64 = 8 << 20;
const GROUP: usize = 16 << 10;
const WORDS: usize = PIECE / GROUP / 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_is_full_when_each_of_its_groups_was_written_whole() {
        let mut piece = Piece::default();
        let group = vec![7; GROUP];
        for at in (0..PIECE).step_by(GROUP).rev() {
            assert!(!piece.is_full());
            piece.put(at, &group[..GROUP - 1]);
            assert!(!piece.is_full());
            piece.put(at, &group);
        }
        assert!(piece.is_full() && piece.is_dirty);
        assert_eq!(piece.bytes().len(), PIECE);
        assert!(piece.bytes().iter().all(|byte| *byte == 7));
    }
}
