//! The neighbours of a profile, kept column by column: what an assessment reads lies together.

use super::population::Share;
use super::profile::{Neighbour, Profile};
use super::scan::{Dwell, TokenTag};

/// Up to 64 neighbours, in the order of their tags. Behind the last one every column holds [`Neighbour::NONE`], so that loops
/// may run to the end of a block.
#[derive(Clone, PartialEq, Eq)]
#[repr(C)]
pub(super) struct Neighbours {
    pub(super) tags: [TokenTag; Profile::NEIGHBOURS_MAX],
    pub(super) counts: [u16; Profile::NEIGHBOURS_MAX],
    pub(super) dwells: [Dwell; Profile::NEIGHBOURS_MAX],
    pub(super) shares: [Share; Profile::NEIGHBOURS_MAX],
    pub(super) last_dwells: [Dwell; Profile::NEIGHBOURS_MAX],
    pub(super) ages: [u8; Profile::NEIGHBOURS_MAX],
}

impl Neighbours {
    pub(super) const fn new() -> Self {
        let Neighbour { key, count, dwell, last_dwell, share, age } = Neighbour::NONE;
        Self {
            tags: [key; Profile::NEIGHBOURS_MAX],
            counts: [count; Profile::NEIGHBOURS_MAX],
            dwells: [dwell; Profile::NEIGHBOURS_MAX],
            shares: [share; Profile::NEIGHBOURS_MAX],
            last_dwells: [last_dwell; Profile::NEIGHBOURS_MAX],
            ages: [age; Profile::NEIGHBOURS_MAX],
        }
    }

    #[inline]
    pub(super) fn set(&mut self, at: usize, neighbour: Neighbour) {
        let Neighbour { key, count, dwell, last_dwell, share, age } = neighbour;
        self.tags[at] = key;
        self.counts[at] = count;
        self.dwells[at] = dwell;
        self.last_dwells[at] = last_dwell;
        self.shares[at] = share;
        self.ages[at] = age;
    }

    /// Empties all places from this one on.
    pub(super) fn truncate(&mut self, count: usize) {
        let Neighbour { key, count: none, dwell, last_dwell, share, age } = Neighbour::NONE;
        self.tags[count..].fill(key);
        self.counts[count..].fill(none);
        self.dwells[count..].fill(dwell);
        self.last_dwells[count..].fill(last_dwell);
        self.shares[count..].fill(share);
        self.ages[count..].fill(age);
    }

    #[inline]
    pub(super) fn at(&self, at: usize) -> Neighbour {
        Neighbour {
            key: self.tags[at],
            count: self.counts[at],
            dwell: self.dwells[at],
            last_dwell: self.last_dwells[at],
            share: self.shares[at],
            age: self.ages[at],
        }
    }
}
