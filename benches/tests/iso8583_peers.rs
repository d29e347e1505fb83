//! ISO 8583 beside other implementations: the same bytes, the same fields.
//!
//! `iso_8583_rs` reads ASCII with hexadecimal bitmaps. `iso8583-codec-rs` reads BCD and EBCDIC too, but takes an odd number of
//! packed digits of a variable field for one more, and cannot pack tracks or signed amounts: those are left out there.

use interbank_wire_iso8583::{Coding, Codings, Dialect, Fault, Message, Mti};
use iso_8583_rs::specfile::{FieldDescription, Spec};
use iso_8583_rs::{Builder, CompiledSpec};
use iso8583_codec_rs::LoadedSpec;
use std::collections::HashMap;

/// A field of our table: content, dots, number.
fn format_of(dialect: &Dialect, field: u8) -> Option<(String, usize, usize)> {
    let text = dialect.format_of(field)?.to_string();
    let at = text.find([' ', '.']).unwrap();
    let dots = text.matches('.').count();
    let number: usize = text[at..].trim_matches([' ', '.']).parse().unwrap();
    let (content, number) = match &text[..at] {
        "x+n" => ("x+n", number + 1),
        "b" if dots == 0 => ("b", number / 8),
        content => (content, number),
    };
    Some((content.to_owned(), dots, number))
}

/// Number, content, digits of the length, greatest length.
type Row = (u8, String, usize, usize);

fn table(dialect: &Dialect) -> Vec<Row> {
    (2..=128)
        .filter_map(|field| {
            let (content, dots, number) = format_of(dialect, field)?;
            Some((field, content, dots, number))
        })
        .collect()
}

/// A small generator: the same messages in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound
    }

    fn message(&mut self, table: &[Row], skip: impl Fn(&str) -> bool, even: bool) -> Message {
        let types: Vec<Mti> =
            Mti::ALL.into_iter().chain(Mti::ALL.into_iter().filter_map(Mti::repeat)).collect();
        let mut message = Message::new(types[self.below(types.len())]);
        let one_in = self.below(12) + 1;
        for (field, content, dots, number) in table {
            let (field, dots, number) = (*field, *dots, *number);
            if skip(content) || self.below(one_in) != 0 {
                continue;
            }
            let len = if dots == 0 { number } else { self.below(number.min(80) + 1) };
            let len = if even && dots > 0 { len & !1 } else { len };
            let letters: &[u8] = match content.as_str() {
                "n" | "x+n" => b"0123456789",
                "z" => b"0123456789=",
                "ns" => b"0189 []^-/",
                "a" => b"ABCxyz ",
                "an" => b"ABCxyz 0189",
                _ => b"Az09 []^~!-/.{}|\\@#$%",
            };
            let mut value: Vec<u8> = match content.as_str() {
                "b" => (0..len).map(|_| self.below(256) as u8).collect(),
                _ => (0..len).map(|_| letters[self.below(letters.len())]).collect(),
            };
            if content == "x+n" {
                value[0] = b"CD"[self.below(2)];
            }
            message.set(field, value).unwrap();
        }
        message
    }
}

fn encode(message: &Message, dialect: &Dialect) -> Vec<u8> {
    let mut bytes = Vec::new();
    message.encode(dialect, &mut bytes).unwrap();
    bytes
}

/// Hexadecimal bitmaps and raw binary contents, which is what `iso_8583_rs` has.
fn dialect_of_first() -> Dialect {
    let mut codings = Codings::ASCII;
    codings.binary = Coding::Binary;
    Dialect::iso1987(codings).unwrap()
}

fn spec_of_first(dialect: &Dialect) -> CompiledSpec {
    let fields = table(dialect).into_iter().map(|(field, content, dots, number)| {
        let len_type = ["fixed", "", "llvar", "lllvar", "llllvar"][dots];
        let description = FieldDescription {
            content_type: content,
            max_len: number,
            min_len: 0,
            len_type: len_type.into(),
            label: String::new(),
        };
        (i64::from(field), description)
    });
    CompiledSpec::compile(&Spec { fields: fields.collect() }).unwrap()
}

#[test]
fn iso_8583_rs_reads_and_writes_the_same() {
    let dialect = dialect_of_first();
    let (table, spec) = (table(&dialect), spec_of_first(&dialect));
    let mut random = Random(1);
    for _ in 0..3_000 {
        let message = random.message(&table, |_| false, false);
        let bytes = encode(&message, &dialect);
        let theirs = iso_8583_rs::Message::parse(&spec, &bytes).unwrap();
        assert_eq!(&theirs.mti, message.mti().digits());
        let ours: Vec<_> =
            message.fields().map(|(field, value)| (usize::from(field), value)).collect();
        assert_eq!(theirs.fields().collect::<Vec<_>>(), ours);
        let mut builder = Builder::new(&spec, message.mti().digits()).unwrap();
        for (field, value) in ours {
            builder.set(field, value).unwrap();
        }
        let mut written = Vec::new();
        builder.pack_into(&mut written);
        assert_eq!(written, bytes);
    }
}

