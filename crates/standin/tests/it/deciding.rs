//! The sixteen checks, limits at their boundaries, repeats, reversals.

use crate::setting::*;
use interbank_standin::*;
use port::blocking::{Store, decide};
use port::{Amount, Batch, Expect, ReadSet, Scan, Time};

#[test]
fn s07_flipping_one_parameter_flips_the_decision() {
    assert_eq!(Bench::new(|_| {}).code(1, 9_000), "00");
    let flips: [(&str, serde_json::Value, &str); 8] = [
        ("/rules/0/approve", false.into(), "57"),
        ("/rules/0/deny", "62".into(), "62"),
        ("/rules/0/limits/single_minor", 8_999.into(), "61"),
        ("/rules/0/limits/floor_minor", 8_999.into(), "05"),
        ("/rules/0/limits/windows/0/count", 0.into(), "65"),
        ("/rules/0/limits/windows/0/sum_minor", 8_999.into(), "61"),
        ("/ranges/0/from", 62_000_001_i64.into(), "14"),
        ("/balance_required", true.into(), "51"),
    ];
    for (path, value, code) in flips {
        let bench = Bench::new(|json| {
            let (parent, field) = path.rsplit_once('/').unwrap();
            json.pointer_mut(parent).unwrap()[field] = value.clone();
            json["balance_age_max_ms"] = 1_000.into();
        });
        assert_eq!(bench.code(1, 9_000), code, "{path}");
    }
}

#[test]
fn s08_a_message_that_lacks_one_of_the_four_is_refused() {
    let bench = Bench::new(|_| {});
    let strip: [(fn(&mut RequestDraft), RequestError); 4] = [
        (|draft| draft.account = None, RequestError::NoAccount),
        (|draft| draft.institution = None, RequestError::NoInstitution),
        (|draft| draft.initiator = None, RequestError::NoInitiator),
        (|draft| draft.amount = None, RequestError::NoAmount),
    ];
    for (take, error) in strip {
        let mut draft = bench.draft(1, 100);
        take(&mut draft);
        assert_eq!(TransactionRequest::new(draft), Err(error));
        assert_eq!(error.response_code(), ResponseCode::FORMAT);
    }
}

#[test]
fn s08_a_request_and_its_draft_make_each_other() {
    let bench = Bench::new(|_| {});
    let draft = RequestDraft {
        kind: Some(Kind::Reversal),
        mti: Some(Mti::REVERSAL),
        original: Some(bench.key_of(1)),
        risk_bp: Some(7),
        mcc: Mcc::new(5_411),
        ..bench.draft(2, 100)
    };
    let request = TransactionRequest::new(draft).unwrap();
    assert_eq!(TransactionRequest::new(request.clone().into()), Ok(request));
}

#[test]
fn sd08_a_set_that_is_over_or_stale_never_approves() {
    let bench = Bench::new(|_| {});
    let until = Time::from_ms(1_784_990_000_000 + 86_400_000);
    let at = |trace, now| bench.run(now, bench.draft(trace, 100)).response.code.to_string();
    assert_eq!(at(1, until.minus_ms(1)), "00");
    assert_eq!(at(2, until), "91");
    let bench = Bench::new(|json| json["valid_until_ms"] = (NOW.as_ms() + 1).into());
    assert_eq!(bench.code(1, 100), "00");
    let over = bench.run(NOW.plus_ms(1), bench.draft(2, 100));
    assert_eq!(over.reason, Some(Reason::NoParameters));
}

#[test]
fn sd09_limits_at_their_boundaries() {
    let single = Bench::new(|_| {});
    assert_eq!(single.code(1, 10_001), "61");
    assert_eq!(single.code(2, 10_000), "00");
    let sums = Bench::new(|_| {});
    assert_eq!((sums.code(1, 10_000), sums.code(2, 10_000)), ("00".into(), "00".into()));
    assert_eq!(sums.code(3, 5_001), "61");
    assert_eq!(sums.code(4, 5_000), "00");
    let counts = Bench::new(|_| {});
    let codes: Vec<String> = (1..=4).map(|trace| counts.code(trace, 1)).collect();
    assert_eq!(codes, ["00", "00", "00", "65"]);
    for (cap, code) in [(5_000, "00"), (4_999, "61")] {
        let bench = Bench::new(|_| {});
        let lane = Lane {
            parameters: 7,
            shares: vec![Share { initiator: None, granted_minor: cap, out_minor: 0, dry: true }],
        };
        bench.put(bench.stand_in.lane_key(0), lane.encode().unwrap());
        assert_eq!(bench.code(1, 5_000), code);
    }
}

