//! The bank's secrets, in `keys.json`: drawn at the first start, never logged, never anywhere else.

use crate::clock;
use crate::failure::Failure;
use crate::secrets;
use interbank::port::{KeyId, MacAlgorithm};
use interbank::seal::{AccountTokens, Secret, SoftKeys, VerifyingKey, derive};
use serde::{Deserialize, Serialize};
use std::path::Path;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// What the bank holds secret, ready for use.
pub(crate) struct Keyring {
    /// Signs codes, wraps use-keys, answers for nobody.
    pub(crate) keys: SoftKeys,
    /// Turns account numbers into tokens.
    pub(crate) tokens: AccountTokens,
    /// Vouches for forms.
    pub(crate) forms: Secret<32>,
    /// Turns addresses around a phone into tokens.
    pub(crate) surroundings: Secret<32>,
    /// What wallets check signatures with.
    pub(crate) issuer: VerifyingKey,
}

impl Keyring {
    /// Reads the key file, or draws one. `bank_exists` says whether there is a store already: its keys cannot be replaced.
    pub(crate) fn open(path: &Path, bank_exists: bool) -> Result<Self, Failure> {
        let stored = match secrets::read(path)? {
            Some(bytes) => parse(path, &bytes)?,
            None if bank_exists => {
                let why = "it is missing, but the store is there; bring it back from a backup";
                return Err(secrets::refuse(path, why.into()));
            }
            None => {
                let stored = draw()?;
                let text = serde_json::to_vec_pretty(&stored).map(Zeroizing::new);
                let text = text.map_err(|why| secrets::refuse(path, why.to_string()))?;
                secrets::create(path, &text)?;
                tracing::info!(event = "keys.made", "drew the bank's keys");
                stored
            }
        };
        Self::new(&stored).ok_or_else(|| damaged(path))
    }

    fn new(stored: &Stored) -> Option<Self> {
        let secret = |hex: &str| secrets::from_hex(hex).map(|bytes| Secret::new(*bytes));
        let mut keys = SoftKeys::new();
        keys.add_signing(SIGNING, &secret(&stored.issuer_seed)?);
        keys.add_wrapping(WRAPPING, &secret(&stored.wrapping_key)?);
        keys.add_mac(DECOY, MacAlgorithm::HmacSha256, secret(&stored.decoy_key)?.expose());
        let issuer = keys.verifying_key(SIGNING)?;
        Some(Self {
            keys,
            tokens: AccountTokens::new(&secret(&stored.account_token_secret)?),
            forms: secret(&stored.form_secret)?,
            // Older files have none of its own.
            surroundings: derive(
                secret(&stored.account_token_secret)?.expose(),
                "refbank/surroundings/v1",
                &[],
            ),
            issuer,
        })
    }
}

/// The key that signs codes.
pub(crate) const SIGNING: KeyId = KeyId(1);
/// The key that wraps use-keys.
pub(crate) const WRAPPING: KeyId = KeyId(2);
/// The key that belongs to nobody.
pub(crate) const DECOY: KeyId = KeyId(3);

/// The file: each secret is 32 bytes in hexadecimal.
#[derive(Deserialize, Serialize, Zeroize, ZeroizeOnDrop)]
#[serde(deny_unknown_fields)]
struct Stored {
    version: u32,
    issuer_seed: String,
    wrapping_key: String,
    account_token_secret: String,
    decoy_key: String,
    form_secret: String,
}

fn draw() -> Result<Stored, Failure> {
    let root = Zeroizing::new(clock::entropy()?);
    let one = |label: &str| {
        let secret = derive::<32>(&root[..], "refbank/keys/v1", &[label.as_bytes()]);
        String::from(secrets::to_hex(secret.expose()).as_str())
    };
    Ok(Stored {
        version: 1,
        issuer_seed: one("issuer"),
        wrapping_key: one("wrapping"),
        account_token_secret: one("account-token"),
        decoy_key: one("decoy"),
        form_secret: one("form"),
    })
}

fn parse(path: &Path, bytes: &[u8]) -> Result<Stored, Failure> {
    // What serde says could quote a secret: it is not passed on.
    let stored: Stored = serde_json::from_slice(bytes).map_err(|_| damaged(path))?;
    if stored.version == 1 { Ok(stored) } else { Err(damaged(path)) }
}

fn damaged(path: &Path) -> Failure {
    secrets::refuse(path, "it is damaged; bring it back from a backup".into())
}
