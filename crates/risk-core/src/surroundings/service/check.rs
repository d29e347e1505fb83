//! Judging a payment's scan.

use super::super::{
    Answer, Assessment, Facts, Finding, Known, Population, Profile, Scan, TerminalId,
};
use super::rows::{
    self, CHALLENGE, ChallengeRow, PROFILE, RequestRow, RequestState, TERMINAL, TerminalRow, point,
};
use super::{Error, Misuse, Refusal, RequestId, Setup, Verdict, codes, done};
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use port::{Answers, Ask, Batch, Decision, Expect, Key, ReadSet, Row, Step, Time};
use seal::{Audit, Audited};
use sha2::{Digest as _, Sha256};

/// A payment whose surroundings are to be judged.
#[derive(Clone, Debug)]
pub struct CheckRequest {
    /// Which request it is.
    pub id: RequestId,
    /// From which terminal.
    pub terminal: TerminalId,
    /// What the terminal scanned for it.
    pub scan: Scan,
    /// What is to be paid, in minor units.
    pub amount_minor: i64,
    /// What the account still allows without a password, if it has such a limit.
    pub account_limit_minor: Option<i64>,
    /// What all terminals see, to tell whether the scan's neighbours are ever together. The scan has to be taken with it.
    pub population: Option<Arc<Population>>,
}

impl CheckRequest {
    /// Tells one request from another, however often its scan is taken.
    fn body(&self) -> [u8; 16] {
        let limit = self.account_limit_minor;
        let digest: [u8; 32] = Sha256::new()
            .chain_update(b"interbank/risk-core/check/v1\0")
            .chain_update(self.scan.fingerprint().to_be_bytes())
            .chain_update(self.scan.taken().as_ms().to_be_bytes())
            .chain_update([u8::from(self.scan.nonce().is_some())])
            .chain_update(self.scan.nonce().map_or([0; 16], |nonce| nonce.0))
            .chain_update(self.amount_minor.to_be_bytes())
            .chain_update([u8::from(limit.is_some())])
            .chain_update(limit.unwrap_or(0).to_be_bytes())
            .finalize()
            .into();
        digest.first_chunk().copied().unwrap_or_default()
    }
}

/// A payment judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checked {
    /// The scores, and what to do.
    pub assessment: Assessment,
    /// Whether this answers a repeated request.
    pub repeated: bool,
}

/// The decision over a payment's surroundings.
///
/// It takes the challenge that the scan answers, keeps the scan until the payment is confirmed, and remembers the scan's
/// fingerprint. A request that was judged already gets the same answer, whatever has been learned meanwhile.
#[derive(Clone, Debug)]
pub struct Check {
    setup: Arc<Setup>,
    now: Time,
    request: CheckRequest,
    body: [u8; 16],
    keys: Keys,
}

#[derive(Clone, Debug)]
struct Keys {
    request: Key,
    terminal: Key,
    challenge: Key,
    own: Key,
    adjacent: Option<Key>,
}

impl Check {
    pub(super) fn new(setup: Arc<Setup>, now: Time, request: CheckRequest) -> Self {
        let (tenant, terminal) = (setup.tenant(), &request.terminal);
        let when = request.scan.when();
        let profile = |period| rows::of_period(tenant, PROFILE, terminal, period);
        let keys = Keys {
            request: rows::request(tenant, terminal, &request.id),
            terminal: rows::of(tenant, TERMINAL, terminal),
            challenge: rows::of(tenant, CHALLENGE, terminal),
            own: profile(when.period),
            adjacent: (when.adjacent != when.period).then(|| profile(when.adjacent)),
        };
        Self { setup, now, body: request.body(), request, keys }
    }

    fn answer(&self, row: Option<&Row>) -> Result<Answer, Error> {
        let challenge = row.map(|row| ChallengeRow::parse(&row.value)).transpose()?;
        Ok(match (self.request.scan.nonce(), challenge) {
            (None, _) => Answer::Missing,
            (Some(nonce), Some(open)) if nonce == open.nonce => {
                self.setup.config.skew.settle(self.now, open.set)?;
                if self.now < open.expires { Answer::Right } else { Answer::Missing }
            }
            (Some(_), _) => Answer::Wrong,
        })
    }

    fn repeated(&self, assessment: Assessment) -> Audited<Verdict<Checked>> {
        let action = "risk.surroundings.check.repeated";
        let reasons = codes(&assessment.reasons());
        let Self { setup, now, request, .. } = self;
        let audit = setup.audit_of(*now, action, &request.terminal, &request.id, reasons);
        // The policy that decided, not the one of now.
        let audit = Audit { policy: assessment.policy_digest, ..audit };
        Audited { verdict: Verdict::Granted(Checked { assessment, repeated: true }), audit }
    }
}

