//! Greedy k-means++: seeds drawn from the points, with given entropy.

use crate::draw::Draw;
use crate::lloyd::{GROUPS_MAX, shrink_all, with_dimension};
use crate::{Error, Grouping, Lloyd, Misuse, Points, SeedSet};
use alloc::vec;
use alloc::vec::Vec;

/// Seeds drawn with chances proportional to the squared distance from those drawn before, the best of some candidates
/// each time, and the whole repeated; the grouping of the least inertia wins, ties to the earlier.
///
/// Same entropy, same points in the same order: the same bits. `restarts: 1` is one start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Greedy {
    /// Drawn by the caller, once for each fit; a constant makes fits repeatable.
    pub entropy: [u8; 32],
    /// How often to start anew, at least 1.
    pub restarts: u32,
}

impl Greedy {
    /// Groups the points into `groups`; `label` sets apart uses of one entropy, as a machine's name does.
    ///
    /// If the points have fewer distinct values than groups, the later groups are empty.
    ///
    /// # Errors
    /// [`Misuse::Groups`], [`Misuse::Bounds`], [`Error::NoSamples`].
    pub fn group(
        &self,
        points: &Points<'_>,
        groups: usize,
        label: &[u8],
        lloyd: &Lloyd,
    ) -> Result<Grouping, Error> {
        if groups == 0 || groups > GROUPS_MAX {
            return Err(Misuse::Groups.into());
        }
        if points.is_empty() {
            return Err(Error::NoSamples);
        }
        let mut best: Option<Grouping> = None;
        for restart in 0..self.restarts {
            let mut draw = Draw::new(&self.entropy, label, restart);
            let seeds = with_dimension!(points.dimension(), draw_seeds(points, groups, &mut draw));
            let seeds: Vec<f64> = seeds.iter().map(|seed| seed * points.scale()).collect();
            let found = SeedSet::given(&seeds, points.dimension())?;
            let grouping = lloyd.group(points, &found)?.with_groups(groups);
            if best.as_ref().is_none_or(|best| grouping.inertia() < best.inertia()) {
                best = Some(grouping);
            }
        }
        best.ok_or(Misuse::Bounds.into())
    }
}

/// Rows of distinct seeds, fewer than `groups` if there are not so many distinct points.
fn draw_seeds<const D: usize>(points: &Points<'_>, groups: usize, draw: &mut Draw) -> Vec<f64> {
    let n = points.len();
    let mut seeds: Vec<f64> = points.point(draw.below(n)).collect();
    let mut nearest = vec![f64::INFINITY; n];
    let mut trial = vec![0.0; n];
    let mut best = vec![0.0; n];
    let mut potential = shrink_all::<D>(points, &seeds, &nearest, &mut best);
    core::mem::swap(&mut nearest, &mut best);
    let trials = trials(groups);
    for _ in 1..groups {
        if potential <= 0.0 {
            break;
        }
        let mut least: Option<(f64, usize)> = None;
        for _ in 0..trials {
            let candidate = draw.weighted(&nearest, potential);
            let at: Vec<f64> = points.point(candidate).collect();
            let sum = shrink_all::<D>(points, &at, &nearest, &mut trial);
            if least.is_none_or(|(best, _)| sum < best) {
                least = Some((sum, candidate));
                core::mem::swap(&mut best, &mut trial);
            }
        }
        let Some((sum, candidate)) = least else { break };
        potential = sum;
        core::mem::swap(&mut nearest, &mut best);
        seeds.extend(points.point(candidate));
    }
    seeds
}

/// 3 + ⌊ln groups⌋ candidates: one more than is usual, for a lower inertia of a single start.
fn trials(groups: usize) -> usize {
    match groups {
        0..=2 => 3,
        3..=7 => 4,
        8..=20 => 5,
        21..=54 => 6,
        55..=148 => 7,
        _ => 8,
    }
}
