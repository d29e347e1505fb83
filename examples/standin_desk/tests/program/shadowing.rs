//! Rehearsals on recorded traffic. The figures are worked out by hand in the comments.

use crate::desk::{DATA, Desk, data, text};
use serde_json::{Value, json};

const OUTAGE: &str = "--outage 2026-03-02T09:00Z..2026-03-02T10:00Z";

/// 2026-03-02, so many minutes after midnight.
fn at_ms(hour: u64, minute: u64) -> u64 {
    1_772_409_600_000 + (hour * 60 + minute) * 60_000
}

fn shadow(options: &str) -> String {
    format!("shadow --parameters {DATA}/set.toml --traffic {DATA}/traffic.jsonl {options}")
}

fn differences(found: &Value) -> Vec<(u64, String, String, u64)> {
    let all = found["differences"].as_array().unwrap().iter();
    all.map(|one| {
        let what = one["what"].as_str().unwrap().to_owned();
        let code = one["stand_in"]["code"].as_str().unwrap().to_owned();
        (one["line"].as_u64().unwrap(), what, code, one["rule"].as_u64().unwrap())
    })
    .collect()
}

fn difference(line: u64, what: &str, code: &str, rule: u64) -> (u64, String, String, u64) {
    (line, what.into(), code.into(), rule)
}

/// The outage is lines 2 to 12 of 15; line 7 repeats line 6, line 14 is another institution's.
#[test]
fn an_outage_by_hand() {
    let found = Desk::new().json(&shadow(OUTAGE));
    assert_eq!(
        found["requests"],
        json!({ "read": 15, "foreign": 1, "host": 3, "stand_in": 11, "repeats": 1, "approved": 6, "declined": 4 })
    );
    // Line 2: 200.00 passes, as the host said. 3: 300.01 is above rule 2's 300.00. 4: rule 17 denies. 5: the host had declined.
    // 6: nobody answered. 8: initiator 1111 has 200.00 + 300.00 out of its 600.00, so 100.00 of 150.00. 9: reverses line 2.
    // 10: nobody was asked. 11: 61 as the host said. 12: the host said 51.
    assert_eq!(
        differences(&found),
        [
            difference(3, "declined-host-approved", "61", 2),
            difference(4, "declined-host-approved", "57", 17),
            difference(5, "approved-host-declined", "00", 0),
            difference(6, "approved-unanswered", "00", 0),
            difference(8, "other-amount", "10", 0),
            difference(10, "approved-unanswered", "00", 0),
            difference(12, "other-code", "61", 2),
        ]
    );
    let fourth = &found["differences"][1];
    assert_eq!(
        fourth["explained"],
        "declined by rule 17, scope initiator 2222, kind cash: a rule denies"
    );
    assert_eq!(fourth["happened"], json!({ "code": "00", "approved_minor": 10_000 }));
    assert_eq!(found["differences"][3]["happened"], Value::Null);
    assert_eq!(
        found["differences"][4]["stand_in"],
        json!({ "code": "10", "approved_minor": 10_000 })
    );
    let totals = found["totals"].as_array().unwrap().iter();
    let totals: Vec<_> = totals
        .map(|one| (one["what"].as_str().unwrap(), &one["count"], &one["sum_minor"]))
        .collect();
    assert_eq!(
        totals,
        [
            ("approved-host-declined", &json!(1), &json!(30_000)),
            ("approved-unanswered", &json!(2), &json!(35_000)),
            ("declined-host-approved", &json!(2), &json!(40_001)),
            ("other-amount", &json!(1), &json!(15_000)),
            ("other-code", &json!(1), &json!(40_000)),
        ]
    );
    // 200 + 300 + 300 + 100 = 900.00 after line 8, then 200.00 less and 50.00 more. Of it 600.00 are 1111's.
    assert_eq!(
        found["exposure"],
        json!({
            "currency": "CNY",
            "institution": { "peak_minor": 90_000, "at_ms": at_ms(9, 25), "cap_minor": 100_000 },
            "initiators": [
                { "initiator": 1111, "peak_minor": 60_000, "at_ms": at_ms(9, 25), "cap_minor": 60_000 },
                { "initiator": 2222, "peak_minor": 30_000, "at_ms": at_ms(9, 15), "cap_minor": null },
            ],
        })
    );
    let declines = found["declines"].as_array().unwrap().iter();
    let declines: Vec<_> = declines.map(|one| (&one["rule"], &one["count"])).collect();
    assert_eq!(declines, [(&json!(2), &json!(3)), (&json!(17), &json!(1))]);
}

