//! Whom a file is sealed for: X25519 keys, and the content key wrapped by HPKE.

use core::convert::Infallible;
use core::fmt;
use hpke::aead::ChaCha20Poly1305;
use hpke::kdf::HkdfSha256;
use hpke::kem::X25519HkdfSha256;
use hpke::{Deserializable as _, Kem as _, OpModeR, OpModeS, Serializable as _};
use rand_core::{TryCryptoRng, TryRng};
use seal::Secret;

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
        let key = PublicKey::from_bytes(&self.0).ok()?;
        let drawn = seal::derive(entropy, "interbank/filexfer/ephemeral/v1", &[]);
        let (encapsulated, wrapped) =
            hpke::single_shot_seal_with_rng::<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>(
                &OpModeS::Base,
                &key,
                info,
                content_key.expose(),
                &[],
                &mut Drawn(drawn),
            )
            .ok()?;
        Some((encapsulated.to_bytes().into(), wrapped.try_into().ok()?))
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
        let (private, _) = X25519HkdfSha256::derive_keypair(material.expose());
        Self(Secret::new(private.to_bytes().into()))
    }

    /// The key to seal for.
    pub fn recipient_key(&self) -> RecipientKey {
        // 32 bytes are always a private key.
        let key =
            PrivateKey::from_bytes(self.0.expose()).map(|key| X25519HkdfSha256::sk_to_pk(&key));
        RecipientKey(key.map_or([0; 32], |key| key.to_bytes().into()))
    }

    /// Unwraps what was sealed for this key; `None` if it was not.
    pub(super) fn unwrap(
        &self,
        encapsulated: &[u8; 32],
        info: &[u8],
        wrapped: &[u8],
        associated: &[u8],
    ) -> Option<alloc::vec::Vec<u8>> {
        let key = PrivateKey::from_bytes(self.0.expose()).ok()?;
        let encapsulated = EncappedKey::from_bytes(encapsulated).ok()?;
        hpke::single_shot_open::<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>(
            &OpModeR::Base,
            &key,
            &encapsulated,
            info,
            wrapped,
            associated,
        )
        .ok()
    }
}

impl fmt::Debug for OpeningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OpeningKey(..)")
    }
}

type PublicKey = <X25519HkdfSha256 as hpke::Kem>::PublicKey;
type PrivateKey = <X25519HkdfSha256 as hpke::Kem>::PrivateKey;
type EncappedKey = <X25519HkdfSha256 as hpke::Kem>::EncappedKey;

/// Randomness that was drawn before, for the one key pair that is made of it.
struct Drawn(Secret<32>);

impl TryRng for Drawn {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_be_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_be_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, to: &mut [u8]) -> Result<(), Infallible> {
        for part in to.chunks_mut(32) {
            let bytes = seal::derive::<32>(self.0.expose(), "interbank/filexfer/drawn/v1", &[]);
            part.copy_from_slice(&bytes.expose()[..part.len()]);
            // What was given is not given again.
            self.0 = seal::derive(self.0.expose(), "interbank/filexfer/ratchet/v1", &[]);
        }
        Ok(())
    }
}

impl TryCryptoRng for Drawn {}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex<const N: usize>(text: &str) -> [u8; N] {
        core::array::from_fn(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap())
    }

    /// RFC 9180 appendix A.2.1: this suite in base mode, sequence number 0.
    #[test]
    fn opens_what_rfc_9180_sealed() {
        let material = hex("1ac01f181fdf9f352797655161c58b75c656a6cc2716dcb66372da835542e1df");
        let key = OpeningKey::derive(&Secret::new(material));
        let private = hex("8057991eef8f1f1af18f4a9491d16a1ce333f695d4db8e38da75975c4478e0fb");
        let given = OpeningKey::from_bytes(Secret::new(private));
        assert_eq!(given.recipient_key(), key.recipient_key());
        let public = hex("4310ee97d88cc1f088a5576c77ab0cf5c3ac797f3d95139c6c84b5429c59662a");
        assert_eq!(key.recipient_key(), RecipientKey::from_bytes(public));
        let encapsulated = hex("1afa08d3dec047a643885163f1180476fa7ddb54c6a8029ea33f95796bf2ac4a");
        let sealed: [u8; 45] = hex(
            "1c5250d8034ec2b784ba2cfd69dbdb8af406cfe3ff938e131f0def8c8b60b4db21993c62ce81883d2dd1b51a28",
        );
        let info = b"Ode on a Grecian Urn";
        let opened = key.unwrap(&encapsulated, info, &sealed, b"Count-0");
        assert_eq!(opened.as_deref(), Some(&b"Beauty is truth, truth beauty"[..]));
        assert_eq!(key.unwrap(&encapsulated, info, &sealed, b"Count-1"), None);
        assert_eq!(key.unwrap(&encapsulated, b"Ode", &sealed, b"Count-0"), None);
    }

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
