//! A decision to try the simulator on: adds an amount to one account, once for each request.

use interbank_simkit::SimError;
use port::{
    Answers, Ask, Batch, Conclusion, CrateTag, DecideError, Decision, Expect, Key, KeyAnswer,
    KeyQuestion, ReadSet, Row, Snapshot, Step, Tenant, blocking,
};
use std::convert::Infallible;

/// What a request is told: the balance after it, or why not.
pub(crate) type Told = Result<u64, DecideError<Infallible, SimError, Infallible>>;

pub(crate) struct Add {
    pub(crate) request: u64,
    pub(crate) amount: u64,
    pub(crate) defect: Defect,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Defect {
    None,
    /// Does not require the account's version.
    Careless,
    /// Does not look whether the request was decided already.
    Forgetful,
}

impl Add {
    pub(crate) fn new(request: u64, amount: u64) -> Self {
        Self { request, amount, defect: Defect::None }
    }
}

impl Decision for Add {
    type Verdict = u64;
    type Error = Infallible;

    fn begin(&mut self) -> Ask {
        Ask::rows(ReadSet::points([account(), outcome(self.request)]))
    }

    fn step(&mut self, answers: Answers) -> Result<Step<u64>, Infallible> {
        let [row, done] = &answers.rows.points[..] else { panic!("two rows were asked for") };
        if let Some(done) = done
            && self.defect != Defect::Forgetful
        {
            let verdict = number(done);
            return Ok(Step::Done(Conclusion { verdict, batch: Batch::new() }));
        }
        let verdict = row.as_ref().map_or(0, number) + self.amount;
        let mut batch = Batch::new();
        let [on_account, on_outcome] = match self.defect {
            Defect::None => [Row::unchanged(row.as_ref()), Expect::Absent],
            Defect::Careless => [Expect::Any, Expect::Absent],
            Defect::Forgetful => [Row::unchanged(row.as_ref()), Expect::Any],
        };
        batch.put(account(), on_account, verdict.to_be_bytes().to_vec());
        batch.put(outcome(self.request), on_outcome, verdict.to_be_bytes().to_vec());
        Ok(Step::Done(Conclusion { verdict, batch }))
    }

    fn outcome(&self) -> Option<Key> {
        Some(outcome(self.request))
    }

    fn recall(&mut self, row: &Row) -> Result<Option<u64>, Infallible> {
        Ok(Some(number(row)))
    }
}

pub(crate) struct NoKeys;

impl blocking::Keys for NoKeys {
    type Error = Infallible;

    fn answer(&self, _: &[KeyQuestion]) -> Result<Vec<KeyAnswer>, Infallible> {
        Ok(Vec::new())
    }
}

pub(crate) fn account() -> Key {
    Key::new(CrateTag::PORT, Tenant::new(1), 1)
}

pub(crate) fn outcome(request: u64) -> Key {
    Key::new(CrateTag::PORT, Tenant::new(1), 2).number(request).unwrap()
}

/// The balance, and the number of requests that were decided.
pub(crate) fn totals(snapshot: &Snapshot) -> (u64, usize) {
    let find = |wanted: Key| snapshot.rows.iter().find(move |(key, _)| *key == wanted);
    let decided = Key::new(CrateTag::PORT, Tenant::new(1), 2);
    let decided = snapshot.rows.iter().filter(|(key, _)| key.starts_with(&decided)).count();
    (find(account()).map_or(0, |(_, row)| number(row)), decided)
}

pub(crate) fn number(row: &Row) -> u64 {
    u64::from_be_bytes(row.value[..].try_into().unwrap())
}
