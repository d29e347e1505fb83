//! The EMVCo payload codec against published payloads, derived refusals, and its own properties.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

use interbank_qrpay::emv::*;
use proptest::prelude::*;
use serde_json::Value;

fn vectors() -> Value {
    serde_json::from_str(include_str!("../../../vectors/emv.json")).unwrap()
}

fn payload_of(name: &str) -> String {
    let vectors = vectors();
    let payloads = vectors["payloads"].as_array().unwrap();
    let found = payloads.iter().find(|row| row["name"] == name).unwrap();
    found["payload"].as_str().unwrap().to_owned()
}

fn number(value: &Value) -> u32 {
    u32::try_from(value.as_u64().unwrap()).unwrap()
}

fn codes(diagnosis: &Diagnosis) -> Vec<u32> {
    diagnosis.findings().iter().map(|found| found.finding.code()).collect()
}

/// The checksum bit by bit, as the standard defines it.
fn crc_by_definition(bytes: &[u8]) -> u16 {
    let mut crc = 0xFFFFu16;
    for byte in bytes {
        crc ^= u16::from(*byte) << 8;
        for _ in 0..8 {
            crc = if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 };
        }
    }
    crc
}

/// `text` with a correct checksum.
fn seal(text: &str) -> String {
    let text = format!("{text}6304");
    let crc = crc_by_definition(text.as_bytes());
    format!("{text}{crc:04X}")
}

fn order() -> ChallengeTemplate {
    let mut challenge = [0; 16];
    for (byte, value) in challenge.iter_mut().zip(0xA0..) {
        *byte = value;
    }
    ChallengeTemplate {
        uid: "ORDER-0001".into(),
        challenge,
        challenge_ref: Some(7),
        expires_s: Some(1_700_000_300),
    }
}

fn merchant() -> Builder {
    Builder::new("CN", "BEST TRANSPORT", "BEIJING", 4111, 156)
        .initiation(Initiation::Dynamic)
        .account_template(29, "D15600000000", &[(5, "A93FO3230Q")])
        .amount_minor(2372, 2)
}

#[test]
fn crc_has_its_check_value() {
    let check = &vectors()["crc_check"];
    let text = check["text"].as_str().unwrap();
    assert_eq!(u32::from(crc16(text.as_bytes())), number(&check["crc"]));
    assert_eq!(crc_by_definition(text.as_bytes()), crc16(text.as_bytes()));
}

#[test]
fn published_payloads_have_their_verdicts() {
    let vectors = vectors();
    let payloads = vectors["payloads"].as_array().unwrap();
    assert_eq!(payloads.len(), 6);
    for row in payloads {
        let (name, text) = (&row["name"], row["payload"].as_str().unwrap());
        assert_eq!(text.chars().count(), number(&row["chars"]) as usize, "{name}");
        assert_eq!(text.len(), number(&row["bytes"]) as usize, "{name}");
        let covered = &text.as_bytes()[..text.len() - 4];
        assert_eq!(u32::from(crc16(covered)), number(&row["crc"]), "{name}");

        let strict = Payload::parse(text).map_or_else(|error| error.code(), |_| 0);
        assert_eq!(strict, number(&row["strict"]), "{name}");
        let diagnosis = diagnose(text.as_bytes());
        let expected: Vec<u32> = row["findings"].as_array().unwrap().iter().map(number).collect();
        assert_eq!(codes(&diagnosis), expected, "{name}");
        let payload = diagnosis.payload().expect("all six may be paid");
        assert!(payload.as_str().eq_ignore_ascii_case(text), "{name}");
        assert_eq!(format!("{:?}", Scheme::of(text)), row["scheme"].as_str().unwrap(), "{name}");
    }
}

#[test]
fn refused_texts_have_their_codes() {
    let vectors = vectors();
    for row in vectors["refused"].as_array().unwrap() {
        let (name, text) = (&row["name"], row["text"].as_str().unwrap());
        let error = Payload::parse(text).expect_err(name.as_str().unwrap());
        assert_eq!(error.code(), number(&row["strict"]), "{name}: {error}");
        let diagnosis = diagnose(text.as_bytes());
        assert!(!diagnosis.is_strict(), "{name}");
        let expected: Vec<u32> = row["findings"].as_array().unwrap().iter().map(number).collect();
        assert_eq!(codes(&diagnosis), expected, "{name}: {:?}", diagnosis.findings());
        for found in diagnosis.findings() {
            assert!(found.to_string().contains("; "), "{name}: {found}");
        }
    }
}

