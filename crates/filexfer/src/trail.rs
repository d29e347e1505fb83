//! The audit trail: records linked by hashes, stored with what they are about.

use crate::{Error, Job, State};
use alloc::vec::Vec;
use bytes::Bytes;
use core::fmt;
use port::wire::{Reader, Writer};
use port::{Batch, CrateTag, Expect, Key, Tenant, Time, WireError};
use seal::{Audit, AuditChain, Head};

/// Appends audit records to the batches that they are about, each linked to the one before (Fd14).
///
/// A record is a row: the link, then the record. The newest link is a row of its own that every batch with a record requires
/// unchanged since the last one, so that two instances cannot both go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trail {
    tenant: Tenant,
    chain: AuditChain,
}

impl Trail {
    /// An empty trail.
    pub fn new(tenant: Tenant) -> Self {
        Self { tenant, chain: AuditChain::new() }
    }

    /// Goes on from the stored head.
    ///
    /// # Errors
    /// [`Error::Corrupt`].
    pub fn resume(tenant: Tenant, head: Option<&[u8]>) -> Result<Self, Error> {
        let Some(bytes) = head else { return Ok(Self::new(tenant)) };
        let head = parse_head(bytes).map_err(Error::Corrupt)?;
        Ok(Self { tenant, chain: AuditChain::resume(head) })
    }

    /// Adds a record to a batch. The head goes into the batch once, by [`Trail::seal`].
    ///
    /// # Errors
    /// [`Error::Corrupt`] for a record beyond its form; nothing was added.
    pub fn record(&mut self, batch: &mut Batch, record: &Audit) -> Result<(), Error> {
        let number = self.chain.head().count;
        let mut row = Vec::with_capacity(200);
        let mut body = Vec::with_capacity(160);
        record.encode(&mut body).map_err(Error::Corrupt)?;
        let link = self.chain.update(record).map_err(Error::Corrupt)?;
        Writer::new(&mut row, 1).fixed(&link).fixed(&body);
        batch.put(record_key(self.tenant, number)?, Expect::Absent, row);
        Ok(())
    }

    /// Adds the new head to a batch.
    pub fn seal(&self, batch: &mut Batch, expect: Expect) {
        let mut row = Vec::with_capacity(41);
        let Head { link, count } = self.chain.head();
        Writer::new(&mut row, 1).fixed(&link).u64(count);
        batch.put(Self::head_key(self.tenant), expect, row);
    }

    /// Where the trail stands: sign it or publish it now and then, and nobody can change what lies before.
    pub const fn head(&self) -> Head {
        self.chain.head()
    }

    /// The row of the head.
    pub fn head_key(tenant: Tenant) -> Key {
        Key::new(CrateTag::FILEXFER, tenant, HEAD)
    }

    /// The prefix of the records, in order.
    pub fn table(tenant: Tenant) -> Key {
        Key::new(CrateTag::FILEXFER, tenant, RECORDS)
    }

    /// Checks records in the order of their rows against a head that is known to be right. Of a long trail [`TrailCheck`] does it
    /// without collecting the records.
    ///
    /// # Errors
    /// [`Tampered`]: the first record that is not what was written, or that is missing.
    pub fn verify<'a>(
        rows: impl IntoIterator<Item = &'a [u8]>,
        head: Head,
    ) -> Result<Vec<Audit>, Tampered> {
        let mut check = TrailCheck::new();
        let records = rows.into_iter().map(|row| check.row(row)).collect::<Result<Vec<_>, _>>()?;
        check.finish(head)?;
        Ok(records)
    }
}

/// Checks a trail of any length record by record, in the memory of one.
///
/// Read the head first: what is recorded while records are read lies behind it, and is not part of what is checked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrailCheck {
    chain: AuditChain,
}

impl TrailCheck {
    /// Before the first record.
    pub fn new() -> Self {
        Self::default()
    }

