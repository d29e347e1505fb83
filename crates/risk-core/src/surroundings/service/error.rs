//! Refusals are values; errors are for what cannot be handled, grouped by blame.

use core::fmt;
use port::{ClockBehind, WireError};

/// Granted with what was asked, or declined with the reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Verdict<T> {
    /// No, and why.
    Declined(Refusal),
    /// Yes, and what.
    Granted(T),
}

impl<T> Verdict<T> {
    /// What was granted, if it was.
    pub fn granted(self) -> Option<T> {
        match self {
            Self::Granted(what) => Some(what),
            Self::Declined(_) => None,
        }
    }

    /// Why it was declined, if it was.
    pub const fn declined(&self) -> Option<Refusal> {
        match self {
            Self::Declined(why) => Some(*why),
            Self::Granted(_) => None,
        }
    }
}

/// Why something was not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Refusal {
    /// Another request was made under this id.
    IdReused,
    /// The scan looked forged, or was not known to be current: nothing is learned from it.
    NotBelieved,
    /// The policy has come to cut the week in another way since the scan was judged.
    OtherGrid,
    /// The scan was made while the terminal was lost.
    TerminalLost,
    /// The time for a confirmation is over.
    TooLate,
    /// There is no such request.
    UnknownRequest,
}

impl Refusal {
    /// Stable number, 3200 to 3205.
    pub const fn code(self) -> u32 {
        match self {
            Self::IdReused => 3_200,
            Self::NotBelieved => 3_201,
            Self::TerminalLost => 3_202,
            Self::TooLate => 3_203,
            Self::UnknownRequest => 3_204,
            Self::OtherGrid => 3_205,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::IdReused => "another request was made under this id",
            Self::NotBelieved => "nothing is learned from this scan",
            Self::OtherGrid => "the week is cut in another way now",
            Self::TerminalLost => "the scan was made while the terminal was lost",
            Self::TooLate => "the time for a confirmation is over",
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
    /// Stable number: 3220, 3230 to 3233; a clock error keeps its own.
    pub const fn code(&self) -> u32 {
        match self {
            Self::Clock(why) => why.code(),
            Self::Corrupt(_) => 3_220,
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

impl From<Misuse> for Error {
    fn from(why: Misuse) -> Self {
        Self::Misuse(why)
    }
}

/// What the caller handed over does not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Misuse {
    /// The answers do not fit the questions, or `step` was called after the end.
    Answers,
    /// A scan was placed in the week by another grid than the policy's.
    Grid,
    /// No policy decides yet at this time.
    NoPolicy,
    /// Something would be forgotten too early.
    Retention,
}

impl Misuse {
    /// Stable number, 3230 to 3233.
    pub const fn code(self) -> u32 {
        match self {
            Self::Answers => 3_230,
            Self::Grid => 3_231,
            Self::NoPolicy => 3_232,
            Self::Retention => 3_233,
        }
    }
}

impl fmt::Display for Misuse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Answers => "answers do not fit the questions",
            Self::Grid => "the scan was placed by another grid than the policy's",
            Self::NoPolicy => "no policy decides yet",
            Self::Retention => "requests and profiles would be forgotten too early",
        })
    }
}

impl core::error::Error for Misuse {}
