//! Policies from any JSON, and from good drafts with some of it changed: never a panic; a fault has a path; and what is
//! accepted covers everything and is never milder where the risk is higher.

#![no_main]

use interbank_fuzz::changed;
use interbank_risk_core::BasisPoints;
use interbank_risk_core::driving::{
    LevelNotice, PlatformDraft, PlatformPolicy, RiskLevel, Rules, RulesDraft, Ruling, VehicleId,
    VehiclePayment,
};
use interbank_risk_core::surroundings::{Familiarity, Plan, Policy, PolicyDraft};
use libfuzzer_sys::fuzz_target;
use port::{Amount, Currency, Time};
use serde_json::Value;

fuzz_target!(|bytes: &[u8]| {
    let Some((which, bytes)) = bytes.split_first() else { return };
    let draft = match which % 2 {
        0 => serde_json::from_slice(bytes).ok(),
        _ => Some(changed(good(which / 2), bytes, &WORDS)),
    };
    let Some(draft) = draft else { return };
    match which / 2 % 3 {
        0 => surroundings(draft),
        1 => platform(draft),
        _ => rules(draft),
    }
});

fn surroundings(draft: Value) {
    let Ok(draft) = serde_json::from_value::<PolicyDraft>(draft) else { return };
    let policy = match Policy::new(draft.clone()) {
        Ok(policy) => policy,
        Err(fault) => return assert!(is_path(&fault.path), "{fault}"),
    };
    assert!(draft.unknown.is_empty());
    let mut loosest = Plan::Refuse;
    for score in 0..=10_000 {
        let band = policy.band(Familiarity::new(BasisPoints::new(score).unwrap()));
        assert!(band.from <= score && band.plan >= loosest);
        loosest = band.plan;
    }
    let mut stored = Vec::new();
    policy.encode(&mut stored);
    let back = Policy::parse(&stored).unwrap();
    assert_eq!((back.draft(), back.digest()), (&draft, policy.digest()));
}

fn platform(draft: Value) {
    let Ok(draft) = serde_json::from_value::<PlatformDraft>(draft) else { return };
    let policy = match PlatformPolicy::new(draft.clone()) {
        Ok(policy) => policy,
        Err(fault) => return assert!(is_path(&fault.path), "{fault}"),
    };
    let currency = Currency::parse(&draft.currency).unwrap();
    let limits = [draft.low.limit_minor.unwrap_or(i64::MAX), draft.medium.cap_minor];
    let amounts = limits.iter().flat_map(|limit| [limit.saturating_sub(1), *limit]);
    for minor in amounts.chain(limits.map(|limit| limit.saturating_add(1))).filter(|it| *it > 0) {
        let ruling = |level| ruling(&policy, level, Amount::new(minor, currency));
        let [low, medium, high] = [RiskLevel::Low, RiskLevel::Medium, RiskLevel::High].map(ruling);
        assert!(low <= medium && medium <= high, "{minor}: {low:?} {medium:?} {high:?}");
        assert!(matches!(high, Ruling::Refuse { .. }));
    }
    let mut stored = Vec::new();
    policy.encode(&mut stored);
    assert_eq!(PlatformPolicy::parse(&stored), Ok(policy));
}

fn ruling(policy: &PlatformPolicy, level: RiskLevel, amount: Amount) -> Ruling {
    let (request, vehicle) = ([1; 16], VehicleId::new("car").unwrap());
    let evaluated = Time::from_s(1_700_000_000);
    let notice = LevelNotice {
        request,
        vehicle: vehicle.clone(),
        amount,
        level,
        conformity: BasisPoints::ONE,
        rules: [2; 32],
        evaluated,
        expires: evaluated.plus_ms(60_000),
    };
    policy.decide(evaluated, &VehiclePayment { request, vehicle, amount }, &notice).ruling
}

fn rules(draft: Value) {
    let Ok(draft) = serde_json::from_value::<RulesDraft>(draft) else { return };
    let rules = match Rules::new(&draft) {
        Ok(rules) => rules,
        Err(fault) => return assert!(is_path(fault.path), "{fault}"),
    };
    let mut mildest = RiskLevel::High;
    for conformity in 0..=10_000 {
        let level = rules.level(BasisPoints::new(conformity).unwrap());
        assert!(level <= mildest);
        mildest = level;
    }
}

/// A path is there and can be printed.
fn is_path(path: &str) -> bool {
    !path.chars().any(char::is_control) && path.len() < 512
}

fn good(which: u8) -> Value {
    match which % 3 {
        0 => serde_json::to_value(PolicyDraft::default()).unwrap(),
        1 => {
            let euro = Currency::parse("EUR").unwrap();
            serde_json::to_value(PlatformDraft::of(euro, 5_000)).unwrap()
        }
        _ => serde_json::to_value(RulesDraft::default()).unwrap(),
    }
}

/// Words that a policy may have in some place.
const WORDS: [&str; 7] = ["refuse", "pin", "allow", "ask_owner", "evidence", "day", ""];
