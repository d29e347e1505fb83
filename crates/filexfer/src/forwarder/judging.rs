//! What is known of requests between their arrival and their record.

use crate::{JobId, PartyId, Permit, Request, TransferId};
use alloc::collections::{BTreeMap, BTreeSet};

/// Requests that are being judged or recorded. Until a verdict is stored nothing else tells that its id is taken, or that the
/// spool's room is promised.
#[derive(Debug, Default)]
pub(super) struct Judging {
    names: BTreeMap<TransferId, (PartyId, JobId)>,
    taken: BTreeSet<(PartyId, JobId)>,
    promised: BTreeMap<TransferId, u64>,
    /// The sum of `promised`.
    bytes: u64,
}

impl Judging {
    /// `false` if another request of that name is being judged: it has to come again, when the store knows that one.
    pub(super) fn begin(&mut self, transfer: TransferId, request: &Request) -> bool {
        let name = (request.requester.clone(), request.id);
        if !self.taken.insert(name.clone()) {
            return false;
        }
        self.names.insert(transfer, name);
        true
    }

    /// It was found legitimate, and takes so much of the spool once its verdict is signed.
    pub(super) fn promise(&mut self, transfer: TransferId, bytes: u64) {
        self.keep(&transfer);
        self.bytes = self.bytes.saturating_add(bytes);
        self.promised.insert(transfer, bytes);
    }

    /// It is counted elsewhere now, or nothing comes of it.
    pub(super) fn keep(&mut self, transfer: &TransferId) {
        let bytes = self.promised.remove(transfer).unwrap_or(0);
        self.bytes = self.bytes.saturating_sub(bytes);
    }

    /// Its verdict is stored, or there is none.
    pub(super) fn end(&mut self, transfer: &TransferId) {
        self.keep(transfer);
        if let Some(name) = self.names.remove(transfer) {
            self.taken.remove(&name);
        }
    }

    /// Bytes of the spool that are promised.
    pub(super) const fn bytes(&self) -> u64 {
        self.bytes
    }
}

/// Bytes that the file of a permit takes in the spool, as far as they are known.
pub(super) fn spool_bytes(permit: &Permit, size: Option<u64>) -> u64 {
    match permit.route.sink {
        crate::End::FileSystem { .. } => 0,
        _ => size.unwrap_or(permit.stamp.size),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_promised_counts_until_its_job_does_or_nothing_comes_of_it() {
        let mut judging = Judging::default();
        let [one, two] = [1, 2].map(|n| TransferId([n; 16]));
        judging.promise(one, 100);
        judging.promise(two, 50);
        assert_eq!(judging.bytes(), 150);
        // Judged anew.
        judging.promise(one, 70);
        assert_eq!(judging.bytes(), 120);
        judging.keep(&one);
        judging.keep(&one);
        assert_eq!(judging.bytes(), 50);
        judging.end(&two);
        assert_eq!(judging.bytes(), 0);
    }
}
