//! Exact groups on a line, histograms, tallies, windows, drift.

use crate::world::{Rng, restless};
use interbank_vmload::*;
use port::Time;
use proptest::prelude::*;

/// The least inertia of any grouping into stretches, by trying all.
fn least_inertia(values: &[(f64, u64)], groups: usize) -> f64 {
    let inertia = |values: &[(f64, u64)]| {
        let weight: f64 = values.iter().map(|(_, n)| *n as f64).sum();
        let mean = values.iter().map(|(x, n)| x * *n as f64).sum::<f64>() / weight;
        values.iter().map(|(x, n)| (x - mean) * (x - mean) * *n as f64).sum::<f64>()
    };
    if groups == 1 || values.len() == 1 {
        return inertia(values);
    }
    (1..values.len())
        .map(|cut| inertia(&values[..cut]) + least_inertia(&values[cut..], groups - 1))
        .fold(inertia(values), f64::min)
}

proptest! {
    #[test]
    fn exact_groups_are_the_best_there_are(
        values in prop::collection::btree_map(0_u32..500, 1_u64..9, 1..=12),
        groups in 1_usize..6,
    ) {
        let values: Vec<(f64, u64)> = values.into_iter().map(|(x, n)| (f64::from(x) / 500.0, n)).collect();
        let found = ExactGroups::new(values.iter().copied(), groups).unwrap();
        let least = least_inertia(&values, groups);
        prop_assert!((found.inertia() - least).abs() <= 1e-12 * (1.0 + least), "{} {least}", found.inertia());
        prop_assert_eq!(found.centres().len(), groups.min(values.len()));
        prop_assert!(found.centres().is_sorted());
        let total: u64 = values.iter().map(|(_, n)| n).sum();
        prop_assert_eq!(found.counts().iter().sum::<u64>(), total);
        // every value is in the group that the cuts say, with the counts that are said
        let mut counts = vec![0; found.centres().len()];
        for (x, n) in &values {
            counts[found.group_of(*x)] += n;
        }
        let again: f64 = values.iter().map(|(x, n)| {
            let far = x - found.centres()[found.group_of(*x)];
            far * far * *n as f64
        }).sum();
        prop_assert!((again - found.inertia()).abs() < 1e-12);
    }

    #[test]
    fn a_tally_forgets_as_exactly_as_it_learns(
        first in prop::collection::vec([0.0..1.0, 0.0..1.0, 0.0..1.0_f64], 1..40),
        second in prop::collection::vec([0.0..1.0, 0.0..1.0, 0.0..1.0_f64], 0..40),
    ) {
        let seeds = SeedSet::axis(3).unwrap();
        let of = |rows: &[[f64; 3]]| {
            let mut tally = Tally::new(&seeds);
            for row in rows {
                tally.add(&seeds, row).unwrap();
            }
            tally
        };
        let (a, b) = (of(&first), of(&second));
        let mut both = a.clone();
        both.merge(&b).unwrap();
        let mut other_way = b.clone();
        other_way.merge(&a).unwrap();
        prop_assert_eq!(&both, &other_way);
        let joined: Vec<[f64; 3]> = second.iter().chain(&first).copied().collect();
        prop_assert_eq!(&both, &of(&joined));
        let mut less = both.clone();
        less.subtract(&b).unwrap();
        prop_assert_eq!(&less, &a);
        for row in &second {
            both.remove(&seeds, row).unwrap();
        }
        prop_assert_eq!(&both, &a);
        let lambda = a.signature(&seeds).unwrap().lambda();
        for (lambda, mean) in lambda.iter().zip(a.mean()) {
            prop_assert!((lambda - mean).abs() < 1e-12);
        }
    }

    #[test]
    fn a_histogram_forgets_as_exactly_as_it_learns(
        first in prop::collection::vec(-0.5..1.5_f64, 0..60),
        second in prop::collection::vec(-0.5..1.5_f64, 0..60),
    ) {
        let of = |loads: &[f64]| {
            let mut histogram = Histogram::new();
            histogram.add_all(loads).unwrap();
            histogram
        };
        let (a, b) = (of(&first), of(&second));
        let mut both = a.clone();
        both.merge(&b).unwrap();
        prop_assert_eq!(both.total(), (first.len() + second.len()) as u64);
        prop_assert_eq!(both.iter().map(|(_, n)| n).sum::<u64>(), both.total());
        let mut less = both.clone();
        less.subtract(&a).unwrap();
        prop_assert_eq!(&less, &b);
        for load in &second {
            both.remove(*load).unwrap();
        }
        prop_assert_eq!(&both, &a);
    }

    #[test]
    fn a_window_holds_what_is_young_in_any_order(
        samples in prop::collection::vec((0_u64..60, [0.0..1.0, 0.0..1.0, 0.0..1.0_f64]), 1..80),
    ) {
        let seeds = SeedSet::axis(3).unwrap();
        let mut window = Window::new(&seeds, 20, 1_000).unwrap();
        let mut plain: std::collections::BTreeMap<u64, [f64; 3]> = std::collections::BTreeMap::new();
        let mut latest = 0;
        for (at, loads) in samples {
            latest = latest.max(at);
            let pushed = window.push(&seeds, Time::from_ms(at), &loads).unwrap();
            plain.retain(|at, _| latest - at < 20);
            let want = if latest - at >= 20 {
                Pushed::TooOld
            } else if let Some(there) = plain.get_mut(&at) {
                for (there, load) in there.iter_mut().zip(loads) {
                    *there = there.max(load);
                }
                Pushed::Joined
            } else {
                plain.insert(at, loads);
                Pushed::Added
            };
            prop_assert_eq!(pushed, want);
            let mut tally = Tally::new(&seeds);
            for loads in plain.values() {
                tally.add(&seeds, loads).unwrap();
            }
            prop_assert_eq!(window.tally(), &tally);
        }
    }
}

