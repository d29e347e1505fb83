//! One script that every store has to pass, in any colour, in any language.
//!
//! The script does no I/O: it asks, the store's test carries each [`Ask`] to the store and brings the [`Answer`] back.
//! A test of an adapter is a dozen lines:
//!
//! ```
//! use interbank_port::blocking::Store;
//! use interbank_port::conformance::{Answer, Ask, Script};
//! use interbank_port::{MemoryStore, StoreError};
//! let store = MemoryStore::new();
//! let mut script = Script::new(1, 200);
//! while let Some(ask) = script.next_ask() {
//!     script.answer(match ask {
//!         Ask::Commit(batch) => Answer::Commit(store.commit(&batch).map_err(|why| why.fault())),
//!         Ask::Read(want) => Answer::Read(store.read(&want).map_err(|why| why.fault())),
//!         Ask::Race(batches) => Answer::Race(
//!             batches.iter().map(|batch| store.commit(batch).map_err(|why| why.fault())).collect(),
//!         ),
//!         Ask::Reopen => Answer::Reopened, // a durable store is closed and opened here
//!     });
//! }
//! assert_eq!(script.finish(), Ok(()));
//! ```

use crate::{
    Batch, Change, Commit, CrateTag, Expect, Fault, Key, ReadSet, Row, Rows, Scan, Tenant, Version,
};
use alloc::collections::{BTreeMap, VecDeque};
use alloc::string::String;
use alloc::vec::Vec;
use alloc::{format, vec};
use bytes::Bytes;

/// Asks a store for what [`crate::Store`] promises, and compares with a model.
#[derive(Debug)]
pub struct Script {
    model: BTreeMap<Key, (Version, Bytes)>,
    last: Version,
    /// Versions of rows that were overwritten or deleted, to be refused.
    stale: Vec<(Key, Version)>,
    plans: VecDeque<Plan>,
    random_left: usize,
    seed: u64,
    open: Option<(&'static str, Ask)>,
    failures: Vec<Failure>,
}

impl Script {
    /// The fixed part, then `random` steps drawn from `seed`.
    pub fn new(seed: u64, random: usize) -> Self {
        Self {
            model: BTreeMap::new(),
            last: Version::default(),
            stale: Vec::new(),
            plans: fixed().into(),
            random_left: random,
            seed,
            open: None,
            failures: Vec::new(),
        }
    }

    /// What to ask the store next; `None` at the end. The store must be empty at the start.
    #[must_use]
    pub fn next_ask(&mut self) -> Option<Ask> {
        let plan = match self.plans.pop_front() {
            Some(plan) => plan,
            None if self.random_left > 0 => {
                self.random_left -= 1;
                self.random_plan()
            }
            None => return None,
        };
        let ask = match plan.act {
            Act::Commit(ops) => Ask::Commit(self.batch(&ops)),
            Act::Race(batches) => Ask::Race(batches.iter().map(|ops| self.batch(ops)).collect()),
            Act::Read { points, scans } => Ask::Read(ReadSet { points, scans }),
            Act::Reopen => Ask::Reopen,
        };
        self.open = Some((plan.rule, ask.clone()));
        Some(ask)
    }

    /// Takes the store's answer to the last ask.
    pub fn answer(&mut self, answer: Answer) {
        let Some((rule, ask)) = self.open.take() else {
            self.fail("one answer for one ask", String::from("an answer without an ask"));
            return;
        };
        match (ask, answer) {
            (Ask::Commit(batch), Answer::Commit(found)) => self.check_commit(rule, &batch, found),
            (Ask::Read(want), Answer::Read(found)) => self.check_read(rule, &want, found),
            (Ask::Race(batches), Answer::Race(found)) => self.check_race(rule, &batches, &found),
            (Ask::Reopen, Answer::Reopened) => {}
            _ => self.fail(rule, String::from("the answer is of another kind than the ask")),
        }
    }

    /// The verdict.
    ///
    /// # Errors
    /// Every rule that the store broke.
    pub fn finish(self) -> Result<(), Vec<Failure>> {
        if self.failures.is_empty() { Ok(()) } else { Err(self.failures) }
    }

    fn check_commit(&mut self, rule: &'static str, batch: &Batch, found: Result<Commit, Fault>) {
        let holds = self.holds(batch);
        match found {
            Ok(Commit::Applied(version)) if holds => {
                if version <= self.last && batch.writes() {
                    let (last, new) = (self.last.as_u64(), version.as_u64());
                    self.fail("versions grow and are never reused", format!("{new} after {last}"));
                }
                self.apply(batch, version);
            }
            Ok(Commit::Conflict) if !holds => {}
            other => self.fail(rule, format!("expectations hold: {holds}, answer: {other:?}")),
        }
    }

