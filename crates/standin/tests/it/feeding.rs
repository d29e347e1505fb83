//! Negative list, VIP list and balances, as the accounting system sends them.

use crate::setting::*;
use interbank_standin::*;
use port::Time;
use port::blocking::decide;
use seal::AccountRef;

fn page(number: u64, updates: Vec<AccountUpdate>) -> FeedPage {
    FeedPage { institution: id(6222), number, updates }
}

fn sealed_by_key(page: &FeedPage, byte: u8) -> SealedFeed {
    let signature = key(byte).sign(&SealedFeed::message(page).unwrap());
    SealedFeed::new(page, ISSUER, 1, signature).unwrap()
}

fn take(bench: &Bench, now: Time, sealed: &SealedFeed) -> FeedVerdict {
    let mut decision = bench.stand_in.take_feed(now, &trust(), sealed);
    decide(&bench.store, &Says(vec![]), &mut decision).unwrap().verdict
}

fn update(bench: &Bench, number: u64, edit: impl FnOnce(&mut AccountUpdate)) {
    assert_eq!(ignored(bench, NOW, number, edit), vec![]);
}

fn ignored(
    bench: &Bench,
    now: Time,
    number: u64,
    edit: impl FnOnce(&mut AccountUpdate),
) -> Vec<Ignored> {
    let mut update = AccountUpdate::of(bench.account.token);
    edit(&mut update);
    match take(bench, now, &sealed_by_key(&page(number, vec![update]), 1)) {
        FeedVerdict::Taken { number: taken, ignored } => {
            assert_eq!(taken, number);
            ignored.into_iter().map(|(_, why)| why).collect()
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn s07_the_negative_list_denies_until_its_end() {
    let bench = Bench::new(|_| {});
    let until = NOW.plus_ms(10_000);
    for (number, code) in (1..).zip(["41", "43", "62", "05"]) {
        let listed = ResponseCode::new(code.as_bytes().try_into().unwrap()).unwrap();
        update(&bench, number, |update| update.deny = Change::Set((listed, until)));
        let trace = number * 10;
        assert_eq!(bench.code_at(until.minus_ms(1), trace, 1), code);
    }
    let answered = bench.run(until.minus_ms(1), bench.draft(50, 1));
    assert_eq!((answered.reason, answered.rule), (Some(Reason::Listed), 0));
    assert_eq!(bench.code_at(until, 51, 1), "00");
    // Taken off the list before its end.
    update(&bench, 5, |update| {
        update.deny = Change::Set((ResponseCode::LOST, Time::from_s(4_000_000_000)))
    });
    assert_eq!(bench.code_at(until, 52, 1), "41");
    update(&bench, 6, |update| update.deny = Change::Clear);
    assert_eq!(bench.code_at(until, 53, 1), "00");
}

#[test]
fn s07_a_vip_has_limits_of_its_own_until_its_end() {
    let bench = Bench::new(|json| {
        json["rules"] = serde_json::json!([
            { "number": 1, "approve": true, "pin": "waive" },
            { "number": 2, "scope": { "vip": false }, "limits": { "single_minor": 100 } },
            { "number": 3, "scope": { "vip": true }, "limits": { "single_minor": 9_000 } }
        ]);
    });
    assert_eq!((bench.code(1, 100), bench.code(2, 101)), ("00".into(), "61".into()));
    let until = NOW.plus_ms(10_000);
    update(&bench, 1, |update| update.vip = Change::Set(until));
    let at = until.minus_ms(1);
    assert_eq!(
        (bench.code_at(at, 3, 9_000), bench.code_at(at, 4, 9_001)),
        ("11".into(), "61".into())
    );
    assert_eq!(
        (bench.code_at(until, 5, 100), bench.code_at(until, 6, 101)),
        ("00".into(), "61".into())
    );
}

#[test]
fn s07_wrong_pins_are_forgotten_when_the_accounting_system_says_so() {
    let bench = Bench::new(|_| {});
    bench.put_state(&AccountState { pin_failures: 3, ..AccountState::default() });
    assert_eq!(bench.code(1, 1), "75");
    update(&bench, 1, |update| update.unlock = true);
    assert_eq!(bench.code(2, 1), "00");
}

fn with_balances() -> Bench {
    Bench::new(|json| {
        json["balance_age_max_ms"] = 86_400_000.into();
        json["rules"][0]["limits"] =
            serde_json::json!({ "single_minor": 100_000, "floor_minor": 100_000 });
    })
}

fn available(bench: &Bench, now: Time) -> i128 {
    bench.state().available_minor(now, 86_400_000, 0).unwrap()
}

#[test]
fn sd01_a_balance_counts_what_came_after_its_watermark() {
    let bench = with_balances();
    for (trace, minor) in [(1, 100), (2, 50), (3, 7)] {
        assert_eq!(bench.code(trace, minor), "00");
    }
    let (first, second) = (bench.entry_of(1), bench.entry_of(2));
    let said = |minor, ms, last: EntryRef| BalanceUpdate {
        minor,
        as_of: NOW.plus_ms(ms),
        last: Some((last.role, last.request)),
    };
    update(&bench, 1, |update| update.balance = Some(said(1_000, 1, first)));
    assert_eq!(available(&bench, NOW), 1_000 - 57);
    update(&bench, 2, |update| update.balance = Some(said(950, 2, second)));
    assert_eq!(available(&bench, NOW), 950 - 7);
    // A reversal of what is in the balance waits for the next balance; one of what is not counts at once.
    assert_eq!(bench.run(NOW, bench.reversal(4, 2, 50)).reason, None);
    assert_eq!(available(&bench, NOW), 950 - 7);
    assert_eq!(bench.run(NOW, bench.reversal(5, 3, 7)).reason, None);
    assert_eq!(available(&bench, NOW), 950);
    let reversal = second.reversal();
    update(&bench, 3, |update| update.balance = Some(said(1_000, 3, reversal)));
    assert_eq!(available(&bench, NOW), 1_000 + 7);
    assert_eq!(bench.code(6, 1_008), "51");
    assert_eq!(bench.code(7, 1_007), "00");
}

#[test]
fn sd01_a_balance_whose_place_is_unknown_is_left_out() {
    let bench = with_balances();
    let said = |ms: u64, last| Some(BalanceUpdate { minor: 1_000, as_of: NOW.plus_ms(ms), last });
    // Nothing was ever decided: everything is in it.
    update(&bench, 1, |update| update.balance = said(1, None));
    assert_eq!(bench.code(1, 100), "00");
    let last = |entry: EntryRef| Some((entry.role, entry.request));
    let at = NOW.plus_ms(60_000);
    assert_eq!(ignored(&bench, at, 2, |one| one.balance = said(1, None)), [Ignored::Older]);
    assert_eq!(ignored(&bench, at, 3, |one| one.balance = said(2, None)), [Ignored::Watermark]);
    let unknown = last(bench.entry_of(99));
    assert_eq!(ignored(&bench, at, 4, |one| one.balance = said(3, unknown)), [Ignored::Watermark]);
    let ahead = said(65_001, last(bench.entry_of(1)));
    assert_eq!(ignored(&bench, at, 5, |one| one.balance = ahead), [Ignored::Future]);
    assert_eq!(available(&bench, NOW), 900);
    // Delivered, and drawn well after that: everything is in it again, without a name.
    let settle = bench.stand_in.settle(at, bench.entry_of(1), Settlement::Posted);
    assert_eq!(bench.settle(settle), Settled::Done { undelivered: 0 });
    let late = at.plus_ms(60_000);
    assert_eq!(
        ignored(&bench, late, 6, |one| one.balance = said(64_999, None)),
        [Ignored::Watermark]
    );
    assert_eq!(ignored(&bench, late, 7, |one| one.balance = said(65_000, None)), []);
    assert_eq!(available(&bench, late), 1_000);
}

#[test]
fn sd09_the_haircut_for_age_is_exact_at_the_authorizer() {
    let bench = Bench::new(|json| {
        json["balance_age_max_ms"] = 86_400_000.into();
        json["balance_haircut_bp_per_hour"] = 1_000.into();
    });
    let balance = Some(BalanceUpdate { minor: 9_000, as_of: NOW, last: None });
    update(&bench, 1, |update| update.balance = balance);
    let hour = NOW.plus_ms(3_600_000);
    assert_eq!(
        (bench.code_at(hour, 1, 8_101), bench.code_at(hour, 2, 8_100)),
        ("51".into(), "00".into())
    );
}

#[test]
fn s03_pages_come_in_order_and_from_the_accounting_system_alone() {
    let bench = Bench::new(|_| {});
    let listed = || {
        let mut update = AccountUpdate::of(bench.account.token);
        update.deny = Change::Set((ResponseCode::STOLEN, NOW.plus_ms(1_000)));
        vec![update]
    };
    let before = bench.store.snapshot();
    let forged = sealed_by_key(&page(5, listed()), 2);
    assert_eq!(take(&bench, NOW, &forged), FeedVerdict::Refused(SealError::Signature));
    let other = FeedPage { institution: id(1), ..page(5, listed()) };
    let refused = FeedVerdict::Refused(SealError::Institution);
    assert_eq!(take(&bench, NOW, &sealed_by_key(&other, 1)), refused);
    let twice = page(5, [listed(), listed()].concat());
    let refused = FeedVerdict::Refused(SealError::Form(port::WireError::Invalid));
    assert_eq!(take(&bench, NOW, &sealed_by_key(&twice, 1)), refused);
    let mut bytes = Vec::new();
    sealed_by_key(&page(5, listed()), 1).encode(&mut bytes).unwrap();
    for at in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x10;
        if let Ok(sealed) = SealedFeed::parse(&damaged) {
            assert!(matches!(take(&bench, NOW, &sealed), FeedVerdict::Refused(_)), "{at}");
        }
    }
    assert_eq!(bench.store.snapshot(), before);
    // The first page has any number; then one after the other.
    let fifth = SealedFeed::parse(&bytes).unwrap();
    assert_eq!(take(&bench, NOW, &fifth), FeedVerdict::Taken { number: 5, ignored: vec![] });
    let seventh = sealed_by_key(&page(7, vec![]), 1);
    assert_eq!(take(&bench, NOW, &seventh), FeedVerdict::Gap { expected: 6 });
    let sixth = sealed_by_key(&page(6, vec![]), 1);
    assert_eq!(take(&bench, NOW, &sixth), FeedVerdict::Taken { number: 6, ignored: vec![] });
    assert_eq!(take(&bench, NOW, &fifth), FeedVerdict::Repeated { last: 6 });
    assert_eq!(bench.code(1, 1), "43");
}

#[test]
fn a_full_page_fits_into_a_batch() {
    let bench = with_balances();
    assert_eq!(bench.code(1, 100), "00");
    let last = bench.entry_of(1);
    let all = (0..48_u8).map(|n| {
        let token = if n == 0 { bench.account.token } else { AccountRef::from_bytes([n; 16]) };
        let last = Some((last.role, last.request));
        let balance = BalanceUpdate { minor: i64::MIN, as_of: NOW, last };
        let mut update = AccountUpdate::of(token);
        update.deny = Change::Set((ResponseCode::LOST, NOW));
        update.vip = Change::Set(NOW);
        update.balance = Some(balance);
        update
    });
    let mut full = page(1, all.collect());
    let FeedVerdict::Taken { ignored, .. } = take(&bench, NOW, &sealed_by_key(&full, 1)) else {
        panic!()
    };
    // The named entry is one of the first account alone.
    assert_eq!(ignored.len(), 47);
    assert_eq!(bench.state().balance.map(|balance| balance.minor), Some(i64::MIN));
    full.updates.push(AccountUpdate::of(AccountRef::from_bytes([99; 16])));
    assert!(SealedFeed::message(&full).is_err());
}