/// What one initiator used up is no other's loss, and once used up costs no lease for each request.
#[test]
fn sd09_a_cap_that_is_used_up_leaves_the_others() {
    let mut bench = Bench::new(|_| {});
    bench.install(
        NOW,
        &set(8, |json| {
            json["exposure"]["institution_minor"] = 24_000.into();
            json["exposure"]["initiators"] =
                serde_json::json!([{ "of": 1111, "sum_minor": 3_000 }]);
        }),
    );
    let mut give_back = bench.stand_in.give_back(NOW, 0);
    decide(&bench.store, &Says(vec![]), &mut give_back).unwrap();
    let mut leases = 0;
    let mut code = |trace, initiator, minor| loop {
        let mut draft = bench.draft(trace, minor);
        draft.initiator = Some(id(initiator));
        match bench.decide(NOW, HostOutcome::NotAsked, draft, vec![]) {
            Verdict::Answered(answered) => break (answered.response.code.to_string(), leases),
            Verdict::NeedsLease { lane, minor } => {
                leases += 1;
                let lease = &mut bench.stand_in.lease(NOW, lane, id(initiator), minor);
                decide(&bench.store, &Says(vec![]), lease).unwrap();
            }
            other => panic!("{other:?}"),
        }
    };
    // A lane takes a quarter of a cap at once, 6,000, or what is wanted.
    assert_eq!(code(1, 1111, 3_001), ("61".into(), 1));
    assert_eq!(code(2, 1111, 3_001), ("61".into(), 1));
    assert_eq!(code(3, 2222, 6_001), ("00".into(), 2));
    assert_eq!(code(4, 1111, 3_000), ("00".into(), 3));
    assert_eq!(code(5, 1111, 1), ("61".into(), 4));
    assert_eq!(code(6, 1111, 1), ("61".into(), 4));
    // 14,999 are left of all, 3,000 of them leased: the lane takes what it lacks for so much.
    assert_eq!(code(7, 2222, 10_000), ("00".into(), 5));
}

#[test]
fn sd11_a_repeat_gets_the_same_bytes() {
    let bench = Bench::new(|_| {});
    for (trace, minor) in [(1, 9_000), (2, 10_001)] {
        let first = bench.run(NOW, bench.draft(trace, minor));
        let mut repeat = bench.draft(trace, minor);
        repeat.mti = Some(Mti::AUTHORIZATION.repeat());
        let second = bench.run(NOW.plus_ms(500), repeat);
        assert!(second.repeated && !first.repeated);
        let bytes = |answered: &Answered| {
            let mut bytes = Vec::new();
            answered.response.encode(&mut bytes).unwrap();
            bytes
        };
        assert_eq!(bytes(&first), bytes(&second));
    }
    assert_eq!(bench.state().seq, 2);
    assert_eq!(bench.code(1, 8_000), "94");
}

#[test]
fn sd12_a_decline_debits_nothing() {
    let bench = Bench::new(|_| {});
    let answered = bench.run(NOW, bench.draft(1, 10_001));
    assert_eq!((answered.response.approved, answered.rule), (None, 1));
    let state = bench.state();
    assert_eq!((state.spent_minor, state.undelivered, state.seq), (0, 0, 1));
}

#[test]
fn sd09_a_reversal_gives_back_what_its_original_took() {
    let bench = Bench::new(|_| {});
    assert_eq!((bench.code(1, 10_000), bench.code(2, 10_000)), ("00".into(), "00".into()));
    let answered = bench.run(NOW, bench.reversal(3, 1, 10_000));
    assert_eq!(answered.response.code, ResponseCode::APPROVED);
    assert_eq!(bench.state().spent_minor, 10_000);
    // Once more, under its own and under another number: nothing more is given back.
    for trace in [3, 4] {
        assert!(bench.run(NOW, bench.reversal(trace, 1, 10_000)).repeated);
    }
    assert_eq!(bench.state().spent_minor, 10_000);
    assert_eq!((bench.code(5, 10_000), bench.code(6, 5_001)), ("00".into(), "61".into()));
}

