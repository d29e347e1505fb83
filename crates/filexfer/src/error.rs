//! What cannot be handled at all, grouped by blame.

use core::fmt;
use port::{KeyError, WireError};

/// Why input, a row or a frame could not be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// A bound is reached; nothing was taken. Try again later.
    Busy,
    /// Our own stored bytes are not what we wrote.
    Corrupt(WireError),
    /// The caller handed over something that does not fit.
    Misuse(Misuse),
    /// A peer sent bytes that are no message, or one that it may not send.
    Peer(WireError),
    /// A commit's fate is not known: nothing new is taken until what is stored was read.
    Fenced,
    /// A peer sent what only another party may send.
    Stranger,
}

impl Error {
    /// Stable number, 5000 to 5019.
    pub const fn code(&self) -> u32 {
        match self {
            Self::Busy => 5_000,
            Self::Corrupt(_) => 5_001,
            Self::Peer(_) => 5_002,
            Self::Fenced => 5_003,
            Self::Stranger => 5_004,
            Self::Misuse(why) => why.code(),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Busy => f.write_str("a bound is reached"),
            Self::Corrupt(_) => f.write_str("a stored row is damaged"),
            Self::Misuse(why) => why.fmt(f),
            Self::Peer(_) => f.write_str("a peer sent bytes that are no message"),
            Self::Fenced => f.write_str("a commit's fate is not known yet"),
            Self::Stranger => f.write_str("a peer sent what only another party may send"),
        }
    }
}

impl core::error::Error for Error {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Corrupt(why) | Self::Peer(why) => Some(why),
            Self::Misuse(why) => Some(why),
            Self::Busy | Self::Fenced | Self::Stranger => None,
        }
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
    /// A name of a party, site or class is empty, longer than 48 bytes, or has characters other than `0-9 a-z . _ -`.
    Identifier,
    /// A limit, rate or time is out of its range.
    Bounds,
    /// Groups beyond the end of the file, or ranges that are empty or overlap.
    Range,
    /// The answer does not belong to any question, or to one already answered.
    NotAsked,
    /// A part is longer than its form allows.
    TooLong,
}

impl Misuse {
    /// Stable number, 5010 to 5014.
    pub const fn code(self) -> u32 {
        match self {
            Self::Identifier => 5_010,
            Self::Bounds => 5_011,
            Self::Range => 5_012,
            Self::NotAsked => 5_013,
            Self::TooLong => 5_014,
        }
    }
}

impl fmt::Display for Misuse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Identifier => "an identifier has 1 to 48 of 0-9 a-z . _ -",
            Self::Bounds => "a limit, rate or time is out of its range",
            Self::Range => "the range does not lie in the file",
            Self::NotAsked => "an answer that nobody waits for",
            Self::TooLong => "a part is too long",
        })
    }
}

impl core::error::Error for Misuse {}
