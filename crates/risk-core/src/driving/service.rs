//! The payment device's side over a store: what an institution sets once, and the decisions it makes.

mod change;
mod confirm;
mod error;
mod evaluate;
mod learn;
mod message;
mod purge;
mod record;
mod rows;
mod take_back;

pub use change::{Change, Changed};
pub use confirm::Confirm;
pub use error::{Error, Misuse, Refusal, Verdict};
pub use evaluate::{Evaluate, EvaluateRequest, Evaluated};
pub use learn::Learn;
pub use message::Reply;
pub use purge::{Purge, PurgeTable, Purged};
pub use record::{Record, Recorded};
pub use take_back::TakeBack;

use super::{Driver, Event, RequestId, Rules, Samples, Stretch, VehicleId};
use alloc::sync::Arc;
use alloc::vec::Vec;
use bytes::Bytes;
use port::{Batch, Conclusion, Key, Peer, Skew, Step, Tenant, Time, WireError};
use seal::{Audit, Audited, VerifyingKey};

/// Evaluates payments from vehicles for one institution (tenant), and learns how their owners drive.
///
/// It holds no rows: each method makes a decision ([`port::Decision`]) to be driven with your store. Many instances may share
/// one store: whatever a verdict rests on is required at its version. No decision reads driving data or habits before the
/// registration allows it (spec V3).
///
/// | row | key | written by |
/// |---|---|---|
/// | registration | vehicle | [`change`](Self::change) |
/// | data of the current stretch | vehicle | [`record`](Self::record), [`learn`](Self::learn) |
/// | habits | vehicle, driver | `change`, `learn`, [`confirm`](Self::confirm), [`take_back`](Self::take_back) |
/// | request | vehicle, id | [`evaluate`](Self::evaluate), `learn`, `confirm` |
/// | notice to the platform | time, id | `evaluate`, drained by [`port::outbox::Outbox`] |
#[derive(Clone, Debug)]
pub struct DrivingServer {
    setup: Arc<Setup>,
}

impl DrivingServer {
    /// For one institution.
    ///
    /// # Errors
    /// [`Misuse::Retention`] if requests would be forgotten before their levels expire or can be confirmed.
    pub fn new(config: DrivingConfig) -> Result<Self, Misuse> {
        let revocable_ms = u64::from(config.rules.revocable_days()) * DAY_MS;
        if config.request_kept_ms < config.level_ttl_ms.max(revocable_ms)
            || config.level_ttl_ms == 0
        {
            return Err(Misuse::Retention);
        }
        Ok(Self { setup: Arc::new(Setup { config }) })
    }

    /// What it was made with.
    pub fn config(&self) -> &DrivingConfig {
        &self.setup.config
    }

    /// Where its notices to the platform lie: the prefix for [`port::outbox::Outbox::new`].
    pub fn outbox(&self) -> Key {
        rows::table(self.setup.tenant(), rows::OUTBOX)
    }

    /// Applies for a vehicle; the key is that of the device which signs its samples.
    pub fn apply(&self, now: Time, vehicle: VehicleId, device: &VerifyingKey) -> Change {
        Change::new(self.setup.clone(), now, vehicle, Event::Apply, Some(device.to_bytes()))
    }

    /// Accepts, closes the learning of, suspends, resumes or revokes a registration. What a close finds ready comes from the
    /// store, whatever the event says.
    pub fn change(&self, now: Time, vehicle: VehicleId, event: Event) -> Change {
        Change::new(self.setup.clone(), now, vehicle, event, None)
    }

    /// Takes signed samples of a registered vehicle.
    pub fn record(&self, now: Time, samples: Samples, signature: [u8; 64]) -> Record {
        Record::new(self.setup.clone(), now, samples, signature)
    }

    /// Learns the current stretch as one window of a driver, while the vehicle is learned; the stretch is used up.
    pub fn learn(&self, now: Time, vehicle: VehicleId, driver: Driver, id: RequestId) -> Learn {
        Learn::new(self.setup.clone(), now, vehicle, driver, id)
    }

