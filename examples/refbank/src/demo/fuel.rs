//! The part of the story in which the car pays for its fuel, as long as its driver drives as usual.

use super::{Story, granted, order, phone, until};
use crate::car::Trip;
use crate::failure::Failure;
use crate::forecourt::Fuelled;
use crate::office::Office;
use crate::shop::Standing;
use crate::wallet::PAYERS;
use interbank::qrpay::{Uid, Verdict};
use interbank::risk_core::driving::{Refusal as NoLevel, RiskLevel, Ruling};

impl Story<'_> {
    pub(super) async fn car_pays(&mut self, office: &Office) -> Result<(), Failure> {
        let (uid, fuelled) = self.at_the_pump(office, "demo-7", Trip::Usual).await?;
        let Fuelled::Ruled { evaluated, ruled, paid: Some(Verdict::Granted(_)), .. } = fuelled
        else {
            return self.holds("car-pays", "The car pays at the pump.", false);
        };
        until(office, &uid, Standing::Paid).await?;
        self.holds(
            "car-pays",
            &format!(
                "{}'s car comes to the pump and pays: {}, the trip conforms to {}.",
                PAYERS[0].name, ruled.why, evaluated.notice.conformity
            ),
            ruled.ruling == Ruling::Pay && evaluated.notice.level == RiskLevel::Low,
        )
    }

    pub(super) async fn thief_drives_on(&mut self, office: &Office) -> Result<(), Failure> {
        let (uid, fuelled) = self.at_the_pump(office, "demo-8", Trip::Thief).await?;
        let Fuelled::Ruled { evaluated, ruled, paid: None, .. } = fuelled else {
            return self.holds("thief-refused", "The platform refuses the thief.", false);
        };
        self.holds(
            "thief-refused",
            &format!(
                "A thief comes with the same car: {}, the trip conforms to {}. Refused, and somebody is told.",
                ruled.why, evaluated.notice.conformity
            ),
            ruled.ruling == Ruling::Refuse { alert: true }
                && order(office, &uid).await?.payment.is_none(),
        )?;
        let (_, short) = self.at_the_pump(office, "demo-9", Trip::Short).await?;
        let (_, replayed) = self.at_the_pump(office, "demo-10", Trip::Recording).await?;
        self.holds(
            "trips-checked",
            "Nine minutes of driving give no level, and neither does a recording of an earlier trip.",
            matches!(short, Fuelled::Turned(NoLevel::Rejected(_)))
                && matches!(replayed, Fuelled::Turned(NoLevel::Replayed(_))),
        )
    }

    async fn at_the_pump(
        &self,
        office: &Office,
        key: &str,
        trip: Trip,
    ) -> Result<(Uid, Fuelled), Failure> {
        let issued = granted(office.bank.issue_fuel(key).await?)?;
        let phone = phone(office, &PAYERS[0])?;
        let scanned = phone.read(&issued.code.to_text());
        let scanned = scanned.map_err(|why| Failure::Demo(why.to_string()))?;
        let fuelled = office.bank.fuel(trip, phone.answer_as_car(&scanned)?).await?;
        Ok((issued.uid, fuelled))
    }
}
