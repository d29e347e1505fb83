//! What stage 1 finds in one machine: shares and centres, and what follows from them.

use crate::lloyd::of_u64;
use crate::{Grouping, LoadFormula, Misuse};
use alloc::vec;
use alloc::vec::Vec;

/// The groups of one machine: for each the number of its samples and its centre.
///
/// [`Signature::lambda`], the characteristic value, is the share-weighted sum of the centres. When every centre is the
/// mean of its group, λ is the mean of all samples *whatever the groups are*: stage 1 cancels out. What stage 1 finds
/// is kept in the signature itself, in [`Signature::convex_load`] and in [`Signature::burstiness`].
#[derive(Clone, Debug, PartialEq)]
pub struct Signature {
    dimension: usize,
    counts: Vec<u64>,
    total: u64,
    centres: Vec<f64>,
}

impl Signature {
    /// From counts and centres, the latter one after the other.
    ///
    /// # Errors
    /// [`Misuse::Shape`] if they do not fit each other or there is no sample at all, [`Misuse::NotFinite`].
    pub fn new(counts: &[u64], centres: &[f64]) -> Result<Self, Misuse> {
        let total = counts.iter().try_fold(0_u64, |sum, &count| sum.checked_add(count));
        let total = total.filter(|&total| total > 0).ok_or(Misuse::Shape)?;
        if centres.is_empty() || !centres.len().is_multiple_of(counts.len()) {
            return Err(Misuse::Shape);
        }
        if centres.iter().any(|value| !value.is_finite()) {
            return Err(Misuse::NotFinite);
        }
        let dimension = centres.len() / counts.len();
        Ok(Self { dimension, counts: counts.into(), total, centres: centres.into() })
    }

    /// Of a grouping.
    ///
    /// # Errors
    /// [`Misuse::Shape`] if it has no points.
    pub fn of(grouping: &Grouping) -> Result<Self, Misuse> {
        Self::new(grouping.counts(), grouping.centres())
    }

    /// How many groups, empty ones included.
    pub fn groups(&self) -> usize {
        self.counts.len()
    }

    /// How many coordinates a centre has.
    pub const fn dimension(&self) -> usize {
        self.dimension
    }

    /// The share of a group; 0 of the total if it is empty or not there.
    pub fn share(&self, group: usize) -> Share {
        Share { count: self.counts.get(group).copied().unwrap_or(0), total: self.total }
    }

    /// The centre of a group; that of an empty group is its seed.
    pub fn centre(&self, group: usize) -> &[f64] {
        self.centres.get(group * self.dimension..(group + 1) * self.dimension).unwrap_or_default()
    }

    /// Share and centre of each group.
    pub fn iter(&self) -> impl Iterator<Item = (Share, &[f64])> {
        (0..self.groups()).map(|group| (self.share(group), self.centre(group)))
    }

    /// How many samples.
    pub const fn total(&self) -> u64 {
        self.total
    }

    /// The characteristic value: the row of shares times the matrix of centres.
    pub fn lambda(&self) -> Vec<f64> {
        let mut lambda = vec![0.0; self.dimension];
        for (share, centre) in self.iter() {
            for (sum, coordinate) in lambda.iter_mut().zip(centre) {
                *sum += share.value() * coordinate;
            }
        }
        lambda
    }

    /// The load of the groups one by one, weighted by their shares: what the machine is under, not what its mean is under.
    pub fn convex_load(&self, formula: LoadFormula) -> f64 {
        self.iter().map(|(share, centre)| share.value() * formula.load(centre)).sum()
    }

    /// How much more load the groups have than their mean (Jensen's gap): 0 for a steady machine, at most 1.
    pub fn burstiness(&self, formula: LoadFormula) -> f64 {
        let gap = self.convex_load(formula) - formula.load(&self.lambda());
        // rounding alone can leave less than nothing, or next to nothing
        if gap > 1e-15 { gap } else { 0.0 }
    }

    /// A vector in which Euclidean distance is the earth mover's distance (of squares) between the metrics' loads: of each
    /// metric, the mean load within `levels` equal parts of the samples from the idlest up. The mean over the parts is λ.
    pub fn profile(&self, levels: usize) -> Vec<f64> {
        let mut profile = Vec::with_capacity(self.dimension * levels);
        for metric in 0..self.dimension {
            let mut parts: Vec<(f64, u64)> = (0..self.groups())
                .map(|group| {
                    let load = self.centre(group).get(metric).copied().unwrap_or_default();
                    (load, self.share(group).count)
                })
                .collect();
            parts.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            profile.extend((0..levels).map(|level| mean_within(&parts, self.total, level, levels)));
        }
        profile
    }
}

/// So many samples of so many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// Samples of the group.
    pub count: u64,
    /// Samples of the machine, at least 1.
    pub total: u64,
}

impl Share {
    /// As a fraction.
    pub fn value(&self) -> f64 {
        of_u64(self.count) / of_u64(self.total)
    }
}

/// The mean load of the samples whose rank is in part `level` of `levels`; whole numbers up to the last division.
fn mean_within(parts: &[(f64, u64)], total: u64, level: usize, levels: usize) -> f64 {
    // ranks in units of 1/levels of a sample
    let wide = |n: usize| u128::try_from(n).unwrap_or(u128::MAX);
    let from = wide(level) * u128::from(total);
    let until = from + u128::from(total);
    let mut passed = 0_u128;
    let mut sum = 0.0;
    for &(load, members) in parts {
        let next = passed + u128::from(members) * wide(levels);
        let inside = next.min(until).saturating_sub(passed.max(from));
        // below 2⁶⁴, since it is at most `total`
        sum += load * of_u64(u64::try_from(inside).unwrap_or(u64::MAX)) / of_u64(total);
        passed = next;
    }
    sum
}
