//! Guesses: whoever has a device's secret and not its PIN gets no more of them than the limits say, on any way.

use crate::bank::{Bank, OTHER_ACCOUNT, Wallet, wrong};
use interbank_qrpay::*;

/// A payer, a thief with an account of his own, and a commodity whose challenge the thief has paid.
fn answered_by_a_thief() -> (Bank, Wallet, Issued) {
    let (bank, victim) = Bank::with_payer();
    let thief = bank.enroll(OTHER_ACCOUNT, "phone-2");
    let issued = bank.commodity();
    assert!(bank.redeem(&thief.answer(&issued)).granted().is_some());
    (bank, victim, issued)
}

fn tries(bank: &Bank, issued: &Issued, at: usize) -> (ChallengeState, u8) {
    let displayed = bank.item(&issued.uid).challenges[at];
    (displayed.state, displayed.tries)
}

#[test]
fn guesses_at_an_answered_challenge_are_counted_and_end() {
    let (bank, victim, issued) = answered_by_a_thief();
    let right = victim.answer(&issued);
    assert!(right.challenge_ref.is_some());
    assert_eq!(bank.refusal(&right), Some(Refusal::AlreadyUsed));
    for byte in 1..=5 {
        assert_eq!(bank.refusal(&wrong(&right, byte)), Some(Refusal::Refused));
        assert_eq!(tries(&bank, &issued, 0), (ChallengeState::Consumed, byte));
        assert_eq!(bank.failures(&victim), usize::from(byte));
    }
    for request in [&right, &wrong(&right, 6), &wrong(&right, 7)] {
        assert_eq!(bank.refusal(request), Some(Refusal::AlreadyUsed), "right or wrong");
    }
    assert_eq!(tries(&bank, &issued, 0).1, 5);
    assert_eq!(bank.failures(&victim), 5, "what is not tried is no guess");
}

#[test]
fn the_same_guess_at_an_answered_challenge_again_is_not_counted() {
    let (bank, victim, issued) = answered_by_a_thief();
    let right = victim.answer(&issued);
    for _ in 0..20 {
        assert_eq!(bank.refusal(&wrong(&right, 1)), Some(Refusal::Refused));
    }
    assert_eq!((tries(&bank, &issued, 0).1, bank.failures(&victim)), (1, 1));
    assert_eq!(bank.refusal(&right), Some(Refusal::AlreadyUsed));
    assert_eq!(bank.failures(&victim), 1, "a right reply that comes second is none");
}

#[test]
fn guesses_at_many_answered_challenges_lock_the_account() {
    let (bank, victim) = Bank::with_payer();
    let thief = bank.enroll(OTHER_ACCOUNT, "phone-2");
    for round in 0..5 {
        let issued = bank.commodity();
        assert!(bank.redeem(&thief.answer(&issued)).granted().is_some());
        for byte in 0..2 {
            let guess = wrong(&victim.answer(&issued), round * 2 + byte);
            assert_eq!(bank.refusal(&guess), Some(Refusal::Refused));
        }
    }
    let issued = bank.commodity();
    assert!(bank.redeem(&thief.answer(&issued)).granted().is_some());
    let right = victim.answer(&issued);
    assert_eq!(bank.refusal(&right), Some(Refusal::Locked));
    assert_eq!(bank.refusal(&wrong(&right, 99)), Some(Refusal::Locked));
}

#[test]
fn guesses_at_an_order_whose_debit_was_declined_are_counted() {
    let (bank, victim) = Bank::with_payer();
    let thief = bank.enroll(OTHER_ACCOUNT, "phone-2");
    let issued = bank.order();
    assert!(bank.redeem(&thief.answer(&issued)).granted().is_some());
    bank.settle_all(Settlement::Declined(51));
    assert_eq!(bank.item(&issued.uid).state, State::Open);
    let right = victim.answer(&issued);
    for byte in 1..=5 {
        assert_eq!(bank.refusal(&wrong(&right, byte)), Some(Refusal::Refused));
    }
    assert_eq!((tries(&bank, &issued, 0).1, bank.failures(&victim)), (5, 5));
    assert_eq!(bank.refusal(&right), Some(Refusal::AlreadyUsed));
}

