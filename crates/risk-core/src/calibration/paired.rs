//! Is one score better than another on the same cases, or was it luck?

use super::{CASES_MAX, CalibrationError, Interval, Sweep};
use alloc::vec::Vec;

/// Two scores on the same cases, compared by resampling with a seed (percentile bootstrap).
///
/// Cases of one cluster (the payments of one person, the windows of one trip) are not independent: whole clusters are
/// drawn, so that the interval is not too narrow.
///
/// ```
/// use interbank_risk_core::calibration::{Measure, Paired, Trial};
/// let trials: Vec<Trial> = (0..200_u32)
///     .map(|n| Trial {
///         first: i64::from(n % 7),             // knows nothing
///         second: i64::from(n % 2) * 10 + 1,   // knows the truth
///         positive: n % 2 == 1,
///         cluster: n,
///     })
///     .collect();
/// let gain = Paired::new(&trials)?.difference(Measure::Area, 1, 1_000)?;
/// assert!(gain.excludes_zero() && gain.estimate_bp > 4_000);
/// # Ok::<(), interbank_risk_core::calibration::CalibrationError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Paired {
    first: Vec<Ranked>,
    second: Vec<Ranked>,
    clusters: u32,
}

impl Paired {
    /// From cases in any order.
    ///
    /// # Errors
    /// [`CalibrationError::OneClass`], [`CalibrationError::TooManyCases`].
    pub fn new(trials: &[Trial]) -> Result<Self, CalibrationError> {
        if trials.len() > CASES_MAX {
            return Err(CalibrationError::TooManyCases);
        }
        let positives = trials.iter().filter(|trial| trial.positive).count();
        if positives == 0 || positives == trials.len() {
            return Err(CalibrationError::OneClass);
        }
        let mut names: Vec<u32> = trials.iter().map(|trial| trial.cluster).collect();
        names.sort_unstable();
        names.dedup();
        let ranked = |score: fn(&Trial) -> i64| {
            let mut ranked: Vec<Ranked> = trials
                .iter()
                .map(|trial| Ranked {
                    score: score(trial),
                    positive: trial.positive,
                    // the name is there, since it was taken from these trials
                    cluster: names.binary_search(&trial.cluster).unwrap_or(0),
                })
                .collect();
            ranked.sort_unstable_by_key(|case| core::cmp::Reverse(case.score));
            ranked
        };
        Ok(Self {
            first: ranked(|trial| trial.first),
            second: ranked(|trial| trial.second),
            clusters: u32::try_from(names.len()).unwrap_or(u32::MAX),
        })
    }

    /// By how much the measure of the second score exceeds that of the first.
    ///
    /// The same seed gives the same interval. Draws in which one class is missing are passed over.
    ///
    /// # Errors
    /// [`CalibrationError::Resamples`] unless 100 to 100,000.
    pub fn difference(
        &self,
        measure: Measure,
        seed: u64,
        resamples: usize,
    ) -> Result<Interval, CalibrationError> {
        if !(100..=100_000).contains(&resamples) {
            return Err(CalibrationError::Resamples);
        }
        let clusters = self.clusters as usize;
        let mut weights = alloc::vec![1_u32; clusters];
        let estimate_bp = self.difference_once(measure, &weights).unwrap_or(0);
        let mut draws = Draws(seed);
        let mut differences = Vec::with_capacity(resamples);
        for _ in 0..resamples {
            weights.fill(0);
            for _ in 0..clusters {
                weights[draws.below(self.clusters)] += 1;
            }
            differences.extend(self.difference_once(measure, &weights));
        }
        differences.sort_unstable();
        let tail = differences.len() / 40;
        let at = |at: usize| differences.get(at).copied().unwrap_or(estimate_bp);
        Ok(Interval {
            estimate_bp,
            low_bp: at(tail),
            high_bp: at((differences.len() - tail).saturating_sub(1)),
        })
    }

    fn difference_once(&self, measure: Measure, weights: &[u32]) -> Option<i32> {
        Some(measured(&self.second, measure, weights)? - measured(&self.first, measure, weights)?)
    }
}

/// One case, scored twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trial {
    /// What the first score says; higher speaks for the positive class.
    pub first: i64,
    /// What the second score says.
    pub second: i64,
    /// The truth.
    pub positive: bool,
    /// What it belongs to; a number of its own where it belongs to nothing.
    pub cluster: u32,
}

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// The area under the curve: more is better.
    Area,
    /// The equal error rate: less is better.
    EqualErrorRate,
}

#[derive(Clone, Copy, Debug)]
struct Ranked {
    score: i64,
    positive: bool,
    cluster: usize,
}

/// SplitMix64, which is enough to spread draws.
struct Draws(u64);

impl Draws {
    fn below(&mut self, bound: u32) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        bits ^= bits >> 31;
        // the high half of a product with 32 bits is below 32 bits
        (((bits >> 32) * u64::from(bound)) >> 32) as usize
    }
}

