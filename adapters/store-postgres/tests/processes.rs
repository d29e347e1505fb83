//! Four processes race on one database: small races of qrpay's decisions, each judged by what some order of them, one
//! after the other, would have told and written.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    dead_code,
    reason = "a test fails by panicking; what is shared with the simulation is used there"
)]

extern crate qrpay as interbank_qrpay;

mod bed;
mod job;
mod rows;
mod sim;

use bank::{Bank, START};
use interbank_qrpay::{Code, InstructionKind, PaymentId, PaymentState, Uid};
use interbank_store_postgres::PostgresStore;
use job::{Job, Told, payment_server};
use port::outbox::Answer;
use port::{Batch, Bytes, Commit, Key, MemoryStore, ReadSet, Rows, Snapshot, Store, Time};
use sim::*;
use simkit::{Ended, Operation, Rng, linearize};
use std::io::{BufRead, BufReader, Lines, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use testbed::Postgres;
use tokio::runtime::{Builder, Runtime};
use view::View;
use world::World;

const PROCESSES: usize = 4;
const RACES: usize = 110;

#[test]
fn races_of_four_processes_end_as_if_one_came_after_the_other() {
    if let Ok(url) = std::env::var("STORE_POSTGRES_RACER") {
        return racer(&url);
    }
    let server = Postgres::options().fast().start().unwrap();
    let bank = Bank::new();
    let world = World::new(&bank, payment_server(), &Rng::new(1), START);
    world.past.borrow_mut().with_gaps = true;
    let mut referee = Referee::new(&world, &server);
    let mut rng = Rng::new(2);
    // Who wins is not drawn: go on until enough has happened to judge.
    let mut rounds = 0;
    while rounds == 0 || !is_lively(&world) || !referee.tally.is_close() {
        assert!(rounds < 20, "too little happens");
        rounds += 1;
        for _ in 0..RACES {
            let race = referee.draw(&mut rng);
            let death = rng.chance(1, 6).then(|| Death {
                racer: rng.index(PROCESSES),
                after: Duration::from_micros(rng.below(9_000)),
            });
            referee.race(race, death);
        }
        referee.settle_all();
    }
    for device in [1, 2, 3] {
        let race = referee.lost_device(device);
        referee.race(race, None);
    }
    referee.settle_all();
    let Tally { races, overlapping, conflicts, deaths } = referee.tally;
    println!(
        "{races} races of {PROCESSES} processes: {overlapping} overlap, {conflicts} conflicts, {deaths} deaths"
    );
    let log = world.log.borrow();
    let done = |kind| log.accounting.done(kind).count();
    println!(
        "{} orders, {} acceptances, {} debits, {} refunds, {} reversals, {} instructions in all",
        log.issued.len(),
        log.accepted.len(),
        done(InstructionKind::Debit),
        done(InstructionKind::Refund),
        done(InstructionKind::Reversal),
        log.accounting.seen
    );
}

/// Whether money moved often enough in both directions.
fn is_lively(world: &World<'_>) -> bool {
    let log = world.log.borrow();
    let done = |kind| log.accounting.done(kind).count();
    done(InstructionKind::Debit) > 20 && done(InstructionKind::Refund) > 5
}

/// Makes the races, knows what everybody was told, and judges.
struct Referee<'w> {
    world: &'w World<'w>,
    server: &'w Postgres,
    racers: Vec<Racer>,
    store: PostgresStore,
    runtime: Runtime,
    start: Snapshot,
    drawn: u64,
    tally: Tally,
}

#[derive(Default)]
struct Tally {
    races: usize,
    overlapping: usize,
    conflicts: usize,
    deaths: usize,
}

impl Tally {
    /// Whether processes met often enough; how often they do depends on the machine.
    const fn is_close(&self) -> bool {
        self.overlapping > 60 && self.conflicts > 60 && self.deaths > 0
    }
}

