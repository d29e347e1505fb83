//! Whom a file is sealed for: X25519 keys, and the content key wrapped by HPKE.

use core::fmt;
use seal::{HpkeKey, Secret, hpke_seal};

/// The public key of a receiving end: X25519 (RFC 7748).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecipientKey([u8; 32]);

impl RecipientKey {
    /// From its 32 bytes (RFC 9180 §7.1.1). Any are a key; a useless one is refused when something is sealed for it.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its 32 bytes.
    pub const fn to_bytes(&self) -> [u8; 32] {
        self.0
    }

    /// Wraps a content key: encapsulated key, and the sealed content key. `None` for a key that keeps nothing secret.
    pub(super) fn wrap(
        &self,
        info: &[u8],
        content_key: &Secret<32>,
        entropy: &[u8; 32],
    ) -> Option<([u8; 32], [u8; 48])> {
        let drawn = seal::derive(entropy, "interbank/filexfer/ephemeral/v1", &[]);
        let (encapsulated, wrapped) = hpke_seal(&self.0, info, &[], content_key.expose(), drawn)?;
        Some((encapsulated, wrapped.try_into().ok()?))
    }
}

/// The private key of a receiving end.
#[derive(Clone)]
pub struct OpeningKey(Secret<32>);

impl OpeningKey {
    /// From its 32 bytes (RFC 9180 §7.1.2).
    pub const fn from_bytes(bytes: Secret<32>) -> Self {
        Self(bytes)
    }

    /// Derived from key material of 32 random bytes (RFC 9180 §7.1.3).
    pub fn derive(material: &Secret<32>) -> Self {
        Self(HpkeKey::derive(material).to_bytes())
    }

    /// The key to seal for.
    pub fn recipient_key(&self) -> RecipientKey {
        // 32 bytes are always a private key.
        RecipientKey(HpkeKey::from_bytes(&self.0).map_or([0; 32], |key| key.public()))
    }

    /// Unwraps what was sealed for this key; `None` if it was not.
    pub(super) fn unwrap(
        &self,
        encapsulated: &[u8; 32],
        info: &[u8],
        wrapped: &[u8],
        associated: &[u8],
    ) -> Option<alloc::vec::Vec<u8>> {
        HpkeKey::from_bytes(&self.0)?.open(encapsulated, info, associated, wrapped)
    }
}

impl fmt::Debug for OpeningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OpeningKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_content_key_is_for_one_key_and_one_purpose() {
        let key = OpeningKey::derive(&Secret::new([1; 32]));
        let content_key = Secret::new([2; 32]);
        let (encapsulated, wrapped) =
            key.recipient_key().wrap(b"info", &content_key, &[3; 32]).unwrap();
        let opened = key.unwrap(&encapsulated, b"info", &wrapped, &[]);
        assert_eq!(opened.as_deref(), Some(&content_key.expose()[..]));
        assert_eq!(key.unwrap(&encapsulated, b"other", &wrapped, &[]), None);
        let other = OpeningKey::derive(&Secret::new([4; 32]));
        assert_eq!(other.unwrap(&encapsulated, b"info", &wrapped, &[]), None);
        // Points of small order keep nothing secret (RFC 9180 §7.1.4).
        let useless = RecipientKey::from_bytes([0; 32]);
        assert_eq!(useless.wrap(b"info", &content_key, &[3; 32]), None);
    }
}
