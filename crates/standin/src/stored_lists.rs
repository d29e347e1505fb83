//! The lists of an account's row where they lie: added up as they are read, and written on without being taken apart.
//!
//! What they mean is said by [`crate::AccountState`]; a test holds both against each other. Whatever is not plain is left to it.

use crate::account_state::LIST_BYTES_MAX;
use crate::counts::Slot;
use crate::parameters::Counter;
use crate::spending::Spending;
use crate::{Hold, Parameters, varint};
use alloc::vec::Vec;
use port::wire::{Reader, Writer};
use port::{Time, WireError};

/// Counters, approvals and holds as a row has them.
#[derive(Clone, Debug)]
pub(crate) struct StoredLists {
    /// In the order of the row.
    tallies: [Tally; Parameters::COUNTERS_MAX],
    counters: u8,
    approvals: u8,
    /// The first approval.
    recent_at: u16,
    /// How many holds there are, and the holds.
    holds_at: u16,
    plain: bool,
}

/// What one counter comes to, and where its buckets are.
#[derive(Clone, Copy, Debug)]
struct Tally {
    counter: u8,
    /// Which of the set's counters it is.
    nth: usize,
    /// Buckets that are in the window.
    live: u8,
    count: u64,
    sum_minor: i128,
    /// Place, count and sum of the newest bucket, where there is one.
    newest: (u64, u32, i64),
    begin: u16,
    /// Where the newest bucket begins, behind its place, and behind all of it.
    newest_at: u16,
    newest_count_at: u16,
    older_at: u16,
    /// Behind the last bucket in the window, and behind the last one.
    live_end: u16,
    end: u16,
}

impl StoredLists {
    /// None, and nothing plain about them.
    pub(crate) const NONE: Self = Self {
        tallies: [Tally::NONE; Parameters::COUNTERS_MAX],
        counters: 0,
        approvals: 0,
        recent_at: 0,
        holds_at: 0,
        plain: false,
    };

    /// Reads all of them, into fresh ones. They are not plain where there are counters that the set does not have, or holds that
    /// lapsed.
    pub(crate) fn fill(
        &mut self,
        lists: &[u8],
        counters: &[Counter],
        slots: &[Slot],
        has_lapsed: impl Fn(&Hold) -> bool,
    ) -> Result<(), WireError> {
        let Ok(all) = u16::try_from(lists.len()) else { return Ok(()) };
        let mut reader = Reader::new(lists);
        // Not longer than all of them.
        let place = |reader: &Reader<'_>| all - u16::try_from(reader.rest().len()).unwrap_or(all);
        self.counters = reader.u8()?;
        let stored = self.tallies.get_mut(..self.counters.into());
        let Some(stored) = stored else { return Ok(()) };
        let mut last = None;
        for tally in stored {
            tally.begin = place(&reader);
            tally.counter = reader.u8()?;
            let nth = counters.iter().position(|known| known.id == tally.counter);
            let Some(slot) = nth.and_then(|nth| slots.get(nth)) else { return Ok(()) };
            tally.nth = nth.unwrap_or_default();
            tally.add_up(&mut reader, *slot, place)?;
            // In this order, as the account finds what is wrong.
            if last >= Some(tally.counter) {
                return Err(WireError::Invalid);
            }
            last = Some(tally.counter);
        }
        self.approvals = reader.u8()?;
        self.recent_at = place(&reader);
        let mut last = Time::EPOCH;
        for _ in 0..self.approvals {
            (_, last) = approval(&mut reader, last)?;
        }
        self.holds_at = place(&reader);
        for _ in 0..reader.u8()? {
            if has_lapsed(&Hold::read(&mut reader)?) {
                return Ok(());
            }
        }
        reader.finish()?;
        self.plain = true;
        Ok(())
    }

    /// Whether they may stay where they are.
    pub(crate) const fn are_plain(&self) -> bool {
        self.plain
    }

    /// Whether no approval is remembered.
    pub(crate) const fn remember_none(&self) -> bool {
        self.approvals == 0
    }

    /// They are used where they are no longer.
    pub(crate) const fn leave(&mut self) {
        self.plain = false;
    }

