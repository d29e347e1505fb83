//! The platform's policy, and the level that is bound to its request.

use crate::setting::REQUEST;
use interbank_risk_core::BasisPoints;
use interbank_risk_core::driving::{
    LevelNotice, PlatformBook, PlatformDraft, PlatformFault, PlatformPolicy, PlatformReason,
    RiskLevel, Rules, Ruling, VehicleId, VehiclePayment,
};
use port::{Amount, Currency, WireError};
use proptest::prelude::*;
use seal::{Secret, SigningKey};

pub(crate) fn euros(minor: i64) -> Amount {
    Amount::new(minor, Currency::parse("EUR").unwrap())
}

fn payment(minor: i64) -> VehiclePayment {
    let vehicle = VehicleId::vin("1M8GDM9AXKP042788").unwrap();
    VehiclePayment { request: [7; 16], vehicle, amount: euros(minor) }
}

fn notice(level: RiskLevel, payment: &VehiclePayment) -> LevelNotice {
    LevelNotice {
        request: payment.request,
        vehicle: payment.vehicle.clone(),
        amount: payment.amount,
        level,
        conformity: BasisPoints::new(6_667).unwrap(),
        evaluated: REQUEST,
        expires: REQUEST.plus_ms(60_000),
        rules: Rules::default().digest(),
    }
}

fn policy() -> PlatformPolicy {
    PlatformPolicy::new(PlatformDraft::of(Currency::parse("EUR").unwrap(), 5_000)).unwrap()
}

#[test]
fn v14_low_pays_medium_up_to_a_cap_and_high_never() {
    let ruled = |level, minor| {
        let payment = payment(minor);
        let ruled = policy().decide(REQUEST, &payment, &notice(level, &payment));
        assert_eq!((ruled.version, ruled.policy), (1, policy().digest()));
        (ruled.ruling, ruled.why)
    };
    let alert = Ruling::Refuse { alert: true };
    assert_eq!(ruled(RiskLevel::Low, 9_999_999), (Ruling::Pay, PlatformReason::LowRisk));
    assert_eq!(ruled(RiskLevel::Medium, 5_000), (Ruling::Pay, PlatformReason::MediumWithinCap));
    assert_eq!(ruled(RiskLevel::Medium, 5_001), (Ruling::AskOwner, PlatformReason::MediumAboveCap));
    assert_eq!(ruled(RiskLevel::High, 1), (alert, PlatformReason::HighRisk));
}

