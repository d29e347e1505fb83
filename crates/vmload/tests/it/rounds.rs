//! Both rounds: the elements of the described system, worked by hand where that is possible.

use crate::world::{Rng, adjusted_rand, machine, restless, vm};
use interbank_vmload::*;
use proptest::prelude::*;

fn assess(config: Config, samples: &[Samples]) -> Report {
    Fleet::new(config).unwrap().assess(&Metrics::fractions(), samples).unwrap()
}

fn found<'a>(report: &'a Report, vm: &str) -> &'a Assessed {
    report.find(vm).unwrap().outcome.as_ref().unwrap()
}

fn close(a: &[f64], b: &[f64], tolerance: f64) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() <= tolerance)
}

/// Six machines, each steady at one place, so that λ is that place.
fn six() -> Vec<Samples> {
    let places = [
        ("a", [0.80, 0.30, 0.10]),
        ("b", [0.60, 0.20, 0.20]),
        ("c", [0.20, 0.90, 0.10]),
        ("d", [0.30, 0.60, 0.20]),
        ("e", [0.10, 0.20, 0.70]),
        ("f", [0.33, 0.37, 0.14]),
    ];
    places.iter().map(|(name, place)| machine(name, &[*place; 3])).collect()
}

#[test]
fn k03_another_machines_samples_change_nothing() {
    let (a, b, other_b) = (restless("a", 300, 1), restless("b", 300, 2), restless("b", 200, 3));
    let before = assess(Config::default(), &[a.clone(), b]);
    let after = assess(Config::default(), &[a, other_b]);
    assert_eq!(found(&before, "a").signature, found(&after, "a").signature);
    assert_eq!(found(&before, "a").lambda, found(&after, "a").lambda);
    assert_ne!(found(&before, "b").signature, found(&after, "b").signature);
    // nor where each machine draws its own seeds
    let config = || Config::drawn(4, 2, [9; 32], 2);
    let before = assess(config(), &[restless("a", 300, 1), restless("b", 300, 2)]);
    let after = assess(config(), &[restless("a", 300, 1), restless("b", 200, 3)]);
    assert_eq!(found(&before, "a").signature, found(&after, "a").signature);
}

#[test]
fn k04_each_centre_is_the_mean_of_its_members() {
    for (seeding, len) in
        [(Seeding::Axis, 2_016), (Seeding::Vertices, 1_001), (Seeding::FarthestFirst, 77)]
    {
        let samples = restless("a", len, 4);
        let stage =
            StageOne::new(4, 3, &seeding, Lloyd::default(), [&samples].into_iter()).unwrap();
        let grouping = stage.group(&samples).unwrap();
        assert!(grouping.has_converged());
        for group in 0..4 {
            let members: Vec<usize> =
                (0..len).filter(|&at| usize::from(grouping.labels()[at]) == group).collect();
            assert_eq!(grouping.counts()[group], members.len() as u64);
            let want: Vec<f64> = (0..3)
                .map(|metric| {
                    let sum: f64 = members.iter().map(|&at| samples.column(metric)[at]).sum();
                    sum / members.len() as f64
                })
                .collect();
            if members.is_empty() {
                assert_eq!(grouping.centre(group), stage.seeds().unwrap().seed(group));
            } else {
                assert!(close(grouping.centre(group), &want, 1e-12), "{seeding:?} {group}");
            }
        }
    }
}

#[test]
fn k05_lambda_follows_from_published_shares_and_centres() {
    let report = assess(Config::default(), &[restless("a", 500, 5), restless("b", 400, 6)]);
    for name in ["a", "b"] {
        let assessed = found(&report, name);
        let mut lambda = [0.0; 3];
        for group in 0..assessed.signature.groups() {
            let Share { count, total } = assessed.signature.share(group);
            for (sum, centre) in lambda.iter_mut().zip(assessed.signature.centre(group)) {
                *sum += count as f64 / total as f64 * centre;
            }
        }
        assert_eq!(assessed.lambda, lambda);
    }
}

