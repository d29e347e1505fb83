//! A message: its type, and values by field number.

use crate::error::{Fault, FieldError};
use crate::values::Values;
use crate::{Mti, Pan};
use core::fmt;

/// A message of ISO 8583:1987, independent of how a network writes it.
///
/// Values are kept as plain ASCII characters, those of `b` fields as bytes, whatever the coding on the wire: what was read
/// in one dialect can be written in another. [`Message::parse`] and [`Message::encode`] check every value against the
/// dialect; [`Message::set`] checks the field number alone.
///
/// Values are zeroized when they are replaced, removed or dropped. `Debug` shows a list of harmless fields; the account
/// number with its first six and last four digits; of all others the length.
///
/// ```
/// use interbank_wire_iso8583::{Codings, Dialect, Message, Mti};
/// let dialect = Dialect::iso1987(Codings::ASCII)?;
/// let mut message = Message::new(Mti::FINANCIAL_REQUEST);
/// message.set(2, b"4111111111111111")?.set(11, b"123456")?;
/// let mut bytes = Vec::new();
/// message.encode(&dialect, &mut bytes)?;
/// assert_eq!(bytes, b"02004020000000000000164111111111111111123456");
/// assert_eq!(Message::parse(&bytes, &dialect)?, message);
/// assert_eq!(format!("{message:?}"), "Message { mti: 0200, 2: 411111******1111, 11: 123456 }");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Message {
    pub(crate) mti: Mti,
    pub(crate) values: Values,
    /// The second bitmap is sent even if no field above 64 is there.
    pub(crate) wide: bool,
}

impl Message {
    /// The most bytes that the values of a message have together.
    pub const BYTES_MAX: usize = Values::BYTES_MAX;

    /// A message without fields.
    pub fn new(mti: Mti) -> Self {
        Self { mti, values: Values::default(), wide: false }
    }

    /// An answer to this message: its response type, and of its fields those of [`Message::ECHOED`]. `None` if messages
    /// of this type are not answered.
    pub fn response(&self) -> Option<Self> {
        let mut response = Self::new(self.mti.response()?);
        for (field, value) in self.fields() {
            if Self::ECHOED.contains(&field) {
                // It fits: it is a part of what fits already.
                response.values.set(field, value).ok()?;
            }
        }
        Some(response)
    }

    /// What an answer repeats from its request: account number, processing code, amounts, times, audit number,
    /// institutions, reference, terminal, merchant, currencies, network code, original data.
    pub const ECHOED: [u8; 22] =
        [2, 3, 4, 5, 6, 7, 11, 12, 13, 15, 32, 33, 37, 41, 42, 49, 50, 51, 66, 70, 90, 100];

    /// Fields whose values say nothing about card or holder: `Debug` shows them, [`Message::tokenise`] keeps them. What a
    /// network puts into private fields is not known here, so the list says what may be seen, not what must not.
    pub const HARMLESS: [u8; 33] = [
        3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 15, 16, 17, 18, 19, 21, 22, 24, 25, 28, 32, 33, 37, 38,
        39, 41, 42, 49, 50, 51, 70, 90, 100,
    ];

    /// Gives a field its value: ASCII characters, or the bytes of a `b` field. The old value is zeroized.
    ///
    /// # Errors
    /// [`Fault::Number`] for 0, 1, 65 and what is above 128; [`Fault::TooLong`] beyond [`Message::BYTES_MAX`]. Whether a
    /// dialect takes the value shows when it is written.
    pub fn set(&mut self, field: u8, value: impl AsRef<[u8]>) -> Result<&mut Self, FieldError> {
        if matches!(field, 0 | 1 | 65 | 129..) {
            return Err(FieldError::new(field, Fault::Number));
        }
        match self.values.set(field, value.as_ref()) {
            Ok(()) => Ok(self),
            Err(fault) => Err(FieldError::new(field, fault)),
        }
    }

    /// Takes a field out and zeroizes its value.
    pub fn remove(&mut self, field: u8) -> &mut Self {
        self.values.remove(field);
        self
    }

    /// Changes the type, for a repeat.
    pub fn set_mti(&mut self, mti: Mti) -> &mut Self {
        self.mti = mti;
        self
    }

    /// Sends the second bitmap even if it is empty; some networks always do. Parsing keeps what was there.
    pub fn set_wide(&mut self, wide: bool) -> &mut Self {
        self.wide = wide;
        self
    }

    /// The message type.
    pub const fn mti(&self) -> Mti {
        self.mti
    }

    /// Whether the second bitmap is sent.
    pub fn is_wide(&self) -> bool {
        self.wide || self.values.is_above_64()
    }

    /// A field's value: ASCII characters, or the bytes of a `b` field.
    pub fn field(&self, field: u8) -> Option<&[u8]> {
        self.values.get(field)
    }

    /// A field's value as text; `None` too if it is not text.
    pub fn text(&self, field: u8) -> Option<&str> {
        self.field(field).and_then(|value| core::str::from_utf8(value).ok())
    }

    /// Whether a field is there.
    pub fn has(&self, field: u8) -> bool {
        self.values.has(field)
    }

    /// Numbers and values of all fields that are there, in order.
    pub fn fields(&self) -> impl Iterator<Item = (u8, &[u8])> {
        self.values.iter()
    }
}

impl PartialEq for Message {
    /// Whether both are written as the same bytes.
    fn eq(&self, other: &Self) -> bool {
        self.mti == other.mti && self.is_wide() == other.is_wide() && self.values == other.values
    }
}

impl Eq for Message {}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Message {{ mti: {}", self.mti)?;
        for (field, value) in self.fields() {
            write!(f, ", {field}: ")?;
            match core::str::from_utf8(value) {
                Ok(digits) if field == 2 => write!(f, "{}", Pan::mask(digits))?,
                Ok(text) if Self::HARMLESS.contains(&field) && is_tame(text) => {
                    f.write_str(text)?
                }
                _ => write!(f, "<{} bytes>", value.len())?,
            }
        }
        f.write_str(" }")
    }
}

impl fmt::Display for Message {
    /// As `Debug`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// The longest value of the shown fields is the 42 digits of field 90; a longer one is not what it should be.
fn is_tame(text: &str) -> bool {
    text.len() <= 42 && text.bytes().all(|byte| (0x20..0x7F).contains(&byte))
}
