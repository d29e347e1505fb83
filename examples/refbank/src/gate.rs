//! The gate: may this payment pass without the PIN, since the phone is where it usually is?
//!
//! It judges the surroundings that the phone reports, and lets the reply of the phone's second key, which needs no PIN, pay
//! only where the policy allows it. It learns from payments that the PIN confirmed, and from nothing else.

use crate::around::Place;
use crate::bank::Bank;
use crate::clock;
use crate::failure::Failure;
use crate::forecourt::answers_as_car;
use crate::rows;
use crate::trouble::Trouble;
use interbank::port::{Time, Zone, decide};
use interbank::qrpay::{self, Accepted, Binding, DeviceId, PaymentRequest, Uid};
use interbank::risk_core::surroundings::{
    Assessment, Challenge, CheckRequest, Nonce, Plan, Policy, PolicyBook, PolicyDraft, PurgeTable,
    Report, Scan, SurroundingsConfig, SurroundingsServer, TerminalId, TerminalKeys, TokenKey,
    Verdict,
};
use interbank::seal::{Account, AccountRef, Secret, derive};

/// What the bank needs to judge surroundings.
pub(crate) struct Gate {
    server: SurroundingsServer,
    root: Secret<32>,
}

impl Gate {
    /// With the default policy. Keys of terminals are derived from `root`.
    pub(crate) fn new(root: Secret<32>) -> Result<Self, Failure> {
        let failed = |why: &dyn std::fmt::Display| Failure::Run(why.to_string());
        let policy = Policy::new(PolicyDraft::default()).map_err(|why| failed(&why))?;
        let policies = PolicyBook::new(vec![policy]).map_err(|why| failed(&why))?;
        let config = SurroundingsConfig::new(rows::TENANT, policies);
        let server = SurroundingsServer::new(config).map_err(|why| failed(&why))?;
        Ok(Self { server, root })
    }

    /// The crate's server.
    pub(crate) const fn server(&self) -> &SurroundingsServer {
        &self.server
    }

    /// Makes tokens of a report; its addresses end here. `None` if nobody knows the zone that the phone is in, or no policy
    /// decides.
    fn take(&self, terminal: &TerminalId, report: &Report) -> Option<Scan> {
        // Other zones need their rules, TZif bytes, which this program does not bring along.
        let zone = (report.zone == ZONE).then(Zone::utc)?;
        let policy = self.server.config().policies.at(clock::now())?;
        let keys = TerminalKeys::new(TokenKey::derive(&self.root, 1, terminal));
        Some(Scan::take(report, &keys, policy.grid().moment(&zone, report.taken), None))
    }
}

/// A payment that wants to pass without the PIN.
pub(crate) struct Offer {
    /// The payer's message, answered with the key that needs no PIN.
    pub(crate) request: PaymentRequest,
    /// From which phone.
    pub(crate) terminal: TerminalId,
    /// Which check it is, drawn by the phone.
    pub(crate) check: [u8; 16],
    /// What the phone found around it.
    pub(crate) report: Report,
}

/// What the gate says.
pub(crate) enum Passage {
    /// Nothing was judged: the sentence says why.
    Turned(&'static str),
    /// It was judged, and may not pass: the assessment says why.
    Stopped(Box<Assessment>),
    /// It was judged and let through to the payment server, who said this.
    Through(Box<Assessment>, qrpay::Verdict<Accepted>),
}

impl Bank {
    /// What the phone's next scan has to name. Strangers get a number that nobody knows, and leave no row.
    pub(crate) async fn challenge(
        &self,
        account: &Account,
        terminal: TerminalId,
    ) -> Result<Challenge, Trouble> {
        let (now, entropy) = (clock::now(), clock::entropy()?);
        if !self.is_bound(&self.token(account), &terminal).await? {
            let nonce = Nonce(entropy.first_chunk().copied().unwrap_or_default());
            return Ok(Challenge { nonce, expires: now });
        }
        self.decide(self.gate().server().challenge(now, terminal, entropy)).await
    }

