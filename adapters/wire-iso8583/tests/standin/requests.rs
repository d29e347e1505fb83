//! Each message type as a request, and what is refused.

use super::*;
use standin::{Bin, CheckDigit, NetworkFunction, NetworkRequest};

#[test]
fn s08_each_type_becomes_a_request_with_account_institution_initiator_and_amount() {
    for (digits, kind, class) in [
        ("0100", Kind::Purchase, standin::Class::Authorization),
        ("0120", Kind::Purchase, standin::Class::Authorization),
        ("0200", Kind::Purchase, standin::Class::Financial),
        ("0220", Kind::Purchase, standin::Class::Financial),
        ("0400", Kind::Reversal, standin::Class::Reversal),
        ("0420", Kind::Reversal, standin::Class::Reversal),
    ] {
        let request = transaction(&message(digits));
        assert_eq!(request.mti.to_string(), digits);
        assert_eq!(request.kind, kind);
        assert_eq!(request.institution, institution(KEEPER));
        assert_eq!(request.initiator, institution(ACQUIRER));
        assert_eq!(request.amount, yuan(12_345));
        assert_eq!(request.key, key(class, 123_456, at(1)));
        assert_eq!(request.account.token, tokens().token(&Account::new(PAN).unwrap()));
        assert_eq!(request.account.bin, Bin::new(62_123_456));
        assert_eq!(request.account.check_digit, CheckDigit::Right);
        let original =
            (kind == Kind::Reversal).then(|| key(standin::Class::Financial, 654_321, at(991)));
        assert_eq!(request.original, original);
        assert_eq!(request.merchant.unwrap().as_str(), "MERCHANT 1");
        assert_eq!(request.retrieval_ref.unwrap().as_str(), "623410123456");
        assert_eq!(request.expiry.unwrap().as_yymm(), 3_012);
        assert_eq!(request.mcc.unwrap().as_u16(), 5_411);
        assert_eq!(request.country.unwrap().as_u16(), 156);
        assert_eq!(
            (request.channel, request.entry),
            (standin::Channel::Pos, standin::EntryMode::Chip)
        );
        assert_eq!(request.evidence, standin::Evidences::default());
        assert_eq!((request.mac, request.billing, request.risk_bp), (None, None, None));
    }
}

#[test]
fn a_repeat_asks_for_the_same() {
    for (digits, _) in ASKING {
        let first = message(digits);
        let mut again = first.clone();
        again.set_mti(first.mti().repeat().unwrap());
        let (first, mut again) = (transaction(&first), transaction(&again));
        assert!(again.mti.is_repeat() && !first.mti.is_repeat());
        assert_eq!(again.mti.first(), first.mti);
        assert!(again.asks_the_same(&first));
        again.mti = first.mti;
        assert_eq!(again, first);
    }
}

#[test]
fn network_messages_of_the_three_functions_and_their_repeats() {
    for (code, function) in [
        ("001", NetworkFunction::SignOn),
        ("002", NetworkFunction::SignOff),
        ("301", NetworkFunction::Echo),
    ] {
        for digits in ["0800", "0801"] {
            let mut message = Message::new(mti(digits));
            message.set(7, "0822101530").unwrap().set_stan(9).unwrap();
            message.set(33, "4711").unwrap().set(70, code).unwrap();
            let incoming = incoming(&message);
            let read = incoming.request(&Usage::iso1987(), accounts).unwrap();
            let key = RequestKey::new(
                standin::Class::Network,
                institution(4_711),
                9,
                at(1),
                Text::new("-").unwrap(),
            )
            .unwrap();
            let mti = standin::Mti::parse(digits.as_bytes()).unwrap();
            assert_eq!(read, Request::Network(NetworkRequest { mti, key, function }));
            let answer = incoming.answer_code(ResponseCode::APPROVED).unwrap();
            assert_eq!((answer.mti(), answer.text(39)), (Mti::NETWORK_RESPONSE, Some("00")));
            assert_eq!((answer.text(70), answer.stan()), (Some(code), Ok(Some(9))));
            // Who sent it may be known by the line alone.
            let mut silent = message.clone();
            silent.remove(33);
            let silent = self::incoming(&silent);
            let refused = silent.request(&Usage::iso1987(), accounts).unwrap_err();
            assert_eq!(refused, FieldError::missing(33));
            let known = silent.from_sender(institution(4_711));
            assert_eq!(known.request(&Usage::iso1987(), accounts), Ok(read));
        }
    }
    let mut message = Message::new(Mti::NETWORK_REQUEST);
    message.set(7, "0822101530").unwrap().set_stan(9).unwrap().set(33, "4711").unwrap();
    assert_eq!(request(&message).unwrap_err(), FieldError::missing(70));
    message.set(70, "161").unwrap();
    assert_eq!(fault(request(&message)), (70, Fault::Meaning));
}

