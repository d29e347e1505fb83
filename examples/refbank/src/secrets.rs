//! Files with secrets: made once, atomically, readable by their owner alone.

use crate::failure::Failure;
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read as _, Write as _};
use std::path::Path;
use zeroize::Zeroizing;

/// Reads a file with secrets; `None` if there is none.
///
/// Refuses a file that others may read: its secrets may be known already.
pub(crate) fn read(path: &Path) -> Result<Option<Zeroizing<Vec<u8>>>, Failure> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(why) if why.kind() == ErrorKind::NotFound => return Ok(None),
        Err(why) => return Err(refuse(path, why.to_string())),
    };
    check_mode(path, &file)?;
    let size = file.metadata().map_or(0, |about| about.len());
    if size > BYTES_MAX {
        return Err(refuse(path, "it is far too large for what it should be".into()));
    }
    // One allocation of the right size: growing would leave copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(size).unwrap_or(0) + 1));
    file.read_to_end(&mut bytes).map_err(|why| refuse(path, why.to_string()))?;
    Ok(Some(bytes))
}

/// Makes a file with secrets that must not be there yet: whole and with mode 0600, or not at all.
pub(crate) fn create(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let draft = path.with_extension("draft");
    let made = write_draft(&draft, bytes)
        // A link does not replace what is there, as a rename would.
        .and_then(|()| fs::hard_link(&draft, path))
        .and_then(|()| sync_folder(path));
    let _ = fs::remove_file(&draft);
    made.map_err(|why| refuse(path, why.to_string()))
}

/// The refusal of a file.
pub(crate) fn refuse(path: &Path, why: String) -> Failure {
    Failure::Secrets { path: path.into(), why }
}

fn write_draft(draft: &Path, bytes: &[u8]) -> std::io::Result<()> {
    // What a start that was cut short left behind.
    let _ = fs::remove_file(draft);
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    let mut file = options.open(draft)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn sync_folder(path: &Path) -> std::io::Result<()> {
    match path.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

#[cfg(unix)]
fn check_mode(path: &Path, file: &File) -> Result<(), Failure> {
    use std::os::unix::fs::PermissionsExt as _;
    let about = file.metadata().map_err(|why| refuse(path, why.to_string()))?;
    let mode = about.permissions().mode() & 0o777;
    if mode & 0o077 == 0 {
        return Ok(());
    }
    let why = format!(
        "it holds secrets and others may use it (mode {mode:04o}); if nobody has, run: chmod 600 {}",
        path.display()
    );
    Err(refuse(path, why))
}

#[cfg(not(unix))]
fn check_mode(_: &Path, _: &File) -> Result<(), Failure> {
    Ok(())
}

const BYTES_MAX: u64 = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_made_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.json");
        assert!(read(&path).unwrap().is_none());
        create(&path, b"first").unwrap();
        assert!(create(&path, b"second").is_err());
        assert_eq!(read(&path).unwrap().unwrap().as_slice(), b"first");
        assert!(!path.with_extension("draft").exists());
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_others_may_read_is_refused() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.json");
        create(&path, b"secret").unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let why = read(&path).unwrap_err().to_string();
        assert!(why.contains("chmod 600"), "{why}");
    }
}
