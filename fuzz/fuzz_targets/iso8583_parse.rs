//! Any bytes, in several dialects: what is accepted is written as the same bytes, crosses into another dialect and back, and no
//! view of it panics or shows card data; frames come out the same whatever the chunks. As a request of the stand-in crate it keeps
//! its stored form, a repeat asks for the same, and its answers are read back.

#![no_main]

use interbank_standin::{
    AccountInfo, Evidences, InstitutionId, Request, Response, ResponseCode, Source,
    TransactionRequest,
};
use interbank_wire_iso8583::{
    Coding, Codings, Dialect, EvidenceFields, FrameDecoder, FrameError, Framing, Incoming, Message,
    Mti, Odd, Outgoing, Usage,
};
use libfuzzer_sys::fuzz_target;
use port::{Amount, Time};
use seal::{Account, AccountRef, AccountTokens, Secret};
use std::sync::LazyLock;

static DIALECTS: LazyLock<Vec<Dialect>> = LazyLock::new(|| {
    let mut mixed = Codings::PACKED;
    mixed.mti = Coding::Ebcdic037;
    mixed.bitmap = Coding::HexEbcdic;
    mixed.length = Coding::Binary;
    mixed.text = Coding::Ebcdic037;
    mixed.binary = Coding::HexEbcdic;
    mixed.odd = Odd::FRight;
    [Codings::ASCII, Codings::PACKED, Codings::EBCDIC, mixed]
        .map(|codings| Dialect::iso1987(codings).expect("the standard's table"))
        .into()
});

fuzz_target!(|bytes: &[u8]| {
    let Some((first, bytes)) = bytes.split_first() else { return };
    assert!(
        EvidenceFields::new(bytes).map(|(_, value)| value.len() + 3).sum::<usize>() <= bytes.len()
    );
    frames(*first, bytes);
    for dialect in &*DIALECTS {
        read(bytes, dialect);
    }
    // With a head that fits, the fuzzer reaches the fields.
    let heads = [&b"0200"[..], b"\x02\x00", b"\xF0\xF2\xF0\xF0", b"\xF0\xF2\xF0\xF0"];
    for (dialect, head) in DIALECTS.iter().zip(heads) {
        read(&[head, bytes].concat(), dialect);
    }
});

fn read(bytes: &[u8], dialect: &Dialect) {
    let message = match Message::parse(bytes, dialect) {
        Ok(message) => message,
        Err(error) => {
            assert!(error.offset <= bytes.len() && error.field <= 129);
            assert!(!error.to_string().is_empty());
            return;
        }
    };
    assert_eq!(encode(&message, dialect).as_deref(), Some(bytes));
    for other in &*DIALECTS {
        // Packed digits cannot hold the `D` of a track, so not everything crosses.
        if let Some(crossed) = encode(&message, other) {
            assert_eq!(Message::parse(&crossed, other).as_ref(), Ok(&message));
        }
    }
    views(&message, dialect, bytes);
    ask(&message, dialect, bytes);
}

fn ask(message: &Message, dialect: &Dialect, bytes: &[u8]) {
    // What is easily mistaken is there often enough; what only takes luck, the message is given.
    let mut complete = message.clone();
    let asking = [b"0100", b"0120", b"0200", b"0220", b"0400", b"0421", b"0800"];
    complete.set_mti(Mti::from_digits(*asking[bytes.len() % 7]).expect("four digits"));
    for (field, value) in [
        (2, &b"4111111111111111"[..]),
        (3, b"000000"),
        (4, b"000000000100"),
        (7, b"1124160000"),
        (11, b"000001"),
        (32, b"1"),
        (41, b"TERM0001"),
        (49, b"978"),
        (70, b"301"),
        (90, b"020065432111240959000000000000100000000000"),
    ] {
        if !complete.has(field) && complete.set(field, value).is_err() {
            return;
        }
    }
    for message in [message, &complete] {
        let encoded = encode(message, dialect);
        let bytes = encoded.as_deref().unwrap_or(bytes);
        let Ok(incoming) = Incoming::parse(bytes, dialect, NOW) else { continue };
        match incoming.request(&USAGE, accounts) {
            Ok(Request::Transaction(request)) => answer(&incoming, &request, dialect),
            Ok(Request::Network(request)) => assert_eq!(incoming.key(), Ok(request.key)),
            Err(error) => assert!(!error.response_code().is_approval()),
        }
    }
}

