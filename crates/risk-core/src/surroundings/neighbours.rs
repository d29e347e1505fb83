//! The neighbours of a profile, kept column by column: what an assessment reads lies together.

use super::population::Share;
use super::profile::{Neighbour, Profile};
use super::scan::{Dwell, TokenTag};
use core::hint::black_box;

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
    /// The stored form of one, in bytes.
    pub(super) const RECORD: usize = 10;

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

    /// Reads a little of every cache line that an assessment needs before it needs any: what is not in the cache comes all at
    /// once, and not piece by piece.
    #[inline]
    pub(super) fn fetch(&self) {
        let mut all = self.tags.iter().step_by(16).fold(0, |all, tag| all ^ tag.0);
        all ^= u32::from(self.counts[0] ^ self.counts[32]);
        all ^= u32::from(self.dwells[0].0 ^ self.shares[0].as_u8());
        // Columns need not begin where cache lines do.
        all ^= u32::from(self.shares[Profile::NEIGHBOURS_MAX - 1].as_u8());
        black_box(all);
    }

    /// Takes over stored neighbours, from the first place on.
    pub(super) fn fill(&mut self, records: &[[u8; Self::RECORD]]) {
        // As in `fetch`: six records are nearly a cache line.
        black_box(records.iter().step_by(6).chain(records.last()).fold(0, |all, one| all ^ one[0]));
        let places = (self.tags.iter_mut().zip(&mut self.counts))
            .zip(self.dwells.iter_mut().zip(&mut self.last_dwells))
            .zip(self.shares.iter_mut().zip(&mut self.ages));
        for ((((tag, count), (dwell, last_dwell)), (share, age)), record) in places.zip(records) {
            let [a, b, c, d, high, low, usual, last, steps, days] = *record;
            *tag = TokenTag(u32::from_be_bytes([a, b, c, d]));
            *count = u16::from_be_bytes([high, low]);
            (*dwell, *last_dwell, *age) = (Dwell(usual), Dwell(last), days);
            *share = Share::from_steps(steps);
        }
    }

    /// Whether the first so many can be of a profile with this key and these occurrences. Looks at all of them, column by
    /// column, whatever it finds.
    pub(super) fn are_orderly(&self, count: usize, key_id: u8, occurrences: u16) -> bool {
        let mut bad = false;
        for tag in &self.tags[..count] {
            let ids_back = u32::from(key_id).wrapping_sub(tag.generation()) & 3;
            bad |= !tag.is_known() | (ids_back > 1);
        }
        for (tag, next) in self.tags[..count].iter().zip(self.tags[..count].iter().skip(1)) {
            bad |= tag.needle() >= next.needle();
        }
        for seen in &self.counts[..count] {
            bad |= *seen > occurrences;
        }
        for (usual, last) in self.dwells[..count].iter().zip(&self.last_dwells[..count]) {
            bad |= !usual.is_valid() | !last.is_valid() | (usual.is_known() != last.is_known());
        }
        for share in &self.shares[..count] {
            bad |= !share.is_valid();
        }
        !bad
    }

    /// Whether two are of one device: they stand side by side.
    pub(super) fn have_siblings(&self) -> bool {
        let mut any = false;
        for (tag, next) in self.tags.iter().zip(&self.tags[1..]) {
            any |= (tag.group() == next.group()) & (next.0 != 0);
        }
        any
    }

    /// The [rank](Neighbour::rank) of each; 0 of one with a lower count than `least`.
    pub(super) fn rank(&self, least: u16, ranks: &mut [u64]) {
        let columns = self.tags.iter().zip(&self.counts).zip(&self.ages);
        for (rank, ((tag, count), age)) in ranks.iter_mut().zip(columns) {
            let high = u64::from(*count) << 40 | u64::from(u8::MAX - age) << 32;
            *rank = if *count < least { 0 } else { high | u64::from(tag.0) };
        }
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
