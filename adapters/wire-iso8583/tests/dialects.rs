//! Descriptions: what loads, and the path of what does not.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use interbank_wire_iso8583::{
    Codings, Description, Dialect, FieldEntries, FieldEntry, Message, Mti, Why,
};

fn load(json: &str) -> Result<Dialect, (String, Why)> {
    let description: Description = serde_json::from_str(json).unwrap();
    Dialect::new(&description).map_err(|error| {
        assert!((9220..9240).contains(&error.code()));
        assert!(error.to_string().starts_with(&error.path), "{error}");
        (error.path, error.why)
    })
}

#[track_caller]
fn refused(json: &str, path: &str, why: Why) {
    assert_eq!(load(json).map(|_| ()), Err((path.to_owned(), why)), "{json}");
}

fn fields(entries: &str) -> String {
    format!(r#"{{ "version": 1, "base": "iso8583-1987", "fields": {{ {entries} }} }}"#)
}

#[test]
fn what_is_wrong_is_named_by_its_path() {
    refused(r#"{ "version": 2 }"#, "version", Why::Version);
    refused(r#"{ "version": 1, "base": "iso8583-1993" }"#, "base", Why::Base);
    for types in
        [r#"["0100", "0200", "200"]"#, r#"["0100", "0200", "0201"]"#, r#"["0100", "0200", "02x0"]"#]
    {
        refused(&format!(r#"{{ "version": 1, "types": {types} }}"#), "types[2]", Why::MessageType);
    }
    for (part, coding) in [
        ("mti", "binary"),
        ("mti", "hex"),
        ("bitmap", "ascii"),
        ("bitmap", "bcd"),
        ("length", "hex"),
        ("digits", "binary"),
        ("text", "bcd"),
        ("binary", "ascii"),
    ] {
        let json = format!(r#"{{ "version": 1, "codings": {{ "{part}": "{coding}" }} }}"#);
        refused(&json, &format!("codings.{part}"), Why::Coding);
    }
}

#[test]
fn fields_that_are_none_are_refused() {
    for key in [
        "0", "1", "65", "129", "255", "300", "02", "+2", "2-", "-2", "7-3", "64-66", "2-3-4",
        "pan", "",
    ] {
        let path = format!("fields.{key}");
        let entry = format!(r#""{key}": {{ "format": "n 6" }}"#);
        // What is no plain short word is not repeated.
        let path = if key == "+2" { "fields" } else { &path };
        refused(&fields(&entry), path, Why::Number);
    }
    refused(&fields(r#""4111111111111111 = 2512": {}"#), "fields", Why::Number);
}

#[test]
fn a_field_described_twice_is_refused() {
    refused(&fields(r#""48": { "min": 1 }, "48": { "min": 2 }"#), "fields.48", Why::Overlap);
    refused(&fields(r#""60-63": { "min": 1 }, "62": { "min": 2 }"#), "fields.62", Why::Overlap);
    refused(&fields(r#""62": { "min": 1 }, "60-63": { "min": 2 }"#), "fields.60-63", Why::Overlap);
}

#[test]
fn lengths_that_cannot_be_are_refused() {
    for format in ["n..100", "n.10", "ans...1000", "b..100"] {
        refused(
            &fields(&format!(r#""48": {{ "format": "{format}" }}"#)),
            "fields.48.format",
            Why::Length,
        );
    }
    for format in ["n..256", "b..300"] {
        let entry = format!(r#""48": {{ "format": "{format}", "length": "binary" }}"#);
        refused(&fields(&entry), "fields.48.format", Why::Length);
    }
    for format in ["n 0", "b 7", "x+n..8", "q 4", "n", "", "n..", "ans....10000"] {
        refused(
            &fields(&format!(r#""48": {{ "format": "{format}" }}"#)),
            "fields.48.format",
            Why::Format,
        );
    }
    refused(&fields(r#""2": { "min": 20 }"#), "fields.2.min", Why::Length);
    refused(&fields(r#""3": { "min": 6 }"#), "fields.3.min", Why::Length);
    refused(r#"{ "version": 1, "fields": { "3": {} } }"#, "fields.3.format", Why::Format);
    assert!(load(&fields(r#""48": { "format": "b..255", "length": "binary" }"#)).is_ok());
}

#[test]
fn codings_that_do_not_suit_are_refused() {
    refused(&fields(r#""41": { "contents": "bcd" }"#), "fields.41.contents", Why::Coding);
    refused(&fields(r#""4": { "contents": "hex" }"#), "fields.4.contents", Why::Coding);
    refused(&fields(r#""52": { "contents": "ascii" }"#), "fields.52.contents", Why::Coding);
    refused(&fields(r#""2": { "length": "hex" }"#), "fields.2.length", Why::Coding);
    refused(
        &fields(r#""2": { "contents": "bcd", "counts": "wire" }"#),
        "fields.2.counts",
        Why::Counts,
    );
    assert!(
        load(&fields(r#""2": { "contents": "bcd", "counts": "wire", "odd": "f-left" }"#)).is_ok()
    );
}

#[test]
fn unknown_keys_and_words_are_refused_by_the_reader() {
    for json in [
        r#"{ "version": 1, "field": {} }"#,
        r#"{ "version": 1, "fields": { "2": { "lenght": "bcd" } } }"#,
        r#"{ "version": 1, "codings": { "text": "latin-1" } }"#,
        r#"{ "version": 1, "codings": { "bitmaps": "hex" } }"#,
        r#"{ "fields": {} }"#,
    ] {
        assert!(serde_json::from_str::<Description>(json).is_err(), "{json}");
    }
    let many: Vec<String> = (0..200).map(|at| format!(r#""{at}": {{}}"#)).collect();
    assert!(serde_json::from_str::<Description>(&fields(&many.join(","))).is_err());
}

#[test]
fn the_table_of_the_standard_has_all_fields() {
    let dialect = Dialect::iso1987(Codings::ASCII).unwrap();
    for field in 0..=255 {
        let described = (2..=128).contains(&field) && field != 65;
        assert_eq!(dialect.format_of(field).is_some(), described, "{field}");
        assert_eq!(dialect.name_of(field).is_some(), described, "{field}");
    }
    let formats = [
        (2, "n..19"),
        (7, "n 10"),
        (28, "x+n 8"),
        (35, "z..37"),
        (52, "b 64"),
        (90, "n 42"),
        (128, "b 64"),
    ];
    for (field, format) in formats {
        assert_eq!(dialect.format_of(field).unwrap().to_string(), format);
    }
    for mti in Mti::ALL {
        assert!(dialect.knows(mti));
        assert!(mti.repeat().is_none_or(|repeat| dialect.knows(repeat)));
    }
    assert!(!dialect.knows(Mti::from_digits(*b"0500").unwrap()));
}

#[test]
fn toml_and_json_say_the_same() {
    let toml = r#"
        version = 1
        name = "example"
        base = "iso8583-1987"
        types = ["0100", "0110", "0500"]

        [codings]
        mti = "bcd"
        bitmap = "binary"
        length = "binary"
        digits = "bcd"
        text = "ebcdic-037"
        binary = "binary"

        [fields.2]
        odd = "f-right"
        min = 12
        [fields.36]
        absent = true
        [fields.60-63]
        name = "private"
        format = "b..255"
    "#;
    let from_toml: Description = toml::from_str(toml).unwrap();
    let json = serde_json::to_string(&from_toml).unwrap();
    assert_eq!(serde_json::from_str::<Description>(&json).unwrap(), from_toml);
    let dialect = Dialect::new(&from_toml).unwrap();
    assert_eq!(dialect.name(), "example");
    assert!(
        dialect.knows(Mti::from_digits(*b"0501").unwrap())
            && !dialect.knows(Mti::FINANCIAL_REQUEST)
    );
    assert_eq!((dialect.format_of(36), dialect.name_of(36)), (None, None));
    assert_eq!(
        (dialect.format_of(61).unwrap().to_string(), dialect.name_of(61)),
        ("b..255".into(), Some("private"))
    );
    assert_eq!(dialect.format_of(2).unwrap().to_string(), "n..19");
}

#[test]
fn least_lengths_and_absent_fields_hold_both_ways() {
    let mut description = Description::iso1987(Codings::ASCII);
    let min = FieldEntry { min: Some(12), ..FieldEntry::default() };
    let absent = FieldEntry { absent: true, ..FieldEntry::default() };
    description.fields = FieldEntries(vec![("2".into(), min), ("11".into(), absent)]);
    let (strict, loose) =
        (Dialect::new(&description).unwrap(), Dialect::iso1987(Codings::ASCII).unwrap());
    for (field, value, shown) in [
        (2, "12345678901", "field 2 at byte 20: a length that is not allowed"),
        (11, "123456", "field 11 at byte 20: not described by the dialect"),
    ] {
        let mut message = Message::new(Mti::FINANCIAL_REQUEST);
        message.set(field, value).unwrap();
        let mut bytes = Vec::new();
        assert_eq!(message.encode(&strict, &mut bytes).unwrap_err().field, field);
        assert!(bytes.is_empty());
        message.encode(&loose, &mut bytes).unwrap();
        assert_eq!(Message::parse(&bytes, &strict).unwrap_err().to_string(), shown);
    }
}
