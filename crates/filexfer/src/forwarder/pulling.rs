//! Bringing files here: ranges that are asked for, slices, checkpoints.

use super::Forwarder;
use super::event::ForwarderEvent;
use super::rows::{Next, Reading};
use crate::pulls::StoredBitmap;
use crate::{
    Error, JobEvent, Message, Misuse, Place, Pull, Slice, SliceProof, State, TransferId, Work,
};
use alloc::vec::Vec;
use core::ops::Range;
use port::{Effect, Peer, ReadSet, Rows, Time};

impl Forwarder {
    /// How far a transfer to this site is: verified groups and all groups.
    pub fn progress(&self, transfer: &TransferId) -> Option<(u64, u64)> {
        let bitmap = self.pulls.bitmap(transfer)?;
        Some((bitmap.verified(), bitmap.groups().count()))
    }

    /// Checks a slice that arrived; its bytes are to be written to the place of the transfer's receiver, then
    /// [`Forwarder::written`] is to be called.
    ///
    /// # Errors
    /// [`Error::Stranger`], [`Error::Peer`], [`Misuse::NotAsked`].
    pub fn open_slice<'a>(
        &mut self,
        from: &Peer,
        transfer: &TransferId,
        range: &Range<u64>,
        bytes: &'a [u8],
    ) -> Result<(Place, Slice<'a>), Error> {
        let active = self.jobs.get(transfer).ok_or(Misuse::NotAsked)?;
        if self.source_peer(active)?.as_ref() != Some(from) {
            return Err(Error::Stranger);
        }
        Ok((self.place_into(active), self.pulls.open(transfer, range, bytes)?))
    }

    /// The same for threads: where the slice is to be written, and what it has to be compared with before.
    ///
    /// # Errors
    /// [`Error::Stranger`], [`Misuse::NotAsked`].
    pub fn slice_proof(
        &mut self,
        from: &Peer,
        transfer: &TransferId,
        range: &Range<u64>,
    ) -> Result<(Place, SliceProof), Error> {
        let active = self.jobs.get(transfer).ok_or(Misuse::NotAsked)?;
        if self.source_peer(active)?.as_ref() != Some(from) {
            return Err(Error::Stranger);
        }
        Ok((self.place_into(active), self.pulls.proof(transfer, range)?))
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
        self.heard(now, transfer, false);
        if let Some(active) = self.jobs.get_mut(transfer) {
            active.store_failures = 0;
        }
        self.pulls.written(now, transfer, range)?;
        self.pump(now)
    }

    /// The answer to [`Work::Sync`].
    ///
    /// # Errors
    /// [`Error`].
    pub fn synced(&mut self, now: Time, transfer: &TransferId) -> Result<(), Error> {
        let now = self.see(now)?;
        if let Some(checkpoint) = self.pulls.synced(transfer) {
            let then = alloc::vec![Next::Checkpointed(*transfer)];
            self.journal()?.add_batch(&checkpoint.batch, then);
        }
        self.pump(now)
    }

    pub(super) fn on_bitmap(
        &mut self,
        transfer: TransferId,
        mut stored: StoredBitmap,
        page: Rows,
    ) -> Result<(), Error> {
        let page = page.scans.into_iter().next().unwrap_or_default();
        if let Some(next) = stored.add(self.config.tenant, &transfer, page)? {
            self.read(Reading::Bitmap(transfer, stored), ReadSet::scan(next));
            return Ok(());
        }
        let Some(active) = self.jobs.get(&transfer) else { return Ok(()) };
        let (Some(size), Some(root)) = (active.job.size, active.job.root) else { return Ok(()) };
        if active.job.state != State::Transferring || self.pulls.has(&transfer) {
            return Ok(());
        }
        let damaged = self.pulls.begin(transfer, &stored, size, root);
        if !damaged.is_empty() {
            let event = ForwarderEvent::BeganAnew { transfer };
            self.journal()?.delete(damaged, alloc::vec![Next::Tell(event)]);
        }
        Ok(())
    }

    pub(super) fn is_reading_bitmap(&self, transfer: &TransferId) -> bool {
        let is_its =
            |reading: &Reading| matches!(reading, Reading::Bitmap(of, ..) if of == transfer);
        self.reads.values().any(is_its)
    }

    pub(super) fn pull(&mut self, now: Time) -> Result<(), Error> {
        let pulling: Vec<TransferId> = self.pulls.transfers().copied().collect();
        for transfer in pulling {
            // One range of each in turn would be fairer still; a window is bounded, so that this is fair enough.
            while let Some(next) = self.next_pull(now, &transfer)? {
                let Some(active) = self.jobs.get(&transfer) else { break };
                let into = self.place_into(active);
                match next {
                    Pull::Range(range) => match self.source_peer(active)? {
                        Some(to) => {
                            let frame = Message::Want { transfer, range }.to_frame()?;
                            self.effects.push_back(Effect::Send { to, frame });
                        }
                        None => {
                            let from = self.place_from(active);
                            self.works.push_back(Work::Copy { transfer, from, into, range });
                        }
                    },
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
        Ok(())
    }

    /// What is next for a transfer that is pulled. Only what moves has to wait for its rate.
    fn next_pull(&mut self, now: Time, transfer: &TransferId) -> Result<Option<Pull>, Error> {
        if let Some(next) = self.pulls.poll_saving(now, transfer)? {
            return Ok(Some(next));
        }
        let Some(bytes) = self.pulls.next_bytes(now, transfer) else { return Ok(None) };
        let Some(active) = self.jobs.get(transfer) else { return Ok(None) };
        // Who sends, if that is from afar; otherwise who receives.
        let (sender, destination) = (&active.job.request.sender, &active.job.request.destination);
        let ends = if self.source_peer(active)?.is_some() {
            [sender, destination]
        } else {
            [destination, sender]
        };
        let rate = self.limit_of(ends);
        if !self.may_move(now, transfer, rate, bytes) {
            return Ok(None);
        }
        let next = self.pulls.poll(now, transfer)?;
        if next.is_some() {
            self.moved(transfer);
        }
        Ok(next)
    }
}
