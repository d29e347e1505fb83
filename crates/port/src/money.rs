//! Money: integer minor units with an ISO 4217 currency, and checked arithmetic.

mod iso4217;

use alloc::string::String;
use core::fmt;
use core::str::FromStr;

/// An amount of money in minor units (cents, fen, yen).
///
/// Parsing and printing in major units is exact; nothing passes through a float.
///
/// ```
/// use interbank_port::{Amount, Currency};
/// let cny = Currency::parse("CNY")?;
/// let price = Amount::parse_major("123.45", cny)?;
/// assert_eq!(price.minor(), 12_345);
/// assert_eq!(price.to_string(), "123.45 CNY");
/// assert!(price.checked_add(Amount::new(1, Currency::parse("JPY")?)).is_err());
/// # Ok::<(), interbank_port::MoneyError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Amount {
    minor: i64,
    currency: Currency,
}

impl Amount {
    /// An amount of `minor` units.
    pub const fn new(minor: i64, currency: Currency) -> Self {
        Self { minor, currency }
    }

    /// Reads a decimal number of major units: an optional minus sign, digits, and at most as many decimals as the
    /// currency has (`12`, `12.3` and `12.34` for two).
    ///
    /// # Errors
    /// [`MoneyError::NotANumber`] for any other shape (plus sign, blanks, a bare or trailing point, thousands separators),
    /// [`MoneyError::TooManyDecimals`], [`MoneyError::Overflow`].
    pub fn parse_major(text: &str, currency: Currency) -> Result<Self, MoneyError> {
        let (negative, digits) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (whole, decimals) = match digits.split_once('.') {
            Some((_, "")) => return Err(MoneyError::NotANumber),
            Some((whole, decimals)) => (whole, decimals),
            None => (digits, ""),
        };
        if whole.is_empty() {
            return Err(MoneyError::NotANumber);
        }
        if !whole.bytes().chain(decimals.bytes()).all(|byte| byte.is_ascii_digit()) {
            return Err(MoneyError::NotANumber);
        }
        let places = usize::from(currency.exponent());
        if decimals.len() > places {
            return Err(MoneyError::TooManyDecimals);
        }
        let padding = core::iter::repeat_n(b'0', places - decimals.len());
        let mut minor: i64 = 0;
        for byte in whole.bytes().chain(decimals.bytes()).chain(padding) {
            let digit = i64::from(byte - b'0');
            let digit = if negative { -digit } else { digit };
            minor = minor
                .checked_mul(10)
                .and_then(|tens| tens.checked_add(digit))
                .ok_or(MoneyError::Overflow)?;
        }
        Ok(Self { minor, currency })
    }

    /// The number of minor units.
    pub const fn minor(self) -> i64 {
        self.minor
    }

    /// The currency.
    pub const fn currency(self) -> Currency {
        self.currency
    }

    /// Whether this is more than nothing.
    pub const fn is_positive(self) -> bool {
        self.minor > 0
    }

    /// The sum of both.
    ///
    /// # Errors
    /// [`MoneyError::CurrencyMismatch`], [`MoneyError::Overflow`].
    pub fn checked_add(self, other: Self) -> Result<Self, MoneyError> {
        self.same_currency(other)?;
        let minor = self.minor.checked_add(other.minor).ok_or(MoneyError::Overflow)?;
        Ok(Self { minor, currency: self.currency })
    }

    /// This less the other.
    ///
    /// # Errors
    /// [`MoneyError::CurrencyMismatch`], [`MoneyError::Overflow`].
    pub fn checked_sub(self, other: Self) -> Result<Self, MoneyError> {
        self.same_currency(other)?;
        let minor = self.minor.checked_sub(other.minor).ok_or(MoneyError::Overflow)?;
        Ok(Self { minor, currency: self.currency })
    }

    /// Compares within one currency.
    ///
    /// # Errors
    /// [`MoneyError::CurrencyMismatch`].
    pub fn checked_cmp(self, other: Self) -> Result<core::cmp::Ordering, MoneyError> {
        self.same_currency(other)?;
        Ok(self.minor.cmp(&other.minor))
    }

    /// The sum of many, taken in `i128` so that only the result can overflow.
    ///
    /// # Errors
    /// [`MoneyError::CurrencyMismatch`], [`MoneyError::Overflow`].
    pub fn checked_sum(
        currency: Currency,
        amounts: impl IntoIterator<Item = Self>,
    ) -> Result<Self, MoneyError> {
        let mut sum: i128 = 0;
        for amount in amounts {
            Self::new(0, currency).same_currency(amount)?;
            sum = sum.checked_add(i128::from(amount.minor)).ok_or(MoneyError::Overflow)?;
        }
        let minor = i64::try_from(sum).map_err(|_| MoneyError::Overflow)?;
        Ok(Self { minor, currency })
    }

