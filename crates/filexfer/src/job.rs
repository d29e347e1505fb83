//! A job: what became of a request, step by step.

use crate::request::{optional, optional_hash, put_optional, put_optional_hash};
use crate::{
    Error, Failure, FileName, FileStamp, HopList, JobId, OnConflict, PartyId, Permit, Reason,
    Request, Retry, SignedVerdict,
};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use port::wire::{Reader, Writer};
use port::{CrateTag, Key, Tenant, Time, WireError};

/// A request and where it stands at one site. Its row is written at every step, before anybody learns of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// What was asked for. Every step has the same.
    pub request: Arc<Request>,
    /// Which sites it passed before this one.
    pub hops: HopList,
    /// Where it stands.
    pub state: State,
    /// Since when.
    pub since: Time,
    /// What this site decided; `None` before it did.
    pub verdict: Option<SignedVerdict>,
    /// What the file was when it was judged.
    pub stamp: FileStamp,
    /// The most bytes that may move.
    pub size_max: u64,
    /// The size, as far as it is known.
    pub size: Option<u64>,
    /// The root, as far as it is known.
    pub root: Option<[u8; 32]>,
    /// Under which name it was published; `None` before.
    pub name: Option<FileName>,
    /// Whether this site holds the whole file in its spool.
    pub spooled: bool,
    /// Whether the far end was asked to take it, and may have it by now.
    pub offered: bool,
    /// Which name is tried: 0 for the one that was asked for, otherwise the number of a version.
    pub version: u32,
    /// Failed attempts so far.
    pub attempts: u32,
    /// Not to be tried earlier.
    pub try_at: Time,
}

impl Job {
    /// A request that has arrived.
    pub fn new(now: Time, request: Request, hops: HopList) -> Self {
        let (size, root) = (request.file.size, request.file.root);
        Self {
            request: Arc::new(request),
            hops,
            state: State::Received,
            since: now,
            verdict: None,
            stamp: FileStamp { size: 0, changed: 0, number: 0 },
            size_max: 0,
            size,
            root,
            name: None,
            spooled: false,
            offered: false,
            version: 0,
            attempts: 0,
            try_at: Time::EPOCH,
        }
    }

    /// The job after an event: a plain function of job, clock and event.
    ///
    /// # Errors
    /// [`NotNow`] if nothing of the kind can happen in this state; the caller drops the event.
    pub fn on(&self, now: Time, event: &JobEvent, retry: &Retry) -> Result<Self, NotNow> {
        // Nearly every tick: it is not worth a copy.
        if *event == JobEvent::Tick && !self.is_late(now) {
            return Err(NotNow);
        }
        let mut next = self.clone();
        let state = match (self.state, event) {
            (State::Received, JobEvent::Judged(verdict, permit)) => {
                next.verdict = Some((**verdict).clone());
                match (verdict.verdict.outcome, permit) {
                    (Ok(()), Some(permit)) => {
                        next.stamp = permit.stamp;
                        next.size_max = permit.size_max;
                        State::Accepted
                    }
                    (Err(reason), _) => State::Refused(reason),
                    (Ok(()), None) => return Err(NotNow),
                }
            }
            (State::Accepted, JobEvent::Schedule) => {
                next.try_at = self.request.not_before.unwrap_or(Time::EPOCH);
                State::Scheduled
            }
            (State::Scheduled | State::Transferring, JobEvent::PartyAbsent) => State::Waiting,
            (State::Waiting, JobEvent::PartyPresent) => State::Scheduled,
            (State::Scheduled, JobEvent::Start) if now >= self.try_at => State::Transferring,
            (State::Transferring, JobEvent::Known { size, root }) => {
                if self.root.is_some_and(|known| known != *root)
                    || self.size.is_some_and(|known| known != *size)
                {
                    State::Failed(Failure::FileUnstable)
                } else if *size > self.size_max {
                    State::Failed(Failure::TooLarge)
                } else {
                    next.size = Some(*size);
                    next.root = Some(*root);
                    State::Transferring
                }
            }
            (State::Transferring, JobEvent::AllMoved) if self.root.is_some() => State::Verifying,
            (State::Transferring | State::Verifying, JobEvent::Interrupted { entropy }) => {
                next.attempts = self.attempts.saturating_add(1);
                next.try_at = retry.at(now, next.attempts, *entropy);
                if retry.is_over(next.attempts) {
                    State::Failed(Failure::GaveUp)
                } else {
                    State::Scheduled
                }
            }
            (State::Transferring, JobEvent::Spooled) if self.root.is_some() => {
                next.spooled = true;
                State::Scheduled
            }
            (State::Verifying, JobEvent::NameTaken) => {
                next.version = self.version.max(1).saturating_add(1);
                let may_try = self.request.on_conflict == OnConflict::Version
                    && self.version < VERSIONS_MAX
                    // A long name may have no room for a version.
                    && next.name_to_try().is_ok();
                if may_try {
                    State::Verifying
                } else {
                    next.version = self.version;
                    State::Failed(Failure::NameTaken)
                }
            }
            (State::Verifying, JobEvent::Published { name }) => {
                next.name = Some(name.clone());
                State::Delivered
            }
            (State::Delivered, JobEvent::Acknowledged) => State::Acknowledged,
            (state, JobEvent::Failed(why)) if state.is_under_way() => State::Failed(*why),
            (state, JobEvent::Cancel) if state.is_revocable() => State::Cancelled,
            (state, JobEvent::Tick) if state.is_revocable() => State::Expired,
            _ => return Err(NotNow),
        };
        if state != self.state {
            next.since = now;
        }
        next.state = state;
        Ok(next)
    }

