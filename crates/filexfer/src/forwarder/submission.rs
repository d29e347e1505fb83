//! Requests: who may ask, the judgement, its signature, the answer.

use super::Forwarder;
use super::active::Active;
use super::event::ForwarderEvent;
use super::judging::spool_bytes;
use super::rows::{Next, Reading};
use super::steps::row;
use crate::trail::record_of;
use crate::{
    End, Error, FileMetadata, FileStamp, HopList, Job, JobEvent, Known, Legitimacy, Message,
    Misuse, PartyId, Permit, Reason, Request, SignedVerdict, TransferId, Verdict, Work,
};
use alloc::boxed::Box;
use alloc::vec::Vec;
use bytes::Bytes;
use port::{Effect, KeyAnswer, Peer, ReadSet, Rows, Time};

/// A request that is not judged yet.
#[derive(Clone, Debug)]
pub(super) struct Pending {
    pub(super) from: Peer,
    pub(super) request: Request,
    pub(super) hops: HopList,
    pub(super) file: Option<(u64, [u8; 32])>,
    /// It had a standing: its signature need not be compared again.
    pub(super) stood: bool,
}

impl Forwarder {
    pub(super) fn on_submit(
        &mut self,
        now: Time,
        from: &Peer,
        pending: Pending,
    ) -> Result<(), Error> {
        let expected = match pending.hops.last() {
            None => pending.request.requester.as_str(),
            Some(site) => self.registry.forwarder(site).map_or("", PartyId::as_str),
        };
        if from.as_str() != expected {
            return Err(Error::Stranger);
        }
        let transfer = pending.request.transfer()?;
        if pending.hops.has(self.registry.site()) {
            // What came back is refused, and leaves the job that is under way alone.
            if self.is_being_judged(&transfer) {
                return Ok(());
            }
            self.pending.insert(transfer, pending);
            return self.decide(now, transfer, Err(Reason::Loop));
        }
        // It is answered once its verdict is durable: what is told before that could be forgotten.
        if self.is_being_judged(&transfer) {
            return Ok(());
        }
        if let Some(active) = self.jobs.get_mut(&transfer) {
            active.heard(now, self.config.patience_ms);
            let verdict = active.job.verdict.clone();
            return self.answer(from.clone(), verdict);
        }
        let is_full = self.journal()?.is_full();
        if is_full || self.jobs.len() + self.pending.len() >= self.config.jobs_max {
            return Err(Error::Busy);
        }
        let key = Job::key_of(self.config.tenant, &pending.request)?;
        if !self.judging.begin(transfer, &pending.request) {
            return Ok(());
        }
        self.pending.insert(transfer, pending);
        self.read(Reading::Earlier(transfer), ReadSet::points([key]));
        Ok(())
    }

    /// It is not judged yet, or its verdict is not durable yet.
    fn is_being_judged(&self, transfer: &TransferId) -> bool {
        self.pending.contains_key(transfer) || self.recording.contains(transfer)
    }

    /// What the store knows of this request, or of another under its id.
    pub(super) fn on_earlier(
        &mut self,
        now: Time,
        transfer: TransferId,
        rows: Rows,
    ) -> Result<(), Error> {
        let Some(pending) = self.pending.get(&transfer).cloned() else { return Ok(()) };
        if let Some(Some(row)) = rows.points.first() {
            let job = Job::parse(&row.value).map_err(Error::Corrupt)?;
            self.pending.remove(&transfer);
            if job.request.transfer()? == transfer {
                self.judging.end(&transfer);
                return self.answer(pending.from, job.verdict);
            }
            // The id is taken. That is told only to who would be told anything: the whole judgement, with this known.
            return self.refuse_duplicate(now, transfer, pending);
        }
        let legitimacy = Legitimacy::new(&self.registry, self.config.limits);
        match legitimacy.standing(&pending.request, &pending.hops, now) {
            Err(reason) => self.decide(now, transfer, Err(reason)),
            Ok(standing) => {
                let (source, name) = (standing.route().source.clone(), standing.name().clone());
                if let Some(pending) = self.pending.get_mut(&transfer) {
                    pending.stood = true;
                }
                match source {
                    End::FileSystem { store, .. } => {
                        self.works.push_back(Work::Look { transfer, store, name });
                        Ok(())
                    }
                    // The client describes its file once it is asked, the other site has done so.
                    End::Client { .. } | End::Site(_) => {
                        let file = described(&pending);
                        self.judge(now, &transfer, Some(&file))
                    }
                }
            }
        }
    }

    pub(super) fn refuse_duplicate(
        &mut self,
        now: Time,
        transfer: TransferId,
        pending: Pending,
    ) -> Result<(), Error> {
        let legitimacy = Legitimacy::new(&self.registry, self.config.limits);
        let standing = legitimacy.standing(&pending.request, &pending.hops, now);
        self.pending.insert(transfer, pending);
        let reason = standing.err().unwrap_or(Reason::Duplicate);
        self.decide(now, transfer, Err(reason))
    }

    /// The answer to [`Work::Look`].
    ///
    /// # Errors
    /// [`Error`].
    pub fn looked(
        &mut self,
        now: Time,
        transfer: &TransferId,
        file: Option<&FileMetadata>,
    ) -> Result<(), Error> {
        let now = self.see(now)?;
        self.judge(now, transfer, file)?;
        self.pump(now)
    }

