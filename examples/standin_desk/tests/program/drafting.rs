//! From a draft to a set that is worth signing.

use crate::desk::{DATA, Desk, text};
use serde_json::Value;
use standin::{Parameters, ParametersDraft};

#[test]
fn a_draft_is_valid_as_it_is() {
    let desk = Desk::new();
    let options = "parameters draft --institution 7001 --currency EUR --version 4 --from 2026-03-01T00:00Z --days 10";
    let toml = desk.done(options);
    assert!(toml.lines().filter(|line| line.contains('#')).count() > 20, "{toml}");
    desk.done(&format!("{options} --out set.toml"));
    desk.done(&format!("{options} --out set.json"));
    for name in ["set.toml", "set.json"] {
        let checked = desk.json(&format!("parameters check {name}"));
        assert_eq!(checked["faults"], serde_json::json!([]));
        assert_eq!(checked["valid"], true);
    }
    let draft: ParametersDraft = serde_json::from_slice(&desk.read("set.json")).unwrap();
    let set = Parameters::new(draft).unwrap();
    assert_eq!((set.institution().as_u64(), set.version()), (7001, 4));
    assert_eq!(set.currency().to_string(), "EUR");
    let draft = set.draft();
    assert_eq!(draft.effective_from_ms, 1_772_323_200_000);
    assert_eq!(draft.valid_until_ms - draft.effective_from_ms, 10 * 86_400_000);
}

#[test]
fn a_draft_replaces_nothing_and_takes_no_nonsense() {
    let desk = Desk::new();
    desk.write("there.toml", "mine");
    assert!(desk.fails(7, "parameters draft --out there.toml").contains("there.toml"));
    assert_eq!(desk.read("there.toml"), b"mine");
    for bad in [
        "--institution 0",
        "--institution 100000000000",
        "--currency YEN",
        "--currency XXX",
        "--version 0",
        "--days 0",
        "--from yesterday",
    ] {
        desk.fails(2, &format!("parameters draft {bad}"));
    }
}

#[test]
fn check_names_every_fault_where_it_stands() {
    let desk = Desk::new();
    let output = desk.run(&format!("parameters check {DATA}/faulty.toml --json"));
    assert_eq!(output.status.code(), Some(4));
    assert!(text(&output.stderr).ends_with("has 22 faults\n"), "{}", text(&output.stderr));
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&found["valid"], &found["complete"]), (&false.into(), &true.into()));
    let faults = found["faults"].as_array().unwrap();
    let path_and_code =
        |fault: &Value| (fault["path"].as_str().unwrap().to_owned(), fault["code"].as_u64());
    let mut faults: Vec<(String, Option<u64>)> = faults.iter().map(path_and_code).collect();
    faults.sort();
    // 4200 empty, 4201 order, 4202 range, 4204 twice, 4205 field, 4206 word.
    let expected = [
        ("colour", Some(4205)),
        ("counters[0].window", Some(4206)),
        ("counters[1].id", Some(4204)),
        ("currency", Some(4206)),
        ("exposure.institution_minor", Some(4202)),
        ("initiators[1]", Some(4202)),
        ("initiators[3]", Some(4202)),
        ("institution", Some(4202)),
        ("ranges[0].to", Some(4201)),
        ("rules[0].limits.flor", Some(4205)),
        ("rules[0].limits.single_minor", Some(4202)),
        ("rules[0].limits.windows[1].of", Some(4206)),
        ("rules[0].limits.windows[2].of", Some(4204)),
        ("rules[0].scope.accounts[0]", Some(4202)),
        ("rules[0].scope.kinds[1]", Some(4206)),
        ("rules[0].scope.kinds[3]", Some(4206)),
        ("rules[0].scope.products[1]", Some(4206)),
        ("rules[1].deny", Some(4206)),
        ("rules[1].number", Some(4204)),
        ("rules[1].pin", Some(4206)),
        ("rules[2].limits.single_minor", None),
        ("rules[2].limits.velocity_count", Some(4202)),
    ];
    let expected = expected.map(|(path, code)| (path.to_owned(), code));
    assert_eq!(faults, expected);
    // In text, too; and what may be a card number is not repeated.
    let output = desk.run(&format!("parameters check {DATA}/faulty.toml"));
    let said = text(&output.stdout);
    assert!(said.contains("fault: rules[1].deny: no such word"), "{said}");
    assert!(!said.contains("6200000000000005"), "{said}");
}

