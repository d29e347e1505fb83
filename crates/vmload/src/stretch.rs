//! Stretches of a line: what one costs, and where the last of several best starts.

use crate::dispatch::Kernel;
use crate::kernel::{LANES, join_parts};
use crate::whole::of_len;
use crate::width::Width;
use alloc::vec;
use alloc::vec::Vec;

/// Sums over weighted values from the left, up to and without the value of the same index.
pub(crate) struct Sums {
    weights: Vec<f64>,
    firsts: Vec<f64>,
    seconds: Vec<f64>,
}

impl Sums {
    /// Of `len` values from the least up, each with its weight above 0.
    pub(crate) fn new(values: impl Iterator<Item = (f64, f64)>, len: usize) -> Self {
        let sums = || {
            let mut sums = Vec::with_capacity(len + 1);
            sums.push(0.0);
            sums
        };
        let (mut weights, mut firsts, mut seconds) = (sums(), sums(), sums());
        let (mut weight, mut first, mut second) = (0.0, 0.0, 0.0);
        for (value, count) in values {
            weight += count;
            first += count * value;
            second += count * value * value;
            weights.push(weight);
            firsts.push(first);
            seconds.push(second);
        }
        Self { weights, firsts, seconds }
    }

    /// The inertia of the first values, for each number of them.
    pub(crate) fn costs(&self) -> Vec<f64> {
        let mut costs = vec![0.0];
        let sums = self.weights.iter().zip(&self.firsts).zip(&self.seconds);
        costs.extend(sums.skip(1).map(|((&weight, &first), &second)| cost(weight, first, second)));
        costs
    }
}

/// The inertia of a stretch with these sums.
#[inline(always)]
fn cost(weight: f64, first: f64, second: f64) -> f64 {
    let cost = second - first * first / weight;
    // rounding can leave less than nothing
    if cost > 0.0 { cost } else { 0.0 }
}

/// For each number of first values, from `first` on: the least cost of `layer + 1` stretches, and where the last starts.
pub(crate) struct Layer<'a> {
    /// How many stretches are before the last.
    pub(crate) layer: usize,
    pub(crate) first: usize,
    pub(crate) sums: &'a Sums,
    /// The least costs of the stretches before the last.
    pub(crate) before: &'a [f64],
    pub(crate) costs: &'a mut [f64],
    pub(crate) starts: &'a mut [u32],
}

impl Kernel for Layer<'_> {
    type Output = ();

    #[inline(always)]
    fn run<W: Width>(self, width: W) {
        let Self { layer, first, sums, before, costs, starts } = self;
        costs.fill(f64::INFINITY);
        let n = before.len() - 1;
        // the best start never moves left when the end moves right
        let mut spans = vec![(first, n, layer, n)];
        while let Some((low, high, least, most)) = spans.pop() {
            if low > high {
                continue;
            }
            // ends that are side by side have few starts between them: all of these for all of them
            if high - low < LANES && most < low && n >= LANES {
                let from = low.min(n + 1 - LANES);
                let (all_costs, all_starts) =
                    best_of_ends(width, sums, before, (least, most), from);
                for until in low..=high {
                    costs[until] = all_costs[until - from];
                    starts[until] = to_start(all_starts[until - from]);
                }
                continue;
            }
            let until = low + (high - low) / 2;
            let (cost, start) = best(width, sums, before, (least, most.min(until - 1)), until);
            costs[until] = cost;
            starts[until] = to_start(start);
            spans.push((low, until - 1, least, start));
            spans.push((until + 1, high, start, most));
        }
    }
}

