//! Institutions: account keepers and initiators, by their identification code.

use core::fmt;
use port::Tenant;

/// An institution identification code of 1 to 11 digits, as ISO 8583 fields 32, 33 and 100 carry it.
///
/// Leading zeros do not count: the codes `0123` and `123` are one institution.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InstitutionId(u64);

impl InstitutionId {
    /// The largest code: eleven nines.
    pub const MAX: u64 = 99_999_999_999;

    /// From its number; `None` beyond eleven digits and for 0.
    pub const fn new(number: u64) -> Option<Self> {
        if number == 0 || number > Self::MAX { None } else { Some(Self(number)) }
    }

    /// From its digits.
    pub fn parse(digits: &str) -> Option<Self> {
        if !(1..=11).contains(&digits.len()) || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        digits.parse().ok().and_then(Self::new)
    }

    /// The number.
    pub const fn as_u64(self) -> u64 {
        self.0
    }

    /// Whose rows an account keeper's are.
    pub const fn tenant(self) -> Tenant {
        Tenant::new(self.0)
    }
}

impl fmt::Display for InstitutionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for InstitutionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "InstitutionId({})", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eleven_digits_at_most() {
        assert_eq!(InstitutionId::parse("00000000123"), InstitutionId::new(123));
        assert!(InstitutionId::parse("99999999999").is_some());
        for bad in ["", "0", "100000000000", "12a", "+1", "-1", " 1"] {
            assert_eq!(InstitutionId::parse(bad), None, "{bad:?}");
        }
    }
}