/// Line 6 was posted twice, line 2's initiator has 199.99, line 11's has what nobody approved.
#[test]
fn the_reconciliation_finds_what_was_planted() {
    let desk = Desk::new();
    let found = desk.json(&shadow(&format!("{OUTAGE} --csv found.csv")));
    assert_eq!(
        found["reconciliation"]["counts"],
        json!({ "matched": 1, "missing": 2, "extra": 2, "amount-differs": 1, "duplicate": 1,
            "initiator-differs": 1, "initiator-only": 1 })
    );
    let csv = text(&desk.read("found.csv"));
    let lines: Vec<&str> = csv.split_terminator("\r\n").collect();
    assert_eq!(lines.len(), 1 + 9);
    for line in [
        "1111,2,2026-03-02T09:00:00Z,\"TERM1111\",initiator-differs,200.00,200.00,1,199.99,CNY",
        "1111,3,2026-03-02T09:05:00Z,\"TERM1111\",extra,,300.01,1,,CNY",
        "1111,6,2026-03-02T09:20:00Z,\"TERM1111\",duplicate,300.00,300.00,2,,CNY",
        "1111,8,2026-03-02T09:25:00Z,\"TERM1111\",amount-differs,100.00,150.00,1,,CNY",
        "1111,9,2026-03-02T09:30:00Z,\"TERM1111\",matched,-200.00,-200.00,1,,CNY",
        "2222,5,2026-03-02T09:15:00Z,\"TERM2222\",missing,300.00,,0,,CNY",
        "2222,11,2026-03-02T09:40:00Z,\"TERM2222\",initiator-only,,,0,300.01,CNY",
    ] {
        assert!(lines.contains(&line), "{line} in {csv}");
    }
    // The same traffic and set give the same bytes.
    assert_eq!(desk.json(&shadow(OUTAGE)), found);
}

/// What the host had declined (line 5, 300.00) stays out after the first outage; line 15 adds 200.00 in the second.
#[test]
fn what_the_host_refuses_is_out_until_somebody_looked() {
    let found = Desk::new()
        .json(&shadow(&format!("{OUTAGE} --outage 2026-03-02T11:00Z..2026-03-02T11:10Z")));
    assert_eq!(
        (&found["requests"]["host"], &found["requests"]["stand_in"]),
        (&json!(2), &json!(12))
    );
    let of_2222 = &found["exposure"]["initiators"][1];
    assert_eq!((&of_2222["peak_minor"], &of_2222["at_ms"]), (&json!(50_000), &json!(at_ms(11, 5))));
    assert_eq!(found["exposure"]["institution"]["peak_minor"], 90_000);
    assert_eq!(differences(&found).len(), 7);
}

/// Nothing is posted in between: line 6 meets 400.00 of 1111's 600.00, and is too much.
#[test]
fn without_an_outage_the_host_is_away_all_the_time() {
    let found = Desk::new().json(&shadow(""));
    assert_eq!(
        (&found["requests"]["host"], &found["requests"]["stand_in"]),
        (&json!(0), &json!(14))
    );
    let all = differences(&found);
    assert!(all.contains(&difference(6, "declined-unanswered", "61", 0)), "{all:?}");
    assert_eq!(found["differences"][3]["explained"], "declined: the exposure is used up");
    // 200 + 200 + 300 + 150 - 200 + 50 + 1 + 200.
    assert_eq!(
        found["exposure"]["institution"],
        json!({ "peak_minor": 90_100, "at_ms": at_ms(11, 5), "cap_minor": 100_000 })
    );
    assert_eq!(found["exposure"]["initiators"][0]["peak_minor"], 55_000);
}

