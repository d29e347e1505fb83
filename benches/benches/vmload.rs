//! K-means over a fleet and over one big set, the best groups on a line, and what a stream of samples costs.
//!
//! With INTERBANK_BENCH_DATA=folder it measures nothing and writes the generated data there, for peers/vmload.py.

use criterion::{Criterion, Throughput, criterion_group};
use interbank_vmload::*;
use kmeans_uni::KMeansBuilder;
use linfa::DatasetBase;
use linfa::traits::Fit;
use linfa_clustering::{KMeans, KMeansInit};
use ndarray::{Array2, ArrayView2};
use port::Time;
use rayon::prelude::*;
use std::hint::black_box;
use std::path::Path;

fn main() {
    if let Ok(folder) = std::env::var("INTERBANK_BENCH_DATA") {
        write_data(Path::new(&folder)).unwrap();
        return;
    }
    benches();
    Criterion::default().configure_from_args().final_summary();
}

/// Stage 1 of each machine. All start once, from seeds that they draw themselves, and go on for at most 100 rounds; peers
/// stop at their own tolerance. Two threads share the machines out. Each reads the same rows and packs them as it needs.
fn fleet(c: &mut Criterion) {
    let rows = fleet_rows();
    for groups in [4, 6] {
        let mut group = c.benchmark_group(format!("vmload/fleet_k{groups}"));
        group.sample_size(10);
        for threads in [1, 2] {
            let pool = pool(threads);
            let mut bench = |name: &str, machines: usize, fit: Fits| {
                let rows = &rows[..machines * SAMPLES * METRICS];
                group.throughput(Throughput::Elements(machines as u64));
                group.bench_function(format!("{name}/{threads}"), |b| {
                    b.iter(|| pool.install(|| centres(rows, groups, fit)));
                });
            };
            bench("interbank", MACHINES, ours);
            bench("kmeans_uni", MACHINES, uni);
            // a fifth of the machines: the times are those of one machine
            bench("linfa", MACHINES / 5, linfa);
        }
        group.finish();
        let of = |fit: Fits| {
            let centres = pool(2).install(|| centres(&rows, groups, fit));
            let each = rows.chunks_exact(SAMPLES * METRICS).zip(&centres);
            each.map(|(rows, centres)| inertia(rows, METRICS, centres)).sum::<f64>()
        };
        let of = [
            ("interbank", of(ours)),
            ("fixed_seeds", of(vertices)),
            ("kmeans_uni", of(uni)),
            ("linfa", of(linfa)),
        ];
        report_inertia(&format!("fleet_k{groups}"), &of);
    }
}

/// Both rounds from the same rows to the report, digests of all input and of the result included.
fn assess(c: &mut Criterion) {
    let rows = fleet_rows();
    let metrics: Vec<Metric> = (0..METRICS)
        .map(|n| Metric::new(&format!("m{n}"), Scale::Fixed { low: 0.0, high: 1.0 }).unwrap())
        .collect();
    let metrics = Metrics::new(metrics).unwrap();
    let policy = Policy::default();
    let config = Config::drawn(4, 3, ENTROPY, 1);
    let fleet = Fleet::new(config).unwrap();
    let names: Vec<VmId> =
        (0..MACHINES).map(|n| VmId::new(&format!("vm-{n:04}")).unwrap()).collect();
    let mut group = c.benchmark_group("vmload/assess");
    group.sample_size(10).throughput(Throughput::Elements(MACHINES as u64));
    for threads in [1, 2] {
        let pool = pool(threads);
        group.bench_function(format!("interbank/{threads}"), |b| {
            b.iter(|| {
                pool.install(|| {
                    let samples: Vec<Samples> = rows
                        .par_chunks_exact(SAMPLES * METRICS)
                        .zip(&names)
                        .map(|(rows, name)| {
                            Samples::from_rows(name.clone(), &metrics, rows, &[], &policy).unwrap()
                        })
                        .collect();
                    fleet.assess(&metrics, &samples).unwrap().digest()
                })
            });
        });
    }
    group.finish();
}

