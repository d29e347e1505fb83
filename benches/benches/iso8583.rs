//! A financial request of 15 fields: parse it, write it again, beside other implementations.
//!
//! Ours copies the values and erases them at the end; `iso_8583_rs` borrows from the buffer and leaves them; `iso8583-codec-rs`
//! makes JSON. All check the contents of the fields.

use criterion::{Criterion, criterion_group, criterion_main};
use interbank_wire_iso8583::{Codings, Dialect, Message, Mti};
use iso_8583_rs::specfile::{FieldDescription, Spec};
use iso_8583_rs::{Builder, CompiledSpec};
use iso8583_codec_rs::LoadedSpec;
use std::hint::black_box;

/// Number, content and greatest length as the peers write them, digits of the length, value.
const FIELDS: [(u8, &str, usize, usize, &str); 15] = [
    (2, "n", 19, 2, "4111111111111111"),
    (3, "n", 6, 0, "000000"),
    (4, "n", 12, 0, "000000010000"),
    (7, "n", 10, 0, "0822101530"),
    (11, "n", 6, 0, "123456"),
    (12, "n", 6, 0, "101530"),
    (13, "n", 4, 0, "0822"),
    (18, "n", 4, 0, "5411"),
    (22, "n", 3, 0, "051"),
    (25, "n", 2, 0, "00"),
    (32, "n", 11, 2, "12345678901"),
    (37, "an", 12, 0, "623410123456"),
    (41, "ans", 8, 0, "TERM0001"),
    (42, "ans", 15, 0, "MERCHANT0000001"),
    (49, "an", 3, 0, "156"),
];

fn iso8583(c: &mut Criterion) {
    let mut message = Message::new(Mti::FINANCIAL_REQUEST);
    for (field, _, _, _, value) in FIELDS {
        message.set(field, value).unwrap();
    }
    let encode = |dialect: &Dialect| {
        let mut bytes = Vec::new();
        message.encode(dialect, &mut bytes).unwrap();
        bytes
    };
    let ascii = Dialect::iso1987(Codings::ASCII).unwrap();
    let packed = Dialect::iso1987(Codings::PACKED).unwrap();
    let (ascii_bytes, packed_bytes) = (encode(&ascii), encode(&packed));
    let (borrowing, json) = (borrowing_spec(), json_spec());
    let mut out = Vec::with_capacity(512);

    let mut group = c.benchmark_group("iso8583/parse");
    group.bench_function("ascii", |b| {
        b.iter(|| Message::parse(black_box(&ascii_bytes), &ascii).unwrap())
    });
    group.bench_function("packed", |b| {
        b.iter(|| Message::parse(black_box(&packed_bytes), &packed).unwrap())
    });
    group.bench_function("iso_8583_rs", |b| {
        b.iter(|| iso_8583_rs::Message::parse(&borrowing, black_box(&ascii_bytes)).unwrap().bitmap);
    });
    group.bench_function("iso8583_codec_rs", |b| {
        b.iter(|| iso8583_codec_rs::iso8583::parse_bytes(black_box(&ascii_bytes), &json).unwrap());
    });
    group.finish();

    let mut group = c.benchmark_group("iso8583/both");
    for (name, dialect, bytes) in
        [("ascii", &ascii, &ascii_bytes), ("packed", &packed, &packed_bytes)]
    {
        group.bench_function(name, |b| {
            b.iter(|| {
                out.clear();
                Message::parse(black_box(bytes), dialect)
                    .unwrap()
                    .encode(dialect, &mut out)
                    .unwrap();
                assert_eq!(out.len(), bytes.len());
            });
        });
        assert_eq!(&out, bytes);
    }
    group.bench_function("iso_8583_rs", |b| {
        b.iter(|| {
            out.clear();
            let read = iso_8583_rs::Message::parse(&borrowing, black_box(&ascii_bytes)).unwrap();
            let mut builder = Builder::new(&borrowing, &read.mti).unwrap();
            for (field, value) in read.fields() {
                builder.set(field, value).unwrap();
            }
            builder.pack_into(&mut out);
        });
    });
    assert_eq!(out, ascii_bytes);
    let mut written = Vec::new();
    group.bench_function("iso8583_codec_rs", |b| {
        b.iter(|| {
            let read =
                iso8583_codec_rs::iso8583::parse_bytes(black_box(&ascii_bytes), &json).unwrap();
            written = iso8583_codec_rs::iso8583::publish_bytes(&read, &json).unwrap();
        });
    });
    assert_eq!(written, ascii_bytes);
    group.finish();
}

fn borrowing_spec() -> CompiledSpec {
    let fields = FIELDS.map(|(field, content, max_len, digits, _)| {
        let len_type = if digits == 0 { "fixed" } else { "llvar" }.into();
        let label = String::new();
        let description =
            FieldDescription { content_type: content.into(), max_len, min_len: 0, len_type, label };
        (i64::from(field), description)
    });
    CompiledSpec::compile(&Spec { fields: fields.into() }).unwrap()
}

fn json_spec() -> LoadedSpec {
    let fields = FIELDS.map(|(field, _, length, digits, _)| {
        let prefix = if digits == 0 { "fixed" } else { "LLVAR" };
        format!(r#"{{ "de": {field}, "name": "f", "type": "string", "length": {length}, "prefix": "{prefix}" }}"#)
    });
    let json = format!(r#"{{ "version": "1987", "fields": [{}] }}"#, fields.join(","));
    LoadedSpec::from_json(&json).unwrap()
}

criterion_group!(benches, iso8583);
criterion_main!(benches);