#[test]
fn s08_a_missing_field_is_named_and_answered_with_a_format_error() {
    for (digits, answer) in ASKING {
        let reversal = mti(digits).class() == Class::Reversal;
        let needed: &[u8] =
            if reversal { &[2, 4, 7, 11, 32, 41, 49, 90] } else { &[2, 3, 4, 7, 11, 32, 41, 49] };
        for field in needed {
            let mut message = message(digits);
            message.remove(*field);
            let incoming = incoming(&message);
            let refused = incoming.request(&Usage::iso1987(), accounts).unwrap_err();
            assert_eq!(refused, FieldError::missing(*field), "{digits}");
            assert_eq!(refused.to_string(), format!("field {field}: missing"));
            let answer_code = incoming.answer_code(refused.response_code()).unwrap();
            assert_eq!(answer_code.mti().to_string(), answer);
            assert_eq!(answer_code.text(39), Some("30"));
        }
        // What is not needed may be away.
        let mut message = message(digits);
        for field in [14, 18, 19, 22, 25, 37, 42] {
            message.remove(field);
        }
        assert!(request(&message).is_ok());
    }
}

#[test]
fn a_bad_field_is_named() {
    for (digits, field, value, fault_expected, code) in [
        ("0200", 3, "770000", Fault::Meaning, "12"),
        ("0200", 4, "000000000000", Fault::Meaning, "13"),
        ("0200", 49, "999", Fault::Meaning, "13"),
        ("0200", 49, "000", Fault::Currency, "30"),
        ("0200", 7, "1301000000", Fault::Meaning, "30"),
        ("0200", 32, "00000000000", Fault::Meaning, "30"),
        ("0200", 100, "0", Fault::Meaning, "30"),
        ("0200", 41, " TERM 1 ", Fault::Missing, "-"),
        ("0200", 41, "        ", Fault::Missing, "30"),
        ("0200", 14, "3013", Fault::Meaning, "30"),
        ("0400", 90, "080065432108220959000004711081500000000000", Fault::Meaning, "30"),
        ("0400", 90, "020065432113220959000004711081500000000000", Fault::Meaning, "30"),
        ("0400", 90, "020065432108220959000004711081600000000000", Fault::Conflict, "30"),
        ("0400", 95, "000000012345000000000000000000000000000000", Fault::Meaning, "13"),
    ] {
        let mut message = message(digits);
        message.set(field, value).unwrap();
        if code == "-" {
            // Blanks at the ends are no part of a name.
            assert_eq!(transaction(&message).key.terminal().as_str(), "TERM 1");
            continue;
        }
        let refused = match incoming(&message).request(&Usage::iso1987(), accounts) {
            Err(refused) => refused,
            Ok(request) => panic!("{digits} {field} {value}: {request:?}"),
        };
        let blamed = if (field, fault_expected) == (49, Fault::Meaning) { 4 } else { field };
        assert_eq!((refused.field, refused.fault), (blamed, fault_expected), "{value}");
        assert_eq!(refused.response_code().to_string(), code, "{field} {value}");
    }
    // A message that asks for nothing.
    assert_eq!(fault(request(&message("0210"))), (0, Fault::MessageType));
    let answer = incoming(&message("0210")).answer_code(ResponseCode::FORMAT);
    assert_eq!(fault(answer), (0, Fault::MessageType));
}

#[test]
fn a_completion_and_a_pre_authorization_are_told_by_their_condition() {
    let mut held = message("0100");
    held.set(25, "06").unwrap();
    assert_eq!(transaction(&held).kind, Kind::PreAuthorization);
    assert_eq!(transaction(&held).original, None);
    for digits in ["0200", "0220"] {
        let mut completion = message(digits);
        completion.set(25, "06").unwrap();
        assert_eq!(request(&completion).unwrap_err(), FieldError::missing(90));
        let original = held.as_original().unwrap();
        completion.set_original(&original).unwrap().set_stan(123_457).unwrap();
        let completion = transaction(&completion);
        assert_eq!(completion.kind, Kind::Completion);
        assert_eq!(completion.original, Some(transaction(&held).key));
    }
    // A network may say it otherwise.
    let usage =
        Usage::iso1987().with_kind(KindRule::new(Class::Authorization, 3, Kind::PreAuthorization));
    let mut held = message("0100");
    held.set(3, "030000").unwrap();
    assert_eq!(fault(request(&held)), (3, Fault::Meaning));
    assert!(incoming(&held).request(&usage, accounts).is_ok());
}

#[test]
fn a_reversal_names_the_request_and_an_advice_its_own_class() {
    for digits in ["0100", "0120", "0200", "0220", "0221"] {
        let asked = message(digits);
        for reversing in ["0400", "0420", "0421"] {
            let mut reversal = message(reversing);
            // Many networks give it number and time of what it reverses.
            reversal.set_original(&asked.as_original().unwrap()).unwrap();
            let reversal = transaction(&reversal);
            assert_eq!(reversal.original, Some(transaction(&asked).key));
            assert_ne!(Some(reversal.key), reversal.original);
        }
    }
}

