//! Key files: made once with mode 0600, and not used where others may read them.

use crate::failure::Failure;
use crate::{hex, sets};
use seal::{AccountTokens, Secret, SigningKey, TrustList, TrustedKey, Validity, VerifyingKey};
use serde::{Deserialize, Serialize};
use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::path::Path;
use zeroize::{ZeroizeOnDrop, Zeroizing};

/// A key of the accounting system or of an instance.
pub(crate) struct Signer {
    pub(crate) issuer: String,
    pub(crate) key_id: u8,
    pub(crate) key: SigningKey,
}

/// Draws a key and writes both halves.
pub(crate) fn create(issuer: &str, key_id: u8, out: &Path, public: &Path) -> Result<(), Failure> {
    if issuer.is_empty() || issuer.len() > ISSUER_BYTES_MAX || issuer.chars().any(char::is_control)
    {
        return Err(Failure::Usage(
            "--issuer has 1 to 32 bytes, none of them control bytes".into(),
        ));
    }
    if public.exists() {
        return Err(Failure::write(public, "it is there already"));
    }
    let mut seed = Zeroizing::new([0; 32]);
    getrandom::fill(&mut *seed).map_err(|why| Failure::Run(format!("no randomness: {why}")))?;
    let verifying = SigningKey::from_seed(&Secret::new(*seed)).verifying_key();
    let stored = SecretForm { issuer: issuer.into(), key_id, seed: hex::text(&*seed) };
    let text = serde_json::to_string_pretty(&stored).map(Zeroizing::new);
    let text = text.map_err(|why| Failure::Run(why.to_string()))?;
    write_new(out, text.as_bytes(), true)?;
    let shown = PublicForm { issuer: issuer.into(), key_id, key: hex::text(&verifying.to_bytes()) };
    let text = serde_json::to_string_pretty(&shown).map_err(|why| Failure::Run(why.to_string()))?;
    write_new(public, text.as_bytes(), false).inspect_err(|_| {
        // Both or neither: a secret half alone is of no use, and would be in the way of the next try.
        let _ = fs::remove_file(out);
    })
}

/// Reads such a key.
pub(crate) fn signer(path: &Path) -> Result<Signer, Failure> {
    let bytes = secret_bytes(path)?;
    let damaged = || refuse(path, "it is no key file of `parameters key`");
    let stored: SecretForm = serde_json::from_slice(&bytes).map_err(|_| damaged())?;
    let seed = hex::bytes::<32>(&stored.seed).ok_or_else(damaged)?;
    Ok(Signer {
        issuer: stored.issuer.clone(),
        key_id: stored.key_id,
        key: SigningKey::from_seed(&Secret::new(*seed)),
    })
}

/// Whose signatures count: reads a public key.
pub(crate) fn trust(path: &Path) -> Result<TrustList, Failure> {
    let mut trust = TrustList::new();
    add(&mut trust, path)?;
    Ok(trust)
}

/// Whose signatures count for an instance: its keys in a folder, `NAME.pub` and, beside it for a change of keys,
/// `NAME.WHATEVER.pub`.
pub(crate) fn of_instance(folder: &Path, name: &str) -> Result<TrustList, Failure> {
    let entries = fs::read_dir(folder).map_err(|why| refuse(folder, why))?;
    let mut trust = TrustList::new();
    let mut found = false;
    for entry in entries {
        let path = entry.map_err(|why| refuse(folder, why))?.path();
        let file = path.file_name().and_then(|file| file.to_str()).unwrap_or_default();
        let own = file.strip_prefix(name).is_some_and(|rest| rest.starts_with('.'));
        if own && file.ends_with(".pub") {
            add(&mut trust, &path)?;
            found = true;
        }
    }
    let why = "there is no public key: nothing that it acknowledges could be believed";
    if found { Ok(trust) } else { Err(refuse(&folder.join(format!("{name}.pub")), why)) }
}

fn add(trust: &mut TrustList, path: &Path) -> Result<(), Failure> {
    let bytes = sets::bytes(path, BYTES_MAX)?;
    let damaged = || refuse(path, "it is no public key of `parameters key`");
    let stored: PublicForm = serde_json::from_slice(&bytes).map_err(|_| damaged())?;
    let key = hex::bytes::<32>(&stored.key).ok_or_else(damaged)?;
    let key = VerifyingKey::from_bytes(&key).map_err(|_| damaged())?;
    trust.add(&stored.issuer, stored.key_id, TrustedKey::new(key, Validity::always()));
    Ok(())
}

/// Reads the secret behind account tokens: 64 hexadecimal digits.
pub(crate) fn tokens(path: &Path) -> Result<AccountTokens, Failure> {
    let bytes = secret_bytes(path)?;
    let text = std::str::from_utf8(&bytes).unwrap_or_default();
    let secret = hex::bytes::<32>(text.trim());
    let secret = secret.ok_or_else(|| refuse(path, "it does not hold 64 hexadecimal digits"))?;
    Ok(AccountTokens::new(&Secret::new(*secret)))
}

/// Writes a file that must not be there yet.
pub(crate) fn write_new(path: &Path, bytes: &[u8], secret: bool) -> Result<(), Failure> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(if secret { 0o600 } else { 0o644 });
    }
    let mut file = options.open(path).map_err(|why| Failure::write(path, why))?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(|why| Failure::write(path, why))
}

fn secret_bytes(path: &Path) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let file = File::open(path).map_err(|why| refuse(path, why))?;
    check_mode(path, &file)?;
    // One allocation: growing would leave copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(4_096));
    file.take(4_096).read_to_end(&mut bytes).map_err(|why| refuse(path, why))?;
    Ok(bytes)
}

#[cfg(unix)]
fn check_mode(path: &Path, file: &File) -> Result<(), Failure> {
    use std::os::unix::fs::PermissionsExt as _;
    let about = file.metadata().map_err(|why| refuse(path, why))?;
    let mode = about.permissions().mode() & 0o777;
    if mode & 0o077 == 0 {
        return Ok(());
    }
    let words = format!(
        "others may use it (mode {mode:04o}); draw a new one, or, if nobody has, run: chmod 600 {}",
        path.display()
    );
    Err(refuse(path, words))
}

#[cfg(not(unix))]
fn check_mode(_: &Path, _: &File) -> Result<(), Failure> {
    Ok(())
}

fn refuse(path: &Path, why: impl ToString) -> Failure {
    Failure::Key { path: path.into(), why: why.to_string() }
}

#[derive(Serialize, Deserialize, ZeroizeOnDrop)]
#[serde(deny_unknown_fields)]
struct SecretForm {
    issuer: String,
    key_id: u8,
    seed: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PublicForm {
    issuer: String,
    key_id: u8,
    key: String,
}

const BYTES_MAX: u64 = 4_096;
/// As many as a signed set can name.
const ISSUER_BYTES_MAX: usize = 32;
