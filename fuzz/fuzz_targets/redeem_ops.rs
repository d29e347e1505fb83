//! Any sequence of operations on one bank: the money stays right, and damaged rows are reported, never a panic.

#![no_main]

use interbank_qrpay::*;
use libfuzzer_sys::fuzz_target;
use port::blocking::{Store as _, decide};
use port::outbox::Entry;
use port::{
    Amount, Batch, Commit, Currency, Decision, Expect, Key, KeyId, MacAlgorithm, MemoryStore, Peer,
    Row, Snapshot, Tenant, Time,
};
use seal::{Account, AccountRef, AccountTokens, Secret, SoftKeys};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

fuzz_target!(|bytes: &[u8]| {
    static BANK: OnceLock<Bank> = OnceLock::new();
    let mut play = Play::new(BANK.get_or_init(Bank::new));
    let mut bytes = bytes.iter().copied();
    // Every operation takes two bytes: which, and on what.
    for _ in 0..48 {
        let (Some(op), Some(on)) = (bytes.next(), bytes.next()) else { break };
        play.perform(op, on);
        play.check();
    }
    play.finish();
});

struct Bank {
    keys: SoftKeys,
    server: PaymentServer,
    devices: Vec<Device>,
    start: Snapshot,
}

struct Device {
    account: Account,
    token: AccountRef,
    name: DeviceId,
    key: ReplyKey,
}

impl Bank {
    fn new() -> Self {
        let mut keys = SoftKeys::with_prepared(16);
        keys.add_signing(KeyId(1), &Secret::new([1; 32]))
            .add_wrapping(KeyId(2), &Secret::new([2; 32]))
            .add_mac(KeyId(3), MacAlgorithm::HmacSha256, &[3; 32]);
        let mut policy = Policy::default();
        policy.challenge_ttl_ms = 20_000;
        policy.tries_per_challenge = 2;
        policy.failures_per_window = 3;
        policy.open_challenges_max = 3;
        policy.order_valid_ms = 60_000;
        policy.settle_ms = 5_000;
        policy.outcome_kept_ms = 40_000;
        policy.record_kept_ms = 80_000;
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
        let server = PaymentServer::new(config).unwrap();
        let tokens = AccountTokens::new(&Secret::new([4; 32]));
        let store = MemoryStore::new();
        let mut devices = Vec::new();
        for (number, (account, name)) in
            [("62220001", "phone"), ("62220001", "tablet"), ("62220002", "phone")]
                .iter()
                .enumerate()
        {
            let account = Account::new(*account).unwrap();
            let name = DeviceId::new(*name).unwrap();
            let entropy = [u8::try_from(number).unwrap(); 32];
            let secret = DeviceSecret::draw(&entropy);
            let use_key = use_key(&secret, None, &account, &name, 1).unwrap();
            let key = ReplyKey::mac(&use_key);
            let token = tokens.token(&account);
            let enrolled = Enrolled::Hmac { use_key, typed_digits: 6 };
            let mut bind = server.bind(START, &entropy, token, name.clone(), 1, enrolled).unwrap();
            assert!(decide(&store, &keys, &mut bind).unwrap().verdict.granted().is_some());
            devices.push(Device { account, token, name, key });
        }
        Self { keys, server, devices, start: store.snapshot() }
    }
}

struct Play<'b> {
    bank: &'b Bank,
    store: MemoryStore,
    now: Time,
    draws: u64,
    codes: Vec<Code>,
    sent: Vec<PaymentRequest>,
    answered: BTreeMap<Vec<u8>, PaymentId>,
    payments: BTreeSet<(Uid, PaymentId)>,
    /// What the accounting system did, by idempotency key.
    acts: BTreeMap<[u8; 32], (Instruction, Settlement)>,
    damaged: bool,
}

impl<'b> Play<'b> {
    fn new(bank: &'b Bank) -> Self {
        Self {
            bank,
            store: MemoryStore::restore(&bank.start),
            now: START,
            draws: 0,
            codes: Vec::new(),
            sent: Vec::new(),
            answered: BTreeMap::new(),
            payments: BTreeSet::new(),
            acts: BTreeMap::new(),
            damaged: false,
        }
    }

    fn perform(&mut self, op: u8, on: u8) {
        match op % 16 {
            0 | 1 => self.issue(on),
            2 => self.refresh(on),
            3 | 4 => self.answer(on, false),
            5 => self.answer(on, true),
            6 => self.replay(on),
            7 | 8 => self.settle(on),
            9 => self.refund(on),
            10 => self.cancel(on),
            11 => self.lapse(on),
            12 => self.purge(on),
            13 => self.rebind(on),
            14 => self.now = self.now.plus_ms(u64::from(on) * u64::from(on) * 4),
            _ => self.damage(on),
        }
    }