impl<'w> Referee<'w> {
    fn new(world: &'w World<'w>, server: &'w Postgres) -> Self {
        let url = &server.url();
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let store = runtime.block_on(bed::open(url));
        runtime.block_on(rows::fill(&store, &world.opened().snapshot()));
        let start = runtime.block_on(rows::snapshot(&store));
        let racers = (0..PROCESSES).map(|_| Racer::start(url)).collect();
        Self { world, server, racers, store, runtime, start, drawn: 0, tally: Tally::default() }
    }

    /// A race for each process to take part in.
    fn draw(&mut self, rng: &mut Rng) -> Vec<Job> {
        let view = View::of(&self.start, &self.world.server).unwrap();
        let owed = !view.owed.is_empty();
        let paid = view.payments.iter().find(|row| {
            row.payment.state == PaymentState::Paid && row.payment.refunded_minor < 6_000
        });
        match rng.below(10) {
            0 => self.one_merchant_key(),
            1 => self.one_request_four_times(),
            2 => self.four_payers(),
            3 => self.payers_and_a_merchant(),
            4 => self.one_device_four_times(rng),
            5 | 6 if owed => self.settlements(rng),
            7 | 8 if paid.is_some() => {
                let (uid, id) = paid.map(|row| (row.uid.clone(), row.id)).unwrap();
                self.refunds(uid, id, rng)
            }
            _ => self.everybody(),
        }
    }

    fn one_merchant_key(&mut self) -> Vec<Job> {
        let key = format!("shared-{}", self.number());
        (0..PROCESSES).map(|_| Job::Issue { key: key.clone(), entropy: self.entropy() }).collect()
    }

    fn one_request_four_times(&mut self) -> Vec<Job> {
        let code = self.displayed();
        vec![self.redeem(0, &code); PROCESSES]
    }

    fn four_payers(&mut self) -> Vec<Job> {
        let code = self.displayed();
        (0..PROCESSES).map(|device| self.redeem(device, &code)).collect()
    }

    fn payers_and_a_merchant(&mut self) -> Vec<Job> {
        let code = self.displayed();
        let cancel = Job::Cancel { uid: code.uid.clone() };
        vec![self.redeem(0, &code), cancel.clone(), self.redeem(2, &code), cancel]
    }

    fn everybody(&mut self) -> Vec<Job> {
        let code = self.displayed();
        let (uid, entropy) = (code.uid.clone(), self.entropy());
        vec![
            Job::Refresh { uid: uid.clone(), entropy },
            self.redeem(2, &code),
            Job::Cancel { uid },
            self.redeem(0, &code),
        ]
    }

    fn one_device_four_times(&mut self, rng: &mut Rng) -> Vec<Job> {
        let device = rng.index(PROCESSES);
        let name = format!("new-{}", self.number() % 3);
        (0..PROCESSES)
            .map(|_| Job::Bind { device, name: name.clone(), entropy: self.entropy() })
            .collect()
    }

    /// What the accounting system said comes in more than once, while the bank gives up waiting.
    fn settlements(&mut self, rng: &mut Rng) -> Vec<Job> {
        let late = rng.chance(1, 2);
        let (settle, uid, payment) = self.settlement(rng);
        let other = match late {
            true => {
                self.world.tick(self.world.policy().settle_ms);
                Job::Lapse { uid, payment }
            }
            false => Job::Cancel { uid },
        };
        vec![settle.clone(), other.clone(), settle, other]
    }

    fn refunds(&mut self, uid: Uid, payment: PaymentId, rng: &mut Rng) -> Vec<Job> {
        let number = self.number();
        (0..PROCESSES)
            .map(|_| Job::Refund {
                uid: uid.clone(),
                payment,
                id: format!("back-{number}-{}", rng.below(3)),
                minor: *rng.pick(&[345, 3_000, 6_000]).unwrap(),
            })
            .collect()
    }

    /// A payer's reply and the report that its device is lost.
    fn lost_device(&mut self, device: usize) -> Vec<Job> {
        let (one, two) = (self.displayed(), self.displayed());
        let revoke = Job::Revoke { device };
        vec![self.redeem(device, &one), revoke.clone(), self.redeem(device, &two), revoke]
    }

