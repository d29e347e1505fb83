//! What opening refuses, and in which words.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use interbank_store_redb::{Damage, Integrity, OpenError, Options, RedbStore};
use port::blocking::Store;
use port::{Batch, Commit, CrateTag, Expect, Key, ReadSet, Tenant};
use redb::{ReadableTable, TableDefinition};
use std::fs;
use std::path::Path;

const META: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("meta");

fn open(dir: impl AsRef<Path>) -> Result<RedbStore, OpenError> {
    RedbStore::open(dir, Options::new())
}

fn create(dir: impl AsRef<Path>) -> Result<RedbStore, OpenError> {
    RedbStore::open(dir, Options::new().create(true))
}

fn key(n: u64) -> Key {
    Key::new(CrateTag::PORT, Tenant::new(1), 1).number(n).unwrap()
}

fn put(store: &RedbStore, n: u64) {
    let mut batch = Batch::new();
    batch.put(key(n), Expect::Absent, &b"row"[..]);
    assert!(matches!(store.commit(&batch), Ok(Commit::Applied(_))));
}

#[test]
fn a_missing_folder_or_store_is_made_only_when_asked() {
    let dir = tempfile::tempdir().unwrap();
    let deep = dir.path().join("a/b/c");
    assert_eq!(open(&deep).err(), Some(OpenError::Missing));
    assert_eq!(open(dir.path()).err(), Some(OpenError::Missing));
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0, "a refusal leaves nothing behind");
    put(&create(&deep).unwrap(), 1);
    assert!(open(&deep).unwrap().read(&ReadSet::points([key(1)])).unwrap().points[0].is_some());
    assert!(create(&deep).unwrap().read(&ReadSet::points([key(1)])).unwrap().points[0].is_some());
}

#[test]
fn a_second_opener_is_refused_until_the_first_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    let first = create(dir.path()).unwrap();
    assert_eq!(open(dir.path()).err(), Some(OpenError::Locked));
    assert_eq!(create(dir.path()).err(), Some(OpenError::Locked));
    first.close().unwrap();
    let second = open(dir.path()).unwrap();
    assert_eq!(open(dir.path()).err(), Some(OpenError::Locked));
    drop(second);
    assert!(open(dir.path()).is_ok());
}

#[test]
fn a_file_that_somebody_else_opened_with_redb_is_locked() {
    let dir = tempfile::tempdir().unwrap();
    create(dir.path()).unwrap().close().unwrap();
    let elsewhere = redb::Database::open(dir.path().join("store.redb")).unwrap();
    assert_eq!(open(dir.path()).err(), Some(OpenError::Locked));
    drop(elsewhere);
    assert!(open(dir.path()).is_ok());
}

#[test]
fn a_newer_format_is_named_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    create(dir.path()).unwrap().close().unwrap();
    let path = dir.path().join("store.redb");
    let database = redb::Database::open(&path).unwrap();
    let transaction = database.begin_write().unwrap();
    let mut row = 7_u32.to_be_bytes().to_vec();
    let hashed = [b"interbank/store-redb/format/v1\0".as_slice(), &row].concat();
    row.extend_from_slice(&blake3::hash(&hashed).as_bytes()[..16]);
    transaction.open_table(META).unwrap().insert(b"format".as_slice(), row.as_slice()).unwrap();
    transaction.commit().unwrap();
    drop(database);
    let newer = OpenError::Newer { found: 7, supported: 3 };
    assert_eq!(open(dir.path()).err(), Some(newer));
    assert_eq!(newer.to_string(), "the store has format 7, this program reads up to 3");
    assert_eq!(create(dir.path()).err(), Some(newer), "it is not made anew either");
}

