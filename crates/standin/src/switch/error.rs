//! What a switch does not take.

use crate::RequestError;
use core::fmt;

/// Why the switch did not take an input. Nothing was changed by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SwitchError {
    /// As many requests are under way as may be.
    Busy,
    /// The message is no request (spec S8): answer [`RequestError::response_code`].
    Refused(RequestError),
    /// Thresholds that do not fit together.
    Thresholds,
    /// A bound or a time is 0, or two times do not fit together.
    Limits,
    /// No such institution.
    UnknownInstitution,
    /// Nothing of that kind was asked.
    NotAsked,
}

impl SwitchError {
    /// Stable number, 4500 to 4504; a refused message keeps its own.
    pub const fn code(&self) -> u32 {
        match self {
            Self::Busy => 4_500,
            Self::Refused(why) => why.code(),
            Self::Thresholds => 4_501,
            Self::Limits => 4_502,
            Self::UnknownInstitution => 4_503,
            Self::NotAsked => 4_504,
        }
    }
}

impl fmt::Display for SwitchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Busy => "too many requests are under way",
            Self::Refused(why) => return why.fmt(f),
            Self::Thresholds => "the thresholds do not fit together",
            Self::Limits => "a bound or a time does not fit",
            Self::UnknownInstitution => "no such institution",
            Self::NotAsked => "nothing of that kind was asked",
        })
    }
}

impl core::error::Error for SwitchError {}

impl From<RequestError> for SwitchError {
    fn from(why: RequestError) -> Self {
        Self::Refused(why)
    }
}
