//! Files with secrets: made for their owner alone, and not used where others may read them.

use crate::clock;
use crate::failure::Failure;
use crate::hex;
use seal::Secret;
use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use zeroize::Zeroizing;

/// Reads a file that nobody else may read.
pub(crate) fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let file = File::open(path).map_err(|why| Failure::file(path, why))?;
    let about = file.metadata().map_err(|why| Failure::file(path, why))?;
    let mode = about.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        let why = format!(
            "it holds a secret and others may use it (mode {mode:04o}); if nobody has, run: chmod 600 {}",
            path.display()
        );
        return Err(Failure::file(path, why));
    }
    // One allocation: growing would leave copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(BYTES_MAX));
    let limit = u64::try_from(BYTES_MAX).unwrap_or(u64::MAX);
    file.take(limit).read_to_end(&mut bytes).map_err(|why| Failure::file(path, why))?;
    Ok(bytes)
}

/// Makes a file that must not be there yet.
pub(crate) fn create(path: &Path, bytes: &[u8], mode: u32) -> Result<(), Failure> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(mode);
    let mut file = options.open(path).map_err(|why| Failure::file(path, why))?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(|why| Failure::file(path, why))
}

/// Reads the seed of a key: 64 hexadecimal digits; what may be noted behind it is left.
pub(crate) fn seed(path: &Path) -> Result<Secret<32>, Failure> {
    noted(path).map(|(seed, _)| seed)
}

/// Reads the seed of a key, and what is noted behind it.
pub(crate) fn noted(path: &Path) -> Result<(Secret<32>, String), Failure> {
    let bytes = read(path)?;
    let text = std::str::from_utf8(&bytes).unwrap_or_default().trim();
    let (seed, note) = text.split_once(' ').unwrap_or((text, ""));
    let seed = hex::bytes::<32>(seed).map(|seed| Secret::new(*seed));
    let seed = seed.ok_or_else(|| Failure::file(path, "it does not hold 64 hexadecimal digits"))?;
    Ok((seed, note.trim().into()))
}

/// Draws the seed of a key into a file that must not be there yet, with a note behind it.
pub(crate) fn draw(path: &Path, note: &str) -> Result<Secret<32>, Failure> {
    let seed = Zeroizing::new(clock::entropy::<32>()?);
    let text = Zeroizing::new(hex::text(&*seed));
    let mut line = Zeroizing::new(String::with_capacity(text.len() + 1 + note.len()));
    line.push_str(&text);
    if !note.is_empty() {
        line.push(' ');
        line.push_str(note);
    }
    create(path, line.as_bytes(), 0o600)?;
    Ok(Secret::new(*seed))
}

const BYTES_MAX: usize = 16 << 10;
