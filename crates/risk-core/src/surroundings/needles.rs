//! The set that a scan is: asked for every neighbour of a profile, so it has to be quick.

use super::Report;
use super::profile::Profile;
use super::scan::TokenTag;
use alloc::vec;
use alloc::vec::Vec;

/// A set of numbers below 2²⁹. Each has a place that some of its bits name, and no other number has to be looked at there.
///
/// An eighth of the places is taken. The few numbers whose place is taken already are kept apart, and compared with all that is
/// asked for; of some ways to name places, the one is taken that leaves the fewest. Nobody can make it slow: the numbers are
/// keyed tokens, and every neighbour costs the same whatever the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Needles {
    /// As many as a power of two.
    places: Vec<u32>,
    /// From which bit on a number names its place.
    shift: u32,
    rest: Vec<u32>,
}

impl Needles {
    pub(super) fn new(numbers: impl ExactSizeIterator<Item = u32> + Clone) -> Self {
        let count = (8 * numbers.len()).next_power_of_two();
        let (mut shift, mut least) = (0, usize::MAX);
        for candidate in SHIFTS.into_iter().take(TRIES.max(TRIED_MAX / numbers.len().max(1))) {
            let left = left_over(numbers.clone(), candidate, count);
            if left < least {
                (shift, least) = (candidate, left);
            }
            if left == 0 {
                break;
            }
        }
        let mut needles = Self { places: vec![NONE; count], shift, rest: Vec::new() };
        for number in numbers.filter(|number| *number != 0) {
            let place = &mut needles.places[(number >> shift) as usize & (count - 1)];
            if *place == NONE {
                *place = number;
            } else if *place != number {
                needles.rest.push(number);
            }
        }
        needles
    }

    /// Says of each of these neighbours whether it is in the set: all bits set, or none.
    #[inline]
    pub(super) fn mark(
        &self,
        tags: &[TokenTag; Profile::NEIGHBOURS_MAX],
        marks: &mut [u32; Profile::NEIGHBOURS_MAX],
    ) {
        let Some(last) = self.places.len().checked_sub(1) else { return };
        let at = |number: u32| self.places[(number >> self.shift) as usize & last];
        for (tags, marks) in tags.as_chunks::<4>().0.iter().zip(marks.as_chunks_mut::<4>().0) {
            // One by one, and not with `map`, which is a call here and hands its results over through memory.
            let [a, b, c, d] = *tags;
            let numbers = [a.needle(), b.needle(), c.needle(), d.needle()];
            let there = [at(numbers[0]), at(numbers[1]), at(numbers[2]), at(numbers[3])];
            for at in 0..4 {
                marks[at] = if there[at] == numbers[at] { u32::MAX } else { 0 };
            }
        }
        for number in &self.rest {
            for (mark, tag) in marks.iter_mut().zip(tags) {
                *mark |= if tag.needle() == *number { u32::MAX } else { 0 };
            }
        }
    }
}

/// How many of these numbers find their place taken, if it is named by the bits from `shift` on; of equal ones, all but the
/// first do.
fn left_over(numbers: impl Iterator<Item = u32>, shift: u32, count: usize) -> usize {
    let mut taken = [0_u64; PLACES_MAX / 64];
    let last = count.min(PLACES_MAX) - 1;
    let mut left = 0;
    for number in numbers.filter(|number| *number != 0) {
        let at = (number >> shift) as usize & last;
        let bit = 1 << (at % 64);
        left += usize::from(taken[at / 64] & bit != 0);
        taken[at / 64] |= bit;
    }
    left
}

/// Token bits are spread by the keyed function that made them. They begin at the fifth; below stands the kind, the same for most.
/// Any from the fifth to the seventeenth leaves enough for the names of all places; neighbours share the fewest bits.
const SHIFTS: [u32; 13] = [5, 9, 13, 17, 7, 11, 15, 6, 8, 10, 12, 14, 16];

/// So many ways to name places are tried, unless one leaves nothing.
const TRIES: usize = 4;
/// With few numbers more of them, as long as no more than so many are looked at: of 32, two in three then have places of their
/// own, and large sets would not gain by it.
const TRIED_MAX: usize = 256;

/// Of a scan under two keys with as many neighbours as there can be.
const PLACES_MAX: usize = 8 * 2 * Report::NEIGHBOURS_MAX;

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
                let expected = if expected.contains(&number) { u32::MAX } else { 0 };
                let mut marks = [9; Profile::NEIGHBOURS_MAX];
                set.mark(&[TokenTag(number << 3); Profile::NEIGHBOURS_MAX], &mut marks);
                prop_assert_eq!(marks, [expected; Profile::NEIGHBOURS_MAX]);
            }
        }
    }
}