    fn issue(&mut self, on: u8) {
        let kind = if on & 1 == 0 { Kind::Order } else { Kind::Commodity };
        let form = if on & 2 == 0 { Form::Full } else { Form::Base };
        let payee = Payee::new("Tea House").unwrap();
        let merchant = Uid::new("M0001").unwrap();
        let key = vec![b'k', on >> 3];
        let request =
            IssueRequest { kind, form, ..IssueRequest::order(merchant, key, cny(PRICE), payee) };
        let issue = self.bank.server.issue(self.now, &self.entropy(), request).unwrap();
        if let Some(audited) = self.decide(issue)
            && let Some(issued) = audited.verdict.granted()
        {
            self.codes.push(issued.code);
        }
    }

    fn refresh(&mut self, on: u8) {
        let Some(code) = pick(&self.codes, on) else { return };
        let replaces = code.challenge_ref.filter(|_| on & 1 == 0);
        let refresh = self.bank.server.refresh(self.now, &self.entropy(), code.uid, replaces);
        if let Some(audited) = self.decide(refresh)
            && let Some(issued) = audited.verdict.granted()
        {
            self.codes.push(issued.code);
        }
    }

    fn answer(&mut self, on: u8, mutated: bool) {
        let Some(code) = pick(&self.codes, on >> 2) else { return };
        let device = &self.bank.devices[usize::from(on % 3)];
        let transcript = Transcript {
            uid: code.uid.as_bytes(),
            challenge: &code.challenge,
            account: &device.account,
            terms: &code.terms,
        };
        let mut request = PaymentRequest {
            account: device.account.clone(),
            uid: code.uid.clone(),
            reply: device.key.reply(&transcript.to_bytes()).unwrap(),
            challenge_ref: code.challenge_ref.filter(|_| on & 64 == 0),
        };
        if mutated {
            let mut bytes = Vec::new();
            request.encode(&mut bytes);
            let at = usize::from(on) % bytes.len();
            bytes[at] ^= 1 + on / 2;
            let Ok(changed) = PaymentRequest::parse(&bytes) else { return };
            request = changed;
        }
        self.sent.push(request.clone());
        self.redeem(&request, mutated);
    }

    fn replay(&mut self, on: u8) {
        if let Some(request) = pick(&self.sent, on) {
            self.redeem(&request, false);
        }
    }

    fn redeem(&mut self, request: &PaymentRequest, mutated: bool) {
        let known = self.bank.devices.iter().find(|device| device.account == request.account);
        let token = known.map_or(AccountRef::from_bytes([9; 16]), |device| device.token);
        let redeem = self.bank.server.redeem(self.now, request.clone(), token);
        let Some(audited) = self.decide(redeem) else { return };
        let Some(accepted) = audited.verdict.granted() else { return };
        if self.damaged {
            return;
        }
        // The reference only helps to find the challenge: it is no part of what is answered.
        let unreferenced = PaymentRequest { challenge_ref: None, ..request.clone() };
        let mut message = Vec::new();
        unreferenced.encode(&mut message);
        let first = self.answered.entry(message).or_insert(accepted.payment);
        assert_eq!(*first, accepted.payment, "one request made two payments");
        assert!(!mutated || known.is_some(), "a stranger paid");
        self.payments.insert((accepted.uid, accepted.payment));
    }

    fn settle(&mut self, on: u8) {
        let owed = self.owed();
        let Some((key, row)) = pick(&owed, on >> 1) else { return };
        let answer = if on & 1 == 0 { Settlement::Done } else { Settlement::Declined(51) };
        self.settle_one(&key, &row, answer);
    }

    fn settle_one(&mut self, key: &Key, row: &Row, answer: Settlement) {
        let Ok(entry) = Entry::parse(&row.value) else { return assert!(self.damaged) };
        let Ok(instruction) = Instruction::parse(&entry.content) else {
            return assert!(self.damaged);
        };
        let act = self.acts.entry(entry.idempotency).or_insert((instruction, answer));
        let bytes = act.1.to_bytes();
        let server = &self.bank.server;
        let settle = server.settle(self.now, key.clone(), row.version, &entry, &bytes).unwrap();
        let _ = self.decide(settle);
    }

    fn refund(&mut self, on: u8) {
        let payments: Vec<_> = self.payments.iter().cloned().collect();
        let Some((uid, payment)) = pick(&payments, on >> 4) else { return };
        let id = vec![b'r', on & 3];
        let minor = [1, PRICE / 2, PRICE, PRICE + 1][usize::from(on >> 2 & 3)];
        let refund = self.bank.server.refund(self.now, uid, payment, id, cny(minor)).unwrap();
        let _ = self.decide(refund);
    }

    fn cancel(&mut self, on: u8) {
        let Some(code) = pick(&self.codes, on) else { return };
        let _ = self.decide(self.bank.server.cancel(self.now, code.uid));
    }

    fn lapse(&mut self, on: u8) {
        let payments: Vec<_> = self.payments.iter().cloned().collect();
        let Some((uid, payment)) = pick(&payments, on) else { return };
        let _ = self.decide(self.bank.server.lapse(self.now, uid, payment));
    }

