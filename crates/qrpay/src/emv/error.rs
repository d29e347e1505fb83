//! Why a payload was refused.

use core::fmt;

/// Why a payload, or a part that was to be built into one, was refused.
///
/// Strict reading stops at the first fault in reading order; the checksum is compared last.
/// [`diagnose`](super::diagnose) names all faults at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EmvError {
    /// The bytes are not UTF-8 from this byte on.
    NotUtf8 {
        /// Byte offset.
        at: usize,
    },
    /// More than 512 characters in all.
    TooLong,
    /// No two-digit id and two-digit length at this byte.
    Header {
        /// Byte offset.
        at: usize,
    },
    /// The length of the object that starts at this byte runs past the end of the text.
    PastEnd {
        /// Which object.
        path: Path,
        /// Byte offset of its header.
        at: usize,
    },
    /// A value of no characters; such an object has to be left out.
    Empty {
        /// Which object.
        path: Path,
    },
    /// The same id twice.
    Duplicate {
        /// Which object.
        path: Path,
    },
    /// The payload format indicator (00) is not the first object.
    FormatNotFirst,
    /// The payload format indicator is not `01`.
    UnknownFormat,
    /// There is no checksum (63).
    CrcMissing,
    /// Something follows the checksum (63).
    CrcNotLast,
    /// The checksum is not four hexadecimal digits.
    CrcMalformed,
    /// The checksum is right but written in lower case. Strict reading refuses it, because one
    /// payload has one text only; [`diagnose`](super::diagnose) reads such a payload.
    CrcLowerCase,
    /// The checksum does not fit the text.
    CrcMismatch {
        /// What it should be.
        expected: u16,
        /// What it is.
        found: u16,
    },
    /// A mandatory object is not there; for account information the path names 02, the first of
    /// the ids 02 to 51 of which one has to be there.
    Missing {
        /// Which object.
        path: Path,
    },
    /// A value has more characters than its object allows.
    FieldTooLong {
        /// Which object.
        path: Path,
        /// How many characters are allowed.
        limit: u8,
    },
    /// A value is not written as its object demands.
    FieldFormat {
        /// Which object.
        path: Path,
    },
    /// The lengths inside a template do not add up to the template.
    TemplateBroken {
        /// Which template.
        path: Path,
    },
    /// Tip indicator (55), fixed fee (56) and percentage (57) do not go together.
    TipConflict,
    /// A control, zero-width or text-direction character: it could hide what a payer reads.
    ForbiddenCharacter {
        /// Byte offset.
        at: usize,
    },
    /// The amount is zero or negative.
    AmountNotPositive,
    /// The amount has more decimals than its currency.
    AmountDecimals,
    /// The amount does not fit the thirteen characters, or the integer, it has to fit.
    AmountRange,
    /// A template of ours is not as [`ChallengeTemplate`](super::ChallengeTemplate) or
    /// [`Signature`](super::Signature) says.
    PrivateTemplate {
        /// Which template, and which object in it.
        path: Path,
    },
    /// A signed payload in which something else than the checksum follows the signature, or
    /// whose signature is not complete and in order.
    SignatureMisplaced,
    /// The payload is signed; what is signed cannot be changed or signed again.
    AlreadySigned,
    /// The payload carries a challenge already.
    ChallengePresent,
    /// No unreserved id (80 to 99) is free for another template.
    NoFreeTemplate,
}

/// Which object: a root id, and for an object within a template its id there. Shown as `62.05`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Path {
    /// The id at the root, 0 to 99.
    pub root: u8,
    /// The id within the template.
    pub sub: Option<u8>,
}

impl Path {
    /// An object at the root.
    pub const fn root(root: u8) -> Self {
        Self { root, sub: None }
    }

    /// An object within the template `root`.
    pub const fn nested(root: u8, sub: u8) -> Self {
        Self { root, sub: Some(sub) }
    }

    /// An object inside this one; deeper levels are not told apart.
    pub(super) const fn child(self, id: u8) -> Self {
        match self.sub {
            None => Self { root: self.root, sub: Some(id) },
            Some(_) => self,
        }
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.sub {
            None => write!(f, "{:02}", self.root),
            Some(sub) => write!(f, "{:02}.{sub:02}", self.root),
        }
    }
}