#[test]
fn lists_and_balances_count() {
    let desk = Desk::new();
    let found = desk.json(&shadow(&format!("--accounts {DATA}/accounts.jsonl")));
    let all = differences(&found);
    // A has 250.00 and spent 200.00 of it on line 1; B is on the negative list.
    assert!(all.contains(&difference(2, "declined-host-approved", "51", 0)), "{all:?}");
    assert!(all.contains(&difference(15, "declined-host-approved", "41", 0)), "{all:?}");
    // More than go into one page of the feed; the last one counts, too.
    let many = (0..99).map(|n| format!("{{\"token\":\"{n:032x}\",\"vip\":true}}\n"));
    let last = format!("{{\"token\":\"{}\",\"deny\":\"43\"}}\n", "b".repeat(32));
    desk.write("many.jsonl", many.chain([last]).collect::<String>());
    let denied = differences(&desk.json(&shadow("--accounts many.jsonl")));
    assert!(denied.contains(&difference(15, "declined-host-approved", "43", 0)), "{denied:?}");
    // C is a VIP: code 11.
    assert!(all.contains(&difference(6, "approved-unanswered", "11", 0)), "{all:?}");
    let token = "a".repeat(32);
    for (bad, why) in [
        (format!("{{\"token\":\"{token}\",\"balance_minor\":1}}"), "as_of"),
        (format!("{{\"token\":\"{token}\",\"deny\":\"00\"}}"), "deny"),
        (format!("{{\"token\":\"{token}\"}}\n{{\"token\":\"{token}\"}}"), "line 2"),
        ("{\"token\":\"6222000100000006\"}".to_owned(), "token"),
        (format!("{{\"token\":\"{token}\",\"pin\":\"1234\"}}"), "no such field"),
    ] {
        desk.write("bad.jsonl", bad);
        let said = desk.fails(3, &shadow("--accounts bad.jsonl"));
        assert!(said.contains(why) && !said.contains("6222000100000006"), "{said}");
    }
    desk.write(
        "late.jsonl",
        format!("{{\"token\":\"{token}\",\"balance_minor\":1,\"as_of\":\"2027-01-01T00:00Z\"}}"),
    );
    desk.fails(2, &shadow("--accounts late.jsonl"));
}

#[test]
fn the_dates_of_a_set_count_where_that_is_asked_for() {
    let desk = Desk::new();
    // It begins to decide after the traffic.
    desk.set(
        "later.toml",
        &[("effective_from_ms = 1767225600000", "effective_from_ms = 1798761600000")],
    );
    let shadow = format!("shadow --parameters later.toml --traffic {DATA}/traffic.jsonl");
    assert_eq!(desk.json(&format!("{shadow} {OUTAGE}"))["requests"]["approved"], 6);
    let found = desk.json(&format!("{shadow} {OUTAGE} --as-dated"));
    // Reversals are always taken.
    assert_eq!(
        (&found["requests"]["approved"], &found["requests"]["declined"]),
        (&json!(1), &json!(9))
    );
    assert_eq!(found["declines"][0]["explained"], "declined: no parameters hold now");
}

/// 23:30Z is the next day in Shanghai: two purchases of the day's sum of 500.00 fit, or one.
#[test]
fn days_begin_where_the_institution_is() {
    let desk = Desk::new();
    let line = |at: &str, trace: u32| {
        let first = data("traffic.jsonl").lines().next().unwrap().to_owned();
        let first = first
            .replace("2026-03-02T08:50:00Z", at)
            .replace("\"trace\": 1,", &format!("\"trace\": {trace},"));
        first.replace("20000", "30000")
    };
    desk.set("wide.toml", &[("sum_minor = 60000", "sum_minor = 90000")]);
    desk.write(
        "night.jsonl",
        [line("2026-03-02T15:30:00Z", 1), line("2026-03-02T16:30:00Z", 2)].join("\n"),
    );
    let shadow = "shadow --parameters wide.toml --traffic night.jsonl";
    let found = desk.json(shadow);
    assert_eq!(differences(&found), [difference(2, "declined-host-approved", "61", 1)]);
    assert_eq!(
        found["differences"][0]["explained"],
        "declined by rule 1, scope institution: too much in a window"
    );
    assert_eq!(desk.json(&format!("{shadow} --zone Asia/Shanghai"))["differences"], json!([]));
    assert!(
        desk.done(&format!("{shadow} --zone Asia/Shanghai"))
            .contains("every decision is what happened")
    );
}

