//! One profile compared with a scan.

use super::baseline::recombined;
use super::logarithm::{ln, ln_at, ln_place};
use super::neighbours::Neighbours;
use super::odds::logistic;
use super::policy::Tables;
use super::population::SURPRISE;
use super::profile::{ONE, Profile, scaled};
use super::role::{Role, Roles};
use super::scan::{Scan, TokenTag};
use super::{Abstention, Line, Part, Policy, Protocol, TypeScore};
use crate::LogRatio;

/// Compares one profile with a scan; `told` gets what each neighbour says, and whether this is the adjacent period.
///
/// Column by column, in short loops without a branch: most of them are left to vector instructions. Places behind the last
/// neighbour take part in them and say nothing, since no scan searches for their kind. What one loop writes place by place,
/// another reads in vectors only later, when it has arrived in the cache.
pub(super) fn weigh(
    profile: &Profile,
    scan: &Scan,
    tables: &Tables,
    part: &mut Part,
    is_adjacent: bool,
    told: &mut impl FnMut(Said, bool),
) {
    let columns = profile.columns();
    columns.fetch();
    let days = scan.when().day.saturating_sub(profile.day());
    let factor = if days == 0 { 1 << 16 } else { tables.fading.factor(days) };
    let observed = u32::from(profile.occurrences());
    // (k f + 1) / (n f + 2) is (k + 1/f) / (n + 2/f): so no count has to be scaled.
    let one = (u32::from(ONE) << 16).checked_div(factor).map_or(ONE_MAX, |one| one.min(ONE_MAX));
    let all = ln(observed + 2 * one);
    let (usable, newest) = (usable(profile, scan), scan.key_id() & 3);
    let roles = if usable == Roles::ALL_KINDS << (8 * newest) {
        &tables.roles_of_all[usize::from(newest)]
    } else {
        &Roles::new(&tables.roles, usable)
    };
    let mut taken = [Role::NONE; SIZE];
    for (taken, tags) in taken.as_chunks_mut::<4>().0.iter_mut().zip(columns.tags.as_chunks().0) {
        *taken = tags.map(|tag| roles.of(tag));
    }
    let mut found = [0; SIZE];
    scan.needles().mark(&columns.tags, &mut found);
    // Where in the two tables to look; numbers below 2¹⁸ leave the lowest nine bits free. The count where it is here, the rest
    // where it is not.
    let mut places = [0; SIZE];
    for at in 0..SIZE {
        let (count, absent) = (u32::from(columns.counts[at]), !found[at]);
        let counted = (count ^ absent).wrapping_add((observed + 1) & absent);
        let share = u32::from(columns.shares[at].as_u8());
        places[at] = ln_place(counted.wrapping_add(one)) | found[at] & 0x100 | share;
    }
    let mut evidence = [0; SIZE];
    for four in 0..SIZE / 4 {
        for at in 4 * four..4 * four + 4 {
            evidence[at] = ln_at(places[at]) + SURPRISES[(places[at] % 0x200) as usize];
        }
    }
    let mut here = [0; SIZE];
    for (here, found) in here.iter_mut().zip(&found) {
        *here = found.to_le_bytes()[0];
    }
    let mut marks = [0; SIZE];
    for at in 0..SIZE {
        marks[at] = taken[at].marks() & (here[at] | 0x01);
    }
    (part.sizes, part.hits) = types(&marks, columns, tables);
    [part.references, part.present, part.fixed_present, part.companions] = tally(&marks);
    let types = (0..tables.types.min(Policy::TYPES_MAX)).map(|at| TypeScore {
        hits: part.hits[at],
        size: part.sizes[at],
        weight: tables.weights[at],
    });
    part.baseline = recombined(types);
    for (evidence, role) in evidence.iter_mut().zip(&taken) {
        *evidence = ((*evidence - all) * role.weight()) >> 7;
    }
    let total = total(&evidence, profile, tables);
    let tempered = i64::from(total) * tables.temper / 1_000;
    let tempered = LogRatio::from_units(i32::try_from(tempered).unwrap_or(0));
    part.evidence = LogRatio::from_units(total);
    part.evidence_share = Some(logistic(tables.prior + tempered));
    part.novelty = profile.novelty();
    part.occurrences = scaled(profile.occurrences(), factor);
    part.abstention = if profile.is_empty() {
        Some(Abstention::NoProfile)
    } else if u32::from(part.occurrences) < tables.occurrences_min {
        Some(Abstention::TooFewOccurrences)
    } else if usable == 0 && scan.scanned().as_bits() != 0 {
        Some(Abstention::KeysTooOld)
    } else if part.references < tables.references_min.max(1) {
        Some(Abstention::TooFewReferences)
    } else {
        None
    };
    told(Said { marks, here, evidence }, is_adjacent);
}