#[test]
fn a_reversal_in_part_is_about_the_difference() {
    let mut message = message("0420");
    message.set(6, "000000002000").unwrap().set(51, "840").unwrap();
    assert_eq!(transaction(&message).billing.map(Amount::minor), Some(2_000));
    message.set(95, format!("{:012}{}", 345, "0".repeat(30))).unwrap();
    let part = transaction(&message);
    assert_eq!((part.amount, part.billing), (yuan(12_000), None));
    message.set(95, "0".repeat(42)).unwrap();
    assert_eq!(transaction(&message).amount, yuan(12_345));
}

#[test]
fn kinds_of_transaction() {
    for (code, kind) in [
        ("000000", Kind::Purchase),
        ("011000", Kind::Cash),
        ("090000", Kind::Cash),
        ("200000", Kind::Refund),
        ("301000", Kind::Inquiry),
        ("311000", Kind::Inquiry),
    ] {
        for digits in ["0100", "0200"] {
            let mut message = message(digits);
            message.set(3, code).unwrap();
            let request = transaction(&message);
            assert_eq!((request.kind, request.capabilities.balance), (kind, kind == Kind::Inquiry));
        }
    }
    let mut inquiry = message("0200");
    inquiry.set(3, "310000").unwrap().remove(4);
    assert_eq!(transaction(&inquiry).amount, yuan(0));
    inquiry.remove(49);
    assert_eq!(request(&inquiry).unwrap_err(), FieldError::missing(49));
}

#[test]
fn a_transfer_has_two_accounts() {
    let mut message = message("0200");
    message.set(3, "401020").unwrap();
    assert_eq!(request(&message).unwrap_err(), FieldError::missing(103));
    message.set(103, "DE89370400440532013000      ").unwrap();
    let transfer = transaction(&message);
    let to = tokens().token(&Account::new("DE89370400440532013000").unwrap());
    assert_eq!(transfer.kind, Kind::Transfer);
    assert_eq!(transfer.to.map(|to| (to.token, to.bin)), Some((to, None)));
    message.set(103, "not an account").unwrap();
    assert_eq!(fault(request(&message)), (103, Fault::Meaning));
    // And an account need not have a card.
    message.set(103, "DE02120300000000202051").unwrap().set(102, "DE89370400440532013000").unwrap();
    message.remove(2).remove(14);
    let transfer = transaction(&message);
    assert_eq!((transfer.account.token, transfer.account.bin), (to, None));
}

#[test]
fn who_keeps_the_account_is_asked_once_with_what_the_message_names() {
    let mut message = message("0200");
    let asked = |message: &Message| {
        let mut asked = Vec::new();
        let result = incoming(message).request(&Usage::iso1987(), |account, named| {
            asked.push((account.expose().to_vec(), named));
            None
        });
        (fault(result), asked)
    };
    let named = Some(institution(KEEPER));
    assert_eq!(asked(&message), ((2, Fault::Unroutable), vec![(PAN.into(), named)]));
    message.remove(100);
    assert_eq!(asked(&message).1, [(PAN.as_bytes().to_vec(), None)]);
    let refused = FieldError::missing(2);
    assert_eq!(refused.response_code(), ResponseCode::FORMAT);
    let unknown = incoming(&message).request(&Usage::iso1987(), |_, _| None).unwrap_err();
    assert_eq!(unknown.response_code(), ResponseCode::UNROUTABLE);
    assert_eq!(unknown.code(), 9_216);
}

#[test]
fn tracks_and_field_2_agree() {
    let mut message = message("0200");
    message.set(35, TRACK_2).unwrap().set(45, TRACK_1).unwrap();
    let whole = transaction(&message);
    // Either track stands in for what is printed on the card.
    message.remove(2).remove(14);
    assert_eq!(transaction(&message).account, whole.account);
    assert_eq!(transaction(&message).expiry, whole.expiry);
    message.remove(35);
    assert_eq!(transaction(&message).account, whole.account);
    message.remove(45);
    assert_eq!(request(&message).unwrap_err(), FieldError::missing(2));
    for (field, track) in
        [(35, "6212345678901243=3012"), (45, "B6212345678901243^LOVELACE/ADA^3012")]
    {
        let mut message = self::message("0200");
        message.set(field, track).unwrap();
        let error = request(&message).unwrap_err();
        assert_eq!((error.field, error.fault, error.code()), (field, Fault::Conflict, 9_215));
    }
    let mut message = self::message("0200");
    message.set(35, TRACK_2).unwrap().set(14, "3101").unwrap();
    assert_eq!(fault(request(&message)), (14, Fault::Conflict));
    // A track in a format of its own says nothing about the number.
    message.remove(35).set(45, "A6212345678901243").unwrap();
    assert!(request(&message).is_ok());
}
