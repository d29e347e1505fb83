//! What a run of K-means gives.

use alloc::vec::Vec;

/// Which group each point belongs to, and where the groups' centres are.
#[derive(Clone, Debug, PartialEq)]
pub struct Grouping {
    pub(crate) dimension: usize,
    pub(crate) labels: Vec<u8>,
    pub(crate) counts: Vec<u64>,
    pub(crate) centres: Vec<f64>,
    pub(crate) inertia: f64,
    pub(crate) rounds: u32,
    pub(crate) has_converged: bool,
}

impl Grouping {
    /// With empty groups behind, their centres at the last one's.
    pub(crate) fn with_groups(mut self, groups: usize) -> Self {
        let last = self.centre(self.groups().saturating_sub(1)).to_vec();
        while self.groups() < groups {
            self.counts.push(0);
            self.centres.extend_from_slice(&last);
        }
        self
    }

    /// How many groups, empty ones included.
    pub const fn groups(&self) -> usize {
        self.counts.len()
    }

    /// How many coordinates a centre has.
    pub const fn dimension(&self) -> usize {
        self.dimension
    }

    /// The group of each point.
    pub fn labels(&self) -> &[u8] {
        &self.labels
    }

    /// How many points each group has; 0 marks a group without members.
    pub fn counts(&self) -> &[u64] {
        &self.counts
    }

    /// The centres, one after the other.
    pub fn centres(&self) -> &[f64] {
        &self.centres
    }

    /// The centre of one group; empty if there is no such group.
    pub fn centre(&self, group: usize) -> &[f64] {
        let at = group * self.dimension;
        self.centres.get(at..at + self.dimension).unwrap_or_default()
    }

    /// The sum of the squared distances of points to their centres.
    pub const fn inertia(&self) -> f64 {
        self.inertia
    }

    /// Rounds of assignment, the last one that changed nothing included.
    pub const fn rounds(&self) -> u32 {
        self.rounds
    }

    /// Whether the labels repeated before the cap.
    pub const fn has_converged(&self) -> bool {
        self.has_converged
    }
}
