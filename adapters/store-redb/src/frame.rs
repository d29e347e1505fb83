//! Frames of the journal: what one group changed, and between which states.

use crate::memtable::Memtable;
use crate::number::Number;
use crate::record::{Held, Record, truncated_hash};
use crate::state::{STATE_BYTES, State};
use port::Key;

/// A frame being written.
#[derive(Debug)]
pub(crate) struct Writing {
    bytes: Vec<u8>,
}

impl Writing {
    pub(crate) fn new() -> Self {
        Self { bytes: vec![0; HEADER_BYTES] }
    }

    /// A row becomes this one.
    pub(crate) fn put(&mut self, key: &[u8], held: &Held) {
        self.key(key);
        self.bytes.extend_from_slice(&u32_of(held.bytes()).to_be_bytes());
        held.encode(&mut self.bytes);
    }

    /// A row goes.
    pub(crate) fn delete(&mut self, key: &[u8]) {
        self.key(key);
        self.bytes.extend_from_slice(&DELETED.to_be_bytes());
    }

    /// The whole frame, filled up to whole blocks.
    pub(crate) fn finish(mut self, before: &State, after: &State, number: &Number) -> Vec<u8> {
        let body = (self.bytes.len() - HEADER_BYTES) as u64;
        self.bytes[..8].copy_from_slice(&magic_of(Some(number)));
        self.bytes[8..16].copy_from_slice(&body.to_be_bytes());
        self.bytes[16..64].copy_from_slice(&before.encode());
        self.bytes[64..112].copy_from_slice(&after.encode());
        let checksum = checksum_of(Some(number), &self.bytes[..112], &self.bytes[HEADER_BYTES..]);
        self.bytes[112..HEADER_BYTES].copy_from_slice(&checksum.to_be_bytes());
        self.bytes.resize(self.bytes.len().next_multiple_of(BLOCK_BYTES), 0);
        self.bytes
    }

    fn key(&mut self, key: &[u8]) {
        let len = u16::try_from(key.len()).unwrap_or(u16::MAX);
        self.bytes.extend_from_slice(&len.to_be_bytes());
        self.bytes.extend_from_slice(key);
    }
}

/// A whole frame as it was read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Frame<'a> {
    pub(crate) before: State,
    pub(crate) after: State,
    /// How many bytes it takes, whole blocks.
    pub(crate) len: usize,
    body: &'a [u8],
}

impl<'a> Frame<'a> {
    /// The frame that begins here; `None` unless all of it is as it was written by the store of this number, or by one that has
    /// none yet.
    pub(crate) fn parse(bytes: &'a [u8], number: Option<&Number>) -> Option<Self> {
        let header = bytes.get(..HEADER_BYTES)?;
        let (magic, rest) = header.split_first_chunk::<8>()?;
        let (body, rest) = rest.split_first_chunk::<8>()?;
        if *magic != magic_of(number) {
            return None;
        }
        let end = HEADER_BYTES.checked_add(usize::try_from(u64::from_be_bytes(*body)).ok()?)?;
        let body = bytes.get(HEADER_BYTES..end)?;
        let (before, rest) = rest.split_at_checked(STATE_BYTES)?;
        let (after, checksum) = rest.split_at_checked(STATE_BYTES)?;
        if checksum_of(number, &header[..112], body).to_be_bytes() != *checksum {
            return None;
        }
        let (before, after) = (State::parse(before).ok()?, State::parse(after).ok()?);
        Some(Self { before, after, len: end.next_multiple_of(BLOCK_BYTES), body })
    }

    /// Lays its changes over the rows; `None` where the body is none, of which a part may be there then.
    pub(crate) fn replay(&self, rows: &mut Memtable) -> Option<()> {
        let mut body = self.body;
        while !body.is_empty() {
            let (len, rest) = body.split_first_chunk::<2>()?;
            let (key, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*len)))?;
            let (len, rest) = rest.split_first_chunk::<4>()?;
            let key_read = Key::from_bytes(key).ok()?;
            match u32::from_be_bytes(*len) {
                DELETED => {
                    rows.set(key_read, None);
                    body = rest;
                }
                len => {
                    let (record, rest) = rest.split_at_checked(usize::try_from(len).ok()?)?;
                    rows.set(key_read, Some(Record::parse(key, record).ok()?.into()));
                    body = rest;
                }
            }
        }
        Some(())
    }
}

