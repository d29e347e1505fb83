//! The worked examples of the spec to the last digit, and what holds for every score.

use crate::place::*;
use interbank_risk_core::LogRatio;
use interbank_risk_core::surroundings::*;
use port::Zone;
use proptest::prelude::*;

/// So many of each type of the worked example.
fn part(passing: usize, while_: usize, resident: usize) -> Vec<Observation> {
    let home = home();
    [&home[..passing], &home[6..6 + while_], &home[10..10 + resident]].concat()
}

#[test]
fn r16_worked_example_of_the_baseline() {
    let profile = profile_of(&home(), 4);
    for (hits, basis_points, plan) in [
        ((2, 3, 3), 8_583, Plan::Allow { limit_minor: 20_000 }),
        ((2, 3, 0), 2_583, Plan::AskPin),
        ((3, 0, 0), 500, Plan::Refuse),
        ((6, 4, 3), 10_000, Plan::Allow { limit_minor: 20_000 }),
        ((0, 0, 0), 0, Plan::Refuse),
    ] {
        let assessed = assess(&profile, &scan(week(4), part(hits.0, hits.1, hits.2)));
        assert_eq!(crate::place::basis_points(assessed.baseline), basis_points, "{hits:?}");
        assert_eq!(assessed.plan, plan, "{hits:?}");
        let familiarity = assessed.baseline.familiarity().unwrap();
        assert_eq!(familiarity.risk().basis_points().as_u16(), 10_000 - basis_points);
        assert_eq!(familiarity.risk().familiarity(), familiarity);
    }
}

#[test]
fn r16_worked_example_of_the_evidence() {
    for (is_here, share, expected) in [
        (true, (2, 1_000), "+6.07"),
        (true, (6, 10), "+0.36"),
        (false, (2, 1_000), "-1.99"),
        (false, (6, 10), "-1.08"),
    ] {
        let says = evidence(is_here, 18, 20, share);
        assert_eq!(format!("{:+.2}", f64::from(says.as_units()) / 65_536.0), expected);
    }
    // A share is kept in steps of 4.4 %, which moves no figure by more than 0.03.
    let step = Share::of(2, 1_000).surprise() - LogRatio::of(1_000, 2);
    assert!(step.as_units().abs() < 1_500, "{step}");
}

#[test]
fn r16_reasons_add_up_and_the_weightiest_comes_first() {
    let assessed = assess(&profile_of(&home(), 4), &scan(week(4), part(2, 3, 0)));
    let reasons = assessed.reasons();
    let of = |reason| {
        reasons.as_slice().iter().find(|one| one.reason == reason).map(|one| one.basis_points)
    };
    assert_eq!(of(Reason::TypePresent(0)), Some(333));
    assert_eq!(of(Reason::TypePresent(1)), Some(2_250));
    assert_eq!(of(Reason::TypeMissing(2)), Some(-6_000));
    assert_eq!(reasons.first(), Some(Reason::TypeMissing(2)));
    let present: i32 =
        reasons.as_slice().iter().map(|one| one.basis_points).filter(|bp| *bp > 0).sum();
    assert_eq!(present, 2_583);
}

#[test]
fn r16_reason_codes_are_closed_and_stable() {
    let codes: Vec<u32> =
        (3_000..3_400).filter(|code| Reason::from_code(*code).is_some()).collect();
    for code in &codes {
        assert_eq!(Reason::from_code(*code).unwrap().code(), *code);
        assert!(!Reason::from_code(*code).unwrap().to_string().is_empty());
    }
    assert_eq!(codes.len(), 6 + 11 + 8 + 8 + 2);
}

