//! How often a machine had which load, in steps of one ten-thousandth.

use crate::Misuse;
use alloc::vec;
use alloc::vec::Vec;

/// Counts of loads in steps of 0.0001, of one metric. Adding, removing and merging are whole numbers: exact, and in any
/// order the same. 40 KiB, whatever the number of samples; at most 2³² − 1 of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Histogram {
    bins: Vec<u32>,
    total: u32,
}

impl Histogram {
    /// Nothing yet.
    pub fn new() -> Self {
        Self { bins: vec![0; BINS], total: 0 }
    }

    /// Counts one load; what is outside of `[0, 1]` counts at the nearer end, NaN at 0.
    ///
    /// # Errors
    /// [`Misuse::Bounds`] when full.
    pub fn add(&mut self, load: f64) -> Result<(), Misuse> {
        self.add_all(&[load])
    }

    /// Counts many loads, or none if they do not fit.
    ///
    /// # Errors
    /// [`Misuse::Bounds`] when full.
    pub fn add_all(&mut self, loads: &[f64]) -> Result<(), Misuse> {
        let more = u32::try_from(loads.len()).map_err(|_| Misuse::Bounds)?;
        self.total = self.total.checked_add(more).ok_or(Misuse::Bounds)?;
        for &load in loads {
            if let Some(bin) = self.bins.get_mut(bin_of(load)) {
                *bin += 1;
            }
        }
        Ok(())
    }

    /// Takes back one load.
    ///
    /// # Errors
    /// [`Misuse::NeverAdded`]; nothing was changed.
    pub fn remove(&mut self, load: f64) -> Result<(), Misuse> {
        let bin = self.bins.get_mut(bin_of(load)).filter(|bin| **bin > 0);
        *bin.ok_or(Misuse::NeverAdded)? -= 1;
        self.total -= 1;
        Ok(())
    }

    /// Adds what another one counted.
    ///
    /// # Errors
    /// [`Misuse::Bounds`] if both together do not fit; nothing was changed.
    pub fn merge(&mut self, other: &Self) -> Result<(), Misuse> {
        self.total = self.total.checked_add(other.total).ok_or(Misuse::Bounds)?;
        for (bin, more) in self.bins.iter_mut().zip(&other.bins) {
            *bin += more;
        }
        Ok(())
    }

    /// Takes back what another one counted.
    ///
    /// # Errors
    /// [`Misuse::NeverAdded`] if it is not all there; nothing was changed.
    pub fn subtract(&mut self, other: &Self) -> Result<(), Misuse> {
        if self.bins.iter().zip(&other.bins).any(|(bin, less)| bin < less) {
            return Err(Misuse::NeverAdded);
        }
        for (bin, less) in self.bins.iter_mut().zip(&other.bins) {
            *bin -= less;
        }
        self.total -= other.total;
        Ok(())
    }

    /// How many loads.
    pub const fn total(&self) -> u64 {
        // widening; `From` is not const
        self.total as u64
    }

    /// The distinct loads from the least up, each with its count: what [`crate::ExactGroups`] takes.
    pub fn iter(&self) -> impl Iterator<Item = (f64, u64)> {
        let present = self.bins.iter().enumerate().filter(|(_, count)| **count > 0);
        present.map(|(bin, &count)| (crate::lloyd::of_len(bin) / STEPS, u64::from(count)))
    }

    /// The least load that at least this share of the loads does not exceed; `None` if there is none.
    pub fn quantile(&self, share: f64) -> Option<f64> {
        let wanted = share * f64::from(self.total);
        let mut passed = 0_u64;
        self.iter().find_map(|(load, count)| {
            passed += count;
            (crate::lloyd::of_u64(passed) >= wanted).then_some(load)
        })
    }
}

impl Default for Histogram {
    fn default() -> Self {
        Self::new()
    }
}

const STEPS: f64 = 10_000.0;
const BINS: usize = 10_001;

/// The nearest step, halves up.
#[inline]
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // a cast of a float saturates, and NaN gives 0
fn bin_of(load: f64) -> usize {
    ((load * STEPS + 0.5) as u32 as usize).min(BINS - 1)
}