/// 25 rounds over a million points, all from the same seeds, except for kmeans_uni, which takes none.
fn big(c: &mut Criterion) {
    let (rows, seeds) = big_rows();
    let mut group = c.benchmark_group("vmload/big");
    group.sample_size(10);
    let ours = || {
        let seeds = SeedSet::given(&seeds, BIG_METRICS).unwrap();
        let points = Points::from_rows(&rows, BIG_METRICS).unwrap();
        Lloyd { rounds_max: BIG_ROUNDS }.group(&points, &seeds).unwrap().centres().to_vec()
    };
    let linfa = || {
        let view = ArrayView2::from_shape((POINTS, BIG_METRICS), &rows).unwrap();
        let seeds = Array2::from_shape_vec((BIG_GROUPS, BIG_METRICS), seeds.clone()).unwrap();
        let found = KMeans::params(BIG_GROUPS)
            .init_method(KMeansInit::Precomputed(seeds))
            .n_runs(1)
            .max_n_iterations(u64::from(BIG_ROUNDS))
            .tolerance(f64::MIN_POSITIVE)
            .fit(&DatasetBase::from(view))
            .unwrap();
        found.centroids().iter().copied().collect::<Vec<f64>>()
    };
    let uni = |threads| {
        let plan = KMeansBuilder::new(BIG_GROUPS)
            .iterations(BIG_ROUNDS as usize)
            .tolerance(0.0)
            .seed(1)
            .cpu_simd()
            .euclidean();
        let found = match threads {
            1 => plan.sequential().fit(&rows, BIG_METRICS),
            _ => plan.parallel().fit(&rows, BIG_METRICS),
        };
        found.unwrap().into_centroids()
    };
    for threads in [1, 2] {
        let pool = pool(threads);
        group.bench_function(format!("interbank/{threads}"), |b| {
            b.iter(|| pool.install(ours));
        });
        group.bench_function(format!("linfa/{threads}"), |b| {
            b.iter(|| pool.install(linfa));
        });
        group.bench_function(format!("kmeans_uni/{threads}"), |b| {
            b.iter(|| pool.install(|| uni(threads)));
        });
    }
    group.finish();
    let of = |centres: Vec<f64>| inertia(&rows, BIG_METRICS, &centres);
    report_inertia(
        "big",
        &[("interbank", of(ours())), ("linfa", of(linfa())), ("kmeans_uni", of(uni(2)))],
    );
}

/// One metric of one machine in four groups: at the optimum, and by ten starts.
fn line(c: &mut Criterion) {
    let rows = fleet_rows();
    let columns: Vec<Vec<f64>> = (0..LINES)
        .map(|n| {
            let machine = &rows[n / METRICS * SAMPLES * METRICS..][..SAMPLES * METRICS];
            machine.iter().skip(n % METRICS).step_by(METRICS).copied().collect()
        })
        .collect();
    let exact = |column: &[f64]| {
        let values = column.iter().map(|&value| (value, 1));
        ExactGroups::new(values, LINE_GROUPS).unwrap().centres().to_vec()
    };
    let uni = |column: &[f64]| {
        let plan = KMeansBuilder::new(LINE_GROUPS).attempts(10).seed(1).cpu_simd().euclidean();
        plan.build().fit(column, 1).unwrap().into_centroids()
    };
    let mut group = c.benchmark_group("vmload/line");
    group.sample_size(10).throughput(Throughput::Elements(LINES as u64));
    let mut bench = |name: &str, fit: &dyn Fn(&[f64]) -> Vec<f64>| {
        group.bench_function(name, |b| {
            b.iter(|| columns.iter().for_each(|column| drop(black_box(fit(column)))));
        });
    };
    bench("exact", &exact);
    bench("exact_of_histogram", &|column| {
        let mut histogram = Histogram::new();
        histogram.add_all(column).unwrap();
        ExactGroups::of(&histogram, LINE_GROUPS).unwrap().centres().to_vec()
    });
    bench("kmeans_uni_10", &uni);
    group.finish();
    let of = |fit: &dyn Fn(&[f64]) -> Vec<f64>| {
        columns.iter().map(|column| inertia(column, 1, &fit(column))).sum::<f64>()
    };
    report_inertia("line", &[("exact", of(&exact)), ("kmeans_uni_10", of(&uni))]);
}

