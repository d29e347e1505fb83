//! Packs that an earlier process left behind.

use super::records::Records;
use crate::packs::{Packs, is_pack};
use crate::rows::{self, TENANT};
use filexfer::{BackstageServer, JobId, Notice};
use port::{Batch, Expect, Key, ReadSet, Store};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The packs whose requests are not over. Others are removed: of requests that are, of which nothing was recorded, and those that
/// arrived and were taken.
pub(super) async fn open<S: Store>(
    packs: &Arc<Packs>,
    records: &Records,
    store: &S,
) -> Result<BTreeMap<JobId, String>, String> {
    let requests: BTreeSet<JobId> = records.requests.iter().map(|request| request.id).collect();
    let (mut sent, mut over) = (BTreeMap::new(), Vec::new());
    for (key, found) in rows::all(store, rows::packs()).await? {
        let id = key.as_bytes().last_chunk().copied().map(JobId);
        let (Some(id), Ok(name)) = (id, std::str::from_utf8(&found.value)) else {
            return Err("a stored row is damaged: the name of a pack".into());
        };
        let is_over = !requests.contains(&id) || records.stand(&id).standing(false).is_over;
        if is_over {
            over.push((key, name.to_owned()));
        } else {
            sent.insert(id, name.to_owned());
        }
    }
    let names = over.iter().map(|(_, name)| name.clone());
    let taken = taken(records, store).await?.into_iter().map(|notice| notice.name.clone());
    let gone: Vec<String> = names.chain(taken).collect();
    let known: BTreeSet<String> = sent.values().cloned().collect();
    Arc::clone(packs).sweep(known, gone).await?;
    // Not before: while its row is there a pack is found again.
    forget(store, over.into_iter().map(|(key, _)| key).collect()).await?;
    Ok(sent)
}

async fn forget<S: Store>(store: &S, rows: Vec<Key>) -> Result<(), String> {
    for some in rows.chunks(Batch::OPS_MAX) {
        let mut batch = Batch::new();
        for key in some {
            batch.delete(key.clone(), Expect::Any);
        }
        // Without a requirement there is no conflict.
        let _ = store.commit(&batch).await.map_err(|why| why.to_string())?;
    }
    Ok(())
}

/// Packs that arrived, and that this server has signed for.
async fn taken<'a, S: Store>(records: &'a Records, store: &S) -> Result<Vec<&'a Notice>, String> {
    let arrived = records.arrivals.iter().filter(|notice| is_pack(&notice.name, &notice.id));
    let arrived: Vec<&Notice> = arrived.collect();
    let mut taken = Vec::new();
    for some in arrived.chunks(READ_TOGETHER) {
        let receipts = BackstageServer::receipts(TENANT);
        let keys = some.iter().map(|notice| receipts.clone().raw(&notice.transfer.0));
        let keys = keys.collect::<Result<Vec<_>, _>>().map_err(|why| why.to_string())?;
        let found = store.read(&ReadSet::points(keys)).await.map_err(|why| why.to_string())?;
        let receipted = some.iter().zip(found.points).filter(|(_, row)| row.is_some());
        taken.extend(receipted.map(|(notice, _)| *notice));
    }
    Ok(taken)
}

const READ_TOGETHER: usize = 256;