    fn purge(&mut self, on: u8) {
        use PurgeTable::{Items, MerchantKeys, Outcomes, Payments, Refunds};
        let table = [Items, MerchantKeys, Outcomes, Payments, Refunds][usize::from(on % 5)];
        let _ = self.decide(self.bank.server.purge(self.now, table, None));
    }

    fn rebind(&mut self, on: u8) {
        let device = &self.bank.devices[usize::from(on % 3)];
        let change = match on / 3 % 4 {
            0 => Rebinding::Revoke(device.name.clone()),
            1 => Rebinding::Lock,
            _ => Rebinding::Unlock,
        };
        let _ = self.decide(self.bank.server.rebind(self.now, device.token, change));
    }

    /// One byte of one row changes, or its end is cut: from here on nothing is right any more, and nothing may panic.
    fn damage(&mut self, on: u8) {
        let rows = self.store.snapshot().rows;
        let Some((key, row)) = pick(&rows, on) else { return };
        let mut value = row.value.to_vec();
        let at = usize::from(on).wrapping_mul(31) % value.len().max(1);
        if on & 1 == 0 {
            value.truncate(at);
        } else if let Some(byte) = value.get_mut(at) {
            *byte ^= on;
        }
        self.damaged = true;
        let mut batch = Batch::new();
        batch.put(key, Expect::Any, value);
        assert!(matches!(self.store.commit(&batch), Ok(Commit::Applied(_))));
    }

    fn decide<D: Decision<Error = Error>>(&self, mut decision: D) -> Option<D::Verdict> {
        match decide(&self.store, &self.bank.keys, &mut decision) {
            Ok(verdict) => Some(verdict),
            // Among them conflicts without end: a damaged item brings back a payment that is there already.
            Err(why) => {
                assert!(self.damaged, "{why:?}");
                None
            }
        }
    }

    fn owed(&self) -> Vec<(Key, Row)> {
        let prefix = self.bank.server.outbox();
        let rows = self.store.snapshot().rows;
        rows.into_iter().filter(|(key, _)| key.starts_with(&prefix)).collect()
    }

    fn check(&self) {
        if self.damaged {
            return;
        }
        let done = self.acts.values().filter(|(_, answer)| *answer == Settlement::Done);
        let done: Vec<&Instruction> = done.map(|(instruction, _)| instruction).collect();
        let mut orders = BTreeSet::new();
        let mut balance: BTreeMap<PaymentId, i64> = BTreeMap::new();
        for instruction in &done {
            let minor = instruction.amount.minor();
            let left = balance.entry(instruction.payment).or_default();
            match instruction.kind {
                InstructionKind::Debit => {
                    let order = instruction.uid.as_str().starts_with('O');
                    assert!(!order || orders.insert(&instruction.uid), "two debits for an order");
                    *left += minor;
                }
                InstructionKind::Refund | InstructionKind::Reversal => *left -= minor,
            }
        }
        assert!(balance.values().all(|left| (0..=PRICE).contains(left)), "money was made");
        for (uid, id) in &self.payments {
            let found = self.decide(self.bank.server.look_up_payment(uid.clone(), *id)).flatten();
            let Some(found) = found else { continue };
            let payment = &found.payment;
            assert!((0..=PRICE).contains(&payment.refunded_minor), "refunds above the payment");
            if payment.state == PaymentState::Paid {
                let debits = done
                    .iter()
                    .filter(|one| one.payment == *id && one.kind == InstructionKind::Debit);
                assert_eq!(debits.count(), 1, "paid without exactly one debit");
            }
        }
    }

    /// Everything owed gets through; then no payment waits any more.
    fn finish(&mut self) {
        for _ in 0..3 {
            for (key, row) in self.owed() {
                self.settle_one(&key, &row, Settlement::Done);
            }
        }
        self.check();
        if self.damaged {
            return;
        }
        assert!(self.owed().is_empty(), "something is owed for ever");
        for (uid, id) in &self.payments {
            let found = self.decide(self.bank.server.look_up_payment(uid.clone(), *id)).flatten();
            let waits = |found: FoundPayment| match found.payment.state {
                PaymentState::Accepted | PaymentState::Lapsed => true,
                PaymentState::Reversing => true,
                PaymentState::Paid
                | PaymentState::Declined
                | PaymentState::Reversed
                | PaymentState::Unreversed => false,
            };
            assert!(!found.is_some_and(waits), "a payment waits for ever");
        }
    }

    fn entropy(&mut self) -> [u8; 32] {
        self.draws += 1;
        let mut entropy = [0; 32];
        entropy[..8].copy_from_slice(&self.draws.to_be_bytes());
        entropy
    }
}

fn pick<T: Clone>(from: &[T], by: u8) -> Option<T> {
    from.get(usize::from(by) % from.len().max(1)).cloned()
}

fn cny(minor: i64) -> Amount {
    Amount::new(minor, Currency::parse("CNY").unwrap())
}

const START: Time = Time::from_s(1_700_000_000);
const PRICE: i64 = 1_000;
