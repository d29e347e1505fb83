//! Typed views of fields, and what may be seen of card data.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use interbank_wire_iso8583::{Codings, Dialect, Fault, FieldError, Message, Mti, ResponseCode};
use port::{Amount, Currency, Time};
use seal::{Account, AccountTokens, Secret};

fn with(fields: &[(u8, &str)]) -> Message {
    let mut message = Message::new(Mti::FINANCIAL_REQUEST);
    for (field, value) in fields {
        message.set(*field, value).unwrap();
    }
    message
}

fn fault<T>(result: Result<T, FieldError>) -> Option<(u8, Fault)> {
    result.err().map(|error| (error.field, error.fault))
}

#[test]
fn amounts_are_minor_units_of_their_currency() {
    for (currency, shown) in
        [("840", "100.00 USD"), ("392", "10000 JPY"), ("048", "10.000 BHD"), ("CNY", "100.00 CNY")]
    {
        let message = with(&[(4, "000000010000"), (49, currency)]);
        assert_eq!(message.amount().unwrap().unwrap().to_string(), shown);
    }
    let message = with(&[(5, "000000000001"), (50, "978"), (6, "999999999999"), (51, "156")]);
    assert_eq!(message.settlement_amount().unwrap().unwrap().to_string(), "0.01 EUR");
    assert_eq!(message.billing_amount().unwrap().unwrap().minor(), 999_999_999_999);
    assert_eq!(message.amount(), Ok(None));
    assert_eq!(fault(with(&[(4, "000000010000")]).amount()), Some((49, Fault::Missing)));
    assert_eq!(
        fault(with(&[(4, "000000010000"), (49, "000")]).amount()),
        Some((49, Fault::Currency))
    );
    assert_eq!(
        fault(with(&[(4, "00000001000x"), (49, "840")]).amount()),
        Some((4, Fault::Meaning))
    );
    let cents = |minor| Amount::new(minor, Currency::parse("USD").unwrap());
    let mut message = with(&[]);
    for minor in [0, 1, 999_999_999_999] {
        message.set_amount(cents(minor)).unwrap();
        assert_eq!(message.amount(), Ok(Some(cents(minor))));
    }
    for minor in [-1, 1_000_000_000_000, i64::MIN, i64::MAX] {
        assert_eq!(fault(message.set_amount(cents(minor))), Some((4, Fault::Meaning)));
    }
}

#[test]
fn fees_have_a_sign_and_partial_reversals_a_rest() {
    let fee = |text| with(&[(28, text), (49, "840")]).fee().unwrap().unwrap().minor();
    assert_eq!((fee("D00000150"), fee("C00000150")), (150, -150));
    for bad in ["X00000150", "D", "D0000015x", ""] {
        assert_eq!(fault(with(&[(28, bad), (49, "840")]).fee()), Some((28, Fault::Meaning)));
    }
    let rest = format!("{:012}{}", 2_500, "0".repeat(30));
    let message = with(&[(95, &rest), (49, "840")]);
    assert_eq!(message.replacement_amount().unwrap().unwrap().minor(), 2_500);
}

fn at(text: &str) -> Time {
    let at: jiff::Timestamp = text.parse().unwrap();
    Time::from_ms(u64::try_from(at.as_millisecond()).unwrap())
}

