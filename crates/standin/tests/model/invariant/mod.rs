//! What must never break: one file for each.

use crate::world::{Peek, World};

pub(crate) mod answered;
pub(crate) mod delivered;
pub(crate) mod exposure;
pub(crate) mod order;
pub(crate) mod places;
pub(crate) mod postings;
pub(crate) mod same_answer;

/// What holds at every moment.
pub(crate) fn always<S: Peek>(world: &World<S>) -> Result<(), String> {
    same_answer::holds(world)?;
    places::holds(world)?;
    exposure::holds(world)
}

/// What holds once everything got through.
pub(crate) fn at_rest<S: Peek>(world: &World<S>) -> Result<(), String> {
    always(world)?;
    answered::holds(world)?;
    delivered::holds(world)?;
    postings::holds(world)?;
    order::holds(world)?;
    exposure::holds_at_rest(world)
}
