//! Drivers with styles, seeded: whether another driver shows, and what alarms promise.

use crate::registration::{DAY_MS, after};
use crate::setting::{REQUEST, pieces, stretch};
use interbank_risk_core::driving::{
    Alarm, Attribute, Band, Contrast, Driver, DrivingStrategy, Event, Finding, Habits, Model,
    Piece, Population, Reading, Recording, Rejection, RiskLevel, Rules, RulesDraft, SensorFault,
    Sequential, StrategySet, Stretch, Taken, Windows,
};
use interbank_risk_core::{BasisPoints, LogRatio};
use port::Time;
use proptest::prelude::*;
use simkit::Rng;
use std::sync::LazyLock;

/// What of each attribute differs between people, between trips of one of them, and between readings; in the attribute's unit.
struct Style {
    attribute: Attribute,
    centre: i64,
    between: i64,
    trips: i64,
    readings: i64,
    every_s: u64,
}

const fn style(
    attribute: Attribute,
    centre: i64,
    between: i64,
    trips: i64,
    readings: i64,
    every_s: u64,
) -> Style {
    Style { attribute, centre, between, trips, readings, every_s }
}

/// People differ about as much from each other as their own trips do: less than in published data of driver identification,
/// where a single trip on one road is compared.
const STYLES: [Style; 8] = [
    style(Attribute::CruiseSpeed, 6_500, 800, 700, 900, 2),
    style(Attribute::Acceleration, 1_500, 350, 250, 500, 30),
    style(Attribute::Deceleration, 1_900, 400, 300, 600, 30),
    style(Attribute::SteeringRate, 300, 60, 50, 150, 2),
    style(Attribute::UpshiftRpm, 2_300, 350, 200, 300, 25),
    style(Attribute::FollowingDistance, 3_000, 700, 600, 900, 2),
    style(Attribute::IndicatorLead, 3_000, 900, 500, 900, 60),
    style(Attribute::EngineLoad, 3_500, 500, 500, 900, 2),
];

/// About normal: the sum of twelve uniform numbers, in thousandths of a standard deviation.
fn normal(rng: &mut Rng) -> i64 {
    (0..12).map(|_| i64::try_from(rng.below(1_001)).unwrap()).sum::<i64>() - 6_000
}

struct Person {
    centres: [i64; STYLES.len()],
}

impl Person {
    fn new(rng: &mut Rng) -> Self {
        Self {
            centres: STYLES.each_ref().map(|one| one.centre + one.between * normal(rng) / 1_000),
        }
    }

    /// Drives for so long, up to a time.
    fn drive(&self, rng: &mut Rng, until: Time, length_s: u64) -> Stretch {
        let mut recording = Recording::new(5_000);
        let trip = STYLES.each_ref().map(|one| one.trips * normal(rng) / 1_000);
        for s in 0..=length_s {
            let at = until.minus_ms((length_s - s) * 1_000);
            for ((one, centre), trip) in STYLES.iter().zip(self.centres).zip(trip) {
                if s % one.every_s == 0 {
                    let value = centre + trip + one.readings * normal(rng) / 1_000;
                    let (low, high) = one.attribute.range();
                    let value = i32::try_from(value).unwrap().clamp(low, high);
                    recording.update(Reading::new(at, one.attribute, value));
                }
            }
        }
        recording.finish(until)
    }
}

fn learn(person: &Person, rng: &mut Rng, rules: &Rules, windows: u32) -> StrategySet {
    let learning = after(&[(Event::Apply, 0), (Event::Accept, 0)]);
    let mut habits = Habits::new(Driver::FIRST);
    for tag in 0..windows {
        let ended = REQUEST.plus_ms(u64::from(tag + 1) * 29 * DAY_MS / u64::from(windows));
        let window = person.drive(rng, ended, 600);
        assert_eq!(habits.learn(&learning, tag, &window), Taken::Learned);
    }
    assert!(habits.finish(rules));
    habits.current().unwrap()
}

