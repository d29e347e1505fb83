//! R1 to R17. R3 is in `addresses`, R15 in `zones`, too.

use crate::place::*;
use interbank_risk_core::surroundings::*;
use port::{Time, Zone};
use proptest::prelude::*;

#[test]
fn r01_the_terminal_reports_and_the_server_judges() {
    // All that a terminal says is in the wire form, and no score is; the same report gets another score from other knowledge.
    let Report { taken: _, zone: _, nonce: _, scanned: _, neighbours: _ } = report(START, home());
    let scan = scan(week(5), home());
    let (known, unknown) = (profile_of(&home(), 4), profile_of(&[near(99, 3_000)], 4));
    assert_eq!(basis_points(assess(&known, &scan).baseline), 10_000);
    assert_eq!(basis_points(assess(&unknown, &scan).baseline), 0);
}

#[test]
fn r02_each_period_has_its_own_record_and_recurs() {
    let grid = Grid::HOUR_OF_WEEK;
    let period = |at| grid.moment(&Zone::utc(), at).period;
    assert_eq!(period(START), period(week(1)));
    assert_ne!(period(START), period(START.plus_ms(HOUR_MS)));
    assert_eq!(
        Grid::FOLDED.moment(&Zone::utc(), START).period,
        Grid::FOLDED.moment(&Zone::utc(), START.plus_ms(24 * HOUR_MS)).period
    );
    let mut profile = profile_of(&home(), 2);
    let before = encoded(&profile);
    assert!(
        !profile.update(&scan(START.plus_ms(3 * WEEK_MS + HOUR_MS), home()), &policy().learning())
    );
    assert_eq!(encoded(&profile), before, "a scan of another period changes nothing");
}

#[test]
fn r03_the_same_octets_under_two_protocols_are_two_neighbours() {
    let octets = [0x00, 0x11, 0x22, 0x33, 0x44, 0x55];
    let found: Vec<Observation> =
        [Protocol::Wifi, Protocol::Lan, Protocol::Bluetooth, Protocol::BlePublic]
            .map(|protocol| Observation::new(Address::octets(protocol, octets), Relation::InRange))
            .into();
    let profile = profile_of(&found, 3);
    assert_eq!(profile.neighbours().len(), 4);
    for one in &found {
        assert_eq!(assess(&profile, &scan(week(4), vec![*one])).coverage.present, 1);
    }
}

#[test]
fn r04_all_relations_are_kept_through_store_and_load() {
    let relations = [Relation::Connected, Relation::SameNetwork, Relation::InRange];
    let found: Vec<Observation> = relations
        .iter()
        .zip(1..)
        .map(|(relation, n)| Observation::new(router(n), *relation).dwelling_s(60))
        .collect();
    let loaded = Profile::parse(&encoded(&profile_of(&found, 2))).unwrap();
    for (relation, n) in relations.iter().zip(1..) {
        let token = key(1).token(&router(n));
        let neighbour = loaded.neighbours().find(|one| one.token() == token).unwrap();
        assert_eq!(neighbour.relation(), *relation);
    }
}

#[test]
fn r05_terminals_and_periods_do_not_touch_each_other() {
    let other = TerminalKeys::new(TokenKey::derive(
        &seal::Secret::new([7; 32]),
        1,
        &TerminalId::new("phone-2").unwrap(),
    ));
    let when = Grid::HOUR_OF_WEEK.moment(&Zone::utc(), week(4));
    let of_other = Scan::take(&report(week(4), home()), &other, when, None);
    let profile = profile_of(&home(), 4);
    assert_eq!(
        assess(&profile, &of_other).coverage.present,
        0,
        "another terminal's tokens are unknown"
    );
    // A profile of another period is no evidence, even if it is handed over.
    let later = scan(week(4).plus_ms(HOUR_MS), home());
    assert_eq!(assess(&profile, &later).baseline, Score::NoEvidence(Abstention::NoProfile));
}

#[test]
fn r06_a_missing_dwell_is_not_a_short_one() {
    let unknown = Observation::new(router(1), Relation::InRange);
    let profile = profile_of(&[unknown, near(2, 0)], 3);
    let grid = profile.grid();
    let dwell = |n| {
        let token = key(1).token(&router(n));
        profile.neighbours().find(|one| one.token() == token).unwrap().dwell_s(grid)
    };
    assert_eq!((dwell(1), dwell(2)), (None, Some(0)));
    // It is of no type, but it is evidence.
    let assessed = assess(&profile, &scan(week(4), vec![unknown]));
    let types: Vec<TypeScore> = assessed.types(&assessed.parts[0]).collect();
    assert_eq!(types.iter().map(|one| one.size).sum::<u8>(), 1);
    assert_eq!((assessed.coverage.references, assessed.coverage.present), (2, 1));
    // Once it is known, it is known.
    let mut profile = profile;
    assert!(profile.update(&scan(week(5), vec![near(1, 900)]), &policy().learning()));
    let token = key(1).token(&router(1));
    let found = profile.neighbours().find(|one| one.token() == token).unwrap().dwell_s(grid);
    assert_eq!(found, Some(900));
}

