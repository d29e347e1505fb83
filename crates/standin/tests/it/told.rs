//! What an acquirer tells of has happened: it is taken and told to the accounting system, whatever the checks say.

use crate::setting::*;
use interbank_standin::*;
use port::Time;

fn told(bench: &Bench, trace: u64, minor: i64) -> RequestDraft {
    RequestDraft { mti: Some(Mti::AUTHORIZATION_ADVICE), ..bench.draft(trace, minor) }
}

fn told_of(bench: &Bench, kind: Kind, of: Option<u64>, trace: u64, minor: i64) -> RequestDraft {
    let original = of.map(|of| bench.key_of(of));
    RequestDraft { kind: Some(kind), original, ..told(bench, trace, minor) }
}

/// Answered 00, and waits for delivery with the check that it failed; what the account has spent and what is out.
fn taken(bench: &Bench, draft: RequestDraft, reason: Reason) -> (i64, i64) {
    let trace = draft.trace.unwrap();
    let amount = draft.amount;
    let answered = bench.run(NOW, draft);
    let said = (answered.response.code, answered.response.approved, answered.reason);
    assert_eq!(said, (ResponseCode::APPROVED, amount, Some(reason)));
    let entry = bench.entry(&bench.entry_of(trace)).unwrap();
    assert_eq!((entry.state, entry.reason), (EntryState::Queued, reason.code()));
    (bench.state().spent_minor, bench.out_minor())
}

fn refused(bench: &Bench, now: Time, draft: RequestDraft) -> (Option<Reason>, String) {
    let before = bench.store.snapshot();
    let answered = bench.run(now, draft);
    // Nothing stands in the way of the same message when the accounting system is back.
    assert_eq!(answered.entry, None);
    assert_eq!(bench.store.snapshot(), before);
    (answered.reason, answered.response.code.to_string())
}

#[test]
fn an_advice_is_taken_charged_and_told_whatever_check_it_fails() {
    let flips: [(&str, serde_json::Value, Reason); 8] = [
        ("/rules/0/approve", false.into(), Reason::NotAllowed),
        ("/rules/0/deny", "62".into(), Reason::Denied),
        ("/rules/0/limits/single_minor", 8_999.into(), Reason::SingleAmount),
        ("/rules/0/limits/floor_minor", 8_999.into(), Reason::AboveFloor),
        ("/rules/0/limits/windows/0/count", 0.into(), Reason::Count),
        ("/rules/0/limits/windows/0/sum_minor", 8_999.into(), Reason::Sum),
        ("/ranges/0/from", 62_000_001_i64.into(), Reason::AccountNumber),
        ("/balance_required", true.into(), Reason::Balance),
    ];
    for (path, value, reason) in flips {
        let bench = Bench::new(|json| {
            let (parent, field) = path.rsplit_once('/').unwrap();
            json.pointer_mut(parent).unwrap()[field] = value.clone();
            json["balance_age_max_ms"] = 1_000.into();
        });
        let charged = taken(&bench, told(&bench, 1, 9_000), reason);
        assert_eq!((charged, bench.state().undelivered), ((9_000, 9_000), 1), "{path}");
        // A repeat gets the same bytes.
        let mut again = told(&bench, 1, 9_000);
        again.mti = again.mti.map(Mti::repeat);
        let again = bench.run(NOW, again);
        assert!(again.repeated && again.response.code == ResponseCode::APPROVED);
        let set = bench.stand_in.config().parameters.clone().unwrap();
        assert!(again.explain(&set).to_string().starts_with("taken as it has happened"));
    }
    // One that fails none is approved like a request, but never for a part.
    let bench = Bench::new(|_| {});
    assert_eq!(bench.run(NOW, told(&bench, 1, 9_000)).reason, None);
    let mut more = told(&bench, 2, 12_000);
    more.capabilities.partial_approval = true;
    assert_eq!(taken(&bench, more, Reason::SingleAmount), (21_000, 21_000));
}

