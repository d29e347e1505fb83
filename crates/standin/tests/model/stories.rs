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

fn source(world: &World<MemoryStore>, which: usize) -> Source {
    let key = world.play.key(which);
    Response::parse(world.told(&key).last().unwrap()).unwrap().source
}

fn cut(world: &mut World<MemoryStore>) {
    world.switch.link(world.now, institution(), false).unwrap();
    world.settle();
}

fn deliver_all(world: &mut World<MemoryStore>) {
    while !world.wire.is_empty() {
        world.deliver(0);
    }
}

#[test]
fn s10_from_online_through_an_outage_and_back() {
    let mut world = world(&[
        (1, 1, 100, None),
        (1, 2, 30, None),
        (2, 3, 30, None),
        (1, 4, 100, Some(1)),
        (2, 5, 10, None),
    ]);
    world.now = START.plus_ms(10);
    world.arrive(0);
    deliver_all(&mut world);
    assert_eq!(source(&world, 0), Source::Host);
    // The link goes; two approvals, and a reversal of what was approved online.
    cut(&mut world);
    for which in 1..4 {
        world.arrive(which);
        assert!(matches!(source(&world, which), Source::StandIn { .. }));
    }
    world.calm().unwrap();
    invariant::at_rest(&world).unwrap();
    assert_eq!(world.host.net(&world.play.key(0)), 0);
    assert_eq!(world.host.net(&world.play.key(1)), 30);
    world.arrive(4);
    deliver_all(&mut world);
    assert_eq!(source(&world, 4), Source::Host);
}

#[test]
fn s09_a_dead_host_leaves_nobody_waiting() {
    let asks: Vec<Ask> = (0..60).map(|n| (u8::try_from(n % 20).unwrap(), n, 1, None)).collect();
    let mut world = world(&asks);
    world.now = START.plus_ms(100);
    let mut asked_at = Vec::new();
    for which in 0..asks.len() {
        asked_at.push(world.now);
        world.arrive(which);
        // Nothing that is sent to it is ever answered.
        world.wire.clear();
        world.now = world.now.plus_ms(100);
        world.tick();
        for (at, asked) in asked_at.iter().enumerate() {
            let waits = world.told(&world.play.key(at)).next().is_none();
            assert!(!waits || world.now.since_ms(*asked) <= 4_000, "{at} waits too long");
        }
    }
    (0..50).for_each(|_| world.pass());
    invariant::answered::holds(&world).unwrap();
    assert_eq!((world.unanswered, world.host.book.len()), (0, 0));
}

#[test]
fn sd04_one_debit_whatever_the_host_did() {
    // The host decides in time to approve or decline, or never gets the request; its answer is late or lost.
    for (declines, reaches, late) in [
        (false, true, true),
        (false, true, false),
        (true, true, true),
        (true, true, false),
        (false, false, false),
    ] {
        // Within the budget stand-in approves, above it declines.
        for minor in [BUDGET_MINOR, BUDGET_MINOR + 1] {
            let mut world = world(&[(1, 1, minor, None)]);
            world.now = START.plus_ms(10);
            if declines {
                world.host.declines.insert(world.play.key(0));
            }
            world.arrive(0);
            let at = world.wire.iter().position(|one| matches!(one, Message::Request(_)));
            let request = world.wire.remove(at.unwrap());
            if reaches {
                world.receive(request);
            }
            let answer = world.wire.iter().position(|one| matches!(one, Message::Answer(_)));
            let answer = answer.map(|at| world.wire.remove(at));
            world.now = world.now.plus_ms(4_000);
            world.tick();
            assert!(matches!(source(&world, 0), Source::StandIn { .. }));
            if late {
                world.receive(answer.unwrap());
                assert_eq!(world.lates, 1);
            }
            world.calm().unwrap();
            invariant::at_rest(&world).unwrap();
            let right = if minor > BUDGET_MINOR { 0 } else { minor };
            assert_eq!(world.host.net(&world.play.key(0)), right, "{declines} {reaches} {late}");
            // Forced onto a host that is known to have declined: somebody has to look.
            let forced = declines && late && right > 0;
            assert_eq!(world.dead_letters, u64::from(forced));
        }
    }
}

