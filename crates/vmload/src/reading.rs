//! One raw sample becomes loads on the grid, or is left out.

use crate::{Counts, Error, Flaw, Metrics, Misuse, OnGap, OnOutside, Policy};

/// Loads are multiples of 2⁻³²: sums of up to 2²¹ of them are exact, and then no order of adding matters.
pub(crate) const GRID: f64 = 4_294_967_296.0;

/// A value to be filled in from an earlier sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admit {
    /// Not to be used.
    Drop,
    /// To be used; loads that are NaN are to be held.
    Use,
}

/// Writes the loads of `readings` to `loads`; NaN marks what an earlier sample has to stand in for.
pub(crate) fn admit(
    metrics: &Metrics,
    policy: &Policy,
    allotment: &[f64],
    readings: impl ExactSizeIterator<Item = Option<f64>>,
    counts: &mut Counts,
    loads: &mut [f64],
) -> Result<Admit, Error> {
    let dimension = metrics.dimension();
    if readings.len() != dimension || allotment.len() != dimension || loads.len() != dimension {
        return Err(Misuse::Shape.into());
    }
    let (mut missing, mut nan, mut infinite, mut outside) = (false, false, false, false);
    let mut drop = false;
    let slots = loads.iter_mut().zip(metrics.iter()).zip(allotment).zip(readings);
    for (((load, metric), &allotment), reading) in slots {
        let raw = reading.map(|value| metric.load(value, allotment));
        let (flaw, rule) = match raw {
            None => {
                missing = true;
                (Flaw::Missing, policy.missing)
            }
            Some(value) if value.is_nan() => {
                nan = true;
                (Flaw::NotANumber, policy.not_a_number)
            }
            Some(value) if value.is_infinite() => {
                infinite = true;
                (Flaw::Infinite, policy.infinite)
            }
            Some(value) => {
                if !(0.0..=1.0).contains(&value) {
                    outside = true;
                    match policy.outside {
                        OnOutside::Clamp => {}
                        OnOutside::Drop => drop = true,
                        OnOutside::Refuse => return Err(Flaw::Outside.into()),
                    }
                }
                *load = on_grid(value);
                continue;
            }
        };
        match rule {
            OnGap::Drop => drop = true,
            OnGap::Hold { .. } => *load = f64::NAN,
            OnGap::Refuse => return Err(flaw.into()),
        }
    }
    counts.missing += u64::from(missing);
    counts.not_a_number += u64::from(nan);
    counts.infinite += u64::from(infinite);
    counts.outside += u64::from(outside);
    Ok(if drop { Admit::Drop } else { Admit::Use })
}

/// The greatest age of a value that may stand in, the strictest of what the policy says about gaps.
pub(crate) fn hold_age_max_ms(policy: &Policy) -> u64 {
    [policy.missing, policy.not_a_number, policy.infinite]
        .into_iter()
        .filter_map(
            |rule| if let OnGap::Hold { age_max_ms } = rule { Some(age_max_ms) } else { None },
        )
        .min()
        .unwrap_or(0)
}

/// Clamps to `[0, 1]` and rounds to the nearest multiple of 2⁻³², ties to even.
#[inline(always)]
pub(crate) fn on_grid(load: f64) -> f64 {
    // Adding 2⁵² leaves no room for fractions: the sum is rounded to a whole number by the addition itself.
    const TO_WHOLE: f64 = 4_503_599_627_370_496.0;
    // not `clamp`: −0.0 has to become 0.0
    let load = if load > 0.0 { load } else { 0.0 };
    let load = if load < 1.0 { load } else { 1.0 };
    ((load * GRID + TO_WHOLE) - TO_WHOLE) / GRID
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grid_keeps_its_ends_and_rounds_to_nearest() {
        assert_eq!(on_grid(0.0).to_bits(), 0);
        assert_eq!(on_grid(-0.0).to_bits(), 0);
        assert_eq!(on_grid(-3.0), 0.0);
        assert_eq!(on_grid(7.0), 1.0);
        assert_eq!(on_grid(1.0), 1.0);
        assert_eq!(on_grid(0.5), 0.5);
        for load in [0.1, 0.2, 0.3, 0.9, 1e-10, 0.999_999_999] {
            assert!((on_grid(load) - load).abs() <= 0.5 / GRID, "{load}");
            assert_eq!(on_grid(on_grid(load)), on_grid(load));
        }
    }
}
