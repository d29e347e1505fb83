//! Bringing files here: ranges that are asked for, slices, checkpoints.

use super::Forwarder;
use super::rows::{Next, Reading};
use crate::client::rows_of;
use crate::{
    Bitmap, Error, JobEvent, Message, Misuse, Place, Pull, RateTree, Receiver, Slice, State,
    TransferId, Wait, Work,
};
use alloc::vec::Vec;
use core::ops::Range;
use port::{Effect, Key, Peer, ReadSet, Row, Rows, Scan, Time};

impl Forwarder {
    /// How far a transfer to this site is: verified groups and all groups.
    pub fn progress(&self, transfer: &TransferId) -> Option<(u64, u64)> {
        let bitmap = self.jobs.get(transfer)?.receiver.as_ref()?.bitmap();
        Some((bitmap.verified(), bitmap.groups().count()))
    }

    /// Checks a slice that arrived; its bytes are to be written to the place of the transfer's receiver, then
    /// [`Forwarder::written`] is to be called.
    ///
    /// # Errors
    /// [`Error::Stranger`], [`Error::Peer`], [`Misuse::NotAsked`].
    pub fn open_slice<'a>(
        &self,
        from: &Peer,
        transfer: &TransferId,
        range: &Range<u64>,
        bytes: &'a [u8],
    ) -> Result<(Place, Slice<'a>), Error> {
        let active = self.jobs.get(transfer).ok_or(Misuse::NotAsked)?;
        if self.source_peer(active)?.as_ref() != Some(from) {
            return Err(Error::Stranger);
        }
        let receiver = active.receiver.as_ref().ok_or(Misuse::NotAsked)?;
        Ok((self.place_into(active), receiver.open(range, bytes)?))
    }

    /// The groups of a slice, or of a [`Work::Copy`], were verified and written.
    ///
    /// # Errors
    /// [`Error`]; the groups are asked for again.
    pub fn written(
        &mut self,
        now: Time,
        transfer: &TransferId,
        range: &Range<u64>,
    ) -> Result<(), Error> {
        let now = self.see(now)?;
        if let Some(active) = self.jobs.get_mut(transfer) {
            active.silent_at = now.plus_ms(self.config.patience_ms);
            if let Some(receiver) = &mut active.receiver {
                receiver.written(range, &mut self.pool)?;
            }
        }
        self.pump(now)
    }

    /// The answer to [`Work::Sync`].
    ///
    /// # Errors
    /// [`Error`].
    pub fn synced(&mut self, now: Time, transfer: &TransferId) -> Result<(), Error> {
        let now = self.see(now)?;
        let receiver = self.jobs.get_mut(transfer).and_then(|active| active.receiver.as_mut());
        if let Some(checkpoint) = receiver.and_then(Receiver::synced) {
            let then = alloc::vec![Next::Checkpointed(*transfer)];
            self.journal()?.add(rows_of(checkpoint.batch), Vec::new(), then);
        }
        self.pump(now)
    }

    pub(super) fn on_bitmap(
        &mut self,
        transfer: TransferId,
        into: Place,
        mut rows: Vec<(Key, Row)>,
        page: Rows,
    ) -> Result<(), Error> {
        let page = page.scans.into_iter().next().unwrap_or_default();
        let is_full = page.len() >= Scan::ROWS_MAX;
        rows.extend(page);
        if is_full {
            let mut scan = Bitmap::scan(self.config.tenant, &transfer)?;
            scan.after = rows.last().map(|(key, _)| key.clone());
            self.read(Reading::Bitmap(transfer, into, rows), ReadSet::scan(scan));
            return Ok(());
        }
        let Some(active) = self.jobs.get_mut(&transfer) else { return Ok(()) };
        let (Some(size), Some(root)) = (active.job.size, active.job.root) else { return Ok(()) };
        if active.job.state != State::Transferring || active.receiver.is_some() {
            return Ok(());
        }
        let found = Bitmap::restore(rows.iter().map(|(key, row)| (key, &row.value[..])))?;
        let bitmap = found.unwrap_or_else(|| Bitmap::new(root, size));
        if bitmap.root() != &root || bitmap.groups().size() != size {
            return Err(Error::Corrupt(port::WireError::Invalid));
        }
        active.receiver =
            Some(Receiver::new(self.config.tenant, transfer, bitmap, self.config.paces));
        Ok(())
    }

    pub(super) fn is_reading_bitmap(&self, transfer: &TransferId) -> bool {
        let is_its =
            |reading: &Reading| matches!(reading, Reading::Bitmap(of, ..) if of == transfer);
        self.reads.values().any(is_its)
    }

    pub(super) fn pull(&mut self, now: Time) -> Result<(), Error> {
        let pulling: Vec<TransferId> = self
            .jobs
            .iter()
            .filter(|(_, active)| active.receiver.is_some() && active.rate_until <= now)
            .map(|(transfer, _)| *transfer)
            .collect();
        for transfer in pulling {
            // One range of each in turn would be fairer still; a window is bounded, so that this is fair enough.
            while let Some(active) = self.jobs.get_mut(&transfer) {
                let Some(receiver) = &mut active.receiver else { break };
                let Some(next) = receiver.poll(now, &mut self.pool)? else { break };
                let Some(active) = self.jobs.get(&transfer) else { break };
                let into = self.place_into(active);
                match next {
                    Pull::Range(range) => {
                        let source = self.source_peer(active)?;
                        let from = self.place_from(active);
                        match source {
                            Some(to) => {
                                let frame = Message::Want { transfer, range }.to_frame()?;
                                self.effects.push_back(Effect::Send { to, frame });
                            }
                            None => {
                                let groups = range.end - range.start;
                                self.works.push_back(Work::Copy { transfer, from, into, range });
                                if let Err(wait) = self.throttle(now, &transfer, groups)
                                    && let Some(active) = self.jobs.get_mut(&transfer)
                                {
                                    // This one was taken on credit; the next waits.
                                    active.rate_until = wait.until;
                                    break;
                                }
                            }
                        }
                    }
                    Pull::Sync => self.works.push_back(Work::Sync { transfer, into }),
                    Pull::Complete => {
                        let event = if active.sinks_here() {
                            JobEvent::AllMoved
                        } else {
                            JobEvent::Spooled
                        };
                        if let Some(active) = self.jobs.get_mut(&transfer)
                            && event == JobEvent::Spooled
                        {
                            active.is_prepared = false;
                        }
                        self.apply(now, &transfer, &event)?;
                        break;
                    }
                }
            }
        }
        self.enlist(now)
    }

    pub(super) fn throttle(
        &mut self,
        now: Time,
        transfer: &TransferId,
        groups: u64,
    ) -> Result<(), Wait> {
        let Some(active) = self.jobs.get(transfer) else { return Ok(()) };
        let ends = [&active.job.request.destination, &active.job.request.sender];
        let found = ends.iter().find_map(|party| self.rate_of.get(party.as_str()));
        let leaf = found.copied().unwrap_or(RateTree::root());
        self.rates.take(now, leaf, groups.saturating_mul(crate::Groups::BYTES))
    }
}
