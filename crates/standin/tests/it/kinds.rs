//! What each kind of transaction does to limits, balance and exposure.

use crate::setting::*;
use interbank_standin::*;
use port::Time;

fn kind(bench: &Bench, kind: Kind, trace: u64, minor: i64) -> RequestDraft {
    RequestDraft { kind: Some(kind), ..bench.draft(trace, minor) }
}

fn completion(bench: &Bench, trace: u64, of: u64, minor: i64) -> RequestDraft {
    RequestDraft { original: Some(bench.key_of(of)), ..kind(bench, Kind::Completion, trace, minor) }
}

fn balance(bench: &Bench, minor: i64) {
    let balance = Balance { minor, as_of: NOW, watermark: 0, spent_minor: 0 };
    bench.put_state(&AccountState { balance: Some(balance), ..AccountState::default() });
}

#[test]
fn sd09_a_completion_may_exceed_its_hold_by_the_tolerance_and_no_more() {
    for (tolerance_bp, minor, passes) in
        [(0, 8_000, true), (0, 8_001, false), (1_500, 9_200, true), (1_500, 9_201, false)]
    {
        let bench = Bench::new(|json| json["completion_tolerance_bp"] = tolerance_bp.into());
        assert_eq!(bench.run(NOW, kind(&bench, Kind::PreAuthorization, 1, 8_000)).reason, None);
        let answered = bench.run(NOW, completion(&bench, 2, 1, minor));
        assert_eq!(answered.response.is_approval(), passes, "{tolerance_bp} {minor}");
        let state = bench.state();
        let left = if passes { (minor, 0) } else { (8_000, 1) };
        assert_eq!((state.spent_minor, state.holds.len()), left);
        assert_eq!(bench.out_minor(), left.0);
    }
}

#[test]
fn sd12_a_declined_completion_leaves_the_hold_as_it_was() {
    let bench = Bench::new(|json| {
        json["rules"].as_array_mut().unwrap().push(serde_json::json!({ "number": 2,
            "scope": { "kinds": ["completion"] }, "limits": { "single_minor": 5_000 } }));
    });
    assert_eq!(bench.run(NOW, kind(&bench, Kind::PreAuthorization, 1, 8_000)).reason, None);
    let before = bench.state();
    let answered = bench.run(NOW, completion(&bench, 2, 1, 6_000));
    assert_eq!((answered.reason, answered.rule), (Some(Reason::SingleAmount), 2));
    let after = bench.state();
    assert_eq!(
        (after.spent_minor, &after.holds, &after.counts),
        (8_000, &before.holds, &before.counts)
    );
    assert_eq!(bench.out_minor(), 8_000);
    assert_eq!(bench.run(NOW, completion(&bench, 3, 1, 5_000)).reason, None);
}

#[test]
fn sd09_a_hold_lapses_after_its_time_once_it_is_delivered() {
    let bench = Bench::new(|json| {
        json["pre_authorization_ms"] = 60_000.into();
        json["counters"] = serde_json::json!([]);
        json["rules"][0]["limits"].as_object_mut().unwrap().remove("windows");
    });
    for trace in 1..=8 {
        let answered = bench.run(NOW, kind(&bench, Kind::PreAuthorization, trace, 100));
        assert_eq!(answered.reason, None);
    }
    // Eight at one time, no ninth.
    let ninth = |trace, at| {
        let draft = kind(&bench, Kind::PreAuthorization, trace, 100);
        bench.run(at, draft).reason
    };
    assert_eq!(ninth(9, NOW), Some(Reason::Full));
    // What waits for delivery does not lapse.
    let late = NOW.plus_ms(60_000);
    assert_eq!(ninth(10, late), Some(Reason::Full));
    let settle = bench.stand_in.settle(late, bench.entry_of(1), Settlement::Posted);
    bench.settle(settle);
    assert_eq!((ninth(11, late.minus_ms(1)), ninth(12, late)), (None, Some(Reason::Full)));
    // (The clock was held at the later time already: at most five seconds back count as no time.)
    assert!(bench.state().holds.iter().all(|hold| hold.seq != 1));
    assert_eq!(bench.run(late, completion(&bench, 13, 1, 100)).reason, Some(Reason::NoOriginal));
}

