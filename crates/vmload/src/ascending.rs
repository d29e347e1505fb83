//! Numbers from the least up.

use crate::whole::of_len;
use alloc::vec;
use alloc::vec::Vec;

/// Sorts values with their counts; all finite, and far enough from the end of the range that differences are, too.
///
/// First into as many shelves as there are values, by where a value lies between the least and the greatest: for spread values
/// that is most of the work, in one pass. What shares a shelf is sorted there; if that is all, nothing is lost but the pass.
pub(crate) fn sort_ascending(values: &mut Vec<(f64, u64)>) {
    let (least, most) =
        values.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(least, most), &(value, _)| {
            (if value < least { value } else { least }, if value > most { value } else { most })
        });
    let shelves = values.len();
    let each = of_len(shelves.saturating_sub(1)) / (most - least);
    if shelves < SHELVES_MIN || !each.is_finite() {
        return values.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    }
    // rounding keeps the order: of two values the greater is never on a lower shelf
    let shelf = |value: f64| to_shelf((value - least) * each).min(shelves - 1);
    // where a shelf's next value goes; in the end, where the shelf ends
    let mut next = vec![0_usize; shelves + 1];
    for &(value, _) in values.iter() {
        next[shelf(value) + 1] += 1;
    }
    for at in 1..=shelves {
        next[at] += next[at - 1];
    }
    let mut sorted = vec![(0.0, 0); values.len()];
    for &entry in values.iter() {
        let place = &mut next[shelf(entry.0)];
        sorted[*place] = entry;
        *place += 1;
    }
    let mut start = 0;
    for &end in &next {
        if end - start > 1 {
            sorted[start..end].sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
        }
        start = end;
    }
    *values = sorted;
}

/// Below this, sorting is quick.
const SHELVES_MIN: usize = 64;

/// Shelves are whole numbers below 2⁵³; what is no number is on none.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
const fn to_shelf(place: f64) -> usize {
    place as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn shelves_sort_as_sorting_does(
            mut values in prop::collection::vec(
                (prop_oneof![-1.0..1.0_f64, 0.999..1.0_f64, Just(0.0), Just(-0.0), -1e150..1e150_f64], 1_u64..4),
                0..300,
            ),
        ) {
            let mut plain = values.clone();
            plain.sort_by(|a, b| a.0.total_cmp(&b.0));
            sort_ascending(&mut values);
            let numbers = |all: &[(f64, u64)]| all.iter().map(|all| all.0.to_bits()).collect::<Vec<_>>();
            prop_assert_eq!(numbers(&values), numbers(&plain));
            values.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            plain.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            prop_assert_eq!(values, plain);
        }
    }
}
