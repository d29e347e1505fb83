//! Parameters: who may author them, what is refused, how rules combine.

use crate::setting::{ISSUER, NOW, id, key, sealed, sealed_by, trust};
use interbank_standin::*;
use port::{Amount, Currency, Time};
use seal::{AccountRef, Distrust};

fn draft(version: u64, edit: impl Fn(&mut serde_json::Value)) -> ParametersDraft {
    let mut json = serde_json::json!({
        "schema": 1, "institution": 6222, "version": version, "currency": "CNY",
        "issued_at_ms": 0, "effective_from_ms": 0, "valid_until_ms": 1_786_000_000_000_u64,
        "stale_after_ms": 1_786_000_000_000_u64, "exposure": { "institution_minor": 1 },
        "counters": [{ "id": 1, "window": "day" }],
        "rules": [{ "number": 1, "approve": true, "limits": { "single_minor": 100 } }]
    });
    edit(&mut json);
    serde_json::from_value(json).unwrap()
}

fn set(version: u64) -> Parameters {
    Parameters::new(draft(version, |_| {})).unwrap()
}

fn open(sealed: &SealedParameters, above: u64) -> Result<Parameters, SealError> {
    sealed.open(NOW, &trust(), id(6222), above)
}

#[test]
fn s03_only_the_accounting_system_determines_parameters() {
    let set = set(1);
    assert_eq!(open(&sealed(&set), 0), Ok(set.clone()));
    let forged = sealed_by(&set, &key(2), ISSUER);
    assert_eq!(open(&forged, 0), Err(SealError::Signature));
    let stranger = sealed_by(&set, &key(1), "stand-in.example");
    assert_eq!(open(&stranger, 0), Err(SealError::Distrust(Distrust::UnknownIssuer)));
}

#[test]
fn sd07_every_damaged_byte_is_refused() {
    let mut bytes = Vec::new();
    sealed(&set(1)).encode(&mut bytes).unwrap();
    for at in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1;
        let opened = SealedParameters::parse(&damaged).ok();
        assert!(opened.is_none_or(|sealed| open(&sealed, 0).is_err()), "{at}");
    }
}

#[test]
fn sd07_an_older_set_never_replaces_a_newer_one() {
    for (version, taken) in [(4, false), (5, false), (6, true)] {
        assert_eq!(open(&sealed(&set(version)), 5).is_ok(), taken, "{version}");
    }
    let at = |s| sealed(&set(6)).open(Time::from_s(s), &trust(), id(6222), 0).err();
    assert_eq!((at(1_785_999_999), at(1_786_000_000)), (None, Some(SealError::Over)));
    let stale = Parameters::new(draft(6, |json| json["stale_after_ms"] = NOW.as_ms().into()));
    assert_eq!(open(&sealed(&stale.unwrap()), 0), Err(SealError::Stale));
    let other = Parameters::new(draft(6, |json| json["institution"] = 1.into())).unwrap();
    assert_eq!(open(&sealed(&other), 0), Err(SealError::Institution));
}

#[test]
fn faults_are_named_by_their_path() {
    let cases: [(&str, serde_json::Value, &str); 9] = [
        ("/schema", 2.into(), "schema"),
        ("/currency", "XXX".into(), "currency"),
        ("/rules/0/limits/singl_minor", 1.into(), "rules[0].limits.singl_minor"),
        ("/rules/0/scope", serde_json::json!({ "kinds": ["gift"] }), "rules[0].scope.kinds[0]"),
        ("/rules/0/scope", serde_json::json!({ "products": ["x"] }), "rules[0].scope.products[0]"),
        ("/rules/0/deny", "00".into(), "rules[0].deny"),
        ("/rules/0/limits/single_minor", (-1).into(), "rules[0].limits.single_minor"),
        (
            "/rules/0/limits/windows",
            serde_json::json!([{ "of": 2, "count": 1 }]),
            "rules[0].limits.windows[0].of",
        ),
        ("/counters/0/length_ms", 1.into(), "counters[0].length_ms"),
    ];
    for (path, value, fault) in cases {
        let draft = draft(1, |json| {
            let (parent, field) = path.rsplit_once('/').unwrap();
            json.pointer_mut(parent).unwrap()[field] = value.clone();
        });
        assert_eq!(Parameters::new(draft).map_err(|found| found.path), Err(fault.to_owned()));
    }
}

fn request() -> TransactionRequest {
    let account = seal::Account::new("6200000000000005").unwrap();
    TransactionRequest::new(RequestDraft {
        institution: InstitutionId::new(6222),
        initiator: InstitutionId::new(1111),
        account: Some(AccountInfo::new(&account, AccountRef::from_bytes([7; 16]))),
        amount: Some(Amount::new(500, Currency::parse("CNY").unwrap())),
        kind: Some(Kind::Purchase),
        mti: Some(Mti::FINANCIAL),
        trace: Some(1),
        sent_at: Some(NOW),
        terminal: Some(Text::new("T1").unwrap()),
        ..RequestDraft::default()
    })
    .unwrap()
}