    /// The next record, by its row.
    ///
    /// # Errors
    /// [`Tampered`]: it is not what was written, or one before it is missing.
    pub fn row(&mut self, row: &[u8]) -> Result<Audit, Tampered> {
        let number = self.records();
        let (link, record) = parse_record(row).map_err(|_| Tampered { number })?;
        if self.chain.update(&record) != Ok(link) {
            return Err(Tampered { number });
        }
        Ok(record)
    }

    /// How many records were right.
    pub const fn records(&self) -> u64 {
        self.chain.head().count
    }

    /// That was all up to a head that is known to be right.
    ///
    /// # Errors
    /// [`Tampered`]: records at the end are missing, or all of them are others.
    pub fn finish(self, head: Head) -> Result<(), Tampered> {
        if self.chain.head() == head { Ok(()) } else { Err(Tampered { number: self.records() }) }
    }
}

/// The record of a job's step: who asked, on what, why, under which rules, with the content's root.
pub(crate) fn record_of(job: &Job, tenant: Tenant) -> Audit {
    let reasons = match job.state {
        State::Refused(reason) => alloc::vec![reason.code()],
        State::Failed(why) => alloc::vec![why.code()],
        _ => Vec::new(),
    };
    let mut subject = Vec::with_capacity(48);
    subject.extend_from_slice(&job.request.id.0);
    subject.extend_from_slice(&job.root.unwrap_or_default());
    let rules = job.verdict.as_ref().map(|signed| signed.verdict.rules.digest);
    Audit {
        at: job.since,
        tenant,
        action: action(job.state).into(),
        actor: Bytes::copy_from_slice(job.request.requester.as_str().as_bytes()),
        subject: subject.into(),
        reasons,
        policy: rules.unwrap_or_default(),
        correlation: job.request.id.0,
    }
}

/// The record of a hand-over: who should have the file has it.
pub(crate) fn hand_over_record(now: Time, job: &Job, tenant: Tenant) -> Audit {
    let actor = Bytes::copy_from_slice(job.request.destination.as_bytes());
    let action = "filexfer.job.handed_over".into();
    Audit { at: now, action, actor, reasons: Vec::new(), ..record_of(job, tenant) }
}

/// The record before the first missing or changed one is the last that can be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tampered {
    /// The number of the record, from 0.
    pub number: u64,
}

impl Tampered {
    /// Stable number: 5090.
    pub const fn code(self) -> u32 {
        5_090
    }
}

impl fmt::Display for Tampered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "record {} is not what was written", self.number)
    }
}

impl core::error::Error for Tampered {}

const fn action(state: State) -> &'static str {
    match state {
        State::Received => "filexfer.job.received",
        State::Refused(_) => "filexfer.job.refused",
        State::Accepted => "filexfer.job.accepted",
        State::Scheduled => "filexfer.job.scheduled",
        State::Waiting => "filexfer.job.waiting",
        State::Transferring => "filexfer.job.transferring",
        State::Verifying => "filexfer.job.verifying",
        State::Delivered => "filexfer.job.delivered",
        State::Acknowledged => "filexfer.job.acknowledged",
        State::Failed(_) => "filexfer.job.failed",
        State::Cancelled => "filexfer.job.cancelled",
        State::Expired => "filexfer.job.expired",
    }
}

fn record_key(tenant: Tenant, number: u64) -> Result<Key, Error> {
    Ok(Trail::table(tenant).number(number)?)
}

fn parse_head(bytes: &[u8]) -> Result<Head, WireError> {
    let mut from = Reader::new(bytes);
    from.version(1)?;
    let head = Head { link: from.array()?, count: from.u64()? };
    from.finish()?;
    Ok(head)
}

fn parse_record(row: &[u8]) -> Result<([u8; 32], Audit), WireError> {
    let mut from = Reader::new(row);
    from.version(1)?;
    let link = from.array()?;
    Ok((link, Audit::parse(from.rest())?))
}

const HEAD: u8 = 2;
const RECORDS: u8 = 3;
