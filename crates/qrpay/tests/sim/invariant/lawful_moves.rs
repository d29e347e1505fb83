//! Items, challenges, payments and refunds move only along their arrows, and go only when policy says so (spec: server check
//! order 6, `docs/spec/qrpay.md`).

use crate::view::View;
use crate::world::World;
use interbank_qrpay::*;
use port::Time;
use std::collections::BTreeMap;

/// Where everything stood at the last look.
#[derive(Default)]
pub(crate) struct Past {
    /// Not every change was looked at: several moves may lie between two looks.
    pub(crate) with_gaps: bool,
    items: BTreeMap<Uid, State>,
    challenges: BTreeMap<(Uid, Challenge), ChallengeState>,
    payments: BTreeMap<PaymentId, (PaymentState, Time)>,
    refunds: BTreeMap<(PaymentId, Vec<u8>), RefundState>,
}

pub(super) fn holds(world: &World<'_>, view: &View, past: &mut Past) -> Result<(), String> {
    for (uid, item) in &view.items {
        let before = past.items.insert(uid.clone(), item.state).unwrap_or(item.state);
        let lawful = may_move(before, item.state, past.with_gaps, item_moves);
        if !lawful {
            return Err(format!("{uid} went from {before:?} to {:?}", item.state));
        }
        challenges(uid, item, past)?;
    }
    for row in &view.payments {
        let now = (row.payment.state, row.payment.accepted);
        let (before, accepted) = past.payments.insert(row.id, now).unwrap_or(now);
        let lawful = may_move(before, now.0, past.with_gaps, payment_moves);
        if !lawful || accepted != now.1 {
            return Err(format!("payment {} went from {before:?} to {:?}", row.id, now.0));
        }
    }
    let lost = past.payments.iter().find(|(id, (state, accepted))| {
        let over = world.latest() >= accepted.plus_ms(world.policy().record_kept_ms);
        let ended = match owed_in(*state) {
            // Between two looks it may have been answered, settled and purged; without an answer it waits for ever.
            Some(kind) => past.with_gaps && world.log.borrow().accounting.has_answered(**id, kind),
            None => true,
        };
        view.payment(**id).is_none() && !(ended && over)
    });
    if let Some((id, (state, _))) = lost {
        return Err(format!("payment {id} was {state:?} and is gone"));
    }
    for row in &view.refunds {
        let key = (row.payment, row.id.clone());
        let before = past.refunds.insert(key, row.refund.state).unwrap_or(row.refund.state);
        if before != row.refund.state && before != RefundState::Owed {
            return Err(format!("a refund went from {before:?} to {:?}", row.refund.state));
        }
    }
    Ok(())
}

/// What has to be answered before a payment in this state can end.
const fn owed_in(state: PaymentState) -> Option<InstructionKind> {
    match state {
        PaymentState::Accepted | PaymentState::Lapsed => Some(InstructionKind::Debit),
        PaymentState::Reversing => Some(InstructionKind::Reversal),
        PaymentState::Declined
        | PaymentState::Paid
        | PaymentState::Reversed
        | PaymentState::Unreversed => None,
    }
}

/// Whether an arrow, or with gaps a chain of them, leads from one state to another.
fn may_move<S: Copy + PartialEq + 'static>(
    from: S,
    to: S,
    with_gaps: bool,
    moves: fn(S) -> &'static [S],
) -> bool {
    let mut reached = vec![from];
    let mut at = 0;
    while let Some(state) = reached.get(at).copied() {
        if at == 0 || with_gaps {
            let new: Vec<S> =
                moves(state).iter().filter(|next| !reached.contains(next)).copied().collect();
            reached.extend(new);
        }
        at += 1;
    }
    reached.contains(&to)
}

fn item_moves(from: State) -> &'static [State] {
    match from {
        State::Open => &[State::Accepted, State::Cancelled],
        State::Accepted => &[State::Paid, State::Open, State::Lapsed],
        State::Lapsed => &[State::Cancelled, State::Paid],
        State::Cancelled | State::Paid => &[],
    }
}

fn payment_moves(from: PaymentState) -> &'static [PaymentState] {
    use PaymentState::{Accepted, Declined, Lapsed, Paid, Reversed, Reversing, Unreversed};
    match from {
        Accepted => &[Paid, Declined, Lapsed],
        Lapsed => &[Paid, Declined, Reversing],
        Reversing => &[Reversed, Unreversed],
        Declined | Paid | Reversed | Unreversed => &[],
    }
}

fn challenges(uid: &Uid, item: &Item, past: &mut Past) -> Result<(), String> {
    for (at, one) in item.challenges.iter().enumerate() {
        if item.challenges[..at].iter().any(|other| other.challenge == one.challenge) {
            return Err(format!("{uid} displays one challenge twice"));
        }
        let key = (uid.clone(), one.challenge);
        let before = past.challenges.insert(key, one.state).unwrap_or(one.state);
        if before != one.state && before != ChallengeState::Open {
            return Err(format!("a challenge of {uid} went from {before:?} to {:?}", one.state));
        }
    }
    Ok(())
}
