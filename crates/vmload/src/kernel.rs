//! The inner loops, written once: what a block of points is nearest to, and what its groups sum up to.
//!
//! A block is [`BLOCK`] points, and every sum in it runs over [`LANES`] lanes: point `i` adds to lane `i mod 8`, and the
//! lanes are joined by one fixed tree. A vector of eight, two of four or eight single numbers do the same additions in
//! the same order, so the bits do not depend on the processor. The points behind the last eight are padded with points
//! that count for nothing.

use crate::width::Width;

/// Points that are summed together.
pub(crate) const BLOCK: usize = 512;

/// Virtual lanes of every sum.
pub(crate) const LANES: usize = 8;

/// The nearest centre of each point of an eight, ties to the lower; and with `GAPS` how much nearer it is than the next, at
/// least: [`gap`].
#[inline(always)]
pub(crate) fn nearest<W: Width, const D: usize, const GAPS: bool>(
    width: W,
    eight: &[&[f64; LANES]; D],
    centres: &[[f64; D]],
    labels: &mut [f64; LANES],
    gaps: &mut [f64; LANES],
) {
    let parts = LANES / W::LANES;
    let zero = width.splat(0.0);
    let mut best = [width.splat(f64::INFINITY); LANES];
    // a single centre has no next: finite, so that roots and differences are numbers
    let mut next = [width.splat(f64::MAX); LANES];
    let mut nearest = [zero; LANES];
    let mut label = 0.0;
    for centre in centres {
        let far = squares::<W, D>(width, eight, centre);
        for part in 0..parts {
            let is_nearer = width.is_less(far[part], best[part]);
            nearest[part] = width.select(is_nearer, width.splat(label), nearest[part]);
            if GAPS {
                let farther = width.max(best[part], far[part]);
                next[part] = width.min(next[part], farther);
            }
            best[part] = width.min(best[part], far[part]);
        }
        label += 1.0;
    }
    join_parts::<W>(&nearest, labels);
    if GAPS {
        for part in 0..parts {
            next[part] = gap(width, best[part], next[part]);
        }
        join_parts::<W>(&next, gaps);
    }
}

/// How much farther the one is than the other, less more than all that is rounded here and wherever the two are compared,
/// from their squares.
#[inline(always)]
fn gap<W: Width>(width: W, near: W::V, far: W::V) -> W::V {
    let (near, far) = (width.sqrt(near), width.sqrt(far));
    let doubt = width.add(width.mul(far, width.splat(DOUBT)), width.splat(DOUBT_LEAST));
    width.sub(width.sub(far, near), doubt)
}

/// Of a distance, how much may be due to rounding: far more than 64 squares and their sum, a root and some sums of such.
pub(crate) const DOUBT: f64 = 1.0 / (1_u64 << 40) as f64;

/// What is to be added for squares that are too small for all their digits: its square is far above them.
pub(crate) const DOUBT_LEAST: f64 = 1e-150;

/// What the points of one lane add to one group.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LaneSum<const D: usize> {
    sum: [f64; D],
    count: f64,
}

impl<const D: usize> LaneSum<D> {
    pub(crate) const NONE: Self = Self { sum: [0.0; D], count: 0.0 };
}

/// Sums and numbers of each group's points: each point goes to its own group's lane, whatever the number of groups.
#[inline(always)]
pub(crate) fn sum_groups<const D: usize>(
    columns: &[&[f64]; D],
    labels: &[u8],
    lane_sums: &mut [[LaneSum<D>; LANES]],
    sums: &mut [[f64; D]],
    counts: &mut [f64],
) {
    lane_sums.fill([LaneSum::NONE; LANES]);
    let full = labels.len() / LANES * LANES;
    let (whole, rest) = labels.split_at(full);
    let whole: &[[u8; LANES]] = whole.as_chunks().0;
    let eights = eights_of(columns, whole.len());
    let mut add = |label: u8, lane: usize, point: [f64; D]| {
        if let Some(lanes) = lane_sums.get_mut(usize::from(label)) {
            let LaneSum { sum, count } = &mut lanes[lane];
            for d in 0..D {
                sum[d] += point[d];
            }
            *count += 1.0;
        }
    };
    for (at, labels) in whole.iter().enumerate() {
        for lane in 0..LANES {
            add(labels[lane], lane, core::array::from_fn(|d| eights[d][at][lane]));
        }
    }
    let tail = tails(columns, full);
    for (lane, &label) in rest.iter().enumerate() {
        add(label, lane, core::array::from_fn(|d| tail[d][lane]));
    }
    for ((sum, count), lanes) in sums.iter_mut().zip(counts).zip(lane_sums) {
        *sum = core::array::from_fn(|d| tree(&core::array::from_fn(|lane| lanes[lane].sum[d])));
        *count = tree(&core::array::from_fn(|lane| lanes[lane].count));
    }
}

/// Labels are whole numbers below 256 in the kernels.
#[inline(always)]
#[allow(clippy::cast_possible_truncation)]
pub(crate) const fn to_label(label: f64) -> u8 {
    // a small whole number stands in the last bits of one that is so large: a conversion that vectors have
    (label + TWO_TO_52).to_bits() as u8
}

const TWO_TO_52: f64 = (1_u64 << 52) as f64;

