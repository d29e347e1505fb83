//! Collecting: flaws, policies, shapes of input.

use crate::world::{Rng, vm};
use interbank_vmload::*;
use ndarray::{Array2, ShapeBuilder};
use port::Time;
use proptest::prelude::*;

fn two_metrics() -> Metrics {
    Metrics::new(vec![
        Metric::new("cpu", Scale::Fixed { low: 0.0, high: 100.0 }).unwrap(),
        Metric::new("memory", Scale::Allotment).unwrap(),
    ])
    .unwrap()
}

fn at(s: u64) -> Time {
    Time::from_s(s)
}

#[test]
fn k01_collects_from_one_or_more_machines() {
    let metrics = two_metrics();
    let policy = Policy::default();
    for machines in [1, 5] {
        let samples: Vec<Samples> = (0..machines)
            .map(|n| {
                let mut intake = Intake::new(vm(&format!("vm-{n}")), &metrics, &policy);
                intake.allot(&[0.0, 200.0]).unwrap();
                intake.push(at(1), &[f64::from(n) * 10.0, 100.0]).unwrap();
                intake.finish().unwrap()
            })
            .collect();
        let fleet = Fleet::new(Config { groups: 3, stage_two: two_types(), ..Config::default() });
        let report = fleet.unwrap().assess(&metrics, &samples).unwrap();
        assert_eq!(report.machines.len(), samples.len());
        assert!(report.machines.iter().all(|machine| machine.outcome.is_ok()));
    }
}

fn two_types() -> StageTwo {
    StageTwo { groups: TypeCount::Fixed(2), ..StageTwo::default() }
}

#[test]
fn k02_processing_runs_on_recorded_data() {
    // columns that were recorded somewhere; nothing here is live
    let (cpu, memory) = ([10.0, 20.0, 30.0], [1.0, 2.0, 4.0]);
    let columns: [&[f64]; 2] = [&cpu, &memory];
    let policy = Policy::default();
    let samples =
        Samples::from_columns(vm("a"), &two_metrics(), &columns, &[0.0, 4.0], &policy).unwrap();
    let grid = 0.5 / 4_294_967_296.0;
    for (found, want) in samples.column(0).iter().zip([0.1, 0.2, 0.3]) {
        assert!((found - want).abs() <= grid);
    }
    assert_eq!(samples.column(1), [0.25, 0.5, 1.0]);
    assert_eq!((samples.counts().seen, samples.counts().used), (3, 3));
}

#[test]
fn every_flaw_is_counted_and_dropped_by_default() {
    let metrics = two_metrics();
    let policy = Policy { span: Some((at(100), at(200))), ..Policy::default() };
    let mut intake = Intake::new(vm("a"), &metrics, &policy);
    assert_eq!(intake.push(at(100), &[1.0, 1.0]), Err(Misuse::Allotment.into()));
    intake.allot(&[0.0, 10.0]).unwrap();
    intake.push(at(150), &[50.0, 5.0]).unwrap();
    intake.push(at(100), &[10.0, 1.0]).unwrap(); // disordered
    intake.push(at(150), &[40.0, 6.0]).unwrap(); // duplicate: joined by the highest
    intake.push_partial(at(160), &[None, Some(1.0)]).unwrap();
    intake.push(at(161), &[f64::NAN, 1.0]).unwrap();
    intake.push(at(162), &[1.0, f64::NEG_INFINITY]).unwrap();
    intake.push(at(163), &[120.0, -1.0]).unwrap(); // clamped
    intake.push(at(99), &[1.0, 1.0]).unwrap(); // skewed
    intake.push(at(200), &[1.0, 1.0]).unwrap(); // skewed
    let samples = intake.finish().unwrap();
    assert_eq!(samples.times(), [at(100), at(150), at(163)]);
    assert_eq!(samples.column(0)[1..], [0.5, 1.0]);
    assert_eq!(samples.column(1)[2], 0.0);
    assert!((samples.column(1)[1] - 0.6).abs() < 1e-9);
    let counts = samples.counts();
    assert_eq!((counts.seen, counts.used, counts.dropped, counts.joined), (9, 3, 5, 1));
    assert_eq!((counts.missing, counts.not_a_number, counts.infinite), (1, 1, 1));
    assert_eq!((counts.outside, counts.duplicate, counts.skewed), (1, 1, 2));
    assert_eq!(counts.disordered, 2);
}

#[test]
fn refusals_name_the_flaw_and_take_nothing() {
    let metrics = Metrics::fractions();
    let refuse = Policy {
        missing: OnGap::Refuse,
        not_a_number: OnGap::Refuse,
        infinite: OnGap::Refuse,
        outside: OnOutside::Refuse,
        duplicate: OnDuplicate::Refuse,
        skewed: OnSkew::Refuse,
        span: Some((at(0), at(10))),
    };
    let mut intake = Intake::new(vm("a"), &metrics, &refuse);
    let partial = [Some(0.0), None, Some(0.0)];
    assert_eq!(intake.push_partial(at(1), &partial), Err(Error::Refused(Flaw::Missing)));
    assert_eq!(intake.push(at(1), &[f64::NAN, 0.0, 0.0]), Err(Error::Refused(Flaw::NotANumber)));
    assert_eq!(intake.push(at(1), &[f64::INFINITY, 0.0, 0.0]), Err(Error::Refused(Flaw::Infinite)));
    assert_eq!(intake.push(at(1), &[1.5, 0.0, 0.0]), Err(Error::Refused(Flaw::Outside)));
    assert_eq!(intake.push(at(10), &[0.5, 0.0, 0.0]), Err(Error::Refused(Flaw::Skewed)));
    assert_eq!(intake.push(at(1), &[0.5, 0.0]), Err(Misuse::Shape.into()));
    assert!(intake.is_empty());
    assert_eq!(*intake.counts(), Counts::default());
    intake.push(at(1), &[0.5; 3]).unwrap();
    intake.push(at(1), &[0.5; 3]).unwrap();
    assert_eq!(intake.finish(), Err(Error::Refused(Flaw::Duplicate)));
}

