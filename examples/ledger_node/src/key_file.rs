//! Files with signing keys that are replaced one day: the key in use, the next one, those that were in use before.
//!
//! `NAME` has the key in use: its seed, and what is noted behind it. `NAME.next` is the key that is to follow; it is there before the
//! chain hears of it, and takes the place of the one in use when it counts. That one stays as `NAME.1`, `NAME.2` and so on.

use crate::failure::Failure;
use crate::secrets;
use seal::{Secret, SigningKey};
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// The next key: the one that is there, or a new one. Whoever stops before it counts goes on with the same one.
pub(crate) fn prepare(path: &Path, note: &str) -> Result<(SigningKey, Secret<32>), Failure> {
    let next = next(path);
    let seed = match secrets::noted(&next) {
        Ok((seed, _)) => seed,
        Err(_) if !next.exists() => {
            // Under its name it is there as a whole, or not at all.
            let drawn = beside(path, "new");
            let _ = fs::remove_file(&drawn);
            let seed = secrets::draw(&drawn, note)?;
            fs::rename(&drawn, &next).map_err(|why| Failure::file(&next, why))?;
            sync(path)?;
            seed
        }
        Err(why) => return Err(why),
    };
    Ok((SigningKey::from_seed(&seed), seed))
}

/// The next key, if there is one.
pub(crate) fn waiting(path: &Path) -> Result<Option<(SigningKey, Secret<32>)>, Failure> {
    let next = next(path);
    if !next.exists() {
        return Ok(None);
    }
    let (seed, _) = secrets::noted(&next)?;
    Ok(Some((SigningKey::from_seed(&seed), seed)))
}

/// The next key takes the place of the one in use, which has this number. Stopped in between it is done again.
pub(crate) fn adopt(path: &Path, number: u16) -> Result<(), Failure> {
    let old = beside(path, &number.to_string());
    match fs::hard_link(path, &old) {
        Err(why) if why.kind() != ErrorKind::AlreadyExists => return Err(Failure::file(&old, why)),
        _ => {}
    }
    fs::rename(next(path), path).map_err(|why| Failure::file(path, why))?;
    sync(path)
}

fn next(path: &Path) -> PathBuf {
    beside(path, "next")
}

fn beside(path: &Path, what: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(".");
    name.push(what);
    name.into()
}

/// Names in the folder are durable.
fn sync(path: &Path) -> Result<(), Failure> {
    let folder = path.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let synced = File::open(folder).and_then(|folder| folder.sync_all());
    synced.map_err(|why| Failure::file(folder, why))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn the_next_key_is_stored_before_it_is_used_and_the_old_one_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("signing.seed");
        let public = |seed: &Secret<32>| SigningKey::from_seed(seed).verifying_key();
        let first = public(&secrets::draw(&path, "").unwrap());
        assert!(waiting(&path).unwrap().is_none());
        let (next, _) = prepare(&path, "2").unwrap();
        let mode = fs::metadata(beside(&path, "next")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        // Asked again, it is the same; the one in use is as it was.
        assert_eq!(prepare(&path, "2").unwrap().0.verifying_key(), next.verifying_key());
        assert_eq!(waiting(&path).unwrap().unwrap().0.verifying_key(), next.verifying_key());
        assert_eq!(public(&secrets::noted(&path).unwrap().0), first);
        adopt(&path, 1).unwrap();
        let (seed, note) = secrets::noted(&path).unwrap();
        assert_eq!((public(&seed), &*note), (next.verifying_key(), "2"));
        assert_eq!(public(&secrets::noted(&beside(&path, "1")).unwrap().0), first);
        assert!(waiting(&path).unwrap().is_none());
        // What was stopped between the two names is done again.
        prepare(&path, "3").unwrap();
        fs::hard_link(&path, beside(&path, "2")).unwrap();
        adopt(&path, 2).unwrap();
        assert_eq!(secrets::noted(&path).unwrap().1, "3");
    }
}