    /// The number in major units without the currency, with all decimals that the currency has: `-0.05`.
    pub fn to_major(self) -> String {
        let places = usize::from(self.currency.exponent());
        let sign = if self.minor < 0 { "-" } else { "" };
        let digits = self.minor.unsigned_abs();
        if places == 0 {
            return alloc::format!("{sign}{digits}");
        }
        let scale = 10_u64.pow(u32::from(self.currency.exponent()));
        alloc::format!("{sign}{}.{:0places$}", digits / scale, digits % scale)
    }

    fn same_currency(self, other: Self) -> Result<(), MoneyError> {
        if self.currency == other.currency { Ok(()) } else { Err(MoneyError::CurrencyMismatch) }
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.to_major(), self.currency)
    }
}

/// A currency of ISO 4217.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency {
    letters: [u8; 3],
    numeric: u16,
    exponent: u8,
}

impl Currency {
    /// `XXX`: no currency is involved. It has no minor unit.
    pub const NONE: Self = Self { letters: *b"XXX", numeric: 999, exponent: 0 };

    /// By its three capital letters.
    ///
    /// # Errors
    /// [`MoneyError::UnknownCurrency`].
    pub fn parse(letters: &str) -> Result<Self, MoneyError> {
        Self::from_letters(letters.as_bytes())
    }

    /// By its three capital letters, as bytes from a wire form.
    ///
    /// # Errors
    /// [`MoneyError::UnknownCurrency`].
    pub fn from_letters(letters: &[u8]) -> Result<Self, MoneyError> {
        let letters: [u8; 3] = letters.try_into().map_err(|_| MoneyError::UnknownCurrency)?;
        let first = usize::from(letters[0].wrapping_sub(b'A'));
        let [from, to] = *FIRST_LETTERS.get(first).ok_or(MoneyError::UnknownCurrency)?;
        iso4217::TABLE[from..to]
            .iter()
            .find(|entry| entry.0 == letters)
            .map(|entry| Self::from_entry(*entry))
            .ok_or(MoneyError::UnknownCurrency)
    }

    /// By its number, as EMV and ISO 8583 carry it.
    ///
    /// # Errors
    /// [`MoneyError::UnknownCurrency`].
    pub fn from_numeric(numeric: u16) -> Result<Self, MoneyError> {
        iso4217::TABLE
            .iter()
            .find(|entry| entry.1 == numeric)
            .map(|entry| Self::from_entry(*entry))
            .ok_or(MoneyError::UnknownCurrency)
    }

    /// The three letters.
    pub const fn letters(&self) -> [u8; 3] {
        self.letters
    }

    /// The number of ISO 4217, below 1000.
    pub const fn numeric(&self) -> u16 {
        self.numeric
    }

    /// Digits after the decimal separator; 0 where ISO 4217 names no minor unit.
    pub const fn exponent(&self) -> u8 {
        self.exponent
    }

    /// All currencies of the table, sorted by letters.
    pub fn all() -> impl Iterator<Item = Self> {
        iso4217::TABLE.iter().map(|entry| Self::from_entry(*entry))
    }

    const fn from_entry((letters, numeric, exponent): ([u8; 3], u16, u8)) -> Self {
        Self { letters, numeric, exponent }
    }
}

/// Where the currencies of each first letter stand in the table: every stored amount is read through it.
const FIRST_LETTERS: [[usize; 2]; 26] = {
    let mut ranges = [[0; 2]; 26];
    let mut at = 0;
    while at < iso4217::TABLE.len() {
        let letter = (iso4217::TABLE[at].0[0] - b'A') as usize;
        if ranges[letter][1] == 0 {
            ranges[letter][0] = at;
        }
        at += 1;
        ranges[letter][1] = at;
    }
    ranges
};