#[test]
fn k06_stage_two_needs_signatures_alone() {
    let samples = six();
    let report = assess(Config::default(), &samples);
    // signatures of the same λ that no sample stands behind
    let signatures: Vec<Signature> = report
        .machines
        .iter()
        .map(|machine| Signature::new(&[1], &machine.outcome.as_ref().unwrap().lambda).unwrap())
        .collect();
    let signatures: Vec<&Signature> = signatures.iter().collect();
    let seeds = SeedSet::axis(3).unwrap();
    let fitted = StageTwo::default().fit(&Metrics::fractions(), &signatures, Some(&seeds)).unwrap();
    assert_eq!(fitted.types, report.types);
}

#[test]
fn k07_every_machine_has_a_type_and_a_load_or_its_error() {
    let mut samples: Vec<Samples> =
        (0..20).map(|n| restless(&format!("vm-{n:02}"), 1 + n, n as u64)).collect();
    samples.push(machine("without", &[]));
    samples.push(machine("idle", &[[0.0; 3]; 9]));
    samples.push(machine("full", &[[1.0; 3]; 9]));
    for formula in
        [LoadFormula::Norm, LoadFormula::Mean, LoadFormula::Highest, LoadFormula::AlongType]
    {
        let mut config = Config::default();
        config.stage_two.formula = formula;
        let report = assess(config, &samples);
        assert_eq!(report.machines.len(), samples.len());
        for machine in &report.machines {
            if machine.vm.as_str() == "without" {
                assert_eq!(machine.outcome, Err(Error::NoSamples));
                continue;
            }
            let assessed = machine.outcome.as_ref().unwrap();
            assert!(assessed.assignment.kind < 3);
            assert!((0.0..=1.0 + 1e-12).contains(&assessed.load), "{}", assessed.load);
            assert!((0.0..=1.0).contains(&assessed.assignment.confidence));
        }
        assert_eq!(found(&report, "idle").load, 0.0);
        assert!((found(&report, "full").load - 1.0).abs() < 1e-12, "{formula:?}");
    }
    let nobody = Fleet::new(Config::default()).unwrap();
    assert_eq!(nobody.assess(&Metrics::fractions(), &[]), Err(Error::NoSamples));
    let twice = [machine("a", &[[0.0; 3]]), machine("a", &[[0.0; 3]])];
    let refused = nobody.assess(&Metrics::fractions(), &twice);
    assert_eq!(refused, Err(Misuse::DoubleVm.into()));
}

#[test]
fn k08_stage_one_has_more_groups_than_stage_two() {
    for (groups, types, fits) in
        [(4, 3, true), (4, 4, false), (3, 4, false), (2, 1, true), (4, 0, false)]
    {
        let fleet = Fleet::new(Config::drawn(groups, types, [0; 32], 1));
        assert_eq!(fleet.is_ok(), fits, "{groups} and {types}");
    }
    assert_eq!(Fleet::new(Config::drawn(257, 3, [0; 32], 1)), Err(Misuse::Groups));
}

/// The greatest smallest squared distance of any so many vertices.
fn best_apart(dimension: u32, groups: u32) -> u32 {
    let vertices = 1_u32 << dimension;
    let mut best = 0;
    for chosen in 0_u64..1 << vertices {
        if chosen.count_ones() != groups {
            continue;
        }
        let words: Vec<u32> = (0..vertices).filter(|word| chosen >> word & 1 == 1).collect();
        let pairs =
            words.iter().flat_map(|a| words.iter().filter(move |b| a < *b).map(move |b| a ^ b));
        best = best.max(pairs.map(u32::count_ones).min().unwrap_or(0));
    }
    best
}