#[test]
fn check_finds_conflicts_shadows_and_gaps() {
    let desk = Desk::new();
    let more = "deny = \"57\"\n\
        [[rules]]\nnumber = 18\nscope = { kinds = [\"cash\"], initiators = [2222], countries = [156] }\napprove = true\n\
        [[rules]]\nnumber = 19\nscope = { kinds = [\"refund\"] }\napprove = true\n\
        [[rules]]\nnumber = 20\nscope = { kinds = [\"refund\"] }\napprove = false\n";
    desk.set(
        "odd.toml",
        &[
            ("deny = \"57\"\n", more),
            ("number = 1\napprove", "number = 1\nscope = { kinds = [\"purchase\"] }\napprove"),
        ],
    );
    let found = desk.json("parameters check odd.toml");
    let findings = found["findings"].as_array().unwrap();
    let has = |what: &str, rules: &[u32]| {
        findings.iter().any(|one| one["what"] == what && one["rules"] == serde_json::json!(rules))
    };
    assert!(has("shadowed", &[18, 17]), "{findings:?}");
    assert!(has("conflict", &[19, 20]), "{findings:?}");
    let said = desk.done("parameters check odd.toml");
    assert!(said.contains("finding: no rule allows any transfer"), "{said}");
    assert!(said.contains("finding: rules 19 and 20 of equal scope disagree"), "{said}");
    assert!(desk.fails(5, "parameters check odd.toml --strict").contains("findings"));
}

#[test]
fn check_says_when_a_set_decides() {
    let desk = Desk::new();
    desk.set("set.toml", &[]);
    let said = desk.done("parameters check set.toml");
    assert!(
        said.contains("decides from 2026-01-01T00:00:00Z until 2100-01-01T00:00:00Z"),
        "{said}"
    );
    assert_eq!(desk.json("parameters check set.toml")["past"], Value::Null);
    desk.set("over.toml", &[("4102444800000", "1767225600001")]);
    assert!(desk.done("parameters check over.toml").contains("note: its time is over"));
    desk.set("stale.toml", &[("3155760000000", "1000")]);
    assert!(desk.json("parameters check stale.toml")["past"].as_str().unwrap().contains("stale"));
}

#[test]
fn files_that_are_no_sets() {
    let desk = Desk::new();
    assert!(desk.fails(3, "parameters check nowhere.toml").contains("nowhere.toml"));
    desk.write("broken.toml", "schema = 1\nversion = = 2\n");
    assert!(desk.fails(3, "parameters check broken.toml").contains("line 2"));
    desk.write("broken.json", "{\n\"schema\": 1,\n}");
    assert!(desk.fails(3, "parameters check broken.json").contains("line 3"));
    desk.write("bytes.toml", [0xff, 0xfe, 0x00]);
    assert!(desk.fails(3, "parameters check bytes.toml").contains("no text"));
    desk.write("garbage.signed", [1, 200, 3]);
    assert!(desk.fails(3, "parameters check garbage.signed").contains("no signed set"));
    desk.write("list.json", "[1, 2]");
    desk.fails(4, "parameters check list.json");
    desk.write("empty.toml", "");
    desk.fails(4, "parameters check empty.toml");
    // Where a set has to be valid, its first fault is the sentence.
    let said = desk.fails(3, &format!("parameters explain {DATA}/faulty.toml --initiator 1111"));
    assert!(said.contains("rules[2].limits.single_minor: "), "{said}");
    desk.fails(2, "parameters");
    desk.fails(2, "parameters check");
    desk.fails(2, "parameters check a b");
}

#[test]
fn explain_names_the_rule_that_decides() {
    let desk = Desk::new();
    desk.set("set.toml", &[]);
    let explain = "parameters explain set.toml --bin 62220001";
    let said =
        desk.done(&format!("{explain} --initiator 2222 --kind cash --channel atm --amount 5000"));
    let first = said.lines().next().unwrap();
    assert_eq!(
        first,
        "declined by rule 17, scope initiator 2222, kind cash: a rule denies (code 57)"
    );
    assert!(said.contains("deny") && said.contains("rule 1, scope institution"), "{said}");
    // Equal passes, one minor unit more does not.
    let said = desk.done(&format!("{explain} --initiator 1111 --amount 30000"));
    assert!(said.starts_with("approved (code 00), 300.00 CNY\n"), "{said}");
    let said = desk.json(&format!("{explain} --initiator 1111 --amount 30001"));
    assert_eq!(
        (&said["code"], &said["rule"], &said["approved"]),
        (&"61".into(), &2.into(), &false.into())
    );
    let single =
        said["resolution"].as_array().unwrap().iter().find(|one| one["what"] == "single amount");
    let single = single.unwrap();
    assert_eq!((&single["value"], &single["rule"]), (&"30000".into(), &2.into()));
    // A part, for a terminal that can take it: what the initiator's cap leaves.
    let said = desk.json(&format!("{explain} --initiator 1111 --amount 30001 --partial"));
    assert_eq!((&said["code"], &said["approved_minor"]), (&"10".into(), &30_000.into()));
    // Without a rule that allows, or outside of the ranges, nothing passes.
    let said = desk.done("parameters explain set.toml --bin 99990001 --initiator 1111");
    assert!(said.contains("(code 14)"), "{said}");
    let said = desk.done(&format!("{explain} --initiator 1111 --no-expiry"));
    assert!(said.contains("(code 54)"), "{said}");
    let said = desk.done(&format!("{explain} --initiator 1111 --vip"));
    assert!(said.contains("(code 11)"), "{said}");
    let said = desk.done(&format!("{explain} --initiator 1111 --at 2100-01-01T00:00Z"));
    assert!(said.contains("no parameters hold now (code 91)"), "{said}");
}

