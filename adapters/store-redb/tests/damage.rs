//! Flipped bits: identical content or an error that says damage, and nothing else.

use interbank_store_redb::{Damage, Error, Integrity, OpenError, Options, RedbStore};
use port::blocking::Store;
use port::{Batch, Commit, CrateTag, Expect, Fault, Key, ReadSet, Row, Scan, StoreError, Tenant};
use std::fs;
use std::path::Path;

type Content = Vec<(Key, Row)>;
type Files = (Vec<u8>, Vec<u8>);

/// Every byte of the database is changed, in turn (2,000 of them, or all with `INTERBANK_FLIPS=all`): opening with a full check
/// and reading everything gives the same rows or an error, never other rows, never fewer, never a panic.
#[test]
fn a_changed_byte_anywhere_is_harmless_or_reported_on_a_full_check() {
    let (dir, content) = sample();
    flip(&files(dir.path()), &content, Integrity::Full, 2_000);
}

/// Without the full check rows are still verified when they are read: a wrong value is never returned.
#[test]
fn a_changed_byte_is_never_read_back_as_a_value_without_a_full_check() {
    let (dir, content) = sample();
    flip(&files(dir.path()), &content, Integrity::Quick, 600);
}

/// Now redb has two roots and a reason to fall back to the older one; the mark is what tells.
#[test]
fn a_changed_byte_after_a_crash_is_harmless_or_reported_and_never_an_older_state() {
    let (dir, _) = sample();
    let store = RedbStore::open(dir.path(), Options::new()).unwrap();
    put(&store, 3, b"acknowledged before the crash");
    let crashed = files(dir.path());
    let content = read_all(&store).unwrap();
    drop(store);
    for integrity in [Integrity::Quick, Integrity::Full] {
        flip(&crashed, &content, integrity, 500);
    }
}

#[test]
fn a_changed_byte_in_the_mark_is_harmless_or_reported() {
    let (dir, content) = sample();
    let (rows, image) = files(dir.path());
    for at in (0..image.len()).filter(|at| at % 4096 < 48) {
        let mut damaged = image.clone();
        damaged[at] ^= 0x20;
        let copy = copy_of(&rows, Some(&damaged));
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
    let tamper = |change: &dyn Fn(&mut redb::Table<'_, &[u8], &[u8]>)| {
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

fn flip((image, mark): &Files, content: &Content, integrity: Integrity, flips: usize) {
    let all = std::env::var("INTERBANK_FLIPS").is_ok_and(|flips| flips == "all");
    let copy = copy_of(image, Some(mark));
    let (mut identical, mut reported, mut missed) = (0, 0, 0);
    let mut damaged = image.clone();
    for n in 0..if all { image.len() } else { flips } {
        let at = if all { n } else { position(n, image.len()) };
        // Half of the changes are one bit, half several
        let mask = if n % 2 == 0 { 1 << (n / 2 % 8) } else { 0x5A ^ u8::try_from(n % 64).unwrap() };
        damaged[at] ^= mask;
        write(copy.path(), "store.redb", &damaged);
        write(copy.path(), "store.mark", mark);
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

/// Database and mark as they are now.
fn files(dir: &Path) -> Files {
    (fs::read(dir.join("store.redb")).unwrap(), fs::read(dir.join("store.mark")).unwrap())
}

fn copy_of(rows: &[u8], mark: Option<&[u8]>) -> tempfile::TempDir {
    // Syncs to a disk would only take time here
    let memory = Path::new("/dev/shm");
    let copy = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    let copy = copy.unwrap();
    write(copy.path(), "store.redb", rows);
    if let Some(mark) = mark {
        write(copy.path(), "store.mark", mark);
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
