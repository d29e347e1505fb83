//! What cannot be handled.

use core::fmt;
use ledger::{BlockError, Corrupt, Misuse};
use port::{KeyError, WireError};

/// Why input, a row or a frame could not be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// As the ledger says it.
    Ledger(ledger::Error),
    /// A peer sent a block that does not follow.
    Block(BlockError),
    /// A proposal by who is not to propose, or not signed by it, or with votes that do not support it.
    NotProposed,
    /// A vote by who may not vote, or not signed by it.
    NotVoted,
    /// The rules refused what this crate gave them: a defect. Open a new machine.
    Rules,
}

impl Error {
    /// Stable number: the ledger's, or 9600 to 9603.
    pub const fn code(&self) -> u32 {
        match self {
            Self::Ledger(why) => why.code(),
            Self::Block(_) => 9_600,
            Self::NotProposed => 9_601,
            Self::NotVoted => 9_602,
            Self::Rules => 9_603,
        }
    }

    /// Whether this machine will not go on: drop it, and open another. If the rows that it opens on cannot be used, it says so first
    /// by [`ledger::Error::Corrupt`].
    pub const fn is_final(&self) -> bool {
        matches!(self, Self::Rules | Self::Ledger(ledger::Error::Fenced))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ledger(why) => why.fmt(f),
            Self::Block(_) => f.write_str("a peer sent a block that does not follow"),
            Self::NotProposed => f.write_str("a proposal that its proposer may not make"),
            Self::NotVoted => f.write_str("a vote that its voter may not give"),
            Self::Rules => f.write_str("the rules of consensus refused an input"),
        }
    }
}

impl core::error::Error for Error {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Ledger(why) => why.source(),
            Self::Block(why) => Some(why),
            Self::NotProposed | Self::NotVoted | Self::Rules => None,
        }
    }
}

impl From<ledger::Error> for Error {
    fn from(why: ledger::Error) -> Self {
        Self::Ledger(why)
    }
}

impl From<Misuse> for Error {
    fn from(why: Misuse) -> Self {
        Self::Ledger(why.into())
    }
}

impl From<Corrupt> for Error {
    fn from(why: Corrupt) -> Self {
        Self::Ledger(why.into())
    }
}

impl From<KeyError> for Error {
    fn from(why: KeyError) -> Self {
        Misuse::from(why).into()
    }
}

impl From<WireError> for Error {
    fn from(why: WireError) -> Self {
        Self::Ledger(ledger::Error::Peer(why))
    }
}
