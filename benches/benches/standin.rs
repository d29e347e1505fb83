//! Stand-in: the pure decision, decisions through stores, replay of what is queued, and recovery.
//!
//! The institution's parameters are of the usual kind: card ranges with a product, six rules (of which three fit a request),
//! a sliding day and a calendar month that are counted, a velocity limit, an exposure cap. Each account has settled purchases
//! of three earlier hours. What was decided is taken out again as settlement and purge would do it, outside the measured time,
//! so that stores keep their size and accounts never fill up.
//!
//! Answers are timed from the moment at which a request was due, so that a request that had to wait for another counts its
//! waiting. The raw sync is what the same disk takes, right before and after, to write 4 KiB to a file and make it durable.
//!
//! Durable results write under `target/`, so that it is a disk and not a memory file system; `INTERBANK_BENCH_DIR` names
//! another disk.

use criterion::measurement::WallTime;
use criterion::{
    BatchSize, BenchmarkGroup, Criterion, SamplingMode, Throughput, criterion_group, criterion_main,
};
use interbank_standin::*;
use port::blocking::{Keys, Store, decide};
use port::{
    Amount, Answers, Batch, Commit, Currency, Decision as _, Effect, Expect, Input, KeyAnswer,
    KeyQuestion, Machine as _, MemoryStore, Peer, ReadSet, Row, Skew, Step, Time, Zone,
};
use seal::{Account, AccountRef, Secret, SigningKey, TrustList, TrustedKey, Validity};
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::hint::black_box;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};
use store_redb::{Options, RedbStore};
use tempfile::TempDir;
use testbed::{Installation, Postgres};

/// 2026-07-25T17:20:00Z.
const NOW: Time = Time::from_s(1_785_000_000);

/// What the simulated accounting system takes for an answer.
const HOST: Duration = Duration::from_millis(5);

/// A decision is asked for with everything that it is about in hand: no row is read while it is measured.
fn pure(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("standin/pure");
    let issuer = Issuer::new(1, 1);
    let store = MemoryStore::new();
    issuer.furnish(&store);
    let request = issuer.purchase(0, 1, NOW);
    let mut decision = issuer.stand_in.authorize(NOW, 1, HostOutcome::NotAsked, request.clone());
    let rows = store.read(&decision.begin().rows).unwrap();
    group.bench_function("authorize", |bencher| {
        let given = || (request.clone(), Answers { rows: rows.clone(), keys: Vec::new() });
        let decide = |(request, answers): (TransactionRequest, Answers)| {
            let mut decision = issuer.stand_in.authorize(NOW, 1, HostOutcome::NotAsked, request);
            black_box(decision.begin());
            let Step::Done(done) = decision.step(answers).unwrap() else { panic!("a question") };
            assert!(is_approved(&done.verdict.verdict));
            done
        };
        // As many at a time as a busy server has: what one decision gave back, a later one takes.
        bencher.iter_batched(given, decide, BatchSize::NumIterations(64));
    });
    // What no decision goes below: the journal's chain hashes each entry.
    issuer.approve(&store, NOW, request.clone());
    let keys = issuer.stand_in.entry_keys(&EntryRef::of(&request));
    let rows = store.read(&ReadSet::points(keys)).unwrap().points;
    let entry = rows.into_iter().flatten().next().unwrap().value;
    group.bench_function("bare_sha256", |bencher| {
        bencher.iter(|| Sha256::digest(black_box(&entry)));
    });
    group.finish();
}

/// The whole of it on one core: rows read, decided, committed.
fn full(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("standin/full");
    // Many in each iteration: filling a store must not look like a slow decision.
    group.throughput(Throughput::Elements(AT_ONCE)).sample_size(20);
    group.sampling_mode(SamplingMode::Flat);
    for (accounts, name) in [(10_000, "10k_accounts"), (1_000_000, "1m_accounts")] {
        // Filled only if something is measured on it.
        let mut filled: Option<(Issuer, MemoryStore)> = None;
        let mut trace = 0;
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|times| {
                let (issuer, store) = filled.get_or_insert_with(|| {
                    let (issuer, store) = (Issuer::new(accounts, 1), MemoryStore::new());
                    issuer.furnish(&store);
                    (issuer, store)
                });
                let mut taken = Duration::ZERO;
                for _ in 0..times {
                    let due: Vec<_> = (trace..trace + AT_ONCE).map(|n| issuer.next(n)).collect();
                    trace += AT_ONCE;
                    let settled = due.clone();
                    let started = Instant::now();
                    for request in due {
                        issuer.approve(store, NOW, request);
                    }
                    taken += started.elapsed();
                    issuer.settle(store, &settled);
                }
                taken
            });
        });
    }
    group.finish();
}

