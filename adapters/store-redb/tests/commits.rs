//! Many committers at once: shared syncs, single outcomes.
#![allow(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

use interbank_store_redb::{Error, Integrity, Options, RedbStore};
use port::blocking::Store;
use port::{Batch, Commit, CrateTag, Expect, Fault, Key, ReadSet, Row, Scan, StoreError, Tenant};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};
use std::thread;

fn store(options: Options) -> (tempfile::TempDir, RedbStore) {
    let dir = tempfile::tempdir().unwrap();
    let store = RedbStore::open(dir.path(), options.create(true)).unwrap();
    (dir, store)
}

fn key(table: u8, n: u64) -> Key {
    Key::new(CrateTag::PORT, Tenant::new(1), table).number(n).unwrap()
}

fn put(key: Key, value: &[u8]) -> Batch {
    let mut batch = Batch::new();
    batch.put(key, Expect::Absent, value.to_vec());
    batch
}

fn read_one(store: &RedbStore, key: Key) -> Option<Row> {
    store.read(&ReadSet::points([key])).unwrap().points.remove(0)
}

#[test]
fn a_lone_committer_gets_one_transaction_for_each_commit() {
    let (_dir, store) = store(Options::new());
    for n in 0..20 {
        assert!(matches!(store.commit(&put(key(1, n), b"value")), Ok(Commit::Applied(_))));
    }
    assert_eq!((store.stats().applied, store.stats().transactions), (20, 20));
}

#[test]
fn a_counter_raised_through_conflicts_ends_at_the_number_of_successes() {
    let (dir, store) = store(Options::new());
    let successes = AtomicU64::new(0);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..60 {
                    let row = read_one(&store, key(1, 0));
                    let count = row.as_ref().map_or(0, |row| {
                        u64::from_be_bytes(row.value.as_ref().try_into().unwrap())
                    });
                    let mut batch = Batch::new();
                    let expect = Row::unchanged(row.as_ref());
                    batch.put(key(1, 0), expect, (count + 1).to_be_bytes().to_vec());
                    match store.commit(&batch) {
                        Ok(Commit::Applied(_)) => _ = successes.fetch_add(1, Ordering::SeqCst),
                        Ok(Commit::Conflict) => {}
                        Err(why) => panic!("{why}"),
                    }
                }
            });
        }
    });
    let successes = successes.into_inner();
    let stats = store.stats();
    assert_eq!((stats.applied, stats.applied + stats.conflicts), (successes, 480));
    assert!(stats.conflicts > 0, "nothing ever raced");
    store.close().unwrap();
    let options = Options::new().integrity(Integrity::Full);
    let store = RedbStore::open(dir.path(), options).unwrap();
    let count = read_one(&store, key(1, 0)).unwrap();
    assert_eq!(count.value.as_ref(), successes.to_be_bytes());
}

#[test]
fn readers_see_whole_batches_and_never_step_back() {
    let (_dir, store) = store(Options::new());
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let readers: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    let (mut last, mut seen) = (0, 0);
                    while !done.load(Ordering::SeqCst) {
                        let want = ReadSet {
                            points: vec![key(1, 0), key(1, 1)],
                            scans: vec![Scan::first(
                                Key::new(CrateTag::PORT, Tenant::new(1), 1),
                                9,
                            )],
                        };
                        let rows = store.read(&want).unwrap();
                        let version =
                            |row: &Option<Row>| row.as_ref().map_or(0, |row| row.version.as_u64());
                        let (one, two) = (version(&rows.points[0]), version(&rows.points[1]));
                        assert_eq!(one, two, "half a batch was visible");
                        for (_, row) in &rows.scans[0] {
                            assert_eq!(row.version.as_u64(), one, "two views in one answer");
                        }
                        assert!(one >= last);
                        seen += u64::from(one > last);
                        last = one;
                    }
                    seen
                })
            })
            .collect();
        for n in 0..300_u64 {
            let mut batch = Batch::new();
            batch.put(key(1, 0), Expect::Any, n.to_be_bytes().to_vec());
            batch.put(key(1, 1), Expect::Any, n.to_be_bytes().to_vec());
            let Ok(Commit::Applied(version)) = store.commit(&batch) else { panic!() };
            assert!(read_one(&store, key(1, 0)).unwrap().version >= version);
        }
        done.store(true, Ordering::SeqCst);
        for reader in readers {
            assert!(reader.join().unwrap() > 1, "the reader saw no change");
        }
    });
}

