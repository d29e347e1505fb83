//! The schedules of qrpay's simulation on this store: the same actors, the same invariants, real concurrency on a
//! connection that is sometimes cut.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    dead_code,
    reason = "a test fails by panicking; what is shared with the simulation is used there"
)]

extern crate qrpay as interbank_qrpay;

mod bed;
mod rows;
mod sim;

use actors::Part;
use bank::{Bank, START, brief, server};
use futures_util::future::{Either, join_all, select};
use interbank_store_postgres::PostgresStore;
use place::Place;
use port::blocking::Immediate;
use port::{Batch, Commit, ReadSet, Rows, Store, Version};
use seal::SoftKeys;
use sim::*;
use simkit::{Rng, Weather};
use std::pin::pin;
use std::time::Duration;
use tally::Tally;
use testbed::{Odds, Postgres, Proxy};
use tokio::sync::RwLock;
use world::World;

const SCHEDULES: u64 = 30;

/// A network that breaks one request in forty: everybody still gets somewhere.
const SHAKY: Odds = Odds {
    refuse: 20,
    delay: 40,
    delay_max_ms: 10,
    cut_before: 6,
    cut_during: 5,
    cut_after: 8,
    cut_within: 4,
    half_close: 3,
    silence: 0,
    deaf: 0,
};

#[test]
fn random_schedules_keep_every_invariant_on_postgresql() {
    // durability is another test's business
    let server = Postgres::options().fast().start().unwrap();
    let runtime = bed::runtime();
    let bank = Bank::new();
    let mut tally = Tally::default();
    let mut broken = 0;
    for seed in 1..=SCHEDULES {
        let url = server.database(&format!("seed_{seed}")).unwrap();
        let proxy = Proxy::to(server.addr()).unwrap();
        let through = server.url_of(proxy.addr(), &format!("seed_{seed}"));
        let played = runtime.block_on(schedule(&bank, seed, &url, &through, &proxy, &mut tally));
        played.unwrap_or_else(|why| panic!("seed {seed}: {why}"));
        broken += proxy.counts().broken();
    }
    println!("{SCHEDULES} schedules, {broken} broken connections: {tally:?}");
    // whatever is rarer than this may not happen: here the orders are not drawn from the seed
    let Tally { accepted, repeated, paid, refunds, doubled, .. } = tally;
    let lively = accepted > SCHEDULES / 2 && paid > SCHEDULES / 2 && doubled > SCHEDULES;
    assert!(lively && repeated > 0 && refunds > 0, "{tally:?}");
    assert!(broken > SCHEDULES / 2, "{broken} broken connections");
}

async fn schedule(
    bank: &Bank,
    seed: u64,
    url: &str,
    through: &str,
    proxy: &Proxy,
    tally: &mut Tally,
) -> Result<(), String> {
    let mut rng = Rng::new(seed);
    let server = server(brief(&mut rng));
    let world = World::new(bank, server, &rng, START);
    world.past.borrow_mut().with_gaps = true;
    let (direct, store) = (bed::open(url).await, bed::open(through).await);
    rows::fill(&direct, &world.opened().snapshot()).await;
    if rng.chance(3, 4) {
        proxy.misbehave(seed, SHAKY);
    }
    let calm = RwLock::new(());
    let desk = || Desk { store: &store, direct: &direct, calm: &calm };
    let mut acts = Vec::new();
    for part in Part::cast(&world, &mut rng) {
        // some give up in the middle of something: how it ended is not known to anybody
        let life_ms = if rng.chance(1, 8) { 1 + rng.below(60) } else { 60_000 };
        let act = part.play(&world, desk());
        acts.push(async move {
            let _ = tokio::time::timeout(Duration::from_millis(life_ms), act).await;
        });
    }
    {
        let (acts, watch) = (pin!(join_all(acts)), pin!(watch(&world, &direct, &calm)));
        match select(acts, watch).await {
            Either::Left(_) => {}
            Either::Right((why, _)) => return Err(why),
        }
    }
    proxy.behave();
    quiet(&world, desk()).await?;
    tally.add(&world);
    Ok(())
}

/// Looks at all rows again and again, each time while nobody is in the middle of something; ends with what is broken.
async fn watch(world: &World<'_>, direct: &PostgresStore, calm: &RwLock<()>) -> String {
    loop {
        let still = calm.write().await;
        if let Err(why) = world.check(&rows::snapshot(direct).await) {
            return why;
        }
        drop(still);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// The storm is over: one process delivers until nothing is owed.
async fn quiet(world: &World<'_>, desk: Desk<'_>) -> Result<(), String> {
    world.to_core.set_weather(Weather::FAIR);
    world.to_bank.set_weather(Weather::FAIR);
    for _ in 0..40 {
        world.check(&rows::snapshot(desk.direct).await)?;
        Part::Deliver { turns: 10 }.play(world, desk).await;
        let snapshot = rows::snapshot(desk.direct).await;
        let prefix = world.server.outbox();
        if !snapshot.rows.iter().any(|(key, _)| key.starts_with(&prefix)) {
            return world.check_at_rest(&snapshot);
        }
    }
    Err("the outbox never became empty".into())
}

/// Where an actor of the schedule works.
#[derive(Clone, Copy)]
struct Desk<'s> {
    store: &'s PostgresStore,
    direct: &'s PostgresStore,
    /// Held by whoever asks the store something; taken by the one who looks at everything.
    calm: &'s RwLock<()>,
}

impl Store for Desk<'_> {
    type Error = <PostgresStore as Store>::Error;

    async fn read(&self, want: &ReadSet) -> Result<Rows, Self::Error> {
        let _busy = self.calm.read().await;
        self.store.read(want).await
    }

    async fn commit(&self, batch: &Batch) -> Result<Commit, Self::Error> {
        let _busy = self.calm.read().await;
        self.store.commit(batch).await
    }
}

impl Place for Desk<'_> {
    async fn pause(&self) {
        tokio::time::sleep(Duration::from_millis(6)).await;
    }

    async fn last(&self) -> Version {
        rows::snapshot(self.direct).await.last
    }

    fn keys<'k>(&self, keys: &'k SoftKeys) -> impl port::Keys + 'k {
        Immediate(keys)
    }
}
