//! The end of kept answers.

use crate::{Error, InstitutionId, RequestKey, table};
use port::{Answers, Ask, Batch, Conclusion, Decision, Expect, ReadSet, Scan, Step, Time};

/// Deletes answers of accounting systems to requests that were sent before a moment, the oldest first: a decision. Run it until it
/// says 0. Keep answers for as long as repeats may come; networks name a day or two.
#[derive(Clone, Debug)]
pub struct PurgeAnswers {
    institution: InstitutionId,
    before: Time,
}

impl PurgeAnswers {
    /// At most so many go at one time.
    pub const ROWS_MAX: usize = 50;

    /// Of this institution, of requests that were sent before `before`.
    pub const fn new(institution: InstitutionId, before: Time) -> Self {
        Self { institution, before }
    }
}

impl Decision for PurgeAnswers {
    type Verdict = usize;
    type Error = Error;

    fn begin(&mut self) -> Ask {
        Ask::rows(ReadSet::scan(Scan::first(table::answers(self.institution), Self::ROWS_MAX)))
    }

    fn step(&mut self, answers: Answers) -> Result<Step<usize>, Error> {
        let page = answers.rows.scans.into_iter().next().ok_or(Error::Answers)?;
        let prefix = table::answers(self.institution).as_bytes().len();
        let mut batch = Batch::new();
        for (key, row) in page {
            let tail = key.as_bytes().get(prefix + 8..).unwrap_or_default();
            let request = RequestKey::parse(tail).map_err(Error::Corrupt)?;
            if request.sent_at() >= self.before {
                break;
            }
            batch.delete(key, Expect::At(row.version));
        }
        let verdict = batch.ops().len();
        Ok(Step::Done(Conclusion { verdict, batch }))
    }
}