    /// Judges the surroundings, and pays if they allow it.
    pub(crate) async fn pass(&self, offer: Offer) -> Result<Passage, Trouble> {
        let Offer { request, terminal, check, report } = offer;
        let token = self.token(&request.account);
        if !self.is_bound(&token, &terminal).await? {
            return Ok(Passage::Turned("this phone is not bound to the account"));
        }
        let Some(order) = self.order(&request.uid).await? else {
            return Ok(Passage::Turned("there is no such order"));
        };
        let Some(scan) = self.gate().take(&terminal, &report) else {
            return Ok(Passage::Turned("the time zone of the phone is not known here"));
        };
        let amount_minor = order.price.amount.minor();
        let ask = CheckRequest {
            // An answer for this order is one for no other
            id: check_of(&check, &request.uid),
            terminal,
            scan,
            amount_minor,
            account_limit_minor: None,
            population: None,
        };
        let verdict = self.decide(self.gate().server().check(clock::now(), ask)).await?;
        let Verdict::Granted(checked) = verdict else {
            return Ok(Passage::Turned("another payment was judged under this number"));
        };
        let assessment = Box::new(checked.assessment);
        tracing::info!(event = "gate.judged", uid = %request.uid, plan = ?assessment.plan);
        if !allows(&assessment, amount_minor) {
            return Ok(Passage::Stopped(assessment));
        }
        let verdict = self.redeem(request, answers_without_pin).await?;
        Ok(Passage::Through(assessment, verdict))
    }

    /// Learns what a check for this order saw, now that it was paid with the PIN. Whatever comes of it, the payment stands.
    pub(crate) async fn confirmed(
        &self,
        account: &Account,
        uid: &Uid,
        terminal: TerminalId,
        check: [u8; 16],
    ) {
        let learned = async {
            if !self.is_bound(&self.token(account), &terminal).await? {
                return Ok(false);
            }
            let id = check_of(&check, uid);
            let learn = self.gate().server().confirm(clock::now(), terminal, id);
            let learned = self.decide(learn).await?.granted();
            Ok::<_, Trouble>(learned.is_some_and(|learned| learned.learned))
        };
        match learned.await {
            Ok(learned) => tracing::info!(event = "gate.confirmed", learned),
            Err(why) => tracing::error!(event = "gate.failed", %why),
        }
    }

    /// Plays the past, which a demo does not have: this hour of four weeks at home, each with a payment that the PIN
    /// confirmed at the time. A real bank has no such door.
    pub(crate) async fn remember_weeks_at_home(
        &self,
        terminal: &TerminalId,
        now: Time,
    ) -> Result<(), Trouble> {
        for week in (1..=4).rev() {
            let then = now.minus_ms(week * WEEK_MS);
            let report = Place::Home.report(then, None, &clock::entropy()?);
            let Some(scan) = self.gate().take(terminal, &report) else { continue };
            let number = clock::entropy()?.first_chunk().copied().unwrap_or_default();
            let learn = self.gate().server().learn(then, terminal.clone(), number, scan);
            // What is too old to be learned by now is declined; that is no trouble.
            let _ = self.decide(learn).await?;
        }
        Ok(())
    }

    /// Deletes what is over: challenges, requests, periods in which nothing was confirmed for long.
    pub(crate) async fn purge_gate(&self, now: Time) -> Result<(), Trouble> {
        for table in [PurgeTable::Challenges, PurgeTable::Requests, PurgeTable::Periods] {
            let mut after = None;
            loop {
                let mut page = self.gate().server().purge(now, table, after);
                match decide(self.vault(), self.keys(), &mut page).await?.next {
                    Some(next) => after = Some(next),
                    None => break,
                }
            }
        }
        Ok(())
    }

