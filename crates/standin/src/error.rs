//! What cannot be handled at all, grouped by blame.

use core::fmt;
use port::{ClockBehind, KeyRefusal, WireError};

/// Why a decision could not be concluded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// This instance's clock is behind the stored times.
    Clock(ClockBehind),
    /// Our own stored bytes are not what we wrote.
    Corrupt(WireError),
    /// The answers do not fit the questions, or `step` was called after the end.
    Answers,
    /// The account has so many undelivered entries that no more can be counted.
    Busy,
    /// A part is longer than its form allows.
    TooLong,
    /// The key holder does not sign.
    Unsigned(KeyRefusal),
}

impl Error {
    /// Stable number, 4000 to 4004; a clock error keeps its own.
    pub const fn code(&self) -> u32 {
        match self {
            Self::Clock(why) => why.code(),
            Self::Corrupt(_) => 4_000,
            Self::Answers => 4_001,
            Self::TooLong => 4_002,
            Self::Busy => 4_003,
            Self::Unsigned(_) => 4_004,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Clock(why) => why.fmt(f),
            Self::Corrupt(_) => f.write_str("a stored row is damaged"),
            Self::Answers => f.write_str("answers do not fit the questions"),
            Self::Busy => f.write_str("the account has too many undelivered entries"),
            Self::TooLong => f.write_str("a part is too long"),
            Self::Unsigned(_) => f.write_str("the key holder does not sign"),
        }
    }
}

impl core::error::Error for Error {}

impl From<ClockBehind> for Error {
    fn from(why: ClockBehind) -> Self {
        Self::Clock(why)
    }
}
