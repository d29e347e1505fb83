//! Values whose bytes look like frames of the journal, and stores from before frames were bound to a number.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use interbank_store_redb::{Damage, Integrity, OpenError, Options, RedbStore};
use port::blocking::Store;
use port::{Batch, Commit, CrateTag, Expect, Key, ReadSet, Tenant};
use redb::{ReadableDatabase, TableDefinition};
use std::fs;
use std::path::Path;

const META: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("meta");
const FILES: [&str; 4] = ["store.redb", "store.mark", "store.journal.0", "store.journal.1"];
const HEADER_BYTES: usize = 128;
const BLOCK_BYTES: usize = 4_096;

/// Whoever stores values knows the format, but not the store's number.
#[test]
fn headers_of_frames_within_values_do_not_keep_a_store_from_opening_after_a_kill() {
    let (dir, store) = store();
    put(&store, 0, b"the first frame");
    let magic = magic(dir.path());
    let v2 = b"interbank/store-redb/frame/v2\0".as_slice();
    let guesses = [
        header(b"ibframe1", b"interbank/store-redb/frame/v1\0"),
        header(&magic, b"interbank/store-redb/frame/v1\0"),
        header(&magic, v2),
        header(&magic, &[v2, &[0; 32]].concat()),
        header(b"ibf2\0\0\0\0", &[v2, &[0; 32]].concat()),
    ];
    let mut values = plant(&store, &guesses);
    values.push(put(&store, 1_000, b"the last frame"));
    for integrity in [Integrity::Quick, Integrity::Full] {
        let killed = killed(dir.path());
        let store = RedbStore::open(killed.path(), Options::new().integrity(integrity)).unwrap();
        for (n, value) in &values {
            assert_eq!(read(&store, *n).as_ref(), Some(value));
        }
        store.check().unwrap();
        store.close().unwrap();
    }
    // With the number the same bytes would have done it: the headers are where frames may begin.
    let number = meta(killed(dir.path()).path(), b"number").unwrap();
    plant(&store, &[header(&magic, &[v2, &number[..32]].concat())]);
    let opened = RedbStore::open(killed(dir.path()).path(), Options::new());
    assert_eq!(opened.err(), Some(OpenError::Corrupt(Damage::Journal)));
}

#[test]
fn a_store_without_a_number_keeps_what_is_in_its_journal_and_gets_one() {
    let (dir, store) = store();
    let values: Vec<_> = (0..20).map(|n| put(&store, n, &[7; 3_000])).collect();
    let old = killed(dir.path());
    unnumber(old.path());
    // Killed as soon as it has a number, and once more when a frame is bound to it.
    let upgraded = RedbStore::open(old.path(), Options::new()).unwrap();
    let at_once = killed(old.path());
    let later = put(&upgraded, 99, b"bound to the number");
    let killed_later = killed(old.path());
    assert_eq!(&magic(killed_later.path())[..4], b"ibf2");
    for (place, later) in [(at_once, None), (killed_later, Some(later))] {
        let full = Options::new().integrity(Integrity::Full);
        let store = RedbStore::open(place.path(), full).unwrap();
        for (n, value) in values.iter().chain(&later) {
            assert_eq!(read(&store, *n).as_ref(), Some(value));
        }
        store.close().unwrap();
        assert_eq!(meta(place.path(), b"format").unwrap()[..4], [0, 0, 0, 3]);
        let other = meta(killed(dir.path()).path(), b"number");
        assert_ne!(meta(place.path(), b"number"), other, "a new one");
    }
}

#[test]
fn a_store_that_lost_its_number_is_damaged() {
    let (dir, store) = store();
    put(&store, 1, b"row");
    store.close().unwrap();
    for number in [None, Some(&[0; 48][..])] {
        let copy = killed(dir.path());
        change_meta(copy.path(), b"number", number);
        let opened = RedbStore::open(copy.path(), Options::new());
        assert_eq!(opened.err(), Some(OpenError::Corrupt(Damage::State)));
    }
}

/// Stores 64 KiB of such headers at each of the places that they can have within a block.
fn plant(store: &RedbStore, headers: &[[u8; HEADER_BYTES]]) -> Vec<(u64, Vec<u8>)> {
    let value = |pad: usize| {
        let mut value = vec![0; pad];
        for n in 0..(65_536 - pad) / HEADER_BYTES {
            // Each of them begins some block.
            value.extend_from_slice(&headers[n / (BLOCK_BYTES / HEADER_BYTES) % headers.len()]);
        }
        value
    };
    (0..HEADER_BYTES).map(|pad| put(store, 100 + pad as u64, &value(pad))).collect()
}

