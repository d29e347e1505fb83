//! One storm for each seed.

use crate::invariant;
use crate::world::*;
use interbank_standin::*;
use port::{Key, Row};
use simkit::{Failure, Faults, FaultyStore, Odds, Rng};

impl Peek for FaultyStore {
    fn peek(&self, key: &Key) -> Option<Row> {
        let rows = self.snapshot().rows.into_iter();
        rows.filter(|(one, _)| one == key).map(|(_, row)| row).next()
    }

    fn peek_all(&self, prefix: &Key) -> Vec<Row> {
        let rows = self.snapshot().rows.into_iter();
        rows.filter(|(key, _)| key.starts_with(prefix)).map(|(_, row)| row).collect()
    }
}

/// Three accounts, eleven requests, three of them reversals, one told after it has happened.
const ASKS: [Ask; 11] = [
    (1, 1, 60, None),
    (1, 2, 30, None),
    (2, 3, 50, None),
    (1, 4, 60, Some(1)),
    (2, 5, 20, None),
    (3, 6, 70, None),
    (2, 7, 50, Some(3)),
    (1, 8, 25, None),
    (3, 9, 70, Some(6)),
    (3, 10, 10, None),
    (2, Play::TOLD, 120, None),
];

struct Storm {
    world: World<FaultyStore>,
    rng: Rng,
}

impl Storm {
    fn new(seed: u64) -> Self {
        let rng = Rng::new(seed);
        let thresholds =
            Thresholds { dwell_ms: 5_000, step_dwell_ms: 1_000, ..Thresholds::default() };
        let play = Play::new(&ASKS, thresholds, 20_000);
        let store = FaultyStore::new(Faults::None);
        play.furnish(&store);
        let odds = Odds { crash: 10, read_fails: 10, ..Odds::ROUGH };
        store.set_faults(Faults::seeded(rng.fork("store"), odds));
        let mut world = World::new(play, store);
        let mut declines = rng.fork("declines");
        for (at, ask) in ASKS.iter().enumerate() {
            if declines.chance(1, 5) && ask.3.is_none() {
                world.host.declines.insert(world.play.key(at));
            }
        }
        Self { world, rng }
    }

    fn turn(&mut self) -> Result<(), Failure> {
        let Self { world, rng } = self;
        if rng.chance(1, 2) {
            world.fuse = Some(u32::try_from(rng.below(7)).unwrap_or(0));
        }
        match rng.below(16) {
            0..=3 => world.arrive(rng.index(ASKS.len())),
            4..=8 if !world.wire.is_empty() => {
                let at = rng.index(world.wire.len());
                if rng.chance(1, 8) {
                    // It comes twice.
                    let double = world.wire[at].clone();
                    world.wire.push(double);
                }
                world.deliver(at);
            }
            9 if !world.wire.is_empty() => {
                let at = rng.index(world.wire.len());
                world.wire.remove(at);
            }
            10 => {
                let up = rng.chance(1, 2);
                world.switch.link(world.now, institution(), up).unwrap();
                world.settle();
            }
            11 => {
                let forced = [None, None, Some(Forced::Online), Some(Forced::StandIn)];
                let forced = forced[rng.index(forced.len())];
                world.switch.force(world.now, institution(), forced, "storm", "").unwrap();
                world.settle();
            }
            12 => {
                world.now = world.now.plus_ms(rng.below(3_000));
                world.tick();
            }
            _ => world.pass(),
        }
        // A fuse that did not burn down is none.
        world.fuse = None;
        if world.store.is_down() {
            world.store.restart_seeded(rng);
            world.die();
        }
        invariant::always(world).map_err(Failure::from)
    }

    fn rest(&mut self) -> Result<(), Failure> {
        let Self { world, rng } = self;
        if world.store.is_down() {
            world.store.restart_seeded(rng);
        }
        world.store.settle();
        world.store.set_faults(Faults::None);
        if rng.chance(1, 2) {
            world.die();
        }
        world.switch.force(world.now, institution(), None, "storm", "over").unwrap();
        world.settle();
        if rng.chance(1, 2) {
            world.wire.clear();
        }
        world.calm().map_err(Failure::from)?;
        // Who asks again gets the same.
        for at in 0..ASKS.len() {
            if world.was_asked(&world.play.key(at)) {
                world.arrive(at);
            }
        }
        world.calm().map_err(Failure::from)?;
        invariant::at_rest(world).map_err(Failure::from)
    }
}

#[test]
fn sd02_books_equal_answers_after_any_crash() {
    let (mut deaths, mut repeats, mut lates, mut dead) = (0, 0, 0, 0);
    let ran = simkit::run(env!("CARGO_PKG_NAME"), "books equal answers", 60, |seed| {
        let mut storm = Storm::new(seed);
        for _ in 0..120 {
            storm.turn()?;
        }
        storm.rest()?;
        deaths += storm.world.deaths;
        repeats += storm.world.repeats;
        lates += storm.world.lates;
        dead += storm.world.dead_letters;
        Ok(())
    });
    let ran = ran.unwrap();
    println!(
        "{ran} storms: {deaths} deaths, {repeats} repeats, {lates} late answers, {dead} exceptions"
    );
    assert!(
        ran < 50 || (deaths > 10 * ran && repeats > ran && lates > ran / 2),
        "{deaths} {repeats} {lates}"
    );
}
