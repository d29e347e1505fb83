//! Reply schemes: the spec's vector, typed digits, OCRA, signatures, passwords.

use crate::bank::{ACCOUNT, Bank, Wallet};
use interbank_qrpay::ocra::Suite;
use interbank_qrpay::*;
use port::{Amount, Currency};
use seal::{Account, Secret, SigningKey};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn counting<const N: usize>(from: u8) -> [u8; N] {
    std::array::from_fn(|at| from + u8::try_from(at).unwrap())
}

#[test]
fn q10_the_published_vector_holds() {
    let terms = Terms {
        price: Some(Price {
            amount: Amount::new(12_345, Currency::parse("CNY").unwrap()),
            payee: Payee::new("M0001").unwrap(),
        }),
        expires_s: Some(1_700_000_300),
    };
    let transcript = Transcript {
        uid: b"ORDER-0001",
        challenge: &Challenge(counting(0xA0)),
        account: &Account::new("6222000000000001").unwrap(),
        terms: &terms,
    }
    .to_bytes();
    assert_eq!(transcript.len(), 84);
    let key = Secret::new(counting(0));
    let Reply::Mac(mac) = ReplyKey::mac(&key).reply(&transcript).unwrap() else { panic!() };
    assert_eq!(hex(&mac), "f2f362ccd532ec00aaa62083d21fe44638ffa3489bf1d5dcd87a3940c8c7da15");
    let Reply::Typed(code) = ReplyKey::typed(&key, 8).reply(&transcript).unwrap() else { panic!() };
    assert_eq!(code.as_bytes(), b"54327466");
}

fn pays_with(bank: &Bank, wallet: &Wallet, key: &ReplyKey) -> Verdict<Accepted> {
    let issued = bank.order();
    let scanned = wallet.client.read(bank.now, &issued.code.to_text()).unwrap();
    bank.redeem(&wallet.client.answer(&scanned, key).unwrap())
}

#[test]
fn typed_digits_pay_only_where_allowed() {
    let (bank, wallet) = Bank::with_payer();
    let key = use_key(&wallet.secret, None, &wallet.account, &wallet.device, 1).unwrap();
    let seven = pays_with(&bank, &wallet, &ReplyKey::typed(&key, 7));
    assert_eq!(seven.declined(), Some(Refusal::Refused), "seven digits where eight are agreed");
    assert!(pays_with(&bank, &wallet, &ReplyKey::typed(&key, 8)).granted().is_some());

    let device = DeviceId::new("no-typing").unwrap();
    let key = use_key(&wallet.secret, None, &wallet.account, &device, 1).unwrap();
    let enrolled = Enrolled::Hmac { use_key: key.clone(), typed_digits: 0 };
    assert!(bank.bind(&wallet.account, &device, 1, enrolled).granted().is_some());
    let typed = pays_with(&bank, &wallet, &ReplyKey::typed(&key, 8));
    assert_eq!(typed.declined(), Some(Refusal::Refused));
}

#[test]
fn ocra_pays_in_every_hash() {
    let (bank, wallet) = Bank::with_payer();
    for (n, suite) in
        ["OCRA-1:HOTP-SHA1-6:QH64", "OCRA-1:HOTP-SHA256-8:QH64", "OCRA-1:HOTP-SHA512-10:QH64"]
            .into_iter()
            .enumerate()
    {
        let suite = Suite::parse(suite).unwrap();
        let device = DeviceId::new(format!("token-{n}")).unwrap();
        let key = use_key(&wallet.secret, None, &wallet.account, &device, 1).unwrap();
        let enrolled = Enrolled::Ocra { use_key: key.clone(), suite };
        assert!(bank.bind(&wallet.account, &device, 1, enrolled).granted().is_some());
        let right = ReplyKey::ocra(suite, &key).unwrap();
        assert!(pays_with(&bank, &wallet, &right).granted().is_some());
        let other = ReplyKey::ocra(suite, &Secret::new([9; 32])).unwrap();
        assert_eq!(pays_with(&bank, &wallet, &other).declined(), Some(Refusal::Refused));
    }
}

