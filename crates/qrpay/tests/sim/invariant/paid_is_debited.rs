//! Never a paid order or payment without exactly one debit of its amount from its account (issue: done when).

use crate::view::View;
use crate::world::Log;
use interbank_qrpay::{InstructionKind, Kind, PaymentState, State};

pub(super) fn holds(view: &View, log: &Log) -> Result<(), String> {
    for row in view.payments.iter().filter(|row| row.payment.state == PaymentState::Paid) {
        let debits = log.accounting.done(InstructionKind::Debit);
        let own: Vec<_> = debits.filter(|debit| debit.payment == row.id).collect();
        let [debit] = own[..] else {
            return Err(format!("payment {} is paid by {} debits", row.id, own.len()));
        };
        let amount = row.payment.price.amount;
        let right = debit.amount == amount
            && debit.account == row.payment.account
            && debit.merchant == row.payment.merchant
            && debit.uid == row.uid;
        if !right {
            return Err(format!("payment {} was debited otherwise than agreed", row.id));
        }
    }
    for (uid, item) in view.items.iter().filter(|(_, item)| item.kind == Kind::Order) {
        let own = item.payment.and_then(|id| view.payment(id)).map(|payment| payment.state);
        let fits = match item.state {
            State::Accepted => own == Some(PaymentState::Accepted),
            // Its payment may have been purged before it.
            State::Paid => matches!(own, None | Some(PaymentState::Paid)) && item.payment.is_some(),
            State::Open => item.payment.is_none(),
            State::Cancelled | State::Lapsed => !matches!(own, Some(PaymentState::Paid)),
        };
        if !fits {
            return Err(format!("order {uid} is {:?} with a payment that is {own:?}", item.state));
        }
    }
    Ok(())
}
