//! Redeeming a reply: the pure decision, and the whole of it through the in-memory store.

use criterion::{BatchSize, Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use hmac::{Hmac, KeyInit as _, Mac as _};
use interbank_benches::{NOW, Shop};
use interbank_qrpay::*;
use port::blocking::Store as _;
use port::{Answers, Decision as _, KeyAnswer, KeyQuestion, MacAlgorithm, Step};
use seal::{Account, AccountRef, PreparedMac};
use sha2::Sha256;
use std::hint::black_box;
use std::time::{Duration, Instant};

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
        // As many at a time as a busy server has: what one decision gave back, a later one takes.
        b.iter_batched(given, decide, BatchSize::NumIterations(64));
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
    // Many in each iteration: filling a store must not look like a slow redeem.
    group.throughput(Throughput::Elements(AT_ONCE)).sample_size(20);
    group.sampling_mode(SamplingMode::Flat);
    for (open, name) in [(10_000, "10k_open"), (1_000_000, "1m_open")] {
        // Filled only if something is measured on it.
        let mut filled: Option<(Shop, Vec<PaymentRequest>)> = None;
        let mut at = 0;
        group.bench_function(name, |b| {
            b.iter_custom(|times| {
                let (shop, requests) = filled.get_or_insert_with(|| {
                    let mut shop = Shop::new(open.min(10_000));
                    let requests = (0..open).map(|_| shop.order().0).collect();
                    (shop, requests)
                });
                let mut taken = Duration::ZERO;
                for _ in 0..times {
                    let due: Vec<PaymentRequest> = (0..AT_ONCE)
                        .map(|_| {
                            // Spread over the store, and replaced, so that as many stay open.
                            at = (at + 7_919) % requests.len();
                            let fresh = shop.order().0;
                            std::mem::replace(&mut requests[at], fresh)
                        })
                        .collect();
                    let started = Instant::now();
                    for request in due {
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

/// Redeems in one iteration.
const AT_ONCE: u64 = 1_000;

criterion_group!(benches, pure, full);
criterion_main!(benches);
