//! Why a request is refused, and why a job fails.

use core::fmt;
use port::WireError;

/// Why a request is refused: one for each cause, in the order in which they are tried (spec: Legitimacy).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// The requester is not known, the signature is not its own, or the request is too old.
    BadAuth,
    /// Sender or destination is missing or not known.
    UnknownParty,
    /// A party does not take part at present.
    PartyDisabled,
    /// The request has been at this site before, or passed too many.
    Loop,
    /// No grant allows this sender, destination, class and direction at this hour, or no way leads there.
    RouteNotAllowed,
    /// The requester is no backstage server, or neither sender nor destination nor delegate of one.
    RequesterNotEntitled,
    /// The name is none, or means different files to different file systems.
    BadName,
    /// There is no such file for this requester.
    FileMissing,
    /// The file is not what the request says, or still being written.
    FileUnstable,
    /// The file is larger than the grants allow.
    TooLarge,
    /// The spool has no room for it.
    QuotaExceeded,
    /// The id was used for another request.
    Duplicate,
    /// The deadline has passed, or lies before the earliest moment.
    Expired,
}

impl Reason {
    /// All of them, in order.
    pub const ALL: [Self; 13] = [
        Self::BadAuth,
        Self::UnknownParty,
        Self::PartyDisabled,
        Self::Loop,
        Self::RouteNotAllowed,
        Self::RequesterNotEntitled,
        Self::BadName,
        Self::FileMissing,
        Self::FileUnstable,
        Self::TooLarge,
        Self::QuotaExceeded,
        Self::Duplicate,
        Self::Expired,
    ];

    /// Stable number, 5040 to 5052.
    pub const fn code(self) -> u32 {
        5_040 + self.as_u8() as u32
    }

    /// The byte of stored and signed forms.
    pub(crate) const fn as_u8(self) -> u8 {
        self as u8
    }

    pub(crate) fn from_u8(byte: u8) -> Result<Self, WireError> {
        Self::ALL.get(usize::from(byte)).copied().ok_or(WireError::Invalid)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BadAuth => "the request is not authentic",
            Self::UnknownParty => "sender or destination is not known",
            Self::PartyDisabled => "a party is disabled",
            Self::Loop => "the request goes in a circle",
            Self::RouteNotAllowed => "the route is not allowed",
            Self::RequesterNotEntitled => "the requester is not entitled",
            Self::BadName => "the name is not acceptable",
            Self::FileMissing => "there is no such file",
            Self::FileUnstable => "the file is not as requested or still changing",
            Self::TooLarge => "the file is too large",
            Self::QuotaExceeded => "the quota is exceeded",
            Self::Duplicate => "the id was used for another request",
            Self::Expired => "the deadline has passed",
        })
    }
}

/// Why an accepted job did not deliver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Failure {
    /// The source changed, shrank or vanished while it was read.
    FileUnstable,
    /// The name is taken at the destination, and the request says to fail then.
    NameTaken,
    /// A stream grew beyond what was allowed.
    TooLarge,
    /// The destination's store refuses: full, read-only, broken.
    StoreFailed,
    /// A later site refused; its own verdict says why.
    RefusedDownstream(Reason),
    /// Attempts are used up.
    GaveUp,
    /// Everything had arrived at the client when the deadline had passed.
    TooLate,
    /// The source cannot be read.
    SourceFailed,
    /// How large the file is became known only now, and the spool has no room for it.
    SpoolFull,
}

impl Failure {
    /// Stable number, 5030 to 5038.
    pub const fn code(self) -> u32 {
        match self {
            Self::FileUnstable => 5_030,
            Self::NameTaken => 5_031,
            Self::TooLarge => 5_032,
            Self::StoreFailed => 5_033,
            Self::RefusedDownstream(_) => 5_034,
            Self::GaveUp => 5_035,
            Self::TooLate => 5_036,
            Self::SourceFailed => 5_037,
            Self::SpoolFull => 5_038,
        }
    }

    pub(crate) const fn to_bytes(self) -> [u8; 2] {
        match self {
            Self::FileUnstable => [1, 0],
            Self::NameTaken => [2, 0],
            Self::TooLarge => [3, 0],
            Self::StoreFailed => [4, 0],
            Self::RefusedDownstream(reason) => [5, reason.as_u8()],
            Self::GaveUp => [6, 0],
            Self::TooLate => [7, 0],
            Self::SourceFailed => [8, 0],
            Self::SpoolFull => [9, 0],
        }
    }

    pub(crate) fn from_bytes(bytes: [u8; 2]) -> Result<Self, WireError> {
        Ok(match bytes {
            [1, 0] => Self::FileUnstable,
            [2, 0] => Self::NameTaken,
            [3, 0] => Self::TooLarge,
            [4, 0] => Self::StoreFailed,
            [5, reason] => Self::RefusedDownstream(Reason::from_u8(reason)?),
            [6, 0] => Self::GaveUp,
            [7, 0] => Self::TooLate,
            [8, 0] => Self::SourceFailed,
            [9, 0] => Self::SpoolFull,
            _ => return Err(WireError::Invalid),
        })
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FileUnstable => f.write_str("the file changed while it was read"),
            Self::NameTaken => f.write_str("the name is taken"),
            Self::TooLarge => f.write_str("the file is too large"),
            Self::StoreFailed => f.write_str("the destination's store refuses"),
            Self::RefusedDownstream(reason) => write!(f, "a later site refused: {reason}"),
            Self::GaveUp => f.write_str("attempts are used up"),
            Self::TooLate => f.write_str("the deadline had passed"),
            Self::SourceFailed => f.write_str("the source cannot be read"),
            Self::SpoolFull => f.write_str("the spool has no room for the file"),
        }
    }
}
