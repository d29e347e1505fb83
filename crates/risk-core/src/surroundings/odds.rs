//! From log-odds to a share and back to logarithms, in integers: the same bits on every platform.

use crate::{BasisPoints, LogRatio};

/// `1 / (1 + e⁻ˣ)` to the nearest basis point; never falls as `x` rises.
pub(super) fn logistic(x: LogRatio) -> BasisPoints {
    let units = u64::from(x.as_units().unsigned_abs());
    // x / ln 2 in units of 2⁻³²
    let halvings = (units.min(40 << 16) * PER_LN_2) >> 16;
    let small = exp2_neg(halvings);
    let whole = (1 << 32) + small;
    let part = if x.as_units() < 0 { small } else { 1 << 32 };
    share_of(part, whole)
}

/// [`BasisPoints::of`] without 128-bit division, for parts below 2⁴⁸.
pub(super) fn share_of(part: u64, whole: u64) -> BasisPoints {
    debug_assert!(part < 1 << 48);
    if whole == 0 {
        return BasisPoints::ZERO;
    }
    let rounded = (part.min(whole) * 20_000 + whole) / (2 * whole);
    u16::try_from(rounded).ok().and_then(|share| BasisPoints::new(share).ok()).unwrap_or_default()
}

/// `2⁻ʸ` in units of 2⁻³², for `y` in units of 2⁻³².
pub(super) const fn exp2_neg(y: u64) -> u64 {
    let (whole, fraction) = (y >> 32, y & 0xFFFF_FFFF);
    if whole >= 33 {
        return 0;
    }
    let (at, between) = ((fraction >> 26) as usize, fraction & 0x3FF_FFFF);
    let (high, low) = (ROOTS[at], ROOTS[at + 1]);
    (high - (((high - low) * between) >> 26)) >> whole
}

/// `1 / ln 2` in units of 2⁻³².
const PER_LN_2: u64 = 6_196_328_019;

/// `2^(-i/64)` in units of 2⁻³², for i from 0 to 64.
const ROOTS: [u64; 65] = {
    // 2^(-1/64), one being 2⁶²: the square root of one half, six times
    let mut root = 1_u128 << 61;
    let mut times = 0;
    while times < 6 {
        root = (root << 62).isqrt();
        times += 1;
    }
    let mut table = [0; 65];
    let (mut at, mut power) = (0, 1_u128 << 62);
    while at < table.len() {
        table[at] = to_u64((power + (1 << 29)) >> 30);
        power = (power * root) >> 62;
        at += 1;
    }
    table
};

#[expect(clippy::cast_possible_truncation, reason = "at most 2³²")]
const fn to_u64(x: u128) -> u64 {
    x as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_values() {
        for (x, basis_points) in [
            (LogRatio::ZERO, 5_000),
            (LogRatio::of(3, 1), 7_500),
            (LogRatio::of(1, 3), 2_500),
            (LogRatio::of(99, 1), 9_900),
            (LogRatio::of(1, 9_999), 1),
            (LogRatio::MAX, 10_000),
            (LogRatio::MIN, 0),
        ] {
            assert_eq!(logistic(x).as_u16(), basis_points, "{x}");
        }
        assert_eq!(exp2_neg(0), 1 << 32);
        assert_eq!(exp2_neg(1 << 32), 1 << 31);
    }

    proptest! {
        #[test]
        fn short_shares_are_shares(part in 0_u64..1 << 48, whole in 0_u64..1 << 48) {
            prop_assert_eq!(share_of(part, whole), BasisPoints::of(part, whole));
        }

        #[test]
        fn never_falls_and_is_near_floating_point(x in -1_000_000_i32..1_000_000, by in 0_i32..1_000) {
            let at = |units| logistic(LogRatio::from_units(units)).as_u16();
            prop_assert!(at(x) <= at(x + by));
            extern crate std;
            let exact = 10_000.0 / (1.0 + f64::exp(-f64::from(x) / 65_536.0));
            prop_assert!((f64::from(at(x)) - exact).abs() < 0.7, "{} for {}", at(x), exact);
        }
    }
}
