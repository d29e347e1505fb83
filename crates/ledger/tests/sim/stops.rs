//! One story, stopped after each of its operations, and with each fate of each of its commits: it always ends the same.

use crate::place::desk::*;
use crate::place::*;
use interbank_ledger::*;
use simkit::{Fate, Faults};

/// Requested, approved, sold, and requested again by the buyer: a block for each, at one moment. What is not in a block yet is
/// submitted again.
fn story(fuse: Option<u64>, faults: Faults, pending_lands: bool) -> (Vec<Block>, u64) {
    let mut place = Place::new(policy());
    let owner = place.party(20, MEMBER_A);
    let buyer = place.party(21, MEMBER_B);
    let mut desk = Desk::new(policy(), Faults::None);
    place.play(&mut desk);
    desk.store.set_faults(faults);
    desk.fuse = fuse;
    let mut file = FileId([0; 32]);
    for step in 0..4 {
        place.follow(desk.chain());
        let transaction = match step {
            0 => place.request(thing(1), owner),
            1 => place.verdict(file, SUPERVISION, &[]),
            2 => place.transfer(file, owner, buyer),
            _ => place.request_after(thing(1), buyer, Some(file)),
        };
        if step == 0 {
            file = transaction.file().unwrap().unwrap();
        }
        let is_stored = |desk: &Desk| {
            let blocks = desk.blocks();
            blocks.iter().any(|block| block.transactions.contains(&transaction))
        };
        for _ in 0..10 {
            if desk.store.is_down() {
                desk.store.restart(pending_lands);
                desk.die();
            }
            desk.settle();
            desk.tick(0);
            if desk.machine.chain().is_some() && is_stored(&desk) {
                break;
            }
            desk.submit("m-a", &transaction);
        }
        assert!(is_stored(&desk), "step {step} never ends");
        if desk.machine.chain().is_none() {
            desk.tick(0);
        }
        desk.store.settle();
    }
    let blocks = desk.blocks();
    // Whoever comes up now holds what the blocks lead to.
    desk.die();
    desk.settle();
    let mut chain = Chain::new(genesis(policy())).unwrap();
    blocks.iter().for_each(|block| {
        chain.take(block).unwrap();
    });
    assert_eq!(&chain, desk.chain());
    (blocks, desk.deaths - 1)
}

#[test]
fn ld10_a_stop_after_any_operation_leads_to_the_same_chain() {
    let (calm, _) = story(None, Faults::None, false);
    assert_eq!(calm.len(), 10);
    let mut stops = 0;
    for fuse in 0.. {
        let (blocks, deaths) = story(Some(fuse), Faults::None, false);
        assert_eq!(blocks, calm, "stopped after {fuse} operations");
        if deaths == 0 {
            break;
        }
        stops += 1;
    }
    // Four blocks, each asked, committed and told.
    assert!(stops >= 12, "{stops}");
}

#[test]
fn ld10_any_fate_of_any_commit_leads_to_the_same_chain() {
    let (calm, _) = story(None, Faults::None, false);
    let fates = [
        Fate::Conflict,
        Fate::NotApplied,
        Fate::UnknownApplied,
        Fate::UnknownLost,
        Fate::UnknownLate(1),
        Fate::UnknownLate(3),
        Fate::UnknownLate(9),
        Fate::CrashBefore,
        Fate::CrashAfter,
        Fate::CrashUnsynced,
    ];
    for fate in fates {
        for commit in 1..=4 {
            for pending_lands in [false, true] {
                let faults = Faults::commits([(commit, fate)]);
                let (blocks, deaths) = story(None, faults, pending_lands);
                assert_eq!(blocks, calm, "{fate:?} of commit {commit}");
                assert!(deaths > 0, "{fate:?} of commit {commit}");
            }
        }
    }
}