#[test]
fn fields_of_the_sample_are_read() {
    let text = payload_of("emv_sample");
    let payload = Payload::parse(&text).unwrap();
    assert_eq!(payload.initiation(), Some(Initiation::Dynamic));
    assert_eq!(payload.accounts().map(|account| account.id).collect::<Vec<_>>(), [29, 31]);
    assert_eq!(payload.account_of("d15600000001").unwrap().value(3), Some("12345678"));
    assert_eq!((payload.category(), payload.currency()), (4111, 156));
    assert_eq!(payload.amount_minor(2), Ok(Some(2372)));
    assert_eq!(payload.amount_minor(1), Err(EmvError::AmountDecimals));
    assert_eq!(payload.tip(), Some(Tip::Ask));
    assert_eq!((payload.country(), payload.city()), ("CN", "BEIJING"));
    assert_eq!(payload.merchant_name(), "BEST TRANSPORT");
    assert_eq!(payload.postal_code(), None);
    assert_eq!(payload.additional().unwrap().value(7), Some("A6008667"));
    let language = payload.language().unwrap();
    assert_eq!((language.value(1), language.value(2)), (Some("最佳运输"), Some("北京")));
    let unreserved: Vec<_> = payload.unreserved().map(|(id, t)| (id, t.guid())).collect();
    assert_eq!(unreserved, [(91, Some("A011223344998877"))]);
    assert_eq!(payload.challenge(), Ok(None));
    assert_eq!(payload.signature(), Ok(None));
    assert_eq!(payload.encode(), text);
    assert_eq!(payload.to_string(), text);
}

/// Each character is replaced by others of its kind and of another, so no flip can go unnoticed.
#[test]
fn every_single_character_flip_is_refused() {
    for name in ["emv_sample", "pix_static", "pix_dynamic", "br_code_manual", "khqr_style"] {
        let text = payload_of(name);
        let chars: Vec<char> = text.chars().collect();
        for place in 0..chars.len() {
            for other in ['0', '1', '7', 'A', 'B', 'a', '.', ' ', 'é', '最', '\n'] {
                if chars[place] == other {
                    continue;
                }
                let mut flipped = chars.clone();
                flipped[place] = other;
                let flipped: String = flipped.into_iter().collect();
                assert!(Payload::parse(&flipped).is_err(), "{name} at {place}: {flipped}");
                // The lenient reader takes long in debug builds, so it sees some of them.
                if !matches!(other, '0' | 'a' | '最') {
                    continue;
                }
                let diagnosis = diagnose(flipped.as_bytes());
                let read = diagnosis.payload();
                assert!(read.is_none_or(|read| read.as_str().eq_ignore_ascii_case(&text)));
            }
        }
    }
}

#[test]
fn every_single_bit_flip_is_refused() {
    let text = payload_of("emv_sample");
    for bit in 0..text.len() * 8 {
        let mut bytes = text.clone().into_bytes();
        bytes[bit / 8] ^= 1 << (bit % 8);
        assert!(Payload::parse(&bytes).is_err(), "bit {bit}");
    }
}

#[test]
fn lengths_count_characters_and_the_crc_counts_bytes() {
    let base = "0002010202ab5204000053039865802BR";
    for (name, chars) in [("João Açaí", 9), ("北京最佳运输", 6), ("Café & Filhos", 13)] {
        let text = seal(&format!("{base}59{chars:02}{name}6002SP"));
        let payload = Payload::parse(&text).unwrap();
        assert_eq!(payload.merchant_name(), name);
        assert_eq!(payload.encode(), text);
        assert_eq!(codes(&diagnose(text.as_bytes())), [2158]);
        let in_bytes = seal(&format!("{base}59{:02}{name}6002SP", name.len()));
        assert!(Payload::parse(&in_bytes).is_err());
        let diagnosis = diagnose(in_bytes.as_bytes());
        assert!(codes(&diagnosis).contains(&2153), "{name}: {:?}", diagnosis.findings());
        assert!(diagnosis.payload().is_none());
        assert_eq!(diagnosis.repaired().unwrap().as_str(), text);
    }
}

