//! A time of day that keeps near a centre, on the face of a clock: 23:50 and 00:10 are near each other.

use super::model::quotient;
use crate::LogRatio;
use port::WireError;
use port::wire::{Reader, Writer};

/// Circular mean ± k circular standard deviations, of minutes of the day.
///
/// ```
/// use interbank_risk_core::driving::CircularBand;
/// let midnight = CircularBand::of(5, 20, 200);
/// assert!(midnight.accepts(1_430) && midnight.accepts(45) && !midnight.accepts(46));
/// assert_eq!(midnight.deviation_hundredths(1_435), 50);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CircularBand {
    centre_min: u16,
    /// In 256ths of a minute.
    spread: u32,
    k_hundredths: u16,
}

impl CircularBand {
    /// From a centre and a spread in minutes, and how many hundredths of a spread are allowed.
    pub fn of(centre_min: u16, spread_min: u16, k_hundredths: u16) -> Self {
        Self::new(centre_min % DAY_MIN, u32::from(spread_min) * ONE, k_hundredths)
    }

    fn new(centre_min: u16, spread: u32, k_hundredths: u16) -> Self {
        Self { centre_min, spread: spread.clamp(ONE, SPREAD_MAX), k_hundredths }
    }

    /// Whether a time is within k spreads of the centre; the bounds belong to it.
    pub fn accepts(&self, value: i32) -> bool {
        self.off(value) * 100 <= u64::from(self.spread) * u64::from(self.k_hundredths)
    }

    /// The times that it [accepts](Self::accepts).
    pub(super) fn accepted(&self) -> Minutes {
        let off = u64::from(self.spread) * u64::from(self.k_hundredths) / u64::from(100 * ONE);
        match i32::try_from(off) {
            Ok(off) if off < i32::from(DAY_MIN / 2) => {
                let from = (i32::from(self.centre_min) - off).rem_euclid(i32::from(DAY_MIN));
                Minutes { from, long: 2 * off }
            }
            _ => Minutes { from: 0, long: i32::from(DAY_MIN) },
        }
    }

    /// How far a time is from the centre, in hundredths of a spread, rounded to the nearest.
    pub fn deviation_hundredths(&self, value: i32) -> u32 {
        let spread = u64::from(self.spread);
        u32::try_from(quotient(self.off(value) * 200 + spread, 2 * spread)).unwrap_or(u32::MAX)
    }

    /// The centre, a minute of the day.
    pub const fn centre_min(&self) -> u16 {
        self.centre_min
    }

    /// The spread, in 256ths of a minute.
    pub const fn spread(&self) -> u32 {
        self.spread
    }

    /// Moves towards what one day showed: the centre by an eighth of the difference and at most a tenth of a spread (a minute
    /// at least), the spread by at most a twentieth of itself.
    pub(super) fn drift(&mut self, values: &[i32]) {
        let Some(count) = i32::try_from(values.len()).ok().filter(|count| *count > 0) else {
            return;
        };
        let off = values.iter().map(|value| self.signed_off(*value)).sum::<i32>() / count;
        let step = i32::try_from(self.spread / ONE / 10).unwrap_or(0).max(1);
        let moved = i32::from(self.centre_min) + (off / 8).clamp(-step, step);
        let centre_min = u16::try_from(moved.rem_euclid(i32::from(DAY_MIN))).unwrap_or(0);
        let widths = values.iter().map(|value| self.off(*value)).sum::<u64>() * 5 / 4;
        let width = widths / u64::from(count.unsigned_abs());
        let (spread, step) = (i64::from(self.spread), i64::from(self.spread / 20));
        let width = i64::try_from(width).unwrap_or(spread);
        let spread = spread + ((width - spread) / 16).clamp(-step, step);
        *self = Self::new(centre_min, u32::try_from(spread).unwrap_or(ONE), self.k_hundredths);
    }

    pub(super) fn encode(&self, writer: &mut Writer<'_>) {
        writer.u16(self.centre_min).u32(self.spread).u16(self.k_hundredths);
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, WireError> {
        let (centre_min, spread, k_hundredths) = (reader.u16()?, reader.u32()?, reader.u16()?);
        let fits = centre_min < DAY_MIN && (ONE..=SPREAD_MAX).contains(&spread);
        if fits { Ok(Self { centre_min, spread, k_hundredths }) } else { Err(WireError::Invalid) }
    }

    /// Minutes from the centre, the shorter way; later is positive.
    fn signed_off(&self, value: i32) -> i32 {
        let day = i32::from(DAY_MIN);
        let off = (value.rem_euclid(day) - i32::from(self.centre_min)).rem_euclid(day);
        if off > day / 2 { off - day } else { off }
    }

    /// 256ths of a minute from the centre.
    fn off(&self, value: i32) -> u64 {
        u64::from(self.signed_off(value).unsigned_abs()) * u64::from(ONE)
    }
}

/// A part of the day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Minutes {
    from: i32,
    /// The last one that belongs to it is so much later.
    long: i32,
}

impl Minutes {
    pub(super) fn contain(self, value: i32) -> bool {
        let day = i32::from(DAY_MIN);
        (value.rem_euclid(day) - self.from).rem_euclid(day) <= self.long
    }
}

/// The sum of directions: what circular mean and deviation need. It takes times one by one, and others like it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Directions {
    count: u32,
    cosines: i64,
    sines: i64,
}

impl Directions {
    /// No time yet.
    pub const fn new() -> Self {
        Self { count: 0, cosines: 0, sines: 0 }
    }

    /// One time more, a minute of the day.
    pub fn update(&mut self, value: i32) {
        let minute = value.rem_euclid(i32::from(DAY_MIN)).unsigned_abs() as usize;
        self.merge(&Self { count: 1, cosines: cosine(minute), sines: cosine(minute + 1_080) });
    }

