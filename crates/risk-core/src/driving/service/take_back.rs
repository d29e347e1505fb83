//! Taking back what confirmed trips changed.

use super::super::{Driver, Habits, VehicleId};
use super::rows::{self, REGISTRATION, point};
use super::{Error, NO_ID, Setup, done};
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use port::{Answers, Ask, Batch, Decision, ReadSet, Row, Step, Time};
use seal::Audited;

/// The decision over trips that should not have been confirmed: the vehicle was stolen at a time. What has settled stays.
///
/// Suspend it besides, and first: then a trip that still waits for its confirmation is never learned, not after it goes on
/// either.
#[derive(Clone, Debug)]
pub struct TakeBack {
    setup: Arc<Setup>,
    now: Time,
    vehicle: VehicleId,
    from: Time,
}

impl TakeBack {
    pub(super) fn new(setup: Arc<Setup>, now: Time, vehicle: VehicleId, from: Time) -> Self {
        Self { setup, now, vehicle, from }
    }
}

impl Decision for TakeBack {
    /// How many trips were taken back.
    type Verdict = Audited<usize>;
    type Error = Error;

    fn begin(&mut self) -> Ask {
        let tenant = self.setup.tenant();
        let mut points = vec![rows::of(tenant, REGISTRATION, &self.vehicle)];
        points.extend(Driver::all().map(|driver| rows::habits(tenant, &self.vehicle, driver)));
        Ask::rows(ReadSet::points(points))
    }

    fn step(&mut self, answers: Answers) -> Result<Step<Self::Verdict>, Error> {
        let tenant = self.setup.tenant();
        let mut batch = Batch::with_capacity(5);
        let registration = Row::unchanged(point(&answers, 0)?);
        batch.require(rows::of(tenant, REGISTRATION, &self.vehicle), registration);
        let mut all = 0;
        for (driver, at) in Driver::all().zip(1..) {
            let Some(row) = point(&answers, at)? else { continue };
            let mut habits = Habits::parse(&row.value)?;
            let trips = habits.revoke(self.from);
            if trips > 0 {
                let mut bytes = Vec::new();
                habits.encode(&mut bytes);
                let key = rows::habits(tenant, &self.vehicle, driver);
                batch.put(key, Row::unchanged(Some(row)), bytes);
            }
            all += trips;
        }
        let action = "risk.driving.take_back.granted";
        let audit = self.setup.audit(self.now, action, &self.vehicle, &NO_ID, Vec::new());
        Ok(done(all, audit, batch))
    }
}