#[test]
fn a_full_line_answers_busy_and_nothing_of_it_is_written() {
    let (_dir, store) = store(Options::new().waiting_max(3));
    // Futures that nobody drives further: the writer thread drains the line, so fill it faster than it can
    let mut context = Context::from_waker(Waker::noop());
    let batches: Vec<Batch> = (0..2_000).map(|n| put(key(1, n), &[7; 2_000])).collect();
    let mut waiting: Vec<(u64, Pin<Box<_>>)> = Vec::new();
    let mut refused = Vec::new();
    for (n, batch) in (0..).zip(&batches) {
        let mut future = Box::pin(port::Store::commit(&store, batch));
        match future.as_mut().poll(&mut context) {
            Poll::Ready(Err(why)) => {
                assert_eq!((why, why.fault()), (Error::Busy, Fault::NotApplied));
                refused.push(n);
            }
            Poll::Ready(other) => assert!(matches!(other, Ok(Commit::Applied(_)))),
            Poll::Pending => waiting.push((n, future)),
        }
    }
    assert!(!refused.is_empty() && refused.len() < batches.len());
    for (_, mut future) in waiting {
        while future.as_mut().poll(&mut context).is_pending() {
            thread::yield_now();
        }
    }
    for n in 0..2_000 {
        assert_eq!(read_one(&store, key(1, n)).is_none(), refused.contains(&n));
    }
}

#[test]
fn both_faces_stand_in_one_line() {
    let (_dir, store) = store(Options::new());
    thread::scope(|scope| {
        for face in 0..8_u64 {
            let store = &store;
            scope.spawn(move || {
                for n in 0..30 {
                    let batch = put(key(1, face * 100 + n), b"value");
                    let answer = if face % 2 == 0 {
                        store.commit(&batch)
                    } else {
                        block_on(port::Store::commit(store, &batch))
                    };
                    assert!(matches!(answer, Ok(Commit::Applied(_))));
                }
            });
        }
    });
    let stats = store.stats();
    assert_eq!(stats.applied, 240);
    assert_eq!(store.check().unwrap().rows, 240);
}

#[test]
fn a_future_that_is_dropped_disturbs_nobody() {
    let (_dir, store) = store(Options::new());
    let mut context = Context::from_waker(Waker::noop());
    for n in 0..50 {
        let batch = put(key(1, n), b"dropped");
        let mut future = Box::pin(port::Store::commit(&store, &batch));
        let _ = future.as_mut().poll(&mut context);
        drop(future);
    }
    assert!(matches!(store.commit(&put(key(2, 0), b"kept")), Ok(Commit::Applied(_))));
    let found = (0..50).filter(|n| read_one(&store, key(1, *n)).is_some()).count();
    assert_eq!(found, 50, "what was lined up before has been written");
}

#[test]
fn limits_are_refused_before_anything_is_written() {
    let (_dir, store) = store(Options::new());
    let mut twice = put(key(1, 0), b"one");
    twice.put(key(1, 0), Expect::Any, &b"two"[..]);
    assert_eq!(store.commit(&twice).unwrap_err().fault(), Fault::NotApplied);
    let mut many = Batch::new();
    for n in 0..=u64::try_from(RedbStore::BATCH_MULTIPLE * Batch::OPS_MAX).unwrap() {
        many.put(key(1, n), Expect::Any, &b"x"[..]);
    }
    assert_eq!(store.commit(&many).unwrap_err().fault(), Fault::TooLarge);
    let large = put(key(1, 0), &[0; Row::VALUE_BYTES_MAX + 1]);
    assert_eq!(store.commit(&large).unwrap_err().fault(), Fault::TooLarge);
    let page = Scan::first(key(1, 0), Scan::ROWS_MAX + 1);
    assert_eq!(store.read(&ReadSet::scan(page)), Err(Error::ScanTooLong));
    assert_eq!(store.check().unwrap().rows, 0);
}

