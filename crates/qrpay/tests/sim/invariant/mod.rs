//! What must never break: one file for each, with its source.

use crate::view::View;
use crate::world::{Log, World};

mod answered;
mod bounded_refunds;
mod conserved_money;
mod durable_verdict;
mod lawful_moves;
mod no_clear_account;
mod one_debit;
mod owed_is_queued;
mod paid_is_debited;
mod revoked_device;
mod same_answer;
mod settled;

pub(crate) use lawful_moves::Past;

/// What holds after every change of the rows.
pub(crate) fn always(
    world: &World<'_>,
    view: &View,
    log: &Log,
    past: &mut Past,
) -> Result<(), String> {
    one_debit::holds(view, log)?;
    paid_is_debited::holds(view, log)?;
    conserved_money::holds(view, log)?;
    bounded_refunds::holds(view, log)?;
    durable_verdict::holds(world, view, log)?;
    same_answer::holds(world, log)?;
    revoked_device::holds(view, log)?;
    answered::holds(view, log)?;
    owed_is_queued::holds(view)?;
    no_clear_account::holds(world.bank, view)?;
    lawful_moves::holds(world, view, past)
}

/// What holds once everything that was owed got through.
pub(crate) fn at_rest(view: &View, log: &Log) -> Result<(), String> {
    settled::holds(view, log)
}
