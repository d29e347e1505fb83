//! Rows beside those of the machines, and states in words.

use crate::files::Files;
use filexfer::{Place, State, TransferId};
use port::{CrateTag, Key, ReadSet, Row, Scan, Store, Tenant};

/// Each row under a prefix, in order, in the memory of one page; until `take` wants no more.
pub(crate) async fn each<S: Store>(
    store: &S,
    prefix: Key,
    mut take: impl FnMut(&Key, &Row) -> Result<bool, String> + Send,
) -> Result<(), String> {
    let mut after = None;
    loop {
        let scan = Scan { prefix: prefix.clone(), after, limit: Scan::ROWS_MAX };
        let page = store.read(&ReadSet::scan(scan)).await.map_err(|why| why.to_string())?;
        let page = page.scans.into_iter().next().unwrap_or_default();
        for (key, row) in &page {
            if !take(key, row)? {
                return Ok(());
            }
        }
        if page.len() < Scan::ROWS_MAX {
            return Ok(());
        }
        after = page.into_iter().next_back().map(|(key, _)| key);
        // A store may answer without waiting: others have their turn.
        tokio::task::yield_now().await;
    }
}

/// All rows under a prefix. More than there is memory for are a fault: some of them for all would be wrong.
pub(crate) async fn all<S: Store>(store: &S, prefix: Key) -> Result<Vec<(Key, Row)>, String> {
    up_to(store, prefix, ROWS_MAX).await
}

async fn up_to<S: Store>(store: &S, prefix: Key, most: usize) -> Result<Vec<(Key, Row)>, String> {
    let mut rows: Vec<(Key, Row)> = Vec::new();
    each(store, prefix, |key, row| {
        if rows.len() >= most {
            return Err(format!("there are more than {most} rows: keep them for a shorter time"));
        }
        rows.push((key.clone(), row.clone()));
        Ok(true)
    })
    .await?;
    Ok(rows)
}

/// By which row of a transfer unpublished content is known to be left over.
pub(crate) enum Left {
    /// One of this table is there: the transfer is over.
    If(Key),
    /// None is: no job has it.
    Unless(Key),
}

/// Removes unpublished content of transfers that are over: a stop between the last commit and the removal leaves it.
pub(crate) async fn sweep<S: Store>(
    store: &S,
    files: Option<&Files>,
    places: &[Place],
    left: Left,
) -> Result<(), String> {
    let Some(files) = files else { return Ok(()) };
    let (Left::If(table) | Left::Unless(table)) = &left;
    let is_over = async |transfer: &TransferId| {
        let key = table.clone().raw(&transfer.0).map_err(|why| why.to_string())?;
        let rows = store.read(&ReadSet::points([key])).await.map_err(|why| why.to_string())?;
        let is_there = rows.points.first().is_some_and(Option::is_some);
        Ok::<bool, String>(is_there == matches!(left, Left::If(_)))
    };
    for transfer in files.kept_transfers().map_err(|why| why.to_string())? {
        if is_over(&transfer).await? {
            files.forget(&transfer);
        }
    }
    for place in places {
        let held = files.unpublished(place).map_err(|why| why.to_string())?;
        for transfer in held.keys() {
            if is_over(transfer).await? {
                tracing::info!(event = "content.swept", ?transfer, ?place);
                files.discard(transfer, place).await.map_err(|why| why.to_string())?;
            }
        }
    }
    Ok(())
}

/// Requests that a backstage server's application made.
pub(crate) fn requests() -> Key {
    Key::new(CrateTag::PORT, TENANT, REQUESTS)
}

/// The verdicts about them.
pub(crate) fn verdicts() -> Key {
    Key::new(CrateTag::PORT, TENANT, VERDICTS)
}

/// The manifests of the packs that were sent, by the ids of their requests.
pub(crate) fn manifests() -> Key {
    Key::new(CrateTag::PORT, TENANT, MANIFESTS)
}

/// The packs that were sent and may still lie in the sender's folder, by the ids of their requests: their names.
pub(crate) fn packs() -> Key {
    Key::new(CrateTag::PORT, TENANT, PACKS)
}

/// A state, its stable number if it has one, and words for it.
pub(crate) fn words(state: State) -> (&'static str, Option<u32>, Option<String>) {
    match state {
        State::Received => ("received", None, None),
        State::Refused(why) => ("refused", Some(why.code()), Some(why.to_string())),
        State::Accepted => ("accepted", None, None),
        State::Scheduled => ("scheduled", None, None),
        State::Waiting => ("waiting", None, None),
        State::Transferring => ("transferring", None, None),
        State::Verifying => ("verifying", None, None),
        State::Delivered => ("delivered", None, None),
        State::Acknowledged => ("acknowledged", None, None),
        State::Failed(why) => ("failed", Some(why.code()), Some(why.to_string())),
        State::Cancelled => ("cancelled", None, None),
        State::Expired => ("expired", None, None),
    }
}

/// A job's id, as people write it.
pub(crate) fn job_id(text: &str) -> Result<filexfer::JobId, String> {
    let text = text.trim().to_ascii_lowercase();
    let bytes = crate::hex::bytes::<16>(&text);
    bytes
        .map(|bytes| filexfer::JobId(*bytes))
        .ok_or_else(|| format!("{text:?} is no id of 32 digits"))
}

/// Each server has a store of its own, so that there is one tenant.
pub(crate) const TENANT: Tenant = Tenant::new(1);

const REQUESTS: u8 = 161;
const VERDICTS: u8 = 162;
const MANIFESTS: u8 = 163;
const PACKS: u8 = 164;
const ROWS_MAX: usize = 1_000_000;

#[cfg(test)]
mod tests {
    use super::*;
    use port::{Batch, Commit, Expect, MemoryStore};

    #[tokio::test]
    async fn more_rows_than_are_read_are_a_fault_and_not_fewer_rows() {
        let store = MemoryStore::new();
        for number in 0..2_100 {
            let mut batch = Batch::new();
            batch.put(requests().number(number).unwrap(), Expect::Any, vec![1]);
            assert!(matches!(store.commit(&batch).await, Ok(Commit::Applied(_))));
        }
        assert_eq!(up_to(&store, requests(), 2_100).await.unwrap().len(), 2_100);
        assert!(up_to(&store, requests(), 2_099).await.unwrap_err().contains("more than 2099"));
        assert_eq!(up_to(&store, verdicts(), 0).await.unwrap().len(), 0);
    }
}
