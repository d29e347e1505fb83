//! Identifiers, challenges, idempotent issue, refresh, commodities.

use crate::bank::{Bank, cny, wrong};
use interbank_qrpay::*;
use std::collections::BTreeSet;

#[test]
fn q02_no_two_identifiers_are_equal_and_both_kinds_are_served() {
    let bank = Bank::new();
    let mut seen = BTreeSet::new();
    for n in 0..500 {
        let issued = if n % 2 == 0 { bank.order() } else { bank.commodity() };
        let first = if n % 2 == 0 { "O" } else { "C" };
        assert!(issued.uid.as_str().starts_with(first));
        assert!(seen.insert(issued.uid), "an identifier came twice");
    }
    // Also straight from the draw, many more.
    for n in 0..50_000_u64 {
        let mut entropy = [9; 32];
        entropy[..8].copy_from_slice(&n.to_be_bytes());
        assert!(seen.insert(Uid::draw(&entropy, Kind::Order)), "draw {n} came twice");
    }
}

#[test]
fn q03_challenges_have_128_bits_and_do_not_repeat() {
    let mut drawn: Vec<u128> = (0..1_000_000_u64)
        .map(|n| {
            let mut entropy = [7; 32];
            entropy[8..16].copy_from_slice(&n.to_be_bytes());
            u128::from_be_bytes(Challenge::draw(&entropy).0)
        })
        .collect();
    let ones: u64 = drawn.iter().map(|challenge| u64::from(challenge.count_ones())).sum();
    let share = ones as f64 / (128.0 * drawn.len() as f64);
    assert!((0.499..0.501).contains(&share), "share of one bits: {share}");
    let every = drawn.iter().fold(0, |all, challenge| all | challenge);
    assert_eq!(every, u128::MAX, "every bit is drawn");
    drawn.sort_unstable();
    assert!(drawn.windows(2).all(|pair| pair[0] != pair[1]));
    assert_eq!(Challenge::draw(&[1; 32]), Challenge::draw(&[1; 32]), "entropy is injected");
}

#[test]
fn issue_is_idempotent_by_the_merchants_key() {
    let bank = Bank::new();
    let first = bank.issue(bank.request("k")).granted().unwrap();
    let again = bank.issue(bank.request("k")).granted().unwrap();
    assert!(again.repeated && !first.repeated);
    assert_eq!((again.uid, again.code.to_text()), (first.uid, first.code.to_text()));
    let mut other = bank.request("k");
    other.price.amount = cny(1);
    assert_eq!(bank.issue(other).declined(), Some(Refusal::KeyReused));
    let mut neighbour = bank.request("k");
    neighbour.merchant = Uid::new("M0002").unwrap();
    assert!(!bank.issue(neighbour).granted().unwrap().repeated, "keys are the merchant's own");
}

#[test]
fn issue_refuses_what_cannot_be_paid() {
    let bank = Bank::new();
    for minor in [0, -1] {
        let mut request = bank.request("k");
        request.price.amount = cny(minor);
        assert_eq!(bank.server.issue(bank.now, &[0; 32], request).err(), Some(Misuse::Amount));
    }
    let mut request = bank.request("");
    assert_eq!(bank.server.issue(bank.now, &[0; 32], request.clone()).err(), Some(Misuse::Text));
    request.idempotency_key = vec![b'k'; 65].into();
    assert_eq!(bank.server.issue(bank.now, &[0; 32], request).err(), Some(Misuse::Text));
}

#[test]
fn qd04_a_commodity_has_several_open_challenges() {
    let (bank, wallet) = Bank::with_payer();
    let first = bank.commodity();
    let second = bank.refresh(&first.uid, None).granted().unwrap();
    let third = bank.refresh(&first.uid, None).granted().unwrap();
    assert_eq!(second.code.challenge_ref, Some(2));
    // With the reference, and without it: the open ones are tried.
    assert!(bank.redeem(&wallet.answer(&second)).granted().is_some());
    let without = PaymentRequest { challenge_ref: None, ..wallet.answer(&third) };
    assert!(bank.redeem(&without).granted().is_some());
    assert!(bank.redeem(&wallet.answer(&first)).granted().is_some());
    assert_eq!(bank.debits(), 3);
    assert_eq!(bank.item(&first.uid).state, State::Open, "a commodity is sold on");
    // A reference that names another challenge does not help.
    let fourth = bank.refresh(&first.uid, None).granted().unwrap();
    let misnamed = PaymentRequest { challenge_ref: Some(99), ..wallet.answer(&fourth) };
    assert_eq!(bank.refusal(&misnamed), Some(Refusal::NoOpenChallenge));
}

