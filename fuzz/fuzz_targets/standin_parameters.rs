//! Parameter sets from any JSON, any bytes, and good drafts with some of it changed: never a panic; a fault has a path; what is
//! accepted says something definite about every request, comes back from its bytes, decides only with its signature, and is the
//! same whether it comes whole or as changes to another set.

#![no_main]

use interbank_fuzz::changed;
use interbank_standin::*;
use libfuzzer_sys::fuzz_target;
use port::blocking::decide;
use port::{Amount, Currency, MemoryStore, Skew, Time, Zone};
use seal::{
    Account, AccountRef, Distrust, Secret, SigningKey, SoftKeys, TrustList, TrustedKey, Validity,
};
use serde_json::Value;
use std::sync::OnceLock;

fuzz_target!(|bytes: &[u8]| {
    let Some((which, bytes)) = bytes.split_first() else { return };
    let draft = match which % 4 {
        0 => serde_json::from_slice(bytes).ok(),
        1 => return forms(bytes),
        _ => serde_json::from_value(changed(good(), bytes, &WORDS)).ok(),
    };
    let Some(draft) = draft else { return };
    checked(draft, bytes);
});

/// Bytes of every form that comes from outside: what is read is written the same.
fn forms(bytes: &[u8]) {
    if let Ok(draft) = ParametersDraft::parse(bytes) {
        let mut again = Vec::new();
        draft.encode(&mut again).unwrap();
        assert_eq!(again, bytes);
        checked(draft, &[]);
    }
    if let Ok(sealed) = SealedParameters::parse(bytes) {
        let mut again = Vec::new();
        sealed.encode(&mut again).unwrap();
        assert_eq!(again, bytes);
        let opened = sealed.open(Time::EPOCH, &office().trust, institution(6_222), 0);
        assert!(opened.is_err(), "nobody signed it");
    }
    if let Ok(delta) = ParametersDelta::parse(bytes) {
        let mut again = Vec::new();
        delta.encode(&mut again).unwrap();
        assert_eq!(again, bytes);
        let base = Parameters::new(serde_json::from_value(good()).unwrap()).unwrap();
        assert!(delta.apply(&base).is_err(), "it is of another base");
    }
}

fn checked(draft: ParametersDraft, bytes: &[u8]) {
    let set = match Parameters::new(draft.clone()) {
        Ok(set) => set,
        Err(fault) => {
            let path = &fault.path;
            return assert!(!path.chars().any(char::is_control) && path.len() < 512, "{fault}");
        }
    };
    assert!(draft.unknown.is_empty());
    for finding in set.findings() {
        assert!(!finding.to_string().is_empty());
    }
    resolved(&set, bytes);
    signed(&set);
}

/// Every request is told something definite, by rules that are there, whatever the order in which they were written down.
fn resolved(set: &Parameters, bytes: &[u8]) {
    let draft = set.draft();
    let mut turned = draft.clone();
    turned.rules.reverse();
    let turned = Parameters::new(turned).unwrap();
    let now = Time::from_ms(draft.effective_from_ms);
    for (at, kind) in Kind::ALL.iter().copied().enumerate() {
        let byte = |more: usize| bytes.get(at * 3 + more).copied().unwrap_or(0);
        let Some(request) = request(draft, kind, [byte(0), byte(1), byte(2)]) else { continue };
        for vip in [false, true] {
            let says = set.resolve(now, &request, vip);
            let rule = |number: u32| draft.rules.iter().find(|rule| rule.number == number).unwrap();
            if let Some(single) = says.single_minor {
                assert_eq!(rule(single.rule).limits.single_minor, Some(single.value));
            }
            if let Some(floor) = says.floor_minor {
                assert_eq!(rule(floor.rule).limits.floor_minor, Some(floor.value));
            }
            if let Some(approve) = says.approve {
                assert_eq!(rule(approve.rule).approve, Some(approve.value));
            }
            if let Some(deny) = says.deny {
                assert!(rule(deny.rule).deny.is_some() && !deny.value.is_approval());
            }
            for (counter, limit) in says.sums.iter() {
                assert!(draft.counters.iter().any(|one| one.id == counter));
                let windows = &rule(limit.rule).limits.windows;
                let own = windows.iter().find(|one| one.of == u64::from(counter)).unwrap();
                assert_eq!(own.sum_minor, Some(limit.value));
            }
            assert!(!set.explain(says.approve.map_or(0, |one| one.rule)).to_string().is_empty());
            assert_eq!(values(&says), values(&turned.resolve(now, &request, vip)));
        }
    }
}

