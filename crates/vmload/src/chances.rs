//! Which point is the next seed: chances proportional to the squared distance from the seeds before.

use crate::Points;
use crate::blocks::block_columns;
use crate::dispatch::{Kernel, run};
use crate::draw::Draw;
use crate::kernel::{BLOCK, LANES, potentials, shrink, tree};
use crate::width::Width;
use alloc::vec;
use alloc::vec::Vec;

/// The squared distance of each point from the nearest seed, and the sum of each block's.
pub(crate) struct Chances<'a, const D: usize> {
    points: &'a Points<'a>,
    nearest: Vec<f64>,
    sums: Vec<f64>,
}

impl<'a, const D: usize> Chances<'a, D> {
    /// Without a seed yet: none can be drawn.
    pub(crate) fn new(points: &'a Points<'a>) -> Self {
        let sums = vec![0.0; points.len().div_ceil(BLOCK)];
        let nearest = vec![f64::INFINITY; points.len()];
        Self { points, nearest, sums }
    }

    /// One more seed.
    pub(crate) fn add(&mut self, seed: &[f64; D]) {
        struct Shrink<'a, const D: usize>([&'a [f64]; D], &'a [f64; D], &'a mut [f64]);
        impl<const D: usize> Kernel for Shrink<'_, D> {
            type Output = f64;
            #[inline(always)]
            fn run<W: Width>(self, width: W) -> f64 {
                shrink(width, &self.0, self.1, self.2)
            }
        }
        let blocks = self.nearest.chunks_mut(BLOCK).zip(&mut self.sums).enumerate();
        for (at, (nearest, sum)) in blocks {
            *sum = run(Shrink(block_columns(self.points, at), seed, nearest));
        }
    }

    /// The sum of all squares.
    pub(crate) fn potential(&self) -> f64 {
        self.sums.iter().sum()
    }

    /// What it would be with one more seed, for each candidate.
    pub(crate) fn potentials(&self, candidates: &[[f64; D]]) -> Vec<f64> {
        struct Look<'a, const D: usize> {
            columns: [&'a [f64]; D],
            candidates: &'a [[f64; D]],
            nearest: &'a [f64],
            sums: &'a mut [[f64; LANES]],
        }
        impl<const D: usize> Kernel for Look<'_, D> {
            type Output = ();
            #[inline(always)]
            fn run<W: Width>(self, width: W) {
                potentials(width, &self.columns, self.candidates, self.nearest, self.sums);
            }
        }
        let mut totals = vec![0.0; candidates.len()];
        let mut sums = vec![[0.0; LANES]; candidates.len()];
        for (at, nearest) in self.nearest.chunks(BLOCK).enumerate() {
            let columns = block_columns(self.points, at);
            run(Look { columns, candidates, nearest, sums: &mut sums });
            totals.iter_mut().zip(&sums).for_each(|(total, sums)| *total += tree(sums));
        }
        totals
    }

    /// A point, by its chance.
    pub(crate) fn draw(&self, draw: &mut Draw) -> usize {
        draw.weighted(&self.nearest, &self.sums, self.potential())
    }
}