/// What the neighbours of a profile say, place by place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Said {
    /// Bits of [`Role::marks`]; those that matter only where it is here, only there.
    marks: [u8; SIZE],
    /// All bits where it is here, none where it is not.
    here: [u8; SIZE],
    /// What it says, weighed, before the cap of its device.
    evidence: [i32; SIZE],
}

impl Said {
    /// Each neighbour's part in it, in their order.
    pub(super) fn lines<'a>(
        &'a self,
        profile: &'a Profile,
        is_adjacent: bool,
    ) -> impl Iterator<Item = Line> + 'a {
        let parts = self.here.iter().zip(&self.marks).zip(&self.evidence);
        profile.neighbours().zip(parts).map(move |(neighbour, ((here, marks), evidence))| Line {
            is_adjacent,
            neighbour,
            is_here: *here != 0,
            counts: marks & Role::COUNTS != 0,
            evidence: LogRatio::from_units(*evidence),
        })
    }
}

/// The sum of all evidence: for each device at most so much for and against it, and so much at most for all that is missing.
#[inline]
fn total(evidence: &[i32; SIZE], profile: &Profile, tables: &Tables) -> i32 {
    let (present, missing) = if profile.has_siblings() {
        capped(&joined(evidence, &profile.columns().tags), tables)
    } else {
        capped(evidence, tables)
    };
    // One period can hold several places, and whoever is at one of them misses all of the others.
    present + missing.max(tables.all_absent_min)
}

/// For each dwell type, how many references it has, and how many of them are here.
#[inline(always)]
fn types(marks: &[u8; SIZE], columns: &Neighbours, tables: &Tables) -> ([u8; 8], [u8; 8]) {
    let (mut sizes, mut hits) = ([0; Policy::TYPES_MAX], [0; Policy::TYPES_MAX]);
    let (mut size_before, mut hits_before) = (0, 0);
    let counts = marks.map(|marks| marks & Role::COUNTS);
    let ends = &tables.type_ends[..tables.types.min(Policy::TYPES_MAX)];
    for (at, end) in ends.iter().enumerate() {
        let mut below = [0; SIZE];
        for place in 0..SIZE {
            below[place] = if columns.dwells[place].0 < *end { counts[place] } else { 0 };
        }
        let (size, hit) = two_sums(&below);
        (sizes[at], hits[at]) = (size - size_before, hit - hits_before);
        (size_before, hits_before) = (size, hit);
    }
    (sizes, hits)
}

/// How many references there are, how many of them are here, how many of those are fixed, and how much is carried along.
#[inline(always)]
fn tally(marks: &[u8; SIZE]) -> [u8; 4] {
    // Eight places in one word, and two numbers below nine in each of its bytes.
    let (mut counted, mut here) = (0, 0);
    for eight in marks.as_chunks().0 {
        let marks = u64::from_le_bytes(*eight);
        counted += marks & LOW_BITS | (marks & COMPANIONS) << 2;
        here += marks >> 1 & (LOW_BITS | LOW_BITS << 4);
    }
    let sum = |word: u64| ((word & LOW_HALVES).wrapping_mul(LOW_BITS) >> 56).to_le_bytes()[0];
    [sum(counted), sum(here), sum(here >> 4), sum(counted >> 4)]
}

