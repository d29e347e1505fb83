//! The gates, the comparison and the level.

use crate::setting::{REQUEST, owner, pieces, strategy, stretch};
use interbank_risk_core::driving::{
    Attribute, Band, Categorical, CircularBand, Deviation, Driver, DrivingStrategy, Histogram,
    Model, ModelKind, Outcome, Piece, Reason, Rejection, RiskLevel, Rules, RulesDraft, SensorFault,
    Standing, StrategySet, Stretch, Trace,
};
use interbank_risk_core::{BasisPoints, backtest};
use port::Time;
use proptest::prelude::*;

#[test]
fn the_worked_example_to_the_last_digit() {
    let outcome = Rules::default().evaluate(&stretch(900_000), &[owner()]);
    let evaluation = outcome.evaluation().unwrap();
    assert_eq!((evaluation.conformity.as_u16(), evaluation.level), (6_667, RiskLevel::Medium));
    let standings: Vec<Standing> = evaluation.lines().map(|line| line.standing).collect();
    assert_eq!(
        standings,
        [
            Standing::Matches(Deviation::Spreads(50)),
            Standing::Deviates(Deviation::Spreads(300)),
            Standing::Matches(Deviation::Spreads(25)),
            Standing::TooLittle,
        ]
    );
    assert_eq!(Deviation::Spreads(25).to_string(), "0.25 sd");
    let reasons: Vec<(Reason, i32)> =
        evaluation.reasons().as_slice().iter().map(|one| (one.reason, one.basis_points)).collect();
    assert_eq!(
        reasons,
        [
            (Reason::Matches(Attribute::CruiseSpeed), 3_333),
            (Reason::Matches(Attribute::Deceleration), 3_333),
            (Reason::Deviates(Attribute::Acceleration), -3_333),
            (Reason::TooLittle(Attribute::StartTime), 0),
        ]
    );
    let short = Rules::default().evaluate(&stretch(540_000), &[owner()]);
    assert_eq!(short, Outcome::Rejected(Rejection::TooShort));
}

#[test]
fn v04_one_piece_or_none_never_gives_a_level() {
    let rules = Rules::default();
    for count in 0..2 {
        let few = Stretch::new(REQUEST, 900_000, pieces().into_iter().take(count));
        assert_eq!(rules.evaluate(&few, &[owner()]).rejection(), Some(Rejection::TooFewPieces));
    }
    let two = Stretch::new(REQUEST, 900_000, pieces().into_iter().take(2));
    assert_eq!(rules.evaluate(&two, &[owner()]).level(), Some(RiskLevel::Medium));
    // two pieces, one of which cannot be compared, are one
    let [cruise, .., start] = pieces();
    let one = Stretch::new(REQUEST, 900_000, [cruise, start]);
    assert_eq!(rules.evaluate(&one, &[owner()]).rejection(), Some(Rejection::TooFewPieces));
}

#[test]
fn v07_a_piece_without_a_strategy_is_left_out_and_spare_strategies_are_fine() {
    let rules = Rules::default();
    let before = rules.evaluate(&stretch(900_000), &[owner()]);
    let with = pieces().into_iter().chain([Piece::new(Attribute::UpshiftRpm, 9_000, 900_000)]);
    let after = rules.evaluate(&Stretch::new(REQUEST, 900_000, with), &[owner()]);
    let (before, after) = (before.evaluation().unwrap(), after.evaluation().unwrap());
    assert_eq!((before.conformity, before.level), (after.conformity, after.level));
    let no = Reason::NoStrategy(Attribute::UpshiftRpm);
    assert!(after.reasons().as_slice().iter().any(|one| one.reason == no && one.basis_points == 0));
    // M > N: one spare strategy changes nothing
    let mut more = owner().as_slice().to_vec();
    let steering = Model::Band(Band::of(Attribute::SteeringRate, 300, 50, 200));
    more.push(strategy(Attribute::SteeringRate, steering, 300));
    let spare = StrategySet::new(Driver::FIRST, more).unwrap();
    let with_spare = rules.evaluate(&stretch(900_000), &[spare]);
    assert_eq!(with_spare.evaluation(), Some(before));
}

