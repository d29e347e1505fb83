//! `vectors/compat/0.1`: what version 0.1 stored and sent. It is still read, and it is still written the same.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use bytes::Bytes;
use interbank_qrpay::ocra::Suite;
use interbank_qrpay::*;
use port::blocking::{Store as _, decide};
use port::outbox::{Answer, Entry};
use port::{
    Amount, Batch, Commit, Currency, Decision, Expect, Key, KeyId, KeyRef, MacAlgorithm,
    MemoryStore, Peer, Row, Tenant, Time,
};
use seal::{Account, AccountTokens, Audit, AuditChain, Audited, Secret, SigningKey, SoftKeys};
use serde_json::Value;
use std::collections::BTreeMap;

const ROWS: &str = include_str!("../../../vectors/compat/0.1/rows.json");
const MESSAGES: &str = include_str!("../../../vectors/compat/0.1/messages.json");
const START: Time = Time::from_s(1_700_000_000);

/// A bank as it was when the bytes were written.
struct Bank {
    keys: SoftKeys,
    server: PaymentServer,
    tokens: AccountTokens,
    store: MemoryStore,
    now: Time,
    draws: u8,
    audits: Vec<Audit>,
    /// What the rows of an identifier are about.
    names: BTreeMap<Uid, &'static str>,
}

impl Bank {
    fn new() -> Self {
        let mut keys = SoftKeys::new();
        keys.add_signing(KeyId(1), &Secret::new([1; 32]))
            .add_wrapping(KeyId(2), &Secret::new([2; 32]))
            .add_mac(KeyId(3), MacAlgorithm::HmacSha256, &[3; 32])
            .add_mac(KeyId(4), MacAlgorithm::HmacSha256, &[14; 32]);
        let mut policy = Policy::default();
        policy.allow_password = true;
        let server = PaymentServer::new(ServerConfig {
            tenant: Tenant::new(1),
            issuer: "bank.example".into(),
            issuer_key_id: 1,
            signing: KeyId(1),
            wrapping: KeyId(2),
            decoy: KeyId(3),
            accounting: Peer::new("accounting").unwrap(),
            policy,
        });
        Self {
            keys,
            server: server.unwrap(),
            tokens: AccountTokens::new(&Secret::new([4; 32])),
            store: MemoryStore::new(),
            now: START,
            draws: 0,
            audits: Vec::new(),
            names: BTreeMap::new(),
        }
    }

    /// The same bank over the rows of version 0.1.
    fn over_stored_rows() -> Self {
        let bank = Self::new();
        for row in stored_rows() {
            let mut batch = Batch::new();
            batch.put(row.key, Expect::Absent, row.value);
            assert!(matches!(bank.store.commit(&batch), Ok(Commit::Applied(_))));
        }
        bank
    }

    fn entropy(&mut self) -> [u8; 32] {
        self.draws += 1;
        [self.draws; 32]
    }

    fn decide<T, D>(&mut self, mut decision: D) -> Verdict<T>
    where
        D: Decision<Verdict = Audited<Verdict<T>>, Error = Error>,
    {
        let audited = decide(&self.store, &self.keys, &mut decision).unwrap();
        self.audits.push(audited.audit);
        audited.verdict
    }

    fn grant<T, D>(&mut self, decision: D) -> T
    where
        D: Decision<Verdict = Audited<Verdict<T>>, Error = Error>,
    {
        self.decide(decision).granted().unwrap()
    }

    fn bind(&mut self, device: &str, number: u8, enrolled: Enrolled) {
        let (entropy, token) = (self.entropy(), self.tokens.token(&account()));
        let device = DeviceId::new(device.to_owned()).unwrap();
        let bind = self.server.bind(self.now, &entropy, token, device, number, enrolled);
        assert_eq!(self.grant(bind.unwrap()), number);
    }

    fn issue(&mut self, name: &'static str, kind: Kind, form: Form) -> Code {
        let payee = Payee::new("Tea House 茶").unwrap();
        let merchant = Uid::new("M0001").unwrap();
        let order = IssueRequest::order(merchant, name, cny(12_345), payee);
        let entropy = self.entropy();
        let issue = self.server.issue(self.now, &entropy, IssueRequest { kind, form, ..order });
        let issued = self.grant(issue.unwrap());
        self.names.insert(issued.uid, name);
        issued.code
    }

    fn order(&mut self, name: &'static str) -> Code {
        self.issue(name, Kind::Order, Form::Full)
    }

