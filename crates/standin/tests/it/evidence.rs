//! Check 10, cell by cell: what came along, how it is treated, what the key holder says.

use crate::setting::*;
use interbank_standin::*;
use port::{KeyAnswer, KeyRefusal};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Piece {
    Pin,
    Cvn,
    Arqc,
}

const PIECES: [(Piece, &str); 3] =
    [(Piece::Pin, "pin"), (Piece::Cvn, "cvn"), (Piece::Arqc, "arqc")];

fn request(bench: &Bench, trace: u64, piece: Option<Piece>) -> RequestDraft {
    let mut draft = bench.draft(trace, 500);
    let evidence = Some(Evidence::new(vec![0x5A; 8]));
    match piece {
        Some(Piece::Pin) => draft.evidence.pin = evidence,
        Some(Piece::Cvn) => draft.evidence.cvn = evidence,
        Some(Piece::Arqc) => draft.evidence.arqc = evidence,
        None => {}
    }
    draft
}

/// A floor of 499 and an amount of 500: what is unverified is declined with 05.
fn bench(word: &str, treatment: Option<&str>, floor: i64) -> Bench {
    Bench::new(|json| {
        let rule = &mut json["rules"][0];
        rule.as_object_mut().unwrap().remove("pin");
        if let Some(treatment) = treatment {
            rule[word] = treatment.into();
        }
        rule["limits"]["floor_minor"] = floor.into();
    })
}

#[test]
fn sd14_evidence_fails_closed_in_every_cell() {
    let right = || Some(KeyAnswer::Verified(true));
    let wrong = || Some(KeyAnswer::Verified(false));
    let cannot = || Some(KeyAnswer::Refused(KeyRefusal::UnknownKey));
    let mut cells = 0;
    for (piece, word) in PIECES {
        let unchecked = if piece == Piece::Pin { "86" } else { "88" };
        let denied = if piece == Piece::Pin { "55" } else { "05" };
        // Treatment, whether it came, what the key holder says (nothing: it is not asked), the answer's code.
        let table: [(Option<&str>, bool, Option<KeyAnswer>, &str); 12] = [
            (None, false, None, "05"),
            (None, true, None, unchecked),
            (Some("refuse"), false, None, "05"),
            (Some("refuse"), true, None, unchecked),
            (Some("key:9"), false, None, "05"),
            (Some("key:9"), true, right(), "00"),
            (Some("key:9"), true, wrong(), denied),
            (Some("key:9"), true, cannot(), unchecked),
            (Some("floor"), false, None, "05"),
            (Some("floor"), true, None, "05"),
            (Some("waive"), false, None, "00"),
            (Some("waive"), true, None, "00"),
        ];
        for (treatment, there, says, code) in table {
            let bench = bench(word, treatment, 499);
            let draft = request(&bench, 1, there.then_some(piece));
            let answered = bench.run_with(NOW, draft, says.clone().into_iter().collect());
            let cell = format!("{word} {treatment:?} there: {there}, {says:?}");
            assert_eq!(answered.response.code.to_string(), code, "{cell}");
            assert_eq!(answered.response.is_approval(), bench.state().spent_minor == 500, "{cell}");
            cells += 1;
        }
    }
    assert_eq!(cells, 36);
}

#[test]
fn sd09_the_floor_amount_is_exact() {
    for (floor, code) in [(500, "00"), (499, "05")] {
        for treatment in [None, Some("floor"), Some("key:9")] {
            let bench = bench("cvn", treatment, floor);
            let answered = bench.run(NOW, request(&bench, 1, None));
            assert_eq!(answered.response.code.to_string(), code, "{floor} {treatment:?}");
        }
    }
    // Without a rule for it, nothing that is unverified passes.
    let bench = Bench::new(|json| {
        json["rules"][0]["limits"].as_object_mut().unwrap().remove("floor_minor");
    });
    assert_eq!(bench.run(NOW, bench.draft(1, 1)).reason, Some(Reason::AboveFloor));
}

