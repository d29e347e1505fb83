//! A value of any distribution: how often each part of its range was seen.

use super::Attribute;
use super::model::{quotient, reaches, share};
use crate::BasisPoints;
use port::WireError;
use port::wire::{Reader, Writer};

/// Counts in [`Histogram::BINS`] equal parts of the attribute's range.
///
/// ```
/// use interbank_risk_core::driving::{Attribute, Histogram};
/// let mut load = Histogram::new(Attribute::EngineLoad);
/// [3_000, 3_100, 3_200, 7_000].into_iter().for_each(|value| load.update(value));
/// assert_eq!(load.tail(3_050).as_u16(), 10_000);
/// assert_eq!(load.tail(9_900).as_u16(), 0);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Histogram {
    low: i32,
    high: i32,
    counts: [u16; Self::BINS],
    /// For each part: how many of all values lie in parts that are no more frequent. Made from the counts.
    tails: [u16; Self::BINS],
    total: u16,
}

impl Histogram {
    /// So many parts are told apart.
    pub const BINS: usize = 32;

    /// No value yet.
    pub const fn new(attribute: Attribute) -> Self {
        let (low, high) = attribute.range();
        Self { low, high, counts: [0; Self::BINS], tails: [0; Self::BINS], total: 0 }
    }

    /// One value more; one beyond the range counts for its end. After 2¹⁶ − 1 values nothing is taken any more.
    pub fn update(&mut self, value: i32) {
        let Some(total) = self.total.checked_add(1) else { return };
        self.total = total;
        let bin = self.bin(value);
        if let Some(count) = self.counts.get_mut(bin) {
            *count += 1;
        }
        self.settle();
    }

    /// All values of another one over the same range; one over another range is left out.
    pub fn merge(&mut self, other: &Self) {
        let same = (self.low, self.high) == (other.low, other.high);
        let Some(total) = self.total.checked_add(other.total).filter(|_| same) else { return };
        self.total = total;
        for (count, more) in self.counts.iter_mut().zip(other.counts) {
            *count += more;
        }
        self.settle();
    }

    /// Which share of what was seen lies in parts that are no more frequent than this value's. Parts share with their
    /// neighbours (weights 1, 2, 1), so that no value falls into a hole between two.
    pub fn tail(&self, value: i32) -> BasisPoints {
        share(self.tail_count(value), self.count())
    }

    /// The same as a count.
    pub(super) fn tail_count(&self, value: i32) -> u32 {
        self.tails.get(self.bin(value)).copied().unwrap_or(0).into()
    }

    /// In which part a value lies.
    pub fn bin(&self, value: i32) -> usize {
        Self::part((self.low, self.high), value) as usize
    }

    /// In which part of a range a value lies.
    pub(super) fn part((low, high): (i32, i32), value: i32) -> u32 {
        let off = u64::from(value.clamp(low, high).abs_diff(low));
        let width = u64::from(high.abs_diff(low)) + 1;
        u32::try_from(quotient(off * PARTS, width).min(PARTS - 1)).unwrap_or(0)
    }

    /// A bit for each part whose tail is at least this.
    pub(super) fn accepted(&self, min: BasisPoints) -> u32 {
        let fits = |tail: &u16| reaches(u32::from(*tail), self.count(), min);
        let bits = (0_u32..).zip(&self.tails).filter(|(_, tail)| fits(tail));
        bits.fold(0, |all, (part, _)| all | 1 << part)
    }

    /// The counts, from the lowest part up.
    pub const fn counts(&self) -> &[u16; Self::BINS] {
        &self.counts
    }

    /// How many values were taken.
    pub const fn count(&self) -> u32 {
        self.total as u32
    }

    /// Adds what one day showed: each part once, however often it came.
    pub(super) fn drift(&mut self, values: &[i32]) {
        for (at, value) in values.iter().enumerate() {
            let bin = self.bin(*value);
            if !values.iter().take(at).any(|earlier| self.bin(*earlier) == bin) {
                self.update(*value);
            }
        }
    }

    pub(super) fn encode(&self, writer: &mut Writer<'_>) {
        for count in self.counts {
            writer.u16(count);
        }
    }

    pub(super) fn read(attribute: Attribute, reader: &mut Reader<'_>) -> Result<Self, WireError> {
        let mut all = Self::new(attribute);
        for count in &mut all.counts {
            *count = reader.u16()?;
            all.total = all.total.checked_add(*count).ok_or(WireError::Invalid)?;
        }
        all.settle();
        Ok(all)
    }

    fn settle(&mut self) {
        let mut smooth = [0_u32; Self::BINS];
        for (at, one) in smooth.iter_mut().enumerate() {
            let count = |at: Option<usize>| {
                at.and_then(|at| self.counts.get(at)).map_or(0, |count| u32::from(*count))
            };
            *one = count(at.checked_sub(1)) + 2 * count(Some(at)) + count(Some(at + 1));
        }
        for (tail, this) in self.tails.iter_mut().zip(smooth) {
            let rarer = smooth.iter().zip(self.counts).filter(|(other, _)| **other <= this);
            *tail = if this == 0 { 0 } else { rarer.map(|(_, count)| count).sum() };
        }
    }
}

/// [`Histogram::BINS`], to calculate with.
const PARTS: u64 = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_has_a_bin_and_the_ends_have_theirs() {
        let load = Histogram::new(Attribute::EngineLoad);
        assert_eq!([i32::MIN, 0, 10_000, i32::MAX].map(|value| load.bin(value)), [0, 0, 31, 31]);
        assert_eq!([312, 313].map(|value| load.bin(value)), [0, 1]);
        assert_eq!(load.tail(500), BasisPoints::ZERO);
    }

    #[test]
    fn a_hole_between_two_frequent_parts_is_no_surprise() {
        let mut load = Histogram::new(Attribute::EngineLoad);
        for _ in 0..20 {
            load.update(3_000);
            load.update(3_600);
        }
        load.update(9_000);
        assert!(load.tail(3_300) > load.tail(9_000));
        assert_eq!(load.tail(6_000), BasisPoints::ZERO);
    }
}