#[test]
fn k09_seeds_are_as_far_apart_as_possible() {
    let seeds = SeedSet::vertices(3, 4).unwrap();
    assert_eq!(seeds.as_rows(), [0., 0., 0., 1., 1., 0., 1., 0., 1., 0., 1., 1.]);
    assert_eq!(seeds.apart(), 2_f64.sqrt());
    for dimension in 1..=4 {
        for groups in 2..=(1 << dimension).min(6) {
            let seeds = SeedSet::vertices(dimension as usize, groups as usize).unwrap();
            let best = f64::from(best_apart(dimension, groups));
            // a lexicographic code may fall one step short of the best one; never below half of it
            let found = seeds.apart() * seeds.apart();
            assert!(found + 1e-12 >= best || found * 2.0 + 1e-12 >= best, "{dimension} {groups}");
        }
    }
    for groups in 2..=4 {
        let seeds = SeedSet::vertices(3, groups as usize).unwrap();
        let found = seeds.apart() * seeds.apart();
        assert!((found - f64::from(best_apart(3, groups))).abs() < 1e-12, "{groups}");
    }
    assert_eq!(SeedSet::axis(3).unwrap().apart(), 1.0);
}

#[test]
fn k09_farthest_first_is_within_half_of_the_best() {
    for seed in 0..20 {
        let samples = restless("a", 12, seed);
        let seeds = SeedSet::farthest_first([&samples].into_iter(), 4).unwrap();
        let mut best: f64 = 0.0;
        for chosen in 0_u32..1 << 12 {
            if chosen.count_ones() == 4 {
                let rows: Vec<f64> = (0..12)
                    .filter(|at| chosen >> at & 1 == 1)
                    .flat_map(|at| samples.row(at).collect::<Vec<_>>())
                    .collect();
                best = best.max(SeedSet::given(&rows, 3).map_or(0.0, |set| set.apart()));
            }
        }
        assert!(seeds.apart() * 2.0 >= best, "{} of {best}", seeds.apart());
    }
    // too few distinct samples: vertices fill up
    let steady = machine("a", &[[0.5; 3]; 5]);
    let seeds = SeedSet::farthest_first([&steady].into_iter(), 4).unwrap();
    assert_eq!(seeds.len(), 4);
}

#[test]
fn k10_seeds_of_stage_two_are_seeds_of_stage_one() {
    let samples = six();
    for seeding in [Seeding::Axis, Seeding::Vertices, Seeding::FarthestFirst] {
        let fleet = Fleet::new(Config { seeding, ..Config::default() }).unwrap();
        let stage_one = fleet.stage_one(&Metrics::fractions(), samples.iter()).unwrap();
        let all = stage_one.seeds().unwrap();
        let subset = all.last(3).unwrap();
        for at in 0..3 {
            let bits = |seed: &[f64]| seed.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
            assert!((0..4).any(|of| bits(all.seed(of)) == bits(subset.seed(at))));
        }
        let report = fleet.assess(&Metrics::fractions(), &samples).unwrap();
        let used: Vec<_> = report.types.iter().map(|kind| kind.seed()).collect();
        assert_eq!(used, [Some(1), Some(2), Some(3)]);
    }
    let seeds = SeedSet::axis(3).unwrap();
    assert_eq!(seeds.subset(&[1, 1]), Err(Misuse::Seeds));
    assert_eq!(seeds.subset(&[4]), Err(Misuse::Seeds));
}

#[test]
fn k11_four_groups_and_three_types_unless_told_otherwise() {
    let config = Config::default();
    assert_eq!((config.groups, config.stage_two.groups), (4, TypeCount::Fixed(3)));
    let report = assess(config, &six());
    assert_eq!(found(&report, "a").signature.groups(), 4);
    assert_eq!(report.types.len(), 3);
    // and told otherwise
    let report = assess(Config::drawn(6, 5, [1; 32], 3), &six());
    assert_eq!((found(&report, "a").signature.groups(), report.types.len()), (6, 5));
}

#[test]
fn k12_shares_are_counts_over_the_total() {
    let samples = restless("a", 997, 8);
    let report = assess(Config::default(), &[samples]);
    let signature = &found(&report, "a").signature;
    let counts: u64 = signature.iter().map(|(share, _)| share.count).sum();
    assert_eq!((counts, signature.total()), (997, 997));
    assert!(signature.iter().all(|(share, _)| share.total == 997));
}

