//! The jobs under way, with what is asked again and again of all of them.

use super::active::Active;
use crate::TransferId;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use port::Time;

/// By their transfers. When the first of them has to be looked at, and what they take in the spool, is known without a look at
/// each.
#[derive(Debug, Default)]
pub(super) struct Jobs {
    all: BTreeMap<TransferId, Active>,
    /// Those that may have changed since the last [`Jobs::settle`].
    touched: Vec<TransferId>,
    /// Bytes that are in the spool, or will be.
    spooled: u128,
    /// When each has to be looked at, if nothing happens before.
    deadlines: BTreeSet<(Time, TransferId)>,
}

impl Jobs {
    pub(super) fn get(&self, transfer: &TransferId) -> Option<&Active> {
        self.all.get(transfer)
    }

    pub(super) fn get_mut(&mut self, transfer: &TransferId) -> Option<&mut Active> {
        let active = self.all.get_mut(transfer)?;
        if self.touched.last() != Some(transfer) {
            self.touched.push(*transfer);
        }
        Some(active)
    }

    pub(super) fn insert(&mut self, transfer: TransferId, active: Active) {
        self.remove(&transfer);
        self.all.insert(transfer, active);
        self.touched.push(transfer);
    }

    pub(super) fn remove(&mut self, transfer: &TransferId) {
        if let Some(active) = self.all.remove(transfer) {
            self.spooled -= u128::from(active.counted);
            if let Some(at) = active.noted {
                self.deadlines.remove(&(at, *transfer));
            }
        }
    }

    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&TransferId, &Active)> {
        self.all.iter()
    }

    pub(super) fn transfers(&self) -> Vec<TransferId> {
        self.all.keys().copied().collect()
    }

    /// What they take in the spool, in bytes.
    pub(super) fn spooled(&mut self) -> u64 {
        self.settle();
        debug_assert_eq!(
            self.spooled,
            self.all.values().map(|active| u128::from(active.spool_bytes())).sum::<u128>(),
            "as the jobs say one by one"
        );
        u64::try_from(self.spooled).unwrap_or(u64::MAX)
    }

    /// When one of them has to be looked at, at the earliest. It may be earlier than one has to: what was touched since the last
    /// [`Jobs::settle`] may have gone on in time.
    pub(super) fn next_deadline(&self) -> Option<Time> {
        let touched = self.touched.iter().filter_map(|transfer| self.all.get(transfer)?.deadline());
        let first = touched.chain(self.deadlines.first().map(|(at, _)| *at)).min();
        debug_assert!(
            self.all
                .values()
                .filter_map(Active::deadline)
                .all(|at| first.is_some_and(|first| first <= at)),
            "a job has to be looked at before"
        );
        first
    }

    /// Those that have to be looked at by now.
    pub(super) fn due(&mut self, now: Time) -> Vec<TransferId> {
        self.settle();
        let due = self.deadlines.range(..=(now, TransferId([u8::MAX; 16])));
        due.map(|(_, transfer)| *transfer).collect()
    }

    /// Counts what has changed, and notes when it has to be looked at.
    pub(super) fn settle(&mut self) {
        for transfer in core::mem::take(&mut self.touched) {
            let Some(active) = self.all.get_mut(&transfer) else { continue };
            let bytes = active.spool_bytes();
            self.spooled = self.spooled - u128::from(active.counted) + u128::from(bytes);
            active.counted = bytes;
            let deadline = active.deadline();
            if deadline == active.noted {
                continue;
            }
            if let Some(at) = active.noted {
                self.deadlines.remove(&(at, transfer));
            }
            if let Some(at) = deadline {
                self.deadlines.insert((at, transfer));
            }
            active.noted = deadline;
        }
    }
}