    /// All times of another one.
    pub fn merge(&mut self, other: &Self) {
        if let Some(count) = self.count.checked_add(other.count) {
            *self = Self {
                count,
                cosines: self.cosines + other.cosines,
                sines: self.sines + other.sines,
            };
        }
    }

    /// Circular mean ± k circular standard deviations, `√(−2 ln R)` (Mardia and Jupp, *Directional Statistics*, 2.3); `None`
    /// below two times.
    pub fn finish(&self, k_hundredths: u16) -> Option<CircularBand> {
        if self.count < 2 {
            return None;
        }
        // The direction in which the sum points furthest; the first of equals.
        let along = |minute: u16| {
            let at = usize::from(minute);
            let (x, y) = (i128::from(self.cosines), i128::from(self.sines));
            x * i128::from(cosine(at)) + y * i128::from(cosine(at + 1_080))
        };
        let centre_min = (0..DAY_MIN).max_by_key(|minute| (along(*minute), DAY_MIN - minute))?;
        let square = u128::from(self.cosines.unsigned_abs()).pow(2)
            + u128::from(self.sines.unsigned_abs()).pow(2);
        let length = u64::try_from(square.isqrt()).unwrap_or(u64::MAX);
        let minus_ln = LogRatio::of(u64::from(self.count) << 20, length).as_units().max(0);
        // (1440 / 2π)² is 52,525; 256ths of minutes and 2⁻¹⁶ under the root cancel out
        let spread = (2 * u64::from(minus_ln.unsigned_abs()) * 52_525).isqrt();
        let spread = u32::try_from(spread).unwrap_or(SPREAD_MAX);
        Some(CircularBand::new(centre_min, spread, k_hundredths))
    }

    /// How many times were taken.
    pub const fn count(&self) -> u32 {
        self.count
    }

    pub(super) fn encode(&self, writer: &mut Writer<'_>) {
        writer.u32(self.count).i64(self.cosines).i64(self.sines);
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, WireError> {
        let (count, cosines, sines) = (reader.u32()?, reader.i64()?, reader.i64()?);
        let most = u64::from(count) << 20;
        let fits = cosines.unsigned_abs() <= most && sines.unsigned_abs() <= most;
        if fits { Ok(Self { count, cosines, sines }) } else { Err(WireError::Invalid) }
    }
}

const DAY_MIN: u16 = 1_440;
const ONE: u32 = 256;
/// Half a day: such a band says nothing.
const SPREAD_MAX: u32 = 720 * ONE;

/// The cosine of a minute of the day, in units of 2⁻²⁰.
fn cosine(minute: usize) -> i64 {
    let minute = minute % 1_440;
    let folded = if minute > 720 { 1_440 - minute } else { minute };
    let size = |at: usize| i64::from(COSINES.get(at).copied().unwrap_or(0));
    if folded > 360 { -size(720 - folded) } else { size(folded) }
}

/// The cosines of the first quarter, in units of 2⁻²⁰.
const COSINES: [i32; 361] = {
    let mut table = [0; 361];
    let mut at = 0;
    while at <= 360 {
        table[at] = taylor_cosine(at as i128);
        at += 1;
    }
    table
};

/// The Taylor series up to x²⁰, with 2⁻⁴⁰ as unit.
#[expect(clippy::cast_possible_truncation, reason = "a cosine is at most one")]
const fn taylor_cosine(minute: i128) -> i32 {
    const PI: i128 = 3_454_217_652_358;
    let x = (minute * PI + 360) / 720;
    let square = (x * x) >> 40;
    let (mut sum, mut term, mut n) = (1_i128 << 40, 1_i128 << 40, 0);
    while n < 20 {
        term = -((term * square) >> 40) / ((n + 1) * (n + 2));
        sum += term;
        n += 2;
    }
    ((sum + (1 << 19)) >> 20) as i32
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn band(values: &[i32]) -> CircularBand {
        let mut directions = Directions::new();
        values.iter().for_each(|value| directions.update(*value));
        directions.finish(200).unwrap()
    }

    #[test]
    fn cosines_are_those_of_the_circle() {
        assert_eq!(
            [0, 240, 360, 480, 720, 1_080].map(cosine),
            [1 << 20, 1 << 19, 0, -1 << 19, -1 << 20, 0]
        );
        for minute in 0..1_440 {
            let (x, y) = (cosine(minute), cosine(minute + 1_080));
            assert!((x * x + y * y - (1 << 40)).abs() < 1 << 21, "{minute}");
        }
    }

    #[test]
    fn midnight_is_no_border() {
        let about = band(&[1_425, 1_435, 0, 5, 15]);
        assert_eq!(about.centre_min(), 0);
        // ten minutes: so near the centre the circle is a straight line
        assert!((2_530..=2_580).contains(&about.spread()), "{about:?}");
        assert!(!about.accepts(720));
    }

    #[test]
    fn times_all_around_the_clock_say_nothing() {
        let nowhere = band(&[0, 360, 720, 1_080]);
        assert!((0..1_440).all(|value| nowhere.accepts(value)));
        assert_eq!(Directions::new().finish(200), None);
    }

    proptest! {
        #[test]
        fn turning_the_clock_turns_the_centre(values in prop::collection::vec(600..700, 3..20), by in 0..1_440) {
            let turned: alloc::vec::Vec<i32> = values.iter().map(|value| (value + by) % 1_440).collect();
            let (plain, turned) = (band(&values), band(&turned));
            let off = plain.signed_off(i32::from(turned.centre_min()) - by);
            prop_assert!(off.abs() <= 1, "{plain:?} {turned:?}");
        }
    }
}
