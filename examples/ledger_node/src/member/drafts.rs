//! Transactions that were built and wait for their users' signatures: forgotten, oldest first, when there are too many.

use super::Way;
use bytes::Bytes;
use ledger::Transaction;
use port::Key;
use std::collections::{BTreeMap, VecDeque};

/// Drafts by their digests.
#[derive(Default)]
pub(super) struct Drafts {
    kept: BTreeMap<[u8; 32], Draft>,
    /// Oldest first.
    order: VecDeque<[u8; 32]>,
    bytes: usize,
}

/// A transaction that its users have not signed yet.
pub(super) struct Draft {
    pub(super) transaction: Transaction,
    pub(super) way: Way,
    /// Rows that are stored with it.
    pub(super) rows: Vec<(Key, Bytes)>,
}

impl Drafts {
    pub(super) fn insert(&mut self, digest: [u8; 32], draft: Draft) {
        self.remove(&digest);
        self.bytes += draft.bytes();
        self.kept.insert(digest, draft);
        self.order.push_back(digest);
        // One is always kept, however long.
        while (self.kept.len() > COUNT_MAX || self.bytes > BYTES_MAX)
            && self.kept.len() > 1
            && let Some(oldest) = self.order.front().copied()
        {
            self.remove(&oldest);
        }
    }

    pub(super) fn remove(&mut self, digest: &[u8; 32]) -> Option<Draft> {
        let draft = self.kept.remove(digest)?;
        self.order.retain(|it| it != digest);
        self.bytes -= draft.bytes();
        Some(draft)
    }
}

impl Draft {
    fn bytes(&self) -> usize {
        self.rows.iter().map(|(_, value)| value.len()).sum()
    }
}

const COUNT_MAX: usize = 4_096;
/// Of documents: several of the longest at a time.
const BYTES_MAX: usize = 128 << 20;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::Table;
    use ledger::{Agreed, Body, ChainId, ClaimId, FileId, Height, Window};

    fn draft(value: &Bytes) -> Draft {
        let agreed = Agreed { file: FileId([1; 32]), agreement: ClaimId([2; 32]) };
        let window = Window::new(Height(0), 1);
        let transaction = Transaction::new(ChainId([3; 32]), window, Body::Settle(agreed));
        let rows = vec![(Table::Parts.prefix(), value.clone())];
        Draft { transaction, way: Way::Chain, rows }
    }

    #[test]
    fn drafts_are_bounded_by_number_and_by_bytes() {
        let (mut drafts, long) = (Drafts::default(), Bytes::from(vec![0; 16 << 20]));
        for number in 0..20 {
            drafts.insert([number; 32], draft(&long));
        }
        assert_eq!(drafts.kept.len(), 8);
        assert!(drafts.remove(&[11; 32]).is_none() && drafts.remove(&[12; 32]).is_some());
        // The same one again is one.
        drafts.insert([13; 32], draft(&long));
        assert_eq!((drafts.kept.len(), drafts.order.len(), drafts.bytes), (7, 7, 7 << 24));
        let (mut drafts, short) = (Drafts::default(), Bytes::from_static(b"short"));
        for number in 0..5_000_u32 {
            let mut digest = [0; 32];
            digest[..4].copy_from_slice(&number.to_be_bytes());
            drafts.insert(digest, draft(&short));
        }
        assert_eq!((drafts.kept.len(), drafts.order.len()), (COUNT_MAX, COUNT_MAX));
    }
}
