//! The two loops in the asynchronous colour, and what both colours share.

use crate::{
    Answers, Ask, BatchError, Commit, Committed, Decision, Effect, Fault, Input, KeyAnswer,
    KeyQuestion, Keys, Link, Machine, ReadSet, Step, Store, StoreError, Time,
};
use alloc::vec::Vec;
use core::fmt;

/// A decision that met this many conflicts gives up with [`DecideError::Busy`].
pub const ATTEMPTS_MAX: usize = 64;

/// Commits that are handed to a store at once.
const COMMITS_MAX: usize = 64;

/// Runs a decision: ask, conclude, commit, and only then reveal the verdict.
///
/// The asynchronous colour of [`crate::blocking::decide`]; it needs no runtime of its own and its future is `Send`
/// whenever its parts are. Dropping the future leaves the outcome unknown: ask again with the same request.
///
/// # Errors
/// [`DecideError`] says whose fault it was.
pub async fn decide<D: Decision, S: Store, K: Keys>(
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
                answers.rows = store.read(&ask.rows).await.map_err(DecideError::Store)?;
            }
            if !ask.keys.is_empty() {
                answers.keys = keys.answer(&ask.keys).await.map_err(DecideError::Keys)?;
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
        match store.commit(&conclusion.batch).await {
            Ok(Commit::Applied(_)) => return Ok(conclusion.verdict),
            Ok(Commit::Conflict) => {}
            Err(why) if why.fault() == Fault::Unknown => {
                let Some(key) = decision.outcome() else { return Err(DecideError::Unknown(why)) };
                let Ok(found) = store.read(&ReadSet::points([key])).await else {
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
/// The asynchronous colour of [`crate::blocking::drain`]. Commits that follow one another are handed to the store together.
///
/// # Errors
/// What the machine refused; effects that it still owes come out at the next call.
pub async fn drain<M: Machine, S: Store, L: Link, K: Keys>(
    machine: &mut M,
    now: Time,
    store: &S,
    link: &L,
    keys: &K,
) -> Result<Drained<M::Event, S::Error>, M::Error> {
    let mut drained = Drained::new();
    let mut held = None;
    let mut done = Ok(());
    while done.is_ok() || held.is_some() {
        let Some(effect) = held.take().or_else(|| machine.poll_effect()) else { break };
        let handled = match effect {
            Effect::Ask { ticket, questions } => {
                let answers = keys.answer(&questions).await.ok();
                machine.handle(now, Input::Keys { ticket, answers })
            }
            Effect::Commit { ticket, batch } => {
                let (mut tickets, mut batches) = (alloc::vec![ticket], alloc::vec![batch]);
                while held.is_none() && batches.len() < COMMITS_MAX {
                    match machine.poll_effect() {
                        Some(Effect::Commit { ticket, batch }) => {
                            tickets.push(ticket);
                            batches.push(batch);
                        }
                        Some(other) => held = Some(other),
                        None => break,
                    }
                }
                let mut answers = store.commit_each(&batches).await.into_iter();
                // Each batch has its fate told, also behind one that the machine stumbles over.
                let mut handled = Ok(());
                for ticket in tickets {
                    let fate = match answers.next() {
                        Some(Ok(commit)) => Committed::from(commit),
                        Some(Err(why)) => drained.note_commit(why),
                        None => Committed::Unknown,
                    };
                    handled = handled.and(machine.handle(now, Input::Committed { ticket, fate }));
                }
                handled
            }
            Effect::Read { ticket, want } => {
                let rows = match store.read(&want).await {
                    Ok(rows) => Some(rows),
                    Err(why) => drained.note_read(why),
                };
                machine.handle(now, Input::Rows { ticket, rows })
            }
            Effect::Send { to, frame } => {
                let sent = link.send(&to, &frame).await;
                drained.note_send(sent.is_ok());
                Ok(())
            }
        };
        done = done.and(handled);
    }
    done?;
    while let Some(event) = machine.poll_event() {
        drained.events.push(event);
    }
    Ok(drained)
}

impl Answers {
    /// Whether the answers have the shape of the questions.
    pub fn fit(&self, ask: &Ask) -> bool {
        self.rows.fits(&ask.rows) && fit_keys(&ask.keys, &self.keys)
    }
}

fn fit_keys(questions: &[KeyQuestion], answers: &[KeyAnswer]) -> bool {
    questions.len() == answers.len()
        && questions.iter().zip(answers).all(|pair| match pair {
            (_, KeyAnswer::Refused(_))
            | (KeyQuestion::Sign { .. }, KeyAnswer::Signature(_))
            | (KeyQuestion::Verify { .. }, KeyAnswer::Verified(_))
            | (KeyQuestion::Wrap { .. }, KeyAnswer::Wrapped(_)) => true,
            (KeyQuestion::Mac { algorithm, .. }, KeyAnswer::Mac(tag)) => {
                tag.as_bytes().len() == algorithm.tag_bytes()
            }
            _ => false,
        })
}

impl From<Commit> for Committed {
    fn from(commit: Commit) -> Self {
        match commit {
            Commit::Applied(version) => Self::Applied(version),
            Commit::Conflict => Self::Conflict,
        }
    }
}

/// Why a decision was not concluded, by blame.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DecideError<D, S, K> {
    /// The decision made a batch that no store has to take.
    Batch(BatchError),
    /// Too many conflicts in a row; try again later.
    Busy,
    /// The decision cannot conclude from what it was told.
    Decision(D),
    /// The key holder failed; nothing was written.
    Keys(K),
    /// The store or the key holder gave an answer that does not fit its question.
    Misfit,
    /// The decision asked more often than it may.
    Rounds,
    /// The store failed; nothing was written.
    Store(S),
    /// The store failed and the fate of the batch is not known; ask again with the same request.
    Unknown(S),
}

impl<D, S, K> DecideError<D, S, K> {
    /// Stable number, 100 to 107.
    pub const fn code(&self) -> u32 {
        match self {
            Self::Batch(_) => 100,
            Self::Busy => 101,
            Self::Decision(_) => 102,
            Self::Keys(_) => 103,
            Self::Misfit => 104,
            Self::Rounds => 105,
            Self::Store(_) => 106,
            Self::Unknown(_) => 107,
        }
    }
}

impl<D, S, K> fmt::Display for DecideError<D, S, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Batch(_) => "the decision made a batch that no store has to take",
            Self::Busy => "too many conflicts in a row; try again later",
            Self::Decision(_) => "the decision could not conclude",
            Self::Keys(_) => "the key holder failed; nothing was written",
            Self::Misfit => "an answer does not fit its question",
            Self::Rounds => "the decision asked too often",
            Self::Store(_) => "the store failed; nothing was written",
            Self::Unknown(_) => "the store failed; ask again with the same request",
        })
    }
}

