//! Never two debits for one order, and never two for one challenge (spec Qd1, Qd2; single use: spec, server check order 6).

use crate::view::View;
use crate::world::Log;
use interbank_qrpay::{InstructionKind, Kind, PaymentState};
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn holds(view: &View, log: &Log) -> Result<(), String> {
    let mut orders = BTreeSet::new();
    let mut payments = BTreeSet::new();
    for debit in log.accounting.done(InstructionKind::Debit) {
        // An order's identifier begins with O, a commodity's with C.
        if debit.uid.as_str().starts_with('O') && !orders.insert(&debit.uid) {
            return Err(format!("two debits for order {}", debit.uid));
        }
        if !payments.insert(debit.payment) {
            return Err(format!("two debits for payment {}", debit.payment));
        }
    }
    let mut challenges = BTreeMap::new();
    for computed in log.computed.values() {
        if view.payment(computed.payment).is_some() {
            let made = challenges.entry(computed.challenge).or_insert(computed.payment);
            if *made != computed.payment {
                return Err(format!("two payments for one challenge of {}", computed.uid));
            }
        }
    }
    for (uid, item) in view.items.iter().filter(|(_, item)| item.kind == Kind::Order) {
        let live = |state| {
            matches!(state, PaymentState::Accepted | PaymentState::Paid | PaymentState::Lapsed)
        };
        let of_it = view.payments.iter().filter(|row| row.uid == *uid);
        let live = of_it.filter(|row| live(row.payment.state)).count();
        if live > 1 {
            return Err(format!("{live} payments may debit for order {uid} ({:?})", item.state));
        }
    }
    Ok(())
}
