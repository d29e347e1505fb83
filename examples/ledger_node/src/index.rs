//! What happened to which thing, and where that stands in the log: rows beside the chain's, brought up to date when somebody asks.

use crate::documents::commit;
use crate::failure::Failure;
use crate::rows::{self, Table};
use crate::vouchers::{self, Change};
use ledger::{Body, Chain, FileId, Height, Record, ThingKey};
use port::{Batch, Expect, Key, Store};
use std::collections::BTreeMap;

/// A record, and its place in the log.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) record: Record,
    pub(crate) index: u64,
}

/// Reads blocks up to the chain's newest one into the index.
pub(crate) async fn catch_up<S: Store>(store: &S, chain: &Chain) -> Result<(), Failure> {
    while !advance(store, chain).await? {}
    Ok(())
}

/// Reads some more blocks into the index; whether it is up to date now.
pub(crate) async fn advance<S: Store>(store: &S, chain: &Chain) -> Result<bool, Failure> {
    let mark = Table::Indexed.prefix();
    let row = rows::one(store, mark.clone()).await?;
    let known = row.as_ref().and_then(|row| row.value[..].try_into().ok()).map(u64::from_be_bytes);
    let first = Height(known.unwrap_or(0));
    let mut height = first;
    let mut batch = Batch::with_capacity(Batch::OPS_MAX);
    let mut requested = BTreeMap::new();
    while height < chain.next_height().min(first.after(BLOCKS)) {
        let block = rows::block(store, height).await?;
        // A block with more than fits is an index of its own, in several batches: what was written twice is the same.
        if !batch.is_empty() && batch.ops().len() + 2 * block.transactions.len() >= ROWS {
            break;
        }
        if block.transactions.iter().any(|it| vouchers::is_change(chain, &it.body)) {
            let row = Table::Changes.prefix().number(height.0).map_err(Failure::run)?;
            batch.put(row, Expect::Any, vec![1]);
        }
        for (place, transaction) in (0..).zip(&block.transactions) {
            if batch.ops().len() >= ROWS {
                commit(store, &std::mem::take(&mut batch)).await?;
                requested.clear();
            }
            let concerned = transaction.concerns().map_err(Failure::run)?;
            let thing = match (&transaction.body, concerned) {
                (Body::Register(it), Some(file)) => {
                    requested.insert(file, it.thing);
                    let row = Table::Files.row(&file.0)?;
                    batch.put(row, Expect::Any, it.thing.0.to_vec());
                    Some(it.thing)
                }
                (_, Some(file)) => match requested.get(&file) {
                    Some(thing) => Some(*thing),
                    None => thing_of(store, chain, file).await?,
                },
                (_, None) => None,
            };
            let Some(thing) = thing else { continue };
            let row = rows::thing(thing, height, place).map_err(Failure::run)?;
            batch.put(row, Expect::Any, vec![1]);
        }
        height = height.next();
    }
    if height > first {
        batch.put(mark, Expect::Any, height.0.to_be_bytes().to_vec());
        commit(store, &batch).await?;
    }
    Ok(height >= chain.next_height())
}

/// Everything that happened to a thing, in order; the index has to be up to date.
pub(crate) async fn history<S: Store>(store: &S, thing: ThingKey) -> Result<Vec<Entry>, Failure> {
    let prefix = Table::Things.prefix().raw(&thing.0).map_err(Failure::run)?;
    let mut history = Vec::new();
    for (key, _) in rows::all(store, prefix).await? {
        let (height, place) = position(&key).ok_or_else(|| Failure::run("a row is damaged"))?;
        let block = rows::block(store, height).await?;
        let header = &block.header.header;
        let count = u64::try_from(block.transactions.len()).map_err(Failure::run)?;
        let first = header.log_size.saturating_sub(count);
        let at = usize::try_from(place).map_err(Failure::run)?;
        let record = block.records().nth(at).ok_or_else(|| Failure::run("a row is damaged"))?;
        history.push(Entry { record, index: first.saturating_add(place) });
    }
    Ok(history)
}

/// Every change among those who vouch for blocks, from a height on; the index has to be up to date. Those before a snapshot are as they were
/// shown with it.
pub(crate) async fn changes<S: Store>(
    store: &S,
    chain: &Chain,
    from: Height,
) -> Result<Vec<Change>, Failure> {
    let mut changes = Vec::new();
    for (_, row) in rows::all(store, Table::Shown.prefix()).await? {
        let change = serde_json::from_slice(&row.value);
        changes.push(change.map_err(|_| Failure::run("a row is damaged"))?);
    }
    for (key, _) in rows::all(store, Table::Changes.prefix()).await? {
        let height = key.as_bytes().get(Key::HEAD_BYTES..).and_then(|it| it.try_into().ok());
        let height = height.map(u64::from_be_bytes).map(Height);
        let height = height.ok_or_else(|| Failure::run("a row is damaged"))?;
        if height >= from {
            changes.extend(vouchers::changes(chain, &rows::block(store, height).await?)?);
        }
    }
    Ok(changes)
}

/// The thing that a file is about, or was: one that was purged is known by its request.
pub(crate) async fn thing_of<S: Store>(
    store: &S,
    chain: &Chain,
    file: FileId,
) -> Result<Option<ThingKey>, Failure> {
    if let Some(file) = chain.state().file(file) {
        return Ok(Some(file.thing));
    }
    let row = rows::one(store, Table::Files.row(&file.0)?).await?;
    Ok(row.and_then(|row| row.value[..].try_into().ok()).map(ThingKey))
}

fn position(key: &Key) -> Option<(Height, u64)> {
    let rest = key.as_bytes().get(Key::HEAD_BYTES + 32..)?;
    let number = |from: usize| rest.get(from..from + 8)?.try_into().ok().map(u64::from_be_bytes);
    Some((Height(number(0)?), number(8)?))
}

/// Beside the mark, a row for a change, and two for a transaction.
const ROWS: usize = Batch::OPS_MAX - 4;
/// So many blocks are read before what they hold is written.
const BLOCKS: u64 = 500;