/// What was meant is offered to the maker of the code where there is one reading, never to a payer.
#[test]
fn repairs_are_offered_but_not_paid() {
    let vectors = vectors();
    let pix = payload_of("pix_static");
    let sample = payload_of("emv_sample");
    for (name, meant) in [
        ("crc_dropped", &pix),
        ("crc_value_dropped", &pix),
        ("crc_before_the_end", &pix),
        ("first_header_swapped", &pix),
        ("space_in_header", &pix),
        ("crc_wrong", &pix),
        ("crc_without_header", &pix),
        ("crc_start_zero", &pix),
        ("lengths_in_bytes", &sample),
        ("nested_lengths_in_bytes", &sample),
    ] {
        let rows = vectors["refused"].as_array().unwrap();
        let row = rows.iter().find(|row| row["name"] == name).unwrap();
        let diagnosis = diagnose(row["text"].as_str().unwrap().as_bytes());
        assert!(diagnosis.payload().is_none(), "{name}");
        assert_eq!(diagnosis.repaired().map(Payload::as_str), Some(&**meant), "{name}");
    }
}

#[test]
fn latin_1_bytes_are_understood_but_not_paid() {
    let text = "0002010202ab5204000053039865802BR5904João6002SP6304";
    let mut latin: Vec<u8> =
        text.chars().map(|char| u8::try_from(u32::from(char)).unwrap()).collect();
    let crc = crc_by_definition(&latin);
    latin.extend_from_slice(format!("{crc:04X}").as_bytes());
    assert_eq!(Payload::parse(&latin), Err(EmvError::NotUtf8 { at: 39 }));
    let diagnosis = diagnose(&latin);
    assert_eq!(codes(&diagnosis), [2158, 2154]);
    assert!(diagnosis.payload().is_none());
    assert_eq!(diagnosis.repaired().unwrap().merchant_name(), "João");
}

#[test]
fn a_plain_account_value_is_kept_and_noted() {
    let text = seal("0002012608123456785204000053039865802BR5901N6001C");
    let payload = Payload::parse(&text).unwrap();
    assert_eq!(payload.accounts().map(|a| a.value).collect::<Vec<_>>(), ["12345678"]);
    assert_eq!(codes(&diagnose(text.as_bytes())), [2160]);
}

#[test]
fn amounts_are_exact_in_both_directions() {
    for (minor, exponent, text) in [
        (1, 2, "0.01"),
        (12_345, 2, "123.45"),
        (500, 0, "500"),
        (1_500, 3, "1.500"),
        (10, 1, "1.0"),
    ] {
        assert_eq!(format_amount(minor, exponent).as_deref(), Ok(text));
        assert_eq!(parse_amount(text, exponent), Ok(minor));
    }
    assert_eq!(parse_amount("98", 2), Ok(9800));
    assert_eq!(parse_amount("98.", 2), Ok(9800));
    assert_eq!(parse_amount("98.7", 2), Ok(9870));
    assert_eq!(parse_amount("98.730", 2), Err(EmvError::AmountDecimals));
    assert_eq!(parse_amount("9999999999999", 6), Err(EmvError::AmountRange));
    for text in ["", ".5", "1,5", "-1", "+1", "1e3", " 1", "1.2.3", "12345678901234"] {
        assert_eq!(
            parse_amount(text, 2),
            Err(EmvError::FieldFormat { path: Path::root(54) }),
            "{text}"
        );
    }
    assert_eq!(format_amount(0, 2), Err(EmvError::AmountNotPositive));
    assert_eq!(format_amount(-1, 2), Err(EmvError::AmountNotPositive));
    assert_eq!(format_amount(999_999_999_999, 2).as_deref(), Ok("9999999999.99"));
    assert_eq!(format_amount(1_000_000_000_000, 2), Err(EmvError::AmountRange));
    assert_eq!(format_amount(1, 255), Err(EmvError::AmountRange));
}

