//! The two loops: the same in both colours, and right about every failure.

use crate::ledger::{Add, Refused, ScriptedKeys, account, mac, outcome, right_mac};
use interbank_port::{
    ATTEMPTS_MAX, Answers, Ask, Batch, BatchError, Bytes, Conclusion, DecideError, Decision,
    Expect, KeyAnswer, KeyRefusal, MacTag, ReadSet, Row, Rows, Scan, Snapshot, Step, Version,
    blocking,
};
use simkit::{Fate, Faults, FaultyStore, Odds, Record, Rng, SimError};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

type Told<V = u64> = Result<V, DecideError<Refused, SimError, Refused>>;

/// The asynchronous loop, on a store that never waits.
fn decide_async<D: Decision>(
    store: &FaultyStore,
    keys: &ScriptedKeys,
    decision: &mut D,
) -> Result<D::Verdict, DecideError<D::Error, SimError, Refused>> {
    let keys = blocking::Immediate(keys);
    let mut future = pin!(interbank_port::decide(store, &keys, decision));
    match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(told) => told,
        Poll::Pending => panic!("nothing here waits"),
    }
}

/// Drives the same decision in both colours over equal stores; everything that can be seen must be equal.
fn both<D>(
    snapshot: &Snapshot,
    faults: &Faults,
    keys: Option<Vec<KeyAnswer>>,
    make: impl Fn() -> D,
) -> (Told<D::Verdict>, D, Vec<Record>)
where
    D: Decision<Error = Refused> + std::fmt::Debug,
    D::Verdict: PartialEq + std::fmt::Debug,
{
    let run = |asynchronous: bool| {
        let store = FaultyStore::over(snapshot, faults.clone());
        let keys = match keys.clone() {
            Some(answers) => ScriptedKeys::always(Ok(answers)),
            None => ScriptedKeys::default(),
        };
        let mut decision = make();
        let told = if asynchronous {
            decide_async(&store, &keys, &mut decision)
        } else {
            blocking::decide(&store, &keys, &mut decision)
        };
        (told, decision, store.history(), keys)
    };
    let (one, other) = (run(false), run(true));
    assert_eq!(format!("{one:?}"), format!("{other:?}"));
    (one.0, one.1, one.2)
}

fn add(faults: &Faults) -> (Told, Add, Vec<Record>) {
    both(&Snapshot::default(), faults, None, || Add::new(1))
}

fn commits(history: &[Record]) -> usize {
    history.iter().filter(|record| matches!(record, Record::Commit { .. })).count()
}

