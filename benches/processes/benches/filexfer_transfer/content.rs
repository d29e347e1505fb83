//! Made-up content that no peer can compress or skip.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::Path;

/// Writes a file; returns its root.
pub(crate) fn write(path: &Path, bytes: u64) -> [u8; 32] {
    let name = path.file_name().unwrap().as_encoded_bytes();
    let mut stream = blake3::Hasher::new().update(name).finalize_xof();
    let mut root = blake3::Hasher::new();
    let mut file = File::create(path).unwrap();
    let mut buffer = vec![0; 1 << 20];
    let mut left = bytes;
    while left > 0 {
        let part = usize::try_from(left.min(1 << 20)).unwrap();
        stream.fill(&mut buffer[..part]);
        root.update(&buffer[..part]);
        file.write_all(&buffer[..part]).unwrap();
        left -= part as u64;
    }
    *root.finalize().as_bytes()
}

/// The root of what is there.
pub(crate) fn root(path: &Path) -> [u8; 32] {
    let mut root = blake3::Hasher::new();
    let mut file = File::open(path).unwrap_or_else(|why| panic!("{}: {why}", path.display()));
    let mut buffer = vec![0; 1 << 20];
    loop {
        let read = file.read(&mut buffer).unwrap();
        if read == 0 {
            return *root.finalize().as_bytes();
        }
        root.update(&buffer[..read]);
    }
}
