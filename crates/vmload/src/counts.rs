//! What became of the samples that came.

use core::ops::AddAssign;

/// How many samples came, were used, and had which flaw. A sample with two flaws counts under both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Samples that came.
    pub seen: u64,
    /// Samples that are used: `seen - dropped - joined`.
    pub used: u64,
    /// Samples left out by the policy.
    pub dropped: u64,
    /// Samples that vanished into another one of the same time.
    pub joined: u64,
    /// Samples with a missing value.
    pub missing: u64,
    /// Samples with a NaN.
    pub not_a_number: u64,
    /// Samples with an infinite value.
    pub infinite: u64,
    /// Samples with a value outside of its range.
    pub outside: u64,
    /// Samples whose time was there already.
    pub duplicate: u64,
    /// Samples whose time is not believed.
    pub skewed: u64,
    /// Samples that came after a later one.
    pub disordered: u64,
    /// Values that an earlier sample stood in for.
    pub held: u64,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        let pairs = [
            (&mut self.seen, other.seen),
            (&mut self.used, other.used),
            (&mut self.dropped, other.dropped),
            (&mut self.joined, other.joined),
            (&mut self.missing, other.missing),
            (&mut self.not_a_number, other.not_a_number),
            (&mut self.infinite, other.infinite),
            (&mut self.outside, other.outside),
            (&mut self.duplicate, other.duplicate),
            (&mut self.skewed, other.skewed),
            (&mut self.disordered, other.disordered),
            (&mut self.held, other.held),
        ];
        for (sum, more) in pairs {
            *sum = sum.saturating_add(more);
        }
    }
}