#[test]
fn the_year_is_the_one_closest_to_now() {
    for (sent, now, expected) in [
        ("0822101530", "2026-08-22T10:15:31Z", "2026-08-22T10:15:30Z"),
        // Around New Year, on both sides.
        ("1231235959", "2027-01-01T00:00:01Z", "2026-12-31T23:59:59Z"),
        ("0101000001", "2026-12-31T23:59:59Z", "2027-01-01T00:00:01Z"),
        // Half a year away, on both sides of the middle.
        ("0101000000", "2026-07-02T11:00:00Z", "2026-01-01T00:00:00Z"),
        ("0101000000", "2026-07-02T13:00:00Z", "2027-01-01T00:00:00Z"),
        // Exactly the middle: the earlier.
        ("0101000000", "2026-07-02T12:00:00Z", "2026-01-01T00:00:00Z"),
        // Leap days only where there are some.
        ("0229120000", "2024-03-01T00:00:00Z", "2024-02-29T12:00:00Z"),
        ("0229120000", "2025-01-10T00:00:00Z", "2024-02-29T12:00:00Z"),
        ("0229120000", "2027-12-31T00:00:00Z", "2028-02-29T12:00:00Z"),
    ] {
        assert_eq!(with(&[(7, sent)]).transmitted(at(now)), Ok(Some(at(expected))), "{sent} {now}");
    }
    let now = at("2026-06-01T00:00:00Z");
    assert_eq!(fault(with(&[(7, "0229120000")]).transmitted(now)), Some((7, Fault::Year)));
    for bad in [
        "0230000000",
        "1301000000",
        "0001000000",
        "0100000000",
        "0101240000",
        "0101006000",
        "0101000060",
        "010100000",
        "01010000x0",
    ] {
        assert_eq!(fault(with(&[(7, bad)]).transmitted(now)), Some((7, Fault::Meaning)), "{bad}");
    }
    for extreme in [Time::EPOCH, Time::from_ms(u64::MAX), Time::from_ms(i64::MAX.unsigned_abs())] {
        // No panic, and nothing before the epoch.
        let _ = with(&[(7, "0101000000")]).transmitted(extreme);
        let _ = with(&[]).set_transmitted(extreme);
    }
    assert_eq!(
        with(&[(7, "1231235959")]).transmitted(Time::EPOCH),
        Ok(Some(at("1970-12-31T23:59:59Z")))
    );
    let mut message = with(&[]);
    message.set_transmitted(now).unwrap();
    assert_eq!((message.text(7), message.transmitted(now)), (Some("0601000000"), Ok(Some(now))));
}

#[test]
fn local_dates_and_times() {
    let message = with(&[(12, "235959"), (13, "0229"), (14, "3102"), (15, "1231")]);
    let time = message.local_time().unwrap().unwrap();
    assert_eq!((time.hour, time.minute, time.second), (23, 59, 59));
    let date = message.local_date().unwrap().unwrap();
    assert_eq!((date.month, date.day), (2, 29));
    let expiry = message.expiry().unwrap().unwrap();
    assert_eq!((expiry.year, expiry.month), (31, 2));
    assert!(message.settlement_date().unwrap().is_some());
    for (field, bad) in [
        (12, "240000"),
        (12, "236000"),
        (13, "0230"),
        (13, "0000"),
        (14, "3113"),
        (14, "3100"),
        (15, "1131"),
    ] {
        let message = with(&[(field, bad)]);
        let faults = [
            fault(message.local_time()),
            fault(message.local_date()),
            fault(message.expiry()),
            fault(message.settlement_date()),
        ];
        assert_eq!(faults.into_iter().flatten().collect::<Vec<_>>(), [(field, Fault::Meaning)]);
    }
}

#[test]
fn particulars() {
    let mut message = with(&[
        (3, "013000"),
        (18, "5411"),
        (19, "156"),
        (22, "051"),
        (25, "08"),
        (32, "00000010"),
        (33, "7"),
        (37, "623410123456"),
        (38, "A1B2C3"),
        (39, "51"),
        (70, "301"),
    ]);
    message.set_stan(42).unwrap().set_terminal("T1").unwrap().set_merchant("M 1").unwrap();
    let code = message.processing_code().unwrap().unwrap();
    assert_eq!((code.transaction, code.from_account, code.to_account), (1, 30, 0));
    assert_eq!(code.to_string(), "013000");
    assert_eq!((message.text(11), message.stan()), (Some("000042"), Ok(Some(42))));
    assert_eq!((message.text(41), message.terminal()), (Some("T1      "), Ok(Some("T1"))));
    assert_eq!((message.text(42).map(str::len), message.merchant()), (Some(15), Ok(Some("M 1"))));
    assert_eq!(
        (message.merchant_category(), message.acquirer_country()),
        (Ok(Some(5411)), Ok(Some(156)))
    );
    assert_eq!((message.entry_mode(), message.condition_code()), (Ok(Some(51)), Ok(Some(8))));
    assert_eq!((message.acquirer(), message.forwarder()), (Ok(Some("00000010")), Ok(Some("7"))));
    assert_eq!(message.retrieval_reference(), Ok(Some("623410123456")));
    assert_eq!(message.authorization_code(), Ok(Some("A1B2C3")));
    assert_eq!(message.network_code(), Ok(Some(301)));
    let answer = message.response_code().unwrap().unwrap();
    assert_eq!((answer.to_string(), answer.is_approval()), ("51".to_owned(), false));
    assert_eq!(fault(message.set_stan(1_000_000)), Some((11, Fault::Meaning)));
    assert_eq!(fault(message.set_terminal("123456789")), Some((41, Fault::Meaning)));
    assert_eq!(fault(message.set_merchant("Läden")), Some((42, Fault::Meaning)));
    assert_eq!(fault(with(&[(39, "0 ")]).response_code()), Some((39, Fault::Meaning)));
    assert_eq!(fault(with(&[(32, "12345678901x")]).acquirer()), Some((32, Fault::Meaning)));
}

