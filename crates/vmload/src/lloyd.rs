//! Lloyd's algorithm: the grouping that given seeds lead to.

use crate::dispatch::{Kernel, run};
use crate::kernel::{
    Assigned, BLOCK, LANES, LaneSum, NO_LABEL, assign, shrink, sum_groups, to_label,
};
use crate::width::Width;
use crate::{Error, Grouping, Misuse, Points, SeedSet};
use alloc::vec;
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

/// One block's part in a round.
struct Round<'a, const D: usize> {
    centres: &'a [[f64; D]],
    block: Block<'a, D>,
    lane_sums: &'a mut LaneSums<D>,
}

/// A block of points and what is known of it; its sums stay as they are while none of its labels changes.
struct Block<'a, const D: usize> {
    columns: [&'a [f64]; D],
    labels: &'a mut [f64],
    sums: &'a mut [[f64; D]],
    counts: &'a mut [f64],
}

/// Room for the sums of a block, lane by lane.
type LaneSums<const D: usize> = Vec<[LaneSum<D>; LANES]>;

fn room<const D: usize>(groups: usize) -> LaneSums<D> {
    vec![[LaneSum::NONE; LANES]; groups]
}

impl<const D: usize> Kernel for Round<'_, D> {
    type Output = Assigned;

    #[inline(always)]
    fn run<W: Width>(self, width: W) -> Assigned {
        let Block { columns, labels, sums, counts } = self.block;
        let assigned = assign(width, &columns, self.centres, labels);
        if assigned.is_changed {
            sum_groups(&columns, labels, self.lane_sums, sums, counts);
        }
        assigned
    }
}

fn lloyd<const D: usize>(points: &Points<'_>, seeds: &[f64], rounds_max: u32) -> Grouping {
    let dimension = points.dimension();
    let seeds: Vec<[f64; D]> = seeds.chunks_exact(dimension).map(padded).collect();
    let groups = seeds.len();
    let blocks = points.len().div_ceil(BLOCK);
    let mut centres = seeds.clone();
    let mut labels = vec![NO_LABEL; points.len()];
    let mut sums = vec![[0.0; D]; blocks * groups];
    let mut block_counts = vec![0.0; blocks * groups];
    let mut counts = vec![0_u64; groups];
    let mut inertia = 0.0;
    let mut rounds = 0;
    let mut has_converged = false;
    while rounds < rounds_max {
        let work = labels
            .chunks_mut(BLOCK)
            .zip(sums.chunks_exact_mut(groups))
            .zip(block_counts.chunks_exact_mut(groups))
            .enumerate()
            .map(|(at, ((labels, sums), counts))| {
                let columns = block_columns(points, at);
                Block { columns, labels, sums, counts }
            });
        let assigned = each_block(work, &centres, points.len());
        rounds += 1;
        inertia = assigned.inertia;
        if !assigned.is_changed {
            has_converged = true;
            break;
        }
        counts = means(&seeds, &sums, &block_counts, &mut centres);
    }
    let labels: Vec<u8> = labels.into_iter().map(to_label).collect();
    if !has_converged {
        inertia = inertia_of(points, &labels, &centres);
    }
    let centres =
        centres.iter().flat_map(|centre| centre.iter().take(dimension).copied()).collect();
    Grouping { dimension, labels, counts, centres, inertia, rounds, has_converged }
}

/// Runs the blocks, on all cores if there are many, and joins what they say in their order.
fn each_block<'a, const D: usize>(
    work: impl Iterator<Item = Block<'a, D>>,
    centres: &[[f64; D]],
    len: usize,
) -> Assigned {
    #[cfg(feature = "parallel")]
    if len >= PARALLEL_MIN {
        use rayon::prelude::*;
        let work: Vec<_> = work.collect();
        let done = work.into_par_iter().with_min_len(8).map_init(
            || room(centres.len()),
            |lane_sums, block| run(Round { centres, block, lane_sums }),
        );
        let done: Vec<Assigned> = done.collect();
        return join(done.into_iter());
    }
    let _ = len;
    let mut lane_sums = room(centres.len());
    join(work.map(|block| run(Round { centres, block, lane_sums: &mut lane_sums })))
}

/// Below this, handing work to other threads costs more than it saves.
#[cfg(feature = "parallel")]
const PARALLEL_MIN: usize = 1 << 16;

fn join(blocks: impl Iterator<Item = Assigned>) -> Assigned {
    blocks.fold(Assigned::default(), |sum, block| Assigned {
        is_changed: sum.is_changed | block.is_changed,
        inertia: sum.inertia + block.inertia,
    })
}

/// Moves the centres to the means of their groups, and returns the groups' sizes.
fn means<const D: usize>(
    seeds: &[[f64; D]],
    sums: &[[f64; D]],
    block_counts: &[f64],
    centres: &mut [[f64; D]],
) -> Vec<u64> {
    let groups = seeds.len();
    let mut total = vec![[0.0; D]; groups];
    let mut counts = vec![0.0; groups];
    for (sums, block_counts) in sums.chunks_exact(groups).zip(block_counts.chunks_exact(groups)) {
        for ((total, sum), (count, more)) in
            total.iter_mut().zip(sums).zip(counts.iter_mut().zip(block_counts))
        {
            *count += more;
            for (total, sum) in total.iter_mut().zip(sum) {
                *total += sum;
            }
        }
    }
    for (((centre, seed), sum), &members) in centres.iter_mut().zip(seeds).zip(&total).zip(&counts)
    {
        *centre = if members > 0.0 { sum.map(|sum| sum / members) } else { *seed };
    }
    counts.into_iter().map(to_count).collect()
}

