//! How long answers take: enough of it to say what is unusual.

use alloc::collections::VecDeque;
use core::fmt;
use port::Time;

/// The times of the latest answers, in buckets whose ends grow by a quarter: a quantile is right within 25 %.
///
/// They are kept in parts, each of so long and so many answers at most, and only the youngest parts. So what is over is forgotten
/// however many answers there are: at once where there are many, in [`KEPT_MS`] where there are few or none.
#[derive(Clone)]
pub(super) struct Latency {
    parts: VecDeque<Part>,
    /// There were enough to say, and there have been some ever since.
    known: bool,
    /// The last that was known.
    usual_ms: Option<u64>,
}

#[derive(Clone)]
struct Part {
    since: Time,
    counts: [u32; ENDS.len() + 1],
    total: u32,
}

impl Latency {
    pub(super) fn new() -> Self {
        Self { parts: VecDeque::new(), known: false, usual_ms: None }
    }

    pub(super) fn update(&mut self, now: Time, took_ms: u64) {
        if self.total(Some(now)) < ENOUGH_STILL {
            self.known = false;
        }
        let over = |part: &Part| now.since_ms(part.since) >= PART_MS || part.total >= PART_ANSWERS;
        if self.parts.back().is_none_or(over) {
            self.usual_ms = self.usual_ms();
            if self.parts.len() >= PARTS {
                self.parts.pop_front();
            }
            self.parts.push_back(Part { since: now, counts: [0; ENDS.len() + 1], total: 0 });
        }
        if let Some(part) = self.parts.back_mut()
            && let Some(count) = part.counts.get_mut(ENDS.partition_point(|end| *end < took_ms))
        {
            *count += 1;
            part.total += 1;
        }
        self.known |= self.total(Some(now)) >= ENOUGH;
    }

    /// What 99 of 100 answers of the last [`KEPT_MS`] took at most; `None` where there were not enough to say. Fewer are enough to go
    /// on saying it: of an accounting system that gets little since it is slow, little is seen.
    pub(super) fn p99_ms(&self, now: Time) -> Option<u64> {
        let enough = if self.known { ENOUGH_STILL } else { ENOUGH };
        self.quantile_ms(Some(now), enough)
    }

    /// The same, also of what is long over: what an accounting system does that did nothing lately.
    pub(super) fn usual_ms(&self) -> Option<u64> {
        self.quantile_ms(None, ENOUGH).or(self.usual_ms)
    }

    fn quantile_ms(&self, now: Option<Time>, enough: u32) -> Option<u64> {
        let total = self.total(now);
        if total < enough {
            return None;
        }
        let mut above = 0;
        for at in (0..=ENDS.len()).rev() {
            above += self.fresh(now).filter_map(|part| part.counts.get(at)).sum::<u32>();
            if above > total / 100 {
                return ENDS.get(at).or(ENDS.last()).copied();
            }
        }
        None
    }

    fn total(&self, now: Option<Time>) -> u32 {
        self.fresh(now).map(|part| part.total).sum()
    }

    /// The parts that count now; all without a time.
    fn fresh(&self, now: Option<Time>) -> impl Iterator<Item = &Part> {
        let is_fresh = move |part: &&Part| now.is_none_or(|now| now.since_ms(part.since) < KEPT_MS);
        self.parts.iter().filter(is_fresh)
    }
}

impl fmt::Debug for Latency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = ENDS.iter().enumerate().filter_map(|(at, end)| {
            let count: u32 = self.parts.iter().filter_map(|part| part.counts.get(at)).sum();
            (count > 0).then_some((end, count))
        });
        f.debug_map().entries(counts).finish()
    }
}

/// How long an answer counts at most: two minutes.
pub(super) const KEPT_MS: u64 = PART_MS * PARTS as u64;
const PARTS: usize = 6;
const PART_MS: u64 = 20_000;
const PART_ANSWERS: u32 = 512;
/// Answers before a quantile means anything.
const ENOUGH: u32 = 100;
/// Answers by which it goes on to mean something.
const ENOUGH_STILL: u32 = 10;
const ENDS: [u64; 48] = ends();

const fn ends() -> [u64; 48] {
    let mut ends = [1; 48];
    let mut at = 1;
    while at < 48 {
        let grown = ends[at - 1] * 5 / 4;
        ends[at] = if grown > ends[at - 1] { grown } else { ends[at - 1] + 1 };
        at += 1;
    }
    ends
}

#[cfg(test)]
mod tests {
    use super::*;

    const T0: Time = Time::from_s(1_785_000_000);

    #[test]
    fn a_quantile_is_right_within_a_quarter() {
        let mut latency = Latency::new();
        (1..=99).for_each(|ms| latency.update(T0, ms));
        assert_eq!(latency.p99_ms(T0), None);
        (100..=1_000).for_each(|ms| latency.update(T0, ms));
        let p99 = latency.p99_ms(T0).unwrap();
        assert!((990..=1_240).contains(&p99), "{p99}");
    }

    #[test]
    fn the_past_fades_with_answers_while_the_clock_stands() {
        let mut latency = Latency::new();
        (0..2_000).for_each(|_| latency.update(T0, 5_000));
        (0..20_000).for_each(|_| latency.update(T0, 10));
        assert!(latency.p99_ms(T0).unwrap() < 20);
        assert!(ENDS.is_sorted() && ENDS[47] > 30_000);
    }

    #[test]
    fn the_past_fades_with_time_however_few_answers_there_are() {
        let mut latency = Latency::new();
        (0..2_000).for_each(|n| latency.update(T0.plus_ms(n), 5_000));
        let end = T0.plus_ms(2_000);
        // One answer in ten seconds is enough to see that it is slow still, and that it is fast again.
        for n in 1..=11 {
            let now = end.plus_ms(n * 10_000);
            latency.update(now, 10);
            assert!(latency.p99_ms(now).unwrap() > 4_000, "{n}");
        }
        let now = end.plus_ms(KEPT_MS);
        latency.update(now, 10);
        assert!(latency.p99_ms(now).unwrap() < 20);
        // Of nothing nothing is said, but for what was usual.
        let later = now.plus_ms(KEPT_MS);
        assert_eq!(latency.p99_ms(later), None);
        assert!(latency.usual_ms().unwrap() > 4_000);
        // And then a hundred are needed again.
        (0..99).for_each(|_| latency.update(later, 10));
        assert_eq!(latency.p99_ms(later), None);
        latency.update(later, 10);
        assert!(latency.p99_ms(later).unwrap() < 20);
    }
}