/// Purchase, reversal of a part, then of the rest or of all: the second was not done, and is not said to be.
#[test]
fn a_second_reversal_of_another_amount_is_declined_and_stays_open() {
    let bench = Bench::new(|_| {});
    assert_eq!(bench.code(1, 10_000), "00");
    assert_eq!(bench.run(NOW, bench.reversal(2, 1, 3_000)).response.approved, Some(cny(3_000)));
    let before = bench.store.snapshot();
    for (trace, minor) in [(3, 7_000), (4, 10_000), (5, 2_999)] {
        let answered = bench.run(NOW, bench.reversal(trace, 1, minor));
        assert_eq!(
            (answered.reason, answered.response.code, answered.response.approved, answered.entry),
            (Some(Reason::OtherReversal), ResponseCode::INVALID_TRANSACTION, None, None)
        );
    }
    // The first one under another number is the first one.
    let again = bench.run(NOW, bench.reversal(6, 1, 3_000));
    assert!(again.repeated && again.response.approved == Some(cny(3_000)));
    assert_eq!(bench.store.snapshot(), before);
}

#[test]
fn an_original_after_the_reversal_of_a_part_is_declined_as_a_whole() {
    let bench = Bench::new(|_| {});
    assert_eq!(bench.run(NOW, bench.reversal(2, 1, 30)).reason, None);
    let late = bench.run(NOW, bench.draft(1, 100));
    assert_eq!((late.reason, late.response.approved), (Some(Reason::ReversedBefore), None));
    assert_eq!((bench.state().spent_minor, bench.out_minor()), (0, 0));
    assert_eq!(bench.entry(&bench.entry_of(1)).unwrap().state, EntryState::NotOwed);
}

#[test]
fn sd12_an_original_after_its_reversal_is_declined() {
    let bench = Bench::new(|_| {});
    assert_eq!(bench.run(NOW, bench.reversal(2, 1, 500)).response.code, ResponseCode::APPROVED);
    assert_eq!(bench.run(NOW, bench.draft(1, 500)).reason, Some(Reason::ReversedBefore));
}

#[test]
fn sd14_nothing_of_a_card_is_in_any_row() {
    let bench = Bench::new(|json| json["rules"][0]["cvn"] = "waive".into());
    let mut draft = bench.draft(1, 500);
    draft.evidence.cvn = Some(Evidence::new(b"561SECRET".to_vec()));
    assert_eq!(bench.run(NOW, draft).response.code, ResponseCode::APPROVED);
    let want = ReadSet::scan(Scan::first(bench.stand_in.journal(), 10));
    let rows = bench.store.read(&want).unwrap();
    assert_eq!(rows.scans[0].len(), 1);
    let has = |bytes: &[u8], what: &[u8]| bytes.windows(what.len()).any(|part| part == what);
    for (key, row) in &rows.scans[0] {
        for secret in [&b"561SECRET"[..], b"6200000000000005"] {
            assert!(!has(&row.value, secret) && !has(key.as_bytes(), secret));
        }
        let entry = Entry::parse(&row.value).unwrap();
        let mut bytes = Vec::new();
        entry.encode(&mut bytes).unwrap();
        assert_eq!(bytes, row.value);
    }
}

#[test]
fn sd14_what_cannot_be_checked_is_declined() {
    let bench = Bench::new(|json| json["rules"][0]["pin"] = "refuse".into());
    let mut draft = bench.draft(1, 500);
    draft.evidence.pin = Some(Evidence::new(vec![1; 8]));
    assert_eq!(bench.run(NOW, draft).reason, Some(Reason::PinUnchecked));
    let cash = RequestDraft { kind: Some(Kind::Cash), ..bench.draft(2, 500) };
    assert_eq!(bench.run(NOW, cash).reason, Some(Reason::PinUnchecked));
}

#[test]
fn a_part_is_approved_only_where_the_terminal_can_take_it() {
    let bench = Bench::new(|_| {});
    let mut draft = bench.draft(1, 12_000);
    draft.capabilities.partial_approval = true;
    let answered = bench.run(NOW, draft);
    assert_eq!(answered.response.code, ResponseCode::PARTIAL);
    assert_eq!(answered.response.approved, Some(cny(10_000)));
    assert_eq!(bench.code(2, 12_000), "61");
}