#[test]
fn an_advice_may_exceed_the_exposure_and_nothing_is_approved_until_it_is_settled() {
    let bench = Bench::new(|json| json["exposure"]["institution_minor"] = 9_000.into());
    assert_eq!(taken(&bench, told(&bench, 1, 9_001), Reason::Exposure), (9_001, 9_001));
    assert_eq!(bench.code(2, 1), "61");
    bench.settle(bench.stand_in.settle(NOW, bench.entry_of(1), Settlement::Posted));
    assert_eq!(bench.out_minor(), 0);
    assert_eq!(bench.code(3, 9_000), "00");
}

#[test]
fn a_lane_that_an_advice_put_over_the_exposure_stops_alone() {
    let mut bench = Bench::new(|json| {
        json["exposure"]["institution_minor"] = 8_000.into();
        json["rules"][0]["limits"]["single_minor"] = 90_000.into();
    });
    let mut back = bench.stand_in.give_back(NOW, 0);
    port::blocking::decide(&bench.store, &Says(vec![]), &mut back).unwrap();
    bench.stand_in = StandIn::new(StandInConfig { lanes: 2, ..bench.stand_in.config().clone() });
    let of_lane = |bench: &Bench, lane: u8, draft: RequestDraft| {
        let token = seal::AccountRef::from_bytes([lane; 16]);
        let account = Some(AccountInfo { token, ..bench.account.clone() });
        bench.run(NOW, RequestDraft { account, ..draft }).response.code.to_string()
    };
    for (lane, minor) in [(1, 2_000), (0, 6_000)] {
        let mut lease = bench.stand_in.lease(NOW, lane, id(1111), minor);
        let leased = port::blocking::decide(&bench.store, &Says(vec![]), &mut lease);
        assert_eq!(leased, Ok(Leased::Spendable(minor)));
    }
    assert_eq!(of_lane(&bench, 0, bench.draft(1, 6_000)), "00");
    let mut lease = bench.stand_in.lease(NOW, 0, id(1111), 9_000);
    port::blocking::decide(&bench.store, &Says(vec![]), &mut lease).unwrap();
    assert_eq!(of_lane(&bench, 0, told(&bench, 2, 9_000)), "00");
    assert_eq!(bench.out_minor(), 15_000);
    assert_eq!(of_lane(&bench, 0, bench.draft(3, 1)), "61");
    // The other goes on within what it holds.
    assert_eq!(of_lane(&bench, 1, bench.draft(4, 2_000)), "00");
}

#[test]
fn the_advice_of_a_refund_that_failed_a_check_gives_no_room_for_more() {
    for (approve, gives) in [(true, 400), (false, 0)] {
        let mut bench = Bench::new(|json| json["refunds_restore"] = true.into());
        assert_eq!(bench.code(1, 9_000), "00");
        let strict = set(8, |json| {
            json["refunds_restore"] = true.into();
            json["rules"][0]["approve"] = approve.into();
        });
        bench.install(NOW, &strict);
        bench.fill();
        let refund = told_of(&bench, Kind::Refund, Some(1), 2, 400);
        let answered = bench.run(NOW, refund);
        assert_eq!(answered.response.code, ResponseCode::APPROVED);
        assert_eq!(answered.reason, (!approve).then_some(Reason::NotAllowed));
        assert_eq!((bench.state().spent_minor, bench.out_minor()), (9_000 - gives, 9_000));
    }
}

#[test]
fn an_advice_leases_before_it_exceeds_what_its_lane_has() {
    let bench = Bench::new(|json| {
        json["exposure"]["institution_minor"] = 9_000.into();
        json["rules"][0]["approve"] = false.into();
    });
    let mut back = bench.stand_in.give_back(NOW, 0);
    port::blocking::decide(&bench.store, &Says(vec![]), &mut back).unwrap();
    let ask = || bench.decide(NOW, HostOutcome::NotAsked, told(&bench, 1, 9_001), vec![]);
    assert_eq!(ask(), Verdict::NeedsLease { lane: 0, minor: 9_001 });
    let mut lease = bench.stand_in.lease(NOW, 0, id(1111), 9_001);
    let leased = port::blocking::decide(&bench.store, &Says(vec![]), &mut lease);
    assert_eq!(leased, Ok(Leased::Spendable(9_000)));
    assert_eq!(taken(&bench, told(&bench, 1, 9_001), Reason::NotAllowed), (9_001, 9_001));
}