/// Of so many people, twelve trips each, looked at for one, two and ten minutes.
fn population(rng: &mut Rng, drivers: u32) -> Population {
    let mut all = Population::new();
    for _ in 0..drivers {
        let person = Person::new(rng);
        let mut windows = Vec::new();
        for _ in 0..12 {
            windows.extend([60, 100, 600].map(|length_s| person.drive(rng, REQUEST, length_s)));
        }
        all.update(&windows);
    }
    all
}

/// How often a score of a stranger is below one of the owner; equal ones count half. In basis points.
fn auc(owner: &[i64], stranger: &[i64]) -> u64 {
    let twice: u64 = owner
        .iter()
        .flat_map(|own| stranger.iter().map(move |other| own.cmp(other)))
        .map(|order| match order {
            core::cmp::Ordering::Greater => 2,
            core::cmp::Ordering::Equal => 1,
            core::cmp::Ordering::Less => 0,
        })
        .sum();
    twice * 5_000 / (owner.len() * stranger.len()) as u64
}

#[test]
fn v16_another_driver_shows_as_higher_risk() {
    let mut rng = Rng::new(0x0016);
    let rules = Rules::default();
    let minute = Rules::new(&RulesDraft { preset_s: 60, ..RulesDraft::default() }).unwrap();
    let (mut own, mut other, mut own_1, mut other_1) = (vec![], vec![], vec![], vec![]);
    let mut levels = [[0; 3]; 2];
    for _ in 0..16 {
        let owner = Person::new(&mut rng);
        let set = learn(&owner, &mut rng, &rules, 60);
        // the same habits, compared after half a minute of each attribute
        let quick = set.as_slice().iter().map(|one| {
            DrivingStrategy::new(one.attribute(), one.model().clone(), 30_000, one.weight())
                .unwrap()
        });
        let quick = StrategySet::new(Driver::FIRST, quick.collect()).unwrap();
        for _ in 0..10 {
            let stranger = Person::new(&mut rng);
            for (at, person) in [&owner, &stranger].into_iter().enumerate() {
                let drive = person.drive(&mut rng, REQUEST, 600);
                let outcome = rules.evaluate(&drive, core::slice::from_ref(&set));
                let evaluation = outcome.evaluation().unwrap();
                let scores = if at == 0 { &mut own } else { &mut other };
                scores.push(i64::from(evaluation.conformity.as_u16()));
                levels[at][evaluation.level as usize] += 1;
                let drive = person.drive(&mut rng, REQUEST, 60);
                let outcome = minute.evaluate(&drive, core::slice::from_ref(&quick));
                let scores = if at == 0 { &mut own_1 } else { &mut other_1 };
                scores.push(i64::from(outcome.evaluation().unwrap().conformity.as_u16()));
            }
        }
    }
    let (ten, one) = (auc(&own, &other), auc(&own_1, &other_1));
    println!(
        "AUC at ten minutes {ten}, at one {one} basis points; levels of owner and stranger {levels:?}"
    );
    assert!(ten >= 8_500, "{ten}");
    assert!(one >= 7_500, "{one}");
    // and as levels: nobody is low more often than the owner, nor high less often
    assert!(levels[0][0] > 2 * levels[1][0] && levels[1][2] > 4 * levels[0][2], "{levels:?}");
}