#[test]
fn a_guess_is_counted_on_every_challenge_that_it_was_tried_against() {
    let (mut bank, victim) = Bank::with_payer();
    let thief = bank.enroll(OTHER_ACCOUNT, "phone-2");
    let expired = bank.commodity();
    bank.after_ms(60_000);
    let consumed = bank.refresh(&expired.uid, None).granted().unwrap();
    bank.after_ms(60_000);
    assert!(bank.redeem(&thief.answer(&consumed)).granted().is_some());
    let unnamed = |issued| PaymentRequest { challenge_ref: None, ..victim.answer(issued) };
    assert_eq!(bank.refusal(&unnamed(&expired)), Some(Refusal::Expired));
    assert_eq!(bank.refusal(&unnamed(&consumed)), Some(Refusal::AlreadyUsed));
    for byte in 1..=4 {
        assert_eq!(bank.refusal(&wrong(&unnamed(&expired), byte)), Some(Refusal::Refused));
        assert_eq!(tries(&bank, &expired, 0), (ChallengeState::Open, byte));
        assert_eq!(tries(&bank, &expired, 1), (ChallengeState::Consumed, byte));
        assert_eq!(bank.failures(&victim), usize::from(byte));
    }
    assert_eq!(bank.refusal(&wrong(&unnamed(&expired), 5)), Some(Refusal::Refused));
    assert_eq!(tries(&bank, &expired, 0), (ChallengeState::Killed, 5));
    for request in [unnamed(&expired), unnamed(&consumed), wrong(&unnamed(&expired), 6)] {
        assert_eq!(bank.refusal(&request), Some(Refusal::AlreadyUsed), "nothing is tried any more");
    }
}

/// What a payer has paid, in every state that it may get into, and what everybody is told of it then.
fn paid_things() -> Vec<(&'static str, Bank, Wallet, PaymentRequest, Refusal)> {
    type Later = fn(&mut Bank, &Issued);
    let thing = |name, is_order: bool, later: Later, refusal| {
        let (mut bank, payer) = Bank::with_payer();
        let issued = if is_order { bank.order() } else { bank.commodity() };
        let request = payer.answer(&issued);
        assert!(bank.redeem(&request).granted().is_some());
        later(&mut bank, &issued);
        (name, bank, payer, request, refusal)
    };
    let refreshed: Later = |bank, issued| {
        bank.after_ms(600_000);
        assert!(bank.refresh(&issued.uid, None).granted().is_some());
        assert_eq!(bank.item(&issued.uid).challenges.len(), 1, "the paid one is gone");
    };
    let cancelled: Later = |bank, issued| {
        let cancel = bank.server.cancel(bank.now, issued.uid.clone());
        assert!(bank.decide(cancel).verdict.granted().is_some());
    };
    let purged: Later = |bank, issued| {
        let cancel = bank.server.cancel(bank.now, issued.uid.clone());
        assert!(bank.decide(cancel).verdict.granted().is_some());
        let far = bank.now.plus_ms(Policy::default().record_kept_ms);
        assert_eq!(bank.decide(bank.server.purge(far, PurgeTable::Items, None)).rows, 1);
    };
    use Refusal::{AlreadyUsed, Expired, NoOpenChallenge, OrderNotPayable, UnknownItem};
    vec![
        thing("order, accepted", true, |_, _| {}, AlreadyUsed),
        thing("order, paid", true, |bank, _| drop(bank.settle_all(Settlement::Done)), AlreadyUsed),
        thing("order, long ago", true, |bank, _| bank.after_ms(5 * 86_400_000), AlreadyUsed),
        thing("commodity, ran out", false, |bank, _| bank.after_ms(130_000), Expired),
        thing("commodity, refreshed", false, refreshed, NoOpenChallenge),
        thing("commodity, cancelled", false, cancelled, OrderNotPayable),
        thing("commodity, purged", false, purged, UnknownItem),
    ]
}

