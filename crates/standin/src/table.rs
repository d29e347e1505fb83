//! Which rows there are, and how they are found.

use crate::{InstitutionId, RequestKey};
use alloc::vec::Vec;
use port::{CrateTag, Key, KeyError};
use seal::AccountRef;

/// The parameters that decide: version and digest.
const HEAD: u8 = 1;
/// Accounts: token.
const ACCOUNT: u8 = 3;
/// The journal: account token, role, request key.
const JOURNAL: u8 = 4;
/// Lanes: number.
const LANE: u8 = 5;
/// What each lane was granted.
const POOL: u8 = 6;
/// Answers of the accounting system: time of sending, request key.
const ANSWER: u8 = 16;

/// An entry under its own key.
const OWN: u8 = 0;
/// A reversal under the key of what it reverses, so that there is one whatever message brings it.
const REVERSAL: u8 = 1;

pub(crate) fn head(institution: InstitutionId) -> Key {
    table(institution, HEAD)
}

pub(crate) fn account(institution: InstitutionId, account: &AccountRef) -> Key {
    fit(table(institution, ACCOUNT).raw(account.as_bytes()))
}

pub(crate) fn journal(institution: InstitutionId) -> Key {
    table(institution, JOURNAL)
}

/// The entries of one account.
pub(crate) fn journal_of(institution: InstitutionId, account: &AccountRef) -> Key {
    fit(journal(institution).raw(account.as_bytes()))
}

pub(crate) fn entry(institution: InstitutionId, account: &AccountRef, key: &RequestKey) -> Key {
    of_role(institution, account, OWN, key)
}

pub(crate) fn reversal_of(
    institution: InstitutionId,
    account: &AccountRef,
    original: &RequestKey,
) -> Key {
    of_role(institution, account, REVERSAL, original)
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
    let mut tail = Vec::with_capacity(8 + RequestKey::BYTES_MAX);
    tail.extend_from_slice(&request.sent_at().as_ms().to_be_bytes());
    request.append(&mut tail);
    fit(answers(institution).raw(&tail))
}

fn of_role(institution: InstitutionId, account: &AccountRef, role: u8, key: &RequestKey) -> Key {
    let mut tail = Vec::with_capacity(17 + RequestKey::BYTES_MAX);
    tail.extend_from_slice(account.as_bytes());
    tail.push(role);
    key.append(&mut tail);
    fit(journal(institution).raw(&tail))
}

fn table(institution: InstitutionId, table: u8) -> Key {
    Key::new(CrateTag::STANDIN, institution.tenant(), table)
}

/// The types bound every part: the longest key has 60 bytes. An impossible key would be one of nobody, never of another row.
fn fit(key: Result<Key, KeyError>) -> Key {
    debug_assert!(key.is_ok());
    key.unwrap_or_else(|_| Key::new(CrateTag::STANDIN, port::Tenant::new(u64::MAX), u8::MAX))
}
