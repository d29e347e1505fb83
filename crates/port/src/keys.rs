//! Where keys live: software, or an HSM; the only key trait of the family, in two colours.

use alloc::vec::Vec;
use bytes::Bytes;
use core::fmt;

/// Answers questions that need a secret key; asynchronous colour.
///
/// # Contract
///
/// `answer` returns one [`KeyAnswer`] for each question, in order and of the kind that was asked, or
/// [`KeyAnswer::Refused`]. An error means that nothing is known: the decision does not conclude. Implementations keep
/// secrets out of logs and zeroize them. One that answers `Verified(true)` wrongly lets anybody pay.
/// The software implementation is `seal::SoftKeys`.
pub trait Keys: Sync {
    /// What went wrong.
    type Error: core::error::Error + Send + Sync + 'static;

    /// Answers every question.
    fn answer(
        &self,
        questions: &[KeyQuestion],
    ) -> impl Future<Output = Result<Vec<KeyAnswer>, Self::Error>> + Send;
}

impl<K: Keys> Keys for &K {
    type Error = K::Error;

    fn answer(
        &self,
        questions: &[KeyQuestion],
    ) -> impl Future<Output = Result<Vec<KeyAnswer>, Self::Error>> + Send {
        K::answer(self, questions)
    }
}

/// What only the holder of a key can say. Exhaustive: an implementation that overlooks one cannot serve.
#[derive(Clone, PartialEq, Eq)]
pub enum KeyQuestion {
    /// The MAC of a message.
    Mac {
        /// Under which key.
        key: KeyRef,
        /// By which algorithm.
        algorithm: MacAlgorithm,
        /// Over what.
        message: Bytes,
    },
    /// The Ed25519 signature of a message (RFC 8032, pure).
    Sign {
        /// Under which key.
        key: KeyId,
        /// Over what.
        message: Bytes,
    },
    /// Is this the PIN of that account, or this cryptogram (ARQC, CVN) right for that card?
    Verify {
        /// Under which key.
        key: KeyId,
        /// What kind of evidence it is.
        kind: EvidenceKind,
        /// Whose it must be: an account token, a card number token.
        subject: Bytes,
        /// The PIN block or cryptogram with its data, in the key holder's own form.
        evidence: Bytes,
    },
    /// A secret encrypted for rest under a key-encryption key, bound to a context.
    Wrap {
        /// Under which key-encryption key.
        key: KeyId,
        /// What the wrapped key belongs to; unwrapping under another context fails.
        context: Bytes,
        /// The secret.
        secret: SecretBytes,
        /// Fresh randomness for it.
        entropy: [u8; 32],
    },
}

impl fmt::Debug for KeyQuestion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mac { key, algorithm, message } => {
                write!(f, "Mac({key:?}, {algorithm:?}, {} bytes)", message.len())
            }
            Self::Sign { key, message } => write!(f, "Sign({key:?}, {} bytes)", message.len()),
            Self::Verify { key, kind, .. } => write!(f, "Verify({key:?}, {kind:?}, ..)"),
            Self::Wrap { key, .. } => write!(f, "Wrap({key:?}, ..)"),
        }
    }
}

/// The answer to a [`KeyQuestion`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyAnswer {
    /// The whole MAC, as long as the algorithm makes it.
    Mac(MacTag),
    /// The key holder refuses.
    Refused(KeyRefusal),
    /// The signature.
    Signature([u8; 64]),
    /// Whether the evidence is right.
    Verified(bool),
    /// The wrapped key.
    Wrapped(Bytes),
}

/// Which key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyRef {
    /// A key that the key holder stores.
    Held(KeyId),
    /// A key that was wrapped under a key-encryption key (a key block, in HSM words).
    Wrapped {
        /// The key-encryption key.
        key: KeyId,
        /// What it was bound to.
        context: Bytes,
        /// The wrapped key.
        blob: Bytes,
    },
}

/// The number of a key at its holder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub u32);

/// How a MAC is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MacAlgorithm {
    /// HMAC-SHA-1, 20 bytes; only for OCRA and HOTP (RFC 6287, RFC 4226).
    HmacSha1,
    /// HMAC-SHA-256, 32 bytes.
    HmacSha256,
    /// HMAC-SHA-512, 64 bytes.
    HmacSha512,
}

impl MacAlgorithm {
    /// How long the MAC is, in bytes.
    pub const fn tag_bytes(self) -> usize {
        match self {
            Self::HmacSha1 => 20,
            Self::HmacSha256 => 32,
            Self::HmacSha512 => 64,
        }
    }
}

/// A MAC of up to 64 bytes. Compare it in constant time; `==` is for tests.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct MacTag {
    bytes: [u8; 64],
    len: u8,
}

impl MacTag {
    /// From the bytes of a MAC; `None` if there are more than 64.
    pub fn new(mac: &[u8]) -> Option<Self> {
        let mut bytes = [0; 64];
        bytes.get_mut(..mac.len())?.copy_from_slice(mac);
        Some(Self { bytes, len: u8::try_from(mac.len()).ok()? })
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

impl Default for MacTag {
    /// No bytes: the MAC of nothing.
    fn default() -> Self {
        Self { bytes: [0; 64], len: 0 }
    }
}

impl fmt::Debug for MacTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MacTag({} bytes)", self.len)
    }
}

/// What kind of evidence a key holder is asked to verify.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EvidenceKind {
    /// An authorization request cryptogram of an EMV card.
    Arqc,
    /// A card verification number.
    Cvn,
    /// An enciphered PIN block.
    Pin,
}

/// Why a key holder refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyRefusal {
    /// The wrapped key is not what this holder wrapped for this context.
    BadWrap,
    /// The key may not do this.
    NotAllowed,
    /// No such key.
    UnknownKey,
}

impl KeyRefusal {
    /// Stable number, 170 to 172.
    pub const fn code(self) -> u32 {
        match self {
            Self::BadWrap => 170,
            Self::NotAllowed => 171,
            Self::UnknownKey => 172,
        }
    }
}

impl fmt::Display for KeyRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BadWrap => "the wrapped key does not belong here",
            Self::NotAllowed => "the key may not be used for this",
            Self::UnknownKey => "no such key",
        })
    }
}

impl core::error::Error for KeyRefusal {}

/// Bytes that must not be printed and do not outlive their use.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretBytes(Vec<u8>);

impl SecretBytes {
    /// Takes the bytes over.
    pub const fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// The bytes.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for SecretBytes {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.0);
    }
}

impl fmt::Debug for SecretBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretBytes(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::{format, vec};

    #[test]
    fn questions_do_not_print_what_they_carry() {
        let wrap = KeyQuestion::Wrap {
            key: KeyId(1),
            context: Bytes::from_static(b"context"),
            secret: SecretBytes::new(vec![0xAB; 4]),
            entropy: [0xCD; 32],
        };
        let text = format!("{wrap:?} {:?}", SecretBytes::new(vec![0xAB; 4]));
        assert_eq!(text, "Wrap(KeyId(1), ..) SecretBytes(..)");
    }

    #[test]
    fn a_tag_is_at_most_64_bytes() {
        assert_eq!(MacTag::new(&[1; 20]).unwrap().as_bytes(), [1; 20]);
        assert!(MacTag::new(&[0; 65]).is_none());
    }
}