#[test]
fn v09_shorter_than_the_preset_length_is_refused_before_any_data_is_judged() {
    let rules = Rules::default();
    assert_eq!(
        rules.evaluate(&stretch(599_999), &[owner()]).rejection(),
        Some(Rejection::TooShort)
    );
    // even where the data alone would be refused for another reason
    let empty = Stretch::new(REQUEST, 599_000, []);
    assert_eq!(rules.evaluate(&empty, &[owner()]).rejection(), Some(Rejection::TooShort));
    // and there is nothing to compare with before strategies exist
    assert_eq!(rules.evaluate(&empty, &[]).rejection(), Some(Rejection::NotReady));
}

#[test]
fn v10_exactly_the_preset_length_is_evaluated() {
    let outcome = Rules::default().evaluate(&stretch(600_000), &[owner()]);
    assert_eq!(outcome.level(), Some(RiskLevel::Medium));
}

#[test]
fn v11_a_piece_below_its_own_length_counts_neither_way() {
    let rules = Rules::default();
    let conformity = |start_value, coverage_ms| {
        let [cruise, acceleration, deceleration, _] = pieces();
        let start = Piece::new(Attribute::StartTime, start_value, coverage_ms);
        let all = Stretch::new(REQUEST, 900_000, [cruise, acceleration, deceleration, start]);
        rules.evaluate(&all, &[owner()]).evaluation().map(|one| one.conformity.as_u16())
    };
    assert_eq!(conformity(474, 59_999), Some(6_667));
    assert_eq!(conformity(474, 60_000), Some(7_500));
    assert_eq!(conformity(1_200, 60_000), Some(5_000));
    assert_eq!(conformity(1_200, 59_999), Some(6_667));
}

#[test]
fn levels_change_exactly_at_their_borders() {
    let rules = Rules::default();
    let level = |points| rules.level(BasisPoints::new(points).unwrap());
    assert_eq!([0, 4_999].map(level), [RiskLevel::High; 2]);
    assert_eq!([5_000, 7_999].map(level), [RiskLevel::Medium; 2]);
    assert_eq!([8_000, 10_000].map(level), [RiskLevel::Low; 2]);
}

#[test]
fn a_faulty_piece_is_left_out_with_its_reason() {
    let mut all = pieces();
    all[1].fault = Some(SensorFault::Stuck);
    let outcome = Rules::default().evaluate(&Stretch::new(REQUEST, 900_000, all), &[owner()]);
    let evaluation = outcome.evaluation().unwrap();
    assert_eq!(evaluation.conformity, BasisPoints::ONE);
    let faulty = Reason::Faulty(Attribute::Acceleration, SensorFault::Stuck);
    assert!(evaluation.reasons().as_slice().iter().any(|one| one.reason == faulty));
}

#[test]
fn the_best_of_several_drivers_counts_less_the_penalty() {
    let rules = Rules::default();
    let other = |number| {
        let strange = Model::Band(Band::of(Attribute::CruiseSpeed, 15_000, 100, 200));
        let hard = Model::Band(Band::of(Attribute::Acceleration, 9_000, 100, 200));
        let set = vec![
            strategy(Attribute::CruiseSpeed, strange, 300),
            strategy(Attribute::Acceleration, hard, 300),
        ];
        StrategySet::new(Driver::new(number).unwrap(), set).unwrap()
    };
    let mut mine = owner().as_slice().to_vec();
    mine.remove(1);
    let mine = StrategySet::new(Driver::FIRST, mine).unwrap();
    let outcome = rules.evaluate(&stretch(900_000), &[other(1), mine, other(2), other(3)]);
    let evaluation = outcome.evaluation().unwrap();
    assert_eq!(evaluation.driver, Driver::FIRST);
    assert_eq!((evaluation.matched.as_u16(), evaluation.conformity.as_u16()), (10_000, 9_307));
    assert_eq!(evaluation.reasons().as_slice()[2].reason, Reason::SeveralDrivers);
    assert_eq!(evaluation.recombined(), evaluation.conformity);
}