/// Counts are whole numbers in the kernels, exact below 2⁵³.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
const fn to_count(count: f64) -> u64 {
    count as u64
}

/// Of labels that need not be the nearest ones: after the cap.
fn inertia_of<const D: usize>(points: &Points<'_>, labels: &[u8], centres: &[[f64; D]]) -> f64 {
    let mut total = 0.0;
    for (at, labels) in labels.chunks(BLOCK).enumerate() {
        let columns = block_columns::<D>(points, at);
        let mut sum = 0.0;
        for (at, &label) in labels.iter().enumerate() {
            let Some(centre) = centres.get(usize::from(label)) else { continue };
            for (column, centre) in columns.iter().zip(centre) {
                let along = column.get(at).copied().unwrap_or_default() - centre;
                sum += along * along;
            }
        }
        total += sum;
    }
    total
}

/// Joins squared distances to `to` with those in `before`; returns the sum.
pub(crate) fn shrink_all<const D: usize>(
    points: &Points<'_>,
    to: &[f64],
    before: &[f64],
    after: &mut [f64],
) -> f64 {
    struct Shrink<'a, const D: usize> {
        columns: [&'a [f64]; D],
        to: &'a [f64; D],
        before: &'a [f64],
        after: &'a mut [f64],
    }
    impl<const D: usize> Kernel for Shrink<'_, D> {
        type Output = f64;
        #[inline(always)]
        fn run<W: Width>(self, width: W) -> f64 {
            shrink(width, &self.columns, self.to, self.before, self.after)
        }
    }
    let to = padded(to);
    let blocks = after.chunks_mut(BLOCK).zip(before.chunks(BLOCK)).enumerate();
    let sums = blocks.map(|(at, (after, before))| {
        run(Shrink { columns: block_columns::<D>(points, at), to: &to, before, after })
    });
    sums.sum()
}

fn block_columns<'a, const D: usize>(points: &'a Points<'_>, block: usize) -> [&'a [f64]; D] {
    let from = block * BLOCK;
    let until = points.len().min(from + BLOCK);
    core::array::from_fn(|metric| {
        let column = if metric < points.dimension() { points.column(metric) } else { &[] };
        column.get(from..until).unwrap_or(ZEROS.get(..until - from).unwrap_or(&ZEROS))
    })
}

static ZEROS: [f64; BLOCK] = [0.0; BLOCK];

fn padded<const D: usize>(coordinates: &[f64]) -> [f64; D] {
    core::array::from_fn(|d| coordinates.get(d).copied().unwrap_or_default())
}

#[cfg(all(test, feature = "simd"))]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use crate::dispatch::Call;
    use crate::width::One;
    use proptest::prelude::*;
    use pulp::Simd;

    type Outcome = (Assigned, Vec<f64>, Vec<[f64; 3]>, Vec<f64>, f64, Vec<f64>);

    /// One round and one seeding step, by whatever carries the kernels out.
    fn outcome(
        rows: &[f64],
        round: impl Fn(Round<'_, 3>) -> Assigned,
        shrink_by: impl Fn(&[&[f64]; 3], &[f64; 3], &[f64], &mut [f64]) -> f64,
    ) -> Outcome {
        let points = Points::from_rows(rows, 3).unwrap();
        let centres = [[0.1, 0.2, 0.3], [0.7, 0.1, 0.4], [0.5, 0.9, 0.2], [0.3, 0.3, 0.8]];
        let mut labels = vec![NO_LABEL; points.len()];
        let (mut sums, mut counts) = (vec![[0.0; 3]; 4], vec![0.0; 4]);
        let columns = block_columns(&points, 0);
        let block = Block { columns, labels: &mut labels, sums: &mut sums, counts: &mut counts };
        let assigned = round(Round { centres: &centres, block, lane_sums: &mut room(4) });
        let before = vec![0.25; points.len()];
        let mut after = vec![0.0; points.len()];
        let sum = shrink_by(&columns, &centres[1], &before, &mut after);
        (assigned, labels, sums, counts, sum, after)
    }

    fn by<S: Simd>(simd: S, rows: &[f64]) -> Outcome {
        struct Step<'a>(&'a [&'a [f64]; 3], &'a [f64; 3], &'a [f64], &'a mut [f64]);
        impl Kernel for Step<'_> {
            type Output = f64;
            #[inline(always)]
            fn run<W: Width>(self, width: W) -> f64 {
                shrink(width, self.0, self.1, self.2, self.3)
            }
        }
        outcome(
            rows,
            |round| simd.vectorize(Call(round)),
            |columns, to, before, after| simd.vectorize(Call(Step(columns, to, before, after))),
        )
    }

    proptest! {
        #[test]
        fn vectors_of_every_width_give_the_same_bits(
            rows in prop::collection::vec(-2.0..2.0_f64, 0..BLOCK).prop_map(|mut rows| {
                rows.truncate(rows.len() / 3 * 3);
                rows
            }),
        ) {
            let plain = outcome(
                &rows,
                |round| round.run(One),
                |columns, to, before, after| shrink(One, columns, to, before, after),
            );
            prop_assert_eq!(&by(pulp::Scalar::new(), &rows), &plain);
            #[cfg(target_arch = "x86_64")]
            if let Some(avx2) = pulp::x86::V3::try_new() {
                prop_assert_eq!(&by(avx2, &rows), &plain);
            }
            #[cfg(target_arch = "x86_64")]
            if let Some(avx512) = pulp::x86::V4::try_new() {
                prop_assert_eq!(&by(avx512, &rows), &plain);
            }
            #[cfg(target_arch = "aarch64")]
            if let Some(neon) = pulp::aarch64::Neon::try_new() {
                prop_assert_eq!(&by(neon, &rows), &plain);
            }
        }
    }
}
