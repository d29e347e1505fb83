//! Redeeming: single use, races, replays, limits, exact expiry.

use crate::bank::{Bank, OTHER_ACCOUNT, cny, wrong};
use interbank_qrpay::*;
use port::Time;
use port::blocking::decide;
use std::sync::Barrier;
use std::thread;

#[test]
fn qd01_a_replay_never_debits_twice_and_tells_the_stored_result() {
    let (mut bank, wallet) = Bank::with_payer();
    let request = wallet.answer(&bank.order());
    let first = bank.redeem(&request).granted().unwrap();
    for wait_ms in [0, 1_000, 120_000, 3_600_000] {
        bank.after_ms(wait_ms);
        let again = bank.redeem(&request).granted().unwrap();
        assert!(again.repeated);
        assert_eq!(Accepted { repeated: false, ..again }, first);
    }
    bank.settle_all(Settlement::Done);
    assert_eq!(bank.redeem(&request).granted().unwrap().payment, first.payment);
    assert_eq!(bank.debits(), 0, "nothing more was owed after the one debit was settled");
}

#[test]
fn qd01_a_reply_that_only_begins_alike_is_no_retry() {
    let (bank, wallet) = Bank::with_payer();
    let request = wallet.answer(&bank.order());
    assert!(bank.redeem(&request).granted().is_some());
    let Reply::Mac(mut mac) = request.reply.clone() else { panic!("not a MAC") };
    mac[31] ^= 1;
    let alike = PaymentRequest { reply: Reply::Mac(mac), ..request };
    assert_eq!(bank.refusal(&alike), Some(Refusal::AlreadyUsed));
}

#[test]
fn keys_of_devices_that_may_not_answer_count_as_unbound() {
    let bank = Bank::new();
    let tap = bank.enroll("622200001", "tap-phone");
    let pin = bank.enroll("622200001", "phone");
    let redeem = |request: &PaymentRequest, accepts: fn(&DeviceId) -> bool| {
        let token = bank.tokens.token(&request.account);
        let redeem = bank.server.redeem(bank.now, request.clone(), token).answered_by(accepts);
        bank.decide(redeem).verdict
    };
    let is_tap: fn(&DeviceId) -> bool = |device| device.as_bytes().starts_with(b"tap-");
    let is_other: fn(&DeviceId) -> bool = |device| !device.as_bytes().starts_with(b"tap-");
    let is_none: fn(&DeviceId) -> bool = |_| false;
    let order = bank.order();
    let (by_tap, by_pin) = (tap.answer(&order), pin.answer(&order));
    assert_eq!(redeem(&by_pin, is_tap).declined(), Some(Refusal::Refused));
    assert_eq!(redeem(&by_tap, is_other).declined(), Some(Refusal::Refused));
    assert_eq!(redeem(&by_tap, is_none).declined(), Some(Refusal::Refused));
    assert_eq!(bank.debits(), 0);
    assert!(redeem(&by_tap, is_tap).granted().is_some());
    assert_eq!(bank.debits(), 1);
}

#[test]
fn qd02_racing_clients_cause_exactly_one_debit() {
    let bank = Bank::new();
    let wallets: Vec<_> = (0..8).map(|n| bank.enroll(&format!("62220000{n}"), "phone")).collect();
    for _ in 0..25 {
        let issued = bank.order();
        let (before, barrier) = (bank.debits(), Barrier::new(wallets.len()));
        let requests: Vec<_> = wallets.iter().map(|wallet| wallet.answer(&issued)).collect();
        let (store, keys, server, tokens, now) =
            (&bank.store, &bank.keys, &bank.server, &bank.tokens, bank.now);
        let granted: usize = thread::scope(|scope| {
            let race = |request: &PaymentRequest| {
                let token = tokens.token(&request.account);
                let mut redeem = server.redeem(now, request.clone(), token);
                let barrier = &barrier;
                scope.spawn(move || {
                    barrier.wait();
                    decide(store, keys, &mut redeem).unwrap().verdict
                })
            };
            let racers: Vec<_> = requests.iter().map(race).collect();
            let verdicts = racers.into_iter().map(|racer| racer.join().unwrap());
            verdicts
                .filter(|verdict| match verdict.declined() {
                    None => true,
                    Some(refusal) => {
                        assert_eq!(refusal, Refusal::AlreadyUsed);
                        false
                    }
                })
                .count()
        });
        assert_eq!((granted, bank.debits() - before), (1, 1));
    }
}