    /// Count and sum in the window of a counter.
    pub(crate) fn total(&self, counter: u8) -> (u64, i128) {
        let tally = self.tallies().iter().find(|tally| tally.counter == counter);
        tally.map_or((0, 0), |tally| (tally.count, tally.sum_minor))
    }

    /// The latest approvals by terminal, oldest first.
    pub(crate) fn recent<'a>(&self, lists: &'a [u8]) -> impl Iterator<Item = (u32, Time)> + 'a {
        let mut reader = Reader::new(part(lists, self.recent_at, self.holds_at));
        let mut left = self.approvals;
        let mut last = Time::EPOCH;
        core::iter::from_fn(move || {
            left = left.checked_sub(1)?;
            let (terminal, at) = approval(&mut reader, last).ok()?;
            last = at;
            Some((terminal, at))
        })
    }

    /// Appends the lists with one transaction more. `None` where that is not plain: a counter begins, a clock went back, or it
    /// would not fit; what was appended then is of no use.
    pub(crate) fn spend(
        &self,
        lists: &[u8],
        spending: &Spending<'_>,
        to: &mut Vec<u8>,
    ) -> Option<()> {
        let begin = to.len();
        to.push(self.counters);
        let mut counted = 0;
        for tally in self.tallies() {
            let counter = spending.counters.get(tally.nth)?;
            let slot = spending.slots.get(tally.nth)?;
            if counter.counts(spending.kind) {
                tally.spend(lists, *slot, spending.minor, to)?;
                counted += 1;
            } else {
                to.extend_from_slice(part(lists, tally.begin, tally.end));
            }
        }
        let counting = |counter: &&Counter| counter.counts(spending.kind);
        if counted != spending.counters.iter().filter(counting).count() {
            return None;
        }
        self.remember(lists, spending, to);
        to.extend_from_slice(part(lists, self.holds_at, END));
        // Three bytes say how many there are of each kind.
        (to.len() - begin <= LIST_BYTES_MAX + 3).then_some(())
    }

    /// The approvals that are remembered still, and this one.
    fn remember(&self, lists: &[u8], spending: &Spending<'_>, to: &mut Vec<u8>) {
        let &Spending { now, terminal, recent_ms, recent_max, .. } = spending;
        let one = usize::from(recent_ms > 0);
        let within = |(_, at): &(u32, Time)| now.since_ms(*at) < recent_ms;
        let kept = self.recent(lists).filter(within).count().min(recent_max - one);
        let all = usize::from(self.approvals);
        let mut writer = Writer::bare(to);
        writer.u8(u8::try_from(kept + one).unwrap_or(u8::MAX));
        let mut last = Time::EPOCH;
        for (terminal, at) in self.recent(lists).skip(all - kept) {
            writer.u32(terminal);
            varint::write(&mut writer, at.since_ms(last));
            last = at;
        }
        if one > 0 {
            writer.u32(terminal);
            varint::write(&mut writer, now.since_ms(last));
        }
    }

    fn tallies(&self) -> &[Tally] {
        self.tallies.get(..self.counters.into()).unwrap_or_default()
    }
}

impl Tally {
    const NONE: Self = Self {
        counter: 0,
        nth: 0,
        live: 0,
        count: 0,
        sum_minor: 0,
        newest: (0, 0, 0),
        begin: 0,
        newest_at: 0,
        newest_count_at: 0,
        older_at: 0,
        live_end: 0,
        end: 0,
    };