#[test]
fn a_decline_that_lands_after_the_host_approved_the_repeat_is_told_as_a_reversal() {
    let mut world = world(&[(1, 1, BUDGET_MINOR + 1, None)]);
    world.now = START.plus_ms(10);
    cut(&mut world);
    // The store stalls until nobody waits any more.
    world.stalls = true;
    world.arrive(0);
    world.now = world.now.plus_ms(20_000);
    world.tick();
    assert_eq!((world.unanswered, world.switch.pending()), (1, 0));
    world.stalls = false;
    // The host is back, and approves the repeat.
    let forced = Some(Forced::Online);
    world.switch.force(world.now, institution(), forced, "op", "test").unwrap();
    world.settle();
    world.wire.retain(|message| !message.is_probe());
    world.arrive(0);
    world.deliver(0);
    assert_eq!(world.host.net(&world.play.key(0)), BUDGET_MINOR + 1);
    // Now the decline of before is durable, and so it is the answer.
    world.decide_late(0);
    assert_eq!(world.journal()[0].state, EntryState::NotOwed);
    deliver_all(&mut world);
    assert!(matches!(source(&world, 0), Source::StandIn { .. }));
    world.calm().unwrap();
    invariant::at_rest(&world).unwrap();
    assert_eq!(world.host.net(&world.play.key(0)), 0);
    assert_eq!(world.journal()[0].state, EntryState::Posted);
}

#[test]
fn sd12_a_decline_never_debits_and_a_retry_goes_online() {
    let mut world = world(&[(1, 1, BUDGET_MINOR + 1, None), (1, 2, BUDGET_MINOR + 1, None)]);
    world.now = START.plus_ms(10);
    cut(&mut world);
    world.arrive(0);
    world.calm().unwrap();
    assert!(world.host.book.is_empty());
    world.arrive(1);
    deliver_all(&mut world);
    assert_eq!(source(&world, 1), Source::Host);
    assert_eq!(world.host.net(&world.play.key(1)), BUDGET_MINOR + 1);
}

#[test]
fn sd11_a_repeat_gets_the_same_bytes_in_every_state_and_after_a_restart() {
    let mut world = world(&[(1, 1, 10, None), (2, 2, 20, None)]);
    world.now = START.plus_ms(10);
    world.arrive(0);
    deliver_all(&mut world);
    cut(&mut world);
    world.arrive(1);
    for _ in 0..2 {
        world.arrive(0);
        world.arrive(1);
        world.die();
        world.arrive(0);
        world.arrive(1);
        world.calm().unwrap();
    }
    for which in 0..2 {
        assert_eq!(world.told(&world.play.key(which)).count(), 5);
    }
    invariant::at_rest(&world).unwrap();
}

#[test]
fn sd06_a_sticky_account_stays_with_stand_in_until_it_is_delivered() {
    let mut world = world(&[(1, 1, 10, None), (1, 2, 20, None), (2, 3, 30, None)]);
    world.now = START.plus_ms(10);
    cut(&mut world);
    world.arrive(0);
    // The host is back by order, and the advice is under way.
    let forced = Some(Forced::Online);
    world.switch.force(world.now, institution(), forced, "op", "test").unwrap();
    world.settle();
    world.arrive(1);
    assert!(matches!(source(&world, 1), Source::StandIn { .. }));
    world.arrive(2);
    assert!(world.told(&world.play.key(2)).next().is_none());
    deliver_all(&mut world);
    assert_eq!(source(&world, 2), Source::Host);
    invariant::order::holds(&world).unwrap();
    invariant::postings::holds(&world).unwrap();
}

#[test]
fn s01_three_parts_and_nothing_else_between_them() {
    // Switch, stand-in module and accounting system meet in values only: what crosses the wire of the model is all there is.
    let mut world = world(&[(1, 1, 10, None)]);
    world.now = START.plus_ms(10);
    world.arrive(0);
    let for_host: Vec<bool> =
        world.wire.iter().map(|one| matches!(one, Message::Request(_))).collect();
    assert_eq!(for_host.iter().filter(|one| **one).count(), 1);
    assert!(world.journal().is_empty());
    cut(&mut world);
    assert_eq!(world.journal().len(), 1);
}
