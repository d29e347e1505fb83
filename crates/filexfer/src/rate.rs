//! How fast bytes may move: token buckets within token buckets.

use crate::Misuse;
use alloc::vec::Vec;
use port::Time;

/// A tree of token buckets: a link within a site within everything, or whatever the operator divides. What is taken at a
/// leaf is taken all the way up or not at all, so that the sum never exceeds any limit above it.
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

    /// Takes `bytes` at a leaf and at all above it.
    ///
    /// # Errors
    /// [`Wait`]: nothing was taken; when there will be enough if nobody else takes it.
    pub fn take(&mut self, now: Time, leaf: RateId, bytes: u64) -> Result<(), Wait> {
        let mut until = now;
        for at in self.path(leaf) {
            let Some(node) = self.nodes.get_mut(at) else { break };
            node.bucket.refill(now);
            until = until.max(node.bucket.ready_at(now, bytes));
        }
        if until > now {
            return Err(Wait { until });
        }
        for at in self.path(leaf) {
            let Some(node) = self.nodes.get_mut(at) else { break };
            node.bucket.take(bytes);
        }
        Ok(())
    }

    /// Takes `bytes` though there may not be enough: for what is to move once they are there.
    ///
    /// # Errors
    /// [`Wait`]: when that is, whatever others take later. All who wait for the answer that they were given keep the rate, and have
    /// their turn in the order in which they took.
    pub fn charge(&mut self, now: Time, leaf: RateId, bytes: u64) -> Result<(), Wait> {
        let mut until = now;
        for at in self.path(leaf) {
            let Some(node) = self.nodes.get_mut(at) else { break };
            node.bucket.refill(now);
            node.bucket.take(bytes);
            until = until.max(node.bucket.ready_at(now, 0));
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
    /// A rate in bytes for each second, and the most bytes at once. What asks for more than the burst is served when the
    /// bucket is full, and leaves it in debt.
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

/// There is not enough now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wait {
    /// When there will be.
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

    fn ready_at(&self, now: Time, bytes: u64) -> Time {
        let need = (i128::from(bytes) * 1_000).min(full(self.limit)) - self.level;
        if need <= 0 {
            return now;
        }
        let rate = i128::from(self.limit.bytes_per_s);
        let wait_ms = (need + rate - 1) / rate;
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
        assert_eq!(tree.take(start, root, 500), Ok(()));
        assert_eq!(tree.take(start, root, 10), Err(Wait { until: start.plus_ms(10) }));
        assert_eq!(tree.take(start.plus_ms(9), root, 10), Err(Wait { until: start.plus_ms(10) }));
        assert_eq!(tree.take(start.plus_ms(10), root, 10), Ok(()));
        // More than the burst: in debt afterwards.
        assert_eq!(tree.take(start.plus_ms(510), root, 2_000), Ok(()));
        let until = start.plus_ms(2_011);
        assert_eq!(tree.take(start.plus_ms(510), root, 1), Err(Wait { until }));
        // A clock that steps back gives nothing twice.
        assert!(tree.take(start, root, 1).is_err());
        assert_eq!(tree.take(until, root, 1), Ok(()));
    }

    #[test]
    fn fd10_a_limit_above_holds_for_the_sum_and_one_below_for_itself() {
        let mut tree = RateTree::new(Limit::new(1_000, 1_000).unwrap());
        let slow = tree.under(RateTree::root(), Limit::new(10, 10).unwrap()).unwrap();
        let quick = tree.under(RateTree::root(), Limit::UNLIMITED).unwrap();
        let now = Time::from_s(1);
        assert_eq!(tree.take(now, slow, 10), Ok(()));
        assert!(tree.take(now, slow, 1).is_err());
        // What was refused below cost nothing above.
        assert_eq!(tree.take(now, quick, 990), Ok(()));
        assert!(tree.take(now, quick, 1).is_err());
        assert_eq!(tree.under(RateId(9), Limit::UNLIMITED), Err(Misuse::Bounds));
        assert_eq!(Limit::new(0, 1), Err(Misuse::Bounds));
    }

    #[test]
    fn fd10_what_is_charged_is_paid_for_by_waiting_and_shared_alike() {
        let mut tree = RateTree::new(Limit::new(1_000, 500).unwrap());
        let (root, start) = (RateTree::root(), Time::from_s(1_000));
        assert_eq!(tree.charge(start, root, 500), Ok(()));
        // Two that take 100 bytes whenever they may: each gets half of the rate.
        let mut next = [start, start];
        let mut taken = [0_u64; 2];
        while let Some(at) = next.iter().copied().min().filter(|at| *at < start.plus_ms(10_000)) {
            let who = usize::from(next[0] != at);
            taken[who] += 100;
            next[who] = tree.charge(at, root, 100).map_or_else(|wait| wait.until, |()| at);
        }
        assert!(taken.iter().all(|bytes| (4_900..=5_100).contains(bytes)), "{taken:?}");
    }

    proptest! {
        #[test]
        fn never_more_than_rate_and_burst(takes in prop::collection::vec((0_u64..50, 1_u64..40), 1..80)) {
            let mut tree = RateTree::new(Limit::new(2_000, 100).unwrap());
            let leaf = tree.under(RateTree::root(), Limit::new(1_000, 40).unwrap()).unwrap();
            let (mut now, mut taken) = (0, 0);
            for (wait_ms, bytes) in takes {
                now += wait_ms;
                match tree.take(Time::from_ms(now), leaf, bytes) {
                    Ok(()) => taken += bytes,
                    Err(Wait { until }) => {
                        prop_assert!(until.as_ms() > now);
                        let mut later = tree.clone();
                        prop_assert_eq!(later.take(until, leaf, bytes), Ok(()));
                    }
                }
                prop_assert!(taken <= 40 + now);
            }
        }
    }
}