    /// Reads what [`crate::Counts`] wrote, newest bucket first: those in the window come before those that left it.
    fn add_up(
        &mut self,
        reader: &mut Reader<'_>,
        slot: Slot,
        place: impl Fn(&Reader<'_>) -> u16,
    ) -> Result<(), WireError> {
        let bad = WireError::Invalid;
        let buckets = reader.u8()?;
        self.newest_at = place(reader);
        let mut later: Option<u64> = None;
        for _ in 0..buckets {
            let step = varint::read(reader)?;
            let at = match later {
                None => {
                    self.newest_count_at = place(reader);
                    step
                }
                Some(_) if step == 0 => return Err(bad),
                Some(later) => later.checked_sub(step).ok_or(bad)?,
            };
            let count = u32::try_from(varint::read(reader)?).map_err(|_| bad)?;
            let sum_minor = varint::read_minor(reader)?;
            if later.is_none() {
                self.newest = (at, count, sum_minor);
                self.older_at = place(reader);
            }
            if at >= slot.live_from {
                self.live += 1;
                self.count += u64::from(count);
                self.sum_minor += i128::from(sum_minor);
                self.live_end = place(reader);
            }
            later = Some(at);
        }
        self.end = place(reader);
        Ok(())
    }

    /// Appends the counter with a transaction more in its newest bucket, or in a new one, and without those that left the window.
    fn spend(&self, lists: &[u8], slot: Slot, minor: i64, to: &mut Vec<u8>) -> Option<()> {
        let (newest, count, sum_minor) = self.newest;
        let same = self.live > 0 && newest == slot.current;
        if self.live > 0 && newest > slot.current {
            return None;
        }
        let mut writer = Writer::bare(to);
        writer.u8(self.counter).u8(self.live.checked_add(u8::from(!same))?);
        if same {
            writer.fixed(part(lists, self.newest_at, self.newest_count_at));
            varint::write(&mut writer, count.saturating_add(1).into());
            varint::write_minor(&mut writer, sum_minor.saturating_add(minor));
            writer.fixed(part(lists, self.older_at, self.live_end));
            return Some(());
        }
        varint::write(&mut writer, slot.current);
        varint::write(&mut writer, 1);
        varint::write_minor(&mut writer, minor);
        if self.live > 0 {
            varint::write(&mut writer, slot.current - newest);
            writer.fixed(part(lists, self.newest_count_at, self.live_end));
        }
        Some(())
    }
}

fn part(lists: &[u8], from: u16, to: u16) -> &[u8] {
    let to = usize::from(to).min(lists.len());
    lists.get(usize::from(from)..to).unwrap_or_default()
}

fn approval(reader: &mut Reader<'_>, last: Time) -> Result<(u32, Time), WireError> {
    let terminal = reader.u32()?;
    let at = last.as_ms().checked_add(varint::read(reader)?).ok_or(WireError::Invalid)?;
    Ok((terminal, Time::from_ms(at)))
}

/// Not nearer than the end of any lists.
const END: u16 = u16::MAX;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AccountState, Kind, Window};
    use port::Zone;
    use proptest::prelude::*;

    const NOW: Time = Time::from_s(1_700_000_000);

    fn counters() -> Vec<Counter> {
        let counter = |id, window, kinds: &[Kind]| Counter { id, window, kinds: kinds.to_vec() };
        alloc::vec![
            counter(7, Window::Sliding(86_400_000), &[]),
            counter(2, Window::Month, &[Kind::Cash]),
            counter(4, Window::Day, &[Kind::Purchase]),
        ]
    }

    fn spending<'a>(counters: &'a [Counter], slots: &'a [Slot]) -> Spending<'a> {
        Spending {
            counters,
            slots,
            kind: Kind::Purchase,
            minor: 250,
            terminal: 3,
            now: NOW,
            recent_ms: 600_000,
            recent_max: 16,
        }
    }

    fn slots(counters: &[Counter], at: Time) -> Vec<Slot> {
        counters.iter().map(|counter| Slot::of(counter.window, &Zone::utc(), at)).collect()
    }

    /// What was counted before: counter, how long ago, how much.
    type Past = Vec<(usize, u64, i64)>;

    fn account(past: &Past, recent: &[(u32, u64)], holds: usize) -> AccountState {
        let mut state = AccountState::default();
        let counters = counters();
        for (nth, ago_ms, minor) in past {
            let at = NOW.minus_ms(*ago_ms);
            // Every slot is live as long as nothing later was counted.
            let Slot { current, .. } = slots(&counters, at)[*nth];
            let slot = Slot { current, live_from: 0 };
            state.counter(counters[*nth].id).reserve(slot, *minor);
        }
        let mut recent: Vec<_> =
            recent.iter().map(|(who, ago_ms)| (*who, NOW.minus_ms(*ago_ms))).collect();
        recent.sort_by_key(|(_, at)| *at);
        state.recent = recent;
        state.holds = alloc::vec![Hold { seq: 1, minor: 5, at: NOW, queued: true }; holds];
        state
    }

    fn lists(state: &AccountState) -> Vec<u8> {
        let mut bytes = Vec::new();
        state.append_lists(&mut bytes).unwrap();
        bytes
    }

    fn filled(bytes: &[u8], counters: &[Counter], slots: &[Slot]) -> StoredLists {
        let mut stored = StoredLists::NONE;
        stored.fill(bytes, counters, slots, |_| false).unwrap();
        stored
    }

    proptest! {
        #[test]
        fn stored_lists_say_and_become_what_the_account_does(
            past in prop::collection::vec((0..3_usize, 0..100 * 3_600_000_u64, 1..1_000_000_i64), 0..40),
            recent in prop::collection::vec((0..4_u32, 0..900_000_u64), 0..17),
            holds in 0..3_usize,
            recent_ms in prop::sample::select(&[0, 600_000][..]),
        ) {
            let counters = counters();
            let slots = slots(&counters, NOW);
            let mut state = account(&past, &recent, holds);
            let bytes = lists(&state);
            let stored = filled(&bytes, &counters, &slots);
            prop_assert!(stored.are_plain());
            for (counter, slot) in counters.iter().zip(&slots) {
                let counts = state.counts.iter().find(|counts| counts.counter() == counter.id);
                let total = counts.map_or((0, 0), |counts| counts.total(*slot));
                prop_assert_eq!(stored.total(counter.id), total);
            }
            prop_assert!(stored.recent(&bytes).eq(state.recent.iter().copied()));
            let spending = Spending { recent_ms, ..spending(&counters, &slots) };
            let mut spent = Vec::new();
            let plain = stored.spend(&bytes, &spending, &mut spent).is_some();
            let begins = [7, 4].iter().any(|id| state.counts.iter().all(|one| one.counter() != *id));
            state.spend(&spending);
            let fits = lists(&state).len() <= LIST_BYTES_MAX + 3;
            prop_assert_eq!(plain, fits && !begins);
            if plain {
                prop_assert!(state.fit());
                prop_assert_eq!(spent, lists(&state));
            }
        }

        #[test]
        fn lists_that_cannot_be_read_are_refused_in_both_ways(
            past in prop::collection::vec((0..3_usize, 0..100 * 3_600_000_u64, 1..1_000_000_i64), 0..20),
            recent in prop::collection::vec((0..4_u32, 0..900_000_u64), 0..9),
            at: prop::sample::Index, byte: u8,
        ) {
            let counters = counters();
            let mut bytes = lists(&account(&past, &recent, 1));
            *at.get_mut(&mut bytes) = byte;
            let mut stored = StoredLists::NONE;
            let filled = stored.fill(&bytes, &counters, &slots(&counters, NOW), |_| false);
            let parsed = AccountState::default().fill_lists(&bytes);
            if stored.are_plain() || filled.is_err() {
                prop_assert_eq!(filled, parsed);
            }
        }
    }

    #[test]
    fn of_lists_that_are_wrong_twice_both_ways_say_the_same() {
        let counters = counters();
        let id = counters[0].id;
        // The same counter twice, and the second one is cut off.
        let bytes = [2, id, 0, id, 1];
        let mut stored = StoredLists::NONE;
        let filled = stored.fill(&bytes, &counters, &slots(&counters, NOW), |_| false);
        assert_eq!(filled, Err(WireError::Truncated));
        assert_eq!(AccountState::default().fill_lists(&bytes), filled);
    }

    #[test]
    fn what_is_not_plain_is_left_to_the_account() {
        let counters = counters();
        let slots = slots(&counters, NOW);
        let all = (0..3).map(|nth| (nth, 0, 5)).collect();
        let bytes = lists(&account(&all, &[], 1));
        assert!(!filled(&bytes, &counters[1..], &slots[1..]).are_plain(), "a counter too many");
        let mut lapsed = StoredLists::NONE;
        lapsed.fill(&bytes, &counters, &slots, |_| true).unwrap();
        assert!(!lapsed.are_plain());
        // A clock that went back.
        let earlier = self::slots(&counters, NOW.minus_ms(7_200_000));
        let stored = filled(&bytes, &counters, &earlier);
        let spent = stored.spend(&bytes, &spending(&counters, &earlier), &mut Vec::new());
        assert_eq!(spent, None);
    }
}
