//! The whole story in the terminal: each step says what it claims, and is verified.

mod outage;

use crate::around::Place as Around;
use crate::bank::{PAYEE, currency};
use crate::car::Trip;
use crate::failure::Failure;
use crate::forecourt::Fuelled;
use crate::office::Office;
use crate::options::{Demo, Place};
use crate::picture;
use crate::shop::{Order, Standing};
use crate::trouble::Trouble;
use crate::wallet::{PAYERS, PayReply, Payer, Phone};
use interbank::port::Amount;
use interbank::qrpay::{Code, Pin, Refusal, Scanned, Uid, Verdict};
use interbank::risk_core::driving::{Refusal as NoLevel, RiskLevel, Ruling};
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
        self.books_and_records(&office).await?;
        office.close().await;
        Ok(())
    }

    async fn opening(&mut self, office: &Office, folder: &Path) -> Result<(), Failure> {
        let accounts = office.bank.book().accounts().await?;
        self.holds(
            "bank-opens",
            "The bank opens: it draws its keys, makes a store, opens four accounts and binds two phones.",
            accounts.len() == 4 && office.wallet.phones().len() == 2,
        )?;
        self.holds(
            "keys-private",
            "The files with secrets can be read by their owner alone.",
            is_private(&folder.join("keys.json")) && is_private(&folder.join("wallet.json")),
        )
    }

    async fn shop_shows_a_code(&mut self, office: &Office) -> Result<Uid, Failure> {
        let price = euros(1_250)?;
        let issued = office.bank.issue("demo-1", price, "Flat white, almond croissant").await?;
        let issued = granted(issued)?;
        let again = office.bank.issue("demo-1", price, "Flat white, almond croissant").await?;
        let again = granted(again)?;
        self.holds(
            "order-issued",
            &format!("{PAYEE} asks for {price}; asking twice with one key is one order."),
            again.repeated && again.uid == issued.uid,
        )?;
        let code = issued.code.to_text();
        self.say(&format!("\n{}", picture::terminal(&code)?));
        self.order = json!({
            "uid": issued.uid.to_string(),
            "code": code,
            "amount": price.to_string(),
            "payee": PAYEE,
        });
        if let Some(path) = &self.options.svg {
            let svg = picture::svg_file(&code)?;
            std::fs::write(path, svg)
                .map_err(|why| Failure::Run(format!("cannot write {}: {why}", path.display())))?;
            self.say(&format!("  The code is also in {}.", path.display()));
        }
        Ok(issued.uid)
    }

    async fn phone_reads_it(&mut self, office: &Office, uid: &Uid) -> Result<Scanned, Failure> {
        let shown = order(office, uid).await?.shown.map(|shown| shown.code).unwrap_or_default();
        let screen = format!("/merchant/orders/{uid}/code.png");
        let seen = office.wallet.look(&screen).await?.unwrap_or_default();
        let size = seen.len();
        let text = office.wallet.scan(seen).await?.map_err(|why| Failure::Demo(why.to_string()))?;
        self.holds(
            "picture-decoded",
            &format!("The phone sees a picture of {size} bytes and decodes it: the code that the shop shows."),
            text == shown && !text.is_empty(),
        )?;
        let scanned = phone(office, &PAYERS[0])?.read(&text);
        let scanned = scanned.map_err(|why| Failure::Demo(why.to_string()))?;
        let price = scanned.code().terms.price.clone();
        self.holds(
            "signature-checked",
            &format!(
                "It checks the bank's signature, and only then shows: {} to {PAYEE}.",
                euros(1_250)?
            ),
            price.is_some_and(|price| {
                price.amount.minor() == 1_250 && price.payee.as_str() == PAYEE
            }),
        )?;
        Ok(scanned)
    }

    fn forgeries_fail(&mut self, office: &Office, scanned: &Scanned) -> Result<(), Failure> {
        let phone = phone(office, &PAYERS[0])?;
        let mut cheaper: Code = scanned.code().clone();
        if let Some(price) = &mut cheaper.terms.price {
            price.amount = euros(1)?;
        }
        let mut unsigned = scanned.code().clone();
        unsigned.signature = None;
        let forgeries = [&cheaper, &unsigned].map(|code| phone.read(&code.to_text()).err());
        let whys: Vec<_> = forgeries.iter().flatten().map(ToString::to_string).collect();
        self.holds(
            "forgery-refused",
            "A code with another amount, and one without signature: the phone refuses both.",
            whys.len() == 2 && whys.iter().all(|why| why.contains("do not pay")),
        )
    }

    async fn wrong_pin_fails(
        &mut self,
        office: &Office,
        uid: &Uid,
        scanned: &Scanned,
    ) -> Result<(), Failure> {
        let reply = pay(office, &PAYERS[0], scanned, "000000").await?;
        let standing = order(office, uid).await?.standing(crate::clock::now());
        self.holds(
            "wrong-pin-refused",
            &format!(
                "A wrong PIN gives a wrong reply. The bank says no more than: {}.",
                reply.message
            ),
            reply.code == Some(Refusal::Refused.code())
                && standing == Standing::Waiting
                && office.bank.book().postings(10).await?.is_empty(),
        )
    }

    async fn right_pin_pays(
        &mut self,
        office: &Office,
        uid: &Uid,
        scanned: &Scanned,
    ) -> Result<PayReply, Failure> {
        let begun = Instant::now();
        let reply = pay(office, &PAYERS[0], scanned, PAYERS[0].pin).await?;
        until(office, uid, Standing::Paid).await?;
        let ms = begun.elapsed().as_millis();
        let (payer, shop) = (balance(office, PAYERS[0].name).await?, balance(office, PAYEE).await?);
        self.holds(
            "paid-once",
            &format!("The right PIN: one message, and {ms} ms later the order is paid. {} has {payer} left, {PAYEE} has {shop}.", PAYERS[0].name),
            reply.outcome == "accepted"
                && !reply.repeated
                && payer.minor() == PAYERS[0].opening_minor - 1_250
                && shop.minor() == 1_250,
        )?;
        if let Value::Object(order) = &mut self.order {
            order.insert("payment".into(), json!(reply.payment));
        }
        Ok(reply)
    }

    async fn replays_pay_nothing(
        &mut self,
        office: &Office,
        scanned: &Scanned,
        paid: &PayReply,
    ) -> Result<(), Failure> {
        let again = pay(office, &PAYERS[0], scanned, PAYERS[0].pin).await?;
        let debits = office.bank.book().postings(10).await?.len();
        self.holds(
            "replay-same-outcome",
            "The same message once more: the same answer, the same payment, and still one debit.",
            again.repeated && again.payment == paid.payment && debits == 1,
        )?;
        let other = pay(office, &PAYERS[1], scanned, PAYERS[1].pin).await?;
        self.holds(
            "code-used-once",
            &format!("{} answers the same code: {}.", PAYERS[1].name, other.message),
            other.code == Some(Refusal::AlreadyUsed.code()),
        )
    }

    async fn restart(
        &mut self,
        office: Office,
        folder: &Path,
        uid: &Uid,
        paid: &PayReply,
    ) -> Result<Office, Failure> {
        office.close().await;
        let clear = PAYERS.iter().any(|payer| holds_bytes(&folder.join("store"), payer.account));
        self.holds(
            "accounts-as-tokens",
            "The bank closes. Its store knows payers by tokens: no account number is in its files.",
            !clear && holds_bytes(&folder.join("store"), PAYERS[0].name),
        )?;
        let office = Office::open(folder, &Place::Folder).await?;
        let order = order(&office, uid).await?;
        let payment = order.payment.as_ref().map(|(id, _)| id.to_string());
        self.holds(
            "restart-keeps",
            "The bank opens again: the order is still paid, by the same payment.",
            order.standing(crate::clock::now()) == Standing::Paid && payment == paid.payment,
        )?;
        Ok(office)
    }

    async fn refunds(&mut self, office: &Office, uid: &Uid) -> Result<(), Failure> {
        let payment = order(office, uid).await?.payment.map(|(id, _)| id);
        let payment = payment.ok_or_else(|| Failure::Demo("the payment is gone".into()))?;
        let bank = &office.bank;
        for _ in 0..2 {
            granted(bank.refund(uid.clone(), payment, "R-1", euros(500)?).await?)?;
        }
        let want = PAYERS[0].opening_minor - 750;
        until_balance(office, PAYERS[0].name, want).await?;
        let order = order(office, uid).await?;
        self.holds(
            "refund-partial",
            "The shop gives 5.00 back, and asks twice: one refund, 7.50 can still be given back.",
            order.standing(crate::clock::now()) == Standing::PartlyRefunded
                && order.refunds.len() == 1
                && order.refundable() == Some(euros(750)?),
        )?;
        let more = bank.refund(uid.clone(), payment, "R-2", euros(751)?).await?;
        self.holds(
            "refund-bounded",
            "It tries to give back 7.51 more: refused, refunds cannot exceed the payment.",
            more.declined() == Some(Refusal::RefundTooLarge)
                && balance(office, PAYERS[0].name).await?.minor() == want,
        )
    }

    async fn empty_account(&mut self, office: &Office) -> Result<(), Failure> {
        let issued = granted(office.bank.issue("demo-2", euros(6_000)?, "").await?)?;
        let scanned = phone(office, &PAYERS[1])?.read(&issued.code.to_text());
        let scanned = scanned.map_err(|why| Failure::Demo(why.to_string()))?;
        let reply = pay(office, &PAYERS[1], &scanned, PAYERS[1].pin).await?;
        until(office, &issued.uid, Standing::Waiting).await?;
        let declined = order(office, &issued.uid).await?.declined;
        self.holds(
            "empty-account-declined",
            &format!("{} has 40.00 and confirms 60.00: the books decline, and the order can be paid again.", PAYERS[1].name),
            reply.outcome == "accepted"
                && declined == Some(crate::post::INSUFFICIENT_FUNDS)
                && balance(office, PAYERS[1].name).await?.minor() == PAYERS[1].opening_minor,
        )
    }

    async fn cancelled_order(&mut self, office: &Office) -> Result<(), Failure> {
        let issued = granted(office.bank.issue("demo-3", euros(300)?, "").await?)?;
        granted(office.bank.cancel(issued.uid.clone()).await?)?;
        let scanned = phone(office, &PAYERS[0])?.read(&issued.code.to_text());
        let scanned = scanned.map_err(|why| Failure::Demo(why.to_string()))?;
        let reply = pay(office, &PAYERS[0], &scanned, PAYERS[0].pin).await?;
        self.holds(
            "cancelled-unpayable",
            &format!("A cancelled order is answered too late: {}.", reply.message),
            reply.code == Some(Refusal::OrderNotPayable.code()),
        )
    }

    async fn no_pin_at_home(&mut self, office: &Office) -> Result<(), Failure> {
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
        office.bank.remember_weeks_at_home(&phone.terminal()?, crate::clock::now()).await?;
        let scanned = self.another_order(office, "demo-5", 520).await?;
        let (home, _) = office.wallet.pay_without_pin(phone, &scanned, Around::Home).await?;
        let why = first_reason(&home);
        self.holds(
            "home-needs-no-pin",
            &format!("Four weeks at home later the same hour needs no PIN: {why}."),
            home.outcome == "accepted" && plan(&home) == Some("allow"),
        )
    }

    async fn no_way_elsewhere(&mut self, office: &Office) -> Result<(), Failure> {
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

    async fn car_pays(&mut self, office: &Office) -> Result<(), Failure> {
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

    async fn thief_drives_on(&mut self, office: &Office) -> Result<(), Failure> {
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
        let standing = order(office, uid).await?.standing(crate::clock::now());
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

/// What the bank made of the surroundings.
fn plan(reply: &PayReply) -> Option<&str> {
    reply.surroundings.as_ref().map(|seen| seen.plan.as_str())
}

/// The weightiest reason, in words.
fn first_reason(reply: &PayReply) -> &str {
    let reasons = reply.surroundings.as_ref().and_then(|seen| seen.reasons.first());
    reasons.map_or("", |why| why.text.as_str())
}

async fn until_balance(office: &Office, name: &str, want_minor: i64) -> Result<(), Failure> {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        if balance(office, name).await?.minor() == want_minor
            && office.bank.owed_entries(1).await?.is_empty()
        {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Err(Failure::Demo(format!("the balance of {name} is not what it should be")))
}

/// Whether a file of the folder holds these bytes.
fn holds_bytes(folder: &Path, text: &str) -> bool {
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten();
    files
        .filter_map(|file| std::fs::read(file.path()).ok())
        .any(|bytes| bytes.windows(text.len()).any(|window| window == text.as_bytes()))
}

#[cfg(unix)]
fn is_private(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(path).is_ok_and(|about| about.permissions().mode() & 0o777 == 0o600)
}

#[cfg(not(unix))]
fn is_private(path: &Path) -> bool {
    path.exists()
}

const PATIENCE: Duration = Duration::from_secs(10);
