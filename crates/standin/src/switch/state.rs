//! What an institution's accounting system is taken for, and why that changed.

use crate::InstitutionId;
use alloc::borrow::Cow;
use alloc::vec;
use bytes::Bytes;
use core::fmt;
use port::Time;
use seal::Audit;

/// What an accounting system is taken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HealthState {
    /// It decides.
    Online,
    /// It decides still, and is watched.
    Suspect,
    /// The stand-in module decides.
    StandIn,
    /// It is back: a share of requests goes to it, and what was decided without it is delivered.
    Draining,
}

impl HealthState {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Online, Self::Suspect, Self::StandIn, Self::Draining];

    /// The word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Online => "online",
            Self::Suspect => "suspect",
            Self::StandIn => "stand-in",
            Self::Draining => "draining",
        }
    }
}

impl fmt::Display for HealthState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// What an operator ordered: it goes before detection, which runs on and decides again after the release.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forced {
    /// The accounting system decides, however it does, also where it signed off: that is forgotten, unless it does so again. A request that it does not answer is still answered by the stand-in module,
    /// since only that leaves a record that squares the books.
    Online,
    /// The stand-in module decides.
    StandIn,
}

/// Why a state changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Cause {
    /// Too many misses in a row.
    Misses,
    /// Too large a share of failures.
    Share,
    /// It answers well again.
    Recovered,
    /// A planned window began.
    PlannedBegin,
    /// The next share of traffic goes back.
    Step,
    /// Everything went back and everything was delivered.
    Drained,
    /// An operator ordered it.
    Operator,
    /// An operator took an order back.
    Release,
    /// The switch started.
    Start,
    /// The accounting system said that it is away.
    SignedOff,
    /// It said that it is back.
    SignedOn,
}

impl Cause {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Misses,
        Self::Share,
        Self::Recovered,
        Self::PlannedBegin,
        Self::Step,
        Self::Drained,
        Self::Operator,
        Self::Release,
        Self::Start,
        Self::SignedOff,
        Self::SignedOn,
    ];

    /// Stable number, 4540 to 4550.
    pub const fn code(self) -> u32 {
        match self {
            Self::Misses => 4_540,
            Self::Share => 4_541,
            Self::Recovered => 4_542,
            Self::PlannedBegin => 4_543,
            Self::Step => 4_544,
            Self::Drained => 4_545,
            Self::Operator => 4_546,
            Self::Release => 4_547,
            Self::Start => 4_548,
            Self::SignedOff => 4_549,
            Self::SignedOn => 4_550,
        }
    }
}

/// A change of one institution's health. Each has an epoch of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transition {
    /// Whose.
    pub institution: InstitutionId,
    /// When.
    pub at: Time,
    /// The state before.
    pub from: HealthState,
    /// The state after; the same as before for a step, for an order, for a sign-on, and for a sign-off of what is away already.
    pub to: HealthState,
    /// What is ordered after it.
    pub forced: Option<Forced>,
    /// The share of requests that goes to the accounting system after it, in basis points.
    pub host_share_bp: u16,
    /// The epoch that begins with it.
    pub epoch: u64,
    /// Why.
    pub cause: Cause,
    /// Who ordered it; empty unless somebody did. At most 64 bytes count.
    pub operator: Bytes,
    /// The reason that was given; empty unless somebody ordered it. At most 200 bytes count.
    pub reason: Bytes,
}

impl Transition {
    /// The record of it: action `standin.switch.` and what it changed to, actor the operator, subject the operator's reason,
    /// correlation the epoch and the institution.
    pub fn audit(&self) -> Audit {
        let action = match (self.cause, self.forced, self.to) {
            (Cause::Operator, Some(Forced::Online), _) => "standin.switch.forced-online",
            (Cause::Operator, _, _) => "standin.switch.forced-stand-in",
            (Cause::Release, _, _) => "standin.switch.released",
            (Cause::Step, _, _) => "standin.switch.step",
            (Cause::SignedOff, _, _) => "standin.switch.signed-off",
            (Cause::SignedOn, _, _) => "standin.switch.signed-on",
            (_, _, HealthState::Online) => "standin.switch.online",
            (_, _, HealthState::Suspect) => "standin.switch.suspect",
            (_, _, HealthState::StandIn) => "standin.switch.stand-in",
            (_, _, HealthState::Draining) => "standin.switch.draining",
        };
        let mut correlation = [0; 16];
        let (epoch, whose) = correlation.split_at_mut(8);
        epoch.copy_from_slice(&self.epoch.to_be_bytes());
        whose.copy_from_slice(&self.institution.as_u64().to_be_bytes());
        Audit {
            at: self.at,
            tenant: self.institution.tenant(),
            action: Cow::Borrowed(action),
            actor: self.operator.slice(..self.operator.len().min(OPERATOR_BYTES_MAX)),
            subject: self.reason.slice(..self.reason.len().min(REASON_BYTES_MAX)),
            reasons: vec![self.cause.code()],
            policy: [0; 32],
            correlation,
        }
    }
}

const OPERATOR_BYTES_MAX: usize = 64;
const REASON_BYTES_MAX: usize = 200;
