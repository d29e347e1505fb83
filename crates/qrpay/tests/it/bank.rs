//! One institution with its store, keys, clock and entropy: what the tests play with.

use interbank_qrpay::*;
use port::blocking::{Store as _, decide};
use port::outbox::Entry;
use port::{
    Amount, CrateTag, Currency, Decision, Key, KeyId, MacAlgorithm, MemoryStore, Peer, ReadSet,
    Row, Scan, Tenant, Time,
};
use seal::{Account, AccountTokens, Audited, Secret, SoftKeys, TrustList, TrustedKey, Validity};
use std::cell::Cell;

pub(crate) const ACCOUNT: &str = "6222000000000001";
pub(crate) const OTHER_ACCOUNT: &str = "6222000000000002";
pub(crate) const START: Time = Time::from_s(1_700_000_000);

pub(crate) struct Bank {
    pub(crate) store: MemoryStore,
    pub(crate) keys: SoftKeys,
    pub(crate) server: PaymentServer,
    pub(crate) tokens: AccountTokens,
    pub(crate) now: Time,
    draws: Cell<u64>,
}

impl Bank {
    pub(crate) fn new() -> Self {
        Self::with_policy(Policy::default())
    }

    pub(crate) fn with_policy(policy: Policy) -> Self {
        let mut keys = SoftKeys::new();
        keys.add_signing(KeyId(1), &Secret::new([1; 32]))
            .add_wrapping(KeyId(2), &Secret::new([2; 32]))
            .add_mac(KeyId(3), MacAlgorithm::HmacSha256, &[3; 32]);
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
        Self {
            store: MemoryStore::new(),
            keys,
            server: PaymentServer::new(config).unwrap(),
            tokens: AccountTokens::new(&Secret::new([4; 32])),
            now: START,
            draws: Cell::new(0),
        }
    }

    /// A bank with one payer whose device answers with whole MACs.
    pub(crate) fn with_payer() -> (Self, Wallet) {
        let bank = Self::new();
        let wallet = bank.enroll(ACCOUNT, "phone-1");
        (bank, wallet)
    }

    pub(crate) fn entropy(&self) -> [u8; 32] {
        self.draws.set(self.draws.get() + 1);
        let mut entropy = [0; 32];
        entropy[..8].copy_from_slice(&self.draws.get().to_be_bytes());
        entropy
    }

    pub(crate) fn decide<D: Decision>(&self, mut decision: D) -> D::Verdict {
        decide(&self.store, &self.keys, &mut decision).unwrap()
    }

    pub(crate) fn after_ms(&mut self, ms: u64) {
        self.now = self.now.plus_ms(ms);
    }

    pub(crate) fn trust(&self) -> TrustList {
        let mut trust = TrustList::new();
        let key = self.keys.verifying_key(KeyId(1)).unwrap();
        trust.add("bank.example", 1, TrustedKey::new(key, Validity::always()));
        trust
    }

    pub(crate) fn enroll(&self, account: &str, device: &str) -> Wallet {
        let account = Account::new(account).unwrap();
        let device = DeviceId::new(device.to_owned()).unwrap();
        let secret = DeviceSecret::draw(&self.entropy());
        let use_key = use_key(&secret, None, &account, &device, 1).unwrap();
        let key = ReplyKey::mac(&use_key);
        let enrolled = Enrolled::Hmac { use_key, typed_digits: 8 };
        assert_eq!(self.bind(&account, &device, 1, enrolled), Verdict::Granted(1));
        Wallet {
            client: PaymentClient::new(account.clone(), self.trust()),
            account,
            device,
            secret,
            key,
        }
    }

    pub(crate) fn bind(
        &self,
        account: &Account,
        device: &DeviceId,
        number: u8,
        enrolled: Enrolled,
    ) -> Verdict<u8> {
        let token = self.tokens.token(account);
        let bind =
            self.server.bind(self.now, &self.entropy(), token, device.clone(), number, enrolled);
        self.decide(bind.unwrap()).verdict
    }

    pub(crate) fn rebind(&self, account: &Account, change: Rebinding) -> Verdict<()> {
        self.decide(self.server.rebind(self.now, self.tokens.token(account), change)).verdict
    }

    pub(crate) fn request(&self, key: &str) -> IssueRequest {
        let payee = Payee::new("Tea House").unwrap();
        IssueRequest::order(Uid::new("M0001").unwrap(), key.to_owned(), cny(12_345), payee)
    }

    pub(crate) fn issue(&self, request: IssueRequest) -> Verdict<Issued> {
        self.decide(self.server.issue(self.now, &self.entropy(), request).unwrap()).verdict
    }

