//! The four questions that this crate asks of Ed25519.

use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};

/// Whether a signature is right, by the strict rules.
pub(crate) fn verified(key: &VerifyingKey, message: &[u8], signature: &[u8; 64]) -> bool {
    key.verify_strict(message, &Signature::from_bytes(signature)).is_ok()
}

/// The signature of a message.
pub(crate) fn signed(key: &SigningKey, message: &[u8]) -> [u8; 64] {
    key.sign(message).to_bytes()
}

/// The key of a seed.
pub(crate) fn key_of(seed: &[u8; 32]) -> SigningKey {
    SigningKey::from_bytes(seed)
}

/// A public key, unless the bytes are no point or a weak one.
pub(crate) fn parsed(bytes: &[u8; 32]) -> Option<VerifyingKey> {
    VerifyingKey::from_bytes(bytes).ok().filter(|key| !key.is_weak())
}
