//! Tests against a disk that fails, lies in wait, or loses what was not synced.

use crate::database::Place;
use crate::group;
use crate::{Damage, Error, Integrity, OpenError, Options, RedbStore};
use port::blocking::Store;
use port::{Batch, Commit, CrateTag, Expect, Fault, Key, ReadSet, Scan, StoreError, Tenant};
use redb::{BackendError, StorageBackend, backends::FileBackend};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// What the disk does next, and what it saw.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    trap: Mutex<Option<Trap>>,
    syncs: AtomicU64,
    disk: Mutex<Disk>,
}

/// One failure to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trap {
    /// Of the journal: all of a write gets through, and the system says that it did not.
    LateWrite(ErrorKind),
    Read(ErrorKind),
    ReadPanic,
    Sync(ErrorKind),
    SyncPanic,
    Write(ErrorKind),
}

/// What survives a power cut for certain, what may, and the images that were taken.
#[derive(Debug, Default)]
struct Disk {
    keep: bool,
    files: BTreeMap<PathBuf, Half>,
    images: Vec<Image>,
    seed: u64,
}

/// One file: what is on the disk, and what is on its way there.
#[derive(Debug, Default)]
struct Half {
    synced: Vec<u8>,
    pending: Vec<Change>,
}

/// All files after a power cut.
type Image = BTreeMap<PathBuf, Vec<u8>>;

#[derive(Clone, Debug)]
enum Change {
    Length(u64),
    Write(u64, Vec<u8>),
}

impl Faults {
    pub(crate) fn backend(self: &Arc<Self>, path: &Path, file: File) -> Backend {
        let path = path.to_path_buf();
        Backend { path, file: FileBackend::new(file).unwrap(), faults: Arc::clone(self) }
    }

    /// Before bytes of a file are written.
    pub(crate) fn write(&self, path: &Path, at: u64, bytes: &[u8]) -> io::Result<()> {
        if let Some(Trap::Write(kind)) = self.spring(|trap| matches!(trap, Trap::Write(_))) {
            return Err(kind.into());
        }
        self.disk.lock().unwrap().note(path, Change::Write(at, bytes.to_vec()));
        Ok(())
    }

    /// After bytes of the journal were written.
    pub(crate) fn written(&self) -> io::Result<()> {
        match self.spring(|trap| matches!(trap, Trap::LateWrite(_))) {
            Some(Trap::LateWrite(kind)) => Err(kind.into()),
            _ => Ok(()),
        }
    }

    /// Before a file is synced.
    pub(crate) fn sync(&self, path: &Path) -> io::Result<()> {
        self.syncs.fetch_add(1, Ordering::SeqCst);
        match self.spring(|trap| matches!(trap, Trap::Sync(_) | Trap::SyncPanic)) {
            Some(Trap::Sync(kind)) => return Err(kind.into()),
            Some(_) => panic!("inside a sync"),
            None => {}
        }
        let mut disk = self.disk.lock().unwrap();
        if disk.keep {
            disk.cut();
            disk.sync(path);
        }
        Ok(())
    }

    fn arm(&self, trap: Trap) {
        *self.trap.lock().unwrap() = Some(trap);
    }

    fn spring(&self, of: fn(Trap) -> bool) -> Option<Trap> {
        let mut trap = self.trap.lock().unwrap();
        if trap.is_some_and(of) { trap.take() } else { None }
    }
}

impl Disk {
    fn note(&mut self, path: &Path, change: Change) {
        if self.keep {
            self.files.entry(path.to_path_buf()).or_default().pending.push(change);
        }
    }

    /// A power cut now: of what was not synced, some writes got through, in no particular order.
    fn cut(&mut self) {
        for _ in 0..3 {
            let mut image = Image::new();
            for (path, half) in &self.files {
                let mut bytes = half.synced.clone();
                for change in &half.pending {
                    self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    if matches!(change, Change::Length(_)) || self.seed >> 63 == 0 {
                        change.apply(&mut bytes);
                    }
                }
                image.insert(path.clone(), bytes);
            }
            self.images.push(image);
        }
    }

    fn sync(&mut self, path: &Path) {
        let Some(Half { synced, pending }) = self.files.get_mut(path) else { return };
        pending.drain(..).for_each(|change| change.apply(synced));
    }

    /// What is on the disk for certain.
    fn synced(&self) -> Image {
        self.files.iter().map(|(path, half)| (path.clone(), half.synced.clone())).collect()
    }
}

impl Change {
    fn apply(&self, image: &mut Vec<u8>) {
        match self {
            Self::Length(len) => image.resize(usize::try_from(*len).unwrap(), 0),
            Self::Write(at, bytes) => {
                let at = usize::try_from(*at).unwrap();
                // A file that grows by writing
                image.resize(image.len().max(at + bytes.len()), 0);
                image[at..at + bytes.len()].copy_from_slice(bytes);
            }
        }
    }
}

