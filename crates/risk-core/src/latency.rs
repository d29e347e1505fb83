//! How long decisions take: a histogram of fixed size.

use crate::BasisPoints;
use alloc::boxed::Box;
use alloc::vec;

/// Counts durations in nanoseconds, so that any quantile is known to within 1/32.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Latency {
    buckets: Box<[u64]>,
    count: u64,
    max_ns: u64,
}

impl Latency {
    /// Nothing counted.
    pub fn new() -> Self {
        Self { buckets: vec![0; BUCKETS].into_boxed_slice(), count: 0, max_ns: 0 }
    }

    /// One duration.
    pub fn update(&mut self, ns: u64) {
        self.buckets[bucket(ns)] += 1;
        self.count += 1;
        self.max_ns = self.max_ns.max(ns);
    }

    /// Adds what another one counted.
    pub fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.buckets.iter_mut().zip(&other.buckets) {
            *mine += theirs;
        }
        self.count += other.count;
        self.max_ns = self.max_ns.max(other.max_ns);
    }

    /// So many of the durations were at most this long: rounded up by at most 1/32, and never above the longest.
    pub fn quantile_ns(&self, share: BasisPoints) -> u64 {
        let rank = u128::from(self.count) * u128::from(share.as_u16());
        let rank = u64::try_from(rank.div_ceil(10_000)).unwrap_or(u64::MAX).max(1);
        let mut seen = 0_u64;
        for (at, count) in self.buckets.iter().enumerate() {
            seen += count;
            if seen >= rank {
                return upper_ns(at).min(self.max_ns);
            }
        }
        self.max_ns
    }

    /// Half of them were at most this long.
    pub fn p50_ns(&self) -> u64 {
        self.quantile_ns(BasisPoints::of(50, 100))
    }

    /// 99 of 100 were at most this long.
    pub fn p99_ns(&self) -> u64 {
        self.quantile_ns(BasisPoints::of(99, 100))
    }

    /// The longest.
    pub const fn max_ns(&self) -> u64 {
        self.max_ns
    }

    /// How many.
    pub const fn count(&self) -> u64 {
        self.count
    }
}

impl Default for Latency {
    fn default() -> Self {
        Self::new()
    }
}

/// Exact below 64 ns; above, 32 buckets to each doubling.
#[expect(clippy::cast_possible_truncation, reason = "below BUCKETS")]
const fn bucket(ns: u64) -> usize {
    if ns < 64 {
        return ns as usize;
    }
    let doublings = ns.ilog2() - 5;
    (doublings * 32) as usize + (ns >> doublings) as usize
}

/// The longest duration of a bucket.
const fn upper_ns(at: usize) -> u64 {
    if at < 64 {
        return at as u64;
    }
    let doublings = at / 32 - 1;
    let first = (32 + (at % 32)) as u64;
    (first << doublings) | ((1 << doublings) - 1)
}

const BUCKETS: usize = bucket(u64::MAX) + 1;

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    #[test]
    fn every_bucket_ends_where_the_next_begins() {
        for at in 0..BUCKETS - 1 {
            assert_eq!(bucket(upper_ns(at)), at);
            assert_eq!(bucket(upper_ns(at) + 1), at + 1);
        }
        assert_eq!(upper_ns(BUCKETS - 1), u64::MAX);
        assert_eq!(Latency::new().p99_ns(), 0);
    }

    proptest! {
        #[test]
        fn quantiles_are_within_their_bound(mut all in prop::collection::vec(0..10_000_000_u64, 1..200), share in 0..=10_000_u16, cut in 0..200_usize) {
            let (mut latency, mut rest) = (Latency::new(), Latency::new());
            for (at, ns) in all.iter().enumerate() {
                if at < cut { latency.update(*ns) } else { rest.update(*ns) }
            }
            latency.merge(&rest);
            all.sort_unstable();
            let sorted: Vec<u64> = all;
            let rank = (sorted.len() * usize::from(share)).div_ceil(10_000).max(1);
            let exact = sorted[rank - 1];
            let stated = latency.quantile_ns(BasisPoints::new(share).unwrap());
            prop_assert!(exact <= stated && stated <= exact + exact / 32, "{} for {}", stated, exact);
            prop_assert_eq!((latency.max_ns(), latency.count()), (sorted[sorted.len() - 1], sorted.len() as u64));
        }
    }
}
