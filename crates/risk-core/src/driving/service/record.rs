//! Taking samples.

use super::super::{Samples, State};
use super::rows::{self, DATA, DataRow, REGISTRATION, RegistrationRow, point};
use super::{Error, NO_ID, Refusal, Setup, Verdict, done};
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use port::{Answers, Ask, Batch, Decision, Key, ReadSet, Row, Step, Time};
use seal::{Audited, VerifyingKey};

/// Samples taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// For how long the vehicle has been driven without a gap, up to now, in milliseconds.
    pub stretch_ms: u64,
}

/// The decision over samples. They have to be signed by the registered device, and new.
#[derive(Clone, Debug)]
pub struct Record {
    setup: Arc<Setup>,
    now: Time,
    samples: Samples,
    signature: [u8; 64],
    registration: Option<Option<Row>>,
}

impl Record {
    pub(super) fn new(setup: Arc<Setup>, now: Time, samples: Samples, signature: [u8; 64]) -> Self {
        Self { setup, now, samples, signature, registration: None }
    }

    fn key(&self, table: u8) -> Key {
        rows::of(self.setup.tenant(), table, self.samples.vehicle())
    }

    fn declined(
        &self,
        why: Refusal,
        registration: Option<&Row>,
    ) -> Step<Audited<Verdict<Recorded>>> {
        let mut batch = Batch::new();
        batch.require(self.key(REGISTRATION), Row::unchanged(registration));
        let (action, vehicle) = ("risk.driving.record.declined", self.samples.vehicle());
        let audit = self.setup.audit(self.now, action, vehicle, &NO_ID, vec![why.code()]);
        done(Verdict::Declined(why), audit, batch)
    }
}

impl Decision for Record {
    type Verdict = Audited<Verdict<Recorded>>;
    type Error = Error;

    fn begin(&mut self) -> Ask {
        self.registration = None;
        Ask::rows(ReadSet::points([self.key(REGISTRATION)]))
    }

    fn step(&mut self, answers: Answers) -> Result<Step<Self::Verdict>, Error> {
        let Some(registration) = self.registration.take() else {
            let row = point(&answers, 0)?;
            let known = RegistrationRow::of(row)?;
            let drives = |it: &RegistrationRow| {
                matches!(it.registration.state(), State::Learning | State::Active)
            };
            let Some(registered) = known.filter(drives) else {
                let registration = known.map(|it| it.registration);
                return Ok(self.declined(Refusal::of(registration.as_ref()), row));
            };
            let key = VerifyingKey::from_bytes(&registered.device).ok();
            if !key.is_some_and(|key| self.samples.is_signed_by(&key, &self.signature)) {
                return Ok(self.declined(Refusal::BadSignature, row));
            }
            self.registration = Some(row.cloned());
            return Ok(Step::Ask(Ask::rows(ReadSet::points([self.key(DATA)]))));
        };
        let row = point(&answers, 0)?;
        let mut data = DataRow::of(row, self.setup.rules())?;
        if let Err(why) = data.guard.update(&self.samples) {
            return Ok(self.declined(Refusal::Replayed(why), registration.as_ref()));
        }
        self.samples.readings().iter().for_each(|reading| data.recording.update(*reading));
        let mut batch = Batch::with_capacity(2);
        batch.require(self.key(REGISTRATION), Row::unchanged(registration.as_ref()));
        batch.put(self.key(DATA), Row::unchanged(row), data.encode());
        let stretch = self.setup.stretch(self.now, &data);
        let recorded = Recorded { stretch_ms: stretch.length_ms() };
        let (action, vehicle) = ("risk.driving.record.granted", self.samples.vehicle());
        let audit = self.setup.audit(self.now, action, vehicle, &NO_ID, Vec::new());
        Ok(done(Verdict::Granted(recorded), audit, batch))
    }
}
