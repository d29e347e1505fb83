//! The sixteen checks: their order, what each says, what a decision writes, and what survives a crash.

use crate::setting::*;
use interbank_standin::*;
use port::blocking::{Keys, Store, decide};
use port::{
    Answers, Ask, Change, Commit, Conclusion, Decision, KeyAnswer, KeyId, MacTag, Step, Time,
};
use seal::AccountRef;
use simkit::{Fate, Faults, FaultyStore};
use std::collections::BTreeSet;

/// What fails at first, in the order of the checks, and how it is put right.
#[test]
fn s07_the_first_check_that_fails_decides() {
    let mut bench = Bench::new(|json| {
        json["initiators"] = serde_json::json!([1111]);
        json["balance_age_max_ms"] = 1_000.into();
        json["exposure"]["institution_minor"] = 3_000.into();
        json["rules"] = serde_json::json!([
            { "number": 1, "approve": true, "scope": { "kinds": ["purchase"] }, "pin": "key:9" },
            { "number": 2, "scope": { "mccs": [7995] }, "deny": "57" },
            { "number": 3, "limits": { "risk_bp": 500, "single_minor": 6_000, "velocity_count": 1,
                "velocity_ms": 60_000, "windows": [{ "of": 1, "count": 2, "sum_minor": 5_000 }] } }
        ]);
    });
    let set = bench.stand_in.config().parameters.clone().unwrap();
    // One approval at this terminal before: 1,000 are spent.
    let mut first = bench.draft(500, 1_000);
    first.evidence.pin = Some(Evidence::new(vec![1; 8]));
    first.risk_bp = Some(0);
    let right = vec![KeyAnswer::Verified(true)];
    assert_eq!(bench.run_with(NOW, first, right.clone()).reason, None);
    let state = AccountState {
        deny: Some((ResponseCode::STOLEN, Time::from_s(4_000_000_000))),
        balance: Some(Balance { minor: 3_500, as_of: NOW, watermark: 0, spent_minor: 0 }),
        ..bench.state()
    };
    bench.put_state(&state);
    let mut draft = bench.draft(1, 7_000);
    draft.institution = InstitutionId::new(9_999);
    draft.initiator = InstitutionId::new(2_222);
    draft.account.as_mut().unwrap().check_digit = CheckDigit::Wrong;
    draft.mcc = Mcc::new(7_995);
    draft.expiry = Expiry::from_yymm(2_606);
    draft.kind = Some(Kind::Refund);
    draft.billing = Some(port::Amount::new(7_000, port::Currency::parse("USD").unwrap()));
    let mut seen = Vec::new();
    let mut trace = 1;
    let mut says = |draft: &RequestDraft, bench: &Bench, says: &[KeyAnswer]| {
        trace += 1;
        let draft = RequestDraft { trace: Some(trace), ..draft.clone() };
        let answered = bench.run_with(NOW, draft, says.to_vec());
        seen.push((answered.reason.unwrap(), answered.response.code.to_string()));
    };
    says(&draft, &bench, &[]);
    draft.institution = InstitutionId::new(6_222);
    // Check 3 with a set whose time is over: here by another clock, since such a set is not installed.
    let late = Time::from_ms(1_786_000_000_000);
    let over = RequestDraft { sent_at: Some(late), trace: Some(900), ..draft.clone() };
    let untouched = bench.store.snapshot();
    assert_eq!(bench.run(late, over).reason, Some(Reason::NoParameters));
    bench.store = port::MemoryStore::restore(&untouched);
    says(&draft, &bench, &[]);
    draft.initiator = InstitutionId::new(1_111);
    says(&draft, &bench, &[]);
    draft.account.as_mut().unwrap().check_digit = CheckDigit::Right;
    says(&draft, &bench, &[]);
    bench.put_state(&AccountState { deny: None, ..bench.state() });
    says(&draft, &bench, &[]);
    draft.mcc = None;
    says(&draft, &bench, &[]);
    draft.expiry = Expiry::from_yymm(2_607);
    says(&draft, &bench, &[]);
    draft.kind = Some(Kind::Purchase);
    says(&draft, &bench, &[]);
    draft.billing = None;
    draft.evidence.cvn = Some(Evidence::new(vec![1]));
    says(&draft, &bench, &[]);
    draft.evidence.cvn = None;
    says(&draft, &bench, &[]);
    draft.evidence.pin = Some(Evidence::new(vec![1; 8]));
    says(&draft, &bench, &[KeyAnswer::Verified(false)]);
    says(&draft, &bench, &right);
    draft.risk_bp = Some(501);
    says(&draft, &bench, &right);
    draft.risk_bp = Some(500);
    says(&draft, &bench, &right);
    draft.amount = Some(cny(6_000));
    // Two approvals are in the window: no third, whatever the amount.
    let counted = bench.state();
    let slot = Slot::of(Window::Sliding(86_400_000), &port::Zone::utc(), NOW);
    let mut twice = counted.clone();
    twice.counts[0].reserve(slot, 0);
    bench.put_state(&twice);
    says(&draft, &bench, &right);
    let seq_and_head = bench.state();
    bench.put_state(&AccountState { counts: counted.counts, ..seq_and_head });
    says(&draft, &bench, &right);
    draft.amount = Some(cny(4_000));
    says(&draft, &bench, &right);
    draft.amount = Some(cny(2_500));
    // The lane asked in vain before.
    bench.fill();
    says(&draft, &bench, &right);
    draft.amount = Some(cny(2_000));
    says(&draft, &bench, &right);
    let words: Vec<(Reason, &str)> = seen.iter().map(|(why, code)| (*why, code.as_str())).collect();
    assert_eq!(
        words,
        [
            (Reason::NotEnrolled, "91"),
            (Reason::Initiator, "58"),
            (Reason::AccountNumber, "14"),
            (Reason::Listed, "43"),
            (Reason::Denied, "57"),
            (Reason::Expired, "54"),
            (Reason::NotAllowed, "57"),
            (Reason::ForeignCurrency, "57"),
            (Reason::EvidenceUnchecked, "88"),
            (Reason::AboveFloor, "05"),
            (Reason::WrongPin, "55"),
            (Reason::Risk, "05"),
            (Reason::Risk, "05"),
            (Reason::SingleAmount, "61"),
            (Reason::Count, "65"),
            (Reason::Sum, "61"),
            (Reason::Balance, "51"),
            (Reason::Exposure, "61"),
            (Reason::Velocity, "65"),
        ]
    );
    // At another terminal it passes.
    draft.terminal = Some(Text::new("TERM0002").unwrap());
    let answered = bench.run_with(NOW, draft, right);
    assert_eq!((answered.reason, answered.explain(&set).to_string()), (None, "approved".into()));
}

