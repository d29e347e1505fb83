//! Every order.

use crate::ledger::{Add, Defect, NoKeys, Told, totals};
use interbank_simkit::{Ended, Ending, Faults, FaultyStore, Stage, every, linearize, replay};

fn race(count: u64, defect: Defect) -> Stage<'static, Told> {
    let mut stage = Stage::new(FaultyStore::new(Faults::None));
    for n in 0..count {
        stage.decide(
            format!("add {n}"),
            NoKeys,
            move || Add { defect, ..Add::new(n, 1) },
            |told| told,
        );
    }
    stage
}

fn all_added(ending: &Ending<Told>, count: u64) -> Result<(), String> {
    let (total, _) = totals(&ending.snapshot());
    if total == count { Ok(()) } else { Err(format!("{count} additions made {total}")) }
}

#[test]
fn orders_are_as_many_as_there_are() {
    let paused = |tasks: usize, pauses: usize| {
        every(
            100_000,
            || {
                let mut stage = Stage::new(FaultyStore::new(Faults::None));
                for n in 0..tasks {
                    stage.spawn(n.to_string(), |gate| async move {
                        for _ in 0..pauses {
                            gate.pause().await;
                        }
                    });
                }
                stage
            },
            |ending| {
                let steps = tasks * pauses;
                if ending.steps() == steps { Ok(()) } else { Err("lost a step".into()) }
            },
        )
        .unwrap()
    };
    // Multinomial coefficients: how many ways there are to merge the tasks' steps.
    assert_eq!(
        [paused(1, 5), paused(2, 3), paused(3, 2), paused(2, 5), paused(4, 2)],
        [1, 20, 90, 252, 2_520]
    );
}

#[test]
fn orders_are_all_different() {
    let mut seen = std::collections::BTreeSet::new();
    let count = every(
        1_000,
        || race(2, Defect::None),
        |ending| {
            if seen.insert(ending.trace()) { Ok(()) } else { Err("played twice".into()) }
        },
    );
    // One after the other: 2. Both read first: 4 orders of reads and commits, the loser reads and commits again.
    assert_eq!(count.unwrap(), 6);
}

#[test]
fn a_lost_update_is_caught_and_played_again() {
    let check = |ending: &Ending<Told>| all_added(ending, 2);
    let failure = every(1_000, || race(2, Defect::Careless), check).unwrap_err();
    assert_eq!(failure.why, "2 additions made 1");
    let again = replay(&failure.choices, race(2, Defect::Careless), check).unwrap_err();
    assert_eq!(again, failure);
    assert!(failure.trace.iter().filter(|line| line.contains("Applied")).count() == 2);
}

#[test]
fn a_careful_decision_passes_every_order() {
    for count in 1..=3 {
        let orders = every(
            100_000,
            || race(count, Defect::None),
            |ending| {
                all_added(ending, count)?;
                linearize(&ending.operations, &0_u64, |total, op| {
                    *total += 1;
                    op.verdict().is_none_or(|told| *told == Ok(*total))
                })?;
                Ok(())
            },
        );
        assert!(orders.unwrap() >= [1, 6, 90][usize::try_from(count).unwrap() - 1]);
    }
}

#[test]
fn a_lost_update_has_no_order_that_explains_it() {
    let failure = every(
        1_000,
        || race(2, Defect::Careless),
        |ending| {
            linearize(&ending.operations, &0_u64, |total, op| {
                *total += 1;
                op.verdict() == Some(&Ok(*total))
            })
            .map(|_| ())
        },
    );
    assert!(failure.unwrap_err().why.starts_with("no order explains"));
}

#[test]
fn an_invariant_is_checked_after_each_change() {
    let failure = every(
        100,
        || {
            let mut stage = race(3, Defect::None);
            stage.invariant("at most two", |snapshot| match totals(snapshot) {
                (0..=2, _) => Ok(()),
                (more, _) => Err(format!("{more} there")),
            });
            stage
        },
        |_| Ok(()),
    );
    let failure = failure.unwrap_err();
    assert_eq!(failure.why, "at most two: 3 there");
    assert!(failure.trace.last().unwrap().contains("Applied"), "{failure}");
}

#[test]
fn what_waits_for_another_comes_after_it() {
    let count = every(
        1_000,
        || {
            let mut stage = race(1, Defect::None);
            let first = stage.decide("first", NoKeys, || Add::new(7, 5), |told| told);
            stage.spawn_after(first, "then", |gate| async move {
                port::decide(&gate, &gate.keys(NoKeys), &mut Add::new(8, 1)).await
            });
            stage.spawn_last("end", |gate| async move { Ok(totals(&gate.store().snapshot()).0) });
            stage
        },
        |ending| {
            let [_, first, then, end] = &ending.operations[..] else { panic!() };
            assert!(first.returned < then.called && then.returned < end.called);
            assert_eq!((end.verdict(), end.ended), (Some(&Ok(7)), Ended::Returned));
            Ok(())
        },
    );
    assert!(count.unwrap() > 10);
}

#[test]
fn what_is_wrong_with_the_stage_itself_is_said() {
    let too_many = every(10, || race(3, Defect::None), |_| Ok(())).unwrap_err();
    assert!(too_many.why.starts_with("more than 10 orders"));

    let mut made = 0;
    let unsteady = every(
        100,
        || {
            made += 1;
            race(2 + made % 2, Defect::None)
        },
        |_| Ok(()),
    );
    assert!(unsteady.unwrap_err().why.starts_with("the stage is not the same"));

    let endless = every(
        10,
        || {
            let mut stage = Stage::new(FaultyStore::new(Faults::None));
            stage.spawn("for ever", |gate| async move {
                loop {
                    gate.pause().await;
                }
            });
            stage
        },
        |_: &Ending<()>| Ok(()),
    );
    assert!(endless.unwrap_err().why.starts_with("does not end"));
}

#[test]
fn a_panic_in_a_task_comes_with_its_trace() {
    let failure = every(
        10,
        || {
            let mut stage = Stage::new(FaultyStore::new(Faults::None));
            stage.act("falls", |_| panic!("over"));
            stage
        },
        |_: &Ending<()>| Ok(()),
    );
    let failure = failure.unwrap_err();
    assert_eq!(
        (&*failure.why, &failure.trace[..]),
        ("panicked: over", &["falls: start".to_owned()][..])
    );
}