#[derive(Debug)]
pub(crate) struct Backend {
    path: PathBuf,
    file: FileBackend,
    faults: Arc<Faults>,
}

impl StorageBackend for Backend {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        match self.faults.spring(|trap| matches!(trap, Trap::Read(_) | Trap::ReadPanic)) {
            Some(Trap::Read(kind)) => Err(kind.into()),
            Some(_) => panic!("a page that redb cannot make sense of"),
            None => self.file.read(offset, out),
        }
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.faults.disk.lock().unwrap().note(&self.path, Change::Length(len));
        self.file.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.faults.sync(&self.path)?;
        self.file.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.faults.write(&self.path, offset, data)?;
        self.file.write(offset, data)
    }

    fn close(&self) -> io::Result<()> {
        self.file.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.file.try_lock_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.file.query_lock_range(start, end)
    }
}

fn open(dir: &Path, faults: &Arc<Faults>, options: Options) -> Result<RedbStore, OpenError> {
    let place = Place { faults: Some(Arc::clone(faults)), ..Place::new(dir) };
    RedbStore::open_place(place, options.create(true))
}

fn key(n: u64) -> Key {
    Key::new(CrateTag::PORT, Tenant::new(1), 1).number(n).unwrap()
}

fn put(n: u64) -> Batch {
    let mut batch = Batch::new();
    batch.put(key(n), Expect::Absent, n.to_be_bytes().to_vec());
    batch
}

fn applied(store: &RedbStore, n: u64) {
    assert!(matches!(store.commit(&put(n)), Ok(Commit::Applied(_))));
}

fn there(store: &RedbStore, n: u64) -> bool {
    store.read(&ReadSet::points([key(n)])).unwrap().points[0].is_some()
}

#[test]
fn a_failed_sync_is_unknown_and_the_truth_is_found_by_reopening() {
    let (dir, faults) = (tempfile::tempdir().unwrap(), Arc::new(Faults::default()));
    let store = open(dir.path(), &faults, Options::new()).unwrap();
    assert!(matches!(store.commit(&put(1)), Ok(Commit::Applied(_))));
    for (n, kind) in [(2, ErrorKind::StorageFull), (3, ErrorKind::Other)] {
        faults.arm(Trap::Sync(kind));
        let answer = store.commit(&put(n));
        assert_eq!(answer, Err(Error::Unknown(kind)));
        assert_eq!(answer.unwrap_err().fault(), Fault::Unknown);
        assert!(there(&store, 1), "what was acknowledged stays");
        // Whatever the truth about the row is, it does not change any more
        let expected = if there(&store, n) {
            Ok(Commit::Conflict)
        } else {
            applied(&store, n);
            Ok(Commit::Conflict)
        };
        assert_eq!(store.commit(&put(n)), expected);
    }
    assert_eq!(store.stats().reopened, 2);
    store.check().unwrap();
    store.close().unwrap();
    assert!(there(
        &open(dir.path(), &faults, Options::new().integrity(Integrity::Full)).unwrap(),
        3
    ));
}

#[test]
fn a_panic_while_syncing_is_unknown_and_does_not_escape() {
    let (dir, faults) = (tempfile::tempdir().unwrap(), Arc::new(Faults::default()));
    let store = open(dir.path(), &faults, Options::new()).unwrap();
    applied(&store, 1);
    faults.arm(Trap::SyncPanic);
    assert_eq!(store.commit(&put(2)).unwrap_err().fault(), Fault::Unknown);
    assert!(there(&store, 1));
    let is_there = there(&store, 2);
    assert_eq!(store.stats().reopened, 1);
    assert!(matches!(store.commit(&put(3)), Ok(Commit::Applied(_))));
    drop(store);
    let store = open(dir.path(), &faults, Options::new().integrity(Integrity::Full)).unwrap();
    assert_eq!([1, 2, 3].map(|n| there(&store, n)), [true, is_there, true]);
}

#[test]
fn a_full_disk_never_says_applied_and_the_store_recovers() {
    let (dir, faults) = (tempfile::tempdir().unwrap(), Arc::new(Faults::default()));
    let store = open(dir.path(), &faults, Options::new()).unwrap();
    applied(&store, 1);
    faults.arm(Trap::Write(ErrorKind::StorageFull));
    let why = store.commit(&put(2)).unwrap_err();
    assert!(matches!(why.fault(), Fault::Unknown | Fault::NotApplied), "{why:?}");
    if why.fault() == Fault::NotApplied {
        assert!(!there(&store, 2));
    }
    assert!(there(&store, 1));
    assert!(matches!(store.commit(&put(3)), Ok(Commit::Applied(_))));
}

