//! The whole story in the terminal: each step says what it claims, and is verified.

mod fuel;
mod outage;
mod payment;
mod settlement;
mod surroundings;

use crate::bank::currency;
use crate::clock;
use crate::failure::Failure;
use crate::office::Office;
use crate::options::{Demo, Place};
use crate::shop::{Order, Standing};
use crate::trouble::Trouble;
use crate::wallet::{PayReply, Payer, Phone};
use interbank::port::Amount;
use interbank::qrpay::{Pin, Scanned, Uid, Verdict};
use serde_json::{Value, json};
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

/// Tells the story against a store that is gone afterwards.
pub(crate) async fn tell(options: &Demo) -> Result<(), Failure> {
    let folder = tempfile::tempdir().map_err(|why| Failure::Run(why.to_string()))?;
    let mut story = Story::new(options);
    let told = story.tell(folder.path()).await;
    story.finish(&told);
    told
}

/// What was told so far.
struct Story<'a> {
    options: &'a Demo,
    begun: Instant,
    steps: Vec<Value>,
    order: Value,
}

impl<'a> Story<'a> {
    fn new(options: &'a Demo) -> Self {
        Self { options, begun: Instant::now(), steps: Vec::new(), order: Value::Null }
    }

    async fn tell(&mut self, folder: &Path) -> Result<(), Failure> {
        self.say("A payment by QR code, from the shop's screen to the bank's books.\n");
        let office = Office::open(folder, &Place::Folder).await?;
        self.opening(&office, folder).await?;
        let uid = self.shop_shows_a_code(&office).await?;
        let scanned = self.phone_reads_it(&office, &uid).await?;
        self.forgeries_fail(&office, &scanned)?;
        self.wrong_pin_fails(&office, &uid, &scanned).await?;
        let paid = self.right_pin_pays(&office, &uid, &scanned).await?;
        self.replays_pay_nothing(&office, &scanned, &paid).await?;
        let office = self.restart(office, folder, &uid, &paid).await?;
        self.refunds(&office, &uid).await?;
        self.empty_account(&office).await?;
        self.cancelled_order(&office).await?;
        self.no_pin_at_home(&office).await?;
        self.no_way_elsewhere(&office).await?;
        self.car_pays(&office).await?;
        self.thief_drives_on(&office).await?;
        let office = self.outage(office, folder).await?;
        let office = self.settlement(office, folder).await?;
        self.books_and_records(&office).await?;
        office.close().await;
        Ok(())
    }

    async fn books_and_records(&mut self, office: &Office) -> Result<(), Failure> {
        let accounts = office.bank.book().accounts().await?;
        let sum = |pick: fn(&crate::book::Account) -> Amount| -> i128 {
            accounts.iter().map(|(_, account)| i128::from(pick(account).minor())).sum()
        };
        until_nothing_is_owed(office).await?;
        let owed = office.bank.owed_entries(10).await?;
        self.holds(
            "books-balance",
            "All accounts together hold what they were opened with, and nothing is owed any more.",
            sum(|one| one.opening) == sum(|one| one.balance) && owed.is_empty(),
        )?;
        office.bank.trail().chain_all().await?;
        let trail = office.bank.trail().check(1).await?;
        self.holds(
            "audit-intact",
            &format!("The audit log has {} records, and its chain is intact.", trail.head.count),
            trail.intact && trail.head.count >= 12 && trail.checked == trail.head.count,
        )
    }

    /// Tells a step, and fails unless what it claims holds.
    fn holds(&mut self, name: &str, told: &str, holds: bool) -> Result<(), Failure> {
        let mark = if holds { "✓" } else { "✗" };
        self.say(&format!("{mark} {told}"));
        self.steps.push(json!({ "name": name, "told": told, "holds": holds }));
        if holds { Ok(()) } else { Err(Failure::Demo(format!("step {name} does not hold"))) }
    }

    fn say(&self, text: &str) {
        if !self.options.json {
            // Whoever closed the pipe does not want to read on.
            let _ = writeln!(std::io::stdout(), "{text}");
        }
    }

    fn finish(&self, told: &Result<(), Failure>) {
        let ms = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        if self.options.json {
            let summary = json!({
                "ok": told.is_ok(),
                "steps": self.steps,
                "order": self.order,
                "elapsed_ms": ms,
            });
            let _ = writeln!(std::io::stdout(), "{summary:#}");
        } else if told.is_ok() {
            self.say(&format!("\nAll {} steps hold ({ms} ms).", self.steps.len()));
        }
    }
}

fn euros(minor: i64) -> Result<Amount, Trouble> {
    Ok(Amount::new(minor, currency()?))
}

fn granted<T>(verdict: Verdict<T>) -> Result<T, Failure> {
    match verdict {
        Verdict::Granted(what) => Ok(what),
        Verdict::Declined(why) => Err(Failure::Demo(format!("unexpectedly declined: {why}"))),
    }
}

fn phone<'a>(office: &'a Office, payer: &Payer) -> Result<&'a Phone, Failure> {
    let phone = office.wallet.phone(payer.slug);
    phone.ok_or_else(|| Failure::Demo(format!("{} has no phone", payer.name)))
}

async fn pay(
    office: &Office,
    payer: &Payer,
    scanned: &Scanned,
    pin: &str,
) -> Result<PayReply, Failure> {
    let pin = Pin::new(pin.as_bytes()).map_err(|why| Failure::Demo(why.to_string()))?;
    Ok(office.wallet.pay(phone(office, payer)?, scanned, pin, None).await?)
}

async fn order(office: &Office, uid: &Uid) -> Result<Order, Failure> {
    let order = office.bank.order(uid).await?;
    order.ok_or_else(|| Failure::Demo("the order is gone".into()))
}

async fn balance(office: &Office, name: &str) -> Result<Amount, Failure> {
    let accounts = office.bank.book().accounts().await?;
    let found = accounts.into_iter().find(|(_, account)| account.name == name);
    let found = found.map(|(_, account)| account.balance);
    found.ok_or_else(|| Failure::Demo(format!("{name} has no account")))
}

/// Waits until the order stands so and nothing is owed.
async fn until(office: &Office, uid: &Uid, want: Standing) -> Result<(), Failure> {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        let standing = order(office, uid).await?.standing(clock::now());
        if standing == want && office.bank.owed_entries(1).await?.is_empty() {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Err(Failure::Demo(format!("the order is not {} after {PATIENCE:?}", want.label())))
}

async fn until_nothing_is_owed(office: &Office) -> Result<(), Failure> {
    let deadline = Instant::now() + PATIENCE;
    while !office.bank.owed_entries(1).await?.is_empty() && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(())
}

const PATIENCE: Duration = Duration::from_secs(10);