    /// An instruction that waits, and what the accounting system says to it.
    fn settlement(&mut self, rng: &mut Rng) -> (Job, Uid, PaymentId) {
        let prefix = self.world.server.outbox();
        let waiting: Vec<_> =
            self.start.rows.iter().filter(|(key, _)| key.starts_with(&prefix)).collect();
        let (key, row) = rng.pick(&waiting).copied().unwrap();
        let entry = port::outbox::Entry::parse(&row.value).unwrap();
        let instruction = interbank_qrpay::Instruction::parse(&entry.content).unwrap();
        let answer = self.world.log.borrow_mut().accounting.on_frame(&row.value).unwrap();
        let answer = Answer::parse(&answer).unwrap().content.to_vec();
        let (key, version, entry) = (key.clone(), row.version, row.value.to_vec());
        let settle = Job::Settle { key, version, entry, answer };
        (settle, instruction.uid, instruction.payment)
    }

    /// Until nothing is owed: each answer comes in four times at once.
    fn settle_all(&mut self) {
        let mut rng = Rng::new(3);
        let prefix = self.world.server.outbox();
        while self.start.rows.iter().any(|(key, _)| key.starts_with(&prefix)) {
            let (settle, _, _) = self.settlement(&mut rng);
            self.race(vec![settle; PROCESSES], None);
        }
        self.world.check_at_rest(&self.start).unwrap();
    }

    /// Lets each process do one job, all at once, and judges what they were told and what is written.
    fn race(&mut self, jobs: Vec<Job>, death: Option<Death>) {
        self.world.tick(10);
        let now = self.world.now();
        let at = nanos() + 1_500_000;
        for (racer, job) in self.racers.iter_mut().zip(&jobs) {
            racer.send(at, now, job);
        }
        if let Some(Death { racer, after }) = death {
            std::thread::sleep(Duration::from_nanos(at.saturating_sub(nanos())) + after);
            self.racers[racer].kill();
        }
        let told: Vec<Reply> = self.racers.iter_mut().map(|racer| racer.told(at)).collect();
        if let Some(Death { racer, .. }) = death {
            self.tally.deaths += usize::from(told[racer].told.is_none());
            // what the dead one had sent is done or dropped before anybody looks
            bed::await_idle(self.server);
            self.racers[racer] = Racer::start(&self.server.url());
        }
        let end = self.runtime.block_on(rows::snapshot(&self.store));
        self.count(&told);
        let order = self.judge(&jobs, &told, now, &end);
        self.note(&jobs, &told, &order, now, &end);
        self.world.check(&end).unwrap_or_else(|why| panic!("{why} after {jobs:?}: {told:?}"));
        self.start = end;
    }

    /// The order that explains everything.
    fn judge(&self, jobs: &[Job], told: &[Reply], now: Time, end: &Snapshot) -> Vec<usize> {
        let mut operations: Vec<_> = told.iter().enumerate().map(Reply::operation).collect();
        // one who looks at the rows when all is over
        operations.push(Operation {
            name: LOOK.into(),
            called: Some(usize::MAX),
            returned: Some(usize::MAX),
            told: vec![Heard { job: jobs.len(), text: Some(format!("{:?}", contents(end))) }],
            ended: Ended::Returned,
        });
        let explained = linearize(&operations, &Vec::new(), |order: &mut Vec<usize>, operation| {
            let Heard { job, text } = &operation.told[0];
            let (store, _) = self.replay(jobs, order, now);
            if operation.name == LOOK {
                return Some(format!("{:?}", contents(&store.snapshot()))) == *text;
            }
            order.push(*job);
            let told = self.perform(&jobs[*job], &store, now).text();
            // whoever died was told nothing
            text.as_ref().is_none_or(|text| *text == told)
        });
        let mut order = explained
            .unwrap_or_else(|why| panic!("{why}\n{jobs:?}\n{told:?}\n{:?}", contents(end)));
        order.retain(|at| *at < jobs.len());
        order
    }