#[test]
fn sd09_a_refund_raises_nothing_unless_the_set_says_so() {
    for (restore, spent) in [(false, 10_000), (true, 4_000)] {
        let bench = Bench::new(|json| json["refunds_restore"] = restore.into());
        assert_eq!(bench.code(1, 10_000), "00");
        assert_eq!(bench.run(NOW, kind(&bench, Kind::Refund, 2, 6_000)).reason, None);
        let state = bench.state();
        assert_eq!((state.spent_minor, state.undelivered), (spent, 2), "{restore}");
        // Counters and exposure are as they were: 15,000 are left in the window, whatever was refunded.
        assert_eq!(bench.out_minor(), 10_000);
        assert_eq!((bench.code(3, 10_000), bench.code(4, 5_001)), ("00".into(), "61".into()));
        // A refund that is reversed takes back what it gave, and releases no counter.
        let counts = bench.state().counts;
        assert_eq!(bench.run(NOW, bench.reversal(5, 2, 6_000)).reason, None);
        assert_eq!((bench.state().spent_minor, bench.state().counts), (20_000, counts));
    }
}

#[test]
fn sd12_an_inquiry_takes_nothing_and_is_not_delivered() {
    let bench = Bench::new(|json| {
        json["balance_age_max_ms"] = 3_600_001.into();
        json["balance_haircut_bp_per_hour"] = 1_000.into();
    });
    let ask = |trace| kind(&bench, Kind::Inquiry, trace, 0);
    assert_eq!(bench.run(NOW, ask(1)).reason, Some(Reason::NoBalance));
    balance(&bench, 50_000);
    assert_eq!(bench.run(NOW, ask(2)).response.balance, Some(cny(50_000)));
    assert_eq!(bench.code(3, 10_000), "00");
    assert_eq!(bench.run(NOW, ask(4)).response.balance, Some(cny(40_000)));
    // An hour begun takes a tenth of what the accounting system said.
    assert_eq!(bench.run(NOW.plus_ms(1), ask(5)).response.balance, Some(cny(35_000)));
    let old = NOW.plus_ms(3_600_001);
    assert_eq!(bench.run(old, ask(6)).reason, Some(Reason::NoBalance));
    assert_eq!((bench.state().undelivered, bench.state().seq), (1, 5));
}

#[test]
fn sd09_the_shadow_balance_is_exact() {
    let bench = Bench::new(|json| json["balance_age_max_ms"] = 1_000.into());
    balance(&bench, 9_000);
    assert_eq!(bench.code(1, 9_001), "51");
    assert_eq!((bench.code(2, 4_000), bench.code(3, 5_001)), ("00".into(), "51".into()));
    assert_eq!((bench.code(4, 5_000), bench.code(5, 1)), ("00".into(), "51".into()));
    // Too old, and balances are not required: the other limits decide.
    assert_eq!(bench.code_at(NOW.plus_ms(1_000), 6, 1), "00");
    let bench = Bench::new(|json| {
        (json["balance_age_max_ms"], json["balance_required"]) = (1_000.into(), true.into());
    });
    balance(&bench, 9_000);
    assert_eq!(bench.code_at(NOW.plus_ms(999), 1, 1), "00");
    assert_eq!(bench.code_at(NOW.plus_ms(1_000), 2, 1), "51");
}

