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

/// A label that no group has: that of padding, and of points that were not looked at yet.
pub(crate) const NO_LABEL: f64 = -1.0;

/// What one block of points gave.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Assigned {
    /// Some label is not what it was.
    pub(crate) is_changed: bool,
    /// Sum of the squared distances to the nearest centre.
    pub(crate) inertia: f64,
}

/// Labels each point with its nearest centre, ties to the lower.
#[inline(always)]
pub(crate) fn assign<W: Width, const D: usize>(
    width: W,
    columns: &[&[f64]; D],
    centres: &[[f64; D]],
    labels: &mut [f64],
) -> Assigned {
    let full = labels.len() / LANES * LANES;
    let (whole, rest) = labels.split_at_mut(full);
    let mut sums = [0.0; LANES];
    let mut is_changed = assign_whole(width, columns, centres, whole, &mut sums);
    if !rest.is_empty() {
        let tail = tails(columns, full);
        let tail: [&[f64]; D] = core::array::from_fn(|d| &tail[d][..]);
        let mut padded = [NO_LABEL; LANES];
        let mut far = [0.0; LANES];
        assign_whole(width, &tail, centres, &mut padded, &mut far);
        for (lane, label) in rest.iter_mut().enumerate() {
            is_changed |= *label != padded[lane];
            *label = padded[lane];
            sums[lane] += far[lane];
        }
    }
    Assigned { is_changed, inertia: tree(&sums) }
}

#[inline(always)]
fn assign_whole<W: Width, const D: usize>(
    width: W,
    columns: &[&[f64]; D],
    centres: &[[f64; D]],
    labels: &mut [f64],
    sums: &mut [f64; LANES],
) -> bool {
    let parts = LANES / W::LANES;
    let labels = eights_mut(labels);
    let columns = eights_of(columns, labels.len());
    let zero = width.splat(0.0);
    let mut sum = [zero; LANES];
    // counts lanes whose label changed
    let mut changes = zero;
    for (at, labels) in labels.iter_mut().enumerate() {
        let mut best = [width.splat(f64::INFINITY); LANES];
        let mut nearest = [zero; LANES];
        let mut label = 0.0;
        for centre in centres {
            let mut far = [zero; LANES];
            for d in 0..D {
                let (centre, point) = (width.splat(centre[d]), W::split(&columns[d][at]));
                for part in 0..parts {
                    let along = width.sub(centre, point[part]);
                    let square = width.mul(along, along);
                    // 0 + x is x, to the bit: a square is never −0
                    far[part] = if d == 0 { square } else { width.add(far[part], square) };
                }
            }
            for part in 0..parts {
                let is_nearer = width.is_less(far[part], best[part]);
                best[part] = width.select(is_nearer, far[part], best[part]);
                nearest[part] = width.select(is_nearer, width.splat(label), nearest[part]);
            }
            label += 1.0;
        }
        let labels = W::split_mut(labels);
        for part in 0..parts {
            let is_same = width.is_equal(labels[part], nearest[part]);
            changes = width.add(changes, width.select(is_same, zero, width.splat(1.0)));
            labels[part] = nearest[part];
            sum[part] = width.add(sum[part], best[part]);
        }
    }
    join_parts::<W>(&sum, sums);
    let mut changed = [0.0; LANES];
    if let Some(first) = W::split_mut(&mut changed).first_mut() {
        *first = changes;
    }
    changed.iter().any(|&lane| lane > 0.0)
}

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
    labels: &[f64],
    lane_sums: &mut [[LaneSum<D>; LANES]],
    sums: &mut [[f64; D]],
    counts: &mut [f64],
) {
    lane_sums.fill([LaneSum::NONE; LANES]);
    let full = labels.len() / LANES * LANES;
    let (whole, rest) = labels.split_at(full);
    let whole = eights(whole);
    let eights = eights_of(columns, whole.len());
    let mut add = |label: f64, lane: usize, point: [f64; D]| {
        if let Some(lanes) = lane_sums.get_mut(usize::from(to_label(label))) {
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
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
pub(crate) const fn to_label(label: f64) -> u8 {
    label as u8
}

/// Squared distances to one point, joined with what is there by the minimum; returns the sum.
#[inline(always)]
pub(crate) fn shrink<W: Width, const D: usize>(
    width: W,
    columns: &[&[f64]; D],
    to: &[f64; D],
    before: &[f64],
    after: &mut [f64],
) -> f64 {
    let full = after.len() / LANES * LANES;
    let mut sums = [0.0; LANES];
    let (whole, rest) = after.split_at_mut(full);
    shrink_whole(width, columns, to, before, whole, &mut sums);
    if !rest.is_empty() {
        let tail = tails(columns, full);
        let before = before.get(full..).unwrap_or_default();
        for (lane, (after, &before)) in rest.iter_mut().zip(before).enumerate() {
            let mut far = 0.0;
            for d in 0..D {
                let along = tail[d][lane] - to[d];
                far += along * along;
            }
            *after = if far < before { far } else { before };
            sums[lane] += *after;
        }
    }
    tree(&sums)
}

#[inline(always)]
fn shrink_whole<W: Width, const D: usize>(
    width: W,
    columns: &[&[f64]; D],
    to: &[f64; D],
    before: &[f64],
    after: &mut [f64],
    sums: &mut [f64; LANES],
) {
    let parts = LANES / W::LANES;
    let after = eights_mut(after);
    let columns = eights_of(columns, after.len());
    let mut sum = [width.splat(0.0); LANES];
    for (at, (after, before)) in after.iter_mut().zip(eights(before)).enumerate() {
        let (after, before) = (W::split_mut(after), W::split(before));
        for part in 0..parts {
            let mut far = width.splat(0.0);
            for d in 0..D {
                let along = width.sub(width.splat(to[d]), W::split(&columns[d][at])[part]);
                far = width.add(far, width.mul(along, along));
            }
            let least = width.select(width.is_less(far, before[part]), far, before[part]);
            after[part] = least;
            sum[part] = width.add(sum[part], least);
        }
    }
    join_parts::<W>(&sum, sums);
}

#[inline(always)]
fn eights(values: &[f64]) -> &[[f64; LANES]] {
    values.as_chunks().0
}

#[inline(always)]
fn eights_mut(values: &mut [f64]) -> &mut [[f64; LANES]] {
    values.as_chunks_mut().0
}

/// So many eights of each column.
#[inline(always)]
fn eights_of<'a, const D: usize>(columns: &[&'a [f64]; D], len: usize) -> [&'a [[f64; LANES]]; D] {
    let mut all: [&[[f64; LANES]]; D] = [&[]; D];
    for d in 0..D {
        // columns are as long as the labels
        all[d] = &eights(columns[d])[..len];
    }
    all
}

/// The points behind the last eight, padded with zeros.
#[inline(always)]
fn tails<const D: usize>(columns: &[&[f64]; D], from: usize) -> [[f64; LANES]; D] {
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
fn tree(lanes: &[f64; LANES]) -> f64 {
    let [a, b, c, d, e, f, g, h] = *lanes;
    ((a + b) + (c + d)) + ((e + f) + (g + h))
}