#[test]
fn an_original_is_named_and_found() {
    let now = at("2026-08-22T10:16:00Z");
    let mut request = with(&[(7, "0822101530"), (32, "00000000010"), (33, "77")]);
    request.set_stan(123_456).unwrap().set_mti(Mti::FINANCIAL_REQUEST.repeat().unwrap());
    let original = request.as_original().unwrap();
    let mut reversal = Message::new(Mti::REVERSAL_REQUEST);
    reversal.set_original(&original).unwrap();
    assert_eq!(reversal.text(90), Some("020012345608221015300000000001000000000077"));
    let read = reversal.original().unwrap().unwrap();
    assert_eq!(read, original);
    assert_eq!(
        (read.mti, read.stan, read.acquirer, read.forwarder),
        (Mti::FINANCIAL_REQUEST, 123_456, 10, 77)
    );
    assert_eq!(read.transmitted(now), Ok(at("2026-08-22T10:15:30Z")));
    let mut long = original;
    long.acquirer = 100_000_000_000;
    assert_eq!(fault(reversal.set_original(&long)), Some((90, Fault::Meaning)));
    assert_eq!(
        fault(with(&[(90, "02001234560822101530000000000100000000007x")]).original()),
        Some((90, Fault::Meaning))
    );
    assert_eq!(fault(with(&[(7, "0822101530")]).as_original()), Some((11, Fault::Missing)));
}

#[test]
fn an_answer_echoes_what_names_the_request_and_no_secret() {
    let request = with(&[
        (2, "4111111111111111"),
        (3, "000000"),
        (4, "000000010000"),
        (7, "0822101530"),
        (11, "000001"),
        (14, "3012"),
        (35, "4111111111111111=3012"),
        (41, "TERM0001"),
        (49, "840"),
        (52, "12345678"),
        (55, "x"),
    ]);
    let mut answer = request.response().unwrap();
    answer.set_response_code(ResponseCode::APPROVED).unwrap();
    let fields: Vec<u8> = answer.fields().map(|(field, _)| field).collect();
    assert_eq!((answer.mti(), fields), (Mti::FINANCIAL_RESPONSE, vec![2, 3, 4, 7, 11, 39, 41, 49]));
    assert_eq!(answer.response(), None);
    assert!(Message::ECHOED.iter().all(|field| *field == 2 || !Message::SENSITIVE.contains(field)));
}

