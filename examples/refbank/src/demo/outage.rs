//! The part of the story in which the accounting system is away.

use super::{Story, granted, order, pay, phone, until};
use crate::accounting::Mood;
use crate::bank::PAYEE;
use crate::clock;
use crate::failure::Failure;
use crate::message::response_code;
use crate::office::Office;
use crate::options::Place;
use crate::parameters::SINGLE_MINOR;
use crate::shop::Standing;
use crate::switchboard::{ANSWER_MS, Reading};
use crate::wallet::{PAYERS, Payer};
use interbank::port::Amount;
use interbank::qrpay::{PaymentId, PaymentState, Uid};
use interbank::standin::{Entry, EntryState, Found, HealthState, HostOutcome, Kind, ResponseCode};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

impl Story<'_> {
    /// The accounting system answers late, goes away, comes back, and is told; at the end its books are as if it had been there.
    pub(super) async fn outage(
        &mut self,
        office: Office,
        folder: &Path,
    ) -> Result<Office, Failure> {
        let before = balances(&office).await?;
        self.late_answer(&office).await?;
        self.late_reversal(&office).await?;
        self.goes_away(&office).await?;
        self.stands_in(&office).await?;
        let declined = self.limit(&office).await?;
        let office = self.restarts_meanwhile(office, folder).await?;
        self.comes_back(&office).await?;
        self.pays_after_all(&office, &declined).await?;
        self.same_books(&office, &before).await?;
        self.reconciles(&office).await?;
        Ok(office)
    }

    async fn late_answer(&mut self, office: &Office) -> Result<(), Failure> {
        office.bank.book().behave(Mood::Late { ms: LATE_MS }).await?;
        let begun = Instant::now();
        let (uid, _) = pays(office, "outage-1", &PAYERS[0], LATE_MINOR).await?;
        until(office, &uid, Standing::Paid).await?;
        let ms = begun.elapsed().as_millis();
        let entry = last_entry(office).await?;
        self.holds(
            "late-answer-stood-in",
            &format!("The accounting system debits and answers late. After {ANSWER_MS} ms the stand-in module decides by its signed limits: paid after {ms} ms."),
            entry.host == HostOutcome::Unknown
                && entry.response.is_approval()
                && postings(office, &uid).await? == 1,
        )
    }

    async fn late_reversal(&mut self, office: &Office) -> Result<(), Failure> {
        let (uid, payment) = pays(office, "outage-2", &PAYERS[1], REVERSED_MINOR).await?;
        let settle_ms = office.bank.server().config().policy.settle_ms;
        office.bank.lapse_overdue(clock::now().plus_ms(settle_ms + 1)).await?;
        let lapsed = order(office, &uid).await?.standing(clock::now()) == Standing::Lapsed;
        let deadline = Instant::now() + PATIENCE;
        let mut state = None;
        while state != Some(PaymentState::Reversed) && Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(5)).await;
            state = office.bank.payment(&uid, &payment).await?.map(|payment| payment.state);
        }
        self.holds(
            "reversal-stood-in",
            &format!("{} pays too, and the shop gives up before the answer is there: the debit is taken back, in the journal for now.", PAYERS[1].name),
            lapsed
                && state == Some(PaymentState::Reversed)
                && last_entry(office).await?.request.kind == Kind::Reversal,
        )
    }

    async fn goes_away(&mut self, office: &Office) -> Result<(), Failure> {
        office.bank.book().behave(Mood::Down).await?;
        let (ms, seen) = until_state(office, HealthState::StandIn).await?;
        self.holds(
            "outage-noticed",
            &format!("Now it is down. {ms} ms later the switch has noticed, and nothing is sent to it any more."),
            seen.standing.host_share_bp == 0,
        )
    }

    async fn stands_in(&mut self, office: &Office) -> Result<(), Failure> {
        let before = office.bank.book().postings(POSTINGS_MAX).await?.len();
        let mut paid = Vec::new();
        for (key, payer, minor) in [("outage-3", 0, AWAY_MINOR[0]), ("outage-4", 1, AWAY_MINOR[1])]
        {
            let (uid, _) = pays(office, key, &PAYERS[payer], minor).await?;
            until(office, &uid, Standing::Paid).await?;
            paid.push(uid);
        }
        let waiting = queued(office).await?;
        self.holds(
            "outage-approves",
            &format!("{} and {} pay all the same. Nothing is posted; {waiting} decisions wait in the journal.", PAYERS[0].name, PAYERS[1].name),
            paid.len() == 2
                && waiting >= 2
                && office.bank.book().postings(POSTINGS_MAX).await?.len() == before,
        )
    }

    async fn limit(&mut self, office: &Office) -> Result<Uid, Failure> {
        let (uid, _) = pays(office, "outage-5", &PAYERS[0], RETRIED_MINOR).await?;
        until(office, &uid, Standing::Waiting).await?;
        let declined = order(office, &uid).await?.declined;
        self.holds(
            "outage-declines",
            &format!(
                "{} wants to pay {}. The limit without the accounting system is {}: declined, and the order can be paid later.",
                PAYERS[0].name,
                super::euros(RETRIED_MINOR)?,
                super::euros(SINGLE_MINOR)?
            ),
            declined.map(response_code) == Some(ResponseCode::AMOUNT_LIMIT),
        )?;
        Ok(uid)
    }

    async fn restarts_meanwhile(
        &mut self,
        office: Office,
        folder: &Path,
    ) -> Result<Office, Failure> {
        let before = office.bank.stood_in().await?;
        office.close().await;
        let office = Office::open(folder, &Place::Folder).await?;
        let kept = office.bank.stood_in().await? == before;
        until_state(&office, HealthState::StandIn).await?;
        let (uid, _) = pays(&office, "outage-6", &PAYERS[0], AWAY_MINOR[2]).await?;
        until(&office, &uid, Standing::Paid).await?;
        self.holds(
            "outage-restart",
            "The payment server restarts in the middle of it: the journal is as it was, and the next payment is decided like those before.",
            kept && postings(&office, &uid).await? == 0,
        )?;
        Ok(office)
    }

    async fn comes_back(&mut self, office: &Office) -> Result<(), Failure> {
        let waited = queued(office).await?;
        office.bank.book().behave(Mood::Up).await?;
        let (ms, _) = until_state(office, HealthState::Online).await?;
        let entries = office.bank.stood_in().await?;
        let is = |state| entries.iter().filter(|entry| entry.state == state).count();
        self.holds(
            "outage-drained",
            &format!("It is back. Within {ms} ms traffic returns in four steps, and {waited} decisions are delivered: {} posted, {} it had posted itself.", is(EntryState::Posted), is(EntryState::AlreadyPosted)),
            is(EntryState::Queued) == 0
                && is(EntryState::Exception) == 0
                && is(EntryState::Posted) >= 3,
        )
    }

    async fn pays_after_all(&mut self, office: &Office, uid: &Uid) -> Result<(), Failure> {
        let issued = granted(office.bank.refresh(uid.clone()).await?)?;
        let scanned = phone(office, &PAYERS[0])?.read(&issued.code.to_text());
        let scanned = scanned.map_err(|why| Failure::Demo(why.to_string()))?;
        let before = office.bank.stood_in().await?.len();
        pay(office, &PAYERS[0], &scanned, PAYERS[0].pin).await?;
        until(office, uid, Standing::Paid).await?;
        self.holds(
            "paid-after-return",
            &format!(
                "What was over the limit is paid now, by the accounting system itself: {}.",
                super::euros(RETRIED_MINOR)?
            ),
            office.bank.stood_in().await?.len() == before && postings(office, uid).await? == 1,
        )
    }

    /// Whoever was told that it is paid pays the same in another bank, where nothing goes wrong.
    async fn same_books(&mut self, office: &Office, before: &Balances) -> Result<(), Failure> {
        let folder = tempfile::tempdir().map_err(|why| Failure::Run(why.to_string()))?;
        let calm = Office::open(folder.path(), &Place::Folder).await?;
        let opened = balances(&calm).await?;
        let paid = [
            (0, LATE_MINOR),
            (0, AWAY_MINOR[0]),
            (1, AWAY_MINOR[1]),
            (0, AWAY_MINOR[2]),
            (0, RETRIED_MINOR),
        ];
        for (at, (payer, minor)) in paid.into_iter().enumerate() {
            let (uid, _) = pays(&calm, &format!("calm-{at}"), &PAYERS[payer], minor).await?;
            until(&calm, &uid, Standing::Paid).await?;
        }
        let stood_in = calm.bank.stood_in().await?.len();
        let (here, there) =
            (moved(before, &balances(office).await?), moved(&opened, &balances(&calm).await?));
        calm.close().await;
        let shop = here.get(PAYEE).copied().unwrap_or_default();
        self.holds(
            "books-equal",
            &format!("In another bank the same payments are made without an outage: in both, each account moved by the same, {PAYEE} by {}.", super::euros(shop)?),
            here == there && shop > 0 && stood_in == 0,
        )
    }

    async fn reconciles(&mut self, office: &Office) -> Result<(), Failure> {
        let report = office.bank.reconcile(&office.bank.stood_in().await?).await?;
        let matched = report.count(Found::Matched);
        self.holds(
            "reconciled",
            &format!("Journal, books and payment server are compared line by line: {matched} lines, all agree."),
            matched == report.lines.len() && matched >= 6,
        )
    }
}

