//! Learning an evaluated trip once the owner has confirmed it.

use super::super::{Driver, Habits, Outcome, RequestId, State, Taken, VehicleId};
use super::learn::tag;
use super::rows::{self, REGISTRATION, RegistrationRow, RequestKind, RequestRow, point};
use super::{Error, Refusal, Setup, Verdict, done};
use alloc::sync::Arc;
use alloc::vec::Vec;
use port::{Answers, Ask, Batch, Decision, Key, ReadSet, Row, Step, Time};
use seal::Audited;

/// The decision over a confirmation. The strategies of the driver that fitted best move by a bounded step
/// ([`Habits::confirm`]); a trip that was confirmed already is granted again and changes nothing. A trip from before the vehicle
/// was last activated or resumed is not learned: whoever suspends a stolen vehicle closes all that is pending.
#[derive(Clone, Debug)]
pub struct Confirm {
    setup: Arc<Setup>,
    now: Time,
    vehicle: VehicleId,
    id: RequestId,
    found: Option<(Row, Row, RequestRow, Driver)>,
}

impl Confirm {
    pub(super) fn new(setup: Arc<Setup>, now: Time, vehicle: VehicleId, id: RequestId) -> Self {
        Self { setup, now, vehicle, id, found: None }
    }

    fn registration_key(&self) -> Key {
        rows::of(self.setup.tenant(), REGISTRATION, &self.vehicle)
    }

    fn request_key(&self) -> Key {
        rows::request(self.setup.tenant(), &self.vehicle, &self.id)
    }

    fn audited(&self, verdict: Verdict<Taken>, batch: Batch) -> Step<Audited<Verdict<Taken>>> {
        let reasons = verdict.declined().map(|why| why.code()).into_iter().collect();
        let action = if verdict.declined().is_some() {
            "risk.driving.confirm.declined"
        } else {
            "risk.driving.confirm.granted"
        };
        let audit = self.setup.audit(self.now, action, &self.vehicle, &self.id, reasons);
        done(verdict, audit, batch)
    }

    fn first(&mut self, answers: &Answers) -> Result<Step<Audited<Verdict<Taken>>>, Error> {
        let (registration_row, request_row) = (point(answers, 0)?, point(answers, 1)?);
        let mut batch = Batch::with_capacity(2);
        batch.require(self.registration_key(), Row::unchanged(registration_row));
        batch.require(self.request_key(), Row::unchanged(request_row));
        let registration = RegistrationRow::of(registration_row)?.map(|it| it.registration);
        let active = registration.filter(|it| it.state() == State::Active);
        let (Some(registration_row), Some(active)) = (registration_row, active) else {
            let why = Refusal::of(registration.as_ref());
            return Ok(self.audited(Verdict::Declined(why), batch));
        };
        let request = request_row.map(|row| RequestRow::parse(&row.value)).transpose()?;
        let driver = match &request {
            Some(RequestRow { kind: RequestKind::Evaluated { confirmed: true, .. }, .. }) => {
                return Ok(self.audited(Verdict::Granted(Taken::AlreadyTaken), batch));
            }
            // What waited while the vehicle was held, or belongs to an earlier registration, is not learned any more.
            Some(RequestRow { kind: RequestKind::Evaluated { stretch, .. }, .. })
                if stretch.request() < active.changed() =>
            {
                let why = Refusal::NotTaken(Taken::OutsidePeriod);
                return Ok(self.audited(Verdict::Declined(why), batch));
            }
            Some(RequestRow {
                kind: RequestKind::Evaluated { outcome: Outcome::Evaluated(evaluation), .. },
                ..
            }) => Some(evaluation.driver),
            _ => None,
        };
        let (Some(request_row), Some(request), Some(driver)) = (request_row, request, driver)
        else {
            return Ok(self.audited(Verdict::Declined(Refusal::UnknownRequest), batch));
        };
        self.found = Some((registration_row.clone(), request_row.clone(), request, driver));
        let habits = rows::habits(self.setup.tenant(), &self.vehicle, driver);
        Ok(Step::Ask(Ask::rows(ReadSet::points([habits]))))
    }
}

impl Decision for Confirm {
    type Verdict = Audited<Verdict<Taken>>;
    type Error = Error;

    fn begin(&mut self) -> Ask {
        self.found = None;
        Ask::rows(ReadSet::points([self.registration_key(), self.request_key()]))
    }

    fn step(&mut self, answers: Answers) -> Result<Step<Self::Verdict>, Error> {
        let Some((registration_row, request_row, mut request, driver)) = self.found.take() else {
            return self.first(&answers);
        };
        let habits_row = point(&answers, 0)?;
        let habits_key = rows::habits(self.setup.tenant(), &self.vehicle, driver);
        let mut batch = Batch::with_capacity(3);
        batch.require(self.registration_key(), Row::unchanged(Some(&registration_row)));
        let now = self.setup.config.skew.settle(self.now, request.at)?;
        let habits = habits_row.map(|row| Habits::parse(&row.value)).transpose()?;
        let (Some(mut habits), RequestKind::Evaluated { stretch, confirmed, .. }) =
            (habits, &mut request.kind)
        else {
            batch.require(habits_key, Row::unchanged(habits_row));
            return Ok(self.audited(Verdict::Declined(Refusal::UnknownRequest), batch));
        };
        // The stretch may end ahead of our clock by the skew.
        let now = now.max(stretch.request());
        let taken = habits.confirm(now, self.setup.rules(), tag(&self.id), stretch);
        if taken != Taken::Learned {
            batch.require(habits_key, Row::unchanged(habits_row));
            batch.require(self.request_key(), Row::unchanged(Some(&request_row)));
            return Ok(self.audited(Verdict::Declined(Refusal::NotTaken(taken)), batch));
        }
        *confirmed = true;
        let mut bytes = Vec::new();
        habits.encode(&mut bytes);
        batch.put(habits_key, Row::unchanged(habits_row), bytes);
        batch.put(self.request_key(), Row::unchanged(Some(&request_row)), request.encode());
        Ok(self.audited(Verdict::Granted(taken), batch))
    }
}
