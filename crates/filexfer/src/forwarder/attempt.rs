//! One attempt of a job: its turn, what the first thing is, and asking again.

use super::Forwarder;
use super::active::Active;
use super::publication::verdict_digest;
use super::rows::{Next, Reading};
use super::steps::row;
use crate::access::peer;
use crate::pulls::StoredBitmap;
use crate::{
    Bitmap, End, Error, Failure, FileName, Job, JobEvent, JobId, Message, Misuse, Offer, PartyId,
    Request, State, TransferId, Work,
};
use alloc::vec::Vec;
use port::{Effect, Input, Machine as _, ReadSet, Time};

impl Forwarder {
    /// The answer to [`Work::Prepare`]: size and root, or that the file is not what it was.
    ///
    /// # Errors
    /// [`Error`].
    pub fn prepared(
        &mut self,
        now: Time,
        transfer: &TransferId,
        file: Option<(u64, [u8; 32])>,
    ) -> Result<(), Error> {
        let now = self.see(now)?;
        if let Some(active) = self.jobs.get_mut(transfer) {
            active.is_preparing = false;
            let rests = matches!(active.job.state, State::Scheduled | State::Waiting);
            // It lost its turn meanwhile, and need not be read once more for the next one.
            active.found = file.filter(|_| rests);
        }
        match file {
            Some((size, root)) => self.known(now, transfer, size, root, true)?,
            None => self.fail(now, transfer, Failure::FileUnstable)?,
        }
        self.pump(now)
    }

    /// Size and root are known.
    pub(super) fn known(
        &mut self,
        now: Time,
        transfer: &TransferId,
        size: u64,
        root: [u8; 32],
        is_prepared: bool,
    ) -> Result<(), Error> {
        let has_room = self.has_room_in_spool(transfer, size);
        self.apply(now, transfer, &JobEvent::Known { size, root })?;
        let Some(active) = self.jobs.get_mut(transfer) else { return Ok(()) };
        if active.job.state != State::Transferring {
            return Ok(());
        }
        if !has_room {
            // As a request would have been refused that had said so.
            return self.fail(now, transfer, Failure::SpoolFull);
        }
        active.is_prepared |= is_prepared;
        active.heard(now, self.config.patience_ms);
        active.again_at = None;
        active.fetches = 0;
        self.advance(now, transfer)
    }

    /// Its turn has come: what the first thing is depends on where the file is and where it goes.
    pub(super) fn advance(&mut self, now: Time, transfer: &TransferId) -> Result<(), Error> {
        let Some(active) = self.jobs.get_mut(transfer) else { return Ok(()) };
        if active.is_preparing {
            return Ok(());
        }
        if let Some((size, root)) = active.found.take() {
            return self.known(now, transfer, size, root, true);
        }
        let Some(active) = self.jobs.get(transfer) else { return Ok(()) };
        let job = &active.job;
        let is_here = job.spooled || matches!(active.route.source, End::FileSystem { .. });
        if is_here && !active.is_prepared {
            let from = self.place_from(active);
            let stamp = (!job.spooled).then_some(job.stamp);
            let name = FileName::new(&job.request.file.name).map_err(|_| Misuse::TooLong)?;
            self.works.push_back(Work::Prepare { transfer: *transfer, from, name, stamp });
            if let Some(active) = self.jobs.get_mut(transfer) {
                active.is_preparing = true;
                active.again_at = None;
            }
            return Ok(());
        }
        // A client says anew what it has at each attempt: it may have forgotten that it was asked.
        if job.root.is_none() || !(is_here || active.is_prepared || active.comes_from_site()) {
            return self.say_again(now, transfer);
        }
        if self.is_pulling(active) {
            if !self.pulls.has(transfer) && !self.is_reading_bitmap(transfer) {
                let scan = Bitmap::scan(self.config.tenant, transfer)?;
                self.read(Reading::Bitmap(*transfer, StoredBitmap::default()), ReadSet::scan(scan));
            }
            return Ok(());
        }
        self.say_again(now, transfer)
    }

    /// Asks the far end once more: for its file, or to take ours.
    pub(super) fn say_again(&mut self, now: Time, transfer: &TransferId) -> Result<(), Error> {
        let Some(active) = self.jobs.get_mut(transfer) else { return Ok(()) };
        let file = active.job.size.zip(active.job.root);
        let is_described = active.job.spooled || active.is_prepared;
        active.again_at = Some(now.plus_ms(match active.route.source {
            End::Client { .. } if !is_described => active.fetch_pause_ms(&self.config),
            _ => self.config.again_ms,
        }));
        if file.is_some() && is_described && !active.job.offered && !active.sinks_here() {
            active.job.offered = true;
            let rows = alloc::vec![(active.job.key(self.config.tenant)?, Some(row(&active.job)?))];
            self.journal()?.add(rows, Vec::new(), alloc::vec![Next::Offer(*transfer)]);
            return Ok(());
        }
        let Some(active) = self.jobs.get(transfer) else { return Ok(()) };
        let job = &active.job;
        let (to, message) =
            if let (End::Client { access, client }, false) = (&active.route.source, is_described) {
                let name = self.name_at(client, job)?;
                (peer(access)?, Message::Fetch { transfer: *transfer, name })
            } else {
                match (&active.route.sink, file) {
                    (End::Client { access, client }, Some((size, root))) => {
                        let offer = Offer {
                            transfer: *transfer,
                            request: job.request.digest()?,
                            verdict: verdict_digest(job)?,
                            id: job.request.id,
                            name: self.name_at(client, job)?,
                            on_conflict: job.request.on_conflict,
                            size,
                            root,
                            deadline: job.request.deadline,
                        };
                        (peer(access)?, Message::Offer(offer))
                    }
                    (End::Site(site), Some(_)) => {
                        let mut hops = job.hops.clone();
                        hops.visit(self.registry.site()).map_err(|_| Misuse::Bounds)?;
                        let forwarder = self.registry.forwarder(site).ok_or(Misuse::Bounds)?;
                        let request = Request::clone(&job.request);
                        (peer(forwarder)?, Message::Submit { request, hops, file })
                    }
                    _ => return Ok(()),
                }
            };
        let frame = message.to_frame()?;
        self.effects.push_back(Effect::Send { to, frame });
        Ok(())
    }