#[test]
fn k13_three_coordinates_and_any_other_number() {
    assert_eq!(Metrics::fractions().dimension(), 3);
    for dimension in [1, 2, 5, 9, 17, 33, 64] {
        let metric = |n| Metric::new(&format!("m{n}"), Scale::Fraction).unwrap();
        let metrics = Metrics::new((0..dimension).map(metric).collect()).unwrap();
        let mut rng = Rng(dimension as u64);
        let rows: Vec<f64> = (0..dimension * 40).map(|_| rng.unit()).collect();
        let policy = Policy::default();
        let samples = Samples::from_rows(vm("a"), &metrics, &rows, &[], &policy).unwrap();
        let fleet = Fleet::new(Config::drawn(4, 3, [3; 32], 1)).unwrap();
        let report = fleet.assess(&metrics, std::slice::from_ref(&samples)).unwrap();
        let assessed = found(&report, "a");
        assert_eq!(assessed.signature.centre(0).len(), dimension);
        assert!(close(&assessed.lambda, &samples.mean(), 1e-12));
    }
}

#[test]
fn k14_lambda_of_the_example_worked_by_hand() {
    let centres = [0.1, 0.2, 0.0, 0.8, 0.3, 0.1, 0.2, 0.9, 0.1, 0.1, 0.2, 0.9];
    let signature = Signature::new(&[4, 3, 2, 1], &centres).unwrap();
    let lambda = signature.lambda();
    assert!(close(&lambda, &[0.33, 0.37, 0.14], 1e-15), "{lambda:?}");
    assert_eq!(format!("{:.4}", LoadFormula::Norm.load(&lambda)), "0.2974");
    assert_eq!(format!("{:.2}", LoadFormula::Mean.load(&lambda)), "0.28");
    assert_eq!(format!("{:.2}", LoadFormula::Highest.load(&lambda)), "0.37");
    assert_eq!(format!("{:.2}", signature.convex_load(LoadFormula::Highest)), "0.59");
    assert_eq!(format!("{:.2}", signature.burstiness(LoadFormula::Highest)), "0.22");
    // the other formula of a machine without a type: the mean coordinate
    assert_eq!(LoadFormula::AlongType.load(&lambda), LoadFormula::Mean.load(&lambda));
}

#[test]
fn k14_lambda_is_the_sample_mean_once_centres_are_means() {
    for rounds_max in [1, 2, 100] {
        for seeding in [Seeding::Axis, Seeding::Vertices, Seeding::FarthestFirst] {
            let samples = restless("a", 2_016, 11);
            let config = Config { seeding, lloyd: Lloyd { rounds_max }, ..Config::default() };
            let report = assess(config, std::slice::from_ref(&samples));
            assert!(close(&found(&report, "a").lambda, &samples.mean(), 1e-12));
        }
    }
}

#[test]
fn k14_types_of_the_example_worked_by_hand() {
    let report = assess(Config::default(), &six());
    let kinds: Vec<usize> =
        ["a", "b", "c", "d", "e", "f"].map(|vm| found(&report, vm).assignment.kind).into();
    assert_eq!(kinds, [0, 0, 1, 1, 2, 1]);
    let names: Vec<&str> = report.types.iter().map(|kind| kind.name()).collect();
    assert_eq!(names, ["cpu", "memory", "io"]);
    let centre = |kind: usize| report.types.kind(kind).unwrap().centre();
    assert!(close(centre(0), &[0.70, 0.25, 0.15], 1e-9));
    assert!(close(centre(1), &[0.83 / 3.0, 1.87 / 3.0, 0.44 / 3.0], 1e-9));
    assert!(close(centre(2), &[0.10, 0.20, 0.70], 1e-9));
    let loads = ["a", "b", "c", "d", "e", "f"].map(|vm| format!("{:.4}", found(&report, vm).load));
    assert_eq!(loads, ["0.4967", "0.3830", "0.5354", "0.4041", "0.4243", "0.2974"]);
    assert_eq!(report.types.kind(1).unwrap().members(), 3);
    let reason = found(&report, "a").assignment.reason;
    assert_eq!(reason, Reason::NearerIn { metric: 0, than: 1 });

    // the tetrahedron's last three decide otherwise, and leave one type without members
    let config = Config { seeding: Seeding::Vertices, ..Config::default() };
    let report = assess(config, &six());
    let kinds: Vec<usize> =
        ["a", "b", "c", "d", "e", "f"].map(|vm| found(&report, vm).assignment.kind).into();
    assert_eq!(kinds, [0, 0, 0, 0, 2, 0]);
    let empty = report.types.kind(1).unwrap();
    assert_eq!((empty.members(), empty.centre()), (0, &[1.0, 0.0, 1.0][..]));
}

