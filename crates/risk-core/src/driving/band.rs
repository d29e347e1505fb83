//! A value that keeps near a centre: mean and standard deviation, or median and median absolute deviation.

use super::Attribute;
use super::model::quotient;
use port::WireError;
use port::wire::{Reader, Writer};

/// Centre ± k spreads, both in 256ths of the attribute's unit.
///
/// ```
/// use interbank_risk_core::driving::{Attribute, Band};
/// // 62 km/h with a standard deviation of 8; two of them are allowed
/// let band = Band::of(Attribute::CruiseSpeed, 6_200, 800, 200);
/// assert_eq!(band.deviation_hundredths(6_600), 50);
/// assert!(band.accepts(7_800) && !band.accepts(7_801));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Band {
    centre: i64,
    spread: i64,
    k_hundredths: u16,
}

impl Band {
    /// From a centre and a spread in the attribute's unit, and how many hundredths of a spread are allowed. A spread below
    /// the attribute's resolution is raised to it: no sensor can tell.
    pub fn of(attribute: Attribute, centre: i32, spread: u32, k_hundredths: u16) -> Self {
        let (centre, spread) = (i64::from(centre) * ONE, i64::from(spread) * ONE);
        Self::new(attribute, centre, spread, k_hundredths)
    }

    fn new(attribute: Attribute, centre: i64, spread: i64, k_hundredths: u16) -> Self {
        let floor = i64::from(attribute.resolution()) * ONE;
        Self { centre, spread: spread.max(floor), k_hundredths }
    }

    /// Median and 1.4826 × median absolute deviation of values in rising order: what estimates the standard deviation of a
    /// normal distribution, and what a few wild values do not move. `None` below two values.
    pub fn robust(attribute: Attribute, rising: &[i32], k_hundredths: u16) -> Option<Self> {
        let twice = twice_median(rising)?;
        // The deviations from the centre, as two rising runs that are merged up to their middle.
        let below = rising.partition_point(|value| 2 * i64::from(*value) < twice);
        let (mut left, mut right) = (below, below);
        let (mut before, mut last) = (0, 0);
        for _ in 0..=rising.len() / 2 {
            let down = left.checked_sub(1).and_then(|at| rising.get(at));
            let down = down.map(|value| twice - 2 * i64::from(*value));
            let up = rising.get(right).map(|value| 2 * i64::from(*value) - twice);
            before = last;
            last = match (down, up) {
                (Some(down), Some(up)) if down < up => {
                    left -= 1;
                    down
                }
                (_, Some(up)) => {
                    right += 1;
                    up
                }
                (Some(down), None) => {
                    left -= 1;
                    down
                }
                (None, None) => last,
            };
        }
        // Four times the median of the deviations.
        let deviation = if rising.len() % 2 == 1 { 2 * last } else { before + last };
        let spread = (deviation * ONE * 14_826 + 20_000) / 40_000;
        Some(Self::new(attribute, twice * ONE / 2, spread, k_hundredths))
    }

    /// Whether a value is within k spreads of the centre; the bounds belong to it.
    pub fn accepts(&self, value: i32) -> bool {
        self.off(value) * 100 <= self.spread * i64::from(self.k_hundredths)
    }

    /// The lowest and the highest value that it [accepts](Self::accepts); the lowest is above the highest if there is none.
    pub(super) fn accepted(&self) -> (i32, i32) {
        let off = self.spread * i64::from(self.k_hundredths) / 100;
        let low = (self.centre - off + ONE - 1).div_euclid(ONE);
        let high = (self.centre + off).div_euclid(ONE);
        match (i32::try_from(low.max(i32::MIN.into())), i32::try_from(high.min(i32::MAX.into()))) {
            (Ok(low), Ok(high)) => (low, high),
            _ => (i32::MAX, i32::MIN),
        }
    }

    /// How far a value is from the centre, in hundredths of a spread, rounded to the nearest.
    pub fn deviation_hundredths(&self, value: i32) -> u32 {
        let (off, spread) = (self.off(value).unsigned_abs(), self.spread.unsigned_abs());
        u32::try_from(quotient(off * 200 + spread, 2 * spread)).unwrap_or(u32::MAX)
    }

    /// The centre, in 256ths of the attribute's unit.
    pub const fn centre(&self) -> i64 {
        self.centre
    }

    /// The spread, in 256ths of the attribute's unit.
    pub const fn spread(&self) -> i64 {
        self.spread
    }

    /// Moves towards what one day showed: the centre by an eighth of the difference and at most a tenth of a spread, the
    /// spread by at most a twentieth of itself.
    pub(super) fn drift(&mut self, attribute: Attribute, values: &[i32]) {
        let Some(count) = i64::try_from(values.len()).ok().filter(|count| *count > 0) else {
            return;
        };
        let mean = values.iter().map(|value| i64::from(*value) * ONE).sum::<i64>() / count;
        let step = self.spread / 10;
        let off = mean - self.centre;
        self.centre += (off / 8).clamp(-step, step);
        // The mean absolute deviation of a normal distribution is 0.8 of the standard one.
        let widths = values.iter().map(|value| self.off(*value)).sum::<i64>() / count * 5 / 4;
        let step = self.spread / 20;
        self.spread += ((widths - self.spread) / 16).clamp(-step, step);
        *self = Self::new(attribute, self.centre, self.spread, self.k_hundredths);
    }

    pub(super) fn encode(&self, writer: &mut Writer<'_>) {
        writer.i64(self.centre).i64(self.spread).u16(self.k_hundredths);
    }

