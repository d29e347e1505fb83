use interbank_filexfer::*;
use port::blocking::Store;
use port::{Commit, MemoryStore, ReadSet, Tenant};
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::ops::Range;

const TENANT: Tenant = Tenant::new(5);
const JOB: TransferId = TransferId([3; 16]);
const TB: u64 = 1_000_000_000_000;

fn commit(store: &MemoryStore, bitmap: &mut Bitmap) -> Checkpoint {
    let checkpoint = bitmap.checkpoint(TENANT, &JOB).unwrap();
    checkpoint.batch.check().unwrap();
    assert!(matches!(store.commit(&checkpoint.batch), Ok(Commit::Applied(_))));
    checkpoint
}

fn restore(store: &MemoryStore) -> Option<Bitmap> {
    let mut scan = Bitmap::scan(TENANT, &JOB).unwrap();
    let mut rows = Vec::new();
    loop {
        let Ok(page) = store.read(&ReadSet::scan(scan.clone()));
        let page = page.scans.into_iter().next().unwrap();
        let is_full = page.len() == scan.limit;
        scan.after = page.last().map(|(key, _)| key.clone());
        rows.extend(page);
        if !is_full {
            break;
        }
    }
    Bitmap::restore(rows.iter().map(|(key, row)| (key, &row.value[..]))).unwrap()
}

#[test]
fn fd03_what_is_missing_is_what_was_not_marked() {
    let mut bitmap = Bitmap::new([1; 32], 10_000 * 16_384);
    assert_eq!(bitmap.missing(0, 64), Some(0..64));
    assert_eq!(bitmap.mark(&(10..20)).unwrap(), 10);
    assert_eq!(bitmap.mark(&(15..25)).unwrap(), 5);
    assert_eq!(bitmap.mark(&(4_000..9_000)).unwrap(), 5_000);
    let missing: Vec<Range<u64>> = bitmap.missing_ranges().collect();
    assert_eq!(missing, [0..10, 25..4_000, 9_000..10_000]);
    assert!(bitmap.has(&(10..25)) && !bitmap.has(&(9..11)));
    assert_eq!(bitmap.missing(12, 5), Some(25..30));
    assert_eq!(bitmap.mark(&(9_999..10_001)), Err(Misuse::Range.into()));
    for range in missing {
        bitmap.mark(&range).unwrap();
    }
    assert!(bitmap.is_complete() && bitmap.missing(0, 1).is_none());
}

/// Moves what is missing, in order, and loses everything after the last checkpoint at each crash.
#[test]
fn fd03_a_crash_costs_at_most_one_checkpoint() {
    let store = MemoryStore::new();
    let count = 20_000;
    let mut bitmap = Bitmap::new([1; 32], count * 16_384);
    let (mut moved, mut crashes) = (0, 0);
    while let Some(range) = bitmap.missing(0, 64) {
        moved += bitmap.mark(&range).unwrap();
        if bitmap.is_due() {
            let _ = commit(&store, &mut bitmap);
        }
        if moved % 7_000 < 64 {
            crashes += 1;
            let lost = bitmap.fresh();
            assert!(lost < Bitmap::CHECKPOINT);
            bitmap = restore(&store).unwrap_or_else(|| Bitmap::new([1; 32], count * 16_384));
            let resume = bitmap.resume();
            let again: u64 = resume.reread.iter().map(|range| range.end - range.start).sum();
            assert!(again <= Bitmap::CHECKPOINT, "{again}");
            assert_eq!(resume.missing_groups, count - bitmap.verified());
        }
    }
    let _ = commit(&store, &mut bitmap);
    assert!(crashes >= 3 && moved < count + crashes * Bitmap::CHECKPOINT);
    assert!(restore(&store).unwrap().is_complete());
    assert_eq!(store.snapshot().rows.len(), 1, "a complete file needs its header only");
}

#[test]
fn fd13_a_terabyte_resumes_from_few_rows() {
    let store = MemoryStore::new();
    let mut bitmap = Bitmap::new([1; 32], TB);
    let count = bitmap.groups().count();
    // All in order up to three quarters, then some pieces further on.
    let mut at = 0;
    while at < count * 3 / 4 {
        at += bitmap.mark(&(at..at + 4_000)).unwrap();
        if bitmap.is_due() {
            let _ = commit(&store, &mut bitmap);
        }
    }
    for n in 0..60 {
        let start = count * 4 / 5 + n * 9_000;
        bitmap.mark(&(start..start + 100)).unwrap();
        if bitmap.is_due() {
            let _ = commit(&store, &mut bitmap);
        }
    }
    let _ = commit(&store, &mut bitmap);
    let rows = store.snapshot().rows;
    let bytes: usize = rows.iter().map(|(_, row)| row.value.len()).sum();
    assert!(rows.len() <= 65 && bytes < 64 * 1024, "{} rows, {bytes} bytes", rows.len());
    let restored = restore(&store).unwrap();
    assert_eq!(restored.verified(), bitmap.verified());
    assert_eq!(restored.missing_ranges().count(), 61);
    let resume = restored.resume();
    assert_eq!(resume.next, Some(at..at + Bitmap::CHECKPOINT));
}

