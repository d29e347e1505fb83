//! A store that keeps its contract, and uses every freedom that the contract leaves.

use crate::{Fate, Faults, Rng};
use port::blocking::Store;
use port::{Batch, Commit, Fault, MemoryStore, ReadSet, Rows, Snapshot, StoreError};
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The in-memory store behind a plan of faults; both colours, usable by reference from many tasks.
///
/// What it acknowledged stays. What it did not acknowledge may be there, may arrive later, or may be lost at a restart:
/// see [`Fate`]. A row that anybody has read is never lost: reads show only what is durable.
///
/// ```
/// use interbank_simkit::{Fate, FaultyStore, Faults, SimError};
/// use port::blocking::Store;
/// use port::{Batch, CrateTag, Expect, Key, ReadSet, Tenant};
/// let key = Key::new(CrateTag::PORT, Tenant::new(1), 1);
/// let store = FaultyStore::new(Faults::commits([(1, Fate::CrashAfter)]));
/// let mut batch = Batch::new();
/// batch.put(key.clone(), Expect::Absent, &b"row"[..]);
/// assert_eq!(store.commit(&batch), Err(SimError::Unknown));
/// assert_eq!(store.read(&ReadSet::points([key])), Err(SimError::Down));
/// store.restart(false);
/// assert_eq!(store.snapshot().rows.len(), 1);
/// ```
#[derive(Debug)]
pub struct FaultyStore {
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    rows: MemoryStore,
    faults: Faults,
    /// Batches that nobody was told about and that have not arrived.
    pending: Vec<Pending>,
    reads: u64,
    commits: u64,
    /// Counts what may change the rows, so that an invariant is checked when there is a reason.
    changes: u64,
    down: bool,
    history: Vec<Record>,
}

#[derive(Debug)]
struct Pending {
    number: u64,
    batch: Batch,
    /// Operations left until it arrives; `None`: only a restart decides.
    left: Option<u32>,
}

impl FaultyStore {
    /// Empty.
    pub fn new(faults: Faults) -> Self {
        Self::over(&Snapshot::default(), faults)
    }

    /// Holds what the snapshot holds.
    pub fn over(snapshot: &Snapshot, faults: Faults) -> Self {
        Self {
            inner: Mutex::new(Inner {
                rows: MemoryStore::restore(snapshot),
                faults,
                pending: Vec::new(),
                reads: 0,
                commits: 0,
                changes: 0,
                down: false,
                history: Vec::new(),
            }),
        }
    }

    /// Another plan from now on; the counting of commits and reads starts again at 1.
    pub fn set_faults(&self, faults: Faults) {
        let mut inner = self.lock();
        inner.faults = faults;
        (inner.commits, inner.reads) = (0, 0);
    }

    /// The machine loses power: nothing works until the restart.
    pub fn crash(&self) {
        let mut inner = self.lock();
        inner.down = true;
        inner.history.push(Record::Crashed);
    }

    /// Comes up again. What was pending arrives now (`pending_lands`), or is lost for ever.
    pub fn restart(&self, pending_lands: bool) {
        self.come_up(|_| pending_lands);
    }

    /// Comes up again; how much of the unsynced tail is lost is drawn: some first part of it arrives.
    pub fn restart_seeded(&self, rng: &mut Rng) {
        let survive = rng.index(self.pending() + 1);
        self.come_up(|at| at < survive);
    }

    /// Lets everything pending arrive, in order: after this, no late surprise is left.
    pub fn settle(&self) {
        let mut inner = self.lock();
        for late in std::mem::take(&mut inner.pending) {
            inner.land(&late);
        }
    }

    /// Everything in it.
    pub fn snapshot(&self) -> Snapshot {
        self.lock().rows.snapshot()
    }

    /// Whether it crashed and was not restarted.
    pub fn is_down(&self) -> bool {
        self.lock().down
    }

    /// How many batches neither arrived nor were lost.
    pub fn pending(&self) -> usize {
        self.lock().pending.len()
    }

    /// How many commits arrived since the plan was set: the next one has this number plus 1.
    pub fn commits(&self) -> u64 {
        self.lock().commits
    }

