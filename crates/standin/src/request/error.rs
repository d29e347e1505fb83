//! Why a message is no request.

use crate::ResponseCode;
use core::fmt;

/// Why a message cannot be routed at all (spec S8, check 1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RequestError {
    /// The amount is negative, zero where something is to be paid, or its currency is `XXX`.
    BadAmount,
    /// The message type is not one that asks, or does not fit the kind.
    Mti,
    /// No account.
    NoAccount,
    /// No amount.
    NoAmount,
    /// No destination of a transfer, or one of something else.
    NoDestination,
    /// No initiator.
    NoInitiator,
    /// No institution.
    NoInstitution,
    /// No trace number, time or terminal, or impossible ones.
    NoKey,
    /// No kind.
    NoKind,
    /// A completion or reversal does not say of what.
    NoOriginal,
    /// The risk score is above 10,000.
    Risk,
}

impl RequestError {
    /// What to answer.
    pub const fn response_code(self) -> ResponseCode {
        match self {
            Self::BadAmount => ResponseCode::INVALID_AMOUNT,
            _ => ResponseCode::FORMAT,
        }
    }

    /// Stable number, 4110 to 4120.
    pub const fn code(self) -> u32 {
        match self {
            Self::BadAmount => 4_110,
            Self::Mti => 4_111,
            Self::NoAccount => 4_112,
            Self::NoAmount => 4_113,
            Self::NoDestination => 4_114,
            Self::NoInitiator => 4_115,
            Self::NoInstitution => 4_116,
            Self::NoKey => 4_117,
            Self::NoKind => 4_118,
            Self::NoOriginal => 4_119,
            Self::Risk => 4_120,
        }
    }
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BadAmount => "the amount is not one that can be paid",
            Self::Mti => "the message type does not fit",
            Self::NoAccount => "no account",
            Self::NoAmount => "no amount",
            Self::NoDestination => "a transfer, and only a transfer, has a destination",
            Self::NoInitiator => "no initiator",
            Self::NoInstitution => "no institution",
            Self::NoKey => "no usable trace number, time and terminal",
            Self::NoKind => "no kind",
            Self::NoOriginal => "no original that is completed or reversed",
            Self::Risk => "a risk score is at most 10,000 basis points",
        })
    }
}

impl core::error::Error for RequestError {}
