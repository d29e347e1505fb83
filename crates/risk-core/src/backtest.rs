//! What would this judge have decided? Recorded history with known truth, judged again.

use crate::shadow::{Comparison, Judged};
use crate::{Judge, Latency};
use alloc::collections::BTreeMap;
use core::borrow::Borrow;

/// Judges every recorded case with both judges and reports what came out, where they differ, and how long each took.
///
/// `history` yields the truth of each case, as far as it became known, and the case. `clock_ns` is a source of
/// nanoseconds that never runs backwards; it belongs to the caller, since no clock is read here. A source that always
/// says 0 reports no latency. Truths are a small closed set; see [`Report::uncounted`].
///
/// ```
/// use interbank_risk_core::{Judge, backtest};
/// struct AskFrom(u32);
/// impl Judge for AskFrom {
///     type Case = u32;
///     type Outcome = bool;
///     fn judge(&self, amount: &u32) -> bool { *amount >= self.0 }
/// }
/// let history = [("usual", 20), ("usual", 70), ("stolen", 120)];
/// let report = backtest::run(&AskFrom(100), &AskFrom(50), history, 5, || 0);
/// assert_eq!((report.count("usual", true), report.count("stolen", true)), (0, 1));
/// assert_eq!(report.comparison.examples(false, true), [1]); // the case at 1 would be asked
/// ```
pub fn run<L, D, T, C>(
    live: &L,
    draft: &D,
    history: impl IntoIterator<Item = (T, C)>,
    examples_max: usize,
    mut clock_ns: impl FnMut() -> u64,
) -> Report<T, L::Outcome>
where
    L: Judge,
    D: Judge<Case = L::Case, Outcome = L::Outcome>,
    T: Copy + Ord,
    C: Borrow<L::Case>,
{
    let mut report = Report::new(examples_max);
    for (at, (truth, case)) in (0..).zip(history) {
        let case = case.borrow();
        let begun = clock_ns();
        let live = live.judge(case);
        let between = clock_ns();
        let draft = draft.judge(case);
        let ended = clock_ns();
        report.live_latency.update(between.saturating_sub(begun));
        report.draft_latency.update(ended.saturating_sub(between));
        report.count_decision(truth, live, 1);
        report.comparison.update(Judged { live, draft: Some(draft) }, || at);
    }
    report
}

/// Judges every recorded case with one judge; as [`run`], without a draft.
pub fn run_one<J, T, C>(
    judge: &J,
    history: impl IntoIterator<Item = (T, C)>,
    mut clock_ns: impl FnMut() -> u64,
) -> Report<T, J::Outcome>
where
    J: Judge,
    T: Copy + Ord,
    C: Borrow<J::Case>,
{
    let mut report = Report::new(0);
    for (truth, case) in history {
        let begun = clock_ns();
        let outcome = judge.judge(case.borrow());
        report.live_latency.update(clock_ns().saturating_sub(begun));
        report.count_decision(truth, outcome, 1);
    }
    report
}

/// What came out of a history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report<T, O> {
    decisions: BTreeMap<(T, O), u64>,
    uncounted: u64,
    /// Where live and draft differ, with the places of examples in the history, counted from 0.
    pub comparison: Comparison<O, u64>,
    /// How long the live judge took.
    pub live_latency: Latency,
    /// How long the draft took.
    pub draft_latency: Latency,
}

impl<T: Copy + Ord, O: Copy + Ord> Report<T, O> {
    fn new(examples_max: usize) -> Self {
        Self {
            decisions: BTreeMap::new(),
            uncounted: 0,
            comparison: Comparison::new(examples_max),
            live_latency: Latency::new(),
            draft_latency: Latency::new(),
        }
    }

    /// Adds the report of another part of the history; places of its examples still count from its own beginning.
    pub fn merge(&mut self, other: Self) {
        for ((truth, outcome), count) in other.decisions {
            self.count_decision(truth, outcome, count);
        }
        self.uncounted = self.uncounted.saturating_add(other.uncounted);
        self.comparison.merge(other.comparison);
        self.live_latency.merge(&other.live_latency);
        self.draft_latency.merge(&other.draft_latency);
    }

