//! What a backstage server has stored of its requests, and how far they are.

use crate::control::Standing;
use crate::rows::{self, TENANT};
use filexfer::{BackstageServer, JobId, Notice, NoticeKind, Reason, Request, SignedVerdict, State};
use port::Store;
use serde_json::{Value, json};
use std::collections::{BTreeMap, VecDeque};

/// Everything that a backstage server has stored.
pub(super) struct Records {
    pub(super) requests: Vec<Request>,
    verdicts: BTreeMap<JobId, SignedVerdict>,
    pub(super) results: BTreeMap<JobId, Notice>,
    arrivals: Vec<Notice>,
    /// The destination's application has it, and the destination signed that.
    pub(super) handed_over: BTreeMap<JobId, Notice>,
}

impl Records {
    pub(super) async fn read<S: Store>(store: &S) -> Result<Self, String> {
        let damaged = |why: port::WireError| format!("a stored row is damaged: {why}");
        let mut records = Self {
            requests: Vec::new(),
            verdicts: BTreeMap::new(),
            results: BTreeMap::new(),
            arrivals: Vec::new(),
            handed_over: BTreeMap::new(),
        };
        for (_, row) in rows::all(store, rows::requests()).await? {
            records.requests.push(Request::parse(&row.value).map_err(damaged)?);
        }
        for (_, row) in rows::all(store, rows::verdicts()).await? {
            let signed = SignedVerdict::parse(&row.value).map_err(damaged)?;
            records.verdicts.insert(signed.verdict.id, signed);
        }
        for (_, row) in rows::all(store, BackstageServer::inbox(TENANT)).await? {
            let notice = Notice::parse(&row.value).map_err(damaged)?;
            match notice.kind {
                NoticeKind::Result => {
                    records.results.insert(notice.id, notice);
                }
                NoticeKind::Arrival => records.arrivals.push(notice),
                NoticeKind::HandedOver => {
                    records.handed_over.insert(notice.id, notice);
                }
            }
        }
        records.requests.sort_by_key(|request| request.made);
        Ok(records)
    }

    pub(super) fn stand(&self, id: &JobId) -> Stand {
        let verdict = self.verdicts.get(id).map(|signed| signed.verdict.outcome);
        let result = self.results.get(id).map(|notice| Stand::Over(notice.state));
        result.or(verdict.map(Stand::Judged)).unwrap_or(Stand::Asked)
    }

    pub(super) fn unanswered(&self) -> VecDeque<Request> {
        let is_open = |request: &&Request| {
            !self.verdicts.contains_key(&request.id) && !self.results.contains_key(&request.id)
        };
        self.requests.iter().filter(is_open).cloned().collect()
    }

    pub(super) fn describe(&self, wanted: Option<JobId>) -> Value {
        let is_wanted = |id: &JobId| wanted.is_none_or(|wanted| wanted == *id);
        let requests = self.requests.iter().filter(|request| is_wanted(&request.id)).map(|request| {
            let result = self.results.get(&request.id);
            let Standing { state, code, why, is_over } = self.stand(&request.id).standing();
            let file = result.and_then(|notice| notice.file);
            json!({
                "id": request.id.to_string(),
                "from": request.sender,
                "to": request.destination,
                "name": request.file.name,
                "made": request.made.to_string(),
                "state": state,
                "code": code,
                "why": why,
                "published_as": result.map(|notice| notice.name.as_str()).filter(|name| !name.is_empty()),
                "size": file.map(|(size, _)| size),
                "root": file.map(|(_, root)| crate::hex::text(&root)),
                "receipts": result.map_or(0, |notice| notice.receipts.len()),
                "is_handed_over": self.handed_over.contains_key(&request.id),
                "is_over": is_over,
            })
        });
        let arrivals = self.arrivals.iter().filter(|notice| is_wanted(&notice.id)).map(|notice| {
            json!({
                "id": notice.id.to_string(),
                "requester": notice.requester,
                "name": notice.name,
                "size": notice.file.map(|(size, _)| size),
                "root": notice.file.map(|(_, root)| crate::hex::text(&root)),
            })
        });
        json!({
            "requests": requests.collect::<Vec<Value>>(),
            "arrivals": arrivals.collect::<Vec<Value>>(),
        })
    }
}

/// How far a request is.
#[derive(Clone, Copy)]
pub(super) enum Stand {
    Asked,
    Judged(Result<(), Reason>),
    Over(State),
}

impl Stand {
    pub(super) fn standing(self) -> Standing {
        let (state, code, why) = match self {
            Self::Asked => ("asked", None, None),
            Self::Judged(Ok(())) => ("accepted", None, None),
            Self::Judged(Err(why)) => rows::words(State::Refused(why)),
            Self::Over(state) => rows::words(state),
        };
        let is_over = !matches!(self, Self::Asked | Self::Judged(Ok(())));
        Standing { state: state.into(), code, why, is_over }
    }
}
