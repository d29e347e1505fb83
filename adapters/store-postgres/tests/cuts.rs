//! Connections are delayed, half closed and cut, at random and at every request of a commit.
#![allow(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

mod bed;
mod load;

use bed::{PATIENCE, is_unknown};
use interbank_store_postgres::PostgresStore;
use load::{Found, Load, NoKeys, Transfer};
use port::{Commit, Fault, ReadSet, Store, StoreError};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use testbed::{Fate, Odds, Postgres, Proxy};

const WRITERS: u64 = 8;

#[test]
fn random_cuts_lose_nothing_and_double_nothing() {
    let server = Postgres::start().unwrap();
    let runtime = bed::runtime();
    for seed in 1..=3 {
        let database = format!("seed_{seed}");
        server.database(&database).unwrap();
        let proxy = Proxy::to(server.addr()).unwrap();
        let store = runtime.block_on(bed::open(&server.url_of(proxy.addr(), &database)));
        let load = Load::new(store);
        proxy.misbehave(seed, Odds::ROUGH);
        let writers = runtime.block_on(async { load.start(WRITERS) });
        // How much happens meanwhile depends on the machine: it goes on until it is enough to judge.
        let mut rounds = 0;
        while rounds < 4 || load.acknowledged() <= 50 || load.found_applied() == 0 {
            assert!(rounds < 60, "too little happens: {:?}", proxy.counts());
            std::thread::sleep(Duration::from_millis(900));
            proxy.cut_all();
            rounds += 1;
        }
        proxy.behave();
        load.stop();
        runtime.block_on(writers.join_all());
        let (figures, counts) = (runtime.block_on(load.audit()), proxy.counts());
        println!("seed {seed}: {counts:?}: {figures:?}");
        figures.assert_sound();
        assert!(figures.unknown > 0 && figures.found_applied > 0, "{figures:?}");
        assert!(figures.acknowledged > 50, "{figures:?}");
        let each = [counts.refused, counts.delayed, counts.cut_before, counts.cut_during];
        let other = [counts.cut_after, counts.cut_within, counts.half_closed, counts.cut_by_hand];
        assert!(each.iter().chain(&other).all(|count| *count > 0), "{counts:?}");
        assert!(counts.silenced + counts.deafened > 0, "{counts:?}");
    }
}

/// A store behind a proxy, and the server itself.
struct Bed {
    store: PostgresStore,
    proxy: Proxy,
    server: Postgres,
    next: u64,
}

impl Bed {
    async fn new(server: Postgres) -> Self {
        let proxy = Proxy::to(server.addr()).unwrap();
        let store = bed::open(&server.url_of(proxy.addr(), "postgres")).await;
        let mut bed = Self { store, proxy, server, next: 0 };
        // connections are open and statements are prepared
        bed.transfer().await;
        bed
    }

    fn draw(&mut self) -> Transfer {
        self.next += 1;
        Transfer::draw(self.next)
    }

    /// A whole transfer, through the loop.
    async fn transfer(&mut self) {
        let mut transfer = self.draw();
        assert_eq!(self.decide(&mut transfer).await, Found::New);
    }

    async fn decide(&self, transfer: &mut Transfer) -> Found {
        let begun = Instant::now();
        loop {
            match port::decide(&self.store, &NoKeys, transfer).await {
                Ok(found) => return found,
                Err(why) => assert!(begun.elapsed() < PATIENCE, "{why:?}"),
            }
        }
    }

    /// What the server has, asked without the store and without the proxy, and once no session is in the middle of
    /// something.
    fn is_there(&self, transfer: &Transfer) -> bool {
        bed::await_idle(&self.server);
        let key = transfer.outcome_key();
        let hex: String = key.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        let found = format!("SELECT count(*) FROM interbank.rows WHERE key = '\\x{hex}'");
        self.server.sql(&found).unwrap() == "1"
    }
}

/// What the store said, and what was so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum End {
    Applied,
    /// Certainly not, and it is not.
    NotApplied,
    /// Unknown, and it is there.
    UnknownThere,
    /// Unknown, and it is not there.
    UnknownLost,
}