/// What was said, without who said it first.
fn values(says: &Resolution) -> impl PartialEq + std::fmt::Debug + use<> {
    let mut counts: Vec<_> = says.counts.iter().map(|(id, limit)| (id, limit.value)).collect();
    let mut sums: Vec<_> = says.sums.iter().map(|(id, limit)| (id, limit.value)).collect();
    let mut velocities: Vec<_> = says.velocities.iter().map(|limit| limit.value).collect();
    counts.sort_unstable();
    sums.sort_unstable();
    velocities.sort_unstable();
    let flags = [says.approve, says.partial, says.without_expiry].map(|one| one.map(|it| it.value));
    let evidence = [says.pin, says.cvn, says.arqc].map(|one| one.map(|it| it.value));
    let amounts = [says.single_minor, says.floor_minor].map(|one| one.map(|it| it.value));
    let risk = says.risk_bp_max.map(|one| one.value);
    (says.deny.is_some(), flags, evidence, amounts, risk, counts, sums, velocities)
}

/// A set decides only if it is signed, and comes back as it was, whole or as changes to another.
fn signed(set: &Parameters) {
    let office = office();
    let draft = set.draft();
    let now = Time::from_ms(draft.issued_at_ms.max(draft.effective_from_ms));
    let message = SealedParameters::message(set).unwrap();
    let sealed = SealedParameters::new(set, ISSUER, 1, office.key.sign(&message)).unwrap();
    let mut bytes = Vec::new();
    sealed.encode(&mut bytes).unwrap();
    assert_eq!(SealedParameters::parse(&bytes).as_ref(), Ok(&sealed));
    let opened = |sealed: &SealedParameters, above| {
        sealed.open(now, &office.trust, set.institution(), above)
    };
    let lives = now < Time::from_ms(draft.valid_until_ms) && now < set.stale_at();
    match opened(&sealed, draft.version - 1) {
        Ok(again) => assert!(lives && again.draft() == draft && again.digest() == set.digest()),
        Err(why) => assert!(!lives && matches!(why, SealError::Over | SealError::Stale), "{why:?}"),
    }
    assert_eq!(opened(&sealed, draft.version).err(), Some(SealError::Version));
    // One bit of what was signed, or of the signature, and it is nobody's word.
    let at = usize::from(set.digest()[0]) % 64;
    let mut wrong = office.key.sign(&message);
    wrong[at] ^= 1;
    let wrong = SealedParameters::new(set, ISSUER, 1, wrong).unwrap();
    assert_eq!(opened(&wrong, 0).err(), Some(SealError::Signature));
    let stranger = SealedParameters::new(set, "stranger", 1, office.key.sign(&message)).unwrap();
    assert!(matches!(opened(&stranger, 0), Err(SealError::Distrust(Distrust::UnknownIssuer))));
    let base = Parameters::new(serde_json::from_value(good()).unwrap()).unwrap();
    let delta = ParametersDelta::between(&base, &sealed).unwrap();
    let mut bytes = Vec::new();
    delta.encode(&mut bytes).unwrap();
    assert_eq!(ParametersDelta::parse(&bytes).as_ref(), Ok(&delta));
    assert_eq!(delta.apply(&base).as_ref(), Ok(&sealed));
    if lives {
        decided(set, sealed, now);
    }
}

/// The set decides over every kind of request without a failure.
fn decided(set: &Parameters, sealed: SealedParameters, now: Time) {
    let (store, keys) = (MemoryStore::new(), SoftKeys::new());
    let mut config = StandInConfig {
        institution: set.institution(),
        zone: Zone::utc(),
        parameters: None,
        mac_keys: Default::default(),
        mac_required: false,
        lanes: 1,
        skew: Skew::default(),
        journal_kept_ms: 86_400_000,
    };
    let mut install = StandIn::new(config.clone()).install(now, &office().trust, sealed);
    let installed = decide(&store, &keys, &mut install).unwrap().verdict;
    assert!(matches!(installed, InstallVerdict::Accepted { .. }), "{installed:?}");
    config.parameters = Some(set.clone());
    let stand_in = StandIn::new(config);
    for kind in Kind::ALL.iter().copied() {
        let Some(request) = request(set.draft(), kind, [0; 3]) else { continue };
        let initiator = request.initiator;
        for _ in 0..3 {
            let mut authorize = stand_in.authorize(now, 1, HostOutcome::NotAsked, request.clone());
            match decide(&store, &keys, &mut authorize).unwrap().verdict {
                Verdict::NeedsLease { lane, minor } => {
                    let mut lease = stand_in.lease(now, lane, initiator, minor);
                    decide(&store, &keys, &mut lease).unwrap();
                }
                Verdict::Answered(answered) => {
                    assert!(!answered.explain(set).to_string().is_empty());
                    break;
                }
                other => panic!("{other:?}"),
            }
        }
    }
}

