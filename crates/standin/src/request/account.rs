//! The account of a request, without its number.

use alloc::vec::Vec;
use bytes::Bytes;
use core::fmt;
use port::WireError;
use port::wire::{Reader, Writer};
use seal::{Account, AccountRef};

/// What the stand-in module knows of an account number: a token, the issuer's digits, whether the check digit is right.
#[derive(Clone, PartialEq, Eq)]
pub struct AccountInfo {
    /// Stands for the account everywhere.
    pub token: AccountRef,
    /// The first eight digits, if the number is a card number.
    pub bin: Option<Bin>,
    /// The check digit (ISO/IEC 7812-1 annex B).
    pub check_digit: CheckDigit,
    /// What whoever forwards the advice needs to name the account to its keeper: an encrypted number, a vault's handle. At most
    /// [`AccountInfo::HANDLE_BYTES_MAX`]; may be empty. Never the clear number: it is stored.
    pub handle: Bytes,
}

impl AccountInfo {
    /// The longest handle, in bytes.
    pub const HANDLE_BYTES_MAX: usize = 96;

    /// Looks at an account number once; the number goes no further. `token` is its token.
    pub fn new(account: &Account, token: AccountRef) -> Self {
        let number = account.expose();
        let is_card = (12..=19).contains(&number.len()) && number.iter().all(u8::is_ascii_digit);
        let bin = is_card.then(|| Bin::of(number)).flatten();
        let check_digit = match is_card {
            false => CheckDigit::None,
            true if luhn(number) => CheckDigit::Right,
            true => CheckDigit::Wrong,
        };
        Self { token, bin, check_digit, handle: Bytes::new() }
    }

    /// With a handle; `None` if it is too long.
    #[must_use]
    pub fn with_handle(mut self, handle: impl Into<Bytes>) -> Option<Self> {
        self.handle = handle.into();
        (self.handle.len() <= Self::HANDLE_BYTES_MAX).then_some(self)
    }

    pub(crate) fn write(&self, writer: &mut Writer<'_>) -> Result<(), WireError> {
        if self.handle.len() > Self::HANDLE_BYTES_MAX {
            return Err(WireError::TooLong);
        }
        writer
            .fixed(self.token.as_bytes())
            .u32(self.bin.map_or(u32::MAX, |bin| bin.0))
            .u8(self.check_digit.as_u8())
            .lp8(&self.handle)?;
        Ok(())
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, WireError> {
        let token = AccountRef::from_bytes(reader.array()?);
        let bin = match reader.u32()? {
            u32::MAX => None,
            digits => Some(Bin::new(digits).ok_or(WireError::Invalid)?),
        };
        let check_digit = CheckDigit::from_u8(reader.u8()?).ok_or(WireError::Invalid)?;
        let handle = reader.lp8()?;
        if handle.len() > Self::HANDLE_BYTES_MAX {
            return Err(WireError::TooLong);
        }
        Ok(Self { token, bin, check_digit, handle: Bytes::from(Vec::from(handle)) })
    }
}

impl fmt::Debug for AccountInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AccountInfo({}, {:?}, {:?})", self.token, self.bin, self.check_digit)
    }
}

/// The first eight digits of a card number: issuer identification number (ISO/IEC 7812-1), padded where it is shorter.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bin(u32);

impl Bin {
    /// From the eight digits as a number; `None` beyond eight digits.
    pub const fn new(digits: u32) -> Option<Self> {
        if digits > 99_999_999 { None } else { Some(Self(digits)) }
    }

    /// The digits as a number.
    pub const fn as_u32(self) -> u32 {
        self.0
    }

    fn of(number: &[u8]) -> Option<Self> {
        let digits = number.get(..8)?;
        Some(Self(digits.iter().fold(0, |all, digit| all * 10 + u32::from(digit - b'0'))))
    }
}

impl fmt::Debug for Bin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bin({:08})", self.0)
    }
}

/// What the check digit of an account number says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckDigit {
    /// The number is no card number.
    None,
    /// It is right.
    Right,
    /// It is wrong.
    Wrong,
}

impl CheckDigit {
    const fn as_u8(self) -> u8 {
        match self {
            Self::None => 0,
            Self::Right => 1,
            Self::Wrong => 2,
        }
    }

    const fn from_u8(byte: u8) -> Option<Self> {
        match byte {
            0 => Some(Self::None),
            1 => Some(Self::Right),
            2 => Some(Self::Wrong),
            _ => None,
        }
    }
}

/// ISO/IEC 7812-1 annex B: from the right, every second digit counts double, digit sum, divisible by ten.
fn luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(at, digit)| {
            let digit = u32::from(digit - b'0') << (at % 2);
            if digit > 9 { digit - 9 } else { digit }
        })
        .sum();
    sum.is_multiple_of(10)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(number: &str) -> AccountInfo {
        AccountInfo::new(&Account::new(number).unwrap(), AccountRef::from_bytes([7; 16]))
    }

    #[test]
    fn check_digits_of_published_numbers() {
        for right in ["4111111111111111", "5555555555554444", "378282246310005", "6200000000000005"]
        {
            assert_eq!(info(right).check_digit, CheckDigit::Right, "{right}");
        }
        assert_eq!(info("4123456789012345").check_digit, CheckDigit::Wrong);
        assert_eq!(info("DE89370400440532013000").check_digit, CheckDigit::None);
        assert_eq!(info("DE89370400440532013000").bin, None);
    }

    #[test]
    fn every_single_wrong_digit_shows() {
        let number = *b"4111111111111111";
        for at in 0..number.len() {
            for digit in b'0'..=b'9' {
                let mut other = number;
                other[at] = digit;
                assert_eq!(luhn(&other), other == number);
            }
        }
    }

    #[test]
    fn only_eight_digits_are_kept() {
        let text = alloc::format!("{:?}", info("6200000000000005"));
        assert!(text.contains("Bin(62000000)") && !text.contains("0000005"), "{text}");
    }
}