/// The start between two, both included, that costs least up to `until`, the earliest of several; with its cost.
#[inline(always)]
fn best<W: Width>(
    width: W,
    sums: &Sums,
    before: &[f64],
    (least, most): (usize, usize),
    until: usize,
) -> (f64, usize) {
    let (weight, first, second) = (sums.weights[until], sums.firsts[until], sums.seconds[until]);
    let starts = least..=most;
    let (eights, rest) = before[starts.clone()].as_chunks();
    let (w_eights, w_rest) = sums.weights[starts.clone()].as_chunks();
    let (f_eights, f_rest) = sums.firsts[starts.clone()].as_chunks();
    let (s_eights, s_rest) = sums.seconds[starts].as_chunks();
    let mut lanes = Lanes::new(width, [weight, first, second]);
    for (before, ((w, f), s)) in eights.iter().zip(w_eights.iter().zip(f_eights).zip(s_eights)) {
        lanes.look(before, w, f, s);
    }
    let (mut least_cost, mut at) = lanes.best();
    for (more, (before, ((w, f), s))) in
        rest.iter().zip(w_rest.iter().zip(f_rest).zip(s_rest)).enumerate()
    {
        let cost = before + cost(weight - w, first - f, second - s);
        if cost < least_cost {
            (least_cost, at) = (cost, eights.len() * LANES + more);
        }
    }
    (least_cost, least + at)
}

/// The same for eight ends side by side, the first of them `from`, which are all behind the last start.
#[inline(always)]
fn best_of_ends<W: Width>(
    width: W,
    sums: &Sums,
    before: &[f64],
    (least, most): (usize, usize),
    from: usize,
) -> ([f64; LANES], [usize; LANES]) {
    let ends = from..from + LANES;
    let weights = W::split(&sums.weights[ends.clone()]);
    let firsts = W::split(&sums.firsts[ends.clone()]);
    let seconds = W::split(&sums.seconds[ends]);
    let zero = width.splat(0.0);
    let mut costs = [width.splat(f64::INFINITY); LANES];
    let mut starts = [zero; LANES];
    let mut next = 0.0;
    let known = before[least..=most].iter().zip(&sums.weights[least..=most]);
    let known = known.zip(sums.firsts[least..=most].iter().zip(&sums.seconds[least..=most]));
    for ((before, weight), (first, second)) in known {
        for part in 0..LANES / W::LANES {
            let until = [weights[part], firsts[part], seconds[part]];
            let start = [*weight, *first, *second].map(|sum| width.splat(sum));
            let cost = width.add(width.splat(*before), wide_cost(width, until, start));
            let is_less = width.is_less(cost, costs[part]);
            costs[part] = width.select(is_less, cost, costs[part]);
            starts[part] = width.select(is_less, width.splat(next), starts[part]);
        }
        next += 1.0;
    }
    let (mut all_costs, mut all_starts) = ([0.0; LANES], [0.0; LANES]);
    join_parts::<W>(&costs, &mut all_costs);
    join_parts::<W>(&starts, &mut all_starts);
    (all_costs, all_starts.map(|start| least + to_index(start)))
}

/// [`cost`] of the stretches between sums.
#[inline(always)]
fn wide_cost<W: Width>(width: W, until: [W::V; 3], start: [W::V; 3]) -> W::V {
    let zero = width.splat(0.0);
    let [weight, first, second] = core::array::from_fn(|at| width.sub(until[at], start[at]));
    let cost = width.sub(second, width.div(width.mul(first, first), weight));
    width.select(width.is_less(zero, cost), cost, zero)
}

/// The best start of each lane.
struct Lanes<W: Width> {
    width: W,
    /// Weight, first and second sum at the end of the stretch.
    until: [W::V; 3],
    costs: [W::V; LANES],
    starts: [W::V; LANES],
    /// What each lane looks at next.
    next: [W::V; LANES],
}

impl<W: Width> Lanes<W> {
    #[inline(always)]
    fn new(width: W, until: [f64; 3]) -> Self {
        let zero = width.splat(0.0);
        let mut next = [zero; LANES];
        let lanes = W::split(&[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]);
        for (to, lane) in next.iter_mut().zip(lanes) {
            *to = *lane;
        }
        let until = until.map(|sum| width.splat(sum));
        let costs = [width.splat(f64::INFINITY); LANES];
        Self { width, until, costs, starts: [zero; LANES], next }
    }

