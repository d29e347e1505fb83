//! What a host is told later is what was asked, as far as a request keeps it.

use super::*;
use interbank_wire_iso8583::{Outgoing, StoodIn};
use standin::Evidences;

fn number(_: &AccountInfo) -> Option<Account> {
    Account::new(PAN).ok()
}

fn told(outgoing: &Outgoing<'_>) -> TransactionRequest {
    transaction(&outgoing.message(&Usage::iso1987(), number).unwrap())
}

#[test]
fn an_advice_asks_for_the_same_under_the_same_key() {
    for (digits, _) in ASKING {
        for code in ["000000", "010000", "200000", "310000"] {
            let mut asked = message(digits);
            asked.set(3, code).unwrap();
            asked.set(6, "000000009999").unwrap().set(51, "840").unwrap();
            let request = transaction(&asked);
            let again = told(&Outgoing::new(&request));
            assert_eq!(again, request, "{digits} {code}");
            let code = ResponseCode::APPROVED;
            let response = answers::response(&request, code);
            for outgoing in [
                Outgoing::new(&request).as_advice(&response),
                Outgoing::new(&request).as_advice(&response).as_repeat(),
            ] {
                let message = outgoing.message(&Usage::iso1987(), number).unwrap();
                assert!(message.mti().is_advice());
                assert_eq!((message.text(38), message.text(39)), (Some("A1B2C3"), Some("00")));
                let advice = transaction(&message);
                assert!(advice.asks_the_same(&request));
                let mut advice = advice;
                advice.mti = request.mti;
                assert_eq!(advice, request);
            }
            let repeat = Outgoing::new(&request).as_advice(&response).as_repeat();
            assert!(told(&repeat).mti.is_repeat());
        }
    }
}

#[test]
fn kinds_with_a_condition_and_two_accounts_come_back() {
    let mut held = message("0100");
    held.set(25, "06").unwrap();
    let request = transaction(&held);
    assert_eq!(told(&Outgoing::new(&request)), request);
    let mut completion = message("0220");
    completion.set(25, "06").unwrap().set_stan(7).unwrap();
    completion.set_original(&held.as_original().unwrap()).unwrap();
    let request = transaction(&completion);
    assert_eq!(told(&Outgoing::new(&request)), request);
    let mut transfer = message("0200");
    transfer.set(3, "400000").unwrap().set(103, "DE02120300000000202051").unwrap();
    transfer.remove(2).set(102, "DE89370400440532013000").unwrap();
    let request = transaction(&transfer);
    let to = request.to.clone().unwrap().token;
    let numbers = |info: &AccountInfo| {
        let number =
            if info.token == to { "DE02120300000000202051" } else { "DE89370400440532013000" };
        Account::new(number).ok()
    };
    let message = Outgoing::new(&request).message(&Usage::iso1987(), numbers).unwrap();
    assert_eq!(transaction(&message), request);
}

#[test]
fn what_was_approved_is_what_is_told() {
    let request = transaction(&message("0200"));
    let part = answers::response(&request, ResponseCode::PARTIAL);
    let part = Response { approved: Some(yuan(5_000)), ..part };
    assert_eq!(told(&Outgoing::new(&request).as_advice(&part)).amount, yuan(5_000));
}

#[test]
fn a_reversal_in_part_says_what_remains() {
    let mut reversal = message("0400");
    reversal.set(95, format!("{:012}{}", 345, "0".repeat(30))).unwrap();
    let request = transaction(&reversal);
    assert_eq!(request.amount, yuan(12_000));
    let outgoing = Outgoing::new(&request).undoing(yuan(12_345));
    let message = outgoing.message(&Usage::iso1987(), number).unwrap();
    assert_eq!(message.text(4), Some("000000012345"));
    assert_eq!(message.text(95), Some("000000000345000000000000C00000000C00000000"));
    assert_eq!(transaction(&message), request);
    // The whole needs no field 95, and less than that makes no sense.
    let whole = Outgoing::new(&request).undoing(yuan(12_000));
    assert!(!whole.message(&Usage::iso1987(), number).unwrap().has(95));
    let less = Outgoing::new(&request).undoing(yuan(11_999));
    assert_eq!(fault(less.message(&Usage::iso1987(), number)), (95, Fault::Meaning));
}

