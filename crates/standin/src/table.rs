//! Which rows there are, and how they are found.

use crate::{EntryRef, EntryState, InstitutionId, RequestKey, Role};
use port::{CrateTag, Key, KeyError};
use seal::AccountRef;

/// The parameters that decide: version and digest.
const HEAD: u8 = 1;
/// Signed parameter sets: version, part.
const SET: u8 = 2;
/// Accounts: token.
const ACCOUNT: u8 = 3;
/// The journal of version 1: account token, role, request key. Nothing is written there any more.
const JOURNAL_V1: u8 = 4;
/// Lanes: number.
const LANE: u8 = 5;
/// What each lane was granted.
const POOL: u8 = 6;
/// Acknowledgements of parameter sets: version.
const ACKNOWLEDGED: u8 = 7;
/// The last page of lists and balances that was taken.
const FEED: u8 = 8;
/// Answers of the accounting system: time of sending, request key.
const ANSWER: u8 = 9;
/// The journal: place, account token, role, request key.
const JOURNAL: u8 = 10;
/// What each counter's number stands for.
const COUNTERS: u8 = 11;
/// The place of entries that wait for delivery: before the others, so that one that moves while the journal is read in pages is
/// read twice rather than never.
const OPEN: u8 = 0;
/// The place of those of which nothing is owed, or no longer.
const ENDED: u8 = 1;
/// Where the place stands in the key of an entry, and behind it and the account's token the role.
const PLACE_AT: usize = Key::HEAD_BYTES;
const ROLE_AT: usize = PLACE_AT + 17;

pub(crate) fn head(institution: InstitutionId) -> Key {
    table(institution, HEAD)
}

pub(crate) fn sets(institution: InstitutionId) -> Key {
    table(institution, SET)
}

pub(crate) fn set(institution: InstitutionId, version: u64) -> Key {
    fit(sets(institution).raw(&version.to_be_bytes()))
}

pub(crate) fn part_of_set(institution: InstitutionId, version: u64, part: u8) -> Key {
    fit(set(institution, version).raw(&[part]))
}

pub(crate) fn acknowledgements(institution: InstitutionId) -> Key {
    table(institution, ACKNOWLEDGED)
}

pub(crate) fn acknowledgement(institution: InstitutionId, version: u64) -> Key {
    fit(acknowledgements(institution).raw(&version.to_be_bytes()))
}

pub(crate) fn counters(institution: InstitutionId) -> Key {
    table(institution, COUNTERS)
}

pub(crate) fn feed(institution: InstitutionId) -> Key {
    table(institution, FEED)
}

pub(crate) fn accounts(institution: InstitutionId) -> Key {
    table(institution, ACCOUNT)
}

pub(crate) fn account(institution: InstitutionId, account: &AccountRef) -> Key {
    fit(accounts(institution).raw(account.as_bytes()))
}

pub(crate) fn journal(institution: InstitutionId) -> Key {
    table(institution, JOURNAL)
}

pub(crate) fn journal_v1(institution: InstitutionId) -> Key {
    table(institution, JOURNAL_V1)
}

/// The entries that wait for delivery.
pub(crate) fn open(institution: InstitutionId) -> Key {
    fit(journal(institution).raw(&[OPEN]))
}

/// The entries of one account that wait for delivery.
pub(crate) fn open_of(institution: InstitutionId, account: &AccountRef) -> Key {
    fit(open(institution).raw(account.as_bytes()))
}

/// The entries of which nothing is owed, or no longer.
pub(crate) fn ended(institution: InstitutionId) -> Key {
    fit(journal(institution).raw(&[ENDED]))
}

/// The row of an entry while it is in this state.
pub(crate) fn entry(institution: InstitutionId, entry: &EntryRef, state: EntryState) -> Key {
    let mut key = journal(institution);
    let place = if state.waits() { OPEN } else { ENDED };
    // The bytes of `EntryRef::to_bytes`, without a detour over the heap.
    let pushed = key
        .push(&[place])
        .and_then(|()| key.push(entry.account.as_bytes()))
        .and_then(|()| key.push(&[entry.role as u8]))
        .and_then(|()| entry.request.append(&mut key));
    fit(pushed.map(|()| key))
}

/// Makes the key of an entry that waits into that of an entry that ended.
#[inline]
pub(crate) fn end(entry: &mut Key) {
    entry.set(PLACE_AT, ENDED);
}

/// Makes the key of an entry into that of the same request's entry in this role.
#[inline]
pub(crate) fn cast(entry: &mut Key, role: Role) {
    entry.set(ROLE_AT, role as u8);
}

pub(crate) fn lane(institution: InstitutionId, lane: u16) -> Key {
    fit(table(institution, LANE).raw(&lane.to_be_bytes()))
}

pub(crate) fn pool(institution: InstitutionId) -> Key {
    table(institution, POOL)
}

pub(crate) fn answers(institution: InstitutionId) -> Key {
    table(institution, ANSWER)
}

/// By the time of sending first, so that what is over lies together.
pub(crate) fn answer(institution: InstitutionId, request: &RequestKey) -> Key {
    let sent_at = request.sent_at().as_ms().to_be_bytes();
    let mut key = answers(institution);
    let pushed = key.push(&sent_at).and_then(|()| request.append(&mut key));
    fit(pushed.map(|()| key))
}

fn table(institution: InstitutionId, table: u8) -> Key {
    Key::new(CrateTag::STANDIN, institution.tenant(), table)
}

/// The types bound every part: the longest key has 61 bytes. An impossible key would be one of nobody, never of another row.
fn fit(key: Result<Key, KeyError>) -> Key {
    debug_assert!(key.is_ok());
    key.unwrap_or_else(|_| Key::new(CrateTag::STANDIN, port::Tenant::new(u64::MAX), u8::MAX))
}
