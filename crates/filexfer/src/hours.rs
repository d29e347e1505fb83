//! Windows of the local week.

use crate::Misuse;
use port::{Time, Zone};

/// When something is allowed: the same stretch of each chosen day, in a zone that the registry names.
///
/// A stretch that ends at or before its start runs over midnight and belongs to the day on which it starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hours {
    /// Bit 0 is Monday.
    days: u8,
    from_minute: u16,
    until_minute: u16,
}

impl Hours {
    /// At all times.
    pub const ALWAYS: Self = Self { days: 0x7F, from_minute: 0, until_minute: DAY };

    /// From `from_minute` (inclusive) until `until_minute` (exclusive) of the chosen days; bit 0 is Monday.
    ///
    /// # Errors
    /// [`Misuse::Bounds`] for no day, a minute beyond the day, or an empty stretch.
    pub const fn new(days: u8, from_minute: u16, until_minute: u16) -> Result<Self, Misuse> {
        let is_empty = from_minute == until_minute;
        if days == 0 || days > 0x7F || from_minute >= DAY || until_minute > DAY || is_empty {
            return Err(Misuse::Bounds);
        }
        Ok(Self { days, from_minute, until_minute })
    }

    /// Whether it is allowed now.
    pub fn hold(&self, now: Time, zone: &Zone) -> bool {
        let local = zone.local(now);
        let minute = u16::from(local.hour) * 60 + u16::from(local.minute);
        let is_on = |weekday: u8| self.days & (1 << (weekday % 7)) != 0;
        if self.from_minute < self.until_minute {
            return is_on(local.weekday) && (self.from_minute..self.until_minute).contains(&minute);
        }
        // Over midnight: the evening belongs to today, the morning to yesterday.
        (is_on(local.weekday) && minute >= self.from_minute)
            || (is_on(local.weekday + 6) && minute < self.until_minute)
    }

    /// The first minute at or after `now` at which it is allowed. Looks eight days ahead; `now` where there is none.
    pub fn next(&self, now: Time, zone: &Zone) -> Time {
        if self.hold(now, zone) {
            return now;
        }
        let minute = now.as_ms() / 60_000 + 1;
        let found = (minute..minute + 8 * u64::from(DAY))
            .map(|minute| Time::from_ms(minute * 60_000))
            .find(|at| self.hold(*at, zone));
        found.unwrap_or(now)
    }

    /// The fields of stored and digested forms: days, first minute, end minute.
    pub const fn parts(&self) -> (u8, u16, u16) {
        (self.days, self.from_minute, self.until_minute)
    }
}

impl Default for Hours {
    fn default() -> Self {
        Self::ALWAYS
    }
}

const DAY: u16 = 24 * 60;

#[cfg(test)]
mod tests {
    use super::*;

    /// 2023-11-13 is a Monday.
    const MONDAY_S: u64 = 1_699_833_600;

    fn at(day: u64, hour: u64, minute: u64) -> Time {
        Time::from_s(MONDAY_S + day * 86_400 + hour * 3_600 + minute * 60)
    }

    #[test]
    fn a_stretch_of_each_chosen_day() {
        let hours = Hours::new(0b001_1111, 8 * 60, 18 * 60).unwrap();
        let zone = Zone::utc();
        let hold = |day, hour, minute| hours.hold(at(day, hour, minute), &zone);
        assert!(hold(0, 8, 0) && hold(4, 17, 59));
        assert!(!hold(0, 7, 59) && !hold(0, 18, 0) && !hold(5, 12, 0) && !hold(6, 12, 0));
        assert_eq!(hours.next(at(0, 9, 0), &zone), at(0, 9, 0));
        assert_eq!(hours.next(at(4, 18, 0), &zone), at(7, 8, 0));
        assert_eq!(hours.next(at(0, 7, 59).plus_ms(1), &zone), at(0, 8, 0));
    }

    #[test]
    fn a_night_belongs_to_its_evening() {
        let hours = Hours::new(0b000_0001, 22 * 60, 4 * 60).unwrap();
        let zone = Zone::utc();
        let hold = |day, hour| hours.hold(at(day, hour, 0), &zone);
        assert!(hold(0, 22) && hold(1, 3));
        assert!(!hold(0, 3) && !hold(1, 4) && !hold(1, 22));
        assert!(Hours::ALWAYS.hold(at(3, 0, 0), &zone));
        assert_eq!(Hours::new(0, 0, 60), Err(Misuse::Bounds));
        assert_eq!(Hours::new(1, 60, 60), Err(Misuse::Bounds));
        assert_eq!(Hours::new(1, 0, 1_441), Err(Misuse::Bounds));
    }
}
