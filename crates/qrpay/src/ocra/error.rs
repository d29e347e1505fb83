//! Why OCRA input was refused.

use core::fmt;

/// Why a suite, an input or a code length was refused. A wrong code is not an error: verification
/// answers `false` or `None`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OcraError {
    /// The suite is not three parts joined by colons.
    SuiteShape,
    /// The suite does not begin with `OCRA-1`.
    SuiteVersion,
    /// The second part is not `HOTP-`, a hash, a hyphen and digits.
    SuiteFunction,
    /// The hash is not SHA1, SHA256 or SHA512.
    SuiteHash,
    /// The number of digits is not 0 or 4 to 10.
    SuiteDigits,
    /// The question is missing, or not `QA`, `QN` or `QH` with 04 to 64.
    SuiteQuestion,
    /// The PIN part is not `PSHA1`, `PSHA256` or `PSHA512`.
    SuitePin,
    /// The session part is not `S001` to `S512`.
    SuiteSession,
    /// The time part is not `T1S` to `T59S`, `T1M` to `T59M` or `T0H` to `T48H`.
    SuiteTime,
    /// Something is left over at the end, or a part is out of order or there twice.
    SuiteTrailing,
    /// An input that the suite demands is missing.
    InputMissing(Field),
    /// An input that the suite does not have was given.
    InputUnexpected(Field),
    /// The question is empty or longer than the suite allows.
    QuestionLength,
    /// The question has a character that its format does not have.
    QuestionFormat,
    /// The PIN hash has not the length of its hash.
    PinLength,
    /// The session information is longer than the suite says.
    SessionLength,
    /// The key was made for another hash.
    KeyHash,
    /// The HMAC value is shorter than 20 bytes.
    TagLength,
    /// The number of digits is not 1 to 10.
    Digits,
    /// The window has more than [`WINDOW_MAX`](super::WINDOW_MAX) candidates.
    Window,
    /// The time step is zero.
    ZeroStep,
}

/// An input of a suite beside the question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// The counter (C).
    Counter,
    /// The PIN hash (P).
    Pin,
    /// The session information (S).
    Session,
    /// The time (T).
    Time,
}

impl OcraError {
    /// A stable number, 2200 to 2299, that the C header shares.
    pub const fn code(&self) -> u32 {
        match self {
            Self::SuiteShape => 2200,
            Self::SuiteVersion => 2201,
            Self::SuiteFunction => 2202,
            Self::SuiteHash => 2203,
            Self::SuiteDigits => 2204,
            Self::SuiteQuestion => 2205,
            Self::SuitePin => 2206,
            Self::SuiteSession => 2207,
            Self::SuiteTime => 2208,
            Self::SuiteTrailing => 2209,
            Self::InputMissing(_) => 2220,
            Self::InputUnexpected(_) => 2221,
            Self::QuestionLength => 2222,
            Self::QuestionFormat => 2223,
            Self::PinLength => 2224,
            Self::SessionLength => 2225,
            Self::KeyHash => 2230,
            Self::TagLength => 2231,
            Self::Digits => 2232,
            Self::Window => 2233,
            Self::ZeroStep => 2234,
        }
    }
}

impl fmt::Display for OcraError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SuiteShape => f.write_str("the suite is not three parts joined by colons"),
            Self::SuiteVersion => f.write_str("the suite does not begin with OCRA-1"),
            Self::SuiteFunction => f.write_str("the crypto function is not HOTP-hash-digits"),
            Self::SuiteHash => f.write_str("the hash is not SHA1, SHA256 or SHA512"),
            Self::SuiteDigits => f.write_str("the number of digits is not 0 or 4 to 10"),
            Self::SuiteQuestion => f.write_str("the question part is missing or malformed"),
            Self::SuitePin => f.write_str("the pin part is malformed"),
            Self::SuiteSession => f.write_str("the session part is malformed"),
            Self::SuiteTime => f.write_str("the time part is malformed"),
            Self::SuiteTrailing => f.write_str("a part of the suite is unknown or out of order"),
            Self::InputMissing(field) => write!(f, "the suite demands {field}"),
            Self::InputUnexpected(field) => write!(f, "the suite does not take {field}"),
            Self::QuestionLength => f.write_str("the question is empty or too long"),
            Self::QuestionFormat => f.write_str("the question has a character of another format"),
            Self::PinLength => f.write_str("the pin hash has a wrong length"),
            Self::SessionLength => f.write_str("the session information is too long"),
            Self::KeyHash => f.write_str("the key was made for another hash"),
            Self::TagLength => f.write_str("the hmac value is too short to truncate"),
            Self::Digits => f.write_str("the number of digits is not 1 to 10"),
            Self::Window => f.write_str("the window has too many candidates"),
            Self::ZeroStep => f.write_str("the time step is zero"),
        }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Counter => "a counter",
            Self::Pin => "a pin hash",
            Self::Session => "session information",
            Self::Time => "the time",
        })
    }
}

impl core::error::Error for OcraError {}