#[test]
fn alarms_keep_their_promise_while_the_owner_drives() {
    let alpha = BasisPoints::new(1_000).unwrap();
    let (mut drives, mut bonferroni, mut average, mut found, mut found_average) =
        (0_u32, 0_u32, 0_u32, 0_u32, 0_u32);
    let mut rng = Rng::new(0x0a1a);
    // One window each of many owners: windows of one owner would share the luck of what was learned.
    for _ in 0..1_000 {
        let person = Person::new(&mut rng);
        let other = Person::new(&mut rng);
        let mut value = |person: &Person, at: usize, one: &Style| {
            let centre = person.centres[at];
            i32::try_from(centre + one.trips * normal(&mut rng) / 1_000).unwrap()
        };
        let mut strategies = vec![];
        let (mut own, mut strange) = (vec![], vec![]);
        for (at, one) in STYLES.iter().enumerate().take(3) {
            let attribute = one.attribute;
            let windows = Windows::new((0..59).map(|_| value(&person, at, one)).collect());
            let band = Band::of(attribute, 0, 1, 200);
            let model = Model::Band(band);
            strategies.push(crate::setting::strategy(attribute, model, 60).with_windows(windows));
            let piece = |value| Piece::new(attribute, value, 600_000);
            own.push(piece(value(&person, at, one)));
            strange.push(piece(value(&other, at, one)));
        }
        let set = StrategySet::new(Driver::FIRST, strategies).unwrap();
        let alarm = |pieces| Alarm::of(&Stretch::new(REQUEST, 600_000, pieces), &set).unwrap();
        let (own, strange) = (alarm(own), alarm(strange));
        drives += 1;
        bonferroni += u32::from(own.by_bonferroni(alpha));
        average += u32::from(own.by_average(alpha));
        found += u32::from(strange.by_bonferroni(alpha));
        found_average += u32::from(strange.by_average(alpha));
        assert_eq!(own.by_bonferroni(alpha), own.p_value() <= alpha);
    }
    println!(
        "of {drives}: false alarms {bonferroni} and {average}, found {found} and {found_average}"
    );
    // at most 10 %, with three standard deviations of 1,000 draws to spare
    assert!(bonferroni <= 100 + 29, "{bonferroni}");
    assert!(average <= 100 + 29, "{average}");
    assert!(found > 3 * bonferroni && found > 250, "{found}");
}

#[test]
fn an_alarm_for_several_drivers_sounds_only_if_it_sounds_for_each() {
    let rules = Rules::default();
    let mut rng = Rng::new(77);
    let (one, two) = (Person::new(&mut rng), Person::new(&mut rng));
    let sets = [learn(&one, &mut rng, &rules, 60), learn(&two, &mut rng, &rules, 60)];
    let alpha = BasisPoints::new(2_000).unwrap();
    let mut alarms = 0;
    for _ in 0..20 {
        let drive = two.drive(&mut rng, REQUEST, 600);
        let sounds = |alarm: &Alarm| alarm.by_bonferroni(alpha);
        let all = Alarm::for_all(&drive, &sets, sounds);
        let each = sets.iter().all(|set| sounds(&Alarm::of(&drive, set).unwrap()));
        assert_eq!(all, each);
        alarms += u32::from(all);
    }
    assert!(alarms <= 8, "{alarms}");
    assert!(!Alarm::for_all(&Stretch::new(REQUEST, 0, []), &sets, |_| true));
    assert!(!Alarm::for_all(&Stretch::new(REQUEST, 0, []), &[], |_| true));
}

#[test]
fn the_sequential_test_keeps_walds_error_rates() {
    // two coins, one of which shows heads 60 of 100 times and the other 40
    let (alpha, beta) = (BasisPoints::new(500).unwrap(), BasisPoints::new(500).unwrap());
    let (heads, tails) = (LogRatio::of(60, 40), LogRatio::of(40, 60));
    let mut wrong = [0; 2];
    let mut rng = Rng::new(0x5eed);
    for (at, odds) in [60, 40].into_iter().enumerate() {
        for _ in 0..2_000 {
            let mut test = Sequential::new(alpha, beta, BasisPoints::ONE);
            let finding = loop {
                test.update(if rng.chance(odds, 100) { heads } else { tails });
                if test.finding() != Finding::Undecided {
                    break test.finding();
                }
            };
            let right = if at == 0 { Finding::Owner } else { Finding::Other };
            wrong[at] += u32::from(finding != right);
        }
    }
    // 5 %, with three standard deviations of 2,000 draws to spare
    assert!(wrong.iter().all(|wrong| *wrong <= 100 + 29), "{wrong:?}");
    assert!(
        wrong.iter().all(|wrong| *wrong > 0),
        "a test that never errs was not tested: {wrong:?}"
    );
}

