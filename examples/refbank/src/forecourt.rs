//! The pump: a car pays for its fuel, if it is driven as its owner drives.

use crate::bank::{Bank, currency};
use crate::car::{Car, LAST_LEARNED_DAY, Trip};
use crate::clock;
use crate::failure::Failure;
use crate::rows;
use crate::trouble::Trouble;
use interbank::port::outbox::Entry;
use interbank::port::{Amount, Batch, Expect, Peer, ReadSet, Scan, Store as _, Time, decide};
use interbank::qrpay::{
    self, Accepted, DeviceId, IssueRequest, Issued, Payee, PaymentRequest, Uid,
};
use interbank::risk_core::driving::{
    Driver, DrivingConfig, DrivingServer, EvaluateRequest, Evaluated, Event, LevelNotice,
    PlatformDraft, PlatformPolicy, PurgeTable, Refusal, Ruled, Rules, Ruling, VehiclePayment,
    Verdict,
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
    /// The pump's order. It stands in no shop's list, and on no screen: the car reads it at the pump.
    pub(crate) async fn issue_fuel(&self, key: &str) -> Result<qrpay::Verdict<Issued>, Trouble> {
        let (amount, payee) = (Amount::new(FUEL_MINOR, currency()?), Payee::new(STATION)?);
        let order = IssueRequest::order(station()?, key.as_bytes().to_vec(), amount, payee);
        self.decide(self.server().issue(clock::now(), &clock::entropy()?, order)?).await
    }

    /// A car comes to the pump after a trip, and wants to pay: `request` answers the pump's order with the car's key.
    pub(crate) async fn fuel(
        &self,
        trip: Trip,
        amount: Amount,
        request: PaymentRequest,
    ) -> Result<Fuelled, Trouble> {
        let Forecourt { server, policy, car } = self.forecourt();
        let now = clock::now();
        self.first_month(now).await?;
        let (samples, signature) = car.drive(trip, now)?;
        let recorded = self.decide(server.record(now, samples, signature)).await?;
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
        let paid = match ruled.ruling {
            Ruling::Pay => Some(self.redeem(request, answers_as_car).await?),
            Ruling::AskOwner | Ruling::Refuse { .. } => None,
        };
        self.hand_over(|notice| notice.request == id).await?;
        Ok(Fuelled::Ruled { id, evaluated, ruled, paid })
    }

    /// The owner said on the phone that this was a trip of hers: it is learned, by a bounded step.
    pub(crate) async fn fuel_confirmed(&self, id: [u8; 16]) -> Result<bool, Trouble> {
        let Forecourt { server, car, .. } = self.forecourt();
        let confirm = server.confirm(clock::now(), car.vehicle.clone(), id);
        Ok(self.decide(confirm).await?.granted().is_some())
    }

    /// Plays the past, which a demo does not have: the car was registered a while ago and learned for thirty days. A real
    /// bank has no such door. Whoever is interrupted goes on where it was.
    async fn first_month(&self, now: Time) -> Result<(), Trouble> {
        let Forecourt { server, car, .. } = self.forecourt();
        let (applied, learned) = (rows::car_applied(), rows::car_learned());
        if self.point(learned.clone()).await?.is_some() {
            return Ok(());
        }
        let mut begin = Batch::new();
        let first = now.minus_ms(FIRST_DAY * DAY_MS);
        begin.put(applied.clone(), Expect::Absent, first.as_ms().to_be_bytes().to_vec());
        // In conflict with an earlier beginning, which stands.
        let _ = self.vault().commit(&begin).await.map_err(Trouble::store)?;
        let row = self.point(applied).await?.ok_or(Trouble::Damaged)?;
        let first = row.value.as_ref().try_into().map_err(|_| Trouble::Damaged)?;
        let first = Time::from_ms(u64::from_be_bytes(first));
        let vehicle = || car.vehicle.clone();
        let day = |number: u64| first.plus_ms(number * DAY_MS);
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
        let mut done = Batch::new();
        done.put(learned, Expect::Any, Vec::new());
        let _ = self.vault().commit(&done).await.map_err(Trouble::store)?;
        tracing::info!(event = "fuel.learned");
        Ok(())
    }

    /// Takes notices out of the outbox that the platform, which is this same program, has dealt with.
    async fn hand_over(&self, dealt_with: impl Fn(&LevelNotice) -> bool) -> Result<(), Trouble> {
        let want = ReadSet::scan(Scan::first(self.forecourt().server.outbox(), NOTICES_MAX));
        let found = self.vault().read(&want).await.map_err(Trouble::store)?;
        let mut over = Vec::new();
        for (key, row) in found.scans.into_iter().next().unwrap_or_default() {
            if dealt_with(&LevelNotice::parse(&Entry::parse(&row.value)?.content)?) {
                over.push(key);
            }
        }
        self.delete(over).await
    }

    /// Deletes what is over: requests, and levels that are good for nothing any more.
    pub(crate) async fn purge_forecourt(&self, now: Time) -> Result<(), Trouble> {
        self.hand_over(|notice| notice.expires <= now).await?;
        for table in [PurgeTable::Requests, PurgeTable::Revoked, PurgeTable::Stretches] {
            let mut after = None;
            loop {
                let mut page = self.forecourt().server.purge(now, table, after);
                match decide(self.vault(), self.keys(), &mut page).await?.next {
                    Some(next) => after = Some(next),
                    None => break,
                }
            }
        }
        Ok(())
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

/// The station's name, as payers see it.
pub(crate) const STATION: &str = "Riverside Fuel";

/// The station, a merchant beside the shop.
pub(crate) fn station() -> Result<Uid, Trouble> {
    Ok(Uid::new("M0002")?)
}

/// What a car takes at the pump, in minor units: 30.6 litres.
pub(crate) const FUEL_MINOR: i64 = 4_590;

const CAR: &[u8] = b"car-";
const CAP_MINOR: i64 = 2_000;
const FIRST_DAY: u64 = 40;
const DAY_MS: u64 = 86_400_000;
const NOTICES_MAX: usize = 64;
