//! The end of entries in the store: state, account and lane in one batch.

use super::DeadLetter;
use crate::{AccountState, Entry, EntryState, InstitutionId, Kind, Lane, RequestKey, table};
use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;
use port::{Batch, Key, ReadSet, Row, Ticket, Time, WireError};
use seal::AccountRef;

/// Entries of one lane that were answered.
#[derive(Clone, Debug, Default)]
pub(super) struct Settlement {
    pub(super) waiting: VecDeque<Ended>,
    /// What is being written.
    pub(super) active: Vec<Ended>,
    pub(super) phase: Phase,
    /// Conflicts in a row.
    pub(super) conflicts: u8,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Phase {
    #[default]
    Idle,
    Reading(Ticket),
    Committing(Ticket),
    /// The store failed: again then.
    Resting(Time),
}

/// An entry that was answered, and how it ends.
#[derive(Clone, Debug)]
pub(super) struct Ended {
    pub(super) account: AccountRef,
    /// The request of the entry.
    pub(super) request: RequestKey,
    /// Where its row is found.
    pub(super) original: Option<RequestKey>,
    /// The message that ended it.
    pub(super) key: RequestKey,
    pub(super) state: EntryState,
    pub(super) why: Option<DeadLetter>,
}

impl Ended {
    pub(super) fn of(entry: &Entry, key: RequestKey, state: EntryState) -> Self {
        let reverses = entry.request.kind == Kind::Reversal;
        Self {
            account: entry.request.account.token,
            request: entry.request.key,
            original: entry.request.original.filter(|_| reverses),
            key,
            state,
            why: None,
        }
    }

    fn row(&self, institution: InstitutionId) -> Key {
        match &self.original {
            Some(original) => table::reversal_of(institution, &self.account, original),
            None => table::entry(institution, &self.account, &self.request),
        }
    }
}

/// The rows that are needed: the lane, each entry and the reversal of it, each account.
pub(super) fn want(institution: InstitutionId, lane: u16, ended: &[Ended]) -> ReadSet {
    let mut points = Vec::with_capacity(1 + 3 * ended.len());
    points.push(table::lane(institution, lane));
    for one in ended {
        points.push(one.row(institution));
        points.push(table::reversal_of(institution, &one.account, &one.request));
        points.push(table::account(institution, &one.account));
    }
    ReadSet::points(points)
}

/// The batch that ends the entries, as far as they have not ended already.
pub(super) fn batch(
    institution: InstitutionId,
    lane: u16,
    ended: &[Ended],
    rows: &[Option<Row>],
) -> Result<Batch, WireError> {
    let misfit = WireError::Invalid;
    let (lane_row, rows) = rows.split_first().ok_or(misfit)?;
    let mut lane_state = match lane_row {
        Some(row) => Lane::parse(&row.value)?,
        None => Lane::default(),
    };
    let mut released = false;
    let mut accounts: BTreeMap<AccountRef, (AccountState, &Row)> = BTreeMap::new();
    let mut batch = Batch::with_capacity(1 + 2 * ended.len());
    for (one, rows) in ended.iter().zip(rows.chunks(3)) {
        let [entry_row, reversal_row, account_row] = rows else { return Err(misfit) };
        // A journal that was purged, or an entry that somebody else ended.
        let (Some(entry_row), Some(account_row)) = (entry_row, account_row) else { continue };
        let mut entry = Entry::parse(&entry_row.value)?;
        if entry.state != EntryState::Queued {
            continue;
        }
        if !accounts.contains_key(&one.account) {
            let state = AccountState::parse(&account_row.value)?;
            accounts.insert(one.account, (state, account_row));
        }
        let Some((state, _)) = accounts.get_mut(&one.account) else { return Err(misfit) };
        state.undelivered = state.undelivered.saturating_sub(1);
        let reversal = match reversal_row {
            Some(row) => Some(Entry::parse(&row.value)?),
            None => None,
        };
        let out_minor = out_minor(&entry, state, reversal.as_ref());
        // What could not be posted stays in the exposure until somebody has looked.
        if one.state != EntryState::Exception && out_minor > 0 {
            let initiator = entry.request.initiator;
            let capped = lane_state.shares.iter().any(|share| share.initiator == Some(initiator));
            lane_state.spend(initiator, capped, -out_minor);
            released = true;
        }
        entry.state = one.state;
        let mut bytes = Vec::with_capacity(entry_row.value.len());
        entry.encode(&mut bytes)?;
        batch.put(one.row(institution), Row::unchanged(Some(entry_row)), bytes);
    }
    for (account, (state, row)) in accounts {
        let key = table::account(institution, &account);
        batch.put(key, Row::unchanged(Some(row)), state.encode()?);
    }
    if released {
        let key = table::lane(institution, lane);
        batch.put(key, Row::unchanged(lane_row.as_ref()), lane_state.encode()?);
    }
    Ok(batch)
}

/// What of an entry is in the lane's exposure still. What a reversal gave back is in the reversal's own entry; what a
/// pre-authorization holds still is in the account.
fn out_minor(entry: &Entry, state: &AccountState, reversal: Option<&Entry>) -> i64 {
    let spent = entry.spent_minor.max(0);
    if entry.request.kind == Kind::PreAuthorization {
        let held = state.holds.iter().find(|hold| hold.key == entry.request.key);
        return held.map_or(0, |hold| hold.minor.min(spent));
    }
    let given_back = reversal.map_or(0, |reversal| reversal.spent_minor.min(0));
    spent.saturating_add(given_back).max(0)
}
