//! One raw sample becomes loads on the grid, or is left out.

use crate::grid::on_grid;
use crate::{Counts, Error, Flaw, Metrics, Misuse, OnGap, OnOutside, Policy};

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
