//! What profiles learn, forget, take back and merge; and that they stay small.

use crate::place::*;
use interbank_risk_core::surroundings::*;
use port::{Time, Zone};
use proptest::prelude::*;

const DAY_MS: u64 = 86_400_000;

fn learning() -> Learning {
    policy().learning()
}

#[test]
fn r07_one_odd_dwell_does_not_change_a_type() {
    let mut profile = profile_of(&[near(1, 3_000)], 4);
    let dwell =
        |profile: &Profile| profile.neighbours().next().unwrap().dwell_s(profile.grid()).unwrap();
    assert!(profile.update(&scan(week(4), vec![near(1, 30)]), &learning()));
    assert_eq!(dwell(&profile), 3_000);
    assert!(profile.update(&scan(week(5), vec![near(1, 30)]), &learning()));
    assert_eq!(dwell(&profile), 30);
}

#[test]
fn several_scans_of_one_occurrence_count_once() {
    let mut profile = profile_of(&home(), 1);
    for minute in 1..20 {
        assert!(profile.update(&scan(START.plus_ms(minute * 60_000), home()), &learning()));
    }
    assert_eq!(profile.occurrences(), 128);
    assert!(profile.neighbours().all(|neighbour| neighbour.count() == 128));
}

#[test]
fn counts_fade_by_half_in_a_half_life() {
    let mut profile = profile_of(&home(), 1);
    // The half-life is eight weeks.
    assert!(profile.update(&scan(week(8), vec![near(1, 60)]), &learning()));
    assert_eq!(profile.occurrences(), 64 + 128);
    let counts: Vec<u16> = profile.neighbours().map(|one| one.count()).collect();
    assert_eq!(counts.iter().filter(|count| **count == 64).count(), 12);
    assert_eq!(counts.iter().filter(|count| **count == 192).count(), 1);
    // At rest it is read as faded, without being written.
    let fresh = profile_of(&home(), 4);
    let later = assess(&fresh, &scan(week(3 + 16), home()));
    assert!(
        later.coverage.occurrences
            < assess(&fresh, &scan(week(4), home())).coverage.occurrences / 3
    );
    let long_after = assess(&fresh, &scan(week(60), home()));
    assert_eq!(long_after.baseline, Score::NoEvidence(Abstention::TooFewOccurrences));
}

#[test]
fn a_replaced_router_is_learned_and_the_old_one_forgotten() {
    let mut profile = profile_of(&home(), 12);
    let mut moved = home();
    moved[12] = near(99, 3_000);
    for n in 12..80 {
        assert!(profile.update(&scan(week(n), moved.clone()), &learning()));
    }
    let has = |n| profile.neighbours().any(|one| one.token() == key(1).token(&router(n)));
    assert!(has(99) && !has(22));
    assert_eq!(basis_points(assess(&profile, &scan(week(80), moved)).baseline), 10_000);
}

/// A million different passers-by, in 15,625 scans of 64.
#[test]
fn a_million_passers_by_leave_a_profile_small_and_the_residents_in_it() {
    let mut profile = Profile::new(Grid::new(1_440, Fold::Day).unwrap(), 0);
    let grid = profile.grid();
    let residents: Vec<Observation> = (0..4).map(|n| near(n, 80_000)).collect();
    let mut state = 88_172_645_463_325_252;
    let mut longest = 0;
    for n in 0..15_625_u64 {
        let passers = (0..64).map(|_| near(1_000 + random(&mut state) % 16_000_000, 60));
        let found = residents.iter().copied().chain(passers).collect();
        assert!(profile.update(&scan_in(grid, START.plus_ms(n * DAY_MS), found), &learning()));
        longest = longest.max(encoded(&profile).len());
    }
    assert!(longest <= Profile::BYTES_MAX && Profile::BYTES_MAX <= 651, "{longest}");
    for n in 0..4 {
        let token = key(1).token(&router(n));
        assert!(profile.neighbours().any(|one| one.token() == token && one.count() > 1_000));
    }
}

#[test]
fn four_full_periods_fit_three_kibibytes() {
    let crowd: Vec<Observation> = (0..80).map(|n| near(n, 600)).collect();
    let bytes = encoded(&profile_of(&crowd, 3));
    assert_eq!(bytes.len(), 11 + 64 * 10);
    assert!(4 * bytes.len() <= 3 * 1_024);
}

#[test]
fn evicted_are_the_rarest_then_the_oldest_then_the_lowest() {
    let learning = Learning::new(56, 8).unwrap();
    let when = Grid::HOUR_OF_WEEK.moment(&Zone::utc(), START);
    let mut profile = Profile::new(when.grid, when.period);
    let often: Vec<Observation> = (0..6).map(|n| near(n, 60)).collect();
    for n in 0..3 {
        assert!(profile.update(&scan(week(n), often.clone()), &learning));
    }
    let old = [often.clone(), vec![near(50, 60), near(51, 60)]].concat();
    assert!(profile.update(&scan(week(3), old), &learning));
    let new = [often, vec![near(60, 60)]].concat();
    assert!(profile.update(&scan(week(4), new), &learning));
    let has = |n| profile.neighbours().any(|one| one.token() == key(1).token(&router(n)));
    assert!((0..6).all(has) && has(60));
    let lower = if key(1).token(&router(50)) < key(1).token(&router(51)) { 50 } else { 51 };
    assert!(!has(lower) && has(101 - lower));
}

