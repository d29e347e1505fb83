//! What becomes of entries when they are delivered, and when they are old.

use crate::setting::*;
use interbank_standin::*;
use port::blocking::{Store, decide};
use port::{ReadSet, Scan, Time};
use proptest::prelude::*;
use std::collections::BTreeMap;

fn settle(bench: &Bench, entry: EntryRef, settlement: Settlement) -> Settled {
    bench.settle(bench.stand_in.settle(NOW, entry, settlement))
}

#[test]
fn sd03_an_entry_is_settled_once() {
    let bench = Bench::new(|_| {});
    assert_eq!((bench.code(1, 900), bench.code(2, 100)), ("00".into(), "00".into()));
    assert_eq!((bench.state().undelivered, bench.out_minor()), (2, 1_000));
    let first = bench.entry_of(1);
    let link = bench.entry(&first).unwrap().link().unwrap();
    assert_eq!(settle(&bench, first, Settlement::Posted), Settled::Done { undelivered: 1 });
    let after = bench.store.snapshot();
    for again in [Settlement::Posted, Settlement::AlreadyPosted, Settlement::Exception] {
        let repeated = Settled::Repeated(EntryState::Posted);
        assert_eq!(settle(&bench, first, again), repeated);
    }
    assert_eq!(settle(&bench, bench.entry_of(9), Settlement::Posted), Settled::Unknown);
    assert_eq!(bench.store.snapshot(), after);
    let entry = bench.entry(&first).unwrap();
    // The chain does not depend on delivery.
    assert_eq!((entry.state, entry.link().unwrap()), (EntryState::Posted, link));
    assert_eq!((bench.state().undelivered, bench.out_minor()), (1, 100));
    // Limits are not exposure: what was spent stays spent.
    assert_eq!(bench.state().spent_minor, 1_000);
    assert_eq!(bench.code(3, 10_001), "61");
    let declined = bench.entry_of(3);
    assert_eq!(settle(&bench, declined, Settlement::Posted), Settled::NotOwed);
}

#[test]
fn sd03_an_exception_stays_in_the_exposure_until_a_person_dealt_with_it() {
    for end in [Settlement::Posted, Settlement::PostedNegative, Settlement::Resolved] {
        let bench = Bench::new(|_| {});
        assert_eq!(bench.code(1, 900), "00");
        let entry = bench.entry_of(1);
        let done = Settled::Done { undelivered: 0 };
        assert_eq!(settle(&bench, entry, Settlement::Exception), done);
        // It blocks nobody: the account's queue is empty.
        let state = bench.state();
        assert_eq!((state.undelivered, state.exceptions, bench.out_minor()), (0, 1, 900));
        let repeated = Settled::Repeated(EntryState::Exception);
        assert_eq!(settle(&bench, entry, Settlement::Exception), repeated);
        assert_eq!(settle(&bench, entry, end), done);
        assert_eq!((bench.state().exceptions, bench.out_minor()), (0, 0));
        assert_eq!(bench.entry(&entry).unwrap().state, end.state());
    }
}

#[test]
fn sd09_an_initiators_own_cap_is_charged_and_freed_apart() {
    let mut bench = Bench::new(|_| {});
    // Approved before the initiator had a cap of its own, and delivered after.
    assert_eq!(bench.code(1, 5_000), "00");
    let capped = set(8, |json| {
        json["exposure"]["initiators"] = serde_json::json!([{ "of": 1111, "sum_minor": 3_000 }]);
    });
    bench.install(NOW, &capped);
    bench.fill();
    assert_eq!((bench.code(2, 3_001), bench.code(3, 3_000)), ("61".into(), "00".into()));
    assert_eq!(bench.out_minor(), 8_000);
    settle(&bench, bench.entry_of(1), Settlement::Posted);
    // What was not charged to the cap frees nothing of it.
    assert_eq!((bench.out_minor(), bench.code(4, 1)), (3_000, "61".into()));
    settle(&bench, bench.entry_of(3), Settlement::Posted);
    assert_eq!((bench.out_minor(), bench.code(5, 3_000)), (0, "00".into()));
}

