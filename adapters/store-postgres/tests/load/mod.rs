//! Writers that move money between a few accounts, through the loop that integrators use, and the audit afterwards.
//!
//! Each transfer has an id and leaves an outcome row under it: who was never told how a commit ended finds out there.
#![allow(dead_code, reason = "each test uses its own part of it")]

use crate::bed::is_unknown;
use port::{
    Answers, Ask, Batch, Commit, Conclusion, CrateTag, DecideError, Decision, Expect, Key,
    KeyAnswer, KeyQuestion, ReadSet, Row, Rows, Scan, Step, Store, Tenant,
};
use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::task::JoinSet;

/// What many writers did so far.
#[derive(Debug)]
pub(crate) struct Load<S> {
    store: S,
    stop: AtomicBool,
    in_flight: AtomicU64,
    acknowledged: Mutex<BTreeMap<u64, Transfer>>,
    /// Transfers whose commit was of unknown fate at least once.
    unknown: Mutex<BTreeSet<u64>>,
    found_applied: AtomicU64,
    conflicts: AtomicU64,
    not_applied: AtomicU64,
}

impl<S: Store + Send + 'static> Load<S> {
    pub(crate) fn new(store: S) -> Arc<Self> {
        Arc::new(Self {
            store,
            stop: AtomicBool::new(false),
            in_flight: AtomicU64::new(0),
            acknowledged: Mutex::default(),
            unknown: Mutex::default(),
            found_applied: AtomicU64::new(0),
            conflicts: AtomicU64::new(0),
            not_applied: AtomicU64::new(0),
        })
    }

    /// Starts writers, each with its own ids; they go on until [`Self::stop`], and end when they know how their last
    /// transfer ended.
    pub(crate) fn start(self: &Arc<Self>, writers: u64) -> JoinSet<()> {
        let mut running = JoinSet::new();
        for writer in 0..writers {
            let load = self.clone();
            running.spawn(async move {
                for number in 0.. {
                    if load.stop.load(SeqCst) {
                        break;
                    }
                    load.transfer(Transfer::draw(number * writers + writer)).await;
                }
            });
        }
        running
    }

    pub(crate) fn stop(&self) {
        self.stop.store(true, SeqCst);
    }

    /// Commits that have begun and not ended.
    pub(crate) fn in_flight(&self) -> u64 {
        self.in_flight.load(SeqCst)
    }

    /// Transfers that somebody was told of.
    pub(crate) fn acknowledged(&self) -> u64 {
        self.acknowledged.lock().unwrap().len() as u64
    }

    /// Transfers of which nobody was told before somebody asked again.
    pub(crate) fn found_applied(&self) -> u64 {
        self.found_applied.load(SeqCst)
    }

    /// Counts what is there against what was promised.
    pub(crate) async fn audit(&self) -> Figures {
        let outcomes: BTreeMap<u64, Transfer> = rows(&self.store, 2)
            .await
            .iter()
            .map(|(key, row)| (number(key), Transfer::parse(number(key), &row.value)))
            .collect();
        let mut expected = BTreeMap::new();
        for moved in outcomes.values() {
            *expected.entry(moved.from).or_insert(0) -= moved.minor;
            *expected.entry(moved.to).or_insert(0) += moved.minor;
        }
        let balances = rows(&self.store, 1).await;
        let doubled =
            balances.iter().filter(|(key, row)| expected.get(&number(key)) != Some(&minor(row)));
        let acknowledged = self.acknowledged.lock().unwrap();
        let unknown = self.unknown.lock().unwrap();
        Figures {
            acknowledged: acknowledged.len() as u64,
            lost: acknowledged.iter().filter(|(id, one)| outcomes.get(id) != Some(one)).count(),
            doubled: doubled.count() + balances.len().abs_diff(expected.len()),
            unexplained: outcomes.keys().filter(|id| !acknowledged.contains_key(id)).count(),
            unknown: unknown.len() as u64,
            unresolved: unknown.iter().filter(|id| !acknowledged.contains_key(id)).count(),
            found_applied: self.found_applied.load(SeqCst),
            conflicts: self.conflicts.load(SeqCst),
            not_applied: self.not_applied.load(SeqCst),
        }
    }

    /// Asks until somebody can be told how it ended.
    async fn transfer(&self, mut transfer: Transfer) {
        loop {
            match port::decide(&self, &NoKeys, &mut transfer).await {
                Ok(found) => {
                    let unknown = self.unknown.lock().unwrap().contains(&transfer.id);
                    assert!(unknown || found == Found::New, "an id that nobody used is known");
                    self.found_applied.fetch_add(u64::from(found == Found::Known), SeqCst);
                    let told = self.acknowledged.lock().unwrap().insert(transfer.id, transfer);
                    assert_eq!(told, None);
                    return;
                }
                Err(DecideError::Store(_) | DecideError::Unknown(_)) => {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                Err(DecideError::Busy) => {}
                Err(why) => panic!("{why:?}"),
            }
        }
    }
}

/// The store as the writers see it: what becomes of each commit is counted.
impl<S: Store + Send + 'static> Store for Load<S> {
    type Error = S::Error;

    async fn read(&self, want: &ReadSet) -> Result<Rows, S::Error> {
        self.store.read(want).await.inspect_err(|why| {
            is_unknown(why);
        })
    }

    async fn commit(&self, batch: &Batch) -> Result<Commit, S::Error> {
        self.in_flight.fetch_add(1, SeqCst);
        let answer = self.store.commit(batch).await;
        self.in_flight.fetch_sub(1, SeqCst);
        match &answer {
            Ok(Commit::Applied(_)) => {}
            Ok(Commit::Conflict) => {
                self.conflicts.fetch_add(1, SeqCst);
            }
            Err(why) if is_unknown(why) => {
                self.unknown.lock().unwrap().insert(number(&batch.ops()[0].key));
            }
            Err(_) => {
                self.not_applied.fetch_add(1, SeqCst);
            }
        }
        answer
    }
}