impl EmvError {
    /// A stable number, 2100 to 2149, that the C header shares.
    pub const fn code(&self) -> u32 {
        match self {
            Self::NotUtf8 { .. } => 2100,
            Self::TooLong => 2101,
            Self::Header { .. } => 2102,
            Self::PastEnd { .. } => 2103,
            Self::Empty { .. } => 2104,
            Self::Duplicate { .. } => 2105,
            Self::FormatNotFirst => 2106,
            Self::UnknownFormat => 2107,
            Self::CrcMissing => 2108,
            Self::CrcNotLast => 2109,
            Self::CrcMalformed => 2110,
            Self::CrcLowerCase => 2111,
            Self::CrcMismatch { .. } => 2112,
            Self::Missing { .. } => 2113,
            Self::FieldTooLong { .. } => 2114,
            Self::FieldFormat { .. } => 2115,
            Self::TemplateBroken { .. } => 2116,
            Self::TipConflict => 2117,
            Self::ForbiddenCharacter { .. } => 2118,
            Self::AmountNotPositive => 2119,
            Self::AmountDecimals => 2120,
            Self::AmountRange => 2121,
            Self::PrivateTemplate { .. } => 2122,
            Self::SignatureMisplaced => 2123,
            Self::AlreadySigned => 2124,
            Self::ChallengePresent => 2125,
            Self::NoFreeTemplate => 2126,
        }
    }
}

impl fmt::Display for EmvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotUtf8 { at } => write!(f, "not UTF-8 at byte {at}"),
            Self::TooLong => f.write_str("more than 512 characters"),
            Self::Header { at } => write!(f, "no two-digit id and length at byte {at}"),
            Self::PastEnd { path, at } => {
                write!(f, "the length of object {path} at byte {at} runs past the end")
            }
            Self::Empty { path } => write!(f, "object {path} is empty"),
            Self::Duplicate { path } => write!(f, "object {path} is there twice"),
            Self::FormatNotFirst => f.write_str("the first object is not the format indicator 00"),
            Self::UnknownFormat => f.write_str("the payload format is not 01"),
            Self::CrcMissing => f.write_str("the checksum 63 is missing"),
            Self::CrcNotLast => f.write_str("something follows the checksum 63"),
            Self::CrcMalformed => f.write_str("the checksum is not four hexadecimal digits"),
            Self::CrcLowerCase => f.write_str("the checksum is written in lower case"),
            Self::CrcMismatch { expected, found } => {
                write!(f, "the checksum is {found:04X} and should be {expected:04X}")
            }
            Self::Missing { path } if *path == Path::root(2) => {
                f.write_str("no account information (02 to 51)")
            }
            Self::Missing { path } => write!(f, "object {path} is missing"),
            Self::FieldTooLong { path, limit } => {
                write!(f, "object {path} is longer than {limit} characters")
            }
            Self::FieldFormat { path } => write!(f, "object {path} has a wrong form"),
            Self::TemplateBroken { path } => {
                write!(f, "the lengths inside template {path} do not add up")
            }
            Self::TipConflict => f.write_str("the tip objects 55, 56 and 57 do not go together"),
            Self::ForbiddenCharacter { at } => {
                write!(f, "a control or invisible character at byte {at}")
            }
            Self::AmountNotPositive => f.write_str("the amount is not above zero"),
            Self::AmountDecimals => f.write_str("the amount has more decimals than its currency"),
            Self::AmountRange => f.write_str("the amount is too large"),
            Self::PrivateTemplate { path } => write!(f, "the private object {path} is malformed"),
            Self::SignatureMisplaced => {
                f.write_str("the signature is not complete and directly before the checksum")
            }
            Self::AlreadySigned => f.write_str("the payload is signed already"),
            Self::ChallengePresent => f.write_str("the payload carries a challenge already"),
            Self::NoFreeTemplate => f.write_str("no unreserved template id is free"),
        }
    }
}

impl core::error::Error for EmvError {}