#[test]
fn a_read_that_fails_or_panics_is_an_error_and_the_next_one_succeeds() {
    let (dir, faults) = (tempfile::tempdir().unwrap(), Arc::new(Faults::default()));
    let store = open(dir.path(), &faults, Options::new()).unwrap();
    applied(&store, 1);
    store.close().unwrap();
    for (trap, error) in [
        (Trap::Read(ErrorKind::TimedOut), Error::NotApplied(ErrorKind::TimedOut)),
        (Trap::ReadPanic, Error::Corrupt(Damage::Structure)),
    ] {
        let store = open(dir.path(), &faults, Options::new().cache_bytes(0)).unwrap();
        faults.arm(trap);
        assert_eq!(store.read(&ReadSet::points([key(1)])), Err(error));
        assert!(there(&store, 1));
        faults.arm(trap);
        assert_eq!(store.commit(&put(2)), Err(error));
        assert!(!there(&store, 2), "a fault before the sync is certain");
    }
    faults.arm(Trap::ReadPanic);
    let opened = open(dir.path(), &faults, Options::new());
    assert_eq!(opened.err(), Some(OpenError::Corrupt(Damage::Structure)));
}

#[test]
fn each_group_syncs_once_and_what_moves_into_the_tree_once_or_in_two_phases_twice() {
    for (options, per_move) in [(Options::new(), 1), (Options::new().two_phase(true), 2)] {
        let (dir, faults) = (tempfile::tempdir().unwrap(), Arc::new(Faults::default()));
        let syncs = || faults.syncs.load(Ordering::SeqCst);
        let store = open(dir.path(), &faults, options).unwrap();
        let before = syncs();
        for n in 0..10 {
            applied(&store, n);
        }
        assert_eq!(syncs() - before, 10);
        assert_eq!(store.commit(&put(3)), Ok(Commit::Conflict));
        let mut nothing = Batch::new();
        nothing.require(key(11), Expect::Absent);
        assert!(matches!(store.commit(&nothing), Ok(Commit::Applied(_))));
        assert_eq!(syncs() - before, 10, "nothing to make durable");
        drop(store);
        let place = Place { faults: Some(Arc::clone(&faults)), ..Place::new(dir.path()) };
        let (opened, _) = place.open(&options, Integrity::Quick).unwrap();
        let apply = |n| {
            let outcome = group::apply(&opened, &[&put(n)]);
            assert!(matches!(outcome.answers[..], [Ok(Commit::Applied(_))]));
        };
        // The first one after an opening also says in the header that the file is in use
        apply(20);
        opened.checkpoint_all(options.two_phase).unwrap();
        apply(21);
        let before = syncs();
        opened.checkpoint_all(options.two_phase).unwrap();
        assert_eq!(syncs() - before, per_move);
        opened.checkpoint_all(options.two_phase).unwrap();
        assert_eq!(syncs() - before, per_move, "nothing to move");
    }
}

/// What is said not to be there must not be found there later.
#[test]
fn a_write_that_fails_when_all_of_it_got_through_is_never_called_not_applied_and_found_later() {
    let (dir, faults) = (tempfile::tempdir().unwrap(), Arc::new(Faults::default()));
    let store = open(dir.path(), &faults, Options::new()).unwrap();
    // The first frame makes the file longer, the second one fits.
    let mut outcomes = Vec::new();
    for n in 0..2 {
        faults.arm(Trap::LateWrite(ErrorKind::StorageFull));
        let fault = store.commit(&put(n)).unwrap_err().fault();
        assert!(fault == Fault::Unknown || !there(&store, n), "{n}: {fault:?}, and it is there");
        outcomes.push(fault);
        if !there(&store, n) {
            applied(&store, n);
        }
    }
    assert_eq!(outcomes, [Fault::NotApplied, Fault::Unknown]);
    assert_eq!(store.stats().reopened, 2);
}