#[test]
fn guesses_at_what_was_paid_lock_the_account_and_then_tell_nothing() {
    for (name, bank, payer, paid, refusal) in paid_things() {
        assert!(bank.redeem(&paid).granted().unwrap().repeated, "{name}");
        for byte in 1..=10 {
            assert_eq!(bank.refusal(&wrong(&paid, byte)), Some(refusal), "{name}");
            assert_eq!(bank.failures(&payer), usize::from(byte), "{name}");
            let again = bank.redeem(&paid).granted().is_some_and(|paid| paid.repeated);
            assert_eq!(again, byte < 10, "{name}: a retry, until the account is locked");
        }
        for request in [&paid, &wrong(&paid, 99)] {
            let failures = bank.failures(&payer);
            assert_eq!(bank.refusal(request), Some(refusal), "{name}: right or wrong");
            assert_eq!(bank.failures(&payer), failures, "{name}: nothing is written");
        }
        assert!(bank.rebind(&payer.account, Rebinding::Unlock).granted().is_some());
        assert!(bank.redeem(&paid).granted().unwrap().repeated, "{name}");
    }
}

#[test]
fn a_locked_account_is_not_told_whether_a_request_is_a_retry() {
    let (bank, payer) = Bank::with_payer();
    let issued = bank.commodity();
    let paid = payer.answer(&issued);
    let first = bank.redeem(&paid).granted().unwrap();
    assert!(bank.rebind(&payer.account, Rebinding::Lock).granted().is_some());
    for request in [&paid, &wrong(&paid, 1)] {
        assert_eq!(bank.refusal(request), Some(Refusal::Locked));
    }
    assert!(bank.rebind(&payer.account, Rebinding::Unlock).granted().is_some());
    assert_eq!(bank.redeem(&paid).granted().unwrap().payment, first.payment);
}

#[test]
fn the_same_guess_at_what_was_paid_again_is_not_counted_nor_another_right_reply() {
    let (mut bank, payer) = Bank::with_payer();
    let second = bank.enroll(crate::bank::ACCOUNT, "phone-2");
    let first = bank.order();
    bank.after_ms(1_000);
    let issued = bank.refresh(&first.uid, None).granted().unwrap();
    assert!(bank.redeem(&payer.answer(&issued)).granted().is_some());
    for _ in 0..20 {
        assert_eq!(bank.refusal(&wrong(&payer.answer(&issued), 1)), Some(Refusal::AlreadyUsed));
        assert_eq!(bank.failures(&payer), 1);
    }
    for other in [payer.answer(&first), second.answer(&first), second.answer(&issued)] {
        assert_eq!(bank.refusal(&other), Some(Refusal::AlreadyUsed));
    }
    assert_eq!(bank.failures(&payer), 1, "who knows the PIN does not guess");
}

#[test]
fn who_has_paid_nothing_is_refused_unread_where_nothing_can_be_paid() {
    for (name, bank, _, paid, refusal) in paid_things() {
        let other = bank.enroll(OTHER_ACCOUNT, "phone-2");
        let account = other.account.clone();
        for byte in 0..20 {
            let request = PaymentRequest { account: account.clone(), ..wrong(&paid, byte) };
            assert_eq!(bank.refusal(&request), Some(refusal), "{name}");
        }
        assert_eq!(bank.failures(&other), 0, "{name}");
    }
}

/// A payer who paid for a commodity, and later answered another challenge of it, which never arrived and is gone by now.
fn paid_and_answered_again() -> (Bank, Wallet, PaymentRequest, PaymentRequest) {
    let (mut bank, payer) = Bank::with_payer();
    let issued = bank.commodity();
    let paid = payer.answer(&issued);
    assert!(bank.redeem(&paid).granted().is_some());
    bank.after_ms(600_000);
    let unsent = payer.answer(&bank.refresh(&issued.uid, None).granted().unwrap());
    bank.after_ms(600_000);
    assert!(bank.refresh(&issued.uid, None).granted().is_some());
    assert_eq!(bank.item(&issued.uid).challenges.len(), 1, "both are gone");
    (bank, payer, paid, unsent)
}

