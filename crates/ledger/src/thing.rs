//! What files are about: real things, each with one canonical name.

use crate::id::cmp_digests;
use crate::{Misuse, name::Label};
use alloc::string::String;
use core::cmp::Ordering;
use core::fmt;
use port::WireError;
use port::wire::Reader;
use sha2::{Digest as _, Sha256};

/// The canonical name of a real thing: who numbers it, and its number, such as `cadastre-by` and `091234-0017/3`.
///
/// Numbers have one spelling: 1 to 96 characters of `0-9 A-Z - . / :`. What a register writes otherwise is brought into
/// this form before anybody signs, since another spelling would be another thing.
///
/// ```
/// use interbank_ledger::ThingId;
/// let vehicle = ThingId::new("vin", "WVWZZZ1JZXW000001")?;
/// assert_eq!(vehicle.to_string(), "vin:WVWZZZ1JZXW000001");
/// assert!(ThingId::new("vin", "wvwzzz1jzxw000001").is_err());
/// # Ok::<(), interbank_ledger::Misuse>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ThingId {
    scheme: Label,
    number: String,
}

impl ThingId {
    /// By the scheme that numbers it, and its number there.
    ///
    /// # Errors
    /// [`Misuse::Name`], [`Misuse::ThingNumber`].
    pub fn new(scheme: &str, number: &str) -> Result<Self, Misuse> {
        let allowed = |byte: u8| {
            byte.is_ascii_digit()
                || byte.is_ascii_uppercase()
                || matches!(byte, b'-' | b'.' | b'/' | b':')
        };
        let scheme = Label::new(scheme)?;
        if (1..=96).contains(&number.len()) && number.bytes().all(allowed) {
            Ok(Self { scheme, number: number.into() })
        } else {
            Err(Misuse::ThingNumber)
        }
    }

    /// What the chain calls the thing: SHA-256 of the domain `interbank/ledger/thing/v1`, a zero byte, scheme and number
    /// (`u8` length each).
    ///
    /// Whoever knows the number can compute it, and whoever sees it can try numbers: it keeps names short, not secret.
    pub fn key(&self) -> ThingKey {
        let mut hash = Sha256::new_with_prefix(b"interbank/ledger/thing/v1\0");
        for part in [self.scheme.as_str(), &self.number] {
            // Both are shorter than 256 bytes.
            hash.update([u8::try_from(part.len()).unwrap_or(u8::MAX)]);
            hash.update(part);
        }
        ThingKey(hash.finalize().into())
    }

    /// Who numbers it.
    pub const fn scheme(&self) -> &Label {
        &self.scheme
    }

    /// Its number.
    pub fn number(&self) -> &str {
        &self.number
    }
}

impl fmt::Display for ThingId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.scheme, self.number)
    }
}

/// What the chain calls a thing; of one thing there is at most one live file.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ThingKey(pub [u8; 32]);

impl ThingKey {
    pub(crate) fn read(from: &mut Reader<'_>) -> Result<Self, WireError> {
        from.array().map(Self)
    }
}

impl Ord for ThingKey {
    fn cmp(&self, other: &Self) -> Ordering {
        cmp_digests(&self.0, &other.0)
    }
}

impl PartialOrd for ThingKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Debug for ThingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ThingKey(")?;
        self.0.iter().take(4).try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str("..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString as _;

    #[test]
    fn a_number_has_one_spelling() {
        for number in ["", "a", "1 2", "Ä", "1\n", &"1".repeat(97)] {
            assert_eq!(ThingId::new("vin", number), Err(Misuse::ThingNumber), "{number:?}");
        }
        assert_eq!(ThingId::new("VIN", "1"), Err(Misuse::Name));
        assert_eq!(ThingId::new("vin", "A:1").unwrap().to_string(), "vin:A:1");
    }

    #[test]
    fn scheme_and_number_do_not_run_together() {
        let key = |scheme, number| ThingId::new(scheme, number).unwrap().key();
        assert_ne!(key("a1", "2"), key("a", "12"));
        assert_eq!(key("a", "12"), key("a", "12"));
    }
}
