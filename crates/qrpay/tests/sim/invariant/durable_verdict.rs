//! What somebody was told survives every crash, until policy lets it go (design rule 1: durable before visible).

use crate::view::View;
use crate::world::{Log, World};

pub(super) fn holds(world: &World<'_>, view: &View, log: &Log) -> Result<(), String> {
    let kept = world.policy().record_kept_ms;
    for (_, accepted) in &log.accepted {
        let purgeable = world.latest() >= accepted.at.plus_ms(kept);
        match view.payment(accepted.payment) {
            Some(payment) if payment.price == accepted.price => {}
            None if purgeable => {}
            found => return Err(format!("{} was accepted, there is {found:?}", accepted.payment)),
        }
    }
    for (payment, id, amount) in &log.refunded {
        let mut own = view.refunds.iter().filter(|row| row.payment == *payment && row.id == *id);
        let there = own.any(|row| row.refund.amount == *amount);
        // A refund is granted after its payment was accepted.
        let oldest = log.accepted.iter().find(|(_, accepted)| accepted.payment == *payment);
        let purgeable =
            oldest.is_none_or(|(_, accepted)| world.latest() >= accepted.at.plus_ms(kept));
        if !there && !purgeable {
            return Err(format!("a refund of {} was granted and is gone", amount.minor()));
        }
    }
    for (key, uid) in &log.issued {
        let purgeable = world.latest().as_ms()
            >= crate::bank::START.plus_ms(kept).plus_ms(world.policy().order_valid_ms).as_ms();
        if view.item(uid).is_none() && !purgeable {
            return Err(format!("{uid} was issued for {key} and is gone"));
        }
    }
    Ok(())
}
