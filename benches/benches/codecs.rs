//! EMVCo payloads beside the crate that a user would pick, OCRA codes beside the bare MAC.
//!
//! `oath` is the crate for OCRA, but it cannot be built any more: everything below it (`hmac` 0.1, `digest` 0.5) is yanked.

use criterion::{Criterion, criterion_group, criterion_main};
use hmac::{Hmac, KeyInit as _, Mac as _};
use interbank_qrpay::emv::Payload;
use interbank_qrpay::ocra::{DataInput, Key, Suite};
use sha2::Sha256;
use std::hint::black_box;

/// The published sample of 248 characters: two merchant templates, a Chinese language template.
const SAMPLE: &str = "00020101021229300012D156000000000510A93FO3230Q31280012D15600000001030812345678520441115802CN5914BEST TRANSPORT6007BEIJING64200002ZH0104最佳运输0202北京540523.7253031565502016233030412340603***0708A60086670902ME91320016A0112233449988770708123456786304A13A";

/// A published Pix code: the peer reads only those.
const PIX: &str = "00020126580014br.gov.bcb.pix0136123e4567-e12b-12d1-a456-4266554400005204000053039865802BR5913Fulano de Tal6008BRASILIA62070503***63041D3D";

fn emv(c: &mut Criterion) {
    let mut group = c.benchmark_group("emv/parse");
    assert!(Payload::parse(SAMPLE).is_ok());
    assert!(pix_brcode_parser::parse_brcode(PIX).is_ok());
    group.bench_function("sample_248", |b| b.iter(|| Payload::parse(black_box(SAMPLE)).unwrap()));
    group.bench_function("pix", |b| b.iter(|| Payload::parse(black_box(PIX)).unwrap()));
    group.bench_function("pix_brcode_parser", |b| {
        b.iter(|| pix_brcode_parser::parse_brcode(black_box(PIX)).unwrap());
    });
    group.finish();
}

fn ocra(c: &mut Criterion) {
    let mut group = c.benchmark_group("ocra");
    let secret = b"12345678901234567890123456789012";
    let suite = Suite::parse("OCRA-1:HOTP-SHA256-8:QN08").unwrap();
    let key = Key::new(suite.hash(), secret);
    let input = || DataInput::new("11111111");
    let code = suite.respond(&key, &input()).unwrap();
    // What a person typed is a text already.
    let typed = code.as_str();
    group.bench_function("verify", |b| {
        b.iter(|| suite.verify(&key, black_box(&input()), black_box(typed)).unwrap());
    });
    // The floor: the MAC alone, over the same message, with the key prepared.
    let message = suite.message(&input()).unwrap();
    let bare = Hmac::<Sha256>::new_from_slice(secret).unwrap();
    group.bench_function("bare_hmac", |b| {
        b.iter(|| {
            let mut mac = bare.clone();
            mac.update(black_box(&message));
            mac.finalize().into_bytes()
        });
    });
    group.finish();
}

criterion_group!(benches, emv, ocra);
criterion_main!(benches);
