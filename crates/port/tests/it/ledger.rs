//! A decision to drive: adds to one account, once for each request, and counts what it was asked.

use interbank_port::{
    Answers, Ask, Batch, Conclusion, CrateTag, Decision, Expect, Key, KeyAnswer, KeyId,
    KeyQuestion, KeyRef, MacAlgorithm, MacTag, ReadSet, Row, Step, Tenant, blocking,
};
use std::fmt;
use std::sync::Mutex;

/// First asks for its rows, then for a MAC, then concludes.
#[derive(Debug, Default)]
pub(crate) struct Add {
    pub(crate) request: u64,
    pub(crate) with_outcome: bool,
    /// What the driver did with it, to be compared between colours.
    pub(crate) trace: Vec<String>,
    rows: Vec<Option<Row>>,
}

impl Add {
    pub(crate) fn new(request: u64) -> Self {
        Self { request, with_outcome: true, ..Self::default() }
    }

    pub(crate) fn without_outcome(request: u64) -> Self {
        Self { with_outcome: false, ..Self::new(request) }
    }
}

impl Decision for Add {
    type Verdict = u64;
    type Error = Refused;

    fn begin(&mut self) -> Ask {
        self.trace.push("begin".into());
        self.rows.clear();
        Ask::rows(ReadSet::points([account(), outcome(self.request)]))
    }

    fn step(&mut self, answers: Answers) -> Result<Step<u64>, Refused> {
        self.trace.push(format!("{answers:?}"));
        if self.rows.is_empty() {
            self.rows = answers.rows.points;
            let [_, done] = &self.rows[..] else { return Err(Refused) };
            if let Some(done) = done {
                let verdict = number(done);
                return Ok(Step::Done(Conclusion { verdict, batch: Batch::new() }));
            }
            return Ok(Step::Ask(Ask::keys(vec![mac()])));
        }
        let [KeyAnswer::Mac(_)] = &answers.keys[..] else { return Err(Refused) };
        let row = self.rows[0].as_ref();
        let verdict = row.map_or(0, number) + 1;
        let mut batch = Batch::new();
        batch.put(account(), Row::unchanged(row), verdict.to_be_bytes().to_vec());
        if self.with_outcome {
            batch.put(outcome(self.request), Expect::Absent, verdict.to_be_bytes().to_vec());
        }
        Ok(Step::Done(Conclusion { verdict, batch }))
    }

    fn outcome(&self) -> Option<Key> {
        self.with_outcome.then(|| outcome(self.request))
    }

    fn recall(&mut self, row: &Row) -> Result<Option<u64>, Refused> {
        self.trace.push("recall".into());
        match &row.value[..] {
            b"another request" => Ok(None),
            b"damaged" => Err(Refused),
            _ => Ok(Some(number(row))),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refused;

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("refused")
    }
}

impl std::error::Error for Refused {}

/// Answers what a test laid out, and remembers the questions.
#[derive(Debug, Default)]
pub(crate) struct ScriptedKeys {
    pub(crate) answers: Mutex<Option<Result<Vec<KeyAnswer>, Refused>>>,
    pub(crate) asked: Mutex<Vec<KeyQuestion>>,
}

impl ScriptedKeys {
    /// Always this.
    pub(crate) fn always(answer: Result<Vec<KeyAnswer>, Refused>) -> Self {
        Self { answers: Mutex::new(Some(answer)), ..Self::default() }
    }
}

impl blocking::Keys for ScriptedKeys {
    type Error = Refused;

    fn answer(&self, questions: &[KeyQuestion]) -> Result<Vec<KeyAnswer>, Refused> {
        self.asked.lock().unwrap().extend_from_slice(questions);
        let laid_out = self.answers.lock().unwrap().clone();
        laid_out.unwrap_or_else(|| Ok(questions.iter().map(|_| right_mac()).collect()))
    }
}

pub(crate) fn mac() -> KeyQuestion {
    KeyQuestion::Mac {
        key: KeyRef::Held(KeyId(1)),
        algorithm: MacAlgorithm::HmacSha256,
        message: "message".into(),
    }
}

pub(crate) fn right_mac() -> KeyAnswer {
    KeyAnswer::Mac(MacTag::new(&[7; 32]).unwrap())
}

pub(crate) fn account() -> Key {
    Key::new(CrateTag::PORT, Tenant::new(1), 1)
}

pub(crate) fn outcome(request: u64) -> Key {
    Key::new(CrateTag::PORT, Tenant::new(1), 2).number(request).unwrap()
}

pub(crate) fn number(row: &Row) -> u64 {
    u64::from_be_bytes(row.value[..].try_into().unwrap())
}
