//! What does not change during a play: keys, bound devices, and the rows that the devices left.

use interbank_qrpay::*;
use port::blocking::decide;
use port::{Amount, Currency, KeyId, MacAlgorithm, MemoryStore, Peer, Snapshot, Tenant, Time};
use seal::{Account, AccountRef, AccountTokens, Secret, SoftKeys};
use sha2::{Digest as _, Sha256};
use simkit::Rng;

pub(crate) const START: Time = Time::from_s(1_700_000_000);

pub(crate) struct Bank {
    pub(crate) keys: SoftKeys,
    pub(crate) devices: Vec<Device>,
    /// The bindings of the devices, and nothing else.
    pub(crate) start: Snapshot,
}

impl Bank {
    /// Three payers: the first has two devices, and the last one's answers are typed.
    pub(crate) fn new() -> Self {
        let mut keys = SoftKeys::new();
        keys.add_signing(KeyId(1), &Secret::new([1; 32]))
            .add_wrapping(KeyId(2), &Secret::new([2; 32]))
            .add_mac(KeyId(3), MacAlgorithm::HmacSha256, &[3; 32]);
        let tokens = AccountTokens::new(&Secret::new([4; 32]));
        let server = server(Policy::default());
        let store = MemoryStore::new();
        let mut rng = Rng::new(7);
        let mut devices = Vec::new();
        let holders = [0, 0, 1, 2].map(|holder| simkit::Account::draw(&mut Rng::new(1), holder));
        for (holder, name) in holders.iter().zip(["phone", "tablet", "phone", "phone"]) {
            let account = Account::new(&*holder.pan).unwrap();
            let token = tokens.token(&account);
            let name = DeviceId::new(name).unwrap();
            let secret = DeviceSecret::draw(&rng.bytes());
            let use_key = use_key(&secret, None, &account, &name, 1).unwrap();
            let key = match devices.len() {
                3 => ReplyKey::typed(&use_key, 8),
                _ => ReplyKey::mac(&use_key),
            };
            let enrolled = Enrolled::Hmac { use_key, typed_digits: 8 };
            let bind = server.bind(START, &rng.bytes(), token, name.clone(), 1, enrolled);
            let bound = decide(&store, &keys, &mut bind.unwrap()).unwrap().verdict;
            assert_eq!(bound, Verdict::Granted(1));
            devices.push(Device { account, token, name, key });
        }
        Self { keys, devices, start: store.snapshot() }
    }

    /// An item that was issued before the play begins.
    pub(crate) fn issued(&self, server: &PaymentServer, store: &MemoryStore, kind: Kind) -> Issued {
        let number = u8::try_from(store.len()).unwrap();
        let request = IssueRequest { kind, ..order(&format!("till-{number}")) };
        let mut issue = server.issue(START, &[number; 32], request).unwrap();
        decide(store, &self.keys, &mut issue).unwrap().verdict.granted().unwrap()
    }
}

/// A payer's device with what it answers by.
pub(crate) struct Device {
    pub(crate) account: Account,
    pub(crate) token: AccountRef,
    pub(crate) name: DeviceId,
    key: ReplyKey,
}

impl Device {
    /// The one message that answers a code. Who vouches for the code is another test's business.
    pub(crate) fn answer(&self, code: &Code) -> PaymentRequest {
        let transcript = Transcript {
            uid: code.uid.as_bytes(),
            challenge: &code.challenge,
            account: &self.account,
            terms: &code.terms,
        };
        PaymentRequest {
            account: self.account.clone(),
            uid: code.uid.clone(),
            reply: self.key.reply(&transcript.to_bytes()).unwrap(),
            challenge_ref: code.challenge_ref,
        }
    }
}

pub(crate) fn server(policy: Policy) -> PaymentServer {
    let config = ServerConfig {
        tenant: Tenant::new(1),
        issuer: "bank.example".into(),
        issuer_key_id: 1,
        signing: KeyId(1),
        wrapping: KeyId(2),
        decoy: KeyId(3),
        accounting: Peer::new("accounting").unwrap(),
        policy,
    };
    PaymentServer::new(config).unwrap()
}

/// Short lives, so that everything runs out within a schedule.
pub(crate) fn brief(rng: &mut Rng) -> Policy {
    let mut policy = Policy::default();
    policy.challenge_ttl_ms = 20_000;
    policy.grace_ms = if rng.chance(1, 2) { 0 } else { 3_000 };
    policy.tries_per_challenge = 3;
    policy.failures_per_window = 4;
    policy.failure_window_ms = 60_000;
    policy.open_challenges_max = 4;
    policy.order_valid_ms = 60_000;
    policy.settle_ms = 2_000;
    policy.late = if rng.chance(1, 2) { Late::Accept } else { Late::Reverse };
    policy.outcome_kept_ms = 40_000;
    policy.record_kept_ms = 80_000;
    policy
}

pub(crate) fn order(key: &str) -> IssueRequest {
    let payee = Payee::new("Tea House").unwrap();
    IssueRequest::order(Uid::new("M0001").unwrap(), key.to_owned(), cny(12_345), payee)
}

pub(crate) fn cny(minor: i64) -> Amount {
    Amount::new(minor, Currency::parse("CNY").unwrap())
}

/// The payment that a right reply makes, by the specification and not by the code under test.
pub(crate) fn payment_id(uid: &Uid, challenge: &Challenge, account: &AccountRef) -> PaymentId {
    let mut hash = Sha256::new();
    hash.update(b"interbank/qrpay/debit/v1\0");
    hash.update([u8::try_from(uid.as_bytes().len()).unwrap()]);
    hash.update(uid.as_bytes());
    hash.update(challenge.0);
    hash.update(account.as_bytes());
    PaymentId(*hash.finalize().first_chunk().unwrap())
}
