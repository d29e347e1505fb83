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
    /// Lanes times caps of exposure do not fit the row that says who leased what: take fewer lanes, or caps of fewer initiators.
    Lanes,
}

impl Error {
    /// Stable number, 4000 to 4005; a clock error keeps its own.
    pub const fn code(&self) -> u32 {
        match self {
            Self::Clock(why) => why.code(),
            Self::Corrupt(_) => 4_000,
            Self::Answers => 4_001,
            Self::TooLong => 4_002,
            Self::Busy => 4_003,
            Self::Unsigned(_) => 4_004,
            Self::Lanes => 4_005,
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
            Self::Lanes => f.write_str(LANES_WORDS),
        }
    }
}

impl core::error::Error for Error {}

/// What to do about it, in words.
pub(crate) const LANES_WORDS: &str =
    "lanes times exposure caps do not fit: take fewer lanes, or caps of fewer initiators";

impl From<ClockBehind> for Error {
    fn from(why: ClockBehind) -> Self {
        Self::Clock(why)
    }
}
