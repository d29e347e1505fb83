//! Where the rows of both servers lie: under the crate's tag, the tenant, a table, and the name of their owner.

use port::{CrateTag, Key, KeyError, Row, Tenant};

/// What the keys of a table start with.
pub(crate) fn table(tenant: Tenant, table: u8) -> Key {
    Key::new(CrateTag::RISK_CORE, tenant, table)
}

/// The row of an owner, or what all its rows of a table start with.
pub(crate) fn of(tenant: Tenant, number: u8, owner: &[u8]) -> Key {
    fit(table(tenant, number).text(owner))
}

/// The parts are bounded: the longest key has 91 of 256 bytes. An impossible key would be one that no store takes, never one
/// of another row.
pub(crate) fn fit(key: Result<Key, KeyError>) -> Key {
    debug_assert!(key.is_ok());
    key.unwrap_or_else(|_| Key::new(CrateTag::RISK_CORE, Tenant::new(u64::MAX), u8::MAX))
}

/// After which key the page goes on that follows this one; `None` at the end.
pub(crate) fn next(page: &[(Key, Row)], limit: usize) -> Option<Key> {
    page.last().filter(|_| page.len() == limit).map(|(key, _)| key.clone())
}