#[test]
fn the_number_of_groups_follows_the_data() {
    let mut rng = Rng(3);
    for planted in 1..=4_u32 {
        let mut histogram = Histogram::new();
        for n in 0..4_000_u32 {
            let place = 0.1 + 0.25 * f64::from(n % planted);
            histogram.add(place + rng.noise(0.02)).unwrap();
        }
        let found = ExactGroups::chosen(histogram.iter(), 8, 1e-4).unwrap();
        assert_eq!(found.centres().len(), planted as usize);
        for (n, centre) in found.centres().iter().enumerate() {
            assert!((centre - 0.1 - 0.25 * n as f64).abs() < 0.002);
        }
    }
    // one value alone is one group
    let one = ExactGroups::chosen([(0.5, 1_000)], 8, 1e-4).unwrap();
    assert_eq!((one.centres(), one.inertia()), (&[0.5][..], 0.0));
}

#[test]
fn exact_groups_are_never_worse_than_lloyd_with_restarts() {
    for seed in 0..10 {
        let samples = restless("a", 500, seed);
        let column = samples.column(0);
        let exact = ExactGroups::new(column.iter().map(|&x| (x, 1)), 4).unwrap();
        let points = Points::from_columns(column, 1).unwrap();
        let greedy = Greedy { entropy: [1; 32], restarts: 5 };
        let lloyd = greedy.group(&points, 4, b"", &Lloyd::default()).unwrap();
        assert!(exact.inertia() <= lloyd.inertia() * (1.0 + 1e-12));
    }
}

#[test]
fn input_on_a_line_that_makes_no_sense_is_refused() {
    assert_eq!(ExactGroups::new([], 2), Err(Misuse::Shape));
    assert_eq!(ExactGroups::new([(1.0, 0)], 2), Err(Misuse::Shape));
    assert_eq!(ExactGroups::new([(1.0, 1)], 0), Err(Misuse::Groups));
    assert_eq!(ExactGroups::new([(f64::NAN, 1)], 1), Err(Misuse::NotFinite));
    assert_eq!(ExactGroups::new([(f64::INFINITY, 1)], 1), Err(Misuse::NotFinite));
    assert_eq!(ExactGroups::chosen([(1.0, 1)], 1, 0.0), Err(Misuse::Bounds));
}

#[test]
fn what_was_never_added_cannot_be_removed() {
    let seeds = SeedSet::axis(3).unwrap();
    let mut tally = Tally::new(&seeds);
    assert_eq!(tally.remove(&seeds, &[0.5; 3]), Err(Misuse::NeverAdded));
    tally.add(&seeds, &[0.1; 3]).unwrap();
    assert_eq!(tally.remove(&seeds, &[0.2, 0.1, 0.1]), Err(Misuse::NeverAdded));
    assert_eq!(tally.add(&seeds, &[0.1; 2]), Err(Misuse::Shape));
    assert_eq!(tally.add(&seeds, &[f64::NAN; 3]), Err(Misuse::NotFinite));
    assert_eq!(tally.total(), 1);
    let mut histogram = Histogram::new();
    assert_eq!(histogram.remove(0.5), Err(Misuse::NeverAdded));
    histogram.add(0.5).unwrap();
    assert_eq!((histogram.quantile(0.5), histogram.total()), (Some(0.5), 1));
}

