//! What schedules did.

use crate::world::World;
use interbank_qrpay::{InstructionKind, Settlement};

/// What all schedules of a run did, so that a run that does nothing does not pass.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    accepted: u64,
    repeated: u64,
    paid: u64,
    declined: u64,
    reversed: u64,
    refunds: u64,
    doubled: u64,
}

impl Tally {
    pub(crate) fn add(&mut self, world: &World<'_>) {
        let log = world.log.borrow();
        let count = |found: usize| u64::try_from(found).unwrap();
        let (again, new): (Vec<_>, Vec<_>) =
            log.accepted.iter().partition(|(_, accepted)| accepted.repeated);
        self.accepted += count(new.len());
        self.repeated += count(again.len());
        self.paid += count(log.accounting.done(InstructionKind::Debit).count());
        self.reversed += count(log.accounting.done(InstructionKind::Reversal).count());
        self.refunds += count(log.accounting.done(InstructionKind::Refund).count());
        let acts = log.accounting.acts.values();
        self.declined += count(acts.filter(|act| act.settlement != Settlement::Done).count());
        self.doubled += log.accounting.seen - count(log.accounting.acts.len());
    }

    /// Whether so many schedules did everything often enough.
    pub(crate) fn is_lively(&self, ran: u64) -> bool {
        let Self { accepted, repeated, paid, declined, reversed, refunds, doubled } = *self;
        accepted > ran
            && repeated > ran / 10
            && paid > ran / 2
            && declined > ran / 20
            && reversed > ran / 200
            && refunds > ran / 20
            && doubled > ran
    }
}