#[test]
fn nothing_is_cut_when_building() {
    let long = "Instituto Brasileiro de Pesquisas";
    let built = Builder::new("BR", long, "BRASILIA", 0, 986).account(2, "4000").build();
    assert_eq!(built, Err(EmvError::FieldTooLong { path: Path::root(59), limit: 25 }));
    assert_eq!(
        merchant().account_template(2, "x", &[]).build(),
        Err(EmvError::FieldFormat { path: Path::root(2) })
    );
    assert_eq!(merchant().object(63, "1234").build().unwrap_err().code(), 2115);
    assert_eq!(merchant().object(58, "CN").build().unwrap_err().code(), 2105);
    assert_eq!(merchant().amount_minor(1, 2).build().unwrap_err().code(), 2105);
    assert_eq!(
        Builder::new("BR", "A", "B", 0, 986).build(),
        Err(EmvError::Missing { path: Path::root(2) })
    );
    assert_eq!(merchant().object(70, &"x".repeat(100)).build().unwrap_err().code(), 2114);
}

/// spec Q4: the code is made from order id and challenge together, and gives both back.
#[test]
fn q4_the_emv_form_carries_order_and_challenge() {
    let payload = merchant().challenge(order()).build().unwrap();
    let parsed = Payload::parse(payload.as_str()).unwrap();
    assert_eq!(parsed.challenge(), Ok(Some(order())));
    assert_eq!(Scheme::of(payload.as_str()), Scheme::EmvChallenge);
    let other_uid = ChallengeTemplate { uid: "ORDER-0002".into(), ..order() };
    let mut other_challenge = order();
    other_challenge.challenge[15] ^= 1;
    for other in [other_uid, other_challenge] {
        assert_ne!(merchant().challenge(other).build().unwrap(), payload);
    }
}

/// spec Qd4: the reference is optional, and so is the expiry; long order ids take two templates.
#[test]
fn qd4_all_forms_of_the_challenge_template_round_trip() {
    for uid in ["x".to_owned(), "o".repeat(19), "o".repeat(20), "訂".repeat(64)] {
        for challenge_ref in [None, Some(0), Some(u32::MAX)] {
            for expires_s in [None, Some(0), Some(EXPIRES_S_MAX)] {
                let wanted =
                    ChallengeTemplate { uid: uid.clone(), challenge_ref, expires_s, ..order() };
                let payload = merchant().challenge(wanted.clone()).build().unwrap();
                assert_eq!(payload.challenge(), Ok(Some(wanted)));
            }
        }
    }
    for bad in [
        ChallengeTemplate { uid: String::new(), ..order() },
        ChallengeTemplate { uid: "o".repeat(65), ..order() },
        ChallengeTemplate { uid: "a\u{202E}b".into(), ..order() },
        ChallengeTemplate { expires_s: Some(EXPIRES_S_MAX + 1), ..order() },
    ] {
        assert_eq!(merchant().challenge(bad).build().unwrap_err().code(), 2122);
    }
}

#[test]
fn a_challenge_joins_a_foreign_payload_and_changes_nothing_else() {
    for name in ["emv_sample", "pix_static", "br_code_manual", "khqr_style"] {
        let text = payload_of(name);
        let payload = Payload::parse(&text).unwrap();
        let with = payload.with_challenge(&order()).unwrap();
        assert!(with.as_str().starts_with(&text[..text.len() - 8]));
        assert_eq!(with.challenge(), Ok(Some(order())));
        assert_eq!(with.with_challenge(&order()), Err(EmvError::ChallengePresent));
        let kept: Vec<_> = payload.objects().filter(|o| o.id != 63).collect();
        assert_eq!(with.objects().take(kept.len()).collect::<Vec<_>>(), kept);
    }
}

