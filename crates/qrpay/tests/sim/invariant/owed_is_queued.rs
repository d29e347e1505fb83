//! What the bank owes the accounting system waits in the outbox until it was answered (design: outside effects).

use crate::view::View;
use interbank_qrpay::{InstructionKind, PaymentState, RefundState};

pub(super) fn holds(view: &View) -> Result<(), String> {
    let queued = |payment, kind, refund: &[u8]| {
        view.owed
            .iter()
            .any(|(_, owed)| owed.payment == payment && owed.kind == kind && owed.refund == refund)
    };
    for row in &view.payments {
        let fits = match row.payment.state {
            PaymentState::Accepted | PaymentState::Lapsed => {
                queued(row.id, InstructionKind::Debit, b"")
            }
            PaymentState::Reversing => queued(row.id, InstructionKind::Reversal, b""),
            // A declined reversal is an operator's.
            PaymentState::Unreversed => {
                !queued(row.id, InstructionKind::Reversal, b"") && row.payment.cause != 0
            }
            PaymentState::Paid | PaymentState::Declined | PaymentState::Reversed => {
                !queued(row.id, InstructionKind::Debit, b"")
            }
        };
        if !fits {
            return Err(format!("payment {} is {:?} beside its outbox", row.id, row.payment.state));
        }
    }
    for row in view.refunds.iter().filter(|row| row.refund.state == RefundState::Owed) {
        if !queued(row.payment, InstructionKind::Refund, &row.id) {
            return Err(format!("a refund of {} is owed and not queued", row.payment));
        }
    }
    Ok(())
}
