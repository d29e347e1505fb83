//! Natural logarithms of ratios in fixed point: the same bits on every platform.

use core::fmt;
use core::iter::Sum;
use core::ops::{Add, Neg, Sub};
use serde::{Deserialize, Serialize};

/// The natural logarithm of a ratio of two counts, in units of 2⁻¹⁶.
///
/// No floating point takes part, so a score that adds such logarithms replays bit for bit on every platform.
/// [`of`](Self::of) is within 2⁻¹⁵ of the true value. Sums saturate.
///
/// ```
/// use interbank_risk_core::LogRatio;
/// // present 18 times of 20, and rare in the population: (19/22) / 0.002
/// let evidence = LogRatio::of(19, 22) - LogRatio::of(2, 1_000);
/// assert_eq!(evidence.to_string(), "+6.068");
/// ```
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct LogRatio(i32);

impl LogRatio {
    /// The logarithm of one.
    pub const ZERO: Self = Self(0);

    /// The largest value; sums stop there.
    pub const MAX: Self = Self(i32::MAX);

    /// The smallest value; sums stop there.
    pub const MIN: Self = Self(i32::MIN);

    /// `ln(numerator / denominator)`; a count of zero is taken as one.
    pub const fn of(numerator: u64, denominator: u64) -> Self {
        Self(ln(numerator) - ln(denominator))
    }

    /// From units of 2⁻¹⁶.
    pub const fn from_units(units: i32) -> Self {
        Self(units)
    }

    /// Units of 2⁻¹⁶.
    pub const fn as_units(self) -> i32 {
        self.0
    }

    /// `count` times as much; saturates.
    #[must_use]
    pub const fn times(self, count: i32) -> Self {
        Self(self.0.saturating_mul(count))
    }
}

impl Add for LogRatio {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl Sub for LogRatio {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl Neg for LogRatio {
    type Output = Self;

    fn neg(self) -> Self {
        Self(self.0.saturating_neg())
    }
}

impl Sum for LogRatio {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::ZERO, Self::add)
    }
}

impl fmt::Display for LogRatio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let thousandths = (i64::from(self.0) * 1000 + (1 << 15)) >> 16;
        let sign = if thousandths < 0 { '-' } else { '+' };
        let size = thousandths.unsigned_abs();
        write!(f, "{sign}{}.{:03}", size / 1000, size % 1000)
    }
}

/// `ln(x)` in units of 2⁻¹⁶: the exponent and a table of 256 mantissas with straight lines between them.
#[expect(clippy::cast_possible_truncation, reason = "below 2²², since ln(2⁶⁴) is 44.4")]
const fn ln(x: u64) -> i32 {
    if x == 0 {
        return 0;
    }
    let exponent = x.ilog2();
    // the bits after the leading one, as a fraction of 2³²
    let fraction = ((x << (63 - exponent)) << 1) >> 32;
    let (at, between) = ((fraction >> 24) as usize, fraction & 0xff_ffff);
    let (low, high) = (MANTISSA[at] as u64, MANTISSA[at + 1] as u64);
    let ln_2_32 = exponent as u64 * LN_2 + low + (((high - low) * between) >> 24);
    ((ln_2_32 + (1 << 15)) >> 16) as i32
}

/// `ln(2)` in units of 2⁻³².
const LN_2: u64 = 2_977_044_472;

/// `ln(1 + i/256)` in units of 2⁻³², for i from 0 to 256.
const MANTISSA: [u32; 257] = {
    let mut table = [0; 257];
    let mut at = 0;
    while at < table.len() {
        table[at] = ln_mantissa(at as u64);
        at += 1;
    }
    table
};

/// `ln(1 + i/256)` in units of 2⁻³², one binary digit of the logarithm per squaring.
#[expect(clippy::cast_possible_truncation, reason = "the logarithm is at most ln(2), below one")]
const fn ln_mantissa(i: u64) -> u32 {
    if i == 256 {
        return LN_2 as u32;
    }
    // one is 2⁶²
    let mut square = ((256 + i) as u128) << 54;
    let (mut log_2, mut digit) = (0_u128, 1_u128 << 39);
    while digit > 0 {
        square = (square * square) >> 62;
        if square >= 1 << 63 {
            square >>= 1;
            log_2 |= digit;
        }
        digit >>= 1;
    }
    // ln = log₂ × ln(2); log_2 has 40 binary digits
    ((log_2 * LN_2 as u128 + (1 << 39)) >> 40) as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn published_values() {
        assert_eq!(LogRatio::of(1, 1), LogRatio::ZERO);
        assert_eq!(LogRatio::of(2, 1).as_units(), 45_426);
        assert_eq!(LogRatio::of(1, 2).as_units(), -45_426);
        assert_eq!(LogRatio::of(10, 1).as_units(), 150_902);
        assert_eq!(LogRatio::of(u64::MAX, 1).as_units(), 2_907_270);
        assert_eq!(LogRatio::of(0, 0), LogRatio::ZERO);
    }

    proptest! {
        #[test]
        fn is_within_two_units_of_floating_point(numerator in 1..u64::MAX, denominator in 1..u64::MAX) {
            #[expect(clippy::cast_precision_loss, reason = "the comparison has slack")]
            let exact = libm_ln(numerator as f64) - libm_ln(denominator as f64);
            let ours = f64::from(LogRatio::of(numerator, denominator).as_units()) / 65_536.0;
            prop_assert!((ours - exact).abs() < 2.0 / 65_536.0, "{} for {}", ours, exact);
        }

        #[test]
        fn never_falls(smaller in 0..u64::MAX, by in 0..1_000_u64) {
            prop_assert!(ln(smaller) <= ln(smaller.saturating_add(by)));
        }
    }

    fn libm_ln(x: f64) -> f64 {
        extern crate std;
        f64::ln(x)
    }
}
