//! The transfers that one server pulls, whoever it is.

use crate::{
    Bitmap, Checkpoint, CreditPool, Error, Misuse, Paces, Pull, Receiver, Slice, SliceProof,
    TransferId,
};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::ops::Range;
use port::{Key, Row, Scan, Tenant, Time};

/// Receivers by transfer, and the memory that they share.
#[derive(Clone, Debug)]
pub(crate) struct Pulls {
    tenant: Tenant,
    paces: Paces,
    pool: CreditPool,
    receivers: BTreeMap<TransferId, Receiver>,
}

impl Pulls {
    pub(crate) fn new(tenant: Tenant, paces: Paces) -> Self {
        Self { tenant, paces, pool: CreditPool::default(), receivers: BTreeMap::new() }
    }

    /// Begins, or goes on from what is stored. A stored bitmap that is damaged, or of other content, only would have saved work:
    /// the transfer begins anew, and the keys are returned of the rows that have to go before anything new is stored.
    pub(crate) fn begin(
        &mut self,
        transfer: TransferId,
        stored: &StoredBitmap,
        size: u64,
        root: [u8; 32],
    ) -> Vec<Key> {
        let is_its = |bitmap: &Bitmap| *bitmap.root() == root && bitmap.groups().size() == size;
        let (bitmap, damaged) = match stored.restore() {
            Ok(Some(bitmap)) if is_its(&bitmap) => (bitmap, Vec::new()),
            Ok(_) | Err(_) => (Bitmap::new(root, size), stored.keys()),
        };
        let receiver = Receiver::new(self.tenant, transfer, bitmap, self.paces);
        self.receivers.insert(transfer, receiver);
        damaged
    }

    /// As [`Receiver::poll`]; `None` for what is not pulled, too.
    pub(crate) fn poll(&mut self, now: Time, transfer: &TransferId) -> Result<Option<Pull>, Error> {
        let Some(receiver) = self.receivers.get_mut(transfer) else { return Ok(None) };
        receiver.poll(now, &mut self.pool)
    }

    /// As [`Receiver::written`]; of what is not pulled any more it is no fault.
    pub(crate) fn written(
        &mut self,
        now: Time,
        transfer: &TransferId,
        range: &Range<u64>,
    ) -> Result<(), Error> {
        if let Some(receiver) = self.receivers.get_mut(transfer) {
            receiver.written(now, range, &mut self.pool)?;
        }
        Ok(())
    }

    /// As [`Receiver::synced`].
    pub(crate) fn synced(&mut self, transfer: &TransferId) -> Option<Checkpoint> {
        self.receivers.get_mut(transfer).and_then(Receiver::synced)
    }

    /// As [`Receiver::committed`].
    pub(crate) fn committed(&mut self, transfer: &TransferId) {
        if let Some(receiver) = self.receivers.get_mut(transfer) {
            receiver.committed();
        }
    }

    /// Its credits go back; what there is of it, unless it was not pulled.
    pub(crate) fn stop(&mut self, transfer: &TransferId) -> Option<Bitmap> {
        let mut receiver = self.receivers.remove(transfer)?;
        receiver.stop(&mut self.pool);
        Some(receiver.into_bitmap())
    }

    /// As [`Receiver::open`].
    pub(crate) fn open<'a>(
        &mut self,
        transfer: &TransferId,
        range: &Range<u64>,
        bytes: &'a [u8],
    ) -> Result<Slice<'a>, Error> {
        self.receivers.get_mut(transfer).ok_or(Misuse::NotAsked)?.open(range, bytes)
    }

    /// As [`Receiver::proof`].
    pub(crate) fn proof(
        &mut self,
        transfer: &TransferId,
        range: &Range<u64>,
    ) -> Result<SliceProof, Error> {
        self.receivers.get_mut(transfer).ok_or(Misuse::NotAsked)?.proof(range)
    }

    pub(crate) fn has(&self, transfer: &TransferId) -> bool {
        self.receivers.contains_key(transfer)
    }

    pub(crate) fn bitmap(&self, transfer: &TransferId) -> Option<&Bitmap> {
        self.receivers.get(transfer).map(Receiver::bitmap)
    }

    /// Which, in order.
    pub(crate) fn transfers(&self) -> impl Iterator<Item = &TransferId> {
        self.receivers.keys()
    }

    /// As [`Receiver::poll_saving`]; `None` for what is not pulled, too.
    pub(crate) fn poll_saving(
        &mut self,
        now: Time,
        transfer: &TransferId,
    ) -> Result<Option<Pull>, Error> {
        self.receivers.get_mut(transfer).map_or(Ok(None), |receiver| receiver.poll_saving(now))
    }

    /// As [`Receiver::next_bytes`].
    pub(crate) fn next_bytes(&mut self, now: Time, transfer: &TransferId) -> Option<u64> {
        self.receivers.get_mut(transfer)?.next_bytes(now, &mut self.pool)
    }

    /// When something that was asked for is late, of each.
    pub(crate) fn deadlines(&self) -> impl Iterator<Item = (&TransferId, Option<Time>)> {
        self.receivers.iter().map(|(transfer, receiver)| (transfer, receiver.next_deadline()))
    }

    /// When something that was asked for is late.
    pub(crate) fn next_deadline(&self) -> Option<Time> {
        self.receivers.values().filter_map(Receiver::next_deadline).min()
    }
}

/// The rows of a bitmap as they are read, page by page.
#[derive(Clone, Debug, Default)]
pub(crate) struct StoredBitmap {
    rows: Vec<(Key, Row)>,
}

impl StoredBitmap {
    /// One more page; the scan of the next one, unless this was the last.
    pub(crate) fn add(
        &mut self,
        tenant: Tenant,
        transfer: &TransferId,
        page: Vec<(Key, Row)>,
    ) -> Result<Option<Scan>, Error> {
        let is_full = page.len() >= Scan::ROWS_MAX;
        self.rows.extend(page);
        if !is_full {
            return Ok(None);
        }
        let mut scan = Bitmap::scan(tenant, transfer)?;
        scan.after = self.rows.last().map(|(key, _)| key.clone());
        Ok(Some(scan))
    }

    fn keys(&self) -> Vec<Key> {
        self.rows.iter().map(|(key, _)| key.clone()).collect()
    }

    fn restore(&self) -> Result<Option<Bitmap>, Error> {
        Bitmap::restore(self.rows.iter().map(|(key, row)| (key, &row.value[..])))
    }
}
