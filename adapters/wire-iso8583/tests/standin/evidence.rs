//! What proves who asks reaches the key holder and nothing that is stored or printed.

use super::*;
use port::MacTag;
use standin::{Evidences, MessageMac};

fn with_secrets(digits: &str) -> Message {
    let mut message = message(digits);
    message.set(23, "001").unwrap().set(35, TRACK_2).unwrap().set(45, TRACK_1).unwrap();
    message.set(48, CARD_CODE).unwrap().set(52, PIN_BLOCK).unwrap();
    message.set(53, "2600000000000000").unwrap().set(55, CRYPTOGRAM).unwrap();
    message
}

fn usage() -> Usage {
    Usage::iso1987().with_cvn_field(48)
}

/// The bytes that a key holder gets of some evidence, from the fields that it should have.
fn evidence(fields: &[(u8, &[u8])]) -> Evidence {
    let mut bytes = Vec::new();
    for (field, value) in fields {
        bytes.push(*field);
        bytes.extend_from_slice(&u16::try_from(value.len()).unwrap().to_be_bytes());
        bytes.extend_from_slice(value);
    }
    assert_eq!(EvidenceFields::new(&bytes).collect::<Vec<_>>(), fields);
    Evidence::new(bytes)
}

#[test]
fn evidence_is_what_the_key_holder_needs() {
    let Ok(Request::Transaction(request)) =
        incoming(&with_secrets("0200")).request(&usage(), accounts)
    else {
        panic!("it is a transaction");
    };
    let number = (2, PAN.as_bytes());
    let cvn = [number, (14, b"3012"), (35, TRACK_2.as_bytes()), (45, TRACK_1.as_bytes())];
    let cvn = [&cvn[..], &[(48, CARD_CODE.as_bytes())]].concat();
    assert_eq!(
        request.evidence,
        Evidences {
            pin: Some(evidence(&[number, (52, &PIN_BLOCK), (53, b"2600000000000000")])),
            cvn: Some(evidence(&cvn)),
            arqc: Some(evidence(&[number, (23, b"001"), (55, &CRYPTOGRAM)])),
        }
    );
    // What did not come is no evidence, and field 48 is none where the network puts other things there.
    let mut message = with_secrets("0200");
    message.remove(35).remove(45).remove(52).remove(55);
    assert_eq!(transaction(&message).evidence, Evidences::default());
}

#[test]
fn evidence_that_ends_too_early_ends() {
    let whole = b"\x02\x00\x03621\x34\x00\x02\xAB\xCD";
    for cut in 0..=whole.len() {
        let fields = EvidenceFields::new(&whole[..cut]).count();
        assert_eq!(fields, usize::from(cut >= 6) + usize::from(cut == whole.len()));
    }
}

#[test]
fn sd14_no_byte_of_card_secrets_is_printed_or_stored() {
    for digits in ASKING.iter().flat_map(|(digits, _)| [mti(digits), mti(digits).repeat().unwrap()])
    {
        let message = with_secrets(&digits.to_string());
        let incoming = incoming(&message);
        let Ok(Request::Transaction(request)) = incoming.request(&usage(), accounts) else {
            panic!("it is a transaction");
        };
        let mut stored = Vec::new();
        request.encode(&mut stored).unwrap();
        let shown = format!("{request:?}{request:#?}{:?}", Request::Transaction(request.clone()));
        let answer = Response {
            mti: request.mti.response().unwrap(),
            key: request.key,
            code: ResponseCode::APPROVED,
            approved: Some(request.amount),
            auth_code: None,
            source: Source::Host,
            balance: None,
            retrieval_ref: request.retrieval_ref,
        };
        answer.encode(&mut stored).unwrap();
        for (name, secret) in secrets() {
            assert!(!holds(&stored, &secret), "{digits}: {name} is stored");
            assert!(!holds(shown.as_bytes(), &secret), "{digits}: {name} is printed: {shown}");
        }
        let shown = format!("{incoming:?}");
        assert!(shown.contains("2: 621234******1232"), "{shown}");
        for (name, secret) in secrets().into_iter().filter(|(name, _)| *name != "number") {
            assert!(!holds(shown.as_bytes(), &secret), "{digits}: {name} is printed: {shown}");
        }
        assert!(!shown.contains(PAN));
    }
}

