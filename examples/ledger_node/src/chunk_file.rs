//! Chunks of a snapshot in one file, one behind the other: a length (4), and so many bytes.

use crate::failure::Failure;
use bytes::Bytes;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

/// An open file of chunks, and where each of them begins.
pub(crate) struct ChunkFile {
    path: PathBuf,
    file: File,
    /// And where the last one ends.
    offsets: Vec<u64>,
}

impl ChunkFile {
    /// An empty one; what was there goes.
    pub(crate) fn create(path: &Path) -> Result<Self, Failure> {
        let mut options = File::options();
        let file = options.read(true).write(true).create(true).truncate(true).open(path);
        let file = file.map_err(|why| Failure::file(path, why))?;
        Ok(Self { path: path.into(), file, offsets: vec![0] })
    }

    /// One that was written before; what a stop has left half written is cut off.
    pub(crate) fn open(path: &Path) -> Result<Self, Failure> {
        let mut options = File::options();
        let file = options.read(true).write(true).create(true).truncate(false).open(path);
        let file = file.map_err(|why| Failure::file(path, why))?;
        let mut it = Self { path: path.into(), file, offsets: vec![0] };
        let end = it.file.metadata().map_err(|why| it.failure(why))?.len();
        while let Some(next) = it.next_offset(end)? {
            it.offsets.push(next);
        }
        it.truncate(it.count())?;
        Ok(it)
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.offsets.len() - 1
    }

    pub(crate) fn push(&mut self, chunk: &[u8]) -> Result<(), Failure> {
        let end = self.end();
        let len = u32::try_from(chunk.len()).map_err(Failure::run)?;
        let framed = [&len.to_be_bytes()[..], chunk].concat();
        let done = self.file.seek(SeekFrom::Start(end)).and_then(|_| self.file.write_all(&framed));
        done.map_err(|why| self.failure(why))?;
        self.offsets.push(end + framed.len() as u64);
        Ok(())
    }

    /// A chunk; `None` if there are not so many.
    pub(crate) fn chunk(&mut self, number: usize) -> Result<Option<Bytes>, Failure> {
        let (Some(from), Some(until)) = (self.offsets.get(number), self.offsets.get(number + 1))
        else {
            return Ok(None);
        };
        let (from, len) = (from + LENGTH, until - from - LENGTH);
        let mut bytes = vec![0; usize::try_from(len).map_err(Failure::run)?];
        let done =
            self.file.seek(SeekFrom::Start(from)).and_then(|_| self.file.read_exact(&mut bytes));
        done.map_err(|why| self.failure(why))?;
        Ok(Some(bytes.into()))
    }

    /// Keeps so many of the first ones.
    pub(crate) fn truncate(&mut self, count: usize) -> Result<(), Failure> {
        self.offsets.truncate(count + 1);
        self.file.set_len(self.end()).map_err(|why| self.failure(why))
    }

    fn end(&self) -> u64 {
        self.offsets.last().copied().unwrap_or_default()
    }

    /// Where the next one ends, if all of it is there.
    fn next_offset(&mut self, end: u64) -> Result<Option<u64>, Failure> {
        let from = self.end();
        if from + LENGTH > end {
            return Ok(None);
        }
        let mut len = [0; 4];
        let done =
            self.file.seek(SeekFrom::Start(from)).and_then(|_| self.file.read_exact(&mut len));
        done.map_err(|why| self.failure(why))?;
        let next = from + LENGTH + u64::from(u32::from_be_bytes(len));
        Ok((next <= end).then_some(next))
    }

    fn failure(&self, why: std::io::Error) -> Failure {
        Failure::file(&self.path, why)
    }
}

const LENGTH: u64 = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_there_again_and_a_half_written_chunk_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("chunks");
        let mut file = ChunkFile::create(&path).unwrap();
        for chunk in [&b"first"[..], b"", b"third"] {
            file.push(chunk).unwrap();
        }
        let read =
            |file: &mut ChunkFile, number| file.chunk(number).unwrap().map(|chunk| chunk.to_vec());
        assert_eq!(read(&mut file, 2).as_deref(), Some(&b"third"[..]));
        assert_eq!(read(&mut file, 3), None);
        drop(file);
        let bytes = std::fs::read(&path).unwrap();
        for end in 0..=bytes.len() {
            std::fs::write(&path, &bytes[..end]).unwrap();
            let mut file = ChunkFile::open(&path).unwrap();
            let whole = [9, 13, 22].iter().filter(|it| **it <= end).count();
            assert_eq!(file.count(), whole, "{end}");
            file.push(b"next").unwrap();
            assert_eq!(read(&mut file, whole).as_deref(), Some(&b"next"[..]));
            assert!(read(&mut file, 0).is_some());
        }
        let mut file = ChunkFile::open(&path).unwrap();
        file.truncate(1).unwrap();
        assert_eq!(ChunkFile::open(&path).unwrap().count(), 1);
    }
}
