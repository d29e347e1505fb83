//! A block of points in a round: which centre each is nearest to, and what its groups sum up to.

use crate::bounds::{MARKS, MARKS_U16, Ways, Worth, each_mark};
use crate::dispatch::Kernel;
use crate::kernel::{BLOCK, LANES, LaneSum, eights_of, nearest, sum_groups, tails, to_label, tree};
use crate::width::Width;
use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

/// At most [`BLOCK`] points and what is known of them.
pub(crate) struct Block<'a, const D: usize> {
    pub(crate) columns: [&'a [f64]; D],
    pub(crate) labels: &'a mut [u8],
    /// Until which way of its group each point keeps its label.
    pub(crate) until: &'a mut [f64],
    pub(crate) sums: &'a mut [[f64; D]],
    pub(crate) counts: &'a mut [f64],
    pub(crate) standing: &'a mut Standing,
}

/// What is known of a block as a whole.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Standing {
    /// Points have moved between the sums since these were summed up from the points.
    pub(crate) is_moved: bool,
    worth: Worth,
}

impl Standing {
    /// Every point is looked at in the next round.
    pub(crate) const fn forget_bounds(&mut self) {
        self.worth.has_bounds = false;
    }
}

/// What a round needs for a while, made once.
pub(crate) struct Room<const D: usize> {
    lane_sums: Vec<[LaneSum<D>; LANES]>,
    list: Box<[u16; BLOCK]>,
    labels: Box<[[f64; LANES]; EIGHTS]>,
    gaps: Box<[[f64; LANES]; EIGHTS]>,
    /// The labels that listed points had before.
    befores: Box<[u8; BLOCK]>,
}

const EIGHTS: usize = BLOCK / LANES;

impl<const D: usize> Room<D> {
    pub(crate) fn new(groups: usize) -> Self {
        Self {
            lane_sums: vec![[LaneSum::NONE; LANES]; groups],
            list: Box::new([0; BLOCK]),
            labels: Box::new([[0.0; LANES]; EIGHTS]),
            gaps: Box::new([[0.0; LANES]; EIGHTS]),
            befores: Box::new([0; BLOCK]),
        }
    }
}

/// The first look at a block; says yes.
pub(crate) struct First<'a, const D: usize> {
    pub(crate) centres: &'a [[f64; D]],
    pub(crate) block: Block<'a, D>,
    pub(crate) room: &'a mut Room<D>,
}

impl<const D: usize> Kernel for First<'_, D> {
    type Output = bool;

    #[inline(always)]
    fn run<W: Width>(self, width: W) -> bool {
        let Self { centres, mut block, room } = self;
        look_at_all::<W, D, false>(width, &block.columns, centres, block.labels.len(), room);
        for (label, &found) in block.labels.iter_mut().zip(room.labels.as_flattened()) {
            *label = to_label(found);
        }
        block.sum_anew(room);
        true
    }
}

/// A later look; says whether a label has changed.
pub(crate) struct Next<'a, const D: usize> {
    pub(crate) centres: &'a [[f64; D]],
    pub(crate) ways: &'a Ways,
    pub(crate) block: Block<'a, D>,
    pub(crate) room: &'a mut Room<D>,
}

impl<const D: usize> Kernel for Next<'_, D> {
    type Output = bool;

    #[inline(always)]
    fn run<W: Width>(self, width: W) -> bool {
        let Self { centres, ways, mut block, room } = self;
        let worth = &mut block.standing.worth;
        let len = block.labels.len();
        if worth.has_bounds {
            let in_doubt = ways.in_doubt(block.labels, block.until, &mut room.list);
            if worth.pays(in_doubt, len) {
                look_at_listed(width, &block.columns, centres, in_doubt, room);
                let changed = block.relabel(ways, in_doubt, room);
                return block.sum_up(changed, room);
            }
        }
        if worth.wants_bounds() {
            look_at_all::<W, D, true>(width, &block.columns, centres, len, room);
            block.bound(ways, room);
        } else {
            look_at_all::<W, D, false>(width, &block.columns, centres, len, room);
        }
        block.standing.worth.looked_at_all();
        let changed = block.relabel_all(room);
        block.sum_up(changed, room)
    }
}

