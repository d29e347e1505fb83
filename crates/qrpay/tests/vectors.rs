//! `vectors/qrpay.json`: bytes that other implementations of the primitives computed from the specification.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use bytes::Bytes;
use interbank_qrpay::ocra::Suite;
use interbank_qrpay::*;
use port::blocking::{Keys as _, decide};
use port::outbox::Entry;
use port::{
    Amount, Currency, KeyAnswer, KeyId, KeyQuestion, KeyRef, MacAlgorithm, MemoryStore, Peer,
    Tenant, Time,
};
use seal::{
    Account, AccountRef, AccountTokens, PreparedMac, Secret, SigningKey, SoftKeys, TrustList,
    TrustedKey, Validity, WrapKey,
};
use serde_json::Value;

fn vectors() -> Value {
    serde_json::from_str(include_str!("../../../vectors/qrpay.json")).unwrap()
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    let found = value.as_array().unwrap();
    assert!(!found.is_empty());
    found.iter()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn hex(value: &Value) -> Vec<u8> {
    let text = value.as_str().unwrap();
    let pairs = (0..text.len()).step_by(2);
    pairs.map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

fn array<const N: usize>(value: &Value) -> [u8; N] {
    hex(value).try_into().unwrap()
}

fn number<T: TryFrom<u64>>(value: &Value) -> T {
    T::try_from(value.as_u64().unwrap()).ok().unwrap()
}

fn terms(value: &Value) -> Terms {
    let price = value["price"].as_object().map(|price| Price {
        amount: Amount::new(
            price["amount_minor"].as_i64().unwrap(),
            Currency::parse(price["currency"].as_str().unwrap()).unwrap(),
        ),
        payee: Payee::new(text(&price["payee"])).unwrap(),
    });
    Terms { price, expires_s: value["expires_s"].as_u64() }
}

fn account(value: &Value) -> Account {
    Account::new(text(&value["account"])).unwrap()
}

fn uid(value: &Value) -> Uid {
    Uid::new(text(&value["uid"])).unwrap()
}

#[test]
fn qd03_transcripts_and_replies_of_every_scheme() {
    for row in list(&vectors()["transcripts"]) {
        let transcript = Transcript {
            uid: row["uid"].as_str().unwrap().as_bytes(),
            challenge: &Challenge(array(&row["challenge"])),
            account: &account(row),
            terms: &terms(row),
        };
        let message = transcript.to_bytes();
        assert_eq!(*message, hex(&row["message"]), "{}", row["name"]);
        let use_key = Secret::new(array(&row["use_key"]));
        let reply = |key: &ReplyKey| key.reply(&message).unwrap();
        assert_eq!(reply(&ReplyKey::mac(&use_key)), Reply::Mac(array(&row["mac"])));
        let typed = |code: &Value| Reply::Typed(TypedCode::new(text(code).as_bytes()).unwrap());
        for digits in 6..=10 {
            let expected = typed(&row["typed"][digits.to_string()]);
            assert_eq!(reply(&ReplyKey::typed(&use_key, digits)), expected);
        }
        let suite = Suite::parse(row["ocra"]["suite"].as_str().unwrap()).unwrap();
        let ocra = ReplyKey::ocra(suite, &use_key).unwrap();
        assert_eq!(reply(&ocra), typed(&row["ocra"]["code"]));
        let signing = SigningKey::from_seed(&Secret::new(array(&row["signature"]["seed"])));
        let expected = Reply::Signature(array(&row["signature"]["signature"]));
        assert_eq!(reply(&ReplyKey::Signature(signing)), expected);
    }
}

#[test]
fn q02_q03_what_is_drawn_from_entropy() {
    for row in list(&vectors()["drawn"]) {
        let entropy = array(&row["entropy"]);
        assert_eq!(Challenge::draw(&entropy), Challenge(array(&row["challenge"])));
        assert_eq!(Uid::draw(&entropy, Kind::Order).as_str(), text(&row["order"]));
        assert_eq!(Uid::draw(&entropy, Kind::Commodity).as_str(), text(&row["commodity"]));
        let secret: [u8; 32] = array(&row["device_secret"]);
        assert_eq!(DeviceSecret::draw(&entropy).expose(), &secret);
    }
}

#[test]
fn use_keys_with_and_without_a_pin() {
    for row in list(&vectors()["use_keys"]) {
        let secret = DeviceSecret::new(Secret::new(array(&row["device_secret"])));
        let device = DeviceId::new(text(&row["device"])).unwrap();
        let key_number = number(&row["key_number"]);
        let pin = row["pin"].as_str().map(|pin| Pin::new(pin).unwrap());
        let made = use_key(&secret, pin.as_ref(), &account(row), &device, key_number).unwrap();
        assert_eq!(made.expose(), &array::<32>(&row["use_key"]));
        if let Some(pin) = pin {
            let stretched = pin.stretch(&account(row), &device).unwrap();
            assert_eq!(stretched.expose(), &array::<32>(&row["stretched"]));
            let weak = password_key(&pin, &account(row), &device, key_number).unwrap();
            assert_eq!(weak.expose(), &array::<32>(&row["password_key"]));
        }
    }
}

#[test]
fn account_tokens() {
    for row in list(&vectors()["account_tokens"]) {
        let tokens = AccountTokens::new(&Secret::new(array(&row["secret"])));
        assert_eq!(tokens.token(&account(row)).as_bytes(), &array::<16>(&row["token"]));
    }
}

#[test]
fn wrapped_keys_are_written_and_read() {
    for row in list(&vectors()["wrapped_keys"]) {
        let key = WrapKey::new(&Secret::new(array(&row["key"])));
        let (context, wrapped) = (hex(&row["context"]), hex(&row["wrapped"]));
        let secret = port::SecretBytes::new(hex(&row["secret"]));
        let made = key.wrap(&context, &secret, &array(&row["entropy"])).unwrap();
        assert_eq!(made, wrapped);
        assert_eq!(key.unwrap(&context, &wrapped), Ok(secret));
    }
}

#[test]
fn a_wrapped_use_key_answers_like_the_use_key() {
    let vectors = vectors();
    let (row, transcript) = (&vectors["wrapped_keys"][0], &vectors["transcripts"][0]);
    let mut keys = SoftKeys::new();
    keys.add_wrapping(KeyId(2), &Secret::new(array(&row["key"])));
    let key = KeyRef::Wrapped {
        key: KeyId(2),
        context: hex(&row["context"]).into(),
        blob: hex(&row["wrapped"]).into(),
    };
    let message = Bytes::from(hex(&transcript["message"]));
    let question = KeyQuestion::Mac { key, algorithm: MacAlgorithm::HmacSha256, message };
    let answers = keys.answer(&[question]).unwrap();
    let KeyAnswer::Mac(tag) = answers[0] else { panic!("no MAC") };
    assert_eq!(tag.as_bytes(), hex(&transcript["mac"]));
    let clear = PreparedMac::new(MacAlgorithm::HmacSha256, &hex(&row["secret"]));
    assert!(clear.verify(&hex(&transcript["message"]), tag.as_bytes()));
}

#[test]
fn q04_compact_codes_with_all_flags() {
    let vectors = vectors();
    assert_eq!(list(&vectors["codes"]).count(), 16);
    for row in list(&vectors["codes"]) {
        let mut code = Code::new(uid(row), Challenge(array(&row["challenge"])), terms(row));
        code.challenge_ref = row["challenge_ref"].as_u64().map(|one| u32::try_from(one).unwrap());
        let signature = &row["signature"];
        if let Some(issuer) = signature["issuer"].as_str() {
            let key = SigningKey::from_seed(&Secret::new(array(&signature["seed"])));
            code = code.sign_with(issuer, number(&signature["key_id"]), &key).unwrap();
            let made = code.signature.as_ref().unwrap().signature;
            assert_eq!(made, array(&signature["signature"]));
            let mut trust = TrustList::new();
            let trusted = TrustedKey::new(key.verifying_key(), Validity::always());
            trust.add(issuer, code.signature.as_ref().unwrap().key_id, trusted);
            let read = Code::parse(row["text"].as_str().unwrap()).unwrap();
            assert_eq!(read.verify(&trust, Time::EPOCH), Ok(()));
        }
        assert_eq!(code.to_text(), text(&row["text"]), "flags {}", row["flags"]);
        assert_eq!(Code::parse(row["text"].as_str().unwrap()), Ok(code));
    }
}

#[test]
fn q07_requests_and_settlements() {
    let vectors = vectors();
    for row in list(&vectors["requests"]) {
        let reply = match row["kind"].as_str().unwrap() {
            "mac" => Reply::Mac(array(&row["reply"])),
            "signature" => Reply::Signature(array(&row["reply"])),
            _ => Reply::Typed(TypedCode::new(&hex(&row["reply"])).unwrap()),
        };
        let challenge_ref = row["challenge_ref"].as_u64().map(|one| u32::try_from(one).unwrap());
        let request = PaymentRequest { account: account(row), uid: uid(row), reply, challenge_ref };
        let mut bytes = Vec::new();
        request.encode(&mut bytes);
        assert_eq!(bytes, hex(&row["bytes"]));
        assert_eq!(PaymentRequest::parse(&bytes), Ok(request));
    }
    for row in list(&vectors["settlements"]) {
        let settlement = match row["done"].as_bool().unwrap() {
            true => Settlement::Done,
            false => Settlement::Declined(number(&row["code"])),
        };
        assert_eq!(settlement.to_bytes(), hex(&row["bytes"]));
        assert_eq!(Settlement::parse(&hex(&row["bytes"])), Ok(settlement));
    }
}

#[test]
fn qd01_instructions_and_their_idempotency_keys() {
    let vectors = vectors();
    let row = &vectors["payment"];
    let payment = PaymentId(array(&row["payment"]));
    for one in list(&row["instructions"]) {
        let kind = match one["kind"].as_str().unwrap() {
            "debit" => InstructionKind::Debit,
            "refund" => InstructionKind::Refund,
            _ => InstructionKind::Reversal,
        };
        let instruction = Instruction {
            kind,
            tenant: Tenant::new(number(&row["tenant"])),
            uid: uid(row),
            payment,
            account: AccountRef::from_bytes(array(&row["account_token"])),
            merchant: Uid::new(text(&row["merchant"])).unwrap(),
            amount: Amount::new(
                row["amount_minor"].as_i64().unwrap(),
                Currency::parse(row["currency"].as_str().unwrap()).unwrap(),
            ),
            refund: text(&one["refund"]).into(),
        };
        let mut bytes = Vec::new();
        instruction.encode(&mut bytes);
        assert_eq!(bytes, hex(&one["bytes"]));
        assert_eq!(Instruction::parse(&bytes.into()), Ok(instruction));
    }
    let debit = &row["instructions"][0];
    assert_eq!(array::<32>(&debit["idempotency"])[..16], payment.0);
}

/// Through the decisions: what they owe carries the key that the specification says.
#[test]
fn qd01_what_is_owed_carries_the_specified_key() {
    use sha2::{Digest as _, Sha256};
    let mut keys = SoftKeys::new();
    keys.add_signing(KeyId(1), &Secret::new([1; 32]))
        .add_wrapping(KeyId(2), &Secret::new([2; 32]))
        .add_mac(KeyId(3), MacAlgorithm::HmacSha256, &[3; 32]);
    let server = PaymentServer::new(ServerConfig {
        tenant: Tenant::new(1),
        issuer: "bank.example".into(),
        issuer_key_id: 1,
        signing: KeyId(1),
        wrapping: KeyId(2),
        decoy: KeyId(3),
        accounting: Peer::new("accounting").unwrap(),
        policy: Policy::default(),
    })
    .unwrap();
    let store = MemoryStore::new();
    let (now, held) = (Time::from_s(1_700_000_000), account(&vectors()["requests"][0]));
    let token = AccountTokens::new(&Secret::new([4; 32])).token(&held);
    let device = DeviceId::new("phone-1").unwrap();
    let use_key = Secret::new([7; 32]);
    let enrolled = Enrolled::Hmac { use_key: use_key.clone(), typed_digits: 0 };
    let mut bind = server.bind(now, &[9; 32], token, device, 1, enrolled).unwrap();
    assert!(decide(&store, &keys, &mut bind).unwrap().verdict.granted().is_some());
    let amount = Amount::new(12_345, Currency::parse("CNY").unwrap());
    let merchant = Uid::new("M0001").unwrap();
    let order = IssueRequest::order(merchant, "k", amount, Payee::new("Tea House").unwrap());
    let mut issue = server.issue(now, &[8; 32], order).unwrap();
    let issued = decide(&store, &keys, &mut issue).unwrap().verdict.granted().unwrap();
    let mut trust = TrustList::new();
    let key = keys.verifying_key(KeyId(1)).unwrap();
    trust.add("bank.example", 1, TrustedKey::new(key, Validity::always()));
    let client = PaymentClient::new(held, trust);
    let scanned = client.read(now, &issued.code.to_text()).unwrap();
    let request = client.answer(&scanned, &ReplyKey::mac(&use_key)).unwrap();
    let mut redeem = server.redeem(now, request, token);
    let accepted = decide(&store, &keys, &mut redeem).unwrap().verdict.granted().unwrap();
    let rows = store.snapshot().rows;
    let entry = rows.iter().find(|(key, _)| key.starts_with(&server.outbox())).unwrap();
    let entry = Entry::parse(&entry.1.value).unwrap();
    let expected: [u8; 32] = Sha256::new()
        .chain_update(b"interbank/qrpay/debit/v1\0")
        .chain_update([27])
        .chain_update(issued.uid.as_bytes())
        .chain_update(issued.code.challenge.0)
        .chain_update(token.as_bytes())
        .finalize()
        .into();
    assert_eq!(entry.idempotency, expected);
    assert_eq!(accepted.payment.0, expected[..16]);
}
