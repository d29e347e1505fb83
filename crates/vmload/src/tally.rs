//! What is kept of a machine's samples: counts and sums of its groups.

use crate::lloyd::of_u64;
use crate::reading::{GRID, on_grid};
use crate::{Error, Misuse, SeedSet, Signature};
use alloc::vec;
use alloc::vec::Vec;

/// Counts and sums of one machine's samples by the nearest of the fleet's seeds, in whole numbers: adding, removing and
/// merging are exact and in any order the same.
///
/// This is stage 1 held at its first assignment, which needs no second look at the samples; λ is exact nevertheless, since
/// it is the mean whatever the groups are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tally {
    dimension: usize,
    counts: Vec<u64>,
    /// In units of 2⁻³².
    sums: Vec<u64>,
}

impl Tally {
    /// Nothing yet, for these seeds.
    pub fn new(seeds: &SeedSet) -> Self {
        let dimension = seeds.dimension();
        Self { dimension, counts: vec![0; seeds.len()], sums: vec![0; seeds.len() * dimension] }
    }

    /// Counts a sample, its loads clamped to `[0, 1]`; returns its group. O(groups × metrics), no allocation.
    ///
    /// # Errors
    /// [`Misuse::Shape`] if sample, seeds and tally differ in dimension, [`Misuse::NotFinite`], [`Misuse::Bounds`] above
    /// 2³¹ samples; nothing was changed.
    pub fn add(&mut self, seeds: &SeedSet, loads: &[f64]) -> Result<usize, Misuse> {
        let group = self.group_of(seeds, loads)?;
        if self.total() >= TOTAL_MAX {
            return Err(Misuse::Bounds);
        }
        for (sum, &load) in self.sums.iter_mut().skip(group * self.dimension).zip(loads) {
            *sum += steps(load);
        }
        if let Some(count) = self.counts.get_mut(group) {
            *count += 1;
        }
        Ok(group)
    }

    /// Takes back a sample.
    ///
    /// # Errors
    /// As [`Tally::add`]; [`Misuse::NeverAdded`] if it cannot have been added.
    pub fn remove(&mut self, seeds: &SeedSet, loads: &[f64]) -> Result<usize, Misuse> {
        let group = self.group_of(seeds, loads)?;
        let mut sums = self.sums.iter().skip(group * self.dimension).zip(loads);
        let fits = self.counts.get(group).is_some_and(|&count| count > 0);
        if !fits || sums.any(|(&sum, &load)| sum < steps(load)) {
            return Err(Misuse::NeverAdded);
        }
        for (sum, &load) in self.sums.iter_mut().skip(group * self.dimension).zip(loads) {
            *sum -= steps(load);
        }
        if let Some(count) = self.counts.get_mut(group) {
            *count -= 1;
        }
        Ok(group)
    }

    /// Adds what another tally of the same seeds counted.
    ///
    /// # Errors
    /// [`Misuse::Shape`], [`Misuse::Bounds`]; nothing was changed.
    pub fn merge(&mut self, other: &Self) -> Result<(), Misuse> {
        self.check_alike(other)?;
        if self.total() + other.total() > TOTAL_MAX {
            return Err(Misuse::Bounds);
        }
        for (own, more) in self.numbers().zip(other.counts.iter().chain(&other.sums)) {
            *own += more;
        }
        Ok(())
    }

    /// Takes back what another tally of the same seeds counted.
    ///
    /// # Errors
    /// [`Misuse::Shape`], [`Misuse::NeverAdded`]; nothing was changed.
    pub fn subtract(&mut self, other: &Self) -> Result<(), Misuse> {
        self.check_alike(other)?;
        let own = self.counts.iter().chain(&self.sums);
        if own.zip(other.counts.iter().chain(&other.sums)).any(|(own, less)| own < less) {
            return Err(Misuse::NeverAdded);
        }
        for (own, less) in self.numbers().zip(other.counts.iter().chain(&other.sums)) {
            *own -= less;
        }
        Ok(())
    }

    /// How many samples.
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Shares and centres; the centre of a group without samples is its seed.
    ///
    /// # Errors
    /// [`Error::NoSamples`], [`Misuse::Shape`] if these are other seeds.
    pub fn signature(&self, seeds: &SeedSet) -> Result<Signature, Error> {
        if seeds.len() != self.counts.len() || seeds.dimension() != self.dimension {
            return Err(Misuse::Shape.into());
        }
        if self.total() == 0 {
            return Err(Error::NoSamples);
        }
        let mut centres = Vec::with_capacity(self.sums.len());
        for (group, (&count, sums)) in
            self.counts.iter().zip(self.sums.chunks_exact(self.dimension)).enumerate()
        {
            if count == 0 {
                centres.extend_from_slice(seeds.seed(group));
            } else {
                centres.extend(sums.iter().map(|&sum| of_u64(sum) / GRID / of_u64(count)));
            }
        }
        Ok(Signature::new(&self.counts, &centres)?)
    }

    /// λ, without a signature in between: the mean load of each metric. Zeros if there are no samples.
    pub fn mean(&self) -> Vec<f64> {
        let mut mean = vec![0.0; self.dimension];
        self.mean_into(&mut mean);
        mean
    }

    /// Writes the mean load of each metric; no allocation.
    pub fn mean_into(&self, mean: &mut [f64]) {
        let total = of_u64(self.total().max(1));
        for (metric, mean) in mean.iter_mut().enumerate().take(self.dimension) {
            let sum: u64 = self.sums.iter().skip(metric).step_by(self.dimension).sum();
            *mean = of_u64(sum) / GRID / total;
        }
    }

    fn group_of(&self, seeds: &SeedSet, loads: &[f64]) -> Result<usize, Misuse> {
        let has_shape = loads.len() == self.dimension && seeds.dimension() == self.dimension;
        if !has_shape || seeds.len() != self.counts.len() {
            return Err(Misuse::Shape);
        }
        if loads.iter().any(|load| !load.is_finite()) {
            return Err(Misuse::NotFinite);
        }
        let mut best = (f64::INFINITY, 0);
        for group in 0..seeds.len() {
            let pairs = loads.iter().zip(seeds.seed(group));
            let far: f64 = pairs
                .map(|(&load, seed)| {
                    let along = on_grid(load) - seed;
                    along * along
                })
                .sum();
            if far < best.0 {
                best = (far, group);
            }
        }
        Ok(best.1)
    }

    fn check_alike(&self, other: &Self) -> Result<(), Misuse> {
        let alike = self.dimension == other.dimension && self.counts.len() == other.counts.len();
        if alike { Ok(()) } else { Err(Misuse::Shape) }
    }

    fn numbers(&mut self) -> impl Iterator<Item = &mut u64> {
        self.counts.iter_mut().chain(&mut self.sums)
    }
}

/// So many samples of full load still have a sum below 2⁶⁴.
const TOTAL_MAX: u64 = 1 << 31;

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // a whole number from 0 to 2³²
fn steps(load: f64) -> u64 {
    (on_grid(load) * GRID) as u64
}