impl<const D: usize> Block<'_, D> {
    /// Gives the first listed points what was found for them; those whose label changed are listed afterwards, with the
    /// label that they had. Returns how many.
    #[inline(always)]
    fn relabel(&mut self, ways: &Ways, listed: usize, room: &mut Room<D>) -> usize {
        let labels = room.labels.as_flattened();
        let gaps = room.gaps.as_flattened();
        let mut changed = 0;
        for entry in 0..listed.min(BLOCK) {
            let at = usize::from(room.list[entry]);
            let (Some(label), Some(until)) = (self.labels.get_mut(at), self.until.get_mut(at))
            else {
                continue;
            };
            let found = to_label(labels[entry]);
            *until = ways.until(found, gaps[entry]);
            if found != *label {
                room.list[changed] = room.list[entry];
                room.befores[changed] = *label;
                changed += 1;
                *label = found;
            }
        }
        changed
    }

    /// Gives all points the bounds that were found for them.
    #[inline(always)]
    fn bound(&mut self, ways: &Ways, room: &Room<D>) {
        let found = room.labels.as_flattened().iter().zip(room.gaps.as_flattened());
        for (until, (&label, &gap)) in self.until.iter_mut().zip(found) {
            *until = ways.until(to_label(label), gap);
        }
    }

    /// As [`Self::relabel`], for all points.
    #[inline(always)]
    fn relabel_all(&mut self, room: &mut Room<D>) -> usize {
        let mut changed = 0;
        let mut first = 0;
        let found = room.labels.as_flattened().chunks(MARKS);
        for (labels, found) in self.labels.chunks_mut(MARKS).zip(found) {
            let mut marks = 0;
            let mut befores = [0; MARKS];
            for (lane, ((label, before), &found)) in
                labels.iter_mut().zip(&mut befores).zip(found).enumerate()
            {
                let found = to_label(found);
                marks |= u64::from(found != *label) << lane;
                *before = core::mem::replace(label, found);
            }
            for lane in each_mark(marks) {
                room.list[changed % BLOCK] = first + lane;
                room.befores[changed % BLOCK] = befores[usize::from(lane) % MARKS];
                changed += 1;
            }
            first += MARKS_U16;
        }
        changed
    }

    /// Brings the sums up to date with the points whose label changed; says whether there are any.
    #[inline(always)]
    fn sum_up(&mut self, changed: usize, room: &mut Room<D>) -> bool {
        if changed * 4 > self.labels.len() {
            self.sum_anew(room);
            return true;
        }
        let mut is_lost = false;
        for (&at, &before) in room.list.iter().zip(&*room.befores).take(changed) {
            let at = usize::from(at);
            let after = self.labels.get(at).copied().unwrap_or_default();
            let point: [f64; D] =
                core::array::from_fn(|d| self.columns[d].get(at).copied().unwrap_or_default());
            is_lost |= self.add(before, &point.map(|x| -x), -1.0);
            is_lost |= self.add(after, &point, 1.0);
        }
        self.standing.is_moved |= changed > 0;
        if is_lost {
            self.sum_anew(room);
        }
        changed > 0
    }

    /// From the points themselves.
    #[inline(always)]
    fn sum_anew(&mut self, room: &mut Room<D>) {
        sum_groups(&self.columns, self.labels, &mut room.lane_sums, self.sums, self.counts);
        self.standing.is_moved = false;
    }

    /// Says whether so little is left that what was rounded matters: where a far outlier was taken out of a sum.
    #[inline(always)]
    fn add(&mut self, label: u8, point: &[f64; D], count: f64) -> bool {
        let mut is_lost = false;
        let sums = self.sums.get_mut(usize::from(label));
        if let (Some(sum), Some(members)) = (sums, self.counts.get_mut(usize::from(label))) {
            for d in 0..D {
                sum[d] += point[d];
                is_lost |= sum[d].abs() < point[d].abs() * LOST;
            }
            *members += count;
        }
        is_lost
    }
}

/// The share of a summand below which a sum is summed up anew: 33 bits of it are still right then.
const LOST: f64 = 1.0 / (1_u64 << 20) as f64;

