//! Any text as a suite, and any bytes as its inputs.

#![no_main]

use interbank_qrpay::ocra::{DataInput, Key, Mutual, Suite};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    // Suite, question and code are lines; what follows is session information.
    let mut lines = bytes.splitn(4, |&byte| byte == b'\n');
    let mut line = || lines.next().unwrap_or_default();
    let (suite, question, typed, session) = (line(), line(), line(), line());
    let (Ok(text), Ok(question), Ok(typed)) =
        (str::from_utf8(suite), str::from_utf8(question), str::from_utf8(typed))
    else {
        return;
    };
    let Ok(suite) = Suite::parse(text) else { return };
    assert_eq!(suite.to_string(), text);
    assert_eq!(suite.as_str(), text);

    let key = Key::new(suite.hash(), b"12345678901234567890");
    let mutual = Mutual::new(question, question);
    let pin = [7; 64];
    for question in [question.into(), mutual.server_question()] {
        let mut input = DataInput::new(question);
        if suite.has_counter() {
            input = input.counter(1);
        }
        if let Some(hash) = suite.pin() {
            input = input.pin_hash(&pin[..hash.output_bytes()]);
        }
        if suite.session_bytes().is_some() {
            input = input.session(session);
        }
        if suite.step().is_some() {
            input = input.time_steps(2);
        }
        let Ok(code) = suite.respond(&key, &input) else {
            assert!(suite.message(&input).is_err());
            continue;
        };
        assert_eq!(suite.message(&input).map(|message| message.len()), Ok(suite.message_bytes()));
        let chars = match suite.digits() {
            0 => suite.hash().output_bytes() * 2,
            digits => usize::from(digits),
        };
        assert_eq!(code.as_str().len(), chars);
        assert_eq!(suite.verify(&key, &input, code.as_str()), Ok(true));
        assert_eq!(
            suite.verify(&key, &input, typed),
            Ok(typed.eq_ignore_ascii_case(code.as_str()))
        );
    }
});
