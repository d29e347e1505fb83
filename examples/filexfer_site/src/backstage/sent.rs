//! Packs that an earlier process left behind.

use super::records::Records;
use crate::packs::{Packs, is_pack};
use crate::rows::{self, TENANT};
use filexfer::{BackstageServer, JobId, Notice};
use port::{Batch, Expect, ReadSet, Store};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The packs whose requests are not over. Others are removed, and so are packs that arrived and were taken.
pub(super) async fn open<S: Store>(
    packs: &Arc<Packs>,
    records: &Records,
    store: &S,
) -> Result<BTreeMap<JobId, String>, String> {
    let mut sent = BTreeMap::new();
    let mut over = Batch::new();
    for (key, found) in rows::all(store, rows::packs()).await? {
        let id = key.as_bytes().last_chunk().copied().map(JobId);
        let (Some(id), Ok(name)) = (id, std::str::from_utf8(&found.value)) else {
            return Err("a stored row is damaged: the name of a pack".into());
        };
        if !records.results.contains_key(&id) {
            sent.insert(id, name.to_owned());
        } else if over.ops().len() < Batch::OPS_MAX {
            packs.forget(name);
            over.delete(key, Expect::Any);
        }
    }
    if !over.ops().is_empty() {
        // Without a requirement there is no conflict.
        let _ = store.commit(&over).await.map_err(|why| why.to_string())?;
    }
    for arrived in taken(records, store).await? {
        packs.forget(&arrived.name);
    }
    Ok(sent)
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
