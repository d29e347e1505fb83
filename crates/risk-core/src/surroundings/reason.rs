//! Why a payment gets the plan it gets: a closed set with stable numbers.

use core::fmt;
use serde::{Deserialize, Serialize};

/// One reason. `Display` is fit for people who explain a decision to a customer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The amount is above what this familiarity, or the account, allows without the PIN.
    AboveLimit,
    /// The very same scan was assessed before.
    Copied,
    /// The neighbours that are here, weighed against those that are missing, speak against the usual place.
    EvidenceAgainst,
    /// They speak for the usual place.
    EvidenceFor,
    /// The scan was made later than now.
    FromFuture,
    /// What is known was learned under keys that are no longer used.
    KeysTooOld,
    /// Nothing was ever learned for this period.
    NoProfile,
    /// The scan answers no challenge.
    NotAnswered,
    /// Nothing was searched for.
    NotScanned,
    /// All that is familiar are things that are carried along.
    OnlyCompanions,
    /// The scan is too old.
    Stale,
    /// Neighbours are together that nobody ever saw together.
    StrangePairs,
    /// The terminal was reported lost.
    TerminalLost,
    /// Too few occurrences were observed yet.
    TooFewOccurrences,
    /// Too few neighbours are known that this scan could have found.
    TooFewReferences,
    /// The periods that are known weigh too little at this moment.
    TooLittleCoverage,
    /// More neighbours than anybody could find.
    TooManyNeighbours,
    /// Half of it is the usual place, half of it another one.
    TwoPlaces,
    /// Usual neighbours of this dwell type (counted from 0) are missing.
    TypeMissing(u8),
    /// Usual neighbours of this dwell type (counted from 0) are here.
    TypePresent(u8),
    /// The scan answers another challenge than the one that was set.
    WrongNonce,
}

impl Reason {
    /// Stable number: 3100 to 3151.
    pub const fn code(self) -> u32 {
        match self {
            Self::NoProfile => 3_100,
            Self::TooFewOccurrences => 3_101,
            Self::TooFewReferences => 3_102,
            Self::NotScanned => 3_103,
            Self::KeysTooOld => 3_104,
            Self::TooLittleCoverage => 3_105,
            Self::Stale => 3_110,
            Self::NotAnswered => 3_111,
            Self::WrongNonce => 3_112,
            Self::FromFuture => 3_113,
            Self::Copied => 3_114,
            Self::TooManyNeighbours => 3_115,
            Self::TwoPlaces => 3_116,
            Self::StrangePairs => 3_117,
            Self::OnlyCompanions => 3_118,
            Self::TerminalLost => 3_119,
            Self::AboveLimit => 3_120,
            Self::TypePresent(at) => 3_130 + (at & 7) as u32,
            Self::TypeMissing(at) => 3_140 + (at & 7) as u32,
            Self::EvidenceFor => 3_150,
            Self::EvidenceAgainst => 3_151,
        }
    }

    /// By its number.
    pub fn from_code(code: u32) -> Option<Self> {
        let at = u8::try_from(code % 10).ok()?;
        Some(match code {
            3_100 => Self::NoProfile,
            3_101 => Self::TooFewOccurrences,
            3_102 => Self::TooFewReferences,
            3_103 => Self::NotScanned,
            3_104 => Self::KeysTooOld,
            3_105 => Self::TooLittleCoverage,
            3_110 => Self::Stale,
            3_111 => Self::NotAnswered,
            3_112 => Self::WrongNonce,
            3_113 => Self::FromFuture,
            3_114 => Self::Copied,
            3_115 => Self::TooManyNeighbours,
            3_116 => Self::TwoPlaces,
            3_117 => Self::StrangePairs,
            3_118 => Self::OnlyCompanions,
            3_119 => Self::TerminalLost,
            3_120 => Self::AboveLimit,
            3_130..=3_137 => Self::TypePresent(at),
            3_140..=3_147 => Self::TypeMissing(at),
            3_150 => Self::EvidenceFor,
            3_151 => Self::EvidenceAgainst,
            _ => return None,
        })
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AboveLimit => "the amount is above the limit for paying without the PIN",
            Self::Copied => "this scan was used before",
            Self::EvidenceAgainst => "this does not look like the usual place",
            Self::EvidenceFor => "this looks like the usual place",
            Self::FromFuture => "the terminal's clock is wrong",
            Self::KeysTooOld => "what was known is no longer used",
            Self::NoProfile => "nothing is known yet about this time of the week",
            Self::NotAnswered => "the scan was not made for this payment",
            Self::NotScanned => "the terminal did not look around",
            Self::OnlyCompanions => "only things that are carried along are familiar",
            Self::Stale => "the scan is too old",
            Self::StrangePairs => "devices are together that never are",
            Self::TerminalLost => "the terminal was reported lost",
            Self::TooFewOccurrences => "too little is known yet about this time of the week",
            Self::TooFewReferences => "too few devices are known at this time of the week",
            Self::TooLittleCoverage => "too little is known about this moment",
            Self::TooManyNeighbours => "more devices than can be around",
            Self::TwoPlaces => "devices of two different places are mixed",
            Self::TypeMissing(at) => {
                return write!(f, "usual devices of dwell type {at} are missing");
            }
            Self::TypePresent(at) => return write!(f, "usual devices of dwell type {at} are here"),
            Self::WrongNonce => "the scan was made for another payment",
        })
    }
}