#[test]
fn limits_take_the_minimum_capabilities_the_most_specific_and_deny_wins() {
    let rules = serde_json::json!([
        { "number": 1, "approve": true, "limits": { "single_minor": 100 } },
        { "number": 2, "scope": { "kinds": ["purchase"] }, "approve": false, "limits": { "single_minor": 900 } },
        { "number": 3, "scope": { "accounts": ["07070707070707070707070707070707"] }, "approve": true,
          "limits": { "single_minor": 300 } },
        { "number": 4, "scope": { "initiators": [2222] }, "deny": "62" }
    ]);
    let set = Parameters::new(draft(1, |json| json["rules"] = rules.clone())).unwrap();
    let found = set.resolve(NOW, &request(), false);
    assert_eq!(found.approve, Some(Limit { value: true, rule: 3 }));
    assert_eq!(found.single_minor, Some(Limit { value: 100, rule: 1 }));
    assert_eq!(found.deny, None);
    assert_eq!(set.explain(3).to_string(), "rule 3, scope one account");
    let denied = Parameters::new(draft(1, |json| {
        json["rules"] = rules.clone();
        json["rules"][3]["scope"] = serde_json::json!({});
    }))
    .unwrap();
    let deny = denied.resolve(NOW, &request(), false).deny.map(|deny| deny.rule);
    assert_eq!(deny, Some(4));
    for rule in 1..=3 {
        assert!(denied.findings().contains(&Finding::Shadowed { rule, by: 4 }), "{rule}");
    }
}

#[test]
fn the_load_report_finds_conflicts_and_gaps() {
    let set = Parameters::new(draft(1, |json| {
        json["rules"] = serde_json::json!([
            { "number": 1, "scope": { "kinds": ["purchase"] }, "approve": true },
            { "number": 2, "scope": { "kinds": ["purchase"] }, "approve": false }
        ]);
    }))
    .unwrap();
    let found = set.findings();
    assert!(found.contains(&Finding::Conflict(1, 2)) && found.contains(&Finding::Gap(Kind::Cash)));
    assert!(found.contains(&Finding::Unlimited(1)));
    // The smaller permission counts.
    assert_eq!(set.resolve(NOW, &request(), false).approve, Some(Limit { value: false, rule: 2 }));
}

#[test]
fn the_stored_form_comes_back() {
    let full = draft(3, |json| {
        json["ranges"] = serde_json::json!([{ "from": 1, "to": 2, "product": "gold" }]);
        json["rules"][0]["scope"] =
            serde_json::json!({ "products": ["gold"], "vip": true, "mccs": [5411] });
        json["rules"][0]["pin"] = "key:3".into();
    });
    let mut bytes = Vec::new();
    full.encode(&mut bytes).unwrap();
    assert_eq!(ParametersDraft::parse(&bytes), Ok(full));
    for cut in 0..bytes.len() {
        assert!(ParametersDraft::parse(&bytes[..cut]).is_err());
    }
}

/// A set with these rules and these ranges, and what its report says.
fn report(rules: &serde_json::Value, edit: impl Fn(&mut serde_json::Value)) -> Vec<String> {
    let set = Parameters::new(draft(1, |json| {
        json["rules"] = rules.clone();
        json["counters"] = serde_json::json!([]);
        edit(json);
    }))
    .unwrap();
    set.findings().iter().map(ToString::to_string).collect()
}

#[test]
fn a_set_without_oddities_has_an_empty_report() {
    let rules = serde_json::json!([
        { "number": 1, "approve": true, "limits": { "single_minor": 100 } },
        { "number": 2, "scope": { "mccs": [7995] }, "deny": "57" },
        { "number": 3, "scope": { "kinds": ["cash"] }, "approve": false, "limits": { "single_minor": 50 } }
    ]);
    assert_eq!(report(&rules, |_| {}), Vec::<String>::new());
}

