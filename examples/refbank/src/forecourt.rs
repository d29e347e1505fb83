//! The pump: a car pays for its fuel, if it is driven as its owner drives.

use crate::bank::{Bank, currency};
use crate::car::{Car, LAST_LEARNED_DAY, Trip};
use crate::clock;
use crate::failure::Failure;
use crate::rows;
use crate::trouble::Trouble;
use interbank::port::{Amount, Peer, ReadSet, Scan, Store as _, Time};
use interbank::qrpay::{self, Accepted, DeviceId, PaymentRequest};
use interbank::risk_core::driving::{
    Driver, DrivingConfig, DrivingServer, EvaluateRequest, Evaluated, Event, PlatformDraft,
    PlatformPolicy, Refusal, Rejection, Ruled, Rules, Ruling, VehiclePayment, Verdict,
};
use interbank::seal::Secret;

/// The payment device of vehicles, and the platform that its levels go to.
pub(crate) struct Forecourt {
    server: DrivingServer,
    policy: PlatformPolicy,
    car: Car,
}

impl Forecourt {
    /// With the default rules: medium risk pays up to 20.00, and asks the owner above.
    pub(crate) fn new(root: &Secret<32>) -> Result<Self, Failure> {
        let failed = |why: &dyn std::fmt::Display| Failure::Run(why.to_string());
        let platform = Peer::new("forecourt").ok_or_else(|| Failure::Run("no such peer".into()))?;
        let config = DrivingConfig::new(rows::TENANT, Rules::default(), platform);
        let server = DrivingServer::new(config).map_err(|why| failed(&why))?;
        let draft = PlatformDraft::of(currency().map_err(|why| failed(&why))?, CAP_MINOR);
        let policy = PlatformPolicy::new(draft).map_err(|why| failed(&why))?;
        let car = Car::new(root).map_err(|why| failed(&why))?;
        Ok(Self { server, policy, car })
    }
}

/// What became of a car that wanted to pay.
pub(crate) enum Fuelled {
    /// No level was made: the car did not say enough, or nothing that can be believed.
    Turned(Refusal),
    /// The platform ruled; the payment was made if it ruled so.
    Ruled {
        /// Which evaluation it was.
        id: [u8; 16],
        /// Level and reasons.
        evaluated: Box<Evaluated>,
        /// What the platform does.
        ruled: Ruled,
        /// What the payment server said, if it was asked.
        paid: Option<qrpay::Verdict<Accepted>>,
    },
}

impl Bank {
    /// A car comes to the pump after a trip, and wants to pay: `request` answers the pump's order with the car's key.
    pub(crate) async fn fuel(
        &self,
        trip: Trip,
        amount: Amount,
        request: PaymentRequest,
    ) -> Result<Fuelled, Trouble> {
        let Forecourt { server, policy, car } = self.forecourt();
        let now = clock::now();
        let record = || {
            let (samples, signature) = car.drive(trip, now)?;
            Ok::<_, Trouble>(server.record(now, samples, signature))
        };
        let mut recorded = self.decide(record()?).await?;
        if recorded.declined() == Some(Refusal::NotRegistered)
            || recorded.declined() == Some(Refusal::Rejected(Rejection::NotReady))
        {
            self.first_month(now).await?;
            recorded = self.decide(record()?).await?;
        }
        if let Some(why) = recorded.declined() {
            return Ok(Fuelled::Turned(why));
        }
        let id = clock::entropy()?.first_chunk().copied().unwrap_or_default();
        let ask = EvaluateRequest { id, vehicle: car.vehicle.clone(), amount };
        let evaluated = match self.decide(server.evaluate(now, ask)).await? {
            Verdict::Declined(why) => return Ok(Fuelled::Turned(why)),
            Verdict::Granted(evaluated) => Box::new(evaluated),
        };
        let payment = VehiclePayment { request: id, vehicle: car.vehicle.clone(), amount };
        let ruled = policy.decide(now, &payment, &evaluated.notice);
        tracing::info!(event = "fuel.ruled", level = ?evaluated.notice.level, ruling = ?ruled.ruling);
        self.hand_over_notices().await?;
        let paid = match ruled.ruling {
            Ruling::Pay => Some(self.redeem(request, answers_as_car).await?),
            Ruling::AskOwner | Ruling::Refuse { .. } => None,
        };
        Ok(Fuelled::Ruled { id, evaluated, ruled, paid })
    }

    /// The owner said on the phone that this was a trip of hers: it is learned, by a bounded step.
    pub(crate) async fn fuel_confirmed(&self, id: [u8; 16]) -> Result<bool, Trouble> {
        let Forecourt { server, car, .. } = self.forecourt();
        let confirm = server.confirm(clock::now(), car.vehicle.clone(), id);
        Ok(self.decide(confirm).await?.granted().is_some())
    }

    /// Plays the past, which a demo does not have: the car was registered a while ago and learned for thirty days. A real
    /// bank has no such door.
    async fn first_month(&self, now: Time) -> Result<(), Trouble> {
        let Forecourt { server, car, .. } = self.forecourt();
        let vehicle = || car.vehicle.clone();
        let day = |number: u64| now.minus_ms((FIRST_DAY - number) * DAY_MS);
        // Whatever was done already is declined, and that is no trouble.
        let _ = self.decide(server.apply(day(0), vehicle(), &car.device())).await?;
        let _ = self.decide(server.change(day(0), vehicle(), Event::Accept)).await?;
        for number in 1..=LAST_LEARNED_DAY {
            let (samples, signature) = car.first_month(number, day(number))?;
            let _ = self.decide(server.record(day(number), samples, signature)).await?;
            let mut id = [0; 16];
            id[..8].copy_from_slice(&number.to_be_bytes());
            let _ = self.decide(server.learn(day(number), vehicle(), Driver::FIRST, id)).await?;
        }
        let close = Event::Close { ready: 0 };
        let _ = self.decide(server.change(day(30), vehicle(), close)).await?;
        tracing::info!(event = "fuel.learned");
        Ok(())
    }

    /// The platform is this same program and has the level already: its notices leave the outbox.
    async fn hand_over_notices(&self) -> Result<(), Trouble> {
        let want = ReadSet::scan(Scan::first(self.forecourt().server.outbox(), NOTICES_MAX));
        let found = self.vault().read(&want).await.map_err(Trouble::store)?;
        let page = found.scans.into_iter().next().unwrap_or_default();
        self.delete(page.into_iter().map(|(key, _)| key).collect()).await
    }
}

/// The device name of a car's key.
pub(crate) fn as_car(phone: &DeviceId) -> Result<DeviceId, qrpay::Misuse> {
    DeviceId::new([CAR, phone.as_bytes()].concat())
}

/// Whether a reply by this key is a car's.
pub(crate) fn answers_as_car(device: &DeviceId) -> bool {
    device.as_bytes().starts_with(CAR)
}

/// What a car takes at the pump, in minor units: 30.6 litres.
pub(crate) const FUEL_MINOR: i64 = 4_590;

const CAR: &[u8] = b"car-";
const CAP_MINOR: i64 = 2_000;
const FIRST_DAY: u64 = 40;
const DAY_MS: u64 = 86_400_000;
const NOTICES_MAX: usize = 64;