    pub(crate) fn order(&self) -> Issued {
        let key = format!("key-{}", self.draws.get());
        self.issue(self.request(&key)).granted().unwrap()
    }

    pub(crate) fn commodity(&self) -> Issued {
        let key = format!("key-{}", self.draws.get());
        let request = IssueRequest { kind: Kind::Commodity, ..self.request(&key) };
        self.issue(request).granted().unwrap()
    }

    pub(crate) fn refresh(&self, uid: &Uid, replaces: Option<u32>) -> Verdict<Issued> {
        let refresh = self.server.refresh(self.now, &self.entropy(), uid.clone(), replaces);
        self.decide(refresh).verdict
    }

    pub(crate) fn audited(&self, request: &PaymentRequest) -> Audited<Verdict<Accepted>> {
        let token = self.tokens.token(&request.account);
        self.decide(self.server.redeem(self.now, request.clone(), token))
    }

    pub(crate) fn redeem(&self, request: &PaymentRequest) -> Verdict<Accepted> {
        self.audited(request).verdict
    }

    pub(crate) fn refusal(&self, request: &PaymentRequest) -> Option<Refusal> {
        self.redeem(request).declined()
    }

    /// Everything under a table of this tenant.
    pub(crate) fn rows(&self, prefix: Key) -> Vec<(Key, Row)> {
        let want = ReadSet::scan(Scan::first(prefix, 1_000));
        self.store.read(&want).unwrap().scans.remove(0)
    }

    pub(crate) fn owed(&self) -> Vec<(Key, Row, Entry, Instruction)> {
        self.rows(self.server.outbox())
            .into_iter()
            .map(|(key, row)| {
                let entry = Entry::parse(&row.value).unwrap();
                let instruction = Instruction::parse(&entry.content).unwrap();
                (key, row, entry, instruction)
            })
            .collect()
    }

    pub(crate) fn debits(&self) -> usize {
        self.owed().iter().filter(|owed| owed.3.kind == InstructionKind::Debit).count()
    }

    /// Settles everything owed with one answer.
    pub(crate) fn settle_all(&self, settlement: Settlement) -> Vec<Settled> {
        let settle = |(key, row, entry, _): (Key, Row, Entry, Instruction)| {
            let answer = settlement.to_bytes();
            let settle = self.server.settle(self.now, key, row.version, &entry, &answer).unwrap();
            self.decide(settle).verdict.granted().unwrap()
        };
        self.owed().into_iter().map(settle).collect()
    }

    pub(crate) fn item(&self, uid: &Uid) -> Item {
        self.decide(self.server.look_up(uid.clone())).unwrap().item
    }

    /// How many wrong replies are counted on a payer's account.
    pub(crate) fn failures(&self, wallet: &Wallet) -> usize {
        let token = self.tokens.token(&wallet.account);
        let table = Key::new(CrateTag::QRPAY, Tenant::new(1), 2);
        let (_, row) = self.rows(table.raw(token.as_bytes()).unwrap()).remove(0);
        Binding::parse(&row.value, &token).unwrap().failures.len()
    }

    pub(crate) fn payment(&self, uid: &Uid, id: PaymentId) -> Payment {
        let found = self.decide(self.server.look_up_payment(uid.clone(), id));
        found.unwrap().payment
    }

    /// A paid order, settled.
    pub(crate) fn paid(&self, wallet: &Wallet) -> (Uid, PaymentId) {
        let issued = self.order();
        let accepted = self.redeem(&wallet.answer(&issued)).granted().unwrap();
        self.settle_all(Settlement::Done);
        (issued.uid, accepted.payment)
    }
}

/// A payer's device.
pub(crate) struct Wallet {
    pub(crate) client: PaymentClient,
    pub(crate) account: Account,
    pub(crate) device: DeviceId,
    pub(crate) secret: DeviceSecret,
    pub(crate) key: ReplyKey,
}

impl Wallet {
    /// Reads the code as a symbol's text and answers it.
    pub(crate) fn answer(&self, issued: &Issued) -> PaymentRequest {
        let scanned = self.client.read(START, &issued.code.to_text()).unwrap();
        self.client.answer(&scanned, &self.key).unwrap()
    }
}

pub(crate) fn cny(minor: i64) -> Amount {
    Amount::new(minor, Currency::parse("CNY").unwrap())
}

/// The request with another reply of the same kind.
pub(crate) fn wrong(request: &PaymentRequest, byte: u8) -> PaymentRequest {
    PaymentRequest { reply: Reply::Mac([byte; 32]), ..request.clone() }
}
