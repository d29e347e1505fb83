//! Field 90: which earlier message a reversal or a late advice is about.

use crate::error::{Fault, FieldError};
use crate::particulars::decimal;
use crate::times::closest;
use crate::{Message, Mti};
use alloc::format;
use alloc::string::String;
use port::Time;

impl Message {
    /// Field 90.
    ///
    /// # Errors
    /// [`Fault::Meaning`] if it is not 42 digits.
    pub fn original(&self) -> Result<Option<OriginalData>, FieldError> {
        self.view(90, |value| OriginalData::new(value).ok_or(Fault::Meaning))
    }

    /// Sets field 90.
    ///
    /// # Errors
    /// [`Fault::Meaning`] if the audit number or an institution is too long.
    pub fn set_original(&mut self, original: &OriginalData) -> Result<&mut Self, FieldError> {
        let digits = original.to_digits().ok_or(FieldError::new(90, Fault::Meaning))?;
        self.set(90, digits)
    }

    /// What names this message in field 90 of another one: type, fields 11, 7, 32 and 33.
    ///
    /// # Errors
    /// [`Fault::Missing`] for field 7 or 11, which are needed; [`Fault::Meaning`].
    pub fn as_original(&self) -> Result<OriginalData, FieldError> {
        let institution = |field, of: Option<&str>| {
            let number = of.map_or(Some(0), |digits| decimal(digits.as_bytes()));
            number.ok_or(FieldError::new(field, Fault::Meaning))
        };
        let ten = |value: &[u8]| <[u8; 10]>::try_from(value).map_err(|_| Fault::Meaning);
        let transmitted = self.view(7, ten)?.ok_or(FieldError::missing(7))?;
        if decimal(&transmitted).is_none() {
            return Err(FieldError::new(7, Fault::Meaning));
        }
        Ok(OriginalData {
            mti: self.mti().original(),
            stan: self.stan()?.ok_or(FieldError::missing(11))?,
            transmitted,
            acquirer: institution(32, self.acquirer()?)?,
            forwarder: institution(33, self.forwarder()?)?,
        })
    }
}

/// The 42 digits of field 90, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct OriginalData {
    /// The type of the original.
    pub mti: Mti,
    /// Its field 11.
    pub stan: u32,
    /// Its field 7: ten digits, MMDDhhmmss in UTC.
    pub transmitted: [u8; 10],
    /// Its field 32 as a number, 0 if it had none; the field's own length is not kept by the standard.
    pub acquirer: u64,
    /// Its field 33 as a number, 0 if it had none.
    pub forwarder: u64,
}

impl OriginalData {
    /// Reads 42 digits.
    pub fn new(digits: &[u8]) -> Option<Self> {
        let digits: &[u8; 42] = digits.try_into().ok()?;
        let transmitted: [u8; 10] = digits[10..20].try_into().ok()?;
        decimal(&transmitted)?;
        Some(Self {
            mti: Mti::from_digits(*digits.first_chunk()?)?,
            stan: u32::try_from(decimal(&digits[4..10])?).ok()?,
            transmitted,
            acquirer: decimal(&digits[20..31])?,
            forwarder: decimal(&digits[31..42])?,
        })
    }

    /// When the original was sent; the year as in [`Message::transmitted`].
    ///
    /// # Errors
    /// As [`Message::transmitted`], of field 90.
    pub fn transmitted(&self, now: Time) -> Result<Time, FieldError> {
        closest(&self.transmitted, now).map_err(|fault| FieldError::new(90, fault))
    }

    fn to_digits(self) -> Option<String> {
        let Self { mti, stan, acquirer, forwarder, .. } = self;
        decimal(&self.transmitted)?;
        let transmitted = core::str::from_utf8(&self.transmitted).ok()?;
        let digits = format!("{mti}{stan:06}{transmitted}{acquirer:011}{forwarder:011}");
        (digits.len() == 42).then_some(digits)
    }
}
