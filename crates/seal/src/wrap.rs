//! Keys at rest: wrapped under a key-encryption key and bound to what they belong to.

use crate::Secret;
use alloc::vec::Vec;
use bytes::Bytes;
use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use core::fmt;
use port::{KeyRefusal, SecretBytes};

/// A key-encryption key: XChaCha20-Poly1305, a fresh 24-byte nonce for each wrap, the context as associated data.
///
/// Wrapped form: version 1, nonce (24), ciphertext and tag (secret + 16). A wrapped key moved to another context does not
/// unwrap, so that rows of a store cannot be exchanged for each other.
#[derive(Clone)]
pub struct WrapKey(XChaCha20Poly1305);

impl WrapKey {
    /// From 32 secret bytes.
    pub fn new(key: &Secret<32>) -> Self {
        Self(XChaCha20Poly1305::new(key.expose().into()))
    }

    /// Wraps a secret. `entropy` must never be used twice.
    ///
    /// # Errors
    /// [`KeyRefusal::NotAllowed`] for a secret of more than 1,024 bytes.
    pub fn wrap(
        &self,
        context: &[u8],
        secret: &SecretBytes,
        entropy: &[u8; 32],
    ) -> Result<Bytes, KeyRefusal> {
        if secret.expose().len() > 1_024 {
            return Err(KeyRefusal::NotAllowed);
        }
        let nonce = crate::derive::<24>(entropy, "interbank/seal/wrap-nonce/v1", &[]);
        let aad = associated(context);
        let payload = Payload { msg: secret.expose(), aad: &aad };
        let sealed = self
            .0
            .encrypt(&XNonce::from(*nonce.expose()), payload)
            .map_err(|_| KeyRefusal::NotAllowed)?;
        let mut blob = Vec::with_capacity(1 + 24 + sealed.len());
        blob.push(VERSION);
        blob.extend_from_slice(nonce.expose());
        blob.extend_from_slice(&sealed);
        Ok(blob.into())
    }

    /// Unwraps a secret that was wrapped for this context.
    ///
    /// # Errors
    /// [`KeyRefusal::BadWrap`].
    pub fn unwrap(&self, context: &[u8], blob: &[u8]) -> Result<SecretBytes, KeyRefusal> {
        let (&VERSION, rest) = blob.split_first().ok_or(KeyRefusal::BadWrap)? else {
            return Err(KeyRefusal::BadWrap);
        };
        let (nonce, sealed) = rest.split_first_chunk::<24>().ok_or(KeyRefusal::BadWrap)?;
        let aad = associated(context);
        let payload = Payload { msg: sealed, aad: &aad };
        let secret =
            self.0.decrypt(&XNonce::from(*nonce), payload).map_err(|_| KeyRefusal::BadWrap)?;
        Ok(SecretBytes::new(secret))
    }
}

impl fmt::Debug for WrapKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WrapKey(..)")
    }
}

fn associated(context: &[u8]) -> Vec<u8> {
    crate::in_domain("interbank/seal/wrap/v1", context)
}

const VERSION: u8 = 1;

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    #[test]
    fn unwraps_only_in_its_context_and_unchanged() {
        let key = WrapKey::new(&Secret::new([1; 32]));
        let secret = SecretBytes::new(vec![5; 32]);
        let blob = key.wrap(b"account-1", &secret, &[9; 32]).unwrap();
        assert_eq!(key.unwrap(b"account-1", &blob), Ok(secret));
        assert_eq!(key.unwrap(b"account-2", &blob), Err(KeyRefusal::BadWrap));
        for at in 0..blob.len() {
            let mut damaged = blob.to_vec();
            damaged[at] ^= 0x40;
            assert_eq!(key.unwrap(b"account-1", &damaged), Err(KeyRefusal::BadWrap));
            assert_eq!(key.unwrap(b"account-1", &blob[..at]), Err(KeyRefusal::BadWrap));
        }
        let other = WrapKey::new(&Secret::new([2; 32]));
        assert_eq!(other.unwrap(b"account-1", &blob), Err(KeyRefusal::BadWrap));
    }
}
