//! Any sequence of requests, losses, doubles, late answers, outages, crashes, and commits that get lost, come late or end unknown,
//! between switch, authorizer, forwarder and accounting system: nothing is posted twice, what is out stays within its budget, and no
//! repeat gets another answer. The world and what must never break in it are those of the crate's model.

#![no_main]

#[path = "../../crates/standin/tests/model/host.rs"]
#[allow(dead_code, reason = "what the model shares is not all used here")]
mod host;
#[path = "../../crates/standin/tests/model/invariant/mod.rs"]
mod invariant;
#[path = "../../crates/standin/tests/model/world/mod.rs"]
#[allow(dead_code, reason = "what the model shares is not all used here")]
mod world;

use interbank_fuzz::fate_of;
use interbank_simkit::{Faults, FaultyStore};
use interbank_standin::{Forced, Thresholds};
use libfuzzer_sys::fuzz_target;
use port::{Key, Row};
use world::{Ask, Peek, Play, World, institution};

fuzz_target!(|bytes: &[u8]| {
    let Some((declined, bytes)) = bytes.split_first() else { return };
    let mut storm = Storm::new(*declined);
    // Every operation takes two bytes: which, and on what.
    for turn in bytes.chunks_exact(2).take(96) {
        storm.turn(turn[0], turn[1]);
        invariant::always(&storm.world).unwrap();
    }
    storm.rest(bytes.len() % 4);
});

/// Three accounts, eight requests, two of them reversals.
const ASKS: [Ask; 8] = [
    (1, 1, 60, None),
    (1, 2, 30, None),
    (2, 3, 50, None),
    (1, 4, 60, Some(1)),
    (2, 5, 20, None),
    (3, 6, 70, None),
    (3, 7, 70, Some(6)),
    (1, 8, 25, None),
];

struct Storm {
    world: World<FaultyStore>,
}

impl Storm {
    /// With an accounting system that declines the requests whose bits are set.
    fn new(declined: u8) -> Self {
        let thresholds =
            Thresholds { dwell_ms: 5_000, step_dwell_ms: 1_000, ..Thresholds::default() };
        let play = Play::new(&ASKS, thresholds, 20_000);
        let store = FaultyStore::new(Faults::None);
        play.furnish(&store);
        let mut world = World::new(play, store);
        for (at, ask) in ASKS.iter().enumerate() {
            if declined >> at & 1 == 1 && ask.3.is_none() {
                world.host.declines.insert(world.play.key(at));
            }
        }
        Self { world }
    }

    fn turn(&mut self, op: u8, on: u8) {
        let world = &mut self.world;
        // The upper half of the first byte is what befalls on the way: a commit's fate, or the end of the process.
        match op >> 4 {
            0..=7 => {}
            fate @ 8..=11 => {
                world.store.set_faults(Faults::commits([(u64::from(fate - 7), fate_of(on))]));
            }
            before => world.fuse = Some(u32::from(before - 12) * 2 + u32::from(on >> 7)),
        }
        let which = usize::from(on & 31);
        match op & 15 {
            0..=3 => world.arrive(which % ASKS.len()),
            4..=8 if !world.wire.is_empty() => {
                let at = which % world.wire.len();
                if on & 32 != 0 {
                    // It comes twice.
                    let double = world.wire[at].clone();
                    world.wire.push(double);
                }
                world.deliver(at);
            }
            9 if !world.wire.is_empty() => {
                world.wire.remove(which % world.wire.len());
            }
            10 => {
                world.switch.link(world.now, institution(), on & 1 == 0).unwrap();
                world.settle();
            }
            11 => {
                let forced = [None, None, Some(Forced::Online), Some(Forced::StandIn)];
                let forced = forced[usize::from(on & 3)];
                world.switch.force(world.now, institution(), forced, "fuzz", "").unwrap();
                world.settle();
            }
            12 => {
                world.now = world.now.plus_ms(u64::from(on) * 12);
                world.tick();
            }
            13 if on & 3 == 0 => world.die(),
            _ => world.pass(),
        }
        // A fuse that did not burn down is none.
        world.fuse = None;
        if world.store.is_down() {
            world.store.restart(on & 64 != 0);
            world.die();
        }
    }

    /// The storm is over: everything gets through, and who asks again gets the same.
    fn rest(&mut self, how: usize) {
        let world = &mut self.world;
        world.store.settle();
        world.store.set_faults(Faults::None);
        if how & 1 == 0 {
            world.die();
        }
        world.switch.force(world.now, institution(), None, "fuzz", "over").unwrap();
        world.settle();
        if how & 2 == 0 {
            world.wire.clear();
        }
        world.calm().unwrap();
        for at in 0..ASKS.len() {
            if world.was_asked(&world.play.key(at)) {
                world.arrive(at);
            }
        }
        world.calm().unwrap();
        invariant::at_rest(world).unwrap();
    }
}

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