    fn refresh(&mut self, code: &Code, replaces: Option<u32>) -> Code {
        let entropy = self.entropy();
        let refresh = self.server.refresh(self.now, &entropy, code.uid.clone(), replaces);
        self.grant(refresh).code
    }

    fn redeem(&mut self, request: PaymentRequest) -> Verdict<Accepted> {
        let token = self.tokens.token(&request.account);
        let redeem = self.server.redeem(self.now, request, token);
        self.decide(redeem)
    }

    fn accepted(&mut self, code: &Code, key: &ReplyKey) -> PaymentId {
        self.redeem(answer(code, key)).granted().unwrap().payment
    }

    fn owed(&self) -> Vec<(Key, Row)> {
        let prefix = self.server.outbox();
        let rows = self.store.snapshot().rows.into_iter();
        rows.filter(|(key, _)| key.starts_with(&prefix)).collect()
    }

    /// The accounting system answers what is owed for one payment in one direction.
    fn settle(&mut self, id: PaymentId, kind: InstructionKind, answer: Settlement) -> PaymentState {
        for (key, row) in self.owed() {
            let entry = Entry::parse(&row.value).unwrap();
            let instruction = Instruction::parse(&entry.content).unwrap();
            if (instruction.payment, instruction.kind) == (id, kind) {
                let bytes = answer.to_bytes();
                let settle = self.server.settle(self.now, key, row.version, &entry, &bytes);
                return self.grant(settle.unwrap()).state;
            }
        }
        panic!("nothing of the kind is owed");
    }

    fn paid(&mut self, name: &'static str, key: &ReplyKey) -> (Code, PaymentId) {
        let code = self.order(name);
        let id = self.accepted(&code, key);
        assert_eq!(self.settle(id, InstructionKind::Debit, Settlement::Done), PaymentState::Paid);
        (code, id)
    }

    fn refund(&mut self, code: &Code, id: PaymentId, refund: &'static str, minor: i64) {
        let refund = self.server.refund(self.now, code.uid.clone(), id, refund, cny(minor));
        assert!(!self.grant(refund.unwrap()).repeated);
    }

    fn item(&self, uid: &Uid) -> Item {
        let mut look = self.server.look_up(uid.clone());
        decide(&self.store, &self.keys, &mut look).unwrap().unwrap().item
    }

    fn payment(&self, uid: &Uid, id: PaymentId) -> FoundPayment {
        let mut look = self.server.look_up_payment(uid.clone(), id);
        decide(&self.store, &self.keys, &mut look).unwrap().unwrap()
    }
}

/// Everything that this crate stores, each kind in each state.
fn story() -> Bank {
    let mut bank = Bank::new();
    let keys = Keys::new();
    keys.enroll(&mut bank);
    bank.order("an open order");
    bank.issue("an open order whose code is of the base form", Kind::Order, Form::Base);
    let code = bank.order("an accepted order, its reply a MAC");
    bank.accepted(&code, &keys.mac);
    let code = bank.order("an accepted order, its reply typed");
    bank.accepted(&code, &keys.ocra);
    let code = bank.order("an accepted order, its reply a signature");
    bank.accepted(&code, &keys.signature);
    let (code, id) =
        bank.paid("a paid order with an owed, a made and a declined refund", &keys.mac);
    bank.refund(&code, id, "made", 345);
    bank.settle(id, InstructionKind::Refund, Settlement::Done);
    bank.refund(&code, id, "declined", 1_000);
    bank.settle(id, InstructionKind::Refund, Settlement::Declined(91));
    bank.refund(&code, id, "owed", 2_000);
    let code = bank.order("an order whose debit was declined, open again");
    let id = bank.accepted(&code, &keys.mac);
    bank.settle(id, InstructionKind::Debit, Settlement::Declined(51));
    let code = bank.order("a cancelled order");
    let cancel = bank.server.cancel(bank.now, code.uid);
    bank.grant(cancel);
    let code =
        bank.issue("a commodity with challenges in every state", Kind::Commodity, Form::Full);
    bank.accepted(&code, &keys.mac);
    let killed = bank.refresh(&code, None);
    for byte in 0..5 {
        let wrong = PaymentRequest { reply: Reply::Mac([byte; 32]), ..answer(&killed, &keys.mac) };
        assert_eq!(bank.redeem(wrong).declined(), Some(Refusal::Refused));
    }
    let replaced = bank.refresh(&code, None);
    bank.refresh(&code, replaced.challenge_ref);
    let wrong = PaymentRequest { reply: Reply::Mac([9; 32]), ..answer(&replaced, &keys.mac) };
    assert_eq!(bank.redeem(wrong).declined(), Some(Refusal::Refused));
    let late = [
        "a lapsed order",
        "an order whose late debit is being reversed",
        "an order whose late debit was reversed",
    ];
    let late = late.map(|name| {
        let code = bank.order(name);
        let id = bank.accepted(&code, &keys.signature);
        (code, id)
    });
    bank.now = START.plus_ms(bank.server.config().policy.settle_ms);
    for (code, id) in &late {
        let lapse = bank.server.lapse(bank.now, code.uid.clone(), *id);
        assert_eq!(bank.grant(lapse), PaymentState::Lapsed);
    }
    for (_, id) in &late[1..] {
        bank.settle(*id, InstructionKind::Debit, Settlement::Done);
    }
    bank.settle(late[2].1, InstructionKind::Reversal, Settlement::Done);
    bank
}

