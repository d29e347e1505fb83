//! A draft beside what is live: both judge, the live one counts, and where they differ is data.

use crate::Judge;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use port::Time;

/// A live judge with a draft in its shadow, until a date.
///
/// ```
/// use interbank_risk_core::{Judge, shadow::{Comparison, Shadow}};
/// use port::Time;
/// struct AskFrom(u32);
/// impl Judge for AskFrom {
///     type Case = u32;
///     type Outcome = bool;
///     fn judge(&self, amount: &u32) -> bool { *amount >= self.0 }
/// }
/// let shadow = Shadow::new(AskFrom(100), AskFrom(50), Time::from_s(1_000));
/// let mut comparison = Comparison::new(3);
/// for amount in [20, 70, 120] {
///     let judged = shadow.judge(Time::from_s(5), &amount);
///     assert_eq!(judged.live, amount >= 100); // the draft changes nothing
///     comparison.update(judged, || amount);
/// }
/// assert_eq!((comparison.agreed(), comparison.differed()), (2, 1));
/// assert_eq!(comparison.examples(false, true), [70]);
/// ```
#[derive(Clone, Debug)]
pub struct Shadow<L, D> {
    live: L,
    draft: D,
    until: Time,
}

impl<L, D> Shadow<L, D>
where
    L: Judge,
    D: Judge<Case = L::Case, Outcome = L::Outcome>,
{
    /// The draft is judged with before `until`; a forgotten draft costs nothing for ever.
    pub const fn new(live: L, draft: D, until: Time) -> Self {
        Self { live, draft, until }
    }

    /// Judges with both.
    pub fn judge(&self, now: Time, case: &L::Case) -> Judged<L::Outcome> {
        let draft = (now < self.until).then(|| self.draft.judge(case));
        Judged { live: self.live.judge(case), draft }
    }

    /// The one that counts.
    pub const fn live(&self) -> &L {
        &self.live
    }

    /// The one that is tried.
    pub const fn draft(&self) -> &D {
        &self.draft
    }
}

/// What came out for one case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Judged<O> {
    /// What counts.
    pub live: O,
    /// What the draft would have said; `None` once its time is over.
    pub draft: Option<O>,
}

/// Counts by (live, draft) pair, and the first few cases of each pair that differs.
///
/// Bounded: [`PAIRS_MAX`] pairs, and so many examples each as [`new`](Self::new) says; a judge whose outcomes are scores
/// should be put into bands first, or most pairs end in [`uncounted`](Self::uncounted).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comparison<O, E> {
    pairs: BTreeMap<(O, O), u64>,
    examples: BTreeMap<(O, O), Vec<E>>,
    examples_max: usize,
    uncounted: u64,
}

impl<O: Copy + Ord, E> Comparison<O, E> {
    /// Keeps so many examples of each pair that differs.
    pub const fn new(examples_max: usize) -> Self {
        Self { pairs: BTreeMap::new(), examples: BTreeMap::new(), examples_max, uncounted: 0 }
    }

    /// Adds one case; `example` is called only if it is kept. A case without a draft's outcome is not counted.
    pub fn update(&mut self, judged: Judged<O>, example: impl FnOnce() -> E) {
        let Some(draft) = judged.draft else { return };
        let pair = (judged.live, draft);
        if !self.count(pair, 1) || judged.live == draft {
            return;
        }
        let kept = self.examples.entry(pair).or_default();
        if kept.len() < self.examples_max {
            kept.push(example());
        }
    }

    /// Adds what another one counted; its examples follow ours as far as there is room.
    pub fn merge(&mut self, other: Self) {
        self.uncounted = self.uncounted.saturating_add(other.uncounted);
        for (pair, count) in other.pairs {
            self.count(pair, count);
        }
        for (pair, examples) in other.examples {
            if self.pairs.contains_key(&pair) {
                let kept = self.examples.entry(pair).or_default();
                let room = self.examples_max.saturating_sub(kept.len());
                kept.extend(examples.into_iter().take(room));
            }
        }
    }

