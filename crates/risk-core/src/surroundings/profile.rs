//! What one terminal usually has around it in one period.

use super::neighbours::Neighbours;
use super::population::Share;
use super::scan::{Dwell, Kind, Seen, TokenTag};
use super::{Grid, Relation, Scan, Token};
use core::fmt;
use port::WireError;
use port::wire::{Reader, Writer};

/// The correspondence of one terminal and one period (spec R5): which neighbours were there, in how many occurrences, how
/// close and for how long.
///
/// Counts are in 128ths of an occurrence and fade by halves ([`Fading`]); they are brought up to date when something is
/// learned, and scaled when they are read, so that a profile at rest costs nothing. It has room for 64 neighbours; one too
/// many puts out the one with the lowest count, then the one not seen for the longest, then the lowest in byte order.
///
/// The whole profile is 656 bytes in memory, without a pointer, and at most 651 stored.
#[derive(Clone, PartialEq, Eq)]
#[repr(C)]
pub struct Profile {
    grid: Grid,
    period: u16,
    key_id: u8,
    /// The local day of the last occurrence.
    day: u16,
    /// Occurrences observed.
    occurrences: u16,
    /// How much of a usual scan is unfamiliar, in 255ths.
    novelty: u8,
    count: u8,
    /// Whether two neighbours are of one device. Made from the neighbours.
    has_siblings: bool,
    neighbours: Neighbours,
}

impl Profile {
    /// A profile has at most this many neighbours.
    pub const NEIGHBOURS_MAX: usize = 64;

    /// The longest stored form, in bytes: 11 for the whole and 10 for each neighbour.
    pub const BYTES_MAX: usize = 11 + 10 * Self::NEIGHBOURS_MAX;

    /// Nothing learned yet for this period.
    pub const fn new(grid: Grid, period: u16) -> Self {
        Self {
            grid,
            period,
            key_id: 0,
            day: 0,
            occurrences: 0,
            novelty: 0,
            count: 0,
            has_siblings: false,
            neighbours: Neighbours::new(),
        }
    }

    /// Learns one confirmed scan of this period (spec R6, R7). Several scans of one occurrence count once.
    ///
    /// A scan of an earlier day than the last one learned changes nothing, and neither does one of another period or grid:
    /// whoever keeps the order is [`History`](super::History). Returns whether it was learned.
    pub fn update(&mut self, scan: &Scan, learning: &Learning) -> bool {
        let when = scan.when();
        if when.grid != self.grid || when.period != self.period {
            return false;
        }
        self.learn(when.day, scan.key_id(), scan.seen(), learning)
    }

    pub(super) fn learn(
        &mut self,
        day: u16,
        key_id: u8,
        seen: &[Seen],
        learning: &Learning,
    ) -> bool {
        let is_known = self.occurrences != 0 || self.count != 0;
        if is_known && (day < self.day || key_id < self.key_id) {
            return false;
        }
        if is_known {
            self.rotate(key_id);
        }
        let is_first = self.occurrences == 0 && self.count == 0;
        if is_first {
            (self.day, self.key_id) = (day, key_id);
        }
        let is_new = is_first || day > self.day;
        self.fade(day, &learning.fading);
        if is_new {
            self.occurrences = self.occurrences.saturating_add(ONE);
        }
        let known = usize::from(self.count);
        // As they were: a neighbour that moves to a new key leaves its place in the order.
        let mut needles = [u32::MAX; Self::NEIGHBOURS_MAX];
        for (needle, tag) in needles.iter_mut().zip(&self.neighbours.tags[..known]) {
            *needle = tag.needle();
        }
        let mut places = [NOWHERE; super::Report::NEIGHBOURS_MAX];
        let seen = &seen[..seen.len().min(places.len())];
        let (mut fixed, mut familiar, mut hits) = (0_u32, 0_u32, 0_u64);
        let (mut added, mut moved) = (seen.len(), false);
        for (place, seen) in places.iter_mut().zip(seen) {
            let mut found = find(&needles, seen.key.needle());
            if found.is_none() && seen.previous != 0 {
                found = find(&needles, seen.previous);
                moved |= found.is_some();
            }
            let fixed_one = u32::from(seen.key.kind().is_fixed());
            fixed += fixed_one;
            if let Some(at) = found {
                familiar += fixed_one;
                hits |= 1 << at;
                added -= 1;
                // below 64
                *place = u8::try_from(at).unwrap_or(NOWHERE);
            }
        }
        let elsewhere = is_new && fixed - familiar >= 4 && is_elsewhere(&self.neighbours, hits);
        for (place, seen) in places.iter().zip(seen) {
            let at = usize::from(*place);
            if at < known {
                let mut neighbour = self.neighbours.at(at);
                neighbour.see_again(seen, elsewhere);
                self.neighbours.set(at, neighbour);
            }
        }
        if is_new && !is_first && fixed > 0 {
            let unfamiliar = (fixed - familiar) * 255 / fixed;
            let novelty = (u32::from(self.novelty) * 7 + unfamiliar) / 8;
            self.novelty = u8::try_from(novelty).unwrap_or(u8::MAX);
        }
        let strangers = seen.iter().zip(&places).filter(|(_, place)| **place == NOWHERE);
        // All rank alike but for their keys, so of more than fit the last ones stay.
        let strangers = strangers.skip(added.saturating_sub(Self::NEIGHBOURS_MAX));
        self.make_room(strangers.map(|(seen, _)| Neighbour::first(seen)), learning);
        if moved {
            self.sort();
        }
        self.has_siblings = self.neighbours.have_siblings();
        true
    }