#[test]
fn qd03_a_reply_is_bound_to_everything_approved() {
    let (bank, wallet) = Bank::with_payer();
    let code = bank.order().code;
    let right =
        wallet.client.answer(&wallet.client.read(bank.now, &code.to_text()).unwrap(), &wallet.key);
    let right = right.unwrap();
    let answered = |change: &dyn Fn(&mut Code)| {
        let mut changed = Code { signature: None, ..code.clone() };
        change(&mut changed);
        let client = PaymentClient::new(wallet.account.clone(), bank.trust()).with_unsigned();
        let scanned = client.read(bank.now, &changed.to_text()).unwrap();
        PaymentRequest { uid: code.uid.clone(), ..client.answer(&scanned, &wallet.key).unwrap() }
    };
    let price =
        |change: &dyn Fn(&mut Price)| answered(&|code| change(code.terms.price.as_mut().unwrap()));
    let altered = [
        answered(&|code| code.uid = Uid::new("O-OTHER").unwrap()),
        answered(&|code| code.terms.expires_s = Some(1)),
        price(&|price| price.amount = cny(12_344)),
        price(&|price| {
            let jpy = port::Currency::parse("JPY").unwrap();
            price.amount = port::Amount::new(12_345, jpy);
        }),
        price(&|price| price.payee = Payee::new("Coffee House").unwrap()),
    ];
    for request in &altered {
        assert_ne!(request.reply, right.reply);
    }
    for request in altered.iter().take(4) {
        assert_eq!(bank.refusal(request), Some(Refusal::Refused));
    }
    assert!(bank.redeem(&right).granted().is_some());
}

#[test]
fn q10_the_reply_depends_on_the_challenge() {
    let (mut bank, wallet) = Bank::with_payer();
    let first = bank.order();
    let old = wallet.answer(&first);
    bank.after_ms(1_000);
    let second = bank.refresh(&first.uid, None).granted().unwrap();
    let new = wallet.answer(&second);
    assert_eq!((&old.account, &old.uid), (&new.account, &new.uid));
    assert_ne!(old.reply, new.reply);
    bank.after_ms(10_000);
    assert_eq!(bank.refusal(&old), Some(Refusal::Expired), "the old reply answers nothing open");
    assert_eq!(bank.item(&first.uid).challenges.iter().map(|one| one.tries).max(), Some(0));
    assert!(bank.redeem(&new).granted().is_some());
}

#[test]
fn qd05_expiry_is_exact() {
    for (before_ms, expected) in [(1, None), (0, Some(Refusal::Expired))] {
        let (mut bank, wallet) = Bank::with_payer();
        let issued = bank.order();
        let request = wallet.answer(&issued);
        assert_eq!(issued.expires_s, bank.now.as_s() + 120);
        bank.now = Time::from_s(issued.expires_s).minus_ms(before_ms);
        assert_eq!(bank.refusal(&request), expected);
    }
}

#[test]
fn five_wrong_replies_kill_a_challenge() {
    let (bank, wallet) = Bank::with_payer();
    let issued = bank.order();
    let right = wallet.answer(&issued);
    for byte in 0..5 {
        assert_eq!(bank.refusal(&wrong(&right, byte)), Some(Refusal::Refused));
    }
    assert_eq!(bank.item(&issued.uid).challenges[0].state, ChallengeState::Killed);
    assert_eq!(bank.refusal(&right), Some(Refusal::NoOpenChallenge));
    let fresh = bank.refresh(&issued.uid, None).granted().unwrap();
    assert!(bank.redeem(&wallet.answer(&fresh)).granted().is_some());
}

#[test]
fn the_same_wrong_reply_again_is_no_further_guess() {
    let (bank, wallet) = Bank::with_payer();
    let issued = bank.order();
    let right = wallet.answer(&issued);
    for _ in 0..20 {
        assert_eq!(bank.refusal(&wrong(&right, 1)), Some(Refusal::Refused));
    }
    assert_eq!(bank.item(&issued.uid).challenges[0].tries, 1);
    assert!(bank.redeem(&right).granted().is_some());
}

#[test]
fn ten_wrong_replies_within_an_hour_lock_the_account() {
    let (mut bank, wallet) = Bank::with_payer();
    let mut tries = 0;
    for order in 0..5 {
        let right = wallet.answer(&bank.order());
        for byte in 0..2 {
            assert_eq!(bank.refusal(&wrong(&right, order * 2 + byte)), Some(Refusal::Refused));
            tries += 1;
        }
        bank.after_ms(60_000);
    }
    assert_eq!(tries, 10);
    let right = wallet.answer(&bank.order());
    assert_eq!(bank.refusal(&right), Some(Refusal::Locked));
    assert!(bank.rebind(&wallet.account, Rebinding::Unlock).granted().is_some());
    assert!(bank.redeem(&right).granted().is_some());
}

#[test]
fn wrong_replies_spread_over_more_than_an_hour_do_not_lock() {
    let (mut bank, wallet) = Bank::with_payer();
    for byte in 0..40 {
        let right = wallet.answer(&bank.order());
        assert_eq!(bank.refusal(&wrong(&right, byte)), Some(Refusal::Refused));
        bank.after_ms(401_000);
    }
    assert!(bank.redeem(&wallet.answer(&bank.order())).granted().is_some());
}