    /// When a tick may matter: at the deadline, or when it may be tried.
    pub fn next_deadline(&self) -> Option<Time> {
        let deadline = self.request.deadline.filter(|_| self.state.is_revocable());
        let start = (self.state == State::Scheduled).then_some(self.try_at);
        deadline.into_iter().chain(start).min()
    }

    /// The name to publish under at present.
    ///
    /// # Errors
    /// [`crate::BadName`]: never for a job that was accepted. It has failed where a version would have no name.
    pub fn name_to_try(&self) -> Result<FileName, crate::BadName> {
        let name = FileName::new(&self.request.file.name)?;
        if self.version == 0 { Ok(name) } else { name.versioned(self.version) }
    }

    /// The name of the job.
    pub fn id(&self) -> &JobId {
        &self.request.id
    }

    /// The key of its row: jobs are the requester's, so that nobody takes another's ids.
    ///
    /// # Errors
    /// [`Error::Misuse`]: never within the bounds of names.
    pub fn key(&self, tenant: Tenant) -> Result<Key, Error> {
        Self::key_of(tenant, &self.request)
    }

    /// The key of the row of a request's job.
    ///
    /// # Errors
    /// As [`Job::key`].
    pub fn key_of(tenant: Tenant, request: &Request) -> Result<Key, Error> {
        Self::key_by(tenant, &request.requester, &request.id)
    }

    /// The same for the request that a party made under an id.
    ///
    /// # Errors
    /// As [`Job::key`].
    pub fn key_by(tenant: Tenant, requester: &PartyId, id: &JobId) -> Result<Key, Error> {
        Ok(Self::table(tenant).text(requester.as_str().as_bytes())?.raw(&id.0)?)
    }

    /// The prefix of all jobs.
    pub fn table(tenant: Tenant) -> Key {
        Key::new(CrateTag::FILEXFER, tenant, JOBS)
    }

    /// Appends the stored form, version 1.
    ///
    /// # Errors
    /// [`WireError::TooLong`].
    pub fn encode(&self, bytes: &mut Vec<u8>) -> Result<(), WireError> {
        let mut request = Vec::with_capacity(256);
        self.request.encode(&mut request)?;
        let mut verdict = Vec::with_capacity(256);
        if let Some(signed) = &self.verdict {
            signed.encode(&mut verdict)?;
        }
        let mut to = Writer::new(bytes, 1);
        to.lp16(&request)?;
        self.hops.write(&mut to)?;
        to.fixed(&self.state.to_bytes()).u64(self.since.as_ms()).lp16(&verdict)?;
        to.u64(self.stamp.size).u64(self.stamp.changed).u64(self.stamp.number);
        to.u64(self.size_max);
        put_optional(&mut to, self.size);
        put_optional_hash(&mut to, self.root.as_ref());
        to.lp16(self.name.as_ref().map_or("", FileName::as_str).as_bytes())?
            .u8(u8::from(self.spooled) | u8::from(self.offered) << 1)
            .u32(self.version)
            .u32(self.attempts)
            .u64(self.try_at.as_ms());
        Ok(())
    }

    /// Reads the stored form.
    ///
    /// # Errors
    /// [`WireError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, WireError> {
        let mut from = Reader::new(bytes);
        from.version(1)?;
        let request = Request::parse(from.lp16()?)?;
        let hops = HopList::read(&mut from)?;
        let state = State::from_bytes(from.array()?)?;
        let since = Time::from_ms(from.u64()?);
        let verdict = match from.lp16()? {
            [] => None,
            signed => Some(SignedVerdict::parse(signed)?),
        };
        let stamp = FileStamp { size: from.u64()?, changed: from.u64()?, number: from.u64()? };
        let size_max = from.u64()?;
        let size = optional(&mut from)?;
        let root = optional_hash(&mut from)?;
        let name = match Reader::text(from.lp16()?)? {
            "" => None,
            name => Some(FileName::new(name).map_err(|_| WireError::Invalid)?),
        };
        let flags = from.u8()?;
        if flags > 3 {
            return Err(WireError::Invalid);
        }
        let (spooled, offered) = (flags & 1 != 0, flags & 2 != 0);
        let version = from.u32()?;
        let attempts = from.u32()?;
        let try_at = Time::from_ms(from.u64()?);
        from.finish()?;
        Ok(Self {
            request: Arc::new(request),
            hops,
            state,
            since,
            verdict,
            stamp,
            size_max,
            size,
            root,
            name,
            spooled,
            offered,
            version,
            attempts,
            try_at,
        })
    }

    fn is_late(&self, now: Time) -> bool {
        self.request.deadline.is_some_and(|deadline| now >= deadline)
    }
}