#[test]
fn the_code_of_authenticity_has_a_place() {
    let dialect = Dialect::iso1987(Codings::PACKED).unwrap();
    let mut message = with(&[(11, "000001")]);
    assert_eq!(message.mac_place(&dialect, &[0; 40]), None);
    message.set(64, [0; 8]).unwrap();
    let mut bytes = Vec::new();
    message.encode(&dialect, &mut bytes).unwrap();
    let place = message.mac_place(&dialect, &bytes).unwrap();
    assert_eq!((place.field, place.place.clone()), (64, bytes.len() - 8..bytes.len()));
    assert_eq!(place.covered(&bytes), &bytes[..bytes.len() - 8]);
    // With fields above 64 the code has to be in 128.
    message.set(90, "0".repeat(42)).unwrap();
    assert_eq!(message.mac_place(&dialect, &bytes), None);
    message.set(128, [0; 8]).unwrap();
    assert_eq!(message.mac_place(&dialect, &bytes).unwrap().field, 128);
    assert_eq!(message.mac_place(&dialect, &[0; 7]), None);
    let ascii = Dialect::iso1987(Codings::ASCII).unwrap();
    let mut hex = Vec::new();
    message.encode(&ascii, &mut hex).unwrap();
    assert_eq!(message.mac_place(&ascii, &hex).unwrap().place, hex.len() - 16..hex.len());
}

const SECRET: &str = "5413330000001111";

fn full() -> Message {
    let mut message = with(&[(2, SECRET), (11, "123456")]);
    for field in (2..=128).filter(|field| !matches!(field, 2 | 11 | 65)) {
        message.set(field, "SECRET").unwrap();
    }
    message.set(35, "5413330000001111=25121010000012300000").unwrap();
    message.set(52, b"\x04\x12SECRET").unwrap();
    message
}

#[test]
fn debug_shows_no_card_data() {
    let mut message = full();
    for field in Message::HARMLESS {
        message.set(field, "000000").unwrap();
    }
    for shown in [format!("{message:?}"), format!("{message}"), format!("{message:#?}")] {
        assert!(!shown.contains("SECRET") && !shown.contains("0000001111"), "{shown}");
        assert!(!shown.contains("2512"), "{shown}");
        assert!(
            shown.contains("2: 541333******1111") && shown.contains("35: <37 bytes>"),
            "{shown}"
        );
        assert!(shown.contains("52: <8 bytes>") && shown.contains("45: <6 bytes>"), "{shown}");
    }
    // A field that is shown does not show what it should never hold.
    let message = with(&[(37, "\u{1b}[31mred"), (41, &"9".repeat(43))]);
    assert_eq!(format!("{message:?}"), "Message { mti: 0200, 37: <8 bytes>, 41: <43 bytes> }");
    assert!(Message::SENSITIVE.iter().all(|field| !Message::HARMLESS.contains(field)));
    assert_eq!(format!("{:?}", with(&[(14, "3012")]).expiry()), "Ok(Some(Expiry(..)))");
}

#[test]
fn errors_carry_nothing_of_the_message() {
    let dialect = Dialect::iso1987(Codings::ASCII).unwrap();
    let bytes = format!("0200400000000000000016{}", "541333000000111x");
    let error = Message::parse(bytes.as_bytes(), &dialect).unwrap_err();
    assert_eq!(error.to_string(), "field 2 at byte 22: a character that is not allowed there");
    assert!(!format!("{error:?}").contains("5413"));
}

#[test]
fn what_is_kept_has_a_token_instead_of_the_card() {
    let tokens = AccountTokens::new(&Secret::new([9; 32]));
    let expected = tokens.token(&Account::new(SECRET).unwrap());
    let mut message = full();
    assert_eq!(message.tokenise(&tokens, &[2, 35, 45, 48, 52, 55]), Ok(Some(expected)));
    assert!(Message::SENSITIVE.iter().all(|field| !message.has(*field)));
    assert!(message.has(48) && message.has(11) && !message.has(61) && !message.has(14));
    // The track alone names the account too.
    let mut message = with(&[(35, "5413330000001111D25121010000012300000")]);
    assert_eq!(message.tokenise(&tokens, &[]), Ok(Some(expected)));
    assert_eq!(message.fields().count(), 0);
    assert_eq!(with(&[(11, "000001")]).tokenise(&tokens, &[]), Ok(None));
    // A number that cannot be read is an error, and then all is still there.
    let mut message = with(&[(2, "5413 3300"), (52, "12345678")]);
    assert_eq!(fault(message.tokenise(&tokens, &[])), Some((2, Fault::Meaning)));
    assert!(message.has(52));
    assert_eq!(message.pin_block().unwrap().unwrap().expose(), b"12345678");
}
