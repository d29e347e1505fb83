//! OCRA, HOTP and TOTP against the vectors of their RFCs, and what has to be refused.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

use interbank_qrpay::ocra::*;
use proptest::prelude::*;
use serde_json::Value;

const KEY: &[u8] = b"12345678901234567890123456789012";

fn vectors() -> Value {
    serde_json::from_str(include_str!("../../../vectors/ocra.json")).unwrap()
}

fn otp_vectors() -> Value {
    serde_json::from_str(include_str!("../../../vectors/hotp.json")).unwrap()
}

fn bytes_of(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

fn suite(text: &str) -> Suite {
    Suite::parse(text).unwrap()
}

/// What follows the suite string and its zero byte.
fn data(suite: &Suite, input: &DataInput<'_>) -> Vec<u8> {
    let message = suite.message(input).unwrap();
    assert_eq!(message.len(), suite.message_bytes());
    let (head, data) = message.split_at(suite.as_str().len() + 1);
    assert_eq!(head.strip_suffix(&[0]), Some(suite.as_str().as_bytes()));
    data.to_vec()
}

#[test]
fn rfc6287_appendix_c() {
    let vectors = vectors();
    let mut checked = 0;
    for set in vectors["codes"].as_array().unwrap() {
        let text = set["suite"].as_str().unwrap();
        let suite = suite(text);
        assert_eq!(suite.to_string(), text);
        let key = Key::new(suite.hash(), set["key"].as_str().unwrap().as_bytes());
        for row in set["rows"].as_array().unwrap() {
            let question = match row["question"].as_str() {
                Some(question) => Question::one(question),
                None => {
                    let mutual = Mutual::new(
                        row["client"].as_str().unwrap(),
                        row["server"].as_str().unwrap(),
                    );
                    match row["answers"].as_str().unwrap() {
                        "server" => mutual.server_question(),
                        _ => mutual.client_question(),
                    }
                }
            };
            let pin = row["pin_hash"].as_str().map(bytes_of);
            let mut input = DataInput::new(question);
            if let Some(counter) = row["counter"].as_u64() {
                input = input.counter(counter);
            }
            if let Some(pin) = &pin {
                input = input.pin_hash(pin);
            }
            if let Some(steps) = row["time_steps"].as_u64() {
                input = input.time_steps(steps);
            }
            let code = row["code"].as_str().unwrap();
            assert_eq!(suite.respond(&key, &input).unwrap().as_str(), code, "{text} {row}");
            assert_eq!(suite.verify(&key, &input, code), Ok(true));
            let mut wrong = code.to_owned().into_bytes();
            wrong[0] = b'0' + (wrong[0] - b'0' + 1) % 10;
            let wrong = String::from_utf8(wrong).unwrap();
            assert_eq!(suite.verify(&key, &input, &wrong), Ok(false));
            assert_eq!(suite.verify(&key, &input, &code[1..]), Ok(false));
            checked += 1;
        }
    }
    assert_eq!(checked, 10 + 10 + 5 + 10 + 5 + 4 * 5 + 2 * 5);
}

#[test]
fn refused_suites_name_the_part() {
    let vectors = vectors();
    for row in vectors["refused"].as_array().unwrap() {
        let text = row["suite"].as_str().unwrap();
        let error = Suite::parse(text).expect_err(text);
        assert_eq!(u64::from(error.code()), row["error"].as_u64().unwrap(), "{text}: {error}");
    }
}

#[test]
fn hotp_and_totp_have_their_codes() {
    let vectors = otp_vectors();
    let set = &vectors["hotp"];
    let key = Key::new(Hash::Sha1, set["key"].as_str().unwrap().as_bytes());
    for (counter, code) in (0..).zip(set["codes"].as_array().unwrap()) {
        assert_eq!(hotp(&key, counter, 6).unwrap().as_str(), code.as_str().unwrap());
    }
    let set = &vectors["totp"];
    for (name, hash) in [("SHA1", Hash::Sha1), ("SHA256", Hash::Sha256), ("SHA512", Hash::Sha512)] {
        let key = Key::new(hash, set["keys"][name].as_str().unwrap().as_bytes());
        for row in set["rows"].as_array().unwrap() {
            let (unix_s, code) = (row["unix_s"].as_u64().unwrap(), row[name].as_str().unwrap());
            assert_eq!(totp(&key, unix_s, 30, 8).unwrap().as_str(), code);
            let window = Window { back: 1, ahead: 1 };
            let step = Some(unix_s / 30);
            assert_eq!(totp_verify(&key, code, unix_s, 30, Window::NONE, 8), Ok(step));
            assert_eq!(totp_verify(&key, code, unix_s + 30, 30, window, 8), Ok(step));
            assert_eq!(totp_verify(&key, code, unix_s - 30, 30, window, 8), Ok(step));
            assert_eq!(totp_verify(&key, code, unix_s + 90, 30, window, 8), Ok(None));
        }
        assert_eq!(totp(&key, 1, 0, 8).unwrap_err(), OcraError::ZeroStep);
    }
}

#[test]
fn hotp_looks_ahead_within_bounds() {
    let key = Key::new(Hash::Sha1, &KEY[..20]);
    assert_eq!(hotp_verify(&key, "969429", 0, 3, 6), Ok(Some(3)));
    assert_eq!(hotp_verify(&key, "969429", 0, 2, 6), Ok(None));
    assert_eq!(hotp_verify(&key, "969429", 4, 3, 6), Ok(None), "a used counter is not accepted");
    assert_eq!(hotp_verify(&key, "969429", 0, 255, 6), Ok(Some(3)));
    assert_eq!(hotp_verify(&key, "969429", 0, 256, 6), Err(OcraError::Window));
    assert_eq!(hotp_verify(&key, "969429", u64::MAX, 255, 6), Ok(None));
    assert_eq!(hotp_verify(&key, "", 0, 1, 6), Ok(None));
}

/// RFC 4226 §5.4 works this value through; ten digits keep their leading zeros.
#[test]
fn truncation_keeps_leading_zeros() {
    let tag = bytes_of("1f8698690e02ca16618550ef7f19da8e945b555a");
    assert_eq!(hotp_truncate(&tag, 6).unwrap().as_str(), "872921");
    assert_eq!(hotp_truncate(&tag, 10).unwrap().as_str(), "1357872921");
    assert_eq!(truncate(&tag, 7).unwrap().as_str(), "7872921");
    assert_eq!(truncate(&tag, 0).unwrap().as_str(), "1f8698690e02ca16618550ef7f19da8e945b555a");
    let mut small = [0u8; 32];
    small[3] = 9;
    assert_eq!(hotp_truncate(&small, 10).unwrap().as_str(), "0000000009");
    assert_eq!(hotp_truncate(&tag, 0).unwrap_err(), OcraError::Digits);
    assert_eq!(hotp_truncate(&tag, 11).unwrap_err(), OcraError::Digits);
    assert_eq!(hotp_truncate(&tag[1..], 6).unwrap_err(), OcraError::TagLength);
    assert_eq!(truncate(&[0; 65], 6).unwrap_err(), OcraError::TagLength);
}

#[test]
fn the_whole_hmac_is_a_code_too() {
    for (name, chars) in [("SHA1", 40), ("SHA256", 64), ("SHA512", 128)] {
        let suite = suite(&format!("OCRA-1:HOTP-{name}-0:QN08"));
        let key = Key::new(suite.hash(), KEY);
        let input = DataInput::new("12345678");
        let code = suite.respond(&key, &input).unwrap();
        assert_eq!(code.as_str().len(), chars);
        assert_eq!(suite.verify(&key, &input, &code.as_str().to_uppercase()), Ok(true));
        assert_eq!(suite.verify(&key, &input, &code.as_str()[2..]), Ok(false));
    }
}

/// The question as 128 bytes; the expected hexadecimal digits come from another big-number program.
#[test]
fn questions_are_packed_from_the_left() {
    let nines = "9".repeat(64);
    let cases = [
        ("QN08", "00000000", "00"),
        ("QN08", "0", "00"),
        ("QN08", "00000001", "10"),
        ("QN08", "00000010", "a0"),
        ("QN08", "00000016", "10"),
        ("QN08", "00000256", "1000"),
        ("QN08", "12345678", "bc614e"),
        ("QN08", "99999999", "5f5e0ff0"),
        ("QN20", "18446744073709551616", "10000000000000000000"),
        ("QN64", &*nines, "184f03e93ff9f4daa797ed6e38ed64bf6a1f00ffffffffffffffff"),
        ("QH08", "abc", "abc0"),
        ("QH08", "0ABC", "0abc"),
        ("QA08", "aB9", "614239"),
    ];
    for (format, question, expected) in cases {
        let suite = suite(&format!("OCRA-1:HOTP-SHA1-6:{format}"));
        let mut padded = bytes_of(expected_even(expected).as_str());
        padded.resize(128, 0);
        assert_eq!(data(&suite, &DataInput::new(question)), padded, "{format} {question}");
    }
}

fn expected_even(hex: &str) -> String {
    if hex.len().is_multiple_of(2) { hex.to_owned() } else { format!("{hex}0") }
}

#[test]
fn all_inputs_stand_in_their_order() {
    let suite = suite("OCRA-1:HOTP-SHA256-8:C-QA08-PSHA1-S010-T30S");
    let pin = [0xEE; 20];
    let input = DataInput::new("ab")
        .counter(0x0102_0304_0506_0708)
        .pin_hash(&pin)
        .session(b"session")
        .time_steps(0x1112_1314_1516_1718);
    let data = data(&suite, &input);
    assert_eq!(data[..8], [1, 2, 3, 4, 5, 6, 7, 8]);
    assert_eq!(&data[8..10], b"ab");
    assert!(data[10..136].iter().all(|&byte| byte == 0));
    assert_eq!(data[136..156], pin);
    assert_eq!(&data[156..166], b"\0\0\0session");
    assert_eq!(data[166..], [0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18]);
}

#[test]
fn inputs_are_exactly_those_of_the_suite() {
    let full = suite("OCRA-1:HOTP-SHA1-6:C-QN08-PSHA256-S064-T1M");
    let bare = suite("OCRA-1:HOTP-SHA1-6:QN08");
    let key = Key::new(Hash::Sha1, KEY);
    let pin = [0; 32];
    let all = DataInput::new("1").counter(1).pin_hash(&pin).session(b"s").time_steps(1);
    assert!(full.respond(&key, &all).is_ok());
    let question = DataInput::new("1");
    let cases: [(Field, DataInput<'_>, DataInput<'_>); 4] = [
        (Field::Counter, question.pin_hash(&pin).session(b"s").time_steps(1), question.counter(1)),
        (Field::Pin, question.counter(1).session(b"s").time_steps(1), question.pin_hash(&pin)),
        (Field::Session, question.counter(1).pin_hash(&pin).time_steps(1), question.session(b"s")),
        (Field::Time, question.counter(1).pin_hash(&pin).session(b"s"), question.time_steps(1)),
    ];
    for (field, without, with) in cases {
        assert_eq!(full.respond(&key, &without).unwrap_err(), OcraError::InputMissing(field));
        assert_eq!(bare.respond(&key, &with).unwrap_err(), OcraError::InputUnexpected(field));
        assert_eq!(bare.message(&with).unwrap_err(), OcraError::InputUnexpected(field));
    }
    let refused = |input: DataInput<'_>| full.respond(&key, &input).unwrap_err();
    assert_eq!(refused(all.pin_hash(&pin[1..])), OcraError::PinLength);
    assert_eq!(refused(all.session(&[0; 65])), OcraError::SessionLength);
    for (question, error) in [
        ("", OcraError::QuestionLength),
        ("123456789", OcraError::QuestionLength),
        ("1234567a", OcraError::QuestionFormat),
        ("１２", OcraError::QuestionFormat),
    ] {
        assert_eq!(bare.respond(&key, &DataInput::new(question)).unwrap_err(), error, "{question}");
    }
    let both = Mutual::new("12345678", "123456789").server_question();
    assert_eq!(bare.respond(&key, &DataInput::new(both)).unwrap_err(), OcraError::QuestionLength);
    let other = Key::new(Hash::Sha256, KEY);
    assert_eq!(bare.respond(&other, &question).unwrap_err(), OcraError::KeyHash);
}

#[test]
fn an_hsm_can_do_the_middle_step() {
    use hmac::{KeyInit, Mac};
    let suite = suite("OCRA-1:HOTP-SHA256-8:C-QN08-PSHA1");
    let pin = bytes_of("7110eda4d09e062aa5e4a390b0a572ac0d2c0220");
    let input = DataInput::new("12345678").counter(9).pin_hash(&pin);
    let message = suite.message(&input).unwrap();
    let mut hsm = hmac::Hmac::<sha2::Sha256>::new_from_slice(KEY).unwrap();
    hsm.update(&message);
    let tag = hsm.finalize().into_bytes();
    let code = truncate(&tag, suite.digits()).unwrap();
    assert_eq!(code.as_str(), "08522129");
    assert!(code.matches("08522129"));
}

#[test]
fn mutual_sides_check_each_other() {
    let suite = suite("OCRA-1:HOTP-SHA256-8:QN08");
    let key = Key::new(suite.hash(), KEY);
    let mutual = Mutual::new("11112222", "33334444");
    let server = suite.respond(&key, &DataInput::new(mutual.server_question())).unwrap();
    let client = suite.respond(&key, &DataInput::new(mutual.client_question())).unwrap();
    assert_ne!(server.as_str(), client.as_str(), "a code cannot be sent back as the answer");
    let joined = DataInput::new(mutual.server_question());
    assert!(suite.verify(&key, &joined, server.as_str()).unwrap());
    assert!(!suite.verify(&key, &joined, client.as_str()).unwrap());
    // Two full-length numbers are one number of 128 digits.
    let longest = Suite::parse("OCRA-1:HOTP-SHA256-8:QN64").unwrap();
    let nines = "9".repeat(64);
    let both = Mutual::new(&nines, &nines).server_question();
    let packed = data(&longest, &DataInput::new(both));
    let expected = bytes_of(&expected_even(NINES_128));
    assert_eq!(packed[..expected.len()], expected);
    assert!(packed[expected.len()..].iter().all(|&byte| byte == 0));
}

#[test]
fn windows_find_counter_and_time() {
    let suite = suite("OCRA-1:HOTP-SHA256-8:C-QN08-T1M");
    let key = Key::new(suite.hash(), KEY);
    let at = |counter, steps| DataInput::new("12345678").counter(counter).time_steps(steps);
    let code = suite.respond(&key, &at(12, 998)).unwrap();
    let search = |counter, steps, counters, times| {
        suite.verify_within(&key, &at(counter, steps), code.as_str(), counters, times)
    };
    let ahead = |ahead| Window { back: 0, ahead };
    let around = |steps| Window { back: steps, ahead: steps };
    let found = Some(Matched { counter: Some(12), time_steps: Some(998) });
    assert_eq!(search(10, 1000, ahead(5), around(2)), Ok(found));
    assert_eq!(search(10, 1000, ahead(1), around(2)), Ok(None));
    assert_eq!(search(10, 1000, ahead(5), around(1)), Ok(None));
    assert_eq!(search(13, 1000, ahead(5), around(2)), Ok(None));
    assert_eq!(search(12, 998, Window::NONE, Window::NONE), Ok(found));
    assert_eq!(search(0, 1000, ahead(51), around(2)), Err(OcraError::Window));
    assert_eq!(search(0, 0, ahead(u16::MAX), around(u16::MAX)), Err(OcraError::Window));
    let bare = Suite::parse("OCRA-1:HOTP-SHA256-8:QN08").unwrap();
    let question = DataInput::new("12345678");
    assert_eq!(
        bare.verify_within(&key, &question, "1", ahead(1), Window::NONE),
        Err(OcraError::InputMissing(Field::Counter))
    );
    let code = bare.respond(&key, &question).unwrap();
    assert_eq!(
        bare.verify_within(&key, &question, code.as_str(), Window::NONE, Window::NONE),
        Ok(Some(Matched { counter: None, time_steps: None }))
    );
}

#[test]
fn time_steps_are_whole_ones() {
    assert_eq!(TimeStep::Minutes(1).steps_at(0x132d0b6 * 60 + 59), Some(0x132d0b6));
    assert_eq!(TimeStep::Seconds(30).steps_at(59), Some(1));
    assert_eq!(TimeStep::Hours(48).steps_at(172_800), Some(1));
    assert_eq!(suite("OCRA-1:HOTP-SHA1-6:QN08-T0H").step().unwrap().steps_at(59), None);
}

/// spec Qd10: nothing secret is ever shown.
#[test]
fn qd10_ocra_secrets_are_not_in_debug() {
    let suite = suite("OCRA-1:HOTP-SHA256-8:QN08-PSHA1");
    let key = Key::new(suite.hash(), KEY);
    let pin = [0x71; 20];
    let input = DataInput::new("12345678").pin_hash(&pin);
    let code = suite.respond(&key, &input).unwrap();
    assert_eq!(format!("{key:?}"), "Key(HMAC-SHA256)");
    assert_eq!(format!("{code:?}"), "Code(8 characters)");
    let shown = format!("{input:?} {:?}", Question::one("12345678"));
    assert!(!shown.contains("12345678") && !shown.contains("113") && !shown.contains("71"));
    fn wiped<T: zeroize::ZeroizeOnDrop>() {}
    // An HMAC is two of these.
    wiped::<sha1::Sha1>();
    wiped::<sha2::Sha256>();
    wiped::<sha2::Sha512>();
    wiped::<Key>();
    wiped::<Code>();
}

/// `10^128 - 1` in hexadecimal, computed elsewhere.
const NINES_128: &str = "24ee91f2603a6337f19bccdb0dac404dc08d3cff5ec2374e42f0f1538fd03df99092e953e00ffffffffffffffffffffffffffffffff";

fn suites() -> impl Strategy<Value = String> {
    let hash = prop_oneof![Just("SHA1"), Just("SHA256"), Just("SHA512")];
    let digits = prop_oneof![Just(0u8), 4u8..=10];
    let question = ("[ANH]", 4u8..=64).prop_map(|(format, chars)| format!("Q{format}{chars:02}"));
    let pin = prop_oneof![Just(""), Just("-PSHA1"), Just("-PSHA256"), Just("-PSHA512")];
    let session =
        prop_oneof![Just(String::new()), (1u16..=512).prop_map(|bytes| format!("-S{bytes:03}"))];
    let time = prop_oneof![
        Just(String::new()),
        (1u8..=59).prop_map(|count| format!("-T{count}S")),
        (1u8..=59).prop_map(|count| format!("-T{count}M")),
        (0u8..=48).prop_map(|count| format!("-T{count}H")),
    ];
    (hash, digits, any::<bool>(), question, pin, session, time).prop_map(
        |(hash, digits, counter, question, pin, session, time)| {
            let counter = if counter { "C-" } else { "" };
            format!("OCRA-1:HOTP-{hash}-{digits}:{counter}{question}{pin}{session}{time}")
        },
    )
}

proptest! {
    #[test]
    fn suites_are_shown_as_they_were_read(text in suites()) {
        let suite = Suite::parse(&text).unwrap();
        prop_assert_eq!(suite.to_string(), &*text);
        prop_assert_eq!(suite.as_str(), &*text);
    }

    #[test]
    fn a_changed_suite_is_another_or_none(text in suites(), at in any::<prop::sample::Index>(), with in "[ -~é]") {
        let mut changed: Vec<char> = text.chars().collect();
        let at = at.index(changed.len());
        changed[at] = with.chars().next().unwrap();
        let changed: String = changed.into_iter().collect();
        if let Ok(suite) = Suite::parse(&changed) {
            prop_assert_eq!(suite.to_string(), changed);
        }
    }

    #[test]
    fn any_string_is_read_or_refused(text in "\\PC*") {
        if let Ok(suite) = Suite::parse(&text) {
            prop_assert_eq!(suite.to_string(), text);
        }
    }

    /// Up to 38 digits the numbers fit the machine's, which then say what is right.
    #[test]
    fn numeric_questions_are_exact(number in any::<u128>().prop_map(|n| n % 10u128.pow(38))) {
        let suite = suite("OCRA-1:HOTP-SHA1-6:QN64");
        let mut hex = format!("{number:x}");
        if hex.len() % 2 == 1 {
            hex.push('0');
        }
        let mut expected = bytes_of(&hex);
        expected.resize(128, 0);
        prop_assert_eq!(data(&suite, &DataInput::new(&*number.to_string())), expected.clone());
        let zeros = format!("{number:064}");
        prop_assert_eq!(data(&suite, &DataInput::new(&*zeros)), expected);
    }
}