    /// Forgets what has faded, and puts newcomers (in the order of their keys) among the others as far as there is room.
    fn make_room(&mut self, newcomers: impl Iterator<Item = Neighbour>, learning: &Learning) {
        let max = usize::from(learning.neighbours_max).min(Self::NEIGHBOURS_MAX);
        let known = usize::from(self.count);
        let mut fresh = [Neighbour::NONE; Self::NEIGHBOURS_MAX];
        let mut coming = 0;
        for (place, neighbour) in fresh.iter_mut().zip(newcomers) {
            *place = neighbour;
            coming += 1;
        }
        // What has faded ranks below all others.
        let mut ranks = [0; ROOM];
        self.neighbours.rank(FORGOTTEN_BELOW, &mut ranks);
        let (old, new) = ranks.split_at_mut(known);
        for (rank, neighbour) in new.iter_mut().zip(&fresh[..coming]) {
            *rank = neighbour.rank();
        }
        let lowest = old.iter().copied().min().unwrap_or(0);
        let highest_new = new[..coming].iter().copied().max().unwrap_or(0);
        // Full of neighbours that are all known better than any newcomer, as most are after a few weeks: nothing changes.
        if known == max && lowest > 0 && highest_new < lowest {
            return;
        }
        let alive = old.iter().filter(|rank| **rank > 0).count();
        let mut lowest_kept = 1;
        if alive + coming > max {
            let mut falling = ranks;
            let (_, lowest, _) =
                falling[..known + coming].select_nth_unstable(known + coming - max);
            lowest_kept = *lowest;
        }
        // Two sorted runs into one: where each place takes its neighbour from.
        let mut sources = [0_u8; 2 * ROOM];
        let (mut count, mut next) = (0_u8, 0);
        let mut take = |from: usize, rank: u64| {
            // both below 128
            sources[usize::from(count)] = from.to_le_bytes()[0];
            count += u8::from(rank >= lowest_kept);
        };
        for (at, tag) in self.neighbours.tags[..known].iter().enumerate() {
            while next < coming && fresh[next].key < *tag {
                take(known + next, ranks[known + next]);
                next += 1;
            }
            take(at, ranks[at]);
        }
        for at in next..coming {
            take(known + at, ranks[known + at]);
        }
        let count = usize::from(count).min(Self::NEIGHBOURS_MAX);
        let stays = |(at, from): (usize, &u8)| at < known && usize::from(*from) == at;
        let staying = sources[..count].iter().enumerate().take_while(|it| stays(*it)).count();
        if staying < count || count < known {
            let before = self.neighbours.clone();
            for (at, from) in sources[..count].iter().enumerate().skip(staying) {
                let from = usize::from(*from);
                let neighbour = if from < known { before.at(from) } else { fresh[from - known] };
                self.neighbours.set(at, neighbour);
            }
            self.neighbours.truncate(count);
        }
        // at most 64
        self.count = u8::try_from(count).unwrap_or(0);
    }