#[test]
fn explain_asks_the_key_holder_that_the_options_describe() {
    let desk = Desk::new();
    desk.set("set.toml", &[("pin = \"waive\"", "pin = \"key:4\"")]);
    let explain =
        "parameters explain set.toml --bin 62220001 --initiator 1111 --kind cash --amount 100";
    for (option, code) in
        [("--pin right", "00"), ("--pin wrong", "55"), ("--pin unchecked", "86"), ("", "86")]
    {
        assert_eq!(desk.json(&format!("{explain} {option}"))["code"], code, "{option}");
    }
}

#[test]
fn explain_does_not_repeat_a_card_number() {
    let desk = Desk::new();
    desk.set("set.toml", &[]);
    for option in ["--account", "--bin"] {
        let number = "6222000100000006";
        let said = desk
            .fails(2, &format!("parameters explain set.toml --initiator 1111 {option} {number}"));
        assert!(said.contains(option) && !said.contains(number), "{said}");
    }
    let unknown = "parameters explain set.toml --initiator 1111";
    for bad in [
        "--kind theft",
        "--kind reversal",
        "--channel pigeon",
        "--entry teleport",
        "--mcc 10000",
        "--country 1000",
        "--expiry 2613",
        "--zone Nowhere",
        "--pin maybe",
        "--amount -1",
        "--risk-bp 10001",
    ] {
        desk.fails(2, &format!("{unknown} {bad}"));
    }
}

#[test]
fn diff_goes_by_what_things_are_called() {
    let desk = Desk::new();
    desk.set("old.toml", &[]);
    let last = "[[rules]]\nnumber = 17\nscope = { kinds = [\"cash\"], initiators = [2222] }\ndeny = \"57\"\n";
    desk.set(
        "new.toml",
        &[
            ("version = 7", "version = 8"),
            ("single_minor = 30000", "single_minor = 20000"),
            ("sum_minor = 50000", "sum_minor = 40000"),
            (
                "[{ of = 1111, sum_minor = 60000 }]",
                "[{ of = 2222, sum_minor = 1 }, { of = 1111, sum_minor = 60000 }]",
            ),
            (last, "[[rules]]\nnumber = 30\napprove = true\n"),
        ],
    );
    let said = desk.done("parameters diff old.toml new.toml");
    let lines: Vec<&str> = said.lines().collect();
    for line in [
        "+ exposure.initiators[2222]: {\"of\":2222,\"sum_minor\":1}",
        "~ rules[1].limits.windows[1].sum_minor: 50000 -> 40000",
        "~ rules[2].limits.single_minor: 30000 -> 20000",
        "- rules[17]: {\"deny\":\"57\",\"number\":17,\"scope\":{\"initiators\":[2222],\"kinds\":[\"cash\"]}}",
        "+ rules[30]: {\"approve\":true,\"number\":30}",
        "~ version: 7 -> 8",
        "new finding: rule 30 allows without a single-amount limit",
    ] {
        assert!(lines.contains(&line), "{line} in {said}");
    }
    assert_eq!(lines.len(), 7, "{said}");
    let json = desk.json("parameters diff old.toml new.toml");
    assert_eq!((json["changes"].as_array().unwrap().len(), &json["follows"]), (6, &true.into()));
    assert_eq!(desk.json("parameters diff new.toml old.toml")["follows"], false);
    assert!(desk.done("parameters diff new.toml old.toml").contains("would be refused"));
    assert_eq!(desk.done("parameters diff old.toml old.toml"), "nothing has changed\n");
}

#[test]
fn diff_says_that_a_counter_with_another_window_would_be_refused() {
    let desk = Desk::new();
    desk.set("old.toml", &[]);
    let windows = [("version = 7", "version = 8"), ("window = \"day\"", "window = \"week\"")];
    desk.set("new.toml", &windows);
    let said = desk.done("parameters diff old.toml new.toml");
    assert!(
        said.contains("note: counter 1 meant something else before: it would be refused"),
        "{said}"
    );
    let json = desk.json("parameters diff old.toml new.toml");
    assert_eq!(json["counters_redefined"], serde_json::json!([1]));
    assert_eq!(
        desk.json("parameters diff old.toml old.toml")["counters_redefined"],
        serde_json::json!([])
    );
}
