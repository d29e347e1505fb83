//! A decision of a crate together with the application's own rows: one batch, all or nothing.

use crate::rows;
use interbank::port::{
    Answers, Ask, Batch, Conclusion, Decision, Expect, Key, KeyError, Row, Step,
};
use interbank::qrpay::{Error, Misuse, Verdict};
use interbank::seal::{Audit, Audited};

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

    fn record(&self, audit: &Audit, batch: &mut Batch) -> Result<(), Error> {
        let mut bytes = Vec::with_capacity(192);
        audit.encode(&mut bytes).map_err(|_| Misuse::TooLong)?;
        batch.put(rows::waiting_record(audit.at, &self.mark)?, Expect::Any, bytes);
        Ok(())
    }
}

impl<D, F, T> Decision for Recorded<D, F>
where
    D: Decision<Verdict = Audited<Verdict<T>>, Error = Error>,
    F: Fn(&Verdict<T>, &mut Batch) -> Result<(), KeyError>,
{
    type Verdict = Verdict<T>;
    type Error = Error;
    const ROUNDS_MAX: usize = D::ROUNDS_MAX;

    fn begin(&mut self) -> Ask {
        self.decision.begin()
    }

    fn step(&mut self, answers: Answers) -> Result<Step<Self::Verdict>, Error> {
        let Conclusion { verdict: Audited { verdict, audit }, mut batch } =
            match self.decision.step(answers)? {
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

    fn recall(&mut self, row: &Row) -> Result<Option<Self::Verdict>, Error> {
        Ok(self.decision.recall(row)?.map(|audited| audited.verdict))
    }
}

/// For decisions without further rows.
pub(crate) fn nothing<T>(_: &Verdict<T>, _: &mut Batch) -> Result<(), KeyError> {
    Ok(())
}
