//! The application's own rows, beside those of the crates in one store.

use interbank::port::{CrateTag, Key, KeyError, Tenant, Time};
use interbank::qrpay::Uid;

/// The one institution of this program.
pub(crate) const TENANT: Tenant = Tenant::new(1);

/// All orders of the shop, newest first: [`LISTED`] before the rest of the order's key.
pub(crate) fn listed() -> Key {
    Key::new(SHOP, TENANT, LISTED)
}

/// One order in the list.
pub(crate) fn listing(created: Time, uid: &Uid) -> Result<Key, KeyError> {
    listed().number(u64::MAX - created.as_ms())?.raw(uid.as_bytes())
}

/// The order's identifier out of its key in the list.
pub(crate) fn listing_uid(key: &Key) -> Option<Uid> {
    let uid = key.as_bytes().get(Key::HEAD_BYTES + 8..)?;
    Uid::new(uid.to_vec()).ok()
}

/// When the order was made, out of its key in the list.
pub(crate) fn listing_created(key: &Key) -> Option<Time> {
    let bytes = key.as_bytes().get(Key::HEAD_BYTES..Key::HEAD_BYTES + 8)?;
    let inverse = u64::from_be_bytes(bytes.try_into().ok()?);
    Some(Time::from_ms(u64::MAX - inverse))
}

/// What the shop noted about an order.
pub(crate) fn note(uid: &Uid) -> Result<Key, KeyError> {
    Key::new(SHOP, TENANT, NOTE).text(uid.as_bytes())
}

/// What the display in the shop shows for an order.
pub(crate) fn display(uid: &Uid) -> Result<Key, KeyError> {
    Key::new(SHOP, TENANT, DISPLAY).text(uid.as_bytes())
}

/// All accounts of the book.
pub(crate) fn accounts() -> Key {
    Key::new(BOOK, TENANT, ACCOUNT)
}

/// What the book answered to an instruction.
pub(crate) fn settlement(idempotency: &[u8; 32]) -> Result<Key, KeyError> {
    Key::new(BOOK, TENANT, SETTLEMENT).raw(idempotency)
}

/// All postings, newest first.
pub(crate) fn journal() -> Key {
    Key::new(BOOK, TENANT, JOURNAL)
}

/// One posting.
pub(crate) fn posting(at: Time, idempotency: &[u8; 32]) -> Result<Key, KeyError> {
    journal().number(u64::MAX - at.as_ms())?.raw(&idempotency[..16])
}

/// Audit records that wait for their place in the chain.
pub(crate) fn waiting() -> Key {
    Key::new(TRAIL, TENANT, WAITING)
}

/// One waiting audit record.
pub(crate) fn waiting_record(at: Time, mark: &[u8; 16]) -> Result<Key, KeyError> {
    waiting().number(at.as_ms())?.raw(mark)
}

/// All chained audit records, oldest first.
pub(crate) fn chain() -> Key {
    Key::new(TRAIL, TENANT, CHAIN)
}

/// One chained audit record; the first has number 1.
pub(crate) fn link(number: u64) -> Result<Key, KeyError> {
    chain().number(number)
}

/// Where the chain stands.
pub(crate) fn chain_head() -> Key {
    Key::new(TRAIL, TENANT, HEAD)
}

/// Whose keys the rows were made with.
pub(crate) fn owner() -> Key {
    Key::new(BANK, TENANT, OWNER)
}

/// When the demo's car was registered.
pub(crate) fn car_applied() -> Key {
    Key::new(BANK, TENANT, CAR_APPLIED)
}

/// Whether its first month was learned.
pub(crate) fn car_learned() -> Key {
    Key::new(BANK, TENANT, CAR_LEARNED)
}

const SHOP: CrateTag = foreign(0x80);
const BOOK: CrateTag = foreign(0x81);
const TRAIL: CrateTag = foreign(0x82);
const BANK: CrateTag = foreign(0x83);

const LISTED: u8 = 1;
const NOTE: u8 = 2;
const DISPLAY: u8 = 3;

const ACCOUNT: u8 = 1;
const SETTLEMENT: u8 = 2;
const JOURNAL: u8 = 3;

const WAITING: u8 = 1;
const CHAIN: u8 = 2;
const HEAD: u8 = 3;

const OWNER: u8 = 1;
const CAR_APPLIED: u8 = 2;
const CAR_LEARNED: u8 = 3;

const fn foreign(tag: u8) -> CrateTag {
    match CrateTag::foreign(tag) {
        Some(tag) => tag,
        None => CrateTag::PORT,
    }
}