impl<D, S, K> core::error::Error for DecideError<D, S, K>
where
    D: core::error::Error + 'static,
    S: core::error::Error + 'static,
    K: core::error::Error + 'static,
{
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Batch(why) => Some(why),
            Self::Decision(why) => Some(why),
            Self::Keys(why) => Some(why),
            Self::Store(why) | Self::Unknown(why) => Some(why),
            Self::Busy | Self::Misfit | Self::Rounds => None,
        }
    }
}

/// What came of draining a machine.
#[derive(Debug)]
#[must_use]
pub struct Drained<E, S> {
    /// What the machine told, in order.
    pub events: Vec<E>,
    /// Frames that the link did not take; the machines send again by themselves.
    pub sends_failed: usize,
    /// The first failure of the store.
    pub store_failure: Option<S>,
}

impl<E, S: StoreError> Drained<E, S> {
    pub(crate) const fn new() -> Self {
        Self { events: Vec::new(), sends_failed: 0, store_failure: None }
    }

    pub(crate) fn note_commit(&mut self, why: S) -> Committed {
        let fate = match why.fault() {
            Fault::NotApplied | Fault::TooLarge => Committed::Conflict,
            Fault::Corrupt | Fault::Unknown => Committed::Unknown,
        };
        self.store_failure.get_or_insert(why);
        fate
    }

    pub(crate) fn note_read<T>(&mut self, why: S) -> Option<T> {
        self.store_failure.get_or_insert(why);
        None
    }

    pub(crate) fn note_send(&mut self, sent: bool) {
        self.sends_failed += usize::from(!sent);
    }
}
