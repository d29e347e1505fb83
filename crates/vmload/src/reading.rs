//! One raw sample becomes loads on the grid, or is left out.

use crate::grid::on_grid;
use crate::{Counts, Error, Flaw, Metrics, Misuse, OnGap, OnOutside, Policy};

/// What becomes of a raw sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admit {
    /// Not to be used.
    Drop,
    /// To be used, once its gaps are filled.
    Use,
}

/// Writes the loads of `readings` to `loads`, and marks of gaps where an earlier sample has to stand in.
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
        let (flaw, rule, gap) = match raw {
            None => {
                missing = true;
                (Flaw::Missing, policy.missing, MISSING)
            }
            Some(value) if value.is_nan() => {
                nan = true;
                (Flaw::NotANumber, policy.not_a_number, NOT_A_NUMBER)
            }
            Some(value) if value.is_infinite() => {
                infinite = true;
                (Flaw::Infinite, policy.infinite, INFINITE)
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
            OnGap::Hold { .. } => *load = gap,
            OnGap::Refuse => return Err(flaw.into()),
        }
    }
    counts.missing += u64::from(missing);
    counts.not_a_number += u64::from(nan);
    counts.infinite += u64::from(infinite);
    counts.outside += u64::from(outside);
    Ok(if drop { Admit::Drop } else { Admit::Use })
}

/// The greatest age of a value that may stand in for this gap; `None` for a load.
pub(crate) fn age_max_ms(policy: &Policy, load: f64) -> Option<u64> {
    let rule = match load {
        MISSING => policy.missing,
        NOT_A_NUMBER => policy.not_a_number,
        INFINITE => policy.infinite,
        _ => return None,
    };
    match rule {
        OnGap::Hold { age_max_ms } => Some(age_max_ms),
        // such samples are left out before
        OnGap::Drop | OnGap::Refuse => Some(0),
    }
}

/// Marks of gaps, by what is wrong; loads are never negative.
const MISSING: f64 = -1.0;
const NOT_A_NUMBER: f64 = -2.0;
const INFINITE: f64 = -3.0;
