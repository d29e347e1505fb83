//! The switchboard at work, beside a bank that takes payments.

use super::*;
use crate::accounting::Mood;
use crate::bank::tests::{bank, order, pay, standing};
use crate::clearing;
use crate::shop::Standing;
use crate::wallet::Wallet;
use interbank::qrpay::Uid;
use interbank::standin::{EntryState, Forced, HealthState};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// What runs beside requests, until it is told to stop.
struct Running(watch::Sender<bool>, JoinHandle<()>);

impl Running {
    fn start(bank: &Arc<Bank>) -> Self {
        let closing = watch::Sender::new(false);
        let task = tokio::spawn(clearing::run(bank.clone(), closing.subscribe()));
        Self(closing, task)
    }

    async fn stop(self) {
        self.0.send_replace(true);
        self.1.await.unwrap();
    }
}

async fn until(what: impl AsyncFn() -> bool) {
    let all = async {
        while !what().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(Duration::from_secs(60), all).await.unwrap();
}

async fn paid(bank: &Bank, wallet: &Wallet, minor: i64) -> Uid {
    let (uid, code) = order(bank, minor).await;
    assert_eq!(pay(wallet, &code).await.outcome, "accepted");
    until(async || standing(bank, &uid).await == Standing::Paid).await;
    uid
}

async fn states(bank: &Bank) -> Vec<EntryState> {
    bank.stood_in().await.unwrap().iter().map(|entry| entry.state).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_forced_holds_over_a_restart_and_what_waited_is_posted_once() {
    let folder = tempfile::tempdir().unwrap();
    let (bank, wallet) = bank(&folder).await;
    let reason = "upgrade".to_owned();
    let order = ManualOverride { forced: Some(Forced::StandIn), at: clock::now(), reason };
    bank.set_manual_override(&order).await.unwrap();
    let running = Running::start(&bank);
    paid(&bank, &wallet, 400).await;
    assert!(bank.book().postings(10).await.unwrap().is_empty());
    running.stop().await;

    let running = Running::start(&bank);
    paid(&bank, &wallet, 300).await;
    assert!(bank.book().postings(10).await.unwrap().is_empty());
    assert_eq!(states(&bank).await, [EntryState::Queued; 2]);
    let reading = bank.reading().borrow().unwrap();
    assert_eq!(reading.standing.forced, Some(Forced::StandIn));
    assert_eq!((reading.standing.host_share_bp, reading.owed), (0, 2));

    bank.set_manual_override(&ManualOverride::default()).await.unwrap();
    until(async || states(&bank).await == [EntryState::Posted; 2]).await;
    until(async || bank.reading().borrow().is_some_and(|one| one.drained)).await;
    running.stop().await;
    let mut posted = bank.book().postings(10).await.unwrap();
    posted.sort_by_key(|line| line.movement.amount.minor());
    let minors: Vec<i64> = posted.iter().map(|line| line.movement.amount.minor()).collect();
    assert_eq!(minors, [300, 400]);
    // Who ordered what is in the audit log.
    bank.trail().chain_all().await.unwrap();
    let records = bank.trail().check(100).await.unwrap().records;
    let forced = records.iter().find(|one| one.action == "standin.switch.forced-stand-in");
    let forced = forced.unwrap();
    assert_eq!((&forced.actor[..], &forced.subject[..]), (&b"operator"[..], &b"upgrade"[..]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_accounting_system_debits_once_what_was_decided_meanwhile() {
    let folder = tempfile::tempdir().unwrap();
    let (bank, wallet) = bank(&folder).await;
    let running = Running::start(&bank);
    paid(&bank, &wallet, 100).await;
    assert!(bank.stood_in().await.unwrap().is_empty());
    let ms = u32::try_from(ANSWER_MS + 400).unwrap();
    bank.book().behave(Mood::Slow { ms }).await.unwrap();
    let uid = paid(&bank, &wallet, 400).await;
    let entry = bank.stood_in().await.unwrap().remove(0);
    assert_eq!(entry.host, HostOutcome::Unknown);
    bank.book().behave(Mood::Up).await.unwrap();
    // It was asked and told, and posts once; which of both came first does not matter.
    until(async || !states(&bank).await.contains(&EntryState::Queued)).await;
    until(async || {
        let reading = bank.reading().borrow().unwrap();
        reading.standing.state == HealthState::Online && reading.drained
    })
    .await;
    running.stop().await;
    let lines = bank.book().postings(10).await.unwrap();
    let of = lines.iter().filter(|line| uid.as_str().starts_with(&line.movement.order));
    assert_eq!(of.count(), 1);
}