#[test]
fn files_that_are_no_stores_are_told_from_damaged_ones() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store.redb");
    for foreign in [&b""[..], b"short", &[0; 100_000], &b"SQLite format 3\0".repeat(500)] {
        fs::write(&path, foreign).unwrap();
        assert_eq!(create(dir.path()).err(), Some(OpenError::NotAStore));
        assert_eq!(fs::read(&path).unwrap(), foreign, "a foreign file is not touched");
    }
    fs::remove_file(&path).unwrap();
    let foreign = redb::Database::create(&path).unwrap();
    drop(foreign);
    assert_eq!(open(dir.path()).err(), Some(OpenError::NotAStore));
    fs::remove_file(&path).unwrap();

    put(&create(dir.path()).unwrap(), 1);
    let whole = fs::read(&path).unwrap();
    let damages: [Vec<u8>; 4] = [
        Vec::new(),
        vec![0; whole.len()],
        whole[..whole.len() / 2].to_vec(),
        [&whole[..4096], vec![0xA5; whole.len() - 4096].as_slice()].concat(),
    ];
    for damaged in damages {
        fs::write(&path, &damaged).unwrap();
        for integrity in [Integrity::Quick, Integrity::Full] {
            let opened = RedbStore::open(dir.path(), Options::new().integrity(integrity));
            let why = opened.err();
            assert!(
                matches!(why, Some(OpenError::Corrupt(Damage::Structure | Damage::State))),
                "{why:?}"
            );
        }
    }
    fs::write(&path, &whole).unwrap();
    assert!(open(dir.path()).is_ok());
}

/// Format 1 had no journal; otherwise it was the same.
#[test]
fn a_store_of_the_format_before_the_journal_is_opened_and_becomes_one_of_this_format() {
    let dir = tempfile::tempdir().unwrap();
    put(&create(dir.path()).unwrap(), 1);
    let format = |new: Option<u32>| {
        let database = redb::Database::open(dir.path().join("store.redb")).unwrap();
        let transaction = database.begin_write().unwrap();
        let found = {
            let mut meta = transaction.open_table(META).unwrap();
            if let Some(new) = new {
                let mut hashed = b"interbank/store-redb/format/v1\0".to_vec();
                hashed.extend_from_slice(&new.to_be_bytes());
                let mut row = new.to_be_bytes().to_vec();
                row.extend_from_slice(&blake3::hash(&hashed).as_bytes()[..16]);
                meta.insert(b"format".as_slice(), row.as_slice()).unwrap();
            }
            let row = meta.get(b"format".as_slice()).unwrap().unwrap();
            u32::from_be_bytes(row.value()[..4].try_into().unwrap())
        };
        transaction.commit().unwrap();
        found
    };
    assert_eq!(format(Some(1)), 1);
    let store = open(dir.path()).unwrap();
    assert!(store.read(&ReadSet::points([key(1)])).unwrap().points[0].is_some());
    put(&store, 2);
    store.check().unwrap();
    store.close().unwrap();
    assert_eq!(format(None), 3);
    format(Some(4));
    let newer = OpenError::Newer { found: 4, supported: 3 };
    assert_eq!(open(dir.path()).err(), Some(newer));
}

#[test]
fn a_path_through_a_file_is_not_a_folder() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, b"").unwrap();
    assert_eq!(create(&file).err(), Some(OpenError::NotAFolder));
    assert_eq!(create(file.join("store")).err(), Some(OpenError::NotAFolder));
}

/// `/proc` may not be written by anybody, root included.
#[cfg(target_os = "linux")]
#[test]
fn a_folder_that_cannot_be_written_gives_an_error_and_no_panic() {
    for dir in ["/proc", "/proc/store-redb"] {
        let why = create(dir).err();
        assert!(
            matches!(why, Some(OpenError::Unwritable | OpenError::Io(_) | OpenError::Missing)),
            "{why:?}"
        );
    }
}

#[test]
fn a_crash_while_the_store_was_made_leaves_nothing_in_the_way() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("store.new"), b"half a database").unwrap();
    fs::write(dir.path().join("store.mark.new"), b"half a mark").unwrap();
    fs::write(dir.path().join("store.lock"), b"").unwrap();
    put(&create(dir.path()).unwrap(), 1);
    // The mark is made last: without it the store is whole
    fs::remove_file(dir.path().join("store.mark")).unwrap();
    let store = open(dir.path()).unwrap();
    assert!(store.read(&ReadSet::points([key(1)])).unwrap().points[0].is_some());
}
