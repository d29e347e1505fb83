//! The invariants can fail: each is shown a world in which it must.

use crate::every::{PURCHASES, Setting, play};
use crate::host::Broken;
use crate::invariant;
use crate::world::*;
use interbank_standin::*;
use port::blocking::Store as _;
use port::{Batch, Commit, Expect, MemoryStore};

fn why(broken: Broken, passes: u8) -> String {
    let setting = Setting {
        requests: PURCHASES,
        host_declines: false,
        away: false,
        again: false,
        passes,
        crashes: 0,
        broken: Some(broken),
    };
    play(&setting).err().unwrap_or_default()
}

#[test]
fn sd03_a_host_without_memory_is_found() {
    let found = why(Broken::NoMemory, 1);
    assert!(found.contains("the books say"), "{found}");
}

#[test]
fn sd03_a_host_that_forgets_is_found() {
    let found = why(Broken::Forgets, 0);
    assert!(found.contains("was never posted"), "{found}");
}

#[test]
fn sd06_a_host_that_reorders_is_found() {
    let found = why(Broken::Reorders, 0);
    assert!(found.contains("posted after it"), "{found}");
}

fn ended() -> World<MemoryStore> {
    let play = Play::new(PURCHASES, Thresholds::default(), 20_000);
    let store = MemoryStore::new();
    play.furnish(&store);
    let mut world = World::new(play, store);
    world.switch.link(world.now, institution(), false).unwrap();
    world.settle();
    (0..3).for_each(|which| world.arrive(which));
    world
}

#[test]
fn sd11_another_answer_is_found() {
    let mut world = ended();
    let Some((Said::Told(key, mut bytes), at)) = world.said.last().cloned() else { panic!() };
    invariant::always(&world).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    world.said.push((Said::Told(key, bytes), at));
    assert!(invariant::always(&world).unwrap_err().contains("two answers"));
}

#[test]
fn sd01_more_out_than_the_budget_is_found() {
    let mut world = ended();
    invariant::always(&world).unwrap();
    world.out_max_minor = BUDGET_MINOR + 1;
    assert!(invariant::always(&world).unwrap_err().contains("may"));
}

#[test]
fn s09_silence_is_found() {
    let mut world = ended();
    world.calm().unwrap();
    invariant::at_rest(&world).unwrap();
    world.said.retain(|(said, _)| matches!(said, Said::Asked(_)));
    assert!(invariant::answered::holds(&world).unwrap_err().contains("never answered"));
}

#[test]
fn sd03_what_waits_still_is_found() {
    let world = ended();
    assert!(invariant::delivered::holds(&world).unwrap_err().contains("waits still"));
}

#[test]
fn sd03_an_entry_in_the_wrong_place_is_found() {
    let world = ended();
    invariant::always(&world).unwrap();
    let entry = world.journal().remove(0);
    let [open, ended] = world.play.stand_in.entry_keys(&entry.reference());
    let mut row = Vec::new();
    entry.encode(&mut row).unwrap();
    let write =
        |batch: Batch| assert!(matches!(world.store.commit(&batch), Ok(Commit::Applied(_))));
    let mut both = Batch::new();
    both.put(ended, Expect::Absent, row);
    write(both);
    assert!(invariant::always(&world).unwrap_err().contains("where they should"));
    let mut hidden = Batch::new();
    hidden.delete(open, Expect::Any);
    write(hidden);
    assert!(invariant::always(&world).unwrap_err().contains("where they should"));
}