/// What the payer's devices answer by.
struct Keys {
    first: Secret<32>,
    mac: ReplyKey,
    ocra: ReplyKey,
    signature: ReplyKey,
    password: ReplyKey,
    held: ReplyKey,
}

impl Keys {
    fn new() -> Self {
        Self {
            first: Secret::new([21; 32]),
            mac: ReplyKey::mac(&Secret::new([22; 32])),
            ocra: ReplyKey::ocra(suite(), &Secret::new([23; 32])).unwrap(),
            signature: ReplyKey::Signature(SigningKey::from_seed(&Secret::new([5; 32]))),
            password: ReplyKey::mac(&Secret::new([24; 32])),
            held: ReplyKey::mac(&Secret::new([14; 32])),
        }
    }

    /// One device of each kind; the first has a successor key, the last is revoked; another account is locked.
    fn enroll(&self, bank: &mut Bank) {
        let hmac = |use_key: &Secret<32>, typed_digits| Enrolled::Hmac {
            use_key: use_key.clone(),
            typed_digits,
        };
        bank.bind("phone", 1, hmac(&self.first, 8));
        bank.bind("phone", 2, hmac(&Secret::new([22; 32]), 0));
        let use_key = Secret::new([23; 32]);
        bank.bind("token", 1, Enrolled::Ocra { use_key, suite: suite() });
        let element = SigningKey::from_seed(&Secret::new([5; 32])).verifying_key();
        bank.bind("element", 1, Enrolled::Signature(element.to_bytes()));
        let use_key = Secret::new([24; 32]);
        bank.bind("browser", 1, Enrolled::Password { use_key, typed_digits: 6 });
        bank.bind("module", 1, Enrolled::Held(KeyRef::Held(KeyId(4))));
        bank.bind("lost", 1, hmac(&Secret::new([25; 32]), 0));
        let token = bank.tokens.token(&account());
        let revoke = Rebinding::Revoke(DeviceId::new("lost").unwrap());
        let revoke = bank.server.rebind(bank.now, token, revoke);
        bank.grant(revoke);
        let other = bank.tokens.token(&Account::new("6222000000000002").unwrap());
        let (entropy, phone) = (bank.entropy(), DeviceId::new("phone").unwrap());
        let bind = bank.server.bind(bank.now, &entropy, other, phone, 1, hmac(&self.first, 0));
        bank.grant(bind.unwrap());
        let lock = bank.server.rebind(bank.now, other, Rebinding::Lock);
        bank.grant(lock);
    }
}

struct Stored {
    means: String,
    key: Key,
    value: Bytes,
}

fn stored_rows() -> Vec<Stored> {
    let rows: Value = serde_json::from_str(ROWS).unwrap();
    let row = |row: &Value| Stored {
        means: row["means"].as_str().unwrap().to_owned(),
        key: Key::from_bytes(&hex(&row["key"])).unwrap(),
        value: hex(&row["value"]).into(),
    };
    rows["rows"].as_array().unwrap().iter().map(row).collect()
}

fn named(name: &str) -> Uid {
    // The item's row is the one whose meaning is its name.
    let rows = stored_rows();
    let row = rows.iter().find(|row| row.means == format!("item: {name}")).unwrap();
    Uid::new(row.key.as_bytes()[Key::HEAD_BYTES + 1..].to_vec()).unwrap()
}