    fn check_race(
        &mut self,
        rule: &'static str,
        batches: &[Batch],
        found: &[Result<Commit, Fault>],
    ) {
        if batches.len() != found.len() {
            return self.fail(rule, String::from("one answer for each batch"));
        }
        let mut applied: Vec<(Version, &Batch)> = Vec::new();
        for (batch, answer) in batches.iter().zip(found) {
            match answer {
                Ok(Commit::Applied(version)) => applied.push((*version, batch)),
                Ok(Commit::Conflict) => {}
                Err(fault) => return self.fail(rule, format!("a race failed: {fault}")),
            }
        }
        applied.sort_by_key(|(version, _)| *version);
        if applied.is_empty() {
            self.fail(rule, String::from("nobody won a race that somebody had to win"));
        }
        for (version, batch) in applied {
            if !self.holds(batch) {
                self.fail(rule, String::from("two batches that exclude each other both applied"));
            }
            self.apply(batch, version);
        }
    }

    fn check_read(&mut self, rule: &'static str, want: &ReadSet, found: Result<Rows, Fault>) {
        let row =
            |(version, value): &(Version, Bytes)| Row { version: *version, value: value.clone() };
        let expected = Rows {
            points: want.points.iter().map(|key| self.model.get(key).map(row)).collect(),
            scans: want.scans.iter().map(|scan| self.scan(scan)).collect(),
        };
        match found {
            Ok(rows) if rows == expected => {}
            Ok(rows) => {
                let (points, scans) = (sizes(&rows), sizes(&expected));
                self.fail(rule, format!("read {points}, expected {scans}"));
            }
            Err(fault) => self.fail(rule, format!("{fault}")),
        }
    }

    fn scan(&self, scan: &Scan) -> Vec<(Key, Row)> {
        self.model
            .iter()
            .filter(|(key, _)| key.starts_with(&scan.prefix))
            .filter(|(key, _)| scan.after.as_ref().is_none_or(|after| *key > after))
            .take(scan.limit)
            .map(|(key, (version, value))| {
                (key.clone(), Row { version: *version, value: value.clone() })
            })
            .collect()
    }

    fn holds(&self, batch: &Batch) -> bool {
        batch.ops().iter().all(|op| op.expect.holds(self.model.get(&op.key).map(|row| row.0)))
    }

    fn apply(&mut self, batch: &Batch, version: Version) {
        self.last = self.last.max(version);
        for op in batch.ops() {
            let before = match &op.change {
                Change::Keep => None,
                Change::Put(value) => self.model.insert(op.key.clone(), (version, value.clone())),
                Change::Delete => self.model.remove(&op.key),
            };
            if let Some((old, _)) = before {
                self.stale.push((op.key.clone(), old));
            }
        }
    }

    fn batch(&self, ops: &[PlannedOp]) -> Batch {
        let mut batch = Batch::new();
        for op in ops {
            let expect = match op.expect {
                Wish::Absent => Expect::Absent,
                Wish::Any => Expect::Any,
                Wish::Current => match self.model.get(&op.key) {
                    Some((version, _)) => Expect::At(*version),
                    None => Expect::Absent,
                },
                Wish::Stale => self
                    .stale
                    .iter()
                    .rev()
                    .find(|(key, _)| *key == op.key)
                    .map_or(Expect::At(Version::new(u64::MAX)), |(_, old)| Expect::At(*old)),
            };
            match &op.change {
                Change::Keep => batch.require(op.key.clone(), expect),
                Change::Put(value) => batch.put(op.key.clone(), expect, value.clone()),
                Change::Delete => batch.delete(op.key.clone(), expect),
            };
        }
        batch
    }