#[test]
fn r07_a_neighbour_may_be_of_different_types_in_two_periods() {
    let (short, long) = (profile_of(&[near(1, 60)], 3), {
        let when = Grid::HOUR_OF_WEEK.moment(&Zone::utc(), START.plus_ms(HOUR_MS));
        let mut profile = Profile::new(when.grid, when.period);
        for n in 0..3 {
            assert!(profile.update(
                &scan(week(n).plus_ms(HOUR_MS), vec![near(1, 3_500)]),
                &policy().learning()
            ));
        }
        profile
    });
    let sizes = |profile: &Profile, at: Time| {
        let assessed = assess(profile, &scan(at, vec![near(1, 60)]));
        assessed.types(&assessed.parts[0]).map(|one| one.size).collect::<Vec<_>>()
    };
    assert_eq!(sizes(&short, week(4)), [1, 0, 0]);
    assert_eq!(sizes(&long, week(4).plus_ms(HOUR_MS)), [0, 0, 1]);
}

#[test]
fn r08_any_number_of_types_but_none() {
    for count in 1..=8 {
        let cuts: Vec<i64> = (0..count).map(|n| n * 300).chain([3_600]).collect();
        let policy = policy_with(|draft| draft.types = types_of(&cuts));
        let profile = profile_of(&home(), 3);
        let known = Known { own: Some(&profile), adjacent: None };
        let all = policy.assess(week(4), &scan(week(4), home()), known, Facts::of(1));
        assert_eq!(basis_points(all.baseline), 10_000);
        assert_eq!(i64::try_from(all.types(&all.parts[0]).count()), Ok(count));
    }
    let none = PolicyDraft { types: vec![], ..PolicyDraft::default() };
    assert_eq!(Policy::new(none).unwrap_err().to_string(), "types: has nothing in it");
}

proptest! {
    #[test]
    fn r09_every_member_dwells_within_its_type(dwells in prop::collection::vec(0_u32..5_000, 1..40)) {
        let found: Vec<Observation> = dwells.iter().zip(0..).map(|(dwell_s, n)| near(n, *dwell_s)).collect();
        let profile = profile_of(&found, 3);
        let assessed = assess(&profile, &scan(week(4), vec![]));
        let cuts = [0, 300, 1_800, 3_601];
        let sizes: Vec<u8> = assessed.types(&assessed.parts[0]).map(|one| one.size).collect();
        for (at, size) in sizes.into_iter().enumerate() {
            let within = |dwell_s: u32| (cuts[at]..cuts[at + 1]).contains(&dwell_s);
            let stored = profile.neighbours().filter_map(|one| one.dwell_s(profile.grid()));
            prop_assert_eq!(stored.filter(|dwell_s| within(*dwell_s)).count(), usize::from(size));
            let reported = dwells.iter().filter(|dwell_s| within((**dwell_s).min(3_600))).count();
            prop_assert_eq!(reported, usize::from(size));
        }
    }
}

#[test]
fn r10_intervals_neither_overlap_nor_leave_gaps() {
    for (types, fault) in [
        ([(0, 300), (0, 300), (300, 3_600)], "types[1].from_s: overlaps what is before it"),
        ([(0, 300), (240, 1_800), (1_800, 3_600)], "types[1].from_s: overlaps what is before it"),
        ([(0, 300), (360, 1_800), (1_800, 3_600)], "types[1].from_s: leaves a gap"),
        ([(60, 300), (300, 1_800), (1_800, 3_600)], "types[0].from_s: leaves a gap"),
        ([(0, 300), (300, 1_800), (1_800, 3_000)], "types[2].to_s: leaves a gap"),
        ([(0, 300), (300, 300), (300, 3_600)], "types[1].to_s: must be from 301 to 3600"),
        (
            [(0, 301), (301, 1_800), (1_800, 3_600)],
            "types[0].to_s: is finer than a 240th of the slot",
        ),
    ] {
        let one = |(from_s, to_s)| TypeDraft { from_s, to_s, weight: 1, unknown: Unknown::new() };
        let draft = PolicyDraft { types: types.map(one).into(), ..PolicyDraft::default() };
        assert_eq!(Policy::new(draft).unwrap_err().to_string(), fault);
    }
}

#[test]
fn r11_a_request_without_a_current_report_is_asked_the_pin() {
    // Nothing was searched, so nothing can be said; that is no low score.
    let mut report = report(week(4), vec![]);
    report.scanned = Scanned::NONE;
    let when = Grid::HOUR_OF_WEEK.moment(&Zone::utc(), week(4));
    let scan = Scan::take(&report, &keys(), when, None);
    let assessed = assess(&profile_of(&home(), 4), &scan);
    assert_eq!(assessed.baseline, Score::NoEvidence(Abstention::NotScanned));
    assert_eq!(assessed.plan, Plan::AskPin);
}