#[test]
fn k15_functions_and_modules_agree() {
    let samples = [restless("a", 100, 1), restless("b", 100, 2), restless("c", 100, 3)];
    let report = assess(Config::default(), &samples);
    // the method, step by step
    let seeds = SeedSet::axis(3).unwrap();
    let signatures: Vec<Signature> = samples
        .iter()
        .map(|of_vm| {
            let grouping = Lloyd::default().group(&Points::from(of_vm), &seeds).unwrap();
            Signature::of(&grouping).unwrap()
        })
        .collect();
    let lambdas: Vec<f64> = signatures.iter().flat_map(Signature::lambda).collect();
    let points = Points::from_rows(&lambdas, 3).unwrap();
    let types = Lloyd::default().group(&points, &seeds.last(3).unwrap()).unwrap();
    for (at, name) in ["a", "b", "c"].into_iter().enumerate() {
        assert_eq!(found(&report, name).signature, signatures[at]);
        assert_eq!(found(&report, name).assignment.kind, usize::from(types.labels()[at]));
    }
    for kind in 0..3 {
        assert_eq!(report.types.kind(kind).unwrap().centre(), types.centre(kind));
    }
}

/// Half of the machines are steady, half jump between extremes; the mean loads of all are alike.
fn planted(machines: usize) -> (Vec<Samples>, Vec<usize>) {
    let mut rng = Rng(77);
    let mut truth = Vec::new();
    let samples = (0..machines)
        .map(|n| {
            let is_bursty = rng.next() % 2 == 1;
            truth.push(usize::from(is_bursty));
            let mean = [0; 3].map(|_| 0.5 + rng.noise(0.05));
            let rows: Vec<[f64; 3]> = (0..200)
                .map(|at| {
                    let sign = if at % 2 == 0 { 1.0 } else { -1.0 };
                    let swing = if is_bursty { 0.35 * sign } else { 0.0 };
                    // the metrics take turns: a machine that swings along the diagonal has no gap
                    let swings = [swing, -swing, swing];
                    [0, 1, 2].map(|metric| mean[metric] + swings[metric] + rng.noise(0.02))
                })
                .collect();
            machine(&format!("vm-{n:03}"), &rows)
        })
        .collect();
    (samples, truth)
}

fn agreement(report: &Report, truth: &[usize]) -> f64 {
    let kinds: Vec<usize> = report
        .machines
        .iter()
        .map(|machine| machine.outcome.as_ref().unwrap().assignment.kind)
        .collect();
    adjusted_rand(&kinds, truth)
}