#[test]
fn ocra_suites_that_ask_for_more_are_refused() {
    for suite in [
        "OCRA-1:HOTP-SHA256-8:QN08",
        "OCRA-1:HOTP-SHA256-8:C-QH64",
        "OCRA-1:HOTP-SHA256-8:QH64-PSHA1",
        "OCRA-1:HOTP-SHA256-8:QH64-T1M",
        "OCRA-1:HOTP-SHA256-0:QH64",
        "OCRA-1:HOTP-SHA256-4:QH64",
    ] {
        let suite = Suite::parse(suite).unwrap();
        assert_eq!(ReplyKey::ocra(suite, &Secret::new([0; 32])).err(), Some(Misuse::Policy));
    }
}

#[test]
fn a_secure_element_pays_by_signature() {
    let (bank, wallet) = Bank::with_payer();
    let element = SigningKey::from_seed(&Secret::new([42; 32]));
    let device = DeviceId::new("element").unwrap();
    let enrolled = Enrolled::Signature(element.verifying_key().to_bytes());
    assert!(bank.bind(&wallet.account, &device, 1, enrolled).granted().is_some());
    let issued = bank.order();
    let scanned = wallet.client.read(bank.now, &issued.code.to_text()).unwrap();
    // The element sees the transcript and signs by itself.
    let message = seal::in_domain("interbank/qrpay/reply/v1", &wallet.client.transcript(&scanned));
    let request = wallet.client.request(&scanned, Reply::Signature(element.sign(&message)));
    let bare = Reply::Signature(element.sign(&wallet.client.transcript(&scanned)));
    let undomained = wallet.client.request(&scanned, bare);
    assert_eq!(bank.refusal(&undomained), Some(Refusal::Refused));
    assert!(bank.redeem(&request).granted().is_some());
    assert!(pays_with(&bank, &wallet, &ReplyKey::Signature(element)).granted().is_some());
}

#[test]
fn passwords_pay_only_where_policy_allows_them() {
    let account = Account::new(ACCOUNT).unwrap();
    let device = DeviceId::new("password").unwrap();
    let password = Pin::new("correct horse").unwrap();
    let key = password_key(&password, &account, &device, 1).unwrap();
    for allowed in [false, true] {
        let mut policy = Policy::default();
        policy.allow_password = allowed;
        let bank = Bank::with_policy(policy);
        let wallet = bank.enroll(ACCOUNT, "phone-1");
        let enrolled = Enrolled::Password { use_key: key.clone(), typed_digits: 0 };
        let bound = bank.bind(&account, &device, 1, enrolled);
        if allowed {
            assert!(pays_with(&bank, &wallet, &ReplyKey::mac(&key)).granted().is_some());
        } else {
            assert_eq!(bound.declined(), Some(Refusal::WeakCredential));
        }
    }
}

#[test]
fn the_pin_account_device_and_key_number_enter_the_use_key() {
    let secret = DeviceSecret::draw(&[1; 32]);
    let [account, other] = ["1", "2"].map(|number| Account::new(number).unwrap());
    let [device, second] = ["a", "b"].map(|name| DeviceId::new(name).unwrap());
    let pin = Pin::new("1234").unwrap();
    let keys = [
        use_key(&secret, None, &account, &device, 1),
        use_key(&secret, None, &account, &device, 2),
        use_key(&secret, None, &account, &second, 1),
        use_key(&secret, None, &other, &device, 1),
        use_key(&secret, Some(&pin), &account, &device, 1),
        use_key(&DeviceSecret::draw(&[2; 32]), None, &account, &device, 1),
    ]
    .map(Result::unwrap);
    for (at, key) in keys.iter().enumerate() {
        assert!(keys[at + 1..].iter().all(|other| other != key), "key {at} came twice");
    }
}
