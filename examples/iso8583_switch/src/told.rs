//! What the accounting system is told later, as a message.

use crate::network::Network;
use crate::vault::Vault;
use standin::{Advice, Kind, Mti, Posting, TransactionRequest};
use wire_iso8583::Outgoing;

/// The bytes of an advice; `None` if its account's number cannot be had: it stays in the journal, and is escalated.
pub(crate) fn frame(advice: &Advice, network: &Network, vault: &Vault) -> Option<Vec<u8>> {
    let reversal;
    let request = match (advice.posting, advice.request.kind) {
        (Posting::Reversal, kind) if kind != Kind::Reversal => {
            reversal = reversal_of(advice);
            &reversal
        }
        _ => &advice.request,
    };
    let mut outgoing = Outgoing::new(request).as_advice(&advice.response).answered_at(advice.at);
    if advice.mti.is_repeat() {
        outgoing = outgoing.as_repeat();
    }
    let message = outgoing.message(&network.usage, |info| vault.number(info)).ok()?;
    network.write(&message)
}

/// A request that the terminal was told no to, and the accounting system may have said yes to: its reversal.
fn reversal_of(advice: &Advice) -> TransactionRequest {
    let mut reversal = advice.request.clone();
    reversal.mti = Mti::REVERSAL;
    reversal.kind = Kind::Reversal;
    reversal.key = advice.key;
    reversal.original = advice.original;
    reversal
}