/// A frame without a body that leads from the empty store far beyond any, after what its checksum begins with.
fn header(magic: &[u8; 8], checksum_begins: &[u8]) -> [u8; HEADER_BYTES] {
    let mut bytes = [magic.as_slice(), &[0; 8], &state(0), &state(1 << 40)].concat();
    let checksum = blake3::hash(&[checksum_begins, &bytes].concat());
    bytes.extend_from_slice(&checksum.as_bytes()[..16]);
    bytes.try_into().unwrap()
}

fn state(last: u64) -> Vec<u8> {
    let mut bytes = last.to_be_bytes().to_vec();
    bytes.resize(32, 0);
    let hashed = [b"interbank/store-redb/state/v1\0".as_slice(), &bytes].concat();
    bytes.extend_from_slice(&blake3::hash(&hashed).as_bytes()[..16]);
    bytes
}

/// Makes a store of the format before numbers out of one of today: what it holds stays.
fn unnumber(dir: &Path) {
    for name in ["store.journal.0", "store.journal.1"] {
        let Ok(mut bytes) = fs::read(dir.join(name)) else { continue };
        let mut at = 0;
        while bytes[at..].starts_with(b"ibf2") {
            let body = u64::from_be_bytes(bytes[at + 8..at + 16].try_into().unwrap());
            let end = at + HEADER_BYTES + usize::try_from(body).unwrap();
            bytes[at..at + 8].copy_from_slice(b"ibframe1");
            let label = b"interbank/store-redb/frame/v1\0";
            let hashed = [label, &bytes[at..at + 112], &bytes[at + HEADER_BYTES..end]].concat();
            let checksum = blake3::hash(&hashed);
            bytes[at + 112..at + HEADER_BYTES].copy_from_slice(&checksum.as_bytes()[..16]);
            at = end.next_multiple_of(BLOCK_BYTES);
        }
        fs::write(dir.join(name), bytes).unwrap();
    }
    let hashed = b"interbank/store-redb/format/v1\0\0\0\0\x02";
    let format = [&[0, 0, 0, 2], &blake3::hash(hashed).as_bytes()[..16]].concat();
    change_meta(dir, b"format", Some(&format));
    change_meta(dir, b"number", None);
}

fn change_meta(dir: &Path, key: &[u8], value: Option<&[u8]>) {
    let database = redb::Database::open(dir.join("store.redb")).unwrap();
    let transaction = database.begin_write().unwrap();
    {
        let mut meta = transaction.open_table(META).unwrap();
        match value {
            Some(value) => drop(meta.insert(key, value).unwrap()),
            None => drop(meta.remove(key).unwrap()),
        }
    }
    transaction.commit().unwrap();
}

/// Of a store that is closed, or a copy.
fn meta(dir: &Path, key: &[u8]) -> Option<Vec<u8>> {
    let database = redb::Database::open(dir.join("store.redb")).unwrap();
    let meta = database.begin_read().unwrap().open_table(META).unwrap();
    meta.get(key).unwrap().map(|value| value.value().to_vec())
}

fn magic(dir: &Path) -> [u8; 8] {
    let journals = ["store.journal.0", "store.journal.1"].map(|name| fs::read(dir.join(name)));
    let mut journals = journals.iter().flatten();
    let journal = journals.find(|bytes| bytes.starts_with(b"ibf2")).unwrap();
    journal[..8].try_into().unwrap()
}

fn store() -> (tempfile::TempDir, RedbStore) {
    let dir = tempfile::tempdir().unwrap();
    let store = RedbStore::open(dir.path(), Options::new().create(true)).unwrap();
    (dir, store)
}

/// The files as they are now: what a kill leaves. Each can be opened by itself.
fn killed(dir: &Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    for name in FILES {
        if let Ok(bytes) = fs::read(dir.join(name)) {
            fs::write(copy.path().join(name), bytes).unwrap();
        }
    }
    copy
}

fn put(store: &RedbStore, n: u64, value: &[u8]) -> (u64, Vec<u8>) {
    let mut batch = Batch::new();
    batch.put(key(n), Expect::Any, value.to_vec());
    assert!(matches!(store.commit(&batch), Ok(Commit::Applied(_))));
    (n, value.to_vec())
}

fn read(store: &RedbStore, n: u64) -> Option<Vec<u8>> {
    let rows = store.read(&ReadSet::points([key(n)])).unwrap();
    rows.points[0].as_ref().map(|row| row.value.to_vec())
}

fn key(n: u64) -> Key {
    Key::new(CrateTag::PORT, Tenant::new(1), 1).number(n).unwrap()
}
