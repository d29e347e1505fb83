//! Clients with hours of their own, and those that collect: whoever waits is woken when it matters.

use crate::asking::NOW;
use crate::world::{World, bytes};
use interbank_filexfer::*;
use port::{Time, Zone};

fn profile() -> Profile {
    Profile::new(ProtocolName::new("sftp").unwrap())
}

/// Open each day from so many minutes after 08:00, which is the beginning, until so many.
fn open(from: u16, until: u16) -> Profile {
    let minute = |after: u16| 8 * 60 + after;
    profile().within(Hours::new(0x7F, minute(from), minute(until)).unwrap(), Zone::utc())
}

/// So many minutes after the beginning.
fn after(minutes: u64) -> Time {
    NOW.plus_ms(minutes * 60_000)
}

/// What one client sends to the other: `sender` and `receiver` are their profiles.
fn between_clients(seed: u64, sender: Profile, receiver: Profile) -> (World, Request) {
    let mut world = World::serving(seed, |_| {}, &[("c1", sender), ("cc1", receiver)]);
    world.put("c1", "a", bytes(90_000, 1));
    let request = world.request("b1", "c1", "cc1", "a");
    world.submit(&request);
    (world, request)
}

fn stands(world: &World, request: &Request) -> (State, bool) {
    let job = world.forwarder("r1").job(&request.transfer().unwrap()).unwrap();
    (job.state, job.spooled)
}

#[test]
fn what_is_in_the_spool_goes_on_when_its_receivers_hours_open() {
    // The sender collects, and is of no consequence any more once its file is in the spool.
    let (mut world, request) = between_clients(41, profile().collected(), open(20, 30));
    world.collect("c1");
    world.run_until(after(19));
    assert_eq!(stands(&world, &request), (State::Waiting, true));
    world.run_until(after(22));
    assert_eq!(world.content("cc1", "a"), Some(&bytes(90_000, 1)));
    world.settle();
    world.check().unwrap();
}

#[test]
fn a_receiver_that_collects_does_not_keep_its_senders_hours_from_opening() {
    let (mut world, request) = between_clients(42, open(20, 30), profile().collected());
    world.run_until(after(19));
    assert_eq!(stands(&world, &request), (State::Waiting, false));
    world.run_until(after(22));
    assert_eq!(stands(&world, &request), (State::Waiting, true), "it rests here for its receiver");
    world.collect("cc1");
    world.settle();
    world.check().unwrap();
    assert_eq!(world.content("cc1", "a"), Some(&bytes(90_000, 1)));
}

#[test]
fn after_a_restart_the_hours_of_who_is_waited_for_count_alone() {
    let (mut world, request) = between_clients(43, open(0, 5), open(30, 40));
    world.run_until(after(10));
    assert_eq!(stands(&world, &request), (State::Waiting, true));
    // The sender's hours come again tomorrow.
    world.crash("r1");
    world.run_until(after(32));
    assert_eq!(world.content("cc1", "a"), Some(&bytes(90_000, 1)));
    world.settle();
    world.check().unwrap();
}

#[test]
fn a_receiver_whose_return_nobody_told_is_probed_though_its_sender_collects() {
    let (mut world, request) = between_clients(44, profile().collected(), profile());
    world.set_present("aa1", false);
    world.run_until(after(1));
    world.collect("c1");
    world.run_until(after(5));
    assert_eq!(stands(&world, &request), (State::Waiting, true));
    // It is back, and the news of it is lost.
    world.partition("r1", "aa1");
    world.set_present("aa1", true);
    world.run_until(world.now.plus_ms(1_000));
    world.heal();
    world.run_until(after(8));
    assert_eq!(world.content("cc1", "a"), Some(&bytes(90_000, 1)));
    world.settle();
    world.check().unwrap();
}

#[test]
fn who_asks_just_before_its_hours_is_served_when_they_open() {
    // Open but for ten minutes. While it is open and does not ask, the job knows of no time.
    let (mut world, request) = between_clients(45, open(20, 10).collected(), profile());
    world.run_until(after(19).plus_ms(30_000));
    assert_eq!(stands(&world, &request), (State::Waiting, false));
    world.collect("c1");
    world.run_until(after(21));
    assert_eq!(world.content("cc1", "a"), Some(&bytes(90_000, 1)));
    world.settle();
    world.check().unwrap();
}