    fn random_plan(&mut self) -> Plan {
        let rule = "a random history equals the model";
        match self.draw(10) {
            0 => Plan { rule, act: Act::Reopen },
            1..=3 => {
                let prefix = random_prefix(self.draw(4));
                let after = (self.draw(2) == 0).then(|| random_key(self.draw(24)));
                let limit = self.index(6);
                let points = vec![random_key(self.draw(24)), random_key(self.draw(24))];
                Plan { rule, act: Act::Read { points, scans: vec![Scan { prefix, after, limit }] } }
            }
            4 => {
                let key = random_key(self.draw(24));
                let racer = |byte: u8| vec![put(key.clone(), Wish::Current, vec![byte])];
                Plan { rule, act: Act::Race(vec![racer(1), racer(2), racer(3)]) }
            }
            _ => {
                let mut ops: Vec<PlannedOp> = Vec::new();
                for _ in 0..=self.draw(4) {
                    let key = random_key(self.draw(24));
                    if ops.iter().any(|op| op.key == key) {
                        continue;
                    }
                    let expect = match self.draw(10) {
                        0 => Wish::Stale,
                        1 => Wish::Absent,
                        2..=4 => Wish::Any,
                        _ => Wish::Current,
                    };
                    let change = match self.draw(6) {
                        0 => Change::Keep,
                        1 => Change::Delete,
                        _ => {
                            let len = self.index(40);
                            let byte = u8::try_from(self.draw(256)).unwrap_or(0);
                            Change::Put(vec![byte; len].into())
                        }
                    };
                    ops.push(PlannedOp { key, expect, change });
                }
                Plan { rule, act: Act::Commit(ops) }
            }
        }
    }

    fn index(&mut self, below: u64) -> usize {
        usize::try_from(self.draw(below)).unwrap_or(0)
    }

    /// SplitMix64: enough to spread test steps, and the same everywhere.
    fn draw(&mut self, below: u64) -> u64 {
        self.seed = self.seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.seed;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % below
    }

    fn fail(&mut self, rule: &'static str, found: String) {
        self.failures.push(Failure { rule, found });
    }
}

/// What the script wants from the store. Exhaustive: a test that leaves one out proves less than it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// Commit one batch.
    Commit(Batch),
    /// Commit all of them at the same time, as concurrently as the adapter can.
    Race(Vec<Batch>),
    /// Read.
    Read(ReadSet),
    /// Close the store and open it again (a store without durability does nothing).
    Reopen,
}

/// What the store answered.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Answer {
    /// To [`Ask::Commit`].
    Commit(Result<Commit, Fault>),
    /// To [`Ask::Race`], aligned with the batches.
    Race(Vec<Result<Commit, Fault>>),
    /// To [`Ask::Read`].
    Read(Result<Rows, Fault>),
    /// To [`Ask::Reopen`].
    Reopened,
}

/// A rule that a store broke.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The rule, in words.
    pub rule: &'static str,
    /// What was found instead.
    pub found: String,
}

#[derive(Debug)]
struct Plan {
    rule: &'static str,
    act: Act,
}

#[derive(Debug)]
enum Act {
    Commit(Vec<PlannedOp>),
    Race(Vec<Vec<PlannedOp>>),
    Read { points: Vec<Key>, scans: Vec<Scan> },
    Reopen,
}

#[derive(Clone, Debug)]
struct PlannedOp {
    key: Key,
    expect: Wish,
    change: Change,
}

/// An expectation in terms of the model, turned into a version when its turn comes.
#[derive(Clone, Copy, Debug)]
enum Wish {
    Absent,
    Any,
    Current,
    Stale,
}

fn put(key: Key, expect: Wish, value: impl Into<Bytes>) -> PlannedOp {
    PlannedOp { key, expect, change: Change::Put(value.into()) }
}

fn require(key: Key, expect: Wish) -> PlannedOp {
    PlannedOp { key, expect, change: Change::Keep }
}

fn delete(key: Key, expect: Wish) -> PlannedOp {
    PlannedOp { key, expect, change: Change::Delete }
}

fn table(tenant: u64) -> Key {
    Key::new(CrateTag::PORT, Tenant::new(tenant), 0xF0)
}

fn key(tenant: u64, part: &[u8]) -> Key {
    table(tenant).raw(part).unwrap_or_else(|_| table(tenant))
}

fn random_key(n: u64) -> Key {
    let tail: &[u8] = match n % 4 {
        0 => &[],
        1 => &[0x00],
        2 => &[0xFF],
        _ => &[0xFF, 0xFF],
    };
    let tenant = 40 + n % 3;
    key(tenant, &[&n.to_be_bytes()[7..], tail].concat())
}

fn random_prefix(n: u64) -> Key {
    if n == 3 { key(41, &[5]) } else { table(40 + n) }
}

fn sizes(rows: &Rows) -> String {
    let found = rows.points.iter().flatten().count();
    let pages: Vec<usize> = rows.scans.iter().map(Vec::len).collect();
    format!("{found} of {} points, pages of {pages:?} rows", rows.points.len())
}