/// 64 in flight on `store-redb`, one in each of 64 lanes; beside PostgreSQL's own benchmark (`pgbench`, TPC-B-like, prepared
/// statements, scale 64, durable: `fsync` and `synchronous_commit` are on) at the number of clients that serves it best.
fn durable(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("standin/durable");
    group.sample_size(10).warm_up_time(Duration::from_secs(1));
    group.measurement_time(Duration::from_secs(8));
    let mut filled: Option<(Issuer, RedbStore, TempDir)> = None;
    let mut trace = 0;
    group.throughput(Throughput::Elements(AT_ONCE)).sampling_mode(SamplingMode::Flat);
    group.bench_function("interbank/64", |bencher| {
        bencher.iter_custom(|times| {
            let (issuer, store, _) = filled.get_or_insert_with(|| {
                let dir = dir();
                let store = RedbStore::open(dir.path(), Options::new().create(true)).unwrap();
                let issuer = Issuer::new(10_000, LANES);
                issuer.furnish(&store);
                (issuer, store, dir)
            });
            let mut taken = Duration::ZERO;
            for _ in 0..times {
                taken += at_once(issuer, store, trace, AT_ONCE, None).0;
                trace += AT_ONCE;
            }
            taken
        });
    });
    if let Some((_, store, _)) = filled {
        eprintln!("  {:?}", store.stats());
    }
    group.throughput(Throughput::Elements(1));
    pgbench(&mut group);
    group.finish();
}

/// Answers at half the load that the store carries, beside the raw sync of the same minutes.
fn answers(_: &mut Criterion) {
    let dir = dir();
    let store = RedbStore::open(dir.path(), Options::new().create(true)).unwrap();
    let issuer = Issuer::new(10_000, LANES);
    issuer.furnish(&store);
    let mut syncs = Vec::new();
    sync_times(dir.path(), &mut syncs);
    // What it carries for long, not what its journal takes up at once.
    let rounds = (0..LOAD_ROUNDS).map(|round| at_once(&issuer, &store, round * LOAD, LOAD, None).0);
    let full = (LOAD_ROUNDS * LOAD) as f64 / rounds.sum::<Duration>().as_secs_f64();
    let mut rounds = Vec::new();
    for round in LOAD_ROUNDS..LOAD_ROUNDS + ANSWER_ROUNDS {
        // What is left of the round before has moved into the database when this one begins.
        thread::sleep(Duration::from_secs(1));
        let (_, mut times) = at_once(&issuer, &store, round * LOAD, LOAD, Some(full / 2.0));
        rounds.push(p99(&mut times));
    }
    rounds.sort_unstable();
    let answer = rounds[rounds.len() / 2];
    // What it still moves must not make the raw sync look slow.
    store.close().unwrap();
    sync_times(dir.path(), &mut syncs);
    let sync = p99(&mut syncs);
    println!("standin/p99: at {:.0}/s, half of {full:.0}/s; rounds: {rounds:?}", full / 2.0);
    figure("standin/p99/answer", micros(answer), "µs");
    figure("standin/p99/sync", micros(sync), "µs");
    figure("standin/p99/allowed", micros(3 * sync + Duration::from_millis(2)), "µs");
}

/// So many decisions in so many rounds; what was decided goes in between.
const LOAD: u64 = 32_000;
const LOAD_ROUNDS: u64 = 4;
/// Rounds at half the load. The median of their 99th percentiles counts: a moment in which the machine stands still does not.
const ANSWER_ROUNDS: u64 = 5;

