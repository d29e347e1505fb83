//! Ed25519 signatures (RFC 8032), one strict check everywhere, each message under a domain.

use crate::Secret;
#[cfg(not(interbank_simulation))]
use crate::ed25519;
#[cfg(interbank_simulation)]
use crate::remembered as ed25519;
use alloc::vec::Vec;
use core::fmt;

/// A key that checks signatures; its point is decompressed once.
#[derive(Clone, PartialEq, Eq)]
pub struct VerifyingKey(ed25519_dalek::VerifyingKey);

impl VerifyingKey {
    /// From the 32 bytes of a public key.
    ///
    /// # Errors
    /// [`BadKey`] if the bytes are no point of the curve, a weak one, or not its canonical encoding (RFC 8032 §5.1.3).
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self, BadKey> {
        if !is_canonical(bytes) {
            return Err(BadKey);
        }
        ed25519::parsed(bytes).map(Self).ok_or(BadKey)
    }

    /// The 32 bytes.
    pub fn to_bytes(&self) -> [u8; 32] {
        self.0.to_bytes()
    }

    /// Whether the signature is right for a message made by [`in_domain`], by the strict rules: canonical scalars and
    /// points, no small order, no cofactor. Two nodes that ask get the same answer.
    pub fn verify(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        ed25519::verified(&self.0, message, signature)
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("VerifyingKey(")?;
        for byte in &self.to_bytes()[..4] {
            write!(f, "{byte:02x}")?;
        }
        f.write_str("..)")
    }
}

/// A signing key in software.
#[derive(Clone)]
pub struct SigningKey(ed25519_dalek::SigningKey);

impl SigningKey {
    /// From the 32-byte seed.
    pub fn from_seed(seed: &Secret<32>) -> Self {
        Self(ed25519::key_of(seed.expose()))
    }

    /// The key that checks its signatures.
    pub fn verifying_key(&self) -> VerifyingKey {
        VerifyingKey(self.0.verifying_key())
    }

    /// Signs a message made by [`in_domain`].
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        ed25519::signed(&self.0, message)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey(..)")
    }
}

/// The bytes to sign: the domain (`interbank/<crate>/<kind>/v1`), a zero byte, the body.
///
/// ```
/// assert_eq!(interbank_seal::in_domain("interbank/x/y/v1", b"z"), b"interbank/x/y/v1\0z");
/// ```
pub fn in_domain(domain: &str, body: &[u8]) -> Vec<u8> {
    [domain.as_bytes(), &[0], body].concat()
}

/// Whether the y coordinate is below 2²⁵⁵ − 19.
fn is_canonical(bytes: &[u8; 32]) -> bool {
    let top = bytes[31] & 0x7F;
    !(top == 0x7F && bytes[1..31].iter().all(|byte| *byte == 0xFF) && bytes[0] >= 0xED)
}

/// The bytes are no usable public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadKey;

impl BadKey {
    /// Stable number: 1000.
    pub const fn code(self) -> u32 {
        1_000
    }
}

impl fmt::Display for BadKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a usable Ed25519 public key")
    }
}

impl core::error::Error for BadKey {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_and_checks() {
        let key = SigningKey::from_seed(&Secret::new([1; 32]));
        let message = in_domain("interbank/seal/test/v1", b"body");
        let signature = key.sign(&message);
        assert!(key.verifying_key().verify(&message, &signature));
        for at in 0..64 {
            let mut damaged = signature;
            damaged[at] ^= 1;
            assert!(!key.verifying_key().verify(&message, &damaged));
        }
        assert!(!key.verifying_key().verify(&message[1..], &signature));
    }

    #[test]
    fn weak_points_are_no_keys() {
        let mut identity = [0; 32];
        identity[0] = 1;
        assert_eq!(VerifyingKey::from_bytes(&identity).err(), Some(BadKey));
        // y = 2 is no point of the curve; all ones is a point, but not its canonical encoding.
        let mut off_curve = [0; 32];
        off_curve[0] = 2;
        assert_eq!(VerifyingKey::from_bytes(&off_curve).err(), Some(BadKey));
        assert_eq!(VerifyingKey::from_bytes(&[0xFF; 32]).err(), Some(BadKey));
    }
}
