//! A child process commits from several threads and is killed in the middle, again and again.
#![allow(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

use interbank_store_redb::{Integrity, Options, RedbStore};
use port::blocking::Store;
use port::{Batch, Commit, CrateTag, Expect, Key, ReadSet, Row, Scan, Tenant, Version};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Mutex, mpsc};
use std::thread;
use std::time::Duration;

const KILLS: u64 = 200;
const THREADS: u64 = 4;
const ROWS_PER_BATCH: u64 = 3;

#[test]
fn whatever_was_acknowledged_before_a_kill_is_there_whole_after_it() {
    if let Some(dir) = std::env::var_os("STORE_REDB_VICTIM") {
        return victim(Path::new(&dir));
    }
    let dir = tempfile::tempdir().unwrap();
    // The first child may die before there is a store
    let options = Options::new().create(true);
    let mut acknowledged: BTreeMap<(u64, u64), u64> = BTreeMap::new();
    let (mut last, mut unacknowledged, mut fruitless, mut children) = (0, 0, 0, 0);
    for round in 0..KILLS {
        // Some are killed twice before anybody looks: the second one found what the first had left
        for again in 0..=u64::from(round % 4 == 1) {
            let acks = run_and_kill(dir.path(), 2 * round + again);
            fruitless += u64::from(acks.is_empty());
            children += 1;
            let before = last;
            for (batch, version) in acks {
                assert!(version > before, "versions of a later process are greater");
                assert_eq!(acknowledged.insert(batch, version), None);
                last = last.max(version);
            }
        }
        // Opening never takes the crash for damage; every page and row is verified
        let integrity = if round % 10 == 0 { Integrity::Full } else { Integrity::Quick };
        let store = RedbStore::open(dir.path(), options.integrity(integrity)).unwrap();
        let found = batches(&store);
        for (batch, version) in &acknowledged {
            assert_eq!(found.get(batch), Some(version), "round {round}: {batch:?}");
        }
        unacknowledged += found.len() - acknowledged.len();
        last = found.values().copied().max().unwrap_or(0).max(last);
        // What was written unseen counts as acknowledged from here on: it must not vanish either
        acknowledged = found;
        let probe = probe(&store);
        assert!(probe > last, "versions are never reused");
        last = probe;
        store.close().unwrap();
    }
    assert!(acknowledged.len() as u64 > KILLS, "{} batches", acknowledged.len());
    assert!(fruitless <= children / 4, "{fruitless} children died before they did anything");
    assert!(unacknowledged < acknowledged.len());
    let store = RedbStore::open(dir.path(), Options::new().integrity(Integrity::Full)).unwrap();
    assert_eq!(store.check().unwrap().last.as_u64(), last);
}

/// Commits until it is killed, and says so after each commit.
fn victim(dir: &Path) {
    let round: u64 = std::env::var("STORE_REDB_ROUND").unwrap().parse().unwrap();
    let options = Options::new().create(true).journal_bytes(match round / 2 % 3 {
        // A file for every group, for some groups, and never full
        0 => 1,
        1 => 40_000,
        _ => 1 << 23,
    });
    let store = RedbStore::open(dir, options).unwrap();
    let out = Mutex::new(std::io::stdout());
    thread::scope(|scope| {
        for worker in 0..THREADS {
            let (store, out) = (&store, &out);
            scope.spawn(move || {
                for n in 0.. {
                    let id = n * THREADS + worker;
                    let mut batch = Batch::new();
                    for row in 0..ROWS_PER_BATCH {
                        let value = vec![u8::try_from(row).unwrap(); 100 + 40 * (id % 30) as usize];
                        batch.put(key(round, id, row), Expect::Absent, value);
                    }
                    let Ok(Commit::Applied(version)) = store.commit(&batch) else {
                        panic!("a fresh batch always applies");
                    };
                    let line = format!("ack {round} {id} {}\n", version.as_u64());
                    out.lock().unwrap().write_all(line.as_bytes()).unwrap();
                }
            });
        }
    });
}

fn run_and_kill(dir: &Path, round: u64) -> Vec<((u64, u64), u64)> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--nocapture", "--test-threads=1"])
        .arg("whatever_was_acknowledged_before_a_kill_is_there_whole_after_it")
        .env("STORE_REDB_VICTIM", dir)
        .env("STORE_REDB_ROUND", round.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let out = BufReader::new(child.stdout.take().unwrap());
    let (first, begun) = mpsc::channel();
    let reader = thread::spawn(move || {
        let acks = out.lines().map_while(Result::ok).filter_map(|line| {
            let mut words = line.split(' ').skip_while(|word| !word.ends_with("ack")).skip(1);
            let mut number = || words.next()?.parse::<u64>().ok();
            let ack = ((number()?, number()?), number()?);
            let _ = first.send(());
            Some(ack)
        });
        acks.collect::<Vec<_>>()
    });
    // Most are killed in the middle of commits, some while they open the store (and repair it) or before
    if !round.is_multiple_of(5) {
        let _ = begun.recv();
    }
    thread::sleep(Duration::from_micros((round * 7_919) % 20_000));
    child.kill().unwrap();
    child.wait().unwrap();
    reader.join().unwrap()
}

/// All batches in the store; each must be whole, under one version.
fn batches(store: &RedbStore) -> BTreeMap<(u64, u64), u64> {
    let mut found: BTreeMap<(u64, u64), Vec<Row>> = BTreeMap::new();
    let mut after = None;
    loop {
        let scan = Scan { after: after.clone(), ..Scan::first(table(), Scan::ROWS_MAX) };
        let page = store.read(&ReadSet::scan(scan)).unwrap().scans.remove(0);
        for (key, row) in &page {
            let parts = &key.as_bytes()[Key::HEAD_BYTES..];
            let number = |at: usize| u64::from_be_bytes(parts[at..at + 8].try_into().unwrap());
            found.entry((number(0), number(8))).or_default().push(row.clone());
        }
        if page.len() < Scan::ROWS_MAX {
            break;
        }
        after = page.last().map(|(key, _)| key.clone());
    }
    let whole = found.into_iter().map(|(batch, rows)| {
        assert_eq!(rows.len() as u64, ROWS_PER_BATCH, "half a batch: {batch:?}");
        for (n, row) in rows.iter().enumerate() {
            assert_eq!(row.version, rows[0].version);
            assert!(row.value.iter().all(|byte| usize::from(*byte) == n));
        }
        (batch, rows[0].version.as_u64())
    });
    whole.collect()
}

/// The version that a commit gets now.
fn probe(store: &RedbStore) -> u64 {
    let mut batch = Batch::new();
    let key = Key::new(CrateTag::PORT, Tenant::new(2), 1);
    batch.put(key, Expect::Any, &b"probe"[..]);
    match store.commit(&batch) {
        Ok(Commit::Applied(version)) => version.max(Version::default()).as_u64(),
        other => panic!("{other:?}"),
    }
}

fn table() -> Key {
    Key::new(CrateTag::PORT, Tenant::new(1), 1)
}

fn key(round: u64, id: u64, row: u64) -> Key {
    table().number(round).unwrap().number(id).unwrap().number(row).unwrap()
}