/// What the squares in `nearest` would add up to if one more point could be the nearest, for each of some points.
#[inline(always)]
pub(crate) fn potentials<W: Width, const D: usize>(
    width: W,
    columns: &[&[f64]; D],
    candidates: &[[f64; D]],
    nearest: &[f64],
    sums: &mut [[f64; LANES]],
) {
    let full = nearest.len() / LANES;
    let columns_whole = eights_of(columns, full);
    sums.fill([0.0; LANES]);
    for (at, nearest) in eights(nearest).iter().enumerate() {
        let eight = core::array::from_fn(|d| &columns_whole[d][at]);
        add_least(width, &eight, candidates, nearest, sums);
    }
    if !nearest.len().is_multiple_of(LANES) {
        let tail = tails(columns, full * LANES);
        // what is padded is at 0 already
        let [nearest] = tails(&[nearest], full * LANES);
        add_least(width, &core::array::from_fn(|d| &tail[d]), candidates, &nearest, sums);
    }
}

#[inline(always)]
fn add_least<W: Width, const D: usize>(
    width: W,
    eight: &[&[f64; LANES]; D],
    candidates: &[[f64; D]],
    nearest: &[f64; LANES],
    sums: &mut [[f64; LANES]],
) {
    let nearest = W::split(nearest);
    for (candidate, sum) in candidates.iter().zip(sums) {
        let far = squares::<W, D>(width, eight, candidate);
        let sum = W::split_mut(sum);
        for part in 0..LANES / W::LANES {
            sum[part] = width.add(sum[part], width.min(far[part], nearest[part]));
        }
    }
}

/// One more point can be the nearest; returns what the squares add up to.
#[inline(always)]
pub(crate) fn shrink<W: Width, const D: usize>(
    width: W,
    columns: &[&[f64]; D],
    to: &[f64; D],
    nearest: &mut [f64],
) -> f64 {
    let full = nearest.len() / LANES;
    let columns_whole = eights_of(columns, full);
    let mut sums = [0.0; LANES];
    let (whole, rest) = nearest.as_chunks_mut();
    for (at, nearest) in whole.iter_mut().enumerate() {
        let eight = core::array::from_fn(|d| &columns_whole[d][at]);
        shrink_eight(width, &eight, to, nearest, &mut sums);
    }
    if !rest.is_empty() {
        let tail = tails(columns, full * LANES);
        let [mut nearest] = tails(&[rest], 0);
        let eight = core::array::from_fn(|d| &tail[d]);
        shrink_eight(width, &eight, to, &mut nearest, &mut sums);
        for (to, square) in rest.iter_mut().zip(nearest) {
            *to = square;
        }
    }
    tree(&sums)
}

#[inline(always)]
fn shrink_eight<W: Width, const D: usize>(
    width: W,
    eight: &[&[f64; LANES]; D],
    to: &[f64; D],
    nearest: &mut [f64; LANES],
    sums: &mut [f64; LANES],
) {
    let far = squares::<W, D>(width, eight, to);
    let (nearest, sums) = (W::split_mut(nearest), W::split_mut(sums));
    for part in 0..LANES / W::LANES {
        nearest[part] = width.min(far[part], nearest[part]);
        sums[part] = width.add(sums[part], nearest[part]);
    }
}

/// The squared distances of eight points to another.
#[inline(always)]
fn squares<W: Width, const D: usize>(
    width: W,
    eight: &[&[f64; LANES]; D],
    to: &[f64; D],
) -> [W::V; LANES] {
    let mut far = [width.splat(0.0); LANES];
    for d in 0..D {
        let (to, point) = (width.splat(to[d]), W::split(eight[d]));
        for part in 0..LANES / W::LANES {
            let along = width.sub(to, point[part]);
            let square = width.mul(along, along);
            // 0 + x is x, to the bit: a square is never −0
            far[part] = if d == 0 { square } else { width.add(far[part], square) };
        }
    }
    far
}

#[inline(always)]
fn eights(values: &[f64]) -> &[[f64; LANES]] {
    values.as_chunks().0
}

/// So many eights of each column.
#[inline(always)]
pub(crate) fn eights_of<'a, const D: usize>(
    columns: &[&'a [f64]; D],
    len: usize,
) -> [&'a [[f64; LANES]]; D] {
    let mut all: [&[[f64; LANES]]; D] = [&[]; D];
    for d in 0..D {
        // columns are as long as the labels
        all[d] = &eights(columns[d])[..len];
    }
    all
}

/// The points behind the last eight, padded with zeros.
#[inline(always)]
pub(crate) fn tails<const D: usize>(columns: &[&[f64]; D], from: usize) -> [[f64; LANES]; D] {
    let mut tail = [[0.0; LANES]; D];
    for d in 0..D {
        for (to, value) in tail[d].iter_mut().zip(columns[d].get(from..).unwrap_or_default()) {
            *to = *value;
        }
    }
    tail
}

/// The lanes of vectors, one after the other.
#[inline(always)]
pub(crate) fn join_parts<W: Width>(parts: &[W::V; LANES], lanes: &mut [f64; LANES]) {
    for (to, part) in W::split_mut(lanes).iter_mut().zip(parts) {
        *to = *part;
    }
}

/// Joins the lanes, always in this order.
#[inline(always)]
pub(crate) fn tree(lanes: &[f64; LANES]) -> f64 {
    let [a, b, c, d, e, f, g, h] = *lanes;
    ((a + b) + (c + d)) + ((e + f) + (g + h))
}