fn commit(rule: &'static str, ops: Vec<PlannedOp>) -> Plan {
    Plan { rule, act: Act::Commit(ops) }
}

fn read(rule: &'static str, points: Vec<Key>, scans: Vec<Scan>) -> Plan {
    Plan { rule, act: Act::Read { points, scans } }
}

/// Every clause of the contract once, by name.
fn fixed() -> Vec<Plan> {
    let [a, b, c, d] = [b"a", b"b", b"c", b"d"].map(|part| key(1, part));
    let all = |limit| Scan::first(table(1), limit);
    let long_key = key(1, &[0xEE; Key::BYTES_MAX - Key::HEAD_BYTES]);
    let many: Vec<Key> = (0..100).map(|n: u8| key(2, &[n])).collect();
    let big: Vec<Key> = (0..15).map(|n: u8| key(3, &[n])).collect();
    let edge = Key::from_bytes(&[0xFF; 12]).unwrap_or_else(|_| table(9));
    vec![
        read("an empty store has no rows", vec![a.clone()], vec![all(10)]),
        commit("an absent row may be written", vec![put(a.clone(), Wish::Absent, "1")]),
        commit("a row that is there is not absent", vec![put(a.clone(), Wish::Absent, "2")]),
        read("a conflict writes nothing", vec![a.clone()], vec![]),
        commit("a row at its version may be written", vec![put(a.clone(), Wish::Current, "3")]),
        commit("an old version conflicts", vec![put(a.clone(), Wish::Stale, "4")]),
        commit(
            "one failed expectation refuses the whole batch",
            vec![
                put(b.clone(), Wish::Absent, "b"),
                require(a.clone(), Wish::Stale),
                put(c.clone(), Wish::Any, "c"),
            ],
        ),
        read("nothing of a refused batch is there", vec![a.clone(), b.clone(), c.clone()], vec![]),
        commit(
            "a whole batch applies",
            vec![
                put(b.clone(), Wish::Absent, "b"),
                require(a.clone(), Wish::Current),
                put(c.clone(), Wish::Any, "c"),
            ],
        ),
        read("rows of one batch share a version", vec![a.clone(), b.clone(), c.clone()], vec![]),
        commit("requirements alone may hold", vec![require(a.clone(), Wish::Current)]),
        commit("requirements alone may fail", vec![require(a.clone(), Wish::Absent)]),
        commit("deleting an absent row is no error", vec![delete(d.clone(), Wish::Any)]),
        commit("an absent row may be required", vec![require(d.clone(), Wish::Absent)]),
        commit("a row is deleted at its version", vec![delete(a.clone(), Wish::Current)]),
        commit("a deleted row is absent", vec![put(a.clone(), Wish::Absent, "again")]),
        commit("a row written anew is not the old one", vec![put(a.clone(), Wish::Stale, "5")]),
        Plan { rule: "a store can be opened again", act: Act::Reopen },
        read("everything is there after reopening", vec![a.clone(), b, c, d], vec![all(10)]),
        commit("versions go on after reopening", vec![put(a.clone(), Wish::Current, "6")]),
        read("a page has at most its limit", vec![], vec![all(2), all(0), all(1)]),
        read(
            "a page starts after a key",
            vec![],
            vec![Scan { after: Some(key(1, b"b")), ..all(10) }],
        ),
        read(
            "a page may start after a key that is not there",
            vec![],
            vec![Scan { after: Some(key(1, b"bb")), ..all(10) }],
        ),
        commit(
            "keys are any bytes",
            vec![
                put(key(4, &[]), Wish::Absent, "head"),
                put(key(4, &[0]), Wish::Absent, ""),
                put(key(4, &[0, 0]), Wish::Absent, "00"),
                put(key(4, &[0xFF]), Wish::Absent, "ff"),
                put(key(4, &[0xFF, 0xFF, 0]), Wish::Absent, "ffff00"),
                put(key(5, &[]), Wish::Absent, "next tenant"),
                put(edge.clone(), Wish::Absent, "edge"),
                put(long_key.clone(), Wish::Absent, "long"),
            ],
        ),
        read(
            "scans end with their prefix",
            vec![long_key, edge.clone()],
            vec![
                Scan::first(table(4), 100),
                Scan::first(key(4, &[0xFF]), 100),
                Scan::first(key(4, &[0]), 100),
                Scan::first(edge, 100),
            ],
        ),
        commit(
            "a batch may have 100 operations",
            many.iter().map(|row| put(row.clone(), Wish::Absent, "x")).collect(),
        ),
        read("a large batch is there", many.clone(), vec![Scan::first(table(2), 1_000)]),
        commit(
            "a batch of deletes empties its prefix",
            many.iter().map(|row| delete(row.clone(), Wish::Current)).collect(),
        ),
        read("an emptied prefix has no rows", vec![], vec![Scan::first(table(2), 1_000)]),
        commit(
            "values may be 64 KiB and a batch near 1 MiB",
            big.iter()
                .map(|row| put(row.clone(), Wish::Absent, vec![7; Row::VALUE_BYTES_MAX]))
                .collect(),
        ),
        read("large values come back whole", big, vec![]),
        Plan {
            rule: "of batches that exclude each other one applies",
            act: Act::Race(
                (0..8)
                    .map(|n: u8| {
                        vec![
                            put(a.clone(), Wish::Current, vec![n]),
                            put(key(6, &[n]), Wish::Absent, vec![n]),
                        ]
                    })
                    .collect(),
            ),
        },
        read("only the winner wrote", vec![a], vec![Scan::first(table(6), 10)]),
        Plan {
            rule: "batches that do not touch each other all apply",
            act: Act::Race(
                (0..8).map(|n: u8| vec![put(key(7, &[n]), Wish::Absent, vec![n])]).collect(),
            ),
        },
        read("all of them wrote", vec![], vec![Scan::first(table(7), 10)]),
        Plan { rule: "a store can be opened again", act: Act::Reopen },
        read("everything is there after reopening", vec![], vec![Scan::first(table(7), 10)]),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blocking::Store as _;
    use crate::{MemoryStore, StoreError as _};

    /// Runs the script against a store with one defect, made by changing asks or answers on the way.
    fn run(mut defect: impl FnMut(Ask, &MemoryStore) -> Answer) -> Result<(), Vec<Failure>> {
        let store = MemoryStore::new();
        let mut script = Script::new(7, 300);
        while let Some(ask) = script.next_ask() {
            script.answer(defect(ask, &store));
        }
        script.finish()
    }

    fn honest(ask: Ask, store: &MemoryStore) -> Answer {
        let commit = |batch: &Batch| store.commit(batch).map_err(|why| why.fault());
        match ask {
            Ask::Commit(batch) => Answer::Commit(commit(&batch)),
            Ask::Race(batches) => Answer::Race(batches.iter().map(commit).collect()),
            Ask::Read(want) => Answer::Read(store.read(&want).map_err(|why| why.fault())),
            Ask::Reopen => Answer::Reopened,
        }
    }

    #[test]
    fn the_memory_store_passes() {
        assert_eq!(run(honest), Ok(()));
    }

    #[test]
    fn a_store_that_ignores_expectations_fails() {
        let found = run(|ask, store| match ask {
            Ask::Commit(batch) => {
                let mut loose = Batch::new();
                for op in batch.ops() {
                    if let Change::Put(value) = &op.change {
                        loose.put(op.key.clone(), Expect::Any, value.clone());
                    }
                }
                honest(Ask::Commit(loose), store)
            }
            other => honest(other, store),
        });
        assert!(found.unwrap_err().iter().any(|f| f.rule == "a row that is there is not absent"));
    }

    #[test]
    fn a_store_that_forgets_limits_or_versions_fails() {
        let unlimited = run(|ask, store| match ask {
            Ask::Read(mut want) => {
                want.scans.iter_mut().for_each(|scan| scan.limit = 1_000);
                honest(Ask::Read(want), store)
            }
            other => honest(other, store),
        });
        assert!(unlimited.unwrap_err().iter().any(|f| f.rule == "a page has at most its limit"));
        let frozen = run(|ask, store| match honest(ask, store) {
            Answer::Commit(Ok(Commit::Applied(_))) => {
                Answer::Commit(Ok(Commit::Applied(Version::new(1))))
            }
            other => other,
        });
        assert!(frozen.unwrap_err().iter().any(|f| f.rule.starts_with("versions grow")));
    }

    #[test]
    fn a_store_that_loses_what_it_acknowledged_fails() {
        let mut snapshot = crate::Snapshot::default();
        let mut current = MemoryStore::new();
        let found = run(|ask, _| {
            if ask == Ask::Reopen {
                current = MemoryStore::restore(&snapshot);
            } else if snapshot.rows.is_empty() {
                snapshot = current.snapshot();
            }
            honest(ask, &current)
        });
        let broken = "everything is there after reopening";
        assert!(found.unwrap_err().iter().any(|f| f.rule == broken));
    }
}
