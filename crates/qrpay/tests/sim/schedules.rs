//! Random schedules: everybody at once, on a store and a network that fail, until everything owed got through.

use crate::actors::{PACE, Part};
use crate::bank::{Bank, START, brief, server};
use crate::tally::Tally;
use crate::world::World;
use port::outbox::{Event, Outbox};
use port::{Input, Machine as _, Peer, blocking};
use simkit::{Ending, Failure, Faults, FaultyStore, Odds, Rng, Stage, Weather, random};

#[test]
fn qd01_qd02_qd08_random_schedules_keep_every_invariant() {
    let bank = Bank::new();
    let mut tally = Tally::default();
    let ran = simkit::run(env!("CARGO_PKG_NAME"), "every invariant holds", 200, |seed| {
        schedule(&bank, seed, &mut tally)
    });
    let ran = ran.unwrap();
    println!("{ran} schedules: {tally:?}");
    // A single seed may be a quiet one.
    assert!(ran < 100 || tally.is_lively(ran), "{ran} schedules were too quiet: {tally:?}");
}

fn schedule(bank: &Bank, seed: u64, tally: &mut Tally) -> Result<(), Failure> {
    let mut rng = Rng::new(seed);
    let server = server(brief(&mut rng));
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

/// Some things are displayed; then the store begins to fail.
fn opened(world: &World<'_>, rng: &mut Rng) -> FaultyStore {
    let store = world.opened();
    let odds = if rng.chance(1, 4) { Odds::CALM } else { Odds::ROUGH };
    FaultyStore::over(&store.snapshot(), Faults::seeded(rng.fork("faults"), odds))
}

/// Who takes part.
fn cast<'w>(world: &'w World<'_>, stage: &mut Stage<'w, ()>, rng: &mut Rng) {
    let mut deliveries = None;
    for (number, part) in Part::cast(world, rng).into_iter().enumerate() {
        let name = format!("{number}: {part:?}");
        let play = move |gate| part.play(world, gate);
        match (part, deliveries) {
            // one life of the process after the other
            (Part::Deliver { .. }, Some(first)) => stage.spawn_after(first, name, play),
            (Part::Deliver { .. }, None) => *deliveries.insert(stage.spawn(name, play)),
            _ => stage.spawn(name, play),
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