#[test]
fn fd15_scatter_is_bounded() {
    let mut bitmap = Bitmap::new([1; 32], 16 * TB);
    let mut busy = None;
    for n in 0..20_000 {
        if let Err(why) = bitmap.mark(&(n * 8_192..n * 8_192 + 1)) {
            busy = Some((n, why));
            break;
        }
        if bitmap.is_due() {
            let checkpoint = bitmap.checkpoint(TENANT, &JOB).unwrap();
            assert_eq!(checkpoint.batch.check(), Ok(()));
        }
    }
    assert_eq!(busy, Some((1_024, Error::Busy)));
    // What is in work can be finished, and makes room.
    bitmap.mark(&(0..4_096)).unwrap();
    assert!(bitmap.mark(&(1_024 * 8_192..1_024 * 8_192 + 1)).is_ok());
}

#[test]
fn fd13_small_files() {
    for (size, groups) in [(0, 1), (1, 1), (16_384, 1), (16_385, 2)] {
        let mut bitmap = Bitmap::new([1; 32], size);
        assert!(!bitmap.is_complete());
        assert_eq!(bitmap.mark(&(0..groups)), Ok(groups));
        assert!(bitmap.is_complete() && bitmap.is_due());
    }
}

#[test]
fn groups_that_prove_wrong_move_again() {
    let store = MemoryStore::new();
    let mut bitmap = Bitmap::new([1; 32], 3 * 4_096 * 16_384);
    bitmap.mark(&(0..3 * 4_096)).unwrap();
    let _ = commit(&store, &mut bitmap);
    assert_eq!(bitmap.unmark(&(5_000..5_010)), Ok(10));
    assert_eq!(bitmap.unmark(&(5_005..5_020)), Ok(10));
    let _ = commit(&store, &mut bitmap);
    let restored = restore(&store).unwrap();
    assert_eq!(restored.missing_ranges().collect::<Vec<_>>(), [5_000..5_020]);
    bitmap.mark(&(5_000..5_020)).unwrap();
    assert!(bitmap.is_complete());
}

#[test]
fn damaged_rows_are_refused() {
    let store = MemoryStore::new();
    let mut bitmap = Bitmap::new([1; 32], 10_000 * 16_384);
    bitmap.mark(&(0..5_000)).unwrap();
    let _ = commit(&store, &mut bitmap);
    let rows = store.snapshot().rows;
    let try_with = |at: usize, value: &[u8]| {
        let changed = rows
            .iter()
            .enumerate()
            .map(|(n, (key, row))| (key, if n == at { value } else { &row.value[..] }));
        Bitmap::restore(changed)
    };
    for (at, (_, row)) in rows.iter().enumerate() {
        assert!(try_with(at, &row.value).is_ok());
        for cut in 0..row.value.len() {
            assert!(matches!(try_with(at, &row.value[..cut]), Err(Error::Corrupt(_))));
        }
    }
    assert_eq!(Bitmap::restore([]), Ok(None));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn fd03_behaves_as_a_set_of_groups(
        steps in prop::collection::vec((0_u64..12_400, 1_u64..5_000, 0..8_u8), 1..30),
    ) {
        let store = MemoryStore::new();
        let count = 12_400;
        let mut bitmap = Bitmap::new([9; 32], count * 16_384 - 5);
        let mut model = BTreeSet::new();
        let mut saved: Option<BTreeSet<u64>> = None;
        for (start, len, kind) in steps {
            let range = start..(start + len).min(count);
            match kind {
                0 => {
                    let _ = commit(&store, &mut bitmap);
                    saved = Some(model.clone());
                }
                1 => {
                    if let Some(saved) = &saved {
                        bitmap = restore(&store).unwrap();
                        model = saved.clone();
                    }
                }
                2 => {
                    let gone = range.clone().filter(|at| model.remove(at)).count() as u64;
                    prop_assert_eq!(bitmap.unmark(&range), Ok(gone));
                }
                _ => {
                    let new = range.clone().filter(|at| model.insert(*at)).count() as u64;
                    prop_assert_eq!(bitmap.mark(&range), Ok(new));
                }
            }
            prop_assert_eq!(bitmap.verified(), model.len() as u64);
        }
        let missing: Vec<u64> = bitmap.missing_ranges().flatten().collect();
        let expected: Vec<u64> = (0..count).filter(|at| !model.contains(at)).collect();
        prop_assert_eq!(missing, expected);
    }

    #[test]
    fn foreign_rows_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), tail in prop::collection::vec(any::<u8>(), 0..60)) {
        let key = port::Key::from_bytes(&tail).unwrap();
        let mut row = vec![1];
        row.extend(&bytes);
        let _ = Bitmap::restore([(&key, &row[..]), (&key, &bytes[..])]);
    }
}
