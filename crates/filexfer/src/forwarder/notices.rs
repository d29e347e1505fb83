//! Telling results and arrivals until they are answered.

use super::Forwarder;
use super::event::ForwarderEvent;
use super::hand_over::{HANDED_OVER, HandOver};
use super::rows::{Next, table};
use crate::access::peer;
use crate::{Error, FileName, Job, JobEvent, Message, Misuse, Notice, NoticeKind, TransferId};
use alloc::vec::Vec;
use bytes::Bytes;
use port::outbox::Entry;
use port::{Effect, Key, Machine as _, Peer, Ticket, Time, outbox};

impl Forwarder {
    pub(super) fn result(&self, job: &Job, transfer: TransferId, receipts: Vec<Bytes>) -> Notice {
        Notice {
            kind: NoticeKind::Result,
            transfer,
            id: job.request.id,
            requester: job.request.requester.as_str().into(),
            state: job.state,
            file: job.size.zip(job.root),
            name: job.name.as_ref().map_or("", FileName::as_str).into(),
            receipts,
        }
    }

    /// Who is told the result: who asked, or the site that passed the request on.
    pub(super) fn upstream(&self, job: &Job) -> Result<Peer, Error> {
        let party = match job.hops.last() {
            None => &job.request.requester,
            Some(site) => self.registry.forwarder(site).ok_or(Misuse::Bounds)?,
        };
        Ok(peer(party)?)
    }

    pub(super) fn entry(
        &self,
        now: Time,
        to: Peer,
        notice: &Notice,
    ) -> Result<(Key, Bytes), Error> {
        let mut content = Vec::with_capacity(1_024);
        notice.encode(&mut content)?;
        let idempotency = notice.kind.idempotency(&notice.transfer, self.registry.site());
        let entry = Entry { idempotency, to, created: now, content: content.into() };
        let mut bytes = Vec::with_capacity(entry.encoded_bytes());
        entry.encode(&mut bytes)?;
        Ok((entry.key(table(self.config.tenant, OUTBOX))?, bytes.into()))
    }

    /// A notice was answered: its row goes in the batch that records what that means.
    pub(super) fn on_outbox(&mut self, now: Time, event: outbox::Event) -> Result<(), Error> {
        let outbox::Event::Answered { key, entry, content, .. } = event else { return Ok(()) };
        let notice = Notice::parse(&entry.content)?;
        let mut rows = alloc::vec![(key, None)];
        let mut then = alloc::vec![Next::Settled(entry.idempotency)];
        match notice.kind {
            NoticeKind::Arrival if content.len() > 1 => {
                let transfer = notice.transfer;
                return self.hand_over(HandOver { transfer, receipt: content, rows, then });
            }
            NoticeKind::HandedOver => {}
            NoticeKind::Arrival => {
                let event = ForwarderEvent::HandedOver { transfer: notice.transfer };
                then.push(Next::Tell(event));
                rows.push((self.handed_key(&notice.transfer)?, Some(HANDED_OVER)));
            }
            NoticeKind::Result => {
                if let Some(active) = self.jobs.get(&notice.transfer)
                    && let Ok(next) =
                        active.job.on(now, &JobEvent::Acknowledged, &self.config.retry)
                {
                    return self.take(now, &notice.transfer, next, rows, then);
                }
            }
        }
        self.journal()?.add(rows, Vec::new(), then);
        Ok(())
    }

    pub(super) fn pump_outbox(&mut self, now: Time) -> Result<(), Error> {
        loop {
            while let Some(effect) = self.outbox.poll_effect() {
                self.effects.push_back(match effect {
                    Effect::Send { to, frame } => {
                        Effect::Send { to, frame: Message::Notice(frame).to_frame()? }
                    }
                    Effect::Read { ticket, want } => Effect::Read { ticket: theirs(ticket), want },
                    Effect::Commit { ticket, batch } => {
                        Effect::Commit { ticket: theirs(ticket), batch }
                    }
                    Effect::Ask { ticket, questions } => {
                        Effect::Ask { ticket: theirs(ticket), questions }
                    }
                });
            }
            let Some(event) = self.outbox.poll_event() else { return Ok(()) };
            self.on_outbox(now, event)?;
        }
    }
}

/// Tickets of the outbox are marked; marking twice gives the ticket back.
pub(super) const fn theirs(ticket: Ticket) -> Ticket {
    Ticket(ticket.0 ^ OUTBOX_BIT)
}

pub(super) const fn is_theirs(ticket: Ticket) -> bool {
    ticket.0 & OUTBOX_BIT != 0
}

pub(super) const OUTBOX_BIT: u64 = 1 << 63;

pub(super) const OUTBOX: u8 = 6;
