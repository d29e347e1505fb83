//! The same bits everywhere: features, threads, order, and the digests of one known fleet.

use crate::world::restless;
use interbank_vmload::*;

fn fleet() -> Vec<Samples> {
    // lengths that leave every remainder of a block and of eight
    (0..24).map(|n| restless(&format!("vm-{n:02}"), 500 + 37 * n, n as u64)).collect()
}

fn assess(config: Config, samples: &[Samples]) -> Report {
    Fleet::new(config).unwrap().assess(&Metrics::fractions(), samples).unwrap()
}

fn hex(digest: &[u8; 32]) -> String {
    digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// Written down once: builds with other features, other processors and other platforms have to find the same.
#[test]
fn the_digests_of_a_known_fleet_are_these() {
    let fixed = assess(Config::default(), &fleet());
    let drawn = assess(Config::drawn(5, 3, [42; 32], 3), &fleet());
    let mut config = Config::drawn(4, 2, [42; 32], 3);
    config.stage_two.features = Features::Profile { levels: 8 };
    let profiles = assess(config, &fleet());
    let digests: Vec<[String; 2]> = [&fixed, &drawn, &profiles]
        .map(|report| [hex(&report.input_digest.unwrap()), hex(&report.result_digest)])
        .into();
    let want = [
        ["fe3ab00e77f54e35", "6039bff969eb37a0"],
        ["8d578ffb117e6df4", "160612f2a4bf9450"],
        ["f211f3d207d80e2c", "89614a28277dec92"],
    ];
    assert_eq!(digests, want);
}

#[test]
fn another_input_or_configuration_has_another_digest() {
    let samples = fleet();
    let base = assess(Config::default(), &samples);
    let fewer = assess(Config::default(), &samples[1..]);
    assert_ne!(base.input_digest, fewer.input_digest);
    assert_ne!(base.result_digest, fewer.result_digest);
    let configs = [
        Config { seeding: Seeding::Vertices, ..Config::default() },
        Config { seeding: Seeding::FarthestFirst, ..Config::default() },
        Config { lloyd: Lloyd { rounds_max: 99 }, ..Config::default() },
        Config {
            stage_two: StageTwo { formula: LoadFormula::Mean, ..StageTwo::default() },
            ..Config::default()
        },
        Config::drawn(4, 3, [0; 32], 1),
        Config::drawn(4, 3, [1; 32], 1),
        Config::drawn(4, 3, [0; 32], 2),
    ];
    let mut digests: Vec<[u8; 32]> =
        configs.map(|config| assess(config, &samples).input_digest.unwrap()).into();
    digests.push(base.input_digest.unwrap());
    digests.sort_unstable();
    digests.dedup();
    assert_eq!(digests.len(), 8);
    assert_eq!(base.digest(), base.result_digest);
    let none = assess(Config { digests_input: false, ..Config::default() }, &samples);
    assert_eq!((none.input_digest, none.result_digest), (None, base.result_digest));
}

#[cfg(feature = "parallel")]
#[test]
fn the_number_of_threads_changes_no_bit() {
    let in_threads = |threads: usize, work: &(dyn Fn() -> Report + Sync)| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(work)
    };
    let samples = fleet();
    let work = || assess(Config::drawn(4, 3, [7; 32], 2), &samples);
    let one = in_threads(1, &work);
    for threads in [2, 3, 8] {
        assert_eq!(in_threads(threads, &work), one);
    }
    // one large set of points is spread by blocks
    let big = restless("big", 70_001, 5);
    let large = || assess(Config::default(), std::slice::from_ref(&big));
    let one = in_threads(1, &large);
    for threads in [2, 5] {
        assert_eq!(in_threads(threads, &large), one);
    }
}
