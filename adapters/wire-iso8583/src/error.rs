//! What is wrong with a message, and where. No error carries a byte of the message.

use core::fmt;

/// Why bytes are not a message of the dialect, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ParseError {
    /// The field: 0 is the message type, 1 the bitmap, 129 what stands behind the last field.
    pub field: u8,
    /// Where the part that is wrong begins: bytes from the start of the message.
    pub offset: usize,
    /// What is wrong.
    pub fault: Fault,
}

impl ParseError {
    pub(crate) const fn new(field: u8, offset: usize, fault: Fault) -> Self {
        Self { field, offset, fault }
    }

    /// Stable number: that of the fault, 9200 to 9219.
    pub const fn code(&self) -> u32 {
        self.fault.code()
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at byte {}: {}", Place(self.field), self.offset, self.fault)
    }
}

impl core::error::Error for ParseError {}

/// Why a field cannot be written or understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FieldError {
    /// The field: 0 is the message type.
    pub field: u8,
    /// What is wrong.
    pub fault: Fault,
}

impl FieldError {
    /// The field is needed and not there: for views, which answer `None` then.
    ///
    /// ```
    /// # use interbank_wire_iso8583::{FieldError, Message, Mti};
    /// let message = Message::new(Mti::FINANCIAL_REQUEST);
    /// let stan = message.stan()?.ok_or(FieldError::missing(11));
    /// assert_eq!(stan.unwrap_err().to_string(), "field 11: missing");
    /// # Ok::<(), FieldError>(())
    /// ```
    pub const fn missing(field: u8) -> Self {
        Self::new(field, Fault::Missing)
    }

    pub(crate) const fn new(field: u8, fault: Fault) -> Self {
        Self { field, fault }
    }

    /// Stable number: that of the fault, 9200 to 9219.
    pub const fn code(&self) -> u32 {
        self.fault.code()
    }
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", Place(self.field), self.fault)
    }
}

impl core::error::Error for FieldError {}

/// What is wrong with a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// The bytes end before the field does.
    Truncated,
    /// A character, digit or nibble that the field does not allow.
    Character,
    /// A length that is not a number in the dialect's coding.
    LengthPrefix,
    /// A length that the field does not allow.
    Length,
    /// The dialect does not describe the field.
    Undescribed,
    /// Bit 65: a third bitmap, which ISO 8583:1987 does not have.
    ThirdBitmap,
    /// The dialect does not know this message type.
    MessageType,
    /// Padding that is not what the dialect writes.
    Padding,
    /// Bytes behind the last field.
    Trailing,
    /// More than [`crate::Message::BYTES_MAX`] bytes of values.
    TooLong,
    /// The number is 0, 1, 65 or above 128: no field that a message can hold.
    Number,
    /// The field is needed and not there.
    Missing,
    /// Well written, but no date, time, amount or other thing that the field stands for.
    Meaning,
    /// A number of no currency of ISO 4217.
    Currency,
    /// The year of a date cannot be told.
    Year,
    /// It says something else than another field of the message.
    Conflict,
    /// Nobody is known who keeps the account.
    Unroutable,
}

impl Fault {
    /// Stable number, 9200 to 9219.
    pub const fn code(self) -> u32 {
        match self {
            Self::Truncated => 9200,
            Self::Character => 9201,
            Self::LengthPrefix => 9202,
            Self::Length => 9203,
            Self::Undescribed => 9204,
            Self::ThirdBitmap => 9205,
            Self::MessageType => 9206,
            Self::Padding => 9207,
            Self::Trailing => 9208,
            Self::TooLong => 9209,
            Self::Number => 9210,
            Self::Missing => 9211,
            Self::Meaning => 9212,
            Self::Currency => 9213,
            Self::Year => 9214,
            Self::Conflict => 9215,
            Self::Unroutable => 9216,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Truncated => "the bytes end too early",
            Self::Character => "a character that is not allowed there",
            Self::LengthPrefix => "a length that is no number",
            Self::Length => "a length that is not allowed",
            Self::Undescribed => "not described by the dialect",
            Self::ThirdBitmap => "a third bitmap",
            Self::MessageType => "a message type that the dialect does not know",
            Self::Padding => "padding that the dialect does not write",
            Self::Trailing => "bytes behind the last field",
            Self::TooLong => "more than a message can hold",
            Self::Number => "no field has this number",
            Self::Missing => "missing",
            Self::Meaning => "not what the field stands for",
            Self::Currency => "no currency of ISO 4217",
            Self::Year => "the year cannot be told",
            Self::Conflict => "at odds with another field",
            Self::Unroutable => "nobody is known who keeps the account",
        })
    }
}

/// A field number in words.
struct Place(u8);

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => f.write_str("message type"),
            1 => f.write_str("bitmap"),
            129 => f.write_str("end"),
            field => write!(f, "field {field}"),
        }
    }
}
