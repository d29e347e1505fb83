//! How good is a score? Curves, error rates, thresholds and honest differences, in integers.
//!
//! Scores are `i64`, and a higher score speaks for the *positive* class: the genuine person, the usual place, the owner at
//! the wheel. Everything is exact on the given cases (ties count half), and comes out the same on every platform.

mod interval;
mod paired;
mod reliability;
mod roc;

pub use interval::{Interval, proportion};
pub use paired::{Measure, Paired, Trial};
pub use reliability::{Bin, Reliability};
pub use roc::{Point, Roc};

use crate::BasisPoints;
use core::fmt;

/// Why nothing can be measured on these cases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CalibrationError {
    /// One of the two classes has no case.
    OneClass,
    /// More cases than [`CASES_MAX`].
    TooManyCases,
    /// No bins, or more than 100.
    Bins,
    /// Two accumulators with different bins.
    Unlike,
    /// Fewer than 100 resamples, or more than 100,000.
    Resamples,
}

impl CalibrationError {
    /// Stable number, 3700 to 3704.
    pub const fn code(self) -> u32 {
        match self {
            Self::OneClass => 3700,
            Self::TooManyCases => 3701,
            Self::Bins => 3702,
            Self::Unlike => 3703,
            Self::Resamples => 3704,
        }
    }
}

impl fmt::Display for CalibrationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OneClass => "both classes need at least one case",
            Self::TooManyCases => "more than 16777216 cases",
            Self::Bins => "bins are 1 to 100",
            Self::Unlike => "accumulators of different bins do not merge",
            Self::Resamples => "resamples are 100 to 100000",
        })
    }
}

impl core::error::Error for CalibrationError {}

/// The most cases of one class: 2²⁴. Up to there every product below fits 128 bits.
pub const CASES_MAX: usize = 1 << 24;

/// One pass down the scores, from the highest: the area under the curve and the point of equal errors.
#[derive(Clone, Copy, Debug)]
struct Sweep {
    positives: u64,
    negatives: u64,
    true_accepts: u64,
    false_accepts: u64,
    /// Twice the pairs in which the positive case has the higher score; ties count one.
    twice_won: u128,
    equal_error: Option<(u128, u128)>,
}

impl Sweep {
    const fn new(positives: u64, negatives: u64) -> Self {
        Self {
            positives,
            negatives,
            true_accepts: 0,
            false_accepts: 0,
            twice_won: 0,
            equal_error: None,
        }
    }

    /// The cases of the next lower score.
    fn step(&mut self, positives: u64, negatives: u64) {
        let before = self.errors();
        let pairs = |a: u64, b: u64| u128::from(a) * u128::from(b);
        self.twice_won += 2 * pairs(self.true_accepts, negatives) + pairs(positives, negatives);
        self.true_accepts += positives;
        self.false_accepts += negatives;
        let after = self.errors();
        if self.equal_error.is_none() && after.0 >= after.1 {
            // the straight line between the two points meets the diagonal of equal errors
            let (gap_before, gap_after) = (before.1 - before.0, after.0 - after.1);
            let way = gap_before + gap_after;
            let met = before.0 * way + gap_before * (after.0 - before.0);
            self.equal_error = Some((met, self.pairs() * way));
        }
    }

    /// False accepts and false rejects, both over `positives × negatives`.
    fn errors(&self) -> (u128, u128) {
        let rejected = self.positives - self.true_accepts;
        (
            u128::from(self.false_accepts) * u128::from(self.positives),
            u128::from(rejected) * u128::from(self.negatives),
        )
    }

    fn pairs(&self) -> u128 {
        u128::from(self.positives) * u128::from(self.negatives)
    }

    fn area(&self) -> BasisPoints {
        share(self.twice_won, 2 * self.pairs())
    }

    fn equal_error_rate(&self) -> BasisPoints {
        self.equal_error.map_or(BasisPoints::ONE, |(met, of)| share(met, of))
    }
}

/// `part` of `whole`, rounded to the nearest, halves upwards; both below 2¹¹².
fn share(part: u128, whole: u128) -> BasisPoints {
    if part >= whole {
        return if whole == 0 { BasisPoints::ZERO } else { BasisPoints::ONE };
    }
    let rounded = (part * 20_000 + whole) / (2 * whole);
    u16::try_from(rounded).ok().and_then(|bp| BasisPoints::new(bp).ok()).unwrap_or(BasisPoints::ONE)
}