#[test]
fn s08_a_message_is_authentic_before_anything_is_looked_at() {
    let bench = Bench::new(|_| {});
    let mut config = bench.stand_in.config().clone();
    config.mac_required = true;
    config.mac_keys.insert(id(1111), KeyId(4));
    let bench = Bench { stand_in: StandIn::new(config), ..bench };
    let tag = MacTag::new(&[7; 32]).unwrap();
    let with = |trace: u64, sent: &[u8]| {
        let mut draft = bench.draft(trace, 100);
        let message = Evidence::new(b"0100...".to_vec());
        draft.mac = Some(MessageMac { message, tag: MacTag::new(sent).unwrap() });
        draft
    };
    let before = bench.store.snapshot();
    for (sent, says, reason) in [
        (&[8; 8][..], KeyAnswer::Mac(tag), Reason::NotAuthentic),
        // Seven right bytes are too few.
        (&[7; 7], KeyAnswer::Mac(tag), Reason::NotAuthentic),
        (&[7; 8], KeyAnswer::Refused(port::KeyRefusal::UnknownKey), Reason::MacUnchecked),
    ] {
        let answered = bench.run_with(NOW, with(1, sent), vec![says]);
        assert_eq!((answered.reason, answered.entry), (Some(reason), None));
    }
    let without = bench.run(NOW, bench.draft(1, 100));
    assert_eq!(without.response.code, ResponseCode::SECURITY);
    assert_eq!(bench.store.snapshot(), before);
    assert_eq!(bench.run_with(NOW, with(1, &[7; 8]), vec![KeyAnswer::Mac(tag)]).reason, None);
    // An initiator without a key here cannot be checked.
    let mut other = with(2, &[7; 8]);
    other.initiator = InstitutionId::new(2_222);
    assert_eq!(bench.run(NOW, other).reason, Some(Reason::MacUnchecked));
}