/// What a sample costs as it comes in, and a machine as it is asked for.
fn stream(c: &mut Criterion) {
    let mut group = c.benchmark_group("vmload/stream");
    let rows = fleet_rows();
    let loads = &rows[..1 << 20];
    let mut histogram = Histogram::new();
    group.throughput(Throughput::Elements(loads.len() as u64));
    group.bench_function("histogram", |b| {
        b.iter(|| {
            histogram = Histogram::new();
            histogram.add_all(black_box(loads)).unwrap();
        });
    });
    group.throughput(Throughput::Elements(1));

    let metrics = Metrics::fractions();
    let samples: Vec<Samples> = (0..64)
        .map(|n| {
            let name = VmId::new(&format!("vm-{n}")).unwrap();
            Samples::from_rows(name, &metrics, &loads[n * 300..][..300], &[], &Policy::default())
                .unwrap()
        })
        .collect();
    let report = Fleet::new(Config::default()).unwrap().assess(&metrics, &samples).unwrap();
    let mut at = 0;
    group.bench_function("assign", |b| {
        b.iter(|| {
            at = (at + 3) % 3_000;
            report.types.assign(black_box(&loads[at..at + 3])).unwrap()
        });
    });

    let seeds = SeedSet::axis(3).unwrap();
    for len in [2_016, 4_032, 8_064] {
        let step_ms = 300_000;
        let mut window = Window::new(&seeds, step_ms * len, usize::MAX).unwrap();
        let mut now = 0;
        let mut step = || {
            let loads = &loads[now as usize % 100_000 * 3..][..3];
            now += 1;
            window.push(&seeds, Time::from_ms(now * step_ms), black_box(loads)).unwrap()
        };
        (0..2 * len).for_each(|_| _ = step());
        group.bench_function(format!("slide/{len}"), |b| b.iter(&mut step));
    }
    group.finish();
}

/// Rows of one machine, the number of groups, the machine's number; the centres.
type Fits = fn(&[f64], usize, usize) -> Vec<f64>;

fn centres(rows: &[f64], groups: usize, fit: Fits) -> Vec<Vec<f64>> {
    let machines = rows.par_chunks_exact(SAMPLES * METRICS).enumerate();
    machines.map(|(n, rows)| fit(rows, groups, n)).collect()
}

fn ours(rows: &[f64], groups: usize, machine: usize) -> Vec<f64> {
    let points = Points::from_rows(rows, METRICS).unwrap();
    let greedy = Greedy { entropy: ENTROPY, restarts: 1 };
    let label = machine.to_le_bytes();
    greedy.group(&points, groups, &label, &Lloyd::default()).unwrap().centres().to_vec()
}

fn vertices(rows: &[f64], groups: usize, _: usize) -> Vec<f64> {
    let points = Points::from_rows(rows, METRICS).unwrap();
    let seeds = SeedSet::vertices(METRICS, groups).unwrap();
    Lloyd::default().group(&points, &seeds).unwrap().centres().to_vec()
}

fn uni(rows: &[f64], groups: usize, machine: usize) -> Vec<f64> {
    let plan = KMeansBuilder::new(groups).iterations(100).seed(machine as u64);
    plan.cpu_simd().euclidean().build().fit(rows, METRICS).unwrap().into_centroids()
}

fn linfa(rows: &[f64], groups: usize, _: usize) -> Vec<f64> {
    let view = ArrayView2::from_shape((SAMPLES, METRICS), rows).unwrap();
    let plan = KMeans::params(groups).n_runs(1).max_n_iterations(100);
    plan.fit(&DatasetBase::from(view)).unwrap().centroids().iter().copied().collect()
}

