//! Random histories: what lies in the journal, on its way into the tree, and in the tree is one store, also after a crash.

use crate::database::{Place, verify_rows};
use crate::mark::Mark;
use crate::opened::{Backlog, Opened};
use crate::{Integrity, Options, group, reading};
use port::blocking::Store;
use port::{Batch, Commit, CrateTag, Expect, Key, MemoryStore, ReadSet, Scan, Tenant};
use proptest::prelude::*;
use std::fs;
use std::path::Path;

/// One step of a history.
#[derive(Clone, Debug)]
enum Act {
    /// A group of batches, each of rows that are put with values of some length, or deleted.
    Commit(Vec<Vec<(u8, Option<u16>)>>),
    /// What is on its way arrives in the tree.
    Checkpoint,
    /// The files as a kill would leave them become the store.
    Crash(Integrity),
    Close,
}

fn act() -> impl Strategy<Value = Act> {
    let value = prop::option::weighted(0.7, 0..400_u16);
    let batch = prop::collection::btree_map(0..ROWS, value, 1..6);
    let batch = batch.prop_map(|rows| rows.into_iter().collect::<Vec<_>>());
    prop_oneof![
        12 => prop::collection::vec(batch, 1..4).prop_map(Act::Commit),
        4 => Just(Act::Checkpoint),
        2 => prop::sample::select(vec![Integrity::Quick, Integrity::Full]).prop_map(Act::Crash),
        1 => Just(Act::Close),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn rows_are_the_same_wherever_they_lie_and_whenever_the_process_dies(
        acts in prop::collection::vec(act(), 1..50),
        journal_bytes in prop::sample::select(vec![1, 4_097, 20_000, 1 << 20]),
    ) {
        let options = Options::new().create(true).journal_bytes(journal_bytes).cache_bytes(1 << 20);
        let mut dir = folder();
        drop(Place::new(dir.path()).claim(&options).unwrap());
        let (mut opened, mut mark) = Place::new(dir.path()).open(&options, Integrity::Quick).unwrap();
        let plain = MemoryStore::new();
        for act in &acts {
            match act {
                Act::Commit(rows) => commit(&opened, &mut mark, &plain, rows, &options)?,
                Act::Checkpoint => {
                    opened.checkpoint(false).unwrap();
                }
                Act::Crash(integrity) => {
                    let image = folder();
                    copy(dir.path(), image.path());
                    drop(opened);
                    (opened, mark) = Place::new(image.path()).open(&options, *integrity).unwrap();
                    dir = image;
                }
                Act::Close => {
                    opened.close(false).unwrap();
                    let mut journal = Place::new(dir.path()).journal.into_iter();
                    prop_assert!(journal.all(|path| !path.exists()));
                    (opened, mark) = Place::new(dir.path()).open(&options, Integrity::Quick).unwrap();
                }
            }
            for want in wants() {
                prop_assert_eq!(reading::read(&opened, &want).unwrap(), plain.read(&want).unwrap());
            }
        }
        opened.checkpoint_all(false).unwrap();
        verify_rows(&opened.database, &opened.memtables().state).unwrap();
        for want in wants() {
            prop_assert_eq!(reading::read(&opened, &want).unwrap(), plain.read(&want).unwrap());
        }
    }
}

/// A group in both stores.
fn commit(
    opened: &Opened,
    mark: &mut Mark,
    plain: &MemoryStore,
    rows: &[Vec<(u8, Option<u16>)>],
    options: &Options,
) -> Result<(), TestCaseError> {
    let batches: Vec<Batch> = rows.iter().map(|rows| batch(rows)).collect();
    let outcome = group::apply(opened, &batches.iter().collect::<Vec<_>>());
    prop_assert!(!outcome.fence);
    for (batch, answer) in batches.iter().zip(&outcome.answers) {
        let expected: Result<Commit, _> = plain.commit(batch);
        prop_assert_eq!(answer.as_ref().ok(), expected.as_ref().ok());
    }
    if let Some(state) = &outcome.written {
        mark.raise(state).unwrap();
    }
    if opened.backlog(options) == Backlog::TooLarge {
        opened.checkpoint(false).unwrap();
    }
    opened.rotate_if_full(options);
    Ok(())
}

/// In one batch of three the first row has to be absent.
fn batch(rows: &[(u8, Option<u16>)]) -> Batch {
    let mut batch = Batch::new();
    for (at, (n, value)) in rows.iter().enumerate() {
        let expect = if at == 0 && n % 3 == 0 { Expect::Absent } else { Expect::Any };
        match value {
            Some(len) => batch.put(key(*n), expect, vec![*n; usize::from(*len)]),
            None => batch.delete(key(*n), expect),
        };
    }
    batch
}

/// All rows, and pages that begin and end anywhere.
fn wants() -> Vec<ReadSet> {
    let pages = (0..ROWS).step_by(5).flat_map(|after| {
        let after = (after > 0).then(|| key(after));
        [1, 2, 7].map(|limit| Scan { after: after.clone(), ..Scan::first(table(), limit) })
    });
    let scans = pages.chain([Scan::first(table(), Scan::ROWS_MAX), Scan::first(key(3), 9)]);
    vec![ReadSet { points: (0..ROWS).map(key).collect(), scans: scans.collect() }]
}

fn copy(from: &Path, to: &Path) {
    for file in fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), to.join(file.file_name())).unwrap();
    }
}

/// Syncs to a disk would only take time here.
fn folder() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    let dir = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    dir.unwrap()
}

fn table() -> Key {
    Key::new(CrateTag::PORT, Tenant::new(1), 1)
}

fn key(n: u8) -> Key {
    table().number(u64::from(n)).unwrap()
}

const ROWS: u8 = 24;