#[test]
fn v09_stays_the_floor_of_the_sequential_test() {
    let rules = Rules::default();
    let share = |points| BasisPoints::new(points).unwrap();
    let mut test = Sequential::new(share(100), share(100), BasisPoints::ONE);
    test.update(LogRatio::of(1_000_000, 1));
    assert_eq!(test.finding(), Finding::Owner);
    assert_eq!(test.level(&rules, &stretch(599_999)), Err(Rejection::TooShort));
    assert_eq!(test.level(&rules, &stretch(600_000)), Ok(RiskLevel::Low));
    // no credit beyond the bound: as much against is enough to doubt, and twice as much to tell
    let bound = test.sum();
    test.update(-bound);
    assert_eq!(test.level(&rules, &stretch(600_000)), Ok(RiskLevel::Medium));
    test.update(-bound);
    assert_eq!(test.level(&rules, &stretch(600_000)), Ok(RiskLevel::High));
}

#[test]
fn the_sequential_test_tells_a_stranger_minute_by_minute() {
    let rules = Rules::default();
    let mut rng = Rng::new(0xc0de);
    let population = population(&mut rng, 60);
    let share = |points| BasisPoints::new(points).unwrap();
    let (mut owner_other, mut stranger_other, mut owner_low, mut stranger_low) = (0, 0, 0, 0);
    for _ in 0..10 {
        let owner = Person::new(&mut rng);
        let set = learn(&owner, &mut rng, &rules, 60);
        let contrast = Contrast::new(&set, &population);
        for _ in 0..4 {
            let stranger = Person::new(&mut rng);
            for (who, person) in [&owner, &stranger].into_iter().enumerate() {
                let mut test = Sequential::new(share(500), share(500), share(5_000));
                for _ in 0..6 {
                    test.update_from(&contrast, &person.drive(&mut rng, REQUEST, 100));
                }
                let level = test.level(&rules, &stretch(600_000)).unwrap();
                let (low, other) = if who == 0 {
                    (&mut owner_low, &mut owner_other)
                } else {
                    (&mut stranger_low, &mut stranger_other)
                };
                *low += u32::from(level == RiskLevel::Low);
                *other += u32::from(level == RiskLevel::High);
            }
        }
    }
    println!(
        "of 40 each: low {owner_low} and {stranger_low}, high {owner_other} and {stranger_other}"
    );
    assert!(owner_low >= 30 && owner_other <= 6, "{owner_low} {owner_other}");
    assert!(stranger_other >= 26 && stranger_low <= 10, "{stranger_other} {stranger_low}");
}

#[test]
fn v04_the_sequential_test_gives_no_level_to_one_piece_or_none() {
    let rules = Rules::default();
    let test = Sequential::new(BasisPoints::ONE, BasisPoints::ONE, BasisPoints::ONE);
    for count in 0..2 {
        let few = Stretch::new(REQUEST, 900_000, pieces().into_iter().take(count));
        assert_eq!(test.level(&rules, &few), Err(Rejection::TooFewPieces), "{count}");
    }
    let mut broken = pieces();
    broken.iter_mut().skip(1).for_each(|piece| {
        piece.fault = Some(SensorFault::Stuck);
    });
    let broken = Stretch::new(REQUEST, 900_000, broken);
    assert_eq!(test.level(&rules, &broken), Err(Rejection::TooFewPieces));
    assert!(test.level(&rules, &stretch(900_000)).is_ok());
}

#[test]
fn without_a_population_no_value_speaks_for_the_owner() {
    let mut rng = Rng::new(0xb0b);
    let owner = Person::new(&mut rng);
    let set = learn(&owner, &mut rng, &Rules::default(), 60);
    let stretch = owner.drive(&mut rng, REQUEST, 600);
    let few = Population::DRIVERS_MIN - 1;
    for drivers in [0, few] {
        let contrast = Contrast::new(&set, &population(&mut rng, drivers));
        assert_eq!(contrast.of(&stretch), LogRatio::ZERO, "{drivers}");
    }
    let contrast = Contrast::new(&set, &population(&mut rng, few + 1));
    assert_ne!(contrast.of(&stretch), LogRatio::ZERO);
}

