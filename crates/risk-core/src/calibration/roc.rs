//! The receiver operating characteristic: what each threshold would have accepted.

use super::{CASES_MAX, CalibrationError, Sweep};
use crate::BasisPoints;
use alloc::vec::Vec;

/// What each threshold accepts of either class.
///
/// ```
/// use interbank_risk_core::calibration::Roc;
/// let roc = Roc::new(&[9, 8, 7, 3], &[6, 5, 3, 1])?;
/// assert_eq!(roc.area().as_u16(), 8_438); // 13½ of 16 pairs
/// assert_eq!(roc.equal_error_rate().as_u16(), 2_500);
/// # Ok::<(), interbank_risk_core::calibration::CalibrationError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Roc {
    points: Vec<Point>,
    positives: u64,
    negatives: u64,
    area: BasisPoints,
    equal_error_rate: BasisPoints,
}

impl Roc {
    /// From the scores of either class, in any order.
    ///
    /// # Errors
    /// [`CalibrationError::OneClass`], [`CalibrationError::TooManyCases`].
    pub fn new(positives: &[i64], negatives: &[i64]) -> Result<Self, CalibrationError> {
        if positives.is_empty() || negatives.is_empty() {
            return Err(CalibrationError::OneClass);
        }
        if positives.len() > CASES_MAX || negatives.len() > CASES_MAX {
            return Err(CalibrationError::TooManyCases);
        }
        let mut cases: Vec<(i64, bool)> = Vec::with_capacity(positives.len() + negatives.len());
        cases.extend(positives.iter().map(|score| (*score, true)));
        cases.extend(negatives.iter().map(|score| (*score, false)));
        cases.sort_unstable_by_key(|(score, _)| core::cmp::Reverse(*score));

        let count = |cases: &[i64]| cases.len() as u64;
        let mut sweep = Sweep::new(count(positives), count(negatives));
        let mut points = alloc::vec![Point { threshold: None, true_accepts: 0, false_accepts: 0 }];
        for tied in cases.chunk_by(|a, b| a.0 == b.0) {
            let genuine = tied.iter().filter(|(_, positive)| *positive).count();
            sweep.step(genuine as u64, (tied.len() - genuine) as u64);
            points.push(Point {
                threshold: tied.first().map(|(score, _)| *score),
                true_accepts: sweep.true_accepts,
                false_accepts: sweep.false_accepts,
            });
        }
        Ok(Self {
            points,
            positives: sweep.positives,
            negatives: sweep.negatives,
            area: sweep.area(),
            equal_error_rate: sweep.equal_error_rate(),
        })
    }

    /// The area under the curve: the share of pairs in which the positive case has the higher score, ties counted half.
    pub const fn area(&self) -> BasisPoints {
        self.area
    }

    /// Where false accepts and false rejects are equally frequent, on the straight lines between the points.
    pub const fn equal_error_rate(&self) -> BasisPoints {
        self.equal_error_rate
    }

    /// The point that accepts the most without accepting more than `target` of the negative cases.
    pub fn at_false_accepts(&self, target: BasisPoints) -> Point {
        let within = |p: &&Point| !is_above(p.false_accepts, self.negatives, target);
        self.points.iter().rfind(within).copied().unwrap_or(NOTHING)
    }

    /// The strictest point that rejects no more than `target` of the positive cases (false alarms).
    pub fn at_false_rejects(&self, target: BasisPoints) -> Point {
        let within =
            |p: &&Point| !is_above(self.positives - p.true_accepts, self.positives, target);
        self.points.iter().find(within).copied().unwrap_or(NOTHING)
    }

    /// The share of positive cases that a point accepts.
    pub fn true_accept_rate(&self, point: Point) -> BasisPoints {
        BasisPoints::of(point.true_accepts, self.positives)
    }

    /// The share of negative cases that a point accepts.
    pub fn false_accept_rate(&self, point: Point) -> BasisPoints {
        BasisPoints::of(point.false_accepts, self.negatives)
    }

    /// From accepting nothing to accepting everything.
    pub fn points(&self) -> &[Point] {
        &self.points
    }

    /// How many cases of either class: positive, negative.
    pub const fn cases(&self) -> (u64, u64) {
        (self.positives, self.negatives)
    }
}

/// What a threshold accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Point {
    /// Scores at or above are accepted; `None` accepts nothing.
    pub threshold: Option<i64>,
    /// Positive cases accepted.
    pub true_accepts: u64,
    /// Negative cases accepted.
    pub false_accepts: u64,
}

const NOTHING: Point = Point { threshold: None, true_accepts: 0, false_accepts: 0 };