/// The sums of the lower and of the upper halves of 64 bytes; each half is 0 or 1.
#[inline(always)]
fn two_sums(bytes: &[u8; SIZE]) -> (u8, u8) {
    let (mut low, mut high) = (0, 0);
    for at in 0..16 {
        let four = bytes[at] + bytes[16 + at] + bytes[32 + at] + bytes[48 + at];
        low += four & 0x0F;
        high += four >> 4;
    }
    (low, high)
}

/// With the last one of a device speaking for all of them.
#[cold]
fn joined(evidence: &[i32; SIZE], tags: &[TokenTag; SIZE]) -> [i32; SIZE] {
    let mut joined = *evidence;
    for (at, pair) in tags.windows(2).enumerate() {
        if let [one, next] = pair
            && one.group() == next.group()
        {
            joined[at + 1] += joined[at];
            joined[at] = 0;
        }
    }
    joined
}

/// What speaks for the place and what against it, each device within its bounds.
#[inline]
fn capped(evidence: &[i32; SIZE], tables: &Tables) -> (i32, i32) {
    let (mut all, mut missing) = (0, 0);
    for said in *evidence {
        let said = said.min(tables.present_max).max(tables.absent_min);
        all += said;
        missing += said.min(0);
    }
    (all - missing, missing)
}

/// A bit for each generation of keys (two bits) and kind (three): whether the scan can have found such neighbours.
fn usable(profile: &Profile, scan: &Scan) -> u32 {
    let (scanned, mut kinds) = (scan.scanned().as_bits(), u32::from(scan.scanned().as_bits()));
    kinds |= u32::from(scanned >> Protocol::Wifi as u8 & 1) << 7;
    let at = |key_id: u8| kinds << (8 * u32::from(key_id & 3));
    let mut usable = 0;
    if profile.key_id() == scan.key_id() {
        usable |= at(scan.key_id());
    }
    let back = scan.key_id().checked_sub(profile.key_id());
    if scan.is_rotating() && back.is_some_and(|back| back <= 1) {
        usable |= at(scan.key_id().wrapping_sub(1));
    }
    usable
}

/// [`SURPRISE`] in one row: by whether it is here, then by the share.
const SURPRISES: [i32; 512] = {
    let mut row = [0; 512];
    let mut at = 0;
    while at < 512 {
        row[at] = SURPRISE[at >> 8][at & 0xFF];
        at += 1;
    }
    row
};

const SIZE: usize = Profile::NEIGHBOURS_MAX;

/// The lowest bit of each byte.
const LOW_BITS: u64 = u64::MAX / 0xFF;
/// The lower half of each byte.
const LOW_HALVES: u64 = LOW_BITS * 0x0F;
/// [`Role::COMPANION`] in each byte.
const COMPANIONS: u64 = LOW_BITS * Role::COMPANION as u64;

/// A profile that has faded to a 512th says nothing more.
const ONE_MAX: u32 = 1 << 16;

#[cfg(test)]
mod tests {
    use super::super::population::Share;
    use super::super::{Kind, PolicyDraft, Relation, Scanned, evidence};
    use super::*;
    use alloc::collections::{BTreeMap, BTreeSet};
    use alloc::vec::Vec;
    use port::wire::{Reader, Writer};
    use proptest::prelude::*;