fn any_model(attribute: Attribute) -> BoxedStrategy<Model> {
    let (low, high) = attribute.range();
    let tail = BasisPoints::new(500).unwrap();
    let values = prop::collection::vec(low..=high, 2..40);
    match attribute.model_kind() {
        ModelKind::Band | ModelKind::RobustBand => {
            let spread = 0..u32::try_from(high - low).unwrap();
            (low..=high, spread, 50_u16..400)
                .prop_map(move |(centre, spread, k)| {
                    Model::Band(Band::of(attribute, centre, spread, k))
                })
                .boxed()
        }
        ModelKind::Circular => (0_u16..1_440, 1_u16..720, 50_u16..400)
            .prop_map(|(centre, spread, k)| Model::Circular(CircularBand::of(centre, spread, k)))
            .boxed(),
        ModelKind::Categorical => values
            .prop_map(move |values| {
                let mut counts = Categorical::new();
                values.iter().for_each(|value| counts.update(*value));
                Model::Categorical(counts, tail)
            })
            .boxed(),
        ModelKind::Histogram => values
            .prop_map(move |values| {
                let mut counts = Histogram::new(attribute);
                values.iter().for_each(|value| counts.update(*value));
                Model::Histogram(counts, tail)
            })
            .boxed(),
    }
}

pub(crate) fn any_set() -> impl Strategy<Value = StrategySet> {
    let one = prop::sample::select(Attribute::ALL.to_vec()).prop_flat_map(|attribute| {
        (any_model(attribute), 0_u32..900_000, 1_u16..=10_000).prop_map(
            move |(model, len, weight)| {
                DrivingStrategy::new(attribute, model, len, weight).unwrap()
            },
        )
    });
    (0_u8..4, prop::collection::vec(one, 0..20)).prop_map(|(driver, mut all)| {
        all.sort_by_key(DrivingStrategy::attribute);
        all.dedup_by_key(|strategy| strategy.attribute());
        StrategySet::new(Driver::new(driver).unwrap(), all).unwrap()
    })
}

fn any_fault() -> impl Strategy<Value = Option<SensorFault>> {
    prop_oneof![
        8 => Just(None),
        1 => Just(Some(SensorFault::Stuck)),
        1 => Just(Some(SensorFault::ClockJump)),
        1 => Just(Some(SensorFault::OutOfRange)),
    ]
}

