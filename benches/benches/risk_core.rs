//! Judging surroundings and driving, learning, and what a terminal takes in the store.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use interbank_risk_core::driving::{
    Attribute, Band, Categorical, CircularBand, Driver, DrivingStrategy, Histogram, Model,
    ModelKind, Piece, Rules, StrategySet, Stretch,
};
use interbank_risk_core::surroundings::*;
use interbank_risk_core::{BasisPoints, backtest};
use port::{Time, Zone};
use seal::Secret;
use std::collections::HashSet;
use std::hint::black_box;
use std::time::Instant;

/// One profile that stays in the cache, 64 neighbours; scans of 32, three quarters of them familiar.
fn assess(c: &mut Criterion) {
    let mut group = c.benchmark_group("surroundings/assess");
    let policy = Policy::new(PolicyDraft::default()).unwrap();
    let mut draw = Draw(1);
    let home = Home::new(&policy, 0, &mut draw);
    let scans: Vec<Scan> = (0..VARIETY).map(|_| home.scan(&policy, &mut draw)).collect();
    let facts = Facts::of(1_500);
    let known = Known { own: Some(&home.profile), adjacent: None };
    let now = scans[0].taken();
    let mut at = 0;
    group.bench_function("32_of_64", |b| {
        b.iter(|| {
            at = (at + 1) % VARIETY;
            policy.assess(now, &scans[at], black_box(known), facts)
        });
    });
    group.bench_function("32_of_64_traced", |b| {
        b.iter(|| {
            at = (at + 1) % VARIETY;
            policy.trace(now, &scans[at], black_box(known), facts)
        });
    });
    let both = Known { own: Some(&home.profile), adjacent: Some(&home.adjacent) };
    group.bench_function("32_of_64_twice", |b| {
        b.iter(|| {
            at = (at + 1) % VARIETY;
            policy.assess(now, &scans[at], black_box(both), facts)
        });
    });
    // The floor of what any matching does: only counting how many of the same tokens two sets share.
    let usual: Vec<u32> =
        home.profile.neighbours().map(|neighbour| neighbour.token().as_u32()).collect();
    let found: Vec<Vec<u32>> = (0..VARIETY).map(|_| home.tokens(&mut draw)).collect();
    let ours: HashSet<u32> = usual.iter().copied().collect();
    let theirs: Vec<HashSet<u32>> =
        found.iter().map(|tokens| tokens.iter().copied().collect()).collect();
    group.bench_function("std_hash_set", |b| {
        b.iter(|| {
            at = (at + 1) % VARIETY;
            black_box(&ours).intersection(&theirs[at]).count()
        });
    });
    let ours: hashbrown::HashSet<u32> = usual.iter().copied().collect();
    let theirs: Vec<hashbrown::HashSet<u32>> =
        found.iter().map(|tokens| tokens.iter().copied().collect()).collect();
    group.bench_function("hashbrown_set", |b| {
        b.iter(|| {
            at = (at + 1) % VARIETY;
            black_box(&ours).intersection(&theirs[at]).count()
        });
    });
    group.finish();
}

/// A million profiles, another one each time: as they are in memory, and as stored bytes that are read first.
fn cold(c: &mut Criterion) {
    const PROFILES: usize = 1_000_000;
    let mut group = c.benchmark_group("surroundings/cold_of_1m");
    let policy = Policy::new(PolicyDraft::default()).unwrap();
    let mut draw = Draw(2);
    let homes: Vec<(Home, Scan)> = (0..VARIETY)
        .map(|n| {
            let home = Home::new(&policy, n, &mut draw);
            let scan = home.scan(&policy, &mut draw);
            (home, scan)
        })
        .collect();
    let facts = Facts::of(1_500);
    let now = homes[0].1.taken();
    {
        let profiles: Vec<Profile> =
            (0..PROFILES).map(|at| homes[at % VARIETY].0.profile.clone()).collect();
        group.bench_function("in_memory", |b| {
            b.iter(|| {
                let at = draw.below(PROFILES);
                let known = Known { own: Some(&profiles[at]), adjacent: None };
                policy.assess(now, &homes[at % VARIETY].1, known, facts)
            });
        });
    }
    let mut packed = Vec::with_capacity(PROFILES * Profile::BYTES_MAX);
    let mut bytes = Vec::new();
    for at in 0..PROFILES {
        bytes.clear();
        homes[at % VARIETY].0.profile.encode(&mut bytes);
        assert_eq!(bytes.len(), Profile::BYTES_MAX);
        packed.extend_from_slice(&bytes);
    }
    group.bench_function("packed", |b| {
        b.iter(|| {
            let at = draw.below(PROFILES);
            let start = at * Profile::BYTES_MAX;
            let profile = Profile::parse(&packed[start..start + Profile::BYTES_MAX]).unwrap();
            let known = Known { own: Some(&profile), adjacent: None };
            policy.assess(now, &homes[at % VARIETY].1, known, facts)
        });
    });
    group.finish();
}