#[test]
fn qd04_open_challenges_are_bounded() {
    let bank = Bank::new();
    let first = bank.commodity();
    for _ in 1..16 {
        assert!(bank.refresh(&first.uid, None).granted().is_some());
    }
    assert_eq!(bank.refresh(&first.uid, None).declined(), Some(Refusal::TooMany));
    // Replacing one display's challenge makes no room either, until its grace is over.
    assert_eq!(bank.item(&first.uid).challenges.len(), 16);
}

#[test]
fn qd04_consumed_challenges_make_room() {
    let (bank, wallet) = Bank::with_payer();
    let first = bank.commodity();
    let mut last = first.clone();
    for _ in 0..40 {
        assert!(bank.redeem(&wallet.answer(&last)).granted().is_some());
        last = bank.refresh(&first.uid, None).granted().unwrap();
    }
    assert_eq!(bank.debits(), 40);
    assert!(bank.item(&first.uid).challenges.len() <= 16);
}

#[test]
fn qd07_a_refreshed_display_leaves_a_grace() {
    for (grace_ms, waited_ms, taken) in
        [(5_000, 4_999, true), (5_000, 5_000, false), (0, 0, false), (60_000, 59_999, true)]
    {
        let mut policy = Policy::default();
        policy.grace_ms = grace_ms;
        let mut bank = Bank::with_policy(policy);
        let wallet = bank.enroll(crate::bank::ACCOUNT, "phone-1");
        let old = bank.order();
        let new = bank.refresh(&old.uid, None).granted().unwrap();
        bank.after_ms(waited_ms);
        let found = bank.refusal(&wallet.answer(&old));
        let expected = if taken { None } else { Some(Refusal::Expired) };
        assert_eq!(found, expected, "grace {grace_ms}, waited {waited_ms}");
        let found = bank.refusal(&wallet.answer(&new));
        assert_eq!(found, if taken { Some(Refusal::AlreadyUsed) } else { None });
    }
}

#[test]
fn qd07_a_second_refresh_does_not_prolong_the_first_grace() {
    let (mut bank, wallet) = Bank::with_payer();
    let old = bank.order();
    for _ in 0..3 {
        assert!(bank.refresh(&old.uid, None).granted().is_some());
        bank.after_ms(2_000);
    }
    assert_eq!(bank.refusal(&wallet.answer(&old)), Some(Refusal::Expired));
}

#[test]
fn a_display_of_a_commodity_is_refreshed_alone() {
    let (mut bank, wallet) = Bank::with_payer();
    let left = bank.commodity();
    let right = bank.refresh(&left.uid, None).granted().unwrap();
    let new_left = bank.refresh(&left.uid, Some(left.challenge_ref)).granted().unwrap();
    bank.after_ms(5_000);
    assert_eq!(bank.refusal(&wallet.answer(&left)), Some(Refusal::Expired));
    assert_eq!(bank.refusal(&wallet.answer(&right)), None);
    assert_eq!(bank.refusal(&wallet.answer(&new_left)), None);
}

#[test]
fn an_order_is_payable_for_its_time_only() {
    let (mut bank, wallet) = Bank::with_payer();
    let issued = bank.order();
    bank.after_ms(Policy::default().order_valid_ms);
    assert_eq!(bank.refusal(&wallet.answer(&issued)), Some(Refusal::OrderNotPayable));
    assert_eq!(bank.refresh(&issued.uid, None).declined(), Some(Refusal::OrderNotPayable));
    let nobody = Uid::new("O404").unwrap();
    assert_eq!(bank.refresh(&nobody, None).declined(), Some(Refusal::UnknownItem));
    let unknown = PaymentRequest { uid: nobody, ..wrong(&wallet.answer(&issued), 1) };
    assert_eq!(bank.refusal(&unknown), Some(Refusal::UnknownItem));
}
