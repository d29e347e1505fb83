//! Any bytes as the sent, stored and traced forms of surroundings: canonical or refused; and whatever was read can be used.

#![no_main]

use interbank_risk_core::surroundings::{
    Address, Facts, History, Known, Policy, PolicyDraft, Population, Profile, Protocol, Report,
    Scan, TerminalId, TerminalKeys, TokenKey, Trace,
};
use libfuzzer_sys::fuzz_target;
use port::Zone;
use seal::Secret;
use std::sync::OnceLock;

fuzz_target!(|bytes: &[u8]| {
    // The first byte says as what the rest is read, so that each form gets its share.
    let Some((form, bytes)) = bytes.split_first() else { return };
    match form % 7 {
        0 => report(bytes),
        1 => profile(bytes),
        2 => history(bytes),
        3 => policy(bytes),
        4 => population(bytes),
        5 => trace(bytes),
        _ => address(bytes),
    }
});

fn report(bytes: &[u8]) {
    let Ok(report) = Report::parse(bytes) else { return };
    same(bytes, |to| report.encode(to).unwrap());
    let when = policy_of_all().grid().moment(&Zone::utc(), report.taken);
    let scan = Scan::take(&report, keys(), when, None);
    assert!(scan.len() <= report.neighbours.len());
    // Neither order nor repetition makes a difference.
    let mut other = report.clone();
    other.neighbours.reverse();
    assert_eq!(Scan::take(&other, keys(), when, None), scan);
    let mut profile = Profile::new(when.grid, when.period);
    profile.update(&scan, &policy_of_all().learning());
    let known = Known { own: Some(&profile), adjacent: None };
    let now = report.taken.plus_ms(1_000);
    let trace = policy_of_all().trace(now, &scan, known, Facts::of(1_000));
    let mut stored = Vec::new();
    trace.encode(&mut stored).unwrap();
    let back = Trace::parse(&stored).unwrap();
    assert_eq!(back.assessment(), trace.assessment());
    assert!(back.lines().eq(trace.lines()));
    assert_eq!(back.recompute(), *trace.assessment());
}

fn profile(bytes: &[u8]) {
    let Ok(profile) = Profile::parse(bytes) else { return };
    same(bytes, |to| profile.encode(to));
    let mut merged = profile.clone();
    merged.merge(&profile, &policy_of_all().learning()).unwrap();
    whole(&merged);
}

fn history(bytes: &[u8]) {
    let Ok(mut history) = History::parse(bytes) else { return };
    same(bytes, |to| history.encode(to));
    let learning = policy_of_all().learning();
    whole(&history.current(&learning));
    if let Some(last) = history.last() {
        history.revoke(last);
        assert!(history.last().is_none_or(|earlier| earlier < last));
        whole(&history.current(&learning));
    }
}

fn policy(bytes: &[u8]) {
    let Ok(policy) = Policy::parse(bytes) else { return };
    same(bytes, |to| policy.encode(to));
}

fn population(bytes: &[u8]) {
    let Ok(population) = Population::parse(bytes) else { return };
    same(bytes, |to| population.encode(to));
}

fn trace(bytes: &[u8]) {
    let Ok(trace) = Trace::parse(bytes) else { return };
    same(bytes, |to| trace.encode(to).unwrap());
    // What was stored may be forged: making it again tells, and explaining it does no harm.
    let _ = (trace.recompute(), trace.assessment().reasons());
}

fn address(bytes: &[u8]) {
    let Ok(text) = core::str::from_utf8(bytes) else { return };
    for protocol in [Protocol::Wifi, Protocol::Bluetooth, Protocol::Lan, Protocol::Cell] {
        if let Some(address) = Address::parse(protocol, text) {
            let _ = (address.class(), address.standing(), keys_token(&address));
        }
    }
}

/// What is in memory can always be stored and read again.
fn whole(profile: &Profile) {
    let mut stored = Vec::new();
    profile.encode(&mut stored);
    assert_eq!(Profile::parse(&stored).as_ref(), Ok(profile));
}

fn same(bytes: &[u8], encode: impl FnOnce(&mut Vec<u8>)) {
    let mut back = Vec::with_capacity(bytes.len());
    encode(&mut back);
    assert_eq!(back, bytes);
}

fn keys_token(address: &Address) -> u32 {
    token_key().token(address).as_u32()
}

fn keys() -> &'static TerminalKeys {
    static KEYS: OnceLock<TerminalKeys> = OnceLock::new();
    KEYS.get_or_init(|| TerminalKeys::new(token_key().clone()))
}

fn token_key() -> &'static TokenKey {
    static KEY: OnceLock<TokenKey> = OnceLock::new();
    KEY.get_or_init(|| {
        TokenKey::derive(&Secret::new([7; 32]), 1, &TerminalId::new("phone-1").unwrap())
    })
}

fn policy_of_all() -> &'static Policy {
    static POLICY: OnceLock<Policy> = OnceLock::new();
    POLICY.get_or_init(|| Policy::new(PolicyDraft::default()).unwrap())
}
