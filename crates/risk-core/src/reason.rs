//! Why: closed sets of numbered reasons, each with what it contributed.

use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// One reason and its share in a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contribution<R> {
    /// The reason, of a closed set with stable numbers.
    pub reason: R,
    /// What it added to the score, in basis points; negative where it lowered the score.
    pub basis_points: i32,
}

/// The reasons of a result, the weightiest first; equal weights stand in the order of their reasons.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Reasons<R>(Vec<Contribution<R>>);

impl<R: Copy + Ord> Reasons<R> {
    /// Puts contributions into their order.
    pub fn new(mut all: Vec<Contribution<R>>) -> Self {
        all.sort_unstable_by_key(|c| (core::cmp::Reverse(c.basis_points.unsigned_abs()), c.reason));
        Self(all)
    }

    /// The weightiest reason.
    pub fn first(&self) -> Option<R> {
        self.0.first().map(|c| c.reason)
    }

    /// All contributions, the weightiest first.
    pub fn as_slice(&self) -> &[Contribution<R>] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    #[test]
    fn the_weightiest_comes_first_whatever_its_sign() {
        let c = |reason, basis_points| Contribution { reason, basis_points };
        let reasons = Reasons::new(vec![c('b', 5), c('c', -70), c('a', 5), c('d', 0)]);
        assert_eq!(reasons.as_slice(), [c('c', -70), c('a', 5), c('b', 5), c('d', 0)]);
        assert_eq!(reasons.first(), Some('c'));
    }
}
