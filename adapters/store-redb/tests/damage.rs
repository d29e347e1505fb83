//! Flipped bits: identical content or an error that says damage, and nothing else.
#![allow(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

use interbank_store_redb::{Damage, Error, Integrity, OpenError, Options, RedbStore};
use port::blocking::Store;
use port::{Batch, Commit, CrateTag, Expect, Fault, Key, ReadSet, Row, Scan, StoreError, Tenant};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

type Content = Vec<(Key, Row)>;
type RawRows<'a> = redb::Table<'a, &'static [u8], &'static [u8]>;
type Files = BTreeMap<&'static str, Vec<u8>>;

/// Every byte of the database is changed, in turn (2,000 of them, or all with `INTERBANK_FLIPS=all`): opening with a full check
/// and reading everything gives the same rows or an error, never other rows, never fewer, never a panic.
#[test]
fn a_changed_byte_anywhere_is_harmless_or_reported_on_a_full_check() {
    let (dir, content) = sample();
    flip("store.redb", &files(dir.path()), &content, Integrity::Full, 2_000);
}

/// Without the full check rows are still verified when they are read: a wrong value is never returned.
#[test]
fn a_changed_byte_is_never_read_back_as_a_value_without_a_full_check() {
    let (dir, content) = sample();
    flip("store.redb", &files(dir.path()), &content, Integrity::Quick, 600);
}

/// Now redb has two roots and a reason to fall back to the older one; the mark is what tells.
#[test]
fn a_changed_byte_after_a_crash_is_harmless_or_reported_and_never_an_older_state() {
    let (crashed, content) = crashed();
    for integrity in [Integrity::Quick, Integrity::Full] {
        flip("store.redb", &crashed, &content, integrity, 500);
    }
}

#[test]
fn a_changed_byte_of_the_journal_is_harmless_or_reported_and_never_an_older_state() {
    let (crashed, content) = crashed();
    for integrity in [Integrity::Quick, Integrity::Full] {
        flip("store.journal.0", &crashed, &content, integrity, 1_000);
    }
}

/// Without a mark to tell, a journal whose later frames are there has lost an earlier one.
#[test]
fn a_journal_with_a_gap_or_of_another_time_is_reported() {
    let (crashed, content) = crashed();
    let opened = |files: &Files| {
        let copy = copy_of(files);
        let store = RedbStore::open(copy.path(), Options::new());
        store.map(|store| read_all(&store).unwrap())
    };
    let mut files = crashed.clone();
    files.remove("store.mark");
    assert_eq!(opened(&files), Ok(content));
    for block in [0, 1] {
        let mut gap = files.clone();
        gap.get_mut("store.journal.0").unwrap()[4_096 * block] ^= 1;
        assert_eq!(opened(&gap).err(), Some(OpenError::Corrupt(Damage::Journal)));
    }
    // The last one may be a torn write that nobody was told of: only the mark knows better
    let mut torn = crashed;
    torn.get_mut("store.journal.0").unwrap()[4_096 * 2] ^= 1;
    assert_eq!(opened(&torn).err(), Some(OpenError::Corrupt(Damage::RolledBack)));
    torn.remove("store.mark");
    assert!(opened(&torn).is_ok());
    // The database of another store
    let (dir, _) = sample();
    let store = RedbStore::open(dir.path(), Options::new()).unwrap();
    put(&store, 5, b"another history");
    store.close().unwrap();
    files.extend(self::files(dir.path()));
    files.remove("store.mark");
    assert_eq!(opened(&files).err(), Some(OpenError::Corrupt(Damage::Journal)));
    // A journal without its database
    let mut gone = files.clone();
    gone.remove("store.redb");
    let copy = copy_of(&gone);
    let opened = RedbStore::open(copy.path(), Options::new().create(true));
    assert_eq!(opened.err(), Some(OpenError::Corrupt(Damage::Gone)));
}

#[test]
fn a_changed_byte_in_the_mark_is_harmless_or_reported() {
    let (dir, content) = sample();
    let files = files(dir.path());
    for at in (0..files["store.mark"].len()).filter(|at| at % 4096 < 48) {
        let mut damaged = files.clone();
        damaged.get_mut("store.mark").unwrap()[at] ^= 0x20;
        let copy = copy_of(&damaged);
        let store = RedbStore::open(copy.path(), Options::new()).unwrap();
        assert_eq!(read_all(&store), Ok(content.clone()));
    }
}