type Balances = BTreeMap<String, Amount>;

/// Lets somebody pay a new order.
pub(super) async fn pays(
    office: &Office,
    key: &str,
    payer: &Payer,
    minor: i64,
) -> Result<(Uid, PaymentId), Failure> {
    let issued = granted(office.bank.issue(key, super::euros(minor)?, "").await?)?;
    let scanned = phone(office, payer)?.read(&issued.code.to_text());
    let scanned = scanned.map_err(|why| Failure::Demo(why.to_string()))?;
    let reply = pay(office, payer, &scanned, payer.pin).await?;
    let payment = reply.payment.as_deref().and_then(PaymentId::parse);
    let payment = payment.ok_or_else(|| Failure::Demo(format!("not paid: {}", reply.message)))?;
    Ok((issued.uid, payment))
}

async fn balances(office: &Office) -> Result<Balances, Failure> {
    let accounts = office.bank.book().accounts().await?;
    Ok(accounts.into_iter().map(|(_, account)| (account.name, account.balance)).collect())
}

/// By how much each account moved.
fn moved(before: &Balances, after: &Balances) -> BTreeMap<String, i64> {
    let moved = |name: &String, after: &Amount| {
        let before = before.get(name).map_or(0, |before| before.minor());
        (name.clone(), after.minor().saturating_sub(before))
    };
    after.iter().map(|(name, after)| moved(name, after)).collect()
}