    /// Grows whenever rows may have changed.
    pub fn changes(&self) -> u64 {
        self.lock().changes
    }

    /// All operations and what became of them.
    pub fn history(&self) -> Vec<Record> {
        self.lock().history.clone()
    }

    pub(crate) fn history_len(&self) -> usize {
        self.lock().history.len()
    }

    fn come_up(&self, lands: impl Fn(usize) -> bool) {
        let mut inner = self.lock();
        for (at, late) in std::mem::take(&mut inner.pending).into_iter().enumerate() {
            if lands(at) {
                inner.land(&late);
            } else {
                inner.history.push(Record::Lost { number: late.number });
            }
        }
        inner.down = false;
        inner.changes += 1;
        inner.history.push(Record::Restarted);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn read(&mut self, want: &ReadSet) -> Result<Rows, SimError> {
        self.reads += 1;
        self.arrivals();
        let answer = if self.down {
            Err(SimError::Down)
        } else if self.faults.read_fails(self.reads) {
            Err(SimError::NotApplied)
        } else {
            let Ok(rows) = Store::read(&self.rows, want);
            Ok(rows)
        };
        self.history.push(Record::Read { want: want.clone(), answer: answer.clone() });
        answer
    }

    fn commit(&mut self, batch: &Batch) -> Result<Commit, SimError> {
        self.commits += 1;
        self.arrivals();
        let fate = if self.down { Fate::Honest } else { self.faults.commit(self.commits) };
        let answer = if self.down { Err(SimError::Down) } else { self.meet(fate, batch) };
        let number = self.commits;
        self.history.push(Record::Commit { number, batch: batch.clone(), fate, answer });
        answer
    }

    fn meet(&mut self, fate: Fate, batch: &Batch) -> Result<Commit, SimError> {
        let mut wait = |left| {
            self.pending.push(Pending { number: self.commits, batch: batch.clone(), left });
        };
        match fate {
            Fate::Honest => return Ok(self.apply(batch)),
            Fate::Conflict => return Ok(Commit::Conflict),
            Fate::NotApplied => return Err(SimError::NotApplied),
            Fate::UnknownLost => {}
            Fate::UnknownApplied => {
                let _ = self.apply(batch);
            }
            Fate::UnknownLate(left) => wait(Some(left)),
            Fate::CrashBefore => self.down = true,
            Fate::CrashAfter => {
                let _ = self.apply(batch);
                self.down = true;
            }
            Fate::CrashUnsynced => {
                wait(None);
                self.down = true;
            }
        }
        Err(SimError::Unknown)
    }

    fn apply(&mut self, batch: &Batch) -> Commit {
        self.changes += 1;
        let Ok(commit) = Store::commit(&self.rows, batch);
        commit
    }

    /// Late batches come closer by one operation; those that arrive do so before that operation.
    fn arrivals(&mut self) {
        if self.down || self.pending.is_empty() {
            return;
        }
        let mut waiting = Vec::new();
        for mut late in std::mem::take(&mut self.pending) {
            match late.left.as_mut() {
                Some(0) => self.land(&late),
                Some(left) => {
                    *left -= 1;
                    waiting.push(late);
                }
                None => waiting.push(late),
            }
        }
        self.pending = waiting;
    }

    fn land(&mut self, late: &Pending) {
        let answer = self.apply(&late.batch);
        self.history.push(Record::Landed { number: late.number, answer });
    }
}

impl Store for FaultyStore {
    type Error = SimError;

    fn read(&self, want: &ReadSet) -> Result<Rows, SimError> {
        self.lock().read(want)
    }

    fn commit(&self, batch: &Batch) -> Result<Commit, SimError> {
        self.lock().commit(batch)
    }
}

impl port::Store for FaultyStore {
    type Error = SimError;

    async fn read(&self, want: &ReadSet) -> Result<Rows, SimError> {
        self.lock().read(want)
    }