#[test]
fn what_a_message_cannot_say_is_refused() {
    let mut request = transaction(&message("0200"));
    let refused = |request: &TransactionRequest| {
        fault(Outgoing::new(request).message(&Usage::iso1987(), number))
    };
    let nobody = Outgoing::new(&request).message(&Usage::iso1987(), |_| None);
    assert_eq!(fault(nobody), (2, Fault::Unroutable));
    request.kind = Kind::PreAuthorization;
    assert_eq!(refused(&request), (3, Fault::Meaning));
    request.kind = Kind::Purchase;
    request.key = key(standin::Class::Financial, 1_000_000, at(1));
    assert_eq!(refused(&request), (11, Fault::Meaning));
    assert_eq!(request.evidence, Evidences::default());
}

#[test]
fn sd14_evidence_is_not_told_again() {
    let mut asked = message("0200");
    asked.set(35, TRACK_2).unwrap().set(52, PIN_BLOCK).unwrap().set(55, CRYPTOGRAM).unwrap();
    let request = transaction(&asked);
    assert!(request.evidence.pin.is_some());
    let message = Outgoing::new(&request).message(&Usage::iso1987(), number).unwrap();
    assert!([35, 36, 45, 52, 55].iter().all(|field| !message.has(*field)));
}

#[test]
fn a_host_is_told_who_answered_when_and_by_which_parameters() {
    let usage = Usage::iso1987().with_stand_in_field(60);
    let network = Dialect::iso1987(Codings::ASCII).unwrap();
    let request = transaction(&message("0100"));
    let at = Time::from_ms(1_785_000_000_789);
    let source = Source::StandIn { epoch: 3, parameters: u64::MAX };
    let by = |source| Response { source, ..answers::response(&request, ResponseCode::PARTIAL) };
    let told = |response: &Response, usage: &Usage| {
        let outgoing = Outgoing::new(&request).as_advice(response).answered_at(at);
        let mut frame = Vec::new();
        outgoing.message(usage, number).unwrap().encode(&network, &mut frame).unwrap();
        Incoming::parse(&frame, &network, at).unwrap()
    };
    let evidence = told(&by(source), &usage).stood_in(&usage).unwrap();
    let at_second = Time::from_s(1_785_000_000);
    let code = ResponseCode::PARTIAL;
    let expected = StoodIn { code, at: at_second, epoch: 3, parameters: u64::MAX };
    assert_eq!(evidence, Some(expected));
    let text = "SI 10 20260725172000 3 18446744073709551615";
    assert_eq!(told(&by(source), &usage).message().text(60), Some(text));
    // Nobody else's answer has it, nor does a network that has no field for it.
    for (source, usage) in [(Source::Host, &usage), (source, &Usage::iso1987())] {
        let incoming = told(&by(source), usage);
        assert_eq!((incoming.stood_in(usage), incoming.message().text(60)), (Ok(None), None));
    }
    // Nothing else passes for evidence.
    for wrong in [
        "SI",
        "SI 10 20260725172000 3",
        "SI 10 20260725172000 03 7",
        "SI 10 20260731 3 7",
        "SI 10 20261325172000 3 7",
        "si 10 20260725172000 3 7",
        "SI 10 20260725172000 3 7 ",
        "SI 1 20260725172000 3 7",
    ] {
        let mut advice = message("0120");
        advice.set(60, wrong).unwrap();
        let mut frame = Vec::new();
        advice.encode(&network, &mut frame).unwrap();
        let incoming = Incoming::parse(&frame, &network, at).unwrap();
        let refused = incoming.stood_in(&usage).unwrap_err();
        assert_eq!((refused.field, refused.fault), (60, Fault::Meaning), "{wrong}");
    }
}
