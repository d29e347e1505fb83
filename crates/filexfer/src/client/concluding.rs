//! What became of an offer: signed, recorded, then told.

use super::hand_over::TO_SIGN;
use super::{Asked, ClientEvent, ClientServer, Next, Taking, encoded};
use crate::message::put_outcome;
use crate::{
    Error, Failure, FileName, Message, Misuse, Place, Receipt, ReceiptBatch, Stage, TransferId,
    Work,
};
use alloc::vec::Vec;
use bytes::Bytes;
use port::Time;
use port::wire::Writer;
use seal::Audit;

impl ClientServer {
    pub(super) fn receipts(&self, now: Time, transfer: &TransferId) -> Result<ReceiptBatch, Error> {
        let mut batch = ReceiptBatch::new();
        if let Some(Taking { offer, .. }) = self.offers.get(transfer) {
            let receipt = Receipt {
                stage: Stage::Verified,
                party: self.config.party.clone(),
                id: offer.id,
                request: offer.request,
                verdict: offer.verdict,
                root: offer.root,
                size: offer.size,
                at: now,
                content: None,
                follows: None,
            };
            batch.push(receipt).map_err(|_| Misuse::TooLong)?;
        }
        Ok(batch)
    }

    /// Records what became of an offer, and tells once that is durable.
    pub(super) fn conclude(
        &mut self,
        now: Time,
        transfer: &TransferId,
        done: Result<FileName, Failure>,
        receipt: Bytes,
    ) -> Result<(), Error> {
        let Some(taking) = self.offers.get(transfer) else { return Ok(()) };
        let mut rows = Vec::new();
        if let Some(bitmap) = self.pulls.stop(transfer) {
            let keys = bitmap.row_keys(self.config.tenant, transfer)?;
            rows.extend(keys.into_iter().map(|key| (key, None)));
        }
        let record = Audit {
            at: now,
            tenant: self.config.tenant,
            action: if done.is_ok() { "filexfer.client.taken" } else { "filexfer.client.failed" }
                .into(),
            actor: Bytes::copy_from_slice(self.config.party.as_str().as_bytes()),
            subject: Bytes::copy_from_slice(&taking.offer.root),
            reasons: done.as_ref().err().map(|why| why.code()).into_iter().collect(),
            policy: [0; 32],
            correlation: taking.offer.id.0,
        };
        let mut row = Vec::new();
        let mut to = Writer::new(&mut row, 2);
        put_outcome(&mut to, &done)?;
        to.lp16(&receipt)?.u64(now.as_ms());
        rows.push((self.row(transfer)?, Some(row.into())));
        if done.is_ok() && self.hands_over_at_once {
            // A stop before it is signed for is no reason not to.
            rows.push((self.pending_key(transfer)?, Some(TO_SIGN)));
        }
        let published = done.as_ref().ok().cloned();
        let taken = Message::Taken { transfer: *transfer, outcome: done, receipt }.to_frame()?;
        self.offers.remove(transfer);
        self.concluding.insert(*transfer);
        let at = Place::Store(self.config.party.clone());
        let discard = Next::Work(Work::Discard { transfer: *transfer, at });
        let mut then = alloc::vec![Next::Concluded(*transfer), Next::Send(taken), discard];
        let transfer = *transfer;
        then.extend(published.map(|name| Next::Tell(ClientEvent::Published { transfer, name })));
        self.journal()?.add(rows, alloc::vec![record], then);
        Ok(())
    }

    pub(super) fn on_signature(
        &mut self,
        now: Time,
        asked: Asked,
        signature: Option<[u8; 64]>,
    ) -> Result<(), Error> {
        let Some(signature) = signature else {
            match asked {
                // Published already: the offer that comes again finds it so.
                Asked::Published(transfer, ..) => {
                    if let Some(taking) = self.offers.get_mut(&transfer) {
                        taking.version = 0;
                    }
                }
                Asked::HandedOver(transfer, _) => self.drop_hand_over(&transfer),
            }
            return Ok(());
        };
        let number = self.config.key.1;
        match asked {
            Asked::Published(transfer, name, batch) => {
                let signed = batch.sign(number, signature);
                let receipt = signed.first().map(encoded).transpose()?.unwrap_or_default();
                self.conclude(now, &transfer, Ok(name), receipt)
            }
            Asked::HandedOver(transfer, batch) => {
                let Some(signed) = batch.sign(number, signature).pop() else { return Ok(()) };
                let bytes = encoded(&signed)?;
                self.conclude_hand_over(now, transfer, signed.receipt, bytes)
            }
        }
    }
}
