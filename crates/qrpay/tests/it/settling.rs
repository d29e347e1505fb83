//! The accounting system's answers, their absence, and late ones.

use crate::bank::Bank;
use interbank_qrpay::*;

#[test]
fn a_confirmed_debit_makes_the_order_paid_once() {
    let (bank, wallet) = Bank::with_payer();
    let issued = bank.order();
    let accepted = bank.redeem(&wallet.answer(&issued)).granted().unwrap();
    let owed = bank.owed();
    assert_eq!(owed.len(), 1);
    let (key, row, entry, instruction) = owed[0].clone();
    assert_eq!(instruction.payment, accepted.payment);
    assert_eq!(instruction.amount, accepted.price.amount);
    // The second answer to the same entry changes nothing, and its record does not say that it did.
    for action in ["qrpay.settle.paid", "qrpay.settle.repeated"] {
        let answer = Settlement::Done.to_bytes();
        let settle = bank.server.settle(bank.now, key.clone(), row.version, &entry, &answer);
        let settled = bank.decide(settle.unwrap());
        assert_eq!(settled.audit.action, action);
        assert_eq!(settled.verdict.granted().unwrap().state, PaymentState::Paid);
        assert_eq!(bank.owed(), []);
    }
    assert_eq!(bank.item(&issued.uid).state, State::Paid);
}

#[test]
fn a_declined_debit_opens_the_order_again() {
    let (bank, wallet) = Bank::with_payer();
    let issued = bank.order();
    let accepted = bank.redeem(&wallet.answer(&issued)).granted().unwrap();
    let settled = bank.settle_all(Settlement::Declined(51));
    assert_eq!(settled[0].state, PaymentState::Declined);
    assert_eq!(bank.payment(&issued.uid, accepted.payment).cause, 51);
    assert_eq!(bank.item(&issued.uid).state, State::Open);
    assert_eq!(
        bank.refusal(&wallet.answer(&issued)),
        None,
        "the stored result of the same request"
    );
    let fresh = bank.refresh(&issued.uid, None).granted().unwrap();
    assert!(bank.redeem(&wallet.answer(&fresh)).granted().is_some());
    bank.settle_all(Settlement::Done);
    assert_eq!(bank.item(&issued.uid).state, State::Paid);
}

fn lapsed(late: Late) -> (Bank, Uid, PaymentId) {
    let mut policy = Policy::default();
    policy.late = late;
    let mut bank = Bank::with_policy(policy);
    let wallet = bank.enroll(crate::bank::ACCOUNT, "phone-1");
    let issued = bank.order();
    let id = bank.redeem(&wallet.answer(&issued)).granted().unwrap().payment;
    bank.after_ms(policy.settle_ms - 1);
    let early = bank.decide(bank.server.lapse(bank.now, issued.uid.clone(), id)).verdict;
    assert_eq!(early.declined(), Some(Refusal::NotNow));
    bank.after_ms(1);
    let lapse = bank.decide(bank.server.lapse(bank.now, issued.uid.clone(), id)).verdict;
    assert_eq!(lapse, Verdict::Granted(PaymentState::Lapsed));
    assert_eq!(bank.item(&issued.uid).state, State::Lapsed);
    assert_eq!(bank.debits(), 1, "the debit stays owed: it may have been made");
    (bank, issued.uid, id)
}

#[test]
fn a_late_confirmation_is_reversed_not_lost() {
    let (bank, uid, id) = lapsed(Late::Reverse);
    assert_eq!(bank.settle_all(Settlement::Done)[0].state, PaymentState::Reversing);
    let owed = bank.owed();
    assert_eq!((owed.len(), owed[0].3.kind), (1, InstructionKind::Reversal));
    assert_eq!(owed[0].3.amount, bank.payment(&uid, id).price.amount);
    assert_eq!(bank.settle_all(Settlement::Done)[0].state, PaymentState::Reversed);
    assert!(bank.owed().is_empty());
    assert_eq!(bank.item(&uid).state, State::Lapsed);
}

#[test]
fn a_declined_reversal_is_left_for_a_person() {
    let (bank, uid, id) = lapsed(Late::Reverse);
    bank.settle_all(Settlement::Done);
    assert_eq!(bank.settle_all(Settlement::Declined(14))[0].state, PaymentState::Unreversed);
    assert_eq!(bank.payment(&uid, id).cause, 14);
    assert!(bank.owed().is_empty());
}

#[test]
fn a_late_confirmation_may_count_after_all() {
    let (bank, uid, _) = lapsed(Late::Accept);
    assert_eq!(bank.settle_all(Settlement::Done)[0].state, PaymentState::Paid);
    assert_eq!(bank.item(&uid).state, State::Paid);
    // Not when the merchant has withdrawn the order meanwhile.
    let (bank, uid, _) = lapsed(Late::Accept);
    assert!(bank.decide(bank.server.cancel(bank.now, uid.clone())).verdict.granted().is_some());
    assert_eq!(bank.settle_all(Settlement::Done)[0].state, PaymentState::Reversing);
}

#[test]
fn a_late_refusal_ends_the_payment() {
    let (bank, uid, id) = lapsed(Late::Reverse);
    assert_eq!(bank.settle_all(Settlement::Declined(51))[0].state, PaymentState::Declined);
    assert!(bank.owed().is_empty());
    assert_eq!(bank.payment(&uid, id).cause, 51);
}

#[test]
fn a_paid_order_does_not_lapse() {
    let (mut bank, wallet) = Bank::with_payer();
    let (uid, id) = bank.paid(&wallet);
    bank.after_ms(Policy::default().settle_ms);
    let lapse = bank.decide(bank.server.lapse(bank.now, uid.clone(), id)).verdict;
    assert_eq!(lapse.declined(), Some(Refusal::NotNow));
    let nobody = bank.decide(bank.server.lapse(bank.now, uid, PaymentId([0; 16]))).verdict;
    assert_eq!(nobody.declined(), Some(Refusal::UnknownPayment));
}

#[test]
fn answers_that_are_none_are_refused() {
    let (bank, wallet) = Bank::with_payer();
    assert!(bank.redeem(&wallet.answer(&bank.order())).granted().is_some());
    let (key, row, entry, _) = bank.owed().remove(0);
    for answer in
        [&b""[..], b"\x01", b"\x01\x02\0\0\0\0", b"\x01\x01\0\0\0\x01", b"\x02\x01\0\0\0\0"]
    {
        let refused = bank.server.settle(bank.now, key.clone(), row.version, &entry, answer);
        assert!(matches!(refused.err(), Some(Error::Corrupt(_))));
    }
}