/// From addresses to tokens, and from confirmed scans to a profile.
fn learn(c: &mut Criterion) {
    let mut group = c.benchmark_group("surroundings");
    let policy = Policy::new(PolicyDraft::default()).unwrap();
    let mut draw = Draw(3);
    let home = Home::new(&policy, 0, &mut draw);
    let addresses: Vec<Vec<Address>> =
        (0..VARIETY).map(|_| home.found(&mut draw).into_iter().map(router).collect()).collect();
    let mut tokens = [Token::default(); FOUND];
    let mut at = 0;
    group.bench_function("tokens/32", |b| {
        b.iter(|| {
            at = (at + 1) % VARIETY;
            home.key.tokens(black_box(&addresses[at]), &mut tokens);
            tokens[0]
        });
    });
    let scans: Vec<Scan> = (0..VARIETY).map(|_| home.scan(&policy, &mut draw)).collect();
    let learning = policy.learning();
    // With the copy of 800 bytes that keeps the profile as it is.
    group.bench_function("update/32_of_64", |b| {
        b.iter(|| {
            at = (at + 1) % VARIETY;
            let mut profile = black_box(&home.profile).clone();
            assert!(profile.update(&scans[at], &learning));
            profile
        });
    });
    group.finish();
}

/// Recorded payments judged again, with a clock that is read before and after each.
fn replay(c: &mut Criterion) {
    const CASES: usize = 10_000;
    let mut group = c.benchmark_group("backtest");
    group.throughput(Throughput::Elements(CASES as u64)).sample_size(20);
    let policy = Policy::new(PolicyDraft::default()).unwrap();
    let mut draw = Draw(4);
    let homes: Vec<Home> = (0..VARIETY).map(|n| Home::new(&policy, n, &mut draw)).collect();
    let history: Vec<(bool, Recorded)> = (0..CASES)
        .map(|at| {
            let scan = homes[at % VARIETY].scan(&policy, &mut draw);
            let own = Some(homes[at % VARIETY].profile.clone());
            let (now, facts) = (scan.taken(), Facts::of(1_500));
            (at % 100 == 0, Recorded { now, scan, own, adjacent: None, facts })
        })
        .collect();
    let begun = Instant::now();
    let clock_ns = || u64::try_from(begun.elapsed().as_nanos()).unwrap();
    group.bench_function("decisions", |b| {
        b.iter(|| {
            let cases = history.iter().map(|(stolen, case)| (*stolen, case));
            let report = backtest::run_one(&policy, cases, clock_ns);
            assert_eq!(report.cases(), CASES as u64);
            report
        });
    });
    group.finish();
}

/// All 16 attributes against the strategies of four drivers.
fn driving(c: &mut Criterion) {
    let mut group = c.benchmark_group("driving/evaluate");
    let mut draw = Draw(5);
    let sets: Vec<StrategySet> = Driver::all()
        .map(|driver| {
            let strategy = |attribute| {
                DrivingStrategy::new(attribute, model(attribute, driver), 60_000, 100).unwrap()
            };
            StrategySet::new(driver, Attribute::ALL.map(strategy).to_vec()).unwrap()
        })
        .collect();
    let rules = Rules::default();
    // Each drives as one of the four does, nearly.
    let stretches: Vec<Stretch> = (0..VARIETY)
        .map(|at| {
            let pieces = Attribute::ALL.map(|attribute| {
                let (low, high) = attribute.range();
                let (usual, spread) = usual(attribute, at % Driver::COUNT_MAX);
                let off = i32::try_from(draw.below(5)).unwrap() - 2;
                let value = (usual + off * spread).clamp(low, high);
                Piece::new(attribute, value, 900_000)
            });
            Stretch::new(Time::from_s(START_S), 900_000, pieces)
        })
        .collect();
    let mut at = 0;
    group.bench_function("16x4", |b| {
        b.iter(|| {
            at = (at + 1) % VARIETY;
            rules.evaluate(&stretches[at], black_box(&sets))
        });
    });
    group.finish();
}

/// What a terminal takes in the store, with four active periods of 64 neighbours each.
fn stored(_: &mut Criterion) {
    let policy = Policy::new(PolicyDraft::default()).unwrap();
    let mut draw = Draw(6);
    let mut bytes = Vec::new();
    for period in 0..4 {
        Home::new(&policy, period, &mut draw).profile.encode(&mut bytes);
    }
    figure("risk_core/terminal_4x64", bytes.len());
}

fn figure(id: &str, value: usize) {
    println!("{id}: {value} bytes");
    if let Ok(folder) = std::env::var("INTERBANK_BENCH_FIGURES") {
        let text = format!("{{\"id\": \"{id}\", \"value\": {value}, \"unit\": \"B\"}}");
        let file = format!("{}.json", id.replace('/', "_"));
        std::fs::write(std::path::Path::new(&folder).join(file), text).unwrap();
    }
}

/// A terminal in the hour of its week that it was learned in: 64 neighbours, most of them there each time.
struct Home {
    key: TokenKey,
    first: u64,
    profile: Profile,
    /// The same neighbours in the hour before or after.
    adjacent: Profile,
}