#[test]
fn a_cut_at_any_request_of_a_commit_is_told_as_it_is() {
    let runtime = bed::runtime();
    runtime.block_on(async {
        let mut bed = Bed::new(Postgres::start().unwrap()).await;
        let mut ends: BTreeMap<End, u64> = BTreeMap::new();
        for fate in FATES {
            let mut requests = 0;
            let mut of_fate = Vec::new();
            loop {
                // a dead connection is not this one's business
                bed.transfer().await;
                let mut transfer = bed.draw();
                let points = bed.store.read(&transfer.ask()).await.unwrap().points;
                bed.proxy.trap(requests, fate);
                let begun = Instant::now();
                let answer = bed.store.commit(&transfer.batch(&points)).await;
                assert!(begun.elapsed() < PATIENCE, "{fate:?} at {requests} hangs");
                let sprang = bed.proxy.disarm() == 0;
                let there = bed.is_there(&transfer);
                let end = match &answer {
                    Ok(Commit::Applied(_)) if there => End::Applied,
                    Err(why) if is_unknown(why) && there => End::UnknownThere,
                    Err(why) if is_unknown(why) => End::UnknownLost,
                    Err(_) if !there => End::NotApplied,
                    _ => panic!("{fate:?} at {requests}: {answer:?}, and there: {there}"),
                };
                // asked again, it is there exactly once, and whoever asks learns which
                let found = bed.decide(&mut transfer).await;
                assert_eq!(found == Found::Known, there, "{fate:?} at {requests}: {end:?}");
                if !sprang {
                    assert_eq!(end, End::Applied, "{fate:?}: nothing was done to it");
                    break;
                }
                *ends.entry(end).or_default() += 1;
                of_fate.push(end);
                requests += 1;
                assert!(requests < 100, "a commit has no end");
            }
            println!("{fate:?} at each of {requests} requests: {of_fate:?}");
            assert!(requests > 0, "{fate:?} met nothing");
            match fate {
                // the last request is the one that commits
                Fate::CutAfter | Fate::HalfClose | Fate::Silence | Fate::CutWithin(_) => {
                    assert_eq!(of_fate.last(), Some(&End::UnknownThere), "{fate:?}");
                }
                Fate::CutBefore | Fate::Deaf => {
                    assert!(!of_fate.contains(&End::UnknownThere), "{fate:?}: {of_fate:?}");
                }
                Fate::Delay(_) => assert!(of_fate.iter().all(|end| *end == End::Applied)),
                _ => {}
            }
        }
        println!("{ends:?}");
    });
}

#[test]
fn a_read_that_is_cut_is_an_error_or_right_and_never_hangs() {
    let runtime = bed::runtime();
    runtime.block_on(async {
        let mut bed = Bed::new(Postgres::options().fast().start().unwrap()).await;
        let known = Transfer::draw(bed.next);
        let want = ReadSet::points([known.outcome_key()]);
        let right = bed.store.read(&want).await.unwrap();
        for fate in FATES {
            for request in 0..100 {
                bed.transfer().await;
                bed.proxy.trap(request, fate);
                let begun = Instant::now();
                let answer = bed.store.read(&want).await;
                assert!(begun.elapsed() < PATIENCE, "{fate:?} at {request} hangs");
                match answer {
                    Ok(rows) => assert_eq!(rows, right),
                    Err(why) => assert_eq!(why.fault(), Fault::NotApplied, "{fate:?}: {why}"),
                }
                if bed.proxy.disarm() == 1 {
                    assert!(request > 0, "{fate:?} met nothing");
                    break;
                }
            }
        }
    });
}

#[test]
fn a_network_that_is_gone_is_not_applied_and_when_it_is_back_all_goes_on() {
    let runtime = bed::runtime();
    runtime.block_on(async {
        let mut bed = Bed::new(Postgres::options().fast().start().unwrap()).await;
        for _ in 0..3 {
            let mut transfer = bed.draw();
            let points = bed.store.read(&transfer.ask()).await.unwrap().points;
            bed.proxy.refuse(true);
            bed.proxy.cut_all();
            let begun = Instant::now();
            let refused = bed.store.commit(&transfer.batch(&points)).await.unwrap_err();
            assert!(begun.elapsed() < PATIENCE);
            // a connection that was cut before may have taken it, as far as the store knows
            assert!(matches!(refused.fault(), Fault::NotApplied | Fault::Unknown), "{refused}");
            let refused = bed.store.commit(&transfer.batch(&points)).await.unwrap_err();
            assert_eq!(refused.fault(), Fault::NotApplied, "{refused}: nobody was reached");
            let refused = bed.store.read(&transfer.ask()).await.unwrap_err();
            assert_eq!(refused.fault(), Fault::NotApplied, "{refused}");
            bed.proxy.behave();
            assert_eq!(bed.decide(&mut transfer).await, Found::New);
        }
    });
}

const FATES: [Fate; 8] = [
    Fate::Delay(15),
    Fate::CutBefore,
    Fate::CutDuring,
    Fate::CutAfter,
    Fate::CutWithin(3),
    Fate::HalfClose,
    Fate::Silence,
    Fate::Deaf,
];