/// Runs a decision by hand; the rows it read, and its batch.
fn steps(bench: &Bench, decision: &mut impl Decision, says: Vec<KeyAnswer>) -> port::Batch {
    let mut ask: Ask = decision.begin();
    let mut says = Some(says);
    loop {
        let rows = bench.store.read(&ask.rows).unwrap();
        let keys = if ask.keys.is_empty() { vec![] } else { says.take().unwrap() };
        match decision.step(Answers { rows, keys }).unwrap() {
            Step::Ask(next) => ask = next,
            Step::Done(Conclusion { batch, .. }) => return batch,
        }
    }
}

fn written(batch: &port::Batch) -> BTreeSet<port::Key> {
    let ops = batch.ops().iter().filter(|op| op.change != Change::Keep);
    ops.map(|op| op.key.clone()).collect()
}

#[test]
fn sd16_decisions_of_different_lanes_write_no_row_in_common() {
    let mut bench = Bench::new(|_| {});
    let config = StandInConfig { lanes: 16, ..bench.stand_in.config().clone() };
    bench.stand_in = StandIn::new(config);
    decide(&bench.store, &Says(vec![]), &mut bench.stand_in.give_back(NOW, 0)).unwrap();
    let mut all: Vec<(u16, BTreeSet<port::Key>)> = Vec::new();
    for n in 0..40_u8 {
        bench.account.token = AccountRef::from_bytes([n.wrapping_mul(37); 16]);
        let lane = bench.stand_in.lane(&bench.account.token);
        let mut lease = bench.stand_in.lease(NOW, lane, id(1111), 100);
        decide(&bench.store, &Says(vec![]), &mut lease).unwrap();
        let request = TransactionRequest::new(bench.draft(n.into(), 100)).unwrap();
        let mut decision = bench.stand_in.authorize(NOW, 1, HostOutcome::NotAsked, request);
        let rows = written(&steps(&bench, &mut decision, vec![]));
        assert_eq!(rows.len(), 3);
        for (other, others) in &all {
            assert_eq!(rows.intersection(others).count(), usize::from(*other == lane));
        }
        all.push((lane, rows));
    }
    assert_eq!(all.iter().map(|(lane, _)| lane).collect::<BTreeSet<_>>().len(), 16);
}

#[test]
fn sd16_no_authorization_writes_more_than_three_rows() {
    let bench = Bench::new(|_| {});
    let kind = |kind, trace, minor| RequestDraft { kind: Some(kind), ..bench.draft(trace, minor) };
    let held = kind(Kind::PreAuthorization, 1, 500);
    let completion =
        RequestDraft { original: Some(bench.key_of(1)), ..kind(Kind::Completion, 2, 400) };
    let all = [
        (held, 3),
        (completion, 3),
        (kind(Kind::Refund, 3, 5), 2),
        (bench.draft(4, 10_001), 2),
        (bench.reversal(5, 2, 400), 3),
        (bench.reversal(6, 99, 400), 2),
        (bench.draft(7, 1), 3),
        (bench.draft(7, 1), 0),
    ];
    for (draft, rows) in all {
        let request = TransactionRequest::new(draft).unwrap();
        let mut decision = bench.stand_in.authorize(NOW, 1, HostOutcome::NotAsked, request);
        let batch = steps(&bench, &mut decision, vec![]);
        assert_eq!(written(&batch).len(), rows, "{:?}", batch.ops().len());
        assert!(matches!(bench.store.commit(&batch), Ok(Commit::Applied(_))));
        let mut settle = bench.stand_in.settle(NOW, bench.entry_of(7), Settlement::Posted);
        // An entry that ends moves: one of the four is where it was.
        assert!(written(&steps(&bench, &mut settle, vec![])).len() <= 4);
    }
}