/// The sums from the points themselves.
pub(crate) struct Anew<'a, const D: usize> {
    pub(crate) block: Block<'a, D>,
    pub(crate) room: &'a mut Room<D>,
}

impl<const D: usize> Kernel for Anew<'_, D> {
    type Output = ();

    #[inline(always)]
    fn run<W: Width>(self, _: W) {
        let Self { mut block, room } = self;
        block.sum_anew(room);
    }
}

/// The squared distances of points to the centres of their groups, summed up.
pub(crate) struct Inertia<'a, const D: usize> {
    pub(crate) columns: [&'a [f64]; D],
    pub(crate) labels: &'a [u8],
    pub(crate) centres: &'a [[f64; D]],
}

impl<const D: usize> Kernel for Inertia<'_, D> {
    type Output = f64;

    #[inline(always)]
    fn run<W: Width>(self, _: W) -> f64 {
        let (whole, rest) = self.labels.as_chunks::<LANES>();
        let eights = eights_of(&self.columns, whole.len());
        let mut sums = [0.0; LANES];
        for (at, labels) in whole.iter().enumerate() {
            let eight: [&[f64; LANES]; D] = core::array::from_fn(|d| &eights[d][at]);
            self.add(&eight, labels, &mut sums);
        }
        let tail = tails(&self.columns, whole.len() * LANES);
        self.add(&core::array::from_fn(|d| &tail[d]), rest, &mut sums);
        tree(&sums)
    }
}

impl<const D: usize> Inertia<'_, D> {
    #[inline(always)]
    fn add(&self, eight: &[&[f64; LANES]; D], labels: &[u8], sums: &mut [f64; LANES]) {
        for (lane, (&label, sum)) in labels.iter().zip(sums).enumerate() {
            let Some(centre) = self.centres.get(usize::from(label)) else { continue };
            let mut far = 0.0;
            for d in 0..D {
                let along = centre[d] - eight[d][lane];
                far += along * along;
            }
            *sum += far;
        }
    }
}

#[inline(always)]
fn look_at_all<W: Width, const D: usize, const GAPS: bool>(
    width: W,
    columns: &[&[f64]; D],
    centres: &[[f64; D]],
    len: usize,
    room: &mut Room<D>,
) {
    let full = len / LANES;
    let eights = eights_of(columns, full);
    let found = room.labels.iter_mut().zip(room.gaps.iter_mut());
    let mut found = found.enumerate();
    for (at, (labels, gaps)) in found.by_ref().take(full) {
        let eight: [&[f64; LANES]; D] = core::array::from_fn(|d| &eights[d][at]);
        nearest::<W, D, GAPS>(width, &eight, centres, labels, gaps);
    }
    if !len.is_multiple_of(LANES)
        && let Some((_, (labels, gaps))) = found.next()
    {
        let tail = tails(columns, full * LANES);
        let eight = core::array::from_fn(|d| &tail[d]);
        nearest::<W, D, GAPS>(width, &eight, centres, labels, gaps);
    }
}

#[inline(always)]
fn look_at_listed<W: Width, const D: usize>(
    width: W,
    columns: &[&[f64]; D],
    centres: &[[f64; D]],
    listed: usize,
    room: &mut Room<D>,
) {
    let (lists, _) = room.list.as_chunks::<LANES>();
    let found = room.labels.iter_mut().zip(room.gaps.iter_mut());
    for (list, (labels, gaps)) in lists.iter().zip(found).take(listed.div_ceil(LANES)) {
        // behind the last listed point are others of the block, which do no harm
        let eight: [[f64; LANES]; D] = core::array::from_fn(|d| {
            list.map(|at| columns[d].get(usize::from(at)).copied().unwrap_or_default())
        });
        let eight = core::array::from_fn(|d| &eight[d]);
        nearest::<W, D, true>(width, &eight, centres, labels, gaps);
    }
}

