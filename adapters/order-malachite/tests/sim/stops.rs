//! One story, with one node stopped after each of its operations, and with each fate of each of its commits: nobody contradicts
//! itself, and it always ends.

use crate::network::Network;
use crate::node::Node;
use crate::place::*;
use ledger::*;
use simkit::{Failure, Fate, Faults, Rng};

/// Two requests at two nodes; whoever lost them with its process is handed them again. Returns the deaths of the node that is
/// stopped, and its operations.
fn story(
    stopped: usize,
    fuse: Option<u64>,
    faults: Faults,
    lands: bool,
) -> Result<(u64, u64), Failure> {
    let mut network = Network::of(Rng::new(3), 4);
    let before = network.nodes[stopped].effects;
    network.nodes[stopped].store.set_faults(faults);
    network.nodes[stopped].fuse = fuse;
    let mut member = Member::after(4);
    for (number, at) in [(1, 0), (2, 1)] {
        let height = network.top();
        let request = member.request(height, thing(number), 50);
        let file = request.file().unwrap().unwrap();
        let is_there = |node: &Node| {
            node.machine.chain().is_some_and(|chain| chain.state().file(file).is_some())
        };
        for attempt in 0.. {
            if attempt > 200 {
                return Err("it never ends".into());
            }
            network.submit(at, &request)?;
            for _ in 0..50 {
                let node = &mut network.nodes[stopped];
                if node.store.is_down() {
                    node.store.restart(lands);
                    node.die();
                    node.settle(network.now);
                    network.carry(stopped)?;
                }
                network.step()?;
            }
            if network.nodes.iter().all(is_there) {
                break;
            }
        }
    }
    let node = &mut network.nodes[stopped];
    node.store.settle();
    let (deaths, effects) = (node.deaths, node.effects - before);
    // Whoever comes up now holds what the blocks lead to, and what everybody holds.
    node.fuse = None;
    node.die();
    node.settle(network.now);
    let mut chain = Chain::new(genesis()).unwrap();
    for block in network.nodes[stopped].blocks() {
        chain.take(&block).map_err(|why| why.to_string())?;
    }
    let same = network.nodes.iter().all(|it| it.machine.chain().unwrap().state() == chain.state());
    if same { Ok((deaths, effects)) } else { Err("restart diverges".into()) }
}

/// A member follows the chain by whoever is ahead, and hands over to whoever is next in its order.
#[test]
fn ld10_what_rests_on_a_block_that_is_not_here_yet_waits_for_it() {
    let mut network = Network::of(Rng::new(5), 4);
    let mut member = Member::after(4);
    let before = network.top();
    network.part[3] = 1;
    let first = member.request(before, thing(1), 50);
    network.submit(0, &first).unwrap();
    let others_go_on = |it: &Network| it.nodes[..3].iter().all(|node| node.height() > before);
    network.until(10_000, others_go_on).unwrap();
    assert_eq!(network.nodes[3].height(), before);
    // Said once, and to this one alone.
    let second = member.request(network.top(), thing(2), 50);
    network.submit(3, &second).unwrap();
    assert_eq!(network.nodes[3].machine.waiting(), 0, "it cannot know yet");
    network.part[3] = 0;
    let file = second.file().unwrap().unwrap();
    let is_there = |node: &Node| node.machine.chain().unwrap().state().file(file).is_some();
    network.until(10_000, |it| it.nodes.iter().all(is_there)).unwrap();
}

#[test]
fn ld10_a_stop_after_any_operation_contradicts_nothing_and_ends() {
    for stopped in [0, 1] {
        let (_, effects) = story(stopped, None, Faults::None, false).unwrap();
        assert!(effects > 30, "{effects}");
        let mut deaths = 0;
        for fuse in 0..effects {
            let (died, _) = story(stopped, Some(fuse), Faults::None, false)
                .map_err(|why| format!("node {stopped} after {fuse}: {why}"))
                .unwrap();
            deaths += died;
        }
        assert!(deaths >= effects / 2, "{deaths} of {effects}");
    }
}

#[test]
fn ld10_any_fate_of_any_commit_contradicts_nothing_and_ends() {
    let fates = [
        Fate::Conflict,
        Fate::NotApplied,
        Fate::UnknownApplied,
        Fate::UnknownLost,
        Fate::UnknownLate(2),
        Fate::CrashBefore,
        Fate::CrashAfter,
        Fate::CrashUnsynced,
    ];
    for (fate, commit) in fates.into_iter().flat_map(|fate| (1..=6).map(move |it| (fate, it))) {
        let faults = Faults::commits([(commit, fate)]);
        let (deaths, _) = story(0, None, faults, commit % 2 == 0)
            .map_err(|why| format!("{fate:?} of {commit}: {why}"))
            .unwrap();
        assert!(deaths > 0, "{fate:?} of {commit}");
    }
}