    #[inline(always)]
    fn look(
        &mut self,
        before: &[f64; LANES],
        weights: &[f64; LANES],
        firsts: &[f64; LANES],
        seconds: &[f64; LANES],
    ) {
        let width = self.width;
        let step = width.splat(of_len(LANES));
        let (before, weights) = (W::split(before), W::split(weights));
        let (firsts, seconds) = (W::split(firsts), W::split(seconds));
        for part in 0..LANES / W::LANES {
            let start = [weights[part], firsts[part], seconds[part]];
            let cost = width.add(before[part], wide_cost(width, self.until, start));
            let is_less = width.is_less(cost, self.costs[part]);
            self.costs[part] = width.select(is_less, cost, self.costs[part]);
            self.starts[part] = width.select(is_less, self.next[part], self.starts[part]);
            self.next[part] = width.add(self.next[part], step);
        }
    }

    /// The least cost and the earliest start that has it.
    #[inline(always)]
    fn best(&self) -> (f64, usize) {
        let (mut costs, mut starts) = ([0.0; LANES], [0.0; LANES]);
        join_parts::<W>(&self.costs, &mut costs);
        join_parts::<W>(&self.starts, &mut starts);
        let mut best = (f64::INFINITY, 0.0);
        for lane in costs.into_iter().zip(starts) {
            if lane.0 < best.0 || (lane.0 == best.0 && lane.1 < best.1) {
                best = lane;
            }
        }
        (best.0, to_index(best.1))
    }
}

/// Lines have fewer than 2³² values.
#[inline(always)]
fn to_start(start: usize) -> u32 {
    u32::try_from(start).unwrap_or(u32::MAX)
}

/// Starts are whole numbers below 2³² in the lanes.
#[inline(always)]
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
const fn to_index(start: f64) -> usize {
    start as usize
}

#[cfg(all(test, feature = "simd"))]
mod tests {
    use super::*;
    use crate::dispatch::Call;
    use crate::width::One;
    use proptest::prelude::*;
    use pulp::Simd;

    /// The costs and starts of the second layer, by whatever carries it out.
    fn second(values: &[f64], run: impl Fn(Layer<'_>)) -> (Vec<f64>, Vec<u32>) {
        let sums = Sums::new(values.iter().map(|&value| (value, 1.0)), values.len());
        let (mut costs, mut starts) = (vec![0.0; values.len() + 1], vec![0; values.len() + 1]);
        let (layer, first, before) = (1, 2, &*sums.costs());
        run(Layer { layer, first, sums: &sums, before, costs: &mut costs, starts: &mut starts });
        (costs, starts)
    }

    fn by<S: Simd>(simd: S, values: &[f64]) -> (Vec<f64>, Vec<u32>) {
        second(values, |layer| simd.vectorize(Call(layer)))
    }

    proptest! {
        #[test]
        fn vectors_of_every_width_give_the_same_bits(
            mut values in prop::collection::vec(-2.0..2.0_f64, 1..200),
        ) {
            values.sort_by(f64::total_cmp);
            let plain = second(&values, |layer| layer.run(One));
            prop_assert_eq!(&by(pulp::Scalar::new(), &values), &plain);
            #[cfg(target_arch = "x86_64")]
            if let Some(avx2) = pulp::x86::V3::try_new() {
                prop_assert_eq!(&by(avx2, &values), &plain);
            }
            #[cfg(target_arch = "x86_64")]
            if let Some(avx512) = pulp::x86::V4::try_new() {
                prop_assert_eq!(&by(avx512, &values), &plain);
            }
            #[cfg(target_arch = "aarch64")]
            if let Some(neon) = pulp::aarch64::Neon::try_new() {
                prop_assert_eq!(&by(neon, &values), &plain);
            }
        }
    }
}
