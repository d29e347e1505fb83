//! The end of entries in the store: state, account and lane in one batch.

use super::DeadLetter;
use crate::{
    AccountState, Entry, EntryRef, EntryState, Error, InstitutionId, Lane, RequestKey, Role,
    settle, table,
};
use alloc::collections::{BTreeMap, VecDeque, btree_map};
use alloc::vec::Vec;
use port::{Batch, Expect, ReadSet, Row, Ticket, Time};
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
    pub(super) entry: EntryRef,
    /// The request that the accounting system was asked about.
    pub(super) about: RequestKey,
    /// The message that ended it.
    pub(super) key: RequestKey,
    pub(super) state: EntryState,
    pub(super) why: Option<DeadLetter>,
}

/// The rows that are needed: the lane; of each entry its own, the reversal of it in either place, and the account.
pub(super) fn want(institution: InstitutionId, lane: u16, ended: &[Ended]) -> ReadSet {
    let mut points = Vec::with_capacity(1 + 4 * ended.len());
    points.push(table::lane(institution, lane));
    for one in ended {
        points.push(one.entry.key(institution, EntryState::Queued));
        points.extend(one.entry.reversal().keys(institution));
        points.push(table::account(institution, &one.entry.account));
    }
    ReadSet::points(points)
}

/// The batch that ends the entries, as far as they have not ended already. What an account's entries do to its row is required
/// with the row, so that no reversal comes in between.
pub(super) fn batch(
    now: Time,
    institution: InstitutionId,
    lane: u16,
    ended: &[Ended],
    rows: &[Option<Row>],
) -> Result<Batch, Error> {
    let (lane_row, rows) = rows.split_first().ok_or(Error::Answers)?;
    let mut lane_state = match lane_row {
        Some(row) => Lane::parse(&row.value).map_err(Error::Corrupt)?,
        None => Lane::default(),
    };
    let mut released = false;
    let mut accounts: BTreeMap<AccountRef, (AccountState, &Row)> = BTreeMap::new();
    let mut batch = Batch::with_capacity(1 + 3 * ended.len());
    for (one, rows) in ended.iter().zip(rows.chunks(4)) {
        let [entry_row, reversal @ .., account_row] = rows else { return Err(Error::Answers) };
        // Ended by somebody else.
        let (Some(entry_row), Some(account_row)) = (entry_row, account_row) else { continue };
        let mut entry = Entry::parse(&entry_row.value).map_err(Error::Corrupt)?;
        if !entry.state.waits() {
            continue;
        }
        let account = one.entry.account;
        let (state, _) = match accounts.entry(account) {
            btree_map::Entry::Occupied(known) => known.into_mut(),
            btree_map::Entry::Vacant(new) => {
                let state = AccountState::parse(&account_row.value).map_err(Error::Corrupt)?;
                new.insert((state, account_row))
            }
        };
        // A reversal itself is not reversed.
        let reversal = reversal.iter().flatten().next();
        let reversal = match reversal.filter(|_| one.entry.role == Role::Request) {
            Some(row) => Some(Entry::parse(&row.value).map_err(Error::Corrupt)?),
            None => None,
        };
        let back_minor = settle::end(&mut entry, state, reversal.as_ref(), one.state, now)?;
        if back_minor > 0 {
            lane_state.spend(entry.request.initiator, entry.capped, -back_minor);
            released = true;
        }
        let mut bytes = Vec::with_capacity(entry_row.value.len());
        entry.encode(&mut bytes).map_err(|_| Error::TooLong)?;
        let [open, ended] = one.entry.keys(institution);
        batch.delete(open, Expect::At(entry_row.version));
        batch.put(ended, Expect::Absent, bytes);
    }
    for (account, (state, row)) in accounts {
        let key = table::account(institution, &account);
        let state = state.encode().map_err(|_| Error::TooLong)?;
        batch.put(key, Row::unchanged(Some(row)), state);
    }
    if released {
        let key = table::lane(institution, lane);
        let lane = lane_state.encode().map_err(|_| Error::TooLong)?;
        batch.put(key, Row::unchanged(lane_row.as_ref()), lane);
    }
    Ok(batch)
}
