//! Amounts and fees, with the currency that another field names.

use crate::Message;
use crate::error::{Fault, FieldError};
use crate::particulars::decimal;
use alloc::format;
use alloc::string::String;
use port::{Amount, Currency};

/// Amounts of ISO 8583 are whole minor units of their currency, so nothing is scaled: 12 digits `000000010000` with
/// currency 840 are 100.00 USD, with 392 they are 10,000 JPY. [`Currency::exponent`] says where the point stands.
impl Message {
    /// Fields 4 and 49: the amount of the transaction.
    ///
    /// # Errors
    /// [`Fault::Missing`] for field 49 if field 4 is there without it; [`Fault::Meaning`], [`Fault::Currency`].
    pub fn amount(&self) -> Result<Option<Amount>, FieldError> {
        self.amount_of(4, 49)
    }

    /// Fields 5 and 50: the amount between the institutions.
    ///
    /// # Errors
    /// As [`Message::amount`].
    pub fn settlement_amount(&self) -> Result<Option<Amount>, FieldError> {
        self.amount_of(5, 50)
    }

    /// Fields 6 and 51: the amount on the cardholder's account.
    ///
    /// # Errors
    /// As [`Message::amount`].
    pub fn billing_amount(&self) -> Result<Option<Amount>, FieldError> {
        self.amount_of(6, 51)
    }

    /// Fields 28 and 49: the fee of the transaction; `D`, which the cardholder pays, is positive, `C` negative.
    ///
    /// # Errors
    /// As [`Message::amount`].
    pub fn fee(&self) -> Result<Option<Amount>, FieldError> {
        let Some(minor) = self.view(28, signed)? else { return Ok(None) };
        Ok(Some(Amount::new(minor, self.currency(49)?)))
    }

    /// The first amount of field 95 and field 49: what remains of a transaction that is reversed in part.
    ///
    /// # Errors
    /// As [`Message::amount`].
    pub fn replacement_amount(&self) -> Result<Option<Amount>, FieldError> {
        let first = |value: &[u8]| {
            value.first_chunk::<12>().map_or(Err(Fault::Meaning), |first| minor(first))
        };
        let Some(minor) = self.view(95, first)? else { return Ok(None) };
        Ok(Some(Amount::new(minor, self.currency(49)?)))
    }

    /// Sets fields 4 and 49, the currency as a number.
    ///
    /// # Errors
    /// [`Fault::Meaning`] for a negative amount, or one of more than 12 digits.
    pub fn set_amount(&mut self, amount: Amount) -> Result<&mut Self, FieldError> {
        self.set_amount_of(4, 49, amount)
    }

    /// Sets fields 6 and 51, the currency as a number.
    ///
    /// # Errors
    /// As [`Message::set_amount`].
    pub fn set_billing_amount(&mut self, amount: Amount) -> Result<&mut Self, FieldError> {
        self.set_amount_of(6, 51, amount)
    }

    fn set_amount_of(
        &mut self,
        field: u8,
        currency: u8,
        amount: Amount,
    ) -> Result<&mut Self, FieldError> {
        self.set(field, twelve_digits(field, amount.minor())?)?;
        self.set(currency, format!("{:03}", amount.currency().numeric()))
    }

    fn amount_of(&self, amount: u8, currency: u8) -> Result<Option<Amount>, FieldError> {
        let Some(minor) = self.view(amount, minor)? else { return Ok(None) };
        Ok(Some(Amount::new(minor, self.currency(currency)?)))
    }

    /// Three digits or three letters: both are in use.
    pub(crate) fn currency(&self, field: u8) -> Result<Currency, FieldError> {
        let read = |value: &[u8]| {
            let currency = match decimal(value).map(u16::try_from) {
                Some(Ok(number)) if value.len() == 3 => Currency::from_numeric(number),
                _ => Currency::from_letters(value),
            };
            currency.map_err(|_| Fault::Currency)
        };
        self.view(field, read)?.ok_or(FieldError::missing(field))
    }
}

/// Minor units as a field or a part of it holds them.
pub(crate) fn twelve_digits(field: u8, minor: i64) -> Result<String, FieldError> {
    if (0..1_000_000_000_000).contains(&minor) {
        Ok(format!("{minor:012}"))
    } else {
        Err(FieldError::new(field, Fault::Meaning))
    }
}

fn minor(value: &[u8]) -> Result<i64, Fault> {
    let number = if value.len() == 12 { decimal(value) } else { None };
    number.and_then(|number| i64::try_from(number).ok()).ok_or(Fault::Meaning)
}

fn signed(value: &[u8]) -> Result<i64, Fault> {
    let (sign, digits) = value.split_first().ok_or(Fault::Meaning)?;
    let number = decimal(digits).and_then(|number| i64::try_from(number).ok());
    match (sign, number) {
        (b'D', Some(number)) if !digits.is_empty() => Ok(number),
        (b'C', Some(number)) if !digits.is_empty() => Ok(-number),
        _ => Err(Fault::Meaning),
    }
}
