//! Deaths, power cuts, and answers that were lost.

use crate::ledger::{Add, Defect, NoKeys, Told, totals};
use interbank_simkit::{Ending, Fate, Faults, FaultyStore, SimError, Stage, every};
use port::DecideError;

/// Whoever was told a balance can count on it: the account holds as many additions as were told, or more.
fn nothing_told_is_lost(ending: &Ending<Told>) -> Result<(), String> {
    let (total, _) = totals(&ending.snapshot());
    match ending.told().filter_map(|told| told.as_ref().ok()).max() {
        Some(told) if *told > total => Err(format!("{told} was told, {total} is there")),
        _ => Ok(()),
    }
}

/// A client that asks again with the same request until it knows, and another one beside it.
fn with_retry(defect: Defect) -> Stage<'static, Told> {
    let mut stage = Stage::new(FaultyStore::new(Faults::None));
    let add = move || Add { defect, ..Add::new(1, 1) };
    let first = stage.decide("first try", NoKeys, add, |told| told);
    stage.spawn_after(first, "second try", move |gate| async move {
        port::decide(&gate, &gate.keys(NoKeys), &mut add()).await
    });
    stage.decide("other", NoKeys, || Add::new(2, 1), |told| told);
    stage
}

#[test]
fn an_acknowledgement_before_the_commit_is_found() {
    let hasty = || {
        let mut stage = Stage::new(FaultyStore::new(Faults::None));
        stage.power_cuts(1);
        stage.spawn("hasty", |gate| async move {
            gate.tell(Ok(1));
            port::decide(&gate, &gate.keys(NoKeys), &mut Add::new(1, 1)).await
        });
        stage
    };
    let failure = every(100, hasty, nothing_told_is_lost).unwrap_err();
    assert_eq!(failure.why, "1 was told, 0 is there");
    assert!(failure.trace.contains(&"the power is cut".to_owned()));
}

#[test]
fn a_power_cut_between_any_two_steps_loses_nothing_that_was_told() {
    let orders = every(
        100_000,
        || {
            let mut stage = with_retry(Defect::None);
            stage.power_cuts(1);
            stage
        },
        |ending| {
            nothing_told_is_lost(ending)?;
            let (total, decided) = totals(&ending.snapshot());
            if total == u64::try_from(decided).unwrap() {
                Ok(())
            } else {
                Err("half a batch".into())
            }
        },
    );
    assert!(orders.unwrap() > 100);
}

#[test]
fn a_client_that_dies_anywhere_and_asks_again_adds_once() {
    let play = |defect| {
        every(
            100_000,
            || {
                let mut stage = with_retry(defect);
                stage.deaths(1);
                stage
            },
            |ending| match totals(&ending.snapshot()).0 {
                0..=2 => Ok(()),
                total => Err(format!("two requests made {total}")),
            },
        )
    };
    assert!(play(Defect::None).unwrap() > 100);
    assert_eq!(play(Defect::Forgetful).unwrap_err().why, "two requests made 3");
}

#[test]
fn a_verdict_that_was_ready_may_not_get_out() {
    let mut lost = 0;
    let orders = every(
        100,
        || {
            let mut stage = Stage::new(FaultyStore::new(Faults::None));
            stage.power_cuts(1);
            stage.decide("add", NoKeys, || Add::new(1, 1), |told| told);
            stage
        },
        |ending| {
            let there = totals(&ending.snapshot()).0 == 1;
            lost += usize::from(there && ending.told().next().is_none());
            Ok(())
        },
    );
    // No cut; a cut after the read; a cut after the commit.
    assert_eq!((orders.unwrap(), lost), (3, 1));
}

#[test]
fn a_commit_of_unknown_fate_counts_once_however_late_it_lands() {
    let fates = [Fate::UnknownApplied, Fate::UnknownLost];
    let late = (0..6).map(Fate::UnknownLate);
    for fate in fates.into_iter().chain(late) {
        for number in 1..=2 {
            let orders = every(
                100_000,
                || {
                    let store = FaultyStore::new(Faults::commits([(number, fate)]));
                    let mut stage = Stage::new(store);
                    stage.decide("one", NoKeys, || Add::new(1, 1), |told| told);
                    stage.decide("two", NoKeys, || Add::new(2, 1), |told| told);
                    stage
                },
                |ending| {
                    ending.store().settle();
                    let told = ending.told().filter(|told| told.is_ok()).count();
                    match totals(&ending.snapshot()) {
                        (2, 2) if told == 2 => Ok(()),
                        other => Err(format!("{other:?}, {told} told")),
                    }
                },
            );
            assert!(orders.unwrap() >= 6, "{fate:?}");
        }
    }
}

#[test]
fn a_crash_of_the_store_at_each_commit_is_survived_by_asking_again() {
    for fate in [Fate::CrashBefore, Fate::CrashAfter, Fate::CrashUnsynced] {
        for embedded in [false, true] {
            let (mut unknown, mut down) = (0, 0);
            let orders = every(
                100_000,
                || {
                    let mut stage = with_retry(Defect::None);
                    stage.store().set_faults(Faults::commits([(1, fate)]));
                    if embedded {
                        stage.embedded();
                    }
                    stage
                },
                |ending| {
                    nothing_told_is_lost(ending)?;
                    for told in ending.told() {
                        match told {
                            Ok(_) => {}
                            Err(DecideError::Unknown(SimError::Unknown)) => unknown += 1,
                            Err(DecideError::Store(SimError::Down)) => down += 1,
                            Err(other) => {
                                return Err(format!("the contract has no {other:?} here"));
                            }
                        }
                    }
                    Ok(())
                },
            );
            assert!(orders.unwrap() >= 6, "{fate:?}");
            // In one process with the store nobody survives to see it down.
            assert_eq!((unknown > 0, down > 0), (!embedded, !embedded), "{fate:?}");
        }
    }
}
