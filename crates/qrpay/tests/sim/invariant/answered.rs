//! Every payment rests on a right reply to its own challenge, from its own account, in time (spec Q8, Qd3, Qd5).

use crate::view::View;
use crate::world::Log;

pub(super) fn holds(view: &View, log: &Log) -> Result<(), String> {
    for outcome in &view.outcomes {
        let Some(computed) = log.computed.get(&outcome.reply) else {
            return Err(format!("{} was paid by a reply that nobody computed", outcome.uid));
        };
        if computed.uid != outcome.uid || computed.payment != outcome.payment {
            return Err(format!("{} was paid by a reply for another", outcome.uid));
        }
        let Some(payment) = view.payment(outcome.payment) else { continue };
        let timely = computed.expires_s.is_none_or(|at| payment.accepted.is_before_s(at));
        if payment.account != computed.account || !timely {
            return Err(format!("{} was paid late or by another account", outcome.uid));
        }
    }
    for (request, accepted) in &log.accepted {
        let reply = crate::world::reply_bytes(&log.sent[*request].reply);
        if log.computed.get(&reply).map(|right| right.payment) != Some(accepted.payment) {
            return Err(format!("a wrong request was told of payment {}", accepted.payment));
        }
    }
    let answered = |id| log.computed.values().any(|computed| computed.payment == id);
    match view.payments.iter().find(|row| !answered(row.id)) {
        Some(row) => Err(format!("payment {} has no reply", row.id)),
        None => Ok(()),
    }
}
