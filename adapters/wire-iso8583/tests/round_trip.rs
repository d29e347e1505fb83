//! Random messages in random dialects; every truncation, flipped bits, random bytes.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use interbank_wire_iso8583::{
    Coding, Codings, Description, Dialect, Fault, FieldEntries, FieldEntry, Message, Mti, Odd,
};
use proptest::prelude::*;

/// Field numbers with one of each content and length, and how to make a value.
const FIELDS: [(u8, &str); 22] = [
    (2, "[0-9]{0,19}"),
    (3, "[0-9]{6}"),
    (4, "[0-9]{12}"),
    (7, "[0-9]{10}"),
    (11, "[0-9]{6}"),
    (19, "[0-9]{3}"),
    (27, "[0-9]"),
    (28, "[CD][0-9]{8}"),
    (32, "[0-9]{0,11}"),
    (34, "[0-9 -/]{0,28}"),
    (35, "[0-9=]{0,37}"),
    (36, "[0-9=]{0,104}"),
    (37, "[A-Za-z0-9 ]{12}"),
    (39, "[A-Z0-9]{2}"),
    (41, "[ -~]{8}"),
    (43, "[ -~]{40}"),
    (48, "[A-Za-z0-9 ]{0,200}"),
    (63, "[ -~]{0,300}"),
    (90, "[0-9]{42}"),
    (97, "[CD][0-9]{16}"),
    (102, "[ -~]{0,28}"),
    (104, "[ -~]{0,100}"),
];

fn message() -> impl Strategy<Value = Message> {
    let texts: Vec<_> = FIELDS
        .iter()
        .map(|(field, pattern)| {
            proptest::option::of((Just(*field), pattern.prop_map(String::into_bytes)))
        })
        .collect();
    let bytes: Vec<_> = [(52, 8..9), (55, 0..256), (64, 8..9), (96, 8..9), (128, 8..9)]
        .map(|(field, len)| {
            let value = proptest::collection::vec(any::<u8>(), len);
            proptest::option::of((Just(field), value))
        })
        .into();
    let mti = proptest::sample::select(Mti::ALL.to_vec());
    (mti, any::<bool>(), any::<bool>(), texts, bytes).prop_map(
        |(mti, repeat, wide, texts, bytes)| {
            let mti = if repeat { mti.repeat().unwrap_or(mti) } else { mti };
            let mut message = Message::new(mti);
            message.set_wide(wide);
            for (field, value) in texts.into_iter().chain(bytes).flatten() {
                message.set(field, value).unwrap();
            }
            message
        },
    )
}

fn dialect() -> impl Strategy<Value = Dialect> {
    let text =
        || proptest::sample::select(vec![Coding::Ascii, Coding::Ebcdic037, Coding::Ebcdic1047]);
    let digits = || {
        proptest::sample::select(vec![
            Coding::Ascii,
            Coding::Ebcdic037,
            Coding::Ebcdic1047,
            Coding::Bcd,
        ])
    };
    let bytes = || proptest::sample::select(vec![Coding::Binary, Coding::Hex, Coding::HexEbcdic]);
    let length = prop_oneof![digits(), Just(Coding::Binary)];
    let odd =
        proptest::sample::select(vec![Odd::ZeroLeft, Odd::ZeroRight, Odd::FLeft, Odd::FRight]);
    (digits(), bytes(), length, digits(), text(), bytes(), odd).prop_map(
        |(mti, bitmap, length, digits, text, binary, odd)| {
            let mut codings = Codings::ASCII;
            codings.mti = mti;
            codings.bitmap = bitmap;
            codings.length = length;
            codings.digits = digits;
            codings.text = text;
            codings.binary = binary;
            codings.odd = odd;
            Dialect::iso1987(codings).unwrap()
        },
    )
}

fn encoded(message: &Message, dialect: &Dialect) -> Vec<u8> {
    let mut bytes = Vec::new();
    message.encode(dialect, &mut bytes).unwrap();
    bytes
}

