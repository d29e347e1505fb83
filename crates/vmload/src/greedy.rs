//! Greedy k-means++: seeds drawn from the points, with given entropy.

use crate::chances::Chances;
use crate::draw::Draw;
use crate::lloyd::{GROUPS_MAX, with_dimension};
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
    let point = |at: usize| -> [f64; D] {
        core::array::from_fn(
            |d| if d < points.dimension() { points.coordinate(at, d) } else { 0.0 },
        )
    };
    let mut seeds = vec![point(draw.below(points.len()))];
    let mut chances = Chances::new(points);
    for drawn in 1..groups {
        chances.add(&seeds[drawn - 1]);
        if chances.potential() <= 0.0 {
            break;
        }
        let candidates: Vec<[f64; D]> =
            (0..candidates(drawn, groups)).map(|_| point(chances.draw(draw))).collect();
        let potentials = chances.potentials(&candidates);
        let mut best = f64::INFINITY;
        let mut seed = None;
        for (candidate, potential) in candidates.into_iter().zip(potentials) {
            if potential < best {
                (best, seed) = (potential, Some(candidate));
            }
        }
        let Some(seed) = seed else { break };
        seeds.push(seed);
    }
    seeds.iter().flat_map(|seed| seed.iter().take(points.dimension()).copied()).collect()
}

/// How many points are drawn for one seed to be chosen: one more than there are seeds already, until there are as many as
/// pays. Mistakes of the first seeds are made good by the later ones and by the rounds, those of the last are not.
fn candidates(drawn: usize, groups: usize) -> usize {
    // One more than the usual 2 + ⌊ln groups⌋, and from five groups on two: a lower inertia of a single start.
    let most: usize = match groups {
        0..=2 => 3,
        3..=4 => 4,
        5..=7 => 5,
        8..=20 => 6,
        21..=54 => 7,
        55..=148 => 8,
        _ => 9,
    };
    // Of fewer groups than that, none is far from the last.
    most.min(drawn + 1 + most.saturating_sub(groups))
}
