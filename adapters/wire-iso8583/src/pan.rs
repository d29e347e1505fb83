//! The account number on a card.

use core::fmt;
use seal::{Account, AccountRef, AccountTokens, BadAccount};

/// A primary account number, borrowed from a message: digits that are never printed in full.
///
/// ```
/// use interbank_wire_iso8583::{Message, Mti};
/// let mut message = Message::new(Mti::FINANCIAL_REQUEST);
/// message.set(2, b"4111111111111111")?;
/// let pan = message.pan()?.unwrap();
/// assert_eq!(pan.to_string(), "411111******1111");
/// assert!(pan.has_check_digit());
/// # Ok::<(), interbank_wire_iso8583::FieldError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Pan<'a>(&'a str);

impl<'a> Pan<'a> {
    /// Takes 1 to 19 digits (ISO/IEC 7812-1); `None` for anything else.
    pub fn new(digits: &'a [u8]) -> Option<Self> {
        let digits = core::str::from_utf8(digits).ok()?;
        let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
        (plain && (1..=19).contains(&digits.len())).then_some(Self(digits))
    }

    /// The digits, for the one place that needs them.
    pub const fn expose(&self) -> &'a str {
        self.0
    }

    /// The first digits, at most eight: the issuer, for choosing a route or a range of products.
    pub fn issuer(&self, digits: usize) -> &'a str {
        self.0.get(..digits.min(8)).unwrap_or(self.0)
    }

    /// Whether the last digit is the check digit of ISO/IEC 7812-1. Not every account number has one.
    pub fn has_check_digit(&self) -> bool {
        let sum: u32 = self
            .0
            .bytes()
            .rev()
            .zip([false, true].into_iter().cycle())
            .map(|(byte, doubled)| {
                let digit = u32::from(byte - b'0');
                if doubled { digit * 2 / 10 + digit * 2 % 10 } else { digit }
            })
            .sum();
        sum.is_multiple_of(10)
    }

    /// The number as the family's account: zeroized on drop, for [`AccountTokens::token`].
    ///
    /// # Errors
    /// [`BadAccount`], never for the digits that a `Pan` has.
    pub fn account(&self) -> Result<Account, BadAccount> {
        Account::new(self.0)
    }

    /// What stands for the number in everything that is stored or logged.
    ///
    /// # Errors
    /// [`BadAccount`], never for the digits that a `Pan` has.
    pub fn token(&self, tokens: &AccountTokens) -> Result<AccountRef, BadAccount> {
        Ok(tokens.token(&self.account()?))
    }

    /// The masked form of what should be an account number: PCI DSS 3.4 allows the first six and the last four digits.
    /// Below 13 characters too little would be hidden: then nothing is shown.
    pub(crate) fn mask(digits: &str) -> Masked<'_> {
        Masked(digits)
    }
}

impl fmt::Display for Pan<'_> {
    /// The first six and the last four digits; of fewer than 13 digits none.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Masked(self.0).fmt(f)
    }
}

impl fmt::Debug for Pan<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pan({self})")
    }
}

pub(crate) struct Masked<'a>(&'a str);

impl fmt::Display for Masked<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let len = self.0.len();
        let plain = (13..=19).contains(&len) && self.0.bytes().all(|byte| byte.is_ascii_digit());
        for (at, digit) in self.0.bytes().take(19).enumerate() {
            let shown = plain && (at < 6 || at + 4 >= len);
            write!(f, "{}", if shown { char::from(digit) } else { '*' })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use alloc::string::ToString as _;
    use seal::Secret;

    #[test]
    fn check_digits_of_published_test_numbers() {
        for good in ["4111111111111111", "5555555555554444", "378282246310005", "6200000000000005"]
        {
            assert!(Pan::new(good.as_bytes()).unwrap().has_check_digit(), "{good}");
        }
        assert!(!Pan::new(b"4123456789012345").unwrap().has_check_digit());
    }

    #[test]
    fn a_number_is_masked_at_every_length() {
        for len in 1..=19 {
            let digits = "1234567890123456789".get(..len).unwrap();
            let shown = Pan::new(digits.as_bytes()).unwrap().to_string();
            assert_eq!(shown.len(), len);
            let clear = shown.bytes().filter(u8::is_ascii_digit).count();
            assert_eq!(clear, if len < 13 { 0 } else { 10 }, "{shown}");
        }
        for bad in
            [&b""[..], b"12345678901234567890", b"41111111 1111111", b"4111111111111111=", b"\xFF"]
        {
            assert_eq!(Pan::new(bad), None);
        }
        assert_eq!(format!("{:?}", Pan::new(b"4111111111111111")), "Some(Pan(411111******1111))");
        assert_eq!(Pan::mask("ABCDEFGHIJKLMNOP").to_string(), "****************");
    }

    #[test]
    fn the_token_is_that_of_the_account() {
        let tokens = AccountTokens::new(&Secret::new([3; 32]));
        let pan = Pan::new(b"4111111111111111").unwrap();
        let account = Account::new("4111111111111111").unwrap();
        assert_eq!(pan.token(&tokens), Ok(tokens.token(&account)));
        assert_eq!(
            (pan.issuer(6), pan.issuer(8), pan.issuer(19)),
            ("411111", "41111111", "41111111")
        );
    }
}