#[test]
fn a_batch_of_many_portable_ones_is_written_whole() {
    let (_dir, store) = store(Options::new());
    let rows = u64::try_from(RedbStore::BATCH_MULTIPLE * Batch::OPS_MAX).unwrap();
    let mut many = Batch::new();
    for n in 0..rows {
        many.put(key(1, n), Expect::Absent, &b"x"[..]);
    }
    assert!(matches!(store.commit(&many), Ok(Commit::Applied(_))));
    assert_eq!(store.commit(&many), Ok(Commit::Conflict));
    assert_eq!(store.check().unwrap().rows, rows);
}

#[test]
fn commits_that_come_together_are_judged_in_order() {
    let (_dir, store) = store(Options::new());
    let mut onward = Batch::new();
    onward.delete(key(1, 0), Expect::Any).put(key(1, 1), Expect::Absent, &b"b"[..]);
    let batches = [put(key(1, 0), b"a"), put(key(1, 0), b"again"), onward, put(key(1, 0), b"c")];
    let answers = block_on(port::Store::commit_each(&store, &batches));
    let applied: Vec<bool> =
        answers.iter().map(|answer| matches!(answer, Ok(Commit::Applied(_)))).collect();
    assert_eq!(applied, [true, false, true, true]);
    assert_eq!(answers[1], Ok(Commit::Conflict));
    assert_eq!(read_one(&store, key(1, 0)).unwrap().value.as_ref(), b"c");
    assert_eq!(read_one(&store, key(1, 1)).unwrap().value.as_ref(), b"b");
}

#[test]
fn compacting_gives_space_back_and_keeps_every_row() {
    let (dir, store) = store(Options::new());
    for n in 0..100 {
        assert!(matches!(store.commit(&put(key(1, n), &[3; 20_000])), Ok(Commit::Applied(_))));
    }
    // A check moves what is in the journal
    store.check().unwrap();
    for n in 1..100 {
        let mut batch = Batch::new();
        batch.delete(key(1, n), Expect::Any);
        assert!(matches!(store.commit(&batch), Ok(Commit::Applied(_))));
    }
    let size = || std::fs::metadata(dir.path().join("store.redb")).unwrap().len();
    let before = size();
    assert_eq!(store.compact(), Ok(true));
    assert!(size() < before / 2, "{} after {before}", size());
    let report = store.check().unwrap();
    assert_eq!((report.rows, report.last.as_u64()), (1, 199));
    assert_eq!(read_one(&store, key(1, 0)).unwrap().value.as_ref(), [3; 20_000]);
    assert!(matches!(store.commit(&put(key(1, 1), b"on")), Ok(Commit::Applied(_))));
}

#[test]
fn dropping_a_busy_store_answers_everybody_first() {
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(RedbStore::open(dir.path(), Options::new().create(true)).unwrap());
    let threads: Vec<_> = (0..8)
        .map(|n| {
            let store = Arc::clone(&store);
            thread::spawn(move || store.commit(&put(key(1, n), b"value")))
        })
        .collect();
    drop(store);
    for thread in threads {
        assert!(matches!(thread.join().unwrap(), Ok(Commit::Applied(_))));
    }
    let store = RedbStore::open(dir.path(), Options::new()).unwrap();
    assert_eq!(store.check().unwrap().rows, 8);
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    struct Unpark(thread::Thread);
    impl std::task::Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(ready) => return ready,
            Poll::Pending => thread::park(),
        }
    }
}
