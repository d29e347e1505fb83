//! The bank with a wallet, for the tests of whatever is in it; and what the bank does over time.

use super::*;
use crate::clearing;
use crate::line::Line;
use crate::shop::Standing;
use crate::wallet::{PAYERS, PayReply, Wallet, WalletFile};
use crate::web::public;
use interbank::qrpay::Pin;
use tokio::sync::watch;

/// A bank whose accounting system does not answer: nothing runs beside requests.
pub(crate) async fn bank(folder: &tempfile::TempDir) -> (Arc<Bank>, Wallet) {
    let bank = Arc::new(Bank::open(folder.path(), &Place::Folder).await.unwrap());
    bank.open_books().await.unwrap();
    let issuer = (ISSUER, ISSUER_KEY, bank.issuer());
    let phones = WalletFile::open(&folder.path().join("wallet.json"), issuer).unwrap();
    let wallet = Wallet::new(phones, Line::new(public(bank.clone())));
    let phone = &wallet.phones()[0];
    let opening = Amount::new(1_000, currency().unwrap());
    let use_key = || phone.use_key(Pin::new(PAYERS[0].pin.as_bytes())?);
    bank.enrol(&phone.account, "Payer", opening, &phone.device, use_key).await.unwrap();
    (bank, wallet)
}

pub(crate) async fn order(bank: &Bank, minor: i64) -> (Uid, String) {
    let price = Amount::new(minor, currency().unwrap());
    let key = format!("key-{minor}");
    let issued = bank.issue(&key, price, "").await.unwrap().granted().unwrap();
    (issued.uid, issued.code.to_text())
}

pub(crate) async fn pay(wallet: &Wallet, code: &str) -> PayReply {
    let phone = &wallet.phones()[0];
    let pin = Pin::new(PAYERS[0].pin.as_bytes()).unwrap();
    wallet.pay(phone, &phone.read(code).unwrap(), pin, None).await.unwrap()
}

pub(crate) async fn standing(bank: &Bank, uid: &Uid) -> Standing {
    bank.order(uid).await.unwrap().unwrap().standing(clock::now())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_that_waits_too_long_lapses_and_its_late_debit_goes_back() {
    let folder = tempfile::tempdir().unwrap();
    let (bank, wallet) = bank(&folder).await;
    let (uid, code) = order(&bank, 400).await;
    let reply = pay(&wallet, &code).await;
    assert_eq!(reply.outcome, "accepted");
    let id = PaymentId::parse(&reply.payment.unwrap()).unwrap();
    let settle_ms = bank.server().config().policy.settle_ms;
    bank.lapse_overdue(clock::now()).await.unwrap();
    assert_eq!(standing(&bank, &uid).await, Standing::Settling);
    bank.lapse_overdue(clock::now().plus_ms(settle_ms + 1)).await.unwrap();
    assert_eq!(standing(&bank, &uid).await, Standing::Lapsed);

    // Now the accounting system answers after all: the debit is made, and made good.
    let closing = watch::Sender::new(false);
    let clearing = tokio::spawn(clearing::run(bank.clone(), closing.subscribe()));
    let mut changes = bank.watch();
    while bank.payment(&uid, &id).await.unwrap().unwrap().state != PaymentState::Reversed {
        changes.recv().await.unwrap();
    }
    closing.send_replace(true);
    clearing.await.unwrap();
    assert_eq!(standing(&bank, &uid).await, Standing::Lapsed);
    assert_eq!(bank.book().postings(10).await.unwrap().len(), 2);
    let accounts = bank.book().accounts().await.unwrap();
    assert!(accounts.iter().all(|(_, account)| account.balance == account.opening));
    assert!(bank.owed_entries(10).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn two_clients_that_race_for_one_code_make_one_debit() {
    let folder = tempfile::tempdir().unwrap();
    let (bank, wallet) = bank(&folder).await;
    let (uid, code) = order(&bank, 400).await;
    let wallet = Arc::new(wallet);
    let all = (0..8).map(|_| {
        let (wallet, code) = (wallet.clone(), code.clone());
        tokio::spawn(async move { pay(&wallet, &code).await })
    });
    let mut payments = Vec::new();
    for one in all.collect::<Vec<_>>() {
        payments.push(one.await.unwrap().payment.unwrap());
    }
    payments.dedup();
    assert_eq!(payments.len(), 1);
    assert_eq!(bank.owed_entries(10).await.unwrap().len(), 1);
    assert_eq!(standing(&bank, &uid).await, Standing::Settling);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_over_is_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let (bank, _) = bank(&folder).await;
    let (uid, _) = order(&bank, 400).await;
    let policy = bank.server().config().policy;
    let over_ms = policy.record_kept_ms + policy.order_valid_ms;
    bank.purge(clock::now().plus_ms(over_ms - 60_000)).await.unwrap();
    assert_eq!(bank.orders(10).await.unwrap().len(), 1);
    bank.purge(clock::now().plus_ms(over_ms)).await.unwrap();
    assert!(bank.orders(10).await.unwrap().is_empty());
    for key in [rows::note(&uid).unwrap(), rows::display(&uid).unwrap()] {
        assert!(bank.point(key).await.unwrap().is_none());
    }
    // Bindings live on.
    let want = ReadSet::scan(Scan::first(bank.server().bindings(), 10));
    assert_eq!(bank.vault().read(&want).await.unwrap().scans[0].len(), 1);
}