    /// What [`weigh`] does, neighbour by neighbour.
    fn weighed(profile: &Profile, scan: &Scan, policy: &Policy) -> (Part, Vec<Line>) {
        let (draft, tables) = (policy.draft(), policy.tables());
        let days = scan.when().day.saturating_sub(profile.day());
        let factor = if days == 0 { 1 << 16 } else { policy.learning().fading.factor(days) };
        let one =
            (u32::from(ONE) << 16).checked_div(factor).map_or(1 << 16, |one| one.min(1 << 16));
        let observed = u32::from(profile.occurrences());
        let needles: BTreeSet<u32> = scan
            .seen()
            .iter()
            .flat_map(|seen| [seen.key.needle(), seen.previous])
            .filter(|needle| *needle != 0)
            .collect();
        let usable = usable(profile, scan);
        let mut part = Part { novelty: profile.novelty(), ..Part::NONE };
        let (mut lines, mut groups) = (Vec::new(), BTreeMap::new());
        for neighbour in profile.neighbours() {
            let key = neighbour.key;
            let is_here = needles.contains(&key.needle());
            let searched = usable >> (key.needle() & 0x1F) & 1 == 1;
            let counts = searched && !key.travels();
            let mut said = 0;
            if counts {
                let stays = neighbour.kind().is_fixed();
                part.references += 1;
                if is_here && (stays || neighbour.relation() != Relation::Connected) {
                    part.present += 1;
                    part.fixed_present += u8::from(stays);
                } else if is_here {
                    part.companions += 1;
                }
                if let Some(dwell_s) = neighbour.dwell_s(profile.grid()) {
                    let types = &draft.types;
                    let at = types.iter().position(|one| i64::from(dwell_s) < one.to_s);
                    let at = at.unwrap_or(types.len() - 1);
                    part.sizes[at] += 1;
                    part.hits[at] += u8::from(is_here);
                }
                let count = u32::from(neighbour.count);
                let counted = if is_here { count } else { observed - count };
                let share = neighbour.share;
                let surprise = if is_here { share.surprise() } else { share.absence() };
                let says = ln(counted + one) - ln(observed + 2 * one) + surprise.as_units();
                let percent = match neighbour.kind() {
                    Kind::Wifi => draft.evidence.wifi_percent,
                    Kind::WifiLocal => draft.evidence.wifi_local_percent,
                    Kind::Bluetooth => draft.evidence.bluetooth_percent,
                    Kind::BlePublic => draft.evidence.ble_public_percent,
                    Kind::BleRandom => draft.evidence.ble_random_percent,
                    Kind::Lan => draft.evidence.lan_percent,
                    Kind::Cell => draft.evidence.cell_percent,
                };
                said = (says * i32::try_from(percent * 128 / 100).unwrap()) >> 7;
            } else if key.travels() && is_here {
                part.companions += 1;
            }
            *groups.entry(key.group()).or_insert(0) += said;
            let evidence = LogRatio::from_units(said);
            lines.push(Line { is_adjacent: false, neighbour, is_here, counts, evidence });
        }
        let present: i32 = groups.values().map(|said| (*said).max(0).min(tables.present_max)).sum();
        let missing: i32 = groups.values().map(|said| (*said).min(0).max(tables.absent_min)).sum();
        let total = present + missing.max(tables.all_absent_min);
        let tempered = i64::from(total) * tables.temper / 1_000;
        part.occurrences = scaled(profile.occurrences(), factor);
        part.evidence = LogRatio::from_units(total);
        part.evidence_share =
            Some(logistic(tables.prior + LogRatio::from_units(i32::try_from(tempered).unwrap())));
        part.baseline = recombined((0..draft.types.len()).map(|at| TypeScore {
            hits: part.hits[at],
            size: part.sizes[at],
            weight: tables.weights[at],
        }));
        part.abstention = if profile.is_empty() {
            Some(Abstention::NoProfile)
        } else if u32::from(part.occurrences) < tables.occurrences_min {
            Some(Abstention::TooFewOccurrences)
        } else if usable == 0 && scan.scanned().as_bits() != 0 {
            Some(Abstention::KeysTooOld)
        } else if part.references < tables.references_min.max(1) {
            Some(Abstention::TooFewReferences)
        } else {
            None
        };
        (part, lines)
    }

    prop_compose! {
        /// A token of few devices, under one key or the one before it, of any kind and relation.
        fn tag(generation: u32)(device in 0_u32..40, member in 0_u32..3, kind in 1_u32..8, relation in 0_u32..3) -> u32 {
            device << 24 | device << 16 | member << 8 | generation << 6 | kind << 3 | relation << 1
        }
    }

