//! Policy values and end of life.

use crate::bank::Bank;
use interbank_qrpay::*;

fn changed(change: impl FnOnce(&mut Policy)) -> Policy {
    let mut policy = Policy::default();
    change(&mut policy);
    policy
}

#[test]
fn policies_out_of_range_are_refused() {
    assert_eq!(Policy::default().check(), Ok(()));
    for bad in [
        changed(|policy| policy.challenge_ttl_ms = 4_999),
        changed(|policy| policy.challenge_ttl_ms = 86_400_001),
        changed(|policy| policy.grace_ms = 120_001),
        changed(|policy| policy.tries_per_challenge = 0),
        changed(|policy| policy.tries_per_challenge = 21),
        changed(|policy| policy.failures_per_window = 0),
        changed(|policy| policy.open_challenges_max = 65),
        changed(|policy| policy.devices_max = 0),
        changed(|policy| policy.order_valid_ms = 1),
        changed(|policy| policy.settle_ms = 0),
        changed(|policy| policy.outcome_kept_ms = 0),
        changed(|policy| policy.record_kept_ms = 0),
    ] {
        assert_eq!(bad.check(), Err(Misuse::Policy));
        assert_ne!(bad.digest(), Policy::default().digest(), "every value is in the digest");
    }
}

#[test]
fn what_is_over_is_purged_page_by_page_and_nothing_else() {
    let (mut bank, wallet) = Bank::with_payer();
    for _ in 0..120 {
        bank.paid(&wallet);
    }
    let waiting = bank.order();
    let id = bank.redeem(&wallet.answer(&waiting)).granted().unwrap().payment;
    let commodity = bank.commodity();
    let purge = |bank: &Bank, table| {
        let (mut rows, mut pages, mut after) = (0, 0, None);
        loop {
            let purged = bank.decide(bank.server.purge(bank.now, table, after));
            (rows, pages, after) = (rows + purged.rows, pages + 1, purged.next);
            if after.is_none() {
                return (rows, pages);
            }
        }
    };
    use PurgeTable::*;
    for table in [Items, MerchantKeys, Outcomes, Payments, Refunds] {
        assert_eq!(purge(&bank, table).0, 0, "nothing is over yet: {table:?}");
    }
    bank.after_ms(Policy::default().outcome_kept_ms);
    assert_eq!(purge(&bank, Outcomes), (121, 2));
    assert_eq!(purge(&bank, MerchantKeys), (122, 2));
    assert_eq!(purge(&bank, Payments).0, 0);
    bank.after_ms(Policy::default().record_kept_ms);
    assert_eq!(purge(&bank, Payments), (120, 2), "all but the one that waits for its answer");
    assert_eq!(purge(&bank, Items).0, 120, "all but the waiting order and the commodity on sale");
    assert_eq!(bank.payment(&waiting.uid, id).state, PaymentState::Accepted);
    assert_eq!(bank.item(&commodity.uid).state, State::Open);
}

#[test]
fn items_are_listed_in_pages() {
    let bank = Bank::new();
    let mut issued: Vec<_> = (0..130).map(|_| bank.order().uid).collect();
    issued.sort();
    let first = bank.decide(bank.server.list_items(None));
    let second = bank.decide(bank.server.list_items(first.next.clone()));
    assert_eq!((first.items.len(), second.items.len(), second.next), (100, 30, None));
    let listed: Vec<_> = first.items.into_iter().chain(second.items).map(|(uid, _)| uid).collect();
    assert_eq!(listed, issued);
}

#[test]
fn refusals_and_errors_have_codes_of_their_own() {
    let mut codes: Vec<u32> = [
        Refusal::AlreadyUsed,
        Refusal::Debit(1),
        Refusal::Expired,
        Refusal::KeyReused,
        Refusal::Locked,
        Refusal::NoOpenChallenge,
        Refusal::NotNow,
        Refusal::OrderNotPayable,
        Refusal::RefundTooLarge,
        Refusal::Refused,
        Refusal::TooMany,
        Refusal::UnknownDevice,
        Refusal::UnknownItem,
        Refusal::UnknownPayment,
        Refusal::WeakCredential,
    ]
    .map(Refusal::code)
    .into();
    codes.sort_unstable();
    assert_eq!(codes, (2_000..=2_014).collect::<Vec<_>>());
}
