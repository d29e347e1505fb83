//! Changing a registration.

use super::super::{Driver, Event, Habits, Registration, State, VehicleId};
use super::rows::{self, DATA, REGISTRATION, RegistrationRow, point};
use super::{Error, NO_ID, Refusal, Setup, Verdict, done};
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use port::{Answers, Ask, Batch, Decision, Key, ReadSet, Row, Step, Time};
use seal::Audited;

/// A registration as it is now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Changed {
    /// The registration.
    pub registration: Registration,
}

/// The decision over a change of a registration. Closing makes strategies of what was learned; revoking deletes all that was.
#[derive(Clone, Debug)]
pub struct Change {
    setup: Arc<Setup>,
    now: Time,
    vehicle: VehicleId,
    event: Event,
    device: Option<[u8; 32]>,
}

impl Change {
    pub(super) fn new(
        setup: Arc<Setup>,
        now: Time,
        vehicle: VehicleId,
        event: Event,
        device: Option<[u8; 32]>,
    ) -> Self {
        Self { setup, now, vehicle, event, device }
    }

    fn key(&self) -> Key {
        rows::of(self.setup.tenant(), REGISTRATION, &self.vehicle)
    }
}

impl Decision for Change {
    type Verdict = Audited<Verdict<Changed>>;
    type Error = Error;

    fn begin(&mut self) -> Ask {
        let tenant = self.setup.tenant();
        let mut points = vec![self.key(), rows::of(tenant, DATA, &self.vehicle)];
        points.extend(Driver::all().map(|driver| rows::habits(tenant, &self.vehicle, driver)));
        Ask::rows(ReadSet::points(points))
    }

    fn step(&mut self, answers: Answers) -> Result<Step<Self::Verdict>, Error> {
        let (tenant, rules) = (self.setup.tenant(), self.setup.rules());
        let row = point(&answers, 0)?;
        let before = RegistrationRow::of(row)?;
        if let Some(before) = before {
            self.setup.config.skew.settle(self.now, before.registration.changed())?;
        }
        let mut habits: Vec<(Driver, Option<&Row>, Option<Habits>)> = Vec::with_capacity(4);
        for (driver, at) in Driver::all().zip(2..) {
            let row = point(&answers, at)?;
            let known = row.map(|row| Habits::parse(&row.value)).transpose()?;
            habits.push((driver, row, known));
        }
        let is_ready = |known: &Option<Habits>| known.as_ref().is_some_and(|it| it.is_ready(rules));
        let event = match self.event {
            Event::Close { .. } => {
                let bits = habits.iter().filter(|(_, _, known)| is_ready(known));
                Event::Close { ready: bits.map(|(driver, ..)| 1 << driver.as_u8()).sum() }
            }
            // Only `apply` brings the device's key along.
            Event::Apply if self.device.is_none() => {
                let state = before.map(|before| before.registration.state());
                let illegal = super::super::Illegal { state, event: "apply without a device" };
                return Ok(self.declined(Refusal::Illegal(illegal), row));
            }
            other => other,
        };
        let known = before.map(|before| before.registration);
        let registration = match Registration::on(known, event, self.now, rules) {
            Ok(registration) => registration,
            Err(illegal) => return Ok(self.declined(Refusal::Illegal(illegal), row)),
        };
        let mut batch = Batch::with_capacity(6);
        let device = self.device.or(before.map(|before| before.device)).unwrap_or_default();
        let after = RegistrationRow { registration, device };
        batch.put(self.key(), Row::unchanged(row), after.encode());
        let closes = matches!(event, Event::Close { .. }) && registration.state() == State::Active;
        for (driver, row, known) in habits {
            let key = rows::habits(tenant, &self.vehicle, driver);
            let finished = known.and_then(|mut known| known.finish(rules).then_some(known));
            match finished {
                Some(finished) if closes => {
                    let mut bytes = Vec::new();
                    finished.encode(&mut bytes);
                    batch.put(key, Row::unchanged(row), bytes);
                }
                // Learned too little, or everything is over.
                _ if row.is_some() && (closes || event == Event::Revoke) => {
                    batch.delete(key, Row::unchanged(row));
                }
                _ => {}
            }
        }
        if event == Event::Revoke {
            let data = point(&answers, 1)?;
            batch.delete(rows::of(tenant, DATA, &self.vehicle), Row::unchanged(data));
        }
        let action = match event {
            Event::Apply => "risk.driving.apply.granted",
            Event::Accept => "risk.driving.accept.granted",
            Event::Close { ready: 0 } => "risk.driving.close.extended",
            Event::Close { .. } => "risk.driving.close.granted",
            Event::Suspend => "risk.driving.suspend.granted",
            Event::Resume => "risk.driving.resume.granted",
            Event::Revoke => "risk.driving.revoke.granted",
        };
        let audit = self.setup.audit(self.now, action, &self.vehicle, &NO_ID, Vec::new());
        Ok(done(Verdict::Granted(Changed { registration }), audit, batch))
    }
}

impl Change {
    fn declined(&self, why: Refusal, row: Option<&Row>) -> Step<Audited<Verdict<Changed>>> {
        let mut batch = Batch::new();
        batch.require(self.key(), Row::unchanged(row));
        let action = "risk.driving.change.declined";
        let audit = self.setup.audit(self.now, action, &self.vehicle, &NO_ID, vec![why.code()]);
        done(Verdict::Declined(why), audit, batch)
    }
}
