//! The way on: what another site answers and reports.

use super::Forwarder;
use super::hand_over::HandOver;
use super::rows::Next;
use crate::{
    End, Error, Failure, FileName, Message, Notice, NoticeKind, PartyId, SignedReceipt,
    SignedVerdict, State, TransferId,
};
use alloc::vec::Vec;
use port::outbox::Entry;
use port::{Effect, Peer, Time};

impl Forwarder {
    pub(super) fn on_answer(
        &mut self,
        now: Time,
        from: &Peer,
        answer: &SignedVerdict,
    ) -> Result<(), Error> {
        let transfer =
            TransferId(answer.verdict.request.first_chunk().copied().unwrap_or_default());
        let Some(active) = self.jobs.get_mut(&transfer) else { return Ok(()) };
        let End::Site(site) = &active.route.sink else { return Err(Error::Stranger) };
        let forwarder = self.registry.forwarder(site).ok_or(Error::Stranger)?;
        if from.as_str() != forwarder.as_str() {
            return Err(Error::Stranger);
        }
        // A consent is a sign of life, as slices are, which the link has authenticated: nothing else rests on it. A refusal ends the
        // job, and has to be signed.
        if let Err(reason) = answer.verdict.outcome {
            let party = self.registry.party(forwarder).ok_or(Error::Stranger)?;
            let is_signed = party
                .keys
                .values()
                .any(|(key, validity)| validity.holds(now) && answer.is_signed_by(key));
            if !is_signed {
                return Err(Error::Stranger);
            }
            return self.fail(now, &transfer, Failure::RefusedDownstream(reason));
        }
        active.heard(now, self.config.patience_ms);
        Ok(())
    }

    /// The result of a job that another site has taken on.
    pub(super) fn on_notice(&mut self, now: Time, from: &Peer, bytes: &[u8]) -> Result<(), Error> {
        let entry = Entry::parse(bytes)?;
        let notice = Notice::parse(&entry.content)?;
        let ack = Message::noticed(&entry)?.to_frame()?;
        let is_forwarder = self
            .registry
            .of_role(crate::Role::Forwarder)
            .any(|party| party.id.as_str() == from.as_str());
        if !is_forwarder {
            return Err(Error::Stranger);
        }
        // They are kept by what they state.
        notice.receipts.iter().try_for_each(|receipt| SignedReceipt::parse(receipt).map(|_| ()))?;
        match (notice.kind, &notice.receipts[..]) {
            (NoticeKind::Result, _) => {}
            (NoticeKind::HandedOver, [receipt]) => {
                let (transfer, receipt) = (notice.transfer, receipt.clone());
                let then = alloc::vec![Next::Send(from.clone(), ack)];
                return self.hand_over(HandOver { transfer, receipt, rows: Vec::new(), then });
            }
            _ => return Err(Error::Stranger),
        }
        let Some(active) = self.jobs.get(&notice.transfer) else {
            self.effects.push_back(Effect::Send { to: from.clone(), frame: ack });
            return Ok(());
        };
        let End::Site(site) = &active.route.sink else { return Err(Error::Stranger) };
        if self.registry.forwarder(site).map(PartyId::as_str) != Some(from.as_str()) {
            return Err(Error::Stranger);
        }
        if active.job.state.is_delivered() || self.is_being_signed(&notice.transfer) {
            // Answered once it is recorded, unless it already is.
            if active.job.state.is_delivered() {
                self.effects.push_back(Effect::Send { to: from.clone(), frame: ack });
            }
            return Ok(());
        }
        if notice.state.is_delivered() {
            let name =
                FileName::new(&notice.name).map_err(|_| Error::Peer(port::WireError::Invalid))?;
            let then = alloc::vec![Next::Send(from.clone(), ack)];
            return self.far_end_has_it(now, &notice.transfer, name, notice.receipts, then);
        }
        let why = match notice.state {
            State::Failed(why) => why,
            State::Refused(reason) => Failure::RefusedDownstream(reason),
            _ => Failure::GaveUp,
        };
        self.fail(now, &notice.transfer, why)?;
        self.journal()?.add(Vec::new(), Vec::new(), alloc::vec![Next::Send(from.clone(), ack)]);
        Ok(())
    }
}
