//! Messages from other implementations, and one message in every coding, byte by byte.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use interbank_wire_iso8583::{
    Coding, Codings, Description, Dialect, FieldEntries, FieldEntry, Message, Mti, Odd,
};

fn ascii() -> Dialect {
    Dialect::iso1987(Codings::ASCII).unwrap()
}

fn hex(text: &str) -> Vec<u8> {
    let digits: String = text.split_whitespace().collect();
    base16ct::mixed::decode_vec(digits).unwrap()
}

#[track_caller]
fn both_ways(bytes: &[u8], dialect: &Dialect, fields: &[(u8, &str)]) -> Message {
    let message = Message::parse(bytes, dialect).unwrap();
    let read: Vec<_> =
        message.fields().map(|(field, _)| (field, message.text(field).unwrap())).collect();
    assert_eq!(read, fields);
    let mut written = Vec::new();
    message.encode(dialect, &mut written).unwrap();
    assert_eq!(written, bytes);
    message
}

/// Made by another implementation (`iso_8583_rs`) and read back by it.
#[test]
fn an_authorization_request_of_eleven_fields() {
    let bytes = b"01007238400008808000164111111111111111000000000000010000082210153012345610153008225411623410123456TERM0001156";
    let message = both_ways(
        bytes,
        &ascii(),
        &[
            (2, "4111111111111111"),
            (3, "000000"),
            (4, "000000010000"),
            (7, "0822101530"),
            (11, "123456"),
            (12, "101530"),
            (13, "0822"),
            (18, "5411"),
            (37, "623410123456"),
            (41, "TERM0001"),
            (49, "156"),
        ],
    );
    assert_eq!(message.mti(), Mti::AUTHORIZATION_REQUEST);
    assert_eq!(message.amount().unwrap().unwrap().to_string(), "100.00 CNY");
}

/// From the public test data of moov-io/iso8583: a network message, with the second bitmap and field 70.
#[test]
fn a_network_message_with_the_second_bitmap() {
    let bytes = b"0800823A0000000000000400000000000000042009061390000109061304200420001";
    let message = both_ways(
        bytes,
        &ascii(),
        &[
            (7, "0420090613"),
            (11, "900001"),
            (12, "090613"),
            (13, "0420"),
            (15, "0420"),
            (70, "001"),
        ],
    );
    assert_eq!(message.network_code(), Ok(Some(1)));
}

/// From the same data: a financial request with a merchant that is filled up with blanks.
#[test]
fn a_financial_request_with_blanks() {
    let bytes = b"0200323A40010841801038000000000000000004200508050113921208050420042251320720000010000001156040800411        01251146333156336000299";
    let message = both_ways(
        bytes,
        &ascii(),
        &[
            (3, "380000"),
            (4, "000000000000"),
            (7, "0420050805"),
            (11, "011392"),
            (12, "120805"),
            (13, "0420"),
            (15, "0422"),
            (18, "5132"),
            (32, "2000001"),
            (37, "000000115604"),
            (42, "0800411        "),
            (48, "511463331563"),
            (49, "360"),
            (60, "99"),
        ],
    );
    assert_eq!(message.acquirer(), Ok(Some("2000001")));
    assert_eq!(message.merchant(), Ok(Some("0800411")));
}

/// From the same data: a reversal advice, with an empty field 2.
#[test]
fn a_reversal_advice() {
    let bytes = b"04207230008100000000001800000000000300000109080646100331001120331100011122233";
    let message = both_ways(
        bytes,
        &ascii(),
        &[
            (2, ""),
            (3, "180000"),
            (4, "000000030000"),
            (7, "0109080646"),
            (11, "100331"),
            (12, "001120"),
            (25, "33"),
            (32, "00011122233"),
        ],
    );
    assert_eq!(message.mti(), Mti::REVERSAL_ADVICE);
    // There is a field 2, but no account number in it.
    assert!(message.pan().is_err());
}

/// The second bitmap is kept even where it is empty, so that the same bytes come out.
#[test]
fn an_empty_second_bitmap_stays() {
    let bytes = b"080080200000000000000000000000000000123456";
    let message = Message::parse(bytes, &ascii()).unwrap();
    assert!(message.is_wide());
    let mut written = Vec::new();
    message.encode(&ascii(), &mut written).unwrap();
    assert_eq!(written, bytes);
}

fn sample() -> Message {
    let mut message = Message::new(Mti::FINANCIAL_REQUEST);
    for (field, value) in [
        (2, &b"541333900000111"[..]),
        (4, b"000000010000"),
        (19, b"840"),
        (28, b"D00000150"),
        (35, b"541333900000111=2512"),
        (41, b"TERM[^]1"),
        (52, b"\x04\x12\xAC\x89\xAB\xCD\xEF\x67"),
        (90, b"010012345608221015300000000100000000000000"),
    ] {
        message.set(field, value).unwrap();
    }
    message
}