fn answer(incoming: &Incoming, request: &TransactionRequest, dialect: &Dialect) {
    let mut stored = Vec::new();
    request.encode(&mut stored).expect("a request that fits");
    let mut bare = request.clone();
    (bare.evidence, bare.mac) = (Evidences::default(), None);
    assert_eq!(TransactionRequest::parse(&stored).as_ref(), Ok(&bare));
    if let Some(repeat) = incoming.message().mti().repeat() {
        let mut message = incoming.message().clone();
        message.set_mti(repeat);
        if let Some(bytes) = encode(&message, dialect) {
            let again = Incoming::parse(&bytes, dialect, NOW).expect("what was written");
            let again = again.request(&USAGE, accounts).expect("what was asked before");
            assert!(matches!(again, Request::Transaction(again) if again.asks_the_same(request)));
        }
    }
    let number = |_: &AccountInfo| Account::new("4111111111111111").ok();
    // Some values are longer in a request than in a field.
    if let Ok(message) = Outgoing::new(request).as_repeat().message(&USAGE, number)
        && let Some(bytes) = encode(&message, dialect)
    {
        let told = Incoming::parse(&bytes, dialect, NOW).expect("what was written");
        let told = told.request(&USAGE, accounts).expect("what was asked");
        assert!(matches!(told, Request::Transaction(told) if told.asks_the_same(request)));
    }
    for code in [ResponseCode::APPROVED, ResponseCode::PARTIAL, ResponseCode::FORMAT] {
        let said = Response {
            mti: request.mti.response().expect("it asks"),
            key: request.key,
            code,
            approved: code.is_approval().then_some(request.amount),
            auth_code: None,
            source: Source::Host,
            balance: Some(Amount::new(-5, request.amount.currency())),
            retrieval_ref: request.retrieval_ref,
        };
        // Amounts of more than twelve digits, and unusual echoes, cannot be written.
        let Ok(message) = incoming.answer(&said) else { continue };
        let Some(bytes) = encode(&message, dialect) else { continue };
        let back = Incoming::parse(&bytes, dialect, NOW).expect("what was written");
        assert_eq!(back.response(request), Ok(said));
    }
}

fn accounts(
    account: &Account,
    named: Option<InstitutionId>,
) -> Option<(InstitutionId, AccountInfo)> {
    let info = AccountInfo::new(account, AccountRef::from_bytes([7; 16]));
    Some((named.or(InstitutionId::new(9))?, info))
}

const NOW: Time = Time::from_s(1_764_000_000);

static USAGE: LazyLock<Usage> = LazyLock::new(|| Usage::iso1987().with_cvn_field(48));

fn views(message: &Message, dialect: &Dialect, bytes: &[u8]) {
    let shown = format!("{message:?}");
    for field in [35, 45, 52, 55] {
        assert!(
            message.field(field).is_none_or(|value| {
                shown.contains(&format!("{field}: <{} bytes>", value.len()))
            })
        );
    }
    if let Ok(Some(pan)) = message.pan() {
        let masked = pan.to_string();
        assert!(masked.len() == pan.expose().len() && shown.contains(&masked));
        assert!(masked.bytes().filter(u8::is_ascii_digit).count() <= 10);
        let _ = pan.has_check_digit();
    }
    for now in [Time::EPOCH, Time::from_s(1_764_000_000), Time::from_ms(u64::MAX)] {
        if let Ok(Some(at)) = message.transmitted(now) {
            assert!(at.since_ms(now).max(now.since_ms(at)) <= 732 * 86_400_000);
        }
    }
    let _ = (message.amount(), message.settlement_amount(), message.billing_amount());
    let _ = (message.fee(), message.replacement_amount(), message.processing_code());
    let _ = (message.stan(), message.local_time(), message.local_date(), message.expiry());
    let _ = (message.terminal(), message.merchant(), message.acquirer(), message.response_code());
    let _ = (message.network_code(), message.as_original(), message.pin_block());
    if let Ok(Some(original)) = message.original() {
        let mut copy = message.clone();
        assert!(copy.set_original(&original).is_ok());
        assert_eq!(copy.field(90), message.field(90));
    }
    if let Some(place) = message.mac_place(dialect, bytes) {
        assert!(place.place.end == bytes.len() && place.covered(bytes).len() == place.place.start);
    }
    if let Some(response) = message.response() {
        assert!(response.mti().is_response());
    }
    let mut kept = message.clone();
    let all: Vec<u8> = (0..=255).collect();
    if kept.tokenise(&AccountTokens::new(&Secret::new([1; 32])), &all).is_ok() {
        assert!(Message::SENSITIVE.iter().all(|field| !kept.has(*field)));
    }
}

fn encode(message: &Message, dialect: &Dialect) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    match message.encode(dialect, &mut bytes) {
        Ok(()) => Some(bytes),
        Err(_) => {
            assert!(bytes.is_empty());
            None
        }
    }
}

fn frames(first: u8, stream: &[u8]) {
    let framing = if first & 1 == 0 { Framing::BINARY_2 } else { Framing::ASCII_4 };
    let framing = framing.counting_itself(first & 2 != 0).bytes_max(300);
    let whole = decode(framing, stream, usize::MAX);
    assert_eq!(decode(framing, stream, usize::from(first >> 2) + 1), whole);
    let mut again = Vec::new();
    for frame in &whole.0 {
        framing.put(frame, &mut again).expect("it was a frame");
    }
    assert!(stream.starts_with(&again));
}

fn decode(framing: Framing, stream: &[u8], chunk_len: usize) -> (Vec<Vec<u8>>, Option<FrameError>) {
    let mut decoder = FrameDecoder::new(framing);
    let mut frames = Vec::new();
    for mut chunk in stream.chunks(chunk_len) {
        loop {
            match decoder.take(&mut chunk) {
                Ok(Some(frame)) => frames.push(frame.to_vec()),
                Ok(None) => break,
                Err(error) => return (frames, Some(error)),
            }
        }
    }
    (frames, None)
}
