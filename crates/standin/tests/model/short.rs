//! What a test run plays of the model. The simulation target plays more: every way, with time-outs and crashes together.

use crate::every::{ADVICE, PURCHASES, REVERSAL, all};

#[test]
fn sd06_every_interleaving_of_three_purchases() {
    let all = all(PURCHASES, &[(false, false), (true, true)], false, 0, 0);
    assert!(all.ends > 500 && all.states > 800, "{all:?}");
}

#[test]
fn sd04_every_time_out_of_a_purchase_and_its_reversal() {
    let all = all(&REVERSAL[..2], &[(false, false), (true, false)], false, 1, 0);
    assert!(all.lates > 100 && all.repeats > 100 && all.dead_letters > 10, "{all:?}");
}

#[test]
fn sd02_a_crash_before_every_operation() {
    let all = all(&REVERSAL[..2], &[(false, true), (true, false)], false, 0, 1);
    assert!(all.crashes > 300 && all.repeats > 100, "{all:?}");
}

#[test]
fn sd11_a_repeat_at_every_moment() {
    let all = all(&PURCHASES[..2], &[(true, false)], true, 1, 0);
    assert!(all.ends > 100 && all.lates > 10, "{all:?}");
}

#[test]
fn an_advice_above_the_budget_is_posted_once_at_every_moment() {
    let every = all(ADVICE, &[(false, false), (true, true)], false, 0, 0);
    assert!(every.ends > 500 && every.states > 800, "{every:?}");
    let timed = all(&ADVICE[..2], &[(true, false)], false, 1, 0);
    assert!(timed.ends > 50 && timed.repeats > 20, "{timed:?}");
}