    /// Joins what was learned of the same terminal and period elsewhere, from other occurrences: counts add up. The order of
    /// the two makes no difference.
    ///
    /// # Errors
    /// [`NotSamePeriod`]; nothing has changed.
    pub fn merge(&mut self, other: &Self, learning: &Learning) -> Result<(), NotSamePeriod> {
        if (self.grid, self.period) != (other.grid, other.period) {
            return Err(NotSamePeriod);
        }
        let mut other = other.clone();
        let (day, key_id) = (self.day.max(other.day), self.key_id.max(other.key_id));
        for side in [&mut *self, &mut other] {
            side.rotate(key_id);
            side.fade(day, &learning.fading);
        }
        self.occurrences = self.occurrences.saturating_add(other.occurrences);
        self.novelty = self.novelty.max(other.novelty);
        let mut room = [Neighbour::NONE; ROOM];
        let mut known = 0;
        let this = self.clone();
        let (mut mine, mut theirs) = (this.neighbours(), other.neighbours());
        let (mut one, mut two) = (mine.next(), theirs.next());
        while let Some(next) = match (one, two) {
            (Some(a), Some(b)) if a.key.needle() == b.key.needle() => {
                (one, two) = (mine.next(), theirs.next());
                Some(a.merged(&b))
            }
            (Some(a), Some(b)) if a.key < b.key => {
                one = mine.next();
                Some(a)
            }
            (Some(a), None) => {
                one = mine.next();
                Some(a)
            }
            (_, Some(b)) => {
                two = theirs.next();
                Some(b)
            }
            (None, None) => None,
        } {
            room[known] = next;
            known += 1;
        }
        self.keep(&room[..known], learning);
        self.has_siblings = self.neighbours.have_siblings();
        Ok(())
    }

    /// The grid of its period.
    pub const fn grid(&self) -> Grid {
        self.grid
    }

    /// Which period it is about.
    pub const fn period(&self) -> u16 {
        self.period
    }

    /// The local day of the last occurrence that was learned, counted from 1970-01-01.
    pub const fn day(&self) -> u16 {
        self.day
    }

    /// The newest key that its tokens were made with.
    pub const fn key_id(&self) -> u8 {
        self.key_id
    }

    /// How many occurrences were observed, in 128ths, as of [`Profile::day`].
    pub const fn occurrences(&self) -> u16 {
        self.occurrences
    }

    /// Whether nothing was ever learned.
    pub const fn is_empty(&self) -> bool {
        self.occurrences == 0
    }

    /// How much of a usual scan is unfamiliar, in 255ths: high where people pass by, near zero at home.
    pub const fn novelty(&self) -> u8 {
        self.novelty
    }

