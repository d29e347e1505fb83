//! QR symbols beside `fast_qr`, `qrcodegen` and `qrcode`: the matrix, and the matrix with its SVG.
//!
//! All make the same symbol content: a text of 64 or 200 bytes in byte mode at level M. They do
//! not agree on the mask in all cases (each reads the penalty rules in its own way); ours is the
//! one of `qrcodegen`, which is checked before anything is timed.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use interbank_qrpay::symbol::{Options, Segmentation, SvgStyle, Symbol};
use qrcodegen::{QrCode, QrCodeEcc, QrSegment, Version};

fn symbol(criterion: &mut Criterion) {
    for length in [64, 200] {
        let texts = texts(length);
        let options = Options::default();
        let ours = |text: &str| Symbol::encode(text, &options).expect("fits");
        let auto = |text: &str| {
            let segments = QrSegment::make_segments(text);
            let (min, max) = (Version::MIN, Version::MAX);
            QrCode::encode_segments_advanced(&segments, QrCodeEcc::Medium, min, max, None, false)
                .expect("fits")
        };
        let fast = |text: &str| {
            let mut builder = fast_qr::QRBuilder::new(text);
            builder.ecl(fast_qr::ECL::M).build().expect("fits")
        };
        let kennytm = |text: &str| {
            qrcode::QrCode::with_error_correction_level(text, qrcode::EcLevel::M).expect("fits")
        };
        for text in &texts {
            let options = Options { segmentation: Segmentation::Single, ..options.clone() };
            let ours = Symbol::encode(text, &options).expect("fits");
            assert_eq!(ours.mask().number(), auto(text).mask().value());
        }

        let mut next = cycle(&texts);
        let mut group = criterion.benchmark_group("matrix");
        group.bench_function(BenchmarkId::new("interbank", length), |b| {
            b.iter(|| black_box(ours(next())));
        });
        group.bench_function(BenchmarkId::new("fast_qr", length), |b| {
            b.iter(|| black_box(fast(next())));
        });
        group.bench_function(BenchmarkId::new("qrcodegen", length), |b| {
            b.iter(|| black_box(auto(next())));
        });
        group.bench_function(BenchmarkId::new("qrcode", length), |b| {
            b.iter(|| black_box(kennytm(next())));
        });
        group.finish();

        let mut group = criterion.benchmark_group("svg");
        let style = SvgStyle::default();
        group.bench_function(BenchmarkId::new("interbank", length), |b| {
            b.iter(|| black_box(ours(next()).to_svg(&style).expect("black on white")));
        });
        group.bench_function(BenchmarkId::new("fast_qr", length), |b| {
            b.iter(|| {
                let builder = fast_qr::convert::svg::SvgBuilder::default();
                black_box(builder.to_str(&fast(next())))
            });
        });
        group.bench_function(BenchmarkId::new("qrcode", length), |b| {
            b.iter(|| {
                black_box(kennytm(next()).render::<qrcode::render::svg::Color<'_>>().build())
            });
        });
        group.finish();
    }
}

/// Sixty-four texts like base64url, from a fixed generator.
fn texts(length: usize) -> Vec<String> {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut letter = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        char::from(ALPHABET[(state >> 58) as usize])
    };
    (0..64).map(|_| (0..length).map(|_| letter()).collect()).collect()
}

fn cycle<'a>(texts: &'a [String]) -> impl FnMut() -> &'a str {
    let mut texts = texts.iter().cycle();
    move || texts.next().expect("never empty")
}

criterion_group!(benches, symbol);
criterion_main!(benches);
