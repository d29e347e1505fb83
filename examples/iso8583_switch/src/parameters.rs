//! What the stand-in module decides by: a signed file, or a set for tests that this program signs itself.

use crate::card;
use crate::clock;
use crate::failure::Failure;
use crate::file;
use seal::{Secret, SigningKey, TrustList, TrustedKey, Validity, VerifyingKey};
use standin::{InstitutionId, Parameters, SealedParameters};
use std::path::Path;

/// A signed set, and whom to believe.
#[derive(Debug)]
pub(crate) struct Signed {
    pub(crate) institution: InstitutionId,
    pub(crate) sealed: SealedParameters,
    pub(crate) trust: TrustList,
}

impl Signed {
    /// From a file, believed if it is of this institution and this key of this issuer signed it. The key is 64 hexadecimal digits.
    pub(crate) fn read(
        path: &Path,
        institution: InstitutionId,
        issuer: &str,
        key_id: u8,
        key: &str,
    ) -> Result<Self, Failure> {
        let bad = |why: String| Failure::File { path: path.into(), why };
        let bytes = file::read(path, SealedParameters::BYTES_MAX)?;
        let sealed = SealedParameters::parse(&bytes).map_err(|why| bad(why.to_string()))?;
        let key = key_of(key)
            .ok_or_else(|| Failure::Usage("--public-key is not 64 hexadecimal digits".into()))?;
        let key = VerifyingKey::from_bytes(&key)
            .map_err(|_| Failure::Usage("--public-key is no Ed25519 key".into()))?;
        let mut trust = TrustList::new();
        trust.add(issuer, key_id, TrustedKey::new(key, Validity::always()));
        Ok(Self { institution, sealed, trust })
    }

    /// For tests: purchases and reversals up to 450.00 CNY of the simulated issuer, signed by a key that everybody knows.
    pub(crate) fn for_tests() -> Result<Self, Failure> {
        let institution = card::issuer().ok_or_else(|| Failure::run("no issuer"))?;
        let now_ms = clock::now().as_ms();
        let draft = serde_json::json!({
            "schema": 1, "institution": institution.as_u64(), "version": 1, "currency": "CNY",
            "issued_at_ms": now_ms - 3_600_000, "effective_from_ms": now_ms - 3_600_000,
            "valid_until_ms": now_ms + 30 * DAY_MS, "stale_after_ms": 30 * DAY_MS,
            "ranges": [{ "from": card::BIN, "to": card::BIN + 9_999 }],
            "exposure": { "institution_minor": 1_000_000_000_000_i64 },
            "rules": [{ "number": 1, "approve": true, "limits": { "single_minor": 45_000, "floor_minor": 45_000 } }],
        });
        let draft = serde_json::from_value(draft).map_err(Failure::run)?;
        let parameters = Parameters::new(draft)
            .map_err(|why| Failure::Run(format!("the set for tests is wrong: {why:?}")))?;
        let key = SigningKey::from_seed(&Secret::new([1; 32]));
        let message = SealedParameters::message(&parameters).map_err(Failure::run)?;
        let sealed = SealedParameters::new(&parameters, ISSUER, 1, key.sign(&message))
            .map_err(Failure::run)?;
        let mut trust = TrustList::new();
        trust.add(ISSUER, 1, TrustedKey::new(key.verifying_key(), Validity::always()));
        Ok(Self { institution, sealed, trust })
    }
}

/// 32 bytes as 64 hexadecimal digits.
fn key_of(digits: &str) -> Option<[u8; 32]> {
    let mut key = [0; 32];
    let written = base16ct::mixed::decode(digits, &mut key).ok()?.len();
    (written == key.len()).then_some(key)
}

const ISSUER: &str = "accounting.example";
const DAY_MS: u64 = 86_400_000;
