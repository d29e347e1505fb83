//! That the application has taken a file: signed, stored, and told until it is recorded.

use super::{Asked, ClientServer, Next, Reading, parse_taken};
use crate::{Error, Message, Misuse, Receipt, ReceiptBatch, SignedReceipt, Stage, TransferId};
use alloc::vec::Vec;
use bytes::Bytes;
use port::{CrateTag, Effect, Key, ReadSet, Rows, Scan, Tenant, Time};
use seal::Audit;

/// How far a hand-over is.
#[derive(Clone, Debug)]
pub(super) enum Handing {
    Signing,
    /// Told until it is answered.
    Telling {
        receipt: Bytes,
        again_at: Time,
    },
}

impl ClientServer {
    /// The application has taken a file that was published. `content` is what it found in a sealed file:
    /// [`crate::sealed::Sealed::commitment`]. The receipt is signed, stored, and told until it is recorded at the
    /// forwarding server. Doing it again changes nothing.
    ///
    /// # Errors
    /// [`Error::Busy`], [`Error::Fenced`].
    pub fn hand_over(
        &mut self,
        now: Time,
        transfer: &TransferId,
        content: Option<[u8; 32]>,
    ) -> Result<(), Error> {
        self.see(now)?;
        if self.handing.contains_key(transfer) {
            return Ok(());
        }
        if self.journal.is_none() || self.handing.len() >= Self::HANDING_MAX {
            return Err(Error::Busy);
        }
        self.handing.insert(*transfer, Handing::Signing);
        let want = ReadSet::points([self.row(transfer)?, self.receipt_key(transfer)?]);
        self.read(Reading::Taken(*transfer, content), want);
        Ok(())
    }

    pub(super) fn on_taken(
        &mut self,
        now: Time,
        transfer: TransferId,
        content: Option<[u8; 32]>,
        rows: &Rows,
    ) -> Result<(), Error> {
        let value = |at: usize| rows.points.get(at).and_then(Option::as_ref).map(|row| &row.value);
        if let Some(receipt) = value(1) {
            return self.tell_hand_over(now, transfer, receipt.clone());
        }
        let taken = value(0).map(|row| parse_taken(row)).transpose().map_err(Error::Corrupt)?;
        let Some((Ok(_), verified)) = taken else {
            // It was not published here.
            self.handing.remove(&transfer);
            return Ok(());
        };
        let verified = SignedReceipt::parse(&verified).map_err(Error::Corrupt)?.receipt;
        let (stage, follows) = (Stage::HandedOver, Some(verified.digest()?));
        let receipt = Receipt { stage, at: now, content, follows, ..verified };
        let mut batch = ReceiptBatch::new();
        batch.push(receipt).map_err(|_| Misuse::TooLong)?;
        let question = batch.head().question(self.config.key.0);
        let ticket = self.ticket();
        self.asks.insert(ticket, Asked::HandedOver(transfer, batch));
        self.effects.push_back(Effect::Ask { ticket, questions: alloc::vec![question] });
        Ok(())
    }

    /// Signed: recorded, and then told.
    pub(super) fn conclude_hand_over(
        &mut self,
        now: Time,
        transfer: TransferId,
        receipt: Receipt,
        signed: Bytes,
    ) -> Result<(), Error> {
        let record = Audit {
            at: now,
            tenant: self.config.tenant,
            action: "filexfer.client.handed_over".into(),
            actor: Bytes::copy_from_slice(self.config.party.as_str().as_bytes()),
            subject: Bytes::copy_from_slice(&receipt.root),
            reasons: Vec::new(),
            policy: [0; 32],
            correlation: receipt.id.0,
        };
        let rows = alloc::vec![
            (self.receipt_key(&transfer)?, Some(signed.clone())),
            (self.pending_key(&transfer)?, Some(TO_TELL)),
        ];
        let then = alloc::vec![Next::HandOver(transfer, signed)];
        self.journal()?.add(rows, alloc::vec![record], then);
        Ok(())
    }

