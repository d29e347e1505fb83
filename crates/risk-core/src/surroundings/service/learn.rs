//! Learning from confirmed payments, and from nothing else.

use super::super::{Assessment, Finding, History, Scan, TerminalId};
use super::rows::{self, HISTORY, PROFILE, RequestRow, RequestState, TERMINAL, TerminalRow, point};
use super::{Error, Misuse, Refusal, RequestId, Setup, Verdict, done};
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use port::{Answers, Ask, Batch, Decision, Key, ReadSet, Row, Step, Time};
use seal::Audited;

/// What came of a confirmation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Learned {
    /// Whether the scan changed what is known; one that is older than what has settled does not.
    pub learned: bool,
    /// Whether this answers a repeated confirmation.
    pub repeated: bool,
}

/// The decision over a confirmation.
#[derive(Clone, Debug)]
pub struct Learn {
    setup: Arc<Setup>,
    now: Time,
    terminal: TerminalId,
    id: RequestId,
    given: Option<Scan>,
    request_key: Key,
    stage: Stage,
}

#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "a decision has one stage; none is stored in bulk")]
enum Stage {
    Request,
    History(Pending),
}

/// A scan that may be learned, while its period is read.
#[derive(Clone, Debug)]
struct Pending {
    scan: Scan,
    /// The request as it will be, apart from its state.
    request: RequestRow,
    request_row: Option<Row>,
    terminal: TerminalRow,
    terminal_row: Option<Row>,
}

impl Learn {
    pub(super) fn new(
        setup: Arc<Setup>,
        now: Time,
        terminal: TerminalId,
        id: RequestId,
        given: Option<Scan>,
    ) -> Self {
        let request_key = rows::request(setup.tenant(), &terminal, &id);
        Self { setup, now, terminal, id, given, request_key, stage: Stage::Request }
    }

    fn terminal_key(&self) -> Key {
        rows::of(self.setup.tenant(), TERMINAL, &self.terminal)
    }

    fn period_keys(&self, scan: &Scan) -> [Key; 2] {
        let period = scan.when().period;
        [HISTORY, PROFILE]
            .map(|table| rows::of_period(self.setup.tenant(), table, &self.terminal, period))
    }

    fn on_request(
        &mut self,
        answers: &Answers,
    ) -> Result<Step<<Self as Decision>::Verdict>, Error> {
        let (request_row, terminal_row) = (point(answers, 0)?, point(answers, 1)?);
        if let Some(row) = request_row
            && let Some(verdict) = self.recall(row)?
        {
            return Ok(Step::Done(port::Conclusion { verdict, batch: Batch::new() }));
        }
        let terminal = TerminalRow::of(terminal_row)?;
        let policy = self.setup.policy(self.now)?;
        let request = request_row.map(|row| RequestRow::parse(&row.value)).transpose()?;
        let (request, scan) = match (request, &self.given) {
            (None, None) => return Ok(self.decline(Refusal::UnknownRequest)),
            (Some(_), Some(_)) => return Ok(self.decline(Refusal::IdReused)),
            (None, Some(scan)) => {
                let too_old = self.now.since_ms(scan.taken()) > policy.confirm_within_ms();
                if too_old || scan.taken().since_ms(self.now) > policy.tables().ahead_max_ms {
                    return Ok(self.decline(Refusal::NotBelieved));
                }
                let state = RequestState::Confirmed { learned: false };
                let row = RequestRow { body: body_of(scan), at: self.now, assessment: None, state };
                (row, scan.clone())
            }
            (Some(found), None) => {
                let now = self.setup.config.skew.settle(self.now, found.at)?;
                if now.since_ms(found.at) > policy.confirm_within_ms() {
                    return Ok(self.decline(Refusal::TooLate));
                }
                let believed = found.assessment.is_none_or(|Assessment { findings, .. }| {
                    // Without an answer nobody knows when it was made.
                    let is_current = [Finding::Stale, Finding::NotAnswered];
                    !findings.is_suspicious() && !is_current.iter().any(|one| findings.has(*one))
                });
                if !believed {
                    return Ok(self.decline(Refusal::NotBelieved));
                }
                let state = RequestState::Confirmed { learned: false };
                let RequestRow { body, at, assessment, state: before } = found;
                // A confirmed one was recalled above.
                let RequestState::Open(scan) = before else {
                    return Err(Error::Misuse(Misuse::Answers));
                };
                (RequestRow { body, at, assessment, state }, scan)
            }
        };
        if terminal.was_lost(scan.taken()) {
            return Ok(self.decline(Refusal::TerminalLost));
        }
        if scan.when().grid != policy.grid() {
            // Handed over, it is the caller's; stored, it waited while the policy changed.
            return match self.given {
                Some(_) => Err(Error::Misuse(Misuse::Grid)),
                None => Ok(self.decline(Refusal::OtherGrid)),
            };
        }
        let keys = self.period_keys(&scan);
        self.stage = Stage::History(Pending {
            scan,
            request,
            request_row: request_row.cloned(),
            terminal,
            terminal_row: terminal_row.cloned(),
        });
        Ok(Step::Ask(Ask::rows(ReadSet::points(keys))))
    }