#[test]
fn a_coffee_chain_is_no_second_home() {
    // Known equally well, but seen by six of ten terminals: the baseline cannot tell them apart, the evidence does.
    let key = PopulationKey::derive(&seal::Secret::new([9; 32]));
    let mut population = Population::new(14).unwrap();
    let grid = Grid::HOUR_OF_WEEK;
    let take = |at, found: Vec<Observation>, population: &Population| {
        Scan::take(
            &report(at, found),
            &keys(),
            grid.moment(&Zone::utc(), at),
            Some((population, &key)),
        )
    };
    let chain: Vec<Observation> = (500..506).map(|n| near(n, 3_000)).collect();
    let own: Vec<Observation> = (600..606).map(|n| near(n, 3_000)).collect();
    for n in 0..2_000_u32 {
        let seen = if n % 10 < 6 { chain.clone() } else { vec![near(10_000 + n, 60)] };
        let scan = take(START, seen, &population);
        population.update(&TerminalId::new(format!("t-{n}")).unwrap(), &scan);
    }
    let learn = |found: &[Observation], population: &Population| {
        let mut profile = Profile::new(grid, grid.moment(&Zone::utc(), START).period);
        for n in 0..6 {
            assert!(
                profile.update(&take(week(n), found.to_vec(), population), &policy().learning())
            );
        }
        assess(&profile, &take(week(6), found.to_vec(), population))
    };
    let (chain, own) = (learn(&chain, &population), learn(&own, &population));
    assert_eq!(basis_points(chain.baseline), basis_points(own.baseline));
    let (chain, own) = (chain.parts[0].evidence, own.parts[0].evidence);
    assert!(chain < LogRatio::of(100, 1) && own > LogRatio::of(1_000_000, 1), "{chain} {own}");
}

#[test]
fn one_router_with_many_addresses_counts_as_one_device() {
    let octets =
        |last: u8| Address::octets(Protocol::Wifi, [0, 0x11, 0x22, 0x33, 0x44, 0x50 | last]);
    let of_one: Vec<Observation> =
        (0..8).map(|n| Observation::new(octets(n), Relation::InRange).dwelling_s(3_000)).collect();
    let assessed = assess(&profile_of(&of_one, 8), &scan(week(8), of_one));
    let cap = LogRatio::from_units(7 * 65_536);
    assert_eq!(assessed.parts[0].evidence, cap);
    let of_eight: Vec<Observation> = (0..8).map(|n| near(n, 3_000)).collect();
    let assessed = assess(&profile_of(&of_eight, 8), &scan(week(8), of_eight));
    assert!(assessed.parts[0].evidence > cap.times(5));
}

#[test]
fn abstention_says_why_and_on_how_much_it_rests() {
    let scan = scan(week(4), home());
    let none = policy().assess(week(4), &scan, Known::default(), Facts::of(1));
    assert_eq!(none.baseline, Score::NoEvidence(Abstention::NoProfile));
    assert_eq!(none.coverage.weight.as_u16(), 0);
    let once = assess(&profile_of(&home(), 1), &scan);
    assert_eq!(once.score(), Score::NoEvidence(Abstention::TooFewOccurrences));
    assert_eq!(
        (once.plan, once.reasons().first()),
        (Plan::AskPin, Some(Reason::TooFewOccurrences))
    );
    let enough = assess(&profile_of(&home(), 4), &scan);
    assert_eq!((enough.coverage.references, enough.coverage.present), (13, 13));
    assert_eq!(enough.coverage.weight.as_u16(), 10_000);
}

#[test]
fn what_was_not_searched_is_not_missing() {
    let bluetooth = |n: u8| {
        Observation::new(
            Address::octets(Protocol::Bluetooth, [0, 1, 2, 3, 4, n]),
            Relation::InRange,
        )
        .dwelling_s(3_000)
    };
    let all: Vec<Observation> = home().into_iter().chain((0..5).map(bluetooth)).collect();
    let profile = profile_of(&all, 4);
    let mut report = report(week(4), home());
    report.scanned = Scanned::NONE.with(Protocol::Wifi);
    let when = Grid::HOUR_OF_WEEK.moment(&Zone::utc(), week(4));
    let wifi_only = Scan::take(&report, &keys(), when, None);
    assert_eq!(basis_points(assess(&profile, &wifi_only).baseline), 10_000);
    assert!(basis_points(assess(&profile, &scan(week(4), home())).baseline) < 10_000);
}

#[test]
fn two_periods_blend_without_a_jump() {
    let grid = Grid::HOUR_OF_WEEK;
    let own = profile_of(&home(), 4);
    let mut next = Profile::new(grid, own.period() + 1);
    for n in 0..4 {
        let scan = scan(week(n).plus_ms(HOUR_MS), vec![near(50, 3_000)]);
        assert!(next.update(&scan, &policy().learning()));
    }
    let mut last = None;
    for minute in 0..=60 {
        let at = week(4).plus_ms(minute * 60_000);
        let scan = scan(at, home());
        let (own, adjacent) =
            if scan.when().period == own.period() { (&own, &next) } else { (&next, &own) };
        let known = Known { own: Some(own), adjacent: Some(adjacent) };
        let score =
            i32::from(basis_points(policy().assess(at, &scan, known, Facts::of(1)).baseline));
        // From all of it to nothing in an hour: 167 basis points a minute.
        assert!(last.is_none_or(|last: i32| (last - score - 167).abs() <= 2), "{last:?} {score}");
        last = Some(score);
    }
    assert_eq!(last, Some(0));
}

