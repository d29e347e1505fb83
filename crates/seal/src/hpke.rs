//! Secrets wrapped for whoever holds a private key: HPKE (RFC 9180) in base mode, with DHKEM(X25519, HKDF-SHA256), HKDF-SHA256
//! and ChaCha20-Poly1305.

use crate::{Secret, derive};
use alloc::vec::Vec;
use core::convert::Infallible;
use core::fmt;
use hpke::aead::ChaCha20Poly1305;
use hpke::kdf::HkdfSha256;
use hpke::kem::X25519HkdfSha256;
use hpke::{Deserializable, Kem as _, OpModeR, OpModeS, Serializable as _};
use rand_core::{TryCryptoRng, TryRng};

/// A private key that opens what is sealed for its public key.
#[derive(Clone)]
pub struct HpkeKey(<X25519HkdfSha256 as hpke::Kem>::PrivateKey);

impl HpkeKey {
    /// From its 32 bytes (RFC 9180 §7.1.2). `None` if they are no key.
    pub fn from_bytes(bytes: &Secret<32>) -> Option<Self> {
        Deserializable::from_bytes(bytes.expose()).ok().map(Self)
    }

    /// Derived from key material of 32 random bytes (RFC 9180 §7.1.3).
    pub fn derive(material: &Secret<32>) -> Self {
        Self(X25519HkdfSha256::derive_keypair(material.expose()).0)
    }

    /// Its 32 bytes.
    pub fn to_bytes(&self) -> Secret<32> {
        Secret::new(self.0.to_bytes().into())
    }

    /// The public key: X25519 (RFC 7748).
    pub fn public(&self) -> [u8; 32] {
        X25519HkdfSha256::sk_to_pk(&self.0).to_bytes().into()
    }

    /// Opens what [`hpke_seal`] made for this key with the same `info` and `associated`; `None` if it is anything else.
    pub fn open(
        &self,
        encapsulated: &[u8; 32],
        info: &[u8],
        associated: &[u8],
        sealed: &[u8],
    ) -> Option<Vec<u8>> {
        let encapsulated = Deserializable::from_bytes(encapsulated).ok()?;
        hpke::single_shot_open::<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>(
            &OpModeR::Base,
            &self.0,
            &encapsulated,
            info,
            sealed,
            associated,
        )
        .ok()
    }
}

impl fmt::Debug for HpkeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HpkeKey(..)")
    }
}

/// Seals for a public key: the encapsulated key, and the ciphertext with its tag. `entropy` must be fresh; it is the standard's
/// `ikmE`. `None` for a key that keeps nothing secret (RFC 9180 §7.1.4).
pub fn hpke_seal(
    public: &[u8; 32],
    info: &[u8],
    associated: &[u8],
    plain: &[u8],
    entropy: Secret<32>,
) -> Option<([u8; 32], Vec<u8>)> {
    let public = Deserializable::from_bytes(public).ok()?;
    let (encapsulated, sealed) =
        hpke::single_shot_seal_with_rng::<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>(
            &OpModeS::Base,
            &public,
            info,
            plain,
            associated,
            &mut Drawn { entropy, draws: 0 },
        )
        .ok()?;
    Some((encapsulated.to_bytes().into(), sealed))
}

/// Given randomness as a source of it: the first 32 bytes as they are, more are derived.
struct Drawn {
    entropy: Secret<32>,
    draws: u64,
}

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
        for chunk in to.chunks_mut(32) {
            let drawn = if self.draws == 0 {
                self.entropy.clone()
            } else {
                let label = "interbank/seal/hpke/drawn/v1";
                derive(self.entropy.expose(), label, &[&self.draws.to_be_bytes()])
            };
            self.draws += 1;
            chunk.copy_from_slice(&drawn.expose()[..chunk.len()]);
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
    fn seals_and_opens_as_rfc_9180() {
        let material = hex("1ac01f181fdf9f352797655161c58b75c656a6cc2716dcb66372da835542e1df");
        let key = HpkeKey::derive(&Secret::new(material));
        let private = hex("8057991eef8f1f1af18f4a9491d16a1ce333f695d4db8e38da75975c4478e0fb");
        let public = hex("4310ee97d88cc1f088a5576c77ab0cf5c3ac797f3d95139c6c84b5429c59662a");
        assert_eq!(key.public(), public);
        assert_eq!(HpkeKey::from_bytes(&Secret::new(private)).unwrap().public(), public);
        let entropy = hex("909a9b35d3dc4713a5e72a4da274b55d3d3821a37e5d099e74a647db583a904b");
        let (info, aad) = (b"Ode on a Grecian Urn", b"Count-0");
        let plain = b"Beauty is truth, truth beauty";
        let (encapsulated, sealed) =
            hpke_seal(&public, info, aad, plain, Secret::new(entropy)).unwrap();
        let expected = hex("1afa08d3dec047a643885163f1180476fa7ddb54c6a8029ea33f95796bf2ac4a");
        assert_eq!(encapsulated, expected);
        let expected: [u8; 45] = hex(concat!(
            "1c5250d8034ec2b784ba2cfd69dbdb8af406cfe3ff938e131f0def8c8b60b4db",
            "21993c62ce81883d2dd1b51a28"
        ));
        assert_eq!(sealed, expected);
        assert_eq!(key.open(&encapsulated, info, aad, &sealed).as_deref(), Some(&plain[..]));
        assert_eq!(key.open(&encapsulated, info, b"Count-1", &sealed), None);
        assert_eq!(key.open(&encapsulated, b"Ode", aad, &sealed), None);
        // A point of small order.
        assert_eq!(hpke_seal(&[0; 32], info, aad, plain, Secret::new(entropy)), None);
    }
}
