//! All blocks of a set of points, looked at one after the other or on all cores.

use crate::Points;
use crate::block::{Anew, Block, Inertia, Room, Standing};
use crate::dispatch::run;
use crate::kernel::BLOCK;
use alloc::vec;
use alloc::vec::Vec;

/// What Lloyd's algorithm knows of the points: their labels, and sums block by block.
pub(crate) struct Blocks<'a, const D: usize> {
    points: &'a Points<'a>,
    groups: usize,
    pub(crate) labels: Vec<u8>,
    until: Vec<f64>,
    sums: Vec<[f64; D]>,
    counts: Vec<f64>,
    standings: Vec<Standing>,
}

impl<'a, const D: usize> Blocks<'a, D> {
    pub(crate) fn new(points: &'a Points<'a>, groups: usize) -> Self {
        let blocks = points.len().div_ceil(BLOCK);
        Self {
            points,
            groups,
            labels: vec![0; points.len()],
            until: vec![0.0; points.len()],
            sums: vec![[0.0; D]; blocks * groups],
            counts: vec![0.0; blocks * groups],
            standings: vec![Standing::default(); blocks],
        }
    }

    /// Runs the blocks, on all cores if there are many; says whether one of them said yes.
    pub(crate) fn each<F>(&mut self, work: F) -> bool
    where
        F: Fn(Block<'_, D>, &mut Room<D>) -> bool + Sync,
    {
        let Self { points, groups, labels, until, sums, counts, standings } = self;
        let (points, groups) = (*points, *groups);
        let blocks = labels
            .chunks_mut(BLOCK)
            .zip(until.chunks_mut(BLOCK))
            .zip(sums.chunks_exact_mut(groups).zip(counts.chunks_exact_mut(groups)))
            .zip(standings)
            .enumerate()
            .map(|(at, (((labels, until), (sums, counts)), standing))| {
                let columns = block_columns(points, at);
                Block { columns, labels, until, sums, counts, standing }
            });
        #[cfg(feature = "parallel")]
        if points.len() >= PARALLEL_MIN {
            use rayon::prelude::*;
            let blocks: Vec<_> = blocks.collect();
            let blocks = blocks.into_par_iter().with_min_len(8);
            let said = blocks.map_init(|| Room::new(groups), |room, block| work(block, room));
            return said.reduce(|| false, |a, b| a | b);
        }
        let mut room = Room::new(groups);
        blocks.fold(false, |said, block| said | work(block, &mut room))
    }

    /// Every point is looked at in the next round.
    pub(crate) fn forget_bounds(&mut self) {
        self.standings.iter_mut().for_each(Standing::forget_bounds);
    }

    /// Sums up from the points again where points were moved between sums; says whether there was any such block.
    pub(crate) fn sum_anew(&mut self) -> bool {
        let is_moved = self.standings.iter().any(|standing| standing.is_moved);
        is_moved
            && self.each(|block, room| {
                if block.standing.is_moved {
                    run(Anew { block, room });
                }
                true
            })
    }

    /// The bits of what is known besides the labels: bounds and sums.
    #[cfg(all(test, feature = "simd"))]
    pub(crate) fn bits(&self) -> (Vec<u64>, Vec<u64>) {
        let bits = |values: &[f64]| values.iter().map(|value| value.to_bits()).collect();
        (bits(&self.until), bits(self.sums.as_flattened()))
    }

    /// Moves the centres to the means of their groups, to the seed if there are no members, and returns the groups' sizes.
    pub(crate) fn means(&self, seeds: &[[f64; D]], centres: &mut [[f64; D]]) -> Vec<u64> {
        let groups = self.groups;
        let mut total = vec![[0.0; D]; groups];
        let mut counts = vec![0.0; groups];
        for (sums, block_counts) in
            self.sums.chunks_exact(groups).zip(self.counts.chunks_exact(groups))
        {
            for ((total, sum), (count, more)) in
                total.iter_mut().zip(sums).zip(counts.iter_mut().zip(block_counts))
            {
                *count += more;
                for (total, sum) in total.iter_mut().zip(sum) {
                    *total += sum;
                }
            }
        }
        for (((centre, seed), sum), &members) in
            centres.iter_mut().zip(seeds).zip(&total).zip(&counts)
        {
            *centre = if members > 0.0 { sum.map(|sum| sum / members) } else { *seed };
        }
        counts.into_iter().map(to_count).collect()
    }

    /// The squared distances of the points to the centres of their groups, summed up.
    pub(crate) fn inertia(&self, centres: &[[f64; D]]) -> f64 {
        let blocks = self.labels.chunks(BLOCK).enumerate();
        let sums = blocks.map(|(at, labels)| {
            run(Inertia { columns: block_columns(self.points, at), labels, centres })
        });
        sums.sum()
    }
}

/// Below this, handing work to other threads costs more than it saves.
#[cfg(feature = "parallel")]
const PARALLEL_MIN: usize = 1 << 16;

/// Counts are whole numbers in the kernels, exact below 2⁵³.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
const fn to_count(count: f64) -> u64 {
    count as u64
}

/// The columns of one block; those behind the points' own dimension are zeros.
pub(crate) fn block_columns<'a, const D: usize>(
    points: &'a Points<'_>,
    block: usize,
) -> [&'a [f64]; D] {
    let from = block * BLOCK;
    let until = points.len().min(from + BLOCK);
    core::array::from_fn(|metric| {
        let column = if metric < points.dimension() { points.column(metric) } else { &[] };
        column.get(from..until).unwrap_or(ZEROS.get(..until - from).unwrap_or(&ZEROS))
    })
}

static ZEROS: [f64; BLOCK] = [0.0; BLOCK];