#[test]
fn sd14_what_a_way_of_reading_brings_along_is_expected() {
    let rights = |n| vec![KeyAnswer::Verified(true); n];
    for (entry, lacking) in [
        (EntryMode::Chip, Some(Piece::Arqc)),
        (EntryMode::Contactless, Some(Piece::Arqc)),
        (EntryMode::Keyed, Some(Piece::Cvn)),
        (EntryMode::Remote, Some(Piece::Cvn)),
        (EntryMode::Stripe, None),
        (EntryMode::Fallback, None),
        (EntryMode::OnFile, None),
        (EntryMode::Unknown, None),
    ] {
        // The PIN is right, and nothing else is there.
        let bench = Bench::new(|json| {
            let rule = &mut json["rules"][0];
            (rule["cvn"], rule["arqc"]) = ("key:9".into(), "key:9".into());
            rule["limits"]["floor_minor"] = 499.into();
        });
        let draft = RequestDraft { entry: Some(entry), ..request(&bench, 1, Some(Piece::Pin)) };
        let answered = bench.run_with(NOW, draft.clone(), rights(1));
        let reason = lacking.map(|_| Reason::AboveFloor);
        assert_eq!(answered.reason, reason, "{entry}");
        // With what was lacking it passes.
        if let Some(lacking) = lacking {
            let evidence = request(&bench, 2, Some(lacking)).evidence;
            let evidence = Evidences { pin: draft.evidence.pin.clone(), ..evidence };
            let draft = RequestDraft { trace: Some(2), evidence, ..draft };
            assert_eq!(bench.run_with(NOW, draft, rights(2)).reason, None, "{entry}");
        }
    }
}

#[test]
fn sd14_cash_is_never_paid_without_a_pin() {
    for (treatment, there, code) in [
        (None, false, "86"),
        (Some("refuse"), false, "86"),
        (Some("key:9"), false, "86"),
        (Some("floor"), false, "86"),
        (Some("floor"), true, "86"),
        (Some("waive"), false, "00"),
        (Some("key:9"), true, "00"),
    ] {
        for (kind, channel) in [(Kind::Cash, Channel::Branch), (Kind::Purchase, Channel::Atm)] {
            let bench = bench("pin", treatment, 1_000_000);
            let draft = RequestDraft {
                kind: Some(kind),
                channel: Some(channel),
                ..request(&bench, 1, there.then_some(Piece::Pin))
            };
            let says = (code == "00" && there).then_some(KeyAnswer::Verified(true));
            let answered = bench.run_with(NOW, draft, says.into_iter().collect());
            assert_eq!(answered.response.code.to_string(), code, "{treatment:?} {there} {kind}");
        }
    }
}

#[test]
fn sd09_wrong_pins_count_up_to_the_limit() {
    let bench = Bench::new(|json| json["pin_tries"] = 3.into());
    let codes = |from: u64, says: &[bool]| -> Vec<String> {
        let run = |(trace, right): (u64, &bool)| {
            let draft = request(&bench, trace, Some(Piece::Pin));
            let says = vec![KeyAnswer::Verified(*right)];
            bench.run_with(NOW, draft, says).response.code.to_string()
        };
        (from..).zip(says).map(run).collect()
    };
    // A right one forgets those before it.
    assert_eq!(codes(1, &[false, false, true]), ["55", "55", "00"]);
    assert_eq!(codes(4, &[false, false, false]), ["55", "55", "75"]);
    assert_eq!(bench.state().pin_failures, 3);
    // Now nothing is asked any more, and no request without a PIN passes either.
    for (trace, piece) in [(7, Some(Piece::Pin)), (8, None)] {
        let answered = bench.run(NOW, request(&bench, trace, piece));
        assert_eq!(answered.reason, Some(Reason::PinTries));
    }
    // A refund does: it takes nothing.
    let refund = RequestDraft { kind: Some(Kind::Refund), ..bench.draft(9, 100) };
    assert_eq!(bench.run(NOW, refund).reason, None);
    // A repeat of a wrong one counts no second time.
    assert!(bench.run(NOW, request(&bench, 4, Some(Piece::Pin))).repeated);
    assert_eq!(bench.state().pin_failures, 3);
}
