//! Random schedules: everything fails, then nothing does, and everything must have ended rightly.

use crate::asking::sign;
use crate::world::{World, bytes};
use interbank_filexfer::*;
use simkit::{Failure, Odds, Rng, Seeds, Weather};

#[test]
fn fd01_fd11_random_schedules_end_rightly() {
    let mut tally = Tally::default();
    let name = "every job ends once, rightly";
    // A schedule here moves files over three sites: it costs as much as fifty elsewhere.
    let Seeds { first, schedules } = Seeds::from_env(2_000);
    let seeds = Seeds { first, schedules: schedules.div_ceil(50) };
    let ran =
        simkit::run_seeds(env!("CARGO_PKG_NAME"), name, seeds, |seed| schedule(seed, &mut tally));
    let ran = ran.unwrap();
    println!("{ran} schedules: {tally:?}");
    // A single seed may be a quiet one.
    assert!(ran < 40 || tally.is_lively(), "{ran} schedules were too quiet: {tally:?}");
}

#[derive(Debug, Default)]
struct Tally {
    delivered: u32,
    failed: u32,
    refused: u32,
    crashes: u64,
    corrupted: u64,
}

impl Tally {
    const fn is_lively(&self) -> bool {
        self.delivered > 100 && self.failed > 5 && self.refused > 5 && self.crashes > 100
    }
}

fn schedule(seed: u64, tally: &mut Tally) -> Result<(), Failure> {
    let mut rng = Rng::new(seed).fork("schedule");
    // One client collects its files, under names of its own.
    let names = NameMapping::new(&[("", "mail")]).unwrap();
    let sftp = Profile::new(ProtocolName::new("sftp").unwrap()).collected().with_names(names);
    // Every other one with a store that takes more at one time than all have to.
    let config: fn(&mut ForwarderConfig) =
        if seed.is_multiple_of(2) { |_| {} } else { |config| config.batch_multiple = 16 };
    let mut world = World::serving(seed, config, &[("cc1", sftp)]);
    world.corruption = rng.below(200);
    world.weather(storm(&mut rng));
    let rough = Odds { conflict: 0, not_applied: 0, crash: 20, ..Odds::ROUGH };
    world.faults(Some(if rng.chance(1, 4) { Odds::CALM } else { scaled(rough, &mut rng) }));
    let people = ["b1", "bb1", "b2", "b3", "c1", "cc1", "c2", "c3"];
    for n in 0..1 + rng.index(7) {
        let requester = *rng.pick(&["b1", "bb1", "b2", "b3"]).unwrap();
        let site = &requester[requester.len() - 1..];
        // A client of another site is asked for by nobody here: its site has to be asked.
        let from = if rng.chance(1, 4) { format!("c{site}") } else { requester.to_owned() };
        let to = if from == requester { *rng.pick(&people).unwrap() } else { requester };
        let name = format!("f{n}.csv");
        let size = *rng.pick(&[0, 1, 16_384, 40_000, 150_000, 400_000]).unwrap();
        if !rng.chance(1, 12) {
            world.put(&from, &name, bytes(size, rng.below(256) as u8));
        }
        if rng.chance(1, 6) && world.content(to, &name).is_none() {
            world.put(to, &name, bytes(3, 3));
        }
        let mut request = world.request(requester, &from, to, &name);
        request.on_conflict = if rng.chance(1, 3) { OnConflict::Version } else { OnConflict::Fail };
        request.priority = rng.below(3) as u8;
        request.not_before = rng.chance(1, 4).then(|| world.now.plus_ms(rng.below(60_000)));
        let request = sign(request);
        world.submit(&request);
        turmoil(&mut world, &mut rng);
    }
    for _ in 0..rng.index(8) {
        turmoil(&mut world, &mut rng);
    }
    // Peace: everything has to come to its end.
    world.corruption = 0;
    world.heal();
    world.weather(Weather { refuse: 0, drop: 0, double: 0, delay_max_ms: 40 });
    world.faults(None);
    for node in world.nodes.values() {
        node.store.settle();
    }
    for access in ["a1", "a2", "a3", "aa1", "aa2", "aa3"] {
        world.set_present(access, true);
    }
    for _ in 0..6 {
        world.collect("cc1");
        world.settle();
        if world.asked.iter().all(|request| world.is_over(request)) {
            break;
        }
        world.run_until(world.now.plus_ms(120_000));
    }
    world.collect("cc1");
    world.settle();
    world.check()?;
    for request in &world.asked {
        match world.results.get(&request.id).map(|results| results[0].state) {
            Some(state) if state.is_delivered() => tally.delivered += 1,
            Some(_) => tally.failed += 1,
            None => tally.refused += 1,
        }
    }
    tally.crashes += world.crashes;
    tally.corrupted += world.corrupted;
    Ok(())
}

/// Something goes wrong, and time passes.
fn turmoil(world: &mut World, rng: &mut Rng) {
    let anybody = |rng: &mut Rng, kinds: &[&str]| {
        let kind = rng.pick(kinds).unwrap();
        format!("{kind}{}", 1 + rng.below(3))
    };
    match rng.below(8) {
        0 => world.crash(&anybody(rng, &["r", "c", "b", "cc", "bb"])),
        1 => world.set_present(&anybody(rng, &["a", "aa"]), rng.chance(1, 2)),
        2 => world.partition("r1", "r2"),
        3 => world.partition("r2", "r3"),
        4 => world.heal(),
        5 => world.weather(storm(rng)),
        6 => world.collect("cc1"),
        _ => {}
    }
    world.run_until(world.now.plus_ms(1 + rng.below(15_000)));
}

fn storm(rng: &mut Rng) -> Weather {
    let some = |rng: &mut Rng, most: u64| rng.below(most) as u16;
    Weather {
        refuse: some(rng, 60),
        drop: some(rng, 250),
        double: some(rng, 200),
        delay_max_ms: 1 + rng.below(1_500),
    }
}

fn scaled(odds: Odds, rng: &mut Rng) -> Odds {
    let share = 1 + rng.below(4) as u16;
    Odds {
        conflict: odds.conflict / share,
        not_applied: odds.not_applied / share,
        unknown_applied: odds.unknown_applied / share,
        unknown_lost: odds.unknown_lost / share,
        unknown_late: odds.unknown_late / share,
        crash: odds.crash / share,
        read_fails: odds.read_fails / share,
    }
}