fn sync_times(dir: &Path, times: &mut Vec<Duration>) {
    let file = std::fs::File::create(dir.join("raw")).unwrap();
    for at in 0..1_000 {
        let started = Instant::now();
        file.write_all_at(&[0x5A; 4_096], at * 4_096).unwrap();
        file.sync_data().unwrap();
        times.push(started.elapsed());
    }
}

fn p99(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times[times.len() * 99 / 100]
}

fn pgbench(group: &mut BenchmarkGroup<'_, WallTime>) {
    let mut started: Option<(Postgres, u64)> = None;
    group.bench_function("pgbench/best", |bencher| {
        bencher.iter_custom(|transactions| {
            let (server, clients) = started.get_or_insert_with(|| {
                let server = Postgres::start().unwrap();
                run_pgbench(&server, &["-i", "-q", "-s", "64"]);
                let rate = |clients: &u64| {
                    let clients = clients.to_string();
                    tps(&server, &["-c", &clients, "-T", "6"])
                };
                let rates = [1, 8, 16, 32, 64].map(|clients| (clients, rate(&clients)));
                eprintln!("  pgbench, transactions/s by clients: {rates:?}");
                let best = rates.into_iter().max_by(|one, other| one.1.total_cmp(&other.1));
                (server, best.unwrap().0)
            });
            // Not so few that the clients' beginning and end show.
            let each = transactions.div_ceil(*clients).max(100).to_string();
            let rate = tps(server, &["-c", &clients.to_string(), "-t", &each]);
            Duration::from_secs_f64(transactions as f64 / rate)
        });
    });
}

fn tps(server: &Postgres, args: &[&str]) -> f64 {
    let said = run_pgbench(server, &[&["-n", "-M", "prepared", "-j", "2"], args].concat());
    let line = said.lines().find(|line| line.starts_with("tps = ")).unwrap();
    line.split(' ').nth(2).unwrap().parse().unwrap()
}

fn run_pgbench(server: &Postgres, args: &[&str]) -> String {
    let program = Installation::find().unwrap().programs().join("pgbench");
    let output = Command::new(program).args(args).arg(server.url()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Queued entries to an accounting system that answers in 5 ms of real time, from a store in memory: the forwarder as it comes
/// (its window grows from 8 to 256), and the serial pattern, one message in flight.
fn replay(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("standin/replay");
    group.sample_size(10).sampling_mode(SamplingMode::Flat);
    group.warm_up_time(Duration::from_millis(1)).measurement_time(Duration::from_secs(1));
    let one = ForwarderConfig { window_first: 1, window_max: 1, ..ForwarderConfig::default() };
    for (name, entries, config) in
        [("interbank", 100_000, ForwarderConfig::default()), ("serial", 200, one)]
    {
        group.throughput(Throughput::Elements(entries));
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|times| {
                (0..times).map(|_| replay_once(entries, config.clone())).sum::<Duration>()
            });
        });
    }
    group.finish();
}

fn replay_once(entries: u64, config: ForwarderConfig) -> Duration {
    let (issuer, store) = (Issuer::new(entries.div_ceil(10), 4), MemoryStore::new());
    issuer.furnish(&store);
    issuer.queue(&store, entries);
    let started = Instant::now();
    let now = || LATER.plus_ms(u64::try_from(started.elapsed().as_millis()).unwrap());
    let mut forwarder = Forwarder::new(now(), &issuer.stand_in, config).unwrap();
    let mut host: VecDeque<(Instant, RequestKey)> = VecDeque::new();
    let mut delivered = 0;
    forwarder.open(now(), true);
    while delivered < entries {
        carry(&mut forwarder, now(), &store);
        while let Some(event) = forwarder.poll_event() {
            match event {
                ForwarderEvent::Send(advice) => {
                    host.push_back((Instant::now() + HOST, advice.key));
                }
                ForwarderEvent::Delivered { .. } => delivered += 1,
                other => panic!("{other:?}"),
            }
        }
        match host.front() {
            Some((at, _)) => thread::sleep(at.saturating_duration_since(Instant::now())),
            None => forwarder.handle(now(), Input::Tick).unwrap(),
        }
        while let Some((at, key)) = host.front().copied()
            && at <= Instant::now()
        {
            host.pop_front();
            forwarder.answered(now(), &key, AdviceOutcome::Posted);
        }
    }
    started.elapsed()
}

