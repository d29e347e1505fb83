//! Refunds are never above the payment, neither in the rows nor in money (issue: done when).

use crate::view::View;
use crate::world::Log;
use interbank_qrpay::{InstructionKind, RefundState};

pub(super) fn holds(view: &View, log: &Log) -> Result<(), String> {
    for row in &view.payments {
        let price = row.payment.price.amount.minor();
        let own = view.refunds.iter().filter(|refund| refund.payment == row.id);
        let counted: i64 = own
            .filter(|one| one.refund.state != RefundState::Declined)
            .map(|one| one.refund.amount.minor())
            .sum();
        let (credited, _) = log.accounting.moved(row.id, InstructionKind::Refund);
        let told = row.payment.refunded_minor;
        // Rows of refunds may have been purged before their payment's.
        if counted > told || told > price || told < 0 || credited > price {
            return Err(format!(
                "payment {} of {price}: {told} refunded, {counted} in its refunds, {credited} credited",
                row.id
            ));
        }
    }
    for refund in log.accounting.done(InstructionKind::Refund) {
        let (debited, _) = log.accounting.moved(refund.payment, InstructionKind::Debit);
        let (credited, _) = log.accounting.moved(refund.payment, InstructionKind::Refund);
        if credited > debited {
            return Err(format!("{credited} came back of {debited}"));
        }
    }
    Ok(())
}