#[test]
fn v14_the_same_level_means_what_each_platform_says() {
    let payment = payment(8_000);
    let level = notice(RiskLevel::Medium, &payment);
    let with = |json: &str| {
        let draft: PlatformDraft = serde_json::from_str(json).unwrap();
        PlatformPolicy::new(draft).unwrap().decide(REQUEST, &payment, &level).ruling
    };
    let head = r#""schema": 1, "version": 2, "name": "p", "valid_from_ms": 0, "currency": "EUR""#;
    assert_eq!(with(&format!("{{ {head} }}")), Ruling::AskOwner);
    let mild = format!(r#"{{ {head}, "medium": {{ "cap_minor": 8000 }} }}"#);
    assert_eq!(with(&mild), Ruling::Pay);
    let strict = format!(r#"{{ {head}, "medium": {{ "above": "refuse" }} }}"#);
    assert_eq!(with(&strict), Ruling::Refuse { alert: false });
}

#[test]
fn v13_a_level_cannot_be_moved_to_another_request() {
    let own = payment(3_000);
    let level = notice(RiskLevel::Low, &own);
    let why = |now, payment: &VehiclePayment| {
        let ruled = policy().decide(now, payment, &level);
        (ruled.ruling, ruled.why)
    };
    let refuse = Ruling::Refuse { alert: false };
    assert_eq!(why(REQUEST.plus_ms(59_999), &own), (Ruling::Pay, PlatformReason::LowRisk));
    assert_eq!(why(REQUEST.plus_ms(60_000), &own), (refuse, PlatformReason::Expired));
    let other = VehiclePayment { request: [8; 16], ..own.clone() };
    assert_eq!(why(REQUEST, &other), (refuse, PlatformReason::OtherRequest));
    let other = VehiclePayment { vehicle: VehicleId::new("other").unwrap(), ..own.clone() };
    assert_eq!(why(REQUEST, &other), (refuse, PlatformReason::OtherVehicle));
    let other = VehiclePayment { amount: euros(3_001), ..own };
    assert_eq!(why(REQUEST, &other), (refuse, PlatformReason::OtherAmount));
}

#[test]
fn v13_a_signed_level_cannot_be_changed() {
    let own = payment(3_000);
    let key = SigningKey::from_seed(&Secret::new([3; 32]));
    let level = notice(RiskLevel::High, &own);
    let signature = key.sign(&level.signed_bytes());
    assert!(level.is_signed_by(&key.verifying_key(), &signature));
    let changed = [
        LevelNotice { level: RiskLevel::Low, ..level.clone() },
        LevelNotice { request: [9; 16], ..level.clone() },
        LevelNotice { amount: euros(3_001), ..level.clone() },
        LevelNotice { expires: level.expires.plus_ms(1), ..level.clone() },
        LevelNotice { rules: [0; 32], ..level },
    ];
    for one in changed {
        assert!(!one.is_signed_by(&key.verifying_key(), &signature), "{one:?}");
    }
}

fn fault(json: &str) -> (String, u32) {
    let head = r#"{ "schema": 1, "version": 1, "name": "p", "valid_from_ms": 0, "currency": "EUR""#;
    let draft: PlatformDraft = serde_json::from_str(&format!("{head}{json}}}")).unwrap();
    let fault: PlatformFault = PlatformPolicy::new(draft).unwrap_err();
    (fault.to_string(), fault.code())
}

#[test]
fn a_faulty_policy_is_refused_with_the_path_of_the_fault() {
    for (json, path, code) in [
        (r#", "hihg": {}"#, "hihg: no such field", 3_574),
        (r#", "high": { "alarm": true }"#, "high.alarm: no such field", 3_574),
        (r#", "a\u0007\nb": 1"#, "ab: no such field", 3_574),
        (
            r#", "medium": { "cap_minor": -1 }"#,
            "medium.cap_minor: must be from 0 to 9223372036854775807",
            3_573,
        ),
        (
            r#", "low": { "limit_minor": 10 }, "medium": { "cap_minor": 11 }"#,
            "medium.cap_minor: a riskier level would be treated more mildly",
            3_571,
        ),
        (
            r#", "low": { "above": "refuse" }"#,
            "low.above: a riskier level would be treated more mildly",
            3_571,
        ),
        (r#", "medium": { "above": "pay" }"#, "medium.above: no such word", 3_575),
    ] {
        assert_eq!(fault(json), (path.to_owned(), code));
    }
    let mut draft = PlatformDraft::of(Currency::parse("EUR").unwrap(), 1);
    draft.currency = "EUX".to_owned();
    assert_eq!(PlatformPolicy::new(draft).unwrap_err().path, "currency");
}

#[test]
fn policies_decide_from_their_time_on() {
    let at = |version, valid_from_ms| {
        let draft = PlatformDraft::of(Currency::parse("EUR").unwrap(), 1);
        PlatformPolicy::new(PlatformDraft { version, valid_from_ms, ..draft }).unwrap()
    };
    let book = PlatformBook::new(vec![at(2, 200), at(1, 100)]).unwrap();
    let version = |ms| book.at(port::Time::from_ms(ms)).map(PlatformPolicy::version);
    assert_eq!([99, 100, 199, 200].map(version), [None, Some(1), Some(1), Some(2)]);
    assert_eq!(
        PlatformBook::new(vec![at(1, 1), at(1, 2)]).unwrap_err().to_string(),
        "[1].version: does not rise"
    );
    assert_eq!(
        PlatformBook::new(vec![at(1, 1), at(2, 1)]).unwrap_err().to_string(),
        "[1].valid_from_ms: does not rise"
    );
    assert!(PlatformBook::new(vec![]).is_err());
}

proptest! {
    #[test]
    fn notices_and_policies_come_back(minor in any::<i64>(), at in any::<prop::sample::Index>(), flip in 1_u8..=255, noise in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = (LevelNotice::parse(&noise), PlatformPolicy::parse(&noise));
        let one = notice(RiskLevel::Medium, &payment(minor));
        let (mut bytes, mut again) = (vec![], vec![]);
        one.encode(&mut bytes);
        prop_assert_eq!(LevelNotice::parse(&bytes), Ok(one.clone()));
        let index = at.index(bytes.len());
        prop_assert_eq!(LevelNotice::parse(&bytes[..index]).is_err(), true);
        bytes[index] ^= flip;
        if let Ok(other) = LevelNotice::parse(&bytes) {
            prop_assert_ne!(&other, &one);
            other.encode(&mut again);
            prop_assert_eq!(&again, &bytes);
        }
        let mut stored = vec![];
        policy().encode(&mut stored);
        prop_assert_eq!(PlatformPolicy::parse(&stored), Ok(policy()));
        let index = at.index(stored.len());
        stored[index] ^= flip;
        match PlatformPolicy::parse(&stored) {
            Ok(other) => prop_assert_ne!(other.digest(), policy().digest()),
            Err(why) => prop_assert_ne!(why, WireError::TooLong),
        }
    }

    #[test]
    fn a_higher_level_is_never_treated_more_mildly(limit in prop::option::of(0_i64..100), cap in 0_i64..100, refuse in any::<(bool, bool)>(), minor in 1_i64..120) {
        let mut draft = PlatformDraft::of(Currency::parse("EUR").unwrap(), cap);
        let word = |refuse| if refuse { "refuse" } else { "ask_owner" }.to_owned();
        draft.low.limit_minor = limit;
        (draft.low.above, draft.medium.above) = (word(refuse.0), word(refuse.1));
        if let Ok(policy) = PlatformPolicy::new(draft) {
            let payment = payment(minor);
            let ruling = |level| policy.decide(REQUEST, &payment, &notice(level, &payment)).ruling;
            prop_assert!(ruling(RiskLevel::Low) <= ruling(RiskLevel::Medium));
            prop_assert!(ruling(RiskLevel::Medium) <= ruling(RiskLevel::High));
        }
    }
}