    /// Its neighbours, in the order of their tokens.
    pub fn neighbours(&self) -> impl ExactSizeIterator<Item = Neighbour> + Clone + '_ {
        (0..usize::from(self.count).min(Self::NEIGHBOURS_MAX)).map(|at| self.neighbours.at(at))
    }

    /// Whether two of them are of one device.
    pub(super) const fn has_siblings(&self) -> bool {
        self.has_siblings
    }

    pub(super) const fn columns(&self) -> &Neighbours {
        &self.neighbours
    }

    /// The stored form, specified in `docs/spec/risk-core-surroundings.md`.
    pub fn encode(&self, to: &mut alloc::vec::Vec<u8>) {
        to.reserve(11 + 10 * usize::from(self.count));
        let mut writer = Writer::new(to, 1);
        writer
            .u8(self.grid.to_u8())
            .u16(self.period)
            .u8(self.key_id)
            .u16(self.day)
            .u16(self.occurrences)
            .u8(self.novelty)
            .u8(self.count);
        for neighbour in self.neighbours() {
            let Neighbour { key, count, dwell, last_dwell, share, age } = neighbour;
            writer.u32(key.0).u16(count).fixed(&[dwell.0, last_dwell.0, share.as_u8(), age]);
        }
    }

    /// Reads the stored form; allocates nothing.
    ///
    /// # Errors
    /// [`WireError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(bytes);
        // Filled where it is: it is too long to be handed on from one function to the next.
        let mut profile = Self::new(Grid::HOUR_OF_WEEK, 0);
        profile.fill(&mut reader)?;
        reader.finish()?;
        Ok(profile)
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, WireError> {
        let mut profile = Self::new(Grid::HOUR_OF_WEEK, 0);
        profile.fill(reader)?;
        Ok(profile)
    }

    /// Takes over a stored form; this has to be a new one.
    fn fill(&mut self, reader: &mut Reader<'_>) -> Result<(), WireError> {
        reader.version(1)?;
        self.grid = Grid::from_u8(reader.u8()?).ok_or(WireError::Invalid)?;
        self.period = reader.u16()?;
        [self.key_id] = reader.array()?;
        (self.day, self.occurrences) = (reader.u16()?, reader.u16()?);
        (self.novelty, self.count) = (reader.u8()?, reader.u8()?);
        let count = usize::from(self.count);
        if self.period >= self.grid.periods() || count > Self::NEIGHBOURS_MAX {
            return Err(WireError::Invalid);
        }
        let records = reader.fixed(Neighbours::RECORD * count)?;
        self.neighbours.fill(records.as_chunks().0);
        self.has_siblings = self.neighbours.have_siblings();
        let orderly = self.neighbours.are_orderly(count, self.key_id, self.occurrences);
        if orderly { Ok(()) } else { Err(WireError::Invalid) }
    }

    /// Forgets what was learned under keys older than the one before `key_id`. Where that is all, the occurrences go too: they
    /// would count as so many in which none of the neighbours to come was there.
    fn rotate(&mut self, key_id: u8) {
        match key_id.saturating_sub(self.key_id) {
            0 => return,
            1 => {
                let kept = u32::from(self.key_id & 3);
                self.retain(|neighbour| neighbour.key.generation() == kept);
            }
            _ => {
                self.retain(|_| false);
                (self.occurrences, self.novelty) = (0, 0);
            }
        }
        self.key_id = key_id;
    }

    /// Brings all counts to a later day.
    fn fade(&mut self, day: u16, fading: &Fading) {
        let days = day.saturating_sub(self.day);
        if days == 0 {
            return;
        }
        let factor = fading.factor(days);
        self.occurrences = scaled(self.occurrences, factor);
        let (known, aged) = (usize::from(self.count), u8::try_from(days).unwrap_or(u8::MAX));
        for count in &mut self.neighbours.counts[..known] {
            *count = scaled(*count, factor).min(self.occurrences);
        }
        for age in &mut self.neighbours.ages[..known] {
            *age = age.saturating_add(aged);
        }
        self.day = day;
    }

    fn sort(&mut self) {
        let mut all = [Neighbour::NONE; Self::NEIGHBOURS_MAX];
        let known = usize::from(self.count);
        for (place, neighbour) in all.iter_mut().zip(self.neighbours()) {
            *place = neighbour;
        }
        all[..known].sort_unstable_by_key(|neighbour| neighbour.key);
        for (at, neighbour) in all[..known].iter().enumerate() {
            self.neighbours.set(at, *neighbour);
        }
    }

    /// Takes over what is not forgotten and finds room, out of neighbours in the order of their keys.
    fn keep(&mut self, room: &[Neighbour], learning: &Learning) {
        let max = usize::from(learning.neighbours_max).min(Self::NEIGHBOURS_MAX);
        let alive = |neighbour: &&Neighbour| neighbour.count >= FORGOTTEN_BELOW;
        let living = room.iter().filter(alive).count();
        let mut lowest_kept = 0;
        if living > max {
            let mut ranks = [0; ROOM];
            for (rank, neighbour) in ranks.iter_mut().zip(room.iter().filter(alive)) {
                *rank = neighbour.rank();
            }
            let (_, lowest, _) = ranks[..living].select_nth_unstable(living - max);
            lowest_kept = *lowest;
        }
        let mut count = 0;
        for neighbour in room.iter().filter(alive).filter(|one| one.rank() >= lowest_kept) {
            self.neighbours.set(count, *neighbour);
            count += 1;
        }
        self.neighbours.truncate(count);
        // at most 64
        self.count = u8::try_from(count).unwrap_or(0);
    }

    fn retain(&mut self, keep: impl Fn(&Neighbour) -> bool) {
        let mut count = 0;
        for at in 0..usize::from(self.count) {
            let neighbour = self.neighbours.at(at);
            if keep(&neighbour) {
                self.neighbours.set(count, neighbour);
                count += 1;
            }
        }
        self.neighbours.truncate(count);
        self.count = u8::try_from(count).unwrap_or(0);
    }
}

impl fmt::Debug for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { period, day, occurrences, count, .. } = self;
        write!(f, "Profile(period {period}, day {day}, {occurrences}/128 occurrences, {count})")
    }
}

/// What is known of one neighbour in one period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Neighbour {
    pub(super) key: TokenTag,
    /// Occurrences with it present, in 128ths.
    pub(super) count: u16,
    pub(super) dwell: Dwell,
    pub(super) last_dwell: Dwell,
    pub(super) share: Share,
    /// Days from its last occurrence to the profile's.
    pub(super) age: u8,
}

