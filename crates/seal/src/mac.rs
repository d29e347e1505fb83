//! Prepared MACs: the key schedule is done once.

use core::fmt;
use hmac::digest::block_api::EagerHash;
use hmac::{Hmac, KeyInit as _, Mac as _};
use port::{MacAlgorithm, MacTag};
use sha1::Sha1;
use sha2::{Sha256, Sha512};

/// An HMAC key whose inner and outer states are computed already (RFC 2104 §4).
///
/// ```
/// use interbank_seal::PreparedMac;
/// use port::MacAlgorithm;
/// let key = PreparedMac::new(MacAlgorithm::HmacSha256, b"key");
/// assert!(key.verify(b"message", key.tag(b"message").as_bytes()));
/// ```
#[derive(Clone)]
pub struct PreparedMac(Prepared);

#[derive(Clone)]
enum Prepared {
    Sha1(Hmac<Sha1>),
    Sha256(Hmac<Sha256>),
    Sha512(Hmac<Sha512>),
}

impl PreparedMac {
    /// Prepares a key of any length.
    pub fn new(algorithm: MacAlgorithm, key: &[u8]) -> Self {
        Self(match algorithm {
            MacAlgorithm::HmacSha1 => Prepared::Sha1(prepared(key)),
            MacAlgorithm::HmacSha256 => Prepared::Sha256(prepared(key)),
            MacAlgorithm::HmacSha512 => Prepared::Sha512(prepared(key)),
        })
    }

    /// Which algorithm it is.
    pub const fn algorithm(&self) -> MacAlgorithm {
        match &self.0 {
            Prepared::Sha1(_) => MacAlgorithm::HmacSha1,
            Prepared::Sha256(_) => MacAlgorithm::HmacSha256,
            Prepared::Sha512(_) => MacAlgorithm::HmacSha512,
        }
    }

    /// The whole MAC of a message.
    pub fn tag(&self, message: &[u8]) -> MacTag {
        match &self.0 {
            Prepared::Sha1(key) => tag(key, message),
            Prepared::Sha256(key) => tag(key, message),
            Prepared::Sha512(key) => tag(key, message),
        }
    }

    /// Whether `mac` is the whole MAC of the message, compared in constant time.
    pub fn verify(&self, message: &[u8], mac: &[u8]) -> bool {
        crate::equal(self.tag(message).as_bytes(), mac)
    }
}

impl fmt::Debug for PreparedMac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PreparedMac({:?}, ..)", self.algorithm())
    }
}

fn prepared<D: EagerHash>(key: &[u8]) -> Hmac<D> {
    // HMAC takes keys of every length; the fallback is never reached.
    Hmac::new_from_slice(key).unwrap_or_else(|_| Hmac::new(&Default::default()))
}

fn tag<D: EagerHash>(key: &Hmac<D>, message: &[u8]) -> MacTag {
    let mut mac = key.clone();
    mac.update(message);
    // Longer than 64 bytes is none of the three hashes.
    MacTag::new(&mac.finalize().into_bytes()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: &[u8]) -> alloc::string::String {
        bytes.iter().map(|byte| alloc::format!("{byte:02x}")).collect()
    }

    /// RFC 4231 test case 2 and its RFC 2202 counterpart.
    #[test]
    fn published_vectors() {
        for (algorithm, expected) in [
            (MacAlgorithm::HmacSha1, "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"),
            (
                MacAlgorithm::HmacSha256,
                "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
            ),
            (
                MacAlgorithm::HmacSha512,
                "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737",
            ),
        ] {
            let key = PreparedMac::new(algorithm, b"Jefe");
            let tag = key.tag(b"what do ya want for nothing?");
            assert_eq!(hex(tag.as_bytes()), expected);
            assert!(key.verify(b"what do ya want for nothing?", tag.as_bytes()));
            assert!(!key.verify(b"what do ya want for nothing!", tag.as_bytes()));
        }
    }

    #[test]
    fn does_not_print_its_key() {
        let printed = alloc::format!("{:?}", PreparedMac::new(MacAlgorithm::HmacSha256, b"Jefe"));
        assert_eq!(printed, "PreparedMac(HmacSha256, ..)");
    }
}
