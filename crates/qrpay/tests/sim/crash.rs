//! One whole story, stopped after every step and begun again from what was durable: it must end like the undisturbed one.
//!
//! A step is a read, a commit, an answer of the key holder, or a frame. The process stops right before a step or right after
//! it, before anybody learnt of it, and forgets everything; the accounting system, the payer's request and the clock go on.

use crate::accounting::Accounting;
use crate::actors::PACE;
use crate::bank::{Bank, START, cny, order, server};
use interbank_qrpay::*;
use port::blocking::{Keys, Link, Store, decide, drain};
use port::outbox::{Event, Outbox};
use port::{
    Batch, Bytes, Commit, DecideError, Decision, Fault, Input, Key, KeyAnswer, KeyQuestion,
    Machine as _, MemoryStore, Peer, ReadSet, Rows, StoreError,
};
use std::cell::{Cell, RefCell};
use std::fmt;

/// Where the process stops.
#[derive(Clone, Copy, Debug)]
struct Stop {
    /// Counted from 1; the story has fewer steps than this if it is not to stop.
    step: usize,
    /// Whether the step is still done.
    after: bool,
}

const NEVER: Stop = Stop { step: usize::MAX, after: false };

/// The world around the process: what a stop does not touch.
struct Outside<'a> {
    bank: &'a Bank,
    server: PaymentServer,
    accounting: RefCell<Accounting>,
    /// Drawn anew for each issue, as an integrator would.
    draws: Cell<u8>,
}

impl<'a> Outside<'a> {
    fn new(bank: &'a Bank) -> Self {
        Self {
            bank,
            server: server(Policy::default()),
            accounting: RefCell::new(Accounting::willing()),
            draws: Cell::new(0),
        }
    }
}

/// One life of the process: a store, a link and a key holder that stop together.
struct Life<'a> {
    outside: &'a Outside<'a>,
    rows: &'a MemoryStore,
    stop: Stop,
    steps: Cell<usize>,
    answers: RefCell<Vec<Bytes>>,
}

impl<'a> Life<'a> {
    fn new(outside: &'a Outside<'a>, rows: &'a MemoryStore, stop: Stop) -> Self {
        Self { outside, rows, stop, steps: Cell::new(0), answers: RefCell::default() }
    }

    fn step<T>(&self, act: impl FnOnce() -> T) -> Result<T, Stopped> {
        self.steps.set(self.steps.get() + 1);
        let step = self.steps.get();
        if step > self.stop.step || step == self.stop.step && !self.stop.after {
            return Err(Stopped);
        }
        let done = act();
        if step == self.stop.step { Err(Stopped) } else { Ok(done) }
    }

    fn has_stopped(&self) -> bool {
        self.steps.get() >= self.stop.step
    }

    fn decide<D: Decision<Error = Error>>(&self, mut decision: D) -> Result<D::Verdict, Stopped> {
        match decide(&self, &self, &mut decision) {
            Ok(verdict) => Ok(verdict),
            Err(DecideError::Store(_) | DecideError::Unknown(_) | DecideError::Keys(_)) => {
                Err(Stopped)
            }
            Err(why) => panic!("{why:?}"),
        }
    }

    /// Issue, redeem, debit, refund, credit: every part of it may have been done by an earlier life.
    fn story(&self) -> Result<(), Stopped> {
        let server = &self.outside.server;
        self.outside.draws.set(self.outside.draws.get() + 1);
        let entropy = [self.outside.draws.get(); 32];
        let issue = server.issue(START, &entropy, order("till-1")).unwrap();
        let issued = self.decide(issue)?.verdict.granted().unwrap();
        let holder = &self.outside.bank.devices[0];
        let redeem = server.redeem(START, holder.answer(&issued.code), holder.token);
        let accepted = self.decide(redeem)?.verdict.granted().unwrap();
        self.deliver()?;
        let refund = server.refund(START, issued.uid, accepted.payment, "back-1", cny(345));
        let refunded = self.decide(refund.unwrap())?.verdict.granted().unwrap();
        assert_eq!(refunded.refundable, cny(12_000));
        self.deliver()
    }

    /// Delivers until nothing is owed.
    fn deliver(&self) -> Result<(), Stopped> {
        let mut outbox = Outbox::new(self.outside.server.outbox(), PACE);
        let mut now = START;
        for _ in 0..20 {
            outbox.handle(now, Input::Tick).unwrap();
            self.drain(&mut outbox, now)?;
            let answers: Vec<Bytes> = self.answers.borrow_mut().drain(..).collect();
            for bytes in answers {
                let from = Peer::new("accounting").unwrap();
                outbox.handle(now, Input::Frame { from: &from, bytes: &bytes }).unwrap();
                self.drain(&mut outbox, now)?;
            }
            let prefix = self.outside.server.outbox();
            if !self.rows.snapshot().rows.iter().any(|(key, _)| key.starts_with(&prefix)) {
                return Ok(());
            }
            now = now.plus_ms(PACE.retry_max_ms);
        }
        panic!("what was owed did not get through");
    }

