//! Refusals are values; errors are for what cannot be handled, grouped by blame.

use super::super::{Illegal, Registration, Rejection, Replayed, State, Taken};
use core::fmt;
use port::{ClockBehind, KeyError, WireError};

/// Granted with what was asked, or declined with the reason.
pub type Verdict<T> = crate::Verdict<T, Refusal>;

/// Why something was not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// The samples are not signed by the vehicle's device.
    BadSignature,
    /// Another request was made under this id.
    IdReused,
    /// This change is not foreseen.
    Illegal(Illegal),
    /// The registration was not accepted yet, or is no longer learning.
    NotLearning,
    /// The vehicle is not registered.
    NotRegistered,
    /// The window or trip was not taken.
    NotTaken(Taken),
    /// There is no level.
    Rejected(Rejection),
    /// The samples were sent before.
    Replayed(Replayed),
    /// The registration is over.
    Revoked,
    /// The registration is held.
    Suspended,
    /// There is no such request.
    UnknownRequest,
}

impl Refusal {
    /// Stable number, 3600 to 3616; rejections, replays and illegal changes keep their own.
    pub const fn code(self) -> u32 {
        match self {
            Self::BadSignature => 3_600,
            Self::IdReused => 3_601,
            Self::NotLearning => 3_602,
            Self::NotRegistered => 3_603,
            Self::Revoked => 3_604,
            Self::Suspended => 3_605,
            Self::UnknownRequest => 3_606,
            Self::NotTaken(taken) => taken.code(),
            Self::Illegal(why) => why.code(),
            Self::Rejected(why) => why.code(),
            Self::Replayed(why) => why.code(),
        }
    }

    /// Why nothing is done for a vehicle that is not active or learning.
    pub(super) fn of(registration: Option<&Registration>) -> Self {
        match registration.map(Registration::state) {
            None => Self::NotRegistered,
            Some(State::Suspended(_)) => Self::Suspended,
            Some(State::Revoked) => Self::Revoked,
            Some(State::Applied | State::Learning | State::Active) => {
                Self::Rejected(Rejection::NotReady)
            }
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BadSignature => "the samples are not signed by this vehicle's device",
            Self::IdReused => "another request was made under this id",
            Self::Illegal(why) => return why.fmt(f),
            Self::NotLearning => "this vehicle is not being learned",
            Self::NotRegistered => "this vehicle is not registered",
            Self::NotTaken(_) => "nothing is learned from this trip",
            Self::Rejected(why) => return why.fmt(f),
            Self::Replayed(why) => return why.fmt(f),
            Self::Revoked => "the registration of this vehicle is over",
            Self::Suspended => "the registration of this vehicle is held",
            Self::UnknownRequest => "there is no such request",
        })
    }
}

/// Why a decision could not be concluded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// This instance's clock is behind the stored times.
    Clock(ClockBehind),
    /// Our own stored bytes are not what we wrote.
    Corrupt(WireError),
    /// The caller handed over something that does not fit.
    Misuse(Misuse),
}

impl Error {
    /// Stable number: 3630, 3640 to 3642; a clock error keeps its own.
    pub const fn code(&self) -> u32 {
        match self {
            Self::Clock(why) => why.code(),
            Self::Corrupt(_) => 3_630,
            Self::Misuse(why) => why.code(),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Clock(why) => why.fmt(f),
            Self::Corrupt(_) => f.write_str("a stored row is damaged"),
            Self::Misuse(why) => why.fmt(f),
        }
    }
}

impl core::error::Error for Error {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Corrupt(why) => Some(why),
            Self::Clock(_) | Self::Misuse(_) => None,
        }
    }
}

impl From<WireError> for Error {
    fn from(why: WireError) -> Self {
        Self::Corrupt(why)
    }
}

impl From<ClockBehind> for Error {
    fn from(why: ClockBehind) -> Self {
        Self::Clock(why)
    }
}

impl From<KeyError> for Error {
    fn from(_: KeyError) -> Self {
        Self::Misuse(Misuse::Key)
    }
}

/// What the caller handed over does not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Misuse {
    /// The answers do not fit the questions, or `step` was called after the end.
    Answers,
    /// A key is too long for a store.
    Key,
    /// Something would be forgotten too early.
    Retention,
}

impl Misuse {
    /// Stable number, 3640 to 3642.
    pub const fn code(self) -> u32 {
        match self {
            Self::Answers => 3_640,
            Self::Key => 3_641,
            Self::Retention => 3_642,
        }
    }
}

impl fmt::Display for Misuse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Answers => "answers do not fit the questions",
            Self::Key => "a key is too long",
            Self::Retention => "requests would be forgotten too early",
        })
    }
}

impl core::error::Error for Misuse {}
