//! Any bytes as the sent, stored and traced forms of driving: canonical or refused; and whatever was read can be used.

#![no_main]

use interbank_risk_core::driving::{
    EvaluateRequest, Habits, LevelNotice, ObdValue, PlatformPolicy, Recording, Registration, Reply,
    Rules, Samples, StrategySet, Stretch, Trace,
};
use libfuzzer_sys::fuzz_target;
use port::Time;

fuzz_target!(|bytes: &[u8]| {
    // The first byte says as what the rest is read, so that each form gets its share.
    let Some((form, bytes)) = bytes.split_first() else { return };
    match form % 11 {
        0 => samples(bytes),
        1 => habits(bytes),
        2 => set(bytes),
        3 => stretch(bytes),
        4 => trace(bytes),
        5 => read(bytes, Registration::parse, Registration::encode),
        6 => read(bytes, LevelNotice::parse, LevelNotice::encode),
        7 => read(bytes, EvaluateRequest::parse, EvaluateRequest::encode),
        8 => read(bytes, Reply::parse, Reply::encode),
        9 => read(bytes, PlatformPolicy::parse, PlatformPolicy::encode),
        _ => _ = ObdValue::parse(bytes),
    }
});

fn samples(bytes: &[u8]) {
    let Ok(samples) = Samples::parse(bytes) else { return };
    same(bytes, |to| samples.encode(to));
    let _ = (samples.signed_bytes(), samples.series());
    let mut recording = Recording::new(5_000);
    samples.readings().iter().for_each(|reading| recording.update(*reading));
    let last = recording.last().unwrap_or(Time::EPOCH);
    let stretch = recording.finish(last);
    let mut stored = Vec::new();
    stretch.encode(&mut stored);
    assert_eq!(Stretch::parse(&stored), Ok(stretch));
}

fn habits(bytes: &[u8]) {
    let Ok(mut habits) = Habits::parse(bytes) else { return };
    same(bytes, |to| habits.encode(to));
    let rules = Rules::default();
    let _ = (habits.current(), habits.is_ready(&rules));
    habits.revoke(Time::EPOCH);
    habits.finish(&rules);
    let mut stored = Vec::new();
    habits.encode(&mut stored);
    assert_eq!(Habits::parse(&stored), Ok(habits));
}

fn set(bytes: &[u8]) {
    let Ok(set) = StrategySet::parse(bytes) else { return };
    same(bytes, |to| set.encode(to));
    for strategy in set.as_slice() {
        for value in [i32::MIN, -1, 0, 1, i32::MAX] {
            let fit = strategy.compare(value);
            assert_eq!(strategy.model().accepts(value), fit.matches);
        }
    }
}

fn stretch(bytes: &[u8]) {
    let Ok(stretch) = Stretch::parse(bytes) else { return };
    same(bytes, |to| stretch.encode(to));
    assert!(Rules::default().evaluate(&stretch, &[]).level().is_none());
}

fn trace(bytes: &[u8]) {
    let Ok(trace) = Trace::parse(bytes) else { return };
    same(bytes, |to| trace.encode(to));
    // What was stored may be forged: making it again tells, and explaining it does no harm.
    let _ = trace.recompute();
    if let Some(evaluation) = trace.outcome().evaluation() {
        assert_eq!(evaluation.recombined(), evaluation.conformity);
        let _ = evaluation.reasons();
    }
}

fn read<T, E>(bytes: &[u8], parse: fn(&[u8]) -> Result<T, E>, encode: fn(&T, &mut Vec<u8>)) {
    if let Ok(form) = parse(bytes) {
        same(bytes, |to| encode(&form, to));
    }
}

fn same(bytes: &[u8], encode: impl FnOnce(&mut Vec<u8>)) {
    let mut back = Vec::with_capacity(bytes.len());
    encode(&mut back);
    assert_eq!(back, bytes);
}
