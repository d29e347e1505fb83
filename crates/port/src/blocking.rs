//! The blocking colour: the same traits and loops without futures.

use crate::{Answers, drive::ATTEMPTS_MAX};
use crate::{
    Batch, Commit, Committed, DecideError, Decision, Drained, Effect, Fault, Input, KeyAnswer,
    KeyQuestion, Machine, Peer, ReadSet, Rows, Step, StoreError, Time,
};
use alloc::sync::Arc;
use alloc::vec::Vec;
use bytes::Bytes;

/// [`crate::Store`], blocking; the contract is the same.
pub trait Store {
    /// What went wrong, with the fault it amounts to.
    type Error: StoreError;

    /// Answers all of `want` from one consistent view.
    ///
    /// # Errors
    /// Where no answer is known.
    fn read(&self, want: &ReadSet) -> Result<Rows, Self::Error>;

    /// Applies all of `batch` durably, or nothing.
    ///
    /// # Errors
    /// With [`Fault::Unknown`] it may have been applied; with the other faults it was not.
    fn commit(&self, batch: &Batch) -> Result<Commit, Self::Error>;
}

/// [`crate::Link`], blocking; the contract is the same.
pub trait Link {
    /// What went wrong.
    type Error: core::error::Error + Send + Sync + 'static;

    /// Hands one frame on.
    ///
    /// # Errors
    /// The frame may or may not have left.
    fn send(&self, to: &Peer, frame: &Bytes) -> Result<(), Self::Error>;
}

/// [`crate::Keys`], blocking; the contract is the same.
pub trait Keys {
    /// What went wrong.
    type Error: core::error::Error + Send + Sync + 'static;

    /// Answers every question, in order.
    ///
    /// # Errors
    /// Where no answer is known.
    fn answer(&self, questions: &[KeyQuestion]) -> Result<Vec<KeyAnswer>, Self::Error>;
}

/// Runs a decision: ask, conclude, commit, and only then reveal the verdict.
///
/// On a conflict it begins again on fresh rows, at most [`ATTEMPTS_MAX`] times. After a commit of unknown fate it never
/// repeats the batch: it reads the outcome row, and begins again only if that row is absent; the two batches then exclude
/// each other.
///
/// # Errors
/// [`DecideError`] says whose fault it was. After [`DecideError::Unknown`] ask again with the same request.
#[allow(
    clippy::type_complexity,
    reason = "the error names its three sources; an alias would hide them"
)]
pub fn decide<D: Decision, S: Store, K: Keys>(
    store: &S,
    keys: &K,
    decision: &mut D,
) -> Result<D::Verdict, DecideError<D::Error, S::Error, K::Error>> {
    for _ in 0..ATTEMPTS_MAX {
        let mut ask = decision.begin();
        let mut rounds = 0;
        let conclusion = loop {
            if rounds == D::ROUNDS_MAX {
                return Err(DecideError::Rounds);
            }
            rounds += 1;
            let mut answers = Answers::default();
            if !ask.rows.is_empty() {
                answers.rows = store.read(&ask.rows).map_err(DecideError::Store)?;
            }
            if !ask.keys.is_empty() {
                answers.keys = keys.answer(&ask.keys).map_err(DecideError::Keys)?;
            }
            if !answers.fit(&ask) {
                return Err(DecideError::Misfit);
            }
            // Conclusions are large: taken out of the result once.
            match decision.step(answers) {
                Ok(Step::Done(conclusion)) => break conclusion,
                Ok(Step::Ask(next)) => ask = next,
                Err(why) => return Err(DecideError::Decision(why)),
            }
        };
        if conclusion.batch.is_empty() {
            return Ok(conclusion.verdict);
        }
        conclusion.batch.check().map_err(DecideError::Batch)?;
        match store.commit(&conclusion.batch) {
            Ok(Commit::Applied(_)) => return Ok(conclusion.verdict),
            Ok(Commit::Conflict) => {}
            Err(why) if why.fault() == Fault::Unknown => {
                let Some(key) = decision.outcome() else { return Err(DecideError::Unknown(why)) };
                let Ok(found) = store.read(&ReadSet::points([key])) else {
                    return Err(DecideError::Unknown(why));
                };
                if let Some(Some(row)) = found.points.first()
                    && let Some(verdict) = decision.recall(row).map_err(DecideError::Decision)?
                {
                    return Ok(verdict);
                }
            }
            Err(why) => return Err(DecideError::Store(why)),
        }
    }
    Err(DecideError::Busy)
}