    fn on_history(
        &self,
        pending: Pending,
        answers: &Answers,
    ) -> Result<Step<<Self as Decision>::Verdict>, Error> {
        let (history_row, profile_row) = (point(answers, 0)?, point(answers, 1)?);
        let policy = self.setup.policy(self.now)?;
        let when = pending.scan.when();
        let fresh = || History::new(when.grid, when.period);
        let mut history = match history_row {
            Some(row) => History::parse(&row.value)?,
            None => fresh(),
        };
        if history.grid() != when.grid {
            // The policy cuts the week in another way now.
            history = fresh();
        }
        let learning = policy.learning();
        let learned = history.update(self.now, &pending.scan, policy.revocable_ms(), &learning);
        let mut batch = Batch::with_capacity(4);
        let state = RequestState::Confirmed { learned };
        let request = RequestRow { state, ..pending.request };
        let request_before = Row::unchanged(pending.request_row.as_ref());
        batch.put(self.request_key.clone(), request_before, request.encode());
        // The history lies under the terminal's row: whoever revokes meanwhile makes this begin again.
        let terminal_before = Row::unchanged(pending.terminal_row.as_ref());
        batch.put(self.terminal_key(), terminal_before, pending.terminal.encode());
        if learned {
            let [history_key, profile_key] = self.period_keys(&pending.scan);
            let mut bytes = Vec::with_capacity(1_024);
            history.encode(&mut bytes);
            batch.put(history_key, Row::unchanged(history_row), bytes);
            let mut bytes = Vec::new();
            history.current(&learning).encode(&mut bytes);
            batch.put(profile_key, Row::unchanged(profile_row), bytes);
        }
        let action = "risk.surroundings.learn.granted";
        let audit = self.setup.audit_of(self.now, action, &self.terminal, &self.id, Vec::new());
        Ok(done(Verdict::Granted(Learned { learned, repeated: false }), audit, batch))
    }

    fn decline(&self, refusal: Refusal) -> Step<<Self as Decision>::Verdict> {
        let action = "risk.surroundings.learn.declined";
        let reasons = vec![refusal.code()];
        let audit = self.setup.audit_of(self.now, action, &self.terminal, &self.id, reasons);
        done(Verdict::Declined(refusal), audit, Batch::new())
    }
}

impl Decision for Learn {
    type Verdict = Audited<Verdict<Learned>>;
    type Error = Error;

    fn begin(&mut self) -> Ask {
        self.stage = Stage::Request;
        Ask::rows(ReadSet::points([self.request_key.clone(), self.terminal_key()]))
    }

    fn step(&mut self, answers: Answers) -> Result<Step<Self::Verdict>, Error> {
        match core::mem::replace(&mut self.stage, Stage::Request) {
            Stage::Request => self.on_request(&answers),
            Stage::History(pending) => self.on_history(pending, &answers),
        }
    }

    fn outcome(&self) -> Option<Key> {
        Some(self.request_key.clone())
    }

    fn recall(&mut self, row: &Row) -> Result<Option<Self::Verdict>, Error> {
        let found = RequestRow::parse(&row.value)?;
        let RequestState::Confirmed { learned } = found.state else { return Ok(None) };
        if self.given.as_ref().is_some_and(|scan| body_of(scan) != found.body) {
            return Ok(None);
        }
        let action = "risk.surroundings.learn.repeated";
        let audit = self.setup.audit_of(self.now, action, &self.terminal, &self.id, Vec::new());
        Ok(Some(Audited { verdict: Verdict::Granted(Learned { learned, repeated: true }), audit }))
    }
}

/// Tells one scan from another under the same request id.
fn body_of(scan: &Scan) -> [u8; 16] {
    let mut body = [0; 16];
    body[..8].copy_from_slice(&scan.fingerprint().to_be_bytes());
    body[8..].copy_from_slice(&scan.taken().as_ms().to_be_bytes());
    body
}