impl Neighbour {
    pub(super) const NONE: Self = Self {
        key: TokenTag(0),
        count: 0,
        dwell: Dwell::UNKNOWN,
        last_dwell: Dwell::UNKNOWN,
        share: Share::UNKNOWN,
        age: 0,
    };

    /// Its token.
    pub const fn token(&self) -> Token {
        self.key.token()
    }

    /// What it is.
    pub const fn kind(&self) -> Kind {
        self.key.kind()
    }

    /// How it related to the terminal when it was last learned.
    pub const fn relation(&self) -> Relation {
        self.key.relation()
    }

    /// Whether it was found to move about with the terminal: it is then no evidence of a place.
    pub const fn travels(&self) -> bool {
        self.key.travels()
    }

    /// In how many occurrences it was there, in 128ths.
    pub const fn count(&self) -> u16 {
        self.count
    }

    /// Its usual dwell in seconds, given the slot's length: the middle of the usual so far, the last one and the new one, each
    /// capped at the slot. `None` if no dwell was ever reported. Of several scans in one occurrence the first one's dwell is
    /// the new one; a longer one of the others stands for that occurrence from the next on.
    pub fn dwell_s(&self, grid: Grid) -> Option<u32> {
        self.dwell.seconds(grid.slot_s())
    }

    /// The share of terminals that saw it when it was last learned.
    pub const fn share(&self) -> Share {
        self.share
    }

    fn first(seen: &Seen) -> Self {
        let Seen { key, dwell, share, .. } = *seen;
        Self { key, count: ONE, dwell, last_dwell: dwell, share, age: 0 }
    }

    fn see_again(&mut self, seen: &Seen, elsewhere: bool) {
        self.key = TokenTag(self.key.0 & 1 | seen.key.0);
        if elsewhere {
            self.key = self.key.travelling();
        }
        self.share = seen.share;
        let is_new = self.age > 0;
        if is_new {
            self.age = 0;
            self.count = self.count.saturating_add(ONE);
        }
        match (seen.dwell.is_known(), self.dwell.is_known()) {
            (false, _) => {}
            (true, false) => (self.dwell, self.last_dwell) = (seen.dwell, seen.dwell),
            (true, true) if is_new => {
                self.dwell = self.dwell.middle(self.last_dwell, seen.dwell);
                self.last_dwell = seen.dwell;
            }
            (true, true) => self.last_dwell = self.last_dwell.longer(seen.dwell),
        }
    }

    /// The same neighbour out of two profiles; the order makes no difference.
    fn merged(&self, other: &Self) -> Self {
        let weight = |one: &Self| (one.dwell.is_known(), one.count, one.dwell.0, one.last_dwell.0);
        let main = if weight(self) >= weight(other) { self } else { other };
        Self {
            key: TokenTag(self.key.closest(other.key).0 | self.key.0 & 1),
            count: self.count.saturating_add(other.count),
            dwell: main.dwell,
            last_dwell: main.last_dwell,
            share: self.share.min(other.share),
            age: self.age.min(other.age),
        }
    }

    /// What stays when there is no room: more occurrences, then seen later, then higher in byte order.
    fn rank(&self) -> u64 {
        u64::from(self.count) << 40 | u64::from(u8::MAX - self.age) << 32 | u64::from(self.key.0)
    }
}

/// How profiles learn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Learning {
    pub(super) fading: Fading,
    pub(super) neighbours_max: u8,
}

impl Learning {
    /// Counts fade by half in so many days (1 to 180), and a profile keeps so many neighbours (8 to 64); `None` outside.
    pub fn new(half_life_days: u8, neighbours_max: u8) -> Option<Self> {
        let fading = Fading::new(half_life_days)?;
        (8..=64).contains(&neighbours_max).then_some(Self { fading, neighbours_max })
    }
}

/// By how much counts fade in so many days.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fading {
    half_life_days: u8,
}

impl Fading {
    /// Counts halve in so many days, 1 to 180; `None` outside.
    pub const fn new(half_life_days: u8) -> Option<Self> {
        if matches!(half_life_days, 1..=180) { Some(Self { half_life_days }) } else { None }
    }

    /// `2^(-days / half-life)` in units of 2⁻¹⁶.
    pub fn factor(self, days: u16) -> u32 {
        let halvings = (u64::from(days) << 32) / u64::from(self.half_life_days);
        u32::try_from((super::odds::exp2_neg(halvings) + (1 << 15)) >> 16).unwrap_or(0)
    }
}

