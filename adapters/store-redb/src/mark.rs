//! The high-water mark: a small file beside the database that says how far it had come.
//!
//! A damaged header can make redb open an older root as if nothing had happened. The mark is written after a commit is
//! durable and before it is acknowledged, so a database that is behind its mark has lost something; one that is ahead
//! of it was only stopped between the two writes. It needs no sync of its own: after a power cut the mark may be
//! old, and then proves less, but it is never ahead of a healthy database.

use crate::Damage;
use crate::disk::write_all_at;
use crate::record::truncated_hash;
use crate::state::State;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::Path;

/// The open mark file.
#[derive(Debug)]
pub(crate) struct Mark {
    file: File,
    /// Two slots in turn, so that a torn write leaves the other one.
    next_slot: u64,
    top: Option<Slot>,
}

impl Mark {
    /// Writes a new mark that is whole at every moment, also after a power cut.
    pub(crate) fn create(path: &Path, state: &State) -> io::Result<Self> {
        let fresh = path.with_extension("mark.new");
        let slot = Slot::of(state);
        let mut bytes = [0; FILE_BYTES];
        for half in bytes.chunks_exact_mut(SLOT_STRIDE) {
            half[..SLOT_BYTES].copy_from_slice(&slot.encode());
        }
        let mut file = File::create(&fresh)?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        fs::rename(&fresh, path)?;
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        Ok(Self { file, next_slot: 0, top: Some(slot) })
    }

    /// Opens the mark; `None` where there is none.
    pub(crate) fn open(path: &Path) -> io::Result<Option<Self>> {
        let mut file = match OpenOptions::new().read(true).write(true).open(path) {
            Ok(file) => file,
            Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(why) => return Err(why),
        };
        let mut bytes = Vec::new();
        Read::by_ref(&mut file).take(FILE_BYTES as u64 + 1).read_to_end(&mut bytes)?;
        let slots = match <&[u8; FILE_BYTES]>::try_from(bytes.as_slice()) {
            Ok(bytes) => [Slot::parse(&bytes[..SLOT_BYTES]), Slot::parse(&bytes[SLOT_STRIDE..])],
            Err(_) => [None, None],
        };
        let (next_slot, top) = match slots {
            [Some(a), Some(b)] if a.last >= b.last => (1, Some(a)),
            [Some(a), None] => (1, Some(a)),
            [_, b] => (0, b),
        };
        Ok(Some(Self { file, next_slot, top }))
    }

    /// Compares the database with the mark.
    pub(crate) fn judge(&self, state: &State) -> Result<(), Damage> {
        let top = self.top.as_ref().ok_or(Damage::Mark)?;
        if state.last > top.last || *top == Slot::of(state) {
            Ok(())
        } else {
            Err(Damage::RolledBack)
        }
    }

    /// Raises the mark to a state that is durable.
    pub(crate) fn raise(&mut self, state: &State) -> io::Result<()> {
        let slot = Slot::of(state);
        if self.top.as_ref().is_some_and(|top| top.last >= slot.last) {
            return Ok(());
        }
        write_all_at(&self.file, self.next_slot * SLOT_STRIDE as u64, &slot.encode())?;
        self.next_slot ^= 1;
        self.top = Some(slot);
        Ok(())
    }

    /// Makes the mark itself durable.
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Slot {
    last: u64,
    state: u128,
}

impl Slot {
    fn of(state: &State) -> Self {
        Self { last: state.last, state: state.checksum() }
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let (last, rest) = bytes.split_first_chunk::<8>()?;
        let (state, rest) = rest.split_first_chunk::<16>()?;
        let slot = Self { last: u64::from_be_bytes(*last), state: u128::from_be_bytes(*state) };
        (slot.encode()[24..] == *rest.first_chunk::<16>()?).then_some(slot)
    }

    fn encode(&self) -> [u8; SLOT_BYTES] {
        let mut bytes = [0; SLOT_BYTES];
        bytes[..8].copy_from_slice(&self.last.to_be_bytes());
        bytes[8..24].copy_from_slice(&self.state.to_be_bytes());
        let checksum = truncated_hash(MARK_LABEL, [&bytes[..24], &[], &[], &[]]);
        bytes[24..].copy_from_slice(&checksum.to_be_bytes());
        bytes
    }
}

const SLOT_BYTES: usize = 40;
/// Each slot in a sector of its own: a sector is written whole or not at all.
const SLOT_STRIDE: usize = 4096;
const FILE_BYTES: usize = 2 * SLOT_STRIDE;
const MARK_LABEL: &[u8] = b"interbank/store-redb/mark/v1\0";

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Seek, SeekFrom};

    fn state(last: u64) -> State {
        State { last, rows: last, digest: u128::from(last) << 70 }
    }

    fn flip(path: &Path, at: u64) {
        let mut file = OpenOptions::new().read(true).write(true).open(path).unwrap();
        let mut byte = [0];
        file.seek(SeekFrom::Start(at)).unwrap();
        file.read_exact(&mut byte).unwrap();
        file.seek(SeekFrom::Start(at)).unwrap();
        file.write_all(&[byte[0] ^ 0x10]).unwrap();
    }

    #[test]
    fn a_database_behind_its_mark_was_rolled_back_and_one_ahead_was_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("m.mark");
        assert!(Mark::open(&path).unwrap().is_none());
        let mut mark = Mark::create(&path, &state(0)).unwrap();
        for last in 1..6 {
            mark.raise(&state(last)).unwrap();
            let reopened = Mark::open(&path).unwrap().unwrap();
            assert_eq!(reopened.judge(&state(last)), Ok(()));
            assert_eq!(reopened.judge(&state(last + 1)), Ok(()));
            assert_eq!(reopened.judge(&state(last - 1)), Err(Damage::RolledBack));
            let other = State { digest: 1, ..state(last) };
            assert_eq!(reopened.judge(&other), Err(Damage::RolledBack));
        }
    }

    #[test]
    fn one_damaged_slot_is_survived_and_two_are_reported() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("m.mark");
        let mut mark = Mark::create(&path, &state(3)).unwrap();
        mark.raise(&state(4)).unwrap();
        flip(&path, 20);
        assert_eq!(Mark::open(&path).unwrap().unwrap().judge(&state(3)), Ok(()));
        let mut mark = Mark::open(&path).unwrap().unwrap();
        mark.raise(&state(5)).unwrap();
        assert_eq!(
            Mark::open(&path).unwrap().unwrap().judge(&state(4)),
            Err(Damage::RolledBack),
            "the damaged slot is the one that is written next"
        );
        flip(&path, 1);
        flip(&path, SLOT_STRIDE as u64 + 39);
        assert_eq!(Mark::open(&path).unwrap().unwrap().judge(&state(9)), Err(Damage::Mark));
        fs::write(&path, b"").unwrap();
        assert_eq!(Mark::open(&path).unwrap().unwrap().judge(&state(9)), Err(Damage::Mark));
    }
}
