//! The journal: the durable record of every stand-in decision, written in the batch that the answer rests on.

use crate::{EntryRef, HostOutcome, Kind, Response, StandInOutcome, TransactionRequest};
use alloc::vec::Vec;
use port::wire::{Reader, Writer};
use port::{Time, WireError};
use sha2::{Digest as _, Sha256};

/// One decision. No card secret is in it: the account is a token, evidence and message code are left out (spec Sd14).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its number within the account, from 1: the order of answers, and of postings (spec Sd6).
    pub seq: u64,
    /// When it was decided.
    pub at: Time,
    /// In which epoch of the institution's health.
    pub epoch: u64,
    /// What is known of the accounting system's own answer.
    pub host: HostOutcome,
    /// What was asked.
    pub request: TransactionRequest,
    /// What was answered.
    pub response: Response,
    /// Why it was declined, as [`crate::Reason::code`]; 0 for an approval, but for an advice that was taken in spite of this check:
    /// somebody should look at it.
    pub reason: u32,
    /// By which rule; 0 where none decided.
    pub rule: u32,
    /// What was added to the account's spending, in minor units of its currency; negative for what gave back.
    pub spent_minor: i64,
    /// The account's spending after it.
    pub spent_after_minor: i64,
    /// Whether it was charged to the initiator's own cap as well as to the institution's.
    pub capped: bool,
    /// The digest of the parameter set.
    pub parameters: [u8; 32],
    /// The link of the account's entry before; zeros for the first.
    pub previous: [u8; 32],
    /// Where its delivery stands. The only field that changes; it is not in the link.
    pub state: EntryState,
}

impl Entry {
    /// What the terminal was told.
    pub const fn outcome(&self) -> StandInOutcome {
        if self.response.is_approval() {
            StandInOutcome::Approved
        } else {
            StandInOutcome::Declined
        }
    }

    /// What is known of the accounting system's own answer, as far as the entry says. A decline waits only where that may have
    /// approved: it may have been asked after the decline was ordered.
    pub(crate) const fn host_by_now(&self) -> HostOutcome {
        match (self.host, self.outcome(), self.state) {
            (HostOutcome::NotAsked, StandInOutcome::Declined, EntryState::Queued) => {
                HostOutcome::Unknown
            }
            (host, ..) => host,
        }
    }

    /// Whether the accounting system may have booked what was declined here: it was not asked when the decline was ordered, and may
    /// have been before that landed. A reversal of what it never booked does no harm.
    pub(crate) const fn may_be_booked(&self) -> bool {
        matches!((self.host, self.outcome()), (HostOutcome::NotAsked, StandInOutcome::Declined))
            && !matches!(self.request.kind, Kind::Inquiry | Kind::Reversal)
    }

    /// How the entry is named.
    pub fn reference(&self) -> EntryRef {
        EntryRef::of(&self.request)
    }

    /// What it added to the exposure of its lane when it was approved. What a reversal, a completion or its delivery took back
    /// since then is in their own rows.
    pub fn charge_minor(&self) -> i64 {
        if self.response.is_approval() { self.spent_minor.max(0) } else { 0 }
    }

    /// SHA-256 over everything but the state of delivery: the next entry of the account holds it.
    ///
    /// # Errors
    /// [`WireError::TooLong`].
    pub fn link(&self) -> Result<[u8; 32], WireError> {
        let mut bytes = Vec::with_capacity(BYTES_USUAL);
        self.parts().write(&mut bytes)?;
        Ok(link(&bytes))
    }

    /// Appends the stored form, specified in `docs/spec/standin.md`.
    ///
    /// # Errors
    /// [`WireError::TooLong`].
    pub fn encode(&self, to: &mut Vec<u8>) -> Result<(), WireError> {
        self.parts().encode(to)
    }

    /// Reads the stored form.
    ///
    /// # Errors
    /// [`WireError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, WireError> {
        let bad = WireError::Invalid;
        let mut reader = Reader::new(bytes);
        reader.version(1)?;
        let state = EntryState::from_u8(reader.u8()?).ok_or(bad)?;
        let entry = Self {
            state,
            seq: reader.u64()?,
            at: Time::from_ms(reader.u64()?),
            epoch: reader.u64()?,
            host: HostOutcome::from_u8(reader.u8()?).ok_or(bad)?,
            reason: reader.u32()?,
            rule: reader.u32()?,
            spent_minor: reader.i64()?,
            spent_after_minor: reader.i64()?,
            capped: match reader.u8()? {
                0 => false,
                1 => true,
                _ => return Err(bad),
            },
            parameters: reader.array()?,
            previous: reader.array()?,
            request: TransactionRequest::read(&mut reader)?,
            response: Response::read(&mut reader)?,
        };
        reader.finish()?;
        Ok(entry)
    }

    const fn parts(&self) -> EntryParts<'_> {
        EntryParts {
            seq: self.seq,
            at: self.at,
            epoch: self.epoch,
            host: self.host,
            request: &self.request,
            response: &self.response,
            reason: self.reason,
            rule: self.rule,
            spent_minor: self.spent_minor,
            spent_after_minor: self.spent_after_minor,
            capped: self.capped,
            parameters: &self.parameters,
            previous: &self.previous,
            state: self.state,
        }
    }
}