pub(crate) fn any_stretch() -> impl Strategy<Value = Stretch> {
    let piece = (
        prop::sample::select(Attribute::ALL.to_vec()),
        any::<i32>(),
        any::<u16>(),
        0_u64..1_500_000,
        any_fault(),
    )
        .prop_map(|(attribute, value, part, coverage_ms, fault)| {
            // half of them in range
            let (low, high) = attribute.range();
            let within =
                low + i32::try_from(i64::from(high - low) * i64::from(part) / 65_535).unwrap();
            let value = if part % 2 == 0 { within } else { value };
            Piece { attribute, value, coverage_ms, fault }
        });
    (any::<u64>(), 0_u64..1_500_000, prop::collection::vec(piece, 0..24))
        .prop_map(|(at, length_ms, pieces)| Stretch::new(Time::from_ms(at), length_ms, pieces))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn v12_a_mismatch_in_place_of_a_match_never_lowers_the_level(
        at in 0_usize..4, length_s in 600_u64..2_000, values in prop::array::uniform4(0_i32..1_439), cover in prop::array::uniform4(0_u64..900_000),
        weights in prop::array::uniform4(1_u16..=10_000),
    ) {
        let plain = owner();
        let set = plain.as_slice().iter().zip(weights).map(|(one, weight)| {
            DrivingStrategy::new(one.attribute(), one.model().clone(), one.min_len_ms(), weight).unwrap()
        });
        let sets = [StrategySet::new(Driver::FIRST, set.collect()).unwrap(), owner()];
        let mut all = pieces();
        for (piece, (value, coverage_ms)) in all.iter_mut().zip(values.into_iter().zip(cover)) {
            *piece = Piece::new(piece.attribute, value + piece.value / 2, coverage_ms);
        }
        let rules = Rules::default();
        let before = rules.evaluate(&Stretch::new(REQUEST, length_s * 1_000, all), &sets);
        // far from all that any of the four bands accepts
        all[at].value = if all[at].attribute == Attribute::StartTime { 1_185 } else { 15_000 };
        let after = rules.evaluate(&Stretch::new(REQUEST, length_s * 1_000, all), &sets);
        let faultless = all.iter().all(|piece| piece.fault.is_none());
        if faultless {
            prop_assert_eq!(before.rejection(), after.rejection());
            prop_assert!(after.level() >= before.level(), "{:?} {:?}", before, after);
        }
    }

    #[test]
    fn any_evaluation_is_total_recombines_and_survives_its_trace(stretch in any_stretch(), sets in prop::collection::vec(any_set(), 0..4)) {
        let rules = Rules::default();
        let trace = rules.trace(&stretch, &sets);
        prop_assert_eq!(trace.recompute(), *trace.outcome());
        if let Some(evaluation) = trace.outcome().evaluation() {
            prop_assert_eq!(evaluation.recombined(), evaluation.conformity);
            prop_assert_eq!(rules.level(evaluation.conformity), evaluation.level);
        }
        let mut bytes = vec![];
        trace.encode(&mut bytes);
        let read = Trace::parse(&bytes).unwrap();
        prop_assert_eq!(&read, &trace);
        let mut again = vec![];
        read.encode(&mut again);
        prop_assert_eq!(again, bytes);
    }

    #[test]
    fn foreign_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..400), at in any::<prop::sample::Index>(), stretch in any_stretch(), set in any_set()) {
        let _ = Trace::parse(&bytes);
        let mut good = vec![];
        let sets = [set];
        Rules::default().trace(&stretch, &sets).encode(&mut good);
        let at = at.index(good.len());
        good[at] ^= bytes.first().copied().unwrap_or(1);
        if let Ok(trace) = Trace::parse(&good) {
            let _ = trace.recompute();
            let mut again = vec![];
            trace.encode(&mut again);
            prop_assert_eq!(&again, &good);
        }
        prop_assert!(Trace::parse(&good[..at]).is_err());
    }
}

#[test]
fn a_draft_of_rules_is_tried_over_recorded_traces() {
    let live = Rules::default();
    let recorded = |length_ms| {
        let mut bytes = vec![];
        live.trace(&stretch(length_ms), &[owner()]).encode(&mut bytes);
        Trace::parse(&bytes).unwrap()
    };
    let history: Vec<(bool, Trace<'static>)> =
        [500_000, 600_000, 900_000].map(|length_ms| (true, recorded(length_ms))).into();
    let draft =
        RulesDraft { preset_s: 700, medium_from: 6_667, low_from: 9_000, ..RulesDraft::default() };
    let draft = Rules::new(&draft).unwrap();
    let cases = history.iter().map(|(truth, case)| (*truth, case));
    let report = backtest::run(&live, &draft, cases, 9, || 0);
    let (medium, short) = (Ok(RiskLevel::Medium), Err(Rejection::TooShort));
    assert_eq!((report.count(true, short), report.count(true, medium)), (1, 2));
    assert_eq!(report.comparison.examples(medium, short), [1]);
    assert_eq!((report.comparison.agreed(), report.comparison.differed()), (2, 1));
}
