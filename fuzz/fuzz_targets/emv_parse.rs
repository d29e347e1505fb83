//! Any bytes: the strict reader accepts only what it writes, and the lenient one agrees with it.

#![no_main]

use interbank_qrpay::emv::{ChallengeTemplate, Payload, Scheme, crc16, diagnose};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    read(bytes);
    // With a checksum that fits, the fuzzer reaches what stands behind it.
    let mut sealed = bytes.to_vec();
    sealed.extend_from_slice(b"6304");
    let crc = crc16(&sealed);
    sealed.extend_from_slice(format!("{crc:04X}").as_bytes());
    read(&sealed);
});

fn read(bytes: &[u8]) {
    let _ = Scheme::of(bytes);
    let diagnosis = diagnose(bytes);
    for found in diagnosis.findings() {
        assert!(found.at <= bytes.len() * 2);
        assert!(!found.to_string().is_empty());
    }
    let Ok(payload) = Payload::parse(bytes) else {
        assert!(!diagnosis.is_strict());
        return;
    };
    assert!(diagnosis.is_strict());
    assert_eq!(payload.encode().as_bytes(), bytes);
    assert!(payload.accounts().next().is_some());
    let _ = (payload.amount_minor(2), payload.tip(), payload.language(), payload.additional());
    if let Ok(Some(signature)) = payload.signature() {
        assert!(payload.as_str().starts_with(signature.signed_part));
    }
    match payload.challenge() {
        Ok(Some(challenge)) => assert!(payload.with_challenge(&challenge).is_err()),
        Ok(None) => {
            let challenge = ChallengeTemplate {
                uid: "A".into(),
                challenge: [7; 16],
                challenge_ref: None,
                expires_s: None,
            };
            if let Ok(with) = payload.with_challenge(&challenge) {
                assert_eq!(with.challenge(), Ok(Some(challenge)));
            }
        }
        Err(_) => {}
    }
}