    /// The same jobs one after the other, on a store in memory.
    fn replay(&self, jobs: &[Job], order: &[usize], now: Time) -> (MemoryStore, Vec<Told>) {
        let store = MemoryStore::restore(&self.start);
        let told = order.iter().map(|at| self.perform(&jobs[*at], &store, now)).collect();
        (store, told)
    }

    fn perform(&self, job: &Job, store: &MemoryStore, now: Time) -> Told {
        let World { bank, server, .. } = self.world;
        self.runtime.block_on(job.perform(bank, server, store, now))
    }

    /// Remembers what everybody was told, for the invariants.
    fn note(&mut self, jobs: &[Job], told: &[Reply], order: &[usize], now: Time, end: &Snapshot) {
        let (_, replayed) = self.replay(jobs, order, now);
        let mut log = self.world.log.borrow_mut();
        let heard = order.iter().zip(replayed).filter(|(at, _)| told[**at].told.is_some());
        for (at, told) in heard {
            match (&jobs[*at], told) {
                (Job::Issue { key, .. }, Told::Issued(issued)) => {
                    log.issued.push((key.clone(), issued.uid));
                }
                (Job::Redeem { request, .. }, Told::Accepted(accepted)) => {
                    let number = log.sent.iter().position(|sent| sent == request).unwrap();
                    log.accepted.push((number, accepted));
                }
                (Job::Refund { payment, id, .. }, Told::Refunded(refunded)) => {
                    let id = Bytes::from(id.clone());
                    log.refunded.push((*payment, id, refunded.refund.amount));
                }
                (Job::Revoke { device }, _) => {
                    log.revoked.entry(*device).or_insert(end.last);
                }
                _ => {}
            }
        }
    }

    fn count(&mut self, told: &[Reply]) {
        let ended: Vec<_> = told.iter().filter_map(|reply| reply.told.as_ref()).collect();
        let first_end = ended.iter().map(|told| told.returned).min();
        let all_at_once = told.iter().all(|reply| first_end.is_none_or(|end| reply.called < end));
        self.tally.races += 1;
        self.tally.overlapping += usize::from(all_at_once);
        self.tally.conflicts += ended.iter().map(|told| told.conflicts).sum::<usize>();
    }

    /// A new order on display.
    fn displayed(&mut self) -> Code {
        let number = self.number();
        let store = MemoryStore::restore(&self.start);
        let job = Job::Issue { key: format!("order-{number}"), entropy: self.entropy() };
        let now = self.world.now();
        let Told::Issued(issued) = self.perform(&job, &store, now) else { panic!("not issued") };
        let World { bank, server, .. } = self.world;
        let told = self.runtime.block_on(job.perform(bank, server, &self.store, now));
        assert_eq!(told.text(), Told::Issued(issued.clone()).text());
        self.start = self.runtime.block_on(rows::snapshot(&self.store));
        self.world.log.borrow_mut().issued.push((format!("order-{number}"), issued.uid));
        issued.code
    }

    fn redeem(&self, device: usize, code: &Code) -> Job {
        let number = self.world.answer(device, code);
        let request = self.world.log.borrow().sent[number].clone();
        Job::Redeem { request, token: self.world.bank.devices[device].token }
    }

    fn entropy(&mut self) -> [u8; 32] {
        let mut rng = Rng::new(self.number());
        rng.bytes()
    }

    fn number(&mut self) -> u64 {
        self.drawn += 1;
        self.drawn
    }
}

/// Keys and values: versions are each store's own.
fn contents(snapshot: &Snapshot) -> Vec<(Key, Bytes)> {
    let mut rows: Vec<_> =
        snapshot.rows.iter().map(|(key, row)| (key.clone(), row.value.clone())).collect();
    rows.sort();
    rows
}

/// A process that takes part.
struct Racer {
    process: Child,
    jobs: ChildStdin,
    replies: Lines<BufReader<ChildStdout>>,
}

