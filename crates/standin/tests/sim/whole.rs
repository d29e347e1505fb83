//! The whole model: two accounts, three requests, every way, with time-outs and a crash before any operation. Only `cargo xtask
//! sim` plays it; a test run plays its parts, in the target named `model`.

use crate::every::{PURCHASES, REVERSAL, WAYS, all};

#[test]
#[ignore = "minutes even where optimized"]
fn sd04_every_interleaving_with_a_time_out() {
    let (one, other) = (all(PURCHASES, &WAYS, false, 1, 0), all(REVERSAL, &WAYS, false, 1, 0));
    println!("time-outs: {one:?}\n{other:?}");
    assert!(one.lates > 1_000 && one.dead_letters > 100 && other.lates > 1_000);
}

#[test]
#[ignore = "minutes even where optimized"]
fn sd02_every_interleaving_with_a_crash() {
    let (one, other) = (all(PURCHASES, &WAYS, false, 0, 1), all(REVERSAL, &WAYS, false, 0, 1));
    println!("crashes: {one:?}\n{other:?}");
    assert!(one.crashes > 4_000 && other.crashes > 4_000);
}

#[test]
#[ignore = "minutes even where optimized"]
fn sd11_every_interleaving_with_a_repeat() {
    let all = all(PURCHASES, &WAYS, true, 0, 1);
    println!("repeats: {all:?}");
    assert!(all.crashes > 10_000);
}