    pub(super) fn read(attribute: Attribute, reader: &mut Reader<'_>) -> Result<Self, WireError> {
        let (centre, spread, k_hundredths) = (reader.i64()?, reader.i64()?, reader.u16()?);
        let (low, high) = attribute.range();
        let wide = i64::from(high) - i64::from(low);
        let fits = (i64::from(low) * ONE..=i64::from(high) * ONE).contains(&centre)
            && (i64::from(attribute.resolution()) * ONE..=2 * wide * ONE).contains(&spread);
        if fits { Ok(Self { centre, spread, k_hundredths }) } else { Err(WireError::Invalid) }
    }

    fn off(&self, value: i32) -> i64 {
        (i64::from(value) * ONE - self.centre).abs()
    }
}

/// Count, sum and sum of squares: what mean and standard deviation need. It takes values one by one, and others like it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moments {
    count: u32,
    sum: i64,
    squares: u128,
}

impl Moments {
    /// No value yet.
    pub const fn new() -> Self {
        Self { count: 0, sum: 0, squares: 0 }
    }

    /// One value more, between −2²⁴ and 2²⁴. After 2³² − 1 values nothing is taken any more.
    pub fn update(&mut self, value: i32) {
        let value = value.clamp(-VALUE_MAX, VALUE_MAX);
        let square = u128::from(value.unsigned_abs()).pow(2);
        self.merge(&Self { count: 1, sum: i64::from(value), squares: square });
    }

    /// All values of another one.
    pub fn merge(&mut self, other: &Self) {
        if let Some(count) = self.count.checked_add(other.count) {
            *self =
                Self { count, sum: self.sum + other.sum, squares: self.squares + other.squares };
        }
    }

    /// Mean ± k standard deviations (with n − 1); `None` below two values.
    pub fn finish(&self, attribute: Attribute, k_hundredths: u16) -> Option<Band> {
        let count = i64::from(self.count);
        if count < 2 {
            return None;
        }
        let (count, sum) = (i128::from(count), i128::from(self.sum));
        let centre = (2 * sum * i128::from(ONE) + count).div_euclid(2 * count);
        let centre = i64::try_from(centre).ok()?;
        let n = u128::from(self.count);
        let scattered = n * self.squares - u128::from(self.sum.unsigned_abs()).pow(2);
        let variance = scattered * (ONE * ONE).unsigned_abs() as u128 / (n * (n - 1));
        let spread = i64::try_from(variance.isqrt()).unwrap_or(i64::MAX);
        Some(Band::new(attribute, centre, spread, k_hundredths))
    }

    /// How many values were taken.
    pub const fn count(&self) -> u32 {
        self.count
    }

    pub(super) fn encode(&self, writer: &mut Writer<'_>) {
        writer.u32(self.count).i64(self.sum).fixed(&self.squares.to_be_bytes());
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, WireError> {
        let (count, sum) = (reader.u32()?, reader.i64()?);
        let squares = u128::from_be_bytes(reader.array()?);
        // What no values can add up to.
        let n = u128::from(count);
        let size = u128::from(sum.unsigned_abs());
        let fits = squares <= n << 48 && size <= n << 24 && size * size <= n * squares;
        if fits { Ok(Self { count, sum, squares }) } else { Err(WireError::Invalid) }
    }
}

/// Twice the median, so that it is whole.
fn twice_median(rising: &[i32]) -> Option<i64> {
    if rising.len() < 2 {
        return None;
    }
    let upper = i64::from(*rising.get(rising.len() / 2)?);
    let lower = i64::from(*rising.get((rising.len() - 1) / 2)?);
    Some(lower + upper)
}

const ONE: i64 = 256;
/// No attribute has larger values; so no product overflows.
const VALUE_MAX: i32 = 1 << 24;

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    #[test]
    fn mean_and_deviation_are_exact() {
        let mut moments = Moments::new();
        assert_eq!(moments.finish(Attribute::UpshiftRpm, 200), None);
        // mean 2100, squared deviations 40000 + 0 + 40000 over n − 1 = 2
        [1_900, 2_100, 2_300].into_iter().for_each(|value| moments.update(value));
        let band = moments.finish(Attribute::UpshiftRpm, 200).unwrap();
        assert_eq!((band.centre(), band.spread()), (2_100 * 256, 200 * 256));
    }

    #[test]
    fn one_wild_value_does_not_move_the_robust_band() {
        let band = |values: &[i32]| Band::robust(Attribute::UpshiftRpm, values, 200).unwrap();
        // median 2000; deviations 0, 50, 50, 100, 100: median 50, times 1.4826
        let tame = band(&[1_900, 1_950, 2_000, 2_050, 2_100]);
        assert_eq!(
            (tame.centre(), tame.spread()),
            (2_000 * 256, (50 * 256 * 14_826 + 5_000) / 10_000)
        );
        assert_eq!(band(&[1_900, 1_950, 2_000, 2_050, 16_000]), tame);
        assert_eq!(Band::robust(Attribute::UpshiftRpm, &[7], 200), None);
    }

    proptest! {
        #[test]
        fn robust_is_what_sorting_gives(mut values in prop::collection::vec(0..16_383, 2..60)) {
            values.sort_unstable();
            let band = Band::robust(Attribute::UpshiftRpm, &values, 200).unwrap();
            let twice = twice_median(&values).unwrap();
            let mut off: Vec<i32> = values
                .iter()
                .map(|value| i32::try_from((2 * i64::from(*value) - twice).abs()).unwrap())
                .collect();
            off.sort_unstable();
            let four = twice_median(&off).unwrap();
            let spread = ((four * 256 * 14_826 + 20_000) / 40_000).max(10 * 256);
            prop_assert_eq!((band.centre(), band.spread()), (twice * 128, spread));
        }
    }
}
