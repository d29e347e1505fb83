//! Writing past the page cache.
//!
//! What was verified is in memory already. A page cache takes a second copy, which perhaps nobody reads, and lets one thread
//! write at a file at a time while it does. So long runs go from memory to disk in one step where the file system takes that
//! (`O_DIRECT`), and as always where it does not.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What a file system takes, and memory to write from.
#[derive(Debug, Default)]
pub(crate) struct Direct {
    is_refused: AtomicBool,
    rooms: Mutex<Vec<Vec<u8>>>,
}

impl Direct {
    /// Nothing goes past the page cache.
    pub(crate) fn never() -> Self {
        Self { is_refused: AtomicBool::new(true), rooms: Mutex::default() }
    }

    /// Whether a run of that many bytes is to go past the page cache.
    pub(crate) fn takes(&self, bytes: usize) -> bool {
        bytes >= LEAST && !self.is_refused.load(Ordering::Relaxed)
    }

    /// Writes parts that follow each other, up to the last whole block, and returns how many bytes that are: none if the file
    /// system does not take it after all, in these writes or where the file was opened for them; it is not asked again then.
    pub(crate) fn write(
        &self,
        opened: io::Result<File>,
        at: u64,
        parts: &[(u64, &[u8])],
    ) -> io::Result<usize> {
        let bytes = parts.iter().map(|(_, part)| part.len()).sum::<usize>();
        let whole = bytes - bytes % BLOCK;
        let mut room = self.room();
        let begins = room.as_ptr().align_offset(BLOCK);
        let done = match room.get_mut(begins..).and_then(|room| room.get_mut(..PIECE)) {
            Some(room) => opened.and_then(|file| write_blocks(&file, room, at, parts, whole)),
            None => Err(io::ErrorKind::InvalidInput.into()),
        };
        self.give_back(room);
        match done {
            Ok(()) => Ok(whole),
            Err(why) if why.kind() == io::ErrorKind::InvalidInput => {
                self.is_refused.store(true, Ordering::Relaxed);
                Ok(0)
            }
            Err(why) => Err(why),
        }
    }

    fn room(&self) -> Vec<u8> {
        self.rooms().pop().unwrap_or_else(|| vec![0; PIECE + BLOCK])
    }

    fn give_back(&self, room: Vec<u8>) {
        let mut rooms = self.rooms();
        if rooms.len() < ROOMS_MAX {
            rooms.push(room);
        }
    }

    /// No code that holds it can panic half way.
    fn rooms(&self) -> MutexGuard<'_, Vec<Vec<u8>>> {
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The first `whole` bytes of the parts, by way of a room that is aligned.
fn write_blocks(
    file: &File,
    room: &mut [u8],
    mut at: u64,
    parts: &[(u64, &[u8])],
    whole: usize,
) -> io::Result<()> {
    let (mut left, mut filled) = (whole, 0);
    for (_, part) in parts {
        let mut rest = &part[..part.len().min(left)];
        left -= rest.len();
        while !rest.is_empty() {
            let (now, later) = rest.split_at(rest.len().min(room.len() - filled));
            room[filled..filled + now.len()].copy_from_slice(now);
            (filled, rest) = (filled + now.len(), later);
            if filled == room.len() {
                file.write_all_at(room, at)?;
                at = at.saturating_add(filled as u64);
                filled = 0;
            }
        }
    }
    file.write_all_at(&room[..filled], at)
}

/// Below it nothing is won: 256 KiB.
const LEAST: usize = 256 << 10;
/// What memory, places and lengths are multiples of, as every usual disk wants it.
pub(crate) const BLOCK: usize = 4_096;
/// As much at a time.
const PIECE: usize = 1 << 20;
/// As many as there are threads that write at one time.
const ROOMS_MAX: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::OpenOptions;

    #[test]
    fn parts_of_any_length_are_written_up_to_the_last_whole_block() {
        let home = tempfile::tempdir().unwrap();
        let content: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 251) as u8).collect();
        for (begins, lens) in [
            (0, &[300_000, 1, 4_095][..]),
            (4_096, &[1_048_576, 1_048_576, 5]),
            (8_192, &[1_000_000, 96_000, 900_000, 0, 70_000]),
        ] {
            let path = home.path().join("file");
            let direct = Direct::default();
            let open = || OpenOptions::new().write(true).create(true).truncate(true).open(&path);
            let (mut parts, mut from) = (Vec::new(), 0);
            for len in lens {
                parts.push((begins + from as u64, &content[from..from + len]));
                from += len;
            }
            let written = direct.write(open(), begins, &parts).unwrap();
            assert!(written % BLOCK == 0 && from - written < BLOCK);
            let stored = std::fs::read(&path).unwrap();
            assert_eq!(stored[usize::try_from(begins).unwrap()..], content[..written]);
            assert_eq!(direct.rooms().len(), 1, "memory is used again");
        }
    }

    #[test]
    fn a_file_system_that_refuses_is_not_asked_again_and_other_failures_are_told() {
        let direct = Direct::default();
        let content = vec![7; LEAST];
        let parts = [(0, &content[..])];
        let full = direct.write(Err(io::ErrorKind::StorageFull.into()), 0, &parts);
        assert_eq!(full.unwrap_err().kind(), io::ErrorKind::StorageFull);
        assert!(direct.takes(LEAST) && !direct.takes(LEAST - 1));
        let refused = direct.write(Err(io::ErrorKind::InvalidInput.into()), 0, &parts);
        assert_eq!(refused.unwrap(), 0);
        assert!(!direct.takes(LEAST) && !Direct::never().takes(usize::MAX));
    }
}