#[test]
fn malformed_challenge_templates_are_refused() {
    let good = "oKGio6SlpqeoqaqrrK2urw";
    let guid = CHALLENGE_GUID;
    let cases: [(&[(u8, &str)], u8); 9] = [
        (&[(1, "A")], 2),
        (&[(2, good)], 2),
        (&[(3, "7")], 2),
        (&[(1, "A"), (2, "oKGio6SlpqeoqaqrrK2ur")], 2),
        // The unused bits of the last character are not zero.
        (&[(1, "A"), (2, "oKGio6SlpqeoqaqrrK2urx")], 2),
        (&[(1, "A"), (2, good), (3, "07")], 3),
        (&[(1, "A"), (2, good), (3, "4294967296")], 3),
        (&[(1, "A"), (2, good), (4, "1000000000000")], 4),
        (&[(1, "A"), (2, good), (5, "?")], 5),
    ];
    for (objects, sub) in cases {
        let payload = merchant().unreserved(80, guid, objects).build().unwrap();
        assert_eq!(
            payload.challenge(),
            Err(EmvError::PrivateTemplate { path: Path::nested(80, sub) }),
            "{objects:?}"
        );
    }
    let twice =
        merchant().unreserved(80, guid, &[(1, "A"), (2, good)]).unreserved(81, guid, &[(1, "B")]);
    assert_eq!(
        twice.build().unwrap().challenge(),
        Err(EmvError::PrivateTemplate { path: Path::nested(81, 1) })
    );
    let in_an_account = merchant().account_template(51, guid, &[(1, "A"), (2, good)]);
    assert_eq!(in_an_account.build().unwrap().challenge().unwrap().unwrap().uid, "A");
}

#[test]
fn a_signature_covers_everything_before_it() {
    let payload = merchant().challenge(order()).build().unwrap();
    let unsigned = payload.to_be_signed("BANK OF EXAMPLES", 200).unwrap();
    let mut bytes = [0u8; 64];
    for (byte, value) in bytes.iter_mut().zip(0x40..) {
        *byte = value;
    }
    let signed = unsigned.with_signature(&bytes).unwrap();
    let parsed = Payload::parse(signed.as_str()).unwrap();
    let signature = parsed.signature().unwrap().unwrap();
    assert_eq!((signature.issuer, signature.key_id), ("BANK OF EXAMPLES", 200));
    assert_eq!(signature.signature, bytes);
    assert_eq!(signature.signing_bytes(), unsigned.signing_bytes());
    assert!(unsigned.signing_bytes().starts_with(b"interbank/qrpay/emv/v1\x00000201"));
    assert!(signature.signed_part.contains("BANK OF EXAMPLES"));
    assert!(signature.signed_part.starts_with(&payload.as_str()[..payload.as_str().len() - 8]));
    assert_eq!(parsed.challenge(), Ok(Some(order())));
    assert_eq!(signed.with_challenge(&order()), Err(EmvError::AlreadySigned));
    assert_eq!(signed.to_be_signed("B", 1), Err(EmvError::AlreadySigned));
}

#[test]
fn nothing_unsigned_can_join_a_signed_payload() {
    let signed = merchant()
        .build()
        .unwrap()
        .to_be_signed("BANK", 1)
        .and_then(|unsigned| unsigned.with_signature(&[7; 64]))
        .unwrap();
    let body = &signed.as_str()[..signed.as_str().len() - 8];
    let appended = seal(&format!("{body}61041234"));
    let payload = Payload::parse(&appended).unwrap();
    assert_eq!(payload.signature(), Err(EmvError::SignatureMisplaced));

    // Moving a half, dropping one, or adding an object beside one.
    let objects: Vec<(u8, String)> =
        signed.objects().filter(|o| o.id != 63).map(|o| (o.id, o.value.to_owned())).collect();
    let write = |objects: &[(u8, String)]| {
        let text: String = objects
            .iter()
            .map(|(id, value)| format!("{id:02}{:02}{value}", value.chars().count()))
            .collect();
        seal(&text)
    };
    assert_eq!(write(&objects), signed.as_str());
    let count = objects.len();
    let mut swapped = objects.clone();
    swapped.swap(count - 1, count - 2);
    let mut first_only = objects.clone();
    first_only.pop();
    let mut no_signer = objects.clone();
    no_signer.remove(count - 3);
    let mut beside = objects;
    beside[count - 1].1.push_str("0101X");
    for changed in [swapped, first_only, no_signer, beside] {
        let text = write(&changed);
        let payload = Payload::parse(&text).unwrap();
        assert_eq!(payload.signature(), Err(EmvError::SignatureMisplaced), "{text}");
    }
}

