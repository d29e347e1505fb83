//! Evaluating a payment request.

use super::super::{
    Driver, Habits, LevelNotice, Outcome, Rejection, RequestId, State, StrategySet, Stretch,
    VehicleId,
};
use super::rows::{
    self, DATA, DataRow, OUTBOX, REGISTRATION, RegistrationRow, RequestKind, RequestRow, point,
};
use super::{Error, Refusal, Setup, Verdict, done};
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use bytes::Bytes;
use port::outbox::Entry;
use port::{
    Amount, Answers, Ask, Batch, Conclusion, Decision, Expect, Key, ReadSet, Row, Step, Time,
};
use seal::Audited;
use sha2::{Digest as _, Sha256};

/// A payment request of a vehicle: its identification and what is to be paid. It carries no level, and no driving data that it
/// could choose (spec V1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EvaluateRequest {
    /// Which request it is.
    pub id: RequestId,
    /// From which vehicle.
    pub vehicle: VehicleId,
    /// What is to be paid.
    pub amount: Amount,
}

impl EvaluateRequest {
    /// Tells one request from another.
    fn body(&self) -> [u8; 16] {
        let digest: [u8; 32] = Sha256::new_with_prefix(b"interbank/risk-core/driving-request/v1\0")
            .chain_update(self.amount.minor().to_be_bytes())
            .chain_update(self.amount.currency().letters())
            .finalize()
            .into();
        digest.first_chunk().copied().unwrap_or_default()
    }
}

/// A request evaluated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evaluated {
    /// The level and its reasons.
    pub outcome: Outcome,
    /// What the platform is told.
    pub notice: LevelNotice,
    /// Whether this answers a repeated request.
    pub repeated: bool,
    /// What the level was made from ([`Trace::parse`](super::super::Trace::parse)), where [`Evaluate::traced`] asked for it and
    /// the request is not a repeated one.
    pub trace: Option<Bytes>,
}

/// The decision over a payment request.
///
/// It asks for the registration first; driving data and habits of a vehicle that is not active are never read (spec V3). With a
/// level, one notice to the platform lies in the same batch (spec V13); without one there is none (spec V9). A request that was
/// evaluated already gets the same answer, whatever the vehicle does meanwhile.
#[derive(Clone, Debug)]
pub struct Evaluate {
    setup: Arc<Setup>,
    now: Time,
    request: EvaluateRequest,
    active: Option<(Row, Vec<Driver>)>,
    traced: bool,
}

impl Evaluate {
    pub(super) fn new(setup: Arc<Setup>, now: Time, request: EvaluateRequest) -> Self {
        Self { setup, now, request, active: None, traced: false }
    }

    /// With the trace.
    #[must_use]
    pub fn traced(mut self) -> Self {
        self.traced = true;
        self
    }

    fn registration_key(&self) -> Key {
        rows::of(self.setup.tenant(), REGISTRATION, &self.request.vehicle)
    }

    fn request_key(&self) -> Key {
        rows::request(self.setup.tenant(), &self.request.vehicle, &self.request.id)
    }

    fn audited<V>(&self, verdict: V, action: &'static str, reasons: Vec<u32>) -> Audited<V> {
        let EvaluateRequest { id, vehicle, .. } = &self.request;
        Audited { verdict, audit: self.setup.audit(self.now, action, vehicle, id, reasons) }
    }

    fn declined(&self, why: Refusal) -> Audited<Verdict<Evaluated>> {
        let action = "risk.driving.evaluate.declined";
        self.audited(Verdict::Declined(why), action, vec![why.code()])
    }

    /// What the stored outcome of this very request says.
    fn repeated(&self, row: &Row) -> Result<Option<Audited<Verdict<Evaluated>>>, Error> {
        let found = RequestRow::parse(&row.value)?;
        let RequestKind::Evaluated { outcome, notice, .. } = found.kind else { return Ok(None) };
        if found.body != self.request.body() {
            return Ok(None);
        }
        let rules = notice.as_ref().map(|notice| notice.rules);
        let (verdict, reasons) = verdict(outcome, notice, true, None);
        let mut audited = self.audited(verdict, "risk.driving.evaluate.repeated", reasons);
        // The rules that decided, not those of now.
        audited.audit.policy = rules.unwrap_or(audited.audit.policy);
        Ok(Some(audited))
    }

    /// The first answer: is it registered, and was it asked before?
    fn first(&mut self, answers: &Answers) -> Result<Step<Audited<Verdict<Evaluated>>>, Error> {
        let row = point(answers, 0)?;
        let registered = RegistrationRow::of(row)?;
        if let Some(request) = point(answers, 1)? {
            let verdict = self.repeated(request)?;
            let verdict = verdict.unwrap_or_else(|| self.declined(Refusal::IdReused));
            return Ok(Step::Done(Conclusion { verdict, batch: Batch::new() }));
        }
        let registration = registered.map(|it| it.registration);
        let active = registration.filter(|it| it.state() == State::Active);
        let (Some(active), Some(row)) = (active, row) else {
            let mut batch = Batch::with_capacity(1);
            batch.require(self.registration_key(), Row::unchanged(row));
            let verdict = self.declined(Refusal::of(registration.as_ref()));
            return Ok(Step::Done(Conclusion { verdict, batch }));
        };
        let tenant = self.setup.tenant();
        let drivers: Vec<Driver> = active.drivers().collect();
        let mut points = vec![rows::of(tenant, DATA, &self.request.vehicle)];
        points.extend(
            drivers.iter().map(|driver| rows::habits(tenant, &self.request.vehicle, *driver)),
        );
        self.active = Some((row.clone(), drivers));
        Ok(Step::Ask(Ask::rows(ReadSet::points(points))))
    }

