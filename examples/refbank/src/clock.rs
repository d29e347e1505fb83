//! The clock and the entropy of this process: the only places that ask for either.

use crate::trouble::Trouble;
use interbank::port::Time;
use std::time::{SystemTime, UNIX_EPOCH};

/// What time it is.
pub(crate) fn now() -> Time {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Time::from_ms(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// Fresh randomness from the operating system.
pub(crate) fn entropy() -> Result<[u8; 32], Trouble> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|_| Trouble::Entropy)?;
    Ok(bytes)
}

/// The time of day, `15:33:02`, in UTC.
pub(crate) fn time_of_day(at: Time) -> String {
    readable(at).split_once(' ').map(|(_, time)| time.to_owned()).unwrap_or_default()
}

/// The date, `2026-11-25`, in UTC.
pub(crate) fn date(at: Time) -> String {
    readable(at).split_once(' ').map(|(day, _)| day.to_owned()).unwrap_or_default()
}

/// A time for people: `2026-11-25 15:33:02`, in UTC.
pub(crate) fn readable(at: Time) -> String {
    let text = at.to_string();
    match (text.get(..10), text.get(11..19)) {
        (Some(day), Some(time)) => format!("{day} {time}"),
        _ => text,
    }
}
