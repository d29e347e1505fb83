//! Random schedules: everybody at once, on a store and a network that fail, until everything owed got through.

use crate::actors::{self, PACE};
use crate::bank::{Bank, START, server};
use crate::world::World;
use interbank_qrpay::*;
use port::outbox::{Event, Outbox};
use port::{Input, Machine as _, MemoryStore, Peer, blocking};
use simkit::{Ending, Failure, Faults, FaultyStore, Odds, Rng, Stage, Weather, random};

/// What all schedules of a run did, so that a run that does nothing does not pass.
#[derive(Debug, Default)]
struct Tally {
    accepted: u64,
    repeated: u64,
    paid: u64,
    declined: u64,
    reversed: u64,
    refunds: u64,
    doubled: u64,
}

#[test]
fn qd01_qd02_qd08_random_schedules_keep_every_invariant() {
    let bank = Bank::new();
    let mut tally = Tally::default();
    let ran = simkit::run(env!("CARGO_PKG_NAME"), "every invariant holds", 200, |seed| {
        schedule(&bank, seed, &mut tally)
    });
    let ran = ran.unwrap();
    println!("{ran} schedules: {tally:?}");
    let Tally { accepted, repeated, paid, declined, reversed, refunds, doubled } = tally;
    let lively = accepted > ran
        && repeated > ran / 10
        && paid > ran / 2
        && declined > ran / 20
        && reversed > ran / 200
        && refunds > ran / 20
        && doubled > ran;
    // A single seed may be a quiet one.
    assert!(ran < 100 || lively, "{ran} schedules were too quiet: {tally:?}");
}

fn schedule(bank: &Bank, seed: u64, tally: &mut Tally) -> Result<(), Failure> {
    let mut rng = Rng::new(seed);
    let server = server(policy(&mut rng));
    let world = World::new(bank, server, &rng, START);
    let mut stage = Stage::new(opened(&world, &mut rng));
    stage.deaths(rng.index(3));
    stage.power_cuts(rng.index(2));
    if rng.chance(1, 2) {
        stage.embedded();
    }
    cast(&world, &mut stage, &mut rng);
    stage.invariant("always", |snapshot| world.check(snapshot));
    random(&mut rng, stage, |ending| quiet(&world, ending))?;
    tally.add(&world);
    Ok(())
}

/// Short lives, so that everything runs out within a schedule.
fn policy(rng: &mut Rng) -> Policy {
    let mut policy = Policy::default();
    policy.challenge_ttl_ms = 20_000;
    policy.grace_ms = if rng.chance(1, 2) { 0 } else { 3_000 };
    policy.tries_per_challenge = 3;
    policy.failures_per_window = 4;
    policy.failure_window_ms = 60_000;
    policy.open_challenges_max = 4;
    policy.order_valid_ms = 60_000;
    policy.settle_ms = 2_000;
    policy.late = if rng.chance(1, 2) { Late::Accept } else { Late::Reverse };
    policy.outcome_kept_ms = 40_000;
    policy.record_kept_ms = 80_000;
    policy
}

/// Two orders and a commodity are displayed; then the store begins to fail.
fn opened(world: &World<'_>, rng: &mut Rng) -> FaultyStore {
    let store = MemoryStore::restore(&world.bank.start);
    for kind in [Kind::Order, Kind::Order, Kind::Commodity] {
        let issued = world.bank.issued(&world.server, &store, kind);
        world.log.borrow_mut().board.push(issued.code);
    }
    let odds = if rng.chance(1, 4) { Odds::CALM } else { Odds::ROUGH };
    FaultyStore::over(&store.snapshot(), Faults::seeded(rng.fork("faults"), odds))
}

