//! Racing decisions with an outcome row, under every fault a store may have.

use interbank_port::{
    Answers, Ask, Batch, Conclusion, CrateTag, Decision, Expect, Key, KeyAnswer, KeyQuestion,
    ReadSet, Row, Step, Tenant, blocking,
};
use simkit::{Faults, FaultyStore, Odds, Rng, Stage, random};
use std::convert::Infallible;

/// Moves one unit from one account to another, once for each request, never below zero.
struct Move {
    request: u64,
    from: u64,
    to: u64,
}

impl Decision for Move {
    type Verdict = bool;
    type Error = Infallible;

    fn begin(&mut self) -> Ask {
        let rows = [account(self.from), account(self.to), outcome(self.request)];
        Ask::rows(ReadSet::points(rows))
    }

    fn step(&mut self, answers: Answers) -> Result<Step<bool>, Infallible> {
        let [from, to, done] = &answers.rows.points[..] else {
            panic!("three rows were asked for")
        };
        if let Some(done) = done {
            let verdict = done.value[0] == 1;
            return Ok(Step::Done(Conclusion { verdict, batch: Batch::new() }));
        }
        let (has, gets) = (balance(from.as_ref()), balance(to.as_ref()));
        let verdict = has > 0;
        let mut batch = Batch::new();
        batch.put(outcome(self.request), Expect::Absent, vec![u8::from(verdict)]);
        if verdict {
            batch.put(account(self.from), Row::unchanged(from.as_ref()), vec![has - 1]);
            batch.put(account(self.to), Row::unchanged(to.as_ref()), vec![gets + 1]);
        } else {
            batch.require(account(self.from), Row::unchanged(from.as_ref()));
        }
        Ok(Step::Done(Conclusion { verdict, batch }))
    }

    fn outcome(&self) -> Option<Key> {
        Some(outcome(self.request))
    }

    fn recall(&mut self, row: &Row) -> Result<Option<bool>, Infallible> {
        Ok(Some(row.value[0] == 1))
    }
}

fn account(n: u64) -> Key {
    Key::new(CrateTag::PORT, Tenant::new(1), 1).number(n).unwrap()
}

fn outcome(n: u64) -> Key {
    Key::new(CrateTag::PORT, Tenant::new(1), 2).number(n).unwrap()
}

fn balance(row: Option<&Row>) -> u8 {
    row.map_or(0, |row| row.value[0])
}

struct NoKeys;

impl blocking::Keys for NoKeys {
    type Error = Infallible;

    fn answer(&self, _: &[KeyQuestion]) -> Result<Vec<KeyAnswer>, Infallible> {
        Ok(Vec::new())
    }
}

#[test]
fn money_is_neither_made_nor_lost() {
    let (mut told, mut silent) = (0_u64, 0_u64);
    let ran = simkit::run(env!("CARGO_PKG_NAME"), "money is neither made nor lost", 500, |seed| {
        let mut rng = Rng::new(seed);
        let mut stage: Stage<'_, Option<(u64, bool)>> = Stage::new(FaultyStore::new(Faults::None));
        let mut start = Batch::new();
        for n in 0..3 {
            start.put(account(n), Expect::Absent, vec![2]);
        }
        let _ = blocking::Store::commit(stage.store(), &start);
        stage.store().set_faults(Faults::seeded(rng.fork("faults"), Odds::ROUGH));
        stage.deaths(1);
        stage.power_cuts(1);
        for n in 0..8 {
            // Some requests are the same one, asked again by another.
            let request = rng.below(6);
            let (from, to) = (request % 3, (request / 2 + 1 + request) % 3);
            if from == to {
                continue;
            }
            stage.spawn(format!("{n}: request {request}"), move |gate| async move {
                let mut decision = Move { request, from, to };
                let verdict =
                    interbank_port::decide(&gate, &gate.keys(NoKeys), &mut decision).await;
                verdict.ok().map(|verdict| (request, verdict))
            });
        }
        stage.invariant("the sum stays", |snapshot| {
            let accounts = Key::new(CrateTag::PORT, Tenant::new(1), 1);
            let rows = snapshot.rows.iter().filter(|(key, _)| key.starts_with(&accounts));
            let sum: u32 = rows.map(|(_, row)| u32::from(row.value[0])).sum();
            if sum == 6 { Ok(()) } else { Err(format!("{sum} instead of 6")) }
        });
        random(&mut rng, stage, |ending| {
            ending.store().settle();
            let snapshot = ending.snapshot();
            for verdict in ending.told() {
                let Some((request, verdict)) = verdict else {
                    silent += 1;
                    continue;
                };
                told += 1;
                let row = snapshot.rows.iter().find(|(key, _)| *key == outcome(*request));
                if row.map(|(_, row)| row.value[0]) != Some(u8::from(*verdict)) {
                    return Err(format!("request {request} was told what is not there"));
                }
            }
            Ok(())
        })?;
        Ok(())
    });
    let ran = ran.unwrap();
    // A single seed may be a quiet one.
    assert!(
        ran < 100 || (told > 2 * ran && silent > 0),
        "{told} told, {silent} not, in {ran} runs"
    );
}
