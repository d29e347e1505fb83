//! Rows beside those of the machines, and states in words.

use filexfer::State;
use port::{CrateTag, Key, Row, Scan, Store, Tenant};

/// All rows under a prefix, up to a bound.
pub(crate) async fn all<S: Store>(store: &S, prefix: Key) -> Result<Vec<(Key, Row)>, String> {
    let mut rows: Vec<(Key, Row)> = Vec::new();
    loop {
        let after = rows.last().map(|(key, _)| key.clone());
        let scan = Scan { prefix: prefix.clone(), after, limit: Scan::ROWS_MAX };
        let page = store.read(&port::ReadSet::scan(scan)).await.map_err(|why| why.to_string())?;
        let page = page.scans.into_iter().next().unwrap_or_default();
        let is_last = page.len() < Scan::ROWS_MAX;
        rows.extend(page);
        if is_last || rows.len() >= ROWS_MAX {
            return Ok(rows);
        }
    }
}

/// Requests that a backstage server's application made.
pub(crate) fn requests() -> Key {
    Key::new(CrateTag::PORT, TENANT, REQUESTS)
}

/// The verdicts about them.
pub(crate) fn verdicts() -> Key {
    Key::new(CrateTag::PORT, TENANT, VERDICTS)
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
    let bytes = crate::hex::bytes(&text);
    bytes.map(filexfer::JobId).ok_or_else(|| format!("{text:?} is no id of 32 digits"))
}

/// Each server has a store of its own, so that there is one tenant.
pub(crate) const TENANT: Tenant = Tenant::new(1);

const REQUESTS: u8 = 161;
const VERDICTS: u8 = 162;
const ROWS_MAX: usize = 1_000_000;