/// From a closed store on disk with a million queued entries of 100,000 accounts to a forwarder that has all of them lined up.
fn recovery(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("standin/recovery");
    group.sample_size(10).sampling_mode(SamplingMode::Flat);
    group.warm_up_time(Duration::from_millis(1)).measurement_time(Duration::from_secs(10));
    let mut filled: Option<(Issuer, TempDir)> = None;
    group.bench_function("1m_queued", |bencher| {
        bencher.iter_custom(|times| {
            let (issuer, dir) = filled.get_or_insert_with(|| {
                let dir = dir();
                let issuer = Issuer::new(100_000, 4);
                let store = MemoryStore::new();
                issuer.furnish(&store);
                issuer.queue(&store, QUEUED);
                copy(&store, dir.path());
                (issuer, dir)
            });
            (0..times).map(|_| recover(issuer, dir.path())).sum::<Duration>()
        });
    });
    group.finish();
}

fn recover(issuer: &Issuer, dir: &Path) -> Duration {
    let started = Instant::now();
    let store = RedbStore::open(dir, Options::new()).unwrap();
    let queued = usize::try_from(QUEUED).unwrap();
    // A page is read only where there is room for all of it.
    let config = ForwarderConfig { entries_max: queued + 1_000, ..ForwarderConfig::default() };
    let mut forwarder = Forwarder::new(LATER, &issuer.stand_in, config).unwrap();
    forwarder.handle(LATER, Input::Tick).unwrap();
    carry(&mut forwarder, LATER, &store);
    let taken = started.elapsed();
    assert_eq!(forwarder.backlog(), queued);
    assert_eq!(forwarder.poll_event(), None);
    store.close().unwrap();
    taken
}

/// A thousand requests a second to an accounting system that answers in 5 ms of real time, until it stops for good: how long it
/// takes from then until no request waits for it and every new one is decided here. With detection as it comes, and by time-outs
/// alone. Each request is carried through switch, store and decision.
fn diversion(_: &mut Criterion) {
    let as_it_comes = HostConfig::new(id(6_222));
    let mut by_time_outs = as_it_comes.clone();
    // Nothing but unanswered requests is a sign.
    by_time_outs.thresholds.stall_in_flight = usize::MAX;
    by_time_outs.thresholds.weights.echo_missed = 0;
    figure("standin/diversion", millis(Desk::new(as_it_comes).stop()), "ms");
    figure("standin/diversion_by_time_outs", millis(Desk::new(by_time_outs).stop()), "ms");
}

/// One switch in front of one accounting system and one stand-in module.
struct Desk {
    issuer: Issuer,
    store: MemoryStore,
    switch: Switch,
    started: Instant,
    trace: u64,
    /// What the accounting system will answer, and when; `None` after it stopped.
    host: Option<VecDeque<(Instant, Response)>>,
    /// When a request was last taken from it to the stand-in module.
    taken_at: Instant,
    answered: u64,
}

impl Desk {
    fn new(host: HostConfig) -> Self {
        let (issuer, store) = (Issuer::new(10_000, 4), MemoryStore::new());
        issuer.furnish(&store);
        let config = SwitchConfig {
            mac_required: false,
            ..SwitchConfig::new(id(9), Text::new("SW1").unwrap(), vec![host])
        };
        // So long ago that nothing may have been sent by a switch that is gone.
        let switch = Switch::new(NOW.minus_ms(60_000), config).unwrap();
        let (started, host) = (Instant::now(), Some(VecDeque::new()));
        Self { issuer, store, switch, started, trace: 0, host, taken_at: started, answered: 0 }
    }

    fn stop(mut self) -> Duration {
        // Half a second, for the latencies to be known.
        while self.trace < 500 {
            self.turn();
        }
        self.host = None;
        let stopped = Instant::now();
        let share_bp = |switch: &Switch| switch.standing(id(6_222)).unwrap().host_share_bp;
        while share_bp(&self.switch) > 0 || self.switch.pending() > 0 {
            self.turn();
            assert!(stopped.elapsed() < Duration::from_secs(30), "{:?}", self.switch);
        }
        // What comes afterwards is decided here, at once.
        let until = self.trace + 200;
        while self.trace < until {
            self.turn();
        }
        assert!(self.answered >= until - 1, "{} of {}", self.answered, self.trace);
        self.taken_at.duration_since(stopped)
    }