impl Decision for Check {
    type Verdict = Audited<Verdict<Checked>>;
    type Error = Error;

    fn begin(&mut self) -> Ask {
        let Keys { request, terminal, challenge, own, adjacent } = self.keys.clone();
        let mut points: Vec<Key> = vec![request, terminal, challenge, own];
        points.extend(adjacent);
        Ask::rows(ReadSet::points(points))
    }

    fn step(&mut self, answers: Answers) -> Result<Step<Self::Verdict>, Error> {
        if let Some(row) = point(&answers, 0)? {
            if let Some(verdict) = self.recall(row)? {
                return Ok(Step::Done(port::Conclusion { verdict, batch: Batch::new() }));
            }
            let Self { setup, now, request, .. } = self;
            let reasons = vec![Refusal::IdReused.code()];
            let action = "risk.surroundings.check.declined";
            let audit = setup.audit_of(*now, action, &request.terminal, &request.id, reasons);
            return Ok(done(Verdict::Declined(Refusal::IdReused), audit, Batch::new()));
        }
        let policy = self.setup.policy(self.now)?.clone();
        let scan = &self.request.scan;
        if scan.when().grid != policy.grid() {
            return Err(Error::Misuse(Misuse::Grid));
        }
        let terminal_row = point(&answers, 1)?;
        let mut terminal = TerminalRow::of(terminal_row)?;
        let challenge_row = point(&answers, 2)?;
        let own_row = point(&answers, 3)?;
        let adjacent_row = if self.keys.adjacent.is_some() { point(&answers, 4)? } else { None };
        let profile = |row: Option<&Row>| row.map(|row| Profile::parse(&row.value)).transpose();
        let (own, adjacent) = (profile(own_row)?, profile(adjacent_row)?);
        let known = Known { own: own.as_ref(), adjacent: adjacent.as_ref() };
        let population = self.request.population.as_deref();
        let facts = Facts {
            amount_minor: self.request.amount_minor,
            account_limit_minor: self.request.account_limit_minor,
            answer: self.answer(challenge_row)?,
            repeated: terminal.marks.contains(&scan.fingerprint()),
            lost: terminal.is_lost(),
            strange_pairs: population.and_then(|all| policy.strange_pairs(scan, known, all)),
        };
        let assessment = policy.assess(self.now, scan, known, facts);

        let mut batch = Batch::with_capacity(5);
        let request = RequestRow {
            body: self.body,
            at: self.now,
            assessment: Some(assessment),
            state: RequestState::Open(scan.clone()),
        };
        batch.put(self.keys.request.clone(), Expect::Absent, request.encode());
        if !facts.repeated && scan.len() >= policy.tables().copied_min {
            terminal.mark(scan.fingerprint());
        }
        // Requests lie under the terminal's row, which is why it is written each time.
        batch.put(self.keys.terminal.clone(), Row::unchanged(terminal_row), terminal.encode());
        if facts.answer == Answer::Right {
            batch.delete(self.keys.challenge.clone(), Row::unchanged(challenge_row));
        } else {
            batch.require(self.keys.challenge.clone(), Row::unchanged(challenge_row));
        }
        batch.require(self.keys.own.clone(), Row::unchanged(own_row));
        if let Some(adjacent) = self.keys.adjacent.clone() {
            batch.require(adjacent, Row::unchanged(adjacent_row));
        }
        let action = if assessment.findings.is_suspicious()
            || assessment.findings.has(Finding::TerminalLost)
        {
            "risk.surroundings.check.suspicious"
        } else {
            "risk.surroundings.check.judged"
        };
        let reasons = codes(&assessment.reasons());
        let Self { setup, now, request, .. } = self;
        let audit = setup.audit_of(*now, action, &request.terminal, &request.id, reasons);
        Ok(done(Verdict::Granted(Checked { assessment, repeated: false }), audit, batch))
    }

    fn outcome(&self) -> Option<Key> {
        Some(self.keys.request.clone())
    }

    fn recall(&mut self, row: &Row) -> Result<Option<Self::Verdict>, Error> {
        let found = RequestRow::parse(&row.value)?;
        let assessment = found.assessment.filter(|_| found.body == self.body);
        Ok(assessment.map(|assessment| self.repeated(assessment)))
    }
}