    pub(super) fn judge(
        &mut self,
        now: Time,
        transfer: &TransferId,
        file: Option<&FileMetadata>,
    ) -> Result<(), Error> {
        let spool_left = self.spool_left();
        let Some(pending) = self.pending.get(transfer) else { return Ok(()) };
        let legitimacy = Legitimacy::new(&self.registry, self.config.limits);
        let (request, hops) = (&pending.request, &pending.hops);
        let standing = if pending.stood {
            legitimacy.standing_still(request, hops, now)
        } else {
            legitimacy.standing(request, hops, now)
        };
        let permit = standing.and_then(|standing| {
            let is_spooled = !matches!(standing.route().sink, End::FileSystem { .. });
            let quota_left = if is_spooled { spool_left } else { u64::MAX };
            let known = Known { is_other_request: false, quota_left };
            standing.judge(&pending.request, now, file, &known)
        });
        self.decide(now, *transfer, permit)
    }

    pub(super) fn spool_left(&mut self) -> u64 {
        let taken = self.jobs.spooled().saturating_add(self.judging.bytes());
        self.config.spool_bytes.saturating_sub(taken)
    }

    /// Whether the spool takes what a job's file is larger than it was known to be.
    pub(super) fn has_room_in_spool(&mut self, transfer: &TransferId, size: u64) -> bool {
        let spooled = self.jobs.get(transfer).filter(|active| !active.sinks_here());
        let more = spooled.map_or(0, |active| size.saturating_sub(active.spool_bytes()));
        more <= self.spool_left()
    }

    pub(super) fn decide(
        &mut self,
        now: Time,
        transfer: TransferId,
        permit: Result<Permit, Reason>,
    ) -> Result<(), Error> {
        let Some(pending) = self.pending.get(&transfer) else { return Ok(()) };
        if let Ok(permit) = &permit {
            let size = pending.file.map(|(size, _)| size).or(pending.request.file.size);
            self.judging.promise(transfer, spool_bytes(permit, size));
        }
        let verdict = Verdict {
            request: pending.request.digest()?,
            id: pending.request.id,
            site: self.registry.site().clone(),
            outcome: permit.as_ref().map(|_| ()).map_err(|reason| *reason),
            rules: self.rules,
            at: now,
        };
        let question = verdict.question(self.config.key.0)?;
        let ticket = self.ticket();
        self.verdicts.insert(ticket, (transfer, verdict, permit.ok().map(Box::new)));
        self.effects.push_back(Effect::Ask { ticket, questions: alloc::vec![question] });
        Ok(())
    }

    pub(super) fn on_verdict(
        &mut self,
        now: Time,
        asked: (TransferId, Verdict, Option<Box<Permit>>),
        answer: Option<KeyAnswer>,
    ) -> Result<(), Error> {
        let (transfer, verdict, permit) = asked;
        let Some(pending) = self.pending.remove(&transfer) else { return Ok(()) };
        // Its job counts from here.
        self.judging.keep(&transfer);
        // Without a signature there is no answer; the requester asks again.
        let Some(KeyAnswer::Signature(signature)) = answer else {
            self.judging.end(&transfer);
            return Ok(());
        };
        let signed = SignedVerdict { verdict, signature };
        let is_anothers = matches!(signed.verdict.outcome, Err(Reason::Duplicate | Reason::Loop));
        let frame = Message::Answer(signed.clone()).to_frame()?;
        let event = ForwarderEvent::Judged(signed.clone());
        let sent = Next::Send(pending.from, frame);
        let mut then = alloc::vec![sent, Next::Tell(event), Next::Judged(transfer)];
        let mut job = Job::new(now, pending.request, pending.hops);
        if let Some((size, root)) = pending.file {
            (job.size, job.root) = (Some(size), Some(root));
        }
        let route = permit.as_ref().map(|permit| permit.route.clone());
        let judged = JobEvent::Judged(Box::new(signed), permit);
        let job = job.on(now, &judged, &self.config.retry).map_err(|_| Misuse::NotAsked)?;
        let mut rows = Vec::new();
        // The row under that id is another's: a former request's, or of the first time that this one came by.
        if !is_anothers {
            rows.push((job.key(self.config.tenant)?, Some(row(&job)?)));
        }
        let record = record_of(&job, self.config.tenant);
        if let Some(route) = route {
            let key = job.key(self.config.tenant)?;
            let index = Bytes::copy_from_slice(key.as_bytes());
            rows.push((self.open_key(&transfer)?, Some(index)));
            then.push(Next::Accepted(transfer));
            self.jobs.insert(transfer, Active::new(job, route));
        }
        self.journal()?.add(rows, alloc::vec![record], then);
        self.recording.insert(transfer);
        Ok(())
    }

    pub(super) fn answer(&mut self, to: Peer, verdict: Option<SignedVerdict>) -> Result<(), Error> {
        if let Some(verdict) = verdict {
            let frame = Message::Answer(verdict).to_frame()?;
            self.effects.push_back(Effect::Send { to, frame });
        }
        Ok(())
    }
}

/// What is taken for granted of a file at a far end: its own site has looked, or it will say. Until then it is what the
/// request says, which is held against it later.
pub(super) fn described(pending: &Pending) -> FileMetadata {
    let (file, asked) = (pending.file, &pending.request.file);
    FileMetadata {
        kind: crate::FileKind::Regular,
        class: asked.class.clone(),
        size: file.map_or(asked.size, |(size, _)| Some(size)),
        root: file.map_or(asked.root, |(_, root)| Some(root)),
        is_being_written: false,
        is_stream: pending.file.is_none(),
        stamp: FileStamp::default(),
    }
}
