//! What cannot be handled at all, grouped by blame.

use core::fmt;
use port::{ClockBehind, KeyError, KeyRefusal, MoneyError, WireError};

/// Why a decision could not be concluded, or input could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// Our own stored bytes are not what we wrote.
    Corrupt(WireError),
    /// This instance's clock is behind the stored times.
    Clock(ClockBehind),
    /// The key holder refuses what the decision needs.
    Keys(KeyRefusal),
    /// The caller handed over something that does not fit.
    Misuse(Misuse),
}

impl Error {
    /// Stable number, 2020 to 2049; a clock error keeps its own.
    pub const fn code(&self) -> u32 {
        match self {
            Self::Corrupt(_) => 2_020,
            Self::Keys(_) => 2_021,
            Self::Clock(why) => why.code(),
            Self::Misuse(why) => why.code(),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Corrupt(_) => f.write_str("a stored row is damaged"),
            Self::Clock(why) => why.fmt(f),
            Self::Keys(_) => f.write_str("the key holder refuses"),
            Self::Misuse(why) => why.fmt(f),
        }
    }
}

impl core::error::Error for Error {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Corrupt(why) => Some(why),
            Self::Keys(why) => Some(why),
            Self::Clock(_) | Self::Misuse(_) => None,
        }
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

impl From<KeyError> for Error {
    fn from(_: KeyError) -> Self {
        Self::Misuse(Misuse::TooLong)
    }
}

/// What the caller handed over does not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Misuse {
    /// The amount is not positive, or its currency is `XXX`.
    Amount,
    /// The answers do not fit the questions, or `step` was called after the end.
    Answers,
    /// An identifier is empty, too long, or has characters other than `0-9 A-Z a-z . _ : -`.
    Identifier,
    /// A policy value is out of its range.
    Policy,
    /// A text is empty, too long, or has control characters.
    Text,
    /// A part is longer than its form allows.
    TooLong,
}

impl Misuse {
    /// Stable number, 2030 to 2035.
    pub const fn code(self) -> u32 {
        match self {
            Self::Amount => 2_030,
            Self::Answers => 2_031,
            Self::Identifier => 2_032,
            Self::Policy => 2_033,
            Self::Text => 2_034,
            Self::TooLong => 2_035,
        }
    }
}

impl fmt::Display for Misuse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Amount => "an amount must be positive and have a currency",
            Self::Answers => "answers do not fit the questions",
            Self::Identifier => "an identifier has 1 to 64 letters, digits or . _ : -",
            Self::Policy => "a policy value is out of its range",
            Self::Text => "a text is empty, too long, or has control characters",
            Self::TooLong => "a part is too long",
        })
    }
}

impl core::error::Error for Misuse {}

impl From<MoneyError> for Misuse {
    fn from(_: MoneyError) -> Self {
        Self::Amount
    }
}