#[test]
fn what_comes_late_under_a_reference_that_was_never_paid_is_not_counted() {
    let (bank, payer, paid, unsent) = paid_and_answered_again();
    assert_ne!(paid.challenge_ref, unsent.challenge_ref);
    let unnamed = PaymentRequest { challenge_ref: None, ..unsent.clone() };
    let typed = PaymentRequest {
        reply: Reply::Typed(TypedCode::new(b"12345678").unwrap()),
        ..paid.clone()
    };
    let refused_unread = |refusal| {
        for request in [&unsent, &wrong(&unsent, 1), &typed] {
            for _ in 0..20 {
                assert_eq!(bank.refusal(request), Some(refusal));
            }
        }
        assert_eq!(bank.failures(&payer), 0);
    };
    refused_unread(Refusal::NoOpenChallenge);
    assert!(
        bank.decide(bank.server.cancel(bank.now, paid.uid.clone())).verdict.granted().is_some()
    );
    assert_eq!(bank.refusal(&unnamed), Some(Refusal::OrderNotPayable));
    refused_unread(Refusal::OrderNotPayable);
    let far = bank.now.plus_ms(Policy::default().record_kept_ms);
    assert_eq!(bank.decide(bank.server.purge(far, PurgeTable::Items, None)).rows, 1);
    assert_eq!(bank.refusal(&unnamed), Some(Refusal::UnknownItem));
    refused_unread(Refusal::UnknownItem);
    assert_eq!(bank.refusal(&wrong(&paid, 1)), Some(Refusal::UnknownItem));
    assert_eq!(bank.failures(&payer), 1, "a guess at what was paid is counted all the same");
}

#[test]
fn the_same_guess_at_what_was_paid_is_counted_each_time_once_its_challenge_is_gone() {
    let (bank, payer, paid, _) = paid_and_answered_again();
    for times in 1..=3 {
        assert_eq!(bank.refusal(&wrong(&paid, 1)), Some(Refusal::NoOpenChallenge));
        assert_eq!(bank.failures(&payer), times);
    }
}

#[test]
fn guesses_at_a_payment_that_named_no_challenge_are_counted_where_they_name_none() {
    let (mut bank, payer) = Bank::with_payer();
    let issued = bank.commodity();
    let paid = PaymentRequest { challenge_ref: None, ..payer.answer(&issued) };
    assert!(bank.redeem(&paid).granted().is_some());
    bank.after_ms(130_000);
    let named = payer.answer(&issued);
    assert_eq!(bank.refusal(&wrong(&named, 1)), Some(Refusal::Expired));
    assert_eq!(bank.failures(&payer), 0, "no reply would be told to be a retry");
    assert_eq!(bank.refusal(&wrong(&paid, 1)), Some(Refusal::Expired));
    assert_eq!(bank.failures(&payer), 1);
}

#[test]
fn an_account_that_paid_more_often_than_is_looked_through_is_taken_to_have_paid_all() {
    let (mut bank, payer) = Bank::with_payer();
    let mut issued = bank.commodity();
    for paid in 1..=64 {
        assert!(bank.redeem(&payer.answer(&issued)).granted().is_some());
        bank.after_ms(130_000);
        let unpaid = PaymentRequest { challenge_ref: Some(9_999), ..payer.answer(&issued) };
        assert_eq!(bank.refusal(&wrong(&unpaid, 1)), Some(Refusal::NoOpenChallenge));
        assert_eq!(bank.failures(&payer), usize::from(paid == 64));
        issued = bank.refresh(&issued.uid, None).granted().unwrap();
    }
}