/// Whether a frame of a store with another number begins here: only to be asked where a frame begins, never of what may be a value.
///
/// Its checksum tells nothing without that number, so the rest of the header has to be whole. A frame of this store that was torn
/// within the number is none: behind it are zeros, or the end of the name that frames had before stores had numbers.
pub(crate) fn is_of_another_store(bytes: &[u8], number: Option<&Number>) -> bool {
    let Some((magic, rest)) = bytes.split_first_chunk::<8>() else { return false };
    let own = magic_of(number);
    let is_torn = |at: usize| magic[..at] == own[..at] && magic[at..] == MAGIC[at..];
    magic.starts_with(&NUMBERED)
        && *magic != own
        && !(NUMBERED.len()..8).any(is_torn)
        && is_head(rest)
}

/// Whether this is what follows the first bytes of some frame: a body that ends where the file does or before, and two states.
fn is_head(bytes: &[u8]) -> bool {
    let Some((body, rest)) = bytes.split_first_chunk::<8>() else { return false };
    let Some((before, rest)) = rest.split_at_checked(STATE_BYTES) else { return false };
    let Some((after, rest)) = rest.split_at_checked(STATE_BYTES) else { return false };
    let room = rest.len().checked_sub(CHECKSUM_BYTES).map(|room| room as u64);
    room.is_some_and(|room| u64::from_be_bytes(*body) <= room)
        && State::parse(before).is_ok()
        && State::parse(after).is_ok()
}

fn magic_of(number: Option<&Number>) -> [u8; 8] {
    let Some(number) = number else { return MAGIC };
    let ([a, b, c, d], [e, f, g, h]) = (NUMBERED, number.short());
    [a, b, c, d, e, f, g, h]
}

fn checksum_of(number: Option<&Number>, header: &[u8], body: &[u8]) -> u128 {
    match number {
        None => truncated_hash(FRAME_LABEL, [header, body, &[], &[]]),
        Some(number) => truncated_hash(NUMBERED_LABEL, [number.as_bytes(), header, body, &[]]),
    }
}

/// A record is at most a value of 64 KiB and its head.
fn u32_of(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(DELETED)
}

