//! What a test run plays of the model; the simulation target plays the rest.

use crate::every::{PURCHASES, REVERSAL, all};

#[test]
fn sd04_every_interleaving_of_purchases() {
    let all = all(PURCHASES, false, 1, 0);
    assert!(all.lates > 100 && all.repeats > 100 && all.dead_letters > 10, "{all:?}");
}

#[test]
fn sd06_every_interleaving_of_a_reversal() {
    let all = all(REVERSAL, false, 1, 0);
    assert!(all.lates > 100 && all.repeats > 100, "{all:?}");
}

#[test]
fn sd02_every_interleaving_with_a_crash() {
    let all = all(REVERSAL, false, 0, 1);
    assert!(all.crashes > 1_000, "{all:?}");
}

#[test]
fn sd11_every_interleaving_with_a_repeat() {
    let all = all(PURCHASES, true, 0, 0);
    assert!(all.ends > 100, "{all:?}");
}
