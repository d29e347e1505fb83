//! The owner's own windows, kept to compare a new one with: how unusual is it among them?

use super::{Attribute, ModelKind};
use alloc::vec::Vec;
use port::WireError;
use port::wire::{Reader, Writer};

/// A uniform sample of the values of learning windows, at most [`Calibration::VALUES_MAX`].
///
/// Each window has a tag drawn by hashing its name; those with the lowest tags stay (bottom-k sampling, Cohen and Kaplan 2007).
/// So merging is a union: in any order, any grouping, and twice makes no difference.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Calibration {
    /// In the order of tags.
    entries: Vec<(u32, i32)>,
}

impl Calibration {
    /// So many values stay.
    pub const VALUES_MAX: usize = 128;

    /// No value yet.
    pub const fn new() -> Self {
        Self { entries: Vec::new() }
    }

    /// One window more.
    pub fn update(&mut self, tag: u32, value: i32) {
        if let Err(at) = self.entries.binary_search(&(tag, value)) {
            self.entries.insert(at, (tag, value));
            self.entries.truncate(Self::VALUES_MAX);
        }
    }

    /// All windows of another one.
    pub fn merge(&mut self, other: &Self) {
        other.entries.iter().for_each(|(tag, value)| self.update(*tag, *value));
    }

    /// How many values there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The values, rising.
    pub fn rising(&self) -> Vec<i32> {
        let mut values: Vec<i32> = self.entries.iter().map(|(_, value)| *value).collect();
        values.sort_unstable();
        values
    }

    pub(super) fn encode(&self, writer: &mut Writer<'_>) {
        // at most 128
        writer.u8(u8::try_from(self.entries.len()).unwrap_or(u8::MAX));
        for (tag, value) in &self.entries {
            writer.u32(*tag).fixed(&value.to_be_bytes());
        }
    }

    pub(super) fn read(attribute: Attribute, reader: &mut Reader<'_>) -> Result<Self, WireError> {
        let count = usize::from(reader.u8()?);
        if count > Self::VALUES_MAX {
            return Err(WireError::TooLong);
        }
        let mut entries: Vec<(u32, i32)> = Vec::with_capacity(count);
        for _ in 0..count {
            let entry = (reader.u32()?, i32::from_be_bytes(reader.array()?));
            let rises = entries.last().is_none_or(|last| *last < entry);
            if !rises || !attribute.contains(entry.1) {
                return Err(WireError::Invalid);
            }
            entries.push(entry);
        }
        Ok(Self { entries })
    }
}

/// Learning windows in rising order, and what is asked of them.
///
/// Scores are made with the new window as one of all: then owner windows that are exchangeable give exchangeable scores, and
/// the bounds of [`Windows::p_value`] and [`Windows::e_value_milli`] hold exactly, not nearly (full conformal prediction, Vovk,
/// Gammerman and Shafer, *Algorithmic Learning in a Random World*).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Windows {
    rising: Vec<i32>,
    sum: i64,
    squares: i128,
}

impl Windows {
    /// Of these values; of more than [`Calibration::VALUES_MAX`], the first ones that are given, whatever their size.
    pub fn new(mut values: Vec<i32>) -> Self {
        values.truncate(Calibration::VALUES_MAX);
        values.sort_unstable();
        let sum = values.iter().map(|value| i64::from(*value)).sum();
        let squares = values.iter().map(|value| i128::from(*value).pow(2)).sum();
        Self { rising: values, sum, squares }
    }

    /// The values.
    pub fn as_slice(&self) -> &[i32] {
        &self.rising
    }

    /// `(1 + #{score of a window ≥ score of the new one}, n + 1)`: a p-value as a fraction. For owner windows
    /// `P(p ≤ α) ≤ α` for each α.
    pub fn p_value(&self, attribute: Attribute, value: i32) -> (u32, u32) {
        let n = self.rising.len();
        let as_strange = match attribute.model_kind() {
            ModelKind::Band | ModelKind::RobustBand => {
                // The score of x is |(n + 1) x − (sum with the new value)|.
                let scale = i64::try_from(n).unwrap_or(0) + 1;
                let total = self.sum + i64::from(value);
                let off = (scale * i64::from(value) - total).abs();
                let below = self.rising.partition_point(|x| scale * i64::from(*x) <= total - off);
                let inside = self.rising.partition_point(|x| scale * i64::from(*x) < total + off);
                if off == 0 { n } else { below + (n - inside) }
            }
            ModelKind::Categorical | ModelKind::Circular | ModelKind::Histogram => {
                // The score of x is how few others are like it.
                let like = self.like(attribute, value, value);
                let strange = |x: &&i32| self.like(attribute, **x, value) <= like;
                self.rising.iter().filter(strange).count()
            }
        };
        let count = |n: usize| u32::try_from(n + 1).unwrap_or(u32::MAX);
        (count(as_strange), count(n))
    }

    /// `(n + 1) × score of the new window / sum of all scores`, in thousandths, rounded down: an e-value. For owner windows
    /// its mean is at most 1, so that `P(e ≥ 1/α) ≤ α`, also for averages of e-values that depend on each other (Vovk and Wang,
    /// *E-values: calibration, combination and applications*, 2021).
    pub fn e_value_milli(&self, attribute: Attribute, value: i32) -> u64 {
        let n = self.rising.len() as i128 + 1;
        match attribute.model_kind() {
            ModelKind::Band | ModelKind::RobustBand => {
                // Squares of distances from the mean of all: their sum is (n Σx² − (Σx)²) / n.
                let (sum, value) = (i128::from(self.sum) + i128::from(value), i128::from(value));
                let all = n * (self.squares + value * value) - sum * sum;
                let new = n * value - sum;
                let e = if all == 0 { 1_000 } else { 1_000 * new * new / all };
                u64::try_from(e).unwrap_or(0)
            }
            ModelKind::Categorical | ModelKind::Circular | ModelKind::Histogram => {
                const UNIT: u64 = 1 << 32;
                let score = |x: i32| UNIT / u64::from(self.like(attribute, x, value).max(1));
                let new = score(value);
                let all: u64 = self.rising.iter().map(|x| score(*x)).sum::<u64>() + new;
                let count = self.rising.len() as u64 + 1;
                u64::try_from(u128::from(new) * 1_000 * u128::from(count) / u128::from(all))
                    .unwrap_or(0)
            }
        }
    }

    /// How many of all, the new one included, are like `x`: the same, in the same 32nd of the range, or within half an hour.
    fn like(&self, attribute: Attribute, x: i32, new: i32) -> u32 {
        let (low, high) = attribute.range();
        let width = ((high - low) / 32).max(1);
        let near = |other: i32| match attribute.model_kind() {
            ModelKind::Circular => {
                let off = (other - x).rem_euclid(1_440);
                off.min(1_440 - off) <= 30
            }
            ModelKind::Histogram => other.abs_diff(x) <= width.unsigned_abs(),
            _ => other == x,
        };
        let all = self.rising.iter().copied().chain([new]).filter(|other| near(*other)).count();
        u32::try_from(all).unwrap_or(u32::MAX)
    }
}
