//! Which points a round need not look at: those whose nearest centre cannot have changed since they were looked at.
//!
//! A point that was nearer to its centre than to any other by some gap stays so while its own centre and the farthest
//! going of the others together have moved by less than that (Hamerly 2010). What is rounded is rounded towards looking
//! again, so that the labels are those of looking at all points, to the bit.

use crate::kernel::{BLOCK, DOUBT, DOUBT_LEAST};
use crate::lloyd::GROUPS_MAX;
use alloc::boxed::Box;

/// How far the centres have gone, for each group: the way of its own and of whichever other went farthest, summed over
/// the rounds.
pub(crate) struct Ways(Box<[f64; GROUPS_MAX]>);

impl Ways {
    pub(crate) fn new() -> Self {
        Self(Box::new([0.0; GROUPS_MAX]))
    }

    /// Centres have moved.
    pub(crate) fn go<const D: usize>(&mut self, from: &[[f64; D]], to: &[[f64; D]]) {
        let mut steps = [0.0; GROUPS_MAX];
        // the longest step, whose, and the longest of the others
        let (mut longest, mut whose, mut second) = (0.0, 0, 0.0);
        for (group, ((from, to), step)) in from.iter().zip(to).zip(&mut steps).enumerate() {
            *step = at_most(from, to);
            if *step > longest {
                (second, longest, whose) = (longest, *step, group);
            } else if *step > second {
                second = *step;
            }
        }
        for (group, (way, step)) in self.0.iter_mut().zip(steps).enumerate().take(from.len()) {
            let others = if group == whose { second } else { longest };
            *way += (step + others) * (1.0 + DOUBT);
        }
    }

    /// Until which way of its group a point keeps its label, if it was nearer by `gap`.
    #[inline(always)]
    pub(crate) fn until(&self, label: u8, gap: f64) -> f64 {
        (self.0[usize::from(label)] + gap) * (1.0 - DOUBT)
    }

    /// Writes down which points of a block may have another centre now; returns how many.
    #[inline(always)]
    pub(crate) fn in_doubt(&self, labels: &[u8], until: &[f64], list: &mut [u16; BLOCK]) -> usize {
        let mut listed = 0;
        let mut first = 0;
        // a bit for each of so many points, then the bits that are set: quicker than to decide point by point
        for (labels, until) in labels.chunks(MARKS).zip(until.chunks(MARKS)) {
            let mut marks = 0_u64;
            for (lane, (&label, &until)) in labels.iter().zip(until).enumerate() {
                let is_sure = until > self.0[usize::from(label)];
                marks |= u64::from(!is_sure) << lane;
            }
            for lane in each_mark(marks) {
                list[listed % BLOCK] = first + lane;
                listed += 1;
            }
            first += MARKS_U16;
        }
        listed
    }
}

/// So many points have their marks in one number.
pub(crate) const MARKS: usize = MARKS_U16 as usize;
pub(crate) const MARKS_U16: u16 = 64;

/// Which bits are set, from the lowest.
#[inline(always)]
#[allow(clippy::cast_possible_truncation)] // below 64
pub(crate) fn each_mark(mut marks: u64) -> impl Iterator<Item = u16> {
    core::iter::from_fn(move || {
        let lane = marks.trailing_zeros() as u16;
        marks &= marks.checked_sub(1)?;
        Some(lane)
    })
}

/// The distance of two points, or somewhat more; 0 only if they are one.
fn at_most<const D: usize>(a: &[f64; D], b: &[f64; D]) -> f64 {
    if a == b {
        return 0.0;
    }
    let square: f64 = a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum();
    libm::sqrt(square) * (1.0 + DOUBT) + DOUBT_LEAST
}

/// Whether bounds pay for a block of points: they do while they spare a quarter of it. Where they do not, they are left
/// alone for a round, then for two, four and so on.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Worth {
    /// Each point of the block has a bound.
    pub(crate) has_bounds: bool,
    /// For so many rounds none are to be made.
    pause: u8,
    /// How long the last pause was.
    last: u8,
}

impl Worth {
    /// Whether a look at all points should find bounds too.
    pub(crate) const fn wants_bounds(&self) -> bool {
        self.pause == 0
    }

    /// All points were looked at.
    pub(crate) const fn looked_at_all(&mut self) {
        self.has_bounds = self.pause == 0;
        self.pause = self.pause.saturating_sub(1);
    }

    /// So many of all are in doubt: whether looking at these alone is the shorter way.
    pub(crate) fn pays(&mut self, in_doubt: usize, of: usize) -> bool {
        let pays = in_doubt * 4 <= of * 3;
        self.last = if pays { 0 } else { (2 * self.last).clamp(1, 16) };
        self.pause = self.last;
        pays
    }
}
