//! Does a stated chance come true as often as it says?

use super::CalibrationError;
use crate::BasisPoints;
use alloc::vec::Vec;

/// Counts, by bins of the stated chance, how often it came true.
///
/// ```
/// use interbank_risk_core::{BasisPoints, calibration::Reliability};
/// let mut reliability = Reliability::new(10)?;
/// reliability.update(BasisPoints::new(9_500)?, true);
/// reliability.update(BasisPoints::new(9_100)?, false);
/// let last = reliability.finish()[9];
/// assert_eq!((last.cases, last.stated.as_u16(), last.observed.as_u16()), (2, 9_300, 5_000));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reliability {
    bins: Vec<Tally>,
}

impl Reliability {
    /// With this many bins of the same width.
    ///
    /// # Errors
    /// [`CalibrationError::Bins`] unless 1 to 100.
    pub fn new(bins: usize) -> Result<Self, CalibrationError> {
        if (1..=100).contains(&bins) {
            Ok(Self { bins: alloc::vec![Tally::default(); bins] })
        } else {
            Err(CalibrationError::Bins)
        }
    }

    /// One case: what chance was stated, and whether it came true.
    pub fn update(&mut self, stated: BasisPoints, came_true: bool) {
        let at = usize::from(stated.as_u16()) * self.bins.len() / 10_000;
        // a stated chance of one belongs to the last bin
        let at = at.min(self.bins.len() - 1);
        let bin = &mut self.bins[at];
        bin.cases += 1;
        bin.stated_bp += u64::from(stated.as_u16());
        bin.came_true += u64::from(came_true);
    }

    /// Adds what another one counted.
    ///
    /// # Errors
    /// [`CalibrationError::Unlike`] if it has other bins.
    pub fn merge(&mut self, other: &Self) -> Result<(), CalibrationError> {
        if self.bins.len() != other.bins.len() {
            return Err(CalibrationError::Unlike);
        }
        for (mine, theirs) in self.bins.iter_mut().zip(&other.bins) {
            mine.cases += theirs.cases;
            mine.stated_bp += theirs.stated_bp;
            mine.came_true += theirs.came_true;
        }
        Ok(())
    }

    /// The bins, from the smallest stated chance.
    pub fn finish(&self) -> Vec<Bin> {
        self.bins.iter().map(Tally::bin).collect()
    }

    /// The mean distance of observed from stated, weighted by cases (expected calibration error).
    pub fn expected_error(&self) -> BasisPoints {
        let (mut off, mut cases) = (0_u64, 0_u64);
        for bin in &self.bins {
            off = off.saturating_add((bin.came_true * 10_000).abs_diff(bin.stated_bp));
            cases += bin.cases;
        }
        BasisPoints::of(off, cases.saturating_mul(10_000))
    }
}

/// The cases of one bin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bin {
    /// How many.
    pub cases: u64,
    /// The mean of the stated chances.
    pub stated: BasisPoints,
    /// The share that came true.
    pub observed: BasisPoints,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Tally {
    cases: u64,
    stated_bp: u64,
    came_true: u64,
}

impl Tally {
    fn bin(&self) -> Bin {
        Bin {
            cases: self.cases,
            stated: BasisPoints::of(self.stated_bp, self.cases.saturating_mul(10_000)),
            observed: BasisPoints::of(self.came_true, self.cases),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_chance_that_comes_true_as_stated_has_no_error() {
        let mut reliability = Reliability::new(5).unwrap();
        for case in 0..1_000_u16 {
            reliability.update(BasisPoints::new(3_000).unwrap(), case % 10 < 3);
        }
        assert_eq!(reliability.expected_error(), BasisPoints::ZERO);
        assert_eq!(reliability.finish()[1].observed.as_u16(), 3_000);
        for case in 0..1_000_u16 {
            reliability.update(BasisPoints::ONE, case % 2 == 0);
        }
        assert_eq!(reliability.expected_error().as_u16(), 2_500);
    }

    #[test]
    fn bins_are_bounded_and_alike() {
        assert_eq!(Reliability::new(0), Err(CalibrationError::Bins));
        assert_eq!(Reliability::new(101), Err(CalibrationError::Bins));
        let mut five = Reliability::new(5).unwrap();
        assert_eq!(five.merge(&Reliability::new(6).unwrap()), Err(CalibrationError::Unlike));
    }

    proptest! {
        #[test]
        fn parts_merge_into_the_whole(cases in prop::collection::vec((0..=10_000_u16, any::<bool>()), 0..60), cut in 0..60_usize) {
            let new = || Reliability::new(7).unwrap();
            let (mut whole, mut left, mut right) = (new(), new(), new());
            for (at, (stated, came_true)) in cases.iter().enumerate() {
                let stated = BasisPoints::new(*stated).unwrap();
                whole.update(stated, *came_true);
                if at < cut { left.update(stated, *came_true) } else { right.update(stated, *came_true) }
            }
            left.merge(&right).unwrap();
            prop_assert_eq!(&left, &whole);
            prop_assert_eq!(left.finish().iter().map(|b| b.cases).sum::<u64>(), cases.len() as u64);
        }
    }
}
