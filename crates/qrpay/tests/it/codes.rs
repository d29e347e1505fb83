//! The code that is displayed: canonical, bounded, signed, in both forms.

use crate::bank::{Bank, START};
use interbank_qrpay::emv::{Builder, Payload};
use interbank_qrpay::*;
use port::{Amount, Currency, Time};
use proptest::prelude::*;
use seal::{Distrust, Secret, SigningKey, TrustList, TrustedKey, Validity};

fn signer() -> SigningKey {
    SigningKey::from_seed(&Secret::new([1; 32]))
}

fn merchant() -> Builder {
    Builder::new("CN", "Tea House", "SHANGHAI", 5812, 156).account_template(
        30,
        "org.example",
        &[(1, "M0001")],
    )
}

prop_compose! {
    fn any_code()(
        uid in "[0-9A-Za-z._:-]{1,64}",
        challenge in any::<[u8; 16]>(),
        price in prop::option::of((1..=i64::MAX, "\\PC{1,16}")),
        expires_s in prop::option::of(any::<u64>()),
        challenge_ref in prop::option::of(any::<u32>()),
        signer in prop::option::of(("[a-z.]{1,32}", any::<u8>())),
    ) -> Option<Code> {
        let price = match price {
            None => None,
            Some((minor, payee)) => {
                let amount = Amount::new(minor, Currency::parse("CNY").ok()?);
                Some(Price { amount, payee: Payee::new(payee).ok()? })
            }
        };
        let mut code = Code::new(Uid::new(uid).ok()?, Challenge(challenge), Terms { price, expires_s });
        code.challenge_ref = challenge_ref;
        match signer {
            None => Some(code),
            Some((issuer, key_id)) => code.sign_with(&issuer, key_id, &self::signer()).ok(),
        }
    }
}

proptest! {
    #[test]
    fn q04_decoding_gives_back_what_was_encoded(code in any_code()) {
        prop_assume!(code.is_some());
        let code = code.unwrap();
        let text = code.to_text();
        prop_assert!(text.len() <= Code::TEXT_BYTES_MAX);
        prop_assert_eq!(Code::parse(&text), Ok(code));
    }

    #[test]
    fn q04_identifier_and_challenge_both_change_the_code(code in any_code(), at in 0..16_usize) {
        prop_assume!(code.is_some());
        let code = code.unwrap();
        let mut other = code.clone();
        other.challenge.0[at] ^= 1;
        prop_assert_ne!(other.to_text(), code.to_text());
        let uid = if code.uid.as_str() == "X" { "Y" } else { "X" };
        let other = Code { uid: Uid::new(uid).unwrap(), ..code.clone() };
        prop_assert_ne!(other.to_text(), code.to_text());
    }

    #[test]
    fn qd09_any_text_is_read_canonically_or_refused(text in "(QP1\\.)?[A-Za-z0-9_-]{0,200}|\\PC*") {
        if let Ok(code) = Code::parse(&text) {
            prop_assert_eq!(code.to_text(), text);
        }
    }

    #[test]
    fn qd09_damaged_codes_are_read_canonically_or_refused(code in any_code(), at in any::<prop::sample::Index>(), with in any::<u8>()) {
        prop_assume!(code.is_some());
        let mut bytes = code.unwrap().to_text().into_bytes();
        let at = at.index(bytes.len());
        bytes[at] = with;
        if let Ok(text) = String::from_utf8(bytes)
            && let Ok(code) = Code::parse(&text)
        {
            prop_assert_eq!(code.to_text(), text);
        }
    }
}

#[test]
fn q04_the_emv_form_says_the_same() {
    let bank = Bank::new();
    let issued = bank.order();
    let payload = issued.code.to_emv(merchant()).unwrap();
    let back = Code::from_emv(&Payload::parse(payload.as_str()).unwrap()).unwrap();
    assert_eq!(back, Code { signature: None, ..issued.code.clone() });
    let mut changed = issued.code.clone();
    changed.challenge.0[0] ^= 1;
    assert_ne!(changed.to_emv(merchant()).unwrap().as_str(), payload.as_str());
}