#[test]
fn bursts_are_seen_by_profiles_and_not_by_lambda() {
    let (samples, truth) = planted(120);
    let mut config = Config::drawn(4, 2, [5; 32], 5);
    let by_lambda = agreement(&assess(config.clone(), &samples), &truth);
    assert!(by_lambda.abs() < 0.1, "λ should be at chance, not at {by_lambda}");
    config.stage_two.features = Features::Profile { levels: 8 };
    let report = assess(config.clone(), &samples);
    let by_profile = agreement(&report, &truth);
    assert!(by_profile >= 0.95, "{by_profile}");
    // the number of types that lie best is two
    config.stage_two.groups = TypeCount::Chosen { least: 2, most: 3 };
    let report = assess(config, &samples);
    assert_eq!(report.types.len(), 2);
    assert!(report.silhouette.unwrap() > 0.5);
    let gap = |machine: &Assessment| machine.outcome.as_ref().unwrap().burstiness;
    let steady = report.machines.iter().zip(&truth).filter(|(_, truth)| **truth == 0);
    let bursty = report.machines.iter().zip(&truth).filter(|(_, truth)| **truth == 1);
    let most = steady.map(|(machine, _)| gap(machine)).fold(0.0, f64::max);
    assert!(bursty.map(|(machine, _)| gap(machine)).all(|gap| gap > 4.0 * most));
}

#[test]
fn types_keep_their_places_over_re_runs() {
    let near = |name: &str, place: [f64; 3]| machine(name, &[place; 2]);
    let first = assess(
        Config::drawn(4, 3, [1; 32], 4),
        &[near("a", [0.1; 3]), near("b", [0.5; 3]), near("c", [0.9, 0.9, 0.8])],
    );
    // the second type has grown above the third, and would stand behind it
    let second = assess(
        Config::drawn(4, 3, [2; 32], 4),
        &[near("a", [0.12; 3]), near("b", [0.52, 0.9, 0.5]), near("c", [0.6, 0.55, 0.5])],
    );
    let (matched, order) = second.types.matched_to(&first.types).unwrap();
    let mut places = order.clone();
    places.sort_unstable();
    assert_eq!(places, [0, 1, 2]);
    for (kind, before) in matched.iter().zip(first.types.iter()) {
        assert_eq!(kind.name(), before.name());
    }
    let (again, order) = first.types.matched_to(&first.types).unwrap();
    assert_eq!((again, order), (first.types.clone(), vec![0, 1, 2]));
}

#[test]
fn drawn_seeds_are_no_worse_than_fixed_ones() {
    let samples: Vec<Samples> = (0..10).map(|n| restless(&format!("vm-{n}"), 500, n)).collect();
    let fixed = assess(Config::default(), &samples);
    let drawn = assess(Config::drawn(4, 3, [1; 32], 4), &samples);
    assert!(drawn.inertia <= fixed.inertia, "{} {}", drawn.inertia, fixed.inertia);
}

#[test]
fn every_finite_input_has_a_grouping() {
    let huge = [f64::MAX, -f64::MAX, 0.0, 1.0, -1e300, 5e-324];
    let points = Points::from_rows(&huge, 1).unwrap();
    let grouping =
        Greedy { entropy: [1; 32], restarts: 2 }.group(&points, 3, b"", &Lloyd::default()).unwrap();
    assert!(grouping.centres().iter().all(|centre| centre.is_finite()));
    assert_eq!(grouping.counts().iter().sum::<u64>(), 6);
    assert_eq!(Points::from_rows(&[f64::NAN], 1), Err(Misuse::NotFinite));
    assert_eq!(Points::from_rows(&[f64::INFINITY], 1), Err(Misuse::NotFinite));
}

#[test]
fn the_cap_ends_a_run_that_has_not_converged() {
    let samples = restless("a", 1_500, 21);
    let points = Points::from(&samples);
    let seeds = SeedSet::axis(3).unwrap();
    let capped = Lloyd { rounds_max: 2 }.group(&points, &seeds).unwrap();
    assert!(!capped.has_converged());
    let mut inertia = 0.0;
    for at in 0..samples.len() {
        let centre = capped.centre(usize::from(capped.labels()[at]));
        inertia += samples.row(at).zip(centre).map(|(x, c)| (x - c) * (x - c)).sum::<f64>();
    }
    assert!((capped.inertia() - inertia).abs() < 1e-9 * inertia);
    assert_eq!(Lloyd { rounds_max: 0 }.group(&points, &seeds), Err(Misuse::Bounds.into()));
}

