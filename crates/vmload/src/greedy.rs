//! Greedy k-means++: seeds drawn from the points, with given entropy.

use crate::lloyd::{GROUPS_MAX, shrink_all, with_dimension};
use crate::{Error, Grouping, Lloyd, Misuse, Points, SeedSet};
use alloc::vec;
use alloc::vec::Vec;
use sha2::{Digest, Sha256};

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

/// A stream of numbers out of entropy (SplitMix64 behind SHA-256).
#[derive(Clone, Debug)]
pub(crate) struct Draw(u64);

impl Draw {
    pub(crate) fn new(entropy: &[u8; 32], label: &[u8], round: u32) -> Self {
        let mut hash = Sha256::new();
        hash.update(b"interbank/vmload/draw/v1\0");
        hash.update(entropy);
        hash.update(round.to_be_bytes());
        hash.update(label);
        let digest: [u8; 32] = hash.finalize().into();
        Self(digest.iter().take(8).fold(0, |state, &byte| state << 8 | u64::from(byte)))
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// 0 to `n − 1`.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        let wide = u128::from(self.next()) * u128::try_from(n).unwrap_or(u128::MAX);
        usize::try_from(wide >> 64).unwrap_or(0)
    }

    /// An index, with chances proportional to `weights`, whose sum is `total`.
    fn weighted(&mut self, weights: &[f64], total: f64) -> usize {
        let target = self.unit() * total;
        let mut passed = 0.0;
        let mut last = 0;
        let mut start = 0;
        // by stretches first: most of them are only added up
        for stretch in weights.chunks(64) {
            let mut lanes = [0.0; 8];
            for eight in stretch.chunks(8) {
                for (lane, weight) in lanes.iter_mut().zip(eight) {
                    *lane += weight;
                }
            }
            let sum: f64 = lanes.iter().sum();
            if passed + sum > target {
                for (at, weight) in stretch.iter().enumerate() {
                    if *weight > 0.0 {
                        last = start + at;
                    }
                    passed += weight;
                    if passed > target && *weight > 0.0 {
                        return last;
                    }
                }
                // rounding within the stretch: its last point of weight
                return last;
            }
            if sum > 0.0 {
                last = start + stretch.iter().rposition(|weight| *weight > 0.0).unwrap_or(0);
            }
            passed += sum;
            start += stretch.len();
        }
        last
    }

    /// 0 to 1, 1 excluded.
    #[allow(clippy::cast_precision_loss)] // 53 bits are exact
    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / 9_007_199_254_740_992.0
    }
}