#[test]
fn gaps_are_held_by_what_came_before_and_not_for_too_long() {
    let metrics = Metrics::fractions();
    let hold = OnGap::Hold { age_max_ms: 300_000 };
    let policy = Policy { missing: hold, ..Policy::default() };
    let mut intake = Intake::new(vm("a"), &metrics, &policy);
    // out of order: what counts is the time, not the arrival
    intake.push_partial(at(600), &[None, Some(0.25), Some(0.25)]).unwrap();
    intake.push(at(300), &[0.5, 0.5, 0.5]).unwrap();
    intake.push_partial(at(601), &[None, Some(0.0), Some(0.0)]).unwrap();
    intake.push_partial(at(0), &[None, Some(1.0), Some(1.0)]).unwrap();
    let samples = intake.finish().unwrap();
    assert_eq!(samples.times(), [at(300), at(600)]);
    assert_eq!(samples.column(0), [0.5, 0.5]);
    assert_eq!((samples.counts().held, samples.counts().dropped), (1, 2));
}

#[test]
fn duplicates_follow_the_rule() {
    let metrics = Metrics::fractions();
    for (rule, want) in [
        (OnDuplicate::Highest, [0.75, 0.5, 0.25]),
        (OnDuplicate::First, [0.75, 0.0, 0.25]),
        (OnDuplicate::Last, [0.0, 0.5, 0.25]),
    ] {
        let policy = Policy { duplicate: rule, ..Policy::default() };
        let mut intake = Intake::new(vm("a"), &metrics, &policy);
        intake.push(at(1), &[0.75, 0.0, 0.25]).unwrap();
        intake.push(at(1), &[0.0, 0.5, 0.25]).unwrap();
        let samples = intake.finish().unwrap();
        assert_eq!(samples.row(0).collect::<Vec<_>>(), want, "{rule:?}");
    }
}

#[test]
fn all_shapes_of_input_give_the_same_samples() {
    let mut rng = Rng(7);
    let rows: Vec<f64> = (0..300).map(|_| rng.unit() * 1.2 - 0.1).collect();
    let metrics = Metrics::fractions();
    let policy = Policy::default();
    let from_rows = Samples::from_rows(vm("a"), &metrics, &rows, &[], &policy).unwrap();
    let by_row = Array2::from_shape_vec((100, 3), rows.clone()).unwrap();
    let by_column = Array2::from_shape_fn((100, 3).f(), |at| by_row[at]);
    for view in [by_row.view(), by_column.view()] {
        let samples = Samples::from_view(vm("a"), &metrics, view, &[], &policy).unwrap();
        assert_eq!(samples, from_rows);
    }
    assert_eq!(from_rows.view().dim(), (100, 3));
    assert_eq!(from_rows.view()[(42, 2)], from_rows.column(2)[42]);
    let short = Samples::from_rows(vm("a"), &metrics, &rows[1..], &[], &policy);
    assert_eq!(short, Err(Misuse::Shape.into()));
}

#[test]
fn metrics_that_make_no_sense_are_refused() {
    let fixed = |low, high| Metric::new("m", Scale::Fixed { low, high });
    assert_eq!(fixed(1.0, 1.0), Err(Misuse::Metrics));
    assert_eq!(fixed(0.0, f64::INFINITY), Err(Misuse::Metrics));
    assert_eq!(fixed(f64::MIN, f64::MAX), Err(Misuse::Metrics));
    assert_eq!(Metric::new("", Scale::Fraction), Err(Misuse::Name));
    assert_eq!(VmId::new("a\n"), Err(Misuse::Name));
    let metric = Metric::new("m", Scale::Fraction).unwrap();
    assert_eq!(Metrics::new(vec![metric.clone(), metric]), Err(Misuse::Metrics));
    assert_eq!(Metrics::new(vec![]), Err(Misuse::Metrics));
}

proptest! {
    #[test]
    fn the_order_of_arrival_changes_nothing(
        samples in prop::collection::vec((0_u64..20, [any::<f64>(); 3].prop_map(|x| x), prop::bool::ANY), 0..40),
        seed in any::<u64>(),
    ) {
        let metrics = Metrics::fractions();
        let policy = Policy {
            missing: OnGap::Hold { age_max_ms: 5_000 },
            span: Some((at(2), at(18))),
            ..Policy::default()
        };
        let collect = |samples: &[(u64, [f64; 3], bool)]| {
            let mut intake = Intake::new(vm("a"), &metrics, &policy);
            for (s, readings, is_partial) in samples {
                let mut readings = readings.map(Some);
                if *is_partial {
                    readings[0] = None;
                }
                intake.push_partial(at(*s), &readings).unwrap();
            }
            intake.finish().unwrap()
        };
        let mut shuffled = samples.clone();
        let mut rng = Rng(seed);
        for last in (1..shuffled.len()).rev() {
            shuffled.swap(last, (rng.next() % (last as u64 + 1)) as usize);
        }
        let (a, b) = (collect(&samples), collect(&shuffled));
        prop_assert_eq!(a.times(), b.times());
        prop_assert_eq!(a.as_columns(), b.as_columns());
        prop_assert_eq!(a.counts().used, b.counts().used);
        prop_assert_eq!(a.counts().dropped, b.counts().dropped);
        let counts = a.counts();
        prop_assert_eq!(counts.seen, counts.used + counts.dropped + counts.joined);
        prop_assert!(a.as_columns().iter().all(|load| (0.0..=1.0).contains(load)));
    }
}