#[test]
fn v16_evidence_tells_more_than_matches_and_more_the_longer_it_looks() {
    let rules = Rules::default();
    let mut rng = Rng::new(0xface);
    let population = population(&mut rng, 60);
    let mut scores: [[Vec<i64>; 2]; 3] = Default::default();
    for _ in 0..20 {
        let owner = Person::new(&mut rng);
        let set = learn(&owner, &mut rng, &rules, 60);
        let contrast = Contrast::new(&set, &population);
        for _ in 0..4 {
            let stranger = Person::new(&mut rng);
            for (who, person) in [&owner, &stranger].into_iter().enumerate() {
                let ten = person.drive(&mut rng, REQUEST, 600);
                let one = person.drive(&mut rng, REQUEST, 60);
                let matched = rules.evaluate(&ten, core::slice::from_ref(&set));
                let matched = matched.evaluation().unwrap().conformity.as_u16();
                scores[0][who].push(matched.into());
                scores[1][who].push(contrast.of(&one).as_units().into());
                scores[2][who].push(contrast.of(&ten).as_units().into());
            }
        }
    }
    let [matches, one, ten] = scores.map(|[owner, stranger]| auc(&owner, &stranger));
    println!("matches {matches}, evidence of one minute {one}, of ten {ten}");
    assert!(ten > matches && ten > one && one > 7_500, "{matches} {one} {ten}");
}

#[test]
fn one_sensor_that_went_astray_decides_nothing_alone() {
    let mut rng = Rng::new(0xabba);
    let population = population(&mut rng, 40);
    let owner = Person::new(&mut rng);
    let contrast = Contrast::new(&learn(&owner, &mut rng, &Rules::default(), 60), &population);
    let stretch = owner.drive(&mut rng, REQUEST, 600);
    let with = |piece| {
        let pieces = stretch.pieces().copied().chain([piece]);
        Stretch::new(REQUEST, 600_000, pieces)
    };
    let speed = Attribute::CruiseSpeed;
    let rest: LogRatio = contrast
        .pieces(&stretch)
        .filter(|(attribute, _)| *attribute != speed)
        .map(|(_, says)| says)
        .sum();
    let astray = with(Piece::new(speed, 30_000, 600_000));
    assert_eq!(contrast.of(&astray), rest - Contrast::SAYS_MAX);
    let broken =
        with(Piece { fault: Some(SensorFault::Stuck), ..Piece::new(speed, 6_500, 600_000) });
    assert_eq!(contrast.of(&broken), rest);
    let out_of_range = with(Piece { fault: None, ..Piece::new(speed, i32::MIN, 600_000) });
    assert_eq!(contrast.of(&out_of_range), rest);
}

#[test]
fn the_best_of_several_drivers_says_less_by_the_logarithm_of_their_number() {
    let mut rng = Rng::new(0xd00d);
    let population = population(&mut rng, 40);
    let mut both = Driver::all().take(2).map(|driver| {
        let person = Person::new(&mut rng);
        let set = learn(&person, &mut rng, &Rules::default(), 60);
        let set = StrategySet::new(driver, set.as_slice().to_vec()).unwrap();
        (Contrast::new(&set, &population), person)
    });
    let ((first, _), (second, person)) = (both.next().unwrap(), both.next().unwrap());
    let stretch = person.drive(&mut rng, REQUEST, 1_200);
    assert_eq!(Contrast::best(&[], &stretch), None);
    let alone = second.of(&stretch);
    assert!(alone > first.of(&stretch));
    let (driver, says) = Contrast::best(&[first, second], &stretch).unwrap();
    assert_eq!((driver.as_u8(), says), (1, alone - LogRatio::of(2, 1)));
}

