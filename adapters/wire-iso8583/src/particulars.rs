//! What was asked, by whom, and what was answered: typed views of single fields.

use crate::error::{Fault, FieldError};
use crate::{Message, Pan};
use alloc::format;
use core::fmt;

/// Each view answers `None` if the field is not there, and [`Fault::Meaning`] if it is there but does not say what it
/// stands for; [`FieldError::missing`] makes a needed one an error.
impl Message {
    /// Field 2: the account number.
    ///
    /// # Errors
    /// [`Fault::Meaning`] if it is not 1 to 19 digits.
    pub fn pan(&self) -> Result<Option<Pan<'_>>, FieldError> {
        self.view(2, |value| Pan::new(value).ok_or(Fault::Meaning))
    }

    /// Field 3: what kind of transaction, between which kinds of account.
    ///
    /// # Errors
    /// [`Fault::Meaning`] if it is not six digits.
    pub fn processing_code(&self) -> Result<Option<ProcessingCode>, FieldError> {
        self.view(3, |value| ProcessingCode::new(value).ok_or(Fault::Meaning))
    }

    /// Field 11: the systems trace audit number, below 1,000,000.
    ///
    /// # Errors
    /// [`Fault::Meaning`] if it is not six digits.
    pub fn stan(&self) -> Result<Option<u32>, FieldError> {
        self.number(11, 6)
    }

    /// Sets field 11.
    ///
    /// # Errors
    /// [`Fault::Meaning`] for a number of more than six digits.
    pub fn set_stan(&mut self, stan: u32) -> Result<&mut Self, FieldError> {
        if stan > 999_999 {
            return Err(FieldError::new(11, Fault::Meaning));
        }
        self.set(11, format!("{stan:06}"))
    }

    /// Field 18: the merchant category of ISO 18245.
    ///
    /// # Errors
    /// [`Fault::Meaning`] if it is not four digits.
    pub fn merchant_category(&self) -> Result<Option<u16>, FieldError> {
        self.small(18, 4)
    }

    /// Field 19: the acquirer's country, a number of ISO 3166-1.
    ///
    /// # Errors
    /// [`Fault::Meaning`] if it is not three digits.
    pub fn acquirer_country(&self) -> Result<Option<u16>, FieldError> {
        self.small(19, 3)
    }

    /// Field 22: how the card was read (two digits) and whether a PIN can be entered (one).
    ///
    /// # Errors
    /// [`Fault::Meaning`] if it is not three digits.
    pub fn entry_mode(&self) -> Result<Option<u16>, FieldError> {
        self.small(22, 3)
    }

    /// Field 25: the conditions at the point of service.
    ///
    /// # Errors
    /// [`Fault::Meaning`] if it is not two digits.
    pub fn condition_code(&self) -> Result<Option<u16>, FieldError> {
        self.small(25, 2)
    }

    /// Field 32: the institution that took the transaction in.
    ///
    /// # Errors
    /// [`Fault::Meaning`] if it is not 1 to 11 digits.
    pub fn acquirer(&self) -> Result<Option<&str>, FieldError> {
        self.institution(32)
    }

    /// Field 33: the institution that passed it on.
    ///
    /// # Errors
    /// [`Fault::Meaning`] if it is not 1 to 11 digits.
    pub fn forwarder(&self) -> Result<Option<&str>, FieldError> {
        self.institution(33)
    }

    /// Field 37: the retrieval reference, as it stands.
    ///
    /// # Errors
    /// [`Fault::Meaning`] if it is not 12 printable characters.
    pub fn retrieval_reference(&self) -> Result<Option<&str>, FieldError> {
        self.printable(37, 12)
    }

    /// Field 38: the number under which the issuer authorized.
    ///
    /// # Errors
    /// [`Fault::Meaning`] if it is not six printable characters.
    pub fn authorization_code(&self) -> Result<Option<&str>, FieldError> {
        self.printable(38, 6)
    }

    /// Field 39: the answer.
    ///
    /// # Errors
    /// [`Fault::Meaning`] if it is not two letters or digits.
    pub fn response_code(&self) -> Result<Option<ResponseCode>, FieldError> {
        self.view(39, |value| ResponseCode::new(value).ok_or(Fault::Meaning))
    }

    /// Sets field 39.
    ///
    /// # Errors
    /// [`Fault::TooLong`] if the message is full.
    pub fn set_response_code(&mut self, code: ResponseCode) -> Result<&mut Self, FieldError> {
        self.set(39, code.0)
    }

    /// Field 41: the terminal, without the blanks that fill it up.
    ///
    /// # Errors
    /// [`Fault::Meaning`] if it is not eight printable characters.
    pub fn terminal(&self) -> Result<Option<&str>, FieldError> {
        Ok(self.printable(41, 8)?.map(|text| text.trim_end_matches(' ')))
    }

    /// Sets field 41, and fills it with blanks.
    ///
    /// # Errors
    /// [`Fault::Meaning`] for more than eight characters, or some that are not printable ASCII.
    pub fn set_terminal(&mut self, terminal: &str) -> Result<&mut Self, FieldError> {
        self.set_padded(41, 8, terminal)
    }

    /// Field 42: the merchant, without the blanks that fill it up.
    ///
    /// # Errors
    /// [`Fault::Meaning`] if it is not 15 printable characters.
    pub fn merchant(&self) -> Result<Option<&str>, FieldError> {
        Ok(self.printable(42, 15)?.map(|text| text.trim_end_matches(' ')))
    }

    /// Sets field 42, and fills it with blanks.
    ///
    /// # Errors
    /// [`Fault::Meaning`] for more than 15 characters, or some that are not printable ASCII.
    pub fn set_merchant(&mut self, merchant: &str) -> Result<&mut Self, FieldError> {
        self.set_padded(42, 15, merchant)
    }

    /// Field 70: what a network message is about; 1 sign-on, 2 sign-off, 301 echo.
    ///
    /// # Errors
    /// [`Fault::Meaning`] if it is not three digits.
    pub fn network_code(&self) -> Result<Option<u16>, FieldError> {
        self.small(70, 3)
    }

    pub(crate) fn view<'a, T>(
        &'a self,
        field: u8,
        read: impl FnOnce(&'a [u8]) -> Result<T, Fault>,
    ) -> Result<Option<T>, FieldError> {
        self.field(field).map(read).transpose().map_err(|fault| FieldError::new(field, fault))
    }

    fn number(&self, field: u8, digits: usize) -> Result<Option<u32>, FieldError> {
        self.view(field, |value| {
            let number = if value.len() == digits { decimal(value) } else { None };
            number.and_then(|number| u32::try_from(number).ok()).ok_or(Fault::Meaning)
        })
    }

    fn small(&self, field: u8, digits: usize) -> Result<Option<u16>, FieldError> {
        let small = |number| u16::try_from(number).ok();
        Ok(self.number(field, digits)?.and_then(small))
    }

    fn institution(&self, field: u8) -> Result<Option<&str>, FieldError> {
        self.view(field, |value| {
            let plain = (1..=11).contains(&value.len()) && value.iter().all(u8::is_ascii_digit);
            core::str::from_utf8(value).ok().filter(|_| plain).ok_or(Fault::Meaning)
        })
    }

    fn printable(&self, field: u8, len: usize) -> Result<Option<&str>, FieldError> {
        self.view(field, |value| {
            let plain = value.len() == len && is_printable(value);
            core::str::from_utf8(value).ok().filter(|_| plain).ok_or(Fault::Meaning)
        })
    }

    fn set_padded(&mut self, field: u8, len: usize, text: &str) -> Result<&mut Self, FieldError> {
        if text.len() > len || !is_printable(text.as_bytes()) {
            return Err(FieldError::new(field, Fault::Meaning));
        }
        self.set(field, format!("{text:<len$}"))
    }
}

