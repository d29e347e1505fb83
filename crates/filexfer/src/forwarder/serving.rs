//! Giving files: to clients and other sites that pull, until they have them.

use super::Forwarder;
use super::publication::verdict_digest;
use super::rows::Next;
use crate::{
    End, Error, Failure, FileName, Groups, JobEvent, Message, Receipt, SignedReceipt, Stage, State,
    TransferId, Work,
};
use alloc::vec::Vec;
use bytes::Bytes;
use core::ops::Range;
use port::{Effect, Peer, Time};

impl Forwarder {
    pub(super) fn check_source(&self, from: &Peer, transfer: &TransferId) -> Result<(), Error> {
        let Some(active) = self.jobs.get(transfer) else { return Ok(()) };
        if self.source_peer(active)?.as_ref() == Some(from) { Ok(()) } else { Err(Error::Stranger) }
    }

    pub(super) fn on_want(
        &mut self,
        now: Time,
        from: &Peer,
        transfer: TransferId,
        range: Range<u64>,
    ) -> Result<(), Error> {
        let Some(active) = self.jobs.get(&transfer) else {
            // It is over here. Whoever has not finished will not.
            let frame = Message::Unstable { transfer }.to_frame()?;
            self.effects.push_back(Effect::Send { to: from.clone(), frame });
            return Ok(());
        };
        if self.sink_peer(active)?.as_ref() != Some(from) {
            return Err(Error::Stranger);
        }
        let many = range.end.saturating_sub(range.start);
        let is_serving = active.job.state == State::Transferring && active.is_prepared;
        // What is not served now is asked for again.
        if !is_serving || many > self.config.paces.range_groups.max(1) {
            return Ok(());
        }
        self.heard(now, &transfer, true);
        let most = self.window_groups();
        if let Some(active) = self.jobs.get_mut(&transfer) {
            active.wants.push(range, most);
        }
        self.serve(now, &transfer)
    }

    /// Serves what was asked for, in order, as far as its rate goes; the rest when it has more to give.
    pub(super) fn serve(&mut self, now: Time, transfer: &TransferId) -> Result<(), Error> {
        while let Some(active) = self.jobs.get(transfer)
            && let Some(range) = active.wants.first()
        {
            let to = self.sink_peer(active)?.filter(|_| !self.is_pulling(active));
            let Some(to) = to else {
                // It has to be here first.
                self.drop_wants(transfer);
                return Ok(());
            };
            let (from, request) = (self.place_from(active), &active.job.request);
            let rate = self.limit_of([&request.destination, &request.sender]);
            let bytes = active.job.size.map_or(0, |size| Groups::new(size).bytes_len(range));
            if !self.may_move(now, transfer, rate, bytes) {
                return Ok(());
            }
            self.moved(transfer);
            let range = self.jobs.get_mut(transfer).and_then(|active| active.wants.pop());
            let transfer = *transfer;
            self.works.extend(range.map(|range| Work::Serve { transfer, from, range, to }));
        }
        Ok(())
    }

    fn drop_wants(&mut self, transfer: &TransferId) {
        if let Some(active) = self.jobs.get_mut(transfer) {
            active.wants.clear();
        }
    }

    /// What may wait to be served of one transfer: as much as is on its way to here at a time.
    fn window_groups(&self) -> u64 {
        let paces = self.config.paces;
        (paces.window_bytes / Groups::BYTES).max(paces.range_groups).max(1)
    }

    pub(super) fn on_taken(
        &mut self,
        now: Time,
        from: &Peer,
        transfer: &TransferId,
        outcome: Result<FileName, Failure>,
        receipt: &Bytes,
    ) -> Result<(), Error> {
        let Some(active) = self.jobs.get(transfer) else { return Ok(()) };
        let End::Client { client, access } = &active.route.sink else {
            return Err(Error::Stranger);
        };
        if from.as_str() != access.as_str() {
            return Err(Error::Stranger);
        }
        match outcome {
            Err(why) => self.fail(now, transfer, why),
            Ok(name) => {
                let signed = SignedReceipt::parse(receipt)?;
                let key = self.registry.key(client, signed.key_number, now);
                let job = &active.job;
                let invalid = Error::Peer(port::WireError::Invalid);
                let (Some(size), Some(root)) = (job.size, job.root) else { return Err(invalid) };
                // The requester gets it as evidence: it has to be about this transfer, in all that it says.
                let right = Receipt {
                    stage: Stage::Verified,
                    party: client.clone(),
                    id: job.request.id,
                    request: job.request.digest()?,
                    verdict: verdict_digest(job)?,
                    root,
                    size,
                    at: signed.receipt.at,
                    content: signed.receipt.content,
                    follows: None,
                };
                let is_right =
                    signed.receipt == right && key.is_ok_and(|key| signed.verify(key).is_ok());
                if !is_right {
                    return Err(invalid);
                }
                self.far_end_has_it(now, transfer, name, alloc::vec![receipt.clone()], Vec::new())
            }
        }
    }

    pub(super) fn far_end_has_it(
        &mut self,
        now: Time,
        transfer: &TransferId,
        name: FileName,
        others: Vec<Bytes>,
        then: Vec<Next>,
    ) -> Result<(), Error> {
        // Late news of an attempt that was given up is good news all the same.
        for event in [JobEvent::PartyPresent, JobEvent::Start, JobEvent::AllMoved] {
            if let Some(active) = self.jobs.get_mut(transfer)
                && active.job.state == State::Scheduled
            {
                self.due.remove(&(active.job.try_at, *transfer));
                active.job.try_at = Time::EPOCH;
            }
            self.apply(now, transfer, &event)?;
        }
        let is_there = self.jobs.get(transfer).is_some_and(|a| a.job.state == State::Verifying);
        if is_there {
            let is_origin = self.jobs.get(transfer).is_some_and(|active| !active.comes_from_site());
            let stages = if is_origin { &[Stage::Origin][..] } else { &[] };
            self.state(now, transfer, name, stages, others, then);
        }
        Ok(())
    }
}