/// Scans of one period: the day, the neighbours, and when within the hour.
fn scans() -> impl Strategy<Value = Vec<(u64, Vec<u32>, u64)>> {
    prop::collection::vec(
        (0..30_u64, prop::collection::vec(0..60_u32, 0..12), 0..1_700_000_u64),
        1..12,
    )
}

fn history_of(scans: &[(u64, Vec<u32>, u64)], keep: impl Fn(Time) -> bool) -> History {
    let period = Grid::HOUR_OF_WEEK.moment(&Zone::utc(), START).period;
    let mut history = History::new(Grid::HOUR_OF_WEEK, period);
    let mut ordered = scans.to_vec();
    ordered.sort();
    for (n, found, ms) in ordered {
        let at = week(n).plus_ms(ms);
        if keep(at) {
            let scan = scan(at, found.iter().map(|n| near(*n, 60)).collect());
            history.update(at, &scan, 90 * DAY_MS, &learning());
        }
    }
    history
}

proptest! {
    #[test]
    fn revoked_learning_leaves_no_trace(scans in scans(), from in 0..30_u64) {
        let from = week(from);
        let mut history = history_of(&scans, |_| true);
        let settled = history.settled_until();
        match history.revoke(from) {
            Revoked::All => {
                prop_assert!(settled >= from);
                prop_assert!(history.is_empty());
            }
            _ => {
                let never = history_of(&scans, |at| at < from);
                // What settles depends on the clock that runs on; what is known does not.
                let known = |history: &History| encoded(&history.current(&learning()));
                prop_assert_eq!(known(&history), known(&never));
            }
        }
    }

    #[test]
    fn the_order_of_confirmations_makes_no_difference(scans in scans(), turn in 0..12_usize) {
        let grid = Grid::HOUR_OF_WEEK;
        let end = week(31);
        let build = |scans: &[(u64, Vec<u32>, u64)]| {
            let mut history = History::new(grid, grid.moment(&Zone::utc(), START).period);
            for (n, found, ms) in scans {
                let scan = scan(week(*n).plus_ms(*ms), found.iter().map(|n| near(*n, 60)).collect());
                history.update(end, &scan, 365 * DAY_MS, &learning());
            }
            encoded(&history.current(&learning()))
        };
        let mut turned = scans.clone();
        turned.rotate_left(turn % scans.len());
        prop_assert_eq!(build(&scans), build(&turned));
    }

    #[test]
    fn histories_come_back(scans in scans()) {
        let history = history_of(&scans, |_| true);
        let mut bytes = vec![];
        history.encode(&mut bytes);
        prop_assert_eq!(History::parse(&bytes), Ok(history));
    }

    #[test]
    fn merging_commutes(one in scans(), other in scans()) {
        let [a, b] = [one, other].map(|scans| history_of(&scans, |_| true).current(&learning()));
        let (mut ab, mut ba) = (a.clone(), b.clone());
        ab.merge(&b, &learning()).unwrap();
        ba.merge(&a, &learning()).unwrap();
        prop_assert_eq!(encoded(&ab), encoded(&ba));
        prop_assert_eq!(Profile::parse(&encoded(&ab)), Ok(ab.clone()));
        // Each side faded to the later day, no more and no less.
        let faded = |one: &Profile| {
            let factor = Fading::new(56).unwrap().factor(ab.day() - one.day());
            (u32::from(one.occurrences()) * factor + (1 << 15)) >> 16
        };
        let (known, expected) = (u32::from(ab.occurrences()), faded(&a) + faded(&b));
        prop_assert!(a.is_empty() || b.is_empty() || known == expected, "{} for {}", known, expected);
    }
}

#[test]
fn merged_counts_add_up() {
    let mut one = profile_of(&home(), 3);
    let other = profile_of(&home()[..5], 3);
    one.merge(&other, &learning()).unwrap();
    let all = profile_of(&home(), 3).occurrences();
    assert_eq!(one.occurrences(), 2 * all);
    assert_eq!(one.neighbours().filter(|neighbour| neighbour.count() == 2 * all).count(), 5);
    let elsewhen = Profile::new(Grid::FOLDED, 0);
    assert_eq!(one.merge(&elsewhen, &learning()), Err(NotSamePeriod));
}

