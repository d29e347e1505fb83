//! Files with the seeds of keys that are replaced one day: the key in use, the next one, those that were in use before.
//!
//! `NAME` has the key in use: its seed, and what is noted behind it. `NAME.next` is the key that is to follow; it is there before the
//! chain hears of it, and takes the place of the one in use when it counts. That one stays as `NAME.1`, `NAME.2` and so on, by its
//! number.

use crate::failure::Failure;
use crate::secrets;
use seal::Secret;
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

/// The next key's seed: the one that is there, or a new one. Whoever stops before it counts goes on with the same one.
pub(crate) fn prepare(path: &Path, note: &str) -> Result<Secret<32>, Failure> {
    let next = next(path);
    match secrets::seed(&next) {
        Err(_) if !next.exists() => {
            // Under its name it is there as a whole, or not at all.
            let drawn = beside(path, "new");
            let _ = fs::remove_file(&drawn);
            let seed = secrets::draw(&drawn, note)?;
            fs::rename(&drawn, &next).map_err(|why| Failure::file(&next, why))?;
            sync(path)?;
            Ok(seed)
        }
        seed => seed,
    }
}

/// The next key's seed, if there is one.
pub(crate) fn waiting(path: &Path) -> Result<Option<Secret<32>>, Failure> {
    let next = next(path);
    if !next.exists() {
        return Ok(None);
    }
    secrets::seed(&next).map(Some)
}

/// The next key takes the place of the one in use, which has this number. Stopped in between it is done again.
///
/// # Errors
/// Also if another key's file has the name that the one in use is to have from now on: nothing is lost then.
pub(crate) fn adopt(path: &Path, number: u16) -> Result<(), Failure> {
    let old = numbered(path, number);
    match fs::hard_link(path, &old) {
        Err(why) if why.kind() == ErrorKind::AlreadyExists => {
            if secrets::read(&old)? != secrets::read(path)? {
                return Err(Failure::file(&old, "it is in the way, and holds another key"));
            }
        }
        linked => linked.map_err(|why| Failure::file(&old, why))?,
    }
    fs::rename(next(path), path).map_err(|why| Failure::file(path, why))?;
    sync(path)
}

/// The keys that were in use before the one with this number, and are there: lowest number first.
pub(crate) fn former(path: &Path, number: u16) -> Result<Vec<(u16, Secret<32>)>, Failure> {
    let folder = folder(path);
    let mut name = OsString::from(path.file_name().unwrap_or_default());
    name.push(".");
    let mut numbers = Vec::new();
    for entry in fs::read_dir(folder).map_err(|why| Failure::file(folder, why))? {
        let entry = entry.map_err(|why| Failure::file(folder, why))?.file_name();
        let rest = entry.as_encoded_bytes().strip_prefix(name.as_encoded_bytes());
        let rest = rest.and_then(|rest| std::str::from_utf8(rest).ok());
        let found =
            rest.and_then(|rest| rest.parse().ok().filter(|it: &u16| it.to_string() == rest));
        numbers.extend(found.filter(|found| *found < number));
    }
    numbers.sort_unstable();
    let seeds = numbers
        .into_iter()
        .map(|number| secrets::seed(&numbered(path, number)).map(|seed| (number, seed)));
    seeds.collect()
}

/// Deletes a key that was in use before; says whether it was there. Its name goes first, so that what is stopped in between leaves no
/// damaged file; then its bytes are written over, as far as the medium does that.
pub(crate) fn forget(path: &Path, number: u16) -> Result<bool, Failure> {
    let old = numbered(path, number);
    let mut file = match OpenOptions::new().write(true).open(&old) {
        Err(why) if why.kind() == ErrorKind::NotFound => return Ok(false),
        opened => opened.map_err(|why| Failure::file(&old, why))?,
    };
    fs::remove_file(&old).map_err(|why| Failure::file(&old, why))?;
    sync(path)?;
    let len = file.metadata().map_or(0, |about| usize::try_from(about.len()).unwrap_or(0));
    let written = file.write_all(&vec![b'0'; len]).and_then(|()| file.sync_all());
    written.map_err(|why| Failure::file(&old, why))?;
    Ok(true)
}

fn numbered(path: &Path, number: u16) -> PathBuf {
    beside(path, &number.to_string())
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
    let folder = folder(path);
    let synced = File::open(folder).and_then(|folder| folder.sync_all());
    synced.map_err(|why| Failure::file(folder, why))
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn shown(seed: &Secret<32>) -> [u8; 32] {
        *seed.expose()
    }

    #[test]
    fn the_next_key_is_stored_before_it_is_used_and_the_old_one_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("signing.seed");
        let first = shown(&secrets::draw(&path, "").unwrap());
        assert!(waiting(&path).unwrap().is_none());
        let next = shown(&prepare(&path, "2").unwrap());
        let mode = fs::metadata(beside(&path, "next")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        // Asked again, it is the same; the one in use is as it was.
        assert_eq!(shown(&prepare(&path, "2").unwrap()), next);
        assert_eq!(shown(&waiting(&path).unwrap().unwrap()), next);
        assert_eq!(shown(&secrets::noted(&path).unwrap().0), first);
        adopt(&path, 1).unwrap();
        let (seed, note) = secrets::noted(&path).unwrap();
        assert_eq!((shown(&seed), &*note), (next, "2"));
        assert_eq!(shown(&secrets::noted(&beside(&path, "1")).unwrap().0), first);
        assert!(waiting(&path).unwrap().is_none());
        // What was stopped between the two names is done again.
        prepare(&path, "3").unwrap();
        fs::hard_link(&path, beside(&path, "2")).unwrap();
        adopt(&path, 2).unwrap();
        assert_eq!(secrets::noted(&path).unwrap().1, "3");
        // A file that somebody put there is not taken for the old key, and that is not lost.
        prepare(&path, "4").unwrap();
        secrets::draw(&beside(&path, "3"), "").unwrap();
        assert!(adopt(&path, 3).unwrap_err().to_string().contains("is in the way"));
        assert_eq!(secrets::noted(&path).unwrap().1, "3");
        assert!(waiting(&path).unwrap().is_some());
    }

    #[test]
    fn former_keys_are_found_by_their_numbers_until_they_are_deleted() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sealing.seed");
        for number in 2..=12_u16 {
            if number == 2 {
                secrets::draw(&path, "").unwrap();
            }
            prepare(&path, &number.to_string()).unwrap();
            adopt(&path, number - 1).unwrap();
        }
        for other in ["sealing.seed.next", "sealing.seed.x", "sealing.seed.+3", "sealing.seed.12"] {
            fs::write(folder.path().join(other), "no seed").unwrap();
        }
        let numbers = |below| -> Vec<u16> {
            former(&path, below).unwrap().into_iter().map(|(number, _)| number).collect()
        };
        assert_eq!(numbers(12), (1..12).collect::<Vec<_>>());
        assert_eq!(numbers(3), [1, 2]);
        // A second name shows what becomes of the bytes.
        fs::hard_link(beside(&path, "1"), folder.path().join("seen")).unwrap();
        assert!(forget(&path, 1).unwrap() && !forget(&path, 1).unwrap());
        assert_eq!(numbers(3), [2]);
        assert_eq!(fs::read(folder.path().join("seen")).unwrap(), [b'0'; 64]);
    }
}