    /// Evaluates a payment request. The same request asked again gets the same answer.
    pub fn evaluate(&self, now: Time, request: EvaluateRequest) -> Evaluate {
        Evaluate::new(self.setup.clone(), now, request)
    }

    /// As [`DrivingServer::evaluate`], for a request as a message ([`EvaluateRequest::encode`]); answer with [`Reply`].
    ///
    /// # Errors
    /// [`WireError`]: it is no request; an empty or malformed identification of the vehicle is none (spec V2).
    pub fn on_message(&self, now: Time, bytes: &[u8]) -> Result<Evaluate, WireError> {
        Ok(self.evaluate(now, EvaluateRequest::parse(bytes)?))
    }

    /// Learns the trip of an evaluated request, which the owner has now confirmed in a way that a thief of the vehicle could
    /// not.
    pub fn confirm(&self, now: Time, vehicle: VehicleId, id: RequestId) -> Confirm {
        Confirm::new(self.setup.clone(), now, vehicle, id)
    }

    /// Takes back what confirmed trips that ended at `from` or later changed, as far as they can be taken back
    /// ([`Rules::revocable_days`], [`Habits::RECENT_MAX`](super::Habits::RECENT_MAX)).
    pub fn take_back(&self, now: Time, vehicle: VehicleId, from: Time) -> TakeBack {
        TakeBack::new(self.setup.clone(), now, vehicle, from)
    }

    /// Deletes what is over in one table, a page at a time; go on with [`Purged::next`] until it is `None`.
    pub fn purge(&self, now: Time, table: PurgeTable, after: Option<Key>) -> Purge {
        Purge::new(self.setup.clone(), now, table, after)
    }
}

/// What an institution sets once.
#[derive(Clone, Debug)]
pub struct DrivingConfig {
    /// Whose rows these are.
    pub tenant: Tenant,
    /// By which numbers it learns and evaluates.
    pub rules: Rules,
    /// Who gets the levels.
    pub platform: Peer,
    /// How long a level is good for.
    pub level_ttl_ms: u64,
    /// How long requests are kept, so that the same one gets the same answer: at least as long as levels are good for, and as
    /// trips are revocable.
    pub request_kept_ms: u64,
    /// How long a revoked registration is kept.
    pub revoked_kept_ms: u64,
    /// How far clocks of instances may differ, and how far ahead a vehicle's clock may be.
    pub skew: Skew,
}

impl DrivingConfig {
    /// With 2 minutes, 14 days and 400 days.
    pub fn new(tenant: Tenant, rules: Rules, platform: Peer) -> Self {
        Self {
            tenant,
            rules,
            platform,
            level_ttl_ms: 120_000,
            request_kept_ms: u64::from(rules.revocable_days()).max(14) * DAY_MS,
            revoked_kept_ms: 400 * DAY_MS,
            skew: Skew::default(),
        }
    }
}

#[derive(Debug)]
struct Setup {
    config: DrivingConfig,
}

impl Setup {
    fn tenant(&self) -> Tenant {
        self.config.tenant
    }

    fn rules(&self) -> &Rules {
        &self.config.rules
    }

    /// The stretch that ends now. A vehicle's clock may be ahead of ours by the skew.
    fn stretch(&self, now: Time, data: &rows::DataRow) -> Stretch {
        let last = data.recording.last().unwrap_or(now);
        data.recording.finish(self.config.skew.settle(now, last).unwrap_or(now))
    }

    fn audit(
        &self,
        at: Time,
        action: &'static str,
        vehicle: &VehicleId,
        id: &RequestId,
        reasons: Vec<u32>,
    ) -> Audit {
        Audit {
            at,
            tenant: self.config.tenant,
            action: action.into(),
            actor: Bytes::copy_from_slice(vehicle.as_bytes()),
            subject: Bytes::copy_from_slice(id),
            reasons,
            policy: self.rules().digest(),
            correlation: *id,
        }
    }
}

fn done<V>(verdict: V, audit: Audit, batch: Batch) -> Step<Audited<V>> {
    Step::Done(Conclusion { verdict: Audited { verdict, audit }, batch })
}

/// What is not about a payment has no id.
const NO_ID: RequestId = [0; 16];
const DAY_MS: u64 = 86_400_000;
