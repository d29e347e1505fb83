//! What the files of a store need of the system beyond reading and writing.

use std::fs::File;
use std::io;
use std::path::Path;

/// Writes all of it at a place of a file.
#[cfg(unix)]
pub(crate) fn write_all_at(file: &File, at: u64, bytes: &[u8]) -> io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, bytes, at)
}

#[cfg(not(unix))]
pub(crate) fn write_all_at(mut file: &File, at: u64, bytes: &[u8]) -> io::Result<()> {
    io::Seek::seek(&mut file, io::SeekFrom::Start(at))?;
    io::Write::write_all(&mut file, bytes)
}

/// Asks the system to forget what it keeps of a file in memory. After a failed sync that may be more than the disk has, and must
/// not be taken for durable.
#[cfg(target_os = "linux")]
pub(crate) fn forget_cached(path: &Path) {
    if let Ok(file) = File::open(path) {
        // Advice: where it is not taken, nothing else can be done
        let _ = rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed);
    }
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn forget_cached(_: &Path) {}

/// Makes the names in a folder durable.
#[cfg(unix)]
pub(crate) fn sync_folder(dir: &Path) -> io::Result<()> {
    let dir = if dir.as_os_str().is_empty() { Path::new(".") } else { dir };
    File::open(dir)?.sync_all()
}

#[cfg(not(unix))]
pub(crate) fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}
