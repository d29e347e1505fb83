//! Everything that an evaluation rested on, so that it can be explained, stored and made again.

use super::{Outcome, Rejection, RiskLevel, Rules, StrategySet, Stretch};
use crate::Judge;
use alloc::borrow::Cow;
use alloc::vec::Vec;
use port::WireError;
use port::wire::{Reader, Writer};

/// An evaluation with all that it was made from. [`Trace::recompute`] makes it again, and nothing else is needed for that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace<'a> {
    rules: Rules,
    stretch: Cow<'a, Stretch>,
    sets: Cow<'a, [StrategySet]>,
    outcome: Outcome,
}

impl Rules {
    /// As [`Rules::evaluate`], with the trace.
    pub fn trace<'a>(&self, stretch: &'a Stretch, sets: &'a [StrategySet]) -> Trace<'a> {
        let outcome = self.evaluate(stretch, sets);
        Trace { rules: *self, stretch: Cow::Borrowed(stretch), sets: Cow::Borrowed(sets), outcome }
    }
}

impl Trace<'_> {
    /// What was decided.
    pub const fn outcome(&self) -> &Outcome {
        &self.outcome
    }

    /// By which rules.
    pub const fn rules(&self) -> &Rules {
        &self.rules
    }

    /// What the vehicle showed.
    pub fn stretch(&self) -> &Stretch {
        &self.stretch
    }

    /// What was known of its drivers.
    pub fn sets(&self) -> &[StrategySet] {
        &self.sets
    }

    /// Evaluates once more, from the trace alone. Anything else than [`Trace::outcome`] means that the trace was changed, or
    /// made by a version that decides differently.
    pub fn recompute(&self) -> Outcome {
        self.rules.evaluate(&self.stretch, &self.sets)
    }

    /// The stored form, specified in `docs/spec/risk-core-driving.md`.
    pub fn encode(&self, to: &mut Vec<u8>) {
        let mut writer = Writer::new(to, 1);
        self.rules.write(&mut writer);
        self.stretch.write(&mut writer);
        // at most 4
        writer.u8(u8::try_from(self.sets.len()).unwrap_or(u8::MAX));
        self.sets.iter().for_each(|set| set.write(&mut writer));
        self.outcome.write(&mut writer);
    }

    /// Reads the stored form.
    ///
    /// # Errors
    /// [`WireError`].
    pub fn parse(bytes: &[u8]) -> Result<Trace<'static>, WireError> {
        let mut reader = Reader::new(bytes);
        reader.version(1)?;
        let rules = Rules::read(&mut reader)?;
        let stretch = Cow::Owned(Stretch::read(&mut reader)?);
        let sets = (0..reader.u8()?)
            .map(|_| StrategySet::read(&mut reader))
            .collect::<Result<Vec<_>, _>>()?;
        let outcome = Outcome::read(&mut reader)?;
        reader.finish()?;
        Ok(Trace { rules, stretch, sets: Cow::Owned(sets), outcome })
    }
}

/// Rules judge recorded evaluations anew: so a draft can be put beside the live rules ([`Shadow`](crate::shadow::Shadow)) or
/// tried over a history of traces ([`backtest`](crate::backtest)). The strategies are those of the trace.
impl Judge for Rules {
    type Case = Trace<'static>;
    type Outcome = Result<RiskLevel, Rejection>;

    fn judge(&self, case: &Trace<'static>) -> Self::Outcome {
        match self.evaluate(&case.stretch, &case.sets) {
            Outcome::Evaluated(evaluation) => Ok(evaluation.level),
            Outcome::Rejected(why) => Err(why),
        }
    }
}
