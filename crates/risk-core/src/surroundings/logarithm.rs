//! Logarithms of counts, looked up.

use crate::LogRatio;

/// `ln(x)` in units of 2⁻¹⁶, for `x` from 128 to 2²² − 1, from its highest nine bits: exact to a unit or two below 2⁹ and for
/// their multiples by powers of two, at most 2⁻⁸ too low elsewhere.
#[inline]
pub(super) fn ln(x: u32) -> i32 {
    ln_at(ln_place(x))
}

/// Where `ln(x)` stands, in the highest twelve bits.
///
/// The conversion to floating point is exact for such numbers on every platform, and no more than a way to shift the highest
/// bit into its place: nothing is computed with it.
#[inline]
pub(super) fn ln_place(x: u32) -> u32 {
    // Signed, for which more processors have a vector instruction.
    (x.cast_signed() as f32).to_bits() << 5
}

/// The logarithm that stands there; the lowest twenty bits may be anything.
#[inline]
pub(super) fn ln_at(place: u32) -> i32 {
    LN[(place >> 20) as usize % LN.len()]
}

/// By the lowest four bits of a float's exponent and the highest eight of its mantissa: powers from 2⁷ to 2²².
static LN: [i32; 16 * 256] = {
    let mut table = [0; 16 * 256];
    let mut at = 0;
    while at < table.len() {
        // 2⁷ has the exponent 134, whose lowest four bits are 6
        let exponent = 7 + (at / 256 + 10) % 16;
        table[at] = LogRatio::of((256 + at as u64 % 256) << exponent, 256).as_units();
        at += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn fast_logarithms_are_near_the_exact_ones(x in 128_u32..1 << 22) {
            let off = ln(x) - LogRatio::of(u64::from(x), 1).as_units();
            prop_assert!((-258..=3).contains(&off), "{off} for {x}");
        }
    }
}