/// Whatever write or sync fails, in the journal or in the tree, and whichever thread it meets.
#[test]
fn a_disk_that_fails_now_and_then_loses_nothing_that_was_acknowledged() {
    let (dir, faults) = (tempfile::tempdir().unwrap(), Arc::new(Faults::default()));
    let options = Options::new().journal_bytes(1);
    let store = open(dir.path(), &faults, options).unwrap();
    let (mut acknowledged, mut failed) = (Vec::new(), 0);
    for n in 0..300 {
        match n % 7 {
            3 => faults.arm(Trap::Write(ErrorKind::StorageFull)),
            5 => faults.arm(Trap::Sync(ErrorKind::Other)),
            6 => faults.arm(Trap::LateWrite(ErrorKind::StorageFull)),
            _ => {}
        }
        match store.commit(&put(n)) {
            Ok(Commit::Applied(_)) => acknowledged.push(n),
            Ok(Commit::Conflict) => panic!("{n} was never put before"),
            Err(why) => {
                failed += 1;
                assert!(matches!(why.fault(), Fault::NotApplied | Fault::Unknown), "{why:?}");
                let found = store.read(&ReadSet::points([key(n)]));
                if why.fault() == Fault::NotApplied {
                    assert!(found.is_err() || found.is_ok_and(|found| found.points[0].is_none()));
                }
            }
        }
    }
    *faults.trap.lock().unwrap() = None;
    assert!(failed > 20 && acknowledged.len() > 150, "{failed}, {}", acknowledged.len());
    assert!(acknowledged.iter().all(|n| there(&store, *n)));
    assert!(store.stats().reopened > 20 && store.stats().checkpoints > 20, "{:?}", store.stats());
    store.close().unwrap();
    let store = open(dir.path(), &faults, Options::new().integrity(Integrity::Full)).unwrap();
    assert!(acknowledged.iter().all(|n| there(&store, *n)));
}

#[test]
fn a_power_cut_loses_nothing_that_was_acknowledged_and_halves_nothing() {
    cut_at_every_sync(Options::new(), 40);
}

/// Each group has a segment of its own: the rows of one move into the tree while the next is written over what the journal had of an
/// earlier one.
#[test]
fn a_power_cut_while_rows_move_into_the_tree_loses_nothing() {
    cut_at_every_sync(Options::new().journal_bytes(1), 60);
    cut_at_every_sync(Options::new().journal_bytes(3 * 4_096), 60);
}

fn cut_at_every_sync(options: Options, commits: u64) {
    let (dir, faults) = (tempfile::tempdir().unwrap(), Arc::new(Faults::default()));
    drop(open(dir.path(), &faults, options).unwrap());
    let rows = dir.path().join("store.redb");
    let synced = fs::read(&rows).unwrap();
    *faults.disk.lock().unwrap() = Disk {
        keep: true,
        files: [(rows, Half { synced, pending: Vec::new() })].into(),
        ..Disk::default()
    };
    let store = open(dir.path(), &faults, options).unwrap();
    let mut cuts: Vec<(u64, Image, Vec<u8>)> = Vec::new();
    let collect = |n: u64, mark: &[u8], cuts: &mut Vec<_>| {
        let images = std::mem::take(&mut faults.disk.lock().unwrap().images);
        cuts.extend(images.into_iter().map(|image| (n, image, mark.to_vec())));
    };
    for n in 0..commits {
        let mut batch = put(2 * n);
        batch.put(key(2 * n + 1), Expect::Absent, vec![7; 1_000]);
        if n > 0 {
            batch.delete(key(2 * n - 2), Expect::Any);
        }
        let mark = fs::read(dir.path().join("store.mark")).unwrap();
        let before = cuts.len();
        // What was cut behind the last commit
        collect(n, &mark, &mut cuts);
        assert!(matches!(store.commit(&batch), Ok(Commit::Applied(_))));
        // During this commit the mark still stood at the one before
        collect(n, &mark, &mut cuts);
        assert!(cuts.len() > before);
        let synced = faults.disk.lock().unwrap().synced();
        cuts.push((n + 1, synced, fs::read(dir.path().join("store.mark")).unwrap()));
    }
    drop(store);
    for (acknowledged, image, mark) in cuts {
        let memory = Path::new("/dev/shm");
        let dir = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
        let dir = dir.unwrap();
        for (path, bytes) in image {
            fs::write(dir.path().join(path.file_name().unwrap()), bytes).unwrap();
        }
        fs::write(dir.path().join("store.mark"), mark).unwrap();
        let integrity = if acknowledged % 2 == 0 { Integrity::Full } else { Integrity::Quick };
        let store = RedbStore::open(dir.path(), Options::new().integrity(integrity)).unwrap();
        let table = Key::new(CrateTag::PORT, Tenant::new(1), 1);
        let rows = store.read(&ReadSet::scan(Scan::first(table, 1_000))).unwrap();
        let found: Vec<Key> = rows.scans[0].iter().map(|(key, _)| key.clone()).collect();
        let state = |commits: u64| {
            let mut keys: Vec<Key> = (0..commits).map(|n| key(2 * n + 1)).collect();
            keys.extend(commits.checked_sub(1).map(|n| key(2 * n)));
            keys.sort();
            keys
        };
        assert!(
            found == state(acknowledged) || found == state(acknowledged + 1),
            "after {acknowledged} commits: {found:?}"
        );
        store.check().unwrap();
    }
}