fn shuffled<T: Clone>(items: &[T], seed: u64) -> Vec<T> {
    let mut items = items.to_vec();
    let mut rng = Rng(seed);
    for last in (1..items.len()).rev() {
        items.swap(last, (rng.next() % (last as u64 + 1)) as usize);
    }
    items
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn the_order_of_machines_and_samples_changes_no_bit(
        rows in prop::collection::vec(prop::collection::vec([0.0..=1.0, 0.0..=1.0, 0.0..=1.0_f64], 1..60), 1..8),
        seed in any::<u64>(),
        seeding in prop::sample::select(vec![Seeding::Axis, Seeding::Vertices, Seeding::FarthestFirst]),
    ) {
        let fleet = |rows: &[(usize, Vec<[f64; 3]>)]| -> Vec<Samples> {
            rows.iter().map(|(n, rows)| machine(&format!("vm-{n}"), rows)).collect()
        };
        let named: Vec<(usize, Vec<[f64; 3]>)> = rows.into_iter().enumerate().collect();
        let mixed: Vec<(usize, Vec<[f64; 3]>)> =
            named.iter().map(|(n, rows)| (*n, shuffled(rows, seed))).collect();
        let config = Config { seeding, ..Config::default() };
        let a = assess(config.clone(), &fleet(&named));
        let b = assess(config, &fleet(&shuffled(&mixed, seed ^ 1)));
        prop_assert_eq!(a.result_digest, b.result_digest);
        for machine in &a.machines {
            let assessed = machine.outcome.as_ref().unwrap();
            let total: u64 = assessed.signature.iter().map(|(share, _)| share.count).sum();
            prop_assert_eq!(total, assessed.signature.total());
            prop_assert!(assessed.burstiness >= 0.0);
        }
    }

    #[test]
    fn grouping_agrees_with_the_plain_algorithm(
        rows in prop::collection::vec([-10_i32..10, -10..10], 1..700),
        groups in 1_usize..6,
    ) {
        // whole numbers: all sums are exact, so that any order of adding gives the same
        let rows: Vec<[f64; 2]> = rows.iter().map(|row| row.map(f64::from)).collect();
        let seeds: Vec<[f64; 2]> = (0..groups).map(|n| [n as f64 * 3.0 - 7.5, 0.5]).collect();
        let flat = |rows: &[[f64; 2]]| rows.iter().flatten().copied().collect::<Vec<f64>>();
        let points = Points::from_rows(&flat(&rows), 2).unwrap();
        let set = SeedSet::given(&flat(&seeds), 2).unwrap();
        let grouping = Lloyd::default().group(&points, &set).unwrap();
        let mut centres = seeds.clone();
        let mut labels = vec![usize::MAX; rows.len()];
        for _ in 0..100 {
            let nearest = |row: &[f64; 2]| {
                let far = |c: &[f64; 2]| (row[0] - c[0]) * (row[0] - c[0]) + (row[1] - c[1]) * (row[1] - c[1]);
                (0..groups).fold(0, |best, at| if far(&centres[at]) < far(&centres[best]) { at } else { best })
            };
            let next: Vec<usize> = rows.iter().map(nearest).collect();
            if next == labels {
                break;
            }
            labels = next;
            for group in 0..groups {
                let members: Vec<&[f64; 2]> =
                    rows.iter().zip(&labels).filter(|(_, label)| **label == group).map(|(row, _)| row).collect();
                let mean = |d: usize| members.iter().map(|row| row[d]).sum::<f64>() / members.len() as f64;
                centres[group] = if members.is_empty() { seeds[group] } else { [mean(0), mean(1)] };
            }
        }
        prop_assert_eq!(grouping.centres(), flat(&centres));
        let found: Vec<usize> = grouping.labels().iter().map(|&label| usize::from(label)).collect();
        prop_assert_eq!(found, labels);
    }
}