#[test]
fn the_advice_of_a_completion_is_taken_and_frees_what_was_held_for_it() {
    let bench = Bench::new(|_| {});
    // The accounting system had approved the pre-authorization before the outage.
    let unknown = told_of(&bench, Kind::Completion, Some(90), 1, 500);
    assert_eq!(taken(&bench, unknown, Reason::NoOriginal), (500, 500));
    let hold = RequestDraft { kind: Some(Kind::PreAuthorization), ..bench.draft(2, 8_000) };
    assert_eq!(bench.run(NOW, hold).reason, None);
    let more = told_of(&bench, Kind::Completion, Some(2), 3, 8_001);
    assert_eq!(taken(&bench, more, Reason::NoOriginal), (8_501, 8_501));
    assert!(bench.state().holds.is_empty());
    // Nothing of the pre-authorization is freed twice when both are settled.
    for trace in 1..=3 {
        bench.settle(bench.stand_in.settle(NOW, bench.entry_of(trace), Settlement::Posted));
    }
    assert_eq!((bench.out_minor(), bench.state().undelivered), (0, 0));
}

#[test]
fn an_advice_that_cannot_be_charged_is_taken_uncharged() {
    let bench = Bench::new(|json| json["rules"][0]["limits"]["windows"] = serde_json::json!([]));
    let usd = port::Amount::new(700, port::Currency::parse("USD").unwrap());
    let foreign = RequestDraft { amount: Some(usd), ..told(&bench, 1, 1) };
    assert_eq!(taken(&bench, foreign, Reason::ForeignCurrency), (0, 0));
    // A ninth hold has no room: what is left of it nobody could tell.
    for trace in 2..=9 {
        let hold = RequestDraft { kind: Some(Kind::PreAuthorization), ..bench.draft(trace, 10) };
        assert_eq!(bench.run(NOW, hold).reason, None);
    }
    let ninth = told_of(&bench, Kind::PreAuthorization, None, 10, 50);
    assert_eq!(taken(&bench, ninth, Reason::Full), (80, 80));
    bench.settle(bench.stand_in.settle(NOW, bench.entry_of(10), Settlement::Posted));
    assert_eq!((bench.out_minor(), bench.state().holds.len()), (80, 8));
}

#[test]
fn an_advice_that_is_refused_is_not_written_down() {
    let bench = Bench::new(|json| json["initiators"] = serde_json::json!([2_222]));
    let found = refused(&bench, NOW, told(&bench, 1, 100));
    assert_eq!(found, (Some(Reason::Initiator), "58".into()));
    // Nothing is approved by a set that is over (spec Sd8).
    let bench = Bench::new(|json| json["valid_until_ms"] = (NOW.as_ms() + 1).into());
    let found = refused(&bench, NOW.plus_ms(1), told(&bench, 1, 100));
    assert_eq!(found, (Some(Reason::NoParameters), "91".into()));
    // All of it was undone before it came, and the accounting system is told that.
    let bench = Bench::new(|_| {});
    assert_eq!(bench.run(NOW, bench.reversal(2, 1, 100)).reason, None);
    let found = refused(&bench, NOW, told(&bench, 1, 100));
    assert_eq!(found, (Some(Reason::ReversedBefore), "12".into()));
}

#[test]
fn an_advice_of_which_a_part_was_reversed_before_is_charged_with_the_rest() {
    let bench = Bench::new(|_| {});
    assert_eq!(bench.run(NOW, bench.reversal(2, 1, 30)).reason, None);
    assert_eq!(taken(&bench, told(&bench, 1, 100), Reason::ReversedBefore), (70, 70));
    bench.settle(bench.stand_in.settle(NOW, bench.entry_of(1), Settlement::Posted));
    assert_eq!((bench.out_minor(), bench.state().undelivered), (0, 1));
}

#[test]
fn the_reversal_of_an_advice_that_was_taken_gives_back_what_it_was_charged() {
    let bench = Bench::new(|_| {});
    assert_eq!(taken(&bench, told(&bench, 1, 15_000), Reason::SingleAmount), (15_000, 15_000));
    assert_eq!(bench.run(NOW, bench.reversal(2, 1, 15_000)).reason, None);
    assert_eq!((bench.state().spent_minor, bench.out_minor()), (0, 0));
    assert_eq!(bench.code(3, 10_000), "00");
}
