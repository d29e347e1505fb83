//! One of a few values: how often each was seen.

use super::model::share;
use crate::BasisPoints;
use alloc::vec::Vec;
use port::WireError;
use port::wire::{Reader, Writer};

/// Counts of values, at most [`Categorical::VALUES_MAX`] of them.
///
/// Where more turn up, the rarest give way by the rule of Misra and Gries (1982): each count is then too low by at most a
/// 33rd of all. Merging keeps that bound, and is exact while the values fit.
///
/// ```
/// use interbank_risk_core::driving::Categorical;
/// let mut seat = Categorical::new();
/// [1, 1, 1, 1, 2].into_iter().for_each(|slot| seat.update(slot));
/// assert_eq!([1, 2, 3].map(|slot| seat.tail(slot).as_u16()), [10_000, 2_000, 0]);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Categorical {
    /// In the order of the values.
    counts: Vec<(i32, u32)>,
    /// For each of them: how many of all values are no more frequent. Made from the counts.
    tails: Vec<u32>,
    total: u32,
}

impl Categorical {
    /// So many values are told apart.
    pub const VALUES_MAX: usize = 32;

    /// No value yet.
    pub const fn new() -> Self {
        Self { counts: Vec::new(), tails: Vec::new(), total: 0 }
    }

    /// One value more. After 2³² − 1 values nothing is taken any more.
    pub fn update(&mut self, value: i32) {
        let Some(total) = self.total.checked_add(1) else { return };
        self.total = total;
        self.add(value, 1);
        self.shrink();
    }

    /// All values of another one.
    pub fn merge(&mut self, other: &Self) {
        let Some(total) = self.total.checked_add(other.total) else { return };
        self.total = total;
        for (value, count) in &other.counts {
            self.add(*value, *count);
        }
        self.shrink();
    }

    /// Which share of what was seen is no more frequent than this value: zero for one that was never seen.
    pub fn tail(&self, value: i32) -> BasisPoints {
        share(self.tail_count(value), self.total)
    }

    /// The same as a count.
    pub(super) fn tail_count(&self, value: i32) -> u32 {
        let at = self.counts.binary_search_by_key(&value, |(value, _)| *value);
        at.ok().and_then(|at| self.tails.get(at)).copied().unwrap_or(0)
    }

    /// The values that are told apart, rising.
    pub(super) fn values(&self) -> impl Iterator<Item = i32> {
        self.counts.iter().map(|(value, _)| *value)
    }

    /// How often this value was seen, at least.
    pub fn count_of(&self, value: i32) -> u32 {
        let at = self.counts.binary_search_by_key(&value, |(value, _)| *value);
        at.ok().and_then(|at| self.counts.get(at)).map_or(0, |(_, count)| *count)
    }

    /// How many values were taken.
    pub const fn count(&self) -> u32 {
        self.total
    }

    /// Adds what one day showed: each value once, however often it came.
    pub(super) fn drift(&mut self, values: &[i32]) {
        for (at, value) in values.iter().enumerate() {
            if !values.iter().take(at).any(|earlier| earlier == value) {
                self.update(*value);
            }
        }
    }

    pub(super) fn encode(&self, writer: &mut Writer<'_>) {
        // at most 32
        writer.u32(self.total).u8(u8::try_from(self.counts.len()).unwrap_or(u8::MAX));
        for (value, count) in &self.counts {
            writer.fixed(&value.to_be_bytes()).u32(*count);
        }
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, WireError> {
        let (total, values) = (reader.u32()?, usize::from(reader.u8()?));
        if values > Self::VALUES_MAX {
            return Err(WireError::TooLong);
        }
        let mut counts: Vec<(i32, u32)> = Vec::with_capacity(values);
        let mut left = total;
        for _ in 0..values {
            let (value, count) = (i32::from_be_bytes(reader.array()?), reader.u32()?);
            let rises = counts.last().is_none_or(|(last, _)| *last < value);
            left = left.checked_sub(count).ok_or(WireError::Invalid)?;
            if !rises || count == 0 {
                return Err(WireError::Invalid);
            }
            counts.push((value, count));
        }
        let mut all = Self { counts, tails: Vec::new(), total };
        all.settle();
        Ok(all)
    }

    fn add(&mut self, value: i32, by: u32) {
        match self.counts.binary_search_by_key(&value, |(value, _)| *value) {
            Ok(at) => {
                if let Some((_, count)) = self.counts.get_mut(at) {
                    *count = count.saturating_add(by);
                }
            }
            Err(at) => self.counts.insert(at, (value, by)),
        }
    }

    fn settle(&mut self) {
        self.tails.clear();
        for (_, count) in &self.counts {
            let rarer =
                self.counts.iter().map(|(_, other)| if other <= count { *other } else { 0 });
            self.tails.push(rarer.sum());
        }
    }

    /// Takes from each count what the first that does not fit has.
    fn shrink(&mut self) {
        if self.counts.len() <= Self::VALUES_MAX {
            self.settle();
            return;
        }
        let mut falling: Vec<u32> = self.counts.iter().map(|(_, count)| *count).collect();
        falling.sort_unstable_by_key(|count| core::cmp::Reverse(*count));
        let cut = falling.get(Self::VALUES_MAX).copied().unwrap_or(0);
        self.counts.retain_mut(|(_, count)| {
            *count -= cut.min(*count);
            *count > 0
        });
        self.settle();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn seen(values: &[i32]) -> Categorical {
        let mut all = Categorical::new();
        values.iter().for_each(|value| all.update(*value));
        all
    }

    #[test]
    fn one_day_adds_each_value_once() {
        let mut seat = seen(&[1; 10]);
        seat.drift(&[7; 50]);
        assert_eq!((seat.count_of(7), seat.count()), (1, 11));
    }

    proptest! {
        #[test]
        fn frequent_values_survive_any_number_of_others(others in prop::collection::vec(100..100_000, 0..400)) {
            let mut all = seen(&others);
            for _ in 0..100 { all.update(5); }
            prop_assert!(all.counts.len() <= Categorical::VALUES_MAX);
            prop_assert!(all.count_of(5) + all.count() / 33 >= 100);
        }
    }
}
