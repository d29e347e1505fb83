//! The switchboard at work, beside a bank that takes payments.

use super::*;
use crate::accounting::Mood;
use crate::bank::currency;
use crate::bank::tests::{bank, order, pay, standing};
use crate::clearing;
use crate::message::INITIATOR;
use crate::shop::Standing;
use crate::vault::VaultError;
use crate::wallet::Wallet;
use interbank::port::{Amount, DecideError};
use interbank::qrpay::Uid;
use interbank::seal::AccountRef;
use interbank::standin::{
    AccountInfo, CheckDigit, EntryState, Forced, HealthState, Kind, Mti, RequestDraft, Text,
};
use std::io;
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

/// What the switch wants done.
async fn wanted(board: &mut Switchboard<'_>, bank: &Bank) -> Vec<SwitchEvent> {
    let now = clock::now();
    events(drain(&mut board.switch, now, bank.vault(), &Nobody, bank.keys()).await)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decision_of_unknown_fate_is_silence_and_the_accounting_system_is_not_asked() {
    let folder = tempfile::tempdir().unwrap();
    let (bank, _) = bank(&folder).await;
    let (host, _questions) = mpsc::channel(QUEUE);
    let (answers, _answers) = mpsc::channel(QUEUE);
    let mut board = Switchboard::new(&bank, host, answers).unwrap();
    for (trace, decided, asked) in [(1, Decided::Lost, 0), (2, Decided::Undecided, 1)] {
        let forced = Some(Forced::StandIn);
        board.switch.force(clock::now(), INSTITUTION, forced, OPERATOR, "").unwrap();
        let token = AccountRef::from_bytes([trace; 16]);
        let account =
            AccountInfo { token, bin: None, check_digit: CheckDigit::None, handle: Bytes::new() };
        let draft = RequestDraft {
            institution: Some(INSTITUTION),
            initiator: Some(INITIATOR),
            account: Some(account),
            amount: Some(Amount::new(400, currency().unwrap())),
            kind: Some(Kind::Purchase),
            mti: Some(Mti::FINANCIAL),
            trace: Some(trace.into()),
            // Certainly not sent by a switch before this one.
            sent_at: Some(clock::now().plus_ms(60_000)),
            terminal: Some(Text::new("TERM0001").unwrap()),
            ..RequestDraft::default()
        };
        board.switch.request(clock::now(), Peer::new("outbox").unwrap(), draft).unwrap();
        let wishes = wanted(&mut board, &bank).await;
        let request = wishes.iter().find_map(|one| match one {
            SwitchEvent::AskStandIn { request, .. } => Some(request.clone()),
            _ => None,
        });
        // The accounting system is back before the decision ends.
        board.switch.force(clock::now(), INSTITUTION, None, OPERATOR, "").unwrap();
        board.decided(&request.unwrap(), Ok(decided));
        let wishes = wanted(&mut board, &bank).await;
        let asks = wishes.iter().filter(|one| matches!(one, SwitchEvent::AskHost { .. })).count();
        assert_eq!((asks, board.switch.pending()), (asked, usize::from(trace)));
    }
}

#[test]
fn a_commit_of_unknown_fate_is_no_failure_that_wrote_nothing() {
    let fate = VaultError::Folder(store_redb::Error::Unknown(io::ErrorKind::Other));
    let unknown: DecideError<io::Error, VaultError, io::Error> = DecideError::Unknown(fate);
    assert!(matches!(Trouble::from(unknown), Trouble::Unknown(_)));
}