#[test]
fn the_emv_form_refuses_a_payee_that_the_payer_would_not_see() {
    let issued = Bank::new().order();
    let other = Builder::new("CN", "Other House", "SHANGHAI", 5812, 156).account_template(
        30,
        "org.example",
        &[(1, "M0001")],
    );
    assert_eq!(issued.code.to_emv(other).err(), Some(CodeError::Content(Misuse::Text)));
}

#[test]
fn a_signed_emv_code_pays() {
    let (bank, wallet) = Bank::with_payer();
    let issued = bank.order();
    let unsigned = issued.code.to_emv(merchant()).unwrap();
    let refused = wallet.client.read(START, unsigned.as_str()).err();
    assert_eq!(refused, Some(ReadError::Untrusted(Untrusted::Unsigned)));
    let to_sign = unsigned.to_be_signed("bank.example", 1).unwrap();
    let signed = to_sign.with_signature(&signer().sign(&to_sign.signing_bytes())).unwrap();
    let scanned = wallet.client.read(START, signed.as_str()).unwrap();
    assert_eq!(scanned.issuer(), Some("bank.example"));
    let request = wallet.client.answer(&scanned, &wallet.key).unwrap();
    assert!(bank.redeem(&request).granted().is_some());
}

#[test]
fn a_changed_code_is_not_trusted() {
    let (bank, wallet) = Bank::with_payer();
    let code = bank.order().code;
    let mut dearer = code.clone();
    dearer.terms.price.as_mut().unwrap().amount = crate::bank::cny(1);
    let mut other_payee = code.clone();
    other_payee.terms.price.as_mut().unwrap().payee = Payee::new("Thief").unwrap();
    let other_uid = Code { uid: Uid::new("O2").unwrap(), ..code.clone() };
    for changed in [dearer, other_payee, other_uid] {
        let refused = wallet.client.read(START, &changed.to_text()).err();
        assert_eq!(refused, Some(ReadError::Untrusted(Untrusted::Signature)));
    }
    let unsigned = Code { signature: None, ..code };
    let refused = wallet.client.read(START, &unsigned.to_text()).err();
    assert_eq!(refused, Some(ReadError::Untrusted(Untrusted::Unsigned)));
}

#[test]
fn issuer_keys_have_validity_overlap_and_revocation() {
    let code = Bank::new().order().code;
    let key = signer().verifying_key();
    let validity = Validity { from: Time::from_s(100), until: Time::from_s(200) };
    let mut trust = TrustList::new();
    let at = |s, trust: &TrustList| code.verify(trust, Time::from_s(s));
    assert_eq!(at(150, &trust), Err(Untrusted::Issuer(Distrust::UnknownIssuer)));
    trust.add("bank.example", 2, TrustedKey::new(key.clone(), validity));
    assert_eq!(at(150, &trust), Err(Untrusted::Issuer(Distrust::UnknownKey)));
    trust.add("bank.example", 1, TrustedKey::new(key, validity));
    assert_eq!(at(150, &trust), Ok(()));
    assert_eq!(at(200, &trust), Err(Untrusted::Issuer(Distrust::NoLongerValid)));
    trust.revoke("bank.example", 1, Time::from_s(160));
    assert_eq!(at(159, &trust), Ok(()));
    assert_eq!(at(160, &trust), Err(Untrusted::Issuer(Distrust::Revoked)));
}

#[test]
fn qd11_payee_and_amount_are_signed_and_shown_before_the_reply() {
    let (bank, wallet) = Bank::with_payer();
    // The attacker shows the victim the attacker's genuine code: it verifies, and says whose it is.
    let mut request = bank.request("attack");
    request.price.payee = Payee::new("Attacker").unwrap();
    let genuine = bank.issue(request).granted().unwrap();
    let scanned = wallet.client.read(START, &genuine.code.to_text()).unwrap();
    let shown = scanned.code().terms.price.as_ref().unwrap();
    assert_eq!((shown.payee.as_str(), shown.amount), ("Attacker", crate::bank::cny(12_345)));
    let documented = include_str!("../../README.md");
    assert!(documented.contains("**Relay.**"), "the crate page tells of the relay attack");
}

#[test]
fn the_default_code_fits_a_version_that_phones_read_well() {
    let text = Bank::new().order().code.to_text();
    let symbol = symbol::Symbol::encode(&text, &symbol::Options::default()).unwrap();
    assert!(symbol.version().number() <= 12, "version {}", symbol.version().number());
}
