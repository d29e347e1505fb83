//! Any bytes as a frame or a notice: canonical or refused, with everything that lies in it.

#![no_main]

use interbank_filexfer::{Message, Notice, SignedReceipt, Stage};
use libfuzzer_sys::fuzz_target;
use port::outbox::{Answer, Entry};

fuzz_target!(|bytes: &[u8]| {
    let Some((form, bytes)) = bytes.split_first() else { return };
    if form & 1 == 0 {
        message(bytes);
    } else {
        notice(bytes);
    }
});

fn message(bytes: &[u8]) {
    let Ok(message) = Message::parse(bytes) else { return };
    let frame = message.to_frame().unwrap();
    assert_eq!(frame, bytes);
    match message {
        Message::Submit { request, hops, .. } => {
            let mut stored = Vec::new();
            request.encode(&mut stored).unwrap();
            assert_eq!(interbank_filexfer::Request::parse(&stored).as_ref(), Ok(&request));
            let transfer = request.transfer().unwrap();
            assert_eq!(request.digest().unwrap()[..16], transfer.0);
            let _ = hops.last();
        }
        Message::Answer(answer) => {
            let _ = answer.verdict.digest().unwrap();
        }
        Message::Notice(entry) => {
            if let Ok(entry) = Entry::parse(&entry) {
                notice(&entry.content);
            }
        }
        Message::Noticed(answer) => {
            let _ = Answer::parse(&answer);
        }
        Message::Taken { receipt, .. } | Message::HandedOver { receipt, .. } => {
            let _ = SignedReceipt::parse(&receipt);
        }
        Message::Want { range, .. } | Message::Slice { range, .. } => {
            assert!(range.start < range.end);
        }
        _ => {}
    }
}

fn notice(bytes: &[u8]) {
    let Ok(notice) = Notice::parse(bytes) else { return };
    let mut back = Vec::with_capacity(bytes.len());
    notice.encode(&mut back).unwrap();
    assert_eq!(back, bytes);
    for stage in Stage::ALL {
        if let Some(signed) = notice.receipt(stage) {
            assert_eq!(signed.receipt.stage, stage);
        }
    }
}