proptest! {
    #[test]
    fn a_hit_never_lowers_the_baseline(here in prop::collection::vec(any::<bool>(), 13), more in 0..13_usize) {
        let profile = profile_of(&home(), 4);
        let score = |here: &[bool]| {
            let found = home().into_iter().zip(here).filter(|(_, is_here)| **is_here).map(|(one, _)| one);
            basis_points(assess(&profile, &scan(week(4), found.collect())).baseline)
        };
        let before = score(&here);
        let mut after = here.clone();
        after[more] = true;
        prop_assert!(score(&after) >= before);
    }

    #[test]
    fn order_and_repetition_make_no_difference(
        picks in prop::collection::vec(0..13_usize, 0..30),
        strangers in prop::collection::vec(100..200_u32, 0..20),
        turn in 0..50_usize,
    ) {
        let profile = profile_of(&home(), 4);
        let mut found: Vec<Observation> = picks.iter().map(|at| home()[*at]).collect();
        found.extend(strangers.iter().map(|n| near(*n, 60)));
        let one = scan(week(4), found.clone());
        let by = turn % found.len().max(1);
        found.rotate_left(by);
        found.reverse();
        found.extend(found.clone());
        let other = scan(week(4), found);
        prop_assert_eq!(&one, &other);
        prop_assert_eq!(one.fingerprint(), other.fingerprint());
        prop_assert_eq!(assess(&profile, &one), assess(&profile, &other));
    }

    #[test]
    fn a_trace_decides_the_same_again(
        picks in prop::collection::vec(0..40_u32, 0..40),
        amount_minor in 0..40_000_i64,
        minute in 0..60_u64,
        repeated: bool,
        evidence_decides: bool,
    ) {
        let policy = policy_with(|draft| {
            if evidence_decides { draft.score = "evidence".into(); }
        });
        let profile = profile_of(&home(), 4);
        let at = week(4).plus_ms(minute * 60_000);
        let scan = scan(at, picks.iter().map(|n| near(*n, 60)).collect());
        let known = Known { own: Some(&profile), adjacent: None };
        let facts = Facts { repeated, account_limit_minor: Some(15_000), ..Facts::of(amount_minor) };
        let trace = policy.trace(at, &scan, known, facts);
        prop_assert_eq!(trace.assessment(), &policy.assess(at, &scan, known, facts));
        let mut bytes = vec![];
        trace.encode(&mut bytes).unwrap();
        let read = Trace::parse(&bytes).unwrap();
        prop_assert_eq!(&read.recompute(), trace.assessment());
        prop_assert_eq!(read.assessment(), trace.assessment());
        prop_assert!(read.lines().eq(trace.lines()));
        let mut again = vec![];
        read.encode(&mut again).unwrap();
        prop_assert_eq!(again, bytes);
        // The lines hold what the part says: uncapped evidence, hits and references.
        let part = trace.assessment().parts[0];
        let here = trace.lines().filter(|line| line.counts && line.is_here).count();
        prop_assert_eq!(here, usize::from(part.present));
    }
}

#[test]
fn extreme_numbers_are_taken_too() {
    let counts = [0, 1, u64::MAX - 1, u64::MAX];
    for present in counts {
        for observed in counts {
            for (seen, all) in [(0, 0), (1, u64::MAX), (u64::MAX, 1), (u64::MAX, u64::MAX)] {
                let here = evidence(true, present, observed, (seen, all));
                let away = evidence(false, present, observed, (seen, all));
                assert!(here > LogRatio::MIN && away < LogRatio::MAX);
            }
        }
    }
    let (profile, scan) = (profile_of(&home(), 4), scan(week(4), home()));
    let known = Known { own: Some(&profile), adjacent: None };
    let plan = |amount_minor, account_limit_minor| {
        let facts = Facts { account_limit_minor, ..Facts::of(amount_minor) };
        policy().assess(week(4), &scan, known, facts).plan
    };
    assert_eq!(plan(0, None), Plan::Allow { limit_minor: 20_000 });
    assert_eq!(plan(-1, None), Plan::AskPin, "less than nothing is no payment");
    assert_eq!(plan(i64::MIN, Some(i64::MIN)), Plan::AskPin);
    assert_eq!(plan(i64::MAX, Some(i64::MAX)), Plan::AskPin);
}
