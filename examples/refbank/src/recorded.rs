//! A decision of a crate together with the application's own rows: one batch, all or nothing.

use crate::rows;
use interbank::port::{
    Answers, Ask, Batch, Conclusion, Decision, Expect, Key, KeyError, Row, Step,
};
use interbank::seal::{Audit, Audited};
use std::error::Error;
use std::fmt;

/// Adds the audit record of the verdict, and what `also` adds, to the batch that the verdict rests on.
///
/// The record is written unchained under a key of its own, so that requests do not queue for one row; the
/// [`crate::trail::Trail`] takes it into the chain.
pub(crate) struct Recorded<D, F> {
    decision: D,
    mark: [u8; 16],
    also: F,
}

impl<D, F> Recorded<D, F> {
    /// `entropy` names the record: draw it anew for each decision.
    pub(crate) fn new(decision: D, entropy: &[u8; 32], also: F) -> Self {
        let mark = entropy.last_chunk().copied().unwrap_or_default();
        Self { decision, mark, also }
    }

    fn record<E>(&self, audit: &Audit, batch: &mut Batch) -> Result<(), Undecided<E>> {
        let mut bytes = Vec::with_capacity(192);
        audit.encode(&mut bytes).map_err(|_| Undecided::RecordTooLong)?;
        batch.put(rows::waiting_record(audit.at, &self.mark)?, Expect::Any, bytes);
        Ok(())
    }
}

impl<D, F, V> Decision for Recorded<D, F>
where
    D: Decision<Verdict = Audited<V>>,
    F: Fn(&V, &mut Batch) -> Result<(), KeyError>,
{
    type Verdict = V;
    type Error = Undecided<D::Error>;
    const ROUNDS_MAX: usize = D::ROUNDS_MAX;

    fn begin(&mut self) -> Ask {
        self.decision.begin()
    }

    fn step(&mut self, answers: Answers) -> Result<Step<V>, Self::Error> {
        let Conclusion { verdict: Audited { verdict, audit }, mut batch } =
            match self.decision.step(answers).map_err(Undecided::Decision)? {
                Step::Ask(ask) => return Ok(Step::Ask(ask)),
                Step::Done(conclusion) => conclusion,
            };
        self.record(&audit, &mut batch)?;
        (self.also)(&verdict, &mut batch)?;
        Ok(Step::Done(Conclusion { verdict, batch }))
    }

    fn outcome(&self) -> Option<Key> {
        self.decision.outcome()
    }

    fn recall(&mut self, row: &Row) -> Result<Option<V>, Self::Error> {
        let recalled = self.decision.recall(row).map_err(Undecided::Decision)?;
        Ok(recalled.map(|audited| audited.verdict))
    }
}

/// Why nothing was decided.
#[derive(Debug)]
pub(crate) enum Undecided<E> {
    /// The crate's decision could not conclude.
    Decision(E),
    /// A row of the application has no place.
    Key(KeyError),
    /// The audit record is too long to be written.
    RecordTooLong,
}

impl<E> From<KeyError> for Undecided<E> {
    fn from(why: KeyError) -> Self {
        Self::Key(why)
    }
}

impl<E: fmt::Display> fmt::Display for Undecided<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Decision(why) => why.fmt(f),
            Self::Key(why) => why.fmt(f),
            Self::RecordTooLong => f.write_str("the audit record is too long"),
        }
    }
}

impl<E: Error> Error for Undecided<E> {}

/// For decisions without further rows.
pub(crate) fn nothing<V>(_: &V, _: &mut Batch) -> Result<(), KeyError> {
    Ok(())
}
