//! Lloyd's algorithm: the grouping that given seeds lead to.

use crate::block::{First, Next};
use crate::blocks::Blocks;
use crate::bounds::Ways;
use crate::dispatch::run;
use crate::{Error, Grouping, Misuse, Points, SeedSet};
use alloc::vec::Vec;

/// Lloyd's algorithm from given seeds: squared Euclidean distance, ties to the lower group, until no label changes.
///
/// A group without members has share 0 and its centre at its seed. Centres are the exact means of the final groups (also
/// when the cap ended it). The result has the same bits for any number of threads and any vectors of the processor: sums
/// run over blocks of 512 points and eight lanes in a fixed order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lloyd {
    /// The most rounds of assignment, at least 1.
    pub rounds_max: u32,
}

impl Default for Lloyd {
    /// At most 100 rounds.
    fn default() -> Self {
        Self { rounds_max: 100 }
    }
}

impl Lloyd {
    /// Groups the points.
    ///
    /// # Errors
    /// [`Misuse::Seeds`] if the seeds are of another dimension, [`Misuse::Bounds`] without a round.
    pub fn group(&self, points: &Points<'_>, seeds: &SeedSet) -> Result<Grouping, Error> {
        if seeds.dimension() != points.dimension() {
            return Err(Misuse::Seeds.into());
        }
        if self.rounds_max == 0 {
            return Err(Misuse::Bounds.into());
        }
        let seeds: Vec<f64> = seeds.as_rows().iter().map(|seed| seed / points.scale()).collect();
        let mut grouping =
            with_dimension!(points.dimension(), lloyd(points, &seeds, self.rounds_max));
        for centre in &mut grouping.centres {
            *centre *= points.scale();
        }
        // one after the other: the square alone may be above what is finite, and 0 times that is no number
        grouping.inertia *= points.scale();
        grouping.inertia *= points.scale();
        Ok(grouping)
    }
}

/// The number of groups has to fit a label.
pub(crate) const GROUPS_MAX: usize = 256;

/// Calls `$function::<D>` for the smallest built dimension that holds `$dimension`; coordinates that are not there are
/// 0 and change no bit.
macro_rules! with_dimension {
    ($dimension:expr, $function:ident ( $($argument:expr),* )) => {
        match $dimension {
            0 | 1 => $function::<1>($($argument),*),
            2 => $function::<2>($($argument),*),
            3 => $function::<3>($($argument),*),
            4 => $function::<4>($($argument),*),
            5 => $function::<5>($($argument),*),
            6 => $function::<6>($($argument),*),
            7 => $function::<7>($($argument),*),
            8 => $function::<8>($($argument),*),
            9..=12 => $function::<12>($($argument),*),
            13..=16 => $function::<16>($($argument),*),
            17..=32 => $function::<32>($($argument),*),
            _ => $function::<64>($($argument),*),
        }
    };
}
pub(crate) use with_dimension;

fn lloyd<const D: usize>(points: &Points<'_>, seeds: &[f64], rounds_max: u32) -> Grouping {
    let dimension = points.dimension();
    let seeds: Vec<[f64; D]> = seeds.chunks_exact(dimension).map(padded).collect();
    let mut centres = seeds.clone();
    let mut blocks = Blocks::new(points, seeds.len());
    blocks.each(|block, room| run(First { centres: &centres, block, room }));
    let mut counts = blocks.means(&seeds, &mut centres);
    let mut ways = Ways::new();
    let mut rounds = 1;
    let mut has_converged = points.is_empty();
    while rounds < rounds_max && !has_converged {
        if rounds.is_multiple_of(ROUNDS_BOUNDED) {
            ways = Ways::new();
            blocks.forget_bounds();
        }
        let is_changed =
            blocks.each(|block, room| run(Next { centres: &centres, ways: &ways, block, room }));
        rounds += 1;
        // what moving points between sums has rounded must not be in the means
        if is_changed || blocks.sum_anew() {
            let before = centres.clone();
            counts = blocks.means(&seeds, &mut centres);
            ways.go(&before, &centres);
            has_converged = !is_changed && centres == before;
        } else {
            has_converged = true;
        }
    }
    if blocks.sum_anew() {
        counts = blocks.means(&seeds, &mut centres);
    }
    let inertia = blocks.inertia(&centres);
    let centres =
        centres.iter().flat_map(|centre| centre.iter().take(dimension).copied()).collect();
    Grouping { dimension, labels: blocks.labels, counts, centres, inertia, rounds, has_converged }
}

