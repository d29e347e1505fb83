//! Signed samples, replays, and the diagnostic socket.

use crate::setting::REQUEST;
use interbank_risk_core::driving::{
    Attribute, BadObd, BadSamples, ObdValue, Reading, ReplayGuard, Replayed, Samples, VehicleId,
};
use port::Time;
use proptest::prelude::*;
use seal::{Secret, SigningKey};

fn series(counter: u64, start: Time, base: i32, count: u64) -> Samples {
    let reading = |s: u64| {
        Reading::new(
            start.plus_ms(s * 1_000),
            Attribute::CruiseSpeed,
            base + i32::try_from(s).unwrap(),
        )
    };
    let vehicle = VehicleId::new("car-1").unwrap();
    Samples::new(vehicle, counter, (0..count).map(reading).collect()).unwrap()
}

#[test]
fn a_changed_sample_is_not_signed() {
    let key = SigningKey::from_seed(&Secret::new([5; 32]));
    let samples = series(10, REQUEST, 5_000, 20);
    let signature = key.sign(&samples.signed_bytes());
    assert!(samples.is_signed_by(&key.verifying_key(), &signature));
    let moved = [
        series(11, REQUEST, 5_000, 20),
        series(10, REQUEST.plus_ms(1), 5_000, 20),
        series(10, REQUEST, 5_001, 20),
    ];
    for other in moved {
        assert!(!other.is_signed_by(&key.verifying_key(), &signature));
    }
}

#[test]
fn a_replayed_trace_is_detected_by_its_numbers_and_by_its_series() {
    let mut guard = ReplayGuard::new();
    let first = series(0, REQUEST, 5_000, 20);
    assert_eq!(guard.update(&first), Ok(()));
    let before = guard.clone();
    assert_eq!(guard.update(&first), Err(Replayed::Counter));
    assert_eq!(guard.update(&series(19, REQUEST, 6_000, 20)), Err(Replayed::Counter));
    // the same drive, signed anew under fresh numbers a day later
    let again = series(20, REQUEST.plus_ms(86_400_000), 5_000, 20);
    assert_eq!(guard.update(&again), Err(Replayed::Series));
    assert_eq!(guard, before);
    assert_eq!(guard.update(&series(25, REQUEST, 5_001, 20)), Ok(()));
}

#[test]
fn memory_of_series_is_bounded_and_short_ones_are_not_told_apart() {
    let mut guard = ReplayGuard::new();
    let mut counter = 0;
    let mut take = |guard: &mut ReplayGuard, base, count| {
        let samples = series(counter, REQUEST, base, count);
        let taken = guard.update(&samples);
        counter += if taken.is_ok() { count } else { 0 };
        taken
    };
    assert_eq!(take(&mut guard, 1, 15), Ok(()));
    assert_eq!(take(&mut guard, 1, 15), Ok(()));
    for base in 0..65 {
        assert_eq!(take(&mut guard, base, 16), Ok(()));
    }
    assert_eq!(take(&mut guard, 1, 16), Err(Replayed::Series));
    assert_eq!(take(&mut guard, 0, 16), Ok(()));
}

#[test]
fn samples_that_cannot_be_are_refused() {
    let vehicle = VehicleId::new("car-1").unwrap();
    let reading = Reading::new(REQUEST, Attribute::SeatSlot, 1);
    let with = |counter, readings| Samples::new(vehicle.clone(), counter, readings).err();
    assert_eq!(with(0, vec![]), Some(BadSamples::Count));
    assert_eq!(with(0, vec![reading; 1_025]), Some(BadSamples::Count));
    assert_eq!(with(u64::MAX, vec![reading]), Some(BadSamples::Counter));
    let late = Reading { at: REQUEST.plus_ms(1 << 31), ..reading };
    assert_eq!(with(0, vec![reading, late]), Some(BadSamples::Time));
    assert_eq!(with(0, vec![reading; 1_024]), None);
}

#[test]
fn obd_values_are_those_of_the_standard() {
    let read = |bytes: &[u8]| ObdValue::parse(bytes).map(|value| value.to_string());
    for (bytes, text) in [
        (&[0x41, 0x0c, 0x1a, 0xf8][..], "1726 rpm"),
        (&[0x41, 0x0c, 0xff, 0xff], "16383.75 rpm"),
        (&[0x41, 0x0d, 0x64], "100 km/h"),
        (&[0x41, 0x04, 0xff], "engine load 100 %"),
        (&[0x41, 0x11, 0x33], "throttle 20 %"),
        (&[0x41, 0x05, 0x7b], "coolant 83 °C"),
        (&[0x41, 0x05, 0x00], "coolant -40 °C"),
        (&[0x41, 0x10, 0x01, 0x2c], "air 3.00 g/s"),
    ] {
        assert_eq!(read(bytes).as_deref(), Ok(text));
    }
    assert_eq!(read(&[0x41]), Err(BadObd::Length));
    assert_eq!(read(&[0x41, 0x0c, 0x1a]), Err(BadObd::Length));
    assert_eq!(read(&[0x41, 0x0d, 0x1a, 0]), Err(BadObd::Length));
    assert_eq!(read(&[0x7f, 0x01, 0x12]), Err(BadObd::Mode(0x7f)));
    assert_eq!(read(&[0x41, 0x2f, 0x12]), Err(BadObd::Pid(0x2f)));
    let reading = |bytes: &[u8]| {
        ObdValue::parse(bytes).unwrap().reading(REQUEST).map(|one| (one.attribute, one.value))
    };
    assert_eq!(reading(&[0x41, 0x04, 0x80]), Some((Attribute::EngineLoad, 5_020)));
    assert_eq!(reading(&[0x41, 0x11, 0xff]), Some((Attribute::Throttle, 10_000)));
    assert_eq!(reading(&[0x41, 0x0d, 0xff]), None);
}

proptest! {
    #[test]
    fn samples_come_back(counter in any::<u32>(), start in 1_u64 << 32..1 << 50, all in prop::collection::vec((any::<i32>(), 0_usize..16, any::<i32>()), 1..40), flip in 1_u8..=255, at in any::<prop::sample::Index>()) {
        let readings: Vec<Reading> = all.iter().enumerate().map(|(at, (offset, attribute, value))| {
            let offset = if at == 0 { 0 } else { *offset };
            Reading::new(Time::from_ms(start.strict_add_signed(offset.into())), Attribute::ALL[*attribute], *value)
        }).collect();
        let samples = Samples::new(VehicleId::new("v").unwrap(), counter.into(), readings).unwrap();
        let mut bytes = vec![];
        samples.encode(&mut bytes);
        prop_assert_eq!(Samples::parse(&bytes), Ok(samples));
        let at = at.index(bytes.len());
        prop_assert!(Samples::parse(&bytes[..at]).is_err());
        bytes[at] ^= flip;
        if let Ok(other) = Samples::parse(&bytes) {
            let mut again = vec![];
            other.encode(&mut again);
            prop_assert_eq!(&again, &bytes);
        }
    }

    #[test]
    fn any_obd_response_that_is_read_is_written_again(bytes in prop::collection::vec(any::<u8>(), 0..5), pid in prop::sample::select(vec![4_u8, 5, 0x0c, 0x0d, 0x10, 0x11]), known in any::<bool>()) {
        let bytes = if known { [&[0x41, pid], &bytes[..]].concat() } else { bytes };
        if let Ok(value) = ObdValue::parse(&bytes) {
            let mut again = vec![];
            value.encode(&mut again);
            prop_assert_eq!(again, bytes);
        }
    }
}