fn request(draft: &ParametersDraft, kind: Kind, how: [u8; 3]) -> Option<TransactionRequest> {
    let number = Account::new(["6200000000000005", "6222000000000002"][usize::from(how[0] & 1)]);
    let account = AccountInfo::new(&number.ok()?, AccountRef::from_bytes([how[0] >> 1; 16]));
    let at = |all: &[u64]| all.get(usize::from(how[1]) % all.len().max(1)).copied();
    let sent_at = Time::from_ms(draft.issued_at_ms.max(draft.effective_from_ms));
    // A message's time has seconds, and lies where calendars reach.
    let sent_at = Time::from_s(sent_at.as_ms() / 1_000);
    let mti = match kind {
        Kind::Reversal => Mti::REVERSAL,
        _ => Mti::AUTHORIZATION,
    };
    let initiator = at(&draft.initiators).and_then(InstitutionId::new);
    let original = RequestKey::new(
        Class::Financial,
        institution(1_111),
        77,
        sent_at,
        Text::new("TERM0001").ok()?,
    );
    TransactionRequest::new(RequestDraft {
        institution: InstitutionId::new(draft.institution),
        initiator: initiator.or(Some(institution(1_111))),
        account: Some(account.clone()),
        amount: Some(Amount::new(12_345, Currency::parse(&draft.currency).ok()?)),
        kind: Some(kind),
        mti: Some(mti),
        trace: Some(kind as u64),
        sent_at: Some(sent_at),
        terminal: Some(Text::new("TERM0001").ok()?),
        expiry: Expiry::from_yymm(9_912),
        mcc: Mcc::new(u16::from(how[2])),
        country: Country::new(u16::from(how[2])),
        original: original.filter(|_| matches!(kind, Kind::Reversal | Kind::Completion)),
        to: Some(account).filter(|_| kind == Kind::Transfer),
        ..RequestDraft::default()
    })
    .ok()
}

struct Office {
    key: SigningKey,
    trust: TrustList,
}

fn office() -> &'static Office {
    static OFFICE: OnceLock<Office> = OnceLock::new();
    OFFICE.get_or_init(|| {
        let key = SigningKey::from_seed(&Secret::new([1; 32]));
        let mut trust = TrustList::new();
        let trusted = TrustedKey::new(key.verifying_key(), Validity::always());
        trust.add(ISSUER, 1, trusted);
        Office { key, trust }
    })
}

fn institution(number: u64) -> InstitutionId {
    InstitutionId::new(number).unwrap()
}

/// A set with something of everything in it.
fn good() -> Value {
    serde_json::from_str(GOOD).unwrap()
}

const GOOD: &str = r#"{
        "schema": 1, "institution": 6222, "version": 7, "currency": "CNY",
        "issued_at_ms": 1784990000000, "effective_from_ms": 1784990000000,
        "valid_until_ms": 1796000000000, "stale_after_ms": 8640000000,
        "ranges": [
            { "from": 62000000, "to": 62009999, "product": "gold" },
            { "from": 62220000, "to": 62229999, "product": "classic", "without_check_digit": true }
        ],
        "initiators": [1111, 2222],
        "counters": [
            { "id": 1, "window": "sliding", "length_ms": 86400000 },
            { "id": 2, "window": "month", "length_ms": null, "kinds": ["cash", "purchase"] }
        ],
        "exposure": { "institution_minor": 1000000, "initiators": [{ "of": 1111, "count": null, "sum_minor": 9000 }] },
        "pin_tries": 3, "balance_haircut_bp_per_hour": 100, "balance_age_max_ms": 3600000,
        "balance_required": false, "completion_tolerance_bp": 1500,
        "pre_authorization_ms": 86400000, "refunds_restore": true,
        "rules": [
            { "number": 1, "approve": true, "partial": true, "pin": "key:9", "cvn": "floor",
              "arqc": "waive", "without_expiry": false, "deny": null, "until_ms": null,
              "limits": { "single_minor": 100000, "floor_minor": 20000, "risk_bp": 700,
                "velocity_count": 5, "velocity_ms": 60000,
                "windows": [{ "of": 1, "count": 9, "sum_minor": 50000 }] } },
            { "number": 2, "approve": false, "limits": { "windows": [{ "of": 2, "sum_minor": 7 }] },
              "scope": { "kinds": ["cash"], "channels": ["atm"], "entries": ["chip"], "vip": false,
                "products": ["gold"], "initiators": [1111], "mccs": [5], "countries": [5],
                "bins": [{ "from": 62000000, "to": 62000099 }],
                "accounts": ["00000000000000000000000000000000"] } },
            { "number": 3, "deny": "57", "until_ms": 1795000000000,
              "scope": { "mccs": [6, 7], "countries": [8] } }
        ]
    }"#;
const ISSUER: &str = "accounting.example";
/// Words that a set may have in some place.
const WORDS: [&str; 24] = [
    "gold", "classic", "day", "week", "month", "sliding", "purchase", "cash", "transfer",
    "reversal", "atm", "pos", "chip", "keyed", "refuse", "floor", "waive", "key:9", "key:", "41",
    "00", "CNY", "USD", "",
];