impl Home {
    fn new(policy: &Policy, number: usize, draw: &mut Draw) -> Self {
        let terminal = TerminalId::new(format!("terminal-{number}")).unwrap();
        let key = TokenKey::derive(&Secret::new([7; 32]), 1, &terminal);
        let when = policy.grid().moment(&Zone::utc(), week(0));
        let mut home = Self {
            key,
            first: 1_000_000 * number as u64,
            profile: Profile::new(policy.grid(), when.period),
            adjacent: Profile::new(policy.grid(), when.adjacent),
        };
        for n in 0..WEEKS {
            let here = |draw: &mut Draw, at: &u64| n == 0 || draw.below(10) < 9 || at % 64 < 10;
            let there: Vec<u64> = (0..USUAL).filter(|at| here(draw, at)).collect();
            for (profile, hour) in [(&mut home.profile, 0), (&mut home.adjacent, 3_600)] {
                let at = if profile.period() == when.period || when.adjacent > when.period {
                    Time::from_ms(week(n).as_ms() + hour * 1_000)
                } else {
                    week(n).minus_ms(hour * 1_000)
                };
                let names = there.iter().map(|at| home.first + at);
                let scan = take(policy, &home.key, at, names);
                assert!(profile.update(&scan, &policy.learning()));
            }
        }
        assert_eq!(home.profile.neighbours().len(), 64);
        home
    }

    /// What it finds: 32 neighbours, three quarters of them usual ones.
    fn found(&self, draw: &mut Draw) -> Vec<u64> {
        let mut found = Vec::with_capacity(FOUND);
        while found.len() < FOUND {
            let usual = draw.below(4) > 0;
            let name = if usual { draw.below(64) } else { 1_000 + draw.below(5_000) };
            let name = self.first + name as u64;
            if !found.contains(&name) {
                found.push(name);
            }
        }
        found
    }

    fn scan(&self, policy: &Policy, draw: &mut Draw) -> Scan {
        take(policy, &self.key, week(WEEKS), self.found(draw).into_iter())
    }

    fn tokens(&self, draw: &mut Draw) -> Vec<u32> {
        self.found(draw).into_iter().map(|name| self.key.token(&router(name)).as_u32()).collect()
    }
}

fn take(policy: &Policy, key: &TokenKey, taken: Time, names: impl Iterator<Item = u64>) -> Scan {
    let found = |name: u64| {
        let dwell_s = u32::try_from(name % 60 * 60).unwrap();
        Observation::new(router(name), Relation::InRange).dwelling_s(dwell_s)
    };
    let report = Report {
        taken,
        zone: "UTC".into(),
        nonce: None,
        scanned: Scanned::ALL,
        neighbours: names.map(found).collect(),
    };
    let when = policy.grid().moment(&Zone::utc(), taken);
    Scan::take(&report, &TerminalKeys::new(key.clone()), when, None)
}

/// An access point's address, spread over all that makers have.
fn router(name: u64) -> Address {
    let [a, b, c, d, e, f, ..] =
        name.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes();
    Address::octets(Protocol::Wifi, [a & 0xFC, b, c, d, e, f])
}

/// A Tuesday, 22:23 UTC, so many weeks later.
fn week(number: u64) -> Time {
    Time::from_s(START_S + 7 * 86_400 * number)
}

/// Centre and spread of one driver's habit.
fn usual(attribute: Attribute, driver: usize) -> (i32, i32) {
    let (low, high) = attribute.range();
    let step = (high - low) / 16;
    (low + step * (2 + i32::try_from(driver).unwrap()), (step / 3).max(1))
}

fn model(attribute: Attribute, driver: Driver) -> Model {
    let (centre, spread) = usual(attribute, driver.as_u8().into());
    let share = BasisPoints::new(500).unwrap();
    // A habit of 200 windows, two spreads to each side.
    let values = (0..200).map(|at| centre + (at % 5 - 2) * spread);
    match attribute.model_kind() {
        ModelKind::Band | ModelKind::RobustBand => {
            Model::Band(Band::of(attribute, centre, spread.unsigned_abs(), 200))
        }
        ModelKind::Categorical => {
            let mut counts = Categorical::new();
            values.for_each(|value| counts.update(value));
            Model::Categorical(counts, share)
        }
        ModelKind::Circular => {
            let (centre, spread) = (u16::try_from(centre).unwrap(), u16::try_from(spread).unwrap());
            Model::Circular(CircularBand::of(centre, spread, 200))
        }
        ModelKind::Histogram => {
            let mut counts = Histogram::new(attribute);
            values.for_each(|value| counts.update(value));
            Model::Histogram(counts, share)
        }
    }
}

/// A sequence that looks random and is the same each time (xorshift64).
struct Draw(u64);

impl Draw {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 20).unwrap() % bound
    }
}

/// So many different inputs in turn, so that no branch is learned by heart.
const VARIETY: usize = 64;
const FOUND: usize = 32;
const USUAL: u64 = 64;
const WEEKS: u64 = 8;
const START_S: u64 = 1_700_000_580;

criterion_group!(benches, assess, cold, learn, replay, driving, stored);
criterion_main!(benches);
