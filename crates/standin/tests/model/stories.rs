//! Single stories through the world of the model: the figures of the spec, one by one.

use crate::invariant;
use crate::world::*;
use interbank_standin::*;
use port::MemoryStore;

fn world(requests: &[Ask]) -> World<MemoryStore> {
    let play = Play::new(requests, Thresholds::default(), 20_000);
    let store = MemoryStore::new();
    play.furnish(&store);
    World::new(play, store)
}

#[test]
fn s10_from_online_through_an_outage_and_back() {
    let mut world =
        world(&[(1, 1, 100, None), (1, 2, 30, None), (2, 3, 30, None), (1, 4, 100, Some(1))]);
    world.now = START.plus_ms(10);
    world.arrive(0);
    while !world.wire.is_empty() {
        world.deliver(0);
    }
    // The link goes; two approvals and a reversal of what was approved online.
    world.switch.link(world.now, institution(), false).unwrap();
    world.settle();
    for which in 1..4 {
        world.arrive(which);
    }
    assert_eq!(world.said.len(), 8);
    world.calm().unwrap();
    invariant::at_rest(&world).unwrap();
    assert_eq!(world.host.net(&world.play.key(0)), 0);
    assert_eq!(world.host.net(&world.play.key(1)), 30);
}
