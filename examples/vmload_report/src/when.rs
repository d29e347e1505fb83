//! Times as people read them, in UTC.

use crate::fleet::YEAR_MS;
use jiff::Timestamp;

/// Where the marks of a time axis are, from 0 to 1, and what they say. Files without times count from their first row.
pub(crate) fn ticks((first, last): (u64, u64)) -> Vec<(f64, String)> {
    let span = last.saturating_sub(first);
    let Some(&step) = STEPS_MS.iter().find(|&&step| span / step <= TICKS_MAX) else {
        return Vec::new();
    };
    let is_dated = first >= YEAR_MS;
    let from = if is_dated { first.next_multiple_of(step) } else { first };
    let times = (0..=TICKS_MAX).map(|at| from.saturating_add(at * step));
    let ticks = times.take_while(|time| *time <= last && span > 0).map(|time| {
        let share = crate::profile::float(time - first) / crate::profile::float(span);
        let label = if is_dated { dated(time, step) } else { relative(time - first, step) };
        (share, label)
    });
    ticks.collect()
}

/// A day, or a time of a day; `None` for files without times.
pub(crate) fn day(ms: u64) -> Option<String> {
    (ms >= YEAR_MS).then(|| text(ms, "%-d %b %Y"))
}

/// A day and a time of it; `None` for files without times.
pub(crate) fn minute(ms: u64) -> Option<String> {
    (ms >= YEAR_MS).then(|| text(ms, "%-d %b %H:%M"))
}

fn dated(ms: u64, step: u64) -> String {
    match step {
        YEAR_MS.. => text(ms, "%b %Y"),
        DAY_MS.. => text(ms, "%-d %b"),
        _ if ms.is_multiple_of(DAY_MS) => text(ms, "%-d %b"),
        MINUTE_MS.. => text(ms, "%H:%M"),
        _ => text(ms, "%H:%M:%S"),
    }
}

fn relative(ms: u64, step: u64) -> String {
    match step {
        DAY_MS.. => format!("{} d", ms / DAY_MS),
        HOUR_MS.. => format!("{} h", ms / HOUR_MS),
        MINUTE_MS.. => format!("{} min", ms / MINUTE_MS),
        _ => format!("{} s", ms / 1_000),
    }
}

fn text(ms: u64, format: &str) -> String {
    let time = i64::try_from(ms).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok());
    time.map_or_else(String::new, |time| time.strftime(format).to_string())
}

const MINUTE_MS: u64 = 60_000;
const HOUR_MS: u64 = 60 * MINUTE_MS;
const DAY_MS: u64 = 24 * HOUR_MS;
const TICKS_MAX: u64 = 6;
const STEPS_MS: [u64; 22] = [
    1_000,
    10_000,
    30_000,
    MINUTE_MS,
    5 * MINUTE_MS,
    15 * MINUTE_MS,
    30 * MINUTE_MS,
    HOUR_MS,
    2 * HOUR_MS,
    3 * HOUR_MS,
    6 * HOUR_MS,
    12 * HOUR_MS,
    DAY_MS,
    2 * DAY_MS,
    5 * DAY_MS,
    10 * DAY_MS,
    20 * DAY_MS,
    50 * DAY_MS,
    100 * DAY_MS,
    YEAR_MS,
    5 * YEAR_MS,
    50 * YEAR_MS,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn k07_axes_have_few_marks_at_round_times() {
        let says = |from, span| -> Vec<String> {
            ticks((from, from + span)).into_iter().map(|(_, label)| label).collect()
        };
        // 31 July 2013, 22:02:56
        let start = 1_375_308_176_000;
        assert_eq!(
            says(start, 30 * DAY_MS),
            ["3 Aug", "8 Aug", "13 Aug", "18 Aug", "23 Aug", "28 Aug"]
        );
        assert_eq!(says(start, 5 * HOUR_MS), ["23:00", "1 Aug", "01:00", "02:00", "03:00"]);
        assert_eq!(says(0, DAY_MS), ["0 h", "6 h", "12 h", "18 h", "24 h"]);
        assert!(says(start, 0).is_empty());
        for span in (0..60).map(|power| 1_u64 << power) {
            let ticks = ticks((start, start.saturating_add(span)));
            assert!(ticks.len() <= 7 && ticks.iter().all(|(share, _)| (0.0..=1.0).contains(share)));
        }
    }
}