/// The hour and the seat are told apart by how often they occur.
#[test]
fn what_is_rare_among_others_and_usual_for_the_owner_says_most() {
    let rules = Rules::default();
    let departure = |minute, seat| {
        let pieces = [(Attribute::StartTime, minute), (Attribute::SeatSlot, seat)];
        let pieces = pieces.map(|(attribute, value)| Piece::new(attribute, value, 900_000));
        Stretch::new(REQUEST.plus_ms(DAY_MS), 900_000, pieces)
    };
    let mut all = Population::new();
    for driver in 0..100 {
        // nine of ten set off at eight and sit in the first slot
        let one = if driver % 10 == 0 { departure(180, 2) } else { departure(480, 1) };
        all.update(&[one]);
    }
    let says = |minute, seat, now: Stretch| {
        let mut habits = Habits::new(Driver::FIRST);
        let learning = after(&[(Event::Apply, 0), (Event::Accept, 0)]);
        for tag in 0..30 {
            assert_eq!(habits.learn(&learning, tag, &departure(minute, seat)), Taken::Learned);
        }
        assert!(habits.finish(&rules));
        Contrast::new(&habits.current().unwrap(), &all).of(&now)
    };
    let common = says(480, 1, departure(480, 1));
    let rare = says(180, 2, departure(190, 2));
    assert!(rare > common && common > LogRatio::ZERO, "{rare} {common}");
    let stranger = says(180, 2, departure(480, 1));
    assert!(stranger < LogRatio::ZERO - LogRatio::of(10, 1), "{stranger}");
    // a slot that nobody was ever seen with
    assert!(says(480, 1, departure(480, 9)) < common);
}

#[test]
fn a_population_is_the_same_however_it_was_put_together_and_comes_back() {
    let people = |seed, drivers| population(&mut Rng::new(seed), drivers);
    let [one, two] = [people(1, 9), people(2, 11)];
    let (mut first, mut last) = (one.clone(), two.clone());
    first.merge(&two);
    last.merge(&one);
    assert_eq!(first, last);
    assert_eq!(first.drivers(Attribute::CruiseSpeed), 20);
    let mut bytes = Vec::new();
    first.encode(&mut bytes);
    assert_eq!(Population::parse(&bytes), Ok(first));
    for cut in [0, 1, 100, bytes.len() - 1] {
        assert!(Population::parse(&bytes[..cut]).is_err(), "{cut}");
    }
    let mut more = bytes.clone();
    more.push(0);
    assert!(Population::parse(&more).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn foreign_bytes_are_no_population(at in any::<prop::sample::Index>(), byte in any::<u8>(), value in any::<i32>(), coverage_ms in any::<u64>()) {
        static SOME: LazyLock<Population> = LazyLock::new(|| population(&mut Rng::new(3), 8));
        let mut bytes = Vec::new();
        SOME.encode(&mut bytes);
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Ok(all) = Population::parse(&bytes) {
            let mut again = Vec::new();
            all.encode(&mut again);
            prop_assert_eq!(&again, &bytes);
            // whatever it says is bounded
            let windows = Windows::new(vec![2_000; 20]);
            let strategies = Attribute::ALL.iter().filter_map(|attribute| {
                let band = Model::Band(Band::of(*attribute, 2_000, 100, 200));
                let strategy = DrivingStrategy::new(*attribute, band, 60_000, 100).ok()?;
                Some(strategy.with_windows(windows.clone()))
            });
            let set = StrategySet::new(Driver::FIRST, strategies.collect()).unwrap();
            let pieces = Attribute::ALL.map(|attribute| Piece::new(attribute, value, coverage_ms));
            let stretch = Stretch::new(REQUEST, 600_000, pieces);
            for (_, says) in Contrast::new(&set, &all).pieces(&stretch) {
                prop_assert!(says <= Contrast::SAYS_MAX && -says <= Contrast::SAYS_MAX);
            }
        }
    }
}

#[test]
fn of_too_many_windows_those_stay_that_came_first_not_the_smallest() {
    let values: Vec<i32> = (0..1_000).map(|n| (n * 7_919) % 1_000).collect();
    let windows = Windows::new(values.clone());
    let mut first = values[..128].to_vec();
    first.sort_unstable();
    assert_eq!(windows.as_slice(), first);
}
