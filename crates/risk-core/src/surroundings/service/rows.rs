//! Which rows there are, and what is in them.

use super::super::{Assessment, Nonce, Scan, TerminalId};
use super::{Error, Misuse, RequestId};
use crate::rows::{self, fit};
pub(super) use crate::rows::{next, table};
use alloc::vec::Vec;
use bytes::Bytes;
use port::wire::{Reader, Writer};
use port::{Answers, Key, Row, Tenant, Time, WireError};

/// Terminals: name.
pub(super) const TERMINAL: u8 = 0x20;
/// Open challenges: terminal.
pub(super) const CHALLENGE: u8 = 0x21;
/// Profiles: terminal, period.
pub(super) const PROFILE: u8 = 0x22;
/// Histories: terminal, period.
pub(super) const HISTORY: u8 = 0x23;
/// Requests: terminal, id.
pub(super) const REQUEST: u8 = 0x24;

/// The row of a terminal, or what all its rows of a table start with.
pub(super) fn of(tenant: Tenant, number: u8, terminal: &TerminalId) -> Key {
    rows::of(tenant, number, terminal.as_bytes())
}

pub(super) fn of_period(tenant: Tenant, number: u8, terminal: &TerminalId, period: u16) -> Key {
    fit(of(tenant, number, terminal).raw(&period.to_be_bytes()))
}

pub(super) fn request(tenant: Tenant, terminal: &TerminalId, id: &RequestId) -> Key {
    fit(of(tenant, REQUEST, terminal).raw(id))
}

/// The profile beside a history.
pub(super) fn beside(tenant: Tenant, history: &Key) -> Key {
    let parts = history.as_bytes().get(Key::HEAD_BYTES..).unwrap_or_default();
    fit(table(tenant, PROFILE).raw(parts))
}

/// The row at a position of the answers.
pub(super) fn point(answers: &Answers, at: usize) -> Result<Option<&Row>, Error> {
    answers.rows.points.get(at).map(Option::as_ref).ok_or(Error::Misuse(Misuse::Answers))
}

/// One terminal: when it was lost, and which scans it was last judged by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct TerminalRow {
    /// Scans made in this time are not believed; without an end, the terminal is lost now.
    pub(super) lost: Option<(Time, Option<Time>)>,
    /// Fingerprints of the last scans, oldest first.
    pub(super) marks: Vec<u64>,
}

impl TerminalRow {
    const MARKS_MAX: usize = 8;

    pub(super) fn of(row: Option<&Row>) -> Result<Self, Error> {
        row.map_or_else(|| Ok(Self::default()), |row| Ok(Self::parse(&row.value)?))
    }

    pub(super) fn is_lost(&self) -> bool {
        matches!(self.lost, Some((_, None)))
    }

    /// Whether it was lost when a scan was made.
    pub(super) fn was_lost(&self, at: Time) -> bool {
        self.lost.is_some_and(|(from, until)| at >= from && until.is_none_or(|until| at < until))
    }

    pub(super) fn mark(&mut self, fingerprint: u64) {
        if self.marks.len() >= Self::MARKS_MAX {
            self.marks.remove(0);
        }
        self.marks.push(fingerprint);
    }

    pub(super) fn encode(&self) -> Bytes {
        let mut bytes = Vec::with_capacity(20 + 8 * self.marks.len());
        let mut writer = Writer::new(&mut bytes, 1);
        match self.lost {
            None => writer.u8(0),
            Some((from, None)) => writer.u8(1).u64(from.as_ms()),
            Some((from, Some(until))) => writer.u8(2).u64(from.as_ms()).u64(until.as_ms()),
        };
        // at most 8
        writer.u8(u8::try_from(self.marks.len()).unwrap_or(u8::MAX));
        self.marks.iter().for_each(|mark| {
            writer.u64(*mark);
        });
        bytes.into()
    }

    fn parse(bytes: &[u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(bytes);
        reader.version(1)?;
        let lost = match reader.u8()? {
            0 => None,
            1 => Some((Time::from_ms(reader.u64()?), None)),
            2 => Some((Time::from_ms(reader.u64()?), Some(Time::from_ms(reader.u64()?)))),
            _ => return Err(WireError::Invalid),
        };
        let count = usize::from(reader.u8()?);
        if count > Self::MARKS_MAX {
            return Err(WireError::TooLong);
        }
        let marks = (0..count).map(|_| reader.u64()).collect::<Result<_, _>>()?;
        reader.finish()?;
        Ok(Self { lost, marks })
    }
}

/// An open challenge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ChallengeRow {
    pub(super) nonce: Nonce,
    pub(super) set: Time,
    pub(super) expires: Time,
}

impl ChallengeRow {
    pub(super) fn encode(&self) -> Bytes {
        let mut bytes = Vec::with_capacity(33);
        Writer::new(&mut bytes, 1)
            .fixed(&self.nonce.0)
            .u64(self.set.as_ms())
            .u64(self.expires.as_ms());
        bytes.into()
    }

    pub(super) fn parse(bytes: &[u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(bytes);
        reader.version(1)?;
        let nonce = Nonce(reader.array()?);
        let (set, expires) = (Time::from_ms(reader.u64()?), Time::from_ms(reader.u64()?));
        reader.finish()?;
        Ok(Self { nonce, set, expires })
    }
}

/// What a request came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RequestRow {
    /// Tells the request from another one under the same id.
    pub(super) body: [u8; 16],
    pub(super) at: Time,
    /// `None` where it was learned without being judged.
    pub(super) assessment: Option<Assessment>,
    pub(super) state: RequestState,
}

/// Where a request stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum RequestState {
    /// Judged; its scan waits for the confirmation.
    Open(Scan),
    /// Confirmed, and its scan learned or, as an older one, left out.
    Confirmed { learned: bool },
}

impl RequestRow {
    pub(super) fn encode(&self) -> Bytes {
        let mut bytes = Vec::with_capacity(512);
        let mut writer = Writer::new(&mut bytes, 1);
        writer.fixed(&self.body).u64(self.at.as_ms());
        match &self.assessment {
            None => {
                writer.u8(0);
            }
            Some(assessment) => assessment.encode(writer.u8(1)),
        }
        match &self.state {
            RequestState::Open(scan) => scan.encode(writer.u8(0)),
            RequestState::Confirmed { learned } => {
                writer.u8(1).u8(u8::from(*learned));
            }
        }
        bytes.into()
    }

    pub(super) fn parse(bytes: &[u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(bytes);
        reader.version(1)?;
        let (body, at) = (reader.array()?, Time::from_ms(reader.u64()?));
        let assessment = match reader.u8()? {
            0 => None,
            1 => Some(Assessment::read(&mut reader)?),
            _ => return Err(WireError::Invalid),
        };
        let state = match reader.u8()? {
            0 => RequestState::Open(Scan::read(&mut reader)?),
            1 => RequestState::Confirmed { learned: reader.flag()? },
            _ => return Err(WireError::Invalid),
        };
        reader.finish()?;
        Ok(Self { body, at, assessment, state })
    }
}
