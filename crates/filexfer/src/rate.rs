//! How fast bytes may move: token buckets within token buckets.

use crate::Misuse;
use alloc::vec::Vec;
use port::Time;

/// A tree of token buckets: a link within a site within everything, or whatever the operator divides. What is taken at a
/// leaf is taken all the way up, so that the sum of what moves never exceeds any limit above it.
///
/// Deterministic: whole numbers, and time as an argument.
#[derive(Clone, Debug)]
pub struct RateTree {
    nodes: Vec<Node>,
}

impl RateTree {
    /// The most limits in one tree.
    pub const NODES_MAX: usize = 65_536;

    /// With a limit for everything.
    pub fn new(limit: Limit) -> Self {
        Self { nodes: alloc::vec![Node { parent: None, bucket: Bucket::new(limit) }] }
    }

    /// Adds a limit under another one.
    ///
    /// # Errors
    /// [`Misuse::Bounds`] if there is no such parent, or there are too many.
    pub fn under(&mut self, parent: RateId, limit: Limit) -> Result<RateId, Misuse> {
        if parent.0 >= self.nodes.len() || self.nodes.len() >= Self::NODES_MAX {
            return Err(Misuse::Bounds);
        }
        self.nodes.push(Node { parent: Some(parent), bucket: Bucket::new(limit) });
        Ok(RateId(self.nodes.len() - 1))
    }

    /// The limit for everything.
    pub const fn root() -> RateId {
        RateId(0)
    }

    /// Takes `bytes` at a leaf and at all above it, for what is to move once they are there.
    ///
    /// # Errors
    /// [`Wait`]: when that is, whatever others take later. All who wait for the answer that they were given keep the rate, and have
    /// their turn in the order in which they took.
    pub fn take(&mut self, now: Time, leaf: RateId, bytes: u64) -> Result<(), Wait> {
        let mut until = now;
        for at in self.path(leaf) {
            let Some(node) = self.nodes.get_mut(at) else { break };
            node.bucket.refill(now);
            node.bucket.take(bytes);
            until = until.max(node.bucket.paid_at(now));
        }
        if until > now { Err(Wait { until }) } else { Ok(()) }
    }

    fn path(&self, leaf: RateId) -> Vec<usize> {
        let up = |at: &usize| self.nodes.get(*at).and_then(|node| node.parent).map(|id| id.0);
        core::iter::successors(Some(leaf.0), up).collect()
    }
}

/// A limit in a [`RateTree`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RateId(usize);

/// A rate and how much of it may come at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    bytes_per_s: u64,
    burst_bytes: u64,
}

impl Limit {
    /// A rate in bytes for each second, and the most bytes at once. Whoever takes more than the bucket has leaves it in debt, and
    /// waits until that is paid.
    ///
    /// # Errors
    /// [`Misuse::Bounds`] for a rate or a burst of 0 or above 2⁴⁸.
    pub const fn new(bytes_per_s: u64, burst_bytes: u64) -> Result<Self, Misuse> {
        const MOST: u64 = 1 << 48;
        if bytes_per_s == 0 || burst_bytes == 0 || bytes_per_s > MOST || burst_bytes > MOST {
            return Err(Misuse::Bounds);
        }
        Ok(Self { bytes_per_s, burst_bytes })
    }

    /// The fields of digested forms: bytes for each second, bytes at once.
    pub(crate) const fn parts(self) -> (u64, u64) {
        (self.bytes_per_s, self.burst_bytes)
    }

    /// 256 TiB for each second.
    pub const UNLIMITED: Self = Self { bytes_per_s: 1 << 48, burst_bytes: 1 << 48 };
}

/// What was taken is not there yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wait {
    /// When it will be.
    pub until: Time,
}

#[derive(Clone, Debug)]
struct Node {
    parent: Option<RateId>,
    bucket: Bucket,
}

/// In thousandths of bytes, so that a rate for each second fills it each millisecond without rounding.
#[derive(Clone, Debug)]
struct Bucket {
    limit: Limit,
    level: i128,
    at: Option<Time>,
}

impl Bucket {
    fn new(limit: Limit) -> Self {
        Self { limit, level: full(limit), at: None }
    }

    fn refill(&mut self, now: Time) {
        // A clock that steps back gives nothing, and takes nothing away.
        let elapsed_ms = self.at.map_or(0, |at| now.since_ms(at));
        let gained = i128::from(elapsed_ms) * i128::from(self.limit.bytes_per_s);
        self.level = self.level.saturating_add(gained).min(full(self.limit));
        self.at = Some(self.at.map_or(now, |at| at.max(now)));
    }

