//! What is over is forgotten in its time, beside the machine whose rows they are.

use crate::clock;
use crate::rows::{self, TENANT};
use filexfer::{
    BackstageServer, JobId, Keeping, NoticeKind, Purge, PurgeTable, Registry, Request,
    SignedVerdict, TransferId,
};
use port::{Batch, Expect, Key, ReadSet, Store, Time, decide};
use seal::SoftKeys;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// Which rows of a server are forgotten, and when.
#[derive(Clone)]
pub(crate) struct Purging {
    pub(crate) tables: &'static [PurgeTable],
    pub(crate) keeping: Keeping,
    pub(crate) registry: Arc<Registry>,
    pub(crate) every: Duration,
}

/// A request that is old, and over.
struct Old {
    id: JobId,
    transfer: TransferId,
    is_refused: bool,
}

impl Purging {
    /// Goes through all of them now and then, until the server stops.
    pub(crate) async fn run<S: Store>(
        self,
        server: String,
        store: Arc<S>,
        mut stop: watch::Receiver<bool>,
    ) {
        loop {
            match self.round(&*store, clock::now()).await {
                Ok(0) => {}
                Ok(rows) => tracing::info!(event = "rows.purged", %server, rows),
                Err(why) => tracing::error!(event = "purge.failed", %server, %why),
            }
            tokio::select! {
                () = tokio::time::sleep(self.every) => {}
                () = async { drop(stop.wait_for(|stop| *stop).await) } => return,
            }
        }
    }

    /// How much was forgotten.
    async fn round<S: Store>(&self, store: &S, now: Time) -> Result<usize, String> {
        // Which requests are over is known from their results: before those are forgotten.
        let is_backstage = self.tables.contains(&PurgeTable::Inbox);
        let old = if is_backstage { self.old_requests(store, now).await? } else { Vec::new() };
        let rows = self.tables(store, now).await?;
        Ok(rows + self.forget(store, old).await?)
    }

    async fn tables<S: Store>(&self, store: &S, now: Time) -> Result<usize, String> {
        let mut rows = 0;
        for table in self.tables {
            let mut after = None;
            loop {
                let purge = Purge::new(TENANT, self.keeping, now, *table, after);
                let mut purge = purge.by(Arc::clone(&self.registry));
                let purged = decide(store, &SoftKeys::new(), &mut purge).await;
                let purged = purged.map_err(|why| why.to_string())?;
                rows += purged.rows;
                after = purged.next;
                if after.is_none() {
                    break;
                }
                tokio::task::yield_now().await;
            }
        }
        Ok(rows)
    }

    /// A backstage server's requests that are over, and were made so long ago that they may be forgotten.
    async fn old_requests<S: Store>(&self, store: &S, now: Time) -> Result<Vec<Old>, String> {
        let mut old = Vec::new();
        rows::each(store, rows::requests(), |_, row| {
            let request = Request::parse(&row.value).map_err(|why| why.to_string())?;
            if now >= request.made.plus_ms(self.keeping.jobs_ms()) {
                let transfer = request.transfer().map_err(|why| why.to_string())?;
                old.push(Old { id: request.id, transfer, is_refused: false });
            }
            Ok(true)
        })
        .await?;
        let mut over = Vec::new();
        for mut request in old {
            let keys = vec![row(rows::verdicts(), request.id)?, self.result(&request)?];
            let found = store.read(&ReadSet::points(keys)).await.map_err(|why| why.to_string())?;
            let [verdict, result] = &found.points[..] else { continue };
            let verdict = verdict.as_ref().map(|row| SignedVerdict::parse(&row.value)).transpose();
            let verdict = verdict.map_err(|why| why.to_string())?;
            request.is_refused = verdict.is_some_and(|signed| signed.verdict.outcome.is_err());
            if request.is_refused || result.is_some() {
                over.push(request);
            }
        }
        Ok(over)
    }

    /// Requests whose results are forgotten by now, with their verdicts.
    async fn forget<S: Store>(&self, store: &S, old: Vec<Old>) -> Result<usize, String> {
        let mut rows = 0;
        for request in old {
            let want = ReadSet::points([self.result(&request)?]);
            let found = store.read(&want).await.map_err(|why| why.to_string())?;
            if !request.is_refused && found.points.iter().any(Option::is_some) {
                continue;
            }
            let mut batch = Batch::new();
            let tables = [rows::requests(), rows::verdicts(), rows::manifests()];
            for table in tables {
                batch.delete(row(table, request.id)?, Expect::Any);
            }
            // Without a requirement there is no conflict.
            let _ = store.commit(&batch).await.map_err(|why| why.to_string())?;
            rows += 1;
        }
        Ok(rows)
    }

    /// Where the result of a request lies.
    fn result(&self, request: &Old) -> Result<Key, String> {
        let id = NoticeKind::Result.idempotency(&request.transfer, self.registry.site());
        BackstageServer::inbox(TENANT).raw(&id).map_err(|why| why.to_string())
    }
}

fn row(table: Key, id: JobId) -> Result<Key, String> {
    table.raw(&id.0).map_err(|why| why.to_string())
}