    fn drain(&self, outbox: &mut Outbox, now: port::Time) -> Result<(), Stopped> {
        let drained = drain(outbox, now, &self, &self, &self).unwrap();
        if self.has_stopped() {
            return Err(Stopped);
        }
        for event in drained.events {
            let Event::Answered { key, version, entry, content } = event else { continue };
            let settle = self.outside.server.settle(START, key, version, &entry, &content);
            let settled = self.decide(settle.unwrap())?.verdict;
            assert!(settled.granted().is_some());
            outbox.settled(&entry.idempotency);
        }
        Ok(())
    }
}

impl Store for Life<'_> {
    type Error = Stopped;

    fn read(&self, want: &ReadSet) -> Result<Rows, Stopped> {
        let Ok(rows) = self.step(|| Store::read(self.rows, want))?;
        Ok(rows)
    }

    fn commit(&self, batch: &Batch) -> Result<Commit, Stopped> {
        let Ok(commit) = self.step(|| Store::commit(self.rows, batch))?;
        Ok(commit)
    }
}

impl Keys for Life<'_> {
    type Error = Stopped;

    fn answer(&self, questions: &[KeyQuestion]) -> Result<Vec<KeyAnswer>, Stopped> {
        let Ok(answers) = self.step(|| Keys::answer(&self.outside.bank.keys, questions))?;
        Ok(answers)
    }
}

impl Link for Life<'_> {
    type Error = Stopped;

    /// The accounting system acts before its answer comes; the answer is lost if the process has stopped.
    fn send(&self, _: &Peer, frame: &Bytes) -> Result<(), Stopped> {
        let accounting = &self.outside.accounting;
        let answer = self.step(|| accounting.borrow_mut().on_frame(frame))?;
        self.answers.borrow_mut().push(answer.unwrap());
        Ok(())
    }
}

/// The process is gone.
#[derive(Debug)]
struct Stopped;

impl StoreError for Stopped {
    fn fault(&self) -> Fault {
        Fault::Unknown
    }
}

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the process has stopped")
    }
}

impl std::error::Error for Stopped {}

/// What there is in the end: rows without their versions, and what the accounting system did.
#[derive(Debug, PartialEq)]
struct End {
    rows: Vec<(Key, Bytes)>,
    acts: Vec<(InstructionKind, i64)>,
}

/// Lives one after the other until one gets through; also how many steps the last one took.
fn lives(bank: &Bank, stops: &[Stop]) -> (End, usize) {
    let outside = Outside::new(bank);
    let mut rows = MemoryStore::restore(&bank.start);
    for stop in stops {
        let life = Life::new(&outside, &rows, *stop);
        // A stop beyond the end of the story changes nothing: the next life finds everything done.
        let _ = life.story();
        rows = MemoryStore::restore(&rows.snapshot());
    }
    let life = Life::new(&outside, &rows, NEVER);
    assert!(life.story().is_ok());
    let steps = life.steps.get();
    let accounting = outside.accounting.borrow();
    let acts = accounting.acts.values().map(|act| {
        assert_eq!(act.settlement, Settlement::Done);
        (act.instruction.kind, act.instruction.amount.minor())
    });
    let mut acts: Vec<_> = acts.collect();
    acts.sort_by_key(|(kind, _)| *kind as u8);
    let rows = rows.snapshot().rows.into_iter().map(|(key, row)| (key, row.value)).collect();
    (End { rows, acts }, steps)
}

/// A life that was stopped before its order was durable drew other random values: the story is the same, its order another.
fn named_alike(end: &End, undisturbed: &End) -> bool {
    let shape = |end: &End| -> Vec<_> {
        end.rows.iter().map(|(key, value)| (key.as_bytes()[9], value.len())).collect()
    };
    end.acts == undisturbed.acts && shape(end) == shape(undisturbed)
}

#[test]
fn qd01_a_stop_after_every_step_ends_like_no_stop() {
    let bank = Bank::new();
    let (undisturbed, steps) = lives(&bank, &[]);
    let expected = [(InstructionKind::Debit, 12_345), (InstructionKind::Refund, 345)];
    assert_eq!(undisturbed.acts, expected);
    // Issue takes three steps, redeem three, each delivery four, the refund two.
    assert_eq!(steps, 16);
    let mut same = 0;
    for step in 1..=steps {
        for after in [false, true] {
            let stop = Stop { step, after };
            let (end, _) = lives(&bank, &[stop]);
            assert!(named_alike(&end, &undisturbed), "{stop:?}: {end:?}");
            same += usize::from(end == undisturbed);
        }
    }
    // From the commit of the order on, the third step, everything is the same to the last byte.
    assert_eq!(same, 2 * steps - 5);
}

#[test]
fn qd01_two_stops_anywhere_end_like_no_stop() {
    let bank = Bank::new();
    let (undisturbed, steps) = lives(&bank, &[]);
    for first in 1..=steps {
        for second in 1..=steps {
            let stops = [Stop { step: first, after: true }, Stop { step: second, after: true }];
            let (end, _) = lives(&bank, &stops);
            assert!(named_alike(&end, &undisturbed), "{stops:?}: {end:?}");
        }
    }
}