    /// Takes what is due, and does everything that comes of it.
    fn turn(&mut self) {
        let passed = self.started.elapsed();
        let now = NOW.plus_ms(u64::try_from(passed.as_millis()).unwrap());
        while u128::from(self.trace) < passed.as_millis() {
            let request = self.issuer.next(self.trace);
            let draft = RequestDraft { sent_at: Some(now), ..request.into() };
            self.trace += 1;
            self.switch.request(now, Peer::new("acquirer").unwrap(), draft).unwrap();
        }
        while let Some(host) = &mut self.host
            && host.front().is_some_and(|(at, _)| *at <= Instant::now())
            && let Some((_, response)) = host.pop_front()
        {
            self.switch.host_answered(now, id(6_222), response).unwrap();
        }
        self.switch.handle(now, Input::Tick).unwrap();
        loop {
            if let Some(effect) = self.switch.poll_effect() {
                self.switch.handle(now, done(&self.store, effect)).unwrap();
            } else if let Some(event) = self.switch.poll_event() {
                self.on_event(now, event);
            } else {
                break;
            }
        }
        thread::sleep(Duration::from_micros(200));
    }

    fn on_event(&mut self, now: Time, event: SwitchEvent) {
        match event {
            SwitchEvent::AskHost { request, .. } => {
                if let Some(host) = &mut self.host {
                    host.push_back((Instant::now() + HOST, approval(&request)));
                }
            }
            SwitchEvent::AskStandIn { epoch, host, request, .. } => {
                if host == HostOutcome::Unknown {
                    self.taken_at = Instant::now();
                }
                let decision = &mut self.issuer.stand_in.authorize(now, epoch, host, *request);
                match decide(&self.store, &NoKeys, decision).unwrap().verdict {
                    Verdict::Answered(answered) => {
                        self.switch.stand_in_answered(now, &answered).unwrap();
                    }
                    other => panic!("{other:?}"),
                }
            }
            SwitchEvent::Probe { institution, request } => {
                if self.host.is_some() {
                    self.switch.probe_answered(now, institution, &request.key).unwrap();
                }
            }
            SwitchEvent::Answer { .. } => self.answered += 1,
            SwitchEvent::Changed(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

fn approval(request: &TransactionRequest) -> Response {
    Response {
        mti: request.mti.response().unwrap(),
        key: request.key,
        code: ResponseCode::APPROVED,
        approved: Some(request.amount),
        auth_code: AuthCode::new(*b"000001"),
        source: Source::Host,
        balance: None,
        retrieval_ref: request.retrieval_ref,
    }
}

/// The account's row, key and value, after a day with a purchase in each hour and a dozen in the last one.
fn account_bytes(_: &mut Criterion) {
    let (issuer, store) = (Issuer::new(1, 1), MemoryStore::new());
    issuer.furnish(&store);
    let hours = (0..24).map(|hour| NOW.plus_ms(hour * 3_600_000));
    let minutes = (0..12).map(|minute| NOW.plus_ms(23 * 3_600_000 + minute * 61_000));
    for (trace, now) in hours.chain(minutes).enumerate() {
        issuer.approve(&store, now, issuer.purchase(0, u64::try_from(trace).unwrap(), now));
    }
    let key = issuer.stand_in.account_key(&issuer.accounts[0]);
    let rows = store.read(&ReadSet::points([key.clone()])).unwrap();
    let bytes = key.as_bytes().len() + rows.points[0].as_ref().unwrap().value.len();
    figure("standin/account_bytes", bytes as f64, "B");
}

/// Leaves a result that is not a time of criterion's for the table.
fn figure(id: &str, value: f64, unit: &str) {
    println!("{id}: {value} {unit}");
    if let Ok(folder) = std::env::var("INTERBANK_BENCH_FIGURES") {
        let text = format!("{{\"id\": \"{id}\", \"value\": {value}, \"unit\": \"{unit}\"}}");
        let file = format!("{}.json", id.replace('/', "_"));
        std::fs::write(Path::new(&folder).join(file), text).unwrap();
    }
}

/// One institution, its parameters, and its accounts.
struct Issuer {
    stand_in: StandIn,
    accounts: Vec<AccountRef>,
    /// What each account begins with.
    state: Vec<u8>,
}

impl Issuer {
    fn new(accounts: u64, lanes: u16) -> Self {
        let draft: ParametersDraft = serde_json::from_str(PARAMETERS).unwrap();
        let config = StandInConfig {
            institution: id(6_222),
            zone: Zone::utc(),
            parameters: Some(Parameters::new(draft).unwrap()),
            mac_keys: BTreeMap::new(),
            mac_required: false,
            lanes,
            skew: Skew::default(),
            journal_kept_ms: 30 * 86_400_000,
        };
        let mut state =
            AccountState { seq: 3, seen: NOW.minus_ms(3_600_000), ..AccountState::default() };
        for (counter, window) in [(1, Window::Sliding(86_400_000)), (2, Window::Month)] {
            let mut counts = Counts::new(counter);
            for hours in [9, 5, 1] {
                let at = NOW.minus_ms(hours * 3_600_000);
                counts.reserve(Slot::of(window, &Zone::utc(), at), 12_345);
            }
            state.counts.push(counts);
        }
        Self {
            stand_in: StandIn::new(config),
            accounts: (0..accounts).map(token).collect(),
            state: state.encode().unwrap(),
        }
    }

    /// Parameters in force, all exposure leased to the lanes, the accounts' rows.
    fn furnish(&self, store: &impl Store) {
        let config = self.stand_in.config();
        let set = config.parameters.as_ref().unwrap();
        let key = SigningKey::from_seed(&Secret::new([1; 32]));
        let mut trust = TrustList::new();
        let trusted = TrustedKey::new(key.verifying_key(), Validity::always());
        trust.add("accounting.example", 1, trusted);
        let signature = key.sign(&SealedParameters::message(set).unwrap());
        let sealed = SealedParameters::new(set, "accounting.example", 1, signature).unwrap();
        let mut install = self.stand_in.install(NOW, &trust, sealed);
        let installed = decide(store, &NoKeys, &mut install).unwrap().verdict;
        assert!(matches!(installed, InstallVerdict::Accepted { .. }), "{installed:?}");
        for lane in 0..config.lanes {
            let wanted = EXPOSURE_MINOR / i64::from(config.lanes);
            let mut lease = self.stand_in.lease(NOW, lane, id(1_111), wanted);
            let leased = decide(store, &NoKeys, &mut lease).unwrap();
            assert!(matches!(leased, Leased::Spendable(_)), "{leased:?}");
        }
        for accounts in self.accounts.chunks(Batch::OPS_MAX) {
            let mut batch = Batch::new();
            for account in accounts {
                let key = self.stand_in.account_key(account);
                batch.put(key, Expect::Any, self.state.clone());
            }
            commit(store, &batch);
        }
    }

    fn purchase(&self, account: usize, trace: u64, now: Time) -> TransactionRequest {
        let number = Account::new("6200000000000005").unwrap();
        TransactionRequest::new(RequestDraft {
            institution: Some(id(6_222)),
            initiator: Some(id(1_111)),
            account: Some(AccountInfo::new(&number, self.accounts[account])),
            amount: Some(Amount::new(12_345, Currency::parse("CNY").unwrap())),
            kind: Some(Kind::Purchase),
            mti: Some(Mti::FINANCIAL),
            trace: Some(trace),
            sent_at: Some(now),
            terminal: Some(Text::new("TERM0001").unwrap()),
            retrieval_ref: Some(Text::new("620617200001").unwrap()),
            merchant: Some(Text::new("MERCHANT0000001").unwrap()),
            channel: Some(Channel::Pos),
            entry: Some(EntryMode::Chip),
            mcc: Mcc::new(5_411),
            country: Country::new(156),
            expiry: Expiry::from_yymm(2_912),
            ..RequestDraft::default()
        })
        .unwrap()
    }

    /// Of the accounts in turn, spread over all of them.
    fn next(&self, trace: u64) -> TransactionRequest {
        let at = (trace * 7_919) % self.accounts.len() as u64;
        self.purchase(usize::try_from(at).unwrap(), trace, NOW)
    }

    fn approve(&self, store: &impl Store, now: Time, request: TransactionRequest) {
        let mut decision = self.stand_in.authorize(now, 1, HostOutcome::NotAsked, request);
        let verdict = decide(store, &NoKeys, &mut decision).unwrap().verdict;
        assert!(is_approved(&verdict), "{verdict:?}");
    }

    /// Ten approved purchases of each account, a minute apart.
    fn queue(&self, store: &impl Store, entries: u64) {
        for n in 0..entries {
            let (round, account) = (n / self.accounts.len() as u64, n % self.accounts.len() as u64);
            let now = NOW.plus_ms(round * 61_000);
            let request = self.purchase(usize::try_from(account).unwrap(), n, now);
            self.approve(store, now, request);
        }
    }

    /// What was decided goes, and accounts are as they were. What is out of a lane stays out: its share is large enough.
    fn settle(&self, store: &impl Store, requests: &[TransactionRequest]) {
        for requests in requests.chunks(Batch::OPS_MAX / 2) {
            let mut batch = Batch::new();
            let mut accounts = BTreeMap::new();
            for request in requests {
                let [open, _] = self.stand_in.entry_keys(&EntryRef::of(request));
                batch.delete(open, Expect::Any);
                accounts.insert(request.account.token, ());
            }
            for account in accounts.keys() {
                let key = self.stand_in.account_key(account);
                batch.put(key, Expect::Any, self.state.clone());
            }
            commit(store, &batch);
        }
    }
}

/// So many decisions by 64 threads, each with the accounts of its own lane: one after another, or each when it is due at so many
/// a second. How long all of it took, and each answer from when it was due.
fn at_once(
    issuer: &Issuer,
    store: &RedbStore,
    first: u64,
    count: u64,
    per_s: Option<f64>,
) -> (Duration, Vec<Duration>) {
    let lanes = u64::from(LANES);
    let start = Barrier::new(usize::from(LANES) + 1);
    thread::scope(|scope| {
        let threads: Vec<_> = (0..lanes)
            .map(|lane| {
                let start = &start;
                scope.spawn(move || {
                    let own = issuer.accounts.len() as u64 / lanes;
                    let due: Vec<_> = (first..first + count)
                        .filter(|trace| trace % lanes == lane)
                        .map(|trace| {
                            let account = (trace / lanes) % own * lanes + lane;
                            (trace, issuer.purchase(usize::try_from(account).unwrap(), trace, NOW))
                        })
                        .collect();
                    let mut times = Vec::with_capacity(due.len());
                    start.wait();
                    let started = Instant::now();
                    for (trace, request) in &due {
                        let after = per_s.map(|per_s| (trace - first) as f64 / per_s);
                        let due = after.map_or_else(Instant::now, |after| {
                            started + Duration::from_secs_f64(after)
                        });
                        thread::sleep(due.saturating_duration_since(Instant::now()));
                        issuer.approve(store, NOW, request.clone());
                        times.push(due.elapsed());
                    }
                    (due, times)
                })
            })
            .collect();
        start.wait();
        let started = Instant::now();
        let done: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
        let taken = started.elapsed();
        let mut times = Vec::new();
        for (due, of_lane) in done {
            times.extend(of_lane);
            let requests: Vec<_> = due.into_iter().map(|(_, request)| request).collect();
            scope.spawn(move || issuer.settle(store, &requests));
        }
        (taken, times)
    })
}

/// Everything that the forwarder wants done is done; its events stay.
fn carry(forwarder: &mut Forwarder, now: Time, store: &impl Store) {
    while let Some(effect) = forwarder.poll_effect() {
        forwarder.handle(now, done(store, effect)).unwrap();
    }
}

/// What a store makes of what a machine wants.
fn done(store: &impl Store, effect: Effect) -> Input<'static> {
    match effect {
        Effect::Commit { ticket, batch } => {
            Input::Committed { ticket, fate: store.commit(&batch).unwrap().into() }
        }
        Effect::Read { ticket, want } => {
            Input::Rows { ticket, rows: Some(store.read(&want).unwrap()) }
        }
        other => panic!("{other:?}"),
    }
}

/// By several at once: commits that come together share a sync.
fn copy(from: &MemoryStore, dir: &Path) {
    let store = RedbStore::open(dir, Options::new().create(true)).unwrap();
    let rows = from.snapshot().rows;
    thread::scope(|scope| {
        for part in rows.chunks(rows.len().div_ceil(usize::from(LANES))) {
            let store = &store;
            scope.spawn(move || {
                for rows in part.chunks(Batch::OPS_MAX) {
                    let mut batch = Batch::new();
                    for (key, Row { value, .. }) in rows {
                        batch.put(key.clone(), Expect::Any, value.clone());
                    }
                    commit(store, &batch);
                }
            });
        }
    });
    store.close().unwrap();
}

fn commit(store: &impl Store, batch: &Batch) {
    assert!(matches!(store.commit(batch), Ok(Commit::Applied(_))));
}

fn micros(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round()
}

fn millis(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e3).round()
}

fn is_approved(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Answered(answered) if answered.response.is_approval())
}

/// Spread over the table; the first two bytes, which say the lane, count.
fn token(n: u64) -> AccountRef {
    let mut bytes = [0; 16];
    bytes[..2].copy_from_slice(&n.to_be_bytes()[6..]);
    bytes[2..8].copy_from_slice(&n.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes()[..6]);
    bytes[8..].copy_from_slice(&n.to_be_bytes());
    AccountRef::from_bytes(bytes)
}

fn id(number: u64) -> InstitutionId {
    InstitutionId::new(number).unwrap()
}

fn dir() -> TempDir {
    let target = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target");
    let place = std::env::var_os("INTERBANK_BENCH_DIR").map_or_else(target, PathBuf::from);
    std::fs::create_dir_all(&place).unwrap();
    tempfile::tempdir_in(place).unwrap()
}

/// Nothing here asks a key holder.
struct NoKeys;

impl Keys for NoKeys {
    type Error = Infallible;