#[derive(Clone, Copy, Debug)]
enum Op {
    Buy(u8),
    Hold(u8),
    Complete(usize, u8),
    Reverse(usize, u8),
    Settle(usize, bool),
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let op = prop_oneof![
        (1..200_u8).prop_map(Op::Buy),
        (1..200_u8).prop_map(Op::Hold),
        (0..12_usize, 1..200_u8).prop_map(|(of, minor)| Op::Complete(of, minor)),
        (0..12_usize, 1..250_u8).prop_map(|(of, minor)| Op::Reverse(of, minor)),
        (0..24_usize, any::<bool>()).prop_map(|(of, posted)| Op::Settle(of, posted)),
    ];
    prop::collection::vec(op, 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever is bought, held, completed, reversed and delivered in whatever order: the exposure is never less than what the
    /// terminals were told and the books lack, and nothing is left of it when all is delivered.
    #[test]
    fn sd01_exposure_is_what_the_books_lack(ops in ops()) {
        let bench = Bench::new(|json| {
            json["completion_tolerance_bp"] = 1_000.into();
            json["counters"] = serde_json::json!([{ "id": 1, "window": "day" }]);
            json["rules"][0]["limits"] = serde_json::json!({ "floor_minor": 1_000,
                "windows": [{ "of": 1, "sum_minor": 1_000_000 }] });
        });
        let mut trace = 0;
        let mut asked: Vec<(u64, Kind)> = Vec::new();
        for op in ops {
            trace += 1;
            let nth = |of: usize| asked.get(of).copied();
            match op {
                Op::Buy(minor) => {
                    bench.run(NOW, bench.draft(trace, minor.into()));
                    asked.push((trace, Kind::Purchase));
                }
                Op::Hold(minor) => {
                    let kind = Some(Kind::PreAuthorization);
                    bench.run(NOW, RequestDraft { kind, ..bench.draft(trace, minor.into()) });
                    asked.push((trace, Kind::PreAuthorization));
                }
                Op::Complete(of, minor) => {
                    let Some((original, _)) = nth(of) else { continue };
                    bench.run(NOW, RequestDraft {
                        kind: Some(Kind::Completion),
                        original: Some(bench.key_of(original)),
                        ..bench.draft(trace, minor.into())
                    });
                    asked.push((trace, Kind::Completion));
                }
                Op::Reverse(of, minor) => {
                    let Some((original, _)) = nth(of) else { continue };
                    bench.run(NOW, bench.reversal(trace, original, minor.into()));
                }
                Op::Settle(of, posted) => {
                    let Some((original, _)) = nth(of / 2) else { continue };
                    let entry = bench.entry_of(original);
                    let entry = if of % 2 == 0 { entry } else { entry.reversal() };
                    let how = if posted { Settlement::Posted } else { Settlement::Exception };
                    settle(&bench, entry, how);
                }
            }
            let lacking = lacking(&bench, &asked);
            prop_assert_eq!(bench.out_minor(), lacking);
            // The counters count what is spent, and the chain is whole.
            let state = bench.state();
            prop_assert!(state.spent_minor >= 0);
        }
        for (trace, _) in &asked {
            for entry in [bench.entry_of(*trace), bench.entry_of(*trace).reversal()] {
                settle(&bench, entry, Settlement::Posted);
            }
        }
        prop_assert_eq!(bench.out_minor(), 0);
        prop_assert_eq!((bench.state().undelivered, bench.state().exceptions), (0, 0));
        chain_is_whole(&bench);
    }
}

/// What terminals were told and is not in the books, told from the journal alone.
fn lacking(bench: &Bench, asked: &[(u64, Kind)]) -> i64 {
    let completions: BTreeMap<RequestKey, i64> = asked
        .iter()
        .filter_map(|(trace, _)| bench.entry(&bench.entry_of(*trace)))
        .filter(|entry| entry.request.kind == Kind::Completion && entry.response.is_approval())
        .map(|entry| (entry.request.original.unwrap(), 0))
        .collect();
    let mut out = 0;
    for (trace, kind) in asked {
        let Some(entry) = bench.entry(&bench.entry_of(*trace)) else { continue };
        if !entry.response.is_approval() || !entry.state.is_out() {
            continue;
        }
        let completed = completions.contains_key(&entry.request.key);
        let reversed = bench.entry(&bench.entry_of(*trace).reversal());
        let undone = reversed.map_or(0, |reversal| -reversal.spent_minor);
        out += match kind {
            Kind::PreAuthorization if completed => 0,
            _ => entry.spent_minor - undone,
        };
    }
    out
}

fn journal(bench: &Bench) -> Vec<Entry> {
    let want = ReadSet::scan(Scan::first(bench.stand_in.journal(), 1_000));
    let rows = bench.store.read(&want).unwrap();
    let mut all: Vec<Entry> =
        rows.scans[0].iter().map(|(_, row)| Entry::parse(&row.value).unwrap()).collect();
    all.sort_by_key(|entry| entry.seq);
    all
}

fn chain_is_whole(bench: &Bench) {
    let mut previous = [0; 32];
    for (seq, entry) in (1..).zip(journal(bench)) {
        assert_eq!((entry.seq, entry.previous), (seq, previous));
        previous = entry.link().unwrap();
    }
    assert_eq!(bench.state().head, previous);
}

#[test]
fn sd06_numbers_follow_answers_and_each_entry_holds_the_one_before() {
    let bench = Bench::new(|_| {});
    for trace in 1..=6 {
        bench.run(
            NOW.plus_ms(trace),
            bench.draft(trace, 5_000 * i64::try_from(trace % 3).unwrap() + 1),
        );
    }
    bench.run(NOW.plus_ms(7), bench.reversal(7, 1, 5_001));
    chain_is_whole(&bench);
    let traces: Vec<u64> = journal(&bench).iter().map(|entry| entry.request.key.trace()).collect();
    assert_eq!(traces, [1, 2, 3, 4, 5, 6, 7]);
    // One that was changed behind our back shows in the next.
    let mut entries = journal(&bench);
    entries[2].spent_minor += 1;
    assert_ne!(entries[2].link().unwrap(), entries[3].previous);
}

fn purge(bench: &Bench, now: Time, table: PurgeTable) -> usize {
    let mut rows = 0;
    let mut after = None;
    loop {
        let mut decision = bench.stand_in.purge(now, table, after);
        let purged = decide(&bench.store, &Says(vec![]), &mut decision).unwrap();
        rows += purged.rows;
        match purged.next {
            None => return rows,
            next => after = next,
        }
    }
}

#[test]
fn sd02_no_undelivered_entry_is_ever_purged() {
    let bench = Bench::new(|json| {
        json["counters"] = serde_json::json!([]);
        json["rules"][0]["limits"].as_object_mut().unwrap().remove("windows");
    });
    for trace in 1..=220 {
        assert_eq!(bench.code(trace, 1), "00");
    }
    let held = RequestDraft { kind: Some(Kind::PreAuthorization), ..bench.draft(300, 1) };
    assert_eq!(bench.run(NOW, held).reason, None);
    let kept_ms = bench.stand_in.config().journal_kept_ms;
    let over = NOW.plus_ms(kept_ms);
    assert_eq!(purge(&bench, over.plus_ms(kept_ms), PurgeTable::Journal), 0);
    settle(&bench, bench.entry_of(1), Settlement::Exception);
    for trace in (2..=200).chain([300]) {
        settle(&bench, bench.entry_of(trace), Settlement::Posted);
    }
    assert_eq!(purge(&bench, over.minus_ms(1), PurgeTable::Journal), 0);
    // 199 purchases and the hold, which lives as long as the journal.
    assert_eq!(purge(&bench, over, PurgeTable::Journal), 200);
    let left = journal(&bench);
    assert_eq!(left.len(), 21);
    assert!(left.iter().all(|entry| entry.state.is_out()));
    // The account goes last, and not while anything waits.
    let late = over.plus_ms(3 * 86_400_000);
    assert_eq!(purge(&bench, late, PurgeTable::Accounts), 0);
    settle(&bench, bench.entry_of(1), Settlement::Resolved);
    for trace in 201..=220 {
        settle(&bench, bench.entry_of(trace), Settlement::Posted);
    }
    assert_eq!(purge(&bench, late, PurgeTable::Journal), 21);
    let state = bench.state();
    assert_eq!((state.undelivered, state.exceptions, bench.out_minor()), (0, 0, 0));
    // The hold in it has lapsed.
    assert_eq!((state.holds.len(), purge(&bench, late, PurgeTable::Accounts)), (1, 1));
}

#[test]
fn sd11_an_entry_is_kept_as_long_as_its_message_may_come_again() {
    let bench = Bench::new(|_| {});
    let ahead = NOW.plus_ms(3_600_000);
    let draft = || RequestDraft { sent_at: Some(ahead), ..bench.draft(1, 100) };
    assert_eq!(bench.run(NOW, draft()).reason, None);
    let entry = EntryRef::of(&TransactionRequest::new(draft()).unwrap());
    assert_eq!(settle(&bench, entry, Settlement::Posted), Settled::Done { undelivered: 0 });
    let last = ahead.plus_ms(bench.stand_in.config().journal_kept_ms - 1);
    assert_eq!(purge(&bench, last, PurgeTable::Journal), 0);
    assert!(bench.run(last, draft()).repeated);
    let over = last.plus_ms(1);
    assert_eq!(purge(&bench, over, PurgeTable::Journal), 1);
    assert_eq!(bench.run(over, draft()).reason, Some(Reason::OutOfTime));
}

#[test]
fn sd07_sets_before_the_one_in_force_are_purged() {
    let mut bench = Bench::new(|_| {});
    let later = set(9, |json| json["effective_from_ms"] = NOW.plus_ms(1_000).as_ms().into());
    bench.install(NOW, &set(8, |_| {}));
    bench.install(NOW, &later);
    let rows = |table| purge(&bench, NOW, table);
    assert_eq!((rows(PurgeTable::Sets), rows(PurgeTable::Acknowledgements)), (1, 0));
    assert_eq!(purge(&bench, NOW.plus_ms(1_000), PurgeTable::Sets), 1);
    let kept_ms = bench.stand_in.config().journal_kept_ms;
    assert_eq!(purge(&bench, NOW.plus_ms(kept_ms), PurgeTable::Acknowledgements), 2);
    let mut load = bench.stand_in.load(NOW.plus_ms(1_000), &trust());
    let loaded = decide(&bench.store, &Says(vec![]), &mut load).unwrap();
    assert_eq!(loaded, Loaded::InForce { parameters: later, until: None });
}

#[test]
fn sd01_a_reversal_is_kept_while_its_original_waits_for_a_person() {
    let bench = Bench::new(|_| {});
    assert_eq!(bench.code(1, 1_000), "00");
    assert_eq!(bench.code(2, 700), "00");
    settle(&bench, bench.entry_of(1), Settlement::Exception);
    // Four tenths are given back; the reversal is posted, and its original still waits.
    assert_eq!(bench.run(NOW, bench.reversal(3, 1, 400)).reason, None);
    settle(&bench, bench.entry_of(1).reversal(), Settlement::Posted);
    assert_eq!(bench.out_minor(), 600 + 700);
    let over = NOW.plus_ms(bench.stand_in.config().journal_kept_ms);
    assert_eq!(purge(&bench, over, PurgeTable::Journal), 0);
    // Without the reversal, all of it would have come back now, and the other purchase's amount with it.
    settle(&bench, bench.entry_of(1), Settlement::Resolved);
    assert_eq!(bench.out_minor(), 700);
    assert_eq!(purge(&bench, over, PurgeTable::Journal), 2);
}

#[test]
fn a_decline_is_owed_once_the_accounting_system_may_have_approved() {
    let bench = Bench::new(|_| {});
    let ask = |trace, host, minor| match bench.decide(NOW, host, bench.draft(trace, minor), vec![])
    {
        Verdict::Answered(answered) => answered,
        other => panic!("{other:?}"),
    };
    let state = |trace| bench.entry(&bench.entry_of(trace)).unwrap().state;
    for (trace, host) in [(1, HostOutcome::Unknown), (2, HostOutcome::Approved)] {
        let first = ask(trace, HostOutcome::NotAsked, 10_001);
        for harmless in [HostOutcome::NotAsked, HostOutcome::Declined] {
            assert_eq!(ask(trace, harmless, 10_001).response, first.response);
            assert_eq!(state(trace), EntryState::NotOwed);
        }
        let before = bench.state();
        let again = ask(trace, host, 10_001);
        assert!(again.repeated && again.response == first.response);
        assert_eq!(again.entry.as_ref(), bench.stand_in.entry_keys(&bench.entry_of(trace)).first());
        assert_eq!(state(trace), EntryState::Queued);
        let after = bench.state();
        assert_eq!((after.undelivered, after.seq), (before.undelivered + 1, before.seq));
        // Once is enough, also when it was delivered.
        ask(trace, host, 10_001);
        assert_eq!(bench.state(), after);
        let settle = bench.stand_in.settle(NOW, bench.entry_of(trace), Settlement::Posted);
        bench.settle(settle);
        ask(trace, host, 10_001);
        assert_eq!((state(trace), bench.state().undelivered), (EntryState::Posted, 0));
    }
    // Another question under the key moves nothing, and neither does what was never money.
    ask(3, HostOutcome::NotAsked, 10_001);
    assert_eq!(ask(3, HostOutcome::Unknown, 10_002).reason, Some(Reason::KeyReused));
    assert_eq!(state(3), EntryState::NotOwed);
}