fn answer(code: &Code, key: &ReplyKey) -> PaymentRequest {
    let (account, terms) = (account(), &code.terms);
    let transcript = Transcript {
        uid: code.uid.as_bytes(),
        challenge: &code.challenge,
        account: &account,
        terms,
    };
    let reply = key.reply(&transcript.to_bytes()).unwrap();
    PaymentRequest { account, uid: code.uid.clone(), reply, challenge_ref: code.challenge_ref }
}

fn account() -> Account {
    Account::new("6222000000000001").unwrap()
}

fn suite() -> Suite {
    Suite::parse("OCRA-1:HOTP-SHA256-8:QH64").unwrap()
}

fn cny(minor: i64) -> Amount {
    Amount::new(minor, Currency::parse("CNY").unwrap())
}

fn hex(value: &Value) -> Vec<u8> {
    let text = value.as_str().unwrap();
    let pairs = (0..text.len()).step_by(2);
    pairs.map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

/// The code of a stored item, as its display showed it.
fn displayed(bank: &Bank, uid: &Uid, at: usize) -> Code {
    let item = bank.item(uid);
    let one = &item.challenges[at];
    let terms = match item.form {
        Form::Base => Terms::default(),
        Form::Full => Terms { price: Some(item.price.clone()), expires_s: Some(one.expires_s) },
    };
    Code::new(uid.clone(), one.challenge, terms)
}

#[test]
fn rows_are_still_written_alike() {
    let bank = story();
    let written: Vec<_> =
        bank.store.snapshot().rows.into_iter().map(|(key, row)| (key, row.value)).collect();
    let stored = stored_rows();
    assert_eq!(written.len(), stored.len());
    for ((key, value), stored) in written.iter().zip(&stored) {
        assert_eq!((key, value), (&stored.key, &stored.value), "{}", stored.means);
    }
}

#[test]
fn all_kinds_of_rows_are_there() {
    let mut tables = BTreeMap::new();
    for row in stored_rows() {
        *tables.entry(row.key.as_bytes()[9]).or_insert(0) += 1;
    }
    let expected = [(1, 12), (2, 2), (3, 9), (4, 9), (5, 3), (6, 12), (0xFE, 7)];
    assert_eq!(tables, expected.into());
}

#[test]
fn items_payments_and_refunds_are_still_read() {
    let bank = Bank::over_stored_rows();
    let states = [
        ("an open order", State::Open, None),
        ("an accepted order, its reply a MAC", State::Accepted, Some(PaymentState::Accepted)),
        (
            "a paid order with an owed, a made and a declined refund",
            State::Paid,
            Some(PaymentState::Paid),
        ),
        ("an order whose debit was declined, open again", State::Open, None),
        ("a cancelled order", State::Cancelled, None),
        ("a lapsed order", State::Lapsed, Some(PaymentState::Lapsed)),
        (
            "an order whose late debit is being reversed",
            State::Lapsed,
            Some(PaymentState::Reversing),
        ),
        ("an order whose late debit was reversed", State::Lapsed, Some(PaymentState::Reversed)),
    ];
    for (name, state, payment) in states {
        let uid = named(name);
        let item = bank.item(&uid);
        assert_eq!((item.kind, item.state), (Kind::Order, state), "{name}");
        assert_eq!((item.price.amount, item.price.payee.as_str()), (cny(12_345), "Tea House 茶"));
        let found = item.payment.map(|id| bank.payment(&uid, id).payment.state);
        assert_eq!(found, payment, "{name}");
    }
    let uid = named("a paid order with an owed, a made and a declined refund");
    let found = bank.payment(&uid, bank.item(&uid).payment.unwrap());
    let refunds: Vec<_> = found.refunds.iter().map(|(id, one)| (&id[..], one.state)).collect();
    let (made, declined) =
        ((&b"made"[..], RefundState::Done), (&b"declined"[..], RefundState::Declined));
    assert_eq!(refunds, [made, (b"owed", RefundState::Owed), declined]);
    assert_eq!(found.payment.refundable(), cny(10_000));
    let commodity = bank.item(&named("a commodity with challenges in every state"));
    let states: Vec<_> = commodity.challenges.iter().map(|one| (one.state, one.tries)).collect();
    use ChallengeState::{Consumed, Killed, Open};
    assert_eq!(states, [(Consumed, 0), (Killed, 5), (Open, 1), (Open, 0)]);
    assert_eq!(commodity.challenges[2].replaced_until, Some(START.plus_ms(5_000)));
}

#[test]
fn stored_bindings_still_answer_by_every_scheme() {
    let keys = Keys::new();
    let first = ReplyKey::typed(&keys.first, 8);
    for key in [&keys.mac, &keys.ocra, &keys.signature, &keys.password, &keys.held, &first] {
        let mut bank = Bank::over_stored_rows();
        let code = displayed(&bank, &named("an open order"), 0);
        assert!(bank.redeem(answer(&code, key)).granted().is_some());
    }
    let mut bank = Bank::over_stored_rows();
    let code = displayed(&bank, &named("an open order whose code is of the base form"), 0);
    let lost = ReplyKey::mac(&Secret::new([25; 32]));
    assert_eq!(bank.redeem(answer(&code, &lost)).declined(), Some(Refusal::Refused));
    let other = Account::new("6222000000000002").unwrap();
    let locked = PaymentRequest { account: other, ..answer(&code, &keys.mac) };
    assert_eq!(bank.redeem(locked).declined(), Some(Refusal::Locked));
    assert!(bank.redeem(answer(&code, &keys.mac)).granted().is_some());
}

#[test]
fn qd01_stored_outcomes_still_answer_a_retry() {
    let (mut bank, keys) = (Bank::over_stored_rows(), Keys::new());
    for (name, key) in [
        ("an accepted order, its reply a MAC", &keys.mac),
        ("an accepted order, its reply typed", &keys.ocra),
        ("an accepted order, its reply a signature", &keys.signature),
        ("a lapsed order", &keys.signature),
    ] {
        let uid = named(name);
        let code = displayed(&bank, &uid, 0);
        let again = bank.redeem(answer(&code, key)).granted().unwrap();
        assert!(again.repeated);
        assert_eq!(Some(again.payment), bank.item(&uid).payment);
    }
}

#[test]
fn stored_merchant_keys_still_name_their_orders() {
    let mut bank = Bank::over_stored_rows();
    bank.draws = 200;
    for name in ["an open order", "a cancelled order", "a lapsed order"] {
        assert_eq!(bank.order(name).uid, named(name));
    }
}

#[test]
fn what_was_owed_still_gets_through() {
    let mut bank = Bank::over_stored_rows();
    let owed = bank.owed();
    let mut states = Vec::new();
    for (_, row) in &owed {
        let entry = Entry::parse(&row.value).unwrap();
        let mut again = Vec::new();
        entry.encode(&mut again).unwrap();
        assert_eq!(again, row.value);
        let instruction = Instruction::parse(&entry.content).unwrap();
        let (id, kind) = (instruction.payment, instruction.kind);
        states.push((kind as u8, bank.settle(id, kind, Settlement::Done)));
    }
    states.sort_by_key(|(kind, state)| (*kind, *state as u8));
    use PaymentState::{Paid, Reversed, Reversing};
    assert_eq!(
        states,
        [(1, Paid), (1, Paid), (1, Paid), (1, Paid), (1, Reversing), (2, Paid), (3, Reversed)]
    );
    assert_eq!(bank.owed().len(), 1, "the reversal of the debit that came late");
}

#[test]
fn messages_and_audit_records_are_still_read_and_written_alike() {
    let messages: Value = serde_json::from_str(MESSAGES).unwrap();
    let bank = story();
    let audits = messages["audit_records"].as_array().unwrap();
    assert_eq!(audits.len(), bank.audits.len());
    let mut chain = AuditChain::new();
    for (stored, made) in audits.iter().zip(&bank.audits) {
        let bytes = hex(stored);
        assert_eq!(Audit::parse(&bytes).as_ref(), Ok(made));
        let mut again = Vec::new();
        made.encode(&mut again).unwrap();
        assert_eq!(again, bytes);
        chain.update(made).unwrap();
    }
    assert_eq!(chain.head().link.to_vec(), hex(&messages["audit_chain_head"]));
    let code = Code::parse(messages["code"].as_str().unwrap()).unwrap();
    assert_eq!(code.uid, named("an open order"));
    let mut trust = seal::TrustList::new();
    let key = bank.keys.verifying_key(KeyId(1)).unwrap();
    trust.add("bank.example", 1, seal::TrustedKey::new(key, seal::Validity::always()));
    assert_eq!(code.verify(&trust, START), Ok(()));
    let answered = Answer::parse(&hex(&messages["answer"])).unwrap();
    assert_eq!(Settlement::parse(&answered.content), Ok(Settlement::Declined(51)));
    let mut again = Vec::new();
    answered.encode(&mut again).unwrap();
    assert_eq!(again, hex(&messages["answer"]));
}