    async fn is_bound(&self, token: &AccountRef, terminal: &TerminalId) -> Result<bool, Trouble> {
        let row = self.point(self.server().binding_key(token)).await?;
        let binding = row.map(|row| Binding::parse(&row.value, token)).transpose()?;
        let is_it = |device: &DeviceId| device.as_bytes() == terminal.as_bytes();
        Ok(binding.is_some_and(|it| it.keys.iter().any(|key| !key.revoked && is_it(&key.device))))
    }
}

/// The zone that phones report, and the only one that is known here.
pub(crate) const ZONE: &str = "UTC";

/// The device name of a phone's second key, the one that needs no PIN.
pub(crate) fn without_pin(device: &DeviceId) -> Result<DeviceId, qrpay::Misuse> {
    DeviceId::new([WITHOUT_PIN, device.as_bytes()].concat())
}

/// Whether a reply by this key says that somebody knew the PIN.
pub(crate) fn answers_with_pin(device: &DeviceId) -> bool {
    !answers_without_pin(device) && !answers_as_car(device)
}

/// Whether a reply by this key says only that the phone was there.
pub(crate) fn answers_without_pin(device: &DeviceId) -> bool {
    device.as_bytes().starts_with(WITHOUT_PIN)
}

/// The number of a check within its phone and order.
fn check_of(check: &[u8; 16], uid: &Uid) -> [u8; 16] {
    *derive::<16>(check, "refbank/check/v1", &[uid.as_bytes()]).expose()
}

fn allows(assessment: &Assessment, amount_minor: i64) -> bool {
    matches!(assessment.plan, Plan::Allow { limit_minor } if amount_minor <= limit_minor)
}

const WEEK_MS: u64 = 7 * 86_400_000;
const WITHOUT_PIN: &[u8] = b"tap-";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::office::Office;
    use crate::options;
    use interbank::port::Amount;
    use interbank::qrpay::Scanned;
    use std::sync::Arc;

    async fn offer(office: &Office, scanned: &Scanned, check: [u8; 16], report: &Report) -> Offer {
        let phone = &office.wallet.phones()[0];
        let request = phone.answer_without_pin(scanned).unwrap();
        Offer { request, terminal: phone.terminal().unwrap(), check, report: report.clone() }
    }

    async fn order(office: &Office, key: &str) -> Scanned {
        let price = Amount::new(500, crate::bank::currency().unwrap());
        let issued = office.bank.issue(key, price, "").await.unwrap().granted().unwrap();
        office.wallet.phones()[0].read(&issued.code.to_text()).unwrap()
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_was_allowed_for_one_order_pays_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let office = Office::open(folder.path(), &options::Place::Folder).await.unwrap();
        let (bank, phone) = (Arc::clone(&office.bank), &office.wallet.phones()[0]);
        let terminal = phone.terminal().unwrap();
        bank.remember_weeks_at_home(&terminal, clock::now()).await.unwrap();
        let nonce = bank.challenge(&phone.account, terminal.clone()).await.unwrap().nonce;
        let report = Place::Home.report(clock::now(), Some(nonce), &[5; 32]);
        let first = offer(&office, &order(&office, "one").await, [1; 16], &report).await;
        let second = offer(&office, &order(&office, "two").await, [1; 16], &report).await;
        let passage = bank.pass(first).await.unwrap();
        assert!(matches!(passage, Passage::Through(_, qrpay::Verdict::Granted(_))));
        // The same scan, the same number, the same amount: it answers no open challenge, and was used before.
        assert!(matches!(bank.pass(second).await.unwrap(), Passage::Stopped(_)));
        office.close().await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn the_key_without_pin_pays_nothing_at_the_door_for_pins() {
        let folder = tempfile::tempdir().unwrap();
        let office = Office::open(folder.path(), &options::Place::Folder).await.unwrap();
        let scanned = order(&office, "one").await;
        let phone = &office.wallet.phones()[0];
        for request in [phone.answer_without_pin(&scanned), phone.answer_as_car(&scanned)] {
            let verdict = office.bank.pay(request.unwrap()).await.unwrap();
            assert_eq!(verdict.declined(), Some(qrpay::Refusal::Refused));
        }
        office.close().await;
    }
}