#[track_caller]
fn writes(dialect: &Dialect, expected: &str) {
    let mut bytes = Vec::new();
    sample().encode(dialect, &mut bytes).unwrap();
    assert_eq!(bytes, hex(expected));
    assert_eq!(Message::parse(&bytes, dialect), Ok(sample()));
}

#[test]
fn packed_byte_by_byte() {
    writes(
        &Dialect::iso1987(Codings::PACKED).unwrap(),
        "0200 D000201020801000 0000004000000000
         15 0541333900000111
         000000010000
         0840
         44 00000150
         20 541333900000111D2512
         5445524D5B5E5D31
         0412AC89ABCDEF67
         010012345608221015300000000100000000000000",
    );
}

#[test]
fn ebcdic_byte_by_byte() {
    writes(
        &Dialect::iso1987(Codings::EBCDIC).unwrap(),
        "F0F2F0F0 D000201020801000 0000004000000000
         F1F5 F5F4F1F3F3F3F9F0F0F0F0F0F1F1F1
         F0F0F0F0F0F0F0F1F0F0F0F0
         F8F4F0
         C4F0F0F0F0F0F1F5F0
         F2F0 F5F4F1F3F3F3F9F0F0F0F0F0F1F1F17EF2F5F1F2
         E3C5D9D4AD5FBDF1
         0412AC89ABCDEF67
         F0F1F0F0F1F2F3F4F5F6F0F8F2F2F1F0F1F5F3F0F0F0F0F0F0F0F0F1F0F0F0F0F0F0F0F0F0F0F0F0F0F0",
    );
}

#[test]
fn ascii_byte_by_byte() {
    let mut bytes = Vec::new();
    sample().encode(&ascii(), &mut bytes).unwrap();
    let expected = "0200D000201020801000000000400000000015541333900000111000000010000840D0000015020541333900000111=2512TERM[^]10412AC89ABCDEF67010012345608221015300000000100000000000000";
    assert_eq!(std::str::from_utf8(&bytes), Ok(expected));
}

#[test]
fn binary_lengths_hexadecimal_in_ebcdic_and_f_behind() {
    let mut codings = Codings::PACKED;
    codings.mti = Coding::Ebcdic037;
    codings.bitmap = Coding::HexEbcdic;
    codings.length = Coding::Binary;
    codings.text = Coding::Ebcdic037;
    codings.binary = Coding::HexEbcdic;
    codings.odd = Odd::FRight;
    writes(
        &Dialect::iso1987(codings).unwrap(),
        "F0F2F0F0
         C4F0F0F0F2F0F1F0F2F0F8F0F1F0F0F0 F0F0F0F0F0F0F4F0F0F0F0F0F0F0F0F0
         0F 541333900000111F
         000000010000
         840F
         C4 00000150
         14 541333900000111D2512
         E3C5D9D4BAB0BBF1
         F0F4F1F2C1C3F8F9C1C2C3C4C5C6F6F7
         010012345608221015300000000100000000000000",
    );
}

#[test]
fn a_length_may_count_bytes_on_the_wire() {
    let mut description = Description::iso1987(Codings::PACKED);
    let by_wire = |format: &str| FieldEntry {
        format: Some(format.into()),
        counts: Some(interbank_wire_iso8583::Counts::Wire),
        odd: Some(Odd::FRight),
        ..FieldEntry::default()
    };
    description.fields = FieldEntries(vec![("2".into(), by_wire("n..19"))]);
    let dialect = Dialect::new(&description).unwrap();
    for (pan, wire) in [
        ("541333900000111", "08541333900000111F"),
        ("4111111111111111", "084111111111111111"),
        ("", "00"),
    ] {
        let mut message = Message::new(Mti::FINANCIAL_REQUEST);
        message.set(2, pan).unwrap();
        let mut bytes = Vec::new();
        message.encode(&dialect, &mut bytes).unwrap();
        assert_eq!(bytes[10..], hex(wire)[..]);
        assert_eq!(Message::parse(&bytes, &dialect), Ok(message));
    }
}

/// What came in one coding leaves in another.
#[test]
fn a_message_crosses_dialects() {
    let dialects = [Codings::ASCII, Codings::PACKED, Codings::EBCDIC]
        .map(|codings| Dialect::iso1987(codings).unwrap());
    for from in &dialects {
        for to in &dialects {
            let (mut bytes, mut crossed) = (Vec::new(), Vec::new());
            sample().encode(from, &mut bytes).unwrap();
            Message::parse(&bytes, from).unwrap().encode(to, &mut crossed).unwrap();
            assert_eq!(Message::parse(&crossed, to), Ok(sample()));
        }
    }
}