    /// What a job's file is called at a client.
    fn name_at(&self, client: &PartyId, job: &Job) -> Result<FileName, Error> {
        let name = FileName::new(&job.request.file.name).map_err(|_| Misuse::TooLong)?;
        Ok(self.registry.name_at(client, &name).map_err(|_| Misuse::TooLong)?)
    }

    pub(super) fn on_tick(&mut self, now: Time) -> Result<(), Error> {
        for reading in core::mem::take(&mut self.failed_reads) {
            match reading {
                Reading::Jobs(keys, after) => {
                    let want = ReadSet::points(keys.clone());
                    self.read(Reading::Jobs(keys, after), want);
                }
                Reading::Open(after) => self.read_open(after),
                Reading::Earlier(_)
                | Reading::Bitmap(..)
                | Reading::HandOver(_)
                | Reading::HandOverJob(_) => {}
            }
        }
        if self.journal.is_none() {
            return Ok(());
        }
        self.outbox.handle(now, Input::Tick).map_err(|_| Error::Busy)?;
        // That a client's hours are over is no job's deadline.
        let due = if self.has_hours { self.jobs.transfers() } else { self.jobs.due(now) };
        let mut done = Ok(());
        for transfer in due {
            // What is wrong with one is no reason to pass the others over.
            done = done.and(self.look_after(now, &transfer));
        }
        done
    }

    /// What a job's time has come for.
    fn look_after(&mut self, now: Time, transfer: &TransferId) -> Result<(), Error> {
        let leaves_it = self.jobs.get(transfer).is_some_and(Active::is_another_sites);
        if !leaves_it {
            self.apply(now, transfer, &JobEvent::Tick)?;
        }
        let Some(active) = self.jobs.get(transfer) else { return Ok(()) };
        let is_due = active.again_at.is_some_and(|at| at <= now);
        match active.job.state {
            State::Waiting if is_due => self.probe(now, transfer)?,
            State::Transferring if self.is_closed(active) => self.break_off(now, transfer)?,
            State::Transferring => {
                self.serve(now, transfer)?;
                let Some(active) = self.jobs.get(transfer) else { return Ok(()) };
                if active.waits_for_others() && active.silent_at <= now {
                    self.interrupt(now, transfer)?;
                } else if is_due {
                    self.say_again(now, transfer)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Starts what may be started: until nothing is ready, or no slot is free.
    pub(super) fn start(&mut self, now: Time) -> Result<(), Error> {
        loop {
            self.enlist(now)?;
            let Some((requester, id)) = self.scheduler.next(|_| true) else { return Ok(()) };
            let Some(transfer) = self.queued.get(&(requester.clone(), id)).copied() else {
                self.scheduler.done(&requester, id);
                continue;
            };
            if let Some(active) = self.jobs.get_mut(&transfer) {
                active.heard(now, self.config.patience_ms);
            }
            self.apply(now, &transfer, &JobEvent::Start)?;
            let is_started =
                self.jobs.get(&transfer).is_some_and(|a| a.job.state == State::Transferring);
            if is_started {
                self.advance(now, &transfer)?;
            } else {
                self.leave_queue(&requester, id);
            }
        }
    }

    /// Jobs whose time has come wait for their turn; those without their party wait for that.
    fn enlist(&mut self, now: Time) -> Result<(), Error> {
        while let Some((at, transfer)) = self.due.first().copied() {
            if at > now || !self.has_room() {
                break;
            }
            self.due.remove(&(at, transfer));
            let Some(active) = self.jobs.get(&transfer) else { continue };
            if active.job.state != State::Scheduled || active.job.try_at > now {
                continue;
            }
            if self.is_blocked(active) {
                self.apply(now, &transfer, &JobEvent::PartyAbsent)?;
                continue;
            }
            let request = &active.job.request;
            let Ok(destination) = PartyId::new(&request.destination) else { continue };
            let (requester, priority, id) = (&request.requester, request.priority, request.id);
            // A file of this site is as large as it was when it was judged; of others one has to say.
            let stamped = matches!(active.route.source, End::FileSystem { .. });
            let bytes = active.job.size.or(stamped.then_some(active.job.stamp.size));
            let bytes = bytes.unwrap_or(u64::MAX);
            self.scheduler.push_sized(requester, &destination, priority, id, bytes)?;
            self.queued.insert((requester.clone(), id), transfer);
        }
        Ok(())
    }

    /// Whether one more may wait for its turn.
    pub(super) fn has_room(&self) -> bool {
        self.scheduler.waiting() < self.config.slots.waiting_max
    }

    /// A job that is scheduled is looked at when its time has come.
    pub(super) fn await_turn(&mut self, transfer: &TransferId) {
        if let Some(active) = self.jobs.get(transfer)
            && active.job.state == State::Scheduled
        {
            self.due.insert((active.job.try_at, *transfer));
        }
    }

    /// It has given its slot back, or waits for none any more.
    pub(super) fn leave_queue(&mut self, requester: &PartyId, id: JobId) {
        self.scheduler.done(requester, id);
        self.queued.remove(&(requester.clone(), id));
    }
}
