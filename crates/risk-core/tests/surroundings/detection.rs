//! Scans that are not what they say.

use crate::place::*;
use interbank_risk_core::BasisPoints;
use interbank_risk_core::surroundings::*;
use port::Zone;

fn judged(scan: &Scan, facts: Facts) -> Assessment {
    let profile = profile_of(&home(), 6);
    policy().assess(scan.taken(), scan, Known { own: Some(&profile), adjacent: None }, facts)
}

#[test]
fn copies_wrong_answers_and_scans_from_the_future_are_suspicious() {
    let scan = scan(week(6), home());
    let fine = Facts::of(1_000);
    assert_eq!(judged(&scan, fine).findings, Findings::default());
    for (facts, finding, plan) in [
        (Facts { repeated: true, ..fine }, Finding::Copied, Plan::Refuse),
        (Facts { answer: Answer::Wrong, ..fine }, Finding::WrongNonce, Plan::Refuse),
        (Facts { answer: Answer::Missing, ..fine }, Finding::NotAnswered, Plan::AskPin),
        (Facts { lost: true, ..fine }, Finding::TerminalLost, Plan::Refuse),
        (
            Facts { strange_pairs: Some(BasisPoints::ONE), ..fine },
            Finding::StrangePairs,
            Plan::Refuse,
        ),
        (Facts { amount_minor: 20_001, ..fine }, Finding::AboveLimit, Plan::AskPin),
        (Facts { account_limit_minor: Some(999), ..fine }, Finding::AboveLimit, Plan::AskPin),
    ] {
        let assessed = judged(&scan, facts);
        assert!(assessed.findings.has(finding), "{finding:?}");
        assert_eq!(assessed.findings.iter().count(), 1);
        assert_eq!(assessed.plan, plan, "{finding:?}");
        assert_eq!(assessed.reasons().first(), Some(finding.reason()));
    }
    let known = profile_of(&home(), 6);
    let early = scan.taken().minus_ms(5_001);
    let assessed = policy().assess(early, &scan, Known { own: Some(&known), adjacent: None }, fine);
    assert!(assessed.findings.has(Finding::FromFuture) && assessed.findings.is_suspicious());
}

#[test]
fn the_tighter_limit_wins() {
    let scan = scan(week(6), home());
    let facts = Facts { account_limit_minor: Some(7_000), ..Facts::of(6_999) };
    assert_eq!(judged(&scan, facts).plan, Plan::Allow { limit_minor: 7_000 });
    let facts = Facts { account_limit_minor: Some(70_000), ..Facts::of(6_999) };
    assert_eq!(judged(&scan, facts).plan, Plan::Allow { limit_minor: 20_000 });
}

#[test]
fn more_neighbours_than_possible_are_not_believed() {
    let crowd = |count| scan(week(6), (0..count).map(|n| near(n, 60)).collect());
    assert!(!judged(&crowd(200), Facts::of(1)).findings.has(Finding::TooManyNeighbours));
    assert!(judged(&crowd(201), Facts::of(1)).findings.has(Finding::TooManyNeighbours));
}

#[test]
fn half_a_copy_beside_another_place_is_detected() {
    let mut mixed = home();
    mixed.truncate(8);
    mixed.extend((1_000..1_012).map(|n| near(n, 600)));
    let assessed = judged(&scan(week(6), mixed), Facts::of(1));
    assert!(assessed.findings.has(Finding::TwoPlaces));
    assert_eq!(assessed.plan, Plan::Refuse);
    // A few passers-by at home are not that, and neither is another place altogether.
    let visited = home().into_iter().chain((1_000..1_004).map(|n| near(n, 60))).collect();
    assert!(judged(&scan(week(6), visited), Facts::of(1)).findings.is_empty());
    let elsewhere = (1_000..1_012).map(|n| near(n, 600)).collect();
    assert!(judged(&scan(week(6), elsewhere), Facts::of(1)).findings.is_empty());
}

#[test]
fn where_many_pass_by_strangers_are_usual() {
    let learning = policy().learning();
    let mut profile = profile_of(&home(), 2);
    let street = |n: u64| {
        let strangers = (0..14).map(|k| near(10_000 + 20 * n as u32 + k, 60));
        scan(week(n), home().into_iter().chain(strangers).collect())
    };
    for n in 2..16 {
        assert!(profile.update(&street(n), &learning));
    }
    assert!(profile.novelty() > 70, "{}", profile.novelty());
    assert!(!assess(&profile, &street(16)).findings.has(Finding::TwoPlaces));
}

#[test]
fn a_hotspot_in_the_pocket_is_no_place() {
    let pocket = Observation::new(
        Address::octets(Protocol::Wifi, [0x02, 9, 9, 9, 9, 9]),
        Relation::Connected,
    )
    .dwelling_s(3_600);
    let watch = Observation::new(
        Address::octets(Protocol::Bluetooth, [0, 9, 9, 9, 9, 8]),
        Relation::Connected,
    )
    .dwelling_s(3_600);
    let usual: Vec<Observation> = home().into_iter().chain([pocket, watch]).collect();
    let profile = profile_of(&usual, 4);
    // A thief has phone, hotspot and watch.
    let stolen = assess(&profile, &scan(week(4), vec![pocket, watch, near(900, 60)]));
    assert!(stolen.findings.has(Finding::OnlyCompanions));
    assert!(stolen.plan < Plan::Allow { limit_minor: 0 });
    assert_eq!(stolen.coverage.present, 0);
}

