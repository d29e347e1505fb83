//! A reply of a revoked device is not taken after the revocation, however early it was computed (spec Qd8).

use crate::view::View;
use crate::world::Log;

pub(super) fn holds(view: &View, log: &Log) -> Result<(), String> {
    for outcome in &view.outcomes {
        let Some(computed) = log.computed.get(&outcome.reply) else { continue };
        let revoked = log.revoked.get(&computed.device);
        if revoked.is_some_and(|last| outcome.version > *last) {
            return Err(format!("device {} paid after it was revoked", computed.device));
        }
    }
    Ok(())
}
