//! Any bytes as the shared stored forms of risk-core: canonical or refused; and any order of updates: the same sums.

#![no_main]

use interbank_risk_core::fraud_rate::{Day, FraudRate, Instrument, Reference};
use interbank_risk_core::suppression::Suppressions;
use libfuzzer_sys::fuzz_target;
use port::{Amount, Currency, Time};

fuzz_target!(|bytes: &[u8]| {
    let mut back = Vec::new();
    if let Ok(rate) = FraudRate::parse(bytes) {
        rate.encode(&mut back);
        assert_eq!(back, bytes);
        let report = rate.finish(Day::new(20_000), &Reference::eu_2018_389(Instrument::Card));
        assert_eq!(report.bands.len(), 3);
    }
    back.clear();
    if let Ok(mut all) = Suppressions::parse(bytes, 64, u64::MAX) {
        all.encode(&mut back).unwrap();
        assert_eq!(back, bytes);
        let before = all.len();
        assert_eq!(all.purge(Time::from_ms(u64::MAX)) + all.len(), before);
    }
    let forwards = counted(bytes.chunks_exact(4));
    let backwards = counted(bytes.chunks_exact(4).rev());
    assert_eq!(forwards, backwards);
    let (left, right) = bytes.split_at(bytes.len() / 8 * 4);
    let mut merged = counted(left.chunks_exact(4));
    merged.merge(&counted(right.chunks_exact(4))).unwrap();
    assert_eq!(merged, forwards);
});

/// Four bytes are an update: which kind, the day within a year, the amount.
fn counted<'a>(updates: impl Iterator<Item = &'a [u8]>) -> FraudRate {
    let euro = Currency::parse("EUR").unwrap();
    let mut rate = FraudRate::new(Instrument::Card, euro, Day::new(19_000));
    for update in updates {
        let day = Day::new(19_000 + u32::from(update[1]) + u32::from(update[0] >> 1 & 0x3F));
        let amount = Amount::new(i64::from(update[2]) << (update[3] & 31), euro);
        if update[0] & 1 == 0 { rate.paid(day, amount) } else { rate.fraud(day, amount) }.unwrap();
    }
    rate
}