#[test]
fn sketches_merge_in_any_order() {
    let key = PopulationKey::derive(&seal::Secret::new([9; 32]));
    let feed = |from: u32| {
        let mut population = Population::new(10).unwrap();
        for n in from..from + 40 {
            let when = Grid::HOUR_OF_WEEK.moment(&Zone::utc(), START);
            let found = (n..n + 8).map(|n| near(n, 60)).collect();
            let scan = Scan::take(&report(START, found), &keys(), when, Some((&population, &key)));
            // Whoever comes twice counts once.
            for _ in 0..2 {
                population.update(&TerminalId::new(format!("t-{n}")).unwrap(), &scan);
            }
        }
        population
    };
    let (a, b) = (feed(0), feed(100));
    let (mut ab, mut ba) = (a.clone(), b.clone());
    ab.merge(&b).unwrap();
    ba.merge(&a).unwrap();
    assert!(ab == ba);
    assert!((76..=80).contains(&ab.terminals()), "{}", ab.terminals());
    let mut bytes = vec![];
    ab.encode(&mut bytes);
    assert_eq!(bytes.len(), 10 + (32 << 10));
    assert!(Population::parse(&bytes).unwrap() == ab);
    assert_eq!(ab.merge(&Population::new(11).unwrap()), Err(BadWidth));
    // The shares that come out: of 80 terminals 8 saw this one.
    let when = Grid::HOUR_OF_WEEK.moment(&Zone::utc(), START);
    let scan = Scan::take(&report(START, vec![near(20, 60)]), &keys(), when, Some((&ab, &key)));
    let mut profile = Profile::new(when.grid, when.period);
    assert!(profile.update(&scan, &learning()));
    assert_eq!(profile.neighbours().next().unwrap().share(), Share::estimated(8, ab.terminals()));
}

#[test]
fn a_crossing_of_the_date_line_leaves_a_history_that_can_be_read() {
    // All days alike: the same hour of two local days may come in the wrong order.
    let grid = Grid::new(60, Fold::Day).unwrap();
    let when = |day, period| Moment { day, period, adjacent: period, adjacent_bp: 0, grid };
    let take = |at: Time, day| Scan::take(&report(at, home()), &keys(), when(day, 3), None);
    let mut history = History::new(grid, 3);
    // Ten on Friday in the east, then ten on Thursday in the west; and then so many that the first ones settle.
    for (n, day) in [(0, 101), (1, 100)] {
        assert!(history.update(START, &take(START.plus_ms(n), day), 90 * DAY_MS, &learning()));
    }
    for n in 2..20 {
        let scan = take(START.plus_ms(n), 101);
        assert!(history.update(START, &scan, 90 * DAY_MS, &learning()));
        assert!(history.recent() <= History::RECENT_MAX);
        let mut bytes = vec![];
        history.encode(&mut bytes);
        assert_eq!(History::parse(&bytes).as_ref(), Ok(&history), "after {n}");
    }
}

#[test]
fn a_key_that_was_skipped_lets_a_period_start_anew() {
    let scan_by = |id: u8, n: u64| {
        let when = Grid::HOUR_OF_WEEK.moment(&Zone::utc(), week(n));
        Scan::take(&report(week(n), home()), &TerminalKeys::new(key(id)), when, None)
    };
    let mut profile = profile_of(&home(), 8);
    assert!(profile.update(&scan_by(3, 8), &learning()));
    // Eight occurrences without anybody in them would make strangers of all neighbours for months.
    assert_eq!((profile.occurrences(), profile.neighbours().len()), (128, home().len()));
    assert_eq!(Profile::parse(&encoded(&profile)).as_ref(), Ok(&profile));
    let mut old = profile_of(&home(), 8);
    old.merge(&profile, &learning()).unwrap();
    assert_eq!(
        encoded(&old),
        encoded(&profile),
        "what was learned under a key long gone adds nothing"
    );
    assert!(!profile.update(&scan_by(2, 9), &learning()), "an older key");
}

#[test]
fn a_sketch_says_when_it_drops_counts() {
    let key = PopulationKey::derive(&seal::Secret::new([9; 32]));
    let mut population = Population::new(10).unwrap();
    assert_eq!(population.saturation().as_u16(), 0);
    let when = Grid::HOUR_OF_WEEK.moment(&Zone::utc(), START);
    let feed = |population: &mut Population, from: u32, until: u32| {
        for n in from..until {
            let id = TerminalId::new(format!("t-{n}")).unwrap();
            let found = (100 * n..100 * n + 100).map(|n| near(n, 60)).collect();
            let scan = Scan::take(&report(START, found), &keys(), when, Some((population, &key)));
            population.update(&id, &scan);
        }
    };
    // 3.4 and 12 times 2¹⁰ pairs.
    feed(&mut population, 0, 35);
    assert!(
        (70..=130).contains(&population.saturation().as_u16()),
        "{:?}",
        population.saturation()
    );
    feed(&mut population, 35, 123);
    assert!(
        (900..=1_100).contains(&population.saturation().as_u16()),
        "{:?}",
        population.saturation()
    );
}