#[cfg(all(test, feature = "simd"))]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use crate::Points;
    use crate::blocks::{Blocks, block_columns};
    use crate::dispatch::Call;
    use crate::kernel::{potentials, shrink};
    use crate::width::One;
    use proptest::prelude::*;
    use pulp::Simd;

    type Known = (Vec<u8>, Vec<Vec<u64>>, f64);

    /// Some rounds whose centres are closer together each time, by whatever carries the kernels out.
    fn rounds(points: &Points<'_>, by: &impl By) -> Vec<Known> {
        let mut blocks = Blocks::<3>::new(points, 4);
        let mut centres = [[0.1, 0.2, 0.3], [0.7, 0.1, 0.4], [0.5, 0.9, 0.2], [0.3, 0.3, 0.8]];
        let mut ways = Ways::new();
        blocks.each(|block, room| by.run(First { centres: &centres, block, room }));
        let mut known = Vec::new();
        for round in 1..8 {
            let before = centres;
            for centre in &mut centres {
                for d in centre.iter_mut() {
                    *d += (0.4 - *d) * 0.2 / f64::from(round * round);
                }
            }
            ways.go(&before, &centres);
            let (centres, ways) = (&centres, &ways);
            blocks.each(|block, room| by.run(Next { centres, ways, block, room }));
            let (until, sums) = blocks.bits();
            let columns = block_columns(points, 0);
            let labels = blocks.labels.get(..points.len().min(BLOCK)).unwrap();
            let inertia = by.run(Inertia { columns, labels, centres });
            known.push((blocks.labels.clone(), vec![until, sums], inertia));
        }
        known
    }

    trait By: Sync {
        fn run<K: Kernel>(&self, kernel: K) -> K::Output;
    }

    struct Plain;
    impl By for Plain {
        fn run<K: Kernel>(&self, kernel: K) -> K::Output {
            kernel.run(One)
        }
    }

    struct Vectors<S>(S);
    impl<S: Simd> By for Vectors<S> {
        fn run<K: Kernel>(&self, kernel: K) -> K::Output {
            self.0.vectorize(Call(kernel))
        }
    }

    /// What seeding looks at.
    struct Seeding<'a>([&'a [f64]; 3], Vec<f64>);
    impl Kernel for Seeding<'_> {
        type Output = (f64, Vec<f64>, Vec<[f64; LANES]>);
        #[inline(always)]
        fn run<W: Width>(self, width: W) -> Self::Output {
            let Self(columns, mut nearest) = self;
            let mut sums = vec![[0.0; LANES]; 2];
            potentials(width, &columns, &[[0.1, 0.2, 0.3], [0.7, 0.1, 0.4]], &nearest, &mut sums);
            let sum = shrink(width, &columns, &[0.5, 0.9, 0.2], &mut nearest);
            (sum, nearest, sums)
        }
    }

    fn seeding(points: &Points<'_>, by: &impl By) -> <Seeding<'static> as Kernel>::Output {
        by.run(Seeding(block_columns(points, 0), vec![0.25; points.len().min(BLOCK)]))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn vectors_of_every_width_give_the_same_bits(
            rows in prop::collection::vec(prop::array::uniform3(-0.5..1.5_f64), 0..2 * BLOCK),
        ) {
            let points = Points::from_rows(rows.as_flattened(), 3).unwrap();
            let want = (rounds(&points, &Plain), seeding(&points, &Plain));
            let check = |found| {
                prop_assert_eq!(&found, &want);
                Ok(())
            };
            let scalar = Vectors(pulp::Scalar::new());
            check((rounds(&points, &scalar), seeding(&points, &scalar)))?;
            #[cfg(target_arch = "x86_64")]
            if let Some(avx2) = pulp::x86::V3::try_new().map(Vectors) {
                check((rounds(&points, &avx2), seeding(&points, &avx2)))?;
            }
            #[cfg(target_arch = "x86_64")]
            if let Some(avx512) = pulp::x86::V4::try_new().map(Vectors) {
                check((rounds(&points, &avx512), seeding(&points, &avx512)))?;
            }
            #[cfg(target_arch = "aarch64")]
            if let Some(neon) = pulp::aarch64::Neon::try_new().map(Vectors) {
                check((rounds(&points, &neon), seeding(&points, &neon)))?;
            }
        }
    }
}