/// What an audit found.
#[derive(Debug)]
pub(crate) struct Figures {
    /// Transfers that somebody was told of.
    pub(crate) acknowledged: u64,
    /// Acknowledged, and not there.
    pub(crate) lost: usize,
    /// Accounts that hold something else than their transfers say.
    pub(crate) doubled: usize,
    /// There, and nobody was told.
    pub(crate) unexplained: usize,
    /// Transfers with a commit of unknown fate.
    pub(crate) unknown: u64,
    /// Of these, those whose end nobody learnt.
    pub(crate) unresolved: usize,
    /// Of these, those that the outcome row showed to be there; the others were done again.
    pub(crate) found_applied: u64,
    pub(crate) conflicts: u64,
    /// Commits that certainly wrote nothing.
    pub(crate) not_applied: u64,
}

impl Figures {
    pub(crate) fn assert_sound(&self) {
        let Self { lost, doubled, unexplained, unresolved, .. } = self;
        assert_eq!((*lost, *doubled, *unexplained, *unresolved), (0, 0, 0, 0), "{self:?}");
    }
}

/// Money from one account to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Transfer {
    id: u64,
    from: u64,
    to: u64,
    minor: i64,
}

/// Whether a transfer was done now, or had been done before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    New,
    Known,
}

impl Transfer {
    /// Another one for each id.
    pub(crate) fn draw(id: u64) -> Self {
        let from = id.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 60;
        let to = (from + 1 + id % (ACCOUNTS - 1)) % ACCOUNTS;
        Self { id, from, to, minor: 1 + i64::try_from(id % 97).unwrap() }
    }

    pub(crate) fn outcome_key(&self) -> Key {
        table(2).number(self.id).unwrap()
    }

    /// What the decision asks.
    pub(crate) fn ask(&self) -> ReadSet {
        ReadSet::points([self.outcome_key(), account(self.from), account(self.to)])
    }

    /// What is to be written, from what was found.
    pub(crate) fn batch(&self, points: &[Option<Row>]) -> Batch {
        let mut batch = Batch::new();
        let numbers = [self.from, self.to].map(u64::to_be_bytes).concat();
        let outcome = [numbers, self.minor.to_be_bytes().to_vec()].concat();
        batch.put(self.outcome_key(), Expect::Absent, outcome);
        for (number, row, minor) in
            [(self.from, &points[1], -self.minor), (self.to, &points[2], self.minor)]
        {
            let sum = row.as_ref().map_or(0, self::minor) + minor;
            batch.put(account(number), Row::unchanged(row.as_ref()), sum.to_be_bytes().to_vec());
        }
        batch
    }

    fn parse(id: u64, value: &[u8]) -> Self {
        let part = |at: usize| value[at..at + 8].try_into().unwrap();
        let [from, to] = [0, 8].map(|at| u64::from_be_bytes(part(at)));
        Self { id, from, to, minor: i64::from_be_bytes(part(16)) }
    }
}

impl Decision for Transfer {
    type Verdict = Found;
    type Error = Infallible;

    fn begin(&mut self) -> Ask {
        Ask::rows(self.ask())
    }

    fn step(&mut self, answers: Answers) -> Result<Step<Found>, Infallible> {
        let points = answers.rows.points;
        Ok(Step::Done(match &points[0] {
            Some(row) => {
                assert_eq!(Self::parse(self.id, &row.value), *self);
                Conclusion { verdict: Found::Known, batch: Batch::new() }
            }
            None => Conclusion { verdict: Found::New, batch: self.batch(&points) },
        }))
    }

    fn outcome(&self) -> Option<Key> {
        Some(self.outcome_key())
    }

    fn recall(&mut self, row: &Row) -> Result<Option<Found>, Infallible> {
        assert_eq!(Self::parse(self.id, &row.value), *self);
        Ok(Some(Found::Known))
    }
}

/// Nobody asks it.
pub(crate) struct NoKeys;

impl port::Keys for NoKeys {
    type Error = Infallible;

    async fn answer(&self, _: &[KeyQuestion]) -> Result<Vec<KeyAnswer>, Infallible> {
        Ok(Vec::new())
    }
}

/// All rows of a table.
async fn rows(store: &impl Store, number: u8) -> Vec<(Key, Row)> {
    let mut all: Vec<(Key, Row)> = Vec::new();
    loop {
        let after = all.last().map(|(key, _)| key.clone());
        let scan = Scan { after, ..Scan::first(table(number), Scan::ROWS_MAX) };
        let page = store.read(&ReadSet::scan(scan)).await.unwrap().scans.remove(0);
        let is_last = page.len() < Scan::ROWS_MAX;
        all.extend(page);
        if is_last {
            return all;
        }
    }
}

fn number(key: &Key) -> u64 {
    let parts = &key.as_bytes()[Key::HEAD_BYTES..];
    u64::from_be_bytes(parts.try_into().unwrap())
}

fn minor(row: &Row) -> i64 {
    i64::from_be_bytes(row.value.as_ref().try_into().unwrap())
}

fn account(number: u64) -> Key {
    table(1).number(number).unwrap()
}

fn table(number: u8) -> Key {
    Key::new(CrateTag::PORT, Tenant::new(1), number)
}

const ACCOUNTS: u64 = 16;