#[test]
fn what_comes_along_to_another_place_is_found_to_travel() {
    let hotspot = near(77, 3_600);
    let usual: Vec<Observation> = home().into_iter().chain([hotspot]).collect();
    let mut profile = profile_of(&usual, 4);
    let elsewhere: Vec<Observation> = (300..306).map(|n| near(n, 600)).chain([hotspot]).collect();
    assert!(profile.update(&scan(week(4), elsewhere), &policy().learning()));
    let token = key(1).token(&router(77));
    let travels: Vec<Token> =
        profile.neighbours().filter(|one| one.travels()).map(|one| one.token()).collect();
    assert_eq!(travels, [token]);
    // From now on it is no reference, here or missing.
    let alone = assess(&profile, &scan(week(5), vec![hotspot]));
    assert_eq!(basis_points(alone.baseline), 0);
    assert!(alone.findings.has(Finding::OnlyCompanions));
    assert_eq!(Profile::parse(&encoded(&profile)), Ok(profile));
}

#[test]
fn neighbours_that_nobody_ever_saw_together_are_found() {
    let key = PopulationKey::derive(&seal::Secret::new([9; 32]));
    let mut population = Population::new(14).unwrap();
    let take = |at, found: Vec<Observation>, population: &Population| {
        let when = Grid::HOUR_OF_WEEK.moment(&Zone::utc(), at);
        Scan::take(&report(at, found), &keys(), when, Some((population, &key)))
    };
    let mall: Vec<Observation> = (800..808).map(|n| near(n, 600)).collect();
    for n in 0..20 {
        let scan = take(START, mall.clone(), &population);
        population.update(&TerminalId::new(format!("t-{n}")).unwrap(), &scan);
    }
    let scan = take(START, home(), &population);
    population.update(&terminal(), &scan);
    let profile = profile_of(&home(), 6);
    let known = Known { own: Some(&profile), adjacent: None };
    let strange = |found: Vec<Observation>| {
        policy().strange_pairs(&take(week(6), found, &population), known, &population)
    };
    let mixed: Vec<Observation> = home().into_iter().take(6).chain(mall.clone()).collect();
    assert_eq!(strange(mixed.clone()).map(BasisPoints::as_u16), Some(10_000));
    assert_eq!(strange(home()), None, "no strangers, no pairs");
    // Once somebody was at both, it is no longer strange.
    let both = take(START, mixed.clone(), &population);
    let mut population = population.clone();
    population.update(&terminal(), &both);
    let scan = take(week(6), mixed, &population);
    assert_eq!(policy().strange_pairs(&scan, known, &population), Some(BasisPoints::ZERO));
}

/// A hundred access points, of which each scan finds seventy: far more than pairs are kept of.
#[test]
fn in_a_dense_place_its_own_neighbours_are_not_strange() {
    let key = PopulationKey::derive(&seal::Secret::new([9; 32]));
    let mut population = Population::new(14).unwrap();
    let mut state = 88_172_645_463_325_252;
    let mut found = |from: u32| -> Vec<Observation> {
        let mut all: Vec<u32> = (from..from + 100).collect();
        for at in 0..all.len() {
            let other = at + random(&mut state) as usize % (all.len() - at);
            all.swap(at, other);
        }
        all.into_iter().take(70).map(|n| near(n, 600)).collect()
    };
    let take = |keys: &TerminalKeys, at, found: Vec<Observation>, population: &Population| {
        let when = Grid::HOUR_OF_WEEK.moment(&Zone::utc(), at);
        Scan::take(&report(at, found), keys, when, Some((population, &key)))
    };
    // Five other terminals here and five at another such place, each with an order of its own.
    for n in 0..10_u32 {
        let id = TerminalId::new(format!("t-{n}")).unwrap();
        let keys = TerminalKeys::new(TokenKey::derive(&seal::Secret::new([7; 32]), 1, &id));
        for _ in 0..6 {
            let scan = take(&keys, START, found(1_000 * (n % 2)), &population);
            population.update(&id, &scan);
        }
    }
    let when = Grid::HOUR_OF_WEEK.moment(&Zone::utc(), START);
    let mut profile = Profile::new(when.grid, when.period);
    for n in 0..6 {
        let scan = take(&keys(), week(n), found(0), &population);
        assert!(profile.update(&scan, &policy().learning()));
        population.update(&terminal(), &scan);
    }
    let known = Known { own: Some(&profile), adjacent: None };
    let limit = BasisPoints::new(1_000).unwrap();
    for _ in 0..20 {
        let here = take(&keys(), week(6), found(0), &population);
        let strange = policy().strange_pairs(&here, known, &population);
        assert!(strange.is_none_or(|share| share < limit), "{strange:?}");
        // Half of it beside half of the other place is.
        let mixed = [&found(0)[..35], &found(1_000)[..35]].concat();
        let mixed = take(&keys(), week(6), mixed, &population);
        let strange = policy().strange_pairs(&mixed, known, &population);
        assert!(strange.is_some_and(|share| share >= limit), "{strange:?}");
    }
}