/// Where a job stands (spec: Job states).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// Arrived, not judged.
    Received,
    /// Not legitimate; final.
    Refused(Reason),
    /// Legitimate.
    Accepted,
    /// Waits for its time and its turn.
    Scheduled,
    /// Waits for a party that is not there.
    Waiting,
    /// Its bytes move.
    Transferring,
    /// All bytes are there and verified; it is being published.
    Verifying,
    /// Published under its name.
    Delivered,
    /// The requester knows; final.
    Acknowledged,
    /// It did not work; final.
    Failed(Failure),
    /// Called off; final.
    Cancelled,
    /// Not delivered by its deadline; final.
    Expired,
}

impl State {
    /// Whether nothing happens any more.
    pub const fn is_final(self) -> bool {
        matches!(
            self,
            Self::Refused(_)
                | Self::Acknowledged
                | Self::Failed(_)
                | Self::Cancelled
                | Self::Expired
        )
    }

    /// Whether a file is visible at the destination.
    pub const fn is_delivered(self) -> bool {
        matches!(self, Self::Delivered | Self::Acknowledged)
    }

    /// Accepted, and neither delivered nor over.
    pub const fn is_under_way(self) -> bool {
        matches!(
            self,
            Self::Accepted | Self::Scheduled | Self::Waiting | Self::Transferring | Self::Verifying
        )
    }

    /// Whether it can still be called off: while it is published it cannot, since nobody could say whether it was.
    pub const fn is_revocable(self) -> bool {
        matches!(
            self,
            Self::Received | Self::Accepted | Self::Scheduled | Self::Waiting | Self::Transferring
        )
    }

    pub(crate) const fn to_bytes(self) -> [u8; 3] {
        match self {
            Self::Received => [1, 0, 0],
            Self::Refused(reason) => [2, reason.as_u8(), 0],
            Self::Accepted => [3, 0, 0],
            Self::Scheduled => [4, 0, 0],
            Self::Waiting => [5, 0, 0],
            Self::Transferring => [6, 0, 0],
            Self::Verifying => [7, 0, 0],
            Self::Delivered => [8, 0, 0],
            Self::Acknowledged => [9, 0, 0],
            Self::Failed(why) => {
                let [kind, detail] = why.to_bytes();
                [10, kind, detail]
            }
            Self::Cancelled => [11, 0, 0],
            Self::Expired => [12, 0, 0],
        }
    }

    pub(crate) fn from_bytes(bytes: [u8; 3]) -> Result<Self, WireError> {
        Ok(match bytes {
            [1, 0, 0] => Self::Received,
            [2, reason, 0] => Self::Refused(Reason::from_u8(reason)?),
            [3, 0, 0] => Self::Accepted,
            [4, 0, 0] => Self::Scheduled,
            [5, 0, 0] => Self::Waiting,
            [6, 0, 0] => Self::Transferring,
            [7, 0, 0] => Self::Verifying,
            [8, 0, 0] => Self::Delivered,
            [9, 0, 0] => Self::Acknowledged,
            [10, kind, detail] => Self::Failed(Failure::from_bytes([kind, detail])?),
            [11, 0, 0] => Self::Cancelled,
            [12, 0, 0] => Self::Expired,
            _ => return Err(WireError::Invalid),
        })
    }
}

/// What can happen to a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JobEvent {
    /// It was judged; a permit if it is legitimate.
    Judged(alloc::boxed::Box<SignedVerdict>, Option<alloc::boxed::Box<Permit>>),
    /// Its verdict is known to the requester as far as this site can make it so.
    Schedule,
    /// A party that it needs is not there.
    PartyAbsent,
    /// That party is there.
    PartyPresent,
    /// Its turn has come.
    Start,
    /// Size and root became known.
    Known {
        /// The size in bytes.
        size: u64,
        /// The root.
        root: [u8; 32],
    },
    /// All groups are verified and durable.
    AllMoved,
    /// The attempt broke off; it is tried again after a wait that `entropy` spreads.
    Interrupted {
        /// Randomness of the caller.
        entropy: u64,
    },
    /// This site holds all of it in its spool; the way on is another attempt.
    Spooled,
    /// The name that was tried is taken by other content.
    NameTaken,
    /// It is visible under this name.
    Published {
        /// The name.
        name: FileName,
    },
    /// The requester has acknowledged the result.
    Acknowledged,
    /// It cannot work.
    Failed(Failure),
    /// It is called off.
    Cancel,
    /// Time passed.
    Tick,
}

/// Nothing of the kind can happen to the job now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotNow;

impl NotNow {
    /// Stable number: 5017.
    pub const fn code(self) -> u32 {
        5_017
    }
}

impl fmt::Display for NotNow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the job does not allow this in its present state")
    }
}

impl core::error::Error for NotNow {}

const JOBS: u8 = 1;
pub(crate) const VERSIONS_MAX: u32 = 10_000;
