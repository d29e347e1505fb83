//! What stand-in has out is never above the budget, and never more than its row says (issue: loss budget; spec, check 15). What was
//! taken against a check, since an acquirer told that it has happened, may be out besides.

use crate::world::{BUDGET_MINOR, Peek, World};
use interbank_standin::{Entry, EntryState, Kind};

pub(crate) fn holds<S: Peek>(world: &World<S>) -> Result<(), String> {
    let journal = world.journal();
    let truly = out_minor(&journal, &[EntryState::Queued, EntryState::Exception]);
    let lane = world.lane();
    let says: i64 = lane.shares.iter().map(|share| share.out_minor).sum();
    let told: Vec<Entry> = journal.iter().filter(|entry| entry.reason != 0).cloned().collect();
    let may = BUDGET_MINOR + out_minor(&told, &[EntryState::Queued, EntryState::Exception]);
    // At any moment before: whatever has become of it since.
    let might = BUDGET_MINOR + out_minor(&told, &EntryState::ALL);
    if truly > may || world.out_max_minor > might {
        return Err(format!("{truly} are out, {} were, {may} may", world.out_max_minor));
    }
    if says < truly {
        return Err(format!("{truly} are out, and the lane says {says}"));
    }
    Ok(())
}

/// Once everything got through, only exceptions are out.
pub(crate) fn holds_at_rest<S: Peek>(world: &World<S>) -> Result<(), String> {
    let journal = world.journal();
    let left = out_minor(&journal, &[EntryState::Exception]);
    let lane = world.lane();
    let says: i64 = lane.shares.iter().map(|share| share.out_minor).sum();
    if says == left { Ok(()) } else { Err(format!("{says} are out at rest, not {left}")) }
}

/// Approved and not ended, less what was reversed since.
fn out_minor(journal: &[Entry], states: &[EntryState]) -> i64 {
    let counted = journal.iter().filter(|entry| {
        let approved = entry.response.is_approval() && entry.request.kind != Kind::Reversal;
        approved && states.contains(&entry.state)
    });
    let outs = counted.map(|entry| {
        let given_back: i64 = journal
            .iter()
            .filter(|other| other.request.kind == Kind::Reversal)
            .filter(|other| other.request.original == Some(entry.request.key))
            .map(|other| other.spent_minor)
            .sum();
        entry.spent_minor.max(0) + given_back
    });
    outs.sum()
}