/// Who takes part.
fn cast<'w>(world: &'w World<'_>, stage: &mut Stage<'w, ()>, rng: &mut Rng) {
    for device in 0..world.bank.devices.len() {
        stage.spawn(format!("payer {device}"), move |gate| actors::pay(world, gate, device));
    }
    let first = stage.spawn("delivery", |gate| actors::deliver(world, gate, 12));
    stage.spawn_after(first, "delivery again", |gate| actors::deliver(world, gate, 8));
    stage.spawn("clock", |gate| actors::time(world, gate));
    for extra in 0..2 + rng.index(7) {
        let device = rng.index(world.bank.devices.len());
        match rng.below(14) {
            0 | 1 => stage.spawn(format!("{extra}: payer {device}"), move |gate| {
                actors::pay(world, gate, device)
            }),
            2 | 3 => stage.spawn(format!("{extra}: replay"), |gate| actors::replay(world, gate)),
            4 => stage.spawn(format!("{extra}: issue"), |gate| actors::issue(world, gate)),
            5 | 6 => stage.spawn(format!("{extra}: refresh"), |gate| actors::refresh(world, gate)),
            7 => stage.spawn(format!("{extra}: cancel"), |gate| actors::cancel(world, gate)),
            8 | 9 => stage.spawn(format!("{extra}: refund"), |gate| actors::refund(world, gate)),
            10 => stage.spawn(format!("{extra}: lapse"), |gate| actors::lapse(world, gate)),
            11 => stage.spawn(format!("{extra}: revoke {device}"), move |gate| {
                actors::revoke(world, gate, device)
            }),
            12 => stage.spawn(format!("{extra}: lock {device}"), move |gate| {
                actors::lock(world, gate, device)
            }),
            _ => stage.spawn(format!("{extra}: purge"), |gate| actors::purge(world, gate)),
        };
    }
}

/// The storm is over: one process delivers until nothing is owed.
fn quiet(world: &World<'_>, ending: &Ending<()>) -> Result<(), String> {
    let store = ending.store();
    if store.is_down() {
        store.restart(true);
    }
    store.settle();
    store.set_faults(Faults::None);
    world.to_core.set_weather(Weather::FAIR);
    world.to_bank.set_weather(Weather::FAIR);
    world.check(&store.snapshot())?;
    let mut outbox = Outbox::new(world.server.outbox(), PACE);
    let mut changes = store.changes();
    for _ in 0..400 {
        let now = world.now();
        outbox.handle(now, Input::Tick).map_err(|why| why.to_string())?;
        drained(world, store, &mut outbox)?;
        for parcel in world.to_core.deliver(now) {
            let answer = world.log.borrow_mut().accounting.on_frame(&parcel.frame)?;
            let _ = blocking::Link::send(&world.to_bank, &Peer::new("bank").unwrap(), &answer);
        }
        for parcel in world.to_bank.deliver(now) {
            let input = Input::Frame { from: &parcel.from, bytes: &parcel.frame };
            outbox.handle(now, input).map_err(|why| why.to_string())?;
            drained(world, store, &mut outbox)?;
        }
        if std::mem::replace(&mut changes, store.changes()) != store.changes() {
            world.check(&store.snapshot())?;
        }
        let prefix = world.server.outbox();
        if !store.snapshot().rows.iter().any(|(key, _)| key.starts_with(&prefix)) {
            return world.check_at_rest(&store.snapshot());
        }
        world.tick(300);
    }
    Err("the outbox never became empty".into())
}

fn drained(world: &World<'_>, store: &FaultyStore, outbox: &mut Outbox) -> Result<(), String> {
    let (now, keys) = (world.now(), &world.bank.keys);
    let drained = blocking::drain(outbox, now, store, &world.to_core, keys);
    for event in drained.map_err(|why| why.to_string())?.events {
        let Event::Answered { key, version, entry, content } = event else { continue };
        let settle = world.server.settle(now, key, version, &entry, &content);
        let mut settle = settle.map_err(|why| why.to_string())?;
        let _ = blocking::decide(store, keys, &mut settle).map_err(|why| format!("{why:?}"))?;
        outbox.settled(&entry.idempotency);
    }
    Ok(())
}

impl Tally {
    fn add(&mut self, world: &World<'_>) {
        let log = world.log.borrow();
        let count = |found: usize| u64::try_from(found).unwrap();
        let (again, new): (Vec<_>, Vec<_>) =
            log.accepted.iter().partition(|(_, accepted)| accepted.repeated);
        self.accepted += count(new.len());
        self.repeated += count(again.len());
        self.paid += count(log.accounting.done(InstructionKind::Debit).count());
        self.reversed += count(log.accounting.done(InstructionKind::Reversal).count());
        self.refunds += count(log.accounting.done(InstructionKind::Refund).count());
        let acts = log.accounting.acts.values();
        self.declined += count(acts.filter(|act| act.settlement != Settlement::Done).count());
        self.doubled += log.accounting.seen - count(log.accounting.acts.len());
    }
}
