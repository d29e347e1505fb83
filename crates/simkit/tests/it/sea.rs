//! Many seeds.

use crate::ledger::{Add, NoKeys, Told, totals};
use interbank_simkit::{
    Failure, Faults, FaultyStore, Odds, Rng, Seeds, Stage, linearize, random, run_seeds,
};

fn storm(seed: u64) -> Result<Vec<String>, Failure> {
    let mut rng = Rng::new(seed);
    let faults = Faults::seeded(rng.fork("faults"), Odds::ROUGH);
    let mut stage: Stage<'_, (u64, Told)> = Stage::new(FaultyStore::new(faults));
    stage.deaths(2);
    stage.power_cuts(1);
    for client in 0..6_u64 {
        let request = client / 2;
        stage.spawn(format!("client {client}"), move |gate| async move {
            let mut add = Add::new(request, 10_u64.pow(u32::try_from(request).unwrap()));
            (request, port::decide(&gate, &gate.keys(NoKeys), &mut add).await)
        });
    }
    stage.invariant("each request counts once", |snapshot| {
        let (total, decided) = totals(snapshot);
        let digits: Vec<u64> = (0..3).map(|at| total / 10_u64.pow(at) % 10).collect();
        let sum: u64 = digits.iter().sum();
        if total < 1_000 && digits.iter().all(|digit| *digit <= 1) && sum == decided as u64 {
            Ok(())
        } else {
            Err(format!("{total} after {decided} requests"))
        }
    });
    let ending = random(&mut rng, stage, |ending| {
        ending.store().settle();
        // Whoever was not told a balance may have added or not, like one that died.
        let mut operations = ending.operations.clone();
        for op in &mut operations {
            if !matches!(op.verdict(), Some((_, Ok(_)))) {
                op.returned = None;
            }
        }
        let start = (0_u64, [None; 3]);
        linearize(&operations, &start, |(total, decided), op| {
            let client: usize = op.name.trim_start_matches("client ").parse().unwrap();
            let request = client / 2;
            let slot = decided[request].get_or_insert_with(|| {
                *total += 10_u64.pow(u32::try_from(request).unwrap());
                *total
            });
            op.returned.is_none() || op.verdict().is_some_and(|(_, told)| *told == Ok(*slot))
        })
        .map(|_| ())
    })?;
    Ok(ending.trace())
}

#[test]
fn racing_requests_survive_rough_sea() {
    let seeds = Seeds { first: 1, schedules: 3_000 };
    let ran =
        run_seeds("interbank-simkit", "requests count once", seeds, |seed| storm(seed).map(|_| ()));
    assert_eq!(ran.unwrap(), 3_000);
}

#[test]
fn one_seed_is_one_history() {
    for seed in 0..50 {
        assert_eq!(storm(seed).unwrap(), storm(seed).unwrap());
    }
    assert_ne!(storm(1).unwrap(), storm(2).unwrap());
}
