//! Any bytes as every form that comes from outside or from the store: canonical or refused, and never a panic.

#![no_main]

use base64ct::{Base64UrlUnpadded, Encoding as _};
use bytes::Bytes;
use interbank_qrpay::*;
use libfuzzer_sys::fuzz_target;
use port::Time;
use port::outbox::{Answer, Entry};
use seal::{Account, Audit, TrustList};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(text) = str::from_utf8(bytes) {
        read(text);
    }
    // As a body, the fuzzer reaches what stands behind the base64url form.
    read(&["QP1.", &Base64UrlUnpadded::encode_string(bytes)].concat());
    messages(bytes);
    rows(bytes);
    names(bytes);
});

fn read(text: &str) {
    let client = PaymentClient::new(Account::new("6222000000000001").unwrap(), TrustList::new());
    let client = client.with_unsigned();
    let scanned = client.read(Time::from_s(1), text);
    let Ok(code) = Code::parse(text) else { return };
    assert_eq!(code.to_text(), text);
    assert!(text.len() <= Code::TEXT_BYTES_MAX);
    assert_eq!(scanned.is_ok(), code.signature.is_none(), "nobody is trusted");
    if let Ok(scanned) = scanned {
        assert_eq!(scanned.code(), &code);
        let transcript = client.transcript(&scanned);
        assert!(transcript.starts_with(b"qr-reply-v1\0"));
        let typed = Reply::Typed(TypedCode::new(b"54327466").unwrap());
        let mut bytes = Vec::new();
        client.request(&scanned, typed).encode(&mut bytes);
        assert!(PaymentRequest::parse(&bytes).is_ok());
    }
}

fn messages(bytes: &[u8]) {
    let mut back = Vec::new();
    if let Ok(request) = PaymentRequest::parse(bytes) {
        request.encode(&mut back);
        assert_eq!(back, bytes);
    }
    let shared = Bytes::copy_from_slice(bytes);
    if let Ok(instruction) = Instruction::parse(&shared) {
        back.clear();
        instruction.encode(&mut back);
        assert_eq!(back, bytes);
    }
    if let Ok(settlement) = Settlement::parse(bytes) {
        assert_eq!(settlement.to_bytes(), bytes);
    }
    if let Ok(answer) = Answer::parse(bytes) {
        back.clear();
        answer.encode(&mut back).unwrap();
        assert_eq!(back, bytes);
    }
}

fn rows(bytes: &[u8]) {
    let mut back = Vec::new();
    if let Ok(entry) = Entry::parse(bytes) {
        entry.encode(&mut back).unwrap();
        assert_eq!(back, bytes);
        assert_eq!(back.len(), entry.encoded_bytes());
    }
    if let Ok(audit) = Audit::parse(bytes) {
        back.clear();
        audit.encode(&mut back).unwrap();
        assert_eq!(back, bytes);
    }
    if let Ok(payment) = Payment::parse(&Bytes::copy_from_slice(bytes)) {
        assert_eq!(payment.refundable().currency(), payment.price.amount.currency());
    }
    if let Ok(refund) = Refund::parse(bytes) {
        assert!(bytes.ends_with(&refund.granted.as_ms().to_be_bytes()));
    }
}

fn names(bytes: &[u8]) {
    if let Ok(uid) = Uid::new(bytes.to_vec()) {
        assert_eq!(uid.as_str().as_bytes(), bytes);
    }
    if let Ok(payee) = Payee::new(bytes.to_vec()) {
        assert_eq!(payee.as_str().as_bytes(), bytes);
    }
    if let Ok(device) = DeviceId::new(bytes.to_vec()) {
        assert_eq!(device.to_string().as_bytes(), bytes);
    }
    if let Ok(text) = str::from_utf8(bytes)
        && let Some(id) = PaymentId::parse(text)
    {
        assert_eq!(id.to_string(), text.to_ascii_lowercase());
    }
}
