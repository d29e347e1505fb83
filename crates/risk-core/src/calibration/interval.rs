//! Intervals of 95 %.

use crate::BasisPoints;

/// An estimate with the interval that holds the true value in 95 of 100 repetitions, in basis points.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interval {
    /// On all cases.
    pub estimate_bp: i32,
    /// The lower end.
    pub low_bp: i32,
    /// The upper end.
    pub high_bp: i32,
}

impl Interval {
    /// Whether zero lies outside: the difference is not chance alone.
    pub const fn excludes_zero(&self) -> bool {
        self.low_bp > 0 || self.high_bp < 0
    }
}

/// A share that was counted, with Wilson's interval, which stays sensible at 0 and at all. Rounded outwards.
///
/// ```
/// let detected = interbank_risk_core::calibration::proportion(1_000, 1_000);
/// assert_eq!((detected.estimate_bp, detected.low_bp, detected.high_bp), (10_000, 9_961, 10_000));
/// ```
pub fn proportion(hits: u64, of: u64) -> Interval {
    if of == 0 {
        return Interval { estimate_bp: 0, low_bp: 0, high_bp: 10_000 };
    }
    let hits = hits.min(of);
    // beyond 2⁴⁰ cases the interval has no width; what is cut off keeps the products below 2¹²⁸
    let cut = of.ilog2().saturating_sub(40);
    let (h, n) = (u128::from(hits >> cut), u128::from(of >> cut));
    // z = 1.96; everything in millionths
    let root = (h * (n - h) * 100_000_000 / n + 96_040_000).isqrt() + 1;
    let (centre, half, whole) = (h * 1_000_000 + 1_920_800, 196 * root, n * 1_000_000 + 3_841_600);
    let bp = |share: u128| i32::try_from(share).unwrap_or(10_000).min(10_000);
    Interval {
        estimate_bp: i32::from(BasisPoints::of(hits, of).as_u16()),
        low_bp: bp(centre.saturating_sub(half) * 10_000 / whole),
        high_bp: bp(((centre + half) * 10_000).div_ceil(whole)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_intervals() {
        // Newcombe 1998, table I, method 3 (score, without continuity correction)
        for (hits, of, low, high) in
            [(81, 263, 2553, 3662), (15, 148, 624, 1605), (0, 20, 0, 1611), (1, 29, 61, 1718)]
        {
            let is = proportion(hits, of);
            assert!((is.low_bp - low).abs() <= 1 && (is.high_bp - high).abs() <= 1, "{is:?}");
        }
    }

    #[test]
    fn nothing_counted_says_nothing() {
        assert_eq!(proportion(0, 0), Interval { estimate_bp: 0, low_bp: 0, high_bp: 10_000 });
        assert_eq!(proportion(9, 3).estimate_bp, 10_000);
        assert_eq!(proportion(u64::MAX / 2, u64::MAX).estimate_bp, 5_000);
    }
}
