//! Rows: those of the chain by the ledger's own layout, and those of this program beside them.

use crate::failure::Failure;
use ledger::{Block, Height, ThingKey};
use port::{CrateTag, Key, KeyError, ReadSet, Row, Scan, Store, Tenant};

/// Each node has a store of its own, so that there is one tenant.
pub(crate) const TENANT: Tenant = Tenant::new(1);

/// Tables of the ledger (`docs/spec/ledger.md`).
pub(crate) mod chain {
    use super::{CrateTag, Height, Key, KeyError, TENANT};

    pub(crate) const ENTRIES: u8 = 3;
    pub(crate) const TILES: u8 = 4;

    pub(crate) fn table(table: u8) -> Key {
        Key::new(CrateTag::LEDGER, TENANT, table)
    }

    pub(crate) fn head() -> Key {
        table(1)
    }

    pub(crate) fn block(height: Height) -> Result<Key, KeyError> {
        table(2).number(height.0)
    }
}

/// Tables of this program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Table {
    /// Up to which height things are indexed: one row.
    Indexed = 171,
    /// Thing, height, place: what happened to a thing.
    Things = 172,
    /// Digest: transactions whose outcome is not known yet.
    Open = 173,
    /// Digest: what became of a transaction.
    Done = 174,
    /// Digest: how long a sealed document is.
    Documents = 175,
    /// Digest, number: its parts.
    Parts = 176,
    /// Digest: offers, own and others'.
    Offers = 177,
    /// File: what people have said in an audit.
    Answers = 178,
    /// Party: what it is called here.
    Parties = 179,
    /// Instruction: what a user wanted.
    Instructions = 180,
    /// Height: blocks in which it changed who vouches for blocks.
    Changes = 181,
    /// Digest: who shall join or leave, with the signatures so far.
    Motions = 182,
    /// File: the thing that it is about, also after the file was purged.
    Files = 183,
    /// From which height on blocks are here: one row, of a node that joined by a snapshot.
    Base = 184,
    /// Number: changes among those who vouch for blocks that were shown with the snapshot.
    Shown = 185,
}

impl Table {
    pub(crate) fn prefix(self) -> Key {
        Key::new(CrateTag::PORT, TENANT, self as u8)
    }

    pub(crate) fn row(self, name: &[u8]) -> Result<Key, Failure> {
        self.prefix().raw(name).map_err(Failure::run)
    }
}

/// What happened to a thing, and where it stands.
pub(crate) fn thing(thing: ThingKey, height: Height, place: u32) -> Result<Key, KeyError> {
    Table::Things.prefix().raw(&thing.0)?.number(height.0)?.number(u64::from(place))
}

/// One row.
pub(crate) async fn one<S: Store>(store: &S, key: Key) -> Result<Option<Row>, Failure> {
    let rows = store.read(&ReadSet::points([key])).await.map_err(Failure::run)?;
    Ok(rows.points.into_iter().next().flatten())
}

/// All rows under a prefix, up to a bound.
pub(crate) async fn all<S: Store>(store: &S, prefix: Key) -> Result<Vec<(Key, Row)>, Failure> {
    let mut rows: Vec<(Key, Row)> = Vec::new();
    loop {
        let after = rows.last().map(|(key, _)| key.clone());
        let scan = Scan { prefix: prefix.clone(), after, limit: Scan::ROWS_MAX };
        let page = store.read(&ReadSet::scan(scan)).await.map_err(Failure::run)?;
        let page = page.scans.into_iter().next().unwrap_or_default();
        let is_last = page.len() < Scan::ROWS_MAX;
        rows.extend(page);
        if is_last {
            return Ok(rows);
        }
    }
}

/// A stored block.
pub(crate) async fn block<S: Store>(store: &S, height: Height) -> Result<Block, Failure> {
    let key = chain::block(height).map_err(Failure::run)?;
    let row = one(store, key).await?;
    let block = row.and_then(|row| Block::parse(&row.value).ok());
    block.ok_or_else(|| Failure::run(format!("the stored block {height} is missing or damaged")))
}