impl FromStr for Currency {
    type Err = MoneyError;
    fn from_str(letters: &str) -> Result<Self, MoneyError> {
        Self::parse(letters)
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(core::str::from_utf8(&self.letters).unwrap_or("???"))
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why an amount or a currency could not be read or computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MoneyError {
    /// Two amounts of different currencies meet.
    CurrencyMismatch,
    /// Not a plain decimal number.
    NotANumber,
    /// The result does not fit 64 bits of minor units.
    Overflow,
    /// More decimals than the currency has.
    TooManyDecimals,
    /// ISO 4217 has no such currency.
    UnknownCurrency,
}

impl MoneyError {
    /// Stable number, 150 to 154.
    pub const fn code(self) -> u32 {
        match self {
            Self::CurrencyMismatch => 150,
            Self::NotANumber => 151,
            Self::Overflow => 152,
            Self::TooManyDecimals => 153,
            Self::UnknownCurrency => 154,
        }
    }
}

impl fmt::Display for MoneyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CurrencyMismatch => "amounts of different currencies",
            Self::NotANumber => "not a plain decimal number such as 12.34",
            Self::Overflow => "amount out of range",
            Self::TooManyDecimals => "more decimals than the currency has",
            Self::UnknownCurrency => "no such ISO 4217 currency",
        })
    }
}

impl core::error::Error for MoneyError {}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;
    use proptest::prelude::*;

    fn currency(letters: &str) -> Currency {
        Currency::parse(letters).unwrap()
    }

    #[test]
    fn table_agrees_with_an_independent_one() {
        let mut seen = 0;
        for ours in Currency::all() {
            let theirs = iso_currency::Currency::from_code(&ours.to_string()).unwrap();
            assert_eq!(theirs.numeric(), ours.numeric(), "{ours}");
            assert_eq!(theirs.exponent().unwrap_or(0), u16::from(ours.exponent()), "{ours}");
            assert_eq!(Currency::from_numeric(ours.numeric()), Ok(ours));
            seen += 1;
        }
        assert!(seen > 170);
        assert_eq!(Currency::parse("XXX"), Ok(Currency::NONE));
    }

    #[test]
    fn reads_and_prints_major_units() {
        for (text, letters, minor, printed) in [
            ("0", "CNY", 0, "0.00 CNY"),
            ("1.5", "CNY", 150, "1.50 CNY"),
            ("-0.05", "EUR", -5, "-0.05 EUR"),
            ("1234", "JPY", 1234, "1234 JPY"),
            ("1.234", "KWD", 1234, "1.234 KWD"),
            ("92233720368547758.07", "USD", i64::MAX, "92233720368547758.07 USD"),
            ("-92233720368547758.08", "USD", i64::MIN, "-92233720368547758.08 USD"),
        ] {
            let amount = Amount::parse_major(text, currency(letters)).unwrap();
            assert_eq!(amount.minor(), minor);
            assert_eq!(amount.to_string(), printed);
        }
    }

    #[test]
    fn refuses_everything_else() {
        for text in ["", "-", ".5", "1.", "+1", " 1", "1,5", "1e3", "١", "0x1", "1.2.3", "--1"] {
            assert_eq!(Amount::parse_major(text, currency("CNY")), Err(MoneyError::NotANumber));
        }
        let too_fine = Amount::parse_major("1.001", currency("CNY"));
        assert_eq!(too_fine, Err(MoneyError::TooManyDecimals));
        let too_large = Amount::parse_major("92233720368547758.08", currency("USD"));
        assert_eq!(too_large, Err(MoneyError::Overflow));
        assert_eq!(Currency::parse("cny"), Err(MoneyError::UnknownCurrency));
    }

    #[test]
    fn sums_overflow_only_in_the_result() {
        let usd = currency("USD");
        let big = Amount::new(i64::MAX, usd);
        let sum = Amount::checked_sum(usd, [big, big, Amount::new(-i64::MAX, usd)]);
        assert_eq!(sum, Ok(big));
        assert_eq!(Amount::checked_sum(usd, [big, big]), Err(MoneyError::Overflow));
        assert_eq!(big.checked_add(Amount::new(1, usd)), Err(MoneyError::Overflow));
    }

    proptest! {
        #[test]
        fn printing_and_reading_are_inverse(minor in any::<i64>(), at in 0..iso4217::TABLE.len()) {
            let currency = Currency::from_entry(iso4217::TABLE[at]);
            let amount = Amount::new(minor, currency);
            prop_assert_eq!(Amount::parse_major(&amount.to_major(), currency), Ok(amount));
        }

        #[test]
        fn any_text_is_read_or_refused(text in ".*") {
            if let Ok(amount) = Amount::parse_major(&text, Currency::NONE) {
                prop_assert!(text.trim_start_matches(['-', '0']).len() <= amount.to_major().len());
            }
        }
    }
}