/// How often an order is posted.
async fn postings(office: &Office, uid: &Uid) -> Result<usize, Failure> {
    let lines = office.bank.book().postings(POSTINGS_MAX).await?;
    let of = |line: &&crate::book::Line| {
        !line.movement.order.is_empty() && uid.as_str().starts_with(&line.movement.order)
    };
    Ok(lines.iter().filter(of).count())
}

async fn last_entry(office: &Office) -> Result<Entry, Failure> {
    let entry = office.bank.stood_in().await?.pop();
    entry.ok_or_else(|| Failure::Demo("nothing was decided".into()))
}

/// How many decisions wait for delivery.
async fn queued(office: &Office) -> Result<usize, Failure> {
    let entries = office.bank.stood_in().await?;
    Ok(entries.iter().filter(|entry| entry.state == EntryState::Queued).count())
}

/// Waits until the switch takes the accounting system for this; says how long that took.
async fn until_state(office: &Office, want: HealthState) -> Result<(u128, Reading), Failure> {
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE {
        let reading = *office.bank.reading().borrow();
        if let Some(reading) = reading.filter(|reading| reading.standing.state == want) {
            return Ok((begun.elapsed().as_millis(), reading));
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Err(Failure::Demo(format!("the accounting system is not taken for {want} after {PATIENCE:?}")))
}

/// Longer than the switch waits.
const LATE_MS: u32 = 2_500;
const LATE_MINOR: i64 = 750;
const REVERSED_MINOR: i64 = 990;
const AWAY_MINOR: [i64; 3] = [420, 1_200, 310];
const RETRIED_MINOR: i64 = 6_000;
const POSTINGS_MAX: usize = 500;
const PATIENCE: Duration = Duration::from_secs(60);
