//! The contiguous stretch, coverage and sensor faults.

use crate::setting::REQUEST;
use interbank_risk_core::driving::{Attribute, Reading, Recording, SensorFault, Stretch};
use port::Time;
use proptest::prelude::*;

const GAP_MS: u64 = 5_000;

/// Readings once a second, from `from_s` to `to_s` seconds before the request, both included; it never stands still.
fn drive(drive: &mut Recording, attribute: Attribute, from_s: u64, to_s: u64, base: i32) {
    for ago in (to_s..=from_s).rev() {
        let value = base + i32::try_from(ago % 3).unwrap() - 1;
        drive.update(Reading::new(REQUEST.minus_ms(ago * 1_000), attribute, value));
    }
}

#[test]
fn v05_a_gap_starts_the_stretch_anew_and_only_data_after_it_counts() {
    let mut recording = Recording::new(GAP_MS);
    drive(&mut recording, Attribute::CruiseSpeed, 2_000, 1_000, 9_000);
    drive(&mut recording, Attribute::SteeringRate, 995, 995, 100);
    assert_eq!(recording.finish(REQUEST.minus_ms(990_000)).length_ms(), 1_010_000);
    drive(&mut recording, Attribute::CruiseSpeed, 600, 0, 6_000);
    let stretch = recording.finish(REQUEST);
    assert_eq!(stretch.length_ms(), 600_000);
    let cruise = stretch.piece(Attribute::CruiseSpeed).unwrap();
    assert_eq!((cruise.value, cruise.coverage_ms, cruise.fault), (6_000, 600_000, None));
    assert_eq!(stretch.piece(Attribute::SteeringRate), None);
}

#[test]
fn v05_a_gap_is_exact_at_its_bound() {
    let length = |pause_ms| {
        let mut recording = Recording::new(GAP_MS);
        for ms in [0, pause_ms, pause_ms + 1_000] {
            let at = Time::from_ms(1_000_000 + ms);
            recording.update(Reading::new(at, Attribute::CruiseSpeed, 5_000));
        }
        recording.finish(Time::from_ms(1_000_000 + pause_ms + 1_000)).length_ms()
    };
    assert_eq!(length(GAP_MS), GAP_MS + 1_000);
    assert_eq!(length(GAP_MS + 1), 1_000);
}

#[test]
fn v05_a_stretch_that_does_not_end_at_the_request_has_no_length() {
    let mut recording = Recording::new(GAP_MS);
    drive(&mut recording, Attribute::CruiseSpeed, 1_000, 100, 6_000);
    let ended = REQUEST.minus_ms(100_000);
    assert_eq!(recording.finish(ended.plus_ms(GAP_MS)).length_ms(), 905_000);
    for request in [ended.plus_ms(GAP_MS + 1), ended.minus_ms(1)] {
        assert_eq!(recording.finish(request), Stretch::new(request, 0, []));
    }
}

#[test]
fn coverage_grows_by_what_a_reading_stands_for() {
    let mut recording = Recording::new(3_600_000);
    let at = |s: u64| REQUEST.minus_ms(s * 1_000);
    recording.update(Reading::new(at(1_000), Attribute::StartTime, 480));
    recording.update(Reading::new(at(1_000), Attribute::CruiseSpeed, 5_000));
    recording.update(Reading::new(at(1_000), Attribute::UpshiftRpm, 2_000));
    recording.update(Reading::new(at(998), Attribute::CruiseSpeed, 5_100));
    recording.update(Reading::new(at(500), Attribute::UpshiftRpm, 2_101));
    let stretch = recording.finish(REQUEST);
    let piece = |attribute| stretch.piece(attribute).map(|one| (one.value, one.coverage_ms));
    assert_eq!(piece(Attribute::StartTime), Some((480, 1_000_000)));
    assert_eq!(piece(Attribute::CruiseSpeed), Some((5_050, 7_000)));
    // 120 s for each, and the mean rounded half up
    assert_eq!(piece(Attribute::UpshiftRpm), Some((2_051, 240_000)));
}

#[test]
fn faults_of_sensors_are_told() {
    let fault = |readings: &[(u64, i32)], attribute| {
        let mut recording = Recording::new(100_000);
        for (s, value) in readings {
            recording.update(Reading::new(Time::from_s(1_000 + s), attribute, *value));
        }
        recording.finish(Time::from_s(1_100)).piece(attribute).unwrap().fault
    };
    let still: Vec<(u64, i32)> = (0..60).map(|s| (s, 5_000)).collect();
    assert_eq!(fault(&still, Attribute::CruiseSpeed), Some(SensorFault::Stuck));
    assert_eq!(fault(&still[..29], Attribute::CruiseSpeed), None);
    assert_eq!(fault(&still, Attribute::SeatSlot), Some(SensorFault::OutOfRange));
    let mut moving: Vec<(u64, i32)> = (0..60).map(|s| (s, 5_000 + (s % 2) as i32)).collect();
    assert_eq!(fault(&moving, Attribute::CruiseSpeed), None);
    // 3 of 60 are one of twenty, 4 are more
    (0..3).for_each(|at| moving[at].1 = -1);
    assert_eq!(fault(&moving, Attribute::CruiseSpeed), None);
    moving[3].1 = 99_999;
    assert_eq!(fault(&moving, Attribute::CruiseSpeed), Some(SensorFault::OutOfRange));
    let back = [(10, 5_000), (5, 5_001), (11, 5_002)];
    assert_eq!(fault(&back, Attribute::CruiseSpeed), Some(SensorFault::ClockJump));
}

proptest! {
    #[test]
    fn any_readings_in_any_order_are_taken(
        readings in prop::collection::vec((any::<u64>(), 0_usize..16, any::<i32>()), 0..200),
        near in prop::collection::vec((0_u64..20_000, 0_usize..16, any::<i32>()), 0..200),
        request in any::<u64>(),
    ) {
        let mut recording = Recording::new(GAP_MS);
        for (ms, at, value) in readings.into_iter().chain(near) {
            recording.update(Reading::new(Time::from_ms(ms), Attribute::ALL[at], value));
        }
        for request in [request, 0, 19_999, u64::MAX] {
            let stretch = recording.finish(Time::from_ms(request));
            let mut bytes = vec![];
            stretch.encode(&mut bytes);
            prop_assert_eq!(Stretch::parse(&bytes), Ok(stretch));
        }
    }
}
