//! Is the trail whole? Record by record, beside the machine that goes on writing it.

use crate::hex;
use crate::rows;
use filexfer::{Trail, TrailCheck};
use port::{ReadSet, Store, Tenant};
use serde_json::{Value, json};

/// Verifies the trail up to where it stands now, in the memory of one page.
pub(crate) async fn verify<S: Store>(store: &S, tenant: Tenant) -> Result<Value, String> {
    // First: what is recorded from now on lies behind it.
    let found = store.read(&ReadSet::points([Trail::head_key(tenant)])).await;
    let found = found.map_err(|why| why.to_string())?;
    let row = found.points.first().and_then(Option::as_ref);
    let trail = Trail::resume(tenant, row.map(|row| &row.value[..]));
    let head = trail.map_err(|why| why.to_string())?.head();
    let (mut check, mut wrong) = (TrailCheck::new(), None);
    rows::each(store, Trail::table(tenant), |_, row| {
        if check.records() < head.count {
            wrong = check.row(&row.value).err();
        }
        Ok(wrong.is_none() && check.records() < head.count)
    })
    .await?;
    let records = check.records();
    let whole = wrong.map_or_else(|| check.finish(head), Err);
    Ok(match whole {
        Ok(()) => json!({ "is_whole": true, "records": records, "head": hex::text(&head.link) }),
        Err(why) => json!({ "is_whole": false, "first_wrong": why.number }),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use port::{Batch, Commit, Expect, MemoryStore, Time};
    use seal::Audit;

    const TENANT: Tenant = rows::TENANT;

    async fn commit(store: &MemoryStore, batch: &Batch) {
        assert!(matches!(store.commit(batch).await, Ok(Commit::Applied(_))));
    }

    async fn written(records: u64) -> MemoryStore {
        let store = MemoryStore::new();
        let mut trail = Trail::new(TENANT);
        for n in 0..records {
            let mut batch = Batch::new();
            let record = Audit {
                at: Time::from_ms(n),
                tenant: TENANT,
                action: "filexfer.job.accepted".into(),
                actor: b"b1"[..].into(),
                subject: n.to_be_bytes().to_vec().into(),
                reasons: vec![],
                policy: [1; 32],
                correlation: [2; 16],
            };
            trail.record(&mut batch, &record).unwrap();
            trail.seal(&mut batch, Expect::Any);
            commit(&store, &batch).await;
        }
        store
    }

    async fn verified(store: &MemoryStore) -> Value {
        verify(store, TENANT).await.unwrap()
    }

    #[tokio::test]
    async fn a_trail_of_several_pages_is_verified_to_its_end_and_no_further() {
        assert_eq!(verified(&written(0).await).await["records"], 0);
        let store = written(2_500).await;
        // Written while the others are read: it has no head here yet.
        let mut later = Batch::new();
        later.put(Trail::table(TENANT).number(2_500).unwrap(), Expect::Absent, vec![9; 80]);
        commit(&store, &later).await;
        let whole = verified(&store).await;
        assert_eq!((&whole["is_whole"], &whole["records"]), (&true.into(), &2_500.into()));
    }

    #[tokio::test]
    async fn what_was_changed_or_is_missing_shows_on_whichever_page_it_is() {
        for number in [0, 999, 1_000, 2_499] {
            let key = Trail::table(TENANT).number(number).unwrap();
            let mut change = Batch::new();
            change.put(key.clone(), Expect::Any, vec![1; 80]);
            let mut removal = Batch::new();
            removal.delete(key, Expect::Any);
            for batch in [change, removal] {
                let store = written(2_500).await;
                commit(&store, &batch).await;
                let wrong = verified(&store).await;
                assert_eq!(wrong, json!({ "is_whole": false, "first_wrong": number }));
            }
        }
    }
}