#[test]
fn a_store_that_was_set_back_is_reported() {
    let (dir, _) = sample();
    let old = fs::read(dir.path().join("store.redb")).unwrap();
    let store = RedbStore::open(dir.path(), Options::new()).unwrap();
    put(&store, 900, b"later");
    store.close().unwrap();
    fs::write(dir.path().join("store.redb"), &old).unwrap();
    for integrity in [Integrity::Quick, Integrity::Full] {
        let opened = RedbStore::open(dir.path(), Options::new().integrity(integrity));
        assert_eq!(opened.err(), Some(OpenError::Corrupt(Damage::RolledBack)));
    }
    // An operator who restores a backup on purpose takes the mark away
    fs::remove_file(dir.path().join("store.mark")).unwrap();
    assert!(RedbStore::open(dir.path(), Options::new()).is_ok());
}

#[test]
fn a_mark_that_cannot_be_read_and_a_database_that_is_gone_are_reported() {
    let (dir, _) = sample();
    fs::write(dir.path().join("store.mark"), b"not a mark").unwrap();
    let opened = RedbStore::open(dir.path(), Options::new());
    assert_eq!(opened.err(), Some(OpenError::Corrupt(Damage::Mark)));
    let (dir, _) = sample();
    fs::remove_file(dir.path().join("store.redb")).unwrap();
    let opened = RedbStore::open(dir.path(), Options::new().create(true));
    assert_eq!(opened.err(), Some(OpenError::Corrupt(Damage::Gone)));
}

/// What redb itself would not notice: a row changed through redb, with page checksums that are right.
#[test]
fn rows_changed_behind_the_stores_back_are_reported() {
    use redb::{ReadableDatabase, ReadableTable, TableDefinition};
    const ROWS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("rows");
    let tamper = |change: &dyn Fn(&mut RawRows<'_>)| {
        let (dir, _) = sample();
        let database = redb::Database::open(dir.path().join("store.redb")).unwrap();
        let transaction = database.begin_write().unwrap();
        change(&mut transaction.open_table(ROWS).unwrap());
        transaction.commit().unwrap();
        assert!(database.begin_read().is_ok());
        drop(database);
        dir
    };
    let full = Options::new().integrity(Integrity::Full);

    let vanished = tamper(&|rows| {
        rows.remove(key(3).as_bytes()).unwrap();
    });
    let opened = RedbStore::open(vanished.path(), full);
    assert_eq!(opened.err(), Some(OpenError::Corrupt(Damage::Rows)));

    let moved = tamper(&|rows| {
        let row = rows.get(key(3).as_bytes()).unwrap().unwrap().value().to_vec();
        rows.insert(key(4).as_bytes(), row.as_slice()).unwrap();
    });
    let opened = RedbStore::open(moved.path(), full);
    assert_eq!(opened.err(), Some(OpenError::Corrupt(Damage::Record)));
    // Opened quickly, the damaged row is refused when touched; the others are served
    let store = RedbStore::open(moved.path(), Options::new()).unwrap();
    let read = |n| store.read(&ReadSet::points([key(n)]));
    assert_eq!(read(4), Err(Error::Corrupt(Damage::Record)));
    assert!(read(3).unwrap().points[0].is_some());
    let mut batch = Batch::new();
    batch.put(key(4), Expect::Any, &b"over it"[..]);
    assert_eq!(store.commit(&batch).unwrap_err().fault(), Fault::Corrupt);
    put(&store, 901, b"others go on");
    assert_eq!(store.check(), Err(Error::Corrupt(Damage::Record)));
    assert_eq!(read(3), Err(Error::Corrupt(Damage::Record)), "after a failed check all is refused");

    let brought_back = tamper(&|rows| {
        let row = rows.get(key(3).as_bytes()).unwrap().unwrap().value().to_vec();
        rows.remove(key(3).as_bytes()).unwrap();
        let mut newer = row.clone();
        newer[7] ^= 1;
        rows.insert(key(3).as_bytes(), newer.as_slice()).unwrap();
    });
    let opened = RedbStore::open(brought_back.path(), full);
    assert_eq!(opened.err(), Some(OpenError::Corrupt(Damage::Record)));
}

