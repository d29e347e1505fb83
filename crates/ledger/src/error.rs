//! What cannot be handled at all, grouped by blame.

use core::fmt;
use port::{KeyError, WireError};

/// Why input, a row or a frame could not be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// A bound is reached; nothing was taken. Try again later.
    Busy,
    /// Our own stored bytes are not what we wrote, or do not fit each other.
    Corrupt(Corrupt),
    /// A commit's fate is not known, or another instance wrote: open a new machine.
    Fenced,
    /// The caller handed over something that does not fit.
    Misuse(Misuse),
    /// A peer sent bytes that are no message, or one that it may not send.
    Peer(WireError),
}

impl Error {
    /// Stable number, 7000 to 7019.
    pub const fn code(&self) -> u32 {
        match self {
            Self::Busy => 7_000,
            Self::Corrupt(_) => 7_001,
            Self::Peer(_) => 7_002,
            Self::Fenced => 7_003,
            Self::Misuse(why) => why.code(),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Busy => f.write_str("a bound is reached"),
            Self::Corrupt(why) => why.fmt(f),
            Self::Fenced => f.write_str("a commit's fate is not known yet"),
            Self::Misuse(why) => why.fmt(f),
            Self::Peer(_) => f.write_str("a peer sent bytes that are no message"),
        }
    }
}

impl core::error::Error for Error {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Peer(why) => Some(why),
            Self::Corrupt(why) => Some(why),
            Self::Misuse(why) => Some(why),
            Self::Busy | Self::Fenced => None,
        }
    }
}

impl From<Misuse> for Error {
    fn from(why: Misuse) -> Self {
        Self::Misuse(why)
    }
}

impl From<Corrupt> for Error {
    fn from(why: Corrupt) -> Self {
        Self::Corrupt(why)
    }
}

impl From<KeyError> for Misuse {
    fn from(_: KeyError) -> Self {
        Self::TooLong
    }
}

/// What is wrong with stored bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Corrupt {
    /// A row is not in the form that was written.
    Form(WireError),
    /// A row that others speak of is not there.
    Missing,
    /// Rows are each in form, and do not give the root that was signed.
    Root,
}

impl fmt::Display for Corrupt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Form(_) => "a stored row is damaged",
            Self::Missing => "a stored row is missing",
            Self::Root => "the stored rows do not give the signed root",
        })
    }
}

impl core::error::Error for Corrupt {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Form(why) => Some(why),
            Self::Missing | Self::Root => None,
        }
    }
}

impl From<WireError> for Corrupt {
    fn from(why: WireError) -> Self {
        Self::Form(why)
    }
}

/// What the caller handed over does not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Misuse {
    /// A name or label is empty, too long, or has characters other than `0-9 a-z . _ -`.
    Name,
    /// A thing's number is empty, too long, or has characters other than `0-9 A-Z - . / :`.
    ThingNumber,
    /// A limit, count or time is out of its range.
    Bounds,
    /// The answer does not belong to any question, or to one already answered.
    NotAsked,
    /// A part is longer than its form allows.
    TooLong,
}

impl Misuse {
    /// For forms that cannot be written: each says only that a part is too long.
    pub(crate) fn too_long(_: WireError) -> Self {
        Self::TooLong
    }

    /// Stable number, 7010 to 7014.
    pub const fn code(self) -> u32 {
        match self {
            Self::Name => 7_010,
            Self::ThingNumber => 7_011,
            Self::Bounds => 7_012,
            Self::NotAsked => 7_013,
            Self::TooLong => 7_014,
        }
    }
}

impl fmt::Display for Misuse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Name => "a name has few characters, of 0-9 a-z . _ -",
            Self::ThingNumber => "a thing's number has 1 to 96 of 0-9 A-Z - . / :",
            Self::Bounds => "a limit, count or time is out of its range",
            Self::NotAsked => "an answer that nobody waits for",
            Self::TooLong => "a part is too long",
        })
    }
}

impl core::error::Error for Misuse {}
