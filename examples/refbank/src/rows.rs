//! The application's own rows, beside those of the crates in one store.

use interbank::port::{CrateTag, Key, KeyError, Tenant, Time};
use interbank::qrpay::Uid;
use interbank::standin::RequestKey;

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

/// What the book made of a movement.
pub(crate) fn posted(key: &RequestKey) -> Result<Key, KeyError> {
    Key::new(BOOK, TENANT, POSTED).raw(&key.to_bytes())
}

/// All postings, newest first.
pub(crate) fn journal() -> Key {
    Key::new(BOOK, TENANT, JOURNAL)
}

/// One posting.
pub(crate) fn posting(at: Time, key: &RequestKey) -> Result<Key, KeyError> {
    journal().number(u64::MAX - at.as_ms())?.raw(&key.to_bytes())
}

/// How the accounting system behaves.
pub(crate) fn mood() -> Key {
    Key::new(BOOK, TENANT, MOOD)
}

/// All slips: what the payment server was answered, oldest request first.
pub(crate) fn slips() -> Key {
    Key::new(BANK, TENANT, SLIP)
}

/// One slip.
pub(crate) fn slip(key: &RequestKey) -> Result<Key, KeyError> {
    slips().number(key.sent_at().as_ms())?.raw(&key.to_bytes())
}

/// The request of a slip, out of its key.
pub(crate) fn slip_key(key: &Key) -> Option<RequestKey> {
    RequestKey::parse(key.as_bytes().get(Key::HEAD_BYTES + 8..)?).ok()
}

/// All business days, newest first.
pub(crate) fn business_days() -> Key {
    Key::new(BANK, TENANT, BUSINESS_DAY)
}

/// One business day.
pub(crate) fn business_day(number: u32) -> Result<Key, KeyError> {
    business_days().number(u64::from(u32::MAX - number))
}

/// In which day's file a posting is.
pub(crate) fn settled(key: &RequestKey) -> Result<Key, KeyError> {
    Key::new(BANK, TENANT, SETTLED).raw(&key.to_bytes())
}

/// The postings in a day's files, oldest first.
pub(crate) fn settled_lines(day: u32) -> Result<Key, KeyError> {
    Key::new(BANK, TENANT, SETTLED_LINE).number(day.into())
}

/// One of them.
pub(crate) fn settled_line(day: u32, at: Time, key: &RequestKey) -> Result<Key, KeyError> {
    settled_lines(day)?.number(at.as_ms())?.raw(&key.to_bytes())
}

/// What an operator ordered.
pub(crate) fn manual_override() -> Key {
    Key::new(BANK, TENANT, MANUAL_OVERRIDE)
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

/// How far the past of the demo's car was played.
pub(crate) fn car() -> Key {
    Key::new(BANK, TENANT, CAR)
}

const SHOP: CrateTag = foreign(0x80);
const BOOK: CrateTag = foreign(0x81);
const TRAIL: CrateTag = foreign(0x82);
const BANK: CrateTag = foreign(0x83);

const LISTED: u8 = 1;
const NOTE: u8 = 2;
const DISPLAY: u8 = 3;

const ACCOUNT: u8 = 1;
const POSTED: u8 = 4;
const JOURNAL: u8 = 5;
const MOOD: u8 = 6;

const WAITING: u8 = 1;
const CHAIN: u8 = 2;
const HEAD: u8 = 3;

const OWNER: u8 = 1;
const CAR: u8 = 2;
const SLIP: u8 = 3;
const MANUAL_OVERRIDE: u8 = 4;
const BUSINESS_DAY: u8 = 5;
const SETTLED: u8 = 6;
const SETTLED_LINE: u8 = 7;

/// The tag of an application's own rows.
pub(crate) const fn foreign(tag: u8) -> CrateTag {
    match CrateTag::foreign(tag) {
        Some(tag) => tag,
        None => CrateTag::PORT,
    }
}