/// Field 3: transaction type, account to take from, account to give to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct ProcessingCode {
    /// 00 goods and services, 01 cash, 09 goods with cash, 20 refund, 31 balance, 40 transfer, …
    pub transaction: u8,
    /// 00 not said, 10 savings, 20 cheque, 30 credit, …
    pub from_account: u8,
    /// As `from_account`.
    pub to_account: u8,
}

impl ProcessingCode {
    /// Reads six digits.
    pub fn new(digits: &[u8]) -> Option<Self> {
        let digits: [u8; 6] = digits.try_into().ok()?;
        let [transaction, from_account, to_account] =
            [0, 2, 4].map(|at| decimal(&digits[at..at + 2]).and_then(|two| u8::try_from(two).ok()));
        Some(Self {
            transaction: transaction?,
            from_account: from_account?,
            to_account: to_account?,
        })
    }
}

impl fmt::Display for ProcessingCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}{:02}{:02}", self.transaction, self.from_account, self.to_account)
    }
}

/// Field 39: two letters or digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResponseCode([u8; 2]);

impl ResponseCode {
    /// 00.
    pub const APPROVED: Self = Self(*b"00");

    /// Reads two letters or digits.
    pub fn new(code: &[u8]) -> Option<Self> {
        let code: [u8; 2] = code.try_into().ok()?;
        code.iter().all(u8::is_ascii_alphanumeric).then_some(Self(code))
    }

    /// The two characters.
    pub const fn as_bytes(&self) -> &[u8; 2] {
        &self.0
    }

    /// Whether it approves: 00, 10 (a part), 11 (VIP), 08 (with identification).
    pub const fn is_approval(self) -> bool {
        matches!(&self.0, b"00" | b"08" | b"10" | b"11")
    }
}

impl fmt::Display for ResponseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{}", char::from(*byte)))
    }
}

impl fmt::Debug for ResponseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ResponseCode({self})")
    }
}

/// The number that digits say; `None` if there is anything else, or it does not fit.
pub(crate) fn decimal(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0_u64, |number, byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        number.checked_mul(10)?.checked_add(digit)
    })
}

fn is_printable(value: &[u8]) -> bool {
    value.iter().all(|byte| (0x20..0x7F).contains(byte))
}