#[test]
fn r12_a_stale_report_is_not_current() {
    let (profile, scan) = (profile_of(&home(), 4), scan(week(4), home()));
    let known = Known { own: Some(&profile), adjacent: None };
    let at = |later_ms| policy().assess(week(4).plus_ms(later_ms), &scan, known, Facts::of(1));
    assert_eq!(basis_points(at(120_000).baseline), 10_000);
    let late = at(120_001);
    assert_eq!(late.baseline, Score::NoEvidence(Abstention::Stale));
    assert_eq!(late.evidence, Score::NoEvidence(Abstention::Stale));
    assert_eq!((late.plan, late.reasons().first()), (Plan::AskPin, Some(Reason::Stale)));
}

#[test]
fn r13_the_score_is_a_function_of_its_arguments() {
    let profile = profile_of(&home(), 4);
    let loaded = Profile::parse(&encoded(&profile)).unwrap();
    let (one, other) = (scan(week(4), home()), scan(week(4), home()));
    assert_eq!(assess(&profile, &one), assess(&loaded, &other));
}

proptest! {
    #[test]
    fn r14_more_familiar_is_never_treated_more_strictly(a in 0_u16..=10_000, b in 0_u16..=10_000) {
        let plan = |bp| policy().band(Familiarity::new(interbank_risk_core::BasisPoints::new(bp).unwrap())).plan;
        prop_assert!(plan(a.min(b)) <= plan(a.max(b)));
    }
}

#[test]
fn r15_the_period_that_contains_the_request_is_used() {
    let boundary = START.plus_ms(HOUR_MS / 2);
    let (before, after) = (scan(boundary.minus_ms(1), home()), scan(boundary, home()));
    assert_eq!(before.when().period + 1, after.when().period);
    assert_eq!(
        (before.when().adjacent, after.when().adjacent),
        (after.when().period, before.when().period)
    );
    // Both are handed over; each scan is judged by its own, at a policy that does not blend.
    let plain = policy_with(|draft| draft.learning.blend = false);
    let learn = |at: Time, found: &[Observation]| {
        let when = Grid::HOUR_OF_WEEK.moment(&Zone::utc(), at);
        let mut profile = Profile::new(when.grid, when.period);
        for n in 0..4 {
            let scan = scan(at.plus_ms(n * WEEK_MS), found.to_vec());
            assert!(profile.update(&scan, &plain.learning()));
        }
        profile
    };
    let here = learn(boundary.minus_ms(1), &home());
    let there = learn(boundary, &[near(900, 600), near(901, 600)]);
    let score = |at: Time, own, adjacent| {
        let known = Known { own: Some(own), adjacent: Some(adjacent) };
        basis_points(plain.assess(at, &scan(at, home()), known, Facts::of(1)).baseline)
    };
    assert_eq!(score(boundary.minus_ms(1).plus_ms(4 * WEEK_MS), &here, &there), 10_000);
    assert_eq!(score(boundary.plus_ms(4 * WEEK_MS), &there, &here), 0);
}

proptest! {
    #[test]
    fn r16_type_scores_recombine_to_the_overall_one(here in prop::collection::vec(any::<bool>(), 13)) {
        let profile = profile_of(&home(), 4);
        let found = home().into_iter().zip(&here).filter(|(_, is_here)| **is_here).map(|(one, _)| one).collect();
        let assessed = assess(&profile, &scan(week(4), found));
        let part = &assessed.parts[0];
        prop_assert_eq!(part.baseline, recombined(assessed.types(part)));
        prop_assert_eq!(assessed.baseline.familiarity().map(Familiarity::basis_points), part.baseline);
        let hits: u8 = assessed.types(part).map(|one| one.hits).sum();
        prop_assert_eq!(usize::from(hits), here.iter().filter(|is_here| **is_here).count());
    }
}

#[test]
fn r17_the_component_judges_as_the_function_does() {
    let config =
        SurroundingsConfig::new(port::Tenant::new(1), PolicyBook::new(vec![policy()]).unwrap());
    let server = SurroundingsServer::new(config).unwrap();
    let store = port::MemoryStore::new();
    let keys = seal::SoftKeys::new();
    for n in 0..4 {
        let mut learn = server.learn(week(n), terminal(), [n as u8; 16], scan(week(n), home()));
        let learned = port::blocking::decide(&store, &keys, &mut learn).unwrap().verdict;
        assert!(learned.granted().is_some_and(|one| one.learned));
    }
    for (id, found) in [(10, home()), (11, home()[..4].to_vec()), (12, vec![near(700, 60)])] {
        let scan = scan(week(4), found);
        let request = CheckRequest {
            id: [id; 16],
            terminal: terminal(),
            scan: scan.clone(),
            amount_minor: 1_000,
            account_limit_minor: None,
            population: None,
        };
        let mut check = server.check(week(4), request);
        let checked = port::blocking::decide(&store, &keys, &mut check).unwrap().verdict;
        let profile = profile_of(&home(), 4);
        let known = Known { own: Some(&profile), adjacent: None };
        // The scan names no challenge, and the store says so.
        let facts = Facts { answer: Answer::Missing, ..Facts::of(1_000) };
        let plain = policy().assess(week(4), &scan, known, facts);
        assert_eq!(checked.granted().map(|one| one.assessment), Some(plain));
    }
}
