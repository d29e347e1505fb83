//! The part of the story in which the phone pays without the PIN, where its surroundings are as usual.

use super::{Story, euros, granted, phone};
use crate::around::Place as Around;
use crate::clock;
use crate::failure::Failure;
use crate::office::Office;
use crate::wallet::{PAYERS, PayReply};
use interbank::qrpay::{Pin, Scanned};

impl Story<'_> {
    pub(super) async fn no_pin_at_home(&mut self, office: &Office) -> Result<(), Failure> {
        let phone = phone(office, &PAYERS[0])?;
        let scanned = self.another_order(office, "demo-4", 480).await?;
        let (new, check) = office.wallet.pay_without_pin(phone, &scanned, Around::Home).await?;
        let why = first_reason(&new);
        let pin =
            Pin::new(PAYERS[0].pin.as_bytes()).map_err(|why| Failure::Demo(why.to_string()))?;
        let confirmed = office.wallet.pay(phone, &scanned, pin, Some(check)).await?;
        self.holds(
            "new-phone-asks-pin",
            &format!("{} wants to pay without the PIN. The bank asks for it: {why}. The PIN confirms what the phone has around it.", PAYERS[0].name),
            new.outcome == "pin" && new.payment.is_none() && confirmed.outcome == "accepted",
        )?;
        office.bank.remember_weeks_at_home(&phone.terminal()?, clock::now()).await?;
        let scanned = self.another_order(office, "demo-5", 520).await?;
        let (home, _) = office.wallet.pay_without_pin(phone, &scanned, Around::Home).await?;
        let why = first_reason(&home);
        self.holds(
            "home-needs-no-pin",
            &format!("Four weeks at home later the same hour needs no PIN: {why}."),
            home.outcome == "accepted" && plan(&home) == Some("allow"),
        )
    }

    pub(super) async fn no_way_elsewhere(&mut self, office: &Office) -> Result<(), Failure> {
        let phone = phone(office, &PAYERS[0])?;
        let before = office.bank.book().postings(100).await?.len();
        let scanned = self.another_order(office, "demo-6", 520).await?;
        let (stolen, _) = office.wallet.pay_without_pin(phone, &scanned, Around::Elsewhere).await?;
        let (forged, _) = office.wallet.pay_without_pin(phone, &scanned, Around::Recording).await?;
        let whys = (first_reason(&stolen), first_reason(&forged));
        self.holds(
            "elsewhere-refused",
            &format!("A thief tries elsewhere: {}. Then with a scan recorded at home: {}. Neither is paid.", whys.0, whys.1),
            plan(&stolen) == Some("refuse")
                && plan(&forged) == Some("refuse")
                && stolen.payment.is_none()
                && forged.payment.is_none()
                && office.bank.book().postings(100).await?.len() <= before + 1,
        )
    }

    async fn another_order(
        &self,
        office: &Office,
        key: &str,
        minor: i64,
    ) -> Result<Scanned, Failure> {
        let issued = granted(office.bank.issue(key, euros(minor)?, "").await?)?;
        let scanned = phone(office, &PAYERS[0])?.read(&issued.code.to_text());
        scanned.map_err(|why| Failure::Demo(why.to_string()))
    }
}

/// What the bank made of the surroundings.
fn plan(reply: &PayReply) -> Option<&str> {
    reply.surroundings.as_ref().map(|seen| seen.plan.as_str())
}

/// The weightiest reason, in words.
fn first_reason(reply: &PayReply) -> &str {
    let reasons = reply.surroundings.as_ref().and_then(|seen| seen.reasons.first());
    reasons.map_or("", |why| why.text.as_str())
}
