//! Which rows there are, and how they are found.

use crate::{Error, Misuse, PaymentId, PaymentRequest, Uid};
use port::{Answers, CrateTag, Key, KeyError, Row, Tenant};
use seal::AccountRef;

/// Items: `uid`.
pub(crate) const ITEM: u8 = 1;
/// Bindings: account token.
pub(crate) const BINDING: u8 = 2;
/// Outcomes: `uid`, the first 8 bytes of the account token, kind and first 8 bytes of the reply, challenge reference. The row
/// has account and reply whole.
pub(crate) const OUTCOME: u8 = 3;
/// Payments: `uid`, payment id.
pub(crate) const PAYMENT: u8 = 4;
/// Refunds: `uid`, payment id, refund id.
pub(crate) const REFUND: u8 = 5;
/// Merchants' idempotency keys: merchant, key.
pub(crate) const MERCHANT_KEY: u8 = 6;
/// What is owed to the accounting system.
pub(crate) const OUTBOX: u8 = 0xFE;

/// Where a key names its table.
const TABLE_AT: usize = Key::HEAD_BYTES - 1;

pub(crate) fn table(tenant: Tenant, table: u8) -> Key {
    Key::new(CrateTag::QRPAY, tenant, table)
}

pub(crate) fn item(tenant: Tenant, uid: &Uid) -> Key {
    let uid = uid.as_bytes();
    behind(table(tenant, ITEM), &[&[length(uid)], uid])
}

pub(crate) fn binding(tenant: Tenant, account: &AccountRef) -> Key {
    behind(table(tenant, BINDING), &[account.as_bytes()])
}

/// From the key of its item, which differs in the table and ends where the account begins.
pub(crate) fn outcome(item: &Key, request: &PaymentRequest, account: &AccountRef) -> Key {
    let reply = request.reply.as_bytes();
    let mut tail = [0; 21];
    tail[..8].copy_from_slice(&account.as_bytes()[..8]);
    tail[8] = request.reply.kind();
    let shown = reply.len().min(8);
    tail[9..9 + shown].copy_from_slice(&reply[..shown]);
    // Two typed codes of one payer for one commodity may be equal by chance.
    tail[17..].copy_from_slice(&request.challenge_ref.unwrap_or(0).to_be_bytes());
    in_table(OUTCOME, item, &tail)
}

/// What all outcomes of an account for an item and a kind of reply begin with, and those of accounts whose tokens begin alike.
pub(crate) fn outcomes(item: &Key, account: &AccountRef, kind: u8) -> Key {
    let mut tail = [kind; 9];
    tail[..8].copy_from_slice(&account.as_bytes()[..8]);
    in_table(OUTCOME, item, &tail)
}

/// Whether an outcome's key is one of requests with this reference.
pub(crate) fn is_under(outcome: &Key, reference: Option<u32>) -> bool {
    outcome.as_bytes().ends_with(&reference.unwrap_or(0).to_be_bytes())
}

pub(crate) fn payments(tenant: Tenant, uid: &Uid) -> Key {
    fit(table(tenant, PAYMENT).text(uid.as_bytes()))
}

pub(crate) fn payment(tenant: Tenant, uid: &Uid, id: &PaymentId) -> Key {
    fit(payments(tenant, uid).raw(&id.0))
}

/// [`payment`] from the key of its item, which differs in the table and ends where the payment's id begins.
pub(crate) fn payment_of(item: &Key, id: &PaymentId) -> Key {
    in_table(PAYMENT, item, &id.0)
}

pub(crate) fn refunds(tenant: Tenant, uid: &Uid, id: &PaymentId) -> Key {
    fit(table(tenant, REFUND).text(uid.as_bytes()).and_then(|key| key.raw(&id.0)))
}

pub(crate) fn refund(tenant: Tenant, uid: &Uid, id: &PaymentId, refund: &[u8]) -> Key {
    fit(refunds(tenant, uid, id).text(refund))
}

pub(crate) fn merchant_key(tenant: Tenant, merchant: &Uid, key: &[u8]) -> Key {
    fit(table(tenant, MERCHANT_KEY).text(merchant.as_bytes()).and_then(|head| head.text(key)))
}

/// The key of a row in another table whose key begins alike.
fn in_table(table: u8, like: &Key, tail: &[u8]) -> Key {
    let mut key = like.clone();
    key.set(TABLE_AT, table);
    behind(key, &[tail])
}

/// Built where it stays: a key handed on from part to part is copied for each of them.
fn behind(mut key: Key, parts: &[&[u8]]) -> Key {
    for part in parts {
        if key.push(part).is_err() {
            return impossible();
        }
    }
    key
}

/// Before an identifier, as [`Key::text`] puts it.
fn length(uid: &[u8]) -> u8 {
    u8::try_from(uid.len()).unwrap_or(u8::MAX)
}

fn fit(key: Result<Key, KeyError>) -> Key {
    key.unwrap_or_else(|_| impossible())
}

/// The types bound every part, so that the longest key has 156 of 256 bytes. An impossible key would be one that no store
/// takes, never one of another row.
#[cold]
fn impossible() -> Key {
    debug_assert!(false, "a key that is too long");
    Key::new(CrateTag::QRPAY, Tenant::new(u64::MAX), u8::MAX)
}

/// The row at a position of the answers.
pub(crate) fn point(answers: &Answers, at: usize) -> Result<Option<&Row>, Error> {
    answers.rows.points.get(at).map(Option::as_ref).ok_or(Error::Misuse(Misuse::Answers))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payments_key_is_its_items_in_another_table() {
        let (tenant, id) = (Tenant::new(7), PaymentId([9; 16]));
        for uid in ["O", "O-1234567890123456789012345", &"o".repeat(64)] {
            let uid = Uid::new(uid.as_bytes().to_vec()).unwrap();
            let item = item(tenant, &uid);
            assert_eq!(item, table(tenant, ITEM).text(uid.as_bytes()).unwrap());
            assert_eq!(payment_of(&item, &id), payment(tenant, &uid, &id));
        }
    }
}
