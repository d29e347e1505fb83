//! Rows: reads and whose they are, commits and what may happen then, keys.

use super::Forwarder;
use super::active::Active;
use super::event::ForwarderEvent;
use super::hand_over::HandOver;
use crate::pulls::StoredBitmap;
use crate::{Error, JobEvent, State, TransferId, Work};
use alloc::vec::Vec;
use bytes::Bytes;
use port::{CrateTag, Effect, Key, Peer, ReadSet, Rows, Tenant, Time};

#[derive(Clone, Debug)]
pub(super) enum Reading {
    Open(Option<Key>),
    Jobs(Vec<Key>, Option<Key>),
    Earlier(TransferId),
    Bitmap(TransferId, StoredBitmap),
    /// Whether a file waits to be taken.
    HandOver(HandOver),
    /// Its job, and the receipt of its verification.
    HandOverJob(HandOver),
}

#[derive(Clone, Debug)]
pub(super) enum Next {
    Send(Peer, Bytes),
    Work(Work),
    Tell(ForwarderEvent),
    Checkpointed(TransferId),
    /// Its verdict is known to the store, and may be told again.
    Judged(TransferId),
    Accepted(TransferId),
    Offer(TransferId),
    Settled([u8; 32]),
    Nudge,
    Handed(TransferId),
}

impl Forwarder {
    /// The prefix of jobs under way: transfer.
    pub fn under_way(tenant: Tenant) -> Key {
        table(tenant, OPEN)
    }

    pub(super) fn read(&mut self, reading: Reading, want: ReadSet) {
        let ticket = self.ticket();
        self.reads.insert(ticket, reading);
        self.effects.push_back(Effect::Read { ticket, want });
    }

    pub(super) fn on_rows(
        &mut self,
        now: Time,
        reading: Reading,
        rows: Option<Rows>,
    ) -> Result<(), Error> {
        let Some(rows) = rows else {
            match reading {
                Reading::Open(_) | Reading::Jobs(..) => self.failed_reads.push(reading),
                // The requester asks again.
                Reading::Earlier(transfer) => {
                    self.judging.end(&transfer);
                    self.pending.remove(&transfer);
                }
                Reading::Bitmap(transfer, ..) => self.interrupt(now, &transfer)?,
                Reading::HandOver(over) | Reading::HandOverJob(over) => {
                    self.abandon_hand_over(&over.transfer);
                }
            }
            return Ok(());
        };
        match reading {
            Reading::Open(_) => self.on_open(now, rows),
            Reading::Jobs(_, after) => self.on_jobs(now, after, rows),
            Reading::Earlier(transfer) => self.on_earlier(now, transfer, rows),
            Reading::Bitmap(transfer, stored) => self.on_bitmap(transfer, stored, rows),
            Reading::HandOver(over) => {
                let transfer = over.transfer;
                let done = self.on_handed_row(over, &rows);
                if done.is_err() {
                    self.abandon_hand_over(&transfer);
                }
                done
            }
            Reading::HandOverJob(over) => {
                let transfer = over.transfer;
                let done = self.on_handed_job(now, over, &rows);
                if done.is_err() {
                    self.abandon_hand_over(&transfer);
                }
                done
            }
        }
    }

    pub(super) fn flush(&mut self) -> Result<(), Error> {
        let ticket = self.last_ticket.next();
        if let Some(batch) = self.journal()?.flush(ticket)? {
            self.last_ticket = ticket;
            self.effects.push_back(Effect::Commit { ticket, batch });
        }
        Ok(())
    }

    pub(super) fn on_committed(&mut self, now: Time, next: Next) -> Result<(), Error> {
        match next {
            Next::Send(to, frame) => self.effects.push_back(Effect::Send { to, frame }),
            Next::Work(work) => self.works.push_back(work),
            Next::Tell(event) => {
                if self.events.len() >= EVENTS_MAX {
                    self.events.pop_front();
                }
                self.events.push_back(event);
            }
            Next::Checkpointed(transfer) => self.pulls.committed(&transfer),
            Next::Judged(transfer) => {
                self.judging.end(&transfer);
                self.recording.remove(&transfer);
            }
            Next::Accepted(transfer) => self.apply(now, &transfer, &JobEvent::Schedule)?,
            Next::Offer(transfer) => {
                let active = self.jobs.get(&transfer);
                let is_on = |a: &Active| a.job.state == State::Transferring && !a.is_preparing;
                if active.is_some_and(is_on) {
                    self.say_again(now, &transfer)?;
                }
            }
            Next::Settled(idempotency) => self.outbox.settled(&idempotency),
            Next::Nudge => self.outbox.nudge(now),
            Next::Handed(transfer) => self.abandon_hand_over(&transfer),
        }
        Ok(())
    }

    pub(super) fn open_key(&self, transfer: &TransferId) -> Result<Key, Error> {
        Ok(Self::under_way(self.config.tenant).raw(&transfer.0)?)
    }

    pub(super) fn handed_key(&self, transfer: &TransferId) -> Result<Key, Error> {
        Ok(table(self.config.tenant, HANDED).raw(&transfer.0)?)
    }
}

pub(super) fn table(tenant: Tenant, number: u8) -> Key {
    Key::new(CrateTag::FILEXFER, tenant, number)
}

const OPEN: u8 = 5;

pub(super) const RECEIPTS: u8 = 7;

pub(super) const HANDED: u8 = 10;

pub(super) const EVENTS_MAX: usize = 4_096;