impl Racer {
    fn start(url: &str) -> Self {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "--nocapture", "--test-threads=1"])
            .arg("races_of_four_processes_end_as_if_one_came_after_the_other")
            .env("STORE_POSTGRES_RACER", url)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let jobs = process.stdin.take().unwrap();
        let mut replies = BufReader::new(process.stdout.take().unwrap()).lines();
        assert!(replies.by_ref().map_while(Result::ok).any(|line| line == "ready"));
        Self { process, jobs, replies }
    }

    /// A job to be begun at a moment.
    fn send(&mut self, at: u64, now: Time, job: &Job) {
        writeln!(self.jobs, "{at} {} {}", now.as_ms(), job.line()).unwrap();
    }

    /// What it was told; nothing if it died before.
    fn told(&mut self, at: u64) -> Reply {
        let mut lines = self.replies.by_ref().map_while(Result::ok);
        let Some(line) = lines.find(|line| line.starts_with("told ")) else {
            let died =
                self.process.try_wait().unwrap().is_some_and(|status| status.signal() == Some(9));
            assert!(died, "a process gave up");
            return Reply { called: usize::try_from(at).unwrap(), told: None };
        };
        let mut words = line.splitn(5, ' ').skip(1);
        let mut number = || words.next().unwrap().parse().unwrap();
        let (called, returned, conflicts) = (number(), number(), number());
        let text = words.next().unwrap().into();
        Reply { called, told: Some(Verdict { returned, conflicts, text }) }
    }

    fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

impl Drop for Racer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// One of the processes is killed so long after a race has begun.
struct Death {
    racer: usize,
    after: Duration,
}

/// What became of a job, and when.
#[derive(Debug)]
struct Reply {
    called: usize,
    told: Option<Verdict>,
}

/// What a process was told.
#[derive(Debug)]
struct Verdict {
    returned: usize,
    conflicts: usize,
    text: String,
}

/// Who heard what; nothing where a process died.
struct Heard {
    job: usize,
    text: Option<String>,
}

impl Reply {
    fn operation((job, reply): (usize, &Self)) -> Operation<Heard> {
        let told = reply.told.as_ref();
        Operation {
            name: format!("process {job}"),
            called: Some(reply.called),
            returned: told.map(|told| told.returned),
            told: vec![Heard { job, text: told.map(|told| told.text.clone()) }],
            ended: if told.is_some() { Ended::Returned } else { Ended::Died },
        }
    }
}

/// The life of such a process: reads jobs, does each at its moment, says what it was told.
fn racer(url: &str) {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let bank = Bank::new();
    let server = payment_server();
    let store = runtime.block_on(bed::open(url));
    let store = Counted { store, conflicts: AtomicU64::new(0) };
    say("\nready");
    for line in std::io::stdin().lines().map_while(Result::ok) {
        let (at, rest) = line.split_once(' ').unwrap();
        let (now, job) = rest.split_once(' ').unwrap();
        let (at, now): (u64, u64) = (at.parse().unwrap(), now.parse().unwrap());
        let job = Job::parse(job);
        std::thread::sleep(Duration::from_nanos(at.saturating_sub(nanos())));
        let called = nanos();
        let told = runtime.block_on(job.perform(&bank, &server, &store, Time::from_ms(now)));
        let conflicts = store.conflicts.swap(0, Ordering::Relaxed);
        say(&format!("told {called} {} {conflicts} {}", nanos(), told.text()));
    }
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).unwrap();
}

/// Nanoseconds of the clock that all processes share.
fn nanos() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    u64::try_from(since.as_nanos()).unwrap()
}

/// A store whose conflicts are counted.
struct Counted {
    store: PostgresStore,
    conflicts: AtomicU64,
}

impl Store for Counted {
    type Error = <PostgresStore as Store>::Error;

    async fn read(&self, want: &ReadSet) -> Result<Rows, Self::Error> {
        self.store.read(want).await
    }

    async fn commit(&self, batch: &Batch) -> Result<Commit, Self::Error> {
        let commit = self.store.commit(batch).await;
        self.conflicts
            .fetch_add(u64::from(matches!(commit, Ok(Commit::Conflict))), Ordering::Relaxed);
        commit
    }
}

const LOOK: &str = "look";
