//! Whose signatures are believed, with which keys, and when.

use crate::VerifyingKey;
use alloc::collections::BTreeMap;
use alloc::string::String;
use core::fmt;
use port::Time;

/// Issuers with their keys: several keys overlap while one replaces another, and a key can be revoked.
///
/// ```
/// use interbank_seal::{Secret, SigningKey, TrustList, TrustedKey, Validity};
/// use port::Time;
/// let key = SigningKey::from_seed(&Secret::new([1; 32])).verifying_key();
/// let mut trust = TrustList::new();
/// trust.add("bank.example", 1, TrustedKey::new(key, Validity::always()));
/// assert!(trust.key("bank.example", 1, Time::from_s(1)).is_ok());
/// trust.revoke("bank.example", 1, Time::from_s(5));
/// assert!(trust.key("bank.example", 1, Time::from_s(5)).is_err());
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustList {
    issuers: BTreeMap<String, BTreeMap<u8, TrustedKey>>,
}

impl TrustList {
    /// Nobody is trusted.
    pub const fn new() -> Self {
        Self { issuers: BTreeMap::new() }
    }

    /// Trusts a key of an issuer; replaces the key of the same number.
    pub fn add(&mut self, issuer: &str, key_id: u8, key: TrustedKey) -> &mut Self {
        self.issuers.entry(issuer.into()).or_default().insert(key_id, key);
        self
    }

    /// From `at` on, nothing signed with this key is believed. Returns whether the key is known.
    pub fn revoke(&mut self, issuer: &str, key_id: u8, at: Time) -> bool {
        let key = self.issuers.get_mut(issuer).and_then(|keys| keys.get_mut(&key_id));
        key.is_some_and(|key| {
            key.revoked = Some(key.revoked.map_or(at, |earlier| earlier.min(at)));
            true
        })
    }

    /// The key to check a signature with now.
    ///
    /// # Errors
    /// [`Distrust`]: who or what is not trusted.
    pub fn key(&self, issuer: &str, key_id: u8, now: Time) -> Result<&VerifyingKey, Distrust> {
        let keys = self.issuers.get(issuer).ok_or(Distrust::UnknownIssuer)?;
        let trusted = keys.get(&key_id).ok_or(Distrust::UnknownKey)?;
        if trusted.revoked.is_some_and(|at| now >= at) {
            return Err(Distrust::Revoked);
        }
        if now < trusted.validity.from {
            return Err(Distrust::NotYetValid);
        }
        if now >= trusted.validity.until {
            return Err(Distrust::NoLongerValid);
        }
        Ok(&trusted.key)
    }
}

/// A key of an issuer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustedKey {
    key: VerifyingKey,
    validity: Validity,
    revoked: Option<Time>,
}

impl TrustedKey {
    /// A key that is not revoked.
    pub const fn new(key: VerifyingKey, validity: Validity) -> Self {
        Self { key, validity, revoked: None }
    }
}

/// From when (inclusive) until when (exclusive) something holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// The first moment.
    pub from: Time,
    /// The first moment after it.
    pub until: Time,
}

impl Validity {
    /// Always.
    pub const fn always() -> Self {
        Self { from: Time::EPOCH, until: Time::from_ms(u64::MAX) }
    }

    /// Whether it holds now.
    pub fn holds(&self, now: Time) -> bool {
        self.from <= now && now < self.until
    }
}

/// Why a signature is not believed, whatever its bytes say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Distrust {
    /// The key's time is over.
    NoLongerValid,
    /// The key's time has not come.
    NotYetValid,
    /// The key was revoked.
    Revoked,
    /// The issuer is not on the list.
    UnknownIssuer,
    /// The issuer has no key of this number.
    UnknownKey,
}

impl Distrust {
    /// Stable number, 1010 to 1014.
    pub const fn code(self) -> u32 {
        match self {
            Self::NoLongerValid => 1_010,
            Self::NotYetValid => 1_011,
            Self::Revoked => 1_012,
            Self::UnknownIssuer => 1_013,
            Self::UnknownKey => 1_014,
        }
    }
}

impl fmt::Display for Distrust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoLongerValid => "the signing key is no longer valid",
            Self::NotYetValid => "the signing key is not valid yet",
            Self::Revoked => "the signing key was revoked",
            Self::UnknownIssuer => "the issuer is not trusted",
            Self::UnknownKey => "the issuer has no such key",
        })
    }
}

impl core::error::Error for Distrust {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Secret, SigningKey};

    #[test]
    fn each_reason_is_told() {
        let key = SigningKey::from_seed(&Secret::new([1; 32])).verifying_key();
        let validity = Validity { from: Time::from_s(10), until: Time::from_s(20) };
        let mut trust = TrustList::new();
        trust.add("a", 1, TrustedKey::new(key, validity));
        let at =
            |s, issuer, key_id, trust: &TrustList| trust.key(issuer, key_id, Time::from_s(s)).err();
        assert_eq!(at(10, "a", 1, &trust), None);
        assert_eq!(at(9, "a", 1, &trust), Some(Distrust::NotYetValid));
        assert_eq!(at(20, "a", 1, &trust), Some(Distrust::NoLongerValid));
        assert_eq!(at(10, "b", 1, &trust), Some(Distrust::UnknownIssuer));
        assert_eq!(at(10, "a", 2, &trust), Some(Distrust::UnknownKey));
        assert!(trust.revoke("a", 1, Time::from_s(15)));
        assert!(trust.revoke("a", 1, Time::from_s(18)), "a later revocation does not undo it");
        assert_eq!(at(14, "a", 1, &trust), None);
        assert_eq!(at(15, "a", 1, &trust), Some(Distrust::Revoked));
        assert!(!trust.revoke("a", 9, Time::EPOCH));
    }
}