    pub(super) fn tell_hand_over(
        &mut self,
        now: Time,
        transfer: TransferId,
        receipt: Bytes,
    ) -> Result<(), Error> {
        let again_at = now.plus_ms(self.config.paces.patience_ms);
        self.send(&Message::HandedOver { transfer, receipt: receipt.clone() })?;
        self.handing.insert(transfer, Handing::Telling { receipt, again_at });
        Ok(())
    }

    /// What was signed for and not answered before a stop is told again.
    pub(super) fn read_pending(&mut self) {
        let prefix = pending(self.config.tenant);
        let scan = Scan { prefix, after: None, limit: PAGE };
        self.read(Reading::Pending, ReadSet::scan(scan));
    }

    pub(super) fn on_pending(&mut self, rows: &Rows) -> Result<(), Error> {
        let page = rows.scans.first().map_or(&[][..], Vec::as_slice);
        self.is_more_pending = page.len() >= PAGE;
        let of = |key: &Key| key.as_bytes().last_chunk().map(|bytes| TransferId(*bytes));
        let mut transfers: Vec<TransferId> = page.iter().filter_map(|(key, _)| of(key)).collect();
        transfers.retain(|transfer| !self.handing.contains_key(transfer));
        let keys = transfers.iter().map(|transfer| self.receipt_key(transfer));
        let keys: Vec<Key> = keys.collect::<Result<_, _>>()?;
        if !keys.is_empty() {
            self.read(Reading::Receipts(transfers), ReadSet::points(keys));
        }
        Ok(())
    }

    pub(super) fn tell_again(&mut self, now: Time) -> Result<(), Error> {
        let due = |(transfer, handing): (&TransferId, &Handing)| match handing {
            Handing::Telling { receipt, again_at } if *again_at <= now => {
                Some((*transfer, receipt.clone()))
            }
            _ => None,
        };
        let due: Vec<_> = self.handing.iter().filter_map(due).collect();
        due.into_iter()
            .try_for_each(|(transfer, receipt)| self.tell_hand_over(now, transfer, receipt))
    }

    pub(super) fn receipt_key(&self, transfer: &TransferId) -> Result<Key, Error> {
        let stage = [Stage::HandedOver.as_u8()];
        Ok(crate::Forwarder::receipts(self.config.tenant).raw(&transfer.0)?.raw(&stage)?)
    }

    pub(super) fn pending_key(&self, transfer: &TransferId) -> Result<Key, Error> {
        Ok(pending(self.config.tenant).raw(&transfer.0)?)
    }

    pub(super) fn on_recorded(&mut self, transfer: &TransferId) -> Result<(), Error> {
        if let Some(Handing::Telling { .. }) = self.handing.get(transfer) {
            self.handing.remove(transfer);
            let rows = alloc::vec![(self.pending_key(transfer)?, None)];
            self.journal()?.add(rows, Vec::new(), Vec::new());
            if self.handing.is_empty() && core::mem::take(&mut self.is_more_pending) {
                self.read_pending();
            }
        }
        Ok(())
    }

    /// It could not be signed for: the application says it again, or what waits is looked through once more.
    pub(super) fn drop_hand_over(&mut self, transfer: &TransferId) {
        self.handing.remove(transfer);
        self.is_pending_unread |= self.hands_over_at_once;
    }

    pub(super) fn tell_again_at(&self) -> impl Iterator<Item = Time> {
        self.handing.values().filter_map(|handing| match handing {
            Handing::Telling { again_at, .. } => Some(*again_at),
            Handing::Signing => None,
        })
    }
}

/// The prefix of hand-overs that wait to be told: transfer.
pub(crate) fn pending(tenant: Tenant) -> Key {
    Key::new(CrateTag::FILEXFER, tenant, PENDING)
}

/// What waits: a signature, or an answer.
pub(super) const TO_SIGN: Bytes = Bytes::from_static(&[2]);
const TO_TELL: Bytes = Bytes::from_static(&[1]);
const PENDING: u8 = 13;
const PAGE: usize = 256;