    fn answer(&self, questions: &[KeyQuestion]) -> Result<Vec<KeyAnswer>, Infallible> {
        assert_eq!(questions, []);
        Ok(Vec::new())
    }
}

/// After everything that was queued, and before any of it is old.
const LATER: Time = Time::from_s(1_785_001_800);
const LANES: u16 = 64;
/// Decisions of one iteration: a hundred of each lane.
const AT_ONCE: u64 = 6_400;
const QUEUED: u64 = 1_000_000;
const EXPOSURE_MINOR: i64 = 1_000_000_000_000_000_000;
const PARAMETERS: &str = r#"{
    "schema": 1, "institution": 6222, "version": 7, "currency": "CNY",
    "issued_at_ms": 1784990000000, "effective_from_ms": 1784990000000,
    "valid_until_ms": 1786000000000, "stale_after_ms": 864000000,
    "ranges": [
        { "from": 62000000, "to": 62009999, "product": "gold" },
        { "from": 62220000, "to": 62229999, "product": "classic" }
    ],
    "counters": [
        { "id": 1, "window": "sliding", "length_ms": 86400000 },
        { "id": 2, "window": "month" }
    ],
    "exposure": { "institution_minor": 1000000000000000000 },
    "rules": [
        { "number": 1, "approve": true, "pin": "floor", "limits": {
            "single_minor": 500000, "floor_minor": 50000, "velocity_count": 5, "velocity_ms": 60000,
            "windows": [{ "of": 1, "count": 100, "sum_minor": 2000000 }] } },
        { "number": 2, "scope": { "products": ["gold"] }, "partial": true, "limits": {
            "windows": [{ "of": 2, "sum_minor": 20000000 }] } },
        { "number": 3, "scope": { "products": ["classic"] }, "limits": { "single_minor": 100000 } },
        { "number": 4, "scope": { "mccs": [6011, 7995] }, "deny": "57" },
        { "number": 5, "scope": { "countries": [408] }, "deny": "62" },
        { "number": 6, "scope": { "mccs": [5411] }, "limits": { "single_minor": 200000 } }
    ]
}"#;

criterion_group!(benches, pure, full, durable, answers, replay, recovery, diversion, account_bytes);
criterion_main!(benches);
