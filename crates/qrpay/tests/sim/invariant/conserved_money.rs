//! Money is neither made nor lost: what a payer was debited, less what came back, is what the rows say (design rule 9).

use crate::view::View;
use crate::world::Log;
use interbank_qrpay::{InstructionKind, PaymentState, RefundState};

pub(super) fn holds(view: &View, log: &Log) -> Result<(), String> {
    for row in &view.payments {
        let moved = |kind| log.accounting.moved(row.id, kind);
        let (debited, _) = moved(InstructionKind::Debit);
        let (refunded, _) = moved(InstructionKind::Refund);
        let (reversed, reversals) = moved(InstructionKind::Reversal);
        let left = debited - refunded - reversed;
        let price = row.payment.price.amount.minor();
        let own = view.refunds.iter().filter(|refund| refund.payment == row.id);
        let settled: i64 = own
            .filter(|one| one.refund.state == RefundState::Done)
            .map(|one| one.refund.amount.minor())
            .sum();
        let fits = match row.payment.state {
            PaymentState::Accepted | PaymentState::Lapsed => left == 0 || left == price,
            // What was done but not yet answered lies between the two.
            PaymentState::Paid => debited == price && reversals == 0 && refunded >= settled,
            PaymentState::Declined => debited == 0 && left == 0,
            PaymentState::Reversing => debited == price && (left == 0 || left == price),
            PaymentState::Reversed => debited == price && left == 0,
            PaymentState::Unreversed => debited == price && left == price,
        };
        if !fits || left < 0 {
            return Err(format!(
                "payment {} is {:?}: debited {debited}, refunded {refunded}, reversed {reversed}",
                row.id, row.payment.state
            ));
        }
    }
    Ok(())
}
