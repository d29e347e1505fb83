//! The set that a scan is: asked for every neighbour of a profile, so it has to be quick.

use super::profile::Profile;
use super::scan::TokenTag;
use alloc::vec;
use alloc::vec::Vec;

/// A set of numbers below 2²⁹, in buckets of four that are compared at once.
///
/// An eighth of the places is taken, so nearly every question looks at one bucket. Nobody can make it slow: the numbers are
/// keyed tokens, and every neighbour costs the same whatever the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Needles {
    buckets: Vec<[u32; 4]>,
    /// One less than the number of buckets, a power of two.
    mask: u32,
    /// How many buckets a number may lie after its own, less one.
    more: usize,
}

impl Needles {
    pub(super) fn new(numbers: impl ExactSizeIterator<Item = u32>) -> Self {
        let count = (2 * numbers.len()).next_power_of_two();
        let mask = u32::try_from(count - 1).unwrap_or(0);
        let mut set = Self { buckets: vec![[NONE; 4]; count], mask, more: 0 };
        for number in numbers.filter(|number| *number != 0) {
            set.insert(number);
        }
        set
    }

    /// Says of each of these neighbours whether it is in the set: 1 or 0.
    #[inline]
    pub(super) fn mark(
        &self,
        tags: &[TokenTag; Profile::NEIGHBOURS_MAX],
        marks: &mut [u32; Profile::NEIGHBOURS_MAX],
    ) {
        for (tags, marks) in tags.as_chunks::<4>().0.iter().zip(marks.as_chunks_mut::<4>().0) {
            let numbers = tags.map(TokenTag::needle);
            let buckets = numbers.map(|number| self.buckets[self.bucket(number)]);
            let mut found = [0; 4];
            for at in 0..4 {
                found[at] = u32::from(has(&buckets[at], numbers[at]));
            }
            *marks = found;
        }
        if self.more > 0 {
            for (mark, tag) in marks.iter_mut().zip(tags) {
                *mark |= u32::from(self.lies_further(self.bucket(tag.needle()), tag.needle()));
            }
        }
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
        // Token bits are spread by the keyed function that made them. Below them stands the kind, the same for most.
        (number >> 5 & self.mask) as usize
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
                let expected = u32::from(expected.contains(&number) && number != 0);
                let mut marks = [9; Profile::NEIGHBOURS_MAX];
                set.mark(&[TokenTag(number << 3); Profile::NEIGHBOURS_MAX], &mut marks);
                prop_assert_eq!(marks, [expected; Profile::NEIGHBOURS_MAX]);
            }
        }
    }
}