    fn notice(&self, outcome: &Outcome) -> Option<LevelNotice> {
        let evaluation = outcome.evaluation()?;
        let EvaluateRequest { id, vehicle, amount } = self.request.clone();
        let config = &self.setup.config;
        Some(LevelNotice {
            request: id,
            vehicle,
            amount,
            level: evaluation.level,
            conformity: evaluation.conformity,
            evaluated: self.now,
            expires: self.now.plus_ms(config.level_ttl_ms),
            rules: config.rules.digest(),
        })
    }

    fn entry(&self, notice: &LevelNotice) -> Entry {
        let EvaluateRequest { id, vehicle, .. } = &self.request;
        let mut content = Vec::with_capacity(200);
        notice.encode(&mut content);
        let idempotency = Sha256::new_with_prefix(b"interbank/risk-core/driving-notice/v1\0")
            .chain_update(self.setup.tenant().as_u64().to_be_bytes())
            .chain_update([u8::try_from(vehicle.as_bytes().len()).unwrap_or(u8::MAX)])
            .chain_update(vehicle.as_bytes())
            .chain_update(id)
            .finalize()
            .into();
        let to = self.setup.config.platform.clone();
        Entry { idempotency, to, created: self.now, content: content.into() }
    }
}

impl Decision for Evaluate {
    type Verdict = Audited<Verdict<Evaluated>>;
    type Error = Error;

    fn begin(&mut self) -> Ask {
        self.active = None;
        Ask::rows(ReadSet::points([self.registration_key(), self.request_key()]))
    }

    fn step(&mut self, answers: Answers) -> Result<Step<Self::Verdict>, Error> {
        let Some((registration, drivers)) = self.active.take() else { return self.first(&answers) };
        let (tenant, rules) = (self.setup.tenant(), self.setup.rules());
        let mut batch = Batch::with_capacity(4 + drivers.len());
        batch.require(self.registration_key(), Row::unchanged(Some(&registration)));
        let data_row = point(&answers, 0)?;
        batch.require(rows::of(tenant, DATA, &self.request.vehicle), Row::unchanged(data_row));
        let mut sets: Vec<StrategySet> = Vec::with_capacity(drivers.len());
        for (driver, at) in drivers.into_iter().zip(1..) {
            let row = point(&answers, at)?;
            let key = rows::habits(tenant, &self.request.vehicle, driver);
            batch.require(key, Row::unchanged(row));
            let habits = row.map(|row| Habits::parse(&row.value)).transpose()?;
            sets.extend(habits.and_then(|habits| habits.current()));
        }
        let stretch: Stretch = self.setup.stretch(self.now, &DataRow::of(data_row, rules)?);
        let outcome = rules.evaluate(&stretch, &sets);
        let trace = self.traced.then(|| {
            let mut bytes = Vec::new();
            rules.trace(&stretch, &sets).encode(&mut bytes);
            bytes.into()
        });
        let notice = self.notice(&outcome);
        if let Some(notice) = &notice {
            let entry = self.entry(notice);
            let mut bytes = Vec::with_capacity(entry.encoded_bytes());
            entry.encode(&mut bytes)?;
            batch.put(entry.key(rows::table(tenant, OUTBOX))?, Expect::Absent, bytes);
        }
        let kind =
            RequestKind::Evaluated { outcome, stretch, notice: notice.clone(), confirmed: false };
        let row = RequestRow { body: self.request.body(), at: self.now, kind };
        batch.put(self.request_key(), Expect::Absent, row.encode());
        let (verdict, reasons) = verdict(outcome, notice, false, trace);
        let action = if verdict.declined().is_some() {
            "risk.driving.evaluate.rejected"
        } else {
            "risk.driving.evaluate.judged"
        };
        let Audited { verdict, audit } = self.audited(verdict, action, reasons);
        Ok(done(verdict, audit, batch))
    }

    fn outcome(&self) -> Option<Key> {
        Some(self.request_key())
    }

    fn recall(&mut self, row: &Row) -> Result<Option<Self::Verdict>, Error> {
        self.repeated(row)
    }
}

/// What is told, and the codes of why.
fn verdict(
    outcome: Outcome,
    notice: Option<LevelNotice>,
    repeated: bool,
    trace: Option<Bytes>,
) -> (Verdict<Evaluated>, Vec<u32>) {
    match (outcome, notice) {
        (Outcome::Evaluated(evaluation), Some(notice)) => {
            let reasons = evaluation.reasons();
            let codes = reasons.as_slice().iter().map(|one| one.reason.code()).collect();
            (Verdict::Granted(Evaluated { outcome, notice, repeated, trace }), codes)
        }
        (outcome, _) => {
            let why = Refusal::Rejected(outcome.rejection().unwrap_or(Rejection::NotReady));
            (Verdict::Declined(why), vec![why.code()])
        }
    }
}