#[test]
fn a_completion_takes_the_place_of_its_hold() {
    let bench = Bench::new(|_| {});
    let held = RequestDraft { kind: Some(Kind::PreAuthorization), ..bench.draft(1, 8_000) };
    let original = Some(TransactionRequest::new(held.clone()).unwrap().key);
    assert_eq!(bench.run(NOW, held).response.code, ResponseCode::APPROVED);
    let complete = |trace, minor| RequestDraft {
        kind: Some(Kind::Completion),
        original,
        ..bench.draft(trace, minor)
    };
    assert_eq!(bench.run(NOW, complete(2, 8_001)).reason, Some(Reason::NoOriginal));
    assert_eq!(bench.state().spent_minor, 8_000);
    assert_eq!(bench.run(NOW, complete(3, 6_000)).response.code, ResponseCode::APPROVED);
    assert_eq!((bench.state().spent_minor, bench.state().holds.len()), (6_000, 0));
    assert_eq!(bench.run(NOW, complete(4, 1)).reason, Some(Reason::NoOriginal));
}

#[test]
fn sd09_lanes_never_have_more_than_the_cap_together() {
    let bench = Bench::new(|json| json["exposure"]["institution_minor"] = 9_000.into());
    let mut batch = Batch::new();
    for lane in 0..3 {
        batch.delete(bench.stand_in.lane_key(lane), Expect::Any);
    }
    assert!(bench.store.commit(&batch).is_ok());
    let request = TransactionRequest::new(bench.draft(1, 5_000)).unwrap();
    let mut decision = bench.stand_in.authorize(NOW, 1, HostOutcome::NotAsked, request);
    let verdict = decide(&bench.store, &Says(vec![]), &mut decision).unwrap().verdict;
    assert_eq!(verdict, Verdict::NeedsLease { lane: 0, minor: 5_000 });
    let initiator = InstitutionId::new(1111).unwrap();
    let lease = |lane, minor| {
        decide(&bench.store, &Says(vec![]), &mut bench.stand_in.lease(NOW, lane, initiator, minor))
            .unwrap()
    };
    assert_eq!(lease(0, 5_000), Leased::Spendable(5_000));
    assert_eq!(lease(1, 5_000), Leased::Spendable(4_000));
    assert_eq!(bench.code(1, 5_000), "00");
    assert_eq!(lease(0, 1), Leased::Spendable(0));
    assert_eq!(bench.code(2, 1), "61");
    // Lane 1 gives its part back: lane 0 can lease it.
    let mut back = bench.stand_in.give_back(NOW, 1);
    assert_eq!(decide(&bench.store, &Says(vec![]), &mut back), Ok(Leased::Spendable(0)));
    assert_eq!(lease(0, 4_001), Leased::Spendable(4_000));
    assert_eq!((bench.code(3, 4_000), bench.code(4, 1)), ("00".into(), "61".into()));
}

#[test]
fn s11_two_institutions_two_answers() {
    for (limit, code) in [(500, "00"), (499, "61")] {
        let bench = Bench::new(|json| json["rules"][0]["limits"]["single_minor"] = limit.into());
        assert_eq!(bench.code(1, 500), code);
    }
}

#[test]
fn sd01_threads_never_approve_more_than_limit_and_balance() {
    for (balance, most) in [(20_500, 20_500), (900_000, 25_000)] {
        let bench = Bench::new(|json| {
            json["balance_age_max_ms"] = 3_600_000.into();
            json["rules"][0]["limits"]["windows"][0]["count"] = 1_000.into();
        });
        let state = AccountState {
            balance: Some(Balance { minor: balance, as_of: NOW, watermark: 0, spent_minor: 0 }),
            ..AccountState::default()
        };
        bench.put_state(&state);
        let approved = std::sync::atomic::AtomicI64::new(0);
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let (bench, approved) = (&bench, &approved);
                scope.spawn(move || {
                    for trace in 0..25 {
                        let request =
                            TransactionRequest::new(bench.draft(thread * 100 + trace, 700));
                        let mut decision = bench.stand_in.authorize(
                            NOW,
                            1,
                            HostOutcome::NotAsked,
                            request.unwrap(),
                        );
                        // A decision that lost too often against the others says so; the request comes again.
                        let verdict = loop {
                            if let Ok(done) = decide(&bench.store, &Says(vec![]), &mut decision) {
                                break done.verdict;
                            }
                        };
                        let Verdict::Answered(answered) = verdict else { panic!("{verdict:?}") };
                        let minor = answered.response.approved.map_or(0, Amount::minor);
                        approved.fetch_add(minor, std::sync::atomic::Ordering::Relaxed);
                    }
                });
            }
        });
        let approved = approved.into_inner();
        assert_eq!(approved, most / 700 * 700);
        assert_eq!(bench.state().spent_minor, approved);
    }
}