fn holding(rows: &[(interbank_port::Key, &'static [u8])]) -> Snapshot {
    let version = Version::new(1);
    let row = |value: &'static [u8]| Row { version, value: Bytes::from_static(value) };
    let mut rows: Vec<_> = rows.iter().map(|(key, value)| (key.clone(), row(value))).collect();
    rows.sort_by(|(a, _), (b, _)| a.cmp(b));
    Snapshot { last: version, rows }
}

#[test]
fn a_decision_asks_concludes_commits_and_is_told() {
    let (told, decision, history) = add(&Faults::None);
    assert_eq!((told, history.len()), (Ok(1), 2));
    assert_eq!(decision.trace.len(), 3, "begin, rows, keys");
}

#[test]
fn both_colours_are_equal_under_any_faults() {
    let mut errors = std::collections::BTreeSet::new();
    let (mut verdicts, mut recalled) = (0, 0);
    for seed in 0..2_000 {
        let faults = Faults::seeded(Rng::new(seed), Odds { conflict: 300, ..Odds::ROUGH });
        let (told, decision, _) = add(&faults);
        recalled += usize::from(decision.trace.iter().any(|step| step == "recall"));
        match told {
            Ok(_) => verdicts += 1,
            Err(why) => {
                errors.insert(why.code());
            }
        }
    }
    assert!(verdicts > 1_000 && recalled > 20, "{verdicts} {recalled}");
    assert_eq!(errors.into_iter().collect::<Vec<_>>(), [106, 107]);
}

#[test]
fn conflicts_are_bounded() {
    let always = (1..=200).map(|n| (n, Fate::Conflict));
    let (told, _, history) = add(&Faults::commits(always));
    assert_eq!((told, commits(&history)), (Err(DecideError::Busy), ATTEMPTS_MAX));

    let last_but_one = (1..=63).map(|n| (n, Fate::Conflict));
    let (told, decision, history) = add(&Faults::commits(last_but_one));
    assert_eq!((told, commits(&history)), (Ok(1), ATTEMPTS_MAX));
    let begun = decision.trace.iter().filter(|step| *step == "begin").count();
    assert_eq!(begun, ATTEMPTS_MAX, "each time on fresh rows");
}

#[test]
fn an_unknown_commit_that_is_there_is_recalled_and_not_repeated() {
    let (told, decision, history) = add(&Faults::commits([(1, Fate::UnknownApplied)]));
    assert_eq!((told, commits(&history)), (Ok(1), 1));
    assert_eq!(decision.trace.last().map(String::as_str), Some("recall"));
}

#[test]
fn an_unknown_commit_that_is_not_there_begins_again() {
    let (told, decision, history) = add(&Faults::commits([(1, Fate::UnknownLost)]));
    assert_eq!((told, commits(&history)), (Ok(1), 2));
    assert_eq!(decision.trace.iter().filter(|step| *step == "begin").count(), 2);
}

#[test]
fn an_unknown_commit_that_lands_late_counts_once() {
    for late in 0..8 {
        let (told, _, history) = add(&Faults::commits([(1, Fate::UnknownLate(late))]));
        assert_eq!(told, Ok(1), "late by {late}: the second addition would tell 2");
        assert!(commits(&history) <= 2);
    }
}

#[test]
fn without_an_outcome_row_unknown_stays_unknown() {
    for fate in [Fate::UnknownApplied, Fate::UnknownLost] {
        let faults = Faults::commits([(1, fate)]);
        let make = || Add::without_outcome(1);
        let (told, _, history) = both(&Snapshot::default(), &faults, None, make);
        assert_eq!(told, Err(DecideError::Unknown(SimError::Unknown)));
        assert_eq!(history.len(), 2, "one read, one commit, and no second of either");
    }
}

#[test]
fn an_outcome_that_cannot_be_read_leaves_it_unknown() {
    let store = || FaultyStore::new(Faults::commits([(1, Fate::CrashAfter)]));
    let told = blocking::decide(&store(), &ScriptedKeys::default(), &mut Add::new(1));
    assert_eq!(told, Err(DecideError::Unknown(SimError::Unknown)));
    let told = decide_async(&store(), &ScriptedKeys::default(), &mut Add::new(1));
    assert_eq!(told, Err(DecideError::Unknown(SimError::Unknown)));
}

/// Writes its account blindly and finds a prepared row where its outcome should be.
#[derive(Debug)]
struct Blind(Add);

impl Decision for Blind {
    type Verdict = u64;
    type Error = Refused;

    fn begin(&mut self) -> Ask {
        self.0.trace.push("begin".into());
        Ask::default()
    }

    fn step(&mut self, _: Answers) -> Result<Step<u64>, Refused> {
        let mut batch = Batch::new();
        batch.put(account(), Expect::Any, &b"blind"[..]);
        Ok(Step::Done(Conclusion { verdict: 5, batch }))
    }

    fn outcome(&self) -> Option<interbank_port::Key> {
        self.0.outcome()
    }

    fn recall(&mut self, row: &Row) -> Result<Option<u64>, Refused> {
        self.0.recall(row)
    }
}

#[test]
fn an_outcome_about_another_request_is_no_answer_and_a_damaged_one_an_error() {
    let faults = Faults::commits([(1, Fate::UnknownApplied)]);
    let make = || Blind(Add::new(1));
    let other = holding(&[(outcome(1), b"another request")]);
    let (told, decision, history) = both(&other, &faults, None, make);
    assert_eq!((told, commits(&history)), (Ok(5), 2));
    assert_eq!(decision.0.trace, ["begin", "recall", "begin"]);

    let damaged = holding(&[(outcome(1), b"damaged")]);
    let (told, _, history) = both(&damaged, &faults, None, make);
    assert_eq!((told, commits(&history)), (Err(DecideError::Decision(Refused)), 1));
}

#[test]
fn a_store_that_wrote_nothing_is_not_asked_again() {
    let (told, _, history) = add(&Faults::commits([(1, Fate::NotApplied)]));
    assert_eq!((told, commits(&history)), (Err(DecideError::Store(SimError::NotApplied)), 1));
    let (told, _, history) = add(&Faults::reads([1]));
    assert_eq!((told, history.len()), (Err(DecideError::Store(SimError::NotApplied)), 1));
}

#[test]
fn a_key_holder_that_fails_ends_it_before_any_commit() {
    for asynchronous in [false, true] {
        let store = FaultyStore::new(Faults::None);
        let keys = ScriptedKeys::always(Err(Refused));
        let mut add = Add::new(1);
        let told = if asynchronous {
            decide_async(&store, &keys, &mut add)
        } else {
            blocking::decide(&store, &keys, &mut add)
        };
        assert_eq!(told, Err(DecideError::Keys(Refused)));
        assert_eq!(commits(&store.history()), 0);
        assert_eq!(*keys.asked.lock().unwrap(), [mac()]);
    }
}

#[test]
fn answers_of_another_shape_are_refused() {
    let short = KeyAnswer::Mac(MacTag::new(&[7; 20]).unwrap());
    let misfits = [
        vec![],
        vec![right_mac(), right_mac()],
        vec![short],
        vec![KeyAnswer::Verified(true)],
        vec![KeyAnswer::Signature([0; 64])],
        vec![KeyAnswer::Wrapped(Bytes::new())],
    ];
    for answers in misfits {
        let (told, _, history) =
            both(&Snapshot::default(), &Faults::None, Some(answers), || Add::new(1));
        assert_eq!((told, commits(&history)), (Err(DecideError::Misfit), 0));
    }
    // A refusal fits every question; what it means is the decision's business.
    let refused = vec![KeyAnswer::Refused(KeyRefusal::UnknownKey)];
    let (told, ..) = both(&Snapshot::default(), &Faults::None, Some(refused), || Add::new(1));
    assert_eq!(told, Err(DecideError::Decision(Refused)));
}

/// A store that answers a read with rows of another shape.
struct Crooked(Rows);

impl blocking::Store for Crooked {
    type Error = SimError;

    fn read(&self, _: &ReadSet) -> Result<Rows, SimError> {
        Ok(self.0.clone())
    }

    fn commit(&self, _: &Batch) -> Result<interbank_port::Commit, SimError> {
        Err(SimError::Down)
    }
}

#[test]
fn rows_of_another_shape_are_refused() {
    let page = || vec![vec![]];
    for rows in [
        Rows::default(),
        Rows { points: vec![None], scans: vec![] },
        Rows { points: vec![None; 3], scans: vec![] },
        Rows { points: vec![None; 2], scans: page() },
    ] {
        let store = Crooked(rows);
        let told = blocking::decide(&store, &ScriptedKeys::default(), &mut Add::new(1));
        assert_eq!(told, Err(DecideError::Misfit));
        let keys = blocking::Immediate(ScriptedKeys::default());
        let store = blocking::Immediate(store);
        let mut add = Add::new(1);
        let future = pin!(interbank_port::decide(&store, &keys, &mut add));
        let told = future.poll(&mut Context::from_waker(Waker::noop()));
        assert_eq!(told, Poll::Ready(Err(DecideError::Misfit)));
    }
    let row = Row { version: Version::new(1), value: Bytes::new() };
    let want = ReadSet::scan(Scan::first(account(), 1));
    let one = (account(), row);
    let fits =
        |rows: usize| Rows { points: vec![], scans: vec![vec![one.clone(); rows]] }.fits(&want);
    assert_eq!([0, 1, 2].map(fits), [true, true, false], "a page beyond its limit");
}

/// Never stops asking, or makes the batch that it was given.
#[derive(Debug)]
enum Odd {
    Asks { rounds: usize },
    Writes(Batch),
}

impl Decision for Odd {
    type Verdict = ();
    type Error = Refused;

    fn begin(&mut self) -> Ask {
        Ask::default()
    }

    fn step(&mut self, _: Answers) -> Result<Step<()>, Refused> {
        match self {
            Self::Asks { rounds: 0 } => {
                Ok(Step::Done(Conclusion { verdict: (), batch: Batch::new() }))
            }
            Self::Asks { rounds } => {
                *rounds -= 1;
                Ok(Step::Ask(Ask::rows(ReadSet::points([account()]))))
            }
            Self::Writes(batch) => Ok(Step::Done(Conclusion { verdict: (), batch: batch.clone() })),
        }
    }
}

#[test]
fn rounds_are_bounded() {
    let ask = |rounds| both(&Snapshot::default(), &Faults::None, None, || Odd::Asks { rounds });
    let (told, _, history) = ask(Odd::ROUNDS_MAX - 1);
    assert_eq!((told, history.len()), (Ok(()), 2));
    let (told, _, history) = ask(Odd::ROUNDS_MAX);
    assert_eq!((told, history.len()), (Err(DecideError::Rounds), 2));
}

#[test]
fn a_batch_beyond_the_limits_never_reaches_the_store() {
    let mut twice = Batch::new();
    twice.require(account(), Expect::Any).delete(account(), Expect::Any);
    let mut long = Batch::new();
    for n in 0..101 {
        long.require(outcome(n), Expect::Any);
    }
    let mut wide = Batch::new();
    wide.put(account(), Expect::Any, vec![0; 65_537]);
    let mut large = Batch::new();
    for n in 0..16 {
        large.put(outcome(n), Expect::Any, vec![0; 65_536]);
    }
    for (batch, why) in [
        (twice, BatchError::KeyTwice),
        (long, BatchError::TooManyOps),
        (wide, BatchError::ValueTooLarge),
        (large, BatchError::TooLarge),
    ] {
        let make = || Odd::Writes(batch.clone());
        let (told, _, history) = both(&Snapshot::default(), &Faults::None, None, make);
        assert_eq!((told, history.len()), (Err(DecideError::Batch(why)), 0));
    }
}

#[test]
fn a_batch_that_only_requires_is_committed_before_the_verdict() {
    let mut stands = Batch::new();
    stands.require(account(), Expect::Absent);
    let (told, _, history) =
        both(&Snapshot::default(), &Faults::None, None, || Odd::Writes(stands.clone()));
    assert_eq!((told, commits(&history)), (Ok(()), 1));
    let taken = holding(&[(account(), b"taken")]);
    let (told, _, history) = both(&taken, &Faults::None, None, || Odd::Writes(stands.clone()));
    assert_eq!((told, commits(&history)), (Err(DecideError::Busy), ATTEMPTS_MAX));
}

#[test]
fn nothing_to_write_is_no_commit() {
    let done = holding(&[(outcome(1), &[0, 0, 0, 0, 0, 0, 0, 9])]);
    let (told, _, history) = both(&done, &Faults::None, None, || Add::new(1));
    assert_eq!((told, commits(&history)), (Ok(9), 0));
}
