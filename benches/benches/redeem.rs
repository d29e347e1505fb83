//! Redeeming a reply: the pure decision, and the whole of it through the in-memory store.

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
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

criterion_group!(benches, pure, full);
criterion_main!(benches);
