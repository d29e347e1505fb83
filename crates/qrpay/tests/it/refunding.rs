//! Refunds and cancellation: never more than was paid.

use crate::bank::{Bank, cny};
use interbank_qrpay::*;
use port::{Amount, Currency};

fn refund(bank: &Bank, uid: &Uid, id: PaymentId, key: &str, amount: Amount) -> Verdict<Refunded> {
    let refund = bank.server.refund(bank.now, uid.clone(), id, key.to_owned(), amount);
    bank.decide(refund.unwrap()).verdict
}

#[test]
fn partial_refunds_add_up_to_the_payment_and_no_further() {
    let (bank, wallet) = Bank::with_payer();
    let (uid, id) = bank.paid(&wallet);
    let first = refund(&bank, &uid, id, "r1", cny(12_000)).granted().unwrap();
    assert_eq!(first.refundable, cny(345));
    assert_eq!(refund(&bank, &uid, id, "r2", cny(346)).declined(), Some(Refusal::RefundTooLarge));
    let rest = refund(&bank, &uid, id, "r3", cny(345)).granted().unwrap();
    assert_eq!(rest.refundable, cny(0));
    assert_eq!(refund(&bank, &uid, id, "r4", cny(1)).declined(), Some(Refusal::RefundTooLarge));
    let sum: i64 = bank.owed().iter().map(|owed| owed.3.amount.minor()).sum();
    assert_eq!(sum, 12_345);
}

#[test]
fn a_refund_is_idempotent_by_its_id() {
    let (bank, wallet) = Bank::with_payer();
    let (uid, id) = bank.paid(&wallet);
    assert!(!refund(&bank, &uid, id, "r1", cny(100)).granted().unwrap().repeated);
    assert!(refund(&bank, &uid, id, "r1", cny(100)).granted().unwrap().repeated);
    assert_eq!(refund(&bank, &uid, id, "r1", cny(101)).declined(), Some(Refusal::KeyReused));
    assert_eq!(bank.owed().len(), 1);
    bank.settle_all(Settlement::Done);
    let again = refund(&bank, &uid, id, "r1", cny(100)).granted().unwrap();
    assert_eq!(again.refund.state, RefundState::Done);
    assert!(bank.owed().is_empty());
}

#[test]
fn a_declined_refund_can_be_made_again_under_another_id() {
    let (bank, wallet) = Bank::with_payer();
    let (uid, id) = bank.paid(&wallet);
    assert!(refund(&bank, &uid, id, "r1", cny(12_345)).granted().is_some());
    bank.settle_all(Settlement::Declined(91));
    assert_eq!(bank.payment(&uid, id).refunded_minor, 0);
    assert!(refund(&bank, &uid, id, "r2", cny(12_345)).granted().is_some());
    let found = bank.decide(bank.server.look_up_payment(uid, id)).unwrap();
    let states: Vec<_> = found.refunds.iter().map(|(key, one)| (&key[..], one.state)).collect();
    assert_eq!(states, [(&b"r1"[..], RefundState::Declined), (b"r2", RefundState::Owed)]);
}

#[test]
fn only_paid_payments_are_refunded() {
    let (bank, wallet) = Bank::with_payer();
    let issued = bank.order();
    let id = bank.redeem(&wallet.answer(&issued)).granted().unwrap().payment;
    assert_eq!(refund(&bank, &issued.uid, id, "r", cny(1)).declined(), Some(Refusal::NotNow));
    bank.settle_all(Settlement::Done);
    let jpy = Amount::new(1, Currency::parse("JPY").unwrap());
    assert_eq!(refund(&bank, &issued.uid, id, "r", jpy).declined(), Some(Refusal::RefundTooLarge));
    let nobody = refund(&bank, &issued.uid, PaymentId([0; 16]), "r", cny(1));
    assert_eq!(nobody.declined(), Some(Refusal::UnknownPayment));
    let none = bank.server.refund(bank.now, issued.uid.clone(), id, "r", cny(0));
    assert_eq!(none.err(), Some(Misuse::Amount));
    let unnamed = bank.server.refund(bank.now, issued.uid, id, "", cny(1));
    assert_eq!(unnamed.err(), Some(Misuse::Text));
}

#[test]
fn an_open_order_is_cancelled_and_a_paid_one_is_not() {
    let (bank, wallet) = Bank::with_payer();
    let cancel = |uid: &Uid| bank.decide(bank.server.cancel(bank.now, uid.clone())).verdict;
    let issued = bank.order();
    let request = wallet.answer(&issued);
    for _ in 0..2 {
        assert_eq!(cancel(&issued.uid), Verdict::Granted(State::Cancelled));
    }
    assert_eq!(bank.refusal(&request), Some(Refusal::OrderNotPayable));
    let (uid, _) = bank.paid(&wallet);
    assert_eq!(cancel(&uid).declined(), Some(Refusal::NotNow));
    let accepted = bank.order();
    assert!(bank.redeem(&wallet.answer(&accepted)).granted().is_some());
    assert_eq!(cancel(&accepted.uid).declined(), Some(Refusal::NotNow));
    assert_eq!(cancel(&Uid::new("O404").unwrap()).declined(), Some(Refusal::UnknownItem));
}