/// What is accepted is written as the same bytes, and what is refused has a place in the message.
fn holds(bytes: &[u8], dialect: &Dialect) {
    match Message::parse(bytes, dialect) {
        Ok(message) => {
            assert_eq!(encoded(&message, dialect), bytes);
            assert!(!format!("{message:?}").is_empty());
        }
        Err(error) => {
            assert!(error.offset <= bytes.len() && error.field <= 129, "{error}");
            assert!((9200..9220).contains(&error.code()));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_message_survives_every_coding(message in message(), dialect in dialect()) {
        let bytes = encoded(&message, &dialect);
        let read = Message::parse(&bytes, &dialect).unwrap();
        prop_assert_eq!(&read, &message);
        prop_assert_eq!(encoded(&read, &dialect), bytes);
    }

    #[test]
    fn a_flipped_bit_is_another_message_or_an_error(message in message(), dialect in dialect(), at in any::<proptest::sample::Index>(), bit in 0..8_u8) {
        let mut bytes = encoded(&message, &dialect);
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        holds(&bytes, &dialect);
    }

    #[test]
    fn any_bytes_are_a_message_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..200), dialect in dialect()) {
        holds(&bytes, &dialect);
    }

    #[test]
    fn any_bytes_behind_a_good_head_are_a_message_or_an_error(bitmap in any::<u64>(), rest in "[0-9A-F =]{0,200}") {
        let dialect = Dialect::iso1987(Codings::ASCII).unwrap();
        holds(format!("0200{bitmap:016X}{rest}").as_bytes(), &dialect);
    }

    #[test]
    fn every_truncation_is_an_error_at_its_field(message in message(), dialect in dialect()) {
        let bytes = encoded(&message, &dialect);
        let last = message.fields().map(|(field, _)| field).max().unwrap_or(1);
        for cut in 0..bytes.len() {
            let error = Message::parse(&bytes[..cut], &dialect).unwrap_err();
            prop_assert_eq!(error.fault, Fault::Truncated);
            prop_assert!(error.offset <= cut && error.field <= last);
            prop_assert!(error.field <= 1 || message.has(error.field));
        }
        let mut more = bytes;
        more.push(b'0');
        let error = Message::parse(&more, &dialect).unwrap_err();
        prop_assert_eq!((error.field, error.offset, error.fault), (129, more.len() - 1, Fault::Trailing));
    }
}

#[test]
fn every_flipped_bit_of_one_message() {
    let mut message = Message::new(Mti::FINANCIAL_REQUEST);
    message
        .set(2, b"541333900000111")
        .unwrap()
        .set(28, b"C00000150")
        .unwrap()
        .set(128, [7; 8])
        .unwrap();
    message.set(35, b"541333900000111=2512").unwrap().set(41, b"TERM0001").unwrap();
    for codings in [Codings::ASCII, Codings::PACKED, Codings::EBCDIC] {
        let dialect = Dialect::iso1987(codings).unwrap();
        let bytes = encoded(&message, &dialect);
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut flipped = bytes.clone();
                flipped[at] ^= 1 << bit;
                holds(&flipped, &dialect);
                assert_ne!(
                    Message::parse(&flipped, &dialect),
                    Ok(message.clone()),
                    "byte {at} bit {bit}"
                );
            }
        }
    }
}

