//! Steps of jobs from state to state, each with its row, its audit record and its notice.

use super::Forwarder;
use super::event::ForwarderEvent;
use super::rows::Next;
use crate::trail::record_of;
use crate::{End, Error, Failure, Job, JobEvent, State, StoreFault, TransferId, Work};
use alloc::vec::Vec;
use bytes::Bytes;
use port::{Key, Time};

impl Forwarder {
    /// A source is not what it was while it was read.
    ///
    /// # Errors
    /// [`Error`].
    pub fn unstable(&mut self, now: Time, transfer: &TransferId) -> Result<(), Error> {
        let now = self.see(now)?;
        self.prepared_no_more(transfer);
        self.fail(now, transfer, Failure::FileUnstable)?;
        self.pump(now)
    }

    /// Work failed in a way that may pass: the job is tried again later.
    ///
    /// # Errors
    /// [`Error`].
    pub fn interrupted(&mut self, now: Time, transfer: &TransferId) -> Result<(), Error> {
        let now = self.see(now)?;
        self.prepared_no_more(transfer);
        self.interrupt(now, transfer)?;
        self.pump(now)
    }

    /// A store of files did not do its part: another attempt follows, up to [`crate::ForwarderConfig::store_failures_max`] in a
    /// row. Then the job has failed, with [`Failure::StoreFailed`] or [`Failure::SourceFailed`].
    ///
    /// # Errors
    /// [`Error`].
    pub fn store_failed(
        &mut self,
        now: Time,
        transfer: &TransferId,
        fault: StoreFault,
    ) -> Result<(), Error> {
        let now = self.see(now)?;
        self.prepared_no_more(transfer);
        let most = self.config.store_failures_max;
        // What other threads say of an attempt that broke off already counts once.
        if let Some(active) = self.jobs.get_mut(transfer)
            && active.job.state == State::Transferring
        {
            active.store_failures = active.store_failures.saturating_add(1);
            let is_over = active.store_failures >= most;
            match fault {
                // It is opened anew, which tells whether it is still there.
                StoreFault::Read => active.is_prepared = false,
                StoreFault::Write => {}
            }
            match (is_over, fault) {
                (false, _) => self.interrupt(now, transfer)?,
                (true, StoreFault::Read) => self.fail(now, transfer, Failure::SourceFailed)?,
                (true, StoreFault::Write) => self.fail(now, transfer, Failure::StoreFailed)?,
            }
        }
        self.pump(now)
    }

    /// What was to be prepared, if that is what did not work, is to be prepared anew.
    fn prepared_no_more(&mut self, transfer: &TransferId) {
        if let Some(active) = self.jobs.get_mut(transfer) {
            active.is_preparing = false;
        }
    }

    /// Takes an event, and records where it leads. What the state does not allow is dropped.
    pub(super) fn apply(
        &mut self,
        now: Time,
        transfer: &TransferId,
        event: &JobEvent,
    ) -> Result<(), Error> {
        let Some(active) = self.jobs.get(transfer) else { return Ok(()) };
        // Once the far end may have it, only the far end can say that it does not.
        let retry = self.config.retry;
        let retry = if active.job.offered { retry.endless() } else { retry };
        let Ok(next) = active.job.on(now, event, &retry) else { return Ok(()) };
        self.take(now, transfer, next, Vec::new(), Vec::new())
    }

    pub(super) fn take(
        &mut self,
        now: Time,
        transfer: &TransferId,
        next: Job,
        mut rows: Vec<(Key, Option<Bytes>)>,
        mut then: Vec<Next>,
    ) -> Result<(), Error> {
        let Some(active) = self.jobs.get_mut(transfer) else { return Ok(()) };
        let before = active.job.state;
        self.due.remove(&(active.job.try_at, *transfer));
        active.job = next;
        let state = active.job.state;
        let requester = active.job.request.requester.clone();
        let id = active.job.request.id;
        if !matches!(state, State::Transferring) {
            active.again_at = None;
            active.fetches = 0;
            active.wants.clear();
            if matches!(active.route.source, End::Client { .. }) {
                active.is_prepared = false;
            }
            if let Some(bitmap) = self.pulls.stop(transfer)
                && !matches!(state, State::Scheduled | State::Waiting)
                // The rows of what is published next are needed if it has to be repeated.
                && (state.is_final() || state.is_delivered() || active.job.spooled)
            {
                let keys = bitmap.row_keys(self.config.tenant, transfer)?;
                rows.extend(keys.into_iter().map(|key| (key, None)));
            }
        }
        self.probe_later(now, transfer);
        if matches!(state, State::Scheduled | State::Waiting)
            || state.is_final()
            || state.is_delivered()
        {
            self.leave_queue(&requester, id);
            self.await_turn(transfer);
        }
        if state == State::Verifying {
            then.extend(self.publish(transfer)?.map(Next::Work));
        }
        if state.is_final() {
            then.extend(self.discards(transfer));
        }
        let Some(active) = self.jobs.get(transfer) else { return Ok(()) };
        let job = &active.job;
        rows.push((job.key(self.config.tenant)?, Some(row(job)?)));
        let mut records = Vec::new();
        if before != state {
            records.push(record_of(job, self.config.tenant));
            let what = (*transfer, state);
            then.push(Next::Tell(ForwarderEvent::Moved { transfer: what.0, state: what.1 }));
        }
        if state.is_final() && state != State::Acknowledged {
            let notice = self.result(job, *transfer, Vec::new());
            let to = self.upstream(job)?;
            let (key, entry) = self.entry(now, to, &notice)?;
            rows.push((key, Some(entry)));
            then.push(Next::Nudge);
        }
        if state.is_final() {
            rows.push((self.open_key(transfer)?, None));
            self.jobs.remove(transfer);
        }
        self.journal()?.add(rows, records, then);
        Ok(())
    }

    pub(super) fn fail(
        &mut self,
        now: Time,
        transfer: &TransferId,
        why: Failure,
    ) -> Result<(), Error> {
        self.apply(now, transfer, &JobEvent::Failed(why))
    }

    pub(super) fn interrupt(&mut self, now: Time, transfer: &TransferId) -> Result<(), Error> {
        self.drawn += 1;
        let label = "interbank/filexfer/jitter/v1";
        let drawn = seal::derive::<8>(&self.entropy, label, &[&self.drawn.to_be_bytes()]);
        let entropy = u64::from_be_bytes(*drawn.expose());
        self.apply(now, transfer, &JobEvent::Interrupted { entropy })
    }

    pub(super) fn discards(&self, transfer: &TransferId) -> Vec<Next> {
        let Some(active) = self.jobs.get(transfer) else { return Vec::new() };
        let at = self.place_into(active);
        alloc::vec![Next::Work(Work::Discard { transfer: *transfer, at })]
    }
}

pub(super) fn row(job: &Job) -> Result<Bytes, Error> {
    let mut bytes = Vec::with_capacity(768);
    job.encode(&mut bytes)?;
    Ok(bytes.into())
}
