//! Start: the head of the trail and the jobs under way are read, and go on.

use super::Forwarder;
use super::active::Active;
use super::event::ForwarderEvent;
use super::rows::Reading;
use crate::journal::Journal;
use crate::{Error, Job, JobEvent, PartyId, Route, State, Trail};
use alloc::vec::Vec;
use port::{Key, ReadSet, Row, Rows, Scan, Time};

impl Forwarder {
    pub(super) fn read_open(&mut self, after: Option<Key>) {
        let points = if after.is_none() {
            alloc::vec![Trail::head_key(self.config.tenant)]
        } else {
            Vec::new()
        };
        let prefix = Self::under_way(self.config.tenant);
        let scans = alloc::vec![Scan { prefix, after: after.clone(), limit: PAGE }];
        self.read(Reading::Open(after), ReadSet { points, scans });
    }

    /// The head of the trail, and which jobs are under way.
    pub(super) fn on_open(&mut self, now: Time, rows: Rows) -> Result<(), Error> {
        if let Some(head) = rows.points.first() {
            let head = head.as_ref();
            let trail = Trail::resume(self.config.tenant, head.map(|row| &row.value[..]))?;
            let multiple = self.config.batch_multiple;
            let journal = Journal::new(trail, Row::unchanged(head), multiple);
            // Held back until all jobs are there.
            self.journal = None;
            self.opening = Some(journal);
        }
        let page = rows.scans.into_iter().next().unwrap_or_default();
        let after = (page.len() >= PAGE).then(|| page.last().map(|(key, _)| key.clone())).flatten();
        let keys: Vec<Key> =
            page.iter().map(|(_, row)| Key::from_bytes(&row.value)).collect::<Result<_, _>>()?;
        if keys.is_empty() {
            return self.opened(now);
        }
        self.read(Reading::Jobs(keys.clone(), after), ReadSet::points(keys));
        Ok(())
    }

    pub(super) fn on_jobs(
        &mut self,
        now: Time,
        after: Option<Key>,
        rows: Rows,
    ) -> Result<(), Error> {
        for row in rows.points.into_iter().flatten() {
            let job = Job::parse(&row.value).map_err(Error::Corrupt)?;
            let transfer = job.request.transfer()?;
            let ends =
                [&job.request.sender, &job.request.destination].map(|text| PartyId::new(text));
            let [Ok(sender), Ok(destination)] = ends else {
                return Err(Error::Corrupt(port::WireError::Invalid));
            };
            let route = Route::find(&self.registry, &sender, &destination, job.hops.last());
            match route {
                Ok(route) => {
                    self.jobs.insert(transfer, Active::new(job, route));
                }
                // The registry no longer knows the way; the operator has to.
                Err(_) => self.events.push_back(ForwarderEvent::Stranded { transfer }),
            }
        }
        match after {
            Some(after) => self.read_open(Some(after)),
            None => self.opened(now)?,
        }
        Ok(())
    }

    /// Everything that was under way goes on from its last durable state.
    pub(super) fn opened(&mut self, now: Time) -> Result<(), Error> {
        self.journal = self.opening.take();
        for transfer in self.jobs.transfers() {
            let Some(active) = self.jobs.get_mut(&transfer) else { continue };
            match active.job.state {
                State::Accepted => self.apply(now, &transfer, &JobEvent::Schedule)?,
                State::Transferring => {
                    // Not a failure of the attempt: it goes on at once.
                    active.job.state = State::Scheduled;
                    active.job.try_at = Time::EPOCH;
                }
                State::Waiting => active.again_at = Some(now),
                State::Verifying => {
                    if let Some(work) = self.publish(&transfer)? {
                        self.works.push_back(work);
                    } else if let Some(active) = self.jobs.get_mut(&transfer) {
                        // The far end has it, and says so again.
                        active.job.state = State::Scheduled;
                    }
                }
                _ => {}
            }
            self.await_turn(&transfer);
        }
        self.outbox.nudge(now);
        Ok(())
    }
}

pub(super) const PAGE: usize = 256;
