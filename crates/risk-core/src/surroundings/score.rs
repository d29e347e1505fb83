//! A score, or why there is none.

use super::{Familiarity, Reason};
use crate::BasisPoints;
use port::WireError;
use port::wire::{Reader, Writer};

/// A score, or that there can be none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Score {
    /// How much it looks as usual.
    Familiar(Familiarity),
    /// Nothing can be said, and why: neither a low score nor a middle one.
    NoEvidence(Abstention),
}

impl Score {
    /// The familiarity, if there is one.
    pub const fn familiarity(self) -> Option<Familiarity> {
        match self {
            Self::Familiar(familiarity) => Some(familiarity),
            Self::NoEvidence(_) => None,
        }
    }

    pub(super) fn encode(self, writer: &mut Writer<'_>) {
        match self {
            Self::Familiar(familiarity) => writer.u8(0).u16(familiarity.basis_points().as_u16()),
            Self::NoEvidence(why) => writer.u8(why as u8).u16(0),
        };
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, WireError> {
        let (kind, basis_points) = (reader.u8()?, reader.u16()?);
        if kind == 0 {
            let share = BasisPoints::new(basis_points).map_err(|_| WireError::Invalid)?;
            return Ok(Self::Familiar(Familiarity::new(share)));
        }
        let why = Abstention::from_u8(kind).filter(|_| basis_points == 0);
        why.map(Self::NoEvidence).ok_or(WireError::Invalid)
    }
}

/// Why there is no score. Numbers are stable; they stand in stored bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Abstention {
    /// Nothing was ever learned for this period.
    NoProfile = 1,
    /// Too few occurrences were observed.
    TooFewOccurrences = 2,
    /// Too few neighbours are known that this scan could have found.
    TooFewReferences = 3,
    /// Nothing was searched for.
    NotScanned = 4,
    /// What is known was learned under keys that the scan was not made with.
    KeysTooOld = 5,
    /// The periods with evidence weigh too little at this moment.
    TooLittleCoverage = 6,
    /// The scan is too old to be current.
    Stale = 7,
    /// The scan answers no challenge, so that nobody knows when it was made.
    NotAnswered = 8,
}

impl Abstention {
    /// As a reason.
    pub const fn reason(self) -> Reason {
        match self {
            Self::NoProfile => Reason::NoProfile,
            Self::TooFewOccurrences => Reason::TooFewOccurrences,
            Self::TooFewReferences => Reason::TooFewReferences,
            Self::NotScanned => Reason::NotScanned,
            Self::KeysTooOld => Reason::KeysTooOld,
            Self::TooLittleCoverage => Reason::TooLittleCoverage,
            Self::Stale => Reason::Stale,
            Self::NotAnswered => Reason::NotAnswered,
        }
    }

    pub(super) const fn from_u8(number: u8) -> Option<Self> {
        Some(match number {
            1 => Self::NoProfile,
            2 => Self::TooFewOccurrences,
            3 => Self::TooFewReferences,
            4 => Self::NotScanned,
            5 => Self::KeysTooOld,
            6 => Self::TooLittleCoverage,
            7 => Self::Stale,
            8 => Self::NotAnswered,
            _ => return None,
        })
    }
}
