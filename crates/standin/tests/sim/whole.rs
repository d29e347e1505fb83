//! The whole model: two accounts, three requests, every way, with time-outs and a crash before any operation.

use crate::every::{PURCHASES, REVERSAL, WAYS, all};
use simkit::Seeds;

/// The long run plays it; a test run plays its parts, in the target named `model`.
fn is_long() -> bool {
    Seeds::from_env(0).schedules >= 10_000
}

#[test]
#[ignore = "minutes even where optimized"]
fn sd04_every_interleaving_with_a_time_out() {
    if is_long() {
        let (one, other) = (all(PURCHASES, &WAYS, false, 1, 0), all(REVERSAL, &WAYS, false, 1, 0));
        println!("time-outs: {one:?}\n{other:?}");
        assert!(one.lates > 1_000 && one.dead_letters > 100 && other.lates > 1_000);
    }
}

#[test]
#[ignore = "minutes even where optimized"]
fn sd02_every_interleaving_with_a_crash() {
    if is_long() {
        let (one, other) = (all(PURCHASES, &WAYS, false, 0, 1), all(REVERSAL, &WAYS, false, 0, 1));
        println!("crashes: {one:?}\n{other:?}");
        assert!(one.crashes > 10_000 && other.crashes > 10_000);
    }
}

#[test]
#[ignore = "minutes even where optimized"]
fn sd11_every_interleaving_with_a_repeat() {
    if is_long() {
        let all = all(PURCHASES, &WAYS, true, 0, 1);
        println!("repeats: {all:?}");
        assert!(all.crashes > 10_000);
    }
}
