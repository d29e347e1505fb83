//! What a machine was last known to be at, to stand in where a reading is missing.

use crate::reading::age_max_ms;
use crate::{OnDuplicate, Policy};
use alloc::vec;
use alloc::vec::Vec;
use port::Time;

/// The latest load of each metric that was read, and when; samples that were dropped have no say.
#[derive(Clone, Debug)]
pub(crate) struct Held(Vec<Option<(Time, f64)>>);

impl Held {
    pub(crate) fn new(dimension: usize) -> Self {
        Self(vec![None; dimension])
    }

    /// Fills the gaps of a row, and says how many there were; `None` if one cannot be filled.
    pub(crate) fn fill(&self, policy: &Policy, at: Time, row: &mut [f64]) -> Option<u64> {
        let mut filled = 0;
        for (load, held) in row.iter_mut().zip(&self.0) {
            let Some(age_max_ms) = age_max_ms(policy, *load) else { continue };
            let (since, last) = (*held)?;
            if at < since || at.since_ms(since) > age_max_ms {
                return None;
            }
            *load = last;
            filled += 1;
        }
        Some(filled)
    }

    /// Keeps what was read in a row; `row` is as it was before it was filled.
    pub(crate) fn keep(
        &mut self,
        policy: &Policy,
        duplicate: OnDuplicate,
        at: Time,
        row: impl Iterator<Item = f64>,
    ) {
        for (load, held) in row.zip(&mut self.0) {
            if age_max_ms(policy, load).is_some() {
                continue;
            }
            match held {
                Some((since, _)) if at < *since => {}
                Some((since, last)) if at == *since => *last = duplicate.join(*last, load),
                _ => *held = Some((at, load)),
            }
        }
    }
}