    /// When what was taken is there.
    fn paid_at(&self, now: Time) -> Time {
        if self.level >= 0 {
            return now;
        }
        let rate = i128::from(self.limit.bytes_per_s);
        let wait_ms = (rate - 1 - self.level) / rate;
        now.plus_ms(u64::try_from(wait_ms).unwrap_or(u64::MAX))
    }

    fn take(&mut self, bytes: u64) {
        self.level -= i128::from(bytes) * 1_000;
    }
}

fn full(limit: Limit) -> i128 {
    i128::from(limit.burst_bytes) * 1_000
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_rate_is_kept_to_the_byte() {
        let mut tree = RateTree::new(Limit::new(1_000, 500).unwrap());
        let (root, start) = (RateTree::root(), Time::from_s(1_000));
        let wait = |ms| Err(Wait { until: start.plus_ms(ms) });
        assert_eq!(tree.take(start, root, 500), Ok(()));
        assert_eq!(tree.take(start, root, 10), wait(10));
        assert_eq!(tree.take(start.plus_ms(9), root, 10), wait(20));
        assert_eq!(tree.take(start.plus_ms(30), root, 10), Ok(()));
        // More than the burst is waited for, too.
        assert_eq!(tree.take(start.plus_ms(1_000), root, 2_000), wait(2_500));
        // A clock that steps back gives nothing twice.
        assert!(tree.take(start, root, 1).is_err());
        assert_eq!(tree.take(start.plus_ms(2_501), root, 1), wait(2_502));
    }

    #[test]
    fn fd10_a_limit_above_holds_for_the_sum_and_one_below_for_itself() {
        let mut tree = RateTree::new(Limit::new(1_000, 1_000).unwrap());
        let slow = tree.under(RateTree::root(), Limit::new(10, 10).unwrap()).unwrap();
        let quick = tree.under(RateTree::root(), Limit::UNLIMITED).unwrap();
        let now = Time::from_s(1);
        assert_eq!(tree.take(now, slow, 10), Ok(()));
        assert_eq!(tree.take(now, slow, 1), Err(Wait { until: now.plus_ms(100) }));
        // Both count above.
        assert_eq!(tree.take(now, quick, 989), Ok(()));
        assert_eq!(tree.take(now, quick, 1), Err(Wait { until: now.plus_ms(1) }));
        assert_eq!(tree.under(RateId(9), Limit::UNLIMITED), Err(Misuse::Bounds));
        assert_eq!(Limit::new(0, 1), Err(Misuse::Bounds));
    }

    #[test]
    fn fd10_those_who_share_a_rate_have_it_in_turn() {
        let mut tree = RateTree::new(Limit::new(1_000, 500).unwrap());
        let (root, start) = (RateTree::root(), Time::from_s(1_000));
        assert_eq!(tree.take(start, root, 500), Ok(()));
        // Two that take 100 bytes whenever they may: each gets half of the rate.
        let mut next = [start, start];
        let mut taken = [0_u64; 2];
        while let Some(at) = next.iter().copied().min().filter(|at| *at < start.plus_ms(10_000)) {
            let who = usize::from(next[0] != at);
            taken[who] += 100;
            next[who] = tree.take(at, root, 100).map_or_else(|wait| wait.until, |()| at);
        }
        assert!(taken.iter().all(|bytes| (4_900..=5_100).contains(bytes)), "{taken:?}");
    }

    proptest! {
        #[test]
        fn never_more_than_rate_and_burst(takes in prop::collection::vec((0_u64..50, 1_u64..40), 1..80)) {
            let mut tree = RateTree::new(Limit::new(2_000, 100).unwrap());
            let leaf = tree.under(RateTree::root(), Limit::new(1_000, 40).unwrap()).unwrap();
            let (mut now, mut taken, mut last) = (0, 0, 0);
            for (wait_ms, bytes) in takes {
                now += wait_ms;
                let answer = tree.take(Time::from_ms(now), leaf, bytes);
                let moves_at = answer.map_or_else(|wait| wait.until.as_ms(), |()| now);
                taken += bytes;
                // In turn, and by then there was enough for all of it.
                prop_assert!(moves_at >= now && moves_at >= last);
                prop_assert!(taken <= 40 + moves_at);
                last = moves_at;
            }
        }
    }
}