/// The sum of the squared distances from the nearest centres, of raw rows, the same for everyone.
fn inertia(rows: &[f64], metrics: usize, centres: &[f64]) -> f64 {
    let far = |row: &[f64], centre: &[f64]| {
        row.iter().zip(centre).map(|(a, b)| (a - b) * (a - b)).sum::<f64>()
    };
    rows.chunks_exact(metrics)
        .map(|row| {
            let each = centres.chunks_exact(metrics).map(|centre| far(row, centre));
            each.fold(f64::INFINITY, f64::min)
        })
        .sum()
}

/// Says and leaves each inertia; the first is ours.
fn report_inertia(of: &str, each: &[(&str, f64)]) {
    for (name, value) in each {
        println!("vmload/inertia/{of}/{name}: {value:.3}, {:.4} of ours", value / each[0].1);
        if let Ok(folder) = std::env::var("INTERBANK_BENCH_FIGURES") {
            let figure = format!(
                "{{\"id\": \"vmload/inertia/{of}/{name}\", \"value\": {value}, \"unit\": \"load²\"}}"
            );
            let file = format!("vmload_inertia_{of}_{name}.json");
            std::fs::write(Path::new(&folder).join(file), figure).unwrap();
        }
    }
}

/// Each machine has three to five regimes that overlap.
fn fleet_rows() -> Vec<f64> {
    let mut draw = Draw(1);
    let mut rows = Vec::with_capacity(MACHINES * SAMPLES * METRICS);
    for _ in 0..MACHINES {
        let regimes: Vec<[(f64, f64); METRICS]> = (0..3 + draw.below(3))
            .map(|_| std::array::from_fn(|_| (draw.within(0.1, 0.9), draw.within(0.03, 0.12))))
            .collect();
        for _ in 0..SAMPLES {
            for (mean, deviation) in regimes[draw.below(regimes.len())] {
                rows.push((mean + deviation * draw.normal()).clamp(0.0, 1.0));
            }
        }
    }
    rows
}

/// A million points of forty overlapping clouds, and the sixteen that all start from.
fn big_rows() -> (Vec<f64>, Vec<f64>) {
    let mut draw = Draw(2);
    let clouds: Vec<[f64; BIG_METRICS]> =
        (0..40).map(|_| std::array::from_fn(|_| draw.within(0.0, 1.0))).collect();
    let mut rows = Vec::with_capacity(POINTS * BIG_METRICS);
    for _ in 0..POINTS {
        let cloud = clouds[draw.below(clouds.len())];
        rows.extend(cloud.map(|mean| mean + 0.15 * draw.normal()));
    }
    let seeds = rows.chunks_exact(BIG_METRICS).step_by(POINTS / BIG_GROUPS);
    let seeds = seeds.take(BIG_GROUPS).flatten().copied().collect();
    (rows, seeds)
}

fn write_data(folder: &Path) -> std::io::Result<()> {
    let write = |name: &str, values: &[f64]| {
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        std::fs::write(folder.join(name), bytes)
    };
    std::fs::create_dir_all(folder)?;
    write("fleet.f64le", &fleet_rows())?;
    let (rows, seeds) = big_rows();
    write("big.f64le", &rows)?;
    write("big_seeds.f64le", &seeds)
}

fn pool(threads: usize) -> rayon::ThreadPool {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap()
}

/// SplitMix64: the same data everywhere.
struct Draw(u64);

impl Draw {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        ((u128::from(self.next()) * end as u128) >> 64) as usize
    }

    fn within(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Nearly normal, of mean 0 and deviation 1: twelve dice, with no logarithm whose last bit differs between platforms.
    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.within(-0.5, 0.5)).sum()
    }
}

const MACHINES: usize = 2_000;
/// A week of five-minute samples.
const SAMPLES: usize = 2_016;
const METRICS: usize = 6;
const ENTROPY: [u8; 32] = [7; 32];
const POINTS: usize = 1_000_000;
const BIG_METRICS: usize = 8;
const BIG_GROUPS: usize = 16;
const BIG_ROUNDS: u32 = 25;
/// Metrics of the first sixteen machines.
const LINES: usize = 16 * METRICS;
const LINE_GROUPS: usize = 4;

criterion_group!(benches, fleet, assess, big, line, stream);
