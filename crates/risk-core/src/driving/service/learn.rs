//! Learning windows while a vehicle is learned.

use super::super::{Driver, Habits, Recording, Rejection, RequestId, State, Taken, VehicleId};
use super::rows::{
    self, DATA, DataRow, REGISTRATION, RegistrationRow, RequestKind, RequestRow, point,
};
use super::{Error, Refusal, Setup, Verdict, done};
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use port::{Answers, Ask, Batch, Conclusion, Decision, Expect, Key, ReadSet, Row, Step, Time};
use seal::Audited;

/// The decision over one window of learning: the current stretch, which has to have the preset length, and is used up by it. A
/// window that was learned already is granted again and changes nothing.
#[derive(Clone, Debug)]
pub struct Learn {
    setup: Arc<Setup>,
    now: Time,
    vehicle: VehicleId,
    driver: Driver,
    id: RequestId,
    registration: Option<(Row, RegistrationRow)>,
}

impl Learn {
    pub(super) fn new(
        setup: Arc<Setup>,
        now: Time,
        vehicle: VehicleId,
        driver: Driver,
        id: RequestId,
    ) -> Self {
        Self { setup, now, vehicle, driver, id, registration: None }
    }

    fn registration_key(&self) -> Key {
        rows::of(self.setup.tenant(), REGISTRATION, &self.vehicle)
    }

    fn request_key(&self) -> Key {
        rows::request(self.setup.tenant(), &self.vehicle, &self.id)
    }

    fn body(&self) -> [u8; 16] {
        let mut body = [0; 16];
        body[0] = self.driver.as_u8();
        body
    }

    fn audited(
        &self,
        verdict: Verdict<()>,
        action: &'static str,
        batch: Batch,
    ) -> Step<Audited<Verdict<()>>> {
        let reasons = verdict.declined().map(|why| why.code()).into_iter().collect();
        let audit = self.setup.audit(self.now, action, &self.vehicle, &self.id, reasons);
        done(verdict, audit, batch)
    }

    fn declined(&self, why: Refusal, batch: Batch) -> Step<Audited<Verdict<()>>> {
        self.audited(Verdict::Declined(why), "risk.driving.learn.declined", batch)
    }

    /// The tag of a window among others: the head of its id, which is drawn at random.
    fn tag(&self) -> u32 {
        tag(&self.id)
    }
}

impl Decision for Learn {
    type Verdict = Audited<Verdict<()>>;
    type Error = Error;

    fn begin(&mut self) -> Ask {
        self.registration = None;
        Ask::rows(ReadSet::points([self.registration_key(), self.request_key()]))
    }

    fn step(&mut self, answers: Answers) -> Result<Step<Self::Verdict>, Error> {
        let tenant = self.setup.tenant();
        let data_key = rows::of(tenant, DATA, &self.vehicle);
        let habits_key = rows::habits(tenant, &self.vehicle, self.driver);
        let Some((row, registered)) = self.registration.take() else {
            if let Some(request) = point(&answers, 1)? {
                return Ok(match self.recall(request)? {
                    Some(verdict) => Step::Done(Conclusion { verdict, batch: Batch::new() }),
                    None => self.declined(Refusal::IdReused, Batch::new()),
                });
            }
            let row = point(&answers, 0)?;
            let registered = RegistrationRow::of(row)?;
            let learning = registered.filter(|it| it.registration.state() == State::Learning);
            let (Some(row), Some(registered)) = (row, learning) else {
                let mut batch = Batch::with_capacity(1);
                batch.require(self.registration_key(), Row::unchanged(row));
                let registration = registered.map(|it| it.registration);
                let why = match Refusal::of(registration.as_ref()) {
                    Refusal::Rejected(_) => Refusal::NotLearning,
                    other => other,
                };
                return Ok(self.declined(why, batch));
            };
            self.registration = Some((row.clone(), registered));
            return Ok(Step::Ask(Ask::rows(ReadSet::points([data_key, habits_key]))));
        };
        let (data_row, habits_row) = (point(&answers, 0)?, point(&answers, 1)?);
        let mut data = DataRow::of(data_row, self.setup.rules())?;
        let habits = habits_row.map(|row| Habits::parse(&row.value)).transpose()?;
        let mut habits = habits.unwrap_or_else(|| Habits::new(self.driver));
        let window = self.setup.stretch(self.now, &data);
        let mut batch = Batch::with_capacity(4);
        batch.require(self.registration_key(), Row::unchanged(Some(&row)));
        let taken = if window.length_ms() < self.setup.rules().preset_ms() {
            Err(Refusal::Rejected(Rejection::TooShort))
        } else {
            match habits.learn(&registered.registration, self.tag(), &window) {
                Taken::Learned => Ok(()),
                other => Err(Refusal::NotTaken(other)),
            }
        };
        if let Err(why) = taken {
            batch.require(data_key, Row::unchanged(data_row));
            return Ok(self.declined(why, batch));
        }
        // No second window from the same drive.
        data.recording = Recording::new(self.setup.rules().gap_max_ms());
        batch.put(data_key, Row::unchanged(data_row), data.encode());
        let mut bytes = Vec::new();
        habits.encode(&mut bytes);
        batch.put(habits_key, Row::unchanged(habits_row), bytes);
        let request = RequestRow { body: self.body(), at: self.now, kind: RequestKind::Learned };
        batch.put(self.request_key(), Expect::Absent, request.encode());
        Ok(self.audited(Verdict::Granted(()), "risk.driving.learn.granted", batch))
    }

    fn outcome(&self) -> Option<Key> {
        Some(self.request_key())
    }

    fn recall(&mut self, row: &Row) -> Result<Option<Self::Verdict>, Error> {
        let found = RequestRow::parse(&row.value)?;
        if found.body != self.body() || found.kind != RequestKind::Learned {
            return Ok(None);
        }
        let action = "risk.driving.learn.repeated";
        let audit = self.setup.audit(self.now, action, &self.vehicle, &self.id, vec![]);
        Ok(Some(Audited { verdict: Verdict::Granted(()), audit }))
    }
}

pub(super) fn tag(id: &RequestId) -> u32 {
    id.first_chunk().map_or(0, |head| u32::from_be_bytes(*head))
}