    async fn commit(&self, batch: &Batch) -> Result<Commit, SimError> {
        self.lock().commit(batch)
    }
}

/// One thing that happened to a [`FaultyStore`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// Rows were read.
    Read {
        /// Which.
        want: ReadSet,
        /// What was answered.
        answer: Result<Rows, SimError>,
    },
    /// A batch was committed.
    Commit {
        /// Its number under the plan.
        number: u64,
        /// The batch.
        batch: Batch,
        /// What the plan had for it; a store that is down is always honest about it.
        fate: Fate,
        /// What was answered.
        answer: Result<Commit, SimError>,
    },
    /// A late batch arrived.
    Landed {
        /// Its number under the plan.
        number: u64,
        /// Whether its expectations still held.
        answer: Commit,
    },
    /// A pending batch was lost at a restart.
    Lost {
        /// Its number under the plan.
        number: u64,
    },
    /// The power went.
    Crashed,
    /// It works again.
    Restarted,
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read { want, answer } => {
                write!(f, "read {} points, {} scans: ", want.points.len(), want.scans.len())?;
                match answer {
                    Ok(rows) => {
                        let found = rows.points.iter().flatten().count();
                        let paged: usize = rows.scans.iter().map(Vec::len).sum();
                        write!(f, "{found} rows found, {paged} paged")
                    }
                    Err(why) => write!(f, "{why}"),
                }
            }
            Self::Commit { number, batch, fate, answer } => {
                write!(f, "commit {number} of {} operations, {fate:?}: ", batch.ops().len())?;
                match answer {
                    Ok(commit) => write!(f, "{commit:?}"),
                    Err(why) => write!(f, "{why}"),
                }
            }
            Self::Landed { number, answer } => write!(f, "commit {number} arrives: {answer:?}"),
            Self::Lost { number } => write!(f, "commit {number} is lost"),
            Self::Crashed => f.write_str("crash"),
            Self::Restarted => f.write_str("restart"),
        }
    }
}

/// How a [`FaultyStore`] fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SimError {
    /// Not restarted yet; certainly nothing was written.
    Down,
    /// Certainly nothing was written.
    NotApplied,
    /// It may or may not have been written.
    Unknown,
}

impl StoreError for SimError {
    fn fault(&self) -> Fault {
        match self {
            Self::Down | Self::NotApplied => Fault::NotApplied,
            Self::Unknown => Fault::Unknown,
        }
    }
}

impl fmt::Display for SimError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Down => "the store is down",
            Self::NotApplied => "nothing was written",
            Self::Unknown => "the answer was lost",
        })
    }
}

impl std::error::Error for SimError {}

#[cfg(test)]
mod tests {
    use super::*;
    use port::conformance::{Answer, Ask, Script};
    use port::{CrateTag, Expect, Key, Tenant};

    fn key(n: u64) -> Key {
        Key::new(CrateTag::PORT, Tenant::new(1), 1).number(n).unwrap()
    }

    fn add(n: u64) -> Batch {
        let mut batch = Batch::new();
        batch.put(key(n), Expect::Absent, &b"row"[..]);
        batch
    }

    fn there(store: &FaultyStore) -> Vec<Key> {
        store.snapshot().rows.into_iter().map(|(key, _)| key).collect()
    }

    #[test]
    fn passes_the_conformance_script_when_nothing_fails() {
        for seed in 0..20 {
            let store = FaultyStore::new(Faults::None);
            let mut script = Script::new(seed, 200);
            while let Some(ask) = script.next_ask() {
                let commit = |batch: &Batch| Store::commit(&store, batch).map_err(|e| e.fault());
                script.answer(match ask {
                    Ask::Commit(batch) => Answer::Commit(commit(&batch)),
                    Ask::Race(batches) => Answer::Race(batches.iter().map(commit).collect()),
                    Ask::Read(want) => {
                        Answer::Read(Store::read(&store, &want).map_err(|e| e.fault()))
                    }
                    Ask::Reopen => {
                        store.crash();
                        store.restart(false);
                        Answer::Reopened
                    }
                });
            }
            assert_eq!(script.finish(), Ok(()));
        }
    }

