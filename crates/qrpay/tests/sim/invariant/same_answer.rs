//! An identical retry gets the same payment, and only one of them is the first (spec Qd1); a merchant's key names one order.

use crate::world::{Log, World};
use std::collections::BTreeMap;

pub(super) fn holds(world: &World<'_>, log: &Log) -> Result<(), String> {
    let mut payments = BTreeMap::new();
    let mut firsts = BTreeMap::new();
    for (request, accepted) in &log.accepted {
        let known = payments.entry(*request).or_insert(accepted.payment);
        if *known != accepted.payment {
            return Err(format!("one request made {known} and {}", accepted.payment));
        }
        if !accepted.repeated && firsts.insert(accepted.payment, *request).is_some() {
            return Err(format!("{} was accepted twice as new", accepted.payment));
        }
    }
    let mut orders = BTreeMap::new();
    for (key, uid) in &log.issued {
        let known = orders.entry(key).or_insert(uid);
        let forgotten =
            world.latest() >= crate::bank::START.plus_ms(world.policy().outcome_kept_ms);
        if *known != uid && !forgotten {
            return Err(format!("key {key} names {known} and {uid}"));
        }
    }
    Ok(())
}
