//! What the access server sends, and offers until they are published.

use super::{ClientEvent, ClientServer, Next, Reading, Taking, parse_taken};
use crate::bitmap::Bitmap;
use crate::journal::Journal;
use crate::pulls::StoredBitmap;
use crate::{Error, Failure, FileName, Message, Offer, OnConflict, Place, Trail, TransferId, Work};
use bytes::Bytes;
use port::{Peer, ReadSet, Row, Time};

impl ClientServer {
    pub(super) fn on_frame(&mut self, now: Time, from: &Peer, bytes: &[u8]) -> Result<(), Error> {
        if *from != self.access {
            return Err(Error::Stranger);
        }
        match Message::parse(bytes)? {
            Message::Offer(offer) => self.on_offer(offer),
            Message::Fetch { transfer, name } => self.on_fetch(transfer, name),
            Message::Want { transfer, range } => {
                if !self.serving.contains_key(&transfer) {
                    return Ok(());
                }
                let (from, to) = (Place::Store(self.config.party.clone()), self.access.clone());
                self.works.push_back(Work::Serve { transfer, from, range, to });
                Ok(())
            }
            Message::Unstable { transfer } => {
                let is_moving =
                    self.offers.get(&transfer).is_some_and(|taking| !taking.is_publishing());
                if is_moving {
                    let why = Failure::FileUnstable;
                    self.conclude(now, &transfer, Err(why), Bytes::new())?;
                }
                Ok(())
            }
            Message::Recorded { transfer } => self.on_recorded(&transfer),
            _ => Err(Error::Stranger),
        }
    }

    /// A large file takes longer to be read than whoever asks waits before it asks again: it is read once all the same.
    fn on_fetch(&mut self, transfer: TransferId, name: FileName) -> Result<(), Error> {
        if self.preparing.contains(&transfer) {
            return Ok(());
        }
        if self.serving.len() >= Self::PULLS_MAX && !self.serving.contains_key(&transfer) {
            // One of them is asked for anew if it is not over.
            let idle = self.serving.keys().find(|other| !self.preparing.contains(*other)).copied();
            self.serving.remove(&idle.ok_or(Error::Busy)?);
        }
        self.serving.insert(transfer, name.clone());
        self.preparing.insert(transfer);
        let from = Place::Store(self.config.party.clone());
        self.works.push_back(Work::Prepare { transfer, from, name, stamp: None });
        Ok(())
    }

    pub(super) fn on_offer(&mut self, offer: Offer) -> Result<(), Error> {
        // Until its end is recorded its rows say that all of it is there: it would be published again.
        let is_known = self.offers.contains_key(&offer.transfer)
            || self.concluding.contains(&offer.transfer)
            || self.reads.values().any(
                |reading| matches!(reading, Reading::Offer(other) if other.transfer == offer.transfer),
            );
        if is_known {
            return Ok(());
        }
        if self.offers.len() + self.reads.len() >= Self::PULLS_MAX {
            return Err(Error::Busy);
        }
        let want = ReadSet {
            points: alloc::vec![self.row(&offer.transfer)?],
            scans: alloc::vec![Bitmap::scan(self.config.tenant, &offer.transfer)?],
        };
        self.read(Reading::Offer(offer), want);
        Ok(())
    }

    pub(super) fn on_rows(
        &mut self,
        now: Time,
        reading: Reading,
        rows: Option<port::Rows>,
    ) -> Result<(), Error> {
        let Some(rows) = rows else {
            match reading {
                // Looked for again at the next tick.
                Reading::Head => self.is_unread = true,
                Reading::Pending | Reading::Receipts(_) => self.is_pending_unread = true,
                Reading::Taken(transfer, _) => self.drop_hand_over(&transfer),
                // An offer comes again.
                Reading::Offer(_) => {}
                Reading::Bitmap(transfer, _) => {
                    self.offers.remove(&transfer);
                }
            }
            return Ok(());
        };
        match reading {
            Reading::Head => {
                let head = rows.points.first().and_then(Option::as_ref);
                let trail = Trail::resume(self.config.tenant, head.map(|row| &row.value[..]))?;
                self.journal = Some(Journal::new(trail, Row::unchanged(head), 1));
                self.read_pending();
                Ok(())
            }
            Reading::Taken(transfer, content) => self.on_taken(now, transfer, content, &rows),
            Reading::Pending => self.on_pending(&rows),
            Reading::Receipts(transfers) => {
                transfers.into_iter().zip(rows.points).try_for_each(|(transfer, row)| match row {
                    Some(row) => self.tell_hand_over(now, transfer, row.value),
                    None => self.hand_over(now, &transfer, None),
                })
            }
            Reading::Offer(offer) => {
                if let Some(Some(row)) = rows.points.first() {
                    let (done, receipt) = parse_taken(&row.value).map_err(Error::Corrupt)?;
                    let transfer = offer.transfer;
                    return self.send(&Message::Taken { transfer, outcome: done, receipt });
                }
                let transfer = offer.transfer;
                self.offers.insert(transfer, Taking { offer, version: 0, failing_since: None });
                self.on_bitmap(transfer, StoredBitmap::default(), rows)
            }
            Reading::Bitmap(transfer, stored) => self.on_bitmap(transfer, stored, rows),
        }
    }

    pub(super) fn on_bitmap(
        &mut self,
        transfer: TransferId,
        mut stored: StoredBitmap,
        rows: port::Rows,
    ) -> Result<(), Error> {
        let page = rows.scans.into_iter().next().unwrap_or_default();
        if let Some(next) = stored.add(self.config.tenant, &transfer, page)? {
            self.read(Reading::Bitmap(transfer, stored), ReadSet::scan(next));
            return Ok(());
        }
        let Some(Taking { offer, .. }) = self.offers.get(&transfer) else { return Ok(()) };
        let damaged = self.pulls.begin(transfer, &stored, offer.size, offer.root);
        if !damaged.is_empty() {
            let event = ClientEvent::BeganAnew { transfer };
            self.journal()?.delete(damaged, alloc::vec![Next::Tell(event)]);
        }
        Ok(())
    }

    pub(super) fn publish(&mut self, transfer: &TransferId) -> Result<(), Error> {
        let Some(taking) = self.offers.get(transfer) else { return Ok(()) };
        self.works.push_back(Work::Publish {
            transfer: *transfer,
            into: Place::Store(self.config.party.clone()),
            name: taking.name()?,
            replace: taking.offer.on_conflict == OnConflict::Replace,
        });
        Ok(())
    }
}