#[test]
fn what_cannot_hold_a_signature_says_so_before_signing() {
    let payload = merchant().build().unwrap();
    for issuer in ["", "a bank with a name of 33 letters.", "BÄNK", "A\nB"] {
        assert_eq!(payload.to_be_signed(issuer, 1).unwrap_err().code(), 2122, "{issuer}");
    }
    let text = "x".repeat(99);
    let long = merchant().object(65, &text).object(66, &text).object(67, &text).build().unwrap();
    assert_eq!(long.to_be_signed("BANK", 1), Err(EmvError::TooLong));
    let mut crowded = merchant();
    for id in 80..=97 {
        crowded = crowded.unreserved(id, "g", &[]);
    }
    assert_eq!(crowded.build().unwrap().to_be_signed("B", 1), Err(EmvError::NoFreeTemplate));
}

#[test]
fn schemes_are_named() {
    let base = |account: &str, country: &str| {
        seal(&format!("000201{account}52040000530398658{:02}{country}5901N6001C", country.len()))
    };
    let khqr = base("29160012shop@aclbank", "KH");
    for (text, scheme) in [
        ("QP1.AAAA", Scheme::Compact),
        (khqr.as_str(), Scheme::Khqr),
        (&base("29200016A000000677010111", "TH"), Scheme::PromptPay),
        (&base("26130009SG.PAYNOW", "SG"), Scheme::PayNow),
        (&base("38140010A000000727", "VN"), Scheme::VietQr),
        (&base("26180014A0000006150001", "MY"), Scheme::DuitNow),
        (&base("51180014ID.CO.QRIS.WWW", "ID"), Scheme::Qris),
        (&base("26160012hk.com.hkicl", "HK"), Scheme::HongKongFps),
        (&base("26140010A000000524", "IN"), Scheme::Upi),
        (&base("26160012br.gov.other", "BR"), Scheme::Emv),
        ("upi://pay?pa=shop@bank&am=10.00", Scheme::Upi),
        ("UPI://PAY?pa=shop@bank", Scheme::Upi),
        ("bitcoin:175tWpb8K1S7NmH4Zx6rewF9WQrcZv245W?amount=50", Scheme::Bip21),
        ("BCD\n001\n1\nSCT\nBPOTBEB1\nRed Cross of Belgium\nBE72000000001616\nEUR1", Scheme::Epc),
        ("BCD\r\n002\r\n1\r\nSCT\r\n", Scheme::Epc),
        ("BCD\n003\n1\nSCT\n", Scheme::Unknown),
        ("SPC\n0200\n1\nCH4431999123000889012", Scheme::SwissQrBill),
        ("SPC\n0100\n1\n", Scheme::Unknown),
        ("https://example.com", Scheme::Unknown),
        ("", Scheme::Unknown),
    ] {
        assert_eq!(Scheme::of(text), scheme, "{text}");
    }
    assert_eq!(Scheme::of(&[0xFF, 0xFE, 0x00]), Scheme::Unknown);
}

#[test]
fn long_input_is_bounded() {
    let endless = "0002016599".to_owned() + &"x".repeat(1 << 20);
    assert_eq!(Payload::parse(&endless), Err(EmvError::TooLong));
    assert!(codes(&diagnose(endless.as_bytes())).contains(&2101));
    let full = merchant().build().unwrap();
    let mut left = 512 - full.as_str().len();
    let mut builder = merchant();
    for id in 65..=79 {
        let take = left.min(99 + 4);
        if take > 4 {
            builder = builder.object(id, &"最".repeat(take - 4));
            left -= take;
        }
    }
    let full = builder.clone().build().unwrap();
    assert_eq!(full.as_str().chars().count(), 512);
    assert_eq!(Payload::parse(full.as_str()).unwrap().encode(), full.as_str());
    assert_eq!(builder.postal_code("1").build(), Err(EmvError::TooLong));
}

fn printable(chars: std::ops::RangeInclusive<usize>) -> impl Strategy<Value = String> {
    let char = prop_oneof![3 => proptest::char::range(' ', '~'), 1 => "[à-ÿ最佳运输北京👍]".prop_map(|s| {
        s.chars().next().unwrap()
    })];
    proptest::collection::vec(char, chars).prop_map(|chars| chars.into_iter().collect())
}

