//! Redeeming a reply: the pure decision, the whole of it through the in-memory store, and what an open order costs in memory.

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use hmac::{Hmac, KeyInit as _, Mac as _};
use interbank_qrpay::*;
use port::blocking::{Keys, Store as _, decide};
use port::{
    Amount, Answers, Batch, Commit, CrateTag, Currency, Decision as _, Expect, Key, KeyAnswer,
    KeyId, KeyQuestion, MacAlgorithm, MemoryStore, Peer, ReadSet, Scan, Step, Tenant, Time,
};
use seal::{Account, AccountRef, AccountTokens, PreparedMac, Secret, SoftKeys, TrustList};
use sha2::Sha256;
use std::alloc::{GlobalAlloc, Layout, System};
use std::convert::Infallible;
use std::hint::black_box;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Outcomes, payments, and what is owed.
const FINISHED: [u8; 3] = [3, 4, 0xFE];

const NOW: Time = Time::from_s(1_700_000_000);

/// One institution with many payers and open orders.
struct Shop {
    store: MemoryStore,
    keys: SoftKeys,
    server: PaymentServer,
    tokens: AccountTokens,
    payers: Vec<(PaymentClient, ReplyKey)>,
    drawn: u64,
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
    fn new(payers: usize) -> Self {
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
            keys,
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
            let bound = decide(&shop.store, &shop.keys, &mut bind).unwrap().verdict;
            assert!(bound.granted().is_some());
            let client = PaymentClient::new(account, TrustList::new()).with_unsigned();
            shop.payers.push((client, key));
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
    fn order(&mut self) -> (PaymentRequest, Code) {
        let entropy = self.entropy();
        let amount = Amount::new(12_345, Currency::parse("CNY").unwrap());
        let key = format!("till-{}", self.drawn);
        let merchant = Uid::new("M0001").unwrap();
        let request = IssueRequest::order(merchant, key, amount, Payee::new("M0001").unwrap());
        let mut issue = self.server.issue(NOW, &entropy, request).unwrap();
        let issued = decide(&self.store, &NoSignatures, &mut issue).unwrap().verdict;
        let code = Code { signature: None, ..issued.granted().unwrap().code };
        let at = usize::try_from(self.drawn).unwrap() % self.payers.len();
        let (client, key) = &self.payers[at];
        let scanned = client.read(NOW, &code.to_text()).unwrap();
        (client.answer(&scanned, key).unwrap(), code)
    }

    /// What is paid goes, as settlement and purge would do it, so that the store keeps its size.
    fn clear_finished(&self) {
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
    fn redeem(&self, request: PaymentRequest) -> Verdict<Accepted> {
        let token = self.tokens.token(&request.account);
        let mut redeem = self.server.redeem(NOW, request, token);
        decide(&self.store, &self.keys, &mut redeem).unwrap().verdict
    }
}

fn pure(c: &mut Criterion) {
    let mut group = c.benchmark_group("redeem/pure");
    let mut shop = Shop::new(1);
    let (request, code) = shop.order();
    let token: AccountRef = shop.tokens.token(&request.account);
    let mut redeem = shop.server.redeem(NOW, request.clone(), token);
    let rows = shop.store.read(&redeem.begin().rows).unwrap();
    let account = Account::new(format!("6222{:012}", 0)).unwrap();
    // The prepared use-key, as the key holder has it.
    let device = DeviceId::new("phone-1").unwrap();
    let mut entropy = [0; 32];
    entropy[7] = 1;
    let secret = DeviceSecret::draw(&entropy);
    let use_key = use_key(&secret, None, &account, &device, 1).unwrap();
    let prepared = PreparedMac::new(MacAlgorithm::HmacSha256, use_key.expose());
    group.bench_function("hmac", |b| {
        let given = || {
            let redeem = shop.server.redeem(NOW, request.clone(), token);
            (redeem, Answers { rows: rows.clone(), keys: Vec::new() })
        };
        let decide = |(mut redeem, first): (Redeem, Answers)| {
            black_box(redeem.begin());
            let Step::Ask(ask) = redeem.step(first).unwrap() else { panic!("no question") };
            let KeyQuestion::Mac { message, .. } = &ask.keys[0] else { panic!("no MAC") };
            let keys = vec![KeyAnswer::Mac(prepared.tag(message))];
            let second = Answers { keys, ..Answers::default() };
            let Step::Done(done) = redeem.step(second).unwrap() else { panic!("not done") };
            assert!(matches!(done.verdict.verdict, Verdict::Granted(_)));
            done
        };
        b.iter_batched(given, decide, BatchSize::SmallInput);
    });
    // The floor: the MAC alone, over the same transcript, with the key prepared.
    let transcript = Transcript {
        uid: code.uid.as_bytes(),
        challenge: &code.challenge,
        account: &account,
        terms: &code.terms,
    }
    .to_bytes();
    let bare = Hmac::<Sha256>::new_from_slice(use_key.expose()).unwrap();
    group.bench_function("bare_hmac", |b| {
        b.iter(|| {
            let mut mac = bare.clone();
            mac.update(black_box(&transcript));
            mac.finalize().into_bytes()
        });
    });
    group.finish();
}

fn full(c: &mut Criterion) {
    let mut group = c.benchmark_group("redeem/full");
    group.throughput(Throughput::Elements(1)).sample_size(20);
    for (open, name) in [(10_000, "10k_open"), (1_000_000, "1m_open")] {
        let mut shop = Shop::new(open.min(10_000));
        let mut requests: Vec<PaymentRequest> = (0..open).map(|_| shop.order().0).collect();
        let mut at = 0;
        group.bench_function(name, |b| {
            b.iter_custom(|iterations| {
                let mut taken = Duration::ZERO;
                let mut left = usize::try_from(iterations).unwrap();
                while left > 0 {
                    let batch: Vec<PaymentRequest> = (0..left.min(1_000))
                        .map(|_| {
                            // Spread over the store, and replaced, so that as many stay open.
                            at = (at + 7_919) % requests.len();
                            let fresh = shop.order().0;
                            std::mem::replace(&mut requests[at], fresh)
                        })
                        .collect();
                    left -= batch.len();
                    let started = Instant::now();
                    for request in batch {
                        let verdict = shop.redeem(request);
                        assert!(matches!(verdict, Verdict::Granted(_)));
                    }
                    taken += started.elapsed();
                    shop.clear_finished();
                }
                taken
            });
        });
    }
    group.finish();
}

/// Counts what the open orders of a store take, at a million of them.
fn memory(_: &mut Criterion) {
    const ORDERS: usize = 1_000_000;
    let mut shop = Shop::new(1);
    let before = LIVE.load(Ordering::Relaxed);
    for _ in 0..ORDERS {
        black_box(shop.order());
    }
    let each = (LIVE.load(Ordering::Relaxed) - before) / ORDERS;
    println!("memory/open_order: {each} bytes at {ORDERS} open orders");
    if let Ok(folder) = std::env::var("INTERBANK_BENCH_FIGURES") {
        let figure =
            format!("{{\"id\": \"memory/open_order\", \"value\": {each}, \"unit\": \"B\"}}");
        std::fs::write(std::path::Path::new(&folder).join("memory_open_order.json"), figure)
            .unwrap();
    }
}

/// The system's allocator, counting live bytes.
struct Counting;

static LIVE: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call goes to the system's allocator unchanged; the counter has no part in it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE.fetch_add(layout.size(), Ordering::Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Ordering::Relaxed);
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        LIVE.fetch_add(size, Ordering::Relaxed);
        LIVE.fetch_sub(layout.size(), Ordering::Relaxed);
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

criterion_group!(benches, pure, full, memory);
criterion_main!(benches);