    /// How often the live judge decided so where this was the truth.
    pub fn count(&self, truth: T, outcome: O) -> u64 {
        self.decisions.get(&(truth, outcome)).copied().unwrap_or(0)
    }

    /// Every (truth, outcome) pair that occurred, in order, with its count.
    pub fn decisions(&self) -> impl Iterator<Item = ((T, O), u64)> + '_ {
        self.decisions.iter().map(|(pair, count)| (*pair, *count))
    }

    /// Cases judged.
    pub const fn cases(&self) -> u64 {
        self.live_latency.count()
    }

    /// Cases of (truth, outcome) pairs for which there was no room: the first [`DECISIONS_MAX`] pairs are kept.
    pub const fn uncounted(&self) -> u64 {
        self.uncounted
    }

    fn count_decision(&mut self, truth: T, outcome: O, count: u64) {
        let room = self.decisions.len() < DECISIONS_MAX;
        match self.decisions.get_mut(&(truth, outcome)) {
            Some(so_far) => *so_far += count,
            None if room => {
                self.decisions.insert((truth, outcome), count);
            }
            None => self.uncounted += count,
        }
    }
}

/// The most (truth, outcome) pairs that a [`Report`] keeps.
pub const DECISIONS_MAX: usize = 4_096;

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    struct Band(u32);

    impl Judge for Band {
        type Case = u32;
        type Outcome = u32;

        fn judge(&self, case: &u32) -> u32 {
            case / self.0
        }
    }

    #[test]
    fn counts_classes_and_differences() {
        let history: Vec<(bool, u32)> = (0..90).map(|n| (n % 3 == 0, n)).collect();
        let report = run(&Band(50), &Band(60), history, 2, || 0);
        assert_eq!(report.decisions().map(|(_, count)| count).sum::<u64>(), 90);
        assert_eq!((report.count(false, 0), report.count(true, 0)), (33, 17));
        assert_eq!((report.comparison.agreed(), report.comparison.differed()), (80, 10));
        assert_eq!(report.comparison.examples(1, 0), [50, 51]);
    }

    #[test]
    fn durations_come_from_the_callers_clock() {
        let mut ticks = [0, 5, 12, 100, 107, 110].into_iter();
        let report = run(&Band(1), &Band(1), [((), 1), ((), 2)], 0, || ticks.next().unwrap_or(0));
        let live = &report.live_latency;
        assert_eq!((live.p50_ns(), live.p99_ns(), live.max_ns()), (5, 7, 7));
        assert_eq!((report.draft_latency.p50_ns(), report.draft_latency.max_ns()), (3, 7));
        assert_eq!(report.cases(), 2);
    }

    #[test]
    fn parts_merge_into_the_whole() {
        let part = |cases: core::ops::Range<u32>| {
            run(&Band(7), &Band(7), cases.map(|n| (n % 2, n)), 1, || 3)
        };
        let mut left = part(0..30);
        left.merge(part(30..77));
        assert_eq!(left, part(0..77));
        assert_eq!(
            left.live_latency,
            run_one(&Band(7), (0..77).map(|n| (0, n)), || 3).live_latency
        );
    }

    #[test]
    fn scores_as_outcomes_stay_bounded() {
        let report = run_one(&Band(1), (0..6_000).map(|n| ((), n)), || 0);
        assert_eq!(report.decisions().count(), DECISIONS_MAX);
        assert_eq!(report.uncounted(), 6_000 - DECISIONS_MAX as u64);
    }

    /// The bound holds in debug builds already; the speed itself is measured in `benches/`.
    #[test]
    fn a_trivial_judge_is_fast_enough_to_replay_a_history() {
        extern crate std;
        #[expect(clippy::disallowed_methods, reason = "a test may look at the clock")]
        let begun = std::time::Instant::now();
        #[expect(clippy::cast_possible_truncation, reason = "less than a minute")]
        let clock = || begun.elapsed().as_nanos() as u64;
        let report = run_one(&Band(100), (0..100_000).map(|n| (n % 4, n % 400)), clock);
        let per_s = report.cases() * 1_000_000_000 / clock().max(1);
        assert!(per_s > 100_000, "{per_s} decisions/s without optimisation");
    }
}
