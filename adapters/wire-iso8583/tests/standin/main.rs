//! Messages as requests of the stand-in crate, and its answers as messages.
#![cfg(feature = "standin")]
#![allow(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

mod answers;
mod evidence;
mod outgoing;
mod requests;

use interbank_wire_iso8583::{
    Class, Codings, Dialect, EvidenceFields, Fault, FieldError, Incoming, KindRule, Message, Mti,
    Usage,
};
use port::{Amount, Currency, Time};
use seal::{Account, AccountTokens, Secret};
use standin::{
    AccountInfo, AuthCode, Evidence, InstitutionId, Kind, Request, RequestKey, Response,
    ResponseCode, Source, Text, TransactionRequest,
};

const PAN: &str = "6212345678901232";
const TRACK_2: &str = "6212345678901232=30122019472658310397";
const TRACK_1: &str = "B6212345678901232^LOVELACE/ADA^30122019472658310397";
const PIN_BLOCK: [u8; 8] = [0x3A, 0x91, 0xC4, 0x7E, 0xD2, 0x58, 0xB6, 0x0F];
const CRYPTOGRAM: [u8; 11] = [0x9F, 0x26, 0x08, 0xE1, 0x73, 0xAC, 0x19, 0x5B, 0xD4, 0x62, 0x8F];
const KEEPER: u64 = 900_001;
const ACQUIRER: u64 = 47_110_815;
const NOW: Time = Time::from_s(1_787_393_731); // 2026-08-22T10:15:31Z

/// Every type that asks about an account, with the answer's.
const ASKING: [(&str, &str); 6] = [
    ("0100", "0110"),
    ("0120", "0130"),
    ("0200", "0210"),
    ("0220", "0230"),
    ("0400", "0410"),
    ("0420", "0430"),
];

fn mti(digits: &str) -> Mti {
    Mti::from_digits(digits.as_bytes().try_into().unwrap()).unwrap()
}

fn message(digits: &str) -> Message {
    let mut message = Message::new(mti(digits));
    for (field, value) in [
        (2, PAN),
        (3, "000000"),
        (4, "000000012345"),
        (7, "0822101530"),
        (11, "123456"),
        (14, "3012"),
        (18, "5411"),
        (19, "156"),
        (22, "051"),
        (25, "00"),
        (32, "00047110815"),
        (37, "623410123456"),
        (41, "TERM0001"),
        (42, "MERCHANT 1     "),
        (49, "156"),
        (100, "900001"),
    ] {
        message.set(field, value).unwrap();
    }
    if mti(digits).class() == Class::Reversal {
        message.set(90, "020065432108220959000004711081500000000000").unwrap();
    }
    message
}

fn network() -> Dialect {
    Dialect::iso1987(Codings::PACKED).unwrap()
}

fn incoming(message: &Message) -> Incoming {
    let (network, mut bytes) = (network(), Vec::new());
    message.encode(&network, &mut bytes).unwrap();
    Incoming::parse(&bytes, &network, NOW).unwrap()
}

fn tokens() -> AccountTokens {
    AccountTokens::new(&Secret::new([7; 32]))
}

fn accounts(
    account: &Account,
    named: Option<InstitutionId>,
) -> Option<(InstitutionId, AccountInfo)> {
    Some((named?, AccountInfo::new(account, tokens().token(account))))
}

fn request(message: &Message) -> Result<Request, FieldError> {
    incoming(message).request(&Usage::iso1987(), accounts)
}

fn transaction(message: &Message) -> TransactionRequest {
    match request(message).unwrap() {
        Request::Transaction(request) => request,
        Request::Network(request) => panic!("{request:?}"),
    }
}

fn institution(number: u64) -> InstitutionId {
    InstitutionId::new(number).unwrap()
}

fn at(seconds_before_now: u64) -> Time {
    NOW.minus_ms(seconds_before_now * 1_000)
}

fn yuan(minor: i64) -> Amount {
    Amount::new(minor, Currency::parse("CNY").unwrap())
}

fn key(class: standin::Class, trace: u64, sent_at: Time) -> RequestKey {
    RequestKey::new(class, institution(ACQUIRER), trace, sent_at, Text::new("TERM0001").unwrap())
        .unwrap()
}

fn fault<T>(result: Result<T, FieldError>) -> (u8, Fault) {
    let error = result.err().unwrap();
    (error.field, error.fault)
}
