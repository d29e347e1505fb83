//! Foreign bytes: nothing panics, and what parses is written again as it was.

use crate::ledger::account;
use interbank_port::outbox::{Answer, Config, Entry, Outbox, OutboxError};
use interbank_port::{
    Bytes, Input, Key, Machine, Peer, Row, Rows, Ticket, Time, Version, WireError,
};
use proptest::prelude::*;

fn entry(content: &[u8]) -> Entry {
    Entry {
        idempotency: [0xAB; 32],
        to: Peer::new("core").unwrap(),
        created: Time::from_ms(0x0102_0304_0506_0708),
        content: Bytes::copy_from_slice(content),
    }
}

fn encoded(entry: &Entry) -> Vec<u8> {
    let mut bytes = Vec::new();
    entry.encode(&mut bytes).unwrap();
    bytes
}

#[test]
fn stored_forms_are_the_ones_of_the_specification() {
    // Byte by byte from docs/spec/port.md.
    let mut expected = vec![1];
    expected.extend([0xAB; 32]);
    expected.extend([1, 2, 3, 4, 5, 6, 7, 8]);
    expected.extend([4, b'c', b'o', b'r', b'e']);
    expected.extend([0, 0, 0, 2, b'h', b'i']);
    assert_eq!(encoded(&entry(b"hi")), expected);

    let mut answer = Vec::new();
    Answer { idempotency: [7; 32], content: Bytes::from_static(b"ok") }
        .encode(&mut answer)
        .unwrap();
    let mut expected = vec![1];
    expected.extend([7; 32]);
    expected.extend([0, 0, 0, 2, b'o', b'k']);
    assert_eq!(answer, expected);

    let key = entry(b"").key(account()).unwrap();
    let mut expected = vec![0x01, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 2, 3, 4, 5, 6, 7, 8];
    expected.extend([0xAB; 16]);
    assert_eq!(key.as_bytes(), expected);
}

#[test]
fn limits_hold_for_reading_and_writing() {
    let most = entry(&vec![1; Entry::CONTENT_BYTES_MAX]);
    assert_eq!(Entry::parse(&encoded(&most)), Ok(most));
    let more = entry(&vec![1; Entry::CONTENT_BYTES_MAX + 1]);
    assert_eq!(more.encode(&mut Vec::new()), Err(WireError::TooLong));
    let long = Answer { idempotency: [1; 32], content: more.content };
    assert_eq!(long.encode(&mut Vec::new()), Err(WireError::TooLong));
    // The same refusal for bytes that claim it.
    let mut claimed = encoded(&entry(b""));
    claimed.truncate(claimed.len() - 4);
    claimed.extend(32_769_u32.to_be_bytes());
    claimed.extend(vec![1; 32_769]);
    assert_eq!(Entry::parse(&claimed), Err(WireError::TooLong));
    let mut nobody = encoded(&entry(b""));
    nobody.drain(42..46);
    nobody[41] = 0;
    assert_eq!(Entry::parse(&nobody), Err(WireError::Invalid));
}

proptest! {
    #[test]
    fn what_parses_is_canonical(
        bytes in prop::collection::vec(any::<u8>(), 0..120),
        name in 0..70_u8,
        damage in (0..200_usize, any::<u8>()),
    ) {
        // Random bytes, and entries with one byte changed: most of the second kind still parse.
        let mut near = encoded(&entry(&bytes));
        near[41] = name;
        let at = damage.0 % near.len();
        near[at] = damage.1;
        for candidate in [&bytes, &near] {
            if let Ok(found) = Entry::parse(candidate) {
                prop_assert_eq!(&encoded(&found), candidate);
            }
            if let Ok(found) = Answer::parse(candidate) {
                let mut again = Vec::new();
                found.encode(&mut again).unwrap();
                prop_assert_eq!(&again, candidate);
            }
        }
    }

    #[test]
    fn frames_of_any_bytes_are_answers_or_refused(
        frames in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..80), 1..20),
        stored in prop::collection::vec(any::<u8>(), 0..80),
        answered in any::<bool>(),
    ) {
        let mut outbox = Outbox::new(account(), Config::default());
        let now = Time::from_ms(5);
        outbox.nudge(now);
        prop_assert!(outbox.poll_effect().is_some());
        let row = |value: Vec<u8>| Row { version: Version::new(1), value: value.into() };
        let page: Vec<(Key, Row)> = vec![
            (account().raw(b"1").unwrap(), row(stored)),
            (account().raw(b"2").unwrap(), row(encoded(&entry(b"")))),
        ];
        let rows = Some(Rows { points: vec![], scans: vec![page] });
        prop_assert_eq!(outbox.handle(now, Input::Rows { ticket: Ticket(1), rows }), Ok(()));
        let flying = outbox.in_flight();
        prop_assert!(flying >= 1);
        let from = Peer::new("core").unwrap();
        for mut frame in frames {
            if answered && frame.len() > 37 {
                frame[0] = 1;
                frame[1..33].copy_from_slice(&[0xAB; 32]);
            }
            let found = outbox.handle(now, Input::Frame { from: &from, bytes: &frame });
            match Answer::parse(&frame) {
                Ok(_) => prop_assert_eq!(found, Ok(())),
                Err(why) => prop_assert_eq!(found, Err(OutboxError::Frame(why))),
            }
            prop_assert_eq!(outbox.in_flight(), flying);
        }
    }
}