proptest! {
    #[test]
    fn the_fast_crc_is_the_defined_one(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        prop_assert_eq!(crc16(&bytes), crc_by_definition(&bytes));
    }

    #[test]
    fn built_payloads_read_back(
        name in printable(1..=25), city in printable(1..=15), postal in printable(1..=10),
        category in 0u16..=9999, currency in 0u16..=999, country in "[A-Z]{2}",
        account in printable(1..=99), amount in 1i64..9_999_999_999, exponent in 0u8..=4,
        bill in printable(1..=25), uid in printable(1..=64), challenge in any::<[u8; 16]>(),
        challenge_ref in any::<Option<u32>>(), expires in proptest::option::of(0..=EXPIRES_S_MAX),
        signature in any::<[u8; 32]>(), key_id in any::<u8>(),
    ) {
        let wanted = ChallengeTemplate { uid, challenge, challenge_ref, expires_s: expires };
        let payload = Builder::new(&country, &name, &city, category, currency)
            .account(2, &account)
            .amount_minor(amount, exponent)
            .postal_code(&postal)
            .additional(&[(1, &bill)])
            .challenge(wanted.clone())
            .build()
            .unwrap();
        let parsed = Payload::parse(payload.as_str()).unwrap();
        prop_assert_eq!(&parsed, &payload);
        prop_assert_eq!(parsed.encode(), payload.as_str());
        prop_assert_eq!(parsed.merchant_name(), &name);
        prop_assert_eq!(parsed.city(), &city);
        prop_assert_eq!(parsed.postal_code(), Some(&*postal));
        prop_assert_eq!((parsed.category(), parsed.currency()), (category, currency));
        prop_assert_eq!(parsed.country(), &country);
        prop_assert_eq!(parsed.amount_minor(exponent), Ok(Some(amount)));
        prop_assert_eq!(parsed.additional().unwrap().value(1), Some(&*bill));
        prop_assert_eq!(parsed.challenge(), Ok(Some(wanted)));
        prop_assert!(diagnose(payload.as_str().as_bytes()).is_strict());
        let mut bytes = [0; 64];
        bytes[..32].copy_from_slice(&signature);
        bytes[32..].copy_from_slice(&signature);
        if let Ok(unsigned) = parsed.to_be_signed("BANK", key_id) {
            let signed = unsigned.with_signature(&bytes).unwrap();
            let read = signed.signature().unwrap().unwrap();
            prop_assert_eq!((read.key_id, read.signature), (key_id, bytes));
            prop_assert_eq!(read.signing_bytes(), unsigned.signing_bytes());
        }
    }

    #[test]
    fn readers_agree_on_any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let diagnosis = diagnose(&bytes);
        prop_assert_eq!(diagnosis.is_strict(), Payload::parse(&bytes).is_ok());
        let _ = Scheme::of(&bytes);
    }

    /// Digits and object-like pieces reach deeper than random bytes.
    #[test]
    fn readers_agree_on_likely_texts(
        pieces in proptest::collection::vec(
            prop_oneof![
                "[0-9]{2}0[0-9]", "[0-9]{1,4}", "5303986", "5802BR", "52040000", "0102 11", "5901N",
                "6002SP", "0204ab最1", "62070503***", "64130002ZH0103最佳运", "26080004abcd", "540[1-4][0-9.]{1,4}", "6304[0-9A-Fa-f]{4}", "é",
            ],
            0..24,
        ),
        prefix in prop_oneof![Just("000201"), Just("002001"), Just("")],
        sealed in any::<bool>(),
    ) {
        let text = prefix.to_owned() + &pieces.concat();
        let text = if sealed { seal(&text) } else { text };
        let diagnosis = diagnose(text.as_bytes());
        match Payload::parse(&text) {
            Ok(payload) => {
                prop_assert_eq!(payload.encode(), &*text);
                prop_assert!(diagnosis.is_strict());
                prop_assert_eq!(diagnosis.payload().map(Payload::as_str), Some(&*text));
            }
            Err(_) => prop_assert!(!diagnosis.is_strict()),
        }
        if let Some(repaired) = diagnosis.repaired() {
            prop_assert!(Payload::parse(repaired.as_str()).is_ok());
        }
    }
}