fn flip(name: &'static str, files: &Files, content: &Content, integrity: Integrity, flips: usize) {
    let all = std::env::var("INTERBANK_FLIPS").is_ok_and(|flips| flips == "all");
    let copy = copy_of(files);
    let image = &files[name];
    // A journal is longer than what it holds
    let used = image.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    let (mut identical, mut reported, mut missed) = (0, 0, 0);
    let mut damaged = image.clone();
    for n in 0..if all { used } else { flips } {
        let at = if all { n } else { position(n, used) };
        // Half of the changes are one bit, half several
        let mask = if n % 2 == 0 { 1 << (n / 2 % 8) } else { 0x5A ^ u8::try_from(n % 64).unwrap() };
        damaged[at] ^= mask;
        for (file, bytes) in files {
            write(copy.path(), file, if *file == name { &damaged } else { bytes });
        }
        damaged[at] ^= mask;
        let found = RedbStore::open(copy.path(), Options::new().integrity(integrity))
            .map_err(|why| match why {
                OpenError::Corrupt(_) => Fault::Corrupt,
                other => panic!("byte {at}: opening says {other:?}"),
            })
            .and_then(|store| read_all(&store).map_err(|why| why.fault()));
        match found {
            Ok(found) if found == *content => identical += 1,
            Ok(found) => {
                let whole = found.iter().all(|row| content.contains(row));
                // A quick opening may miss a whole page of rows; that is what the full check is for
                assert!(whole && integrity == Integrity::Quick, "byte {at}: other rows");
                missed += 1;
                continue;
            }
            Err(Fault::Corrupt) => reported += 1,
            Err(other) => panic!("byte {at}: {other:?}"),
        }
    }
    assert!(identical > 0 && reported > missed, "{identical}, {reported}, {missed}");
}

/// The header whole, the rest sampled.
fn position(n: usize, len: usize) -> usize {
    if n < HEADER_BYTES { n } else { HEADER_BYTES + (n * 2_654_435_761) % (len - HEADER_BYTES) }
}

/// A small store with a history: rows of several sizes, overwritten and deleted, closed well.
fn sample() -> (tempfile::TempDir, Content) {
    let dir = tempfile::tempdir().unwrap();
    let store = RedbStore::open(dir.path(), Options::new().create(true)).unwrap();
    for n in 0..60 {
        put(&store, n, &vec![u8::try_from(n).unwrap(); 20 * usize::try_from(n).unwrap()]);
    }
    for n in (0..60).step_by(7) {
        put(&store, n, b"again");
        let mut batch = Batch::new();
        batch.delete(key(n + 1), Expect::Any);
        assert!(matches!(store.commit(&batch), Ok(Commit::Applied(_))));
    }
    let content = read_all(&store).unwrap();
    store.close().unwrap();
    (dir, content)
}

/// A store that was not closed: three commits are in its journal alone.
fn crashed() -> (Files, Content) {
    let (dir, _) = sample();
    let store = RedbStore::open(dir.path(), Options::new()).unwrap();
    put(&store, 3, b"acknowledged before the crash");
    put(&store, 62, &[9; 2_000]);
    put(&store, 3, b"and again");
    let crashed = files(dir.path());
    let content = read_all(&store).unwrap();
    (crashed, content)
}

/// All files as they are now.
fn files(dir: &Path) -> Files {
    let read = |name| Some((name, fs::read(dir.join(name)).ok()?));
    FILES.into_iter().filter_map(read).collect()
}

fn copy_of(files: &Files) -> tempfile::TempDir {
    // Syncs to a disk would only take time here
    let memory = Path::new("/dev/shm");
    let copy = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    let copy = copy.unwrap();
    for (name, bytes) in files {
        write(copy.path(), name, bytes);
    }
    copy
}

fn write(dir: &Path, file: &str, bytes: &[u8]) {
    fs::write(dir.join(file), bytes).unwrap();
}

fn read_all(store: &RedbStore) -> Result<Content, Error> {
    let table = Key::new(CrateTag::PORT, Tenant::new(1), 1);
    let points: Vec<Key> = (0..70).map(key).collect();
    let scans = vec![Scan::first(table, Scan::ROWS_MAX)];
    let rows = store.read(&ReadSet { points: points.clone(), scans })?;
    let single: Content = points
        .into_iter()
        .zip(rows.points)
        .filter_map(|(key, row)| row.map(|row| (key, row)))
        .collect();
    let page = rows.scans.into_iter().flatten().collect::<Content>();
    // In a damaged tree a scan and a point read may differ; whatever either of them returns is looked at
    if single == page { Ok(page) } else { Ok([single, page].concat()) }
}

fn put(store: &RedbStore, n: u64, value: &[u8]) {
    let mut batch = Batch::new();
    batch.put(key(n), Expect::Any, value.to_vec());
    assert!(matches!(store.commit(&batch), Ok(Commit::Applied(_))));
}

fn key(n: u64) -> Key {
    Key::new(CrateTag::PORT, Tenant::new(1), 1).number(n).unwrap()
}

const HEADER_BYTES: usize = 320;
const FILES: [&str; 4] = ["store.redb", "store.mark", "store.journal.0", "store.journal.1"];