/// The parts of an [`Entry`], so that a new one is written without a copy of its request and response.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EntryParts<'a> {
    pub(crate) seq: u64,
    pub(crate) at: Time,
    pub(crate) epoch: u64,
    pub(crate) host: HostOutcome,
    pub(crate) request: &'a TransactionRequest,
    pub(crate) response: &'a Response,
    pub(crate) reason: u32,
    pub(crate) rule: u32,
    pub(crate) spent_minor: i64,
    pub(crate) spent_after_minor: i64,
    pub(crate) capped: bool,
    pub(crate) parameters: &'a [u8; 32],
    pub(crate) previous: &'a [u8; 32],
    pub(crate) state: EntryState,
}

impl EntryParts<'_> {
    /// Appends the stored form, and says where it begins and what its link is. Before it lies what the link needs there, so that
    /// all of it is hashed in one go.
    pub(crate) fn append(&self, bytes: &mut Vec<u8>) -> Result<(usize, [u8; 32]), WireError> {
        let domain_at = bytes.len();
        bytes.extend_from_slice(LINK_DOMAIN);
        let head_end = bytes.len();
        self.write(bytes)?;
        let link = Sha256::digest(bytes.get(domain_at..).unwrap_or_default());
        // The head takes the place of the domain's last bytes.
        let begin = head_end - HEAD_BYTES;
        if let Some(head) = bytes.get_mut(begin..head_end) {
            head.copy_from_slice(&self.head());
        }
        Ok((begin, link.into()))
    }

    fn encode(&self, to: &mut Vec<u8>) -> Result<(), WireError> {
        to.extend_from_slice(&self.head());
        self.write(to)
    }

    /// Version and state stand before what the link covers.
    const fn head(&self) -> [u8; HEAD_BYTES] {
        [1, self.state.as_u8()]
    }

    fn write(&self, to: &mut Vec<u8>) -> Result<(), WireError> {
        Writer::bare(to)
            .u64(self.seq)
            .u64(self.at.as_ms())
            .u64(self.epoch)
            .u8(self.host.as_u8())
            .u32(self.reason)
            .u32(self.rule)
            .i64(self.spent_minor)
            .i64(self.spent_after_minor)
            .u8(u8::from(self.capped))
            .fixed(self.parameters)
            .fixed(self.previous);
        self.request.encode(to)?;
        self.response.encode(to)
    }
}

/// Where the delivery of an entry stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EntryState {
    /// Nothing is owed to the accounting system.
    NotOwed,
    /// To be delivered.
    Queued,
    /// The accounting system posted it.
    Posted,
    /// The accounting system had posted it before.
    AlreadyPosted,
    /// Posted although the account went negative.
    PostedNegative,
    /// It could not be posted; a person has to look.
    Exception,
    /// It could not be posted, and a person dealt with it: posted it by hand, or wrote it off.
    Resolved,
}

impl EntryState {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::NotOwed,
        Self::Queued,
        Self::Posted,
        Self::AlreadyPosted,
        Self::PostedNegative,
        Self::Exception,
        Self::Resolved,
    ];

    /// Whether it waits for delivery.
    pub const fn waits(self) -> bool {
        matches!(self, Self::Queued)
    }

    /// Whether the books may still lack what the terminal was told: its amount counts as exposure (spec: loss budget).
    pub const fn is_out(self) -> bool {
        matches!(self, Self::Queued | Self::Exception)
    }

    pub(crate) const fn as_u8(self) -> u8 {
        self as u8
    }

    pub(crate) fn from_u8(byte: u8) -> Option<Self> {
        Self::ALL.get(usize::from(byte)).copied()
    }
}

fn link(bytes: &[u8]) -> [u8; 32] {
    Sha256::new().chain_update(LINK_DOMAIN).chain_update(bytes).finalize().into()
}

/// Room for an entry as most are.
const BYTES_USUAL: usize = 384;

const LINK_DOMAIN: &[u8] = b"interbank/standin/journal/v1\0";

const HEAD_BYTES: usize = 2;