#[test]
fn sd09_a_transfer_is_limited_like_a_purchase_and_names_its_destination() {
    let bench = Bench::new(|_| {});
    let to =
        Some(AccountInfo { token: seal::AccountRef::from_bytes([9; 16]), ..bench.account.clone() });
    let transfer = |trace, minor| RequestDraft {
        to: to.clone(),
        ..kind(&bench, Kind::Transfer, trace, minor)
    };
    assert_eq!(bench.run(NOW, transfer(1, 10_001)).reason, Some(Reason::SingleAmount));
    assert_eq!(bench.run(NOW, transfer(2, 10_000)).reason, None);
    let entry = bench.entry(&bench.entry_of(2)).unwrap();
    assert_eq!(entry.request.to.map(|to| to.token), to.clone().map(|to| to.token));
    let without = kind(&bench, Kind::Transfer, 3, 1);
    assert_eq!(TransactionRequest::new(without), Err(RequestError::NoDestination));
    // The same key to another account is another request.
    let other =
        Some(AccountInfo { token: seal::AccountRef::from_bytes([8; 16]), ..bench.account.clone() });
    let again = RequestDraft { to: other, ..transfer(2, 10_000) };
    assert_eq!(bench.run(NOW, again).reason, Some(Reason::KeyReused));
}

#[test]
fn sd09_a_partial_reversal_gives_back_its_part_rounded_down() {
    let bench = Bench::new(|_| {});
    assert_eq!(bench.code(1, 10_000), "00");
    assert_eq!(bench.run(NOW, bench.reversal(2, 1, 3_000)).reason, None);
    assert_eq!((bench.state().spent_minor, bench.out_minor()), (7_000, 7_000));
    // It still counts as one.
    let codes: Vec<String> = (3..=5).map(|trace| bench.code(trace, 1)).collect();
    assert_eq!(codes, ["00", "00", "65"]);
    // A converted amount: a third of 10.00 in the account's currency is 3.33.
    let bench = Bench::new(|_| {});
    let usd = |minor| Some(port::Amount::new(minor, port::Currency::parse("USD").unwrap()));
    let bought =
        RequestDraft { amount: usd(300), billing: Some(cny(1_000)), ..bench.draft(1, 1_000) };
    assert_eq!(bench.run(NOW, bought).reason, None);
    let reversal = RequestDraft { amount: usd(100), ..bench.reversal(2, 1, 100) };
    assert_eq!(bench.run(NOW, reversal).reason, None);
    assert_eq!(bench.state().spent_minor, 667);
}

#[test]
fn sd12_reversals_before_after_and_instead_of_their_originals() {
    let bench = Bench::new(|_| {});
    // After: both are delivered, in order.
    assert_eq!(bench.code(1, 500), "00");
    assert_eq!(bench.run(NOW, bench.reversal(2, 1, 500)).reason, None);
    let reversal = bench.entry(&bench.entry_of(1).reversal()).unwrap();
    let original = bench.entry(&bench.entry_of(1)).unwrap();
    assert_eq!((original.seq, reversal.seq), (1, 2));
    assert_eq!((original.state, reversal.state), (EntryState::Queued, EntryState::Queued));
    assert_eq!(reversal.previous, original.link().unwrap());
    // Before: kept and delivered; the original is declined when it comes, and owes nothing.
    assert_eq!(bench.run(NOW, bench.reversal(4, 3, 500)).reason, None);
    let late = bench.run(NOW, bench.draft(3, 500));
    assert_eq!(
        (late.reason, late.response.code.to_string()),
        (Some(Reason::ReversedBefore), "12".into())
    );
    // Instead: of something that went online before the outage. It is delivered, and gives nothing back here.
    let before = bench.state();
    assert_eq!(bench.run(NOW, bench.reversal(6, 5, 500)).reason, None);
    let state = bench.state();
    assert_eq!(
        (state.spent_minor, state.undelivered),
        (before.spent_minor, before.undelivered + 1)
    );
    // Of something that the books declined as well: they know nothing of it, and are told nothing.
    let verdict = bench.decide(NOW, HostOutcome::Declined, bench.draft(7, 10_001), vec![]);
    assert!(matches!(verdict, Verdict::Answered(Answered { reason: Some(_), .. })));
    assert_eq!(bench.run(NOW, bench.reversal(8, 7, 10_001)).reason, None);
    let undone = bench.entry(&bench.entry_of(7).reversal()).unwrap();
    assert_eq!(undone.state, EntryState::NotOwed);
    // Of something declined here that the accounting system may have approved: both are owed.
    let asked = bench.draft(9, 10_001);
    let verdict = bench.decide(NOW, HostOutcome::Unknown, asked, vec![]);
    assert!(
        matches!(verdict, Verdict::Answered(answered) if answered.reason == Some(Reason::SingleAmount))
    );
    assert_eq!(bench.entry(&bench.entry_of(9)).unwrap().state, EntryState::Queued);
    assert_eq!(bench.run(NOW, bench.reversal(10, 9, 10_001)).reason, None);
    let undone = bench.entry(&bench.entry_of(9).reversal()).unwrap();
    assert_eq!(undone.state, EntryState::Queued);
}

