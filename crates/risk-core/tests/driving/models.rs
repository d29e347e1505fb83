//! Models as accumulators: merging, stored forms.

use crate::evaluation::any_set;
use interbank_risk_core::driving::{
    Attribute, Calibration, Categorical, Directions, Histogram, Moments, StrategySet, Windows,
};
use proptest::prelude::*;

/// Checks that merging is the same as taking one after the other, in any order and grouping.
macro_rules! merges {
    ($new:expr, $parts:expr, $update:expr) => {
        let part = |values: &[i32]| {
            let mut all = $new;
            values.iter().for_each(|value| $update(&mut all, *value));
            all
        };
        let [a, b, c]: &[Vec<i32>; 3] = $parts;
        let whole = part(&[&a[..], b, c].concat());
        let (mut left, mut right) = (part(a), part(b));
        left.merge(&part(b));
        left.merge(&part(c));
        right.merge(&part(c));
        let mut grouped = part(a);
        grouped.merge(&right);
        let mut turned = part(c);
        turned.merge(&part(a));
        turned.merge(&part(b));
        prop_assert_eq!(&left, &whole);
        prop_assert_eq!(&grouped, &whole);
        prop_assert_eq!(&turned, &whole);
    };
}

fn parts(range: core::ops::Range<i32>) -> impl Strategy<Value = [Vec<i32>; 3]> {
    prop::array::uniform3(prop::collection::vec(range, 0..50))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn merging_is_taking_in_any_order(wide in parts(0..10_000), day in parts(0..1_440), few in parts(0..32)) {
        merges!(Moments::new(), &wide, Moments::update);
        merges!(Directions::new(), &day, Directions::update);
        merges!(Histogram::new(Attribute::EngineLoad), &wide, Histogram::update);
        merges!(Categorical::new(), &few, Categorical::update);
        // tags that do not rise with the values
        let tag = |value: i32| value.unsigned_abs().wrapping_mul(2_654_435_761);
        merges!(Calibration::new(), &wide, |all: &mut Calibration, value| all.update(tag(value), value));
    }

    #[test]
    fn stored_strategies_come_back(set in any_set()) {
        let mut bytes = vec![];
        set.encode(&mut bytes);
        let read = StrategySet::parse(&bytes);
        prop_assert_eq!(read.as_ref(), Ok(&set));
        bytes.push(0);
        prop_assert!(StrategySet::parse(&bytes).is_err());
    }

    #[test]
    fn p_and_e_values_are_what_their_definitions_give(values in prop::collection::vec(0_i32..2_000, 1..60), new in 0_i32..2_000) {
        let windows = Windows::new(values.clone());
        let all: Vec<i64> = values.iter().chain([&new]).map(|value| i64::from(*value)).collect();
        let (n, sum) = (i64::try_from(all.len()).unwrap(), all.iter().sum::<i64>());
        let score = |value: i64| (n * value - sum).abs();
        let new = i64::from(new);
        let as_strange = all.iter().filter(|value| score(**value) >= score(new)).count();
        let (part, whole) = windows.p_value(Attribute::UpshiftRpm, i32::try_from(new).unwrap());
        prop_assert_eq!((part as usize, i64::from(whole)), (as_strange, n));
        let squares: i128 = all.iter().map(|value| i128::from(score(*value)).pow(2)).sum();
        let e = if squares == 0 { 1_000 } else { 1_000 * i128::from(n) * i128::from(score(new)).pow(2) / squares };
        let found = windows.e_value_milli(Attribute::UpshiftRpm, i32::try_from(new).unwrap());
        prop_assert_eq!(i128::from(found), e);
    }
}