#[test]
fn iso_8583_rs_accepts_what_we_accept_of_damaged_messages() {
    let dialect = dialect_of_first();
    let (table, spec) = (table(&dialect), spec_of_first(&dialect));
    let mut random = Random(2);
    let (mut both, mut neither, mut stricter) = (0, 0, 0);
    for _ in 0..20_000 {
        let mut bytes = encode(&random.message(&table, |_| false, false), &dialect);
        for _ in 0..=random.below(2) {
            let at = random.below(bytes.len());
            match random.below(4) {
                0 => bytes.truncate(at),
                1 => bytes[at] = b"0123456789ABCDEFabcdef ="[random.below(24)],
                _ => bytes[at] ^= 1 << random.below(8),
            }
            if bytes.is_empty() {
                break;
            }
        }
        let ours = Message::parse(&bytes, &dialect);
        let theirs = iso_8583_rs::Message::parse(&spec, &bytes);
        match (ours, theirs) {
            (Ok(ours), Ok(theirs)) => {
                let fields = ours.fields().map(|(field, value)| (usize::from(field), value));
                assert_eq!(theirs.fields().collect::<Vec<_>>(), fields.collect::<Vec<_>>());
                both += 1;
            }
            (Err(_), Err(_)) => neither += 1,
            // They do not look into `z`, `x+n`, `as` and `ns`, know no list of types, and take small hexadecimal digits.
            (Err(error), Ok(_)) => {
                let content = format_of(&dialect, error.field).map(|(content, ..)| content);
                let unchecked = matches!(content.as_deref(), Some("z" | "x+n" | "as" | "ns"));
                let known = match error.fault {
                    Fault::Character => unchecked || error.field == 1,
                    fault => fault == Fault::MessageType,
                };
                assert!(known, "{error}");
                stricter += 1;
            }
            (Ok(_), Err(error)) => panic!("only we accept: {error}"),
        }
    }
    assert!(both > 1_000 && neither > 1_000 && stricter > 100, "{both} {neither} {stricter}");
}

fn spec_of_second(dialect: &Dialect, encoding: &str, bitmap: &str) -> LoadedSpec {
    let fields: Vec<String> = table(dialect)
        .into_iter()
        .map(|(field, content, dots, number)| {
            let prefix = ["fixed", "", "LLVAR", "LLLVAR", "LLLLVAR"][dots];
            let packed = encoding == "bcd" && matches!(content.as_str(), "n" | "z" | "x+n");
            let encoding = match content.as_str() {
                "b" => "binary",
                _ if packed => "bcd",
                _ if encoding == "bcd" => "ascii",
                _ => encoding,
            };
            let kind = if content == "b" { "binary" } else { "string" };
            format!(
                r#"{{ "de": {field}, "name": "f", "type": "{kind}", "length": {number}, "prefix": "{prefix}", "encoding": "{encoding}" }}"#
            )
        })
        .collect();
    let json = format!(
        r#"{{ "version": "1987", "defaults": {{ "encoding": "ascii", "prefix_encoding": "{encoding}", "bitmap_encoding": "{bitmap}", "mti_encoding": "{encoding}" }}, "fields": [{}] }}"#,
        fields.join(",")
    );
    LoadedSpec::from_json(&json).unwrap()
}

#[test]
fn iso8583_codec_rs_reads_and_writes_the_same_in_every_coding() {
    let mut ascii = Codings::ASCII;
    ascii.binary = Coding::Binary;
    for (codings, encoding, bitmap) in [
        (ascii, "ascii", "hex"),
        (Codings::EBCDIC, "ebcdic", "binary"),
        (Codings::PACKED, "bcd", "binary"),
    ] {
        let dialect = Dialect::iso1987(codings).unwrap();
        let (table, spec) = (table(&dialect), spec_of_second(&dialect, encoding, bitmap));
        let packed = encoding == "bcd";
        let mut random = Random(3);
        for _ in 0..1_000 {
            let skip = |content: &str| packed && matches!(content, "z" | "x+n");
            let message = random.message(&table, skip, packed);
            let bytes = encode(&message, &dialect);
            let theirs = iso8583_codec_rs::iso8583::parse_bytes(&bytes, &spec).unwrap();
            assert_eq!(theirs["mti"].as_str().unwrap(), message.mti().to_string());
            let theirs_by_number: HashMap<String, String> = theirs["fields"]
                .as_object()
                .unwrap()
                .iter()
                .map(|(key, value)| (key.clone(), value.as_str().unwrap().to_owned()))
                .collect();
            assert_eq!(theirs_by_number.len(), message.fields().count());
            for (field, value) in message.fields() {
                let (content, ..) = format_of(&dialect, field).unwrap();
                let value = match content.as_str() {
                    "b" => value.iter().map(|byte| format!("{byte:02X}")).collect(),
                    _ => String::from_utf8(value.to_vec()).unwrap(),
                };
                assert_eq!(theirs_by_number[&format!("de{field:03}_f")], value, "field {field}");
            }
            assert_eq!(iso8583_codec_rs::iso8583::publish_bytes(&theirs, &spec).unwrap(), bytes);
        }
    }
}