#[test]
fn each_fault_has_its_place() {
    let ascii = Dialect::iso1987(Codings::ASCII).unwrap();
    let packed = Dialect::iso1987(Codings::PACKED).unwrap();
    for (bytes, field, offset, fault) in [
        (&b"02A0"[..], 0, 0, Fault::Character),
        (b"0500", 0, 0, Fault::MessageType),
        (b"0200402000000000000g", 1, 4, Fault::Character),
        (b"0200402000000000000a", 1, 4, Fault::Character),
        (b"0200C000000000000000800000000000000002", 65, 20, Fault::ThirdBitmap),
        (b"02004000000000000000x5", 2, 20, Fault::LengthPrefix),
        (b"0200400000000000000020", 2, 20, Fault::Length),
        (b"020040000000000000000312", 2, 22, Fault::Truncated),
        (b"020040000000000000000312x", 2, 22, Fault::Character),
        (b"02000000001000000000D0000015", 28, 20, Fault::Truncated),
        (b"02000000001000000000X00000150", 28, 20, Fault::Character),
        (b"020040000000000000000312 3", 2, 22, Fault::Character),
    ] {
        let error = Message::parse(bytes, &ascii).unwrap_err();
        assert_eq!((error.field, error.offset, error.fault), (field, offset, fault), "{error}");
    }
    for (bytes, field, offset, fault) in [
        // Three digits in two bytes: the nibble in front has to be zero.
        (&b"\x02\x00\x40\0\0\0\0\0\0\0\x03\x11\x23"[..], 2, 11, Fault::Padding),
        (b"\x02\x00\x40\0\0\0\0\0\0\0\x03\x01\x2A", 2, 11, Fault::Character),
        (b"\x02\x00\x40\0\0\0\0\0\0\0\x0A", 2, 10, Fault::LengthPrefix),
        (b"\x02\x00\0\0\0\0\x20\0\0\0\x01\x1D", 35, 11, Fault::Padding),
        (b"\x02\x00\0\0\0\0\x20\0\0\0\x02\x0F", 35, 11, Fault::Character),
        (b"\x02\x00\0\0\0\0\0\x01\0\0\x10\x01", 48, 10, Fault::LengthPrefix),
    ] {
        let error = Message::parse(bytes, &packed).unwrap_err();
        assert_eq!((error.field, error.offset, error.fault), (field, offset, fault), "{error}");
    }
}

#[test]
fn what_the_dialect_does_not_allow_is_not_written() {
    let dialect = Dialect::iso1987(Codings::PACKED).unwrap();
    for (field, value, fault) in [
        (2, &b"4111 1111"[..], Fault::Character),
        (2, b"41111111111111111111", Fault::Length),
        (3, b"00000", Fault::Length),
        (28, b"00000150x", Fault::Character),
        (35, b"4111D2512", Fault::Character),
        (41, b"TERM\x00001", Fault::Character),
        (52, b"short", Fault::Length),
    ] {
        let mut message = Message::new(Mti::FINANCIAL_REQUEST);
        message.set(field, value).unwrap();
        let mut bytes = b"before".to_vec();
        let error = message.encode(&dialect, &mut bytes).unwrap_err();
        assert_eq!((error.field, error.fault), (field, fault));
        assert_eq!(bytes, b"before");
    }
    for field in [0, 1, 65, 129, 255] {
        let error = Message::new(Mti::FINANCIAL_REQUEST).set(field, b"1").unwrap_err();
        assert_eq!((error.field, error.fault), (field, Fault::Number));
    }
    let unknown = Message::new(Mti::from_digits(*b"0620").unwrap());
    assert_eq!(unknown.encode(&dialect, &mut Vec::new()).unwrap_err().fault, Fault::MessageType);
}

/// Packed digits grow twofold when they are read: a message of 65,535 bytes must not.
#[test]
fn a_message_that_grows_too_much_is_refused() {
    let long = FieldEntry { format: Some("n....9999".into()), ..FieldEntry::default() };
    let mut description = Description::iso1987(Codings::PACKED);
    description.fields = FieldEntries(vec![("105-111".into(), long)]);
    let dialect = Dialect::new(&description).unwrap();
    let mut bytes = b"\x02\x00\x80\0\0\0\0\0\0\0".to_vec();
    bytes.extend_from_slice(&0x0000_0000_00FE_0000_u64.to_be_bytes());
    for _ in 105..=111 {
        bytes.extend_from_slice(b"\x99\x99\x01");
        bytes.extend_from_slice(&[0x11; 4_999]);
    }
    let error = Message::parse(&bytes, &dialect).unwrap_err();
    assert_eq!((error.field, error.fault), (111, Fault::TooLong));
}