/// Frames begin at multiples of this, so that none shares what a disk writes at once with one before it.
pub(crate) const BLOCK_BYTES: usize = 4_096;
const HEADER_BYTES: usize = 128;
const CHECKSUM_BYTES: usize = 16;
const DELETED: u32 = u32::MAX;
/// Of frames before stores had numbers; they are read, and written no more.
const MAGIC: [u8; 8] = *b"ibframe1";
const FRAME_LABEL: &[u8] = b"interbank/store-redb/frame/v1\0";
/// Before the short form of the number.
const NUMBERED: [u8; 4] = *b"ibf2";
const NUMBERED_LABEL: &[u8] = b"interbank/store-redb/frame/v2\0";

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use proptest::prelude::*;

    fn key(n: u64) -> Key {
        Key::new(port::CrateTag::PORT, port::Tenant::new(1), 1).number(n).unwrap()
    }

    fn state(last: u64) -> State {
        State { last, rows: last, digest: u128::from(last) << 90 }
    }

    /// The one of 32 sevens.
    fn number() -> Number {
        number_of(7)
    }

    fn number_of(byte: u8) -> Number {
        let hashed = [b"interbank/store-redb/number/v1\0".as_slice(), &[byte; 32]].concat();
        Number::parse(&[&[byte; 32], &blake3::hash(&hashed).as_bytes()[..16]].concat()).unwrap()
    }

    fn frame(changes: &[(u64, Option<Vec<u8>>)]) -> Vec<u8> {
        let mut writing = Writing::new();
        for (n, value) in changes {
            match value {
                Some(value) => {
                    let key = key(*n);
                    let held = Held::new(key.as_bytes(), 7, Bytes::copy_from_slice(value));
                    writing.put(key.as_bytes(), &held);
                }
                None => writing.delete(key(*n).as_bytes()),
            }
        }
        writing.finish(&state(6), &state(7), &number())
    }

    #[test]
    fn a_frame_is_written_as_specified() {
        let bytes = frame(&[(1, Some(b"value".to_vec())), (2, None)]);
        let mut record = Vec::new();
        Held::new(key(1).as_bytes(), 7, Bytes::from_static(b"value")).encode(&mut record);
        let mut body = [&18_u16.to_be_bytes()[..], key(1).as_bytes()].concat();
        body.extend_from_slice(&29_u32.to_be_bytes());
        body.extend_from_slice(&record);
        body.extend_from_slice(&18_u16.to_be_bytes());
        body.extend_from_slice(key(2).as_bytes());
        body.extend_from_slice(&[0xFF; 4]);
        let mut expected = b"ibf2".to_vec();
        let short = [b"interbank/store-redb/number-short/v1\0".as_slice(), &[7; 32]].concat();
        expected.extend_from_slice(&blake3::hash(&short).as_bytes()[..4]);
        expected.extend_from_slice(&(body.len() as u64).to_be_bytes());
        expected.extend_from_slice(&state(6).encode());
        expected.extend_from_slice(&state(7).encode());
        let label = b"interbank/store-redb/frame/v2\0";
        let hashed = [label, &[7; 32][..], &expected, &body].concat();
        expected.extend_from_slice(&blake3::hash(&hashed).as_bytes()[..16]);
        expected.extend_from_slice(&body);
        expected.resize(BLOCK_BYTES, 0);
        assert_eq!(bytes, expected);
    }

    /// The same frame as it was written before stores had numbers.
    fn unnumbered(mut frame: Vec<u8>) -> Vec<u8> {
        let body = Frame::parse(&frame, Some(&number())).unwrap().body.to_vec();
        frame[..8].copy_from_slice(&MAGIC);
        let checksum = checksum_of(None, &frame[..112], &body);
        frame[112..HEADER_BYTES].copy_from_slice(&checksum.to_be_bytes());
        assert!(Frame::parse(&frame, None).is_some());
        frame
    }

    #[test]
    fn a_frame_that_was_torn_at_any_byte_is_not_taken_for_one_of_another_store() {
        let new = frame(&[(1, Some(b"value".to_vec())), (2, None)]);
        let old = frame(&[(3, Some(b"another".to_vec()))]);
        let behind = [Vec::new(), vec![0; new.len()], unnumbered(old.clone()), old];
        for (old, cut) in behind.iter().flat_map(|old| (0..new.len()).map(move |cut| (old, cut))) {
            let torn = [&new[..cut], old.get(cut..).unwrap_or_default()].concat();
            assert!(!is_of_another_store(&torn, Some(&number())), "{cut}");
        }
    }

    #[test]
    fn a_frame_of_another_store_is_told_by_its_whole_header() {
        let whole = frame(&[(1, Some(b"value".to_vec()))]);
        assert!(!is_of_another_store(&whole, Some(&number())));
        for other in [Some(&number_of(8)), None] {
            assert!(is_of_another_store(&whole, other));
            let used = HEADER_BYTES + Frame::parse(&whole, Some(&number())).unwrap().body.len();
            assert!(is_of_another_store(&whole[..used], other));
            assert!(!is_of_another_store(&whole[..used - 1], other), "its body is not all there");
            for at in (0..4).chain(16..112) {
                let mut changed = whole.clone();
                changed[at] ^= 1;
                assert!(!is_of_another_store(&changed, other), "{at}");
            }
        }
    }

    proptest! {
        #[test]
        fn a_frame_is_read_as_it_was_written_and_any_change_of_it_is_noticed(
            changes in prop::collection::vec(
                (0..20_u64, prop::option::of(prop::collection::vec(any::<u8>(), 0..300))),
                0..40,
            ),
            at: prop::sample::Index,
            mask in 1_u8..,
        ) {
            let mut bytes = frame(&changes);
            prop_assert_eq!(bytes.len() % BLOCK_BYTES, 0);
            let frame = Frame::parse(&bytes, Some(&number())).unwrap();
            prop_assert_eq!((frame.before, frame.after, frame.len), (state(6), state(7), bytes.len()));
            let used = HEADER_BYTES + frame.body.len();
            let mut rows = Memtable::default();
            frame.replay(&mut rows).unwrap();
            for (n, _) in &changes {
                let (_, last) = changes.iter().rev().find(|(other, _)| other == n).unwrap();
                let held = rows.get(&key(*n)).unwrap().as_ref();
                prop_assert_eq!(held.map(|held| held.value.to_vec()), last.clone());
                prop_assert!(held.is_none_or(|held| held.version == 7));
            }
            let at = at.index(used);
            bytes[at] ^= mask;
            prop_assert!(Frame::parse(&bytes, Some(&number())).is_none());
            bytes[at] ^= mask;
            prop_assert!(Frame::parse(&bytes[..at], Some(&number())).is_none());
        }

        #[test]
        fn no_bytes_make_reading_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            for number in [None, Some(&number())] {
                let mut whole = magic_of(number).to_vec();
                whole.extend_from_slice(&bytes);
                prop_assert!(Frame::parse(&whole, number).is_none());
                prop_assert!(!is_of_another_store(&whole, number));
                is_of_another_store(&bytes, number);
            }
        }
    }
}
