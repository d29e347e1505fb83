//! Signatures that this node has found right: a node meets each transaction when it is handed over, when it is proposed, and when a
//! block is made of it, and verifies it once.

use crate::Signature;
use alloc::collections::BTreeSet;
use core::mem;
use seal::VerifyingKey;
use sha2::{Digest as _, Sha256};

/// Which signatures were right, by key and message: that rests on nothing else, and never changes.
///
/// Only right ones are remembered, those of the last while: at most twice [`Verified::GENERATION`].
#[derive(Clone, Debug, Default)]
pub(crate) struct Verified {
    recent: BTreeSet<[u8; 32]>,
    before: BTreeSet<[u8; 32]>,
}

impl Verified {
    /// More than wait at one time, with the signatures of each.
    const GENERATION: usize = 16_384;

    /// Whether a signature is right.
    pub(crate) fn is_right(
        &mut self,
        signature: &Signature,
        key: &VerifyingKey,
        message: &[u8],
    ) -> bool {
        // Key and signature have one length, so no two questions have one name.
        let name = Sha256::new()
            .chain_update(key.to_bytes())
            .chain_update(signature.bytes)
            .chain_update(message)
            .finalize()
            .into();
        if self.recent.contains(&name) || self.before.contains(&name) {
            return true;
        }
        let is_right = signature.is_right(key, message);
        if is_right {
            if self.recent.len() >= Self::GENERATION {
                self.before = mem::take(&mut self.recent);
            }
            self.recent.insert(name);
        }
        is_right
    }
}

/// What a node remembers makes no chain another one.
impl PartialEq for Verified {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Verified {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Signer;
    use seal::{Secret, SigningKey};

    fn signed(key: &SigningKey, message: &[u8]) -> Signature {
        Signature { by: Signer::Key([0; 32]), key_number: 0, bytes: key.sign(message) }
    }

    #[test]
    fn only_this_signature_of_this_key_over_this_message_is_remembered() {
        let key = SigningKey::from_seed(&Secret::new([1; 32]));
        let other = SigningKey::from_seed(&Secret::new([2; 32])).verifying_key();
        let signature = signed(&key, b"this");
        let key = key.verifying_key();
        let mut verified = Verified::default();
        for _ in 0..2 {
            assert!(verified.is_right(&signature, &key, b"this"));
            assert!(!verified.is_right(&signature, &other, b"this"));
            assert!(!verified.is_right(&signature, &key, b"that"));
            for byte in 0..64 {
                let mut wrong = signature.clone();
                wrong.bytes[byte] ^= 1;
                assert!(!verified.is_right(&wrong, &key, b"this"), "byte {byte}");
            }
            assert_eq!(verified.recent.len(), 1, "what is wrong is not remembered");
        }
    }

    #[test]
    fn it_is_bounded_and_forgets_the_oldest_first() {
        let key = SigningKey::from_seed(&Secret::new([1; 32]));
        let full = (0..Verified::GENERATION as u64).map(|n| Sha256::digest(n.to_be_bytes()).into());
        let mut verified = Verified { recent: full.collect(), before: BTreeSet::new() };
        let oldest = *verified.recent.first().unwrap();
        let verifying = key.verifying_key();
        assert!(verified.is_right(&signed(&key, b"new"), &verifying, b"new"));
        assert_eq!((verified.recent.len(), verified.before.len()), (1, Verified::GENERATION));
        assert!(verified.before.contains(&oldest));
        verified.recent = mem::take(&mut verified.before);
        assert!(verified.is_right(&signed(&key, b"newer"), &verifying, b"newer"));
        assert_eq!(verified.recent.len() + verified.before.len(), Verified::GENERATION + 1);
    }
}
