//! Decisions: pure steps that ask, and conclude with a verdict and a batch.

use crate::{Batch, Key, KeyAnswer, KeyQuestion, ReadSet, Row, Rows};
use alloc::vec::Vec;

/// Something to be decided in a few rounds of questions.
///
/// A decision never reads or writes: it says what it wants to know and what should be written. Whoever drives it
/// ([`crate::decide`], [`crate::blocking::decide`], or your own code) answers, commits the batch, and only then reveals the
/// verdict.
///
/// # Contract
///
/// - [`begin`](Self::begin) forgets all earlier answers: after a [`crate::Commit::Conflict`] the driver begins again on
///   fresh rows. A decision that was begun again draws no new entropy and no new time.
/// - [`step`](Self::step) takes the answers to the last question, at most [`ROUNDS_MAX`](Self::ROUNDS_MAX) times.
/// - Every row that the verdict rests on is required at its version in the batch; a decision that leaves one out says why.
/// - A refusal is a verdict. An error means that the decision cannot conclude at all.
/// - [`outcome`](Self::outcome) names the row that tells, after a commit of unknown fate, whether this very request was
///   decided; [`recall`](Self::recall) turns that row back into the verdict. A batch of such a decision either writes that
///   row requiring its absence, or promises nothing to anybody.
pub trait Decision {
    /// What is decided.
    type Verdict;

    /// Why it could not be.
    type Error: core::error::Error + Send + Sync + 'static;

    /// A decision asks at most this often.
    const ROUNDS_MAX: usize = 3;

    /// The first question.
    fn begin(&mut self) -> Ask;

    /// The next question, or the end.
    ///
    /// # Errors
    /// What the decision cannot conclude from: corrupt rows, answers of the wrong shape, a refusing key holder.
    fn step(&mut self, answers: Answers) -> Result<Step<Self::Verdict>, Self::Error>;

    /// The row that tells whether this request was decided already, for decisions that leave one.
    fn outcome(&self) -> Option<Key> {
        None
    }

    /// The verdict that the outcome row records, or `None` if that row is about another request.
    ///
    /// # Errors
    /// A row that cannot be read.
    fn recall(&mut self, row: &Row) -> Result<Option<Self::Verdict>, Self::Error> {
        let _ = row;
        Ok(None)
    }
}

impl<D: Decision> Decision for &mut D {
    type Verdict = D::Verdict;
    type Error = D::Error;
    const ROUNDS_MAX: usize = D::ROUNDS_MAX;

    fn begin(&mut self) -> Ask {
        D::begin(self)
    }

    fn step(&mut self, answers: Answers) -> Result<Step<Self::Verdict>, Self::Error> {
        D::step(self, answers)
    }

    fn outcome(&self) -> Option<Key> {
        D::outcome(self)
    }

    fn recall(&mut self, row: &Row) -> Result<Option<Self::Verdict>, Self::Error> {
        D::recall(self, row)
    }
}

/// Questions of one round.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ask {
    /// To the store.
    pub rows: ReadSet,
    /// To the holder of keys.
    pub keys: Vec<KeyQuestion>,
}

impl Ask {
    /// Rows only.
    pub const fn rows(rows: ReadSet) -> Self {
        Self { rows, keys: Vec::new() }
    }

    /// Keys only.
    pub const fn keys(keys: Vec<KeyQuestion>) -> Self {
        Self { rows: ReadSet::new(), keys }
    }
}

/// Answers to one [`Ask`], aligned with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answers {
    /// From the store.
    pub rows: Rows,
    /// From the holder of keys.
    pub keys: Vec<KeyAnswer>,
}

/// Where a decision stands.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Step<V> {
    /// It has to know more.
    Ask(Ask),
    /// It is decided, if the batch applies.
    Done(Conclusion<V>),
}

/// A verdict and the batch that it rests on. Nobody may learn the verdict before the batch is durable.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Conclusion<V> {
    /// What is decided.
    pub verdict: V,
    /// What has to be durable first; may be empty.
    pub batch: Batch,
}