#[test]
fn a_right_reply_forgets_the_wrong_ones_before() {
    let (bank, wallet) = Bank::with_payer();
    for byte in 0..9 {
        let right = wallet.answer(&bank.order());
        assert_eq!(bank.refusal(&wrong(&right, byte)), Some(Refusal::Refused));
    }
    assert!(bank.redeem(&wallet.answer(&bank.order())).granted().is_some());
    let right = wallet.answer(&bank.order());
    assert_eq!(bank.refusal(&wrong(&right, 100)), Some(Refusal::Refused));
    assert!(bank.redeem(&right).granted().is_some(), "not locked by nine old failures and one new");
}

#[test]
fn qd06_unknown_account_wrong_device_and_wrong_pin_read_alike() {
    let (bank, wallet) = Bank::with_payer();
    let pin = |text: &str| Pin::new(text.to_owned()).unwrap();
    let with_pin = |device: &str, right: &str, typed: &str| {
        let device = DeviceId::new(device.to_owned()).unwrap();
        let secret = DeviceSecret::draw(&bank.entropy());
        let key = use_key(&secret, Some(&pin(right)), &wallet.account, &device, 1).unwrap();
        let enrolled = Enrolled::Hmac { use_key: key, typed_digits: 0 };
        assert!(bank.bind(&wallet.account, &device, 1, enrolled).granted().is_some());
        ReplyKey::mac(&use_key(&secret, Some(&pin(typed)), &wallet.account, &device, 1).unwrap())
    };
    let scanned = |issued: &Issued| wallet.client.read(bank.now, &issued.code.to_text()).unwrap();
    let right_pin = with_pin("pin-1", "1234", "1234");
    let wrong_pin = with_pin("pin-2", "1234", "1235");
    let wrong_device = ReplyKey::mac(&seal::Secret::new([0xEE; 32]));
    let stranger = PaymentClient::new(seal::Account::new(OTHER_ACCOUNT).unwrap(), bank.trust());

    let order = bank.order();
    let answers = [
        wallet.client.answer(&scanned(&order), &wrong_pin).unwrap(),
        wallet.client.answer(&scanned(&order), &wrong_device).unwrap(),
        stranger.answer(&scanned(&order), &wallet.key).unwrap(),
    ];
    let mut verdicts: Vec<_> = answers.iter().map(|request| bank.redeem(request)).collect();
    verdicts.dedup();
    assert_eq!(verdicts, [Verdict::Declined(Refusal::Refused)]);
    let item = bank.item(&order.uid);
    assert_eq!(item.challenges[0].tries, 3, "each of them was counted");
    let right = wallet.client.answer(&scanned(&order), &right_pin).unwrap();
    assert!(bank.redeem(&right).granted().is_some());
}

#[test]
fn a_key_holders_trouble_is_not_the_payers_wrong_reply() {
    let (mut bank, wallet) = Bank::with_payer();
    let request = wallet.answer(&bank.order());
    bank.keys.remove(port::KeyId(2));
    let token = bank.tokens.token(&request.account);
    let mut redeem = bank.server.redeem(bank.now, request.clone(), token);
    let failed = decide(&bank.store, &bank.keys, &mut redeem).unwrap_err();
    let expected = Error::Keys(port::KeyRefusal::UnknownKey);
    assert_eq!(failed, port::DecideError::Decision(expected));
    bank.keys.add_wrapping(port::KeyId(2), &seal::Secret::new([2; 32]));
    assert!(bank.redeem(&request).granted().is_some(), "nothing was counted");
}

#[test]
fn a_clock_that_is_far_behind_decides_nothing() {
    let (mut bank, wallet) = Bank::with_payer();
    let issued = bank.order();
    let request = wallet.answer(&issued);
    let token = bank.tokens.token(&request.account);
    bank.now = bank.now.minus_ms(5_001);
    let mut redeem = bank.server.redeem(bank.now, request.clone(), token);
    let failed = decide(&bank.store, &bank.keys, &mut redeem).unwrap_err();
    assert!(matches!(failed, port::DecideError::Decision(Error::Clock(_))), "{failed:?}");
    bank.after_ms(1);
    assert!(bank.redeem(&request).granted().is_some(), "within the stated bound");
}

#[test]
fn every_verdict_carries_its_record() {
    let (bank, wallet) = Bank::with_payer();
    let right = wallet.answer(&bank.order());
    let declined = bank.audited(&wrong(&right, 1)).audit;
    assert_eq!((&*declined.action, &declined.reasons[..]), ("qrpay.redeem.declined", &[2_003][..]));
    let accepted = bank.audited(&right);
    let audit = accepted.audit;
    assert_eq!(&*audit.action, "qrpay.redeem.accepted");
    assert_eq!(audit.correlation, accepted.verdict.granted().unwrap().payment.0);
    assert_eq!(audit.policy, Policy::default().digest());
    assert_eq!(&audit.actor[..], bank.tokens.token(&wallet.account).as_bytes());
    let mut stored = Vec::new();
    audit.encode(&mut stored).unwrap();
    let clear = crate::bank::ACCOUNT.as_bytes();
    assert!(!stored.windows(clear.len()).any(|part| part == clear), "no clear account in it");
}
