//! The set that a scan is: asked for every neighbour of a profile, so it has to be quick.

use alloc::vec;
use alloc::vec::Vec;

/// A set of numbers below 2²⁹, in buckets of four that are compared at once.
///
/// An eighth of the places is taken, so nearly every question looks at one bucket. Nobody can make it slow: the numbers are
/// keyed tokens, and any question looks at `reach` buckets whatever the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Needles {
    buckets: Vec<[u32; 4]>,
    /// A hash has this many bits too many.
    shift: u32,
    /// How many buckets a number may lie after its own, less one.
    more: usize,
}

impl Needles {
    pub(super) fn new(numbers: impl ExactSizeIterator<Item = u32>) -> Self {
        let count = (2 * numbers.len()).next_power_of_two().max(2);
        let shift = 32 - count.trailing_zeros();
        let mut set = Self { buckets: vec![[NONE; 4]; count], shift, more: 0 };
        for number in numbers.filter(|number| *number != 0) {
            set.insert(number);
        }
        set
    }

    /// Whether it has this number.
    #[inline]
    pub(super) fn contains(&self, number: u32) -> bool {
        let at = self.bucket(number);
        let found = self.buckets.get(at).is_some_and(|bucket| has(bucket, number));
        if self.more == 0 { found } else { found || self.lies_further(at, number) }
    }

    #[cold]
    fn lies_further(&self, at: usize, number: u32) -> bool {
        let next = self.buckets.iter().cycle().skip(at + 1);
        next.take(self.more).any(|bucket| has(bucket, number))
    }

    fn insert(&mut self, number: u32) {
        let (first, count) = (self.bucket(number), self.buckets.len());
        for further in 0..count {
            let bucket = &mut self.buckets[(first + further) % count];
            if has(bucket, number) {
                return;
            }
            if let Some(place) = bucket.iter_mut().find(|place| **place == NONE) {
                *place = number;
                self.more = self.more.max(further);
                return;
            }
        }
    }

    fn bucket(&self, number: u32) -> usize {
        // Fibonacci hashing: the kind stands in the low bits, which are the same for most.
        (number.wrapping_mul(0x9E37_79B1) >> self.shift) as usize
    }
}

#[inline]
fn has(bucket: &[u32; 4], number: u32) -> bool {
    let [a, b, c, d] = *bucket;
    (a == number) | (b == number) | (c == number) | (d == number)
}

const NONE: u32 = u32::MAX;

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeSet;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn has_what_was_put_in(numbers in prop::collection::vec(1_u32..2_000, 0..600), step in 1_u32..300_000) {
            let numbers: Vec<u32> = numbers.into_iter().map(|number| number.wrapping_mul(step) >> 3).collect();
            let set = Needles::new(numbers.iter().copied());
            let expected: BTreeSet<u32> = numbers.into_iter().filter(|number| *number != 0).collect();
            for number in expected.iter().flat_map(|number| [number ^ 1, *number, number + 1]) {
                prop_assert_eq!(set.contains(number), expected.contains(&number) && number != 0);
            }
        }
    }
}