/// Pieces that are not to be found anywhere. Of the number, the first eight digits are its issuer's and may be.
fn secrets() -> Vec<(&'static str, Vec<u8>)> {
    let pieces = |name, whole: &[u8], len| {
        whole.windows(len).map(|piece| (name, piece.to_vec())).collect::<Vec<_>>()
    };
    let mut all = pieces("number", PAN.as_bytes(), 9);
    all.extend(pieces("number", &PAN.as_bytes()[8..], 6));
    // Behind the number and the date of expiry, which is in field 14 too.
    all.extend(pieces("track 2", &TRACK_2.as_bytes()[21..], 6));
    all.extend(pieces("track 1", b"^LOVELACE/ADA^", 4));
    all.extend(pieces("card code", CARD_CODE.as_bytes(), 4));
    all.extend(pieces("PIN block", &PIN_BLOCK, 3));
    all.extend(pieces("cryptogram", &CRYPTOGRAM, 3));
    all
}

/// Whether a secret is there in any form.
fn holds(bytes: &[u8], secret: &[u8]) -> bool {
    forms(secret).iter().any(|form| bytes.windows(form.len()).any(|window| window == form))
}

/// As it is, in hexadecimal digits, as a list of decimal numbers, packed, and as a big-endian number.
fn forms(secret: &[u8]) -> Vec<Vec<u8>> {
    let list: Vec<_> = secret.iter().map(u8::to_string).collect();
    let mut forms = vec![
        secret.to_vec(),
        base16ct::upper::encode_string(secret).into_bytes(),
        base16ct::lower::encode_string(secret).into_bytes(),
        list.join(", ").into_bytes(),
        list.join(",\n").into_bytes(),
    ];
    if let Ok(Ok(number)) = std::str::from_utf8(secret).map(str::parse::<u64>) {
        // Short numbers would be found by chance.
        if number > u64::from(u16::MAX) {
            let bytes = number.to_be_bytes();
            let from = bytes.iter().position(|byte| *byte != 0).unwrap();
            forms.push(bytes[from..].to_vec());
        }
        if secret.len().is_multiple_of(2) {
            let (pairs, _) = secret.as_chunks::<2>();
            forms.push(pairs.iter().map(|[high, low]| high << 4 | low & 15).collect());
        }
    }
    forms
}

#[test]
fn the_authentication_code_comes_with_what_it_covers() {
    let network = network();
    for (wide, field) in [(false, 64), (true, 128)] {
        let mut message = message("0200");
        if !wide {
            message.remove(100);
        }
        message.set(field, *b"\x01\x02\x03\x04\x05\x06\x07\x08").unwrap();
        let mut bytes = Vec::new();
        message.encode(&network, &mut bytes).unwrap();
        let incoming = Incoming::parse(&bytes, &network, NOW).unwrap();
        let keeper = |account: &Account, _| accounts(account, Some(institution(KEEPER)));
        let Ok(Request::Transaction(request)) = incoming.request(&usage(), keeper) else {
            panic!("it is a transaction");
        };
        let (covered, tag) = bytes.split_at(bytes.len() - 8);
        let mac =
            MessageMac { message: Evidence::new(covered.to_vec()), tag: MacTag::new(tag).unwrap() };
        assert_eq!(request.mac, Some(mac));
        let shown = format!("{request:?}");
        assert!(shown.contains("MessageMac(..)") && !shown.contains("1, 2, 3, 4"), "{shown}");
    }
    // A code where none can be is not overlooked.
    let mut message = message("0200");
    message.set(64, [1; 8]).unwrap();
    assert_eq!(fault(request(&message)), (64, Fault::Meaning));
}

const CARD_CODE: &str = "CVV2=8417";
