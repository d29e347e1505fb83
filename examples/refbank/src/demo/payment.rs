//! The part of the story in which a payer pays with the PIN, and others try to cheat.

use super::{PATIENCE, Story, balance, euros, granted, order, pay, phone, until};
use crate::bank::PAYEE;
use crate::clock;
use crate::failure::Failure;
use crate::message::response_code;
use crate::office::Office;
use crate::options::Place;
use crate::picture;
use crate::shop::Standing;
use crate::wallet::{PAYERS, PayReply};
use interbank::qrpay::{Code, Refusal, Scanned, Uid};
use interbank::standin::ResponseCode;
use serde_json::{Value, json};
use std::path::Path;
use std::time::{Duration, Instant};

impl Story<'_> {
    pub(super) async fn opening(&mut self, office: &Office, folder: &Path) -> Result<(), Failure> {
        let accounts = office.bank.book().accounts().await?;
        self.holds(
            "bank-opens",
            "The bank opens: it draws its keys, makes a store, opens four accounts and binds two phones.",
            accounts.len() == 4 && office.wallet.phones().len() == 2,
        )?;
        self.holds(
            "keys-private",
            "The files with secrets can be read by their owner alone.",
            ["keys.json", "accounting.json", "wallet.json"]
                .iter()
                .all(|file| is_private(&folder.join(file))),
        )
    }

    pub(super) async fn shop_shows_a_code(&mut self, office: &Office) -> Result<Uid, Failure> {
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

    pub(super) async fn phone_reads_it(
        &mut self,
        office: &Office,
        uid: &Uid,
    ) -> Result<Scanned, Failure> {
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

    pub(super) fn forgeries_fail(
        &mut self,
        office: &Office,
        scanned: &Scanned,
    ) -> Result<(), Failure> {
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

    pub(super) async fn wrong_pin_fails(
        &mut self,
        office: &Office,
        uid: &Uid,
        scanned: &Scanned,
    ) -> Result<(), Failure> {
        let reply = pay(office, &PAYERS[0], scanned, "000000").await?;
        let standing = order(office, uid).await?.standing(clock::now());
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

    pub(super) async fn right_pin_pays(
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

    pub(super) async fn replays_pay_nothing(
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

    pub(super) async fn restart(
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
            order.standing(clock::now()) == Standing::Paid && payment == paid.payment,
        )?;
        Ok(office)
    }

    pub(super) async fn refunds(&mut self, office: &Office, uid: &Uid) -> Result<(), Failure> {
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
            order.standing(clock::now()) == Standing::PartlyRefunded
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

    pub(super) async fn empty_account(&mut self, office: &Office) -> Result<(), Failure> {
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
                && declined.map(response_code) == Some(ResponseCode::INSUFFICIENT_FUNDS)
                && balance(office, PAYERS[1].name).await?.minor() == PAYERS[1].opening_minor,
        )
    }

    pub(super) async fn cancelled_order(&mut self, office: &Office) -> Result<(), Failure> {
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