#[test]
fn a_full_window_lets_the_oldest_go() {
    let seeds = SeedSet::axis(1).unwrap();
    let mut window = Window::new(&seeds, 1_000, 3).unwrap();
    for at in [5, 7, 9, 11] {
        let pushed = window.push(&seeds, Time::from_ms(at), &[at as f64 / 100.0]).unwrap();
        assert_eq!(pushed, Pushed::Added);
    }
    assert_eq!((window.len(), window.latest()), (3, Some(Time::from_ms(11))));
    assert!((window.tally().mean()[0] - 0.09).abs() < 1e-9);
    assert_eq!(window.push(&seeds, Time::from_ms(6), &[1.0]), Ok(Pushed::TooOld));
    assert_eq!(Window::new(&seeds, 0, 1), Err(Misuse::Bounds));
}

fn steady_types() -> (Types, Vec<Vec<f64>>) {
    let mut rng = Rng(5);
    let rows: Vec<Vec<f64>> = (0..60)
        .map(|n| {
            let place: [f64; 3] = [[0.8, 0.2, 0.1], [0.2, 0.8, 0.1], [0.1, 0.2, 0.8]][n % 3];
            place.iter().map(|x| x + rng.noise(0.05)).collect()
        })
        .collect();
    let signatures: Vec<Signature> =
        rows.iter().map(|row| Signature::new(&[1], row).unwrap()).collect();
    let signatures: Vec<&Signature> = signatures.iter().collect();
    let seeds = SeedSet::axis(3).unwrap();
    let fitted = StageTwo::default().fit(&Metrics::fractions(), &signatures, Some(&seeds)).unwrap();
    (fitted.types, rows)
}

#[test]
fn drift_is_told_from_chance() {
    let (types, rows) = steady_types();
    let rule = DriftRule::default();
    let quiet = rule.measure(&types, &rows).unwrap();
    assert!(!quiet.is_due);
    assert!(quiet.moves.iter().all(|m| m.members == 20 && m.shift < 1e-12 && m.spread > 0.0));
    // a fifth of the machines of one type is no longer what it was
    let moved: Vec<Vec<f64>> = rows
        .iter()
        .enumerate()
        .map(|(n, row)| if n % 3 == 0 { vec![row[0], row[1] + 0.1, row[2]] } else { row.clone() })
        .collect();
    let drift = rule.measure(&types, &moved).unwrap();
    assert!(drift.is_due);
    assert!((drift.moves[0].shift - 0.1).abs() < 1e-9);
    assert_eq!(drift, rule.measure(&types, &moved).unwrap());
    let wrong = DriftRule { resamples: 0, ..rule };
    assert_eq!(wrong.measure(&types, &rows), Err(Misuse::Bounds.into()));
}

#[test]
fn a_new_machine_is_assigned_without_a_refit() {
    let (types, _) = steady_types();
    let cpu = types.assign(&[0.9, 0.1, 0.1]).unwrap();
    assert_eq!(types.kind(cpu.kind).unwrap().name(), "cpu");
    assert!(cpu.confidence > 0.5 && cpu.confidence <= 1.0);
    assert!(matches!(cpu.reason, Reason::NearerIn { metric: 0, .. }));
    let between: Vec<f64> = (0..3)
        .map(|d| (types.kind(0).unwrap().centre()[d] + types.kind(1).unwrap().centre()[d]) / 2.0)
        .collect();
    assert!(types.assign(&between).unwrap().confidence < 1e-6);
    assert_eq!(types.assign(&[0.5; 2]), Err(Misuse::Shape));
    assert_eq!(types.assign(&[f64::NAN; 3]), Err(Misuse::NotFinite));
}

#[test]
fn the_silhouette_of_a_case_worked_by_hand() {
    // 0, 1 | 5: a(0)=1 b(0)=5 → 0.8; a(1)=1 b(1)=4 → 0.75; 5 is alone → 0
    let points = Points::from_rows(&[0.0, 1.0, 5.0], 1).unwrap();
    let found = silhouette(&points, &[0, 0, 1]).unwrap();
    assert!((found - (0.8 + 0.75) / 3.0).abs() < 1e-15);
    assert_eq!(silhouette(&points, &[0, 0, 0]), Err(Misuse::Groups));
    assert_eq!(silhouette(&points, &[0, 0]), Err(Misuse::Shape));
}