    #[test]
    fn each_fate_does_what_it_says() {
        for (fate, answer, applied) in [
            (Fate::Honest, None, true),
            (Fate::Conflict, None, false),
            (Fate::NotApplied, Some(SimError::NotApplied), false),
            (Fate::UnknownApplied, Some(SimError::Unknown), true),
            (Fate::UnknownLost, Some(SimError::Unknown), false),
            (Fate::UnknownLate(1), Some(SimError::Unknown), false),
            (Fate::CrashBefore, Some(SimError::Unknown), false),
            (Fate::CrashAfter, Some(SimError::Unknown), true),
            (Fate::CrashUnsynced, Some(SimError::Unknown), false),
        ] {
            let store = FaultyStore::new(Faults::commits([(2, fate)]));
            assert!(matches!(Store::commit(&store, &add(1)), Ok(Commit::Applied(_))));
            let found = Store::commit(&store, &add(2));
            assert_eq!(found.err(), answer, "{fate:?}");
            assert_eq!(there(&store).contains(&key(2)), applied, "{fate:?}");
            let crash = matches!(fate, Fate::CrashBefore | Fate::CrashAfter | Fate::CrashUnsynced);
            assert_eq!(store.is_down(), crash, "{fate:?}");
        }
    }

    #[test]
    fn a_late_batch_arrives_only_if_it_still_fits() {
        let late = || FaultyStore::new(Faults::commits([(1, Fate::UnknownLate(1))]));
        let nothing = ReadSet::points([key(1)]);
        let store = late();
        assert_eq!(Store::commit(&store, &add(1)), Err(SimError::Unknown));
        assert_eq!(Store::read(&store, &nothing).map(|rows| rows.points), Ok(vec![None]));
        let rows = Store::read(&store, &nothing).unwrap();
        assert!(rows.points[0].is_some(), "it lands before the second operation");

        let store = late();
        assert_eq!(Store::commit(&store, &add(1)), Err(SimError::Unknown));
        assert!(matches!(Store::commit(&store, &add(1)), Ok(Commit::Applied(_))));
        let first = store.snapshot();
        store.settle();
        assert_eq!(store.snapshot(), first);
        assert!(store.history().contains(&Record::Landed { number: 1, answer: Commit::Conflict }));
    }

    #[test]
    fn a_restart_takes_the_unsynced_tail_and_nothing_else() {
        for lands in [false, true] {
            let fates = [(2, Fate::UnknownLate(90)), (3, Fate::CrashUnsynced)];
            let store = FaultyStore::new(Faults::commits(fates));
            assert!(Store::commit(&store, &add(1)).is_ok());
            assert!(Store::commit(&store, &add(2)).is_err());
            assert!(Store::commit(&store, &add(3)).is_err());
            assert_eq!(Store::commit(&store, &add(4)), Err(SimError::Down));
            store.restart(lands);
            let expected = if lands { vec![key(1), key(2), key(3)] } else { vec![key(1)] };
            assert_eq!(there(&store), expected);
            assert!(Store::commit(&store, &add(5)).is_ok());
        }
    }

    #[test]
    fn a_seeded_restart_keeps_a_first_part_of_the_tail() {
        let mut sizes = std::collections::BTreeSet::new();
        for seed in 0..60 {
            let fates = [1, 2, 3].map(|n| (n, Fate::UnknownLate(90)));
            let store = FaultyStore::new(Faults::commits(fates));
            for n in 1..=3 {
                assert!(Store::commit(&store, &add(n)).is_err());
            }
            store.crash();
            store.restart_seeded(&mut Rng::new(seed));
            let found = there(&store);
            assert_eq!(found, [1, 2, 3].map(key)[..found.len()]);
            sizes.insert(found.len());
        }
        assert_eq!(sizes.into_iter().collect::<Vec<_>>(), [0, 1, 2, 3]);
    }

    #[test]
    fn what_it_acknowledges_stays_through_anything() {
        for seed in 0..200 {
            let mut rng = Rng::new(seed);
            let store = FaultyStore::new(Faults::seeded(rng.fork("faults"), crate::Odds::ROUGH));
            let mut promised = Vec::new();
            for n in 0..60 {
                match Store::commit(&store, &add(n)) {
                    Ok(Commit::Applied(_)) => promised.push(key(n)),
                    Ok(Commit::Conflict) => {}
                    Err(_) if store.is_down() => store.restart_seeded(&mut rng),
                    Err(_) => {}
                }
            }
            let found = there(&store);
            assert!(promised.iter().all(|key| found.contains(key)), "seed {seed}");
        }
    }
}