#[test]
fn the_reversal_of_a_decline_is_owed_as_the_accounting_system_may_have_been_asked_meanwhile() {
    let bench = Bench::new(|_| {});
    // The decline landed late: the request had come again, the books approved, and their answer was lost.
    assert_eq!(bench.code(1, 10_001), "61");
    assert_eq!(bench.entry(&bench.entry_of(1)).unwrap().state, EntryState::NotOwed);
    assert_eq!(bench.run(NOW, bench.reversal(2, 1, 10_001)).reason, None);
    let undone = bench.entry(&bench.entry_of(1).reversal()).unwrap();
    let state = bench.state();
    assert_eq!((undone.state, state.undelivered), (EntryState::Queued, 1));
    assert_eq!((undone.spent_minor, state.spent_minor, bench.out_minor()), (0, 0, 0));
    // A balance that was not told is nothing that could be booked.
    let inquiry = kind(&bench, Kind::Inquiry, 3, 0);
    assert_eq!(bench.run(NOW, inquiry).reason, Some(Reason::NoBalance));
    assert_eq!(bench.run(NOW, bench.reversal(4, 3, 1)).reason, None);
    let undone = bench.entry(&bench.entry_of(3).reversal()).unwrap();
    assert_eq!(undone.state, EntryState::NotOwed);
}

#[test]
fn sd12_the_reversal_of_a_hold_frees_it_once() {
    let bench = Bench::new(|_| {});
    assert_eq!(bench.run(NOW, kind(&bench, Kind::PreAuthorization, 1, 8_000)).reason, None);
    assert_eq!(bench.run(NOW, bench.reversal(2, 1, 8_000)).reason, None);
    let state = bench.state();
    assert_eq!((state.spent_minor, state.holds.len(), bench.out_minor()), (0, 0, 0));
    assert_eq!(bench.run(NOW, completion(&bench, 3, 1, 1)).reason, Some(Reason::NoOriginal));
    // Completed first, then reversed: the completion stands.
    assert_eq!(bench.run(NOW, kind(&bench, Kind::PreAuthorization, 4, 8_000)).reason, None);
    assert_eq!(bench.run(NOW, completion(&bench, 5, 4, 6_000)).reason, None);
    assert_eq!(bench.run(NOW, bench.reversal(6, 4, 8_000)).reason, None);
    assert_eq!((bench.state().spent_minor, bench.out_minor()), (6_000, 6_000));
}

#[test]
fn sd11_a_message_that_is_too_old_or_of_the_future_is_refused() {
    let bench = Bench::new(|_| {});
    let kept_ms = bench.stand_in.config().journal_kept_ms;
    let sent = |trace, sent_at: Time| {
        let draft = RequestDraft { sent_at: Some(sent_at), ..bench.draft(trace, 1) };
        bench.run(NOW, draft)
    };
    assert_eq!(sent(1, NOW.minus_ms(kept_ms)).reason, Some(Reason::OutOfTime));
    assert_eq!(sent(2, NOW.minus_ms(kept_ms - 1)).reason, None);
    assert_eq!(sent(3, NOW.plus_ms(86_400_001)).reason, Some(Reason::OutOfTime));
    assert_eq!(sent(4, NOW.plus_ms(86_400_000)).reason, None);
    assert_eq!(bench.state().seq, 2);
}