/// Whether `part / whole` lies above a share, without rounding.
fn is_above(part: u64, whole: u64, share: BasisPoints) -> bool {
    u128::from(part) * 10_000 > u128::from(whole) * u128::from(share.as_u16())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bp(n: u16) -> BasisPoints {
        BasisPoints::new(n).unwrap()
    }

    #[test]
    fn curves_by_hand() {
        for (positives, negatives, area, equal_error_rate) in [
            // apart
            (&[5, 6][..], &[1, 2][..], 10_000, 0),
            // the wrong way round
            (&[1, 2], &[5, 6], 0, 10_000),
            // all the same: a coin
            (&[3, 3, 3], &[3, 3], 5_000, 5_000),
            // one of four pairs lost
            (&[4, 2], &[3, 1], 7_500, 5_000),
            // 11 of 12 pairs; the curve runs through (0, 2/3), (1/4, 2/3), (1/4, 1): equal errors at 1/4 and below 1/3
            (&[9, 8, 4], &[5, 3, 2, 1], 9_167, 2_500),
        ] {
            let roc = Roc::new(positives, negatives).unwrap();
            assert_eq!(roc.area(), bp(area), "{positives:?} {negatives:?}");
            assert_eq!(roc.equal_error_rate(), bp(equal_error_rate), "{positives:?} {negatives:?}");
        }
    }

    #[test]
    fn thresholds_meet_their_target_and_no_more() {
        let genuine: Vec<i64> = (50..150).collect();
        let others: Vec<i64> = (0..100).collect();
        let roc = Roc::new(&genuine, &others).unwrap();
        let at = roc.at_false_accepts(bp(500));
        assert_eq!((at.threshold, at.false_accepts, at.true_accepts), (Some(95), 5, 55));
        assert_eq!(roc.at_false_accepts(bp(0)).threshold, Some(100));
        assert_eq!(roc.at_false_accepts(bp(10_000)).false_accepts, 100);
        let at = roc.at_false_rejects(bp(100));
        assert_eq!((at.threshold, at.true_accepts), (Some(51), 99));
        assert_eq!(roc.true_accept_rate(at), bp(9_900));
        assert_eq!(roc.false_accept_rate(at), bp(4_900));
        assert_eq!(Roc::new(&[1], &[2]).unwrap().at_false_accepts(bp(0)).threshold, None);
    }

    #[test]
    fn one_class_is_no_curve() {
        assert_eq!(Roc::new(&[], &[1]), Err(CalibrationError::OneClass));
        assert_eq!(Roc::new(&[1], &[]), Err(CalibrationError::OneClass));
    }

    fn scores() -> impl Strategy<Value = Vec<i64>> {
        prop::collection::vec(-9..9_i64, 1..40)
    }

    proptest! {
        #[test]
        fn the_area_is_the_share_of_pairs_won(positives in scores(), negatives in scores()) {
            let mut twice_won = 0;
            for p in &positives {
                for n in &negatives {
                    twice_won += match p.cmp(n) {
                        core::cmp::Ordering::Less => 0,
                        core::cmp::Ordering::Equal => 1,
                        core::cmp::Ordering::Greater => 2,
                    };
                }
            }
            let pairs = (positives.len() * negatives.len()) as u64;
            let roc = Roc::new(&positives, &negatives).unwrap();
            prop_assert_eq!(roc.area(), BasisPoints::of(twice_won, 2 * pairs));
        }

        #[test]
        fn equal_errors_lie_between_the_points_around_them(positives in scores(), negatives in scores()) {
            let roc = Roc::new(&positives, &negatives).unwrap();
            let eer = i32::from(roc.equal_error_rate().as_u16());
            // at some pair of neighbouring points, one rate is on either side for both kinds of error
            let near = roc.points().windows(2).any(|pair| {
                let far = |p: Point| i32::from(roc.false_accept_rate(p).as_u16());
                let frr = |p: Point| i32::from(roc.true_accept_rate(p).rest().as_u16());
                far(pair[0]) <= eer + 1 && eer <= far(pair[1]) + 1
                    && frr(pair[1]) <= eer + 1 && eer <= frr(pair[0]) + 1
            });
            prop_assert!(near, "{} on {:?}", eer, roc);
        }

        #[test]
        fn turning_the_scores_round_turns_the_curve(positives in scores(), negatives in scores()) {
            let turned = |scores: &[i64]| scores.iter().map(|s| -s).collect::<Vec<_>>();
            let there = Roc::new(&positives, &negatives).unwrap();
            let back = Roc::new(&turned(&negatives), &turned(&positives)).unwrap();
            prop_assert_eq!(there.area(), back.area());
            prop_assert_eq!(there.equal_error_rate(), back.equal_error_rate());
        }
    }
}
