//! In the end nothing is owed, and every payment is where it stays (spec: late confirmations are reconciled, not lost).

use crate::view::View;
use crate::world::Log;
use interbank_qrpay::*;

pub(super) fn holds(view: &View, log: &Log) -> Result<(), String> {
    if let Some((_, owed)) = view.owed.first() {
        return Err(format!("a {:?} of {} is still owed", owed.kind, owed.payment));
    }
    for row in &view.payments {
        let done = |kind| log.accounting.moved(row.id, kind).0;
        let price = row.payment.price.amount.minor();
        let fits = match row.payment.state {
            PaymentState::Paid => {
                let back: i64 = view
                    .refunds
                    .iter()
                    .filter(|one| one.payment == row.id && one.refund.state == RefundState::Done)
                    .map(|one| one.refund.amount.minor())
                    .sum();
                // A refund's row may have been purged; what was refunded stays counted.
                let credited = done(InstructionKind::Refund);
                credited == row.payment.refunded_minor && back <= credited
            }
            PaymentState::Declined => done(InstructionKind::Debit) == 0,
            PaymentState::Reversed => done(InstructionKind::Reversal) == price,
            PaymentState::Unreversed => row.payment.cause != 0,
            PaymentState::Accepted | PaymentState::Lapsed | PaymentState::Reversing => false,
        };
        if !fits {
            return Err(format!("payment {} rests as {:?}", row.id, row.payment.state));
        }
    }
    match view.refunds.iter().find(|row| row.refund.state == RefundState::Owed) {
        Some(row) => Err(format!("a refund of {} rests as owed", row.payment)),
        None => Ok(()),
    }
}
