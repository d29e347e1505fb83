//! The inner loops, written once: what a block of points is nearest to, and what its groups sum up to.
//!
//! A block is [`BLOCK`] points, and every sum in it runs over [`LANES`] lanes: point `i` adds to lane `i mod 8`, and the
//! lanes are joined by one fixed tree. The compiler may put the lanes into registers of any width; the bits are the same,
//! because no operation is reordered or fused. All functions are inlined into a caller that was built for the
//! processor's vectors, see `dispatch.rs`.

/// Points that are summed together.
pub(crate) const BLOCK: usize = 512;

/// Virtual lanes of every sum.
const LANES: usize = 8;

type Lanes = [f64; LANES];

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
pub(crate) fn assign<const D: usize>(
    columns: &[&[f64]; D],
    centres: &[[f64; D]],
    labels: &mut [u8],
) -> Assigned {
    let mut sum: Lanes = [0.0; LANES];
    let mut is_changed = false;
    let full = labels.len() / LANES * LANES;
    let mut at = 0;
    let (whole, rest) = labels.split_at_mut(full);
    for labels in whole.chunks_exact_mut(LANES) {
        let point = load(columns, at);
        let (best, nearest) = nearest(&point, centres);
        for lane in 0..LANES {
            sum[lane] += best[lane];
        }
        is_changed |= store(&nearest, labels);
        at += LANES;
    }
    if !rest.is_empty() {
        let point = load_rest(columns, at);
        let (best, nearest) = nearest(&point, centres);
        for lane in 0..rest.len() {
            sum[lane] += best[lane];
        }
        is_changed |= store(&nearest, rest);
    }
    Assigned { is_changed, inertia: tree(&sum) }
}

/// Sum and number of the points that have this label.
#[inline(always)]
pub(crate) fn sum_of<const D: usize>(
    columns: &[&[f64]; D],
    labels: &[u8],
    label: u8,
) -> ([f64; D], u64) {
    let mut sums: [Lanes; D] = [[0.0; LANES]; D];
    let mut counts = [0_u64; LANES];
    let mut at = 0;
    let (whole, rest) = labels.split_at(labels.len() / LANES * LANES);
    for labels in whole.chunks_exact(LANES) {
        let point = load(columns, at);
        let mut mask = [0_u64; LANES];
        for lane in 0..LANES {
            mask[lane] = if labels[lane] == label { u64::MAX } else { 0 };
        }
        for lane in 0..LANES {
            counts[lane] = counts[lane].wrapping_sub(mask[lane]);
        }
        for d in 0..D {
            for lane in 0..LANES {
                // an and instead of a branch: 0.0 for the others
                sums[d][lane] += f64::from_bits(point[d][lane].to_bits() & mask[lane]);
            }
        }
        at += LANES;
    }
    if !rest.is_empty() {
        let point = load_rest(columns, at);
        for (lane, &found) in rest.iter().enumerate() {
            if found == label {
                counts[lane] += 1;
                for d in 0..D {
                    sums[d][lane] += point[d][lane];
                }
            }
        }
    }
    let mut joined = [0.0; D];
    for d in 0..D {
        joined[d] = tree(&sums[d]);
    }
    (joined, counts.iter().sum())
}

/// Squared distances to one point, joined with what is there by the minimum; returns the sum.
#[inline(always)]
pub(crate) fn shrink<const D: usize>(
    columns: &[&[f64]; D],
    to: &[f64; D],
    before: &[f64],
    after: &mut [f64],
) -> f64 {
    let mut sum: Lanes = [0.0; LANES];
    let mut at = 0;
    let full = after.len() / LANES * LANES;
    let (whole, rest) = after.split_at_mut(full);
    for (after, before) in whole.chunks_exact_mut(LANES).zip(before.chunks_exact(LANES)) {
        let far = distance(&load(columns, at), to);
        for lane in 0..LANES {
            let least = if far[lane] < before[lane] { far[lane] } else { before[lane] };
            after[lane] = least;
            sum[lane] += least;
        }
        at += LANES;
    }
    if !rest.is_empty() {
        let far = distance(&load_rest(columns, at), to);
        let before = before.get(full..).unwrap_or_default();
        for (lane, (after, &before)) in rest.iter_mut().zip(before).enumerate() {
            let least = if far[lane] < before { far[lane] } else { before };
            *after = least;
            sum[lane] += least;
        }
    }
    tree(&sum)
}

#[inline(always)]
fn nearest<const D: usize>(point: &[Lanes; D], centres: &[[f64; D]]) -> (Lanes, [u64; LANES]) {
    let mut best: Lanes = [f64::INFINITY; LANES];
    let mut nearest = [0_u64; LANES];
    for (label, centre) in (0_u64..).zip(centres) {
        let far = distance(point, centre);
        for lane in 0..LANES {
            let is_nearer = far[lane] < best[lane];
            best[lane] = if is_nearer { far[lane] } else { best[lane] };
            nearest[lane] = if is_nearer { label } else { nearest[lane] };
        }
    }
    (best, nearest)
}

#[inline(always)]
fn distance<const D: usize>(point: &[Lanes; D], centre: &[f64; D]) -> Lanes {
    let mut far: Lanes = [0.0; LANES];
    for d in 0..D {
        for lane in 0..LANES {
            let along = point[d][lane] - centre[d];
            far[lane] += along * along;
        }
    }
    far
}

#[inline(always)]
fn load<const D: usize>(columns: &[&[f64]; D], at: usize) -> [Lanes; D] {
    let mut point = [[0.0; LANES]; D];
    for d in 0..D {
        if let Some(lanes) = columns[d].get(at..at + LANES).and_then(|lanes| lanes.first_chunk()) {
            point[d] = *lanes;
        }
    }
    point
}

#[inline(always)]
fn load_rest<const D: usize>(columns: &[&[f64]; D], at: usize) -> [Lanes; D] {
    let mut point = [[0.0; LANES]; D];
    for d in 0..D {
        for (to, from) in point[d].iter_mut().zip(columns[d].get(at..).unwrap_or_default()) {
            *to = *from;
        }
    }
    point
}

/// Writes the labels that there is room for; whether one differs from what was there.
#[inline(always)]
#[allow(clippy::cast_possible_truncation)] // at most 256 groups
fn store(nearest: &[u64; LANES], labels: &mut [u8]) -> bool {
    let mut difference = 0;
    for (label, &nearest) in labels.iter_mut().zip(nearest) {
        let nearest = nearest as u8;
        difference |= *label ^ nearest;
        *label = nearest;
    }
    difference != 0
}

/// Joins the lanes, always in this order.
#[inline(always)]
fn tree(lanes: &Lanes) -> f64 {
    let [a, b, c, d, e, f, g, h] = *lanes;
    ((a + b) + (c + d)) + ((e + f) + (g + h))
}