/// In basis points; `None` if the weights leave only one class.
fn measured(ranked: &[Ranked], measure: Measure, weights: &[u32]) -> Option<i32> {
    let weight = |case: &Ranked| u64::from(weights[case.cluster]);
    let of = |cases: &[Ranked]| {
        cases.iter().fold((0, 0), |(positives, negatives), case| match case.positive {
            true => (positives + weight(case), negatives),
            false => (positives, negatives + weight(case)),
        })
    };
    let (positives, negatives) = of(ranked);
    if positives == 0 || negatives == 0 {
        return None;
    }
    let mut sweep = Sweep::new(positives, negatives);
    for tied in ranked.chunk_by(|a, b| a.score == b.score) {
        let (positives, negatives) = of(tied);
        sweep.step(positives, negatives);
    }
    let share = match measure {
        Measure::Area => sweep.area(),
        Measure::EqualErrorRate => sweep.equal_error_rate(),
    };
    Some(i32::from(share.as_u16()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calibration::Roc;
    use proptest::prelude::*;

    fn trials() -> impl Strategy<Value = Vec<Trial>> {
        let trial = (-20..20_i64, -20..20_i64, any::<bool>(), 0..9_u32).prop_map(
            |(first, second, positive, cluster)| Trial { first, second, positive, cluster },
        );
        prop::collection::vec(trial, 2..60).prop_filter("both classes", |t| {
            t.iter().any(|t| t.positive) && t.iter().any(|t| !t.positive)
        })
    }

    proptest! {
        #[test]
        fn the_estimate_is_the_difference_of_the_curves(trials in trials()) {
            let scores = |positive: bool, score: fn(&Trial) -> i64| -> Vec<i64> {
                trials.iter().filter(|t| t.positive == positive).map(score).collect()
            };
            let roc = |score| Roc::new(&scores(true, score), &scores(false, score)).unwrap();
            let (first, second) = (roc(|t| t.first), roc(|t| t.second));
            let paired = Paired::new(&trials).unwrap();
            let area = paired.difference(Measure::Area, 7, 100).unwrap();
            prop_assert_eq!(
                area.estimate_bp,
                i32::from(second.area().as_u16()) - i32::from(first.area().as_u16())
            );
            let eer = paired.difference(Measure::EqualErrorRate, 7, 100).unwrap();
            prop_assert_eq!(
                eer.estimate_bp,
                i32::from(second.equal_error_rate().as_u16()) - i32::from(first.equal_error_rate().as_u16())
            );
            prop_assert!(area.low_bp <= area.high_bp && eer.low_bp <= eer.high_bp);
            prop_assert_eq!(area, paired.difference(Measure::Area, 7, 100).unwrap());
        }
    }

    /// Two scores of the same quality: true for 95 of 100 worlds, the interval holds zero.
    #[test]
    fn the_interval_covers_as_often_as_it_says() {
        let mut draws = Draws(42);
        let covered = (0..200)
            .filter(|seed| {
                let trials: Vec<Trial> = (0..120)
                    .map(|n| {
                        let positive = n % 2 == 0;
                        let mut score = || {
                            let noise = (0..4).map(|_| draws.below(100)).sum::<usize>();
                            i64::try_from(noise).unwrap() + i64::from(positive) * 60
                        };
                        Trial { first: score(), second: score(), positive, cluster: n }
                    })
                    .collect();
                let paired = Paired::new(&trials).unwrap();
                !paired.difference(Measure::Area, *seed, 200).unwrap().excludes_zero()
            })
            .count();
        assert!((178..=199).contains(&covered), "{covered} of 200");
    }

    #[test]
    fn clusters_widen_the_interval() {
        // forty people, each repeated ten times: no more is known than from forty cases
        let trials = |cluster: fn(u32) -> u32| -> Vec<Trial> {
            (0..400)
                .map(|n| {
                    let person = i64::from(n / 10);
                    let positive = person % 2 == 0;
                    let score = |factor: i64| (person * factor) % 41 + i64::from(positive) * 9;
                    Trial { first: score(17), second: score(23), positive, cluster: cluster(n) }
                })
                .collect()
        };
        let width = |trials: &[Trial]| {
            let interval =
                Paired::new(trials).unwrap().difference(Measure::Area, 3, 1_000).unwrap();
            interval.high_bp - interval.low_bp
        };
        let (naive, honest) = (width(&trials(|n| n)), width(&trials(|n| n / 10)));
        assert!(honest > 2 * naive, "{honest} {naive}");
    }

    #[test]
    fn what_cannot_be_compared_is_refused() {
        let trial = Trial { first: 1, second: 2, positive: true, cluster: 0 };
        assert_eq!(Paired::new(&[trial]).err(), Some(CalibrationError::OneClass));
        let paired = Paired::new(&[trial, Trial { positive: false, ..trial }]).unwrap();
        for resamples in [99, 100_001] {
            let refused = paired.difference(Measure::Area, 1, resamples);
            assert_eq!(refused, Err(CalibrationError::Resamples));
        }
    }
}