    /// Cases in which both said the same.
    pub fn agreed(&self) -> u64 {
        self.pairs.iter().filter(|((live, draft), _)| live == draft).map(|(_, count)| count).sum()
    }

    /// Cases in which they differed.
    pub fn differed(&self) -> u64 {
        self.pairs.iter().filter(|((live, draft), _)| live != draft).map(|(_, count)| count).sum()
    }

    /// Every (live, draft) pair that occurred, in order, with its count.
    pub fn pairs(&self) -> impl Iterator<Item = ((O, O), u64)> + '_ {
        self.pairs.iter().map(|(pair, count)| (*pair, *count))
    }

    /// The examples of a pair that differs.
    pub fn examples(&self, live: O, draft: O) -> &[E] {
        self.examples.get(&(live, draft)).map_or(&[], Vec::as_slice)
    }

    /// Cases of pairs for which there was no room.
    pub const fn uncounted(&self) -> u64 {
        self.uncounted
    }

    fn count(&mut self, pair: (O, O), count: u64) -> bool {
        let room = self.pairs.len() < PAIRS_MAX;
        match self.pairs.get_mut(&pair) {
            Some(so_far) => *so_far = so_far.saturating_add(count),
            None if room => {
                self.pairs.insert(pair, count);
            }
            None => {
                self.uncounted = self.uncounted.saturating_add(count);
                return false;
            }
        }
        true
    }
}

/// The most (live, draft) pairs that a [`Comparison`] keeps: those of 16 outcomes.
pub const PAIRS_MAX: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use core::cell::Cell;

    struct Above<'a>(u32, &'a Cell<u32>);

    impl Judge for Above<'_> {
        type Case = u32;
        type Outcome = u32;

        fn judge(&self, case: &u32) -> u32 {
            self.1.set(self.1.get() + 1);
            u32::from(*case > self.0)
        }
    }

    #[test]
    fn a_draft_whose_time_is_over_is_not_even_run() {
        let (live_runs, draft_runs) = (Cell::new(0), Cell::new(0));
        let until = Time::from_s(10);
        let shadow = Shadow::new(Above(5, &live_runs), Above(3, &draft_runs), until);
        assert_eq!(shadow.judge(until.minus_ms(1), &4), Judged { live: 0, draft: Some(1) });
        let mut comparison: Comparison<u32, ()> = Comparison::new(1);
        let late = shadow.judge(until, &4);
        assert_eq!(late, Judged { live: 0, draft: None });
        comparison.update(late, || ());
        assert_eq!((live_runs.get(), draft_runs.get()), (2, 1));
        assert_eq!(comparison.agreed() + comparison.differed(), 0);
    }

    #[test]
    fn pairs_and_examples_are_bounded() {
        let mut comparison = Comparison::new(2);
        for case in 0..1_000_u32 {
            comparison.update(Judged { live: case % 300, draft: Some(case % 300 + 1) }, || case);
        }
        assert_eq!(comparison.pairs().count(), PAIRS_MAX);
        assert_eq!(comparison.differed() + comparison.uncounted(), 1_000);
        assert_eq!(comparison.examples(7, 8), [7, 307]);
        assert_eq!(comparison.examples(299, 300), [0_u32; 0]);
    }

    #[test]
    fn parts_merge_into_the_whole() {
        let judged = |n: u32| Judged { live: n % 3, draft: Some(n % 2) };
        let count = |cases: core::ops::Range<u32>| {
            let mut comparison = Comparison::new(4);
            cases.for_each(|n| comparison.update(judged(n), || n));
            comparison
        };
        let mut left = count(0..17);
        left.merge(count(17..50));
        assert_eq!(left, count(0..50));
        assert_eq!(left.examples(2, 0), vec![2, 8, 14, 20]);
    }
}