#[test]
fn the_report_names_each_oddity() {
    let cases: [(serde_json::Value, &str); 7] = [
        (
            serde_json::json!([
                { "number": 1, "approve": true, "pin": "floor", "limits": { "single_minor": 100 } },
                { "number": 2, "pin": "waive" }
            ]),
            "rules 1 and 2 of equal scope disagree",
        ),
        (
            serde_json::json!([
                { "number": 1, "approve": true, "limits": { "single_minor": 100 } },
                { "number": 2, "scope": { "initiators": [5], "mccs": [7995] }, "limits": { "floor_minor": 1 } },
                { "number": 3, "scope": { "mccs": [7995, 7996] }, "deny": "57" }
            ]),
            "rule 2 never decides: rule 3 denies",
        ),
        (
            // The denial ends before the rule does: no shadow, but the other one is named.
            serde_json::json!([
                { "number": 1, "approve": true, "limits": { "single_minor": 100 } },
                { "number": 2, "scope": { "mccs": [7995] }, "until_ms": 10, "limits": { "floor_minor": 1 } },
                { "number": 3, "deny": "57", "until_ms": 11, "scope": { "mccs": [7995] } }
            ]),
            "rule 2 never decides: rule 3 denies",
        ),
        (
            serde_json::json!([
                { "number": 1, "approve": true, "limits": { "single_minor": 100 } },
                { "number": 2, "scope": { "kinds": ["cash"] }, "limits": { "single_minor": 101 } }
            ]),
            "rule 2 has a single amount that never decides: rule 1 is lower",
        ),
        (
            serde_json::json!([
                { "number": 1, "approve": true, "limits": { "single_minor": 100 } },
                { "number": 2, "scope": { "bins": [{ "from": 3, "to": 9 }] }, "limits": { "single_minor": 1 } }
            ]),
            "no request can fit rule 2",
        ),
        (
            serde_json::json!([
                { "number": 1, "approve": true, "limits": { "single_minor": 100 } },
                { "number": 2, "scope": { "initiators": [7] }, "limits": { "single_minor": 1 } }
            ]),
            "no request can fit rule 2",
        ),
        (
            serde_json::json!([{ "number": 1, "approve": true }]),
            "rule 1 allows without a single-amount limit",
        ),
    ];
    for (rules, found) in cases {
        let report = report(&rules, |json| {
            json["ranges"] = serde_json::json!([{ "from": 1, "to": 2 }]);
            json["initiators"] = serde_json::json!([5]);
        });
        assert_eq!(report, [found], "{rules}");
    }
    let gap = serde_json::json!([
        { "number": 1, "approve": true, "limits": { "single_minor": 100 }, "scope": { "kinds": [
            "purchase", "cash", "pre-authorization", "completion", "refund", "transfer"] } }
    ]);
    assert_eq!(report(&gap, |_| {}), ["no rule allows any inquiry"]);
    let uncounted = serde_json::json!([
        { "number": 1, "approve": true, "limits": { "single_minor": 100 } }
    ]);
    let counters = serde_json::json!([{ "id": 4, "window": "day" }]);
    let report = report(&uncounted, |json| json["counters"] = counters.clone());
    assert_eq!(report, ["no rule limits counter 4"]);
    // A denial that ends earlier than the rule it denies shadows nothing.
    let passing = serde_json::json!([
        { "number": 1, "approve": true, "limits": { "single_minor": 100 } },
        { "number": 2, "scope": { "mccs": [7995] }, "limits": { "floor_minor": 1 } },
        { "number": 3, "deny": "57", "until_ms": 11, "scope": { "mccs": [7995] } }
    ]);
    assert_eq!(self::report(&passing, |_| {}), Vec::<String>::new());
}

#[test]
fn a_decline_is_explained_by_its_rule_and_what_that_is_about() {
    let bench = crate::setting::Bench::new(|json| {
        json["rules"] = serde_json::json!([
            { "number": 1, "approve": true },
            { "number": 17, "limits": { "single_minor": 99 }, "scope": { "initiators": [1111, 2222],
                "kinds": ["purchase"], "products": ["gold"], "bins": [{ "from": 62000000, "to": 62000009 }] } },
            { "number": 18, "scope": { "mccs": [1, 2, 3, 4, 5] }, "deny": "57" }
        ]);
        json["rules"][0]["pin"] = "waive".into();
    });
    let set = bench.stand_in.config().parameters.clone().unwrap();
    let explained = |trace, minor, mcc| {
        let draft = RequestDraft { mcc, ..bench.draft(trace, minor) };
        bench.run(NOW, draft).explain(&set).to_string()
    };
    assert_eq!(
        explained(1, 100, None),
        "declined by rule 17, scope card numbers 62000000 to 62000009, product gold, \
         initiator 1111 or 2222, kind purchase: the amount is above the limit for one"
    );
    assert_eq!(
        explained(2, 9, Mcc::new(4)),
        "declined by rule 18, scope category 0001 or 0002 or 0003 or 2 more: a rule denies"
    );
    assert_eq!(explained(3, 9, None), "approved");
    bench.put_state(&AccountState { pin_failures: 9, ..bench.state() });
    assert_eq!(explained(4, 9, None), "declined: too many wrong PINs");
    // A repeat is explained as it was the first time.
    assert!(explained(1, 100, None).starts_with("declined by rule 17"));
    assert_eq!(set.explain(99).to_string(), "no rule");
}