/// A count at a later day, rounded to the nearest.
pub(super) fn scaled(count: u16, factor: u32) -> u16 {
    // the factor is at most 2¹⁶
    u16::try_from((u32::from(count) * factor + (1 << 15)) >> 16).unwrap_or(u16::MAX)
}

/// Whether the terminal is at another place than usual: of at least four neighbours that were there more than once, less than
/// a quarter is here. Asked only where at least four fixed neighbours are unknown. Whatever is here all the same came along.
fn is_elsewhere(known: &Neighbours, hits: u64) -> bool {
    let is_usual = |tag: &TokenTag, count: &u16| (*count > ONE) & !tag.travels();
    let both = known.tags.iter().zip(&known.counts);
    let usual: u32 = both.map(|(tag, count)| u32::from(is_usual(tag, count))).sum();
    let (mut here, mut rest) = (0, hits);
    while rest != 0 {
        let at = rest.trailing_zeros() as usize % Profile::NEIGHBOURS_MAX;
        here += u32::from(is_usual(&known.tags[at], &known.counts[at]));
        rest &= rest - 1;
    }
    usual >= 4 && here > 0 && here * 4 < usual
}

/// Where a needle stands among sorted ones, if it does; takes the same steps for all.
fn find(needles: &[u32; Profile::NEIGHBOURS_MAX], needle: u32) -> Option<usize> {
    let mut at = 0;
    let mut step = Profile::NEIGHBOURS_MAX / 2;
    while step > 0 {
        at += if needles[at + step] <= needle { step } else { 0 };
        step /= 2;
    }
    (needles[at] == needle).then_some(at)
}

/// Two profiles are not about the same period of the same grid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotSamePeriod;

impl NotSamePeriod {
    /// Stable number: 3303.
    pub const fn code(self) -> u32 {
        3_303
    }
}

impl fmt::Display for NotSamePeriod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("two profiles are not about the same period")
    }
}

impl core::error::Error for NotSamePeriod {}

/// One occurrence, in the units of counts.
pub(super) const ONE: u16 = 128;
/// A sixteenth of an occurrence: four half-lives after a single one.
const FORGOTTEN_BELOW: u16 = 8;
/// The place of a neighbour that a profile does not have.
const NOWHERE: u8 = u8::MAX;
/// Room for two full profiles.
const ROOM: usize = 2 * Profile::NEIGHBOURS_MAX;

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn those_of_the_highest_rank_have_room(
            known in prop::collection::btree_map(1_u32..400, (0_u16..300, 0_u8..4), 0..=64),
            came in prop::collection::btree_set(1_u32..400, 0..=64),
            neighbours_max in 8_u8..=64,
            is_full: bool,
            are_usual: bool,
        ) {
            // Full of neighbours that are all known better than newcomers, now and then.
            let full = u8::try_from(known.len()).unwrap().clamp(8, 64);
            let neighbours_max = if is_full { full } else { neighbours_max };
            let more = if are_usual { ONE + 1 } else { 0 };
            let one = |token: u32, count, age| {
                Neighbour { key: TokenTag(token << 8 | 8), count, age, ..Neighbour::NONE }
            };
            let newcomers: Vec<Neighbour> = came
                .into_iter()
                .filter(|token| !known.contains_key(token))
                .map(|token| one(token, ONE, 0))
                .collect();
            let mut profile = Profile::new(Grid::from_u8(2).unwrap(), 0);
            for (at, (token, (count, age))) in known.into_iter().enumerate() {
                profile.neighbours.set(at, one(token, count + more, age));
                profile.count += 1;
            }
            let living = profile.neighbours().filter(|one| one.count >= FORGOTTEN_BELOW);
            let mut kept: Vec<Neighbour> = living.chain(newcomers.iter().copied()).collect();
            kept.sort_by_key(|one| core::cmp::Reverse(one.rank()));
            kept.truncate(neighbours_max.into());
            kept.sort_by_key(|one| one.key);

            let learning = Learning::new(30, neighbours_max).unwrap();
            profile.make_room(newcomers.into_iter(), &learning);
            let mut expected = Neighbours::new();
            for (at, one) in kept.iter().enumerate() {
                expected.set(at, *one);
            }
            prop_assert_eq!(usize::from(profile.count), kept.len());
            prop_assert!(profile.neighbours == expected, "{:?}", profile.neighbours().collect::<Vec<_>>());
        }
    }
}