/// After so many rounds all points are looked at again, so that what sums of ways are rounded by stays far below what
/// bounds allow for.
const ROUNDS_BOUNDED: u32 = 1024;

pub(crate) fn padded<const D: usize>(coordinates: &[f64]) -> [f64; D] {
    core::array::from_fn(|d| coordinates.get(d).copied().unwrap_or_default())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The readable version: every round looks at all points and sums up all groups.
    fn plain(points: &Points<'_>, seeds: &[[f64; 2]], rounds_max: u32) -> (Vec<u8>, Vec<[f64; 2]>) {
        let mut blocks = Blocks::new(points, seeds.len());
        let mut centres = seeds.to_vec();
        let mut labels = Vec::new();
        for _ in 0..rounds_max {
            blocks.each(|block, room| run(First { centres: &centres, block, room }));
            if blocks.labels == labels {
                break;
            }
            labels.clone_from(&blocks.labels);
            blocks.means(seeds, &mut centres);
        }
        (labels, centres)
    }

    fn check(rows: &[[f64; 2]], groups: usize) -> Result<(), TestCaseError> {
        let points = Points::from_rows(rows.as_flattened(), 2).unwrap();
        let mut seeds: Vec<[f64; 2]> = Vec::new();
        for row in rows {
            if seeds.len() < groups && !seeds.contains(row) {
                seeds.push(*row);
            }
        }
        let scaled: Vec<[f64; 2]> =
            seeds.iter().map(|seed| seed.map(|x| x / points.scale())).collect();
        let (labels, centres) = plain(&points, &scaled, 300);
        let found = lloyd::<2>(&points, scaled.as_flattened(), 300);
        prop_assert_eq!(&found.labels, &labels);
        prop_assert_eq!(found.centres, centres.into_flattened());
        Ok(())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        /// Clouds that overlap: many rounds, in which few labels change.
        #[test]
        fn bounds_and_moved_sums_change_no_bit(
            clouds in prop::collection::vec((-1.0..1.0_f64, -1.0..1.0_f64, 0.05..0.5_f64), 1..6),
            dice in prop::collection::vec(prop::array::uniform4(-1.0..1.0_f64), 1..3000),
            groups in 1_usize..9,
        ) {
            let rows = dice.iter().zip(clouds.iter().cycle()).map(|([a, b, c, d], (x, y, wide))| {
                [x + (a + c) * wide, y + (b + d) * wide]
            });
            check(&rows.collect::<Vec<_>>(), groups)?;
        }

        /// Ties everywhere: whole numbers, some points again and again.
        #[test]
        fn bounds_keep_ties_with_the_lower_group(
            rows in prop::collection::vec([-4_i8..5, -4_i8..5], 1..2000),
            groups in 1_usize..9,
        ) {
            let rows: Vec<_> = rows.iter().map(|row| row.map(f64::from)).collect();
            check(&rows, groups)?;
        }

        /// Numbers of any size beside each other.
        #[test]
        fn outliers_change_no_bit(
            rows in prop::collection::vec(([-1.0..1.0_f64, -1.0..1.0_f64], 0_usize..60), 1..1500),
            groups in 1_usize..9,
        ) {
            const SIZES: [f64; 5] = [1e300, 1e9, 1e-9, 1e-200, 1e-310];
            let rows = rows.iter().map(|(row, size)| row.map(|x| x * SIZES.get(*size).unwrap_or(&1.0)));
            check(&rows.collect::<Vec<_>>(), groups)?;
        }
    }
}