/// Lines of one account, made from the first line of the invented traffic.
fn lines(changes: &[&[(&str, &str)]]) -> String {
    let first = data("traffic.jsonl").lines().next().expect("a line").to_owned();
    let line = |changes: &&[(&str, &str)]| {
        changes.iter().fold(first.clone(), |line, (from, to)| {
            assert!(line.contains(from), "{from}");
            line.replacen(from, to, 1)
        })
    };
    changes.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// 1111 has 200.00 out, which 2222 reverses for it: 1111's, not 2222's. Then 1111 has 100.00 out, 2222 300.00.
#[test]
fn what_a_reversal_gives_back_was_its_originals() {
    let desk = Desk::new();
    let original = "\"original\": {\"mti\": \"0100\", \"initiator\": 1111, \"trace\": 1, \"sent_at\": \"2026-03-02T08:50:00Z\", \"terminal\": \"TERM1111\"}, \"trace\": 2";
    let reversal = [
        ("08:50", "08:51"),
        ("0100", "0400"),
        ("purchase", "reversal"),
        ("1111", "2222"),
        ("TERM1111", "TERM2222"),
        ("\"trace\": 1", original),
    ];
    let later = [("08:50", "08:52"), ("20000", "10000"), ("\"trace\": 1", "\"trace\": 3")];
    let other = [
        ("08:50", "08:53"),
        ("20000", "30000"),
        ("1111", "2222"),
        ("\"trace\": 1", "\"trace\": 4"),
    ];
    desk.write("traffic.jsonl", lines(&[&[], &reversal, &later, &other]));
    let found = desk.json(&format!("shadow --parameters {DATA}/set.toml --traffic traffic.jsonl"));
    assert_eq!(found["differences"], json!([]));
    let peaks: Vec<&Value> = found["exposure"]["initiators"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["peak_minor"])
        .collect();
    assert_eq!(peaks, [20_000, 30_000]);
    assert_eq!(found["exposure"]["institution"]["peak_minor"], 40_000);
}

#[test]
fn a_host_that_answered_too_late_has_told_nobody() {
    let desk = Desk::new();
    let late = "\"answer\": {\"code\": \"91\"}, \"host\": \"approved\"";
    let told = "\"answer\": {\"code\": \"00\"}";
    let declined = "\"host\": \"declined\", \"expiry\": 2912";
    desk.write(
        "traffic.jsonl",
        lines(&[
            &[(told, late)],
            // Above rule 2's 300.00.
            &[(told, late), ("20000", "30001"), ("\"trace\": 1", "\"trace\": 2")],
            // Its decline was lost.
            &[
                (told, "\"partial\": false"),
                ("\"expiry\": 2912", declined),
                ("\"trace\": 1", "\"trace\": 3"),
            ],
        ]),
    );
    let found = desk.json(&format!("shadow --parameters {DATA}/set.toml --traffic traffic.jsonl"));
    assert_eq!(
        differences(&found),
        [
            difference(1, "approved-unanswered", "00", 0),
            difference(2, "declined-unanswered", "61", 2),
            difference(3, "approved-host-declined", "00", 0),
        ]
    );
    let counts = &found["reconciliation"]["counts"];
    // The first was posted, the second was posted and declined here, the third was not posted.
    assert_eq!(
        (&counts["matched"], &counts["extra"], &counts["missing"]),
        (&json!(1), &json!(1), &json!(1))
    );
}

#[test]
fn a_key_that_is_used_again_is_posted_once() {
    let desk = Desk::new();
    let again = [
        ("20000", "30000"),
        ("\"pos\"", "\"pos\", \"sent_at\": \"2026-03-02T08:50:00Z\""),
        ("08:50:00Z", "08:50:01Z"),
    ];
    desk.write("traffic.jsonl", lines(&[&[], &again]));
    let found = desk.json(&format!("shadow --parameters {DATA}/set.toml --traffic traffic.jsonl"));
    assert_eq!(differences(&found), [difference(2, "declined-host-approved", "94", 0)]);
    assert_eq!(found["reconciliation"]["counts"]["matched"], 1);
    assert_eq!(found["reconciliation"]["counts"]["duplicate"], 0);
}

#[test]
fn the_table_shows_as_many_as_asked_for() {
    let desk = Desk::new();
    let said = desk.done(&shadow(&format!("{OUTAGE} --rows 2")));
    assert!(said.contains("and 5 more"), "{said}");
    assert!(
        said.contains("declined by rule 17, scope initiator 2222, kind cash: a rule denies"),
        "{said}"
    );
    assert!(said.contains("900.00 CNY") && said.contains("1000.00 CNY"), "{said}");
    let said = desk.done(&shadow(&format!("{OUTAGE} --rows 0")));
    assert!(
        said.contains("no answer") && said.contains("10 100.00") && !said.contains("more ("),
        "{said}"
    );
}

#[cfg(unix)]
#[test]
fn card_numbers_come_in_and_never_out() {
    use std::os::unix::fs::PermissionsExt as _;
    let desk = Desk::new();
    let number = "6222000173489021";
    let token = "a".repeat(32);
    let account = format!("{{\"token\": \"{token}\", \"bin\": 62220001}}");
    let traffic = data("traffic.jsonl");
    assert!(traffic.contains(&account));
    desk.write("clear.jsonl", traffic.replace(&account, &format!("{{\"number\": \"{number}\"}}")));
    desk.write("tokens", format!("{}\n", "5a".repeat(32)));
    let shadow = format!("shadow --parameters {DATA}/set.toml --traffic clear.jsonl {OUTAGE}");
    let said = desk.fails(3, &shadow);
    assert!(said.contains("line 1: account.number") && !said.contains(number), "{said}");
    std::fs::set_permissions(desk.path("tokens"), std::fs::Permissions::from_mode(0o644)).unwrap();
    desk.fails(6, &format!("{shadow} --token-key tokens"));
    std::fs::set_permissions(desk.path("tokens"), std::fs::Permissions::from_mode(0o600)).unwrap();
    let text_output = desk.done(&format!("{shadow} --token-key tokens --rows 0 --csv found.csv"));
    let found = desk.json(&format!("{shadow} --token-key tokens"));
    // Line 3 was declined for its amount: the number has its range and a right check digit.
    assert_eq!(differences(&found)[0], difference(3, "declined-host-approved", "61", 2));
    assert_ne!(found["differences"][0]["account"], token.as_str());
    for output in [text_output, found.to_string(), text(&desk.read("found.csv"))] {
        // Neither all of it nor the digits after the first eight.
        assert!(!output.contains(number) && !output.contains("73489021"), "{output}");
    }
}

#[test]
fn lines_that_are_no_requests() {
    let desk = Desk::new();
    let first = data("traffic.jsonl").lines().next().unwrap().to_owned();
    let shadow = format!("shadow --parameters {DATA}/set.toml --traffic bad.jsonl");
    let number = "6222000100000006";
    for (from, to, why) in [
        ("\"at\": \"2026-03-02T08:50:00Z\"", "\"at\": \"noon\"", "at: write it like"),
        ("\"at\": \"2026-03-02T08:50:00Z\", ", "", "at: it is missing"),
        ("\"mti\": \"0100\"", "\"mti\": \"0110\"", "the message type does not fit"),
        ("\"mti\": \"0100\"", "\"mti\": \"9100\"", "mti: "),
        ("\"purchase\"", "\"theft\"", "kind: no such word"),
        ("\"purchase\"", "\"reversal\"", "the message type does not fit"),
        ("6222,", "0,", "institution: "),
        ("\"amount_minor\": 20000", "\"amount_minor\": -1", "the amount"),
        (
            "\"amount_minor\": 20000",
            "\"amount_minor\": \"200.00\"",
            "amount_minor: not of its type",
        ),
        ("\"CNY\"", "\"CNY\", \"billing_minor\": 1", "billing_minor"),
        ("\"CNY\"", "\"Yen\"", "currency: "),
        ("\"trace\": 1", "\"trace\": 1000000000000", "no usable trace"),
        ("\"TERM1111\"", "\"6222000100000006\"", "terminal: it looks like a card number"),
        ("\"TERM1111\"", "\"\"", "terminal: "),
        ("\"pos\"", "\"pigeon\"", "channel: no such word"),
        ("\"chip\"", "\"teleport\"", "entry: no such word"),
        ("2912", "2913", "expiry: out of its range"),
        ("\"chip\"", "\"chip\", \"pin\": \"1234\"", "pin: not of its type, or no such word"),
        ("\"chip\"", "\"chip\", \"track2\": \"6222000100000006=2912\"", "track2: no such field"),
        ("\"token\": \"aaaaaaaa", "\"token\": \"6222000100000006", "account.token: "),
        ("\"bin\": 62220001", "\"bin\": 6222000100000006", "account.bin: not of its type"),
        (
            "\"bin\": 62220001",
            "\"number\": \"6222000100000006\"",
            "account: either a token or a number",
        ),
        ("\"code\": \"00\"", "\"code\": \"0\"", "answer.code: "),
        ("\"code\": \"00\"", "\"colour\": \"00\"", "answer.colour: no such field"),
        ("{\"at\"", "[{\"at\"", "not of its type"),
        ("\"code\": \"00\"}}", "\"code\": \"00\"}} {}", "something follows"),
        ("\"code\": \"00\"}}", "\"code\": \"00\"", "it is no JSON object"),
    ] {
        assert!(first.contains(from), "{from}");
        desk.write("bad.jsonl", format!("{first}\n\n{}\n", first.replacen(from, to, 1)));
        let said = desk.fails(3, &shadow);
        assert!(said.contains("bad.jsonl: line 3: ") && said.contains(why), "{to}: {said}");
        assert!(!said.contains(number) && !said.contains("1234"), "{said}");
    }
    let earlier = first.replace("08:50", "08:49");
    desk.write("bad.jsonl", format!("{first}\n{earlier}\n"));
    assert!(desk.fails(3, &shadow).contains("line 2: at: earlier than the line before"));
    desk.write("bad.jsonl", "\n\n");
    assert!(desk.fails(3, &shadow).contains("it has no request"));
    desk.write("bad.jsonl", " ".repeat(70_000));
    assert!(desk.fails(3, &shadow).contains("line 1: the line is too long"));
}

#[test]
fn options_that_do_not_fit() {
    let desk = Desk::new();
    for bad in [
        "--outage 2026-03-02T09:00Z",
        "--outage 2026-03-02T10:00Z..2026-03-02T09:00Z",
        "--zone Nowhere",
        "--rows x",
    ] {
        desk.fails(2, &shadow(bad));
    }
    let said =
        desk.fails(2, &shadow(&format!("{OUTAGE} --outage 2026-03-02T09:59Z..2026-03-02T11:00Z")));
    assert!(said.contains("overlap"), "{said}");
    // Found out before the traffic is read.
    desk.write("file", "");
    for bad in ["nowhere/found.csv", "file/found.csv", "."] {
        desk.fails(
            7,
            &format!("shadow --parameters {DATA}/set.toml --traffic nowhere.jsonl --csv {bad}"),
        );
    }
    desk.fails(3, &format!("shadow --parameters {DATA}/set.toml --traffic nowhere.jsonl"));
    desk.fails(
        3,
        &format!("shadow --parameters {DATA}/faulty.toml --traffic {DATA}/traffic.jsonl"),
    );
    desk.fails(2, &format!("shadow --traffic {DATA}/traffic.jsonl"));
    let help = desk.done("--help");
    assert!(help.contains("Examples:") && help.contains("Exit codes:"), "{help}");
}
