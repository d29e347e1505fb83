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
        let Neighbour { dwell, last_dwell, share, age, .. } = Neighbour::NONE;
        let none = u32::from_le_bytes([dwell.0, last_dwell.0, share.as_u8(), age]);
        // Four bytes at once, and into their columns afterwards: storing one by one takes longer than all the rest.
        let mut ends = [none; Profile::NEIGHBOURS_MAX];
        let places = self.tags.iter_mut().zip(&mut self.counts).zip(&mut ends);
        for (((tag, count), end), record) in places.zip(records) {
            let [a, b, c, d, high, low, rest @ ..] = *record;
            *tag = TokenTag(u32::from_be_bytes([a, b, c, d]));
            *count = u16::from_be_bytes([high, low]);
            *end = u32::from_le_bytes(rest);
        }
        for (at, end) in ends.iter().enumerate() {
            let [usual, last, steps, days] = end.to_le_bytes();
            (self.dwells[at], self.last_dwells[at]) = (Dwell(usual), Dwell(last));
            (self.shares[at], self.ages[at]) = (Share::from_steps(steps), days);
        }
    }

    /// Whether the first so many, with none behind them, can be of a profile with this key and these occurrences. Looks at all
    /// places, column by column, whatever it finds.
    pub(super) fn are_orderly(&self, count: usize, key_id: u8, occurrences: u16) -> bool {
        // Places without a neighbour are not of any kind, and none of them ranks above the one before it.
        let (mut known, mut rising, mut bad) = (0_u32, 0_u32, false);
        for tag in &self.tags {
            let ids_back = u32::from(key_id).wrapping_sub(tag.generation()) & 3;
            known += u32::from(tag.is_known() & (ids_back <= 1));
        }
        for (tag, next) in self.tags.iter().zip(&self.tags[1..]) {
            rising += u32::from(tag.needle() < next.needle());
        }
        for seen in &self.counts {
            bad |= *seen > occurrences;
        }
        for (usual, last) in self.dwells.iter().zip(&self.last_dwells) {
            bad |= !usual.is_valid() | !last.is_valid() | (usual.is_known() != last.is_known());
        }
        for share in &self.shares {
            bad |= !share.is_valid();
        }
        !bad & (known as usize == count) & (rising as usize == count.saturating_sub(1))
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

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeMap;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    /// What [`Neighbours::fill`] does, for one.
    fn read(record: [u8; Neighbours::RECORD]) -> Neighbour {
        let [a, b, c, d, high, low, dwell, last, share, age] = record;
        Neighbour {
            key: TokenTag(u32::from_be_bytes([a, b, c, d])),
            count: u16::from_be_bytes([high, low]),
            dwell: Dwell(dwell),
            last_dwell: Dwell(last),
            share: Share::from_steps(share),
            age,
        }
    }

    /// What [`Neighbours::are_orderly`] does, neighbour by neighbour.
    fn are_orderly(all: &[Neighbour], key_id: u8, occurrences: u16) -> bool {
        let one_by_one = |one: &Neighbour| {
            let ids_back = u32::from(key_id).wrapping_sub(one.key.generation()) & 3;
            one.key.is_known()
                && ids_back <= 1
                && one.count <= occurrences
                && one.dwell.is_valid()
                && one.last_dwell.is_valid()
                && one.dwell.is_known() == one.last_dwell.is_known()
                && one.share.is_valid()
        };
        all.iter().all(one_by_one)
            && all.windows(2).all(|two| two[0].key.needle() < two[1].key.needle())
    }

    proptest! {
        #[test]
        fn stored_ones_are_taken_over_and_checked_as_one_by_one(
            known in prop::collection::btree_map(0_u32..1 << 24, (1_u32..8, 0_u16..600, 0_u8..=240, 1_u8..=255), 0..=64),
            fault in prop::option::of((any::<prop::sample::Index>(), 0..Neighbours::RECORD, any::<u8>())),
            swapped in prop::option::of(any::<prop::sample::Index>()),
        ) {
            let known: BTreeMap<u32, _> = known;
            let mut records: Vec<[u8; Neighbours::RECORD]> = known
                .into_iter()
                .map(|(token, (kind, count, dwell, share))| {
                    let [a, b, c, d] = (token << 8 | kind << 3).to_be_bytes();
                    let [high, low] = count.to_be_bytes();
                    [a, b, c, d, high, low, dwell, dwell, share, 3]
                })
                .collect();
            if let Some((at, byte, bits)) = fault && !records.is_empty() {
                let at = at.index(records.len());
                records[at][byte] ^= bits;
            }
            if let Some(at) = swapped && records.len() > 1 {
                let at = at.index(records.len() - 1);
                records.swap(at, at + 1);
            }
            let expected: Vec<Neighbour> = records.iter().copied().map(read).collect();
            let mut found = Neighbours::new();
            found.fill(&records);
            let count = records.len();
            for (at, one) in expected.iter().enumerate() {
                prop_assert_eq!(found.at(at), *one);
            }
            for at in count..Profile::NEIGHBOURS_MAX {
                prop_assert_eq!(found.at(at), Neighbour::NONE);
            }
            for occurrences in [500, 600] {
                prop_assert_eq!(found.are_orderly(count, 0, occurrences), are_orderly(&expected, 0, occurrences));
                prop_assert_eq!(found.are_orderly(count, 2, occurrences), are_orderly(&expected, 2, occurrences));
            }
        }
    }
}