    prop_compose! {
        fn profile()(
            key_id in 3_u8..5,
            day in 90_u16..=100,
            occurrences in prop_oneof![0_u16..2_000, Just(u16::MAX)],
            known in prop::collection::vec((tag(3), tag(0), any::<(bool, bool, u16, u8, u8)>(), 1_u8..=255), 0..=64),
        ) -> Profile {
            let mut neighbours = BTreeMap::new();
            for (old, new, (is_old, travels, count, dwell, age), share) in known {
                let tag = if is_old || key_id == 3 { old } else { new } | u32::from(travels && age < 60);
                let dwell = if dwell > 240 { 255 } else { dwell };
                let count = u16::try_from(u32::from(count) * u32::from(occurrences) / 65_535).unwrap();
                neighbours.insert(tag >> 3, (tag, count, [dwell, dwell, share, age]));
            }
            let mut bytes = Vec::new();
            let mut writer = Writer::new(&mut bytes, 1);
            let count = u8::try_from(neighbours.len()).unwrap();
            let grid = Policy::new(PolicyDraft::default()).unwrap().grid();
            writer.u8(grid.to_u8()).u16(0).u8(key_id).u16(day).u16(occurrences).u8(9).u8(count);
            for (tag, count, rest) in neighbours.into_values() {
                writer.u32(tag).u16(count).fixed(&rest);
            }
            Profile::parse(&bytes).unwrap()
        }
    }

    prop_compose! {
        fn scan()(
            scanned in prop_oneof![Just(Scanned::ALL.as_bits()), Just(0b110), Just(0)],
            rotating: bool,
            found in prop::collection::vec((tag(0), tag(3), any::<bool>()), 0..120),
        ) -> Scan {
            let mut seen = BTreeMap::new();
            for (new, old, has_old) in found {
                let old = if rotating && has_old { old >> 3 } else { 0 };
                seen.insert(new >> 3, (new, old));
            }
            let mut bytes = Vec::new();
            let mut writer = Writer::bare(&mut bytes);
            let grid = Policy::new(PolicyDraft::default()).unwrap().grid();
            writer.u64(0).u8(0).u16(100).u16(0).u16(1).u16(0).u8(grid.to_u8()).u8(scanned).u8(4);
            writer.u8(rotating.into()).u16(0).u16(0).u16(u16::try_from(seen.len()).unwrap());
            for (new, old) in seen.into_values() {
                writer.u32(new).u32(old).u8(7).u8(143);
            }
            Scan::read(&mut Reader::new(&bytes)).unwrap()
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn columns_weigh_what_neighbours_do_one_by_one(profile in profile(), scan in scan()) {
            let policy = Policy::new(PolicyDraft::default()).unwrap();
            let (part, lines) = weighed(&profile, &scan, &policy);
            let (mut fast, mut said) = (Part::NONE, None);
            weigh(&profile, &scan, policy.tables(), &mut fast, false, &mut |all, _| said = Some(all));
            prop_assert_eq!(fast, part);
            prop_assert_eq!(said.unwrap().lines(&profile, false).collect::<Vec<_>>(), lines);
        }
    }

    proptest! {
        #[test]
        fn fast_evidence_is_near_the_exact_one(
            present in 0_u16..390,
            more in 0_u16..100,
            seen in 1_u64..900,
            is_here: bool,
        ) {
            let observed = present + more;
            let share = Share::of(seen, 1_000);
            let counted = if is_here { present } else { more };
            let one = u32::from(ONE);
            let fast = ln(u32::from(counted) * one + one) - ln(u32::from(observed) * one + 2 * one)
                + SURPRISE[usize::from(is_here)][usize::from(share.as_u8())];
            let exact = evidence(is_here, present.into(), observed.into(), (seen, 1_000)).as_units();
            // shares are kept in steps of 2.2 % either way, which matters more for 1 - q where q is large
            let slack = if is_here { 0.03 } else { 0.03 + 0.022 * seen as f64 / (1_000 - seen) as f64 };
            prop_assert!((f64::from(fast - exact) / 65_536.0).abs() < slack, "{fast} for {exact}");
        }
    }
}