/// Every commit of a busy minute meets every fate once; then the store comes up again and the terminal asks again.
#[test]
fn sd02_no_answer_without_its_entry_and_no_counter_below_the_journal() {
    let fates = [
        Fate::Conflict,
        Fate::NotApplied,
        Fate::UnknownApplied,
        Fate::UnknownLost,
        Fate::UnknownLate(1),
        Fate::CrashBefore,
        Fate::CrashAfter,
        Fate::CrashUnsynced,
    ];
    let bench = Bench::new(|_| {});
    let start = bench.store.snapshot();
    let script = [
        bench.draft(1, 9_000),
        bench.draft(2, 10_001),
        bench.draft(3, 9_000),
        bench.reversal(4, 1, 9_000),
        bench.draft(5, 9_000),
    ];
    let codes = ["00", "61", "00", "00", "00"];
    for at in 1..=5 {
        for fate in fates {
            for lands in [false, true] {
                let store = FaultyStore::over(&start, Faults::commits([(at, fate)]));
                for (draft, code) in script.iter().zip(codes) {
                    let answer = persist(&bench, &store, draft, lands);
                    assert_eq!(answer.response.code.to_string(), code, "{at} {fate:?} {lands}");
                    // The answer rests on what is durable.
                    let entry = rows(&store, answer.entry.as_ref().unwrap());
                    let entry = Entry::parse(&entry.unwrap()).unwrap();
                    assert_eq!(entry.response, answer.response);
                }
                store.settle();
                let row = rows(&store, &bench.stand_in.account_key(&bench.account.token));
                let state = AccountState::parse(&row.unwrap()).unwrap();
                assert_eq!((state.spent_minor, state.seq), (18_000, 5), "{at} {fate:?} {lands}");
                let slot = Slot::of(Window::Sliding(86_400_000), &port::Zone::utc(), NOW);
                assert_eq!(state.counts[0].total(slot), (2, 18_000));
                let lane = rows(&store, &bench.stand_in.lane_key(0)).unwrap();
                assert_eq!(Lane::parse(&lane).unwrap().shares[0].out_minor, 18_000);
            }
        }
    }
}

/// Asks until there is an answer, as a terminal does.
fn persist(bench: &Bench, store: &FaultyStore, draft: &RequestDraft, lands: bool) -> Answered {
    for _ in 0..4 {
        let request = TransactionRequest::new(draft.clone()).unwrap();
        let mut decision = bench.stand_in.authorize(NOW, 1, HostOutcome::NotAsked, request);
        match decide(store, &Says(vec![]), &mut decision) {
            Ok(audited) => match audited.verdict {
                Verdict::Answered(answered) => return answered,
                other => panic!("{other:?}"),
            },
            Err(_) if store.is_down() => store.restart(lands),
            Err(_) => {}
        }
    }
    panic!("no answer");
}

fn rows(store: &FaultyStore, key: &port::Key) -> Option<bytes::Bytes> {
    let rows = store.snapshot().rows;
    rows.into_iter().find(|(one, _)| one == key).map(|(_, row)| row.value)
}

