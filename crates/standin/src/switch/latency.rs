//! How long answers take: enough of it to say what is unusual.

use alloc::vec;
use alloc::vec::Vec;
use core::fmt;

/// The times of the latest answers, in buckets whose ends grow by a quarter: a quantile is right within 25 %.
///
/// Every so many answers all counts are halved, so that the past fades.
#[derive(Clone)]
pub(super) struct Latency {
    counts: Vec<u32>,
    total: u32,
}

impl Latency {
    pub(super) fn new() -> Self {
        Self { counts: vec![0; ENDS.len() + 1], total: 0 }
    }

    pub(super) fn update(&mut self, took_ms: u64) {
        let at = ENDS.partition_point(|end| *end < took_ms);
        if let Some(count) = self.counts.get_mut(at) {
            *count += 1;
            self.total += 1;
        }
        if self.total >= FADE_AFTER {
            self.counts.iter_mut().for_each(|count| *count /= 2);
            self.total = self.counts.iter().sum();
        }
    }

    /// What 99 of 100 answers took at most; `None` before there were enough to say.
    pub(super) fn p99_ms(&self) -> Option<u64> {
        if self.total < ENOUGH {
            return None;
        }
        let above_max = self.total / 100;
        let mut above = 0;
        for (at, count) in self.counts.iter().enumerate().rev() {
            above += count;
            if above > above_max {
                return ENDS.get(at).or(ENDS.last()).copied();
            }
        }
        None
    }
}

impl fmt::Debug for Latency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = ENDS.iter().zip(&self.counts).filter(|(_, count)| **count > 0);
        f.debug_map().entries(counts).finish()
    }
}

/// Answers before a quantile means anything.
const ENOUGH: u32 = 100;
const FADE_AFTER: u32 = 2_048;
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

    #[test]
    fn a_quantile_is_right_within_a_quarter() {
        let mut latency = Latency::new();
        (1..=99).for_each(|ms| latency.update(ms));
        assert_eq!(latency.p99_ms(), None);
        (100..=1_000).for_each(|ms| latency.update(ms));
        let p99 = latency.p99_ms().unwrap();
        assert!((990..=1_240).contains(&p99), "{p99}");
    }

    #[test]
    fn the_past_fades() {
        let mut latency = Latency::new();
        (0..2_000).for_each(|_| latency.update(5_000));
        (0..20_000).for_each(|_| latency.update(10));
        assert!(latency.p99_ms().unwrap() < 20);
        assert!(ENDS.is_sorted() && ENDS[47] > 30_000);
    }
}
