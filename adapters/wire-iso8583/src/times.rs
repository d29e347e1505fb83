//! Dates and times, of which the standard leaves parts to be guessed.

use crate::Message;
use crate::error::{Fault, FieldError};
use crate::particulars::decimal;
use alloc::format;
use alloc::string::String;
use core::fmt;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use port::Time;

impl Message {
    /// Field 7: when the message was sent, in UTC. The field has no year: it is the one that brings the time closest to
    /// `now`, of the years before, of and after it. So a message of 31 December that arrives on 1 January is of last
    /// year, one from a clock that is ahead may be of next year, and nothing is ever further away than about half a
    /// year. 29 February counts only in years that have it.
    ///
    /// # Errors
    /// [`Fault::Meaning`] if it is no date and time (hour 24 and second 60 are none); [`Fault::Year`] for 29 February
    /// where none of the three years has one.
    pub fn transmitted(&self, now: Time) -> Result<Option<Time>, FieldError> {
        self.view(7, |value| closest(value.try_into().map_err(|_| Fault::Meaning)?, now))
    }

    /// Sets field 7.
    ///
    /// # Errors
    /// [`Fault::Meaning`] for a time beyond the year 9999.
    pub fn set_transmitted(&mut self, at: Time) -> Result<&mut Self, FieldError> {
        self.set(7, digits(at).ok_or(FieldError::new(7, Fault::Meaning))?)
    }

    /// Field 12: the time of day where the terminal stands; nothing says in which zone.
    ///
    /// # Errors
    /// [`Fault::Meaning`] if it is no time of day.
    pub fn local_time(&self) -> Result<Option<TimeOfDay>, FieldError> {
        self.view(12, |value| {
            let [hour, minute, second] = pairs(value).ok_or(Fault::Meaning)?;
            let time = TimeOfDay { hour, minute, second };
            if hour < 24 && minute < 60 && second < 60 { Ok(time) } else { Err(Fault::Meaning) }
        })
    }

    /// Field 13: the date where the terminal stands.
    ///
    /// # Errors
    /// [`Fault::Meaning`] if no year has such a day.
    pub fn local_date(&self) -> Result<Option<MonthDay>, FieldError> {
        self.month_day(13)
    }

    /// Field 15: the day on which the institutions settle.
    ///
    /// # Errors
    /// [`Fault::Meaning`] if no year has such a day.
    pub fn settlement_date(&self) -> Result<Option<MonthDay>, FieldError> {
        self.month_day(15)
    }

    /// Field 14: until when the card is valid.
    ///
    /// # Errors
    /// [`Fault::Meaning`] if it is no year and month.
    pub fn expiry(&self) -> Result<Option<Expiry>, FieldError> {
        self.view(14, |value| {
            let [year, month] = pairs(value).ok_or(Fault::Meaning)?;
            if (1..=12).contains(&month) { Ok(Expiry { year, month }) } else { Err(Fault::Meaning) }
        })
    }

    fn month_day(&self, field: u8) -> Result<Option<MonthDay>, FieldError> {
        self.view(field, |value| {
            let [month, day] = pairs(value).ok_or(Fault::Meaning)?;
            // A leap year has every day that any year has.
            date(2000, month, day).map(|_| MonthDay { month, day }).ok_or(Fault::Meaning)
        })
    }
}

/// A month and a day of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct MonthDay {
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
}

/// A time of day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct TimeOfDay {
    /// 0 to 23.
    pub hour: u8,
    /// 0 to 59.
    pub minute: u8,
    /// 0 to 59.
    pub second: u8,
}

/// The last month in which a card is valid. It is cardholder data: `Debug` does not show it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct Expiry {
    /// The last two digits of the year. Which century is for the issuer to say.
    pub year: u8,
    /// 1 to 12.
    pub month: u8,
}

impl fmt::Debug for Expiry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Expiry(..)")
    }
}

/// The time with this month, day, hour, minute and second that is closest to `now`; the earlier of two.
pub(crate) fn closest(digits: &[u8; 10], now: Time) -> Result<Time, Fault> {
    let [month, day, hour, minute, second] = pairs(digits).ok_or(Fault::Meaning)?;
    let year = utc(now).ok_or(Fault::Year)?.year();
    let in_year = |year| moment(date(year, month, day)?, hour, minute, second);
    // Whether it is a time at all, a leap year shows.
    in_year(2000).ok_or(Fault::Meaning)?;
    let away_ms = |time: &Time| time.since_ms(now).max(now.since_ms(*time));
    [year - 1, year, year + 1]
        .into_iter()
        .filter_map(in_year)
        .min_by_key(away_ms)
        .ok_or(Fault::Year)
}

fn date(year: i16, month: u8, day: u8) -> Option<Date> {
    Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()
}

fn moment(date: Date, hour: u8, minute: u8, second: u8) -> Option<Time> {
    if second > 59 {
        return None;
    }
    let [hour, minute, second] = [hour, minute, second].map(|two| i8::try_from(two).ok());
    let time = jiff::civil::Time::new(hour?, minute?, second?, 0).ok()?;
    let at = TimeZone::UTC.to_timestamp(DateTime::from_parts(date, time)).ok()?;
    u64::try_from(at.as_millisecond()).ok().map(Time::from_ms)
}

/// Month, day, hour, minute and second in UTC, as fields 7 and 90 have them; `None` beyond the year 9999.
pub(crate) fn digits(at: Time) -> Option<String> {
    let at = utc(at)?;
    let (month, day) = (at.month(), at.day());
    let (hour, minute, second) = (at.hour(), at.minute(), at.second());
    Some(format!("{month:02}{day:02}{hour:02}{minute:02}{second:02}"))
}

/// The same behind four digits of the year.
#[cfg(feature = "standin")]
pub(crate) fn dated_digits(at: Time) -> Option<String> {
    Some(format!("{:04}{}", utc(at)?.year(), digits(at)?))
}

/// Reads [`dated_digits`].
#[cfg(feature = "standin")]
pub(crate) fn dated(digits: &[u8]) -> Option<Time> {
    let (year, rest) = digits.split_first_chunk::<4>()?;
    let year = i16::try_from(decimal(year)?).ok()?;
    let [month, day, hour, minute, second] = pairs(rest)?;
    moment(date(year, month, day)?, hour, minute, second)
}

/// The calendar of a time, up to the year 9998 so that the next year exists.
fn utc(at: Time) -> Option<DateTime> {
    let at = jiff::Timestamp::from_millisecond(i64::try_from(at.as_ms()).ok()?).ok()?;
    Some(TimeZone::UTC.to_datetime(at)).filter(|at| at.year() < 9_999)
}

/// So many numbers of two digits.
fn pairs<const N: usize>(value: &[u8]) -> Option<[u8; N]> {
    let (two, rest) = value.as_chunks::<2>();
    if two.len() != N || !rest.is_empty() {
        return None;
    }
    let mut numbers = [0; N];
    for (number, two) in numbers.iter_mut().zip(two) {
        *number = decimal(two).and_then(|two| u8::try_from(two).ok())?;
    }
    Some(numbers)
}
