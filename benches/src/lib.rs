//! What the benches share: one institution with its payers and open orders.

use interbank_qrpay::*;
use port::blocking::{Keys, Store as _, decide};
use port::{
    Amount, Batch, Commit, CrateTag, Currency, Expect, Key, KeyAnswer, KeyId, KeyQuestion,
    MacAlgorithm, MemoryStore, Peer, ReadSet, Scan, Tenant, Time,
};
use seal::{Account, AccountRef, AccountTokens, Secret, SoftKeys, TrustList};
use std::convert::Infallible;
use std::sync::Arc;

/// Outcomes, payments, and what is owed.
const FINISHED: [u8; 3] = [3, 4, 0xFE];

/// When everything happens.
pub const NOW: Time = Time::from_s(1_700_000_000);

/// One institution with many payers and open orders.
pub struct Shop {
    /// Its rows.
    pub store: MemoryStore,
    keys: Arc<SoftKeys>,
    /// Its decisions.
    pub server: PaymentServer,
    /// Its account tokens.
    pub tokens: AccountTokens,
    payers: Vec<Payer>,
    drawn: u64,
}

struct Payer {
    client: PaymentClient,
    key: ReplyKey,
    token: AccountRef,
}

/// Issuing is not measured here: a key holder that signs nothing keeps the preparation short.
struct NoSignatures;

impl Keys for NoSignatures {
    type Error = Infallible;
    fn answer(&self, questions: &[KeyQuestion]) -> Result<Vec<KeyAnswer>, Infallible> {
        Ok(questions.iter().map(|_| KeyAnswer::Signature([0; 64])).collect())
    }
}

impl Shop {
    /// With so many payers, each with one device.
    pub fn new(payers: usize) -> Self {
        let mut keys = SoftKeys::with_prepared(32_768);
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
            policy: Policy::default(),
        };
        let mut shop = Self {
            store: MemoryStore::new(),
            keys: Arc::new(keys),
            server: PaymentServer::new(config).unwrap(),
            tokens: AccountTokens::new(&Secret::new([4; 32])),
            payers: Vec::new(),
            drawn: 0,
        };
        for n in 0..payers {
            let account = Account::new(format!("6222{n:012}")).unwrap();
            let device = DeviceId::new("phone-1").unwrap();
            let use_key =
                use_key(&DeviceSecret::draw(&shop.entropy()), None, &account, &device, 1).unwrap();
            let key = ReplyKey::mac(&use_key);
            let token = shop.tokens.token(&account);
            let enrolled = Enrolled::Hmac { use_key, typed_digits: 0 };
            let entropy = shop.entropy();
            let mut bind = shop.server.bind(NOW, &entropy, token, device, 1, enrolled).unwrap();
            let bound = decide(&shop.store, &*shop.keys, &mut bind).unwrap().verdict;
            assert!(bound.granted().is_some());
            let client = PaymentClient::new(account, TrustList::new()).with_unsigned();
            shop.payers.push(Payer { client, key, token });
        }
        shop
    }

    fn entropy(&mut self) -> [u8; 32] {
        self.drawn += 1;
        let mut entropy = [0; 32];
        entropy[..8].copy_from_slice(&self.drawn.to_be_bytes());
        entropy
    }

    /// Issues an order and computes the reply of one of the payers to it.
    pub fn order(&mut self) -> (PaymentRequest, Code) {
        let entropy = self.entropy();
        let amount = Amount::new(12_345, Currency::parse("CNY").unwrap());
        let key = format!("till-{}", self.drawn);
        let merchant = Uid::new("M0001").unwrap();
        let request = IssueRequest::order(merchant, key, amount, Payee::new("M0001").unwrap());
        let mut issue = self.server.issue(NOW, &entropy, request).unwrap();
        let issued = decide(&self.store, &NoSignatures, &mut issue).unwrap().verdict;
        let code = Code { signature: None, ..issued.granted().unwrap().code };
        let at = usize::try_from(self.drawn).unwrap() % self.payers.len();
        let Payer { client, key, .. } = &self.payers[at];
        let scanned = client.read(NOW, &code.to_text()).unwrap();
        (client.answer(&scanned, key).unwrap(), code)
    }

    /// The keys that its key holder has.
    pub const fn keys(&self) -> &Arc<SoftKeys> {
        &self.keys
    }

    /// The tokens of its payers.
    pub fn payers(&self) -> impl Iterator<Item = AccountRef> {
        self.payers.iter().map(|payer| payer.token)
    }

    /// What is paid goes, as settlement and purge would do it, so that the store keeps its size.
    pub fn clear_finished(&self) {
        for table in FINISHED {
            let prefix = Key::new(CrateTag::QRPAY, Tenant::new(1), table);
            loop {
                let want = ReadSet::scan(Scan::first(prefix.clone(), Batch::OPS_MAX));
                let page = self.store.read(&want).unwrap().scans.remove(0);
                if page.is_empty() {
                    break;
                }
                let mut batch = Batch::new();
                for (key, _) in page {
                    batch.delete(key, Expect::Any);
                }
                assert!(matches!(self.store.commit(&batch), Ok(Commit::Applied(_))));
            }
        }
    }

    /// The whole of it: token of the account, decision, rows, MAC, commit.
    pub fn redeem(&self, request: PaymentRequest) -> Verdict<Accepted> {
        let token = self.tokens.token(&request.account);
        let mut redeem = self.server.redeem(NOW, request, token);
        decide(&self.store, &*self.keys, &mut redeem).unwrap().verdict
    }
}