/// Carries a machine's effects to the world until none is left, and collects its events.
///
/// A failing store or link does not end it: the machine is told, and the first failure is in [`Drained`].
///
/// # Errors
/// What the machine refused; effects that it still owes come out at the next call.
pub fn drain<M: Machine, S: Store, L: Link, K: Keys>(
    machine: &mut M,
    now: Time,
    store: &S,
    link: &L,
    keys: &K,
) -> Result<Drained<M::Event, S::Error>, M::Error> {
    let mut drained = Drained::new();
    while let Some(effect) = machine.poll_effect() {
        match effect {
            Effect::Ask { ticket, questions } => {
                let answers = keys.answer(&questions).ok();
                machine.handle(now, Input::Keys { ticket, answers })?;
            }
            Effect::Commit { ticket, batch } => {
                let fate = match store.commit(&batch) {
                    Ok(commit) => Committed::from(commit),
                    Err(why) => drained.note_commit(why),
                };
                machine.handle(now, Input::Committed { ticket, fate })?;
            }
            Effect::Read { ticket, want } => {
                let rows = match store.read(&want) {
                    Ok(rows) => Some(rows),
                    Err(why) => drained.note_read(why),
                };
                machine.handle(now, Input::Rows { ticket, rows })?;
            }
            Effect::Send { to, frame } => {
                let sent = link.send(&to, &frame);
                drained.note_send(sent.is_ok());
            }
        }
    }
    while let Some(event) = machine.poll_event() {
        drained.events.push(event);
    }
    Ok(drained)
}

impl<S: Store + ?Sized> Store for &S {
    type Error = S::Error;

    fn read(&self, want: &ReadSet) -> Result<Rows, Self::Error> {
        S::read(self, want)
    }

    fn commit(&self, batch: &Batch) -> Result<Commit, Self::Error> {
        S::commit(self, batch)
    }
}

impl<S: Store + ?Sized> Store for Arc<S> {
    type Error = S::Error;

    fn read(&self, want: &ReadSet) -> Result<Rows, Self::Error> {
        S::read(self, want)
    }

    fn commit(&self, batch: &Batch) -> Result<Commit, Self::Error> {
        S::commit(self, batch)
    }
}

impl<K: Keys + ?Sized> Keys for &K {
    type Error = K::Error;

    fn answer(&self, questions: &[KeyQuestion]) -> Result<Vec<KeyAnswer>, Self::Error> {
        K::answer(self, questions)
    }
}

impl<L: Link + ?Sized> Link for &L {
    type Error = L::Error;

    fn send(&self, to: &Peer, frame: &Bytes) -> Result<(), Self::Error> {
        L::send(self, to, frame)
    }
}

/// A blocking store, link or key holder that never waits, lent to asynchronous code.
///
/// Only for implementations that return at once, such as the in-memory store and keys in software: anything that waits for
/// a disk or a network would hold up the executor's thread.
#[derive(Clone, Copy, Debug)]
pub struct Immediate<T>(pub T);

impl<S: Store + Sync> crate::Store for Immediate<S> {
    type Error = S::Error;

    async fn read(&self, want: &ReadSet) -> Result<Rows, Self::Error> {
        self.0.read(want)
    }

    async fn commit(&self, batch: &Batch) -> Result<Commit, Self::Error> {
        self.0.commit(batch)
    }
}

impl<L: Link + Sync> crate::Link for Immediate<L> {
    type Error = L::Error;

    async fn send(&self, to: &Peer, frame: &Bytes) -> Result<(), Self::Error> {
        self.0.send(to, frame)
    }
}

impl<K: Keys + Sync> crate::Keys for Immediate<K> {
    type Error = K::Error;

    async fn answer(&self, questions: &[KeyQuestion]) -> Result<Vec<KeyAnswer>, Self::Error> {
        self.0.answer(questions)
    }
}
