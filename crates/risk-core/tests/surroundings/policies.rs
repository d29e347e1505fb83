//! Policies that are refused, each with the path of its fault.

use crate::place::*;
use interbank_risk_core::BasisPoints;
use interbank_risk_core::surroundings::*;
use port::Time;
use serde_json::{Value, json};

fn valid() -> Value {
    json!({
        "schema": 1, "version": 7, "name": "shop", "valid_from_ms": 0, "score": "evidence",
        "types": [
            { "from_s": 0, "to_s": 300, "weight": 1 },
            { "from_s": 300, "to_s": 1800, "weight": 3 },
            { "from_s": 1800, "to_s": 3600, "weight": 6 }
        ],
        "bands": [
            { "from": 0, "to": 1999, "then": "refuse" },
            { "from": 2000, "to": 6999, "then": "pin" },
            { "from": 7000, "to": 8999, "then": "allow", "limit_minor": 20000 },
            { "from": 9000, "to": 10000, "then": "allow", "limit_minor": 50000 }
        ]
    })
}

fn load(value: Value) -> Result<Policy, PolicyFault> {
    Policy::new(serde_json::from_value(value).unwrap())
}

#[test]
fn r14_faults_are_refused_with_their_paths() {
    let change = |path: &str, value: Value| {
        let mut policy = valid();
        let (section, field) = path.rsplit_once('/').unwrap();
        let target =
            if section.is_empty() { &mut policy } else { policy.pointer_mut(section).unwrap() };
        target[field] = value;
        load(policy).unwrap_err()
    };
    for (path, value, fault, code) in [
        ("/bands/1/from", json!(2_500), "bands[1].from: leaves a gap", 3_311),
        ("/bands/2/from", json!(6_000), "bands[2].from: overlaps what is before it", 3_314),
        ("/bands/0/from", json!(10), "bands[0].from: leaves a gap", 3_311),
        ("/bands/3/to", json!(9_999), "bands[3].to: leaves a gap", 3_311),
        ("/bands/1/to", json!(1_000), "bands[1].to: must be from 2000 to 10000", 3_315),
        ("/bands/2/then", json!("refuse"), "bands[2].limit_minor: no such field", 3_318),
        ("/bands/1/then", json!("ask"), "bands[1].then: no such word", 3_319),
        (
            "/bands/3/limit_minor",
            json!(100),
            "bands[3].limit_minor: is stricter than what a lower score gets",
            3_312,
        ),
        ("/bands/2/colour", json!("red"), "bands[2].colour: no such field", 3_318),
        ("/types/1/weight", json!(-3), "types[1].weight: must be from 0 to 1000", 3_315),
        ("/types/0/kind", json!(null), "types[0].kind: no such field", 3_318),
        ("/treshold", json!(1), "treshold: no such field", 3_318),
        ("/learning", json!({ "half_life": 3 }), "learning.half_life: no such field", 3_318),
        (
            "/learning",
            json!({ "half_life_days": 0 }),
            "learning.half_life_days: must be from 1 to 180",
            3_315,
        ),
        (
            "/evidence",
            json!({ "temper_permille": 0 }),
            "evidence.temper_permille: must be from 1 to 1000",
            3_315,
        ),
        (
            "/scan",
            json!({ "age_max_ms": 1_000 }),
            "scan.age_max_ms: must be from 30000 to 3600000",
            3_315,
        ),
        ("/grid", json!({ "slot_min": 45 }), "grid.slot_min: must be from 30 to 1440", 3_315),
        ("/grid", json!({ "fold": "month" }), "grid.fold: no such word", 3_319),
        ("/schema", json!(2), "schema: must be from 1 to 1", 3_315),
        ("/version", json!(0), "version: must be from 1 to 4294967295", 3_315),
        ("/name", json!(""), "name: has nothing in it", 3_310),
        ("/bands", json!([]), "bands: has nothing in it", 3_310),
        ("/suspicious", json!("allow"), "suspicious: no such word", 3_319),
    ] {
        let found = change(path, value);
        assert_eq!((found.to_string().as_str(), found.code()), (fault, code), "{path}");
    }
    // One band and one type after the last: they have no place, and the range that is told is one.
    let mut more = valid();
    let beyond = json!({ "from": 10_001, "to": 10_001, "then": "allow", "limit_minor": 60_000 });
    more["bands"].as_array_mut().unwrap().push(beyond);
    assert_eq!(load(more).unwrap_err().to_string(), "bands[4].from: must be from 0 to 10000");
    let mut more = valid();
    let beyond = json!({ "from_s": 3_600, "to_s": 3_600, "weight": 1 });
    more["types"].as_array_mut().unwrap().push(beyond);
    assert_eq!(load(more).unwrap_err().to_string(), "types[3].from_s: must be from 0 to 3599");
    let mut extreme = valid();
    extreme["bands"][0]["from"] = json!(i64::MIN);
    extreme["types"][0]["to_s"] = json!(i64::MAX);
    assert_eq!(load(extreme).unwrap_err().path, "types[0].to_s");
    let mut falling = valid();
    falling["bands"][1]["then"] = json!("refuse");
    falling["bands"][0]["then"] = json!("pin");
    assert_eq!(load(falling).unwrap_err().path, "bands[1].then");
}