/// Everything that the store holds after a full day's variety has no byte of a card in it.
#[test]
fn sd14_no_card_secret_rests_anywhere() {
    let secrets: [&[u8]; 4] = [b"6200000000000005", b"PINBLOCK", b"CVN-561", b"ARQC-9F26"];
    let bench = Bench::new(|json| {
        let rule = &mut json["rules"][0];
        (rule["cvn"], rule["arqc"]) = ("key:9".into(), "key:9".into());
    });
    let mut draft = bench.draft(1, 500);
    draft.evidence = Evidences {
        pin: Some(Evidence::new(secrets[1].to_vec())),
        cvn: Some(Evidence::new(secrets[2].to_vec())),
        arqc: Some(Evidence::new(secrets[3].to_vec())),
    };
    // The message as it came has all of it, and track data too.
    let message = secrets.concat();
    draft.mac = Some(MessageMac {
        message: Evidence::new(message.clone()),
        tag: MacTag::new(&[0xA7; 8]).unwrap(),
    });
    let mut config = bench.stand_in.config().clone();
    config.mac_keys.insert(id(1111), KeyId(4));
    let bench = Bench { stand_in: StandIn::new(config), ..bench };
    let store = &bench.store;
    for (trace, right) in [(1, true), (2, false)] {
        let draft = RequestDraft { trace: Some(trace), ..draft.clone() };
        let request = TransactionRequest::new(draft).unwrap();
        let printed = format!("{request:?}");
        let mut decision = bench.stand_in.authorize(NOW, 1, HostOutcome::NotAsked, request);
        let audited = decide(store, &Holder(right), &mut decision).unwrap();
        let Verdict::Answered(answered) = &audited.verdict else { panic!() };
        assert_eq!(answered.response.is_approval(), right);
        for secret in secrets {
            let text = String::from_utf8_lossy(secret);
            assert!(!printed.contains(&*text) && !format!("{audited:?}").contains(&*text));
        }
    }
    bench.run_with(NOW, RequestDraft { mac: None, ..bench.reversal(3, 1, 500) }, vec![]);
    let snapshot = store.snapshot();
    assert!(snapshot.rows.len() >= 8);
    // In clear, as packed decimal digits, and as a number.
    let packed = [0x62, 0, 0, 0, 0, 0, 0, 0x05];
    let number = 6_200_000_000_000_005_u64.to_be_bytes();
    let wanted = secrets.iter().copied().chain([&packed[..], &number[..], &[0xA7; 8][..]]);
    for secret in wanted {
        for (key, row) in &snapshot.rows {
            let has = |bytes: &[u8]| bytes.windows(secret.len()).any(|part| part == secret);
            assert!(!has(&row.value) && !has(key.as_bytes()), "{secret:02x?} in {key:?}");
        }
    }
}

/// Says of every message that it is authentic, and of all evidence the same.
struct Holder(bool);

impl Keys for Holder {
    type Error = std::convert::Infallible;

    fn answer(&self, questions: &[port::KeyQuestion]) -> Result<Vec<KeyAnswer>, Self::Error> {
        let answer = |question: &port::KeyQuestion| match question {
            port::KeyQuestion::Mac { .. } => KeyAnswer::Mac(MacTag::new(&[0xA7; 32]).unwrap()),
            _ => KeyAnswer::Verified(self.0),
        };
        Ok(questions.iter().map(answer).collect())
    }
}

#[test]
fn s11_one_store_serves_institutions_apart() {
    let store = port::MemoryStore::new();
    let make = |institution: u64, limit: i64| {
        let set = set(1, |json| {
            json["institution"] = institution.into();
            json["rules"][0]["limits"]["single_minor"] = limit.into();
        });
        let config = StandInConfig { institution: id(institution), ..config(None) };
        let mut install = StandIn::new(config.clone()).install(NOW, &trust(), sealed(&set));
        let verdict = decide(&store, &Says(vec![]), &mut install).unwrap().verdict;
        assert!(matches!(verdict, InstallVerdict::Accepted { .. }));
        let stand_in = StandIn::new(StandInConfig { parameters: Some(set), ..config });
        let mut lease = stand_in.lease(NOW, 0, id(1111), 100_000);
        decide(&store, &Says(vec![]), &mut lease).unwrap();
        stand_in
    };
    let (strict, generous) = (make(6222, 499), make(6333, 500));
    let bench = Bench::new(|_| {});
    let ask = |stand_in: &StandIn, institution| {
        let draft = RequestDraft { institution: Some(id(institution)), ..bench.draft(1, 500) };
        let request = TransactionRequest::new(draft).unwrap();
        let mut decision = stand_in.authorize(NOW, 1, HostOutcome::NotAsked, request);
        match decide(&store, &Says(vec![]), &mut decision).unwrap().verdict {
            Verdict::Answered(answered) => answered.response.code.to_string(),
            other => panic!("{other:?}"),
        }
    };
    // The same request, the same account token, the same key.
    assert_eq!(ask(&strict, 6222), "61");
    assert_eq!(ask(&generous, 6333), "00");
    assert_eq!(ask(&generous, 6222), "91");
}