#[test]
fn r14_bands_are_exact_at_their_edges() {
    let policy = load(valid()).unwrap();
    let plan = |bp| policy.band(Familiarity::new(BasisPoints::new(bp).unwrap())).plan;
    for (bp, expected) in [
        (0, Plan::Refuse),
        (1_999, Plan::Refuse),
        (2_000, Plan::AskPin),
        (6_999, Plan::AskPin),
        (7_000, Plan::Allow { limit_minor: 20_000 }),
        (9_000, Plan::Allow { limit_minor: 50_000 }),
        (10_000, Plan::Allow { limit_minor: 50_000 }),
    ] {
        assert_eq!(plan(bp), expected, "{bp}");
    }
}

#[test]
fn policies_are_named_by_version_and_digest() {
    let policy = load(valid()).unwrap();
    let scan = scan(week(4), home());
    let assessed = policy.assess(week(4), &scan, Known::default(), Facts::of(1));
    assert_eq!((assessed.policy_version, assessed.policy_digest), (7, policy.digest()));
    let mut other = valid();
    other["types"][1]["weight"] = json!(4);
    assert_ne!(load(other).unwrap().digest(), policy.digest());
    let mut bytes = vec![];
    policy.encode(&mut bytes);
    let read = Policy::parse(&bytes).unwrap();
    assert_eq!((read.digest(), read.draft()), (policy.digest(), policy.draft()));
    let written = serde_json::to_value(policy.draft()).unwrap();
    assert_eq!(load(written).unwrap().digest(), policy.digest());
}

#[test]
fn a_policy_decides_from_its_date_on() {
    let dated = |version, from_ms| {
        policy_with(|draft| {
            draft.version = version;
            draft.valid_from_ms = from_ms;
        })
    };
    let book = PolicyBook::new(vec![dated(2, 2_000), dated(1, 1_000)]).unwrap();
    let version = |ms| book.at(Time::from_ms(ms)).map(Policy::version);
    assert_eq!([999, 1_000, 1_999, 2_000].map(version), [None, Some(1), Some(1), Some(2)]);
    let fault = |policies| PolicyBook::new(policies).unwrap_err().to_string();
    assert_eq!(fault(vec![dated(1, 5), dated(2, 5)]), "[1].valid_from_ms: does not rise");
    assert_eq!(fault(vec![dated(2, 5), dated(2, 6)]), "[1].version: does not rise");
    assert!(PolicyBook::new(vec![]).is_err());
}

#[test]
fn draft_limits_hold_for_every_number() {
    let names = serde_json::to_value(PolicyDraft::default()).unwrap();
    let mut tried = 0;
    for section in ["learning", "evidence", "scan"] {
        for (field, value) in names[section].as_object().unwrap() {
            if value.is_i64() {
                for wrong in [i64::MIN, i64::MAX] {
                    let mut policy = valid();
                    policy[section] = json!({ field: wrong });
                    assert_eq!(load(policy).unwrap_err().path, format!("{section}.{field}"));
                    tried += 1;
                }
            }
        }
    }
    assert_eq!(tried, 2 * 27);
}
